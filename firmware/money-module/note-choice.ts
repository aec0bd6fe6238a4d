/**
 * Which notes pay an amount (WO 96/41315 fig. 20, step 1566). In this order:
 *
 *   1  the fewest notes;
 *   2  of those choices, the fewest transfers so far (sum of hops);
 *   3  of those, the fewest monetary-unit days (sum of part x days to expiry), so that what expires first goes first.
 *
 * 1 and 2 are always exact. 3 is exact whenever the search ends within SEARCH_STEPS_MAX: always up to
 * CHOICE_EXACT_NOTES_MAX notes, for every amount that one or two notes pay, and in most larger wallets. Otherwise the
 * best choice met is improved by exchanging single notes.
 *
 * Let k be the fewest notes. Then any k - 1 notes are worth less than the amount, from which follows:
 *
 *   - k notes are worth less than the amount and one note more, so less than 2^64: no sum below overflows;
 *   - the excess of k notes over the amount is less than each of them, so every chosen note pays something and any one
 *     of them may be the one that goes in part;
 *   - the days of a choice are the sum of residual x days less excess x days of the note in part. The excess fits into
 *     whichever note has the most days, and nowhere does it save more: that note goes in part.
 */

import { IO } from "../lib/io";
import { CHOICE_EXACT_NOTES_MAX, HOPS_MAX, IO_BYTES, PACKET_NOTES_MAX, WALLET_NOTES_MAX } from "../protocol/limits";
import { REASON_ARITHMETIC, REASON_INSUFFICIENT_FUNDS, REASON_TOO_MANY_NOTES } from "../protocol/reasons";

/** One candidate: residual value, transfers so far, whole days to expiry. */
@unmanaged
export class Candidate {
  residual: u64;
  /** Filled in: what of it is paid, 0 when the note is not chosen. */
  part: u64;
  hops: u32;
  days: u32;
  /** The caller's own. */
  index: u32;
}

/** Days count up to here; 179 years are as good as more. */
const DAYS_MAX: u32 = 0xffff;
/** Sets of 1 to 8 notes out of 16 number 39,202: the search of so many notes always ends. */
const SEARCH_STEPS_MAX: u32 = 40_000;
/** Rounds of exchanging single notes after a search that did not end. */
const EXCHANGE_ROUNDS_MAX: u32 = 8;

const CANDIDATE_BYTES: usize = (offsetof<Candidate>() + 7) & ~7;
/** The table of WALLET_NOTES_MAX candidates: in IO, which is scratch while a command runs. */
export const CANDIDATES: usize = IO;

/** For each position, the set of those before it with no more hops and no more days. All tables are behind the candidates. */
const preferred: usize = CANDIDATES + CANDIDATE_BYTES * WALLET_NOTES_MAX;
/** largest(hops, n): what the n largest notes of a class of equal hops are worth. */
const CLASSES: u32 = HOPS_MAX + 1;
const SUMS_PER_CLASS: u32 = PACKET_NOTES_MAX + 1;
const largestOfClass: usize = preferred + WALLET_NOTES_MAX * 8;
/** What the n largest notes of all are worth. */
const largestOfAll: usize = largestOfClass + CLASSES * SUMS_PER_CLASS * 8;
/** The candidates that are worth something, as u8 indices, by falling residual: a position is a place in this table. */
const positions: usize = largestOfAll + SUMS_PER_CLASS * 8;
const classSizes: usize = positions + WALLET_NOTES_MAX;

let amountWanted: u64 = 0;
let noteCount: u32 = 0;
let hopsFewest: u32 = 0;
let hopsLowest: u32 = 0;
/** How many notes of each class the choice with the fewest transfers takes, four bits a class. */
let classCounts: u64 = 0;
let stepsLeft: u32 = 0;
/** Sets of positions are bits. */
let bestSet: u64 = 0;
/** Monetary-unit days of the best set and of the set valued last, in two limbs: high x 2^32 + low. */
let bestHigh: i64 = 0;
let bestLow: i64 = 0;
let costHigh: i64 = 0;
let costLow: i64 = 0;

export function candidate(i: u32): Candidate {
  assert(i < <u32>WALLET_NOTES_MAX);
  return changetype<Candidate>(CANDIDATES + <usize>i * CANDIDATE_BYTES);
}

/**
 * Fills `part` of the first `count` candidates so that the parts add up to `amount`, and clears it in all others. The
 * number of chosen notes, or -REASON_INSUFFICIENT_FUNDS, -REASON_TOO_MANY_NOTES, -REASON_ARITHMETIC (an amount or residual
 * of 2^63 or more).
 */
export function chooseNotes(count: u32, amount: u64): i32 {
  // Sets have a bit for a note, class counts four bits for a class.
  assert(count <= <u32>WALLET_NOTES_MAX && WALLET_NOTES_MAX <= 64);
  assert(PACKET_NOTES_MAX <= 15 && CLASSES <= 16);
  assert(classSizes + CLASSES <= IO + IO_BYTES);
  for (let i: u32 = 0; i < count; i++) candidate(i).part = 0;
  amountWanted = amount;
  stepsLeft = SEARCH_STEPS_MAX;
  const status = sort(count);
  if (status < 0 || amount >> 63 != 0) return -REASON_ARITHMETIC;
  const notes = fewestNotes();
  if (notes <= 0) return notes;
  fewestTransfers(notes);
  fewestDays(notes);
  pay();
  return notes;
}

