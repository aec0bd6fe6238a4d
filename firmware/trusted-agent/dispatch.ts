/**
 * Envelopes to an agent: who sent it, of which kind, and what it answers (lib/envelope.ts).
 *
 * Accepted: what waited is forgotten, the answers wait instead. A repeat of the last accepted message offers the same
 * answers again. Refused: a status word, and nothing has changed. A message of an open session that is wrong in itself
 * aborts the transaction: its verdict travels under the session's key.
 */

import { statusWaiting } from "../lib/dispatcher";
import { isUsable } from "../lib/dispatcher";
import { outboxClear, outboxRewind } from "../lib/envelope";
import { peer } from "../lib/establish";
import { lifeState } from "../lib/identity";
import { INBOUND } from "../lib/io";
import { linkEnd, linkIsOpen, linkOpen, linkTakeAnswer } from "../lib/link";
import { SESSION_NONE, sessionOpen } from "../lib/noise";
import { pairTake, pairTakeWord } from "../lib/pairing";
import { pinVerified } from "../lib/pin";
import {
  LIFE_PERSONALISED,
  SW_BAD_SEAL,
  SW_CONDITIONS,
  SW_FUNCTION_UNSUPPORTED,
  SW_MEMORY_FAILURE,
  SW_NOT_ENOUGH_SPACE,
  SW_REFERENCED_DATA_NOT_FOUND,
  SW_SECURITY_STATUS,
  SW_WRONG_DATA,
  SW_WRONG_LENGTH,
} from "../protocol/apdu";
import { QUERIES_MAX } from "../protocol/limits";
import * as M from "../protocol/messages";
import {
  REASON_BAD_SEAL,
  REASON_BUSY,
  REASON_MALFORMED,
  REASON_NO_CLOCK,
  REASON_NOT_FOUND,
  REASON_NOT_PERMITTED,
  REASON_PENDING,
  REASON_REPEAT,
  REASON_STORE_FULL,
  REASON_TIMEOUT,
  REASON_UNEXPECTED,
} from "../protocol/reasons";
import { abort, reasonOf, toldReason } from "./abort";
import { acknowledgeArrived } from "./acknowledge";
import { takeDelivered } from "./acquire-credential";
import { sendCredential, takeCredential } from "./check-credential";
import { takeAcquire, takeReceived } from "./create-credential";
import { HOST_LOCKED, hostCommand, hostPair } from "./host-commands";
import { accept, incoming, incomingBegin, incomingEnd } from "./messages";
import {
  startModule,
  takeAborted,
  takeAnswer,
  takeAuthorized,
  takeFirstInner,
  takeInner,
  takePayment,
  takePaymentReady,
  takeReady,
  takeSuccess,
  takeVerify,
} from "./payment";
import { cardRequested, takeReceipt } from "./purchase-customer";
import { receiptAcknowledged, sendFunds, takeAmount, takeCard, takeFundsAnswer } from "./purchase-merchant";
import { routeToModule } from "./routing";
import { sessionTake, takeAcknowledge, takeRefusal } from "./session";
import { settleAnswer, settleLinked } from "./settle";
import {
  inSession,
  isFree,
  linkExpects,
  linkOpenExpected,
  peerExpects,
  STATE_ABORTING,
  STATE_CONFIRM,
  STATE_FIRST_INNER,
  STATE_FUNDS_LINK,
  STATE_IDLE,
  STATE_PAYMENT_LINK,
  STATE_SETTLE_ANSWER,
  stateNow,
} from "./states";
import { transaction, transactionEnd } from "./transaction";

const HEADER_BYTES: u32 = 2;

/** ENVELOPE with `length` bytes in INBOUND: a status word. */
export function envelope(length: u32): i32 {
  if (length < HEADER_BYTES) return SW_WRONG_LENGTH;
  const address: i32 = load<u8>(INBOUND);
  const kind: i32 = load<u8>(INBOUND, 1);
  const body = INBOUND + HEADER_BYTES;
  const bodyLength = length - HEADER_BYTES;
  if (lifeState() == LIFE_PERSONALISED) return answer(pairing(address, kind, body, bodyLength));
  if (!isUsable()) return SW_CONDITIONS;
  switch (address) {
    case M.ADDRESS_HOST:
      return answer(fromHost(kind, body, bodyLength));
    case M.ADDRESS_PEER:
      return answer(fromPeer(kind, body, bodyLength));
    case M.ADDRESS_MODULE:
      return answer(fromModule(kind, body, bodyLength));
    default:
      return SW_WRONG_DATA;
  }
}

