/**
 * Space in the store that is spoken for. What is offered or in doubt must be able to end: a commit or a settlement never
 * meets a full store, because nothing new starts on the space they will need.
 */

import {
  NOTE_BYTES_MAX,
  PACKET_NOTES_MAX,
  PENDING_MAX,
  STORE_TRANSACTION_RECORDS_MAX,
  STORE_VALUE_BYTES_MAX,
} from "../protocol/limits";
import { REASON_STORE_FULL } from "../protocol/reasons";
import { BAD_IDS_STORE_BYTES, BAD_IDS_STORE_RECORDS } from "../lib/bad-ids";
import { LOG_RESERVE_BYTES, LOG_RESERVE_RECORDS } from "../lib/log";
import { storeBegin, storeFreeBytes, storeFreeRecords } from "../lib/store";
import { entryBytes } from "./note-directory";
import { TRAIL_BYTES, TRAIL_HEAD_BYTES } from "./note-tree";
import { PENDING_BYTES_MAX, pendingCount } from "./pending";
import { LIMIT_BYTES } from "./spending-limits";

/** What one open payment may still write: directory and trail of each note, pending record, spending count, log. */
function endBytes(): u32 {
  const notes = PACKET_NOTES_MAX * (entryBytes() + TRAIL_BYTES + TRAIL_HEAD_BYTES);
  return notes + PENDING_BYTES_MAX + LIMIT_BYTES + LOG_RESERVE_BYTES;
}

const END_RECORDS: u32 = PACKET_NOTES_MAX * 3 + 2 + LOG_RESERVE_RECORDS;
/** Records that go at the end of one payment: every block of every note, and the pending record. */
const NOTE_BLOCKS_MAX: u32 = (NOTE_BYTES_MAX + STORE_VALUE_BYTES_MAX - 1) / STORE_VALUE_BYTES_MAX;
const END_DELETIONS_MAX: u32 = PACKET_NOTES_MAX * (1 + NOTE_BLOCKS_MAX) + 1;

/** Starts a store transaction that begins or goes on with something: it leaves room for the end of all that is open. */
export function reserve(bytes: u32, records: u32): i32 {
  const open = pendingCount() + 1;
  assert(open <= <u32>PENDING_MAX + 1);
  if (storeFreeBytes() < bytes + open * endBytes() + BAD_IDS_STORE_BYTES) return -REASON_STORE_FULL;
  const needed = records + END_RECORDS + END_DELETIONS_MAX + BAD_IDS_STORE_RECORDS;
  const most = <u32>STORE_TRANSACTION_RECORDS_MAX;
  if (storeFreeRecords() < (needed < most ? needed : most)) return -REASON_STORE_FULL;
  return storeBegin(bytes, records);
}

/** Starts a store transaction that ends something: the room was left for it. */
export function reserveEnd(deletions: u32): i32 {
  return storeBegin(endBytes(), END_RECORDS + deletions);
}
