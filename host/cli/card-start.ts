/** `tally card start`: puts simulated cards into readers, or plugs them into USB, and serves them until told to end. */

import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import type { CardProtocol } from "../../simulator/card/atr.js";
import { Card, type CardApplication, type ReadableCard } from "../../simulator/card/card.js";
import { SlowCard } from "../../simulator/card/slow.js";
import { T0Card } from "../../simulator/card/t0.js";
import { CardInVirtualReader, type CardReaderEvent, VPCD_PORT } from "../../simulator/card/vpcd.js";
import { CardOnUsb, type UsbEvent } from "../../simulator/usb/uhid.js";
import { APPLET_NAMED, APPLET_NAMES, type AppletName } from "../applets.js";
import { asError } from "../as-error.js";
import { ChipFactory, type ChipSort } from "../chips.js";
import { applicationOf, openOwnersChips } from "../world/card.js";
import type { WorldParts } from "../world/site.js";
import { homeIn, partsIn } from "../world/wallet.js";
import { inputLines } from "./card-input.js";
import { type GlobalOptions, homePath, outputFor } from "./context.js";
import { UsageError } from "./failure.js";
import type { Output } from "./output.js";
import { portNumber, type Stop, stopGently, tell, untilTold } from "./serving.js";

const PROTOCOLS: ReadonlyMap<string, CardProtocol> = new Map([
  ["t1", "T=1"],
  ["t0", "T=0"],
]);
const PORT_MAX = 65_535;
const DELAY_MS_MAX = 60_000;

const AFTERWORD = `
While it runs, lines on its standard input steer it; N is the number of a card (default: all of them):
  remove [N]   tear the card out of its reader
  insert [N]   put it in again
  reset [N]    cut the chips' power for a moment: PIN and channels are forgotten, what is stored is not
  status       which cards there are, and where they are
  quit         end, as Ctrl-C does`;

interface CardStartOptions extends GlobalOptions {
  readonly split?: boolean;
  readonly usb?: boolean;
  readonly blank?: readonly AppletName[];
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
  readonly delay?: number;
}

export function addCardStart(card: Command): void {
  card
    .command("start")
    .description("put the chips of owners into virtual readers as cards, until stopped")
    .addArgument(new Argument("[owners...]", "whose chips: a card for each, for example alice").default([]))
    .option("--split", "each chip of an owner on a card of its own")
    .option("--usb", "as USB devices of this computer, by /dev/uhid, and not in readers")
    .addOption(new Option("--blank <applet...>", "a blank card with these, in memory").choices(APPLET_NAMES))
    .addOption(new Option("--protocol <name>", "what the card speaks").choices([...PROTOCOLS.keys()]).default("t1"))
    .option("--host <name>", "where the virtual readers listen", hostName, "localhost")
    .option(
      "--port <number>",
      "port of the first virtual reader; further cards at the next ones",
      readerPort,
      VPCD_PORT,
    )
    .option("--delay <milliseconds>", "how long the chip takes for each command (default: as long as it takes)", delay)
    .addHelpText("after", AFTERWORD)
    .action(async (owners: readonly string[], _options: unknown, command: Command) => {
      await untilTold((stop) => start(owners, command.optsWithGlobals<CardStartOptions>(), stop));
    });
}

type PlacedEvent = CardReaderEvent | UsbEvent;

/** Where a card is put in: a virtual reader, or this computer's USB. */
interface CardReader {
  insert(): void | Promise<void>;
  remove(): void | Promise<void>;
}

/** What is on a card, before there is one. */
interface CardPlan {
  /** Undefined: it is blank. */
  readonly owner?: string;
  readonly chips: readonly { readonly sort: ChipSort; readonly application: CardApplication }[];
}

interface StartedCard {
  readonly number: number;
  readonly owner: string | null;
  readonly chips: readonly ChipSort[];
  /** For programs, and what people call it. */
  readonly place: string;
  readonly called: string;
  readonly card: ReadableCard;
  readonly reader: CardReader;
  readonly listen: (heard: ((event: PlacedEvent) => void) | undefined) => void;
  state: "inserted" | "waiting" | "unheard" | "out";
}

