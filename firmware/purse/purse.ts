/**
 * A purse: what the chip asked an issuer for, what came, and how far its tokens are spent. Read the states first:
 *
 *     none -- REQUEST --> REQUESTED -- INSTALL --> OPEN -- CLOSE, or a REQUEST that flushes it --> CLOSED -- SETTLED --> none
 *
 * One record a slot, always PURSE_BYTES long, however many tokens the purse has: its halves are made of the seed when
 * they are spent. The tokens of a denomination are spent in order, and the record says which is next: it is stored
 * before a half leaves the chip, and never goes back.
 *
 *     record  [ a Purse, as it lies in memory ]
 *             [ nonce 16 | id 16 | issuer 16 | seller 16 | flushed 16 | joint 16 ]
 *             [ issuer's Ed25519 key 32 | issuer's X25519 key 32 | seed 32 | hash of the open order 32 | assertion 32 ]
 *             [ value u64... | count u32... | next u32... | first u32... ]   DENOMINATIONS_MAX of each
 */

import { KEY_BYTES } from "../platform/constants";
import { ASSERTION_BYTES_MAX, DENOMINATIONS_MAX, PURSES_MAX } from "../protocol/tokens";
import { ID_BYTES } from "../protocol/limits";
import { REASON_NOT_FOUND, REASON_STORE_FAILURE } from "../protocol/reasons";
import { clockFloor, clockNow } from "../lib/clock";
import { writeRecord } from "../lib/identity";
import { equal, wipe } from "../lib/memory";
import { RECORD_VERSION } from "../lib/records";
import { storeForget, storePut, storeRead } from "../lib/store";
import { RECORD_PURSE } from "./records";

/** `flags`: the request named an older purse, the purse is one of several, an order is open. */
export const PURSE_HAS_FLUSHED: u8 = 1;
export const PURSE_IS_JOINT: u8 = 2;
export const PURSE_HAS_ORDER: u8 = 4;

const IDS: u32 = 6;
const KEYS: u32 = 5;
const IDS_AT: usize = offsetof<Purse>();
const KEYS_AT: usize = IDS_AT + IDS * ID_BYTES;
const VALUES_AT: usize = KEYS_AT + KEYS * KEY_BYTES;
const COUNTS_AT: usize = VALUES_AT + DENOMINATIONS_MAX * 8;
const NEXTS_AT: usize = COUNTS_AT + DENOMINATIONS_MAX * 4;
const FIRSTS_AT: usize = NEXTS_AT + DENOMINATIONS_MAX * 4;
export const PURSE_BYTES: u32 = <u32>(FIRSTS_AT + DENOMINATIONS_MAX * 4);


@unmanaged
export class Purse {
  version: u8;
  state: u8;
  kind: u8;
  exponent: u8;
  currency: u16;
  denominations: u8;
  flags: u8;
  /** Parties besides the seller, and which of them this purse is. */
  holders: u8;
  index: u8;
  /** 0: none. */
  assertionLength: u8;
  /** Last seconds; `redeemBy` is 0 until the issuer has said it. */
  spendBy: u64;
  redeemBy: u64;
  /** When it was asked for. */
  time: u64;
  /** What may be revealed without the PIN. */
  allowance: u64;
  /** What the open order was paid. */
  revealed: u64;

  get nonce(): usize {
    return changetype<usize>(this) + IDS_AT;
  }
  get id(): usize {
    return changetype<usize>(this) + IDS_AT + ID_BYTES;
  }
  get issuer(): usize {
    return changetype<usize>(this) + IDS_AT + 2 * ID_BYTES;
  }
  get seller(): usize {
    return changetype<usize>(this) + IDS_AT + 3 * ID_BYTES;
  }
  /** The older purse of the pair that the request names. */
  get flushed(): usize {
    return changetype<usize>(this) + IDS_AT + 4 * ID_BYTES;
  }
  get joint(): usize {
    return changetype<usize>(this) + IDS_AT + 5 * ID_BYTES;
  }
  get issuerSignatureKey(): usize {
    return changetype<usize>(this) + KEYS_AT;
  }
  get issuerAgreementKey(): usize {
    return changetype<usize>(this) + KEYS_AT + KEY_BYTES;
  }
  get seed(): usize {
    return changetype<usize>(this) + KEYS_AT + 2 * KEY_BYTES;
  }
  get orderHash(): usize {
    return changetype<usize>(this) + KEYS_AT + 3 * KEY_BYTES;
  }
  get assertion(): usize {
    return changetype<usize>(this) + KEYS_AT + 4 * KEY_BYTES;
  }

