/** The directory as a document: written by its server, read by wallets, which check its shape and believe none of it. */

import { type DirectoryEntry, OFFERS_MAX, type Offer } from "../services/directory.js";
import type { Unit } from "../units.js";

export interface DirectoryDocument {
  readonly merchants: readonly DirectoryEntry[];
  /** URL of the bank's lines; undefined while it is not served. */
  readonly bank: string | undefined;
  /** In which unit each issuer of cards keeps its accounts. */
  readonly issuers: readonly { readonly bank: string; readonly unit: Unit }[];
}

export const DOCUMENT_BYTES_MAX = 4 * 1024 * 1024;
const ENTRIES_MAX = 10_000;

/** What was served is no directory. */
export class DirectoryDocumentError extends Error {
  constructor(what: string) {
    super(`What the directory answered does not fit: ${what}. No money moved. Check its address.`);
    this.name = "DirectoryDocumentError";
  }
}

export function documentText(document: DirectoryDocument): string {
  return JSON.stringify(document, (_key, value) => (typeof value === "bigint" ? value.toString() : value));
}

type Json = Readonly<Record<string, unknown>>;

export function readDocument(text: string): DirectoryDocument {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw new DirectoryDocumentError("it is not JSON");
  }
  const document = objectOf(read, "the document");
  return {
    merchants: listOf(document.merchants, "merchants", ENTRIES_MAX).map(entryOf),
    bank: document.bank === undefined ? undefined : textOf(document.bank, "bank"),
    issuers: listOf(document.issuers, "issuers", ENTRIES_MAX).map((each) => ({
      bank: textOf(each.bank, "issuers.bank"),
      unit: unitOf(each.unit, "issuers.unit"),
    })),
  };
}

function entryOf(entry: Json): DirectoryEntry {
  return {
    id: textOf(entry.id, "merchants.id"),
    name: textOf(entry.name, "merchants.name"),
    address: textOf(entry.address, "merchants.address"),
    offers: listOf(entry.offers, "merchants.offers", OFFERS_MAX).map(offerOf),
  };
}

function offerOf(offer: Json): Offer {
  const rate = objectOf(offer.rate, "offers.rate");
  if (offer.direction !== "buy" && offer.direction !== "sell") throw new DirectoryDocumentError("offers.direction");
  const denominator = amountOf(rate.denominator, "rate.denominator");
  if (denominator === 0n) throw new DirectoryDocumentError("a rate over nothing");
  return {
    direction: offer.direction,
    money: unitOf(offer.money, "offers.money"),
    account: unitOf(offer.account, "offers.account"),
    rate: { numerator: amountOf(rate.numerator, "rate.numerator"), denominator },
    feeFixed: amountOf(offer.feeFixed, "offers.feeFixed"),
    feePermille: amountOf(offer.feePermille, "offers.feePermille"),
  };
}

function objectOf(value: unknown, name: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new DirectoryDocumentError(`${name} is not an object`);
}

function listOf(value: unknown, name: string, max: number): Json[] {
  if (!Array.isArray(value) || value.length > max)
    throw new DirectoryDocumentError(`${name} is not a list of at most ${max}`);
  return value.map((each) => objectOf(each, name));
}

/** It goes to somebody's screen: nothing in it moves the cursor, or is not to be seen. */
function textOf(value: unknown, name: string): string {
  const isText = typeof value === "string" && value.length > 0 && value.length <= 256;
  if (isText && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(value)) return value;
  throw new DirectoryDocumentError(`${name} is not plain text of at most 256 characters`);
}

function unitOf(value: unknown, name: string): Unit {
  const unit = objectOf(value, name);
  const [currency, exponent] = [unit.currency, unit.exponent];
  const fits = (number: unknown, max: number): number is number =>
    typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= max;
  if (fits(currency, 999) && fits(exponent, 18)) return { currency, exponent };
  throw new DirectoryDocumentError(`${name} is not a monetary unit`);
}

function amountOf(value: unknown, name: string): bigint {
  if (typeof value === "string" && /^[0-9]{1,18}$/.test(value)) return BigInt(value);
  throw new DirectoryDocumentError(`${name} is not an amount in decimal digits`);
}
