/**
 * A record store with transactions in raw NOR flash.
 *
 * SPECIFICATION. The store is a map from keys (u32 > 0, which callers form as type << 24 | index) to values of at most
 * STORE_VALUE_BYTES_MAX bytes. A transaction (storeBegin, then storePut and storeDelete, then storeCommit or
 * storeAbort) replaces the map by another one in one step: whenever power goes, the next storeMount finds the map
 * before the transaction or, once the commit entry is whole in flash, the one after it. All that reads sees the map
 * before the open transaction. storeBegin reserves, so that no later call of the transaction fails for want of space;
 * a store that is full refuses there, and still takes STORE_RESERVE_RECORDS deletions at a time. If an operation of
 * the flash fails, the transaction has not happened (storeCommit reads back what it could not program before it says
 * so), the rest of that page is given up, and the next transaction goes on in the next page. Where that one can be
 * erased or programmed no more, storeBegin, or the transaction, fails from then on: pages wear alike, so that none is
 * put aside. What was committed stays readable.
 *
 * PRECONDITIONS on the flash. Pages of one size (a power of two, 4096 to 131,072 bytes), two of them at least; words
 * of 1 to 32 bytes; a word is programmed once between two erasures; programming clears bits, a power cut leaves any
 * subset of them cleared; erasing sets bits, a power cut leaves any subset of the cleared ones set. What reads as
 * erased can be programmed, and a word reads the same every time: cells that a cut left half-way are not modelled.
 * What flash says it has programmed is there; what it says it has erased is looked at.
 *
 * FORMAT. Flash is a ring of pages. The page that is opened as number s (its sequence) is page s % pages; the log is
 * what lies in the pages from `tail` to `head`. Everything is little-endian and aligned to a unit: the flash word, at
 * least 4 bytes. Entries do not span pages, and behind every entry of a record there is room for a commit entry.
 *
 *     page header   48 bytes  [ magic u32 | sequence u32 | number u32 | check u32 | chain 32 | padding ]
 *         number: of the next transaction to commit
 *         chain: of a transaction that goes on from the page before, or zeros
 *     put, delete   12 bytes  [ key u32 | length u16 | kind u8 | first u8 | check u32 ] [ value | padding ]
 *     commit        32 bytes  [ number u32 | repeats u16 | kind u8 | first u8 | tail u32 | first number u32 | MAC 16 ]
 *
 * `first` marks the first entry of a transaction. chain = SHA-256(chain, sequence, offset, entry) over its entries
 * from 32 zero bytes on; MAC = HMAC-SHA256(key, chain, sequence, offset, the 16 bytes before it), cut to 16 bytes,
 * under a key derived from a key slot. So a MAC covers every key, value, order and position of its transaction, and a
 * page is verified from its own header on. Numbers count commits; with `tail` and `first number` the last MAC says
 * which pages and how many transactions make up the log. `check` is for bit rot only. On a chip with a monotonic
 * counter the number is the counter's next value, and the counter follows right after the commit entry.
 *
 * COLLECTING. A transaction of its own copies the live records of page `tail` to the head and commits tail + 1, after
 * which that page is garbage whatever it holds; it is erased later, ahead of need (storeHousekeeping) or when its turn
 * comes. A deletion is never copied: when its page is collected, everything older than it is gone.
 *
 * WHY IT HOLDS.
 * - Atomic: entries count only through an authentic commit entry, which is one program call in words of their own.
 *   Torn, it does not authenticate, and no other entry is affected by it. Nothing that was committed is changed by a
 *   transaction.
 * - Torn words are never programmed again: a mount that finds anything programmed behind the last commit entry gives
 *   up the rest of that page, and a page is opened only after it was read and found erased. A page that a cut left
 *   half erased is outside the log, which the last commit entry says, so its contents are never looked at.
 * - Recovery writes nothing before the first transaction, and is a function of flash: cut again, it finds the same.
 * - Collecting never stops: one page outside the log is left by every transaction. The records of one page and the
 *   commit entry fit into one page, because behind each of them there was room for a commit entry.
 * - A torn end is told from corruption: behind what is taken for torn, no authentic transaction may follow.
 *
 * CAPACITY. N pages of P bytes, U = P - header, c = 32, E = the largest entry, e(n) = 12 + n rounded up to units: the
 * sum of e over all records is at most (N - 1)(U - c) - (N - 2)(E + c), less the reserve: what 16 records without
 * values may take. A transaction of n bytes in r records may take n + r (11 + unit) + c, and is refused exactly if
 * that is more than what is left. Proof: after one turn of collecting the log holds the live entries and at most N - 1
 * commit entries, packed; each page that was left for the next wastes less than E + c at its end. 64 pages of 4096 and
 * words of 4: 186 KB of entries. Index: STORE_RECORDS_MAX.
 *
 * LIFETIME. Pages are erased in turn, cold data moves along, so that erase counts never differ by more than one (but
 * for erasures repeated after a cut): wear is levelled by construction, needs no table, and is known from `tail` after
 * any cut. One turn takes at least capacity - live bytes of new entries and their commit entries: at C cycles a page
 * the store takes C (capacity - live) bytes. Half full, in the flash above, at 10,000 cycles: 2.5 million commits of
 * three records of 100 bytes at least. What storeWear reports counts every erasure once it is due; `repeats` (in its
 * maximum and total) those of pages that were opened but held nothing committed. Not counted: an erasure that is cut
 * short again and again, and repeats that no commit followed before power went.
 *
 * WHAT IS NOTICED WHEN. At mount: any change of any committed byte of the log, by MAC; a missing, old, moved or
 * foreign page; and, by the counter, an older image (REASON_ROLLED_BACK). At each read and each copy: bit rot of that
 * record, also where only the read was wrong, by its check. Not claimed: without a counter, older images or what can
 * be put together from several; also there, corruption of the last transaction is taken for a torn one. With it, who
 * writes flash and cuts power between a commit and its count can choose between these two states. Flash that is
 * changed on purpose between mount and read (flash is inside the tamper boundary). Secrecy: values lie there in clear.
 *
 * COST. A commit is one program and one SHA-256 for each record, one program and one HMAC for the commit entry. RAM:
 * 8.3 KB, all in linear memory, none in globals.
 *
 * TESTED in test/store*.test.ts against a map:
 * - store-explore: every sequence of up to two (with words of 1 and 4: one) of eleven steps (puts, deletions, aborts,
 *   several records, housekeeping, reboots) in stores of two and three pages that are fresh, about to turn a page,
 *   about to collect, or full; power cut at every operation in every way of simulator/tears.ts, and with words of 32
 *   for sequences of one step again in the recovery, and failing operations: 1,001 sequences, 665 states, 2,960
 *   points, 121,000 tears. `npm run explore:store` takes one step more: 11,165 sequences, 848,000 tears.
 * - store-power-cut, store-property: cuts, pairs of cuts, and failures of flash in long and random runs; pages from
 *   4096 to 131,072 bytes, words from 1 to 32.
 * - store-space: capacity to the byte, wear over 30 turns, lifetime. store-aging: each bit of a small image turned
 *   over, at rest and in reading; pages that wear out. store-authenticity: every byte of an image changed, pages
 *   exchanged and rolled back.
 *
 * Files: store/layout.ts (format), state.ts (RAM), table.ts (index), entries.ts (reading and hashing), log.ts
 * (writing), collect.ts (space), mount.ts (recovery).
 */

