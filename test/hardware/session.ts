/** Sessions: what is sent to a card, the same to a board and to the simulator, whose answers must be the same to the byte. */

import { rmSync } from "node:fs";
import { toHex } from "../../host/codec/bytes.js";
import { CONTROL_ATR, CONTROL_RESET } from "../../host/transports/serial-frames.js";
import type { AppletName } from "../../simulator/applet-files.js";
import { BoardGone, type BoardStart, type BoardUnderTest, type Kept, type RunningBoard } from "./board.js";
import { Reference, ReferenceStore } from "./reference.js";

export type Step =
  | { readonly kind: "apdu"; readonly apdu: Uint8Array }
  | { readonly kind: "power" }
  | { readonly kind: "atr" }
  | { readonly kind: "clock"; readonly now_ms: number }
  /** What is no frame comes down the line: to the card nothing has happened. */
  | { readonly kind: "noise"; readonly bytes: Uint8Array }
  /** The board is killed, and started again with what it kept. */
  | { readonly kind: "kill" }
  /**
   * The board is killed while it works on a command, after a fraction of the time that one may take, and started again; the
   * simulator goes on from what the board kept.
   */
  | { readonly kind: "kill-within"; readonly apdu: Uint8Array; readonly fraction: number };

export interface Session {
  readonly name: string;
  readonly applets: readonly AppletName[];
  readonly seed: string;
  /** What the clock says at the beginning. */
  readonly now_ms: number;
  readonly steps: readonly Step[];
  /** Looks at the simulator after a step, to see that the session is what it is taken for. */
  readonly onStep?: (index: number, reference: Reference) => void;
}

/** Kills in commands that change what is kept, by how much of it was: nothing, a part, all. */
export interface Moments {
  before: number;
  within: number;
  after: number;
}

export interface Outcome {
  readonly apdus: number;
  /** Responses with status word 9000 or 61xx. */
  readonly good: number;
  readonly moments: Moments;
}

const SHOWN_BYTES = 64;

/** Board and simulator are not the same. */
export class Difference extends Error {
  override readonly name = "Difference";
}

