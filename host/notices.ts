/** Notices of an element to its host, as values (firmware/protocol/messages.ts). */

import { SECONDS_BITS, TEXT_BYTES_MAX } from "../firmware/protocol/limits.js";
import * as m from "../firmware/protocol/messages.js";
import { type CborValue, decode } from "./codec/cbor.js";
import { CodecError } from "./codec/errors.js";
import { asArray, asBytes, Fields } from "./codec/read.js";
import type { Money, Unit } from "./units.js";

const HASH_BYTES = 32;
const BYTES_MAX = 8192;
const SECONDS_MAX = 2 ** SECONDS_BITS - 1;

export interface Transferred {
  readonly payId: Uint8Array;
  readonly peer: Uint8Array;
  readonly money: Money;
  readonly memo: Uint8Array | null;
}

export interface CardOffer {
  readonly index: number;
  /** TICKET_CREDIT_CARD or TICKET_DEBIT_CARD. */
  readonly type: number;
  readonly bankId: string;
  readonly maskedAccount: string;
  readonly expiry_seconds: number;
}

export interface ReceiptFields {
  readonly bankId: string;
  readonly account: string;
  /** TYPE_PURCHASE or TYPE_SALE. */
  readonly type: number;
  /** What the account is debited or credited. */
  readonly authorization: Money;
  /** Electronic money that moves. */
  readonly money: Money;
  readonly fee: bigint;
  readonly rateNumerator: bigint;
  readonly rateDenominator: bigint;
  readonly date_seconds: number;
}

export type Notice =
  | { readonly name: "done"; readonly payId: Uint8Array | null }
  | { readonly name: "aborted"; readonly reason: number; readonly byPeer: boolean; readonly session: Uint8Array | null }
  | { readonly name: "doubt"; readonly payId: Uint8Array; readonly peer: Uint8Array; readonly money: Money }
  | { readonly name: "settled"; readonly committed: number; readonly aborted: number; readonly open: number }
  /** The payer proved that it aborted; the notes in doubt were void and are gone. */
  | { readonly name: "void"; readonly payId: Uint8Array }
  | { readonly name: "paired"; readonly partner: Uint8Array }
  | { readonly name: "session"; readonly peer: Uint8Array; readonly role: number }
  | {
      readonly name: "verify" | "requested";
      readonly peer: Uint8Array;
      readonly money: Money;
      readonly memo: Uint8Array | null;
    }
  | { readonly name: "new-amount" }
  | ({ readonly name: "sent" | "received" } & Transferred)
  | {
      readonly name: "redeemable";
      readonly place: number;
      readonly noteId: Uint8Array;
      readonly money: Money;
      readonly note: Uint8Array;
      /** Key of the note's last record. */
      readonly key: Uint8Array;
    }
  | { readonly name: "redeemed"; readonly place: number; readonly noteId: Uint8Array }
  | { readonly name: "confirm-merchant"; readonly merchant: string; readonly expiry_seconds: number }
  | { readonly name: "amount" }
  | { readonly name: "funds"; readonly money: Money }
  | { readonly name: "cards"; readonly cards: readonly CardOffer[] }
  | {
      readonly name: "terms";
      readonly type: number;
      readonly money: Money;
      readonly bankId: string;
      readonly maskedAccount: string;
    }
  | { readonly name: "confirm-receipt"; readonly receipt: ReceiptFields }
  | {
      readonly name: "authorize";
      readonly type: number;
      readonly bankId: string;
      readonly account: string;
      readonly authorization: Money;
      readonly receiptHash: Uint8Array;
      readonly customer: Uint8Array;
      readonly merchant: Uint8Array;
      readonly cardExpiry_seconds: number;
    }
  | {
      readonly name: "outcome";
      readonly approvalHash: Uint8Array;
      readonly outcome: Uint8Array;
      readonly chain: Uint8Array;
    }
  | { readonly name: "grant"; readonly requester: Uint8Array; readonly role: number; readonly ticketType: number }
  | { readonly name: "acquired"; readonly ticketIndex: number; readonly ticketType: number }
  | {
      readonly name: "issued";
      readonly requester: Uint8Array;
      readonly ticketType: number;
      readonly ticketHash: Uint8Array;
    }
  | { readonly name: "provisional"; readonly payId: Uint8Array }
  /** A merchant's agent gave it up while its host asked the card network, and still has to be told what that said. */
  | { readonly name: "closed"; readonly receiptHash: Uint8Array };

