/**
 * What all messages of token halves are made of (docs/TOKENS.md, Messages). `read...` decodes what nobody has checked yet;
 * `verify...` also demands the signature of the key that is named.
 */

import { COSE_PAYLOAD_BYTES_MAX, ID_BYTES } from "../../../firmware/protocol/limits.js";
import * as t from "../../../firmware/protocol/tokens.js";
import { type CborValue, decode, encode } from "../../codec/cbor.js";
import { CodecError } from "../../codec/errors.js";
import { asArray, asBytes, asText, Fields } from "../../codec/read.js";
import type { Denomination, PurseTerms, SerialRange } from "../terms.js";

export const VERSION = 1;
const CURRENCY_MAX = 999;
const EXPONENT_MAX = 18;
export const HASH_BYTES = 32;
export const KEY_BYTES = 32;
export const SIGNED_BYTES_MAX = COSE_PAYLOAD_BYTES_MAX + 128;
const RANGES_MAX = 65_536;

const encoder = new TextEncoder();
/** What a sealed message is about is in its prologue: none can be taken for another. */
export const PROLOGUE = {
  request: encoder.encode("tallystick token request"),
  share: encoder.encode("tallystick token share"),
  purse: encoder.encode("tallystick token purse"),
  seller: encoder.encode("tallystick token seller"),
  close: encoder.encode("tallystick token close"),
  halves: encoder.encode("tallystick token halves"),
} as const;

export function requireVersion(fields: Fields): void {
  const version = fields.uint("version");
  if (version !== VERSION) throw new CodecError(`token message: version ${version}, this program speaks ${VERSION}`);
}

export function whatItIs({ scheme, kind, unit, denominations }: PurseTerms): CborValue[] {
  const pairs = denominations.map(({ value, count }) => [value, count]);
  return [scheme, kind, unit.currency, unit.exponent, pairs];
}

export function readWhatItIs(fields: Fields) {
  const scheme = fields.uint("scheme", t.SCHEME_SOURCE);
  const kind = fields.uint("purse kind", t.PURSE_AUTHORIZATION);
  return { scheme, kind, unit: readUnit(fields), denominations: readDenominations(fields) };
}

export function readUnit(fields: Fields) {
  return { currency: fields.uint("currency", CURRENCY_MAX), exponent: fields.uint("exponent", EXPONENT_MAX) };
}

export function readDenominations(fields: Fields): Denomination[] {
  const pairs = fields.array("denominations");
  if (pairs.left > t.DENOMINATIONS_MAX) throw new CodecError(`purse: ${pairs.left} denominations are too many`);
  const denominations: Denomination[] = [];
  while (pairs.left > 0) {
    const pair = pairs.array("denomination", 2);
    denominations.push({ value: pair.amount("value"), count: pair.uint("count", t.PURSE_TOKENS_MAX) });
  }
  return denominations;
}

export function readDeadlines(fields: Fields) {
  const spendBy_seconds = fields.uint("last second for spending");
  const redeemBy_seconds = fields.uint("last second for redemption");
  if (redeemBy_seconds < spendBy_seconds) throw new CodecError("purse: it could be spent when nobody redeems it");
  return { spendBy_seconds, redeemBy_seconds };
}

export function encodeRanges(ranges: readonly SerialRange[]): CborValue {
  return ranges.map(({ first, count }) => [first, count]);
}

/** Ranges rise and do not touch what came before, so that no token is named twice. */
export function readRanges(fields: Fields): SerialRange[] {
  const pairs = fields.array("ranges of serial numbers");
  if (pairs.left > RANGES_MAX) throw new CodecError(`ranges: ${pairs.left} are too many`);
  const ranges: SerialRange[] = [];
  let end = 0;
  while (pairs.left > 0) {
    const pair = pairs.array("range", 2);
    const first = pair.uint("first serial number", t.PURSE_TOKENS_MAX - 1);
    const count = pair.uint("count", t.PURSE_TOKENS_MAX);
    if (first < end || count === 0 || first + count > t.PURSE_TOKENS_MAX)
      throw new CodecError("ranges: they must rise, and none is empty");
    ranges.push({ first, count });
    end = first + count;
  }
  return ranges;
}

export function asId(value: CborValue, name: string): Uint8Array {
  return asBytes(value, name, ID_BYTES);
}

export function asAssertion(value: CborValue, name: string): string {
  return asText(value, name, t.ASSERTION_BYTES_MAX);
}

/** An array of these byte strings and one of zeros, `length` bytes in all. */
export function padded(parts: readonly Uint8Array[], length: number): Uint8Array {
  const left = length - encode([...parts, new Uint8Array(0)]).length + 1;
  // The header of the padding has 3 bytes from 256 on: what is shorter would not always come out even.
  if (left < 3 + 256) throw new CodecError(`sealed message: ${length} bytes do not hold it`);
  return encode([...parts, new Uint8Array(left - 3)]);
}

/** The reverse; the parts are left to be taken, the padding must be zeros. */
export function unpadded(plain: Uint8Array, parts: number, length: number): Fields {
  if (plain.length !== length) throw new CodecError(`sealed message: ${plain.length} bytes, it has ${length}`);
  const items = asArray(decode(plain), "sealed message", parts + 1);
  const padding = asBytes(items[parts] ?? null, "padding", 0, length);
  if (padding.some((byte) => byte !== 0)) throw new CodecError("sealed message: its padding is not zero");
  return Fields.ofArray(items.slice(0, parts), "sealed message", parts);
}
