/** Commands of the host (To Host, WO 96/41315 fig. 4B-4D). */

import { HASH_BYTES } from "../platform/constants";
import { clockNow } from "../lib/clock";
import { elementRole } from "../lib/identity";
import { equal } from "../lib/memory";
import { pairBegin } from "../lib/pairing";
import { pinVerified } from "../lib/pin";
import { ROLE_CUSTOMER, ROLE_MERCHANT } from "../protocol/kinds";
import { CHAIN_BYTES_MAX, TEXT_BYTES_MAX } from "../protocol/limits";
import * as M from "../protocol/messages";
import {
  REASON_CANCELLED,
  REASON_DECLINED,
  REASON_NOT_AUTHORIZED,
  REASON_NOT_CONFIRMED,
  REASON_NOT_FOUND,
  REASON_NOT_PERMITTED,
  REASON_NO_FUNDING,
  REASON_UNEXPECTED,
} from "../protocol/reasons";
import { abort, noticeProvisional, reasonOf } from "./abort";
import { mayHold } from "./acquire-credential";
import { Approval, APPROVAL_BYTES_MAX, approvalHash } from "./approval";
import { merchantConfirmed } from "./check-credential";
import { conclude } from "./commit";
import { createOwn, grant, issue } from "./create-credential";
import { accept, incoming, incomingBegin, incomingEnd, incomingSmall } from "./messages";
import { outcomeFind, outcomeReport } from "./outcome-log";
import { approvalIsGenuine, authorized } from "./payment";
import {
  live,
  other,
  PENDING_CLOSED,
  PENDING_PAYING,
  pendingByReceipt,
  pendingDrop,
  pendingForget,
  pendingLiveSlot,
  pendingNext,
  SLOT_NONE,
} from "./pending";
import { amountWanted, cardChosen, receiptConfirmed } from "./purchase-customer";
import { funded, takeTerms } from "./purchase-merchant";
import { sessionExpect, sessionStart } from "./session";
import { recover, settle } from "./settle";
import {
  hostExpects,
  isFree,
  STATE_AUTHORIZE,
  STATE_CONFIRM,
  STATE_CONFIRM_MERCHANT,
  STATE_FUNDING,
  STATE_IDLE,
  stateNow,
} from "./states";
import { holderFind } from "./ticket-holder";
import { GOAL_ACQUIRE, GOAL_PURCHASE, RECEIPT_HASH, transaction, transactionEnd } from "./transaction";

/** Commands that need the owner's PIN and a date are refused with this when one is missing. */
export const HOST_LOCKED: i32 = -1000;

const approval = changetype<Approval>(memory.data(offsetof<Approval>(), 8));
const hash: usize = memory.data(HASH_BYTES, 8);

/** Carries out the command at `body`. 0 accepted; HOST_LOCKED; or an error, and nothing has changed. */
export function hostCommand(body: usize, length: u32): i32 {
  const number = incomingBegin(body, length);
  if (number < 0) return number;
  if (!pinVerified() || clockNow() == 0) return HOST_LOCKED;
  switch (number) {
    case M.COMMAND_CANCEL:
      return cancel();
    case M.COMMAND_AUTHORIZED:
      return takeAuthorization();
    case M.COMMAND_DECLINED:
      return takeDecline();
    case M.COMMAND_REPORT:
      return report();
    default:
      return hostExpects(number) ? expected(number) : -REASON_UNEXPECTED;
  }
}

/** COMMAND_PAIR, during personalisation: neither PIN nor date is there yet. */
export function hostPair(body: usize, length: u32): i32 {
  const number = incomingBegin(body, length);
  if (number != M.COMMAND_PAIR) return number < 0 ? number : -REASON_UNEXPECTED;
  const initiator = incoming.bool();
  const result = incomingEnd(2);
  if (result < 0) return result;
  return initiator ? pairBegin() : -REASON_NOT_PERMITTED;
}

/** A command that belongs to this state. */
function expected(number: i32): i32 {
  switch (number) {
    case M.COMMAND_BUY:
      return shop(M.TYPE_PURCHASE);
    case M.COMMAND_SELL:
      return shop(M.TYPE_SALE);
    case M.COMMAND_SERVE:
      return serve();
    case M.COMMAND_ACQUIRE:
      return acquire();
    case M.COMMAND_ISSUE:
      return issue();
    case M.COMMAND_SETTLE:
      return settle();
    case M.COMMAND_CREATE_OWN:
      return createOwn();
    case M.COMMAND_YES:
      return yes();
    case M.COMMAND_NO:
      return no();
    case M.COMMAND_AMOUNT_WANTED:
      return amountWanted();
    case M.COMMAND_CHOOSE:
      return cardChosen();
    case M.COMMAND_FUNDED:
      return funded();
    case M.COMMAND_TERMS:
      return takeTerms();
    default:
      assert(number == M.COMMAND_GRANT);
      return grant();
  }
}

/** COMMAND_BUY, COMMAND_SELL (fig. 7, 704-710). */
function shop(type: u32): i32 {
  const result = incomingEnd(1);
  if (result < 0) return result;
  if (elementRole() != ROLE_CUSTOMER) return -REASON_NOT_PERMITTED;
  const status = sessionStart(GOAL_PURCHASE);
  if (status < 0) return status;
  transaction.type = type;
  return recoverThen();
}