export type NoticeName = Notice["name"];
export type NoticeOf<Name extends NoticeName> = Extract<Notice, { readonly name: Name }>;

/** Reads the body of an envelope of kind KIND_HOST; CodecError when it is none that an element sends. */
export function readNotice(body: Uint8Array): Notice {
  const fields = Fields.ofArray(decode(body), "notice");
  const number = fields.uint("number", 255);
  const read = READERS.get(number);
  if (read === undefined) throw new CodecError(`notice: number ${number} is not known`);
  const notice = read(fields);
  fields.end();
  return notice;
}

function readUnit(fields: Fields): Unit {
  return { currency: fields.uint("currency", 999), exponent: fields.uint("exponent", 255) };
}

function readMoney(fields: Fields): Money {
  const amount = fields.amount("amount");
  return { amount, unit: readUnit(fields) };
}

function readHash(fields: Fields, name: string): Uint8Array {
  return fields.bytes(name, HASH_BYTES);
}

function optionalBytes(fields: Fields, name: string, max: number): Uint8Array | null {
  return fields.optional(name, (value, where) => asBytes(value, where, 0, max));
}

function optionalHash(fields: Fields, name: string): Uint8Array | null {
  return fields.optional(name, (value, where) => asBytes(value, where, HASH_BYTES));
}

function readPrompt(fields: Fields) {
  return { peer: fields.id("peer id"), money: readMoney(fields), memo: optionalBytes(fields, "memo", 255) };
}

function readTransferred(fields: Fields): Transferred {
  return { payId: readHash(fields, "pay-id"), ...readPrompt(fields) };
}

function readCard(value: CborValue, name: string): CardOffer {
  const fields = Fields.ofArray(value, name, 5);
  return {
    index: fields.uint("index", 255),
    type: fields.uint("type", 255),
    bankId: fields.text("bank id", TEXT_BYTES_MAX),
    maskedAccount: fields.text("account", TEXT_BYTES_MAX),
    expiry_seconds: fields.uint("expiry", SECONDS_MAX),
  };
}

/** The components of a receipt, in the order of docs/PROTOCOLS.md. */
export function readReceipt(fields: Fields): ReceiptFields {
  const head = {
    bankId: fields.text("bank id", TEXT_BYTES_MAX),
    account: fields.text("account", TEXT_BYTES_MAX),
    type: fields.uint("type", 255),
    authorization: readMoney(fields),
    money: readMoney(fields),
    fee: fields.amount("fee"),
  };
  const rateNumerator = fields.amount("rate numerator");
  const rateDenominator = fields.amount("rate denominator");
  return { ...head, rateNumerator, rateDenominator, date_seconds: fields.uint("date", SECONDS_MAX) };
}

function readAuthorize(fields: Fields): Notice {
  const head = {
    type: fields.uint("type", 255),
    bankId: fields.text("bank id", TEXT_BYTES_MAX),
    account: fields.text("account", TEXT_BYTES_MAX),
    authorization: readMoney(fields),
  };
  const receiptHash = readHash(fields, "receipt hash");
  const customer = fields.id("customer id");
  const merchant = fields.id("merchant id");
  const cardExpiry_seconds = fields.uint("card expiry", SECONDS_MAX);
  return { name: "authorize", ...head, receiptHash, customer, merchant, cardExpiry_seconds };
}

function readTerms(fields: Fields): Notice {
  const type = fields.uint("type", 255);
  const money = readMoney(fields);
  const bankId = fields.text("bank id", TEXT_BYTES_MAX);
  return { name: "terms", type, money, bankId, maskedAccount: fields.text("account", TEXT_BYTES_MAX) };
}

function readAborted(fields: Fields): Notice {
  const reason = fields.uint("reason", 255);
  const byPeer = fields.bool("by peer");
  return { name: "aborted", reason, byPeer, session: optionalHash(fields, "session hash") };
}

function readSettled(fields: Fields): Notice {
  const committed = fields.uint("committed");
  const aborted = fields.uint("aborted");
  return { name: "settled", committed, aborted, open: fields.uint("left open") };
}

