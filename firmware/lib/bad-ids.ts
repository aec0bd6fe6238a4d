/**
 * The bad-id list (steps 314, 336, 1494, 1524, 1590): signed by a security server of this element's tree, versioned,
 * bounded. The newest valid one wins.
 *
 * Delivered as [list, security server certificate]; list = signed object over [1, version, date, [[id, reason]...]]. That is
 * kept as it came, to be passed on (pass-list.ts), and beside it the ids, to be looked up.
 *
 *     head    [ version u8 | list version u64 | entries u16 ]
 *     block   [ version u8 | up to 16 ids ]
 *     signed  [ up to 1024 bytes of what was delivered ]     two records, of which the second may be empty
 */

import {
  BAD_ID_LIST_BYTES_MAX,
  BAD_IDS_MAX,
  CERTIFICATE_BYTES_MAX,
  ID_BYTES,
  SECONDS_BITS,
  STORE_VALUE_BYTES_MAX,
} from "../protocol/limits";
import { SIGNED_LIST } from "../protocol/kinds";
import { REASON_BAD_ID, REASON_MALFORMED, REASON_TOO_LONG } from "../protocol/reasons";
import { Reader } from "./cbor";
import { Certificate, issuerVerify } from "./certificate";
import { clockRaise } from "./clock";
import { cosePayload, cosePayloadLength, coseVerify } from "./cose";
import { elementTree, rootId, rootKey } from "./identity";
import { equal } from "./memory";
import { RECORD_BAD_IDS, RECORD_BAD_IDS_SIGNED, RECORD_VERSION } from "./records";
import { storeBegin, storeCommit, storeLength, storePut, storeRead } from "./store";

const BLOCK_IDS: u32 = 16;
const BLOCK_BYTES: u32 = 257;
const HEAD_BYTES: u32 = 11;
/** BAD_IDS_MAX ids take this many blocks. */
const BLOCKS_MAX: u32 = 4;
/** BAD_ID_LIST_BYTES_MAX bytes take this many records. */
const SIGNED_BLOCKS: u32 = 2;

/** What the longest list takes: a bad-id list must fit even when everything else is full. */
export const BAD_IDS_STORE_BYTES: u32 = HEAD_BYTES + BLOCKS_MAX * BLOCK_BYTES + BAD_ID_LIST_BYTES_MAX;
export const BAD_IDS_STORE_RECORDS: u32 = 1 + BLOCKS_MAX + SIGNED_BLOCKS;

const head = memory.data(16, 8);
const block = memory.data(264, 8);
const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));
const signer = changetype<Certificate>(memory.data(offsetof<Certificate>(), 8));

let version: u64 = 0;
let entries: u32 = 0;

export function badIdsLoad(): void {
  version = 0;
  entries = 0;
  if (storeRead(RECORD_BAD_IDS, 0, head, HEAD_BYTES) != HEAD_BYTES) return;
  version = load<u64>(head, 1);
  entries = load<u16>(head, 9);
}

export function badIdsVersion(): u64 {
  return version;
}

/** 0, -REASON_BAD_ID, or an error of the store: a list that cannot be read lets nobody pass. */
export function badIdsCheck(id: usize): i32 {
  let checked: u32 = 0;
  for (let index: u32 = 0; index < BLOCKS_MAX && checked < entries; index++) {
    const length = storeRead(RECORD_BAD_IDS + 1 + index, 0, block, BLOCK_BYTES);
    if (length < 0) return length;
    for (let at: u32 = 1; at + ID_BYTES <= <u32>length; at += ID_BYTES) {
      if (equal(block + at, id, ID_BYTES)) return -REASON_BAD_ID;
      checked += 1;
    }
  }
  return 0;
}

/** Length of what `badIdsSigned` gives; 0 when there is nothing to pass on. */
export function badIdsSignedLength(): u32 {
  let length: u32 = 0;
  for (let index: u32 = 0; index < SIGNED_BLOCKS; index++) {
    const here = storeLength(RECORD_BAD_IDS_SIGNED + index);
    if (here < 0) return 0;
    length += here;
  }
  return length;
}

/** Copies the list as it was delivered, `badIdsSignedLength` bytes: 0, or an error of the store. */
export function badIdsSigned(to: usize): i32 {
  let at = to;
  for (let index: u32 = 0; index < SIGNED_BLOCKS; index++) {
    const got = storeRead(RECORD_BAD_IDS_SIGNED + index, 0, at, STORE_VALUE_BYTES_MAX);
    if (got < 0) return got;
    at += got;
  }
  return 0;
}

