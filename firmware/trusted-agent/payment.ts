/**
 * Money Module Payment (WO 96/41315 fig. 12), the agents' side, from the card network's approval to the modules' commit.
 *
 * The payer's agent X makes R(1) and says PAYMENT (520-524), the other, Y, makes R(2) and says PAYMENT READY (530-532).
 * Each tells its module R, the agents' hash and which part it has: Make Payment, Receive Payment (538-544). The customer's
 * module starts the session between the modules, whichever way the money goes.
 *
 *     purchase   B: PAYMENT R(1), approval      A: link, LINK_PAYMENT, PAYMENT READY R(2) with the first inner
 *     sale       B: AUTHORIZED approval         A: PAYMENT R(1)    B: PAYMENT READY R(2)    A: link, first INNER
 */

import { HASH_BYTES, KEY_BYTES } from "../platform/constants";
import { randomBytes } from "../platform/imports";
import { badIdsCheck } from "../lib/bad-ids";
import { clockNow } from "../lib/clock";
import { rootId, rootKey } from "../lib/identity";
import { linkChangeKey } from "../lib/link";
import { equal } from "../lib/memory";
import { TREE_AGENTS } from "../protocol/kinds";
import { CHAIN_BYTES_MAX } from "../protocol/limits";
import {
  AGENT_AUTHORIZED,
  AGENT_PAYMENT,
  AGENT_PAYMENT_READY,
  LINK_AMOUNT,
  LINK_CORRECT,
  LINK_INCORRECT,
  LINK_PAYMENT,
  LINK_PROMPT_AMOUNT,
  LINK_PROMPT_NONE,
  LINK_PROMPT_VERIFY,
  OUTCOME_ABORTED,
  OUTCOME_COMMITTED,
  TYPE_PURCHASE,
} from "../protocol/messages";
import {
  REASON_APPROVAL_INVALID,
  REASON_MALFORMED,
  REASON_PAYMENT_FAILED,
  REASON_TOO_LONG,
  REASON_UNEXPECTED,
} from "../protocol/reasons";
import { abort, doubt, moduleAborted, reasonOf, toldReason } from "./abort";
import { acknowledgeAll } from "./acknowledge";
import {
  Approval,
  approvalHash,
  approvalMatches,
  approvalRead,
  APPROVAL_BYTES_MAX,
  approvalVerify,
  approvalNetworkId,
} from "./approval";
import { commit } from "./commit";
import {
  accept,
  askForLink,
  compose,
  composeBare,
  composeInner,
  incoming,
  incomingEnd,
  incomingInner,
  sendToModule,
  sendToPeer,
} from "./messages";
import { live, PENDING_PAYING, pendingSetApproval, pendingSetPayId } from "./pending";
import { forwardInner } from "./routing";
import {
  STATE_FIRST_INNER,
  STATE_MODULES,
  STATE_PAYMENT,
  STATE_PAYMENT_LINK,
  STATE_PAYMENT_READY,
  STATE_PAYMENT_START,
  stateNow,
  stateSet,
} from "./states";
import {
  isMerchant,
  isPayer,
  keptInner,
  keptSet,
  OTHER_R,
  OWN_R,
  receipt,
  RECEIPT_HASH,
  SESSION,
  transaction,
} from "./transaction";

const approval = changetype<Approval>(memory.data(offsetof<Approval>(), 8));
const hash: usize = memory.data(HASH_BYTES, 8);
const payId: usize = memory.data(HASH_BYTES, 8);

/** Where the approval that a message carries lies. */
let approvalAt: usize = 0;
let approvalLength: u32 = 0;

// The card network's answer (798-815).

/** Reads approval and network's chain, and checks that they are the network's word about this receipt. */
function takeApproval(): i32 {
  approvalAt = incoming.bytes(1, APPROVAL_BYTES_MAX);
  approvalLength = incoming.length;
  const chain = incoming.bytes(1, CHAIN_BYTES_MAX);
  const chainLength = incoming.length;
  if (incoming.failed != 0) return -REASON_MALFORMED;
  let result = approvalIsGenuine(approvalAt, approvalLength, chain, chainLength, clockNow(), approval);
  // A network that is known to be untrusted still has its old approvals settled; no money moves on a new one.
  if (result == 0) result = badIdsCheck(approvalNetworkId());
  if (result == 0 && !equal(approval.receiptHash, RECEIPT_HASH, HASH_BYTES)) result = -REASON_APPROVAL_INVALID;
  return result;
}

/** Whether an approval is by a card network of this tree, valid at `now` or, for 0, ever; it is left in `into`. */
export function approvalIsGenuine(
  at: usize,
  length: u32,
  chain: usize,
  chainLength: u32,
  now: u64,
  into: Approval,
): i32 {
  const result = approvalRead(at, length, into);
  if (result < 0) return result;
  return approvalVerify(at, length, chain, chainLength, rootId(TREE_AGENTS), rootKey(TREE_AGENTS), now);
}

