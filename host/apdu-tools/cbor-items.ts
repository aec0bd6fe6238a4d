/**
 * Any CBOR (RFC 8949), read as far as it is well formed, for showing it: more than host/codec/cbor.ts takes, which is what an
 * element takes. `deterministic` tells whether an element would take it too (section 4.2.1, no tags, no floats).
 */

import { toHex } from "../codec/bytes.js";

export type CborItem =
  | { readonly kind: "integer"; readonly value: bigint }
  | { readonly kind: "bytes"; readonly value: Uint8Array }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "array"; readonly items: readonly CborItem[] }
  | { readonly kind: "map"; readonly entries: readonly (readonly [CborItem, CborItem])[] }
  | { readonly kind: "tag"; readonly tag: bigint; readonly item: CborItem }
  | { readonly kind: "simple"; readonly value: number }
  | { readonly kind: "float"; readonly value: number; readonly bytes: number };

export interface CborReading {
  /** As much as could be read. */
  readonly item: CborItem | undefined;
  /** Bytes that were read. */
  readonly end: number;
  /** Why it stops being right, if it does. */
  readonly fault?: string;
}

const DEPTH_MAX = 32;
/** More items than a buffer of an element has bytes are not shown. */
const ITEMS_MAX = 20_000;
const BREAK = 0xff;

class Stop extends Error {}

class Reading {
  at = 0;
  #items = 0;

  constructor(readonly bytes: Uint8Array) {}

  head(): { major: number; argument: bigint; isIndefinite: boolean; information: number } {
    this.#items += 1;
    if (this.#items > ITEMS_MAX) throw new Stop("more items than can be");
    const first = this.bytes[this.at];
    if (first === undefined) throw new Stop("it ends where an item should begin");
    const information = first & 0x1f;
    const width = information < 24 ? 0 : information <= 27 ? 1 << (information - 24) : -1;
    if (width < 0 && information !== 31) throw new Stop(`a head that is reserved (${first.toString(16)})`);
    if (this.at + 1 + Math.max(width, 0) > this.bytes.length) throw new Stop("it ends within a number");
    let argument = width === 0 ? BigInt(information) : 0n;
    for (let i = 0; i < width; i += 1) argument = (argument << 8n) | BigInt(this.bytes[this.at + 1 + i] ?? 0);
    this.at += 1 + Math.max(width, 0);
    return { major: first >> 5, argument, isIndefinite: information === 31, information };
  }

  take(length: bigint): Uint8Array {
    const left = BigInt(this.bytes.length - this.at);
    if (length > left) throw new Stop(`${length} bytes are announced, and ${left} are there`);
    const taken = this.bytes.slice(this.at, this.at + Number(length));
    this.at += Number(length);
    return taken;
  }

  /** Whether an indefinite item ends here; steps over its end. */
  atBreak(): boolean {
    if (this.bytes[this.at] !== BREAK) return false;
    this.at += 1;
    return true;
  }
}

/** Reads one item from the start of the bytes. Never throws. */
export function readCbor(bytes: Uint8Array): CborReading {
  const reading = new Reading(bytes);
  const partial: { fault?: string } = {};
  try {
    const item = readItem(reading, 0, partial);
    return { item, end: reading.at, ...(partial.fault === undefined ? {} : { fault: partial.fault }) };
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    return { item: undefined, end: reading.at, fault: error.message };
  }
}

interface Partial {
  fault?: string;
}

function readItem(reading: Reading, depth: number, partial: Partial): CborItem {
  if (depth > DEPTH_MAX) throw new Stop(`nested deeper than ${DEPTH_MAX}`);
  const { major, argument, isIndefinite, information } = reading.head();
  switch (major) {
    case 0:
    case 1:
      if (isIndefinite) throw new Stop("an integer without end");
      return { kind: "integer", value: major === 0 ? argument : -1n - argument };
    case 2:
      return { kind: "bytes", value: isIndefinite ? chunks(reading, 2) : reading.take(argument) };
    case 3:
      return { kind: "text", value: readText(isIndefinite ? chunks(reading, 3) : reading.take(argument)) };
    case 4:
      return { kind: "array", items: readItems(reading, depth, partial, isIndefinite ? undefined : argument) };
    case 5:
      return { kind: "map", entries: readEntries(reading, depth, partial, isIndefinite ? undefined : argument) };
    case 6:
      if (isIndefinite) throw new Stop("a tag without number");
      return { kind: "tag", tag: argument, item: readItem(reading, depth + 1, partial) };
    default:
      return readSimple(information, argument, isIndefinite);
  }
}

function chunks(reading: Reading, major: number): Uint8Array {
  const parts: Uint8Array[] = [];
  while (!reading.atBreak()) {
    const head = reading.head();
    if (head.major !== major || head.isIndefinite) throw new Stop("a chunk of another kind");
    parts.push(reading.take(head.argument));
  }
  return Uint8Array.from(Buffer.concat(parts));
}

function readText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Stop(`text that is not UTF-8 (${toHex(bytes.subarray(0, 16))})`);
  }
}

/** What was read before it stopped being right is kept. */
function keeping(partial: Partial, read: () => void): boolean {
  try {
    read();
    return partial.fault === undefined;
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    partial.fault ??= error.message;
    return false;
  }
}

function readItems(reading: Reading, depth: number, partial: Partial, count: bigint | undefined): CborItem[] {
  const items: CborItem[] = [];
  for (let i = 0n; count === undefined || i < count; i += 1n) {
    if (count === undefined && reading.atBreak()) break;
    if (!keeping(partial, () => items.push(readItem(reading, depth + 1, partial)))) break;
  }
  return items;
}

function readEntries(
  reading: Reading,
  depth: number,
  partial: Partial,
  count: bigint | undefined,
): (readonly [CborItem, CborItem])[] {
  const entries: (readonly [CborItem, CborItem])[] = [];
  for (let i = 0n; count === undefined || i < count; i += 1n) {
    if (count === undefined && reading.atBreak()) break;
    const readEntry = () => {
      const key = readItem(reading, depth + 1, partial);
      entries.push([key, readItem(reading, depth + 1, partial)]);
    };
    if (!keeping(partial, readEntry)) break;
  }
  return entries;
}

function readSimple(information: number, argument: bigint, isIndefinite: boolean): CborItem {
  if (isIndefinite) throw new Stop("an end without a beginning");
  if (information < 25) return { kind: "simple", value: Number(argument) };
  const bytes = 1 << (information - 24);
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, argument);
  if (bytes === 8) return { kind: "float", value: view.getFloat64(0), bytes };
  if (bytes === 4) return { kind: "float", value: view.getFloat32(4), bytes };
  return { kind: "float", value: half(Number(argument)), bytes };
}

/** IEEE 754 binary16 (RFC 8949, appendix D). */
function half(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (mantissa + 1024) * 2 ** (exponent - 25);
}
