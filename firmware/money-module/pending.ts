/**
 * Payments that are not over (docs/PROTOCOLS.md, section 5): what has been offered, committed, is in doubt, or is settled
 * and not yet acknowledged. The record is the truth; what a session knows in memory only repeats it.
 *
 * Records of version 1 are of payments that were begun before a lock belonged to one payment: what their payer shows is the key.
 *
 *     record   [ version | state | flags | exponent | currency u16 | items u8 | 0 | amount u64 | pay-id 32 | peer 16 |
 *                lock 32 | first counter u64 | memo length u8 | memo 32 | item... ]
 *     item     [ place u8 | part u64 ]
 *     counter  [ version | next u64 ]
 *
 * The transferor's counter is one for the whole module; an offer burns one value for each note, aborted or not.
 */

import { HASH_BYTES } from "../platform/constants";
import { ID_BYTES, MEMO_BYTES_MAX, PACKET_NOTES_MAX, PENDING_MAX } from "../protocol/limits";
import { REASON_NOT_FOUND, REASON_STORE_FAILURE, REASON_STORE_FULL } from "../protocol/reasons";
import { sha256, slotDerive } from "../platform/imports";
import { equal, wipe } from "../lib/memory";
import { RECORD_VERSION } from "../lib/records";
import { SLOT_LOCK } from "../lib/slots";
import { storeDelete, storeLength, storePut, storeRead } from "../lib/store";
import { RECORD_COUNTER, RECORD_PENDING } from "./records";

export const PENDING_NONE: u32 = 0;
export const PENDING_OFFERED: u32 = 1;
export const PENDING_COMMITTED: u32 = 2;
export const PENDING_DOUBT: u32 = 3;
export const PENDING_SETTLED: u32 = 4;

/** The peer has confirmed. */
export const FLAG_CONFIRMED: u32 = 1;
/** The agent has stored the outcome, or there is no agent to store it. */
export const FLAG_ACKNOWLEDGED: u32 = 2;
/** Made for the own agent: nobody else can have stored the outcome, and a host's word for it is worth nothing. */
export const FLAG_AGENT: u32 = 4;

const PENDING_VERSION: u8 = 2;
const PENDING_VERSION_UNBOUND: u8 = 1;
const ITEM_BYTES: u32 = 9;
const ITEMS_AT: u32 = 145;
export const PENDING_BYTES_MAX: u32 = 217;
const COUNTER_BYTES: u32 = 9;

const record = memory.data(224, 8);
const counterRecord = memory.data(16, 8);
/** "lock", pay-id, first counter; pay-id and what was shown. */
const info = memory.data(64, 8);
const LABEL = memory.data<u8>([0x6c, 0x6f, 0x63, 0x6b]);
const LABEL_BYTES: u32 = 4;

let nextCounter: u64 = 1;

export function counterLoad(): void {
  const got = storeRead(RECORD_COUNTER, 0, counterRecord, COUNTER_BYTES);
  nextCounter = got == COUNTER_BYTES ? load<u64>(counterRecord, 1) : 1;
}

export function counterNext(): u64 {
  return nextCounter;
}

/** Within a transaction: burns `count` values. */
export function counterPut(count: u32): i32 {
  store<u8>(counterRecord, RECORD_VERSION);
  store<u64>(counterRecord, nextCounter + count, 1);
  return storePut(RECORD_COUNTER, counterRecord, COUNTER_BYTES);
}

// The record in memory: one at a time. Whoever looks at it has loaded it before.

export function pendingState(): u32 {
  return load<u8>(record, 1);
}
export function pendingFlags(): u32 {
  return load<u8>(record, 2);
}
export function pendingExponent(): u32 {
  return load<u8>(record, 3);
}
export function pendingCurrency(): u32 {
  return load<u16>(record, 4);
}
export function pendingItems(): u32 {
  return load<u8>(record, 6);
}
export function pendingAmount(): u64 {
  return load<u64>(record, 8);
}
export function pendingPayId(): usize {
  return record + 16;
}
export function pendingPeer(): usize {
  return record + 48;
}
export function pendingLock(): usize {
  return record + 64;
}
export function pendingFirstCounter(): u64 {
  return load<u64>(record, 96);
}
export function pendingMemoLength(): u32 {
  return load<u8>(record, 104);
}
export function pendingMemo(): usize {
  return record + 105;
}
export function pendingItemPlace(i: u32): u32 {
  return load<u8>(record + ITEMS_AT + i * ITEM_BYTES);
}
export function pendingItemPart(i: u32): u64 {
  return load<u64>(record + ITEMS_AT + i * ITEM_BYTES, 1);
}

function recordBytes(): u32 {
  return ITEMS_AT + pendingItems() * ITEM_BYTES;
}

/** Starts a new record; items follow. */
export function pendingNew(state: u32, payId: usize, peer: usize, currency: u32, exponent: u32, amount: u64): void {
  memory.fill(record, 0, PENDING_BYTES_MAX);
  store<u8>(record, PENDING_VERSION);
  store<u8>(record, <u8>state, 1);
  store<u8>(record, <u8>exponent, 3);
  store<u16>(record, <u16>currency, 4);
  store<u64>(record, amount, 8);
  memory.copy(record + 16, payId, HASH_BYTES);
  memory.copy(record + 48, peer, ID_BYTES);
  store<u64>(record, nextCounter, 96);
}

