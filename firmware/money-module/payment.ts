/**
 * Money Module Payment (WO 96/41315 fig. 12, steps 558-632), both ends, and Transfer Notes (fig. 20).
 *
 * Functions answer 0, or the negative reason for which the transaction must be aborted; they say themselves what goes
 * out. A message that does not belong to the state never gets here (module.ts).
 */

import { HASH_BYTES } from "../platform/constants";
import { sha256 } from "../platform/imports";
import { ROLE_GENERATOR, ROLE_TELLER, ROLE_TRANSACTION } from "../protocol/kinds";
import { HOPS_MAX, MEMO_BYTES_MAX, NOTE_BYTES_MAX, PACKET_NOTES_MAX, WALLET_NOTES_MAX } from "../protocol/limits";
import * as M from "../protocol/messages";
import {
  REASON_AMOUNT_TOO_LARGE,
  REASON_AMOUNT_ZERO,
  REASON_DUPLICATE,
  REASON_MALFORMED,
  REASON_NOTE_INVALID,
  REASON_NOT_PERMITTED,
  REASON_TOO_MANY_NOTES,
  REASON_UNEXPECTED,
  REASON_UNKNOWN_UNIT,
  REASON_WRONG_AMOUNT,
} from "../protocol/reasons";
import { Reader, Writer } from "../lib/cbor";
import { clockNow } from "../lib/clock";
import { noticeBegin, noticeEnd, notice } from "../lib/envelope";
import { isInitiator, peerCertificate } from "../lib/establish";
import { elementRole } from "../lib/identity";
import { IO } from "../lib/io";
import { equal, wipe } from "../lib/memory";
import { linkChangeKey } from "../lib/link";
import { peerAgentR } from "../lib/establish";
import { candidate, chooseNotes } from "./note-choice";
import { composeFresh, composeHeld, NewTransfer } from "./note-compose";
import { lastTransfer, noteRead, view } from "./note";
import { BODY, issueBody, issuedRoom } from "./note-issue";
import {
  directoryFree,
  noteBytes,
  noteKey,
  notePut,
  noteRecords,
  noteStoreBytes,
  NOTE_SPENDABLE,
  place,
  placeLoad,
} from "./note-directory";
import { treeCheck } from "./note-tree";
import { noteVerify } from "./note-verify";
import {
  counterLoad,
  counterPut,
  FLAG_ACKNOWLEDGED,
  PENDING_BYTES_MAX,
  PENDING_DOUBT,
  PENDING_OFFERED,
  pendingAddItem,
  pendingFirstCounter,
  pendingFree,
  pendingItemPart,
  pendingItemPlace,
  pendingItems,
  pendingKey,
  pendingLoad,
  pendingNew,
  pendingPeer,
  pendingPut,
  pendingSetFlag,
  pendingSetLock,
  pendingSetMemo,
  pendingLock,
} from "./pending";
import { agentMessage, peerMessage, peerMessageLarge, sealMessage, sendAgent, sendPeer } from "./routing";
import { reserve } from "./space";
import { storeCommit } from "../lib/store";
import * as T from "./transaction";
import { t } from "./transaction";

/** Place of a note that a generator makes: it has none. */
export const PLACE_FRESH: u32 = 255;
const SECONDS_A_DAY: u64 = 86400;

const next = changetype<NewTransfer>(memory.data(offsetof<NewTransfer>(), 8));
const key = memory.data(32, 8);
const hash = memory.data(32, 8);

/** How many notes the last choice was made from. */
let candidates: u32 = 0;

// Amounts.

/** An amount that can be paid at all: 0, or why not. */
export function amountCheck(amount: u64, currency: u64, exponent: u64): i32 {
  if (amount == 0) return -REASON_AMOUNT_ZERO;
  if (amount >> 63 != 0) return -REASON_AMOUNT_TOO_LARGE;
  return currency == 0 || currency > 999 || exponent > 9 ? -REASON_UNKNOWN_UNIT : 0;
}

/** Reads amount, unit and memo into the transaction. */
export function readTerms(r: Reader): i32 {
  const amount = r.uint();
  const currency = r.uint();
  const exponent = r.uint();
  let length: u32 = 0;
  let bytes: usize = 0;
  if (!r.isNil()) {
    bytes = r.bytes(0, MEMO_BYTES_MAX);
    length = r.length;
  }
  if (r.failed != 0) return -REASON_MALFORMED;
  const status = amountCheck(amount, currency, exponent);
  if (status < 0) return status;
  setAmount(amount, <u32>currency, <u32>exponent);
  T.setMemo(bytes, length);
  return 0;
}

