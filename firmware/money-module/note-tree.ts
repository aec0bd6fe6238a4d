/**
 * The note transfer tree (WO 96/41315 fig. 20, steps 1598-1604): has this note been duplicated?
 *
 * A note that was divided comes back in parts, and the parts of one record form a tree. Two things prove a fraud:
 * one transferor and counter with two different records, and parts of one record that add up to more than it. Only
 * opened records count, and the one on offer. Against what: the notes held, and the trail: who gave us what, kept for the
 * last TRAIL_MAX notes received, so that a record already taken is known when it comes again.
 *
 *     trail  [ version | note id 16 | transferor 16 | counter u64 | record hash 32 ]
 */

import { HASH_BYTES } from "../platform/constants";
import { sha256 } from "../platform/imports";
import { HOPS_MAX, ID_BYTES, IO_BYTES, TRAIL_MAX, WALLET_NOTES_MAX } from "../protocol/limits";
import { REASON_ARITHMETIC, REASON_DUPLICATE, REASON_STORE_FAILURE } from "../protocol/reasons";
import { outboxSpare } from "../lib/envelope";
import { IO } from "../lib/io";
import { equal } from "../lib/memory";
import { RECORD_VERSION } from "../lib/records";
import { storePut, storeRead } from "../lib/store";
import { lastTransfer, NoteView, noteRead, NOTE_VIEW_BYTES, transfer, transferor } from "./note";
import { NOTE_NONE, noteBytes, place } from "./note-directory";
import { RECORD_TRAIL, RECORD_TRAIL_HEAD } from "./records";

export const TRAIL_BYTES: u32 = 73;
export const TRAIL_HEAD_BYTES: u32 = 5;

const held = changetype<NoteView>(memory.data(NOTE_VIEW_BYTES, 8));
const trail = memory.data(80, 8);
const head = memory.data(8, 8);
const hash = memory.data(32, 8);

/** For each place: where the held note leaves the history of the one on offer, what it took there, a mark of its record. */
const BRANCH_BYTES: u32 = 24;
const MARK_BYTES: u32 = 12;
const BRANCHES_BYTES: u32 = BRANCH_BYTES * WALLET_NOTES_MAX;
/** Where the table is, during a check. */
let branches: usize = 0;
const NO_BRANCH: u32 = u32.MAX_VALUE;

let nextTrail: u32 = 0;

export function trailLoad(): void {
  nextTrail = storeRead(RECORD_TRAIL_HEAD, 0, head, TRAIL_HEAD_BYTES) == TRAIL_HEAD_BYTES ? load<u32>(head, 1) : 0;
}

/** Within the transaction that settles a note: remembers its last record. */
export function trailPut(view: NoteView): i32 {
  const t = lastTransfer(view);
  store<u8>(trail, RECORD_VERSION);
  memory.copy(trail + 1, view.noteId, ID_BYTES);
  memory.copy(trail + 17, transferor(view, view.hops - 1), ID_BYTES);
  store<u64>(trail, t.counter, 33);
  let status = sha256(t.record, t.recordLength, trail + 41, HASH_BYTES);
  if (status < 0) return status;
  status = storePut(RECORD_TRAIL | (nextTrail % TRAIL_MAX), trail, TRAIL_BYTES);
  if (status < 0) return status;
  nextTrail += 1;
  store<u8>(head, RECORD_VERSION);
  store<u32>(head, nextTrail, 1);
  return storePut(RECORD_TRAIL_HEAD, head, TRAIL_HEAD_BYTES);
}

/**
 * 0, -REASON_DUPLICATE, or an error of the store. Uses IO to read held notes, so the note on offer must not lie there; its table
 * is in the spare end of the outbox.
 */
export function treeCheck(view: NoteView): i32 {
  assert(view.body < IO || view.body >= IO + IO_BYTES);
  branches = outboxSpare(BRANCHES_BYTES);
  let status = againstTrail(view);
  if (status == 0) status = findBranches(view);
  for (let i: u32 = 0; i < view.hops && status == 0; i++) status = partsFit(view, i);
  return status;
}

