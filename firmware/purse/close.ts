/**
 * The buyer's part of a refund (EP 0 833 285 A2 fig. 10): CLOSE ends spending before the chip says how far it went,
 * because the issuer gives back what the seller cannot have; SETTLED is the issuer's word that it did. FORGET gives
 * up what is worth nothing any more.
 */

import { SIGNED_TOKEN_CLOSED, SIGNED_TOKEN_NOTICE } from "../protocol/kinds";
import { COSE_PAYLOAD_BYTES_MAX, ID_BYTES } from "../protocol/limits";
import { REASON_MALFORMED, REASON_PURSE_DIFFERS, REASON_PURSE_OPEN, REASON_PURSE_WAITING } from "../protocol/reasons";
import {
  CREDIT_REFUNDED,
  NOTICE_PURSE_CLOSED,
  NOTICE_PURSE_FORGOTTEN,
  NOTICE_PURSE_SETTLED,
  PURSE_CLOSED,
  PURSE_OPEN,
  PURSE_REQUESTED,
  TOKEN_CLOSE_PLAIN_BYTES,
} from "../protocol/tokens";
import { Reader } from "../lib/cbor";
import { cosePayload, cosePayloadLength, coseVerify } from "../lib/cose";
import { noticeBegin, noticeEnd, outboxClear } from "../lib/envelope";
import { elementId } from "../lib/identity";
import { equal } from "../lib/memory";
import { storeBegin, storeCommit, storeDelete } from "../lib/store";
import { p, purseNamed, purseSave, timeAtLeast } from "./purse";
import { RECORD_PURSE } from "./records";
import { payloadBegin, sealPayload } from "./seal";
import { readSeconds } from "./terms";

/** "tallystick token close" */
const PROLOGUE = memory.data<u8>([
  0x74, 0x61, 0x6c, 0x6c, 0x79, 0x73, 0x74, 0x69, 0x63, 0x6b, 0x20, 0x74, 0x6f, 0x6b, 0x65, 0x6e, 0x20, 0x63, 0x6c,
  0x6f, 0x73, 0x65,
]);
const PROLOGUE_BYTES: u32 = 22;
/** A signed notice. */
const NOTICE_BYTES_MAX: u32 = COSE_PAYLOAD_BYTES_MAX + 128;

const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

/** COMMAND_PURSE_CLOSE: 0, or an error. Again: the same word again, sealed anew. */
export function closeTake(r: Reader, items: u32): i32 {
  const slot = r.uint();
  if (items != 2 || r.finish() < 0) return -REASON_MALFORMED;
  let status = purseNamed(slot);
  if (status < 0) return status;
  if (p.state == PURSE_REQUESTED) return -REASON_PURSE_WAITING;
  if (p.state == PURSE_OPEN) {
    p.state = <u8>PURSE_CLOSED;
    p.allowance = 0;
    status = purseSave(<u32>slot, p);
  }
  return status < 0 ? status : closeSend(<u32>slot);
}

/** [1, purse id, buyer id, [tokens spent of each denomination]], signed and sealed. */
function closeSend(slot: u32): i32 {
  outboxClear();
  const w = payloadBegin();
  w.array(4);
  w.uint(1);
  w.bytes(p.id, ID_BYTES);
  w.bytes(elementId(), ID_BYTES);
  w.array(p.denominations);
  for (let d: u32 = 0; d < p.denominations; d++) w.uint(p.next(d));
  const said = noticeBegin(NOTICE_PURSE_CLOSED, 4);
  said.uint(slot);
  said.bytes(p.id, ID_BYTES);
  const key = p.issuerAgreementKey;
  const status = sealPayload(SIGNED_TOKEN_CLOSED, false, key, PROLOGUE, PROLOGUE_BYTES, TOKEN_CLOSE_PLAIN_BYTES, said);
  if (status >= 0) noticeEnd();
  return status;
}

/** COMMAND_PURSE_SETTLED: 0, or an error. */
export function settledTake(r: Reader, items: u32): i32 {
  const slot = r.uint();
  const signed = r.bytes(1, NOTICE_BYTES_MAX);
  const length = r.length;
  if (items != 3 || r.finish() < 0) return -REASON_MALFORMED;
  let status = purseNamed(slot);
  if (status < 0) return status;
  if (p.state != PURSE_CLOSED) return p.state == PURSE_OPEN ? -REASON_PURSE_OPEN : -REASON_PURSE_WAITING;
  status = coseVerify(SIGNED_TOKEN_NOTICE, signed, length, p.issuerSignatureKey);
  if (status >= 0) status = isRefund(cosePayload(signed, length), cosePayloadLength());
  if (status >= 0) status = forget(<u32>slot);
  if (status < 0) return status;
  outboxClear();
  const w = noticeBegin(NOTICE_PURSE_SETTLED, 2 + 1);
  w.uint(slot);
  w.bytes(p.id, ID_BYTES);
  noticeEnd();
  return 0;
}

/**
 * [1, what, purse id, subject id, request id or null, tokens, amount, currency, exponent, time]: of this purse, to
 * this chip.
 */
function isRefund(payload: usize, length: u32): i32 {
  reader.begin(payload, length);
  reader.arrayOf(10);
  if (reader.uint() != 1) reader.fail(REASON_MALFORMED);
  const what = reader.uint();
  const purse = reader.fixed(ID_BYTES);
  const subject = reader.fixed(ID_BYTES);
  if (!reader.isNil()) reader.fixed(ID_BYTES);
  reader.uint();
  reader.amount();
  const currency = reader.uint();
  const exponent = reader.uint();
  readSeconds(reader);
  if (reader.finish() < 0) return -REASON_MALFORMED;
  const isOurs = equal(purse, p.id, ID_BYTES) && equal(subject, elementId(), ID_BYTES);
  const isSo = what == CREDIT_REFUNDED && currency == p.currency && exponent == p.exponent;
  return isOurs && isSo ? 0 : -REASON_PURSE_DIFFERS;
}

/** COMMAND_PURSE_FORGET: 0, or an error. */
export function forgetTake(r: Reader, items: u32): i32 {
  const slot = r.uint();
  if (items != 2 || r.finish() < 0) return -REASON_MALFORMED;
  let status = purseNamed(slot);
  if (status < 0) return status;
  if (p.state != PURSE_REQUESTED && timeAtLeast() <= p.redeemBy) return -REASON_PURSE_OPEN;
  status = forget(<u32>slot);
  if (status < 0) return status;
  outboxClear();
  noticeBegin(NOTICE_PURSE_FORGOTTEN, 2).uint(slot);
  noticeEnd();
  return 0;
}

function forget(slot: u32): i32 {
  let status = storeBegin(0, 1);
  if (status >= 0) status = storeDelete(RECORD_PURSE + slot);
  return status < 0 ? status : storeCommit();
}
