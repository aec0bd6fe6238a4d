/** Changes to bytes, and, where the bytes are CBOR, to the value in them, which stays canonical most of the time. */

import { concatBytes } from "../../host/codec/bytes.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import type { Numbers } from "./numbers.js";

const BYTES_MAX = 8192;
const INTEGERS: readonly (number | bigint)[] = [
  ...[0, 1, 2, 3, 7, 15, 16, 17, 23, 24, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257, 1023, 1024, 1025],
  ...[32767, 32768, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53 - 1],
  ...[2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, -1, -24, -25, -128, -256, -65537, -(2n ** 63n)],
  ...[840, 978, 1_800_000_000, 1_900_000_000],
];
/** Of COSE headers, keys and CWT claims, and of no map that there is. */
const KEYS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1, -2, -3, -65536, -65537, -65538, -65539, -65540];
const LENGTHS = [0, 1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 127, 128, 255, 256, 512, 1024];

/** The same bytes with one to a few changes; `other` is something to take pieces from. */
export function mutated(bytes: Uint8Array, numbers: Numbers, other: Uint8Array): Uint8Array {
  let result = bytes;
  const changes = 1 + numbers.below(numbers.oneIn(4) ? 6 : 2);
  for (let i = 0; i < changes; i++) result = changedOnce(result, numbers, other);
  return result.length > BYTES_MAX ? result.subarray(0, BYTES_MAX) : result;
}

function changedOnce(bytes: Uint8Array, numbers: Numbers, other: Uint8Array): Uint8Array {
  if (!numbers.oneIn(4)) {
    const value = valueIn(bytes);
    if (value !== undefined) return encoded(changedValue(value, numbers, other), bytes);
  }
  return changedBytes(bytes, numbers, other);
}

/** The CBOR value that the bytes are, unless they are a bare number or the like, which anything might be. */
export function valueIn(bytes: Uint8Array): CborValue | undefined {
  if (bytes.length < 2 && bytes[0] !== 0x80 && bytes[0] !== 0xa0) return undefined;
  try {
    const value = decode(bytes);
    return Array.isArray(value) || value instanceof Map || value instanceof Uint8Array ? value : undefined;
  } catch {
    return undefined;
  }
}

function encoded(value: CborValue, instead: Uint8Array): Uint8Array {
  try {
    return encode(value);
  } catch {
    return instead;
  }
}

function changedValue(value: CborValue, numbers: Numbers, other: Uint8Array): CborValue {
  if (Array.isArray(value) && value.length > 0 && !numbers.oneIn(3)) {
    const items = [...(value as CborValue[])];
    const at = numbers.below(items.length);
    items[at] = changedValue(items[at] as CborValue, numbers, other);
    return items;
  }
  if (value instanceof Map && value.size > 0 && !numbers.oneIn(3)) {
    const key = numbers.pick([...value.keys()]) as number;
    return new Map(value).set(key, changedValue(value.get(key) as CborValue, numbers, other));
  }
  return numbers.oneIn(8) ? freshValue(numbers, other) : changedKind(value, numbers, other);
}

function changedKind(value: CborValue, numbers: Numbers, other: Uint8Array): CborValue {
  if (Array.isArray(value)) return changedItems(value, numbers, other);
  if (value instanceof Map) return changedEntries(value, numbers, other);
  if (value instanceof Uint8Array) {
    const inner = numbers.oneIn(2) ? valueIn(value) : undefined;
    if (inner !== undefined) return encoded(changedValue(inner, numbers, other), value);
    return numbers.oneIn(3) ? resized(value, numbers) : changedBytes(value, numbers, other);
  }
  if (typeof value === "string") return changedText(value, numbers);
  if (typeof value === "number" || typeof value === "bigint") return changedInteger(value, numbers);
  return numbers.oneIn(2) ? !value : freshValue(numbers, other);
}

function changedInteger(value: number | bigint, numbers: Numbers): bigint {
  const by = BigInt(numbers.pick([1, -1, 2, -2, 16, -16, 256, 86_400, -86_400, 31_536_000]));
  if (numbers.oneIn(2)) return BigInt(value) + by;
  return numbers.oneIn(4) ? BigInt(value) ^ (1n << BigInt(numbers.below(64))) : BigInt(numbers.pick(INTEGERS));
}

