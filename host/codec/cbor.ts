/**
 * Deterministic CBOR (RFC 8949 section 4.2.1), the same subset as `firmware/lib/cbor.ts`: integers from -2^63 to
 * 2^64-1, byte strings, text, arrays, maps with 32-bit integer keys in ascending bytewise order, false, true, null;
 * definite lengths, shortest integers, no tags, no floats, nesting up to CBOR_DEPTH_MAX. What an element refuses is
 * refused here, and what is decoded encodes to the same bytes again.
 */

import { CBOR_DEPTH_MAX } from "../../firmware/protocol/limits.js";
import { assertBytes } from "./bytes.js";
import { CodecError } from "./errors.js";

/** Decoded integers are numbers where a number is exact, else bigints; both kinds encode alike. */
export type CborValue =
  | number
  | bigint
  | string
  | Uint8Array
  | boolean
  | null
  | readonly CborValue[]
  | ReadonlyMap<number, CborValue>;

const UINT = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const SIMPLE = 7;

const FALSE = 20;
const TRUE = 21;
const NULL = 22;

const UINT_MAX = 2n ** 64n - 1n;
const INT_MIN = -(2n ** 63n);
/** Keys are 32-bit integers, without -2^31. */
const KEY_MAX = 2 ** 31 - 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Encodes a value. TypeError for a kind that the subset does not have, RangeError for a value outside it. */
export function encode(value: CborValue): Uint8Array {
  try {
    encodeItem(output, value, 0);
    return output.bytes();
  } finally {
    output.clear();
  }
}

/** Decodes exactly one item; throws CodecError when the bytes are not its one deterministic encoding. */
export function decode(bytes: Uint8Array): CborValue {
  return decodeWhole(bytes, false);
}

/** As `decode`, but byte strings are no copies: they change with `bytes`. */
export function decodeInPlace(bytes: Uint8Array): CborValue {
  return decodeWhole(bytes, true);
}

function decodeWhole(bytes: Uint8Array, inPlace: boolean): CborValue {
  assertBytes(bytes, "bytes");
  const input = new Input(bytes, inPlace);
  const value = decodeItem(input, 0);
  if (input.left > 0) throw input.error(`${input.left} bytes are left over`);
  return value;
}

/** Order of map keys by their encoded bytes: 0, 1, 2 and so on, then -1, -2 and so on. */
function compareKeys(a: number, b: number): number {
  return keyRank(a) - keyRank(b);
}

function keyRank(key: number): number {
  return key >= 0 ? key : KEY_MAX - key;
}

const OUTPUT_BYTES = 4_096;

class Output {
  private buffer = new Uint8Array(OUTPUT_BYTES);
  private length = 0;

  bytes(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }

  /** What was encoded may be secret, and nothing of it stays. */
  clear(): void {
    if (this.buffer.length > OUTPUT_BYTES) this.buffer = new Uint8Array(OUTPUT_BYTES);
    else this.buffer.fill(0, 0, this.length);
    this.length = 0;
  }

  raw(part: Uint8Array): void {
    const at = this.reserve(part.length);
    this.buffer.set(part, at);
  }

  head(major: number, argument: number | bigint): void {
    const first = major << 5;
    if (argument < 24) this.big(first | Number(argument), 0, 0);
    else if (argument <= 0xff) this.big(first | 24, argument, 1);
    else if (argument <= 0xffff) this.big(first | 25, argument, 2);
    else if (argument <= 0xffffffff) this.big(first | 26, argument, 4);
    else this.big(first | 27, argument, 8);
  }

  /** An initial byte and a big-endian argument of `width` bytes. */
  private big(first: number, argument: number | bigint, width: number): void {
    const at = this.reserve(1 + width);
    this.buffer[at] = first;
    if (width === 8) new DataView(this.buffer.buffer).setBigUint64(at + 1, BigInt(argument));
    else for (let i = width, left = Number(argument); i > 0; i--, left >>>= 8) this.buffer[at + i] = left;
  }

