/**
 * What the checks of cards in readers share: an economy, cards of its owners in virtual readers, torn out at a given command,
 * the commands of `tally` as processes, and the service of the lab that they run in (`tally card lab`).
 */

import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PcscPlaces } from "../../host/cards/pcsc-places.js";
import type { CardPlace, PlaceEvent, PlaceState } from "../../host/cards/place.js";
import { LAB_VARIABLE, READERS_AN_ENTRY } from "../../host/cli/card-vpcd.js";
import { openOwnersChips } from "../../host/world/card.js";
import { FolderHome } from "../../host/world/home.js";
import { createWorld } from "../../host/world/init.js";
import { partsIn } from "../../host/world/wallet.js";
import { Card, type CardApplication } from "../../simulator/card/card.js";
import { CardInVirtualReader, VPCD_PORT } from "../../simulator/card/vpcd.js";
import { type Child, type Ended, tallyProcess } from "../support/processes.js";
import type { ReaderCheck } from "./lab.js";

/** The lab's readers, as its pcscd names them, with their ports: two for each entry of its configuration. */
export const FIRST_PORT = VPCD_PORT;

export function readerName(index: number): string {
  return `Lab ${Math.floor(index / READERS_AN_ENTRY)} 00 0${index % READERS_AN_ENTRY}`;
}

export function locatorOf(index: number): string {
  return `pcsc:${readerName(index)}`;
}

export function expectThat(isSo: boolean, what: string): asserts isSo {
  if (!isSo) throw new Error(`It is not so: ${what}`);
}

/** The moment in which a card is torn out: at its command of this number, before or after the chip has carried it out. */
export interface Moment {
  readonly command: number;
  readonly isDone: boolean;
}

/** A card that counts its commands, and says which one is about to be answered. */
export class CountingCard extends Card {
  commands = 0;
  moment: Moment | undefined;
  onMoment: () => void = () => undefined;

  override transmit(apdu: Uint8Array): Uint8Array {
    this.commands += 1;
    const isMoment = this.commands === this.moment?.command;
    if (isMoment && this.moment?.isDone === false) {
      this.onMoment();
      return new Uint8Array(0);
    }
    const answer = super.transmit(apdu);
    if (isMoment) this.onMoment();
    return answer;
  }
}

/** A card in one of the lab's readers. */
export class ReaderCard {
  readonly card: CountingCard;
  readonly locator: string;
  readonly #reader: CardInVirtualReader;

  constructor(applications: readonly CardApplication[], index: number) {
    this.card = new CountingCard(applications);
    this.locator = locatorOf(index);
    this.#reader = new CardInVirtualReader(this.card, { host: "127.0.0.1", port: FIRST_PORT + index });
  }

  insert(): void {
    this.#reader.insert();
  }

  remove(): void {
    this.#reader.remove();
  }
}

/** What the service's readers look like from here. */
export class Watched {
  readonly events: PlaceEvent[] = [];
  readonly failures: Error[] = [];
  readonly #places = new PcscPlaces();
  readonly #states = new Map<string, PlaceState>();
  readonly #watch;
  #wake: () => void = () => undefined;
  /** While there is no service nothing else keeps the process alive. */
  readonly #alive = setInterval(() => undefined, 2 ** 30);

