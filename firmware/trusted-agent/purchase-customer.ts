/**
 * Purchase or sale of electronic money (WO 96/41315 fig. 7), the customer's agent A: from the amount (714) to the
 * acknowledged receipt (790). What follows the card network's answer is in payment.ts.
 */

import { HASH_BYTES } from "../platform/constants";
import { clockNow } from "../lib/clock";
import { noticeBegin, noticeEnd } from "../lib/envelope";
import { Writer } from "../lib/cbor";
import { elementId } from "../lib/identity";
import { equal } from "../lib/memory";
import { storeAbort, storeBegin, storeCommit, storeFreeBytes } from "../lib/store";
import { CLOCK_SKEW_SECONDS_MAX, ID_BYTES, TEXT_BYTES_MAX } from "../protocol/limits";
import {
  AGENT_AMOUNT,
  AGENT_CARD,
  AGENT_RECEIPT_ACKNOWLEDGE,
  NOTICE_CARDS,
  NOTICE_CONFIRM_RECEIPT,
  TICKET_RECEIPT,
} from "../protocol/messages";
import { REASON_AMOUNT_ZERO, REASON_NOT_FOUND, REASON_RECEIPT_INVALID, REASON_STORE_FULL } from "../protocol/reasons";
import { takeTicket, validate } from "./check-credential";
import { accept, compose, composeBare, incoming, incomingEnd, incomingSmall, sendToPeer } from "./messages";
import {
  live,
  PENDING_BYTES,
  pendingDraft,
  pendingFreeSlot,
  pendingOpened,
  pendingPut,
  pendingSetParties,
} from "./pending";
import { CURRENCY_MAX, EXPONENT_MAX, receiptMatches, receiptRead, receiptWriteRest } from "./receipt";
import {
  STATE_AUTHORIZATION,
  STATE_CARD_REQUEST,
  STATE_CHOOSE,
  STATE_CONFIRM_RECEIPT,
  STATE_RECEIPT,
  stateSet,
} from "./states";
import { accountMask, Card, cardRead, Ticket, ticketExpiry, ticketHash, ticketIssuerId, ticketIsCard } from "./ticket";
import {
  HELD_GOOD,
  HELD_PROVISIONAL,
  HOLDER_INDEXES,
  HOLDER_RESERVE_BYTES,
  HOLDER_RESERVE_RECORDS,
  heldState,
  heldType,
  holderFree,
  holderPut,
  holderRead,
} from "./ticket-holder";
import {
  card,
  cardKeep,
  MERCHANT_NAME,
  PEER_ID,
  receipt,
  RECEIPT_HASH,
  receiptUseCard,
  SESSION,
  TICKET,
  ticket,
  transaction,
} from "./transaction";

/** What a transaction may still need of the store when its receipt is stored, to be concluded in any case. */
export const STORE_MARGIN_BYTES: u32 = 4096;

const chosen = changetype<Card>(memory.data(offsetof<Card>(), 8));
const masked: usize = memory.data(TEXT_BYTES_MAX, 8);

/** COMMAND_AMOUNT_WANTED (716-718). */
export function amountWanted(): i32 {
  const amount = incoming.amount();
  const currency = incomingSmall(CURRENCY_MAX);
  const exponent = incomingSmall(EXPONENT_MAX);
  const result = incomingEnd(4);
  if (result < 0) return result;
  if (amount == 0) return -REASON_AMOUNT_ZERO;
  accept();
  transaction.amount = amount;
  transaction.currency = currency;
  transaction.exponent = exponent;
  const w = compose(AGENT_AMOUNT, 5);
  w.uint(transaction.type);
  w.uint(amount);
  w.uint(currency);
  w.uint(exponent);
  stateSet(STATE_CARD_REQUEST);
  return sendToPeer();
}

/** AGENT_REQUEST_CARD (752-754): the owner chooses among the cards that are valid now. */
export function cardRequested(): i32 {
  const result = incomingEnd(1);
  if (result < 0) return result;
  let count: u32 = 0;
  for (let index: i32 = 0; index < HOLDER_INDEXES; index++) {
    if (isUsableCard(index)) count += 1;
  }
  if (count == 0) return -REASON_NOT_FOUND;
  const w = noticeBegin(NOTICE_CARDS, 2);
  w.array(count);
  for (let index: i32 = 0; index < HOLDER_INDEXES; index++) {
    if (isUsableCard(index)) writeCard(w, index);
  }
  noticeEnd();
  stateSet(STATE_CHOOSE);
  return 0;
}

/** A valid card is then in `ticket` and `chosen`. */
function isUsableCard(index: i32): bool {
  if (heldState(index) != HELD_GOOD || !ticketIsCard(heldType(index))) return false;
  return holderRead(index, ticket) == 0 && ticketExpiry(ticket, clockNow()) == 0 && cardRead(ticket, chosen) == 0;
}

