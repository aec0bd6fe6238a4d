/**
 * The card messages as their sender and receiver think of them, to and from ISO 8583 fields.
 *
 * Processing code 000000 is the purchase of electronic money (a debit of the card), 200000 its sale (a credit).
 * Field 48 of a request is CBOR `[1, receipt hash, merchant's agent, customer's agent, [bank, account number]]`, where
 * the last is the merchant's settlement account. Times are UTC; the local time fields repeat them.
 */

import { ID_BYTES, TEXT_BYTES_MAX } from "../../../firmware/protocol/limits.js";
import { encode } from "../../codec/cbor.js";
import { CodecError } from "../../codec/errors.js";
import { Fields } from "../../codec/read.js";
import { IsoFormatError, IsoMessage } from "./codec.js";
import type { IsoFields, MessageType } from "./fields.js";

/** Answers in field 39. */
export const RESPONSE = {
  approved: "00",
  invalidMerchant: "03",
  declined: "05",
  invalidTransaction: "12",
  invalidAmount: "13",
  invalidCard: "14",
  noSuchIssuer: "15",
  noActionTaken: "21",
  recordNotFound: "25",
  formatError: "30",
  stolenCard: "43",
  insufficientFunds: "51",
  expiredCard: "54",
  notSignedOn: "58",
  exceedsLimit: "61",
  securityViolation: "63",
  issuerUnavailable: "91",
  duplicate: "94",
  malfunction: "96",
} as const;

export type ResponseCode = (typeof RESPONSE)[keyof typeof RESPONSE];

/** What an answer means for a person at the till. */
export const RESPONSE_TEXT: Readonly<Record<ResponseCode, string>> = {
  "00": "approved",
  "03": "the network does not know this merchant",
  "05": "the bank declined; nothing was debited",
  "12": "the network does not do this transaction; nothing was debited",
  "13": "the amount is not possible; nothing was debited",
  "14": "the card is not known; nothing was debited",
  "15": "no bank issues this card; nothing was debited",
  "21": "the network had already settled this the other way, and is looking into it",
  "25": "the network has no such authorization",
  "30": "the network did not understand the message",
  "43": "the card is reported stolen; nothing was debited",
  "51": "there is not enough on the account; nothing was debited",
  "54": "the card has expired; nothing was debited",
  "58": "this connection has not signed on",
  "61": "the card's limit for the day is reached; nothing was debited",
  "63": "the signature of the agent does not hold",
  "91": "the bank cannot be reached at the moment; the same request may be sent again",
  "94": "another transaction has this number; nothing was debited",
  "96": "the network has a fault; the same request may be sent again",
};

/** Answers after which the same message should be sent again, because nothing was decided. */
export function isTemporary(code: string): boolean {
  return code === RESPONSE.issuerUnavailable || code === RESPONSE.malfunction || code === RESPONSE.notSignedOn;
}

export type CardTransactionType = "purchase" | "sale";
const PROCESSING_CODES = { purchase: "000000", sale: "200000" } as const;

export interface SettlementAccount {
  readonly bank: string;
  readonly number: string;
}

export interface AuthorizationRequest {
  readonly type: CardTransactionType;
  readonly cardNumber: string;
  /** YYMM. */
  readonly expiry: string;
  readonly amount: bigint;
  /** ISO 4217 number. The exponent is the currency's own. */
  readonly currency: number;
  readonly stan: number;
  /** Transmission date and time. */
  readonly time_seconds: bigint;
  readonly acquirer: string;
  readonly terminal: string;
  readonly merchant: string;
  readonly merchantName: string;
  readonly receiptHash: Uint8Array;
  readonly merchantAgent: Uint8Array;
  readonly customerAgent: Uint8Array;
  readonly settlement: SettlementAccount;
}

export function authorizationMessage(request: AuthorizationRequest): IsoMessage {
  const time = isoTime(request.time_seconds);
  return new IsoMessage("0100", {
    2: request.cardNumber,
    3: PROCESSING_CODES[request.type],
    4: isoAmount(request.amount),
    7: time,
    11: isoStan(request.stan),
    12: time.slice(4),
    13: time.slice(0, 4),
    14: request.expiry,
    32: request.acquirer,
    41: request.terminal.padEnd(8),
    42: request.merchant.padEnd(15),
    43: request.merchantName.slice(0, 40).padEnd(40),
    48: encode([
      1,
      request.receiptHash,
      request.merchantAgent,
      request.customerAgent,
      [request.settlement.bank, request.settlement.number],
    ]),
    49: request.currency.toString().padStart(3, "0"),
  });
}

/** Reads a 0100. `now_seconds` gives the year, which ISO 8583 leaves out. Throws IsoFormatError. */
export function readAuthorization(message: IsoMessage, now_seconds: bigint): AuthorizationRequest {
  const { fields } = message;
  const time = required(fields, 7);
  if (required(fields, 13) !== time.slice(0, 4)) throw new IsoFormatError("fields 7 and 13 name different days");
  return {
    type: readType(required(fields, 3)),
    cardNumber: required(fields, 2),
    expiry: readExpiry(required(fields, 14)),
    amount: BigInt(required(fields, 4)),
    currency: Number(required(fields, 49)),
    stan: Number(required(fields, 11)),
    time_seconds: readTime(time, now_seconds),
    acquirer: required(fields, 32),
    terminal: required(fields, 41).trimEnd(),
    merchant: required(fields, 42).trimEnd(),
    merchantName: required(fields, 43).trimEnd(),
    ...readParties(required(fields, 48)),
  };
}

