/**
 * Purchase or sale of electronic money (WO 96/41315 fig. 7), the merchant's agent B: from the amount (720) to the card
 * network's answer (815). What follows it is in payment.ts.
 */

import { HASH_BYTES } from "../platform/constants";
import { Writer } from "../lib/cbor";
import { clockNow } from "../lib/clock";
import { noticeBegin, noticeEnd } from "../lib/envelope";
import { peerCertificate } from "../lib/establish";
import { elementChain, elementChainLength, elementId } from "../lib/identity";
import { SLOT_SIGNATURE } from "../lib/slots";
import { storeFreeBytes } from "../lib/store";
import { ID_BYTES, TEXT_BYTES_MAX, TICKET_BYTES_MAX } from "../protocol/limits";
import {
  AGENT_RECEIPT,
  AGENT_REQUEST_CARD,
  LINK_FUNDS,
  NOTICE_AUTHORIZE,
  NOTICE_FUNDS,
  NOTICE_TERMS,
  TICKET_MERCHANT_CREDENTIAL,
  TICKET_RECEIPT,
  TYPE_PURCHASE,
  TYPE_SALE,
} from "../protocol/messages";
import { REASON_STORE_FULL, REASON_WRONG_AMOUNT } from "../protocol/reasons";
import { acknowledgeAll } from "./acknowledge";
import { credential, ownCredential, takeTicket, validate } from "./check-credential";
import {
  accept,
  askForLink,
  compose,
  composeBare,
  incoming,
  incomingEnd,
  incomingSmall,
  sendToModule,
  sendToPeer,
} from "./messages";
import { live, pendingDraft, pendingFreeSlot, pendingOpened, pendingRewrite, pendingSetParties } from "./pending";
import { STORE_MARGIN_BYTES } from "./purchase-customer";
import { CURRENCY_MAX, EXPONENT_MAX, receiptAuthorize, receiptWrite } from "./receipt";
import {
  STATE_AUTHORIZE,
  STATE_CARD,
  STATE_FUNDING,
  STATE_FUNDS_ANSWER,
  STATE_FUNDS_LINK,
  STATE_RECEIPT_ACKNOWLEDGE,
  STATE_TERMS,
  stateSet,
} from "./states";
import {
  accountMask,
  Card,
  cardRead,
  COMPONENTS_BYTES_MAX,
  TicketDraft,
  ticketCreate,
  ticketHash,
  ticketRead,
} from "./ticket";
import {
  card,
  cardKeep,
  PEER_ID,
  receipt,
  RECEIPT_HASH,
  receiptUseCard,
  SESSION,
  TICKET,
  ticket,
  transaction,
} from "./transaction";

const shown = changetype<Card>(memory.data(offsetof<Card>(), 8));
const draft = changetype<TicketDraft>(memory.data(offsetof<TicketDraft>(), 8));
const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 4));
const components: usize = memory.data(COMPONENTS_BYTES_MAX, 8);
const masked: usize = memory.data(TEXT_BYTES_MAX, 8);

/** AGENT_AMOUNT (720-724): a merchant that shall pay asks its module for funds first. */
export function takeAmount(): i32 {
  const type = incomingSmall(TYPE_SALE);
  const amount = incoming.amount();
  const currency = incomingSmall(CURRENCY_MAX);
  const exponent = incomingSmall(EXPONENT_MAX);
  const result = incomingEnd(5);
  if (result < 0) return result;
  if (type == 0 || amount == 0) return -REASON_WRONG_AMOUNT;
  transaction.type = type;
  transaction.amount = amount;
  transaction.currency = currency;
  transaction.exponent = exponent;
  return type == TYPE_PURCHASE ? askForFunds() : requestCard();
}

function askForFunds(): i32 {
  stateSet(STATE_FUNDS_LINK);
  return askForLink();
}

/** The link is open (724). */
export function sendFunds(): i32 {
  const status = acknowledgeAll();
  if (status < 0) return status;
  const w = compose(LINK_FUNDS, 4);
  writeMoney(w);
  stateSet(STATE_FUNDS_ANSWER);
  return sendToModule();
}

function writeMoney(w: Writer): void {
  w.uint(transaction.amount);
  w.uint(transaction.currency);
  w.uint(transaction.exponent);
}

/** LINK_FUNDS_ANSWER (726-728). */
export function takeFundsAnswer(): i32 {
  const sufficient = incoming.bool();
  const result = incomingEnd(2);
  if (result < 0) return result;
  if (sufficient) return requestCard();
  const w = noticeBegin(NOTICE_FUNDS, 4);
  writeMoney(w);
  noticeEnd();
  stateSet(STATE_FUNDING);
  return 0;
}

/** COMMAND_FUNDED (738, 748): the module is asked again; a host's word is not money. */
export function funded(): i32 {
  const result = incomingEnd(1);
  if (result < 0) return result;
  accept();
  return askForFunds();
}

