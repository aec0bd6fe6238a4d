/**
 * The store under test, its ideal model (a map), and the driver that brings both through the same steps while faults
 * strike the flash. What holds at every moment: the store's contents are those of the model before or after the step
 * that was interrupted, and no rule of NOR flash is ever broken.
 */

import { createHash } from "node:crypto";
import { STORE_VALUE_BYTES_MAX } from "../../firmware/protocol/limits.js";
import { REASON_NOT_FOUND } from "../../firmware/protocol/reasons.js";
import type { FirmwareTarget } from "../../scripts/firmware/compile.js";
import type { Chip, ChipParts } from "../../simulator/chip.js";
import { type Fate, type Operation, PowerCut } from "../../simulator/faults.js";
import { KeyKind, type Platform } from "../../simulator/platform.generated.js";
import { type LoadedModule, loadModule, testChip } from "./firmware.js";

export const STORE_MOUNTED = 0;
export const STORE_BLANK = 1;
export const KEY_SLOT = 3;
/** Of `head` in firmware/lib/store/state.ts. */
const HEAD_OFFSET = 24;

export interface StoreExports {
  storeMount(keySlot: number): number;
  storeFormat(keySlot: number): number;
  storeBegin(bytes: number, records: number): number;
  storePut(key: number, value: number, length: number): number;
  storeDelete(key: number): number;
  storeCommit(): number;
  storeAbort(): void;
  storeLength(key: number): number;
  storeRead(key: number, offset: number, destination: number, length: number): number;
  storeNext(after: number, last: number): number;
  storeFreeBytes(): number;
  storeFreeRecords(): number;
  storeHousekeeping(): number;
  storeWear(destination: number): number;
  storeDigest(destination: number): number;
  /** Where the store keeps what it holds in RAM (store/state.ts), and its bytes. */
  stateAddress(): number;
  stateBytes(): number;
}

/** One change: a value of `length` bytes that begins with and is made from `fill`, or a deletion. */
export interface Change {
  readonly key: number;
  /** Undefined: the record is deleted. */
  readonly length?: number;
  readonly fill?: number;
}

export type Step =
  | { readonly kind: "transaction"; readonly changes: readonly Change[]; readonly isAborted?: boolean }
  | { readonly kind: "housekeeping" }
  | { readonly kind: "reboot" };

export type Contents = ReadonlyMap<number, Uint8Array>;

export function valueBytes(change: Change): Uint8Array {
  const value = new Uint8Array(change.length ?? 0);
  let mixed = (change.fill ?? 0) * 2654435761 + change.key;
  for (let i = 0; i < value.length; i++) {
    mixed = (Math.imul(mixed, 1664525) + 1013904223) >>> 0;
    value[i] = mixed >>> 24;
  }
  return value;
}

export function changed(contents: Contents, changes: readonly Change[]): Contents {
  const after = new Map(contents);
  for (const change of changes) {
    if (change.length === undefined) after.delete(change.key);
    else after.set(change.key, valueBytes(change));
  }
  return after;
}

/** The digest as its documentation says, independently of the firmware. */
export function digestOf(contents: Contents): string {
  let digest = new Uint8Array(32);
  const head = new DataView(new ArrayBuffer(8));
  for (const key of [...contents.keys()].sort((a, b) => a - b)) {
    const value = contents.get(key) ?? new Uint8Array(0);
    head.setUint32(0, key, true);
    head.setUint32(4, value.length, true);
    digest = new Uint8Array(
      createHash("sha256").update(digest).update(new Uint8Array(head.buffer)).update(value).digest(),
    );
  }
  return Buffer.from(digest).toString("hex");
}

export interface StoreImage {
  readonly chip: Uint8Array;
  readonly ram: Uint8Array;
  readonly contents: Contents;
}

export class StoreError extends Error {
  override readonly name = "StoreError";

  constructor(
    readonly call: string,
    readonly status: number,
  ) {
    super(`${call} answered ${status}`);
  }
}