import { slotDerive, sha256 } from "../platform/imports";
import { STORE_RECORDS_MAX, STORE_TRANSACTION_RECORDS_MAX, STORE_VALUE_BYTES_MAX } from "../protocol/limits";
import { REASON_NOT_FOUND, REASON_STORE_FAILURE, REASON_STORE_FULL, REASON_TOO_LONG } from "../protocol/reasons";
import { wipe } from "./memory";
import {
  capacityBytes,
  makeSpace,
  NUMBER_MAX,
  overheadBytes,
  spareBytes,
  transactionBytes,
  workAhead,
} from "./store/collect";
import { addressOf, loadGeometry, readRecord } from "./store/entries";
import { COMMIT_BYTES, KIND_DELETE, KIND_PUT } from "./store/layout";
import { append, appendCommit, rewind, settleCounter } from "./store/log";
import { BLANK, formatLog, MOUNTED, mountLog } from "./store/mount";
import {
  CHANGES,
  INDEX_ENTRY_BYTES,
  MAC_KEY,
  PHASE_CLOSED,
  PHASE_DOOMED,
  PHASE_OPEN,
  PHASE_READY,
  PLACE_NONE,
  state,
  VALUE,
} from "./store/state";
import {
  entryBytes,
  indexApply,
  indexFind,
  indexKey,
  indexLowerBound,
  indexPlace,
  placeAt,
  placeLength,
} from "./store/table";

export const STORE_MOUNTED: i32 = MOUNTED;
export const STORE_BLANK: i32 = BLANK;
/** What storeWear writes: minimum, maximum and total of erasures, number of pages; u32 each. */
export const STORE_WEAR_BYTES: u32 = 16;

const KEY_INFO: usize = memory.data<u8>([0x73, 0x74, 0x6f, 0x72, 0x65]); // "store"
const KEY_INFO_BYTES: u32 = 5;

function open(keySlot: u32): i32 {
  state.phase = PHASE_CLOSED;
  const status = loadGeometry();
  return status < 0 ? status : slotDerive(keySlot, KEY_INFO, KEY_INFO_BYTES, MAC_KEY, 32);
}

