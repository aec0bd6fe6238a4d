/**
 * INSTALL (EP 0 833 285 A2 fig. 6): the buyer unseals the issuer's message, checks who signed it, and adds the purse
 * to those that it can spend. No half comes with it: the chip makes its halves of the seed that it sent with the
 * request, so that the issuer's word is short.
 *
 * The share must say what was asked for, to the letter; only the last days are the issuer's to set.
 */

import { SIGNED_TOKEN_SHARE } from "../protocol/kinds";
import { COSE_PAYLOAD_BYTES_MAX, ID_BYTES } from "../protocol/limits";
import {
  REASON_MALFORMED,
  REASON_NOT_FOUND,
  REASON_PURSE_CLOSED,
  REASON_PURSE_DIFFERS,
  REASON_TOO_LONG,
} from "../protocol/reasons";
import {
  DENOMINATIONS_MAX,
  NOTICE_PURSE_INSTALLED,
  PURSE_CLOSED,
  PURSE_OPEN,
  PURSE_REQUESTED,
  PURSES_MAX,
  SCHEME_SECRET,
  TOKEN_SHARE_PLAIN_BYTES,
} from "../protocol/tokens";
import { Reader } from "../lib/cbor";
import { cosePayload, cosePayloadLength, coseVerify } from "../lib/cose";
import { noticeBegin, noticeEnd, outboxClear } from "../lib/envelope";
import { elementId } from "../lib/identity";
import { IO } from "../lib/io";
import { equal } from "../lib/memory";
import { openSealed, SEALED_TO_EXTRA_BYTES } from "../lib/noise";
import { SLOT_AGREEMENT } from "../lib/slots";
import { other, p, Purse, purseClear, purseLoad, purseSave } from "./purse";
import { kindFits, readAssertion, readDenominations, readSeconds, readUnit } from "./terms";

/** "tallystick token share" */
const PROLOGUE = memory.data<u8>([
  0x74, 0x61, 0x6c, 0x6c, 0x79, 0x73, 0x74, 0x69, 0x63, 0x6b, 0x20, 0x74, 0x6f, 0x6b, 0x65, 0x6e, 0x20, 0x73, 0x68,
  0x61, 0x72, 0x65,
]);
const PROLOGUE_BYTES: u32 = 22;
const SEALED_BYTES: u32 = TOKEN_SHARE_PLAIN_BYTES + SEALED_TO_EXTRA_BYTES;

const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

/** Ids that the share names, in what was unsealed. */
let issuer: usize = 0;
let buyer: usize = 0;

/** COMMAND_PURSE_INSTALL: 0, or an error. */
export function installTake(r: Reader, items: u32): i32 {
  const sealed = r.bytes(1, SEALED_BYTES);
  const length = r.length;
  if (items != 2 || r.finish() < 0) return -REASON_MALFORMED;
  if (length != SEALED_BYTES) return -REASON_TOO_LONG;
  const opened = openSealed(SLOT_AGREEMENT, PROLOGUE, PROLOGUE_BYTES, sealed, length, IO, TOKEN_SHARE_PLAIN_BYTES);
  return opened < 0 ? opened : shareTake(opened);
}

/** [share, padding] in IO. */
function shareTake(length: u32): i32 {
  reader.begin(IO, length);
  reader.arrayOf(2);
  const share = reader.bytes(1, COSE_PAYLOAD_BYTES_MAX);
  const shareLength = reader.length;
  const padding = reader.bytes(0, TOKEN_SHARE_PLAIN_BYTES);
  const paddingLength = reader.length;
  if (reader.finish() < 0) return -REASON_MALFORMED;
  for (let i: u32 = 0; i < paddingLength; i++) if (load<u8>(padding + i) != 0) return -REASON_MALFORMED;
  const payload = cosePayload(share, shareLength);
  if (payload == 0) return -REASON_MALFORMED;
  purseClear(other);
  let status = readShare(payload, cosePayloadLength(), other);
  if (status < 0) return status;
  const slot = findRequest(other.nonce);
  if (slot < 0) return slot;
  status = coseVerify(SIGNED_TOKEN_SHARE, share, shareLength, p.issuerSignatureKey);
  if (status < 0) return status;
  if (!isAsked(other)) return -REASON_PURSE_DIFFERS;
  if (p.state == PURSE_REQUESTED) return installNew(slot);
  // The same share again, or one that answers this request with another purse.
  if (!equal(p.id, other.id, ID_BYTES)) return -REASON_PURSE_DIFFERS;
  return p.state == PURSE_CLOSED ? -REASON_PURSE_CLOSED : tellInstalled(slot);
}

