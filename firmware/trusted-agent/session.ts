/**
 * Establish Session between agents (WO 96/41315 fig. 8, step 710): the handshake is lib/establish.ts; here is what an
 * agent makes of it. The responder acknowledges (362-368); then the initiator says what the session is for.
 */

import { clockNow } from "../lib/clock";
import { noticeBegin, noticeEnd, outboxAdd, outboxClear, outboxOpen, outboxClose } from "../lib/envelope";
import { establishExpect, establishStart, establishTake, isInitiator, peer, peerCertificate } from "../lib/establish";
import { IO } from "../lib/io";
import { linkEnd } from "../lib/link";
import { SESSION_OPEN, SESSION_HANDSHAKE } from "../lib/noise";
import { PURPOSE_TRANSACTION, ROLE_AUTHORITY, ROLE_CUSTOMER, ROLE_MERCHANT } from "../protocol/kinds";
import { ID_BYTES } from "../protocol/limits";
import { ADDRESS_PEER, AGENT_ACKNOWLEDGE, KIND_HANDSHAKE, KIND_REFUSAL, NOTICE_SESSION } from "../protocol/messages";
import { REASON_UNEXPECTED, REASON_WRONG_ROLE } from "../protocol/reasons";
import { abort, reasonOf } from "./abort";
import { requestTicket } from "./acquire-credential";
import { requestCredential } from "./check-credential";
import { accept, compose, incoming, incomingEnd, sendToPeer } from "./messages";
import { pendingForget } from "./pending";
import {
  STATE_ACKNOWLEDGE,
  STATE_ACQUIRE,
  STATE_CREDENTIAL_REQUEST,
  STATE_OPENING,
  stateNow,
  stateSet,
} from "./states";
import { GOAL_PURCHASE, transaction, transactionBegin, transactionOpened } from "./transaction";

/** Starts as initiator. What could be started anew before is over. */
export function sessionStart(goal: i32): i32 {
  const length = establishStart(PURPOSE_TRANSACTION, 0, IO);
  if (length < 0) return length;
  begin(goal);
  outboxAdd(ADDRESS_PEER, KIND_HANDSHAKE, IO, length);
  return 0;
}

/** Answers the next handshake. */
export function sessionExpect(goal: i32): i32 {
  const status = establishExpect(PURPOSE_TRANSACTION, 0);
  if (status < 0) return status;
  begin(goal);
  return 0;
}

function begin(goal: i32): void {
  linkEnd();
  transactionBegin(goal);
  pendingForget();
  accept();
  stateSet(STATE_OPENING);
}

/** KIND_HANDSHAKE from the peer. 0 accepted, or an error: refused, or -REASON_REPEAT. */
export function sessionTake(body: usize, length: u32): i32 {
  const before = peer.state;
  const answer = establishTake(body, length, IO);
  if (answer < 0) {
    // A handshake that failed is over; what came beside an open session, or was too short to be looked at, changed nothing.
    const ended = before == SESSION_HANDSHAKE && peer.state != SESSION_HANDSHAKE && stateNow() == STATE_OPENING;
    if (ended) return refused(answer);
    return answer;
  }
  accept();
  if (answer > 0) outboxAdd(ADDRESS_PEER, KIND_HANDSHAKE, IO, answer);
  return peer.state == SESSION_OPEN ? opened() : 0;
}

/** 310-312, 332-334: the peer is told in clear, the host by a notice. */
function refused(error: i32): i32 {
  outboxClear();
  const reason = reasonOf(error);
  const out = outboxOpen(ADDRESS_PEER, KIND_REFUSAL);
  store<u8>(out, <u8>reason);
  outboxClose(1);
  return abort(reason, false);
}

function opened(): i32 {
  transactionOpened();
  const w = noticeBegin(NOTICE_SESSION, 3);
  w.bytes(peerCertificate.id, ID_BYTES);
  w.uint(peerCertificate.role);
  noticeEnd();
  if (!goalFits()) return abort(REASON_WRONG_ROLE, false);
  if (isInitiator()) {
    stateSet(STATE_ACKNOWLEDGE);
    return 0;
  }
  stateSet(transaction.goal == GOAL_PURCHASE ? STATE_CREDENTIAL_REQUEST : STATE_ACQUIRE);
  compose(AGENT_ACKNOWLEDGE, 2).uint(clockNow());
  return sendToPeer();
}

/** The matrix says who may meet; here is who may meet for this. */
function goalFits(): bool {
  const role = peerCertificate.role;
  if (!isInitiator()) return role == ROLE_CUSTOMER || (role == ROLE_MERCHANT && transaction.goal != GOAL_PURCHASE);
  return role == <u32>(transaction.goal == GOAL_PURCHASE ? ROLE_MERCHANT : ROLE_AUTHORITY);
}

/** AGENT_ACKNOWLEDGE (368-374). Dates were compared with message 2. */
export function takeAcknowledge(): i32 {
  incoming.uint();
  const result = incomingEnd(2);
  if (result < 0) return result;
  return transaction.goal == GOAL_PURCHASE ? requestCredential() : requestTicket();
}

/**
 * KIND_REFUSAL from the peer, in clear: believed only until the peer has acknowledged. An initiator's session is open when
 * its last message is on its way, but the responder may refuse that message yet (310-312).
 */
export function takeRefusal(body: usize, length: u32): i32 {
  const early = stateNow() == STATE_OPENING || stateNow() == STATE_ACKNOWLEDGE;
  if (!early || length != 1) return -REASON_UNEXPECTED;
  accept();
  return abort(load<u8>(body), true);
}