/**
 * At boot: authenticates what flash holds and builds the index. STORE_MOUNTED, STORE_BLANK if all flash is erased, or
 * an error, after which nothing was written and only storeMount and storeFormat do anything.
 */
export function storeMount(keySlot: u32): i32 {
  let status = open(keySlot);
  if (status >= 0) status = mountLog();
  if (status != STORE_MOUNTED) wipe(MAC_KEY, 32);
  return status;
}

/** Erases everything and starts empty. To be called under a new key if the flash held a store. */
export function storeFormat(keySlot: u32): i32 {
  let status = open(keySlot);
  if (status >= 0) status = formatLog();
  if (status < 0) wipe(MAC_KEY, 32);
  return status;
}

/**
 * Opens a transaction that puts or deletes at most `records` records, with at most `bytes` bytes of values together.
 * Collects garbage first if it must. -REASON_STORE_FULL: there is no room, and no record has changed.
 */
export function storeBegin(bytes: u32, records: u32): i32 {
  if (state.phase != PHASE_READY) return -REASON_STORE_FAILURE;
  if (records > <u32>STORE_TRANSACTION_RECORDS_MAX || bytes > records * STORE_VALUE_BYTES_MAX) return -REASON_TOO_LONG;
  let status = settleCounter();
  if (status < 0) return status;
  if (state.number >= NUMBER_MAX) return -REASON_STORE_FAILURE;
  const need = transactionBytes(bytes, records);
  const isPlain = need <= spareBytes() && state.records + records <= <u32>STORE_RECORDS_MAX;
  // The reserve is for deletions: it is whole again when they are done.
  if (!isPlain && (bytes > 0 || state.liveBytes + need > capacityBytes())) return -REASON_STORE_FULL;
  status = makeSpace(bytes, records);
  if (status < 0) return status;
  state.phase = PHASE_OPEN;
  state.entries = 0;
  state.changes = 0;
  state.bytesLeft = bytes;
  state.recordsLeft = records;
  state.mayOnlyDelete = isPlain ? 0 : 1;
  state.headAtBegin = state.head;
  return 0;
}

/** Writes a record, new or in place of the old one. More than was reserved is refused with -REASON_STORE_FULL. */
export function storePut(key: u32, value: usize, length: u32): i32 {
  if (state.phase != PHASE_OPEN) return -REASON_STORE_FAILURE;
  assert(key != 0);
  if (length > <u32>STORE_VALUE_BYTES_MAX) return -REASON_TOO_LONG;
  if (state.mayOnlyDelete || state.recordsLeft == 0 || length > state.bytesLeft) return -REASON_STORE_FULL;
  state.bytesLeft -= length;
  return change(KIND_PUT, key, value, length);
}

/** Deletes a record; -REASON_NOT_FOUND if there is none. */
export function storeDelete(key: u32): i32 {
  if (state.phase != PHASE_OPEN) return -REASON_STORE_FAILURE;
  if (!existsAfterChanges(key)) return -REASON_NOT_FOUND;
  if (state.recordsLeft == 0) return -REASON_STORE_FULL;
  return change(KIND_DELETE, key, VALUE, 0);
}

function existsAfterChanges(key: u32): bool {
  for (let i = state.changes; i > 0; i--) {
    const at = CHANGES + (i - 1) * INDEX_ENTRY_BYTES;
    if (load<u32>(at) == key) return load<u32>(at, 4) != PLACE_NONE;
  }
  return indexFind(key) != PLACE_NONE;
}

function change(kind: u32, key: u32, value: usize, length: u32): i32 {
  assert(state.changes < <u32>STORE_TRANSACTION_RECORDS_MAX);
  const status = append(kind, key, value, length);
  if (status < 0) {
    doom();
    return status;
  }
  const address = addressOf(state.head, state.offset - entryBytes(length));
  const at = CHANGES + state.changes * INDEX_ENTRY_BYTES;
  store<u32>(at, key);
  store<u32>(at, kind == KIND_PUT ? placeAt(address, length) : PLACE_NONE, 4);
  state.changes++;
  state.recordsLeft--;
  return 0;
}

function doom(): void {
  rewind(state.headAtBegin);
  state.phase = PHASE_DOOMED;
}

/**
 * Makes all changes of the transaction so, in one step. After an error none of them is, now or after any power cut, and
 * the transaction is over. With no changes nothing is written.
 */
