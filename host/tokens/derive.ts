/**
 * Keys, halves and leaves of a purse (docs/TOKENS.md, Numbers), as chip, issuer and seller make them.
 * A serial number is hashed as 4 bytes, most significant first, a value as 8.
 */

import { HALF_BYTES } from "../../firmware/protocol/tokens.js";
import { concatBytes } from "../codec/bytes.js";
import { hkdfSha256, hmacSha256, sha256 } from "../crypto.js";

const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);
const HALF = encoder.encode("tallystick token half");
const ORDER = encoder.encode("tallystick token order");
const SECRET = encoder.encode("tallystick token secret");
const SERIAL = encoder.encode("tallystick token serial");
const GOODS = encoder.encode("goods");

export const SERIAL_BYTES = 4;
/** Of the source's unique serial number. */
export const UNIQUE_BYTES = 16;
/** What a leaf hashes: version, purse id, serial, value, unique serial number, secret. */
export const LEAF_INPUT_BYTES = 1 + 16 + SERIAL_BYTES + 8 + UNIQUE_BYTES + HALF_BYTES;
const LEAF_VERSION = 1;

function derived(secret: Uint8Array, label: Uint8Array): Uint8Array {
  return hkdfSha256(NOTHING, secret, label, 32);
}

/** Of a chip's seed: the key of its halves P. */
export function halfKey(seed: Uint8Array): Uint8Array {
  return derived(seed, HALF);
}

/** Of a chip's seed: K, the key of its orders, which the seller has too. */
export function orderKey(seed: Uint8Array): Uint8Array {
  return derived(seed, ORDER);
}

/** Of a purse's own secret, which only its issuer has: the keys of the tokens' secrets and of their unique serial numbers. */
export function tokenKeys(purseSecret: Uint8Array): { readonly secret: Uint8Array; readonly serial: Uint8Array } {
  return { secret: derived(purseSecret, SECRET), serial: derived(purseSecret, SERIAL) };
}

export function serialBytes(serial: number): Uint8Array {
  const bytes = new Uint8Array(SERIAL_BYTES);
  new DataView(bytes.buffer).setUint32(0, serial);
  return bytes;
}

/** P, 32 bytes. */
export function buyerHalf(key: Uint8Array, purseId: Uint8Array, serial: number): Uint8Array {
  return hmacSha256(key, concatBytes(purseId, serialBytes(serial)));
}

/** What an order hides a half under while it travels, 32 bytes. */
export function halfMask(key: Uint8Array, orderHash: Uint8Array, serial: number): Uint8Array {
  return hmacSha256(key, concatBytes(orderHash, serialBytes(serial)));
}

/** Key for ChaCha20-Poly1305 under which the goods of an order travel, if the order says so. */
export function goodsKey(key: Uint8Array, orderHash: Uint8Array): Uint8Array {
  return hmacSha256(key, concatBytes(orderHash, GOODS));
}

/** The secret of a token, 32 bytes: what is split. */
export function tokenSecret(secretKey: Uint8Array, serial: number): Uint8Array {
  return hmacSha256(secretKey, serialBytes(serial));
}

/** The unique serial number of a token, 16 bytes, in no order that anybody can see. */
export function uniqueSerial(serialKey: Uint8Array, serial: number): Uint8Array {
  return hmacSha256(serialKey, serialBytes(serial)).subarray(0, UNIQUE_BYTES);
}

/** SHA-256 over all that a token is. `value` is below 2^63. */
export function tokenLeaf(
  purseId: Uint8Array,
  serial: number,
  value: bigint,
  unique: Uint8Array,
  secret: Uint8Array,
): Uint8Array {
  const input = new Uint8Array(LEAF_INPUT_BYTES);
  input[0] = LEAF_VERSION;
  input.set(purseId, 1);
  const view = new DataView(input.buffer);
  view.setUint32(17, serial);
  view.setBigUint64(17 + SERIAL_BYTES, value);
  input.set(unique, 17 + SERIAL_BYTES + 8);
  input.set(secret, LEAF_INPUT_BYTES - HALF_BYTES);
  return sha256(input);
}

/** What the issuer signs once a purse: SHA-256 over all leaves, 32 bytes each. */
export function leavesRoot(leaves: Uint8Array): Uint8Array {
  return sha256(leaves);
}

/** Bitwise XOR of `other` into `target`, of equal length. */
export function xorInto(target: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] ?? 0) ^ (other[i] ?? 0);
}
