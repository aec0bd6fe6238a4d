/**
 * Money Module Payment (WO 96/41315 fig. 12, steps 546-626), both ends: from the open session to the agreed amount.
 * transfer-notes.ts and receive-notes.ts go on from there, commit.ts ends it.
 *
 * Functions answer 0, or the negative reason for which the transaction must be aborted; they say themselves what goes
 * out. A message that does not belong to the state never gets here (module.ts).
 */

import { HASH_BYTES } from "../platform/constants";
import { ROLE_GENERATOR, ROLE_TELLER } from "../protocol/kinds";
import * as M from "../protocol/messages";
import {
  REASON_MALFORMED,
  REASON_NOT_PERMITTED,
  REASON_UNEXPECTED,
  REASON_WRONG_AMOUNT,
  REASON_WRONG_ROLE,
} from "../protocol/reasons";
import { Reader, Writer } from "../lib/cbor";
import { clockNow } from "../lib/clock";
import { noticeBegin, noticeEnd, notice } from "../lib/envelope";
import { isInitiator, peerCertificate } from "../lib/establish";
import { elementRole } from "../lib/identity";
import { linkChangeKey } from "../lib/link";
import { peerAgentR } from "../lib/establish";
import { agentMessage, peerMessage, sealMessage, sendAgent, sendPeer } from "./routing";
import * as T from "./transaction";
import { t } from "./transaction";
import { amountCheck, readTerms, setAmount, writeTerms } from "./terms";
import { fundsCheck } from "./funds";
import { namedStill } from "./named-notes";
import { offer } from "./transfer-notes";

const hash = memory.data(32, 8);

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
  // The memo is the payee's now.
  t.order = T.ORDER_PAY_REQUESTED;
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
  if (t.order == T.ORDER_PAY_NOTES) return proposeNamed();
  if (t.order != T.ORDER_WITHDRAW) return -REASON_UNEXPECTED;
  t.state = T.RECEIVING;
  writeTerms(peerMessage(M.MODULE_REQUEST, 5));
  return sendPeer();
}

/** Named notes are for a teller: a subscriber would have to take what it could not pass on. */
function proposeNamed(): i32 {
  if (peerCertificate.role != ROLE_TELLER) return -REASON_WRONG_ROLE;
  const status = namedStill();
  return status < 0 ? status : propose();
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
  // What a generator took it could never give away again.
  if (elementRole() == ROLE_GENERATOR) return -REASON_NOT_PERMITTED;
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
  // Nor can named notes be worth anything else.
  if (t.viaAgent != 0 || t.order == T.ORDER_PAY_NOTES) return -REASON_WRONG_AMOUNT;
  t.state = T.NEW_AMOUNT;
  notice(M.NOTICE_NEW_AMOUNT);
  return 0;
}