export function setAmount(amount: u64, currency: u32, exponent: u32): void {
  t.amount = amount;
  t.currency = currency;
  t.exponent = exponent;
}

/** Amount, unit and memo: four items of an array. */
export function writeTerms(w: Writer): void {
  w.uint(t.amount);
  w.uint(t.currency);
  w.uint(t.exponent);
  if (t.memoLength == 0) w.nil();
  else w.bytes(T.memo, t.memoLength);
}

/** Steps 568-570: fills the candidates and tries. The number of notes, or why it cannot be paid. */
export function fundsCheck(amount: u64, currency: u32, exponent: u32): i32 {
  if (elementRole() == ROLE_GENERATOR) return issuedRoom(currency, exponent, amount);
  let count: u32 = 0;
  candidates = 0;
  const now = clockNow();
  for (let i: u32 = 0; i < <u32>WALLET_NOTES_MAX; i++) {
    const p = place(i);
    if (p.state != NOTE_SPENDABLE || p.currency != currency || p.exponent != exponent) continue;
    // A note that is expired or cannot take another hop waits for a teller.
    if (!mayLeave(i, now)) continue;
    const c = candidate(count);
    c.residual = p.amount;
    c.hops = p.hops;
    c.days = p.expiry > now ? <u32>((p.expiry - now) / SECONDS_A_DAY) : 0;
    c.index = i;
    count += 1;
  }
  candidates = count;
  return chooseNotes(count, amount);
}

/** The transferee takes it: a subscriber below the hop limit and before expiry, a teller whatever fits the limits. */
function mayLeave(i: u32, now: u64): bool {
  const p = place(i);
  if (p.hops >= <u32>HOPS_MAX) return false;
  if (peerCertificate.role == ROLE_TELLER) return true;
  return p.expiry > now && p.hops + 1 < <u32>HOPS_MAX;
}

// The session is open.

/** Responder: message 3 was good. */
export function sessionOpenResponder(): i32 {
  if (t.viaAgent == 0) {
    if (t.order == T.ORDER_REQUEST) {
      t.state = T.RECEIVING;
      return sendAcknowledge(false, true);
    }
    t.state = T.LISTENING;
    return sendAcknowledge(false, false);
  }
  if (peerAgentR() == 0) return -REASON_MALFORMED;
  if (t.payer != 0) {
    // 558-560: the prompt for the amount; message 4 will carry the proposal.
    t.state = T.PROMPT;
    return sendReady(M.LINK_PROMPT_AMOUNT, false);
  }
  t.state = T.PROPOSAL;
  writeAcknowledge(false, false);
  const status = sealMessage();
  return status < 0 ? status : sendReady(M.LINK_PROMPT_NONE, true);
}

/** Initiator: message 4, [date, R, proposal, request] (steps 1556-1564, 552-556). */
export function takeAcknowledge(r: Reader): i32 {
  r.uint();
  const agentR: usize = r.isNil() ? 0 : r.fixed(HASH_BYTES);
  const proposed = !r.isNil();
  let status = proposed ? readTermsArray(r) : 0;
  if (status < 0) return status;
  const requested = !r.isNil();
  // The order's own amount, before a request would replace it.
  const amount = t.amount;
  const currency = t.currency;
  const exponent = t.exponent;
  if (requested) status = readTermsArray(r);
  if (status < 0) return status;
  if (r.finish() < 0 || (proposed && requested)) return -REASON_MALFORMED;
  if (t.viaAgent != 0) return requested || agentR == 0 ? -REASON_MALFORMED : agentSessionOpen(agentR, proposed);
  if (proposed || agentR != 0) return -REASON_MALFORMED;
  if (!requested) return ownOrder();
  if (t.order == T.ORDER_PAY_REQUESTED) return promptRequested();
  if (t.order != T.ORDER_PAY) return -REASON_UNEXPECTED;
  const same = amount == t.amount && currency == t.currency && exponent == t.exponent;
  return same ? offer() : -REASON_WRONG_AMOUNT;
}

function readTermsArray(r: Reader): i32 {
  r.arrayOf(4);
  return readTerms(r);
}

