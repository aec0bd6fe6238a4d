/**
 * Outcomes of authorizations that an agent has concluded, so that it can sign the same word again (COMMAND_REPORT): a ring
 * beside the transaction log, of the same length.
 *
 *     head   [ version | next sequence u32 ]
 *     entry  [ version | reference kind | outcome | 0 | approval hash 32 | reference 32 ]
 */

import { HASH_BYTES } from "../platform/constants";
import { equal } from "../lib/memory";
import { noticeBegin, noticeEnd } from "../lib/envelope";
import { elementChain, elementChainLength } from "../lib/identity";
import { RECORD_VERSION } from "../lib/records";
import { SLOT_SIGNATURE } from "../lib/slots";
import { storePut, storeRead } from "../lib/store";
import { LOG_ENTRIES_MAX } from "../protocol/limits";
import { NOTICE_OUTCOME } from "../protocol/messages";
import { REASON_NOT_FOUND } from "../protocol/reasons";
import { OUTCOME_BYTES_MAX, outcomeSign } from "./outcome";
import { RECORD_OUTCOME, RECORD_OUTCOME_HEAD } from "./records";

const ENTRY_BYTES: u32 = 68;
const HEAD_BYTES: u32 = 5;
const APPROVAL_AT: usize = 4;
const REFERENCE_AT: usize = 36;
/** What a store transaction must reserve for one entry. */
export const OUTCOME_RESERVE_BYTES: u32 = ENTRY_BYTES + HEAD_BYTES;
export const OUTCOME_RESERVE_RECORDS: u32 = 2;

const entry = memory.data(72, 8);
const head = memory.data(8, 8);
const signed = memory.data(OUTCOME_BYTES_MAX, 8);

let next: u32 = 0;

export function outcomeLogLoad(): void {
  next = storeRead(RECORD_OUTCOME_HEAD, 0, head, HEAD_BYTES) == <i32>HEAD_BYTES ? load<u32>(head, 1) : 0;
}

/** Within a store transaction: writes what became of an approval. */
export function outcomeLogPut(approvalHash: usize, reference: usize, referenceKind: i32, outcome: i32): i32 {
  store<u8>(entry, RECORD_VERSION);
  store<u8>(entry, <u8>referenceKind, 1);
  store<u8>(entry, <u8>outcome, 2);
  store<u8>(entry, 0, 3);
  memory.copy(entry + APPROVAL_AT, approvalHash, HASH_BYTES);
  memory.copy(entry + REFERENCE_AT, reference, HASH_BYTES);
  const status = storePut(RECORD_OUTCOME + (next % LOG_ENTRIES_MAX), entry, ENTRY_BYTES);
  if (status < 0) return status;
  store<u8>(head, RECORD_VERSION);
  store<u32>(head, next + 1, 1);
  return storePut(RECORD_OUTCOME_HEAD, head, HEAD_BYTES);
}

/** After the commit of that transaction. */
export function outcomeLogCommitted(): void {
  next += 1;
}

/** Looks an approval up, newest entry first, and leaves what became of it in `entry`. 0, or -REASON_NOT_FOUND. */
export function outcomeFind(approvalHash: usize): i32 {
  const count = min<u32>(next, LOG_ENTRIES_MAX);
  for (let back: u32 = 1; back <= count; back++) {
    const key = RECORD_OUTCOME + ((next - back) % LOG_ENTRIES_MAX);
    const length = storeRead(key, 0, entry, ENTRY_BYTES);
    if (length < 0) return length;
    if (equal(entry + APPROVAL_AT, approvalHash, HASH_BYTES)) return 0;
  }
  return -REASON_NOT_FOUND;
}

/** NOTICE_OUTCOME for an approval: 0, -REASON_NOT_FOUND, or a platform's error. */
export function outcomeReport(approvalHash: usize): i32 {
  const found = outcomeFind(approvalHash);
  return found < 0 ? found : noticeOutcome();
}

/** Signs what `entry` says, which is stored, and tells the host. */
function noticeOutcome(): i32 {
  const length = outcomeSign(
    entry + APPROVAL_AT,
    entry + REFERENCE_AT,
    load<u8>(entry, 1),
    load<u8>(entry, 2),
    SLOT_SIGNATURE,
    signed,
    OUTCOME_BYTES_MAX,
  );
  if (length < 0) return length;
  const w = noticeBegin(NOTICE_OUTCOME, 4);
  w.bytes(entry + APPROVAL_AT, HASH_BYTES);
  w.bytes(signed, length);
  w.bytes(elementChain(), elementChainLength());
  noticeEnd();
  return 0;
}