/** 750. */
function requestCard(): i32 {
  composeBare(AGENT_REQUEST_CARD);
  stateSet(STATE_CARD);
  return sendToPeer();
}

/** AGENT_CARD (764-766); the host says on which terms. */
export function takeCard(): i32 {
  let result = takeTicket();
  if (result == 0) result = validate(ticket, PEER_ID);
  if (result == 0) result = cardRead(ticket, shown);
  if (result < 0) return result;
  cardKeep(shown);
  const w = noticeBegin(NOTICE_TERMS, 7);
  w.uint(transaction.type);
  writeMoney(w);
  w.text(card.bank, card.bankLength);
  accountMask(card.account, card.accountLength, masked);
  w.text(masked, card.accountLength);
  noticeEnd();
  stateSet(STATE_TERMS);
  return 0;
}

/** COMMAND_TERMS (768-772): Ticket Holder B makes the receipt. Terms that do not fit are refused, nothing is lost. */
export function takeTerms(): i32 {
  let result = readTerms();
  if (result < 0) return result;
  result = makeReceipt();
  if (result < 0) return result;
  accept();
  compose(AGENT_RECEIPT, 2).bytes(TICKET, transaction.ticketLength);
  stateSet(STATE_RECEIPT_ACKNOWLEDGE);
  return sendToPeer();
}

function readTerms(): i32 {
  receipt.fee = incoming.amount();
  receipt.accountCurrency = incomingSmall(CURRENCY_MAX);
  receipt.accountExponent = incomingSmall(EXPONENT_MAX);
  receipt.rateNumerator = incomingSmall(u32.MAX_VALUE);
  receipt.rateDenominator = incomingSmall(u32.MAX_VALUE);
  const result = incomingEnd(6);
  if (result < 0) return result;
  receipt.type = transaction.type;
  receipt.amount = transaction.amount;
  receipt.currency = transaction.currency;
  receipt.exponent = transaction.exponent;
  receipt.date = clockNow();
  receiptUseCard();
  return receiptAuthorize(receipt);
}

/** The receipt as a ticket into TICKET, its hash into RECEIPT_HASH. */
function makeReceipt(): i32 {
  let result = ownCredential(TICKET_MERCHANT_CREDENTIAL);
  if (result < 0) return result;
  writer.begin(components, COMPONENTS_BYTES_MAX);
  receiptWrite(receipt, writer);
  const length = writer.finish();
  if (length < 0) return length;
  draft.type = TICKET_RECEIPT;
  draft.issuerName = credential.name;
  draft.issuerNameLength = credential.nameLength;
  draft.issuerExpiry = credential.expiry;
  draft.issuerId = elementId();
  draft.receiver = PEER_ID;
  draft.receiverExpiry = peerCertificate.expiry;
  draft.components = components;
  draft.componentsLength = length;
  draft.chain = elementChain();
  draft.chainLength = elementChainLength();
  draft.slot = SLOT_SIGNATURE;
  draft.date = receipt.date;
  const made = ticketCreate(draft, TICKET, TICKET_BYTES_MAX);
  if (made < 0) return made;
  transaction.ticketLength = made;
  result = ticketRead(TICKET, made, ticket);
  return result < 0 ? result : ticketHash(ticket, RECEIPT_HASH);
}

/** AGENT_RECEIPT_ACKNOWLEDGE (792-796, 810): what the network is asked is stored before it can be asked. */
export function receiptAcknowledged(): i32 {
  const result = incomingEnd(1);
  if (result < 0) return result;
  const slot = pendingFreeSlot();
  if (slot < 0) return slot;
  if (storeFreeBytes() < STORE_MARGIN_BYTES) return -REASON_STORE_FULL;
  pendingDraft(receipt.type, receipt.amount, receipt.currency, receipt.exponent, clockNow());
  pendingSetParties(PEER_ID, SESSION, RECEIPT_HASH);
  const status = pendingRewrite(slot, live);
  if (status < 0) return status;
  pendingOpened(slot);
  noticeAuthorize();
  stateSet(STATE_AUTHORIZE);
  return 0;
}

/** The one notice that tells a host an account number: its message to the card network needs it. */
function noticeAuthorize(): void {
  const w = noticeBegin(NOTICE_AUTHORIZE, 11);
  w.uint(receipt.type);
  w.text(receipt.bank, receipt.bankLength);
  w.text(receipt.account, receipt.accountLength);
  w.uint(receipt.authorization);
  w.uint(receipt.accountCurrency);
  w.uint(receipt.accountExponent);
  w.bytes(RECEIPT_HASH, HASH_BYTES);
  w.bytes(PEER_ID, ID_BYTES);
  w.bytes(elementId(), ID_BYTES);
  w.uint(card.expiry);
  noticeEnd();
}