/** Stores that it is known; then every field must be the receipt's, and its last day not over. */
function keepApproval(): i32 {
  let result = approvalHash(approvalAt, approvalLength, hash);
  if (result >= 0) result = pendingSetApproval(hash);
  return result < 0 ? result : approvalMatches(approval, receipt, RECEIPT_HASH, clockNow());
}

/**
 * COMMAND_AUTHORIZED at B (798-806, 811-817). What is not the network's word is refused and changes nothing; its word that
 * does not match the receipt ends the transaction.
 */
export function authorized(): i32 {
  const result = takeApproval();
  const chain = approvalAt + approvalLength;
  const length = <u32>(incoming.end - chain);
  const ended = incomingEnd(3);
  if (result < 0 || ended < 0) return result < 0 ? result : ended;
  accept();
  const passed = passApproval(chain, length);
  return passed < 0 ? abort(reasonOf(passed), false) : 0;
}

/** `chain`: the message's last item as it came, header included. */
function passApproval(chain: usize, length: u32): i32 {
  const kept = keepApproval();
  if (kept < 0) return kept;
  if (transaction.type != TYPE_PURCHASE) {
    const w = compose(AGENT_AUTHORIZED, 3);
    w.bytes(approvalAt, approvalLength);
    w.raw(chain, length);
    stateSet(STATE_PAYMENT);
    return sendToPeer();
  }
  const status = randomBytes(OWN_R, KEY_BYTES);
  if (status < 0) return status;
  const w = compose(AGENT_PAYMENT, 4);
  w.bytes(OWN_R, KEY_BYTES);
  w.bytes(approvalAt, approvalLength);
  w.raw(chain, length);
  stateSet(STATE_PAYMENT_READY);
  return sendToPeer();
}

/** AGENT_AUTHORIZED at A (806-808): a sale; A says PAYMENT (520-524). */
export function takeAuthorized(): i32 {
  let result = takeApproval();
  if (result == 0) result = incomingEnd(3);
  if (result == 0) result = keepApproval();
  if (result == 0) result = randomBytes(OWN_R, KEY_BYTES);
  if (result < 0) return result;
  const w = compose(AGENT_PAYMENT, 4);
  w.bytes(OWN_R, KEY_BYTES);
  w.nil();
  w.nil();
  stateSet(STATE_PAYMENT_READY);
  return sendToPeer();
}

// Make Payment, Receive Payment.

/** AGENT_PAYMENT (526-532), at A in a purchase, at B in a sale. */
export function takePayment(): i32 {
  memory.copy(OTHER_R, incoming.fixed(KEY_BYTES), KEY_BYTES);
  let result: i32 = 0;
  if (isMerchant()) {
    if (!incoming.isNil() || !incoming.isNil()) result = -REASON_MALFORMED;
  } else {
    result = takeApproval();
  }
  if (result == 0) result = incomingEnd(4);
  if (result == 0 && !isMerchant()) result = keepApproval();
  if (result == 0) result = randomBytes(OWN_R, KEY_BYTES);
  if (result < 0) return result;
  return isMerchant() ? sendReady(0, 0, STATE_FIRST_INNER) : openLink();
}

function sendReady(inner: usize, length: u32, next: i32): i32 {
  const w = compose(AGENT_PAYMENT_READY, 3);
  w.bytes(OWN_R, KEY_BYTES);
  composeInner(inner, length);
  stateSet(next);
  return sendToPeer();
}

function openLink(): i32 {
  stateSet(STATE_PAYMENT_LINK);
  return askForLink();
}

/** AGENT_PAYMENT_READY (534), at B in a purchase with the first inner, at A in a sale without. */
export function takePaymentReady(): i32 {
  memory.copy(OTHER_R, incoming.fixed(KEY_BYTES), KEY_BYTES);
  const inner = incomingInner();
  const length = incoming.length;
  const result = incomingEnd(3);
  if (result < 0) return result;
  if ((inner != 0) != isMerchant()) return -REASON_MALFORMED;
  return keepInner(inner, length);
}

/** AGENT_INNER at B in a sale: the first of the modules' session; its module is not told yet. */
export function takeFirstInner(): i32 {
  const inner = incomingInner();
  const length = incoming.length;
  const result = incomingEnd(2);
  if (result < 0) return result;
  return inner == 0 ? -REASON_MALFORMED : keepInner(inner, length);
}

function keepInner(inner: usize, length: u32): i32 {
  return keptSet(inner, length) ? openLink() : -REASON_TOO_LONG;
}