async function start(owners: readonly string[], options: CardStartOptions, stop: Stop): Promise<void> {
  if (owners.length === 0 && options.blank === undefined) {
    throw new UsageError("Nothing was started and no money moved. Say whose chips, or which --blank ones.");
  }
  if (options.usb === true && options.protocol !== "t1") {
    throw new UsageError("Nothing was started and no money moved. T=0 is a protocol of readers: leave --usb away.");
  }
  const output = outputFor(options);
  const parts = owners.length === 0 ? undefined : partsIn(homeIn(homePath(options)));
  const blanks = new ChipFactory();
  const cards: StartedCard[] = [];
  try {
    const plans = parts === undefined ? [] : await ownersPlans(parts, owners, options.split === true);
    if (options.blank !== undefined) plans.push({ chips: await blankChips(blanks, options.blank) });
    if (options.port + plans.length - 1 > PORT_MAX) {
      throw new UsageError(`Nothing was started and no money moved. There are too few ports from ${options.port} on.`);
    }
    for (const [index, plan] of plans.entries()) cards.push(cardOf(plan, index, options));
    const told = cards.map(({ number, owner, chips, place }) => ({ card: number, owner, chips, place }));
    const ready = `${cards.length === 1 ? "The card is" : `${cards.length} cards are`} ready. Ctrl-C ends it; --help says what can be typed.`;
    const sayReady = () =>
      output.result({ event: "ready", protocol: options.protocol, cards: told }, [...cards.map(lineOf), ready]);
    // A card waits for its reader; without USB devices of this computer's there is nothing to wait for.
    if (options.usb !== true) sayReady();
    for (const card of cards) {
      card.listen((event) => happened(output, card, event));
      await card.reader.insert();
    }
    if (options.usb === true) sayReady();
    const unsteer = inputLines((line) => steer(output, cards, line));
    await stop.told;
    unsteer();
  } finally {
    for (const { reader, listen } of cards) {
      listen(undefined);
      await reader.remove();
    }
    blanks.close();
    await parts?.home.close();
  }
}

async function ownersPlans(parts: WorldParts, owners: readonly string[], split: boolean): Promise<CardPlan[]> {
  const plans: CardPlan[] = [];
  for (const owner of new Set(owners)) {
    const chips = await openOwnersChips(parts, owner);
    plans.push(...(split ? chips.map((chip) => ({ owner, chips: [chip] })) : [{ owner, chips }]));
  }
  return plans;
}

async function blankChips(factory: ChipFactory, applets: readonly AppletName[]) {
  const chips: CardPlan["chips"][number][] = [];
  for (const applet of new Set(applets)) {
    const { sort } = APPLET_NAMED[applet];
    const chip = await factory.chip(applet, sort);
    chip.simulated.powerOff();
    chips.push({ sort, application: applicationOf(chip) });
  }
  return chips;
}

function cardOf({ owner, chips }: CardPlan, index: number, options: CardStartOptions): StartedCard {
  const applications = chips.map(({ application }) => application);
  const protocol = PROTOCOLS.get(options.protocol);
  const whole = new Card(applications, protocol);
  const [only, more] = chips;
  const named = more === undefined && only !== undefined && options.split === true ? `-${only.sort}` : "";
  return {
    number: index + 1,
    owner: owner ?? null,
    chips: chips.map(({ sort }) => sort),
    ...(options.usb === true
      ? onUsb(whole, `${owner ?? "blank"}${named}`, options)
      : inReader(protocol === "T=0" ? new T0Card(whole) : whole, index, options)),
    state: "out",
  };
}

type Placed = Pick<StartedCard, "card" | "reader" | "listen" | "place" | "called">;

function inReader(spoken: ReadableCard, index: number, { host, port, delay }: CardStartOptions): Placed {
  const card = delay === undefined ? spoken : new SlowCard(spoken, delay);
  const at = { host, port: port + index };
  const reader = new CardInVirtualReader(card, at);
  const listen: Placed["listen"] = (heard) => {
    reader.onEvent = heard;
  };
  return { card, reader, listen, ...namesOf(`${at.host}:${at.port}`, "the reader at ") };
}

function namesOf(place: string, before = ""): Pick<StartedCard, "place" | "called"> {
  return { place, called: `${before}${place}` };
}