/** A record of one transferor and counter that is not the one we took under that counter, or is, once more. */
function againstTrail(view: NoteView): i32 {
  const from = nextTrail > <u32>TRAIL_MAX ? nextTrail - TRAIL_MAX : 0;
  for (let n = from; n < nextTrail; n++) {
    if (storeRead(RECORD_TRAIL | (n % TRAIL_MAX), 0, trail, TRAIL_BYTES) != TRAIL_BYTES) continue;
    // One counter is one record, whatever note it is of.
    for (let i: u32 = 0; i < view.hops; i++) {
      const t = transfer(view, i);
      if (load<u64>(trail, 33) != t.counter || !equal(trail + 17, transferor(view, i), ID_BYTES)) continue;
      const status = sha256(t.record, t.recordLength, hash, HASH_BYTES);
      if (status < 0) return status;
      // The record we once took may stand in the history of what comes back to us, but not at its end again.
      if (!equal(hash, trail + 41, HASH_BYTES) || i + 1 == view.hops) return -REASON_DUPLICATE;
    }
  }
  return 0;
}

/** Finds, for every held note with the same body, the first record where it differs from the note on offer. */
function findBranches(view: NoteView): i32 {
  for (let p: u32 = 0; p < <u32>WALLET_NOTES_MAX; p++) {
    setBranch(p, NO_BRANCH, 0);
    if (place(p).state == NOTE_NONE || place(p).idPrefix != load<u64>(view.noteId)) continue;
    const length = noteBytes(p, IO);
    if (length < 0) return length;
    assert(noteRead(held, IO, length) == 0);
    if (!sameBytes(held.body, held.bodyLength, view.body, view.bodyLength)) continue;
    const status = branch(view, p);
    if (status < 0) return status;
  }
  return 0;
}

function branch(view: NoteView, p: u32): i32 {
  const common = held.hops < view.hops ? held.hops : view.hops;
  for (let i: u32 = 0; i < common; i++) {
    const a = transfer(view, i);
    const b = transfer(held, i);
    if (sameBytes(a.record, a.recordLength, b.record, b.recordLength)) continue;
    // Up to here one history, so the transferor is the same: two records need two counters.
    if (a.counter == b.counter) return -REASON_DUPLICATE;
    setBranch(p, i, b.amount);
    return sha256(b.record, b.recordLength, hash, HASH_BYTES) < 0 ? -REASON_STORE_FAILURE : setMark(p);
  }
  // What is held is the beginning of what is offered: a note that went away in part and the part comes back.
  // What is offered is the beginning of what is held: we have it already.
  return held.hops >= view.hops ? -REASON_DUPLICATE : 0;
}

/** The record on offer at depth `i` and all others that branch off there fit into the record before. */
function partsFit(view: NoteView, i: u32): i32 {
  const whole = i == 0 ? view.value : transfer(view, i - 1).amount;
  let sum = transfer(view, i).amount;
  for (let p: u32 = 0; p < <u32>WALLET_NOTES_MAX; p++) {
    const at = branches + p * BRANCH_BYTES;
    if (load<u32>(at, 8) != i || isCounted(p)) continue;
    sum += load<u64>(at);
    if (sum >> 63 != 0) return -REASON_ARITHMETIC;
    if (sum > whole) return -REASON_DUPLICATE;
  }
  return 0;
}

/** Several held notes may descend from one branch: it counts once. The mark is the start of the record's hash. */
function isCounted(p: u32): bool {
  const at = branches + p * BRANCH_BYTES;
  for (let q: u32 = 0; q < p; q++) {
    const other = branches + q * BRANCH_BYTES;
    if (load<u32>(other, 8) == load<u32>(at, 8) && equal(other + 12, at + 12, MARK_BYTES)) return true;
  }
  return false;
}

function setMark(p: u32): i32 {
  memory.copy(branches + p * BRANCH_BYTES + 12, hash, MARK_BYTES);
  return 0;
}

function setBranch(p: u32, depth: u32, amount: u64): void {
  const at = branches + p * BRANCH_BYTES;
  assert(depth == NO_BRANCH || depth < <u32>HOPS_MAX);
  store<u64>(at, amount);
  store<u32>(at, depth, 8);
}

function sameBytes(a: usize, aLength: u32, b: usize, bLength: u32): bool {
  return aLength == bLength && memory.compare(a, b, aLength) == 0;
}
