/**
 * A payment request: what a till, or anybody who is to be paid, shows to whoever pays, as a URI in a link or a QR code
 * (point of sale: the payee states the amount first).
 *
 *   tally:pay?to=<address>&payee=<module id>&amount=USD12.34&memo=<text>&ref=<reference>&sum=<checksum>
 *
 * In this order, each once, `memo` alone may be absent; percent-encoded as `encodeURIComponent` does it. The checksum is the
 * first 8 hexadecimal digits of SHA-256 over everything before `&sum=`. It finds slips, not forgers: whoever can change a URI
 * can also make a new one. So a request only says where to connect and what to expect. What is really paid is what
 * the payee's chip states in the session, under its certificate; the payer checks that against the request again
 * (`mismatchOf`) and agrees to nothing else.
 */

import { encode as encodeQr } from "uqr";
import { ID_BYTES, MEMO_BYTES_MAX } from "../firmware/protocol/limits.js";
import type { Prompt } from "./applications/transfer.js";
import { assertBytes, equalBytes, fromHex, toHex } from "./codec/bytes.js";
import { lineAddress } from "./communications/address.js";
import { LineAddressError } from "./communications/errors.js";
import { sha256 } from "./crypto.js";
import {
  AMOUNT_MAX,
  AmountError,
  currencyCode,
  formatDecimal,
  formatMoney,
  type Money,
  parseMoney,
  sameUnit,
} from "./units.js";

export interface PaymentRequest {
  /** Where the payee's device is reached: ws:// or wss://. */
  readonly address: string;
  /** Id of the payee's money module. */
  readonly payee: Uint8Array;
  readonly money: Money;
  readonly memo?: string;
  /** What the payee calls this payment: letters, digits, points, hyphens, underscores. */
  readonly reference: string;
}

export const PAYMENT_REQUEST_CHARS_MAX = 1024;
export const REFERENCE_CHARS_MAX = 32;
const PREFIX = "tally:pay?";
const SUM = "&sum=";
const SUM_DIGITS = 8;
const FIELDS = ["to", "payee", "amount", "memo", "ref"] as const;
type Field = (typeof FIELDS)[number];

/** It is no payment request, or not one that can be paid. */
export class PaymentRequestError extends Error {
  constructor(what: string, whatToDo = "Ask the payee for a new one.") {
    super(`${what} Nothing was paid. ${whatToDo}`);
    this.name = "PaymentRequestError";
  }
}

/** Throws PaymentRequestError where a field is not what it should be. */
export function encodePaymentRequest(request: PaymentRequest): string {
  checkRequest(request);
  const { address, payee, money, memo = "", reference } = request;
  const values: Record<Field, string> = {
    to: address,
    payee: toHex(payee),
    amount: currencyCode(money.unit) + formatDecimal(money.amount, money.unit.exponent),
    memo,
    ref: reference,
  };
  const present = FIELDS.filter((field) => values[field] !== "");
  const fields = PREFIX + present.map((field) => `${field}=${encodeURIComponent(values[field])}`).join("&");
  const text = fields + SUM + checksum(fields);
  if (text.length > PAYMENT_REQUEST_CHARS_MAX) {
    throw new PaymentRequestError("The payment request is too long.", "Use a shorter address.");
  }
  return text;
}

/** The request that a text is, exactly as `encodePaymentRequest()` writes it. Throws PaymentRequestError. */
export function parsePaymentRequest(text: string): PaymentRequest {
  if (typeof text !== "string") throw new TypeError(`text: expected a string, found ${typeof text}`);
  if (!text.startsWith(PREFIX)) {
    throw new PaymentRequestError(
      `This is not a payment request, which begins with "${PREFIX}".`,
      "Check what you scanned.",
    );
  }
  if (text.length > PAYMENT_REQUEST_CHARS_MAX) throw new PaymentRequestError("The payment request is too long.");
  const end = text.length - SUM_DIGITS;
  const fields = text.slice(0, end - SUM.length);
  if (text.slice(end - SUM.length, end) !== SUM || text.slice(end) !== checksum(fields)) {
    throw new PaymentRequestError(
      "The payment request was altered or mistyped: its checksum does not fit.",
      "Scan it again, or ask the payee for a new one.",
    );
  }
  const request = requestOf(valuesOf(fields.slice(PREFIX.length)));
  // Each request has one spelling; another one was not written by this program.
  if (encodePaymentRequest(request) !== text) throw new PaymentRequestError("The payment request is oddly written.");
  return request;
}

