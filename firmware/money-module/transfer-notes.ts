/**
 * Transfer Notes, the payer's side (WO 96/41315 fig. 20, steps 1566-1574): the offer is stored in one atomic write, then the
 * notes leave, one a message. Functions answer 0, or the negative reason for which the transaction must be aborted.
 */

import { HASH_BYTES } from "../platform/constants";
import { sha256 } from "../platform/imports";
import { ROLE_GENERATOR } from "../protocol/kinds";
import { PACKET_NOTES_MAX } from "../protocol/limits";
import * as M from "../protocol/messages";
import { REASON_MALFORMED, REASON_TOO_MANY_NOTES, REASON_UNEXPECTED, REASON_WRONG_AMOUNT } from "../protocol/reasons";
import { Reader, Writer } from "../lib/cbor";
import { elementRole } from "../lib/identity";
import { IO } from "../lib/io";
import { wipe } from "../lib/memory";
import { composeFresh, composeHeld, NewTransfer } from "./note-compose";
import { noteRead, view } from "./note";
import { BODY, issueBody, issuedRoom } from "./note-issue";
import { noteBytes, noteKey } from "./note-directory";
import {
  counterLoad,
  counterPut,
  PENDING_BYTES_MAX,
  PENDING_OFFERED,
  pendingAddItem,
  pendingFirstCounter,
  pendingFree,
  pendingItemPart,
  pendingItemPlace,
  pendingItems,
  pendingKey,
  pendingLoad,
  pendingPeer,
  pendingPut,
  pendingSetLock,
  pendingLock,
  pendingNoteKey,
} from "./pending";
import { peerMessageLarge, sendPeer } from "./routing";
import { reserve } from "./space";
import { storeCommit } from "../lib/store";
import * as T from "./transaction";
import { t } from "./transaction";
import { addChosen, fundsCheck } from "./funds";
import { addNamed, namedStill } from "./named-notes";
import { newRecord } from "./new-record";

/** Place of a note that a generator makes: it has none. */
export const PLACE_FRESH: u32 = 255;

const next = changetype<NewTransfer>(memory.data(offsetof<NewTransfer>(), 8));
const key = memory.data(32, 8);

/** Chooses the notes, stores the offer in one atomic write, sends the first note. */
export function offer(): i32 {
  const named = t.order == T.ORDER_PAY_NOTES;
  const chosen = named ? namedStill() : fundsCheck(t.amount, t.currency, t.exponent);
  if (chosen < 0) return chosen;
  const index = pendingFree();
  if (index < 0) return index;
  newRecord(PENDING_OFFERED);
  if (elementRole() == ROLE_GENERATOR) pendingAddItem(PLACE_FRESH, t.amount);
  else if (named) addNamed();
  else addChosen();
  return storeOffer(<u32>index);
}

/** Generator: the notes that its host wants, [value...], which must add up. */
export function offerFresh(r: Reader): i32 {
  const room = issuedRoom(t.currency, t.exponent, t.amount);
  if (room < 0) return room;
  const index = pendingFree();
  if (index < 0) return index;
  newRecord(PENDING_OFFERED);
  const count = r.array();
  if (count == 0 || count > <u32>PACKET_NOTES_MAX) return -REASON_TOO_MANY_NOTES;
  let sum: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const value = r.amount();
    if (value == 0 || value > t.amount - sum) return -REASON_WRONG_AMOUNT;
    sum += value;
    pendingAddItem(PLACE_FRESH, value);
  }
  if (r.finish() < 0) return -REASON_MALFORMED;
  return sum == t.amount ? storeOffer(<u32>index) : -REASON_WRONG_AMOUNT;
}

function storeOffer(index: u32): i32 {
  let status = pendingKey(key);
  if (status >= 0) status = pendingNoteKey(key, key);
  if (status >= 0) status = sha256(key, HASH_BYTES, T.lock, HASH_BYTES);
  wipe(key, HASH_BYTES);
  if (status < 0) return status;
  pendingSetLock(T.lock);
  const count = pendingItems();
  status = reserve(PENDING_BYTES_MAX + 16, 2);
  if (status >= 0) status = counterPut(count);
  if (status >= 0) status = pendingPut(index);
  if (status >= 0) status = storeCommit();
  if (status < 0) return status;
  counterLoad();
  t.payer = 1;
  t.pending = index;
  t.count = count;
  t.index = 0;
  t.state = T.SENDING;
  return sendNote();
}

/** One note a message. Its bytes are read into IO and the message is written in INBOUND. */
export function sendNote(): i32 {
  assert(t.state == T.SENDING && t.index < t.count);
  assert(pendingLoad(t.pending));
  next.transferee = pendingPeer();
  next.lock = pendingLock();
  next.counter = pendingFirstCounter() + t.index;
  next.amount = pendingItemPart(t.index);
  const at = pendingItemPlace(t.index);
  const status = at == PLACE_FRESH ? writeFresh() : writeHeld(at);
  return status < 0 ? status : sendPeer();
}

function noteMessage(): Writer {
  const w = peerMessageLarge(M.MODULE_NOTE, 4);
  w.uint(t.index);
  w.uint(t.count);
  return w;
}

function writeFresh(): i32 {
  const body = issueBody(next.counter, t.currency, t.exponent, next.amount);
  return body < 0 ? body : composeFresh(noteMessage(), BODY, body, next);
}

function writeHeld(at: u32): i32 {
  const length = noteBytes(at, IO);
  if (length < 0) return length;
  const read = noteRead(view, IO, length);
  assert(read == 0);
  let status = noteKey(at, key);
  if (status >= 0) status = composeHeld(noteMessage(), view, key, next);
  wipe(key, HASH_BYTES);
  return status;
}

/** Payer: NEXT index. */
export function takeNext(index: u64): i32 {
  if (index != t.index || t.index + 1 >= t.count) return -REASON_UNEXPECTED;
  t.index += 1;
  return sendNote();
}