/** Whether what is delivered says that it is newer. Nothing of it is verified: it is asked before that costs anything. */
export function badIdsSaysNewer(bytes: usize, length: u32): bool {
  reader.begin(bytes, length);
  reader.arrayOf(2);
  const list = reader.bytes(1, length);
  if (reader.failed != 0) return false;
  const payload = cosePayload(list, reader.length);
  if (payload == 0) return false;
  reader.begin(payload, cosePayloadLength());
  reader.arrayOf(4);
  reader.uint();
  return reader.uint() > version && reader.failed == 0;
}

/** Takes a list if it is valid and newer: 1 taken, 0 not newer, or an error. */
export function badIdsTake(bytes: usize, length: u32): i32 {
  if (length > <u32>BAD_ID_LIST_BYTES_MAX) return -REASON_TOO_LONG;
  reader.begin(bytes, length);
  reader.arrayOf(2);
  const list = reader.bytes(1, length);
  const listLength = reader.length;
  const certificate = reader.bytes(1, CERTIFICATE_BYTES_MAX);
  const certificateLength = reader.length;
  let status = reader.finish();
  const tree = elementTree();
  if (status == 0) status = issuerVerify(certificate, certificateLength, rootId(tree), rootKey(tree), tree, 0, signer);
  if (status == 0) status = coseVerify(SIGNED_LIST, list, listLength, signer.signatureKey);
  if (status < 0) return status;
  const payload = cosePayload(list, listLength);
  return payload == 0 ? -REASON_MALFORMED : take(payload, cosePayloadLength(), bytes, length);
}

/** The payload of a list that is genuine, and all of what was delivered. */
function take(payload: usize, length: u32, signed: usize, signedLength: u32): i32 {
  reader.begin(payload, length);
  reader.arrayOf(4);
  if (reader.uint() != 1) return -REASON_MALFORMED;
  const newVersion = reader.uint();
  const date = reader.uint();
  const count = reader.array();
  if (count > <u32>BAD_IDS_MAX) return -REASON_TOO_LONG;
  const start = reader.at;
  for (let i: u32 = 0; i < count; i++) {
    reader.arrayOf(2);
    reader.fixed(ID_BYTES);
    reader.uint();
  }
  const status = reader.finish();
  if (status < 0) return status;
  // A floor beyond all dates would be one that no host can reach.
  if (date >> SECONDS_BITS != 0) return -REASON_MALFORMED;
  if (newVersion <= version) return 0;
  const written = write(newVersion, start, payload + length, count, signed, signedLength);
  if (written < 0) return written;
  version = newVersion;
  entries = count;
  const raised = clockRaise(date);
  return raised < 0 ? raised : 1;
}

/** All of it in one transaction; `start` is the first of `count` entries that were found well-formed. */
function write(newVersion: u64, start: usize, end: usize, count: u32, signed: usize, signedLength: u32): i32 {
  assert(count <= BLOCKS_MAX * BLOCK_IDS && signedLength <= SIGNED_BLOCKS * STORE_VALUE_BYTES_MAX);
  let status = storeBegin(BAD_IDS_STORE_BYTES, BAD_IDS_STORE_RECORDS);
  if (status < 0) return status;
  reader.begin(start, <u32>(end - start));
  let left = count;
  for (let index: u32 = 0; index < BLOCKS_MAX && left > 0 && status >= 0; index++) {
    const here = left < BLOCK_IDS ? left : BLOCK_IDS;
    store<u8>(block, RECORD_VERSION);
    for (let i: u32 = 0; i < here; i++) {
      reader.arrayOf(2);
      memory.copy(block + 1 + i * ID_BYTES, reader.fixed(ID_BYTES), ID_BYTES);
      reader.uint();
    }
    left -= here;
    status = storePut(RECORD_BAD_IDS + 1 + index, block, 1 + here * ID_BYTES);
  }
  for (let index: u32 = 0; index < SIGNED_BLOCKS && status >= 0; index++) {
    const at = min(signedLength, index * STORE_VALUE_BYTES_MAX);
    const here = min<u32>(signedLength - at, STORE_VALUE_BYTES_MAX);
    status = storePut(RECORD_BAD_IDS_SIGNED + index, signed + at, here);
  }
  store<u8>(head, RECORD_VERSION);
  store<u64>(head, newVersion, 1);
  store<u16>(head, <u16>count, 9);
  if (status >= 0) status = storePut(RECORD_BAD_IDS, head, HEAD_BYTES);
  return status < 0 ? status : storeCommit();
}