/** Initiator with an agent: both R are here now, so is the key TA/MM. */
function agentSessionOpen(peerR: usize, proposed: bool): i32 {
  memory.copy(hash, peerR, HASH_BYTES);
  if (t.payer != 0) {
    if (proposed) return -REASON_MALFORMED;
    t.state = T.PROMPT;
    return sendReadyWith(M.LINK_PROMPT_AMOUNT, false, hash);
  }
  if (!proposed) return -REASON_MALFORMED;
  t.state = T.PROMPT;
  return sendReadyWith(M.LINK_PROMPT_VERIFY, false, hash);
}

function sendReady(prompt: i32, withInner: bool): i32 {
  return sendReadyWith(prompt, withInner, peerAgentR());
}

/** LINK_READY is the last message under the pairing key; both ends change to TA/MM after it (534-536, 552-556). */
function sendReadyWith(prompt: i32, withInner: bool, peerR: usize): i32 {
  const w = agentMessage(M.LINK_READY, 7);
  w.bytes(T.payId, HASH_BYTES);
  w.uint(prompt);
  const tells = prompt == M.LINK_PROMPT_VERIFY;
  w.uint(tells ? t.amount : 0);
  w.uint(tells ? t.currency : 0);
  w.uint(tells ? t.exponent : 0);
  if (!withInner) w.nil();
  const status = sendAgent(withInner);
  return status < 0 ? status : linkChangeKey(T.agentR, peerR, T.agentsHash, T.payId);
}

/** Message 4 of the responder. */
function writeAcknowledge(proposes: bool, requests: bool): void {
  const w = peerMessage(M.MODULE_ACKNOWLEDGE, 5);
  w.uint(clockNow());
  if (t.viaAgent != 0) w.bytes(T.agentR, HASH_BYTES);
  else w.nil();
  writeOptional(w, proposes);
  writeOptional(w, requests);
}

function writeOptional(w: Writer, there: bool): void {
  if (!there) return w.nil();
  w.array(4);
  writeTerms(w);
}

function sendAcknowledge(proposes: bool, requests: bool): i32 {
  writeAcknowledge(proposes, requests);
  return sendPeer();
}

/** Outcome sessions acknowledge without anything else. */
export function sendBareAcknowledge(): i32 {
  return sendAcknowledge(false, false);
}

/** Initiator without agent: what its host ordered. */
function ownOrder(): i32 {
  if (t.order == T.ORDER_PAY) {
    const funds = fundsCheck(t.amount, t.currency, t.exponent);
    return funds < 0 ? funds : propose();
  }
  if (t.order != T.ORDER_WITHDRAW) return -REASON_UNEXPECTED;
  t.state = T.RECEIVING;
  writeTerms(peerMessage(M.MODULE_REQUEST, 5));
  return sendPeer();
}

// The amount (558-626).

/** Payer: 600-602. */
function propose(): i32 {
  t.state = T.PROPOSED;
  writeTerms(peerMessage(M.MODULE_PROPOSE, 5));
  return sendPeer();
}

/** Payer: the agent's amount (562-566), the host's new one (622); then funds (568-570) and the proposal. */
export function takeAmount(amount: u64, currency: u64, exponent: u64): i32 {
  let status = amountCheck(amount, currency, exponent);
  if (status < 0) return status;
  setAmount(amount, <u32>currency, <u32>exponent);
  status = fundsCheck(t.amount, t.currency, t.exponent);
  if (status < 0) return status;
  if (t.viaAgent == 0 || isInitiator()) return propose();
  t.state = T.PROPOSED;
  return sendAcknowledge(true, false);
}

/** Payee: the payer's proposal; 604-606. */
export function takeProposal(r: Reader): i32 {
  let status = readTerms(r);
  if (status < 0) return status;
  if (r.finish() < 0) return -REASON_MALFORMED;
  t.payer = 0;
  t.state = T.PROMPT;
  if (t.viaAgent == 0) {
    promptHost(M.NOTICE_VERIFY);
    return 0;
  }
  const w = agentMessage(M.LINK_VERIFY, 4);
  w.uint(t.amount);
  w.uint(t.currency);
  w.uint(t.exponent);
  status = sendAgent(false);
  return status;
}

/** Payer as responder (teller, generator): the initiator asks for money. */
export function takeRequest(r: Reader): i32 {
  const status = readTerms(r);
  if (status < 0) return status;
  if (r.finish() < 0) return -REASON_MALFORMED;
  const role = elementRole();
  if (role != ROLE_TELLER && role != ROLE_GENERATOR) return -REASON_NOT_PERMITTED;
  return promptRequested();
}

