/**
 * The wallet: notes held, and a directory of them in memory (Note Directory and Notes of fig. 20).
 *
 * A note's bytes are kept as they came, in blocks; what changes is in its directory record: what is left of it, and the
 * key of its last record once that is known. A note that was just received is provisional: it counts for nothing until
 * a pending record names it (then it is in doubt), and boot removes provisional notes that none names.
 *
 *     directory record   [ version | state | hops | exponent | currency u16 | blocks | 0 | amount u64 | expiry u64 |
 *                          final redemption u64 | note id 16 | key 32 | length u32 ]
 *     block              [ up to 1024 bytes of the note ]
 */

import { HASH_BYTES } from "../platform/constants";
import { ID_BYTES, NOTE_BYTES_MAX, STORE_VALUE_BYTES_MAX, WALLET_NOTES_MAX } from "../protocol/limits";
import { REASON_NOT_FOUND, REASON_STORE_FAILURE, REASON_STORE_FULL } from "../protocol/reasons";
import { Writer } from "../lib/cbor";
import { RECORD_VERSION } from "../lib/records";
import { storeDelete, storePut, storeRead } from "../lib/store";
import { NoteView } from "./note";
import { RECORD_NOTE, RECORD_NOTE_BYTES } from "./records";

export const NOTE_NONE: u32 = 0;
export const NOTE_SPENDABLE: u32 = 1;
export const NOTE_PROVISIONAL: u32 = 2;
/** There is a note, and its record cannot be read: it cannot be spent, and its place is not free. */
export const NOTE_UNREADABLE: u32 = 3;
/** Handed to the bank's books for redemption: it leaves by being destroyed, and by nothing else. */
export const NOTE_REDEEMING: u32 = 4;

const ENTRY_BYTES: u32 = 84;
const BLOCK_SHIFT: u32 = 4;

/** What the choice of notes and the balance need of each place. */
@unmanaged
export class Place {
  amount: u64;
  expiry: u64;
  /** First half of the note id: enough to see that two notes may share a body. */
  idPrefix: u64;
  length: u16;
  currency: u16;
  state: u8;
  hops: u8;
  exponent: u8;
  blocks: u8;
}

const PLACE_BYTES: u32 = 32;
const PLACES = memory.data(PLACE_BYTES * WALLET_NOTES_MAX, 8);
const entry = memory.data(88, 8);

export function place(i: u32): Place {
  assert(i < <u32>WALLET_NOTES_MAX);
  return changetype<Place>(PLACES + i * PLACE_BYTES);
}

/** Reads the whole directory: at boot, and after every transaction that changed it or failed to. */
export function directoryLoad(): i32 {
  assert(offsetof<Place>() <= PLACE_BYTES);
  memory.fill(PLACES, 0, PLACE_BYTES * WALLET_NOTES_MAX);
  for (let i: u32 = 0; i < <u32>WALLET_NOTES_MAX; i++) {
    const status = placeLoad(i);
    if (status < 0) return status;
  }
  return 0;
}

/** Reads one place again. */
export function placeLoad(i: u32): i32 {
  const p = place(i);
  memory.fill(changetype<usize>(p), 0, PLACE_BYTES);
  const got = storeRead(RECORD_NOTE | i, 0, entry, ENTRY_BYTES);
  if (got == -REASON_NOT_FOUND) return 0;
  if (got != ENTRY_BYTES || load<u8>(entry) != RECORD_VERSION) {
    p.state = <u8>NOTE_UNREADABLE;
    return 0;
  }
  p.state = load<u8>(entry, 1);
  p.hops = load<u8>(entry, 2);
  p.exponent = load<u8>(entry, 3);
  p.currency = load<u16>(entry, 4);
  p.blocks = load<u8>(entry, 6);
  p.amount = load<u64>(entry, 8);
  p.expiry = load<u64>(entry, 16);
  p.idPrefix = load<u64>(entry, 32);
  p.length = <u16>load<u32>(entry, 80);
  return 0;
}

/** A place without a note, or -REASON_STORE_FULL. */
export function directoryFree(): i32 {
  for (let i: u32 = 0; i < <u32>WALLET_NOTES_MAX; i++) {
    if (place(i).state == NOTE_NONE) return i;
  }
  return -REASON_STORE_FULL;
}

/** How many places hold no note. */
export function directoryFreePlaces(): u32 {
  let free: u32 = 0;
  for (let i: u32 = 0; i < <u32>WALLET_NOTES_MAX; i++) {
    if (place(i).state == NOTE_NONE) free += 1;
  }
  return free;
}

/** What a new note of this length takes: blocks and its directory record. */
export function noteRecords(length: u32): u32 {
  return 1 + (length + STORE_VALUE_BYTES_MAX - 1) / STORE_VALUE_BYTES_MAX;
}

export function noteStoreBytes(length: u32): u32 {
  return ENTRY_BYTES + length;
}

/** What rewriting the directory record of one note takes. */
export function entryBytes(): u32 {
  return ENTRY_BYTES;
}