export class StoreDriver {
  /** What the store contains for certain, unless a step is under way. */
  contents: Contents = new Map();
  /** True while storeCommit runs: a cut may then fall on either side. */
  isCommitting = false;
  private readonly pristine: Uint8Array;
  private readonly room: number;
  readonly store: StoreExports;

  private constructor(
    readonly chip: Chip,
    readonly module: LoadedModule<StoreExports>,
  ) {
    this.store = module.exports;
    this.pristine = new Uint8Array(module.memory.buffer).slice();
    this.room = module.allocate(STORE_VALUE_BYTES_MAX + 8);
  }

  static async create(
    seed: string,
    parts: Partial<ChipParts> = {},
    wrap?: (chip: Chip) => Platform,
    target?: FirmwareTarget,
  ) {
    const chip = testChip(seed, parts);
    chip.slotGenerate(KEY_SLOT, KeyKind.Secret);
    return new StoreDriver(chip, await loadModule<StoreExports>("store", wrap?.(chip) ?? chip, target));
  }

  /** Chip, RAM and contents, to come back to. */
  image(): StoreImage {
    const ram = new Uint8Array(this.module.memory.buffer).slice();
    return { chip: this.chip.snapshot(), ram, contents: this.contents };
  }

  restore(image: StoreImage): void {
    this.chip.restore(image.chip);
    new Uint8Array(this.module.memory.buffer).set(image.ram);
    this.contents = image.contents;
  }

  /** Sequence of the page that the log ends in. */
  head(): number {
    const state = this.state();
    return new DataView(state.buffer, state.byteOffset).getUint32(HEAD_OFFSET, true);
  }

  /** The store's state in RAM, without the index and what passes through. */
  state(): Uint8Array {
    return this.module.read(this.store.stateAddress(), this.store.stateBytes());
  }

  /** Power comes: RAM is as at the start of the module. */
  powerOn(): void {
    this.chip.powerOn();
    new Uint8Array(this.module.memory.buffer).set(this.pristine);
  }

  /** Power comes and the store is mounted. */
  reboot(): number {
    this.powerOn();
    return this.store.storeMount(KEY_SLOT);
  }

  format(): void {
    this.must("storeFormat", this.store.storeFormat(KEY_SLOT));
    this.contents = new Map();
  }

  must(call: string, status: number): number {
    if (status < 0) throw new StoreError(call, status);
    return status;
  }

  put(key: number, value: Uint8Array): number {
    new Uint8Array(this.module.memory.buffer).set(value, this.room);
    return this.store.storePut(key, this.room, value.length);
  }

  read(key: number, offset = 0, length: number = STORE_VALUE_BYTES_MAX): Uint8Array {
    const bytes = this.must("storeRead", this.store.storeRead(key, offset, this.room, length));
    return this.module.read(this.room, bytes);
  }

  digest(): string {
    this.must("storeDigest", this.store.storeDigest(this.room));
    return Buffer.from(this.module.read(this.room, 32)).toString("hex");
  }

  wear(): { minimum: number; maximum: number; total: number; pages: number } {
    this.must("storeWear", this.store.storeWear(this.room));
    const words = new DataView(this.module.read(this.room, 16).buffer);
    const at = (offset: number) => words.getUint32(offset, true);
    return { minimum: at(0), maximum: at(4), total: at(8), pages: at(12) };
  }

  /** All records by storeNext and storeRead. */
  dump(): Contents {
    const contents = new Map<number, Uint8Array>();
    for (let key = this.store.storeNext(0, -1) >>> 0; key !== 0; key = this.store.storeNext(key, -1) >>> 0) {
      contents.set(key, this.read(key));
    }
    return contents;
  }

  transaction(changes: readonly Change[], isAborted = false): void {
    const bytes = changes.reduce((sum, change) => sum + (change.length ?? 0), 0);
    this.must("storeBegin", this.store.storeBegin(bytes, changes.length));
    for (const change of changes) {
      const status = this.change(change);
      if (status >= 0) continue;
      this.store.storeAbort();
      throw new StoreError(change.length === undefined ? "storeDelete" : "storePut", status);
    }
    if (isAborted) {
      this.store.storeAbort();
      return;
    }
    this.isCommitting = true;
    const status = this.store.storeCommit();
    this.isCommitting = false;
    this.must("storeCommit", status);
    this.contents = changed(this.contents, changes);
  }