function promptRequested(): i32 {
  t.payer = 1;
  t.state = T.PROMPT;
  promptHost(M.NOTICE_REQUESTED);
  return 0;
}

function promptHost(number: i32): void {
  const w = noticeBegin(number, 6);
  w.bytes(peerCertificate.id, 16);
  writeTerms(w);
  noticeEnd();
}

/** Payee: agent or host says correct (612-616); 624-626. */
export function consent(): i32 {
  t.state = T.RECEIVING;
  peerMessage(M.MODULE_AMOUNT_CORRECT, 1);
  return sendPeer();
}

/** Payee: incorrect (618). */
export function dissent(): i32 {
  t.state = t.viaAgent != 0 ? T.PROPOSAL : T.LISTENING;
  peerMessage(M.MODULE_AMOUNT_INCORRECT, 1);
  return sendPeer();
}

/** Payer: the payee refused the amount. An agent in a purchase will not send a new one; an owner may. */
export function takeIncorrect(): i32 {
  if (t.viaAgent != 0) return -REASON_WRONG_AMOUNT;
  t.state = T.NEW_AMOUNT;
  notice(M.NOTICE_NEW_AMOUNT);
  return 0;
}

// Transfer Notes, the payer's side (fig. 20, 1566-1574).

/** Chooses the notes, stores the offer in one atomic write, sends the first note. */
export function offer(): i32 {
  const chosen = fundsCheck(t.amount, t.currency, t.exponent);
  if (chosen < 0) return chosen;
  const index = pendingFree();
  if (index < 0) return index;
  newRecord(PENDING_OFFERED);
  if (elementRole() == ROLE_GENERATOR) pendingAddItem(PLACE_FRESH, t.amount);
  else addChosen();
  return storeOffer(<u32>index);
}

/** Generator: the notes that its host wants, [value...], which must add up. */
export function offerFresh(r: Reader): i32 {
  const room = issuedRoom(t.currency, t.exponent, t.amount);
  if (room < 0) return room;
  const index = pendingFree();
  if (index < 0) return index;
  newRecord(PENDING_OFFERED);
  const count = r.array();
  if (count == 0 || count > <u32>PACKET_NOTES_MAX) return -REASON_TOO_MANY_NOTES;
  let sum: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const value = r.amount();
    if (value == 0 || value > t.amount - sum) return -REASON_WRONG_AMOUNT;
    sum += value;
    pendingAddItem(PLACE_FRESH, value);
  }
  if (r.finish() < 0) return -REASON_MALFORMED;
  return sum == t.amount ? storeOffer(<u32>index) : -REASON_WRONG_AMOUNT;
}

/** Without agent, and no bank behind this module, nobody beside it has to store the outcome. */
function newRecord(state: u32): void {
  pendingNew(state, T.payId, peerCertificate.id, t.currency, t.exponent, t.amount);
  pendingSetMemo(T.memo, t.memoLength);
  if (t.viaAgent == 0 && elementRole() == ROLE_TRANSACTION) pendingSetFlag(FLAG_ACKNOWLEDGED);
}

function addChosen(): void {
  for (let i: u32 = 0; i < candidates; i++) {
    const c = candidate(i);
    if (c.part != 0) pendingAddItem(c.index, c.part);
  }
}

function storeOffer(index: u32): i32 {
  let status = pendingKey(key);
  if (status >= 0) status = sha256(key, HASH_BYTES, T.lock, HASH_BYTES);
  wipe(key, HASH_BYTES);
  if (status < 0) return status;
  pendingSetLock(T.lock);
  const count = pendingItems();
  status = reserve(PENDING_BYTES_MAX + 16, 2);
  if (status >= 0) status = counterPut(count);
  if (status >= 0) status = pendingPut(index);
  if (status >= 0) status = storeCommit();
  if (status < 0) return status;
  counterLoad();
  t.payer = 1;
  t.pending = index;
  t.count = count;
  t.index = 0;
  t.state = T.SENDING;
  return sendNote();
}

/** One note a message. Its bytes are read into IO and the message is written in INBOUND. */
export function sendNote(): i32 {
  assert(t.state == T.SENDING && t.index < t.count);
  assert(pendingLoad(t.pending));
  next.transferee = pendingPeer();
  next.lock = pendingLock();
  next.counter = pendingFirstCounter() + t.index;
  next.amount = pendingItemPart(t.index);
  const at = pendingItemPlace(t.index);
  const status = at == PLACE_FRESH ? writeFresh() : writeHeld(at);
  return status < 0 ? status : sendPeer();
}

