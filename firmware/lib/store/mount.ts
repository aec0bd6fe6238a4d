/** Mounting: finding the log in flash, authenticating all of it, and building the index. */

import { PLATFORM_NOT_SUPPORTED } from "../../platform/constants";
import { counterRead, flashErase } from "../../platform/imports";
import { REASON_ROLLED_BACK, REASON_STORE_FAILURE } from "../../protocol/reasons";
import { equal } from "../memory";
import { chainExtend, chainReset, commitVerify, isBlank, readEntry, readHeader } from "./entries";
import {
  CHAIN_BYTES,
  COMMIT_BYTES,
  COMMIT_FIRST_NUMBER,
  COMMIT_NUMBER,
  COMMIT_REPEATS,
  COMMIT_TAIL,
  ENTRY_FIRST,
  ENTRY_KIND,
  FIRST,
  KIND_COMMIT,
  PAGE_CHAIN,
  PAGE_NUMBER,
  PAGE_SEQUENCE,
} from "./layout";
import { NUMBER_MAX } from "./collect";
import { abandonRest, appendCommit, applyEntries, prepareAhead, settleCounter } from "./log";
import { CHAIN, ENTRY, PHASE_CLOSED, PHASE_READY, State, state, STATE_BYTES } from "./state";

export const MOUNTED: i32 = 0;
export const BLANK: i32 = 1;

/** What has been seen while entries are walked through in the order of the log. */
@unmanaged
class Walk {
  /** Entries since the start of a transaction are in CHAIN. */
  isOpen: u32;
  startSequence: u32;
  startOffset: u32;
  /** Authentic commit entries; number of the first and of the last, and what the last one says. */
  commits: u32;
  firstNumber: u32;
  number: u32;
  tail: u32;
  first: u32;
  repeats: u32;
  /** Behind the last one. */
  endOffset: u32;
}

const WALK_BYTES: i32 = 40;
const walk = changetype<Walk>(memory.data(WALK_BYTES, 4));

function walkReset(): void {
  memory.fill(changetype<usize>(walk), 0, WALK_BYTES);
}

/** Walks through one page from `offset` on, until nothing well-formed follows. With `isApplied` commits change the index. */
function walkPage(sequence: u32, offset: u32, isApplied: bool): i32 {
  while (offset < state.pageBytes) {
    const bytes = readEntry(sequence, offset);
    if (bytes <= 0) return bytes;
    if (load<u8>(ENTRY, ENTRY_FIRST) == <u8>FIRST) {
      walk.isOpen = 1;
      walk.startSequence = sequence;
      walk.startOffset = offset;
      chainReset();
    } else if (!walk.isOpen) {
      return 0;
    }
    let status = 0;
    if (<u32>load<u8>(ENTRY, ENTRY_KIND) == KIND_COMMIT) {
      status = walkCommit(sequence, offset, isApplied);
      if (status <= 0) return status;
    } else {
      status = chainExtend(sequence, offset, bytes);
      if (status < 0) return status;
    }
    offset += bytes;
  }
  return 0;
}

/** 1 if the commit entry in ENTRY is authentic and the next one, 0 if not, or an error. */
function walkCommit(sequence: u32, offset: u32, isApplied: bool): i32 {
  walk.isOpen = 0;
  const status = commitVerify(sequence, offset);
  if (status <= 0) return status;
  const number = load<u32>(ENTRY, COMMIT_NUMBER);
  if (walk.commits > 0 && number != walk.number + 1) return 0;
  if (walk.commits == 0) walk.firstNumber = number;
  walk.commits++;
  walk.number = number;
  walk.tail = load<u32>(ENTRY, COMMIT_TAIL);
  walk.first = load<u32>(ENTRY, COMMIT_FIRST_NUMBER);
  walk.repeats = load<u16>(ENTRY, COMMIT_REPEATS);
  walk.endOffset = offset + COMMIT_BYTES;
  if (!isApplied) return 1;
  const applied = applyEntries(walk.startSequence, walk.startOffset, sequence, offset);
  return applied < 0 ? applied : 1;
}

/**
 * Continues the walk with the page header in ENTRY: false if the page does not go on with what was seen so far. The
 * first page of the log has nothing to be compared with: it vouches for its own chain, by its commit entries.
 */