/** 0220 if the money has moved, 0400 or 0420 if it has not. `outcome` is the agent's signed outcome with its chain. */
export interface Advice {
  readonly type: "0220" | "0400" | "0420";
  readonly stan: number;
  readonly time_seconds: bigint;
  readonly acquirer: string;
  readonly outcome: Uint8Array;
  /** The 0100 it is about, where the sender knows it. */
  readonly original?: OriginalData;
}

export interface OriginalData {
  readonly stan: number;
  readonly time_seconds: bigint;
  readonly acquirer: string;
}

export function adviceMessage(advice: Advice): IsoMessage {
  const fields: IsoFields = {
    7: isoTime(advice.time_seconds),
    11: isoStan(advice.stan),
    32: advice.acquirer,
    63: advice.outcome,
  };
  if (advice.original === undefined) return new IsoMessage(advice.type, fields);
  return new IsoMessage(advice.type, { ...fields, 90: originalElements(advice.original) });
}

export function readAdvice(message: IsoMessage, now_seconds: bigint): Advice & { readonly original90?: string } {
  const { fields, type } = message;
  if (type !== "0220" && type !== "0400" && type !== "0420") throw new IsoFormatError(`${type} is not an advice`);
  const advice = {
    type,
    stan: Number(required(fields, 11)),
    time_seconds: readTime(required(fields, 7), now_seconds),
    acquirer: required(fields, 32),
    outcome: required(fields, 63),
  };
  return fields[90] === undefined ? advice : { ...advice, original90: fields[90] };
}

/** Field 90: message type, STAN, transmission time, acquirer, forwarder (none) of the original. */
export function originalElements(original: OriginalData): string {
  const acquirer = original.acquirer.padStart(11, "0");
  return `0100${isoStan(original.stan)}${isoTime(original.time_seconds)}${acquirer}${"0".repeat(11)}`;
}

export const MANAGEMENT = { signOn: "001", signOff: "002", echo: "301" } as const;

export interface ManagementRequest {
  readonly code: (typeof MANAGEMENT)[keyof typeof MANAGEMENT];
  readonly stan: number;
  readonly time_seconds: bigint;
  readonly acquirer: string;
}

export function managementMessage(request: ManagementRequest): IsoMessage {
  return new IsoMessage("0800", {
    7: isoTime(request.time_seconds),
    11: isoStan(request.stan),
    32: request.acquirer,
    70: request.code,
  });
}

/** A field that must be there. */
export function required<Number extends keyof IsoFields>(
  fields: IsoFields,
  number: Number,
): NonNullable<IsoFields[Number]> {
  const value = fields[number];
  if (value === undefined) throw new IsoFormatError(`field ${number} is missing`);
  return value as NonNullable<IsoFields[Number]>;
}

/** What an answer has in common with its request and with no other: its type, and number, time and sender. */
export function correlation(answerType: MessageType, fields: IsoFields): string {
  return `${answerType}/${fields[11]}/${fields[7]}/${fields[32]}`;
}

/** MMDDhhmmss in UTC. */
export function isoTime(time_seconds: bigint): string {
  const date = new Date(Number(time_seconds) * 1000);
  const parts = [date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes()];
  return [...parts, date.getUTCSeconds()].map((part) => part.toString().padStart(2, "0")).join("");
}

/** The moment that MMDDhhmmss means: of all years, the one in which it lies nearest to now. */
export function readTime(text: string, now_seconds: bigint): bigint {
  const part = (index: number) => Number(text.slice(2 * index, 2 * index + 2));
  const thisYear = new Date(Number(now_seconds) * 1000).getUTCFullYear();
  let nearest: bigint | undefined;
  for (const year of [thisYear - 1, thisYear, thisYear + 1]) {
    const time = BigInt(Math.floor(Date.UTC(year, part(0) - 1, part(1), part(2), part(3), part(4)) / 1000));
    if (nearest !== undefined && distance(time, now_seconds) >= distance(nearest, now_seconds)) continue;
    if (isoTime(time) === text) nearest = time; // Else 29 February of another year, or no date at all.
  }
  if (nearest === undefined) throw new IsoFormatError("field 7 is no date and time");
  return nearest;
}

function distance(left: bigint, right: bigint): bigint {
  return left > right ? left - right : right - left;
}

export function isoAmount(amount: bigint): string {
  if (amount < 0n || amount > 999_999_999_999n) throw new RangeError("amount does not fit 12 digits");
  return amount.toString().padStart(12, "0");
}

export function isoStan(stan: number): string {
  if (!Number.isInteger(stan) || stan < 0 || stan > 999_999) throw new RangeError("stan does not fit 6 digits");
  return stan.toString().padStart(6, "0");
}

function readType(code: string): CardTransactionType {
  if (code === PROCESSING_CODES.purchase) return "purchase";
  if (code === PROCESSING_CODES.sale) return "sale";
  throw new IsoFormatError("field 3 is neither a purchase nor a sale");
}

function readExpiry(expiry: string): string {
  const month = Number(expiry.slice(2));
  if (month < 1 || month > 12) throw new IsoFormatError("field 14 has no such month");
  return expiry;
}

function readParties(bytes: Uint8Array) {
  try {
    const fields = Fields.decode(bytes, "field 48", 5);
    if (fields.uint("version") !== 1) throw new IsoFormatError("field 48 has another version");
    const receiptHash = fields.bytes("receipt hash", 32);
    const merchantAgent = fields.bytes("merchant's agent", ID_BYTES);
    const customerAgent = fields.bytes("customer's agent", ID_BYTES);
    const account = fields.array("settlement account", 2);
    const settlement = { bank: account.text("bank", TEXT_BYTES_MAX), number: account.text("number", TEXT_BYTES_MAX) };
    return { receiptHash, merchantAgent, customerAgent, settlement };
  } catch (error) {
    if (error instanceof CodecError) throw new IsoFormatError(error.message);
    throw error;
  }
}
