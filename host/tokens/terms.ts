/** What a purse is worth: its denominations, and where each of its tokens stands. */

import {
  DENOMINATIONS_MAX,
  PURSE_AUTHORIZATION,
  PURSE_MONEY,
  PURSE_TOKENS_MAX,
} from "../../firmware/protocol/tokens.js";
import { CodecError } from "../codec/errors.js";
import { AMOUNT_MAX, type Unit } from "../units.js";

/** Tokens of one value. */
export interface Denomination {
  /** In the purse's unit. */
  readonly value: bigint;
  readonly count: number;
}

/** A run of tokens with neighbouring serial numbers. */
export interface SerialRange {
  readonly first: number;
  readonly count: number;
}

/** What request, share and head of a purse say alike. */
export interface PurseTerms {
  /** 16 bytes: the mint, or authorization service. */
  readonly issuer: Uint8Array;
  /** 16 bytes. */
  readonly seller: Uint8Array;
  /** SCHEME_SECRET or SCHEME_SOURCE. */
  readonly scheme: number;
  /** PURSE_MONEY or PURSE_AUTHORIZATION. */
  readonly kind: number;
  /** Of an authorization purse 0/0. */
  readonly unit: Unit;
  /** Their values rise. */
  readonly denominations: readonly Denomination[];
  /** Last second, of 1970, at which a seller takes a half. */
  readonly spendBy_seconds: number;
  /** What an authorization purse says of whoever has it; null for money. */
  readonly assertion: string | null;
}

/** The unit of authorizations. */
export const NO_UNIT: Unit = { currency: 0, exponent: 0 };

/** CodecError when the terms are none that a purse can have. */
export function checkTerms({ kind, unit, denominations, assertion }: PurseTerms): void {
  if (denominations.length === 0 || denominations.length > DENOMINATIONS_MAX)
    throw new CodecError(`purse: ${denominations.length} denominations, it has 1 to ${DENOMINATIONS_MAX}`);
  let before = 0n;
  for (const { value, count } of denominations) {
    if (value <= before) throw new CodecError("purse: the values of its denominations must rise from 1");
    if (count < 1) throw new CodecError("purse: a denomination without tokens");
    before = value;
  }
  const tokens = tokenCount(denominations);
  if (tokens > PURSE_TOKENS_MAX) throw new CodecError(`purse: ${tokens} tokens, at most ${PURSE_TOKENS_MAX}`);
  if (faceValue(denominations) > AMOUNT_MAX) throw new CodecError("purse: its face value is too large");
  const isMoney = kind === PURSE_MONEY && unit.currency !== 0 && assertion === null;
  if (!isMoney && !isAuthorization(kind, unit, denominations, assertion))
    throw new CodecError("purse: neither money of a currency nor an assertion in tokens of value 1");
}

function isAuthorization(
  kind: number,
  unit: Unit,
  denominations: readonly Denomination[],
  assertion: string | null,
): boolean {
  if (kind !== PURSE_AUTHORIZATION || assertion === null || assertion === "") return false;
  return unit.currency === 0 && unit.exponent === 0 && denominations.length === 1 && denominations[0]?.value === 1n;
}

export function tokenCount(denominations: readonly Denomination[]): number {
  return denominations.reduce((sum, { count }) => sum + count, 0);
}

/** How many tokens the ranges name. */
export function rangesCount(ranges: readonly SerialRange[]): number {
  let tokens = 0;
  for (const { count } of ranges) tokens += count;
  return tokens;
}

export function faceValue(denominations: readonly Denomination[]): bigint {
  return denominations.reduce((sum, { value, count }) => sum + value * BigInt(count), 0n);
}

/** The serial number after the last one of each denomination. */
export function denominationEnds(denominations: readonly Denomination[]): number[] {
  let end = 0;
  return denominations.map(({ count }) => {
    end += count;
    return end;
  });
}

/** What one token is worth, or undefined if there is none of this serial number. */
export function tokenValue(denominations: readonly Denomination[], serial: number): bigint | undefined {
  let end = 0;
  for (const { value, count } of denominations) {
    end += count;
    if (serial < end) return value;
  }
  return undefined;
}

/** What tokens of these serial numbers, which rise, are worth together. */
export function worthOf(denominations: readonly Denomination[], serials: readonly number[]): bigint {
  let sum = 0n;
  let at = 0;
  let end = 0;
  for (const { value, count } of denominations) {
    end += count;
    const first = at;
    while (at < serials.length && (serials[at] ?? end) < end) at += 1;
    sum += value * BigInt(at - first);
  }
  return sum;
}
