/**
 * NOR flash: programming clears bits, erasing sets those of a page, a word is programmed once between two erasures.
 * What breaks these rules is refused with FlashFailure and counted, so that a test can demand that it never happens.
 */

import type { Fate, Operation, OperationHook, ReadHook } from "./faults.js";
import { PowerCut } from "./faults.js";
import { PlatformError } from "./platform.generated.js";

export interface FlashGeometry {
  readonly pageSizeBytes: number;
  readonly pageCount: number;
  /** Bytes that are programmed at once: a power of two from 1 to 32. */
  readonly wordSizeBytes: number;
}

export const DEFAULT_GEOMETRY: FlashGeometry = { pageSizeBytes: 4096, pageCount: 64, wordSizeBytes: 4 };

const ERASED = 0xff;

/** Bytes that outlive power. `bytes` is what is read; `written` is called after each change of it. */
export interface FlashStorage {
  /** The region, then the erasures of each page as little-endian u32. */
  readonly bytes: Uint8Array;
  written(start: number, end: number): void;
}

/** Bytes of storage that a geometry needs. */
export function storageBytes(geometry: FlashGeometry): number {
  return geometry.pageCount * (geometry.pageSizeBytes + 4);
}

/** New flash: erased, never worn. */
export function erasedBytes(geometry: FlashGeometry): Uint8Array {
  const bytes = new Uint8Array(storageBytes(geometry));
  return bytes.fill(ERASED, 0, geometry.pageCount * geometry.pageSizeBytes);
}

export class MemoryFlashStorage implements FlashStorage {
  readonly bytes: Uint8Array;

  constructor(geometry: FlashGeometry) {
    this.bytes = erasedBytes(geometry);
  }

  written(_start: number, _end: number): void {
    // Memory is all there is.
  }
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && (value & (value - 1)) === 0;
}

export class Flash {
  readonly regionBytes: number;
  /** Called before each program and erase operation. */
  onOperation: OperationHook | undefined;
  /** Called with what each read is about to answer. */
  onRead: ReadHook | undefined;
  /** Operations refused because they break a rule of NOR flash. */
  violations = 0;
  private readonly region: Uint8Array;
  private readonly wear: DataView;

  constructor(
    readonly geometry: FlashGeometry,
    private readonly storage: FlashStorage,
  ) {
    const { pageSizeBytes, pageCount, wordSizeBytes } = geometry;
    if (!isPowerOfTwo(pageSizeBytes) || pageSizeBytes < 4096)
      throw new RangeError("pageSizeBytes: power of two >= 4096");
    if (!isPowerOfTwo(wordSizeBytes) || wordSizeBytes > 32) throw new RangeError("wordSizeBytes: power of two <= 32");
    if (!Number.isInteger(pageCount) || pageCount < 1) throw new RangeError("pageCount: a positive integer");
    if (storage.bytes.length !== storageBytes(geometry)) throw new RangeError("storage: not of this geometry's size");
    this.regionBytes = pageCount * pageSizeBytes;
    this.region = storage.bytes.subarray(0, this.regionBytes);
    this.wear = new DataView(storage.bytes.buffer, storage.bytes.byteOffset + this.regionBytes, pageCount * 4);
  }

  read(address: number, destination: Uint8Array): number {
    if (address + destination.length > this.regionBytes) return PlatformError.InvalidArgument;
    destination.set(this.region.subarray(address, address + destination.length));
    this.onRead?.(address, destination);
    return 0;
  }

  program(address: number, source: Uint8Array): number {
    const { pageSizeBytes, wordSizeBytes } = this.geometry;
    const end = address + source.length;
    if (end > this.regionBytes) return PlatformError.InvalidArgument;
    if (source.length === 0) return 0;
    const isAligned = address % wordSizeBytes === 0 && source.length % wordSizeBytes === 0;
    const isOnePage = Math.floor(address / pageSizeBytes) === Math.floor((end - 1) / pageSizeBytes);
    const target = this.region.subarray(address, end);
    if (!isAligned || !isOnePage || !isErased(target)) {
      this.violations++;
      return PlatformError.FlashFailure;
    }
    return this.change({ kind: "flash-program", address, lengthBytes: source.length }, (mask) => {
      if (mask === undefined) target.set(source);
      else for (let i = 0; i < target.length; i++) target[i] = (source[i] ?? 0) | ~(mask[i] ?? 0);
      this.storage.written(address, end);
    });
  }

  erase(page: number): number {
    const { pageSizeBytes, pageCount } = this.geometry;
    if (page >= pageCount) return PlatformError.InvalidArgument;
    const address = page * pageSizeBytes;
    const target = this.region.subarray(address, address + pageSizeBytes);
    return this.change({ kind: "flash-erase", address, lengthBytes: pageSizeBytes }, (mask) => {
      if (mask === undefined) target.fill(ERASED);
      else for (let i = 0; i < target.length; i++) target[i] = (target[i] ?? 0) | (mask[i] ?? 0);
      this.storage.written(address, address + pageSizeBytes);
      this.wear.setUint32(page * 4, this.wear.getUint32(page * 4, true) + 1, true);
      this.storage.written(this.regionBytes + page * 4, this.regionBytes + page * 4 + 4);
    });
  }

  /** Turns a bit over, whatever the rules say: bit `position % 8` of byte `position / 8` of the region. */
  flipBit(position: number): void {
    const at = position >> 3;
    if (!(at >= 0 && at < this.regionBytes)) throw new RangeError("position: not a bit of this flash");
    this.region[at] = (this.region[at] ?? 0) ^ (1 << (position & 7));
    this.storage.written(at, at + 1);
  }

  /** How often a page was erased, attempts that changed only a part of it included. */
  erasures(page: number): number {
    if (!(page >= 0 && page < this.geometry.pageCount)) throw new RangeError("page: not a page of this flash");
    return this.wear.getUint32(page * 4, true);
  }

  get snapshotBytes(): number {
    return this.storage.bytes.length;
  }

  /** Region and wear, as bytes. */
  snapshotInto(destination: Uint8Array): void {
    destination.set(this.storage.bytes);
  }

  snapshot(): Uint8Array {
    return this.storage.bytes.slice();
  }

  restore(snapshot: Uint8Array): void {
    if (snapshot.length !== this.storage.bytes.length) throw new RangeError("snapshot: of another geometry");
    this.storage.bytes.set(snapshot);
    this.storage.written(0, snapshot.length);
  }

  private change(operation: Operation, apply: (mask: Uint8Array | undefined) => void): number {
    const fate: Fate = this.onOperation?.(operation);
    if (fate === undefined) {
      apply(undefined);
      return 0;
    }
    const how = "cut" in fate ? fate.cut : "fails" in fate ? fate.fails : fate.leaves;
    if (how === "after") apply(undefined);
    else if (how instanceof Uint8Array) {
      if (how.length !== operation.lengthBytes) throw new RangeError("fate: a mask of the operation's length");
      apply(how);
    }
    if ("cut" in fate) throw new PowerCut(operation);
    return "fails" in fate ? PlatformError.FlashFailure : 0;
  }
}

function isErased(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== ERASED) return false;
  return true;
}