function enterPage(sequence: u32, isFirstPage: bool): bool {
  const isContinued = !isZero(ENTRY + PAGE_CHAIN, CHAIN_BYTES);
  if (isFirstPage) {
    memory.copy(CHAIN, ENTRY + PAGE_CHAIN, CHAIN_BYTES);
  } else {
    if (walk.commits > 0 && load<u32>(ENTRY, PAGE_NUMBER) != walk.number + 1) return false;
    if (isContinued && !(walk.isOpen && equal(CHAIN, ENTRY + PAGE_CHAIN, CHAIN_BYTES))) return false;
  }
  if (!isContinued) {
    walk.isOpen = 0;
  } else if (isFirstPage) {
    walk.isOpen = 1;
    walk.startSequence = sequence;
    walk.startOffset = state.headerBytes;
  }
  return true;
}

function isZero(address: usize, length: i32): bool {
  let bits: u32 = 0;
  for (let i: i32 = 0; i < length; i += 4) bits |= load<u32>(address + i);
  return bits == 0;
}

/** Highest sequence below `limit` that a page header claims, or 0. */
function highestClaim(limit: u32): i64 {
  let highest: u32 = 0;
  for (let page: u32 = 0; page < state.pages; page++) {
    const status = readHeader(page);
    if (status < 0) return status;
    const sequence = load<u32>(ENTRY, PAGE_SEQUENCE);
    if (status == 1 && sequence < limit && sequence > highest) highest = sequence;
  }
  return highest;
}

/** Finds the newest page that holds an authentic commit entry: state.head, and in `walk` what that entry says. */
function findHead(): i32 {
  let limit = u32.MAX_VALUE;
  for (let turns = state.pages; turns > 0; turns--) {
    const claim = highestClaim(limit);
    if (claim < 0) return <i32>claim;
    if (claim == 0) break;
    const sequence = <u32>claim;
    const status = readHeader(sequence % state.pages);
    if (status < 0) return status;
    walkReset();
    enterPage(sequence, true);
    const walked = walkPage(sequence, state.headerBytes, false);
    if (walked < 0) return walked;
    if (walk.commits > 0) {
      state.head = sequence;
      return 0;
    }
    limit = sequence;
  }
  return -REASON_STORE_FAILURE;
}

/** Walks from tail to head and builds the index. Every number from the first to the last must be there. */
function walkLog(tail: u32, head: u32, number: u32): i32 {
  if (tail > head || head - tail >= state.pages - 1) return -REASON_STORE_FAILURE;
  walkReset();
  for (let sequence = tail; sequence <= head; sequence++) {
    const status = readHeader(sequence % state.pages);
    if (status < 0) return status;
    if (status == 0 || load<u32>(ENTRY, PAGE_SEQUENCE) != sequence) return -REASON_STORE_FAILURE;
    if (!enterPage(sequence, sequence == tail)) return -REASON_STORE_FAILURE;
    const walked = walkPage(sequence, state.headerBytes, true);
    if (walked < 0) return walked;
  }
  const isWhole = walk.commits > 0 && walk.number == number && walk.tail == tail && walk.first == walk.firstNumber;
  return isWhole ? 0 : -REASON_STORE_FAILURE;
}

/**
 * Nothing authentic may follow what is taken for a torn tail: then it would be a corrupt record in the middle of the
 * log. Looks for a whole transaction at every position of a page.
 */
function refuseLaterCommit(sequence: u32, offset: u32, number: u32): i32 {
  for (; offset < state.pageBytes; offset += 1 << state.unitShift) {
    const bytes = readEntry(sequence, offset);
    if (bytes < 0) return bytes;
    if (bytes == 0 || load<u8>(ENTRY, ENTRY_FIRST) != <u8>FIRST) continue;
    walkReset();
    const status = walkPage(sequence, offset, false);
    if (status < 0) return status;
    if (walk.commits > 0 && walk.number > number) return -REASON_STORE_FAILURE;
  }
  return 0;
}