function readOutcome(fields: Fields): Notice {
  const approvalHash = readHash(fields, "approval hash");
  const outcome = fields.bytes("outcome", 1, BYTES_MAX);
  return { name: "outcome", approvalHash, outcome, chain: fields.bytes("chain", 1, BYTES_MAX) };
}

function readGrant(fields: Fields): Notice {
  const requester = fields.id("requester id");
  const role = fields.uint("role", 255);
  return { name: "grant", requester, role, ticketType: fields.uint("ticket type", 255) };
}

function readRedeemable(fields: Fields): Notice {
  const place = fields.uint("place", 255);
  const noteId = fields.id("note id");
  const money = readMoney(fields);
  const note = fields.bytes("note", 1, BYTES_MAX);
  return { name: "redeemable", place, noteId, money, note, key: fields.bytes("key", 0, HASH_BYTES) };
}

const READERS: ReadonlyMap<number, (fields: Fields) => Notice> = new Map<number, (fields: Fields) => Notice>([
  [m.NOTICE_DONE, (f) => ({ name: "done", payId: optionalHash(f, "pay-id") })],
  [m.NOTICE_ABORTED, readAborted],
  [
    m.NOTICE_DOUBT,
    (f) => ({ name: "doubt", payId: readHash(f, "pay-id"), peer: f.id("peer id"), money: readMoney(f) }),
  ],
  [m.NOTICE_SETTLED, readSettled],
  [m.NOTICE_PAIRED, (f) => ({ name: "paired", partner: f.id("partner id") })],
  [m.NOTICE_SESSION, (f) => ({ name: "session", peer: f.id("peer id"), role: f.uint("role", 255) })],
  [m.NOTICE_VOID, (f) => ({ name: "void", payId: readHash(f, "pay-id") })],
  [m.NOTICE_VERIFY, (f) => ({ name: "verify", ...readPrompt(f) })],
  [m.NOTICE_REQUESTED, (f) => ({ name: "requested", ...readPrompt(f) })],
  [m.NOTICE_NEW_AMOUNT, () => ({ name: "new-amount" })],
  [m.NOTICE_SENT, (f) => ({ name: "sent", ...readTransferred(f) })],
  [m.NOTICE_RECEIVED, (f) => ({ name: "received", ...readTransferred(f) })],
  [m.NOTICE_REDEEMABLE, readRedeemable],
  [m.NOTICE_REDEEMED, (f) => ({ name: "redeemed", place: f.uint("place", 255), noteId: f.id("note id") })],
  [
    m.NOTICE_CONFIRM_MERCHANT,
    (f) => ({ name: "confirm-merchant", merchant: f.text("name", 255), expiry_seconds: f.uint("expiry", SECONDS_MAX) }),
  ],
  [m.NOTICE_AMOUNT, () => ({ name: "amount" })],
  [m.NOTICE_FUNDS, (f) => ({ name: "funds", money: readMoney(f) })],
  [
    m.NOTICE_CARDS,
    (f) => ({ name: "cards", cards: asArray(f.value("cards"), "cards").map((c) => readCard(c, "card")) }),
  ],
  [m.NOTICE_TERMS, readTerms],
  [m.NOTICE_CONFIRM_RECEIPT, (f) => ({ name: "confirm-receipt", receipt: readReceipt(f.array("receipt")) })],
  [m.NOTICE_AUTHORIZE, readAuthorize],
  [m.NOTICE_OUTCOME, readOutcome],
  [m.NOTICE_GRANT, readGrant],
  [
    m.NOTICE_ACQUIRED,
    (f) => ({ name: "acquired", ticketIndex: f.uint("index", 255), ticketType: f.uint("type", 255) }),
  ],
  [
    m.NOTICE_ISSUED,
    (f) => ({
      name: "issued",
      requester: f.id("requester id"),
      ticketType: f.uint("type", 255),
      ticketHash: readHash(f, "ticket hash"),
    }),
  ],
  [m.NOTICE_CLOSED, (f) => ({ name: "closed", receiptHash: readHash(f, "receipt hash") })],
  [m.NOTICE_PROVISIONAL, (f) => ({ name: "provisional", payId: readHash(f, "pay-id") })],
]);