/** True when objective 3 of the choice made last is exact: the search ended. */
export function daysAreFewest(): bool {
  return stepsLeft > 0;
}

/** Candidate at a position. */
// @ts-ignore: decorator
@inline
function at(position: u32): Candidate {
  return candidate(load<u8>(positions + position));
}

// @ts-ignore: decorator
@inline
function daysOf(note: Candidate): u32 {
  return min(note.days, DAYS_MAX);
}

/** Fills `positions`: larger residuals first, then fewer hops, then fewer days. Negative when a residual is too large. */
function sort(count: u32): i32 {
  noteCount = 0;
  hopsLowest = HOPS_MAX;
  for (let i: u32 = 0; i < count; i++) {
    const note = candidate(i);
    assert(note.hops <= <u32>HOPS_MAX);
    if (note.residual >> 63 != 0) return -REASON_ARITHMETIC;
    if (note.residual == 0) continue;
    let place = noteCount;
    for (; place > 0 && comesBefore(note, at(place - 1)); place--) {
      store<u8>(positions + place, load<u8>(positions + place - 1));
    }
    store<u8>(positions + place, <u8>i);
    noteCount += 1;
    hopsLowest = min(hopsLowest, note.hops);
  }
  return 0;
}

function comesBefore(a: Candidate, b: Candidate): bool {
  if (a.residual != b.residual) return a.residual > b.residual;
  if (a.hops != b.hops) return a.hops < b.hops;
  return daysOf(a) < daysOf(b);
}

/** Objective 1: the largest notes pay with the fewest. Fills `largestOfAll`. */
function fewestNotes(): i32 {
  let sum: u64 = 0;
  store<u64>(largestOfAll, 0);
  for (let notes: u32 = 0; notes < noteCount; notes++) {
    if (sum >= amountWanted) return notes <= <u32>PACKET_NOTES_MAX ? notes : -REASON_TOO_MANY_NOTES;
    sum += at(notes).residual;
    if (notes < <u32>PACKET_NOTES_MAX) store<u64>(largestOfAll + ((notes + 1) << 3), sum);
  }
  if (sum < amountWanted) return -REASON_INSUFFICIENT_FUNDS;
  return noteCount <= <u32>PACKET_NOTES_MAX ? noteCount : -REASON_TOO_MANY_NOTES;
}

/** Objective 2. Whatever number of notes a class of equal hops gives, its largest ones reach farthest. */
function fewestTransfers(notes: u32): void {
  fillClasses(notes);
  hopsFewest = HOPS_MAX * PACKET_NOTES_MAX + 1;
  spread(0, notes, 0, 0, 0);
  assert(hopsFewest <= <u32>(HOPS_MAX * PACKET_NOTES_MAX));
}

function fillClasses(notes: u32): void {
  memory.fill(classSizes, 0, CLASSES);
  memory.fill(largestOfClass, 0, CLASSES * SUMS_PER_CLASS * 8);
  for (let i: u32 = 0; i < noteCount; i++) {
    const note = at(i);
    const size = <u32>load<u8>(classSizes + note.hops);
    if (size == notes) continue;
    store<u64>(classSum(note.hops, size + 1), load<u64>(classSum(note.hops, size)) + note.residual);
    store<u8>(classSizes + note.hops, <u8>(size + 1));
  }
}

// @ts-ignore: decorator
@inline
function classSum(hops: u32, notes: u32): usize {
  return largestOfClass + ((hops * SUMS_PER_CLASS + notes) << 3);
}

/**
 * Takes `left` more notes from the classes of `hops` and more, in all ways that can still beat `hopsFewest`. Depth: one
 * a class. At most 75,582 visits (ways to spread up to 8 notes over up to 11 classes), far fewer by the two bounds.
 */
function spread(hops: u32, left: u32, sum: u64, total: u32, counts: u64): void {
  if (total + left * hops >= hopsFewest) return;
  if (sum + load<u64>(largestOfAll + (left << 3)) < amountWanted) return;
  if (left == 0) {
    hopsFewest = total;
    classCounts = counts;
    return;
  }
  if (hops == CLASSES) return;
  const most = min(left, <u32>load<u8>(classSizes + hops));
  for (let less: u32 = 0; less <= most; less++) {
    const taken = most - less;
    const more = load<u64>(classSum(hops, taken));
    spread(hops + 1, left - taken, sum + more, total + taken * hops, counts | ((<u64>taken) << (hops << 2)));
  }
}

