/**
 * The money module's session manager: takes what the module at the other end says, finds what it means in the state the
 * transaction is in (transaction.ts), and lets payment.ts, transfer-notes.ts, receive-notes.ts, commit.ts, outcome.ts or abort.ts do it.
 *
 * What is refused without being part of a session leaves everything as it is; what is wrong inside a session aborts the
 * transaction, and the verdict travels under the session's key.
 */

import { KEY_BYTES, HASH_BYTES } from "../platform/constants";
import { SW_BAD_SEAL, SW_MEMORY_FAILURE, SW_NOT_ALLOWED, SW_WRONG_DATA } from "../protocol/apdu";
import { PURPOSE_OUTCOME } from "../protocol/kinds";
import * as M from "../protocol/messages";
import {
  REASON_BAD_SEAL,
  REASON_MALFORMED,
  REASON_PEER,
  REASON_PENDING,
  REASON_REPEAT,
  REASON_TOO_LONG,
  REASON_UNEXPECTED,
} from "../protocol/reasons";
import { Reader } from "../lib/cbor";
import { statusWaiting } from "../lib/dispatcher";
import { noticeBegin, noticeEnd, outboxClear, outboxRewind } from "../lib/envelope";
import { establishTake, isInitiator, listsDiffer, peer, peerCertificate, sessionPurpose } from "../lib/establish";
import { SESSION_OPEN, sessionHash, sessionOpen } from "../lib/noise";
import { listTake, listWrite } from "../lib/pass-list";
import { abortTransaction, dropDoubt, recover } from "./abort";
import { commitPayer, confirm, keyFits, sendConfirm, sendKey, settlePayee } from "./commit";
import { sendOpen, takeAnswer, takeClose, takeOpen } from "./outcome";
import { PENDING_COMMITTED, PENDING_DOUBT, PENDING_OFFERED, pendingLoad, pendingState, pendingWith } from "./pending";
import { handshakeRoom, peerMessage, sendHandshake, sendPeer } from "./routing";
import { TAG_BYTES } from "../platform/constants";
import * as T from "./transaction";
import { t } from "./transaction";
import {
  sendBareAcknowledge,
  sessionOpenResponder,
  takeAcknowledge,
  takeIncorrect,
  takeProposal,
  takeRequest,
} from "./payment";
import { offer, takeNext } from "./transfer-notes";
import { takeNote } from "./receive-notes";

const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

/**
 * What has become of an envelope, as a status word. Negative here means that it was refused as a whole and nothing
 * changed; what was wrong inside a session has been turned into an abort before.
 */
export function verdict(result: i32): i32 {
  if (result >= 0) return statusWaiting();
  if (result == -REASON_REPEAT) {
    outboxRewind();
    return statusWaiting();
  }
  if (result > -100) return SW_MEMORY_FAILURE;
  if (result == -REASON_BAD_SEAL || result == -REASON_TOO_LONG) return SW_BAD_SEAL;
  return result == -REASON_MALFORMED ? SW_WRONG_DATA : SW_NOT_ALLOWED;
}

/** 0, or what the abort for this reason answers. A platform error aborts as well: no promise is made on a failing chip. */
export function orAbort(status: i32): i32 {
  if (status >= 0) return 0;
  outboxClear();
  return abortTransaction(status > -100 ? REASON_PEER : -status, false);
}

/** An inner message: what the module at the other end sent, by the agents or directly. */
export function innerTake(kind: i32, body: usize, length: u32): i32 {
  if (kind == M.KIND_HANDSHAKE) return handshakeTake(body, length);
  if (kind == M.KIND_REFUSAL) return refusalTake(body, length);
  if (kind != M.KIND_SEALED || length < <u32>TAG_BYTES) return -REASON_UNEXPECTED;
  const got = sessionOpen(peer, body, length, body, length - TAG_BYTES);
  if (got < 0) return got;
  // Ended here, but the other end may not know: its last words are heard and change nothing.
  if (T.isFree()) return 0;
  if (t.viaAgent == 0) outboxClear();
  t.queries = 0;
  return orAbort(peerTake(body, got));
}