  private change(change: Change): number {
    if (change.length !== undefined) return this.put(change.key, valueBytes(change));
    const status = this.store.storeDelete(change.key);
    return status === -REASON_NOT_FOUND ? 0 : status;
  }

  step(step: Step): void {
    if (step.kind === "transaction") this.transaction(step.changes, step.isAborted);
    else if (step.kind === "housekeeping") this.must("storeHousekeeping", this.store.storeHousekeeping());
    else this.must("storeMount", this.reboot());
  }

  /**
   * Takes a step under faults. If power is cut, mounts again and demands the contents before or after the step.
   * Returns whether the step's outcome is there: true after it, false before it, undefined if no cut came.
   */
  stepUnderFaults(step: Step, fates: (operation: Operation) => Fate, recovering?: (operation: Operation) => Fate) {
    const before = this.contents;
    const after = step.kind === "transaction" && !step.isAborted ? changed(before, step.changes) : before;
    this.chip.onOperation = fates;
    try {
      this.step(step);
      return undefined;
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      const mayBeAfter = this.isCommitting;
      this.isCommitting = false;
      this.mountUnderFaults(recovering);
      const digest = this.digest();
      if (digest === digestOf(before)) return before === after;
      if (!mayBeAfter || digest !== digestOf(after)) throw new Error(`contents are neither before nor after: ${error}`);
      this.contents = after;
      return true;
    } finally {
      this.chip.onOperation = undefined;
    }
  }

  private mountUnderFaults(recovering?: (operation: Operation) => Fate): void {
    this.chip.onOperation = recovering;
    try {
      this.must("storeMount", this.reboot());
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      this.chip.onOperation = undefined;
      this.must("storeMount", this.reboot());
    } finally {
      this.chip.onOperation = undefined;
    }
  }
}

/** A transaction that storeBegin accepts for sure; deletions only, where the store is full. */
export function affordable(driver: StoreDriver, next: () => number, keys: number): Change[] {
  const records = driver.store.storeFreeRecords();
  let bytes = driver.store.storeFreeBytes();
  const changes: Change[] = [];
  const most = Math.min(records || 8, 11);
  for (let i = next() % (most + 1); i > 0; i--) {
    const key = 1 + (next() % keys);
    const length = Math.min(bytes, STORE_VALUE_BYTES_MAX, [0, 1, 12, 90, 400, 1024][next() % 6] ?? 0);
    bytes -= length;
    changes.push(records === 0 || next() % 5 === 0 ? { key } : { key, length, fill: next() });
  }
  return changes;
}

/**
 * Kinds of tears, for runs that are too long to go through all that simulator/tears.ts knows of each operation: `tornFate` draws
 * one tear of a kind. Other than there, words at the end may have changed and those before them not.
 */
export const TEARS = ["before", "after", "prefix", "suffix", "sparse", "dense", "random"] as const;
export type Tear = (typeof TEARS)[number];

/** Deterministic numbers below 2^32. */
export function generator(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

export function tornFate(tear: Tear, operation: Operation, next: () => number, wordBytes: number): Fate {
  if (tear === "before" || tear === "after") return { cut: tear };
  if (operation.lengthBytes === 0) return { cut: next() % 2 === 0 ? "before" : "after" };
  const mask = new Uint8Array(operation.lengthBytes);
  const words = operation.lengthBytes / wordBytes;
  const edge = (words < 2 ? 0 : 1 + (next() % (words - 1))) * wordBytes;
  if (tear === "prefix") mask.fill(0xff, 0, edge);
  else if (tear === "suffix") mask.fill(0xff, edge);
  else {
    for (let i = 0; i < mask.length; i++) {
      const bits = next() & next() & 0xff;
      mask[i] = tear === "sparse" ? bits & next() : tear === "dense" ? ~bits : next() >>> 7;
    }
  }
  return { cut: mask };
}