  private reserve(length: number): number {
    const at = this.length;
    const needed = at + length;
    if (needed > this.buffer.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.buffer.length));
      larger.set(this.buffer);
      this.buffer = larger;
    }
    this.length = needed;
    return at;
  }
}

/** One for all: nobody encodes within another's encoding. */
const output = new Output();

function encodeItem(output: Output, value: CborValue, depth: number): void {
  if (typeof value === "number") encodeNumber(output, value);
  else if (typeof value === "bigint") encodeBigint(output, value);
  else if (typeof value === "string") encodeText(output, value);
  else if (value === null) output.head(SIMPLE, NULL);
  else if (typeof value === "boolean") output.head(SIMPLE, value ? TRUE : FALSE);
  else if (value instanceof Uint8Array) {
    output.head(BYTES, value.length);
    output.raw(value);
  } else if (Array.isArray(value)) encodeArray(output, value, depth);
  else if (value instanceof Map) encodeMap(output, value, depth);
  else throw new TypeError(`value: CBOR here has no place for ${describeKind(value)}`);
}

function encodeNumber(output: Output, value: number): void {
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`value: expected a whole number below 2^53 (use a bigint above), found ${value}`);
  }
  if (value < 0) output.head(NEGATIVE, -1 - value);
  else output.head(UINT, value);
}

function encodeBigint(output: Output, value: bigint): void {
  if (value < INT_MIN || value > UINT_MAX) throw new RangeError(`value: ${value} is outside -2^63 to 2^64-1`);
  if (value < 0n) output.head(NEGATIVE, -1n - value);
  else output.head(UINT, value);
}

function encodeText(output: Output, value: string): void {
  if (/\p{Surrogate}/u.test(value)) throw new RangeError("value: text with half of a surrogate pair has no UTF-8");
  const bytes = encoder.encode(value);
  output.head(TEXT, bytes.length);
  output.raw(bytes);
}

function encodeArray(output: Output, items: readonly CborValue[], depth: number): void {
  if (depth === CBOR_DEPTH_MAX) throw new RangeError(`value: nested deeper than ${CBOR_DEPTH_MAX}`);
  output.head(ARRAY, items.length);
  for (const item of items) encodeItem(output, item, depth + 1);
}

function encodeMap(output: Output, entries: ReadonlyMap<number, CborValue>, depth: number): void {
  if (depth === CBOR_DEPTH_MAX) throw new RangeError(`value: nested deeper than ${CBOR_DEPTH_MAX}`);
  for (const key of entries.keys()) {
    if (typeof key !== "number") throw new TypeError(`value: map keys are numbers, found ${describeKind(key)}`);
    if (!Number.isInteger(key) || Math.abs(key) > KEY_MAX)
      throw new RangeError(`value: map key ${key} is no 32-bit integer`);
  }
  output.head(MAP, entries.size);
  for (const [key, item] of [...entries].sort((a, b) => compareKeys(a[0], b[0]))) {
    encodeNumber(output, key);
    encodeItem(output, item, depth + 1);
  }
}