/** What the share says, as a purse; the ids that name issuer and buyer are left where they lie. */
function readShare(payload: usize, length: u32, into: Purse): i32 {
  reader.begin(payload, length);
  reader.arrayOf(16);
  if (reader.uint() != 1) reader.fail(REASON_MALFORMED);
  memory.copy(into.nonce, reader.fixed(ID_BYTES), ID_BYTES);
  memory.copy(into.id, reader.fixed(ID_BYTES), ID_BYTES);
  issuer = reader.fixed(ID_BYTES);
  buyer = reader.fixed(ID_BYTES);
  memory.copy(into.seller, reader.fixed(ID_BYTES), ID_BYTES);
  if (reader.uint() != SCHEME_SECRET) reader.fail(REASON_MALFORMED);
  const unit = readUnit(reader, into);
  const denominations = readDenominations(reader, into);
  into.spendBy = readSeconds(reader);
  into.redeemBy = readSeconds(reader);
  readAssertion(reader, into);
  const holders = reader.uint();
  const index = reader.uint();
  const fits = unit == 0 && denominations == 0 && kindFits(into) && into.spendBy <= into.redeemBy;
  if (reader.finish() < 0 || !fits || holders > 255 || index >= holders) return -REASON_MALFORMED;
  into.holders = <u8>holders;
  into.index = <u8>index;
  return 0;
}

/** The slot of the purse that asked with this nonce, which is in `p` then. */
function findRequest(nonce: usize): i32 {
  for (let slot: u32 = 0; slot < <u32>PURSES_MAX; slot++) {
    const there = purseLoad(slot, p);
    if (there < 0) return there;
    if (there == 1 && equal(p.nonce, nonce, ID_BYTES)) return slot;
  }
  return -REASON_NOT_FOUND;
}

function isAsked(share: Purse): bool {
  if (!equal(issuer, p.issuer, ID_BYTES) || !equal(buyer, elementId(), ID_BYTES)) return false;
  if (!equal(share.seller, p.seller, ID_BYTES) || !share.isUnit(p.kind, p.currency, p.exponent)) return false;
  if (share.holders != p.holders || share.index != p.index || share.denominations != p.denominations) return false;
  for (let d: u32 = 0; d < <u32>DENOMINATIONS_MAX; d++) {
    if (share.value(d) != p.value(d) || share.count(d) != p.count(d)) return false;
  }
  return share.assertionLength == p.assertionLength && equal(share.assertion, p.assertion, share.assertionLength);
}

/** One write opens the purse. */
function installNew(slot: u32): i32 {
  p.state = <u8>PURSE_OPEN;
  memory.copy(p.id, other.id, ID_BYTES);
  p.spendBy = other.spendBy;
  p.redeemBy = other.redeemBy;
  let status = isUnused(slot);
  if (status >= 0) status = purseSave(slot, p);
  return status < 0 ? status : tellInstalled(slot);
}

/** An id names one purse: halves of two purses of one id would be taken for one another. */
function isUnused(slot: u32): i32 {
  for (let at: u32 = 0; at < <u32>PURSES_MAX; at++) {
    if (at == slot) continue;
    const there = purseLoad(at, other);
    if (there < 0) return there;
    if (there == 1 && other.state != PURSE_REQUESTED && equal(other.id, p.id, ID_BYTES)) return -REASON_PURSE_DIFFERS;
  }
  return 0;
}

function tellInstalled(slot: u32): i32 {
  outboxClear();
  const w = noticeBegin(NOTICE_PURSE_INSTALLED, 3);
  w.uint(slot);
  w.bytes(p.id, ID_BYTES);
  noticeEnd();
  return 0;
}