function writeCard(w: Writer, index: i32): void {
  w.array(5);
  w.uint(index);
  w.uint(ticket.type);
  w.text(chosen.bank, chosen.bankLength);
  accountMask(chosen.account, chosen.accountLength, masked);
  w.text(masked, chosen.accountLength);
  w.uint(chosen.expiry);
}

/** COMMAND_CHOOSE (756-760). */
export function cardChosen(): i32 {
  const index = incomingSmall(255);
  const result = incomingEnd(2);
  if (result < 0) return result;
  if (<i32>index >= HOLDER_INDEXES || !isUsableCard(index)) return -REASON_NOT_FOUND;
  accept();
  cardKeep(chosen);
  compose(AGENT_CARD, 2).bytes(ticket.start, ticket.length);
  stateSet(STATE_RECEIPT);
  return sendToPeer();
}

/** AGENT_RECEIPT (774-780): it must say what was agreed, and be the confirmed merchant's. */
export function takeReceipt(): i32 {
  let result = takeTicket();
  if (result == 0 && ticket.type != TICKET_RECEIPT) result = -REASON_RECEIPT_INVALID;
  if (result == 0) result = validate(ticket, elementId());
  if (result == 0 && !isFromMerchant(ticket)) result = -REASON_RECEIPT_INVALID;
  if (result == 0) result = receiptRead(ticket, receipt);
  if (result == 0 && !equal(receipt.session, SESSION, HASH_BYTES)) result = -REASON_RECEIPT_INVALID;
  if (result == 0 && !isAsAgreed()) result = -REASON_RECEIPT_INVALID;
  if (result == 0) result = ticketHash(ticket, RECEIPT_HASH);
  if (result < 0) return result;
  receiptUseCard();
  memory.copy(TICKET, ticket.start, ticket.length);
  transaction.ticketLength = ticket.length;
  noticeReceipt();
  stateSet(STATE_CONFIRM_RECEIPT);
  return 0;
}

/** Issued by the agent in the session, in the name that its owner was shown. */
function isFromMerchant(subject: Ticket): bool {
  return (
    equal(ticketIssuerId(), PEER_ID, ID_BYTES) &&
    subject.issuerNameLength == transaction.merchantNameLength &&
    equal(subject.issuerName, MERCHANT_NAME, subject.issuerNameLength) &&
    subject.issuerExpiry == transaction.merchantExpiry
  );
}

function isAsAgreed(): bool {
  const t = transaction;
  const now = clockNow();
  const apart = receipt.date > now ? receipt.date - now : now - receipt.date;
  return (
    apart <= <u64>CLOCK_SKEW_SECONDS_MAX && receiptMatches(receipt, t.type, t.amount, t.currency, t.exponent, card)
  );
}

/** To the owner (780): all fields, the account number masked. */
function noticeReceipt(): void {
  const w = noticeBegin(NOTICE_CONFIRM_RECEIPT, 2);
  w.array(13);
  w.text(receipt.bank, receipt.bankLength);
  accountMask(receipt.account, receipt.accountLength, masked);
  w.text(masked, receipt.accountLength);
  receiptWriteRest(receipt, w);
  noticeEnd();
}

/** The owner said yes (784-790): the receipt is held provisionally, then acknowledged. */
export function receiptConfirmed(): i32 {
  const result = storeReceipt();
  if (result < 0) return result;
  composeBare(AGENT_RECEIPT_ACKNOWLEDGE);
  stateSet(STATE_AUTHORIZATION);
  return sendToPeer();
}

function storeReceipt(): i32 {
  const slot = pendingFreeSlot();
  if (slot < 0) return slot;
  const index = holderFree();
  if (index < 0) return index;
  if (storeFreeBytes() < STORE_MARGIN_BYTES) return -REASON_STORE_FULL;
  pendingDraft(receipt.type, receipt.amount, receipt.currency, receipt.exponent, clockNow());
  pendingSetParties(PEER_ID, SESSION, RECEIPT_HASH);
  live.ticket = <u8>(index + 1);
  let status = storeBegin(PENDING_BYTES + HOLDER_RESERVE_BYTES, 1 + HOLDER_RESERVE_RECORDS);
  if (status >= 0) status = pendingPut(slot, live);
  if (status >= 0) {
    status = holderPut(index, TICKET_RECEIPT, HELD_PROVISIONAL, receipt.date, TICKET, transaction.ticketLength);
  }
  if (status < 0) storeAbort();
  if (status >= 0) status = storeCommit();
  if (status < 0) return status;
  pendingOpened(slot);
  return 0;
}