/** What a value is, for an error message. */
export function describeKind(value: unknown): string {
  if (value === null) return "null";
  if (value instanceof Uint8Array) return `a byte string of ${value.length}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value instanceof Map) return "a map";
  if (typeof value === "number" || typeof value === "bigint") return `the number ${value}`;
  return typeof value === "string" ? "text" : typeof value === "object" ? "an object" : `${typeof value}`;
}

class Input {
  /** Of the item whose head was read last. */
  major = 0;
  private at = 0;
  private readonly source: Uint8Array;

  constructor(
    bytes: Uint8Array,
    private readonly inPlace: boolean,
  ) {
    // A Buffer's `slice` is no copy.
    const isPlain = bytes.constructor === Uint8Array;
    this.source = isPlain ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.source.length - this.at;
  }

  error(what: string): CodecError {
    return new CodecError(`CBOR at byte ${this.at}: ${what}`);
  }

  /** The next `length` bytes. */
  take(length: number | bigint): Uint8Array {
    if (length > this.left) throw this.error(`${length} bytes announced, ${this.left} left`);
    const start = this.at;
    this.at += Number(length);
    return this.inPlace ? this.source.subarray(start, this.at) : this.source.slice(start, this.at);
  }

  /** Argument of the next item, in its shortest form; `major` is its major type then. */
  head(): number | bigint {
    const first = this.source[this.at];
    if (first === undefined) throw this.error("ends where an item should start");
    const major = first >> 5;
    const information = first & 31;
    this.major = major;
    if (information < 24) {
      this.at += 1;
      return information;
    }
    if (information > 27) throw this.error("indefinite length or reserved value");
    if (major === SIMPLE) throw this.error("a float or a simple value without a meaning here");
    const width = 1 << (information - 24);
    if (this.left < 1 + width) throw this.error("ends within a number");
    const argument = this.argument(width);
    const shorter = [24, 0x100, 0x10000, 0x100000000][information - 24] ?? 0;
    if (argument < shorter) throw this.error("a number that is not in its shortest form");
    this.at += 1 + width;
    return argument;
  }

  private argument(width: number): number | bigint {
    if (width === 8) return asNumber((BigInt(this.uint(1, 4)) << 32n) | BigInt(this.uint(5, 4)));
    return this.uint(1, width);
  }

  /** Up to four bytes, the most significant first. */
  private uint(from: number, width: number): number {
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + (this.source[this.at + from + i] ?? 0);
    return value;
  }
}

function asNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function decodeItem(input: Input, depth: number): CborValue {
  const argument = input.head();
  switch (input.major) {
    case UINT:
      return argument;
    case NEGATIVE:
      return decodeNegative(input, argument);
    case BYTES:
      return input.take(argument);
    case TEXT:
      return decodeText(input, argument);
    case ARRAY:
      return decodeArray(input, argument, depth);
    case MAP:
      return decodeMap(input, argument, depth);
    case SIMPLE:
      return decodeSimple(input, argument);
    default:
      throw input.error("a tag");
  }
}

function decodeNegative(input: Input, argument: number | bigint): number | bigint {
  const value = -1n - BigInt(argument);
  if (value < INT_MIN) throw input.error(`${value} is below -2^63`);
  return asNumber(value);
}

function decodeText(input: Input, length: number | bigint): string {
  const bytes = input.take(length);
  try {
    return decoder.decode(bytes);
  } catch {
    throw input.error("text that is not UTF-8");
  }
}

function decodeSimple(input: Input, argument: number | bigint): boolean | null {
  if (argument === FALSE) return false;
  if (argument === TRUE) return true;
  if (argument === NULL) return null;
  throw input.error("a simple value without a meaning here");
}

function decodeArray(input: Input, length: number | bigint, depth: number): CborValue[] {
  if (depth === CBOR_DEPTH_MAX) throw input.error(`nested deeper than ${CBOR_DEPTH_MAX}`);
  if (length > input.left) throw input.error(`an array of ${length} in ${input.left} bytes`);
  const items: CborValue[] = [];
  for (let i = 0; i < length; i++) items.push(decodeItem(input, depth + 1));
  return items;
}

function decodeMap(input: Input, length: number | bigint, depth: number): Map<number, CborValue> {
  if (depth === CBOR_DEPTH_MAX) throw input.error(`nested deeper than ${CBOR_DEPTH_MAX}`);
  if (length > input.left / 2) throw input.error(`a map of ${length} in ${input.left} bytes`);
  const entries = new Map<number, CborValue>();
  let previous: number | undefined;
  for (let i = 0; i < length; i++) {
    const key = decodeKey(input);
    if (previous !== undefined && compareKeys(key, previous) <= 0)
      throw input.error(`map key ${key} after ${previous}`);
    entries.set(key, decodeItem(input, depth + 1));
    previous = key;
  }
  return entries;
}

function decodeKey(input: Input): number {
  const argument = input.head();
  if (input.major > NEGATIVE) throw input.error("a map key that is no integer");
  const key = input.major === NEGATIVE ? -1 - Number(argument) : Number(argument);
  if (Math.abs(key) > KEY_MAX) throw input.error("a map key beyond 32 bits");
  return key;
}
