/**
 * Commit (WO 96/41315 fig. 21, steps 1702-1724), with the rules of docs/PROTOCOLS.md, section 5: the payer commits first,
 * and shows what opens its locked transfers when that is stored; the payee makes the notes' key of it, settles, and confirms.
 *
 * Each of payer's commit, payee's settlement, confirmation, acknowledgement is one atomic write. Functions answer 0 or an
 * error; what goes out is said by the caller, because a resumed payment ends in the same way in another session.
 */

import { HASH_BYTES } from "../platform/constants";
import { sha256 } from "../platform/imports";
import { ROLE_GENERATOR } from "../protocol/kinds";
import * as M from "../protocol/messages";
import { REASON_NOTE_INVALID, REASON_UNEXPECTED } from "../protocol/reasons";
import { clockFloor, clockNow, clockRaise } from "../lib/clock";
import { noticeBegin, noticeEnd } from "../lib/envelope";
import { elementRole } from "../lib/identity";
import { IO } from "../lib/io";
import { logAmount, logBegin, logCommitted, logPayId, logPut } from "../lib/log";
import { equalConstantTime, wipe } from "../lib/memory";
import { storeBegin, storeCommit } from "../lib/store";
import { noteRead, view } from "./note";
import { directoryLoad, noteBytes, noteSettle, noteTake, noteTakeRecords } from "./note-directory";
import { issuedAdd } from "./note-issue";
import { trailPut } from "./note-tree";
import { PLACE_FRESH } from "./transfer-notes";
import {
  FLAG_ACKNOWLEDGED,
  FLAG_AGENT,
  FLAG_CONFIRMED,
  PENDING_BYTES_MAX,
  PENDING_COMMITTED,
  PENDING_DOUBT,
  PENDING_OFFERED,
  PENDING_SETTLED,
  pendingAmount,
  pendingCurrency,
  pendingDelete,
  pendingExponent,
  pendingFlags,
  pendingItemPart,
  pendingItemPlace,
  pendingItems,
  pendingKey,
  pendingLock,
  pendingMemo,
  pendingMemoLength,
  pendingNoteKey,
  pendingPayId,
  pendingPeer,
  pendingPut,
  pendingSetFlag,
  pendingSetState,
  pendingState,
} from "./pending";
import { agentMessage, peerMessage, routeInner, sealMessage, sendAgent, sendPeer } from "./routing";
import { reserveEnd } from "./space";
import { limitCount } from "./spending-limits";
import { isRefresh } from "./terms";
import { t } from "./transaction";

const SECONDS_A_DAY: u64 = 86400;

const key = memory.data(32, 8);
const hash = memory.data(32, 8);

// The payer.

/**
 * Step 1710: `index` is the loaded record, offered in this session. The notes are gone, the payment is committed and counts
 * against the owner's limit, in one write.
 */
export function commitPayer(index: u32): i32 {
  assert(pendingState() == PENDING_OFFERED);
  let deletions: u32 = 0;
  for (let i: u32 = 0; i < pendingItems(); i++) {
    const at = pendingItemPlace(i);
    if (at != PLACE_FRESH) deletions += noteTakeRecords(at);
  }
  pendingSetState(PENDING_COMMITTED);
  let status = reserveEnd(deletions);
  for (let i: u32 = 0; i < pendingItems() && status >= 0; i++) {
    const at = pendingItemPlace(i);
    if (at != PLACE_FRESH) status = noteTake(at, pendingItemPart(i));
  }
  if (status >= 0 && elementRole() == ROLE_GENERATOR) {
    status = issuedAdd(pendingCurrency(), pendingExponent(), pendingAmount());
  }
  if (status >= 0) {
    // In the session that made the offer: one that it did not commit is void, so that memo and peer are still those.
    status = limitCount(pendingAmount(), pendingCurrency(), pendingExponent(), isRefresh());
  }
  if (status >= 0) status = pendingPut(index);
  if (status >= 0) status = log(M.LOG_SENT, M.OUTCOME_COMMITTED);
  if (status >= 0) status = storeCommit();
  if (status < 0) return status;
  logCommitted();
  return directoryLoad();
}

/** Steps 1706-1708: the key, and to the agent or host that the payment was made (584). */
export function sendKey(): i32 {
  let status = pendingKey(key);
  if (status < 0) return status;
  peerMessage(M.MODULE_KEY, 2).bytes(key, HASH_BYTES);
  wipe(key, HASH_BYTES);
  status = sealMessage();
  if (status < 0) return status;
  if (t.viaAgent != 0) return tellAgent();
  tellHost(M.NOTICE_SENT);
  return routeInner();
}

/** CONFIRM: the payee has settled. */
export function confirm(index: u32): i32 {
  assert(pendingState() == PENDING_COMMITTED);
  return addFlag(index, FLAG_CONFIRMED);
}

// The payee.

