/**
 * REQUEST (EP 0 833 285 A2 fig. 2, 102-106): the chip asks an issuer for tokens for one seller, signs that (104) and
 * seals it (106). The seller who forwards it (108-110) sees a message of one length.
 *
 * The request is a record before it leaves: what comes back is compared with it, and REPEAT says the same again.
 */

import { KEY_BYTES } from "../platform/constants";
import { randomBytes } from "../platform/imports";
import { ROLE_MINT, SIGNED_TOKEN_REQUEST, TREE_AGENTS } from "../protocol/kinds";
import { CHAIN_BYTES_MAX, ID_BYTES, STORE_TRANSACTION_RECORDS_MAX } from "../protocol/limits";
import {
  REASON_MALFORMED,
  REASON_NO_CLOCK,
  REASON_PENDING,
  REASON_PURSE_CLOSED,
  REASON_PURSE_EXISTS,
  REASON_PURSE_OPEN,
  REASON_SPENDING_OVER,
  REASON_STORE_FULL,
  REASON_WRONG_ROLE,
} from "../protocol/reasons";
import {
  NOTICE_PURSE_REQUEST,
  PURSE_CLOSED,
  PURSE_OPEN,
  PURSE_REQUESTED,
  PURSES_MAX,
  SCHEME_SECRET,
  TOKEN_REQUEST_PLAIN_BYTES,
} from "../protocol/tokens";
import { BAD_IDS_STORE_BYTES, BAD_IDS_STORE_RECORDS, badIdsCheck } from "../lib/bad-ids";
import { Reader } from "../lib/cbor";
import { Certificate, chainVerify } from "../lib/certificate";
import { clockNow } from "../lib/clock";
import { noticeBegin, noticeEnd, outboxClear } from "../lib/envelope";
import { elementId, rootId, rootKey } from "../lib/identity";
import { storeBegin, storeCommit, storeFreeBytes, storeFreeRecords } from "../lib/store";
import {
  other,
  p,
  PURSE_BYTES,
  PURSE_HAS_FLUSHED,
  PURSE_IS_JOINT,
  purseClear,
  purseLoad,
  purseNamed,
  pursePut,
} from "./purse";
import { payloadBegin, sealPayload } from "./seal";
import {
  kindFits,
  readAssertion,
  readDenominations,
  readJoint,
  readSeconds,
  readUnit,
  writeAssertion,
  writeDenominations,
} from "./terms";

/** "tallystick token request" */
const PROLOGUE = memory.data<u8>([
  0x74, 0x61, 0x6c, 0x6c, 0x79, 0x73, 0x74, 0x69, 0x63, 0x6b, 0x20, 0x74, 0x6f, 0x6b, 0x65, 0x6e, 0x20, 0x72, 0x65,
  0x71, 0x75, 0x65, 0x73, 0x74,
]);
const PROLOGUE_BYTES: u32 = 24;

/** What one purse may write before it is gone: its own record once more, and a small one beside it, of clock or PIN. */
const END_BYTES: u32 = PURSE_BYTES + 64;
const END_RECORDS: u32 = 2;
const NONE: u32 = PURSES_MAX;

const issuer = changetype<Certificate>(memory.data(offsetof<Certificate>(), 8));

/** Slots that `findSlots` found: a free one, and that of the pair's open purse; NONE. */
let freeSlot: u32 = 0;
let openSlot: u32 = 0;

/** COMMAND_PURSE_REQUEST: 0, or an error. */
export function requestTake(r: Reader, items: u32): i32 {
  if (items != 11) return -REASON_MALFORMED;
  purseClear(p);
  const chain = r.bytes(1, CHAIN_BYTES_MAX);
  const chainLength = r.length;
  memory.copy(p.seller, r.fixed(ID_BYTES), ID_BYTES);
  const unit = readUnit(r, p);
  const denominations = readDenominations(r, p);
  p.spendBy = readSeconds(r);
  readAssertion(r, p);
  const flush = r.bool();
  readJoint(r, p);
  if (r.finish() < 0 || (unit == 0 && denominations == 0 && !kindFits(p))) return -REASON_MALFORMED;
  if (unit < 0) return unit;
  if (denominations < 0) return denominations;
  let status = issuerCheck(chain, chainLength);
  if (status >= 0) status = findSlots();
  if (status < 0) return status;
  if (openSlot != NONE && !flush) return -REASON_PURSE_EXISTS;
  if (freeSlot == NONE) return -REASON_STORE_FULL;
  status = requestStore();
  return status < 0 ? status : requestSend(freeSlot);
}

/** COMMAND_PURSE_REPEAT: the same request, signed and sealed again. */
export function requestRepeat(r: Reader, items: u32): i32 {
  const slot = r.uint();
  if (items != 2 || r.finish() < 0) return -REASON_MALFORMED;
  const status = purseNamed(slot);
  if (status < 0) return status;
  if (p.state != PURSE_REQUESTED) return p.state == PURSE_OPEN ? -REASON_PURSE_OPEN : -REASON_PURSE_CLOSED;
  return requestSend(<u32>slot);
}

