/**
 * Outcome sessions: two modules settle what is open between them (docs/PROTOCOLS.md, section 5, Resume).
 *
 *     initiator   OPEN    committed here with keys; in doubt here with locks
 *     responder   ANSWER  settled of those; key or signed `aborted` for those; its own two lists
 *     initiator   CLOSE   settled of those; key or signed `aborted` for those
 *
 * Only payments whose recorded peer is the one in this session are listed or answered about. Before anything is said of a
 * payment it is settled durably: an offer is aborted first. A list has at most PENDING_MAX entries.
 */

import { HASH_BYTES } from "../platform/constants";
import { SIGNED_ABORTED } from "../protocol/kinds";
import { ID_BYTES, PENDING_MAX } from "../protocol/limits";
import * as M from "../protocol/messages";
import { REASON_MALFORMED } from "../protocol/reasons";
import { Reader, Writer } from "../lib/cbor";
import { cosePayload, cosePayloadLength, coseSign, coseVerify } from "../lib/cose";
import { noticeBegin, noticeEnd } from "../lib/envelope";
import { peerCertificate } from "../lib/establish";
import { elementId } from "../lib/identity";
import { logSays } from "../lib/log";
import { equal, wipe } from "../lib/memory";
import { SLOT_SIGNATURE } from "../lib/slots";
import { abortOffer, dropDoubt } from "./abort";
import { confirm, keyFits, settlePayee, tellHost } from "./commit";
import {
  FLAG_CONFIRMED,
  PENDING_COMMITTED,
  PENDING_DOUBT,
  PENDING_OFFERED,
  pendingFind,
  pendingFlags,
  pendingKey,
  pendingLoad,
  pendingLock,
  pendingPayId,
  pendingPeer,
  pendingState,
} from "./pending";
import { peerMessage, sendPeer } from "./routing";
import * as T from "./transaction";
import { t } from "./transaction";

const ABORTED_BYTES_MAX: u32 = 256;
const ABORTED_VERSION: u64 = 1;

const key = memory.data(32, 8);
const payload = memory.data(160, 8);
const signed = memory.data(256, 8);
const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 8));
const inside = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

/** What the peer listed and we settled; what it asked, pay-id and lock. Copied, because the answer overwrites the question. */
const SETTLED = memory.data(256, 8);
const ASKED = memory.data(512, 8);
let settled: u32 = 0;
let asked: u32 = 0;
/** For the notice at the end. */
let committedTotal: u64 = 0;
let abortedTotal: u64 = 0;

/** Initiator, after message 4. */
export function sendOpen(): i32 {
  assert(PENDING_MAX == 8);
  committedTotal = 0;
  abortedTotal = 0;
  t.state = T.OUTCOME_OPEN;
  const w = peerMessage(M.MODULE_OPEN, 3);
  const status = writeOwnLists(w);
  return status < 0 ? status : sendPeer();
}

/** Responder: OPEN. */
export function takeOpen(r: Reader): i32 {
  committedTotal = 0;
  abortedTotal = 0;
  let status = takeLists(r);
  if (status >= 0 && r.finish() < 0) status = -REASON_MALFORMED;
  if (status < 0) return status;
  t.state = T.OUTCOME_CLOSE;
  const w = peerMessage(M.MODULE_ANSWER, 5);
  status = writeAnswers(w);
  if (status >= 0) status = writeOwnLists(w);
  return status < 0 ? status : sendPeer();
}

/** Initiator: ANSWER, which ends what this end had open and asks about what the other has. */
export function takeAnswer(r: Reader): i32 {
  let status = takeAnswers(r);
  if (status >= 0) status = takeLists(r);
  if (status >= 0 && r.finish() < 0) status = -REASON_MALFORMED;
  if (status < 0) return status;
  const w = peerMessage(M.MODULE_CLOSE, 3);
  status = writeAnswers(w);
  if (status >= 0) status = sendPeer();
  return status < 0 ? status : finish();
}

/** Responder: CLOSE. */
export function takeClose(r: Reader): i32 {
  let status = takeAnswers(r);
  if (status >= 0 && r.finish() < 0) status = -REASON_MALFORMED;
  return status < 0 ? status : finish();
}

function finish(): i32 {
  t.state = T.ENDED;
  let open: u64 = 0;
  for (let i: u32 = 0; i < <u32>PENDING_MAX; i++) {
    if (isMine(i) && (pendingState() == PENDING_DOUBT || isUnconfirmed())) open += 1;
  }
  const w = noticeBegin(M.NOTICE_SETTLED, 4);
  w.uint(committedTotal);
  w.uint(abortedTotal);
  w.uint(open);
  noticeEnd();
  return 0;
}