/** The link is open: Make Payment or Receive Payment (538-544). */
export function startModule(): i32 {
  const status = acknowledgeAll();
  if (status < 0) return status;
  const w = compose(LINK_PAYMENT, 6);
  w.bytes(OWN_R, KEY_BYTES);
  w.bytes(SESSION, HASH_BYTES);
  w.bool(!isMerchant());
  w.bool(isPayer());
  composeInner(keptInner(), transaction.keptLength);
  stateSet(isMerchant() || isPayer() ? STATE_MODULES : STATE_PAYMENT_START);
  return sendToModule();
}

// From the own module.

/** LINK_INNER (fig. 15, 16, 19): to the other module. At A in a purchase the first one goes with R(2). */
export function takeInner(): i32 {
  const inner = incomingInner();
  const length = incoming.length;
  const result = incomingEnd(2);
  if (result < 0) return result;
  if (inner == 0) return -REASON_MALFORMED;
  return stateNow() == STATE_PAYMENT_START ? sendReady(inner, length, STATE_MODULES) : forwardInner(inner, length);
}

/** LINK_READY (548-562): the pay-id is stored before the module may go on; both then have key TA/MM. */
export function takeReady(): i32 {
  memory.copy(payId, incoming.fixed(HASH_BYTES), HASH_BYTES);
  const prompt = incoming.uint();
  const amount = incoming.amount();
  const currency = incoming.uint();
  const exponent = incoming.uint();
  const inner = incomingInner();
  const length = incoming.length;
  const result = incomingEnd(7);
  if (result < 0) return result;
  if (live.state == PENDING_PAYING) return -REASON_UNEXPECTED;
  let status = pendingSetPayId(payId);
  if (status >= 0) status = linkChangeKey(OWN_R, OTHER_R, SESSION, payId);
  if (status < 0) return status;
  if (prompt == LINK_PROMPT_AMOUNT && isPayer() && inner == 0) return sendAmount();
  if (prompt == LINK_PROMPT_VERIFY && !isPayer() && inner == 0) return verify(amount, currency, exponent);
  // The payee answers the modules' handshake and waits for the payer to state the amount.
  if (prompt == LINK_PROMPT_NONE && !isPayer() && inner != 0) return forwardInner(inner, length);
  return -REASON_MALFORMED;
}

/** 562-566. */
function sendAmount(): i32 {
  const w = compose(LINK_AMOUNT, 4);
  w.uint(transaction.amount);
  w.uint(transaction.currency);
  w.uint(transaction.exponent);
  return sendToModule();
}

/** LINK_VERIFY (604-606). */
export function takeVerify(): i32 {
  const amount = incoming.amount();
  const currency = incoming.uint();
  const exponent = incoming.uint();
  const result = incomingEnd(4);
  if (result < 0) return result;
  if (isPayer() || live.state != PENDING_PAYING) return -REASON_UNEXPECTED;
  return verify(amount, currency, exponent);
}

/** 608-616. No new amount will be sent for a purchase: an incorrect one ends it. */
function verify(amount: u64, currency: u64, exponent: u64): i32 {
  const t = transaction;
  const correct = amount == t.amount && currency == t.currency && exponent == t.exponent;
  composeBare(correct ? LINK_CORRECT : LINK_INCORRECT);
  return sendToModule();
}

/** LINK_SUCCESS (584-594). */
export function takeSuccess(): i32 {
  const told = incoming.fixed(HASH_BYTES);
  const inner = incomingInner();
  const length = incoming.length;
  const result = incomingEnd(3);
  if (result < 0) return result;
  if (!isPayIdKnown(told)) return -REASON_MALFORMED;
  const status = commit(inner, length);
  // What could not be stored is still pending, and is settled later: the module has committed all the same.
  return status < 0 ? doubt() : 0;
}

function isPayIdKnown(told: usize): bool {
  return live.state == PENDING_PAYING && equal(told, live.payId, HASH_BYTES);
}

/**
 * LINK_ABORTED (584-598). A module that had committed before would have said so before, and the link lets nothing be left
 * out: what is read here is the whole story.
 */
export function takeAborted(): i32 {
  let known = true;
  if (!incoming.isNil()) known = isPayIdKnown(incoming.fixed(HASH_BYTES));
  const reason = incoming.uint();
  const inner = incomingInner();
  const length = incoming.length;
  const result = incomingEnd(4);
  if (result < 0) return result;
  if (!known) return -REASON_MALFORMED;
  return moduleAborted(reason == 0 ? REASON_PAYMENT_FAILED : toldReason(reason), inner, length);
}

/** LINK_ANSWER: the module cannot abort any more. */
export function takeAnswer(): i32 {
  const told = incoming.fixed(HASH_BYTES);
  const outcome = incoming.uint();
  const result = incomingEnd(3);
  if (result < 0) return result;
  if (!isPayIdKnown(told)) return -REASON_MALFORMED;
  if (outcome == OUTCOME_ABORTED) return moduleAborted(REASON_PAYMENT_FAILED, 0, 0);
  if (outcome == OUTCOME_COMMITTED) return commit(0, 0) < 0 ? doubt() : 0;
  return doubt();
}