function onUsb(card: Card, serial: string, { delay }: CardStartOptions): Placed {
  const reader = new CardOnUsb(card, serial, delay === undefined ? {} : { delay_ms: delay });
  const listen: Placed["listen"] = (heard) => {
    reader.onEvent = heard;
  };
  return { card, reader, listen, ...namesOf(`usb:${serial}`) };
}

function happened(output: Output, card: StartedCard, event: PlacedEvent): void {
  const { number, owner, place, called } = card;
  // A reader that uses a card has it in.
  card.state = event === "removed" ? "out" : event === "waiting" || event === "unheard" ? event : "inserted";
  tell(output, { event, card: number, owner, place }, `card ${number}: ${sayingOf(event, called)}`);
}

function sayingOf(event: PlacedEvent, called: string): string {
  switch (event) {
    case "inserted":
      return `inserted: ${called}`;
    case "reset":
      return "powered anew";
    case "waiting":
      return `there is no ${called.replace(/^the /, "")}; the card waits for it. "tally card doctor" says what is missing`;
    case "unheard":
      return `${called} does not ask for the card: another one is in it, or it is no virtual reader. Try another --port`;
    case "opened":
      return "a program works with it";
    case "closed":
      return "let go of";
    default:
      return event;
  }
}

function lineOf({ number, owner, chips, called }: StartedCard): string {
  return `card ${number}: ${owner === null ? "blank" : `${owner}'s`} ${chips.join(", ")}, for ${called}`;
}

function steer(output: Output, cards: readonly StartedCard[], line: string): void {
  const [verb = "", number, ...more] = line.trim().split(/\s+/);
  if (verb === "") return;
  if (verb === "quit") {
    stopGently();
    return;
  }
  const order = STEERING.get(verb);
  const chosen = number === undefined ? cards : cards.filter((card) => String(card.number) === number);
  const notUnderstood = (message: string) => tell(output, { event: "not-understood", line, message }, message);
  if (order === undefined) notUnderstood(`Understood are: ${[...STEERING.keys(), "quit"].join(", ")}.`);
  else if (more.length > 0) notUnderstood(`"${verb}" takes one number, of one card, or none for all of them.`);
  else if (chosen.length === 0) notUnderstood(`There is no such card. There are cards 1 to ${cards.length}.`);
  else for (const card of chosen) order(output, card);
}

const STEERING: ReadonlyMap<string, (output: Output, card: StartedCard) => void> = new Map([
  ["insert", (output, card) => move(output, card, "insert")],
  ["remove", (output, card) => move(output, card, "remove")],
  ["reset", cutPower],
  ["status", showState],
]);

/** What cannot be done is said, and the other cards go on. */
function move(output: Output, { number, owner, place, reader }: StartedCard, how: "insert" | "remove"): void {
  Promise.resolve()
    .then(() => reader[how]())
    .catch((error: unknown) => {
      const { message } = asError(error);
      tell(output, { event: "failed", card: number, owner, place, message }, `card ${number}: ${message}`);
    });
}

/** For a moment; the reader does not know of it. A card without power has none to lose. */
function cutPower(output: Output, { number, owner, place, card }: StartedCard): void {
  const wasOn = card.isOn;
  if (wasOn) card.powerOn();
  const line = `card ${number}: ${wasOn ? "lost its power for a moment" : "has no power"}`;
  tell(output, { event: "power-cut", card: number, owner, place, wasOn }, line);
}

function showState(output: Output, each: StartedCard): void {
  const { number, owner, chips, place, state, card } = each;
  const power = card.isOn ? "with power" : "without power";
  const event = { event: "status", card: number, owner, chips, place, state, powered: card.isOn };
  tell(output, event, `${lineOf(each)}: ${state}, ${power}`);
}

function hostName(text: string): string {
  if (text === "") throw new InvalidArgumentError("It is empty.");
  return text;
}

/** Of something that listens already: 0, any port, is none. */
function readerPort(text: string): number {
  const port = portNumber(text);
  if (port > 0) return port;
  throw new InvalidArgumentError(`It is a number from 1 to ${PORT_MAX}.`);
}

function delay(text: string): number {
  const delay_ms = Number(text);
  if (/^\d{1,5}$/.test(text) && delay_ms <= DELAY_MS_MAX) return delay_ms;
  throw new InvalidArgumentError(`It is a number of milliseconds from 0 to ${DELAY_MS_MAX}.`);
}