/** Loads record `i`; whether it is one with the peer of this session. */
function isMine(i: u32): bool {
  return pendingLoad(i) && equal(pendingPeer(), peerCertificate.id, ID_BYTES);
}

function isUnconfirmed(): bool {
  return pendingState() == PENDING_COMMITTED && (pendingFlags() & FLAG_CONFIRMED) == 0;
}

// What this end has open.

/** [[pay-id, key]...] committed and unconfirmed, [[pay-id, lock]...] in doubt. */
function writeOwnLists(w: Writer): i32 {
  w.array(count(PENDING_COMMITTED));
  for (let i: u32 = 0; i < <u32>PENDING_MAX; i++) {
    if (!isMine(i) || !isUnconfirmed()) continue;
    const status = pendingKey(key);
    if (status < 0) return status;
    pair(w, key);
    wipe(key, HASH_BYTES);
  }
  w.array(count(PENDING_DOUBT));
  for (let i: u32 = 0; i < <u32>PENDING_MAX; i++) {
    if (isMine(i) && pendingState() == PENDING_DOUBT) pair(w, pendingLock());
  }
  return 0;
}

function count(state: u32): u32 {
  let n: u32 = 0;
  for (let i: u32 = 0; i < <u32>PENDING_MAX; i++) {
    if (!isMine(i) || pendingState() != state) continue;
    if (state == PENDING_DOUBT || isUnconfirmed()) n += 1;
  }
  return n;
}

function pair(w: Writer, second: usize): void {
  w.array(2);
  w.bytes(pendingPayId(), HASH_BYTES);
  w.bytes(second, HASH_BYTES);
}

// What the other end has open.

/** Settles what it committed, by its keys; notes what it asks. */
function takeLists(r: Reader): i32 {
  settled = 0;
  const committed = r.array();
  if (committed > <u32>PENDING_MAX) return -REASON_MALFORMED;
  for (let i: u32 = 0; i < committed; i++) {
    r.arrayOf(2);
    const id = r.fixed(HASH_BYTES);
    const shown = r.fixed(HASH_BYTES);
    if (r.failed != 0) return -REASON_MALFORMED;
    const status = settleShown(id, shown);
    if (status < 0) return status;
    // No doubt about it here, whether we just settled it, did before, or never had it.
    if (status == 0) continue;
    memory.copy(SETTLED + settled * HASH_BYTES, id, HASH_BYTES);
    settled += 1;
  }
  asked = r.array();
  if (asked > <u32>PENDING_MAX) return -REASON_MALFORMED;
  for (let i: u32 = 0; i < asked; i++) {
    r.arrayOf(2);
    memory.copy(ASKED + i * 64, r.fixed(HASH_BYTES), HASH_BYTES);
    memory.copy(ASKED + i * 64 + 32, r.fixed(HASH_BYTES), HASH_BYTES);
  }
  return r.failed != 0 ? -REASON_MALFORMED : 0;
}

/** 1: this end has no doubt about it any more, 0: it has, and the key does not end it. */
function settleShown(id: usize, shown: usize): i32 {
  const index = pendingFind(id);
  if (index < 0 || pendingState() != PENDING_DOUBT) return 1;
  if (!equal(pendingPeer(), peerCertificate.id, ID_BYTES)) return 0;
  return keyFits(shown) ? settleAndTell(index, shown) : 0;
}

function settleAndTell(index: u32, shown: usize): i32 {
  const status = settlePayee(index, shown);
  if (status < 0) return status;
  committedTotal += 1;
  tellHost(M.NOTICE_RECEIVED);
  return 1;
}

/** [pay-id...] settled here, [[pay-id, key or null, signed aborted or null]...]. */
function writeAnswers(w: Writer): i32 {
  w.array(settled);
  for (let i: u32 = 0; i < settled; i++) w.bytes(SETTLED + i * HASH_BYTES, HASH_BYTES);
  w.array(asked);
  for (let i: u32 = 0; i < asked; i++) {
    const status = writeVerdict(w, ASKED + i * 64, ASKED + i * 64 + 32);
    if (status < 0) return status;
  }
  return 0;
}