/** Whether this is what opens the lock of the loaded record, in the payment that it is of; the notes' key is then in `key`. */
export function keyFits(shown: usize): bool {
  if (pendingNoteKey(shown, key) < 0 || sha256(key, HASH_BYTES, hash, HASH_BYTES) < 0) return false;
  const fits = equalConstantTime(hash, pendingLock(), HASH_BYTES);
  if (!fits) wipe(key, HASH_BYTES);
  return fits;
}

/** Steps 1718-1724: the loaded record, in doubt, and what fits it. The notes are spendable, in one write. */
export function settlePayee(index: u32, shown: usize): i32 {
  const fits = keyFits(shown);
  assert(pendingState() == PENDING_DOUBT && fits);
  const forget = (pendingFlags() & FLAG_ACKNOWLEDGED) != 0;
  pendingSetState(PENDING_SETTLED);
  let issued: u64 = 0;
  let status = reserveEnd(0);
  for (let i: u32 = 0; i < pendingItems() && status >= 0; i++) {
    const at = pendingItemPlace(i);
    status = noteSettle(at, key);
    if (status >= 0) status = remember(at);
    if (status >= 0 && view.issued > issued) issued = view.issued;
  }
  wipe(key, HASH_BYTES);
  if (status >= 0) status = forget ? pendingDelete(index) : pendingPut(index);
  if (status >= 0) status = log(M.LOG_RECEIVED, M.OUTCOME_COMMITTED);
  if (status >= 0) status = storeCommit();
  if (status < 0) return status;
  logCommitted();
  status = directoryLoad();
  // A generator's date is an issuer's; once a day is often enough, and spares the flash.
  // Never beyond what this chip takes for now: a generator's clock that is ahead must not lock its payees out.
  const reached = min(issued, clockNow());
  if (status >= 0 && reached > clockFloor() + SECONDS_A_DAY) status = clockRaise(reached);
  return status;
}

/** Puts the note's last record on the trail. */
function remember(at: u32): i32 {
  const length = noteBytes(at, IO);
  if (length < 0) return length;
  return noteRead(view, IO, length) == 0 ? trailPut(view) : -REASON_NOTE_INVALID;
}

/** CONFIRM to the payer; to the agent or host that the money is here (586). */
export function sendConfirm(): i32 {
  peerMessage(M.MODULE_CONFIRM, 1);
  if (t.viaAgent == 0) {
    tellHost(M.NOTICE_RECEIVED);
    return sendPeer();
  }
  const status = sealMessage();
  return status < 0 ? status : tellAgent();
}

// Both.

function tellAgent(): i32 {
  agentMessage(M.LINK_SUCCESS, 3).bytes(pendingPayId(), HASH_BYTES);
  return sendAgent(true);
}

/** To Subscriber, To Bank: pay-id, peer, amount, unit, memo of the loaded record. */
export function tellHost(number: i32): void {
  const w = noticeBegin(number, 7);
  w.bytes(pendingPayId(), HASH_BYTES);
  w.bytes(pendingPeer(), 16);
  w.uint(pendingAmount());
  w.uint(pendingCurrency());
  w.uint(pendingExponent());
  if (pendingMemoLength() == 0) w.nil();
  else w.bytes(pendingMemo(), pendingMemoLength());
  noticeEnd();
}

/**
 * Agent or bank has stored the outcome. What is offered or in doubt has none yet that anybody could have stored. Each speaks
 * for its own payments: a module that forgot what its agent has not stored would tell it later that there was no payment,
 * and the agent would sign that.
 */
export function acknowledge(index: u32, byAgent: bool): i32 {
  if (((pendingFlags() & FLAG_AGENT) != 0) != byAgent) return -REASON_UNEXPECTED;
  const state = pendingState();
  if (state != PENDING_COMMITTED && state != PENDING_SETTLED) return -REASON_UNEXPECTED;
  return addFlag(index, FLAG_ACKNOWLEDGED);
}

/** A payer forgets when confirmed and acknowledged, a payee when acknowledged. */
function addFlag(index: u32, flag: u32): i32 {
  pendingSetFlag(flag);
  const flags = pendingFlags() & (FLAG_CONFIRMED | FLAG_ACKNOWLEDGED);
  const settled = pendingState() == PENDING_SETTLED && (flags & FLAG_ACKNOWLEDGED) != 0;
  const over = settled || (pendingState() == PENDING_COMMITTED && flags == (FLAG_CONFIRMED | FLAG_ACKNOWLEDGED));
  let status = storeBegin(over ? 0 : PENDING_BYTES_MAX, 1);
  if (status >= 0) status = over ? pendingDelete(index) : pendingPut(index);
  return status < 0 ? status : storeCommit();
}

/** Within a transaction: the log entry of the loaded record. */
export function log(kind: i32, outcome: i32): i32 {
  logBegin(kind, pendingPeer(), outcome);
  logAmount(pendingCurrency(), pendingExponent(), pendingAmount());
  logPayId(pendingPayId());
  return logPut();
}
