/** An order, and the halves that are shown for it (EP 0 833 285 A2 fig. 7, 8). */

import * as t from "../../../firmware/protocol/tokens.js";
import { type CborValue, encode } from "../../codec/cbor.js";
import { CodecError } from "../../codec/errors.js";
import { asArray, Fields } from "../../codec/read.js";
import type { SerialRange } from "../terms.js";
import { asAssertion, encodeRanges, HASH_BYTES, readRanges, readUnit, requireVersion, VERSION } from "./common.js";

/** A payment for a joint purse has a part for each holder. */
const PARTS_MAX = 2 * t.HOLDERS_MAX;

export interface Order {
  readonly seller: Uint8Array;
  /** 16 bytes. */
  readonly nonce: Uint8Array;
  /** SHA-256 of what is bought. */
  readonly goods: Uint8Array;
  readonly unit: { readonly currency: number; readonly exponent: number };
  readonly price: bigint;
  /** DELIVERY_OPEN or DELIVERY_SEALED. */
  readonly delivery: number;
  /** What the buyer has to show with it, or null. */
  readonly assertion: string | null;
}

export function encodeOrder(order: Order): Uint8Array {
  const { currency, exponent } = order.unit;
  return encode([
    VERSION,
    order.seller,
    order.nonce,
    order.goods,
    currency,
    exponent,
    order.price,
    order.delivery,
    order.assertion,
  ]);
}

/** Its byte strings are those in `bytes`, and no copies. */
export function readOrder(bytes: Uint8Array): Order {
  if (bytes.length > t.ORDER_BYTES_MAX) throw new CodecError(`order: ${bytes.length} bytes are too many`);
  const fields = Fields.decodeInPlace(bytes, "order", 9);
  requireVersion(fields);
  return {
    seller: fields.id("seller"),
    nonce: fields.id("nonce"),
    goods: fields.bytes("goods", HASH_BYTES),
    unit: readUnit(fields),
    price: fields.amount("price"),
    delivery: fields.uint("delivery", t.DELIVERY_SEALED),
    assertion: fields.optional("assertion", asAssertion),
  };
}

/** What one purse shows for an order. */
export interface PaymentPart {
  readonly purse: Uint8Array;
  readonly index: number;
  readonly ranges: readonly SerialRange[];
  /** The halves of all ranges, one after the other; masked, but for those of a card that only stores them. */
  readonly halves: Uint8Array;
}

export interface TokenPayment {
  /** The order's own bytes: they are hashed. */
  readonly order: Uint8Array;
  readonly parts: readonly PaymentPart[];
}

export function encodePayment({ order, parts }: TokenPayment): Uint8Array {
  return encode([
    VERSION,
    order,
    parts.map(({ purse, index, ranges, halves }) => [purse, index, encodeRanges(ranges), halves]),
  ]);
}

/** Its byte strings are those in `bytes`, and no copies: a seller reads thousands a second. */
export function readPayment(bytes: Uint8Array): TokenPayment {
  const fields = Fields.decodeInPlace(bytes, "payment", 3);
  requireVersion(fields);
  const order = fields.bytes("order", 1, t.ORDER_BYTES_MAX);
  const parts = asArray(fields.value("parts"), "parts");
  if (parts.length === 0 || parts.length > PARTS_MAX) throw new CodecError(`payment: ${parts.length} parts`);
  return { order, parts: parts.map(readPart) };
}

function readPart(value: CborValue): PaymentPart {
  const fields = Fields.ofArray(value, "part of a payment", 4);
  return {
    purse: fields.id("purse"),
    index: fields.uint("index", t.HOLDERS_MAX - 1),
    ranges: readRanges(fields),
    halves: fields.bytes("halves", 0, Number.MAX_SAFE_INTEGER),
  };
}
