/**
 * HTTP 402 (docs/TOKENS.md): what a shop asks for, in the header `WWW-Authenticate: TallyTokens challenge="..."` as base64url of JSON,
 * and how it is answered, `Authorization: TallyTokens ` and base64url of a payment. A challenge is believed by nobody: the buyer's
 * chip pays the seller that its order names, and that one alone has the other halves.
 */

import { ASSERTION_BYTES_MAX, DELIVERY_OPEN, DELIVERY_SEALED, HALF_BYTES } from "../../../firmware/protocol/tokens.js";
import { fromHex, toHex } from "../../codec/bytes.js";
import { sha256 } from "../../crypto.js";
import type { Unit } from "../../units.js";
import { TokenError } from "../errors.js";

export const SCHEME = "TallyTokens";
/** Where payments go that are too long for a header. */
export const PAY_PATH = "/tally/pay";
export const REQUEST_PATH = "/tally/request";
/** Node takes 16 KiB of headers, proxies often 8. */
export const HEADER_PAYMENT_CHARS_MAX = 6_000;
/** Of a payment: what a shop reads at most. */
export const PAYMENT_BYTES_MAX = 1024 * 1024;
const PAYMENT_FRAME_BYTES_MAX = 4_096;
/** How many halves one payment holds: the rest of it is the order, and where the halves are. */
export const PAYMENT_HALVES_MAX = Math.floor((PAYMENT_BYTES_MAX - PAYMENT_FRAME_BYTES_MAX) / HALF_BYTES);

const VERSION = 1;
const CHALLENGE_CHARS_MAX = 8_192;
const ISSUERS_MAX = 64;

export interface ChallengeIssuer {
  readonly id: Uint8Array;
  /** Where a buyer may ask it straight away. */
  readonly address?: string;
}

export interface Challenge {
  readonly seller: Uint8Array;
  /** Whose tokens are taken. */
  readonly issuers: readonly ChallengeIssuer[];
  readonly unit: Unit;
  readonly price: bigint;
  /** SHA-256 of what is bought. */
  readonly goods: Uint8Array;
  readonly assertion: string | null;
  /** DELIVERY_OPEN or DELIVERY_SEALED; null where the buyer may choose. */
  readonly delivery: number | null;
}

export function challengeHeader(challenge: Challenge): string {
  const { assertion, delivery, goods, issuers, price, seller, unit } = challenge;
  const document = {
    version: VERSION,
    seller: toHex(seller),
    issuers: issuers.map(({ id, address }) => (address === undefined ? { id: toHex(id) } : { id: toHex(id), address })),
    unit: { currency: unit.currency, exponent: unit.exponent },
    price: price.toString(),
    goods: toHex(goods),
    assertion,
    delivery,
  };
  return `${SCHEME} challenge="${Buffer.from(JSON.stringify(document)).toString("base64url")}"`;
}

/** What a header `WWW-Authenticate` asks for, or undefined if it is none of ours; a TokenError if it is and does not fit. */
export function readChallenge(header: string | null): Challenge | undefined {
  const found = /(?:^|,\s*)TallyTokens\s+challenge="([A-Za-z0-9_-]*)"/.exec(header ?? "");
  if (found === null) return undefined;
  const text = found[1] ?? "";
  if (text.length > CHALLENGE_CHARS_MAX) throw unfit("it is too long");
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(text, "base64url").toString());
  } catch {
    throw unfit("it is not JSON");
  }
  const fields = objectOf(document, "it");
  if (fields.version !== VERSION) throw unfit("it is of another version");
  const unit = objectOf(fields.unit, "unit");
  const { assertion, delivery, price } = fields;
  if (typeof price !== "string" || !/^(?:0|[1-9][0-9]{0,18})$/.test(price)) throw unfit("price");
  if (assertion !== null && !isAssertion(assertion)) throw unfit("assertion");
  if (price === "0" && assertion === null) throw unfit("it asks for nothing");
  if (delivery !== null && delivery !== DELIVERY_OPEN && delivery !== DELIVERY_SEALED) throw unfit("delivery");
  const issuers = fields.issuers;
  if (!Array.isArray(issuers) || issuers.length > ISSUERS_MAX) throw unfit("issuers");
  return {
    seller: bytesOf(fields.seller, 16, "seller"),
    issuers: issuers.map((each) => issuerOf(objectOf(each, "issuer"))),
    unit: { currency: numberOf(unit.currency, 999, "currency"), exponent: numberOf(unit.exponent, 18, "exponent") },
    price: BigInt(price),
    goods: bytesOf(fields.goods, 32, "goods"),
    assertion,
    delivery,
  };
}

/** It is shown to people: nothing in it moves a cursor. */
function isAssertion(value: unknown): value is string {
  if (typeof value !== "string" || value === "" || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(value)) return false;
  return new TextEncoder().encode(value).length <= ASSERTION_BYTES_MAX;
}

function issuerOf(issuer: Json): ChallengeIssuer {
  const id = bytesOf(issuer.id, 16, "issuer");
  return typeof issuer.address === "string" ? { id, address: issuer.address } : { id };
}

/** `Authorization`, or undefined if it is none of ours; a TokenError if it is and does not fit. */
export function readAuthorization(header: string | undefined): Uint8Array | undefined {
  if (header === undefined || !/^TallyTokens(?: |$)/i.test(header)) return undefined;
  const text = header.slice(SCHEME.length + 1);
  if (text === "" || !/^[A-Za-z0-9_-]+$/.test(text))
    throw new TokenError("malformed", "The payment in the header is not base64url. Nothing was taken. Send it again.");
  return new Uint8Array(Buffer.from(text, "base64url"));
}

export function authorizationHeader(payment: Uint8Array): string {
  return `${SCHEME} ${Buffer.from(payment).toString("base64url")}`;
}

/** What a request buys whose offer does not say otherwise. `target`: path and query, as they stand in the request. */
export function goodsOfRequest(method: string, target: string): Uint8Array {
  return sha256(new TextEncoder().encode(`${method} ${target}`));
}

type Json = Readonly<Record<string, unknown>>;

function unfit(what: string): TokenError {
  return new TokenError("malformed", `The shop's challenge does not fit: ${what}. Nothing was paid.`);
}

function objectOf(value: unknown, name: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw unfit(`${name} is not an object`);
}

function bytesOf(value: unknown, length: number, name: string): Uint8Array {
  if (typeof value === "string" && value.length === 2 * length && /^[0-9a-f]*$/.test(value)) return fromHex(value);
  throw unfit(`${name} is not ${length} bytes in hex`);
}

function numberOf(value: unknown, max: number, name: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw unfit(name);
}
