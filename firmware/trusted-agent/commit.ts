/**
 * Commit (WO 96/41315 fig. 6A, steps 230-234, and fig. 12, steps 584-598 and 634-638): log, ticket, outcome and pending
 * record change in one store transaction, whichever way it ended. `conclude` is that transaction for aborts too.
 */

import { HASH_BYTES } from "../platform/constants";
import { clockNow } from "../lib/clock";
import { noticeBegin, noticeEnd } from "../lib/envelope";
import {
  LOG_RESERVE_BYTES,
  LOG_RESERVE_RECORDS,
  logAmount,
  logBegin,
  logCommitted,
  logDetail,
  logPayId,
  logPut,
} from "../lib/log";
import { SLOT_SIGNATURE } from "../lib/slots";
import { storeAbort, storeBegin, storeCommit } from "../lib/store";
import {
  LOG_AUTHORIZED,
  NOTICE_DONE,
  OUTCOME_COMMITTED,
  OUTCOME_ABORTED,
  REFERENCE_PAYMENT,
  REFERENCE_SESSION,
} from "../protocol/messages";
import { acknowledgeOnce, acknowledgedCount, acknowledgedDelete, acknowledgedDeleted } from "./acknowledge";
import { ANNEX_BYTES_MAX, annexSign } from "./annex";
import { holderDelete, holderOldest, holderSettle, HOLDER_RESERVE_BYTES } from "./ticket-holder";
import {
  outcomeLogCommitted,
  outcomeLogPut,
  outcomeReport,
  OUTCOME_RESERVE_BYTES,
  OUTCOME_RESERVE_RECORDS,
} from "./outcome-log";
import {
  live,
  Pending,
  PENDING_BYTES,
  PENDING_DONE,
  PENDING_PAYING,
  pendingDelete,
  pendingForget,
  pendingLiveSlot,
  pendingPut,
} from "./pending";
import { forwardInner } from "./routing";
import { isPayer, transactionRelease } from "./transaction";
import { STATE_CONFIRM, STATE_IDLE } from "./states";

/** Meta record and annex of the receipt that becomes good. */
const TICKET_BYTES: u32 = HOLDER_RESERVE_BYTES - 1536 + ANNEX_BYTES_MAX;
/** Two of the receipt, four of one that goes. */
const TICKET_RECORDS: u32 = 6;

const annex = memory.data(ANNEX_BYTES_MAX, 8);

/**
 * Ends a pending transaction as its module, or its missing module session, says. One store transaction; after an error
 * nothing has changed, and the record is still pending.
 */
export function conclude(slot: i32, record: Pending, outcome: i32): i32 {
  assert(outcome == OUTCOME_COMMITTED || outcome == OUTCOME_ABORTED);
  const committed = outcome == OUTCOME_COMMITTED;
  let annexLength: i32 = 0;
  if (committed && record.ticket != 0) {
    const key = SLOT_SIGNATURE;
    annexLength = annexSign(record.receiptHash, record.payId, clockNow(), key, annex, ANNEX_BYTES_MAX);
    if (annexLength < 0) return annexLength;
  }
  const bytes = LOG_RESERVE_BYTES + OUTCOME_RESERVE_BYTES + PENDING_BYTES + TICKET_BYTES;
  const records = LOG_RESERVE_RECORDS + OUTCOME_RESERVE_RECORDS + 1 + TICKET_RECORDS + acknowledgedCount();
  let status = storeBegin(bytes, records);
  if (status >= 0) status = putEntries(record, outcome);
  if (status >= 0) status = committed ? putDone(slot, record) : pendingDelete(slot);
  if (status >= 0 && record.ticket != 0) status = putTicket(<i32>record.ticket - 1, committed, annexLength);
  if (status >= 0) status = acknowledgedDelete();
  if (status < 0) storeAbort();
  if (status >= 0) status = storeCommit();
  if (status < 0) return status;
  logCommitted();
  acknowledgedDeleted();
  if (record.hasApproval != 0) outcomeLogCommitted();
  return 0;
}

/** What the log and, for an approval, the network's outcome say. */
function putEntries(record: Pending, outcome: i32): i32 {
  const paying = record.state == PENDING_PAYING;
  const reference = paying ? record.payId : record.session;
  logBegin(LOG_AUTHORIZED + record.type, record.peerId, outcome);
  logAmount(record.currency, record.exponent, record.amount);
  logPayId(reference);
  logDetail(outcome == OUTCOME_COMMITTED ? record.ticket : 0);
  const status = logPut();
  if (status < 0 || record.hasApproval == 0) return status;
  const kind = paying ? REFERENCE_PAYMENT : REFERENCE_SESSION;
  return outcomeLogPut(record.approvalHash, reference, kind, outcome);
}

function putDone(slot: i32, record: Pending): i32 {
  const state = record.state;
  record.state = <u8>PENDING_DONE;
  const status = pendingPut(slot, record);
  if (status < 0) record.state = state;
  return status;
}

/** Step 634, or its undoing: a provisional receipt becomes good and the oldest makes room, or it is gone. */
function putTicket(index: i32, committed: bool, annexLength: u32): i32 {
  if (!committed) return holderDelete(index);
  const oldest = holderOldest();
  const status = holderSettle(index, annex, annexLength);
  return status < 0 || oldest < 0 ? status : holderDelete(oldest);
}

/** The module committed (584-586): the agent stores it, acknowledges, hands on what its module has for the other. */
export function commit(inner: usize, innerLength: u32): i32 {
  const slot = pendingLiveSlot();
  let status = conclude(slot, live, OUTCOME_COMMITTED);
  if (status < 0) return status;
  status = acknowledgeOnce(live.payId);
  if (status >= 0 && innerLength > 0) status = forwardInner(inner, innerLength);
  if (status >= 0 && live.hasApproval != 0) status = outcomeReport(live.approvalHash);
  noticeDone(live.payId);
  // The payer still routes the confirmation; the payee's session stays, so that a repeat is known and answered again.
  transactionRelease(isPayer() ? STATE_CONFIRM : STATE_IDLE);
  pendingForget();
  return status;
}

export function noticeDone(payId: usize): void {
  const w = noticeBegin(NOTICE_DONE, 2);
  w.bytes(payId, HASH_BYTES);
  noticeEnd();
}
