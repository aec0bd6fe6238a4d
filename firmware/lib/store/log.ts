/** The writing end of the log: opening pages, appending entries, committing. */

import { counterIncrement, flashErase, flashProgram, flashRead } from "../../platform/imports";
import { PLATFORM_FLASH_FAILURE } from "../../platform/constants";
import { REASON_STORE_FAILURE, REASON_STORE_FULL } from "../../protocol/reasons";
import { equal } from "../memory";
import {
  addressOf,
  chainExtend,
  chainReset,
  commitMac,
  entryCheck,
  headerCheck,
  isBlank,
  readEntry,
  readHeader,
} from "./entries";
import {
  CHAIN_BYTES,
  COMMIT_BYTES,
  COMMIT_FIRST_NUMBER,
  COMMIT_MAC,
  COMMIT_MAC_BYTES,
  COMMIT_NUMBER,
  COMMIT_REPEATS,
  COMMIT_TAIL,
  ENTRY_CHECK,
  ENTRY_FIRST,
  ENTRY_HEADER_BYTES,
  ENTRY_KEY,
  ENTRY_KIND,
  ENTRY_LENGTH,
  FIRST,
  KIND_COMMIT,
  KIND_DELETE,
  KIND_PUT,
  NOT_FIRST,
  PAGE_CHAIN,
  PAGE_CHECK,
  PAGE_MAGIC,
  PAGE_NUMBER,
  PAGE_SEQUENCE,
} from "./layout";
import { CHAIN, ENTRY, MAC, PLACE_NONE, STAGE, state, VALUE } from "./state";
import { entryBytes, indexApply, placeAt } from "./table";

const SEQUENCE_MAX: u32 = 0xfffffffe;
const REPEATS_MAX: u32 = 0xffff;

/** After this the next `count` pages behind the head are erased. */
export function prepareAhead(count: u32): i32 {
  while (state.blankPages < count) {
    const sequence = state.head + 1 + state.blankPages;
    assert(sequence - state.tail < state.pages); // never a page of the log
    const page = sequence % state.pages;
    const blank = isBlank(page, 0);
    if (blank < 0) return blank;
    if (blank == 0) {
      const status = erase(page, sequence);
      if (status < 0) return status;
    }
    state.blankPages++;
  }
  return 0;
}

function erase(page: u32, sequence: u32): i32 {
  const header = readHeader(page);
  if (header < 0) return header;
  // Opened for this turn of the ring already, but nothing in it was committed.
  if (header == 1 && load<u32>(ENTRY, PAGE_SEQUENCE) == sequence && state.repeats < REPEATS_MAX) state.repeats++;
  const status = flashErase(page);
  if (status < 0) return status;
  const blank = isBlank(page, 0);
  return blank < 0 ? blank : blank == 1 ? 0 : PLATFORM_FLASH_FAILURE;
}

/** Gives up the rest of the head: words in it may be torn. */
export function abandonRest(): void {
  state.offset = state.pageBytes;
}

/** After a failed operation: back to the head of before, whose rest is given up, as a mount would find it. */
export function rewind(head: u32): void {
  state.head = head;
  state.blankPages = 0;
  state.entries = 0;
  abandonRest();
}

/** Makes the next page the head. An open transaction goes on in it. */
function openPage(): i32 {
  const sequence = state.head + 1;
  if (sequence >= SEQUENCE_MAX) return -REASON_STORE_FAILURE;
  if (sequence - state.tail >= state.pages) return -REASON_STORE_FULL;
  const status = prepareAhead(1);
  if (status < 0) return status;
  memory.fill(ENTRY, 0, state.headerBytes);
  store<u32>(ENTRY, PAGE_MAGIC);
  store<u32>(ENTRY, sequence, PAGE_SEQUENCE);
  store<u32>(ENTRY, state.number + 1, PAGE_NUMBER);
  if (state.entries > 0) memory.copy(ENTRY + PAGE_CHAIN, CHAIN, CHAIN_BYTES);
  store<u32>(ENTRY, headerCheck(), PAGE_CHECK);
  state.blankPages--;
  const programmed = flashProgram(addressOf(sequence, 0), ENTRY, state.headerBytes);
  if (programmed < 0) return programmed;
  state.head = sequence;
  state.offset = state.headerBytes;
  return 0;
}

/** Makes room in the head for so many bytes and a commit entry behind them, in a new page if need be. */
export function makeRoom(bytes: u32): i32 {
  return state.offset + bytes + COMMIT_BYTES > state.pageBytes ? openPage() : 0;
}