function changedText(value: string, numbers: Numbers): string {
  const characters = ["\0", "é", "\u{1f4b6}", "\ufeff", "@", "9", "z", "\u2028"];
  const at = numbers.below(value.length + 1);
  if (numbers.oneIn(3)) return value.slice(0, at);
  if (numbers.oneIn(4)) return value.repeat(1 + numbers.below(16));
  return value.slice(0, at) + numbers.pick(characters) + value.slice(at);
}

function changedItems(items: readonly CborValue[], numbers: Numbers, other: Uint8Array): CborValue[] {
  const result = [...items];
  const at = numbers.below(items.length + 1);
  const how = numbers.below(4);
  if (how === 0) result.splice(at, 1);
  else if (how === 1) result.splice(at, 0, items.length === 0 ? freshValue(numbers, other) : numbers.pick(items));
  else if (how === 2) result.splice(at, 0, freshValue(numbers, other));
  else for (let i = numbers.pick(LENGTHS); i > 0 && items.length > 0; i--) result.push(numbers.pick(items));
  return result;
}

function changedEntries(entries: ReadonlyMap<number, CborValue>, numbers: Numbers, other: Uint8Array): CborValue {
  const result = new Map(entries);
  const lender = valueIn(other);
  if (lender instanceof Map && lender.size > 0 && numbers.oneIn(2)) {
    const [key, value] = numbers.pick([...lender]) as [number, CborValue];
    return result.set(key, value);
  }
  const key = entries.size > 0 && numbers.oneIn(2) ? numbers.pick([...entries.keys()]) : numbers.pick(KEYS);
  if (numbers.oneIn(2)) result.delete(key);
  else result.set(key, freshValue(numbers, other));
  return result;
}

/** Some value inside what the bytes are. */
function borrowed(other: Uint8Array, numbers: Numbers): CborValue {
  let value: CborValue = valueIn(other) ?? other;
  for (let depth = numbers.below(4); depth > 0; depth--) {
    const items: CborValue[] = Array.isArray(value) ? value : value instanceof Map ? [...value.values()] : [];
    if (items.length === 0) break;
    value = numbers.pick(items);
  }
  return value;
}

function freshValue(numbers: Numbers, other: Uint8Array): CborValue {
  switch (numbers.below(11)) {
    case 0:
      return null;
    case 1:
      return numbers.oneIn(2);
    case 2:
      return numbers.bytes(numbers.pick(LENGTHS));
    case 3:
      return other.subarray(0, numbers.below(other.length + 1));
    case 4:
      return "abcd".repeat(40).slice(0, numbers.pick(LENGTHS));
    case 5:
      return Array.from({ length: numbers.below(5) }, () => numbers.pick(INTEGERS));
    case 6:
      return new Map([[numbers.below(4), numbers.pick(INTEGERS)]]);
    case 7:
      return numbers.pick(INTEGERS);
    default:
      return borrowed(other, numbers);
  }
}

function resized(bytes: Uint8Array, numbers: Numbers): Uint8Array {
  const length = numbers.oneIn(2) ? numbers.pick(LENGTHS) : Math.max(0, bytes.length + numbers.below(5) - 2);
  const result = new Uint8Array(length);
  result.set(bytes.subarray(0, length));
  return result;
}

function changedBytes(bytes: Uint8Array, numbers: Numbers, other: Uint8Array): Uint8Array {
  const at = numbers.below(bytes.length + 1);
  const length = 1 + numbers.below(numbers.oneIn(3) ? 64 : 4);
  const from = numbers.below(other.length + 1);
  switch (numbers.below(8)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return concatBytes(bytes.subarray(0, at), bytes.subarray(at + length));
    case 2:
      return concatBytes(bytes.subarray(0, at), numbers.bytes(length), bytes.subarray(at));
    case 3:
      return concatBytes(bytes.subarray(0, at), other.subarray(from, from + length), bytes.subarray(at));
    case 4:
      return concatBytes(bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at));
    case 5:
      return withByte(
        bytes,
        at,
        numbers.pick([0, 1, 0x7f, 0x80, 0xff, 0x18, 0x19, 0x1a, 0x1b, 0x58, 0x59, 0x5a, 0x9b]),
      );
    case 6:
      return withByte(bytes, at, (bytes[at] ?? 0) + numbers.pick([1, -1, 8, -8]));
    default:
      return withByte(bytes, at, (bytes[at] ?? 0) ^ (1 << numbers.below(8)));
  }
}

function withByte(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const result = bytes.slice();
  if (at < result.length) result[at] = value;
  return result;
}