/** COMMAND_ACQUIRE. */
export function acquire(): i32 {
  const type = incomingSmall(255);
  const result = incomingEnd(2);
  if (result < 0) return result;
  if (!mayHold(elementRole(), type)) return -REASON_NOT_PERMITTED;
  const status = sessionStart(GOAL_ACQUIRE);
  if (status < 0) return status;
  transaction.ticketType = type;
  return 0;
}

/** COMMAND_SERVE (fig. 7, 708-710). */
function serve(): i32 {
  const result = incomingEnd(1);
  if (result < 0) return result;
  if (elementRole() != ROLE_MERCHANT) return -REASON_NOT_PERMITTED;
  if (holderFind(M.TICKET_MERCHANT_CREDENTIAL, 0) < 0) return -REASON_NOT_FOUND;
  const status = sessionExpect(GOAL_PURCHASE);
  return status < 0 ? status : recoverThen();
}

/** What the power took before is concluded before anything new can begin. */
function recoverThen(): i32 {
  const status = recover();
  return status < 0 ? abort(reasonOf(status), false) : 0;
}

function yes(): i32 {
  const result = incomingEnd(1);
  if (result < 0) return result;
  accept();
  const status = stateNow() == STATE_CONFIRM_MERCHANT ? merchantConfirmed() : receiptConfirmed();
  return status < 0 ? abort(reasonOf(status), false) : 0;
}

function no(): i32 {
  incomingSmall(255);
  const result = incomingEnd(2);
  if (result < 0) return result;
  accept();
  return abort(noReason(), false);
}

/** Why a host says no is its own affair; what the peer is told follows from the question. */
function noReason(): i32 {
  if (stateNow() == STATE_FUNDING) return REASON_NO_FUNDING;
  return elementRole() == ROLE_CUSTOMER ? REASON_NOT_CONFIRMED : REASON_DECLINED;
}

function cancel(): i32 {
  const result = incomingEnd(1);
  if (result < 0) return result;
  if (stateNow() == STATE_IDLE) return -REASON_UNEXPECTED;
  accept();
  if (stateNow() == STATE_CONFIRM) {
    transactionEnd();
    return 0;
  }
  return abort(REASON_CANCELLED, false);
}

// The card network's answers, in time or late.

function takeAuthorization(): i32 {
  if (stateNow() == STATE_AUTHORIZE) return authorized();
  if (!isFree()) return -REASON_UNEXPECTED;
  const at = incoming.bytes(1, APPROVAL_BYTES_MAX);
  const length = incoming.length;
  const chain = incoming.bytes(1, CHAIN_BYTES_MAX);
  const chainLength = incoming.length;
  let result = incomingEnd(3);
  if (result == 0) result = approvalIsGenuine(at, length, chain, chainLength, 0, approval);
  if (result < 0) return result;
  const slot = pendingByReceipt(approval.receiptHash);
  if (slot < 0) return slot;
  if (other.state != PENDING_CLOSED) return -REASON_UNEXPECTED;
  result = approvalHash(at, length, other.approvalHash);
  if (result < 0) return result;
  other.hasApproval = 1;
  result = conclude(slot, other, M.OUTCOME_ABORTED);
  if (result < 0) return result;
  accept();
  return outcomeReport(other.approvalHash);
}

function takeDecline(): i32 {
  incoming.text(TEXT_BYTES_MAX);
  const receiptHash = incoming.fixed(HASH_BYTES);
  memory.copy(hash, receiptHash, HASH_BYTES);
  const result = incomingEnd(3);
  if (result < 0) return result;
  if (stateNow() == STATE_AUTHORIZE) return declined();
  if (!isFree()) return -REASON_UNEXPECTED;
  const slot = pendingByReceipt(hash);
  if (slot < 0) return slot;
  if (other.state != PENDING_CLOSED) return -REASON_UNEXPECTED;
  const status = pendingDrop(slot);
  if (status >= 0) accept();
  return status;
}

/** 802, 815: refused; there is nothing that the network would have to reverse. */
function declined(): i32 {
  if (!equal(hash, RECEIPT_HASH, HASH_BYTES)) return -REASON_NOT_FOUND;
  const status = conclude(pendingLiveSlot(), live, M.OUTCOME_ABORTED);
  if (status < 0) return status;
  pendingForget();
  accept();
  return abort(REASON_NOT_AUTHORIZED, false);
}

/** COMMAND_REPORT: an outcome again, or that there is none yet. */
function report(): i32 {
  memory.copy(hash, incoming.fixed(HASH_BYTES), HASH_BYTES);
  const result = incomingEnd(2);
  if (result < 0) return result;
  if (!isFree()) return -REASON_UNEXPECTED;
  const found = outcomeFind(hash);
  if (found == 0) {
    accept();
    return outcomeReport(hash);
  }
  let slot = pendingNext(0, PENDING_PAYING);
  while (slot != SLOT_NONE && !equal(other.approvalHash, hash, HASH_BYTES))
    slot = pendingNext(slot + 1, PENDING_PAYING);
  if (slot == SLOT_NONE) return found;
  accept();
  noticeProvisional(other.payId);
  return 0;
}