/** The issuer is a mint of the agents' tree, now, and not on the list. */
function issuerCheck(chain: usize, length: u32): i32 {
  const now = clockNow();
  if (now == 0) return -REASON_NO_CLOCK;
  if (now > p.spendBy) return -REASON_SPENDING_OVER;
  let status = chainVerify(chain, length, rootId(TREE_AGENTS), rootKey(TREE_AGENTS), TREE_AGENTS, now, issuer);
  if (status < 0) return status;
  if (issuer.role != ROLE_MINT) return -REASON_WRONG_ROLE;
  status = badIdsCheck(issuer.id);
  memory.copy(p.issuer, issuer.id, ID_BYTES);
  memory.copy(p.issuerSignatureKey, issuer.signatureKey, KEY_BYTES);
  memory.copy(p.issuerAgreementKey, issuer.agreementKey, KEY_BYTES);
  p.time = now;
  return status;
}

/** Looks through all slots. A request of the pair that is under way stands in the way of another: -REASON_PENDING. */
function findSlots(): i32 {
  freeSlot = NONE;
  openSlot = NONE;
  for (let slot: u32 = 0; slot < <u32>PURSES_MAX; slot++) {
    const there = purseLoad(slot, other);
    if (there < 0) return there;
    if (there == 0) {
      if (freeSlot == NONE) freeSlot = slot;
      continue;
    }
    if (!other.isPairOf(p.issuer, p.seller) || !other.isGoodForSame(p)) continue;
    if (other.state == PURSE_REQUESTED) return -REASON_PENDING;
    if (other.state == PURSE_OPEN) openSlot = slot;
  }
  return 0;
}

/** The request, and with it the end of the older purse that it names: one transaction. */
function requestStore(): i32 {
  let status = randomBytes(p.nonce, ID_BYTES);
  if (status >= 0) status = randomBytes(p.seed, KEY_BYTES);
  if (status < 0) return status;
  p.state = <u8>PURSE_REQUESTED;
  const records: u32 = openSlot == NONE ? 1 : 2;
  status = reserve(records * PURSE_BYTES, records);
  if (status >= 0 && openSlot != NONE) status = flush();
  if (status >= 0) status = pursePut(freeSlot, p);
  return status < 0 ? status : storeCommit();
}

function flush(): i32 {
  const there = purseLoad(openSlot, other);
  if (there < 0) return there;
  assert(there == 1 && other.state == PURSE_OPEN);
  memory.copy(p.flushed, other.id, ID_BYTES);
  p.flags |= PURSE_HAS_FLUSHED;
  other.state = <u8>PURSE_CLOSED;
  other.allowance = 0;
  return pursePut(openSlot, other);
}

/** Nothing begins on the space that the end of what is there will need, or a bad-id list. */
function reserve(bytes: u32, records: u32): i32 {
  if (storeFreeBytes() < bytes + END_BYTES + BAD_IDS_STORE_BYTES) return -REASON_STORE_FULL;
  const needed = records + END_RECORDS + BAD_IDS_STORE_RECORDS;
  assert(needed <= <u32>STORE_TRANSACTION_RECORDS_MAX);
  if (storeFreeRecords() < needed) return -REASON_STORE_FULL;
  return storeBegin(bytes, records);
}

/** The request of `p`, which is stored (102-106). */
function requestSend(slot: u32): i32 {
  outboxClear();
  const w = payloadBegin();
  w.array(16);
  w.uint(1);
  w.bytes(p.nonce, ID_BYTES);
  w.bytes(elementId(), ID_BYTES);
  w.bytes(p.issuer, ID_BYTES);
  w.bytes(p.seller, ID_BYTES);
  w.uint(SCHEME_SECRET);
  w.uint(p.kind);
  w.uint(p.currency);
  w.uint(p.exponent);
  writeDenominations(w, p);
  w.uint(p.spendBy);
  writeAssertion(w, p);
  if ((p.flags & PURSE_HAS_FLUSHED) == 0) w.nil();
  else w.bytes(p.flushed, ID_BYTES);
  if ((p.flags & PURSE_IS_JOINT) == 0) {
    w.nil();
  } else {
    w.array(3);
    w.bytes(p.joint, ID_BYTES);
    w.uint(p.holders);
    w.uint(p.index);
  }
  w.bytes(p.seed, KEY_BYTES);
  w.uint(p.time);
  const said = noticeBegin(NOTICE_PURSE_REQUEST, 4);
  said.uint(slot);
  said.bytes(p.nonce, ID_BYTES);
  const status = sealPayload(
    SIGNED_TOKEN_REQUEST,
    true,
    p.issuerAgreementKey,
    PROLOGUE,
    PROLOGUE_BYTES,
    TOKEN_REQUEST_PLAIN_BYTES,
    said,
  );
  if (status >= 0) noticeEnd();
  return status;
}