/** Message 1 to 3 of the handshake (fig. 14). */
function handshakeTake(body: usize, length: u32): i32 {
  if (peer.state != SESSION_OPEN && t.state != T.HANDSHAKE) return -REASON_UNEXPECTED;
  const answer = establishTake(body, length, handshakeRoom());
  if (answer == -REASON_REPEAT) return answer;
  if (t.state != T.HANDSHAKE) return -REASON_UNEXPECTED;
  if (t.viaAgent == 0) outboxClear();
  t.queries = 0;
  if (answer < 0) return orAbort(answer);
  return orAbort(peer.state == SESSION_OPEN ? sessionIsOpen(answer) : sendHandshake(answer));
}

/** Both ends know each other now. */
function sessionIsOpen(answer: i32): i32 {
  memory.copy(T.payId, sessionHash(peer), HASH_BYTES);
  const outcome = sessionPurpose() == PURPOSE_OUTCOME;
  if (!outcome && pendingWith(peerCertificate.id)) return -REASON_PENDING;
  if (t.viaAgent == 0) tellSession();
  if (isInitiator()) {
    t.state = T.ACKNOWLEDGE;
    return sendHandshake(answer);
  }
  if (outcome) {
    t.state = T.OUTCOME_ANSWER;
    return sendBareAcknowledge();
  }
  if (!listsDiffer()) return sessionOpenResponder();
  t.state = T.LISTS;
  return sendList();
}

/** The bad-id list, if this end has the newer one: before the acknowledgement, and so before anything is said of money. */
function sendList(): i32 {
  const status = listWrite(peerMessage(M.MODULE_LIST, 2));
  return status < 0 ? status : sendPeer();
}

/** LIST at the responder, which began; then message 4. */
function listAnswered(): i32 {
  const status = listTake(reader);
  return status < 0 ? status : sessionOpenResponder();
}

/** LIST at the initiator, once a session and only where one is due; its own is the answer. */
function listAsked(): i32 {
  if (sessionPurpose() == PURPOSE_OUTCOME || !listsDiffer() || t.listed != 0) return -REASON_UNEXPECTED;
  t.listed = 1;
  const status = listTake(reader);
  return status < 0 ? status : sendList();
}

function tellSession(): void {
  const w = noticeBegin(M.NOTICE_SESSION, 3);
  w.bytes(peerCertificate.id, 16);
  w.uint(peerCertificate.role);
  noticeEnd();
}

/** Before the session is open a peer can only say so in clear, and only then it is believed. */
function refusalTake(body: usize, length: u32): i32 {
  const early = t.state == T.HANDSHAKE || t.state == T.ACKNOWLEDGE;
  if (!early || length != 1) return -REASON_UNEXPECTED;
  outboxClear();
  const reason: i32 = load<u8>(body);
  return abortTransaction(reason >= 100 ? reason : REASON_PEER, true);
}

