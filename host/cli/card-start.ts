/** `tally card start`: puts simulated cards into readers, and serves them until told to end. */

import { createInterface } from "node:readline";
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import type { CardProtocol } from "../../simulator/card/atr.js";
import { Card, type CardApplication, type ReadableCard } from "../../simulator/card/card.js";
import { SlowCard } from "../../simulator/card/slow.js";
import { T0Card } from "../../simulator/card/t0.js";
import { CardInVirtualReader, type CardReaderEvent, VPCD_PORT } from "../../simulator/card/vpcd.js";
import { ChipFactory, type ChipSort } from "../chips.js";
import { applicationOf, openOwnersChips } from "../world/card.js";
import type { WorldParts } from "../world/site.js";
import { homeIn, partsIn } from "../world/wallet.js";
import { type GlobalOptions, homePath, outputFor } from "./context.js";
import { UsageError } from "./failure.js";
import type { Output } from "./output.js";
import { portNumber, type Stop, stopGently, tell, untilTold } from "./serving.js";

const BLANKS: ReadonlyMap<string, ChipSort> = new Map([
  ["money-module", "module"],
  ["trusted-agent", "agent"],
  ["purse", "purse"],
]);
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

export interface CardStartOptions extends GlobalOptions {
  readonly split?: boolean;
  readonly blank?: readonly string[];
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
    .addOption(new Option("--blank <applet...>", "a blank card with these, in memory").choices([...BLANKS.keys()]))
    .addOption(new Option("--protocol <name>", "what the card speaks").choices([...PROTOCOLS.keys()]).default("t1"))
    .option("--host <name>", "where the virtual readers listen", "localhost")
    .option(
      "--port <number>",
      "port of the first virtual reader; further cards at the next ones",
      portNumber,
      VPCD_PORT,
    )
    .option("--delay <milliseconds>", "how long the chip takes for each command (default: as long as it takes)", delay)
    .addHelpText("after", AFTERWORD)
    .action(async (owners: readonly string[], _options: unknown, command: Command) => {
      await untilTold((stop) => start(owners, command.optsWithGlobals<CardStartOptions>(), stop));
    });
}

/** Where a card is put in: a virtual reader, or whatever else tells the same. */
export interface CardReader {
  onEvent: ((event: CardReaderEvent) => void) | undefined;
  insert(): void;
  remove(): void;
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
  readonly place: string;
  readonly card: ReadableCard;
  readonly reader: CardReader;
  state: CardReaderEvent | "out";
}

