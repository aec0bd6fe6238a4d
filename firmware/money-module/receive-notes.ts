/**
 * Transfer Notes, the payee's side (WO 96/41315 fig. 20, steps 1576-1608): each note is verified and kept provisionally; with the
 * last one all of them are in doubt, in one atomic write, and only then Ready-to-Commit is said (fig. 21, 1702-1704).
 */

import { HASH_BYTES } from "../platform/constants";
import { HOPS_MAX, NOTE_BYTES_MAX, PACKET_NOTES_MAX } from "../protocol/limits";
import { ROLE_TELLER } from "../protocol/kinds";
import * as M from "../protocol/messages";
import {
  REASON_DUPLICATE,
  REASON_HOP_LIMIT,
  REASON_MALFORMED,
  REASON_NOTE_INVALID,
  REASON_STORE_FULL,
  REASON_TOO_MANY_NOTES,
  REASON_UNEXPECTED,
  REASON_WRONG_AMOUNT,
} from "../protocol/reasons";
import { Reader } from "../lib/cbor";
import { peerCertificate } from "../lib/establish";
import { elementRole } from "../lib/identity";
import { equal } from "../lib/memory";
import { canGrow } from "./note-compose";
import { lastTransfer, noteRead, view } from "./note";
import {
  directoryFree,
  directoryFreePlaces,
  notePut,
  noteRecords,
  noteStoreBytes,
  place,
  placeLoad,
} from "./note-directory";
import { treeCheck } from "./note-tree";
import { noteVerify } from "./note-verify";
import { taintClear } from "./taint";
import { PENDING_BYTES_MAX, PENDING_DOUBT, pendingAddItem, pendingFree, pendingPut, pendingSetLock } from "./pending";
import { peerMessage, sendPeer } from "./routing";
import { reserve } from "./space";
import { storeCommit } from "../lib/store";
import * as T from "./transaction";
import { t } from "./transaction";
import { newRecord } from "./new-record";

/** A note: index, count, bytes. Verified and kept provisionally; the last one puts all of them in doubt, then Ready. */
export function takeNote(r: Reader): i32 {
  const index = r.uint();
  const count = r.uint();
  const note = r.bytes(1, NOTE_BYTES_MAX);
  const length = r.length;
  if (r.finish() < 0) return -REASON_MALFORMED;
  if (count == 0 || count > <u64>PACKET_NOTES_MAX) return -REASON_TOO_MANY_NOTES;
  if (t.index == 0) t.count = <u32>count;
  if (index != t.index || count != t.count) return -REASON_UNEXPECTED;
  // Before the first is kept: places for all of them, and a record for the payment.
  if (t.index == 0 && (directoryFreePlaces() < t.count || pendingFree() < 0)) return -REASON_STORE_FULL;
  let status = noteRead(view, note, length);
  if (status == 0) status = packetCheck();
  if (status == 0) status = noteVerify(view, peerCertificate.id, t.currency, t.exponent);
  if (status == 0) status = treeCheck(view);
  if (status == 0 && elementRole() != ROLE_TELLER && !canGrow(view)) status = -REASON_HOP_LIMIT;
  return status < 0 ? status : keepNote(note, length);
}

/** What a note must be within its packet: one lock, rising counters, not more than was agreed. */
function packetCheck(): i32 {
  const last = lastTransfer(view);
  if (t.index == 0) memory.copy(T.lock, last.lock, HASH_BYTES);
  else if (!equal(T.lock, last.lock, HASH_BYTES)) return -REASON_NOTE_INVALID;
  if (t.index > 0 && last.counter <= t.lastCounter) return -REASON_DUPLICATE;
  t.lastCounter = last.counter;
  if (last.amount > t.amount - t.received) return -REASON_WRONG_AMOUNT;
  t.received += last.amount;
  const complete = t.index + 1 == t.count;
  return complete == (t.received == t.amount) ? 0 : -REASON_WRONG_AMOUNT;
}

function keepNote(note: usize, length: u32): i32 {
  const at = directoryFree();
  if (at < 0) return at;
  const complete = t.index + 1 == t.count;
  let status = complete ? newDoubt(<u32>at) : 0;
  if (status < 0) return status;
  status = reserve(noteStoreBytes(length) + (complete ? PENDING_BYTES_MAX : 0), noteRecords(length) + 1);
  // A teller takes what cannot be passed on, and redeems it: to its choice of notes it is at the hop limit.
  const hops = canGrow(view) ? view.hops : HOPS_MAX;
  if (status >= 0) taintClear(<u32>at);
  if (status >= 0) status = notePut(<u32>at, view, hops, lastTransfer(view).amount, note, length);
  if (status >= 0 && complete) status = pendingPut(t.pending);
  if (status >= 0) status = storeCommit();
  if (status >= 0) status = placeLoad(<u32>at);
  if (status < 0) return status;
  store<u8>(T.places + t.index, <u8>at);
  t.index += 1;
  if (!complete) {
    peerMessage(M.MODULE_NEXT, 2).uint(t.index - 1);
    return sendPeer();
  }
  // 1702-1704: from here on only the key or a proof that the payer aborted ends it.
  t.state = T.DOUBT;
  peerMessage(M.MODULE_READY, 1);
  return sendPeer();
}

function newDoubt(lastPlace: u32): i32 {
  const index = pendingFree();
  if (index < 0) return index;
  newRecord(PENDING_DOUBT);
  pendingSetLock(T.lock);
  for (let i: u32 = 0; i < t.index; i++) pendingAddItem(load<u8>(T.places + i), place(load<u8>(T.places + i)).amount);
  pendingAddItem(lastPlace, lastTransfer(view).amount);
  t.pending = index;
  return 0;
}
