/**
 * What request and share say alike of a purse: kind, unit, denominations, assertion, party; read strictly and written
 * as read.
 */

import { ID_BYTES, SECONDS_BITS } from "../protocol/limits";
import { REASON_ARITHMETIC, REASON_MALFORMED, REASON_TOO_MANY_TOKENS, REASON_UNKNOWN_UNIT } from "../protocol/reasons";
import {
  ASSERTION_BYTES_MAX,
  DENOMINATIONS_MAX,
  HOLDERS_MAX,
  PURSE_AUTHORIZATION,
  PURSE_MONEY,
  PURSE_TOKENS_MAX,
} from "../protocol/tokens";
import { Reader, Writer } from "../lib/cbor";
import { Purse, PURSE_IS_JOINT } from "./purse";

const CURRENCY_MAX: u64 = 999;
const EXPONENT_MAX: u64 = 9;
const FACE_MAX: u64 = <u64>i64.MAX_VALUE;

/** Kind, currency, exponent. 0, or why no purse is like that; what cannot be read fails the reader. */
export function readUnit(r: Reader, into: Purse): i32 {
  const kind = r.uint();
  const currency = r.uint();
  const exponent = r.uint();
  if (kind != PURSE_MONEY && kind != PURSE_AUTHORIZATION) r.fail(REASON_MALFORMED);
  if (currency > CURRENCY_MAX || exponent > EXPONENT_MAX) return -REASON_UNKNOWN_UNIT;
  into.kind = <u8>kind;
  into.currency = <u16>currency;
  into.exponent = <u8>exponent;
  const none = currency == 0 && exponent == 0;
  return kind == PURSE_AUTHORIZATION ? (none ? 0 : -REASON_UNKNOWN_UNIT) : currency == 0 ? -REASON_UNKNOWN_UNIT : 0;
}

/** [[value, count]...], values rising. 0, -REASON_TOO_MANY_TOKENS or -REASON_ARITHMETIC. */
export function readDenominations(r: Reader, into: Purse): i32 {
  const denominations = r.array();
  if (denominations == 0 || denominations > <u32>DENOMINATIONS_MAX) r.fail(REASON_MALFORMED);
  let status = 0;
  let before: u64 = 0;
  let tokens: u64 = 0;
  let face: u64 = 0;
  for (let d: u32 = 0; d < denominations && r.failed == 0; d++) {
    r.arrayOf(2);
    const value = r.amount();
    const count = r.uint();
    if (value <= before || count == 0) r.fail(REASON_MALFORMED);
    if (r.failed != 0 || status < 0) continue;
    before = value;
    if (count > <u64>PURSE_TOKENS_MAX - tokens) status = -REASON_TOO_MANY_TOKENS;
    else if (value > (FACE_MAX - face) / count) status = -REASON_ARITHMETIC;
    if (status < 0) continue;
    tokens += count;
    face += value * count;
    into.setDenomination(d, value, <u32>count);
  }
  into.denominations = r.failed == 0 ? <u8>denominations : 0;
  return r.failed == 0 ? status : 0;
}

export function writeDenominations(w: Writer, purse: Purse): void {
  w.array(purse.denominations);
  for (let d: u32 = 0; d < purse.denominations; d++) {
    w.array(2);
    w.uint(purse.value(d));
    w.uint(purse.count(d));
  }
}

/** [[value, count, next]...]: how far each denomination is spent. */
export function writeStacks(w: Writer, purse: Purse): void {
  w.array(purse.denominations);
  for (let d: u32 = 0; d < purse.denominations; d++) {
    w.array(3);
    w.uint(purse.value(d));
    w.uint(purse.count(d));
    w.uint(purse.next(d));
  }
}

/** Text, or null. */
export function readAssertion(r: Reader, into: Purse): void {
  if (r.isNil()) return;
  const text = r.text(ASSERTION_BYTES_MAX);
  if (r.length == 0) r.fail(REASON_MALFORMED);
  memory.copy(into.assertion, text, r.length);
  into.assertionLength = <u8>r.length;
}

export function writeAssertion(w: Writer, purse: Purse): void {
  if (purse.assertionLength == 0) w.nil();
  else w.text(purse.assertion, purse.assertionLength);
}

/** A purse of money says nothing of its holder; an authorization says something, and each of its tokens the same. */
export function kindFits(purse: Purse): bool {
  if (purse.kind == PURSE_MONEY) return purse.assertionLength == 0;
  return purse.assertionLength > 0 && purse.denominations == 1 && purse.value(0) == 1;
}

/** [joint id, holders, index], or null: the only party besides the seller. */
export function readJoint(r: Reader, into: Purse): void {
  into.holders = 1;
  into.index = 0;
  if (r.isNil()) return;
  r.arrayOf(3);
  const joint = r.fixed(ID_BYTES);
  const holders = r.uint();
  const index = r.uint();
  if (holders < 2 || holders > <u64>HOLDERS_MAX || index >= holders) r.fail(REASON_MALFORMED);
  if (r.failed != 0) return;
  memory.copy(into.joint, joint, ID_BYTES);
  into.holders = <u8>holders;
  into.index = <u8>index;
  into.flags |= PURSE_IS_JOINT;
}

export function readSeconds(r: Reader): u64 {
  const seconds = r.uint();
  if (seconds >> SECONDS_BITS != 0) r.fail(REASON_MALFORMED);
  return seconds;
}