/** In what the payee's chip asks for something else than the request said; undefined: it asks for just that. */
export function mismatchOf(request: PaymentRequest, { peer, money, memo }: Prompt): string | undefined {
  if (!equalBytes(peer, request.payee)) return `another wallet answers there, ${toHex(peer)}`;
  if (money.amount !== request.money.amount || !sameUnit(money.unit, request.money.unit)) {
    return `it asks for ${formatMoney(money)} instead of ${formatMoney(request.money)}`;
  }
  const expected = new TextEncoder().encode(request.memo ?? "");
  return equalBytes(memo ?? new Uint8Array(0), expected) ? undefined : "it is for something else";
}

function valuesOf(text: string): Map<Field, string> {
  const values = new Map<Field, string>();
  for (const part of text.split("&")) {
    const [name = "", value, ...more] = part.split("=");
    const field = FIELDS.find((known) => known === name);
    if (field === undefined || value === undefined || more.length > 0) {
      throw new PaymentRequestError("The payment request has a field that this program does not know.", "Update it.");
    }
    if (values.has(field)) throw new PaymentRequestError(`The payment request has "${field}" twice.`);
    values.set(field, decoded(field, value));
  }
  return values;
}

function decoded(field: Field, value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw new PaymentRequestError(`The payment request has a "${field}" that cannot be read.`);
  }
}

function requestOf(values: ReadonlyMap<Field, string>): PaymentRequest {
  const must = (field: Field): string => {
    const value = values.get(field);
    if (value === undefined) throw new PaymentRequestError(`The payment request has no "${field}".`);
    return value;
  };
  const payee = must("payee");
  if (!/^[0-9a-f]{32}$/.test(payee)) throw new PaymentRequestError("The payee is not 32 hexadecimal digits.");
  const amount = must("amount");
  if (!/^[A-Z]{3}[0-9.]{1,24}$/.test(amount)) throw new PaymentRequestError("The amount is none like USD12.34.");
  const memo = values.get("memo");
  return {
    address: must("to"),
    payee: fromHex(payee),
    money: explained(() => parseMoney(amount)),
    ...(memo === undefined ? {} : { memo }),
    reference: must("ref"),
  };
}

function checkRequest({ address, payee, money, memo = "", reference }: PaymentRequest): void {
  explained(() => lineAddress(address));
  assertBytes(payee, "payee", ID_BYTES);
  checkMoney(money);
  if (new TextEncoder().encode(memo).length > MEMO_BYTES_MAX) {
    throw new PaymentRequestError(`The memo has more than ${MEMO_BYTES_MAX} bytes.`, "Shorten it.");
  }
  if (UNPRINTABLE.test(memo)) {
    throw new PaymentRequestError("The memo has characters that cannot be shown.", "Write it in plain text.");
  }
  if (!/^[A-Za-z0-9._-]+$/.test(reference) || reference.length > REFERENCE_CHARS_MAX) {
    throw new PaymentRequestError(
      `The reference is not 1 to ${REFERENCE_CHARS_MAX} letters, digits, points, hyphens or underscores.`,
      "Use another one.",
    );
  }
}

/** Control characters, line ends, halves of characters, and what turns the order of the others round on a screen. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

function checkMoney(money: Money): void {
  if (money.amount <= 0n || money.amount > AMOUNT_MAX) {
    throw new PaymentRequestError("The amount is nothing, or more than can be paid.", "Ask for another amount.");
  }
  const code = currencyCode(money.unit);
  const usual = /^[A-Z]{3}$/.test(code) ? parseMoney(`${code} 0`).unit : undefined;
  if (usual === undefined || !sameUnit(usual, money.unit)) {
    throw new PaymentRequestError("The amount is in a unit that has no usual name.", "Ask for a usual currency.");
  }
}

/** A field's own complaint, said of the request. */
function explained<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AmountError || error instanceof LineAddressError)) throw error;
    const [what] = error.message.split(/ (?:No money moved|Nothing was done)\./);
    throw new PaymentRequestError(`The payment request is not in order: ${what}`);
  }
}

function checksum(fields: string): string {
  return toHex(sha256(new TextEncoder().encode(fields))).slice(0, SUM_DIGITS);
}

// As a picture.

/** Light modules around the code, without which a scanner does not find it. */
const QUIET_MODULES = 4;
/** By the upper and the lower module of a pair: light is drawn, dark is the terminal's background. */
const HALVES = ["█", "▀", "▄", " "];

/** A QR code for a terminal of light letters on a dark ground, two modules to a letter. */
export function qrText(uri: string): string {
  const { data, size } = encodeQr(uri, { ecc: "M", border: QUIET_MODULES });
  const lines: string[] = [];
  for (let y = 0; y < size; y += 2) {
    const lower = data[y + 1];
    lines.push((data[y] ?? []).map((isDark, x) => HALVES[(isDark ? 2 : 0) + (lower?.[x] === true ? 1 : 0)]).join(""));
  }
  return lines.join("\n");
}