  constructor() {
    this.#watch = this.#places.watch(
      (event) => {
        this.events.push(event);
        if (event.kind === "removed") this.#states.delete(event.place.locator);
        else this.#states.set(event.place.locator, event.place.state);
        this.#wake();
      },
      (error) => {
        this.failures.push(error);
        this.#wake();
      },
    );
  }

  list(): Promise<CardPlace[]> {
    return this.#places.list();
  }

  /** Waits until it is so. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Waits for a state of a place; undefined: it is not there. A card that somebody uses is there too. */
  has(locator: string, state: "card" | "empty" | undefined): Promise<void> {
    return this.until(() => {
      const now = this.#states.get(locator);
      return now === state || (state === "card" && now === "busy");
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#alive);
    await this.#watch.stop();
    await this.#places.close();
  }
}

let template: Promise<string> | undefined;

async function makeTemplate(): Promise<string> {
  const path = mkdtempSync(join(tmpdir(), "tallystick-readers-"));
  process.once("exit", () => rmSync(path, { recursive: true, force: true }));
  const world = await createWorld(partsIn(new FolderHome(path)));
  await world.close();
  return path;
}

/** An economy of its own for one check, whose owners' chips are put into readers. */
export class Economy {
  readonly watched = new Watched();
  readonly path: string;
  readonly #homes: FolderHome[] = [];
  readonly #cards: ReaderCard[] = [];
  readonly #commands: Child[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  static async open(): Promise<Economy> {
    template ??= makeTemplate();
    const path = mkdtempSync(join(tmpdir(), "tallystick-readers-"));
    cpSync(await template, path, { recursive: true });
    return new Economy(path);
  }

  /** The owner's chips on one card in the reader of this number, or on two cards from there on. */
  async insert(owner: string, index: number, isSplit = false): Promise<ReaderCard[]> {
    const home = new FolderHome(this.path);
    this.#homes.push(home);
    const chips = await openOwnersChips(partsIn(home), owner);
    const applications = chips.map(({ application }) => application);
    const cards = isSplit
      ? applications.map((each, i) => new ReaderCard([each], index + i))
      : [new ReaderCard(applications, index)];
    this.#cards.push(...cards);
    for (const card of cards) card.insert();
    for (const { locator } of cards) await this.watched.has(locator, "card");
    return cards;
  }

  /** Any card; it is taken out at the end. */
  async insertCard(card: ReaderCard): Promise<void> {
    this.#cards.push(card);
    card.insert();
    await this.watched.has(card.locator, "card");
  }

  /** A card that was torn out is put back, when the service has seen both. */
  async putBack(card: ReaderCard): Promise<void> {
    await this.watched.has(card.locator, "empty");
    card.insert();
    await this.watched.has(card.locator, "card");
  }

  start(...words: string[]): Child {
    const child = tallyProcess(["--home", this.path, "--json", ...words]);
    this.#commands.push(child);
    return child;
  }

  run(...words: string[]): Promise<Ended> {
    return this.start(...words).ended;
  }

  /** Its last line; it must be done. */
  async value<Value = Record<string, unknown>>(...words: string[]): Promise<Value> {
    const { code, out, err } = await this.run(...words);
    expectThat(code === 0, `${words.join(" ")} ends with ${code}: ${err}`);
    return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Value;
  }

  /** What an owner holds of dollars. */
  async dollars(owner: string, ...words: string[]): Promise<string> {
    const { balances } = await this.value<{ balances: { currency: string; spendable: string }[] }>(
      ...["wallet", "balance", owner, ...words],
    );
    return balances.find(({ currency }) => currency === "USD")?.spendable ?? "0.00";
  }

  /** Takes all cards out: the chips are the home's again, and every cent of them is counted. */
  async audit(): Promise<void> {
    await this.#takeOut();
    const { code, out, err } = await this.run("audit");
    expectThat(code === 0, `the audit balances: ${out}${err}`);
  }

  async #takeOut(): Promise<void> {
    for (const { locator } of this.#takeOutNow()) await this.watched.has(locator, "empty");
    for (const home of this.#homes.splice(0)) await home.close();
  }

  #takeOutNow(): ReaderCard[] {
    const cards = this.#cards.splice(0);
    for (const card of cards) card.remove();
    return cards;
  }

  async close(): Promise<void> {
    for (const child of this.#commands) child.kill("SIGKILL");
    await Promise.all(this.#commands.map(({ ended }) => ended));
    await this.#takeOut();
    await this.watched.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A check with an economy of its own. */
export function withEconomy(name: string, work: (economy: Economy) => Promise<void>): ReaderCheck {
  return {
    name,
    run: async () => {
      const economy = await Economy.open();
      try {
        await work(economy);
      } finally {
        await economy.close();
      }
    },
  };
}

/** The owner waits to be paid, in a process of its own; its address. */
export async function receiving(economy: Economy, owner: string, ...words: string[]) {
  const child = economy.start("wallet", "receive", owner, ...words);
  const { address } = await child.event<{ address: string }>("ready");
  return { child, address };
}

// The lab's service.

/** Folder of its configuration. */
export function configurationFolder(): string {
  const folder = process.env[LAB_VARIABLE];
  expectThat(folder !== undefined && folder !== "", "this runs in a lab (tally card lab)");
  return folder;
}

/** The process of the lab's service: the one that was started with its configuration. */
export function serviceProcess(): number {
  const folder = configurationFolder();
  const found = readdirSync("/proc").find((name) => {
    const words = /^\d+$/.test(name) ? commandLineOf(name) : [];
    return words.includes(folder) && /(^|\/)pcscd$/.test(words[0] ?? "");
  });
  expectThat(found !== undefined, "the lab has a service");
  return Number(found);
}

function commandLineOf(process: string): string[] {
  try {
    return readFileSync(join("/proc", process, "cmdline"), "utf8").split("\0");
  } catch {
    return []; // It has ended.
  }
}

/** Ends the service and waits until that is known here. */
export async function endService(signal: NodeJS.Signals, watched: Watched): Promise<void> {
  const failures = watched.failures.length;
  process.kill(serviceProcess(), signal);
  await watched.until(() => watched.failures.length > failures);
}

/** Starts it again, for whatever comes after this check too; it ends with this process. */
export function startService(): void {
  rmSync("/run/pcscd/pcscd.comm", { force: true });
  const words = ["--pdeathsig", "TERM", "pcscd", "--foreground", "--config", configurationFolder()];
  spawn("setpriv", words, { stdio: "ignore" }).unref();
}