/** Status word for a result: zero or more accepted. */
function answer(result: i32): i32 {
  if (result >= 0) return statusWaiting();
  if (result == HOST_LOCKED) return pinVerified() ? SW_CONDITIONS : SW_SECURITY_STATUS;
  if (result > -100) return SW_MEMORY_FAILURE;
  switch (-result) {
    case REASON_REPEAT:
      outboxRewind();
      return statusWaiting();
    case REASON_BAD_SEAL:
      return SW_BAD_SEAL;
    case REASON_UNEXPECTED:
    case REASON_PENDING:
    case REASON_BUSY:
    case REASON_NO_CLOCK:
      return SW_CONDITIONS;
    case REASON_NOT_PERMITTED:
      return SW_FUNCTION_UNSUPPORTED;
    case REASON_NOT_FOUND:
      return SW_REFERENCED_DATA_NOT_FOUND;
    case REASON_STORE_FULL:
      return SW_NOT_ENOUGH_SPACE;
    default:
      return SW_WRONG_DATA;
  }
}

/** During personalisation the only session is with the own module. */
function pairing(address: i32, kind: i32, body: usize, length: u32): i32 {
  if (address == M.ADDRESS_HOST && kind == M.KIND_HOST) return hostPair(body, length);
  if (address != M.ADDRESS_MODULE) return -REASON_UNEXPECTED;
  if (kind == M.KIND_HANDSHAKE) return pairTake(body, length);
  return kind == M.KIND_SEALED ? pairTakeWord(body, length) : -REASON_UNEXPECTED;
}

// From the host.

function fromHost(kind: i32, body: usize, length: u32): i32 {
  if (kind == M.KIND_HOST) return hostCommand(body, length);
  if (kind != M.KIND_TIMEOUT) return -REASON_UNEXPECTED;
  return length == 0 ? timeout() : -REASON_MALFORMED;
}

/** The reply has not come (text at fig. 6): the last envelopes again, QUERIES_MAX times, then the end. */
function timeout(): i32 {
  if (stateNow() == STATE_IDLE) return -REASON_UNEXPECTED;
  transaction.queries += 1;
  if (transaction.queries <= <u32>QUERIES_MAX) {
    outboxRewind();
    return 0;
  }
  outboxClear();
  if (stateNow() != STATE_CONFIRM) return abort(REASON_TIMEOUT, false);
  // This end has committed; the other asks for its key in an outcome session of the modules.
  transactionEnd();
  return 0;
}

// From the peer.

function fromPeer(kind: i32, body: usize, length: u32): i32 {
  switch (kind) {
    case M.KIND_HANDSHAKE:
      return sessionTake(body, length);
    case M.KIND_SEALED:
      return sealed(body, length);
    case M.KIND_REFUSAL:
      return takeRefusal(body, length);
    default:
      return -REASON_UNEXPECTED;
  }
}

/** Fig. 9, steps 384-386. */
function sealed(body: usize, length: u32): i32 {
  const opened = sessionOpen(peer, body, length, body, length);
  if (opened < 0) return peer.state == SESSION_NONE && inSession() ? ended(opened) : opened;
  const number = incomingBegin(body, opened);
  if (number < 0) return isFree() ? number : wrong(number);
  if (!peerExpects(number, transaction.type)) return -REASON_UNEXPECTED;
  accept();
  const result = peerMessage(number);
  return result < 0 ? wrong(result) : 0;
}

/** A message that is wrong, or that this agent cannot follow, ends the transaction. */
function wrong(error: i32): i32 {
  // After its own commit a payer has nothing left to abort.
  if (isFree()) {
    transactionEnd();
    return 0;
  }
  outboxClear();
  return abort(reasonOf(error), false);
}