  value(d: u32): u64 {
    return load<u64>(changetype<usize>(this) + VALUES_AT + d * 8);
  }
  count(d: u32): u32 {
    return load<u32>(changetype<usize>(this) + COUNTS_AT + d * 4);
  }
  /** The first token that was neither revealed nor skipped, from 0 within its denomination. */
  next(d: u32): u32 {
    return load<u32>(changetype<usize>(this) + NEXTS_AT + d * 4);
  }
  /** The open order's first token: it was paid the tokens from here up to `next`. */
  first(d: u32): u32 {
    return load<u32>(changetype<usize>(this) + FIRSTS_AT + d * 4);
  }
  setDenomination(d: u32, value: u64, count: u32): void {
    store<u64>(changetype<usize>(this) + VALUES_AT + d * 8, value);
    store<u32>(changetype<usize>(this) + COUNTS_AT + d * 4, count);
  }
  setNext(d: u32, token: u32): void {
    store<u32>(changetype<usize>(this) + NEXTS_AT + d * 4, token);
  }
  setFirst(d: u32, token: u32): void {
    store<u32>(changetype<usize>(this) + FIRSTS_AT + d * 4, token);
  }

  isPairOf(issuer: usize, seller: usize): bool {
    return equal(this.issuer, issuer, ID_BYTES) && equal(this.seller, seller, ID_BYTES);
  }
  isUnit(kind: u32, currency: u32, exponent: u32): bool {
    return this.kind == kind && this.currency == currency && this.exponent == exponent;
  }
  /** Whether both are good for the same: money of a unit, or one assertion. */
  isGoodForSame(as: Purse): bool {
    if (!this.isUnit(as.kind, as.currency, as.exponent) || this.assertionLength != as.assertionLength) return false;
    return equal(this.assertion, as.assertion, this.assertionLength);
  }
  /** After its last second for spending, by the highest time that the chip knows. */
  isSpendingOver(): bool {
    return timeAtLeast() > this.spendBy;
  }
}

/** The purse that a command is about, and another that it is compared with. Neither outlives the command. */
export const p = changetype<Purse>(memory.data(PURSE_BYTES, 8));
export const other = changetype<Purse>(memory.data(PURSE_BYTES, 8));

/** Seconds: what the host said since power-up, or at least the floor. */
export function timeAtLeast(): u64 {
  return max(clockNow(), clockFloor());
}

/** 1 when there is a purse in the slot, 0 when there is none, or an error: a record that is not ours. */
export function purseLoad(slot: u32, into: Purse): i32 {
  assert(slot < <u32>PURSES_MAX);
  const got = storeRead(RECORD_PURSE + slot, 0, changetype<usize>(into), PURSE_BYTES);
  if (got == -REASON_NOT_FOUND) return 0;
  if (got < 0) return got;
  return <u32>got == PURSE_BYTES && into.version == RECORD_VERSION ? 1 : -REASON_STORE_FAILURE;
}

/** The purse of a slot that a host names, into `p`: 0, -REASON_NOT_FOUND, or an error. */
export function purseNamed(slot: u64): i32 {
  if (slot >= <u64>PURSES_MAX) return -REASON_NOT_FOUND;
  const there = purseLoad(<u32>slot, p);
  return there == 1 ? 0 : there == 0 ? -REASON_NOT_FOUND : there;
}

/** Within a transaction. */
export function pursePut(slot: u32, purse: Purse): i32 {
  purse.version = RECORD_VERSION;
  return storePut(RECORD_PURSE + slot, changetype<usize>(purse), PURSE_BYTES);
}

/** In a transaction of its own. */
export function purseSave(slot: u32, purse: Purse): i32 {
  purse.version = RECORD_VERSION;
  return writeRecord(RECORD_PURSE + slot, changetype<usize>(purse), PURSE_BYTES);
}

export function purseClear(purse: Purse): void {
  assert((IDS_AT & 7) == 0 && ASSERTION_BYTES_MAX == KEY_BYTES);
  memory.fill(changetype<usize>(purse), 0, PURSE_BYTES);
}

/** No seed stays in memory behind a command. */
export function pursesForget(): void {
  wipe(changetype<usize>(p), PURSE_BYTES);
  wipe(changetype<usize>(other), PURSE_BYTES);
  storeForget();
}