function noteMessage(): Writer {
  const w = peerMessageLarge(M.MODULE_NOTE, 4);
  w.uint(t.index);
  w.uint(t.count);
  return w;
}

function writeFresh(): i32 {
  const body = issueBody(next.counter, t.currency, t.exponent, next.amount);
  return body < 0 ? body : composeFresh(noteMessage(), BODY, body, next);
}

function writeHeld(at: u32): i32 {
  const length = noteBytes(at, IO);
  if (length < 0) return length;
  const read = noteRead(view, IO, length);
  assert(read == 0);
  let status = noteKey(at, key);
  if (status >= 0) status = composeHeld(noteMessage(), view, key, next);
  wipe(key, HASH_BYTES);
  return status;
}

/** Payer: NEXT index. */
export function takeNext(index: u64): i32 {
  if (index != t.index || t.index + 1 >= t.count) return -REASON_UNEXPECTED;
  t.index += 1;
  return sendNote();
}

// Transfer Notes, the payee's side (fig. 20, 1576-1608).

/** A note: index, count, bytes. Verified and kept provisionally; the last one puts all of them in doubt, then Ready. */
export function takeNote(r: Reader): i32 {
  const index = r.uint();
  const count = r.uint();
  const note = r.bytes(1, NOTE_BYTES_MAX);
  const length = r.length;
  if (r.finish() < 0) return -REASON_MALFORMED;
  if (count == 0 || count > <u64>PACKET_NOTES_MAX) return -REASON_TOO_MANY_NOTES;
  if (t.index == 0) t.count = <u32>count;
  if (index != t.index || count != t.count) return -REASON_UNEXPECTED;
  let status = noteRead(view, note, length);
  if (status == 0) status = packetCheck();
  if (status == 0) status = noteVerify(view, peerCertificate.id, t.currency, t.exponent);
  if (status == 0) status = treeCheck(view);
  return status < 0 ? status : keepNote(note, length);
}

/** What a note must be within its packet: one lock, rising counters, not more than was agreed. */
function packetCheck(): i32 {
  const last = lastTransfer(view);
  if (t.index == 0) memory.copy(T.lock, last.lock, HASH_BYTES);
  else if (!equal(T.lock, last.lock, HASH_BYTES)) return -REASON_NOTE_INVALID;
  if (t.index > 0 && last.counter <= t.lastCounter) return -REASON_DUPLICATE;
  t.lastCounter = last.counter;
  if (last.amount > t.amount - t.received) return -REASON_WRONG_AMOUNT;
  t.received += last.amount;
  const complete = t.index + 1 == t.count;
  return complete == (t.received == t.amount) ? 0 : -REASON_WRONG_AMOUNT;
}

function keepNote(note: usize, length: u32): i32 {
  const at = directoryFree();
  if (at < 0) return at;
  const complete = t.index + 1 == t.count;
  let status = complete ? newDoubt(<u32>at) : 0;
  if (status < 0) return status;
  status = reserve(noteStoreBytes(length) + (complete ? PENDING_BYTES_MAX : 0), noteRecords(length) + 1);
  if (status >= 0) status = notePut(<u32>at, view, lastTransfer(view).amount, note, length);
  if (status >= 0 && complete) status = pendingPut(t.pending);
  if (status >= 0) status = storeCommit();
  if (status >= 0) status = placeLoad(<u32>at);
  if (status < 0) return status;
  store<u8>(T.places + t.index, <u8>at);
  t.index += 1;
  if (!complete) {
    peerMessage(M.MODULE_NEXT, 2).uint(t.index - 1);
    return sendPeer();
  }
  // 1702-1704: from here on only the key or a proof that the payer aborted ends it.
  t.state = T.DOUBT;
  peerMessage(M.MODULE_READY, 1);
  return sendPeer();
}

function newDoubt(lastPlace: u32): i32 {
  const index = pendingFree();
  if (index < 0) return index;
  newRecord(PENDING_DOUBT);
  pendingSetLock(T.lock);
  for (let i: u32 = 0; i < t.index; i++) pendingAddItem(load<u8>(T.places + i), place(load<u8>(T.places + i)).amount);
  pendingAddItem(lastPlace, lastTransfer(view).amount);
  t.pending = index;
  return 0;
}
