/**
 * An order: what the buyer's host and the seller agreed on. The chip reads it, so that halves go to the seller, and
 * for the price, that it says; and hides what it reveals under it, so that halves that are overheard are of no use
 * for another.
 *
 *     order   [1, seller id, nonce, SHA-256 of what is bought, currency, exponent, price, delivery, assertion or null]
 *     mask    HMAC(K, order hash || serial)
 *     half    HMAC(half key, purse id || serial), shown XOR the mask
 */

import { HASH_BYTES, KEY_BYTES } from "../platform/constants";
import { hkdfSha256, hmacSha256, sha256 } from "../platform/imports";
import { ID_BYTES } from "../protocol/limits";
import {
  REASON_AMOUNT_ZERO,
  REASON_MALFORMED,
  REASON_OTHER_ASSERTION,
  REASON_OTHER_SELLER,
  REASON_UNKNOWN_UNIT,
  REASON_WRONG_AMOUNT,
} from "../protocol/reasons";
import { ASSERTION_BYTES_MAX, DELIVERY_SEALED, HALF_BYTES, PURSE_AUTHORIZATION } from "../protocol/tokens";
import { Reader } from "../lib/cbor";
import { store32 } from "../lib/io";
import { equal, wipe } from "../lib/memory";
import { Purse } from "./purse";

const SERIAL_BYTES: u32 = 4;
/** "tallystick token half", "tallystick token order", "goods" */
const HALF_LABEL = memory.data<u8>([
  0x74, 0x61, 0x6c, 0x6c, 0x79, 0x73, 0x74, 0x69, 0x63, 0x6b, 0x20, 0x74, 0x6f, 0x6b, 0x65, 0x6e, 0x20, 0x68, 0x61,
  0x6c, 0x66,
]);
const HALF_LABEL_BYTES: u32 = 21;
const ORDER_LABEL = memory.data<u8>([
  0x74, 0x61, 0x6c, 0x6c, 0x79, 0x73, 0x74, 0x69, 0x63, 0x6b, 0x20, 0x74, 0x6f, 0x6b, 0x65, 0x6e, 0x20, 0x6f, 0x72,
  0x64, 0x65, 0x72,
]);
const ORDER_LABEL_BYTES: u32 = 22;
const GOODS_LABEL = memory.data<u8>([0x67, 0x6f, 0x6f, 0x64, 0x73]);
const GOODS_LABEL_BYTES: u32 = 5;

/** SHA-256 of the order that was read last. */
export const orderHash = memory.data(HASH_BYTES, 8);
export let orderPrice: u64 = 0;

// The other parts lie where they were read, for as long as the command does.
let seller: usize = 0;
let assertion: usize = 0;
let assertionLength: u32 = 0;
let currency: u64 = 0;
let exponent: u64 = 0;

const halfKey = memory.data(KEY_BYTES, 8);
const orderKey = memory.data(KEY_BYTES, 8);
const mask = memory.data(HASH_BYTES, 8);
/** Purse id or order hash, and a serial number or "goods". */
const input = memory.data(40, 8);
const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

/** Reads an order strictly and hashes it: 0, -REASON_MALFORMED, or a platform error. */
export function orderRead(bytes: usize, length: u32): i32 {
  reader.begin(bytes, length);
  reader.arrayOf(9);
  if (reader.uint() != 1) reader.fail(REASON_MALFORMED);
  seller = reader.fixed(ID_BYTES);
  reader.fixed(ID_BYTES);
  reader.fixed(HASH_BYTES);
  currency = reader.uint();
  exponent = reader.uint();
  orderPrice = reader.amount();
  if (reader.uint() > <u64>DELIVERY_SEALED) reader.fail(REASON_MALFORMED);
  assertionLength = 0;
  if (!reader.isNil()) {
    assertion = reader.text(ASSERTION_BYTES_MAX);
    assertionLength = reader.length;
    if (assertionLength == 0) reader.fail(REASON_MALFORMED);
  }
  if (reader.finish() < 0) return -REASON_MALFORMED;
  return sha256(bytes, length, orderHash, HASH_BYTES);
}

/** Whether the purse may pay `amount` in all for the order: 0, or why not. */
export function orderFits(purse: Purse, amount: u64): i32 {
  if (!equal(seller, purse.seller, ID_BYTES)) return -REASON_OTHER_SELLER;
  if (amount == 0) return -REASON_AMOUNT_ZERO;
  if (purse.kind != PURSE_AUTHORIZATION) {
    if (currency != purse.currency || exponent != purse.exponent) return -REASON_UNKNOWN_UNIT;
    return amount > orderPrice ? -REASON_WRONG_AMOUNT : 0;
  }
  // One token says it once. The price is money, which another purse pays.
  if (amount != 1) return -REASON_WRONG_AMOUNT;
  if (assertionLength != purse.assertionLength) return -REASON_OTHER_ASSERTION;
  return equal(assertion, purse.assertion, assertionLength) ? 0 : -REASON_OTHER_ASSERTION;
}

/** Makes the keys of this purse; `keysForget` ends them. */
export function keysMake(purse: Purse): i32 {
  let status = hkdfSha256(0, 0, purse.seed, KEY_BYTES, HALF_LABEL, HALF_LABEL_BYTES, halfKey, KEY_BYTES);
  if (status < 0) return status;
  status = hkdfSha256(0, 0, purse.seed, KEY_BYTES, ORDER_LABEL, ORDER_LABEL_BYTES, orderKey, KEY_BYTES);
  return status < 0 ? status : 0;
}

/** The half of a token, masked for this order, HALF_BYTES at `to`. */
export function maskedHalf(purse: Purse, serial: u32, to: usize): i32 {
  assert(HALF_BYTES == HASH_BYTES);
  memory.copy(input, purse.id, ID_BYTES);
  store32(input + ID_BYTES, serial);
  let status = hmacSha256(halfKey, KEY_BYTES, input, ID_BYTES + SERIAL_BYTES, to, HALF_BYTES);
  if (status >= 0) {
    memory.copy(input, orderHash, HASH_BYTES);
    store32(input + HASH_BYTES, serial);
    status = hmacSha256(orderKey, KEY_BYTES, input, HASH_BYTES + SERIAL_BYTES, mask, HASH_BYTES);
  }
  if (status < 0) {
    wipe(to, HALF_BYTES);
    return status;
  }
  for (let i: u32 = 0; i < <u32>HALF_BYTES; i++) store<u8>(to + i, load<u8>(to + i) ^ load<u8>(mask + i));
  return 0;
}

/** What the goods of this order are sealed under, KEY_BYTES at `to`. */
export function goodsKey(to: usize): i32 {
  memory.copy(input, orderHash, HASH_BYTES);
  memory.copy(input + HASH_BYTES, GOODS_LABEL, GOODS_LABEL_BYTES);
  return hmacSha256(orderKey, KEY_BYTES, input, HASH_BYTES + GOODS_LABEL_BYTES, to, KEY_BYTES);
}

export function keysForget(): void {
  wipe(halfKey, KEY_BYTES);
  wipe(orderKey, KEY_BYTES);
  wipe(mask, HASH_BYTES);
}
