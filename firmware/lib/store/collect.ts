/**
 * Space: how much a transaction may take, and collecting garbage from the oldest page.
 *
 * In the terms of the header of store.ts: U = page - header, c = COMMIT_BYTES, E = bytes of the largest entry.
 */

import { STORE_AHEAD_BYTES, STORE_RESERVE_RECORDS, STORE_VALUE_BYTES_MAX } from "../../protocol/limits";
import { REASON_STORE_FAILURE, REASON_STORE_FULL } from "../../protocol/reasons";
import { readHeader, readRecord } from "./entries";
import { COMMIT_BYTES, ENTRY_HEADER_BYTES, KIND_PUT, PAGE_NUMBER, PAGE_SEQUENCE } from "./layout";
import { abandonRest, append, appendCommit, applyEntries, makeRoom, prepareAhead, rewind, settleCounter } from "./log";
import { ENTRY, PHASE_CLOSED, state, VALUE } from "./state";
import { entryBytes, indexKey, indexPlace, placeAddress, placeLength } from "./table";

/** Results are i32, and so is the counter. */
export const NUMBER_MAX: u32 = 0x7ffffffe;

/** Entries of live records never take more than this together, the reserve for deletions included. */
export function capacityBytes(): u32 {
  const usable = state.pageBytes - state.headerBytes;
  const crossing = entryBytes(STORE_VALUE_BYTES_MAX) + COMMIT_BYTES;
  return (state.pages - 1) * (usable - COMMIT_BYTES) - (state.pages - 2) * crossing;
}

/** Header and padding of one record, at most. */
export function overheadBytes(): u32 {
  return <u32>ENTRY_HEADER_BYTES + (1 << state.unitShift) - 1;
}

/** What a transaction takes in flash, at most. */
export function transactionBytes(bytes: u32, records: u32): u32 {
  return bytes + records * overheadBytes() + COMMIT_BYTES;
}

export function reserveBytes(): u32 {
  return transactionBytes(0, STORE_RESERVE_RECORDS);
}

/** Capacity that neither records nor the reserve for deletions hold. */
export function spareBytes(): u32 {
  const held = state.liveBytes + reserveBytes();
  const capacity = capacityBytes();
  return held < capacity ? capacity - held : 0;
}

/** Pages between head and tail, but for the one that collecting needs. */
function pagesFree(): u32 {
  const free = state.pages - (state.head - state.tail + 1);
  assert(free >= 1);
  return free - 1;
}

/** New pages that `need` bytes may open, in entries of at most `largest` bytes; more than there are if they do not fit. */
function pagesNeeded(need: u32, largest: u32): u32 {
  const rest = state.pageBytes - state.offset;
  if (need <= rest) return 0;
  const gain = state.pageBytes - state.headerBytes - largest - COMMIT_BYTES;
  return (need - rest + gain - 1) / gain;
}

/** Erased room for a transaction, by collecting garbage if there is no other way. */
export function makeSpace(bytes: u32, records: u32): i32 {
  const need = transactionBytes(bytes, records);
  const largest = entryBytes(min<u32>(bytes, STORE_VALUE_BYTES_MAX));
  let turns = state.head - state.tail + 2;
  while (pagesNeeded(need, largest) > pagesFree()) {
    if (turns-- == 0) return -REASON_STORE_FULL;
    const status = collect();
    if (status < 0) return status;
  }
  return prepareAhead(pagesNeeded(need, largest));
}

/** A transaction that moves the live records of the oldest page to the head and starts the log behind that page. */
export function collect(): i32 {
  let status = settleCounter();
  if (status < 0) return status;
  if (state.number >= NUMBER_MAX) return -REASON_STORE_FAILURE;
  if (state.tail == state.head) abandonRest();
  const head = state.head;
  state.entries = 0;
  status = copyLive(state.tail % state.pages);
  if (status >= 0) status = commitCollection();
  if (status < 0 && state.phase != PHASE_CLOSED) rewind(head);
  return status < 0 ? status : settleCounter();
}

function copyLive(page: u32): i32 {
  for (let i: u32 = 0; i < state.records; i++) {
    const place = indexPlace(i);
    if (placeAddress(place) / state.pageBytes != page) continue;
    const length = placeLength(place);
    // A new page's header passes through the same buffer: first room, then the record.
    let status = makeRoom(entryBytes(length));
    if (status < 0) return status;
    status = readRecord(indexKey(i), place);
    if (status < 0) return status;
    status = append(KIND_PUT, indexKey(i), VALUE, length);
    if (status < 0) return status;
  }
  return 0;
}

function commitCollection(): i32 {
  let status = makeRoom(0);
  if (status < 0) return status;
  const tail = state.tail + 1;
  status = readHeader(tail % state.pages);
  if (status < 0) return status;
  if (status == 0 || load<u32>(ENTRY, PAGE_SEQUENCE) != tail) return -REASON_STORE_FAILURE;
  const first = load<u32>(ENTRY, PAGE_NUMBER);
  if (first < state.first || first > state.number + 1) return -REASON_STORE_FAILURE;
  const hasEntries = state.entries > 0;
  const offset = state.offset;
  status = appendCommit(tail, first);
  if (status < 0 || !hasEntries) return status;
  status = applyEntries(state.startSequence, state.startOffset, state.head, offset);
  // It is committed, but RAM does not know all of it: only a mount helps.
  if (status < 0) state.phase = PHASE_CLOSED;
  return status;
}

/** One step of the work that can be done ahead, when nothing waits: 1 if there may be more, 0 if not, or an error. */
export function workAhead(): i32 {
  const status = settleCounter();
  if (status < 0) return status;
  if (state.blankPages <= pagesFree()) {
    const erased = prepareAhead(state.blankPages + 1);
    return erased < 0 ? erased : 1;
  }
  const ahead = min<u32>(STORE_AHEAD_BYTES, capacityBytes() / 4);
  const isFitting = pagesNeeded(ahead, entryBytes(STORE_VALUE_BYTES_MAX)) <= pagesFree();
  // With twice that much spare a turn of the ring yields it for sure, without moving the same records over and over.
  if (isFitting || spareBytes() < 2 * ahead) return 0;
  const collected = collect();
  return collected < 0 ? collected : 1;
}