/** Where the log goes on: behind the last commit entry, or in a new page if anything was programmed behind it. */
function findEnd(): i32 {
  state.offset = walk.endOffset;
  const page = state.head % state.pages;
  const blank = isBlank(page, state.offset);
  if (blank < 0) return blank;
  if (blank == 0) {
    const status = refuseLaterCommit(state.head, state.offset, state.number);
    if (status < 0) return status;
    abandonRest();
  }
  return searchPagesAhead();
}

/** The same for pages behind the head that were opened for this turn, or whose header is what could be corrupt. */
function searchPagesAhead(): i32 {
  const ahead = state.pages - (state.head - state.tail + 1);
  for (let i: u32 = 1; i <= ahead; i++) {
    const sequence = state.head + i;
    const page = sequence % state.pages;
    const header = readHeader(page);
    if (header < 0) return header;
    if (header == 1 && load<u32>(ENTRY, PAGE_SEQUENCE) != sequence) continue;
    if (header == 0) {
      if (i > 1) continue;
      const blank = isBlank(page, 0);
      if (blank < 0) return blank;
      if (blank == 1) continue;
    }
    const status = refuseLaterCommit(sequence, state.headerBytes, state.number);
    if (status < 0) return status;
  }
  return 0;
}

/** The counter equals the last number, or was about to follow it when power was cut. */
function checkCounter(): i32 {
  const counter = counterRead();
  state.hasCounter = counter == PLATFORM_NOT_SUPPORTED ? 0 : 1;
  state.counterIsBehind = 0;
  if (!state.hasCounter) return 0;
  if (counter < 0) return counter;
  if (<u32>counter == state.number) return 0;
  if (<u32>counter + 1 != state.number) return -REASON_ROLLED_BACK;
  state.counterIsBehind = 1;
  return settleCounter();
}

function isFlashBlank(): i32 {
  for (let page: u32 = 0; page < state.pages; page++) {
    const blank = isBlank(page, 0);
    if (blank != 1) return blank;
  }
  return 1;
}

export function mountLog(): i32 {
  assert(offsetof<Walk>() <= <usize>WALK_BYTES && offsetof<State>() <= <usize>STATE_BYTES);
  const found = findHead();
  if (found == -REASON_STORE_FAILURE) {
    const blank = isFlashBlank();
    return blank < 0 ? blank : blank == 1 ? BLANK : found;
  }
  if (found < 0) return found;
  state.records = 0;
  state.liveBytes = 0;
  let status = walkLog(walk.tail, state.head, walk.number);
  if (status < 0) return status;
  state.tail = walk.tail;
  state.number = walk.number;
  state.first = walk.first;
  state.repeats = walk.repeats;
  state.blankPages = 0;
  state.entries = 0;
  status = findEnd();
  if (status >= 0) status = checkCounter();
  if (status < 0) return status;
  state.phase = PHASE_READY;
  return MOUNTED;
}

/** Erases everything and commits an empty transaction. Wear is taken over from whatever the old pages claim. */
export function formatLog(): i32 {
  const claim = highestClaim(u32.MAX_VALUE - 2 * state.pages);
  if (claim < 0) return <i32>claim;
  const counter = counterRead();
  state.hasCounter = counter == PLATFORM_NOT_SUPPORTED ? 0 : 1;
  if (state.hasCounter && counter < 0) return counter;
  if (state.hasCounter && <u32>counter >= NUMBER_MAX) return -REASON_STORE_FAILURE;
  state.counterIsBehind = 0;
  state.phase = PHASE_CLOSED;
  for (let page: u32 = 0; page < state.pages; page++) {
    const blank = isBlank(page, 0);
    if (blank < 0) return blank;
    const status = blank == 1 ? 0 : flashErase(page);
    if (status < 0) return status;
  }
  state.tail = (<u32>claim / state.pages + 1) * state.pages;
  state.head = state.tail - 1;
  state.number = state.hasCounter ? counter : 0;
  state.first = state.number + 1;
  state.repeats = 0;
  state.blankPages = 0;
  state.records = 0;
  state.liveBytes = 0;
  state.entries = 0;
  abandonRest();
  let status = prepareAhead(1);
  if (status >= 0) status = appendCommit(state.tail, state.first);
  if (status >= 0) status = settleCounter();
  if (status < 0) return status;
  state.phase = PHASE_READY;
  return 0;
}
