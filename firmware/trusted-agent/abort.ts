/**
 * Abort (WO 96/41315 fig. 6B, steps 236-238) and Abort Transaction (fig. 11, steps 388-396).
 *
 * Before its module may go on an agent aborts by itself. After that it asks its module, and follows it: aborted,
 * committed, or in doubt. What is signed about an abort is signed when the abort is stored.
 */

import { HASH_BYTES } from "../platform/constants";
import { noticeBegin, noticeEnd } from "../lib/envelope";
import { peer } from "../lib/establish";
import { linkIsOpen } from "../lib/link";
import { SESSION_OPEN } from "../lib/noise";
import { AGENT_ABORT, LINK_ABORT, NOTICE_ABORTED, NOTICE_PROVISIONAL, OUTCOME_ABORTED } from "../protocol/messages";
import { REASON_PEER, REASON_STORE_FAILURE } from "../protocol/reasons";
import { conclude } from "./commit";
import { forwardInner } from "./routing";
import { compose, sendToModule, sendToPeer } from "./messages";
import { outcomeReport } from "./outcome-log";
import {
  live,
  PENDING_CLOSED,
  PENDING_PAYING,
  pendingForget,
  pendingIsLive,
  pendingLiveSlot,
  pendingRewrite,
} from "./pending";
import { inPayment, inSession, STATE_ABORTING, stateNow, stateSet } from "./states";
import { isMerchant, SESSION, transaction, transactionEnd } from "./transaction";

/** A reason as it travels: one byte; what the chip itself did wrong is one reason to everybody else. */
export function reasonOf(error: i32): i32 {
  assert(error < 0);
  return error > -100 ? REASON_STORE_FAILURE : -error;
}

/** Aborts what is under way. 0, or the error of a store that did not take it: then it is still pending. */
export function abort(reason: i32, byPeer: bool): i32 {
  if (pendingIsLive() && live.state == PENDING_PAYING) return askModule(reason, byPeer);
  if (!byPeer && inSession()) tellPeer(reason);
  if (inPayment()) tellModule(reason);
  return aborted(reason, byPeer);
}

/** Fig. 11, 390-394. A peer that cannot be told finds out by its timer. */
function tellPeer(reason: i32): void {
  if (peer.state != SESSION_OPEN) return;
  compose(AGENT_ABORT, 2).uint(reason);
  const status = sendToPeer();
  assert(status >= 0 || status > -100);
}

function tellModule(reason: i32): bool {
  if (!linkIsOpen()) return false;
  compose(LINK_ABORT, 2).uint(reason);
  return sendToModule() >= 0;
}

/**
 * The module may have gone on: it says what becomes of it. The peer is told afterwards, by the modules if they can: a payee
 * that is in doubt believes its payer's module, and nobody else.
 */
function askModule(reason: i32, byPeer: bool): i32 {
  const again = stateNow() == STATE_ABORTING;
  if (!again) {
    transaction.abortReason = reason;
    transaction.abortByPeer = byPeer ? 1 : 0;
  }
  if (again || !tellModule(reason)) return doubt();
  stateSet(STATE_ABORTING);
  return 0;
}

/** The module says that it has aborted, for the reason that the agent gave it or for its own. */
export function moduleAborted(reason: i32, inner: usize, innerLength: u32): i32 {
  const asked = stateNow() == STATE_ABORTING;
  const told = asked ? transaction.abortReason : reason;
  const byPeer = asked && transaction.abortByPeer != 0;
  if (!byPeer && inner != 0) {
    const sent = forwardInner(inner, innerLength);
    if (sent < 0) tellPeer(told);
  } else if (!byPeer) {
    tellPeer(told);
  }
  return aborted(told, byPeer);
}

/** Fig. 6B: rolls back, durably; then host and network may know. */
function aborted(reason: i32, byPeer: bool): i32 {
  let status: i32 = 0;
  if (pendingIsLive()) {
    // What the network answered is not known to a merchant that had asked it: the host will tell.
    const waits = isMerchant() && live.hasApproval == 0;
    status = waits ? close() : conclude(pendingLiveSlot(), live, OUTCOME_ABORTED);
  }
  noticeAborted(reason, byPeer);
  if (status >= 0 && live.hasApproval != 0) status = outcomeReport(live.approvalHash);
  pendingForget();
  transactionEnd();
  return status;
}

function close(): i32 {
  live.state = <u8>PENDING_CLOSED;
  return pendingRewrite(pendingLiveSlot(), live);
}

/** Whether money moved is for the modules to settle; until then nothing is signed (fig. 18, 1734-1738). */
export function doubt(): i32 {
  if (stateNow() == STATE_ABORTING && transaction.abortByPeer == 0) tellPeer(transaction.abortReason);
  noticeProvisional(live.payId);
  pendingForget();
  transactionEnd();
  return 0;
}

export function noticeProvisional(payId: usize): void {
  const w = noticeBegin(NOTICE_PROVISIONAL, 2);
  w.bytes(payId, HASH_BYTES);
  noticeEnd();
}

function noticeAborted(reason: i32, byPeer: bool): void {
  const w = noticeBegin(NOTICE_ABORTED, 4);
  w.uint(reason);
  w.bool(byPeer);
  if (transaction.hasSession != 0) w.bytes(SESSION, HASH_BYTES);
  else w.nil();
  noticeEnd();
}

/** A reason that a peer or module gave: any number it likes. */
export function toldReason(value: u64): i32 {
  return value == 0 || value > 255 ? REASON_PEER : <i32>value;
}
