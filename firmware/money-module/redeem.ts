/**
 * Redemption: a teller takes a note out of circulation. In two steps, so that a cut between them loses nothing: the note is set aside and goes
 * to the bank's books whole, with the key that opens its last record; when they have it, the teller destroys it.
 */

import { HASH_BYTES } from "../platform/constants";
import { ID_BYTES } from "../protocol/limits";
import * as M from "../protocol/messages";
import { REASON_NOT_FOUND } from "../protocol/reasons";
import { noticeBegin, noticeEnd } from "../lib/envelope";
import { IO } from "../lib/io";
import { logAmount, logBegin, logCommitted, logPut } from "../lib/log";
import { equal } from "../lib/memory";
import { storeBegin, storeCommit } from "../lib/store";
import {
  directoryLoad,
  entryBytes,
  noteBytes,
  noteDelete,
  noteId,
  noteKey,
  NOTE_REDEEMING,
  noteSetAside,
  NOTE_SPENDABLE,
  noteTakeRecords,
  place,
  placeLoad,
} from "./note-directory";
import { reserveEnd } from "./space";

const id = memory.data(16, 8);
const key = memory.data(32, 8);

/** From here on the note cannot be paid out any more. Asked again it gives the same answer. */
export function redeemStart(at: u32): i32 {
  const p = place(at);
  if (p.state != NOTE_SPENDABLE && p.state != NOTE_REDEEMING) return -REASON_NOT_FOUND;
  let status = p.state == NOTE_SPENDABLE ? setAside(at) : 0;
  if (status < 0) return status;
  const length = noteBytes(at, IO);
  if (length < 0) return length;
  status = noteId(at, id);
  if (status >= 0) status = noteKey(at, key);
  if (status < 0) return status;
  const w = noticeBegin(M.NOTICE_REDEEMABLE, 8);
  w.uint(at);
  w.bytes(id, ID_BYTES);
  w.uint(p.amount);
  w.uint(p.currency);
  w.uint(p.exponent);
  w.bytes(IO, length);
  w.bytes(key, HASH_BYTES);
  noticeEnd();
  return 0;
}

function setAside(at: u32): i32 {
  let status = storeBegin(entryBytes(), 1);
  if (status >= 0) status = noteSetAside(at);
  if (status >= 0) status = storeCommit();
  return status < 0 ? status : placeLoad(at);
}

/** The note at this place, if it is still that note. Said again after a cut it finds nothing and changes nothing. */
export function redeemDone(at: u32, which: usize): i32 {
  const p = place(at);
  if (p.state != NOTE_REDEEMING || noteId(at, id) < 0 || !equal(id, which, ID_BYTES)) return -REASON_NOT_FOUND;
  logBegin(M.LOG_REDEEMED, 0, M.OUTCOME_COMMITTED);
  logAmount(p.currency, p.exponent, p.amount);
  let status = reserveEnd(noteTakeRecords(at));
  if (status >= 0) status = noteDelete(at);
  if (status >= 0) status = logPut();
  if (status >= 0) status = storeCommit();
  if (status < 0) return status;
  logCommitted();
  status = directoryLoad();
  if (status < 0) return status;
  const w = noticeBegin(M.NOTICE_REDEEMED, 3);
  w.uint(at);
  w.bytes(which, ID_BYTES);
  noticeEnd();
  return 0;
}