/** Committed: the key. Offered: aborted now, and says so. No record: aborted. Anything else is not this peer's to know. */
function writeVerdict(w: Writer, id: usize, askedLock: usize): i32 {
  w.array(3);
  w.bytes(id, HASH_BYTES);
  const index = pendingFind(id);
  if (index < 0) return writeUnknown(w, id, askedLock);
  const mine = equal(pendingPeer(), peerCertificate.id, ID_BYTES);
  if (mine && pendingState() == PENDING_COMMITTED) {
    const status = pendingKey(key);
    if (status < 0) return status;
    w.bytes(key, HASH_BYTES);
    wipe(key, HASH_BYTES);
    w.nil();
    return 0;
  }
  if (mine && pendingState() == PENDING_OFFERED) {
    const status = abortOffer(index);
    return status < 0 ? status : writeAborted(w, id, askedLock);
  }
  w.nil();
  w.nil();
  return 0;
}

/**
 * No record: aborted, and signed so. Or long over: the payee had confirmed, and would like to have a false word for what it
 * was paid. The log knows, as far back as it goes.
 */
function writeUnknown(w: Writer, id: usize, askedLock: usize): i32 {
  const sent = logSays(M.LOG_SENT, id, M.OUTCOME_COMMITTED);
  if (sent < 0) return sent;
  if (sent == 0) return writeAborted(w, id, askedLock);
  w.nil();
  w.nil();
  return 0;
}

function writeAborted(w: Writer, id: usize, askedLock: usize): i32 {
  writer.begin(payload, 160);
  writer.array(5);
  writer.uint(ABORTED_VERSION);
  writer.bytes(id, HASH_BYTES);
  writer.bytes(elementId(), ID_BYTES);
  writer.bytes(peerCertificate.id, ID_BYTES);
  writer.bytes(askedLock, HASH_BYTES);
  let length = writer.finish();
  if (length >= 0) length = coseSign(SIGNED_ABORTED, SLOT_SIGNATURE, payload, length, signed, ABORTED_BYTES_MAX);
  if (length < 0) return length;
  w.nil();
  w.bytes(signed, length);
  return 0;
}

// What the other end says of what this end had open.

function takeAnswers(r: Reader): i32 {
  const confirmed = r.array();
  if (confirmed > <u32>PENDING_MAX) return -REASON_MALFORMED;
  for (let i: u32 = 0; i < confirmed; i++) {
    const index = pendingFind(r.fixed(HASH_BYTES));
    if (index < 0 || !isMine(index) || !isUnconfirmed()) continue;
    const status = confirm(index);
    if (status < 0) return status;
    committedTotal += 1;
  }
  const verdicts = r.array();
  if (verdicts > <u32>PENDING_MAX) return -REASON_MALFORMED;
  for (let i: u32 = 0; i < verdicts; i++) {
    const status = takeVerdict(r);
    if (status < 0) return status;
  }
  return r.failed != 0 ? -REASON_MALFORMED : 0;
}

function takeVerdict(r: Reader): i32 {
  r.arrayOf(3);
  const id = r.fixed(HASH_BYTES);
  const shown: usize = r.isNil() ? 0 : r.fixed(HASH_BYTES);
  let aborted: usize = 0;
  if (!r.isNil()) aborted = r.bytes(1, ABORTED_BYTES_MAX);
  const length = r.length;
  if (r.failed != 0) return -REASON_MALFORMED;
  const index = pendingFind(id);
  if (index < 0 || !isMine(index) || pendingState() != PENDING_DOUBT) return 0;
  if (shown != 0 && keyFits(shown)) return settleAndTell(index, shown);
  if (aborted == 0 || !isProof(aborted, length, id)) return 0;
  const status = dropDoubt(index);
  if (status < 0) return status;
  abortedTotal += 1;
  const w = noticeBegin(M.NOTICE_VOID, 2);
  w.bytes(pendingPayId(), HASH_BYTES);
  noticeEnd();
  return 0;
}

/** The payer's signed word over pay-id, both ids, and the lock recorded here. The loaded record is the one in doubt. */
function isProof(aborted: usize, length: u32, id: usize): bool {
  if (coseVerify(SIGNED_ABORTED, aborted, length, peerCertificate.signatureKey) < 0) return false;
  inside.begin(cosePayload(aborted, length), cosePayloadLength());
  inside.arrayOf(5);
  if (inside.uint() != ABORTED_VERSION) return false;
  const named = equal(inside.fixed(HASH_BYTES), id, HASH_BYTES);
  const payer = equal(inside.fixed(ID_BYTES), peerCertificate.id, ID_BYTES);
  const payee = equal(inside.fixed(ID_BYTES), elementId(), ID_BYTES);
  const locked = equal(inside.fixed(HASH_BYTES), pendingLock(), HASH_BYTES);
  return inside.finish() == 0 && named && payer && payee && locked;
}
