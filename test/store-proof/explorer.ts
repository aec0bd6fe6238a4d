/**
 * Leads a small store through all sequences of steps up to a length, and cuts power at every operation of every step in every
 * way of simulator/tears.ts. What a mount then finds must be exactly the contents before the step, or, once the commit entry is
 * whole, those after it. Sequences that lead to the same state are followed once.
 *
 * A cut is made from two snapshots, of before and after the operation, bit by bit as the tear says: so each step runs once, not
 * once a tear. That this is what a real cut leaves is looked at with one tear of each operation.
 */

import { createHash } from "node:crypto";
import { REASON_STORE_FULL } from "../../firmware/protocol/reasons.js";
import { type Fate, type Operation, PowerCut } from "../../simulator/faults.js";
import type { FlashGeometry } from "../../simulator/flash.js";
import { type Tear, tearsOf } from "../../simulator/tears.js";
import {
  type Change,
  type Contents,
  digestOf,
  generator,
  type Step,
  StoreDriver,
  StoreError,
  type StoreImage,
} from "../support/store-driver.js";
import { ALPHABET, begin, type Start } from "./steps.js";

export interface Bound {
  readonly geometry: FlashGeometry;
  readonly hasCounter: boolean;
  readonly starts: readonly Start[];
  /** Longest sequence. */
  readonly steps: number;
  /**
   * Sequences up to this length are also cut a second time, in the recovery from each kind of first cut; and flash fails, with
   * power on, at each of their operations.
   */
  readonly stepsCutTwice: number;
}

export interface Tally {
  /** Sequences of every length up to the longest; those that go on from a state that others reached too are followed once. */
  sequences: number;
  /** Different states of flash, counter and RAM between steps. */
  states: number;
  /** Operations of chips at which power was cut, and those among them that followed another cut. */
  cutPoints: number;
  secondCutPoints: number;
  /** Ways in which it was cut there. */
  tears: number;
  /** Torn images that were mounted: tears that leave the same bytes count once. */
  mounts: number;
  /** Operations that failed, in one way each, with power on. */
  failures: number;
  /** Operations by kind. */
  readonly operations: Record<Operation["kind"], number>;
  violations: number;
  /** The first of them. */
  readonly examples: string[];
}

const EXAMPLES_MAX = 20;
/** A failed operation has changed prefixes of at most so many lengths, besides subsets. */
const FAILURES_PREFIXES = 4;
/** Torn images of one kind in which a second cut is made. */
const IMAGES_OF_A_KIND = 2;

export function emptyTally(): Tally {
  const operations = { "flash-program": 0, "flash-erase": 0, "slot-write": 0, "counter-increment": 0 };
  const counts = { sequences: 0, states: 0, cutPoints: 0, secondCutPoints: 0, tears: 0, mounts: 0, failures: 0 };
  return { ...counts, operations, violations: 0, examples: [] };
}

/** A state that is to be followed: where it began, and the steps to it. */
interface Node {
  readonly start: StoreImage;
  readonly name: Start;
  readonly path: readonly number[];
}

/** One operation of a step, as it was about to happen. */
interface Moment {
  readonly operation: Operation;
  readonly chip: Uint8Array;
  /** The commit entry of the step itself, or what comes after it. */
  readonly isCommitting: boolean;
}

/** A step that ran to its end: its operations, and what was before and after. */
interface Run {
  readonly moments: readonly Moment[];
  readonly chipAfter: Uint8Array;
  readonly before: Contents;
  readonly after: Contents;
}

/** A torn image, and what it must contain. */
interface Torn {
  readonly chip: Uint8Array;
  readonly contents: Contents;
  readonly text: () => string;
}

export async function explore(bound: Bound, tally: Tally = emptyTally()): Promise<Tally> {
  const parts = { geometry: bound.geometry, hasCounter: bound.hasCounter };
  const driver = await StoreDriver.create("explorer", parts, undefined, "release");
  new Explorer(driver, bound, tally).run();
  return tally;
}

class Explorer {
  private readonly random = generator(20);
  private readonly digests = new WeakMap<Contents, string>();

  constructor(
    private readonly driver: StoreDriver,
    private readonly bound: Bound,
    private readonly tally: Tally,
  ) {}