/** The first entry of a transaction is marked, and its chain begins with zeros. */
function markFirst(): void {
  if (state.entries == 0) chainReset();
  store<u8>(ENTRY, <u8>(state.entries == 0 ? FIRST : NOT_FIRST), ENTRY_FIRST);
}

/**
 * Appends an entry to the open transaction. After an error the caller rewinds. The value may lie in the stage itself
 * if there is room in the head.
 */
export function append(kind: u32, key: u32, value: usize, length: u32): i32 {
  const bytes = entryBytes(length);
  const status = makeRoom(bytes);
  if (status < 0) return status;
  memory.copy(VALUE, value, length);
  memory.fill(VALUE + length, 0, bytes - <u32>ENTRY_HEADER_BYTES - length);
  store<u32>(ENTRY, key, ENTRY_KEY);
  store<u16>(ENTRY, <u16>length, ENTRY_LENGTH);
  store<u8>(ENTRY, <u8>kind, ENTRY_KIND);
  markFirst();
  store<u32>(ENTRY, entryCheck(bytes), ENTRY_CHECK);
  const hashed = chainExtend(state.head, state.offset, bytes);
  if (hashed < 0) return hashed;
  const programmed = flashProgram(addressOf(state.head, state.offset), ENTRY, bytes);
  if (programmed < 0) return programmed;
  if (state.entries == 0) {
    state.startSequence = state.head;
    state.startOffset = state.offset;
  }
  state.offset += bytes;
  state.entries++;
  return 0;
}

/**
 * The atomic step: programs the commit entry, after which the log starts at page `tail`, whose first commit entry has
 * the number `first`. After an error the caller rewinds, and the transaction has not happened.
 */
export function appendCommit(tail: u32, first: u32): i32 {
  const room = makeRoom(0);
  if (room < 0) return room;
  const address = addressOf(state.head, state.offset);
  store<u32>(ENTRY, state.number + 1, COMMIT_NUMBER);
  store<u16>(ENTRY, <u16>state.repeats, COMMIT_REPEATS);
  store<u8>(ENTRY, <u8>KIND_COMMIT, ENTRY_KIND);
  markFirst();
  store<u32>(ENTRY, tail, COMMIT_TAIL);
  store<u32>(ENTRY, first, COMMIT_FIRST_NUMBER);
  const status = commitMac(state.head, state.offset);
  if (status < 0) return status;
  memory.copy(ENTRY + COMMIT_MAC, MAC, COMMIT_MAC_BYTES);
  const programmed = flashProgram(address, ENTRY, COMMIT_BYTES);
  if (programmed < 0 && !isInFlash(address)) return programmed;
  state.offset = programmed < 0 ? state.pageBytes : state.offset + COMMIT_BYTES;
  state.tail = tail;
  state.first = first;
  state.number++;
  state.entries = 0;
  state.counterIsBehind = state.hasCounter;
  return 0;
}

/** Flash says that it failed, but what counts is what the next mount will read. */
function isInFlash(address: u32): bool {
  return flashRead(address, STAGE, COMMIT_BYTES) >= 0 && equal(STAGE, ENTRY, COMMIT_BYTES);
}

/** Lets the monotonic counter follow the last commit. */
export function settleCounter(): i32 {
  if (!state.counterIsBehind) return 0;
  const value = counterIncrement();
  if (value < 0) return value;
  if (<u32>value != state.number) return -REASON_STORE_FAILURE;
  state.counterIsBehind = 0;
  return 0;
}

/** Brings the entries between a position and a commit entry into the index. */
export function applyEntries(sequence: u32, offset: u32, endSequence: u32, endOffset: u32): i32 {
  while (sequence < endSequence || offset < endOffset) {
    const bytes = readEntry(sequence, offset);
    if (bytes < 0) return bytes;
    if (bytes == 0) {
      // The rest of this page was too short for the next entry.
      if (sequence == endSequence) return -REASON_STORE_FAILURE;
      sequence++;
      offset = state.headerBytes;
      continue;
    }
    const kind = <u32>load<u8>(ENTRY, ENTRY_KIND);
    const isPut = kind == KIND_PUT;
    if (!isPut && kind != KIND_DELETE) return -REASON_STORE_FAILURE;
    const place = isPut ? placeAt(addressOf(sequence, offset), load<u16>(ENTRY, ENTRY_LENGTH)) : PLACE_NONE;
    if (!indexApply(load<u32>(ENTRY, ENTRY_KEY), place)) return -REASON_STORE_FAILURE;
    offset += bytes;
  }
  return 0;
}
