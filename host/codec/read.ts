/**
 * Reading decoded CBOR by shape. Every function takes the name under which a person knows the value, and throws a
 * CodecError that says where, what was expected and what was found: "chain, item 1 (device certificate): expected ...".
 */

import { AMOUNT_BITS, ID_BYTES } from "../../firmware/protocol/limits.js";
import { type CborValue, decode, decodeInPlace, describeKind } from "./cbor.js";
import { CodecError } from "./errors.js";

const encoder = new TextEncoder();
const AMOUNT_END = 1n << BigInt(AMOUNT_BITS);

function expected(name: string, what: string, found: CborValue): CodecError {
  return new CodecError(`${name}: expected ${what}, found ${describeKind(found)}`);
}

function isUint(value: CborValue, max: number): value is number {
  return typeof value === "number" && value >= 0 && value <= max;
}

function isAmount(value: CborValue): value is number | bigint {
  return (typeof value === "number" || typeof value === "bigint") && value >= 0 && value < AMOUNT_END;
}

function isBytes(value: CborValue, min: number, max: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length >= min && value.length <= max;
}

/** An unsigned integer up to `max`, which a number holds exactly. */
export function asUint(value: CborValue, name: string, max: number = Number.MAX_SAFE_INTEGER): number {
  if (isUint(value, max)) return value;
  throw expected(name, `an unsigned integer up to ${max}`, value);
}

/** An unsigned integer below 2^63. */
export function asAmount(value: CborValue, name: string): bigint {
  if (isAmount(value)) return BigInt(value);
  throw expected(name, `an amount below 2^${AMOUNT_BITS}`, value);
}

export function asInteger(value: CborValue, name: string): number {
  if (typeof value === "number") return value;
  throw expected(name, "an integer below 2^53", value);
}

export function asBytes(value: CborValue, name: string, min: number, max: number = min): Uint8Array {
  if (isBytes(value, min, max)) return value;
  throw expected(name, min === max ? `a byte string of ${min}` : `a byte string of ${min} to ${max}`, value);
}

/** Text of at most `max` bytes of UTF-8. */
export function asText(value: CborValue, name: string, max: number): string {
  // No character takes more than three bytes for each of its units, so that short text need not be encoded.
  if (typeof value === "string" && (3 * value.length <= max || encoder.encode(value).length <= max)) return value;
  throw expected(name, `text of at most ${max} bytes`, value);
}

export function asBool(value: CborValue, name: string): boolean {
  if (typeof value === "boolean") return value;
  throw expected(name, "true or false", value);
}

export function asArray(value: CborValue, name: string, length?: number): readonly CborValue[] {
  if (Array.isArray(value) && (length === undefined || value.length === length)) return value;
  throw expected(name, length === undefined ? "an array" : `an array of ${length}`, value);
}

export function asMap(value: CborValue, name: string): ReadonlyMap<number, CborValue> {
  if (value instanceof Map) return value;
  throw expected(name, "a map", value);
}

/**
 * Takes the items of an array, or the values of a map in the order of their keys, one after the other. Where an item stands is put
 * into words only for an error: a seller reads twenty items an order.
 */
export class Fields {
  private taken = 0;

  private constructor(
    private readonly name: string,
    /** Of a map; the items of an array are numbered. */
    private readonly keys: readonly number[] | undefined,
    private readonly values: readonly CborValue[],
    /** Which it is an item of, and which item. */
    private readonly outer?: Fields,
    private readonly at = 0,
  ) {}

  static ofArray(value: CborValue, name: string, length?: number): Fields {
    const items = asArray(value, name, length);
    return new Fields(name, undefined, items);
  }

  /** A map with exactly these keys; the order of `keys` is the order in which values are taken. */
  static ofMap(value: CborValue, name: string, keys: readonly number[]): Fields {
    const map = asMap(value, name);
    const unknown = [...map.keys()].find((key) => !keys.includes(key));
    if (unknown !== undefined) throw new CodecError(`${name}: has key ${unknown}, which has no meaning there`);
    const values = keys.map((key) => {
      const found = map.get(key);
      if (found === undefined) throw new CodecError(`${name}: key ${key} is missing`);
      return found;
    });
    return new Fields(name, keys, values);
  }

  /** Decodes an array from bytes. */
  static decode(bytes: Uint8Array, name: string, length?: number): Fields {
    return Fields.ofArray(decode(bytes), name, length);
  }

  /** As `decode`, but byte strings are no copies: they change with `bytes`. */
  static decodeInPlace(bytes: Uint8Array, name: string, length?: number): Fields {
    return Fields.ofArray(decodeInPlace(bytes), name, length);
  }

  /** Items not yet taken. */
  get left(): number {
    return this.values.length - this.taken;
  }

  value(name: string): CborValue {
    const found = this.values[this.taken];
    if (found === undefined) throw new CodecError(`${this.path()}: ends before ${name}`);
    this.taken += 1;
    return found;
  }

  uint(name: string, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.value(name);
    return isUint(value, max) ? value : asUint(value, this.where(name), max);
  }

  amount(name: string): bigint {
    const value = this.value(name);
    return isAmount(value) ? BigInt(value) : asAmount(value, this.where(name));
  }

  integer(name: string): number {
    return asInteger(this.value(name), this.where(name));
  }

  bytes(name: string, min: number, max: number = min): Uint8Array {
    const value = this.value(name);
    return isBytes(value, min, max) ? value : asBytes(value, this.where(name), min, max);
  }

  /** An identifier of a subject, note or ticket. */
  id(name: string): Uint8Array {
    return this.bytes(name, ID_BYTES);
  }

  text(name: string, max: number): string {
    return asText(this.value(name), this.where(name), max);
  }

  bool(name: string): boolean {
    return asBool(this.value(name), this.where(name));
  }

  array(name: string, length?: number): Fields {
    const value = this.value(name);
    const isOne = Array.isArray(value) && (length === undefined || value.length === length);
    return isOne
      ? new Fields(name, undefined, value, this, this.taken - 1)
      : Fields.ofArray(value, this.where(name), length);
  }

  map(name: string, keys: readonly number[]): Fields {
    return Fields.ofMap(this.value(name), this.where(name), keys);
  }

  /** A value that may be null. */
  optional<T>(name: string, read: (value: CborValue, name: string) => T): T | null {
    const value = this.value(name);
    return value === null ? null : read(value, this.where(name));
  }

  /** Throws when something was not taken. */
  end(): void {
    if (this.left > 0) throw new CodecError(`${this.path()}: ${this.left} more items than it should have`);
  }

  private path(): string {
    return this.outer === undefined ? this.name : this.outer.where(this.name, this.at);
  }

  private where(name: string, at: number = this.taken - 1): string {
    return `${this.path()}, item ${this.keys?.[at] ?? at} (${name})`;
  }
}