/** Within a transaction: a received note, provisional, at a free place. */
export function notePut(i: u32, view: NoteView, hops: u32, amount: u64, note: usize, length: u32): i32 {
  assert(place(i).state == NOTE_NONE && length <= <u32>NOTE_BYTES_MAX);
  let blocks: u32 = 0;
  for (let at: u32 = 0; at < length; at += STORE_VALUE_BYTES_MAX) {
    const rest = length - at;
    const here = rest < <u32>STORE_VALUE_BYTES_MAX ? rest : STORE_VALUE_BYTES_MAX;
    const status = storePut(RECORD_NOTE_BYTES | (i << BLOCK_SHIFT) | blocks, note + at, here);
    if (status < 0) return status;
    blocks += 1;
  }
  memory.fill(entry, 0, ENTRY_BYTES);
  store<u8>(entry, RECORD_VERSION);
  store<u8>(entry, NOTE_PROVISIONAL, 1);
  store<u8>(entry, <u8>hops, 2);
  store<u8>(entry, <u8>view.exponent, 3);
  store<u16>(entry, <u16>view.currency, 4);
  store<u8>(entry, <u8>blocks, 6);
  store<u64>(entry, amount, 8);
  store<u64>(entry, view.expiry, 16);
  store<u64>(entry, view.finalRedemption, 24);
  memory.copy(entry + 32, view.noteId, ID_BYTES);
  store<u32>(entry, length, 80);
  return storePut(RECORD_NOTE | i, entry, ENTRY_BYTES);
}

/** Within a transaction: the key is known, the note may be spent. */
export function noteSettle(i: u32, key: usize): i32 {
  const status = entryRead(i);
  if (status < 0) return status;
  assert(load<u8>(entry, 1) == NOTE_PROVISIONAL);
  store<u8>(entry, NOTE_SPENDABLE, 1);
  memory.copy(entry + 48, key, HASH_BYTES);
  return storePut(RECORD_NOTE | i, entry, ENTRY_BYTES);
}

/** Within a transaction: a spendable note is set aside for redemption. */
export function noteSetAside(i: u32): i32 {
  const status = entryRead(i);
  if (status < 0) return status;
  assert(load<u8>(entry, 1) == NOTE_SPENDABLE);
  store<u8>(entry, NOTE_REDEEMING, 1);
  return storePut(RECORD_NOTE | i, entry, ENTRY_BYTES);
}

/** Within a transaction: a part of the note, or all of it, is gone. */
export function noteTake(i: u32, part: u64): i32 {
  assert(part > 0 && part <= place(i).amount);
  if (part == place(i).amount) return noteDelete(i);
  const status = entryRead(i);
  if (status < 0) return status;
  store<u64>(entry, place(i).amount - part, 8);
  return storePut(RECORD_NOTE | i, entry, ENTRY_BYTES);
}

/** Within a transaction: the note is gone. */
export function noteDelete(i: u32): i32 {
  for (let block: u32 = 0; block < place(i).blocks; block++) {
    const status = storeDelete(RECORD_NOTE_BYTES | (i << BLOCK_SHIFT) | block);
    if (status < 0) return status;
  }
  return storeDelete(RECORD_NOTE | i);
}

/** Records that `noteTake` or `noteDelete` writes or deletes at most. */
export function noteTakeRecords(i: u32): u32 {
  return 1 + place(i).blocks;
}

function entryRead(i: u32): i32 {
  return storeRead(RECORD_NOTE | i, 0, entry, ENTRY_BYTES) == ENTRY_BYTES ? 0 : -REASON_STORE_FAILURE;
}

/** Copies the bytes of a note; its length, or an error. */
export function noteBytes(i: u32, to: usize): i32 {
  const p = place(i);
  assert(p.state != NOTE_NONE && p.length <= <u32>NOTE_BYTES_MAX);
  for (let block: u32 = 0; block < p.blocks; block++) {
    const at = block * STORE_VALUE_BYTES_MAX;
    const got = storeRead(RECORD_NOTE_BYTES | (i << BLOCK_SHIFT) | block, 0, to + at, p.length - at);
    if (got < 0) return got;
  }
  return p.length;
}

/** Copies the key of a spendable note's last record. */
export function noteKey(i: u32, to: usize): i32 {
  const got = storeRead(RECORD_NOTE | i, 48, to, HASH_BYTES);
  return got == HASH_BYTES ? 0 : -REASON_STORE_FAILURE;
}

/** A note's final redemption date; 0 when it cannot be read. */
export function noteFinalRedemption(i: u32): u64 {
  return entryRead(i) < 0 ? 0 : load<u64>(entry, 24);
}

/** Copies the 16 bytes of a note's id. */
export function noteId(i: u32, to: usize): i32 {
  const got = storeRead(RECORD_NOTE | i, 32, to, ID_BYTES);
  return got == ID_BYTES ? 0 : -REASON_STORE_FAILURE;
}

/** Place of the `number`-th note there is, from 1; or -REASON_NOT_FOUND. */
export function noteNumber(number: u32): i32 {
  let seen: u32 = 0;
  for (let i: u32 = 0; i < <u32>WALLET_NOTES_MAX; i++) {
    const p = place(i);
    if (p.state == NOTE_NONE || p.state == NOTE_UNREADABLE) continue;
    seen += 1;
    if (seen == number) return i;
  }
  return -REASON_NOT_FOUND;
}

/** READ RECORD: a note, and why it rests (funds.ts). */
export function noteDescribe(i: u32, rests: u32, w: Writer): bool {
  const p = place(i);
  if (entryRead(i) < 0) return false;
  w.array(10);
  w.bytes(entry + 32, ID_BYTES);
  w.uint(p.currency);
  w.uint(p.exponent);
  w.uint(p.amount);
  w.uint(p.expiry);
  w.uint(load<u64>(entry, 24));
  w.uint(p.hops);
  w.uint(p.state);
  w.uint(i);
  w.uint(rests);
  return true;
}
