/**
 * The own trusted agent's messages, under the link's key (WO 96/41315 fig. 12: 538-544, 562-566, 604-616, 584-588; fig. 17).
 * Functions answer 0, or the negative reason for which the transaction must be aborted.
 */

import { HASH_BYTES } from "../platform/constants";
import { PURPOSE_TRANSACTION } from "../protocol/kinds";
import { ENVELOPE_BYTES_MAX } from "../protocol/limits";
import * as M from "../protocol/messages";
import { REASON_CANCELLED, REASON_MALFORMED, REASON_UNEXPECTED } from "../protocol/reasons";
import { Reader } from "../lib/cbor";
import { outboxClear } from "../lib/envelope";
import { establishEnd, establishExpect, establishStart, establishTell } from "../lib/establish";
import { linkEpoch } from "../lib/link";
import { equal } from "../lib/memory";
import { abortOffer, abortTransaction } from "./abort";
import { acknowledge } from "./commit";
import { innerTake } from "./module";
import { consent, dissent, takeAmount } from "./payment";
import { fundsFor } from "./funds";
import { taintUpdate } from "./taint";
import { PENDING_DOUBT, PENDING_OFFERED, pendingFind, pendingState } from "./pending";
import { agentMessage, handshakeRoom, sendAgent, sendHandshake } from "./routing";
import { limitCheck } from "./spending-limits";
import * as T from "./transaction";
import { t } from "./transaction";

const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

export function agentTake(plain: usize, length: u32): i32 {
  reader.begin(plain, length);
  const items = reader.array();
  const number = reader.number();
  if (reader.failed != 0 || items == 0) return -REASON_MALFORMED;
  switch (number) {
    case M.LINK_FUNDS:
      return items == 4 ? funds() : -REASON_MALFORMED;
    case M.LINK_PAYMENT:
      return items == 6 ? payment() : -REASON_MALFORMED;
    case M.LINK_INNER:
      return items == 2 ? inner() : -REASON_MALFORMED;
    case M.LINK_AMOUNT:
      return items == 4 ? amount() : -REASON_MALFORMED;
    case M.LINK_CORRECT:
    case M.LINK_INCORRECT:
      return items == 1 && reader.finish() == 0 ? word(number) : -REASON_MALFORMED;
    case M.LINK_ACKNOWLEDGE:
    case M.LINK_QUERY:
      return items == 2 ? outcome(number) : -REASON_MALFORMED;
    case M.LINK_ABORT:
      return items == 2 ? abort() : -REASON_MALFORMED;
    default:
      return -REASON_MALFORMED;
  }
}

/** Fig. 7, 724-726: are there sufficient funds? */
function funds(): i32 {
  const sum = reader.uint();
  const currency = reader.uint();
  const exponent = reader.uint();
  if (reader.finish() < 0 || !T.isFree()) return -REASON_MALFORMED;
  const known = currency <= 999 && exponent <= 9;
  // Above the owner's limit no refill helps: it ends here, before the card network is asked.
  const allowed = known ? limitCheck(sum, <u32>currency, <u32>exponent, false) : 0;
  if (allowed < 0) return sayAborted(-allowed);
  // The question has been read to its end, so that its buffer is free.
  taintUpdate();
  const enough = known && fundsFor(sum, <u32>currency, <u32>exponent, false) >= 0;
  agentMessage(M.LINK_FUNDS_ANSWER, 2).bool(enough);
  return sendAgent(false);
}