  run(): void {
    const seen = new Set<string>();
    let level: Node[] = [];
    for (const name of this.bound.starts) {
      level.push({ start: begin(this.driver, name), name, path: [] });
      seen.add(this.key());
    }
    this.tally.states += level.length;
    for (let length = 1; length <= this.bound.steps; length++) {
      this.tally.sequences += this.bound.starts.length * ALPHABET.length ** length;
      level = this.follow(level, seen);
    }
    this.check(this.driver.chip.flash.violations === 0, () => "a rule of NOR flash was broken");
  }

  /** All steps from all states of one level: the new states. */
  private follow(level: readonly Node[], seen: Set<string>): Node[] {
    const next: Node[] = [];
    for (const node of level) {
      for (const letter of ALPHABET.keys()) {
        const path = [...node.path, letter];
        this.expand(node, letter, path.length <= this.bound.stepsCutTwice);
        const key = this.key();
        // A state that is known was reached by no more steps, and is followed from there.
        if (seen.has(key)) continue;
        seen.add(key);
        next.push({ ...node, path });
      }
    }
    this.tally.states += next.length;
    return next;
  }

  /** Leaves the driver in the state after the step. */
  private expand(node: Node, letter: number, isCutTwice: boolean): void {
    this.driver.restore(node.start);
    for (const [turn, each] of node.path.entries()) this.quietly(stepOf(each, turn));
    const step = stepOf(letter, node.path.length);
    const where = `${node.name}: ${[...node.path, letter].map((each) => ALPHABET[each]?.name).join("; ")}`;
    const image = this.driver.image();
    const run = this.record(step, where);
    const after = this.driver.image();
    this.checkRun(run, where);
    const kinds = this.cutEverywhere(run, where);
    this.sampleRealCuts(image, step, run, where);
    if (isCutTwice) {
      for (const torn of kinds) this.cutAgain(torn, step);
      this.failEverywhere(image, step, run, where);
    }
    this.driver.restore(after);
  }