/** Objective 3, from the choice that objective 2 left. */
function fewestDays(notes: u32): void {
  bestSet = largestSet();
  assert(<u32>popcnt(bestSet) == notes);
  fillPreferred();
  value(bestSet);
  bestHigh = costHigh;
  bestLow = costLow;
  search(0, notes, 0, 0, 0);
  if (daysAreFewest()) return;
  assert(noteCount > <u32>CHOICE_EXACT_NOTES_MAX);
  for (let round: u32 = 0; round < EXCHANGE_ROUNDS_MAX; round++) {
    if (!exchange()) return;
  }
}

/** The set that `classCounts` means: of each class its largest notes. */
function largestSet(): u64 {
  let set: u64 = 0;
  let counts = classCounts;
  for (let i: u32 = 0; i < noteCount; i++) {
    const shift = <u64>(at(i).hops << 2);
    if (((counts >> shift) & 15) == 0) continue;
    counts -= (<u64>1) << shift;
    set |= (<u64>1) << i;
  }
  return set;
}

function fillPreferred(): void {
  for (let i: u32 = 0; i < noteCount; i++) {
    const note = at(i);
    let set: u64 = 0;
    for (let j: u32 = 0; j < i; j++) {
      if (at(j).hops <= note.hops && daysOf(at(j)) <= daysOf(note)) set |= (<u64>1) << j;
    }
    store<u64>(preferred + (i << 3), set);
  }
}

/**
 * Tries the sets that add `left` notes from position `from` on. A note is left out while one preferred to it is not in
 * the set: that one in its place pays as much for no more transfers and no more days, so nothing better is missed.
 * Depth: one a note, so PACKET_NOTES_MAX.
 */
function search(from: u32, left: u32, sum: u64, hops: u32, set: u64): void {
  if (left == 0) {
    assert(hops == hopsFewest);
    return offer(set);
  }
  for (let i = from; i + left <= noteCount && stepsLeft > 0; i++) {
    stepsLeft -= 1;
    // Positions farther on are worth no more: when the next notes do not suffice, none do.
    if (sum + nextNotes(i, left) < amountWanted) return;
    const note = at(i);
    if ((load<u64>(preferred + (i << 3)) & ~set) != 0) continue;
    const total = hops + note.hops;
    if (total + (left - 1) * hopsLowest > hopsFewest) continue;
    search(i + 1, left - 1, sum + note.residual, total, set | ((<u64>1) << i));
  }
}

/** What the notes from a position on are worth. */
function nextNotes(from: u32, notes: u32): u64 {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < notes; i++) sum += at(from + i).residual;
  return sum;
}

/** Exchanges each chosen note for every other of the same class if that lessens the days. True when one was. */
function exchange(): bool {
  const before = bestSet;
  for (let i: u32 = 0; i < noteCount; i++) {
    for (let j: u32 = 0; j < noteCount; j++) {
      if (((bestSet >> i) & 1) == 0) break;
      if (((bestSet >> j) & 1) != 0 || at(i).hops != at(j).hops) continue;
      const set = bestSet ^ ((<u64>1) << i) ^ ((<u64>1) << j);
      if (worth(set) >= amountWanted) offer(set);
    }
  }
  return bestSet != before;
}

/** Keeps a set that pays, with the fewest transfers, if it has fewer days than the best. */
function offer(set: u64): void {
  value(set);
  if (costHigh > bestHigh || (costHigh == bestHigh && costLow >= bestLow)) return;
  bestSet = set;
  bestHigh = costHigh;
  bestLow = costLow;
}

function worth(set: u64): u64 {
  let sum: u64 = 0;
  for (let rest = set; rest != 0; rest &= rest - 1) sum += at(<u32>ctz(rest)).residual;
  return sum;
}

/** Position of the note of a set that goes in part: the one with the most days. */
function inPart(set: u64): u32 {
  let found = <u32>ctz(set);
  for (let rest = set; rest != 0; rest &= rest - 1) {
    const position = <u32>ctz(rest);
    if (daysOf(at(position)) > daysOf(at(found))) found = position;
  }
  return found;
}

/**
 * Monetary-unit days of a set, up to 2^79, into costHigh and costLow. Each limb holds at most 9 products of 32 and 16
 * bits, so 52 bits with the sign; the shift carries, also below zero.
 */
function value(set: u64): void {
  const excess = worth(set) - amountWanted;
  const days = daysOf(at(inPart(set)));
  let high: i64 = -(<i64>((excess >> 32) * days));
  let low: i64 = -(<i64>((excess & 0xffffffff) * days));
  for (let rest = set; rest != 0; rest &= rest - 1) {
    const note = at(<u32>ctz(rest));
    high += <i64>((note.residual >> 32) * daysOf(note));
    low += <i64>((note.residual & 0xffffffff) * daysOf(note));
  }
  costHigh = high + (low >> 32);
  costLow = low & 0xffffffff;
}

/** Writes the parts of the best set. */
function pay(): void {
  const excess = worth(bestSet) - amountWanted;
  const divided = at(inPart(bestSet));
  for (let rest = bestSet; rest != 0; rest &= rest - 1) {
    const note = at(<u32>ctz(rest));
    note.part = note.residual;
  }
  assert(excess < divided.residual);
  divided.part -= excess;
}