/** Of long ones as much as helps. */
function shown(bytes: Uint8Array): string {
  return bytes.length <= SHOWN_BYTES
    ? toHex(bytes)
    : `${toHex(bytes.subarray(0, SHOWN_BYTES))}... (${bytes.length} bytes)`;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function isSame(a: Kept, b: Kept): boolean {
  return same(a.flash, b.flash) && same(a.registers, b.registers);
}

/** Where a kill fell, seen from what was kept. */
function momentOf(kept: Kept, before: Kept, after: Kept): keyof Moments {
  if (isSame(kept, before)) return "before";
  return isSame(kept, after) ? "after" : "within";
}

function isGood(response: Uint8Array): boolean {
  const first = response.at(-2);
  return first === 0x90 || first === 0x61;
}

/** One session on one board, beside the simulator. */
class Run {
  readonly #board: BoardUnderTest;
  readonly #session: Session;
  readonly #folder: string;
  readonly #store = new ReferenceStore();
  #reference: Reference;
  #running: RunningBoard;
  #now_ms: number;
  readonly #moments: Moments = { before: 0, within: 0, after: 0 };
  #apdus = 0;
  #good = 0;

  private constructor(board: BoardUnderTest, session: Session, folder: string, running: RunningBoard) {
    this.#board = board;
    this.#session = session;
    this.#folder = folder;
    this.#running = running;
    this.#now_ms = session.now_ms;
    this.#reference = this.#newReference();
  }

  static async start(board: BoardUnderTest, session: Session, folder: string): Promise<Run> {
    const { applets, seed, now_ms } = session;
    return new Run(board, session, folder, await board.start({ folder, applets, seed, now_ms }));
  }

  #start(): BoardStart {
    const { applets, seed } = this.#session;
    return { folder: this.#folder, applets, seed, now_ms: this.#now_ms };
  }

  #newReference(): Reference {
    return new Reference({ ...this.#session, now_ms: this.#now_ms }, this.#store);
  }

  async step(step: Step, index: number): Promise<void> {
    const { stream } = this.#running;
    switch (step.kind) {
      case "apdu":
        await this.#transmit(step.apdu, index);
        break;
      case "power":
        stream.send(Uint8Array.of(CONTROL_RESET));
        this.#reference.card.powerOn();
        break;
      case "atr":
        this.#compare(await stream.exchange(Uint8Array.of(CONTROL_ATR)), this.#reference.card.atr, index, "ATR");
        break;
      case "clock":
        this.#setClock(step.now_ms);
        break;
      case "noise":
        stream.sendRaw(step.bytes);
        break;
      case "kill":
        await this.#running.stop("kill");
        await this.#startAgain();
        break;
      case "kill-within":
        await this.#killWithin(step.apdu, step.fraction, index);
        break;
    }
    this.#session.onStep?.(index, this.#reference);
  }

  async #transmit(apdu: Uint8Array, index: number): Promise<void> {
    const expected = this.#reference.card.transmit(new Uint8Array(apdu));
    const response = await this.#running.stream.exchange(apdu);
    this.#compare(response, expected, index, shown(apdu));
    this.#apdus += 1;
    if (isGood(response)) this.#good += 1;
  }

  #setClock(now_ms: number): void {
    if (now_ms === this.#now_ms) return;
    this.#now_ms = now_ms;
    this.#reference.setClock(now_ms);
    this.#running.setClock(now_ms);
  }

  /** Only a command that changes what is kept is worth a kill; any other is exchanged. */
  async #killWithin(apdu: Uint8Array, fraction: number, index: number): Promise<void> {
    const { applets } = this.#session;
    const before = applets.map((applet) => this.#store.kept(applet));
    const expected = this.#reference.card.transmit(new Uint8Array(apdu));
    const after = applets.map((applet) => this.#store.kept(applet));
    const { stream } = this.#running;
    if (before.every((kept, i) => isSame(kept, after[i] as Kept))) {
      this.#compare(await stream.exchange(apdu), expected, index, shown(apdu));
      return;
    }
    stream.send(apdu);
    // The moment is a random one, finer than timers are: there is no event that it waits for.
    const until_ms = performance.now() + fraction * this.#board.command_ms;
    while (performance.now() < until_ms);
    await this.#running.stop("kill");
    applets.forEach((applet, i) => {
      const kept = this.#board.kept(this.#folder, applet);
      this.#moments[momentOf(kept, before[i] as Kept, after[i] as Kept)] += 1;
      this.#store.take(applet, kept);
    });
    await this.#startAgain();
  }

  async #startAgain(): Promise<void> {
    this.#running = await this.#board.start(this.#start());
    this.#reference = this.#newReference();
  }

  #compare(actual: Uint8Array, expected: Uint8Array, index: number, what: string): void {
    if (same(actual, expected)) return;
    const { name } = this.#session;
    throw new Difference(
      `${this.#board.name}, ${name}, step ${index}:\n  sent ${what}\n  board     ${shown(actual)}\n  simulator ${shown(expected)}`,
    );
  }

  get outcome(): Outcome {
    return { apdus: this.#apdus, good: this.#good, moments: this.#moments };
  }

  async end(): Promise<void> {
    await this.#running.stop("end");
    for (const applet of this.#session.applets) {
      this.#compareKept(applet, this.#board.kept(this.#folder, applet), this.#store.kept(applet));
    }
  }

  #compareKept(applet: AppletName, actual: Kept, expected: Kept): void {
    const where = `${this.#board.name}, ${this.#session.name}, ${applet}`;
    if (!same(actual.flash, expected.flash)) throw new Difference(`${where}: the flash is not the simulator's`);
    if (!same(actual.registers, expected.registers))
      throw new Difference(`${where}: the registers are not the simulator's`);
  }

  /** After a failure nobody asks how it ends. */
  async abandon(): Promise<void> {
    await this.#running.stop("kill").catch(() => undefined);
  }
}

/** Runs the session in an empty folder; throws Difference where the two part. */
export async function compareSession(board: BoardUnderTest, session: Session, folder: string): Promise<Outcome> {
  rmSync(folder, { recursive: true, force: true });
  const run = await Run.start(board, session, folder);
  let at = 0;
  try {
    for (const [index, step] of session.steps.entries()) {
      at = index;
      await run.step(step, index);
    }
    await run.end();
  } catch (error) {
    await run.abandon();
    if (!(error instanceof BoardGone)) throw error;
    throw new Difference(`${board.name}, ${session.name}, step ${at}: ${error.message}`);
  }
  rmSync(folder, { recursive: true, force: true });
  return run.outcome;
}