/** A message under MM/MM. 0, or why the transaction must end. */
function peerTake(plain: usize, length: u32): i32 {
  reader.begin(plain, length);
  const items = reader.array();
  const number = reader.number();
  if (reader.failed != 0 || items == 0) return -REASON_MALFORMED;
  if (number == M.MODULE_ABORT) return peerAborted();
  switch (t.state) {
    case T.LISTS:
      return number == M.MODULE_LIST && items == 2 ? listAnswered() : -REASON_UNEXPECTED;
    case T.ACKNOWLEDGE:
      if (number == M.MODULE_LIST && items == 2) return listAsked();
      return number == M.MODULE_ACKNOWLEDGE && items == 5 ? acknowledged() : -REASON_UNEXPECTED;
    case T.LISTENING:
      if (number == M.MODULE_REQUEST && items == 5) return takeRequest(reader);
      return number == M.MODULE_PROPOSE && items == 5 ? takeProposal(reader) : -REASON_UNEXPECTED;
    case T.PROPOSAL:
      return number == M.MODULE_PROPOSE && items == 5 ? takeProposal(reader) : -REASON_UNEXPECTED;
    case T.PROPOSED:
      if (items != 1 || reader.finish() < 0) return -REASON_UNEXPECTED;
      if (number == M.MODULE_AMOUNT_INCORRECT) return takeIncorrect();
      return number == M.MODULE_AMOUNT_CORRECT ? offer() : -REASON_UNEXPECTED;
    case T.SENDING:
      return sendingTake(number, items);
    case T.RECEIVING:
      return number == M.MODULE_NOTE && items == 4 ? takeNote(reader) : -REASON_UNEXPECTED;
    case T.DOUBT:
      return number == M.MODULE_KEY && items == 2 ? keyTake() : -REASON_UNEXPECTED;
    case T.COMMITTED:
      return number == M.MODULE_CONFIRM && items == 1 ? confirmTake() : -REASON_UNEXPECTED;
    case T.OUTCOME_ANSWER:
      return number == M.MODULE_OPEN && items == 3 ? takeOpen(reader) : -REASON_UNEXPECTED;
    case T.OUTCOME_OPEN:
      return number == M.MODULE_ANSWER && items == 5 ? takeAnswer(reader) : -REASON_UNEXPECTED;
    case T.OUTCOME_CLOSE:
      return number == M.MODULE_CLOSE && items == 3 ? takeClose(reader) : -REASON_UNEXPECTED;
    default:
      return -REASON_UNEXPECTED;
  }
}

/** Message 4 at the initiator. */
function acknowledged(): i32 {
  return sessionPurpose() == PURPOSE_OUTCOME ? sendOpen() : takeAcknowledge(reader);
}

/** Payer, offered. */
function sendingTake(number: i32, items: u32): i32 {
  if (number == M.MODULE_NEXT && items == 2) {
    const index = reader.uint();
    return reader.finish() < 0 ? -REASON_MALFORMED : takeNext(index);
  }
  if (number != M.MODULE_READY || items != 1 || reader.finish() < 0) return -REASON_UNEXPECTED;
  if (t.index + 1 != t.count) return -REASON_UNEXPECTED;
  assert(pendingLoad(t.pending) && pendingState() == PENDING_OFFERED);
  const status = commitPayer(t.pending);
  if (status < 0) return status;
  t.state = T.COMMITTED;
  return sendKey();
}

/** Payee, in doubt. A wrong key changes nothing; the right one may still come, or the outcome session will tell. */
function keyTake(): i32 {
  const shown = reader.fixed(KEY_BYTES);
  if (reader.finish() < 0) return -REASON_MALFORMED;
  assert(pendingLoad(t.pending) && pendingState() == PENDING_DOUBT);
  if (!keyFits(shown)) return -REASON_UNEXPECTED;
  const status = settlePayee(t.pending, shown);
  if (status < 0) return status;
  t.state = T.ENDED;
  return sendConfirm();
}

function confirmTake(): i32 {
  if (reader.finish() < 0) return -REASON_MALFORMED;
  t.state = T.ENDED;
  // Its agent may have been quicker, and the record is gone already.
  if (pendingLoad(t.pending) && pendingState() == PENDING_COMMITTED) {
    const status = confirm(t.pending);
    if (status < 0) return status;
  }
  if (t.viaAgent != 0) return 0;
  const w = noticeBegin(M.NOTICE_DONE, 2);
  w.bytes(T.payId, HASH_BYTES);
  noticeEnd();
  return 0;
}

/** The peer aborts. A payee in doubt may believe its payer: it says so under the session's key, having settled it. */
function peerAborted(): i32 {
  const reason = reader.uint();
  if (reader.finish() < 0) return -REASON_MALFORMED;
  if (t.state == T.DOUBT) {
    assert(pendingLoad(t.pending) && pendingState() == PENDING_DOUBT);
    const status = dropDoubt(t.pending);
    if (status < 0) return status;
    t.state = T.ACKNOWLEDGE;
  }
  return abortTransaction(reason >= 100 && reason < 256 ? <i32>reason : REASON_PEER, true);
}

/** After power-up. */
export function moduleBoot(): i32 {
  T.transactionClear();
  return recover();
}