  /** A step that may be refused for want of space. */
  private quietly(step: Step): void {
    try {
      this.driver.step(step);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  private record(step: Step, where: string): Run {
    const { driver } = this;
    const moments: Moment[] = [];
    const before = driver.contents;
    const isPromised = this.isPromised(step);
    driver.chip.onOperation = (operation) => {
      moments.push({ operation, chip: driver.chip.snapshot(), isCommitting: driver.isCommitting });
      this.tally.operations[operation.kind]++;
      return undefined;
    };
    try {
      driver.step(step);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const isFull = error.call === "storeBegin" && error.status === -REASON_STORE_FULL;
      this.check(isFull && !isPromised, () => `${where}: ${error.message}`);
    }
    driver.chip.onOperation = undefined;
    return { moments, chipAfter: driver.chip.snapshot(), before, after: driver.contents };
  }

  /** Deletions are always taken, and what the store says it takes. */
  private isPromised(step: Step): boolean {
    if (step.kind !== "transaction") return true;
    const bytes = step.changes.reduce((sum, change: Change) => sum + (change.length ?? 0), 0);
    const { store } = this.driver;
    const isDeletion = step.changes.every((change) => change.length === undefined);
    return isDeletion || (store.storeFreeRecords() >= step.changes.length && store.storeFreeBytes() >= bytes);
  }

  /** After a step the store contains what it must, and a mount of the same flash agrees with RAM in all it says. */
  private checkRun(run: Run, where: string): void {
    const { driver } = this;
    this.check(this.answers() === this.digest(run.after), () => `${where}: wrong contents`);
    const ram = this.view();
    driver.reboot();
    const mounted = this.view();
    if (ram === undefined || mounted === undefined) {
      this.check(false, () => `${where}: the store does not work, or cannot be mounted`);
      return;
    }
    // Pages that were erased for what was never committed are counted in RAM only.
    const isWearKnown = mounted.wear.minimum === ram.wear.minimum && mounted.wear.total <= ram.wear.total;
    const isSameRoom = mounted.bytes === ram.bytes && mounted.records === ram.records;
    this.check(isWearKnown && isSameRoom, () => `${where}: RAM and a mount disagree`);
  }

  /** Room and wear, as the store says; undefined if it is closed. */
  private view() {
    const { store } = this.driver;
    try {
      return { bytes: store.storeFreeBytes(), records: store.storeFreeRecords(), wear: this.driver.wear() };
    } catch (error) {
      if (error instanceof StoreError) return undefined;
      throw error;
    }
  }

  /** Every tear of every operation of a step. Some images of each kind that a mount tells apart. */
  private cutEverywhere(run: Run, where: string, isSecond = false): Torn[] {
    const kinds = new Map<string, Torn[]>();
    for (const [index, moment] of run.moments.entries()) {
      this.tally.cutPoints++;
      if (isSecond) this.tally.secondCutPoints++;
      const chipAfter = run.moments[index + 1]?.chip ?? run.chipAfter;
      for (const torn of this.tornImages(moment, chipAfter, run, `${where}, cut at ${index}`)) {
        const kind = this.mountTorn(torn);
        const same = kinds.get(kind) ?? [];
        kinds.set(kind, same);
        if (same.length < IMAGES_OF_A_KIND) same.push(torn);
        else same[same.length - 1] = torn;
      }
    }
    return [...kinds.values()].flat();
  }

  /** The different images that the tears of one operation leave. */
  private *tornImages(moment: Moment, chipAfter: Uint8Array, run: Run, where: string): Generator<Torn> {
    const { operation } = moment;
    const seen = new Set<string>();
    const start = operation.address;
    const end = start + operation.lengthBytes;
    for (const tear of tearsOf(operation, this.bound.geometry.wordSizeBytes, this.random)) {
      this.tally.tears++;
      const chip = torn(moment.chip, chipAfter, operation, tear);
      const isDone = operation.lengthBytes === 0 ? tear === "after" : isSame(chip, chipAfter, start, end);
      const left = `${isDone}${Buffer.from(chip.buffer, start, end - start).toString("latin1")}`;
      if (seen.has(left)) continue;
      seen.add(left);
      // An operation in storeCommit: the commit entry, or the counter, which comes after it.
      const isAfter = moment.isCommitting && (isDone || operation.lengthBytes === 0);
      yield { chip, contents: isAfter ? run.after : run.before, text: () => `${where} ${describe(operation, tear)}` };
    }
  }

  /** Mounts, and looks; what kind of state the mount found. */
  private mountTorn({ chip, contents, text }: Torn): string {
    const { driver } = this;
    this.tally.mounts++;
    driver.chip.restore(chip);
    let writes = 0;
    driver.chip.onOperation = ({ kind }) => {
      if (kind !== "counter-increment") writes++;
      return undefined;
    };
    const status = driver.reboot();
    driver.chip.onOperation = undefined;
    const found = status === 0 ? this.answers() : `storeMount answered ${status}`;
    this.check(found === this.digest(contents), () => `${text()}: ${found} is not the state it must be`);
    this.check(writes === 0, () => `${text()}: recovery wrote to flash`);
    return `${found} ${Buffer.from(driver.state()).toString("latin1")}`;
  }

  /** The shortcut is what the simulator does: one tear of each operation, by a real cut. */
  private sampleRealCuts(image: StoreImage, step: Step, run: Run, where: string): void {
    const { driver } = this;
    for (const [index, { operation, chip }] of run.moments.entries()) {
      const chipAfter = run.moments[index + 1]?.chip ?? run.chipAfter;
      const tears = [...tearsOf(operation, operation.lengthBytes || 1, this.random, 3)];
      const tear = tears[this.random() % tears.length] as Tear;
      driver.restore(image);
      let left = index;
      driver.chip.onOperation = (): Fate => (left-- === 0 ? { cut: tear } : undefined);
      try {
        driver.step(step);
        this.check(false, () => `${where}: no cut at ${index}`);
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
      }
      driver.chip.onOperation = undefined;
      driver.isCommitting = false;
      const made = torn(chip, chipAfter, operation, tear);
      const isReal = isSame(driver.chip.snapshot(), made, 0, made.length);
      this.check(isReal, () => `${where}, cut at ${index} ${describe(operation, tear)}: not what a real cut leaves`);
    }
  }

  /** Power comes back after a cut and goes again: in the mount, or in the step that is taken once more. */
  private cutAgain(first: Torn, step: Step): void {
    const { driver } = this;
    driver.chip.restore(first.chip);
    driver.contents = first.contents;
    for (const again of [{ kind: "reboot" } as const, step]) {
      const where = `${first.text()}, then ${again.kind}`;
      const run = this.record(again, where);
      const after = driver.image();
      this.checkRun(run, where);
      this.cutEverywhere(run, where, true);
      driver.restore(after);
    }
  }

  /** Flash says that an operation failed, with power on: the store knows what has become of it, and goes on. */
  private failEverywhere(image: StoreImage, step: Step, run: Run, where: string): void {
    for (const [index, { operation }] of run.moments.entries()) {
      if (operation.lengthBytes === 0) continue;
      const words = Math.max(operation.lengthBytes / FAILURES_PREFIXES, this.bound.geometry.wordSizeBytes);
      for (const tear of tearsOf(operation, words, this.random, 3)) {
        const fails = tear === "before" || tear === "after" ? true : tear;
        this.failOnce(image, step, index, fails, () => `${where}, failed at ${index} ${describe(operation, tear)}`);
      }
    }
  }

  private failOnce(image: StoreImage, step: Step, at: number, fails: true | Uint8Array, text: () => string): void {
    const { driver } = this;
    this.tally.failures++;
    driver.restore(image);
    let left = at;
    driver.chip.onOperation = (): Fate => (left-- === 0 ? { fails } : undefined);
    this.quietly(step);
    driver.chip.onOperation = undefined;
    this.check(this.answers() === this.digest(driver.contents), () => `${text()}: wrong contents`);
    this.record(step, text());
    this.check(this.answers() === this.digest(driver.contents), () => `${text()}, again: wrong contents`);
    this.check(driver.reboot() === 0, () => `${text()}, again: cannot be mounted`);
    this.check(this.answers() === this.digest(driver.contents), () => `${text()}, mounted: wrong contents`);
  }

  /** What the store contains; or what it answers instead. */
  private answers(): string {
    try {
      return this.driver.digest();
    } catch (error) {
      if (error instanceof StoreError) return error.message;
      throw error;
    }
  }

  private digest(contents: Contents): string {
    const known = this.digests.get(contents) ?? digestOf(contents);
    this.digests.set(contents, known);
    return known;
  }

  /** Two states with the same key go on alike: flash, wear and counter, what RAM says, what the model says. */
  private key(): string {
    const { driver } = this;
    const hash = createHash("sha256").update(driver.chip.snapshot()).update(driver.state());
    return hash.update(this.digest(driver.contents)).digest("base64");
  }

  private check(isGood: boolean, text: () => string): void {
    if (isGood) return;
    this.tally.violations++;
    if (this.tally.examples.length < EXAMPLES_MAX) this.tally.examples.push(text());
  }
}

function stepOf(letter: number, turn: number): Step {
  const each = ALPHABET[letter];
  if (each === undefined) throw new RangeError("letter: none of the alphabet");
  return each.step(turn + 1);
}

/** Snapshot of a chip that was cut in an operation, from those before and after it. */
function torn(before: Uint8Array, after: Uint8Array, operation: Operation, tear: Tear): Uint8Array {
  if (tear === "before") return before;
  if (tear === "after") return after;
  // What outlasts the cut besides the operation's bytes is that a page was erased once more.
  const chip = after.slice();
  for (let i = 0; i < operation.lengthBytes; i++) {
    const at = operation.address + i;
    const mask = tear[i] ?? 0;
    chip[at] = ((before[at] ?? 0) & ~mask) | ((after[at] ?? 0) & mask);
  }
  return chip;
}

function isSame(a: Uint8Array, b: Uint8Array, start: number, end: number): boolean {
  return Buffer.compare(a.subarray(start, end), b.subarray(start, end)) === 0;
}

function describe({ kind, address, lengthBytes }: Operation, tear: Tear): string {
  const how = typeof tear === "string" ? tear : `within (${tear.reduce((sum, byte) => sum + bits(byte), 0)} bits)`;
  return `${how} ${kind} of ${lengthBytes} at ${address}`;
}

function bits(byte: number): number {
  return byte.toString(2).replaceAll("0", "").length;
}
