/**
 * Spending limits, set by the owner for a unit: most for one payment, most for one day. They bound what a host that has the
 * PIN verified can pay away; to change them it needs the PIN itself.
 *
 * Whatever leaves a subscriber's module counts: a payment, a sale, what a merchant's till is refilled with, a deposit, which may
 * go to anybody's account. What is paid in to be refreshed does not (isRefresh in terms.ts): the bank owes it to this module
 * alone. The count is written with the commit that it counts, so that an aborted payment costs nothing and no cut loses a
 * paid one.
 *
 * A day is 86,400 seconds of the element's clock, from midnight UTC. An earlier day than that of the running count is no new
 * day: a host cannot start a day again. Nor can it run through the days to come by telling one date after the other: after
 * the first payment that counts only the chip's own tick leads to another day until power-off, and then it needs the PIN.
 *
 *     record  [ version | exponent | currency u16 | most a payment u64 | most a day u64 | day of the count u64 | spent u64 ]
 *             a limit of 0 is none
 */

import { ROLE_TRANSACTION } from "../protocol/kinds";
import { AMOUNT_BITS, LIMIT_UNITS_MAX } from "../protocol/limits";
import { REASON_LIMIT, REASON_NOT_FOUND, REASON_STORE_FAILURE, REASON_STORE_FULL } from "../protocol/reasons";
import { clockSeconds } from "../platform/imports";
import { clockNow } from "../lib/clock";
import { elementRole } from "../lib/identity";
import { RECORD_VERSION } from "../lib/records";
import { storeDelete, storeLength, storePut, storeRead } from "../lib/store";
import { RECORD_LIMIT } from "./records";

const SECONDS_A_DAY: u64 = 86400;
export const AMOUNT_MAX: u64 = ((<u64>1) << AMOUNT_BITS) - 1;
export const LIMIT_BYTES: u32 = 36;

/** One at a time: whoever looks at it has loaded it before. */
const record = memory.data(40, 8);

/** The first count since power-up: the last second of its day, and the tick then. What is later than that is not believed. */
let isAnchored: bool = false;
let anchor: u64 = 0;
let anchorTick: i32 = 0;

/** After power-up. */
export function limitsReset(): void {
  isAnchored = false;
}

export function limitExponent(): u32 {
  return load<u8>(record, 1);
}
export function limitCurrency(): u32 {
  return load<u16>(record, 2);
}
export function limitPayment(): u64 {
  return load<u64>(record, 4);
}
export function limitDay(): u64 {
  return load<u64>(record, 12);
}
/** What counts against today's limit. */
export function limitSpent(): u64 {
  return isNewDay() ? 0 : load<u64>(record, 28);
}

function today(): u64 {
  const now = clockNow();
  if (!isAnchored) return now / SECONDS_A_DAY;
  const elapsed = clockSeconds() - anchorTick;
  return min(now, anchor + (elapsed > 0 ? <u64>elapsed : 0)) / SECONDS_A_DAY;
}

function setAnchor(): void {
  if (isAnchored) return;
  anchor = (today() + 1) * SECONDS_A_DAY - 1;
  anchorTick = clockSeconds();
  isAnchored = true;
}

function isNewDay(): bool {
  return today() > load<u64>(record, 20);
}

/** Loads record `i`: 1, 0 when there is none, or an error. A limit that cannot be read must not be none. */
export function limitLoad(i: u32): i32 {
  const got = storeRead(RECORD_LIMIT | i, 0, record, LIMIT_BYTES);
  if (got == -REASON_NOT_FOUND) return 0;
  return got == LIMIT_BYTES && load<u8>(record) == RECORD_VERSION ? 1 : -REASON_STORE_FAILURE;
}

/** Loads the record of a unit: its index, -REASON_NOT_FOUND, or an error. */
export function limitFind(currency: u32, exponent: u32): i32 {
  for (let i: u32 = 0; i < <u32>LIMIT_UNITS_MAX; i++) {
    const there = limitLoad(i);
    if (there < 0) return there;
    if (there == 1 && limitCurrency() == currency && limitExponent() == exponent) return i;
  }
  return -REASON_NOT_FOUND;
}

/** A bank's modules have no limits, and what is refreshed comes back. */
function counts(isRefresh: bool): bool {
  return elementRole() == ROLE_TRANSACTION && !isRefresh;
}

/** Before anything is offered: 0, -REASON_LIMIT, or an error of the store, which lets nothing out. */
export function limitCheck(amount: u64, currency: u32, exponent: u32, isRefresh: bool): i32 {
  if (!counts(isRefresh)) return 0;
  const index = limitFind(currency, exponent);
  if (index < 0) return index == -REASON_NOT_FOUND ? 0 : index;
  if (limitPayment() != 0 && amount > limitPayment()) return -REASON_LIMIT;
  if (limitDay() == 0) return 0;
  const spent = limitSpent();
  return spent > limitDay() || amount > limitDay() - spent ? -REASON_LIMIT : 0;
}

/** Within the transaction that commits a payment: counts it. */
export function limitCount(amount: u64, currency: u32, exponent: u32, isRefresh: bool): i32 {
  if (!counts(isRefresh)) return 0;
  const index = limitFind(currency, exponent);
  if (index < 0) return index == -REASON_NOT_FOUND ? 0 : index;
  const spent = min(limitSpent() + amount, AMOUNT_MAX);
  if (isNewDay()) store<u64>(record, today(), 20);
  store<u64>(record, spent, 28);
  setAnchor();
  return storePut(RECORD_LIMIT | index, record, LIMIT_BYTES);
}

// What the owner's order changes (spending-order.ts).

/** Starts the record of a unit, with nothing spent: its index, or -REASON_STORE_FULL. */
export function limitNew(currency: u32, exponent: u32): i32 {
  let index: u32 = 0;
  while (index < <u32>LIMIT_UNITS_MAX && storeLength(RECORD_LIMIT | index) >= 0) index++;
  if (index == <u32>LIMIT_UNITS_MAX) return -REASON_STORE_FULL;
  memory.fill(record, 0, LIMIT_BYTES);
  store<u8>(record, RECORD_VERSION);
  store<u8>(record, <u8>exponent, 1);
  store<u16>(record, <u16>currency, 2);
  return index;
}

/** Within a transaction: writes the loaded record with these limits. */
export function limitPut(index: u32, payment: u64, day: u64): i32 {
  store<u64>(record, payment, 4);
  store<u64>(record, day, 12);
  return storePut(RECORD_LIMIT | index, record, LIMIT_BYTES);
}

/** Within a transaction: forgets limits and count. */
export function limitDelete(index: u32): i32 {
  return storeDelete(RECORD_LIMIT | index);
}