async function start(owners: readonly string[], options: CardStartOptions, stop: Stop): Promise<void> {
  if (owners.length === 0 && options.blank === undefined) {
    throw new UsageError("Nothing was started and no money moved. Say whose chips, or which --blank ones.");
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
    const told = cards.map(({ number, owner, chips, place }) => ({ card: number, owner, chips, reader: place }));
    const ready = `${cards.length === 1 ? "The card is" : `${cards.length} cards are`} ready. Ctrl-C ends it; --help says what can be typed.`;
    output.result({ event: "ready", protocol: options.protocol, cards: told }, [...cards.map(lineOf), ready]);
    for (const card of cards) {
      card.reader.onEvent = (event) => happened(output, card, event);
      card.reader.insert();
    }
    const unsteer = steeredByInput(output, cards);
    await stop.told;
    unsteer();
  } finally {
    for (const { reader } of cards) {
      reader.onEvent = undefined;
      reader.remove();
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

async function blankChips(factory: ChipFactory, applets: readonly string[]) {
  const chips: CardPlan["chips"][number][] = [];
  for (const applet of new Set(applets)) {
    const sort = BLANKS.get(applet);
    if (sort === undefined) throw new RangeError(`applet: ${applet}`);
    const chip = await factory.chip(applet, sort);
    chip.simulated.powerOff();
    chips.push({ sort, application: applicationOf(chip) });
  }
  return chips;
}

function cardOf({ owner, chips }: CardPlan, index: number, options: CardStartOptions): StartedCard {
  const applications = chips.map(({ application }) => application);
  const protocol = PROTOCOLS.get(options.protocol);
  const spoken = protocol === "T=0" ? new T0Card(new Card(applications, protocol)) : new Card(applications, protocol);
  const card = options.delay === undefined ? spoken : new SlowCard(spoken, options.delay);
  return {
    number: index + 1,
    owner: owner ?? null,
    chips: chips.map(({ sort }) => sort),
    card,
    ...readerFor(card, index, options),
    state: "out",
  };
}

/** Every sort of reader is chosen here. */
function readerFor(card: ReadableCard, index: number, { host, port }: CardStartOptions) {
  const place = { host, port: port + index };
  return { reader: new CardInVirtualReader(card, place), place: `${place.host}:${place.port}` };
}

function happened(output: Output, card: StartedCard, event: CardReaderEvent): void {
  const { number, owner, place } = card;
  // A reader that uses a card has it in.
  card.state = event === "removed" ? "out" : event === "waiting" || event === "unheard" ? event : "inserted";
  tell(output, { event, card: number, owner, reader: place }, `card ${number}: ${sayingOf(event, place)}`);
}

function sayingOf(event: CardReaderEvent, place: string): string {
  switch (event) {
    case "inserted":
      return `inserted into the reader at ${place}`;
    case "reset":
      return "powered anew";
    case "waiting":
      return `no virtual reader listens at ${place}; the card waits for one. "tally card doctor" says what is missing`;
    case "unheard":
      return `what listens at ${place} does not ask for the card: another one is in that reader, or it is no virtual reader. Try another --port`;
    default:
      return event;
  }
}

function lineOf({ number, owner, chips, place }: StartedCard): string {
  return `card ${number}: ${owner === null ? "blank" : `${owner}'s`} ${chips.join(", ")}, for the reader at ${place}`;
}

/** Lines of standard input, until told to stop. Input that ends, or never was, ends nothing. */
function steeredByInput(output: Output, cards: readonly StartedCard[]): () => void {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => steer(output, cards, line));
  return () => {
    lines.close();
    process.stdin.destroy();
  };
}

function steer(output: Output, cards: readonly StartedCard[], line: string): void {
  const [verb = "", number, ...more] = line.trim().split(/\s+/);
  const chosen = number === undefined ? cards : cards.filter((card) => String(card.number) === number);
  if (verb === "") return;
  if (chosen.length === 0 || more.length > 0) {
    tell(output, { event: "not-understood", line }, `There is no such card. There are cards 1 to ${cards.length}.`);
    return;
  }
  switch (verb) {
    case "insert":
      for (const { reader } of chosen) reader.insert();
      return;
    case "remove":
      for (const { reader } of chosen) reader.remove();
      return;
    case "reset":
      for (const each of chosen) cutPower(output, each);
      return;
    case "status":
      for (const each of chosen) showState(output, each);
      return;
    case "quit":
      stopGently();
      return;
    default:
      tell(output, { event: "not-understood", line }, "Understood are: insert, remove, reset, status, quit.");
  }
}

/** For a moment; the reader does not know of it. A card without power has none to lose. */
function cutPower(output: Output, { number, owner, place, card }: StartedCard): void {
  const wasOn = card.isOn;
  if (wasOn) card.powerOn();
  const line = `card ${number}: ${wasOn ? "lost its power for a moment" : "has no power"}`;
  tell(output, { event: "power-cut", card: number, owner, reader: place, wasOn }, line);
}

function showState(output: Output, each: StartedCard): void {
  const { number, owner, chips, place, state, card } = each;
  const power = card.isOn ? "with power" : "without power";
  const event = { event: "status", card: number, owner, chips, reader: place, state, powered: card.isOn };
  tell(output, event, `${lineOf(each)}: ${state}, ${power}`);
}

function delay(text: string): number {
  const delay_ms = Number(text);
  if (/^\d{1,5}$/.test(text) && delay_ms <= DELAY_MS_MAX) return delay_ms;
  throw new InvalidArgumentError(`It is a number of milliseconds from 0 to ${DELAY_MS_MAX}.`);
}