export function storeCommit(): i32 {
  if (state.phase == PHASE_DOOMED) {
    storeAbort();
    return -REASON_STORE_FAILURE;
  }
  if (state.phase != PHASE_OPEN) return -REASON_STORE_FAILURE;
  if (state.changes > 0) {
    const status = appendCommit(state.tail, state.first);
    if (status < 0) {
      doom();
      storeAbort();
      return status;
    }
    for (let i: u32 = 0; i < state.changes; i++) {
      const at = CHANGES + i * INDEX_ENTRY_BYTES;
      const isDone = indexApply(load<u32>(at), load<u32>(at, 4));
      assert(isDone); // storeBegin saw to the room
    }
    // It is done, whatever the counter says: what goes wrong there, the next storeBegin meets again.
    settleCounter();
  }
  state.phase = PHASE_READY;
  return 0;
}

/** Ends the transaction, if one is open, without any change. */
export function storeAbort(): void {
  if (state.phase != PHASE_OPEN && state.phase != PHASE_DOOMED) return;
  state.entries = 0;
  state.changes = 0;
  state.phase = PHASE_READY;
}

/** Length of a record's value, or -REASON_NOT_FOUND. */
export function storeLength(key: u32): i32 {
  if (state.phase == PHASE_CLOSED) return -REASON_STORE_FAILURE;
  const place = indexFind(key);
  return place == PLACE_NONE ? -REASON_NOT_FOUND : placeLength(place);
}

/** Copies at most `length` bytes of a value from `offset` on: how many, or an error. The whole record is checked. */
export function storeRead(key: u32, offset: u32, destination: usize, length: u32): i32 {
  if (state.phase == PHASE_CLOSED) return -REASON_STORE_FAILURE;
  const place = indexFind(key);
  if (place == PLACE_NONE) return -REASON_NOT_FOUND;
  const whole = readRecord(key, place);
  if (whole < 0) return whole;
  if (offset >= <u32>whole) return 0;
  const bytes = min(length, <u32>whole - offset);
  memory.copy(destination, VALUE + offset, bytes);
  return bytes;
}

/** Wipes what was read or written last: for who keeps secrets in records. */
export function storeForget(): void {
  wipe(VALUE, STORE_VALUE_BYTES_MAX);
}

/** Smallest key above `after` and not above `last`, or 0. */
export function storeNext(after: u32, last: u32): u32 {
  if (state.phase == PHASE_CLOSED || after == u32.MAX_VALUE) return 0;
  const position = indexLowerBound(after + 1);
  if (position == state.records) return 0;
  const key = indexKey(position);
  return key <= last ? key : 0;
}

/** Records that the next storeBegin takes for sure, together with storeFreeBytes. */
export function storeFreeRecords(): u32 {
  if (state.phase == PHASE_CLOSED) return 0;
  const spare = spareBytes();
  if (spare < COMMIT_BYTES) return 0;
  const records = min<u32>(STORE_TRANSACTION_RECORDS_MAX, STORE_RECORDS_MAX - state.records);
  return min(records, (spare - COMMIT_BYTES) / (2 * overheadBytes()));
}

/** Bytes of values that the next storeBegin takes for sure, in storeFreeRecords records. */
export function storeFreeBytes(): u32 {
  const records = storeFreeRecords();
  if (records == 0) return 0;
  return min<u32>(records * STORE_VALUE_BYTES_MAX, spareBytes() - transactionBytes(0, records));
}

/**
 * One step of work that can be done ahead of need, when nothing waits: erases a page or collects one page's garbage.
 * 1 if there may be more to do, 0 if not, or an error. Inside a transaction it does nothing.
 */
export function storeHousekeeping(): i32 {
  if (state.phase == PHASE_CLOSED) return -REASON_STORE_FAILURE;
  return state.phase == PHASE_READY ? workAhead() : 0;
}

/** Erasures as the position in the ring tells them; see the header. */
export function storeWear(destination: usize): i32 {
  if (state.phase == PHASE_CLOSED) return -REASON_STORE_FAILURE;
  const minimum = state.tail / state.pages;
  const isUneven: u32 = state.tail % state.pages == 0 ? 0 : 1;
  store<u32>(destination, minimum);
  store<u32>(destination, minimum + isUneven + state.repeats, 4);
  store<u32>(destination, state.tail + state.repeats, 8);
  store<u32>(destination, state.pages, 12);
  return 0;
}

/**
 * What the store contains, as 32 bytes: d = 32 zero bytes, then for each record in the order of keys
 * d = SHA-256(d, key u32, length u32, value), little-endian.
 */
export function storeDigest(destination: usize): i32 {
  if (state.phase == PHASE_CLOSED) return -REASON_STORE_FAILURE;
  memory.fill(destination, 0, 32);
  for (let i: u32 = 0; i < state.records; i++) {
    const key = indexKey(i);
    const length = readRecord(key, indexPlace(i));
    if (length < 0) return length;
    const start = VALUE - 40;
    memory.copy(start, destination, 32);
    store<u32>(start, key, 32);
    store<u32>(start, length, 36);
    const status = sha256(start, 40 + length, destination, 32);
    if (status < 0) return status;
  }
  return 0;
}