/** Too many messages that did not open have ended the session, or there never was one. */
function ended(error: i32): i32 {
  if (stateNow() < STATE_SETTLE_ANSWER && transaction.hasSession == 0) return error;
  return wrong(error);
}

function peerMessage(number: i32): i32 {
  switch (number) {
    case M.AGENT_ACKNOWLEDGE:
      return takeAcknowledge();
    case M.AGENT_REQUEST_CREDENTIAL:
      return sendCredential();
    case M.AGENT_CREDENTIAL:
      return takeCredential();
    case M.AGENT_AMOUNT:
      return takeAmount();
    case M.AGENT_REQUEST_CARD:
      return cardRequested();
    case M.AGENT_CARD:
      return takeCard();
    case M.AGENT_RECEIPT:
      return takeReceipt();
    case M.AGENT_RECEIPT_ACKNOWLEDGE:
      return receiptAcknowledged();
    case M.AGENT_AUTHORIZED:
      return takeAuthorized();
    case M.AGENT_PAYMENT:
      return takePayment();
    case M.AGENT_PAYMENT_READY:
      return takePaymentReady();
    case M.AGENT_INNER:
      return stateNow() == STATE_FIRST_INNER ? takeFirstInner() : routeToModule();
    case M.AGENT_ACQUIRE:
      return takeAcquire();
    case M.AGENT_DELIVER:
      return takeDelivered();
    case M.AGENT_DELIVERED:
      return takeReceived();
    default:
      assert(number == M.AGENT_ABORT);
      return takeAbort();
  }
}

/** Fig. 11, 394-396. */
function takeAbort(): i32 {
  const reason = incoming.uint();
  const result = incomingEnd(2);
  if (stateNow() == STATE_CONFIRM) {
    transactionEnd();
    return 0;
  }
  return abort(toldReason(result < 0 ? 0 : reason), true);
}

// From the own module.

function fromModule(kind: i32, body: usize, length: u32): i32 {
  if (kind == M.KIND_LINK_OPEN) return linkAnswered(body, length);
  return kind == M.KIND_LINK ? linked(body, length) : -REASON_UNEXPECTED;
}

function linkAnswered(body: usize, length: u32): i32 {
  if (!linkOpenExpected() && !linkIsOpen()) return -REASON_UNEXPECTED;
  const status = linkTakeAnswer(body, length);
  if (status < 0) return status;
  accept();
  const result = linkReady();
  return result < 0 ? wrong(result) : 0;
}

function linkReady(): i32 {
  if (stateNow() == STATE_FUNDS_LINK) return sendFunds();
  return stateNow() == STATE_PAYMENT_LINK ? startModule() : settleLinked();
}

/** Fig. 16, step 666. */
function linked(body: usize, length: u32): i32 {
  const wasOpen = linkIsOpen();
  const opened = linkOpen(body, length);
  if (opened < 0) return wasOpen && !linkIsOpen() && !isFree() ? wrong(opened) : opened;
  acknowledgeArrived();
  const number = incomingBegin(body + 1, opened);
  if (number < 0) return isFree() ? number : wrong(number);
  if (!linkExpects(number)) return stray();
  accept();
  const result = moduleMessage(number);
  return result < 0 ? wrong(result) : 0;
}

/**
 * What the module said before it heard that the agent has aborted, or in answer to that, changes nothing any more. Nothing is
 * offered again for it: an answer to an answer would never end. When all is over the link is too.
 */
function stray(): i32 {
  if (stateNow() == STATE_ABORTING) return 0;
  if (stateNow() != STATE_IDLE) return -REASON_UNEXPECTED;
  linkEnd();
  return 0;
}

function moduleMessage(number: i32): i32 {
  switch (number) {
    case M.LINK_FUNDS_ANSWER:
      return takeFundsAnswer();
    case M.LINK_INNER:
      return takeInner();
    case M.LINK_READY:
      return takeReady();
    case M.LINK_VERIFY:
      return takeVerify();
    case M.LINK_SUCCESS:
      return takeSuccess();
    case M.LINK_ABORTED:
      return takeAborted();
    default:
      assert(number == M.LINK_ANSWER);
      return stateNow() == STATE_SETTLE_ANSWER ? settleAnswer() : takeAnswer();
  }
}