/** 538-544: Make Payment, Receive Payment; 546: the modules' session starts inside the agents'. */
function payment(): i32 {
  const r = reader.fixed(HASH_BYTES);
  const hash = reader.fixed(HASH_BYTES);
  const initiator = reader.bool();
  const payer = reader.bool();
  const bytes: usize = reader.isNil() ? 0 : reader.bytes(1, ENVELOPE_BYTES_MAX);
  const length = reader.length;
  if (reader.finish() < 0 || initiator != (bytes == 0)) return -REASON_MALFORMED;
  if (!T.isFree() || linkEpoch() != 0) return -REASON_UNEXPECTED;
  T.transactionClear();
  establishEnd();
  t.order = T.ORDER_AGENT;
  t.viaAgent = 1;
  t.payer = payer ? 1 : 0;
  memory.copy(T.agentR, r, HASH_BYTES);
  memory.copy(T.agentsHash, hash, HASH_BYTES);
  t.state = T.HANDSHAKE;
  if (!initiator) {
    const status = establishExpect(PURPOSE_TRANSACTION, T.agentsHash);
    return status < 0 ? status : innerTake(load<u8>(bytes), bytes + 1, length - 1);
  }
  establishTell(T.agentR);
  const first = establishStart(PURPOSE_TRANSACTION, T.agentsHash, handshakeRoom());
  return first < 0 ? first : sendHandshake(first);
}

/** From the module at the other end. */
function inner(): i32 {
  const bytes = reader.bytes(1, ENVELOPE_BYTES_MAX);
  const length = reader.length;
  if (reader.finish() < 0) return -REASON_MALFORMED;
  if (t.viaAgent == 0) return -REASON_UNEXPECTED;
  return innerTake(load<u8>(bytes), bytes + 1, length - 1);
}

/** 562-566: the amount to pay. */
function amount(): i32 {
  const sum = reader.uint();
  const currency = reader.uint();
  const exponent = reader.uint();
  if (reader.finish() < 0) return -REASON_MALFORMED;
  if (t.state != T.PROMPT || t.payer == 0 || linkEpoch() != 1) return -REASON_UNEXPECTED;
  return takeAmount(sum, currency, exponent);
}

/** 612-616: correct, or not. */
function word(number: i32): i32 {
  if (t.state != T.PROMPT || t.payer != 0 || linkEpoch() != 1) return -REASON_UNEXPECTED;
  return number == M.LINK_CORRECT ? consent() : dissent();
}

/** The agent has stored an outcome; or it asks for one, and gets it settled first. */
function outcome(number: i32): i32 {
  const id = reader.fixed(HASH_BYTES);
  if (reader.finish() < 0) return -REASON_MALFORMED;
  const index = pendingFind(id);
  if (number == M.LINK_ACKNOWLEDGE) return index < 0 ? 0 : acknowledge(index, true);
  const status = settleForReport(id, index);
  if (status < 0) return status;
  const w = agentMessage(M.LINK_ANSWER, 3);
  w.bytes(id, HASH_BYTES);
  w.uint(status);
  return sendAgent(false);
}

/** Before anything is reported: an offer is aborted, a live session of this pay-id is over. The outcome. */
function settleForReport(id: usize, index: i32): i32 {
  const live = !T.isFree() && equal(T.payId, id, HASH_BYTES);
  if (index >= 0 && pendingState() == PENDING_OFFERED) {
    const status = abortOffer(index);
    if (status < 0) return status;
    if (live) t.state = T.ENDED;
    return M.OUTCOME_ABORTED;
  }
  if (index >= 0) return pendingState() == PENDING_DOUBT ? M.OUTCOME_DOUBT : M.OUTCOME_COMMITTED;
  if (live) {
    const status = abortTransaction(REASON_CANCELLED, true);
    outboxClear();
    if (status < 0) return status;
  }
  return M.OUTCOME_ABORTED;
}

/** The agent aborts; what can no longer be aborted answers what it is instead. */
function abort(): i32 {
  const reason = reader.uint();
  if (reader.finish() < 0) return -REASON_MALFORMED;
  if (!T.isFree()) return abortTransaction(reason >= 100 && reason < 256 ? <i32>reason : REASON_CANCELLED, false);
  return sayAborted(reason);
}

/** Nothing is under way, and nothing will be. */
function sayAborted(reason: u64): i32 {
  const w = agentMessage(M.LINK_ABORTED, 4);
  w.nil();
  w.uint(reason);
  w.nil();
  return sendAgent(false);
}
