/**
 * Ticket Holder (WO 96/41315 fig. 4A, 148): tickets in the store, by index.
 *
 *     part 0  [ version | type | state | 0 | length u16 | date u64 ]
 *     part 1  the first 1024 bytes of the ticket      part 2  the rest
 *     part 3  the annex, for a receipt whose payment was made (fig. 12, step 634)
 *
 * A provisional ticket is held, but of no use until its transaction commits (fig. 2: "may only use that ticket upon
 * successful completion"). When more than TICKETS_MAX are held, a commit lets the oldest receipt go: an abort, which must
 * roll back exactly, never does.
 */

import { IO } from "../lib/io";
import { RECORD_VERSION } from "../lib/records";
import { storeDelete, storePut, storeRead } from "../lib/store";
import { IO_BYTES, PENDING_MAX, STORE_VALUE_BYTES_MAX, TICKETS_MAX, TICKET_BYTES_MAX } from "../protocol/limits";
import { TICKET_RECEIPT } from "../protocol/messages";
import { REASON_NOT_FOUND, REASON_STORE_FAILURE, REASON_STORE_FULL } from "../protocol/reasons";
import { RECORD_TICKET } from "./records";
import { Ticket, ticketRead } from "./ticket";

/** Room for a provisional receipt of every pending transaction, beside what is held for good. */
export const HOLDER_INDEXES: i32 = TICKETS_MAX + PENDING_MAX;
export const HELD_GOOD: u32 = 1;
export const HELD_PROVISIONAL: u32 = 2;

const META_BYTES: u32 = 14;
const PART_META: u32 = 0;
const PART_FIRST: u32 = 1;
const PART_REST: u32 = 2;
const PART_ANNEX: u32 = 3;
/** What a store transaction must reserve for one ticket. */
export const HOLDER_RESERVE_BYTES: u32 = META_BYTES + TICKET_BYTES_MAX;
export const HOLDER_RESERVE_RECORDS: u32 = 3;

const meta = memory.data(16, 8);
/** In the far end of IO, which is scratch while a command runs; messages with a ticket are composed at its start. */
const buffer: usize = IO + ((IO_BYTES - TICKET_BYTES_MAX) & ~7);

function keyOf(index: i32, part: u32): u32 {
  assert(index >= 0 && index < HOLDER_INDEXES);
  return RECORD_TICKET + ((<u32>index) << 2) + part;
}

function readMeta(index: i32): bool {
  return storeRead(keyOf(index, PART_META), 0, meta, META_BYTES) == <i32>META_BYTES;
}

/** HELD_GOOD, HELD_PROVISIONAL, or 0 for an empty index. */
export function heldState(index: i32): u32 {
  return readMeta(index) ? load<u8>(meta, 2) : 0;
}

/** Type of the ticket at an index, 0 for an empty one. */
export function heldType(index: i32): u32 {
  return readMeta(index) ? load<u8>(meta, 1) : 0;
}

/** A free index, or -REASON_STORE_FULL. */
export function holderFree(): i32 {
  for (let index: i32 = 0; index < HOLDER_INDEXES; index++) {
    if (heldState(index) == 0) return index;
  }
  return -REASON_STORE_FULL;
}

/** Within a store transaction: stores a ticket. */
export function holderPut(index: i32, type: u32, state: u32, date: u64, ticket: usize, length: u32): i32 {
  assert(length > 0 && length <= <u32>TICKET_BYTES_MAX);
  store<u8>(meta, RECORD_VERSION);
  store<u8>(meta, <u8>type, 1);
  store<u8>(meta, <u8>state, 2);
  store<u8>(meta, 0, 3);
  store<u16>(meta, <u16>length, 4);
  store<u64>(meta, date, 6);
  let status = storePut(keyOf(index, PART_META), meta, META_BYTES);
  const first = min<u32>(length, STORE_VALUE_BYTES_MAX);
  if (status >= 0) status = storePut(keyOf(index, PART_FIRST), ticket, first);
  if (status >= 0 && length > first) status = storePut(keyOf(index, PART_REST), ticket + first, length - first);
  return status;
}

/** Within a store transaction: a provisional ticket becomes good, and its annex is added. */
export function holderSettle(index: i32, annex: usize, annexLength: u32): i32 {
  if (!readMeta(index)) return -REASON_NOT_FOUND;
  store<u8>(meta, <u8>HELD_GOOD, 2);
  const status = storePut(keyOf(index, PART_META), meta, META_BYTES);
  return status < 0 ? status : storePut(keyOf(index, PART_ANNEX), annex, annexLength);
}

/** Within a store transaction: deletes a ticket, at most four records. */
export function holderDelete(index: i32): i32 {
  for (let part: u32 = PART_META; part <= PART_ANNEX; part++) {
    const status = storeDelete(keyOf(index, part));
    if (status < 0 && status != -REASON_NOT_FOUND) return status;
  }
  return 0;
}

/** Reads a ticket into scratch and takes it apart; what `into` says is good until the next call or the command's end. */
export function holderRead(index: i32, into: Ticket): i32 {
  if (index < 0 || index >= HOLDER_INDEXES || !readMeta(index)) return -REASON_NOT_FOUND;
  const length: u32 = load<u16>(meta, 4);
  if (length > <u32>TICKET_BYTES_MAX) return -REASON_STORE_FAILURE;
  const first = min<u32>(length, STORE_VALUE_BYTES_MAX);
  let got = storeRead(keyOf(index, PART_FIRST), 0, buffer, first);
  if (got != <i32>first) return -REASON_STORE_FAILURE;
  if (length > first) {
    got = storeRead(keyOf(index, PART_REST), 0, buffer + first, length - first);
    if (got != <i32>(length - first)) return -REASON_STORE_FAILURE;
  }
  return ticketRead(buffer, length, into);
}

/** The index of a good ticket of a type, from `from` on; or -REASON_NOT_FOUND. */
export function holderFind(type: u32, from: i32): i32 {
  for (let index = from; index < HOLDER_INDEXES; index++) {
    if (readMeta(index) && load<u8>(meta, 1) == type && load<u8>(meta, 2) == HELD_GOOD) return index;
  }
  return -REASON_NOT_FOUND;
}

/** The index of the `number`th ticket that is held, 1 the first; or -REASON_NOT_FOUND. */
export function holderNumber(number: u32): i32 {
  let seen: u32 = 0;
  for (let index: i32 = 0; index < HOLDER_INDEXES; index++) {
    if (heldState(index) != 0) seen += 1;
    if (seen == number && number != 0) return index;
  }
  return -REASON_NOT_FOUND;
}

/** Tickets that are held for good. */
export function holderGood(): i32 {
  let held: i32 = 0;
  for (let index: i32 = 0; index < HOLDER_INDEXES; index++) {
    if (heldState(index) == HELD_GOOD) held += 1;
  }
  return held;
}

/** The receipt to let go when one more ticket becomes good: the oldest good one if there is no room; or -1. */
export function holderOldest(): i32 {
  if (holderGood() < TICKETS_MAX) return -1;
  let oldest: i32 = -1;
  let date: u64 = u64.MAX_VALUE;
  for (let index: i32 = 0; index < HOLDER_INDEXES; index++) {
    if (!readMeta(index) || load<u8>(meta, 2) != HELD_GOOD) continue;
    if (load<u8>(meta, 1) != TICKET_RECEIPT || load<u64>(meta, 6) >= date) continue;
    date = load<u64>(meta, 6);
    oldest = index;
  }
  return oldest;
}