export function pendingSetLock(lock: usize): void {
  memory.copy(record + 64, lock, HASH_BYTES);
}

export function pendingSetMemo(memo: usize, length: u32): void {
  assert(length <= <u32>MEMO_BYTES_MAX);
  store<u8>(record, <u8>length, 104);
  memory.copy(record + 105, memo, length);
}

export function pendingAddItem(placeIndex: u32, part: u64): void {
  const i = pendingItems();
  assert(i < <u32>PACKET_NOTES_MAX);
  store<u8>(record + ITEMS_AT + i * ITEM_BYTES, <u8>placeIndex);
  store<u64>(record + ITEMS_AT + i * ITEM_BYTES, part, 1);
  store<u8>(record, <u8>(i + 1), 6);
}

export function pendingSetState(state: u32): void {
  store<u8>(record, <u8>state, 1);
}

export function pendingSetFlag(flag: u32): void {
  store<u8>(record, <u8>(pendingFlags() | flag), 2);
}

/**
 * Loads record `index`; false when there is none. A record that is there and cannot be read stops the chip: that there is
 * none would mean that the payment was aborted.
 */
export function pendingLoad(index: u32): bool {
  memory.fill(record, 0, PENDING_BYTES_MAX);
  const got = storeRead(RECORD_PENDING | index, 0, record, PENDING_BYTES_MAX);
  if (got == -REASON_NOT_FOUND) return false;
  const version = load<u8>(record);
  assert(got >= <i32>ITEMS_AT && (version == PENDING_VERSION || version == PENDING_VERSION_UNBOUND));
  return true;
}

/** Loads the record of a pay-id; its index, or -REASON_NOT_FOUND. */
export function pendingFind(payId: usize): i32 {
  for (let i: u32 = 0; i < <u32>PENDING_MAX; i++) {
    if (pendingLoad(i) && equal(pendingPayId(), payId, HASH_BYTES)) return i;
  }
  memory.fill(record, 0, PENDING_BYTES_MAX);
  return -REASON_NOT_FOUND;
}

/** An index without a record, or -REASON_STORE_FULL: a payer refuses rather than forget what is unconfirmed. */
export function pendingFree(): i32 {
  for (let i: u32 = 0; i < <u32>PENDING_MAX; i++) {
    if (!pendingExists(i)) return i;
  }
  return -REASON_STORE_FULL;
}

/** Whether there is a record, without loading it. */
export function pendingExists(index: u32): bool {
  return storeLength(RECORD_PENDING | index) >= 0;
}

/** How many records there are. */
export function pendingCount(): u32 {
  let count: u32 = 0;
  for (let i: u32 = 0; i < <u32>PENDING_MAX; i++) {
    if (pendingExists(i)) count += 1;
  }
  return count;
}

/** Whether a payment with this peer awaits its outcome: then nothing new starts with it. */
export function pendingWith(peer: usize): bool {
  for (let i: u32 = 0; i < <u32>PENDING_MAX; i++) {
    if (!pendingLoad(i) || !equal(pendingPeer(), peer, ID_BYTES)) continue;
    const state = pendingState();
    if (state == PENDING_DOUBT || (state == PENDING_COMMITTED && (pendingFlags() & FLAG_CONFIRMED) == 0)) return true;
  }
  return false;
}

/** Within a transaction: writes the record in memory. */
export function pendingPut(index: u32): i32 {
  assert(index < <u32>PENDING_MAX && pendingState() != PENDING_NONE);
  return storePut(RECORD_PENDING | index, record, recordBytes());
}

/** Within a transaction: forgets. */
export function pendingDelete(index: u32): i32 {
  return storeDelete(RECORD_PENDING | index);
}

/** What the payer of the record in memory shows, made anew: HKDF(lock secret, pay-id, first counter). The caller wipes it. */
export function pendingKey(to: usize): i32 {
  memory.copy(info, LABEL, LABEL_BYTES);
  memory.copy(info + LABEL_BYTES, pendingPayId(), HASH_BYTES);
  store<u64>(info, pendingFirstCounter(), LABEL_BYTES + HASH_BYTES);
  const status = slotDerive(SLOT_LOCK, info, LABEL_BYTES + HASH_BYTES + 8, to, HASH_BYTES);
  wipe(info, 48);
  return status < 0 ? -REASON_STORE_FAILURE : 0;
}

/**
 * The key of the notes of the record in memory, from what its payer shows: SHA-256(pay-id || shown). So a lock belongs to one
 * payment: whoever takes a record in another one is never shown what opens it there. The caller wipes it.
 */
export function pendingNoteKey(shown: usize, to: usize): i32 {
  if (load<u8>(record) == PENDING_VERSION_UNBOUND) {
    memory.copy(to, shown, HASH_BYTES);
    return 0;
  }
  memory.copy(info, pendingPayId(), HASH_BYTES);
  memory.copy(info + HASH_BYTES, shown, HASH_BYTES);
  const status = sha256(info, 2 * HASH_BYTES, to, HASH_BYTES);
  wipe(info, 2 * HASH_BYTES);
  return status;
}
