/**
 * The transaction log (fig. 6A, step 230; fig. 18, step 1732; fig. 21, step 1710): a ring of the last
 * LOG_ENTRIES_MAX entries. An entry is written within the store transaction whose outcome it tells.
 *
 *     head   [ version | next sequence u32 ]
 *     entry  [ version | kind | sequence u32 | date u64 | peer id 16 | currency u16 | exponent u8 | amount u64 |
 *              pay-id 32 | outcome u8 | detail u32 ]
 */

import { HASH_BYTES } from "../platform/constants";
import { ID_BYTES, LOG_ENTRIES_MAX } from "../protocol/limits";
import { clockNow } from "./clock";
import { equal } from "./memory";
import { RECORD_LOG, RECORD_LOG_HEAD, RECORD_VERSION } from "./records";
import { storePut, storeRead } from "./store";
import { Writer } from "./cbor";

export const LOG_ENTRY_BYTES: u32 = 78;
/** What a transaction must reserve for one entry, in bytes and in records. */
export const LOG_RESERVE_BYTES: u32 = 83;
export const LOG_RESERVE_RECORDS: u32 = 2;
const HEAD_BYTES: u32 = 5;

const entry = memory.data(80, 8);
const head = memory.data(8, 8);

let next: u32 = 0;

export function logLoad(): void {
  next = storeRead(RECORD_LOG_HEAD, 0, head, HEAD_BYTES) == HEAD_BYTES ? load<u32>(head, 1) : 0;
}

/** Starts an entry; unit, amount, pay-id and detail stay zero unless set. */
export function logBegin(kind: i32, peer: usize, outcome: i32): void {
  memory.fill(entry, 0, LOG_ENTRY_BYTES);
  store<u8>(entry, RECORD_VERSION);
  store<u8>(entry, <u8>kind, 1);
  store<u32>(entry, next, 2);
  store<u64>(entry, clockNow(), 6);
  if (peer != 0) memory.copy(entry + 14, peer, ID_BYTES);
  store<u8>(entry, <u8>outcome, 73);
}

export function logAmount(currency: u32, exponent: u32, amount: u64): void {
  store<u16>(entry, <u16>currency, 30);
  store<u8>(entry, <u8>exponent, 32);
  store<u64>(entry, amount, 33);
}

export function logPayId(payId: usize): void {
  memory.copy(entry + 41, payId, HASH_BYTES);
}

export function logDetail(detail: u32): void {
  store<u32>(entry, detail, 74);
}

/** Writes the entry; inside a store transaction that reserved for it. */
export function logPut(): i32 {
  const status = storePut(RECORD_LOG + (next % LOG_ENTRIES_MAX), entry, LOG_ENTRY_BYTES);
  if (status < 0) return status;
  store<u8>(head, RECORD_VERSION);
  store<u32>(head, next + 1, 1);
  return storePut(RECORD_LOG_HEAD, head, HEAD_BYTES);
}

/** After the commit of the transaction that wrote the entry. */
export function logCommitted(): void {
  next += 1;
}

/** Whether the log says of a payment that it ended so: 1, 0, or an error of the store. As far back as the ring goes. */
export function logSays(kind: i32, payId: usize, outcome: i32): i32 {
  const count = min<u32>(next, LOG_ENTRIES_MAX);
  for (let back: u32 = 1; back <= count; back++) {
    const got = storeRead(RECORD_LOG + ((next - back) % LOG_ENTRIES_MAX), 0, entry, LOG_ENTRY_BYTES);
    if (got < 0) return got;
    if (load<u8>(entry, 1) != kind || load<u8>(entry, 73) != outcome) continue;
    if (equal(entry + 41, payId, HASH_BYTES)) return 1;
  }
  return 0;
}

/** READ RECORD: entry `number`, 1 the newest, as CBOR; false when there is none. */
export function logRead(number: u32, w: Writer): bool {
  if (number == 0 || number > next || number > <u32>LOG_ENTRIES_MAX) return false;
  const sequence = next - number;
  if (storeRead(RECORD_LOG + (sequence % LOG_ENTRIES_MAX), 0, entry, LOG_ENTRY_BYTES) != LOG_ENTRY_BYTES) return false;
  w.array(10);
  w.uint(load<u32>(entry, 2));
  w.uint(load<u8>(entry, 1));
  w.uint(load<u64>(entry, 6));
  w.bytes(entry + 14, ID_BYTES);
  w.uint(load<u16>(entry, 30));
  w.uint(load<u8>(entry, 32));
  w.uint(load<u64>(entry, 33));
  w.bytes(entry + 41, HASH_BYTES);
  w.uint(load<u8>(entry, 73));
  w.uint(load<u32>(entry, 74));
  return true;
}
