/**
 * Settling what is pending (docs/PROTOCOLS.md, section 5, "Agent and module"): after power loss an agent asks its module
 * about everything it had let it begin, and follows it. What had not come so far is aborted: its session is gone.
 */

import { HASH_BYTES } from "../platform/constants";
import { noticeBegin, noticeEnd, outboxCapacity } from "../lib/envelope";
import { equal } from "../lib/memory";
import { partnerPresent } from "../lib/partner";
import { storeAbort, storeBegin, storeCommit } from "../lib/store";
import { CHAIN_BYTES_MAX, PENDING_MAX } from "../protocol/limits";
import { LINK_QUERY, NOTICE_CLOSED, NOTICE_SETTLED, OUTCOME_ABORTED, OUTCOME_COMMITTED } from "../protocol/messages";
import { REASON_MALFORMED } from "../protocol/reasons";
import { noticeProvisional } from "./abort";
import { acknowledge, acknowledgeAll, acknowledgedCount, acknowledgedDelete, acknowledgedDeleted } from "./acknowledge";
import { conclude, noticeDone } from "./commit";
import { accept, askForLink, compose, incoming, incomingEnd, sendToModule } from "./messages";
import { OUTCOME_BYTES_MAX } from "./outcome";
import { outcomeReport } from "./outcome-log";
import {
  other,
  PENDING_CLOSED,
  PENDING_DONE,
  PENDING_OPEN,
  PENDING_PAYING,
  pendingNext,
  pendingRead,
  pendingRewrite,
  SLOT_NONE,
} from "./pending";
import { STATE_SETTLE_ANSWER, STATE_SETTLE_LINK, stateSet } from "./states";
import { isMerchant, transactionEnd } from "./transaction";

/** Room for one NOTICE_OUTCOME; what does not fit the host asks for by COMMAND_REPORT. */
const REPORT_BYTES: u32 = CHAIN_BYTES_MAX + OUTCOME_BYTES_MAX + HASH_BYTES + 32;
/** Room for one NOTICE_CLOSED, and for what is said after it. */
const CLOSED_BYTES: u32 = HASH_BYTES + 64;

/** Slot that the module is being asked about, and the counts for NOTICE_SETTLED. */
let asked: i32 = -1;
let committed: u32 = 0;
let aborted: u32 = 0;
let open: u32 = 0;

/**
 * Whatever is open while nothing is under way has lost its session, to power or to a store that failed: it is aborted.
 * 0 or an error; outcomes are told to the host.
 */
export function recover(): i32 {
  let slot = pendingNext(0, PENDING_OPEN);
  while (slot != SLOT_NONE) {
    const status = recoverOne(slot);
    if (status < 0) return status;
    slot = pendingNext(slot + 1, PENDING_OPEN);
  }
  return 0;
}

function recoverOne(slot: i32): i32 {
  if (isMerchant() && other.hasApproval == 0) {
    other.state = <u8>PENDING_CLOSED;
    return pendingRewrite(slot, other);
  }
  const status = conclude(slot, other, OUTCOME_ABORTED);
  if (status < 0) return status;
  aborted += 1;
  return report();
}

/** What the network said of these only the host knows; it may have died before it had written down that it asked. */
function askAboutClosed(): void {
  let slot = pendingNext(0, PENDING_CLOSED);
  while (slot != SLOT_NONE && outboxCapacity() >= CLOSED_BYTES) {
    const w = noticeBegin(NOTICE_CLOSED, 2);
    w.bytes(other.receiptHash, HASH_BYTES);
    noticeEnd();
    slot = pendingNext(slot + 1, PENDING_CLOSED);
  }
}

/** NOTICE_OUTCOME for what was just concluded in `other`. */
function report(): i32 {
  if (other.hasApproval == 0 || outboxCapacity() < REPORT_BYTES) return 0;
  return outcomeReport(other.approvalHash);
}

/** COMMAND_SETTLE. */
export function settle(): i32 {
  const result = incomingEnd(1);
  if (result < 0) return result;
  transactionEnd();
  accept();
  committed = 0;
  aborted = 0;
  open = 0;
  const status = recover();
  if (status < 0) return status;
  askAboutClosed();
  const paying = pendingNext(0, PENDING_PAYING) != SLOT_NONE;
  if (!partnerPresent() || (!paying && pendingNext(0, PENDING_DONE) == SLOT_NONE)) return settled();
  stateSet(STATE_SETTLE_LINK);
  return askForLink();
}

/** The link is open: what is done is acknowledged again, then the module is asked. */
export function settleLinked(): i32 {
  const status = acknowledgeAll();
  return status < 0 ? status : askFrom(0);
}

/** Asks about the next that is paying; at the end about one that is done, whose answer proves the acknowledgements. */
function askFrom(slot: i32): i32 {
  asked = pendingNext(slot, PENDING_PAYING);
  if (asked == SLOT_NONE) asked = pendingNext(0, PENDING_DONE);
  if (asked == SLOT_NONE) return settled();
  compose(LINK_QUERY, 2).bytes(other.payId, HASH_BYTES);
  stateSet(STATE_SETTLE_ANSWER);
  return sendToModule();
}

/** LINK_ANSWER. */
export function settleAnswer(): i32 {
  const payId = incoming.fixed(HASH_BYTES);
  const outcome = incoming.uint();
  const result = incomingEnd(3);
  if (result < 0) return result;
  if (!pendingRead(asked) || !equal(payId, other.payId, HASH_BYTES)) return -REASON_MALFORMED;
  if (other.state == PENDING_DONE) return forgetDone();
  const status = follow(outcome);
  return status < 0 ? status : askFrom(asked + 1);
}

/** The agent follows its module. */
function follow(outcome: u64): i32 {
  if (outcome == OUTCOME_COMMITTED) {
    let status = conclude(asked, other, OUTCOME_COMMITTED);
    if (status < 0) return status;
    committed += 1;
    status = report();
    noticeDone(other.payId);
    return status < 0 ? status : acknowledge(asked, other.payId);
  }
  if (outcome == OUTCOME_ABORTED) {
    const status = conclude(asked, other, OUTCOME_ABORTED);
    if (status < 0) return status;
    aborted += 1;
    return report();
  }
  open += 1;
  noticeProvisional(other.payId);
  return 0;
}

/** Every acknowledgement before this answer has arrived. */
function forgetDone(): i32 {
  if (acknowledgedCount() > 0) {
    let status = storeBegin(0, PENDING_MAX);
    if (status >= 0) status = acknowledgedDelete();
    if (status < 0) storeAbort();
    if (status >= 0) status = storeCommit();
    if (status < 0) return status;
    acknowledgedDeleted();
  }
  return settled();
}

function settled(): i32 {
  const w = noticeBegin(NOTICE_SETTLED, 4);
  w.uint(committed);
  w.uint(aborted);
  w.uint(open);
  noticeEnd();
  transactionEnd();
  return 0;
}
