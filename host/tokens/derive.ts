/**
 * Keys, halves and leaves of a purse (docs/TOKENS.md, Numbers), as chip, issuer and seller make them.
 * A serial number is hashed as 4 bytes, most significant first, a value as 8.
 */

import { ID_BYTES } from "../../firmware/protocol/limits.js";
import { HALF_BYTES } from "../../firmware/protocol/tokens.js";
import { concatBytes } from "../codec/bytes.js";
import { hkdfSha256, hmacSha256, RepeatedHmac, sha256, sha256Into } from "../crypto.js";
import type { Denomination, SerialRange } from "./terms.js";

const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);
const HALF = encoder.encode("tallystick token half");
const ORDER = encoder.encode("tallystick token order");
const SECRET = encoder.encode("tallystick token secret");
const SERIAL = encoder.encode("tallystick token serial");
const PAD = encoder.encode("tallystick token pad");
const GOODS = encoder.encode("goods");

const HASH_BYTES = 32;
export const SERIAL_BYTES = 4;
/** Of the source's unique serial number. */
export const UNIQUE_BYTES = 16;
/** What a leaf hashes: version, purse id, serial, value, unique serial number, secret. */
export const LEAF_INPUT_BYTES = 1 + ID_BYTES + SERIAL_BYTES + 8 + UNIQUE_BYTES + HALF_BYTES;
const SERIAL_AT = 1 + ID_BYTES;
const SECRET_AT = LEAF_INPUT_BYTES - HALF_BYTES;
const UNIQUE_AT = SECRET_AT - UNIQUE_BYTES;
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

/** A seller's id, 16 bytes: who knows it knows the seller's keys. */
export function sellerIdOf(signatureKey: Uint8Array, agreementKey: Uint8Array): Uint8Array {
  return sha256(concatBytes(signatureKey, agreementKey)).slice(0, ID_BYTES);
}

/** HMACs under one key of a prefix with a serial number behind it, one after the other. An answer is overwritten by the next. */
export class SerialHashes {
  readonly #hmac: RepeatedHmac;
  readonly #at: number;
  readonly #serial: DataView;

  constructor(key: Uint8Array, prefix: Uint8Array = NOTHING) {
    this.#hmac = new RepeatedHmac(key, prefix.length + SERIAL_BYTES);
    const { message } = this.#hmac;
    message.set(prefix);
    this.#at = prefix.length;
    this.#serial = new DataView(message.buffer, message.byteOffset, message.byteLength);
  }

  of(serial: number): Uint8Array {
    this.#serial.setUint32(this.#at, serial);
    return this.#hmac.digest();
  }
}

/** The halves P of a purse, under the half key of its buyer; 32 bytes each. */
export function buyerHalves(key: Uint8Array, purseId: Uint8Array): SerialHashes {
  return new SerialHashes(key, purseId);
}

/** What an order hides halves under while they travel, under K; 32 bytes each. */
export function halfMasks(key: Uint8Array, orderHash: Uint8Array): SerialHashes {
  return new SerialHashes(key, orderHash);
}

/** P, 32 bytes. */
export function buyerHalf(key: Uint8Array, purseId: Uint8Array, serial: number): Uint8Array {
  return buyerHalves(key, purseId).of(serial).slice();
}

/** What an order hides a half under while it travels, 32 bytes. */
export function halfMask(key: Uint8Array, orderHash: Uint8Array, serial: number): Uint8Array {
  return halfMasks(key, orderHash).of(serial).slice();
}

// Of a seller, who needs one of each for every order: memory that is there already, and no key stays in it.
const goodsHmac = new RepeatedHmac(NOTHING, HASH_BYTES + GOODS.length);
goodsHmac.message.set(GOODS, HASH_BYTES);
const maskHmac = new RepeatedHmac(NOTHING, HASH_BYTES + SERIAL_BYTES);
const maskSerial = new DataView(maskHmac.message.buffer, maskHmac.message.byteOffset + HASH_BYTES, SERIAL_BYTES);

/** Key for ChaCha20-Poly1305 under which the goods of an order travel, if the order says so. */
export function goodsKey(key: Uint8Array, orderHash: Uint8Array): Uint8Array {
  goodsHmac.rekey(key);
  goodsHmac.message.set(orderHash);
  const made = goodsHmac.digest().slice();
  goodsHmac.wipe();
  return made;
}

/** What is split, 32 bytes each, and the unique serial numbers, 16 bytes each, in no order that anybody can see. */
export class TokenSecrets {
  readonly #secrets: SerialHashes;
  readonly #uniques: SerialHashes;

  /** `purseSecret`: 32 bytes that only the purse's issuer has. */
  constructor(purseSecret: Uint8Array) {
    this.#secrets = new SerialHashes(derived(purseSecret, SECRET));
    this.#uniques = new SerialHashes(derived(purseSecret, SERIAL));
  }

  /** Overwritten by the next. */
  secret(serial: number): Uint8Array {
    return this.#secrets.of(serial);
  }

  /** Overwritten by the next. */
  unique(serial: number): Uint8Array {
    return this.#uniques.of(serial).subarray(0, UNIQUE_BYTES);
  }
}

/** In the source's scheme the buyer's halves of a purse, 32 bytes after 32 bytes: pseudorandom, as the source allows. */
export function sourcePads(purseSecret: Uint8Array, purseId: Uint8Array): SerialHashes {
  return new SerialHashes(derived(purseSecret, PAD), purseId);
}

/** SHA-256 over all that a token is, for the tokens of one purse. An answer is overwritten by the next. */
export class TokenLeaves {
  readonly #input = new Uint8Array(LEAF_INPUT_BYTES);
  readonly #view = new DataView(this.#input.buffer);
  readonly #leaf = new Uint8Array(HASH_BYTES);

  constructor(purseId: Uint8Array) {
    this.begin(purseId);
  }

  /** From now on of this purse. */
  begin(purseId: Uint8Array): void {
    this.#input[0] = LEAF_VERSION;
    this.#input.set(purseId, 1);
  }

  /** `value` is below 2^63. */
  of(serial: number, value: bigint, unique: Uint8Array, secret: Uint8Array): Uint8Array {
    return this.ofTables(serial, value, unique, 0, secret, 0);
  }

  /** As `of`, of what stands at these places of two tables. */
  ofTables(
    serial: number,
    value: bigint,
    uniques: Uint8Array,
    uniqueAt: number,
    secrets: Uint8Array,
    secretAt: number,
  ): Uint8Array {
    const input = this.#input;
    this.#view.setUint32(SERIAL_AT, serial);
    this.#view.setBigUint64(SERIAL_AT + SERIAL_BYTES, value);
    // Faster for so few bytes than a view to copy from.
    for (let i = 0; i < UNIQUE_BYTES; i++) input[UNIQUE_AT + i] = uniques[uniqueAt + i] ?? 0;
    for (let i = 0; i < HALF_BYTES; i++) input[SECRET_AT + i] = secrets[secretAt + i] ?? 0;
    return sha256Into(this.#leaf, input);
  }
}

/** One leaf, 32 bytes. `value` is below 2^63. */
export function tokenLeaf(
  purseId: Uint8Array,
  serial: number,
  value: bigint,
  unique: Uint8Array,
  secret: Uint8Array,
): Uint8Array {
  return new TokenLeaves(purseId).of(serial, value, unique, secret);
}

/** What the issuer signs once a purse: SHA-256 over all leaves, 32 bytes each. */
export function leavesRoot(leaves: Uint8Array): Uint8Array {
  return sha256(leaves);
}

/**
 * Where goods travel sealed, under what: the goods key of the purse that paid; where an authorization was shown too, HMAC(goods key
 * of the purse that paid, goods key of the authorization). `keys` are these, in this order.
 */
export function sealingKey(keys: readonly Uint8Array[]): Uint8Array {
  const [first, second] = keys;
  if (first === undefined) throw new RangeError("keys: none");
  return second === undefined ? first : hmacSha256(first, second);
}

/** XORs the masks of all tokens of `ranges` into `halves`, 32 bytes each, in their order. */
export function maskHalves(
  halves: Uint8Array,
  key: Uint8Array,
  orderHash: Uint8Array,
  ranges: readonly SerialRange[],
): void {
  maskHmac.rekey(key);
  maskHmac.message.set(orderHash);
  let at = 0;
  for (const { first, count } of ranges) {
    for (let serial = first; serial < first + count; serial++) {
      maskSerial.setUint32(0, serial);
      const mask = maskHmac.digest();
      for (let i = 0; i < HALF_BYTES; i++) halves[at + i] = (halves[at + i] ?? 0) ^ (mask[i] ?? 0);
      at += HALF_BYTES;
    }
  }
  maskHmac.wipe();
}

/** What is known of all tokens of a purse. */
export interface TokenTable {
  /** Purse id, 16 bytes. */
  readonly purse: Uint8Array;
  readonly denominations: readonly Denomination[];
  /** 32 bytes a token. */
  readonly leaves: Uint8Array;
  /** 16 bytes a token. */
  readonly uniques: Uint8Array;
}

const checkedLeaves = new TokenLeaves(new Uint8Array(ID_BYTES));

/**
 * The first token of `ranges`, which rise, that its secret does not prove by its leaf, or -1. `secrets` are 32 bytes each, in the
 * order of the ranges.
 */
export function firstFalseSecret(table: TokenTable, ranges: readonly SerialRange[], secrets: Uint8Array): number {
  const { denominations, leaves, uniques } = table;
  checkedLeaves.begin(table.purse);
  let at = 0;
  let kind = -1;
  let end = 0;
  let value = 0n;
  for (const { first, count } of ranges) {
    for (let serial = first; serial < first + count; serial++) {
      while (serial >= end) {
        kind += 1;
        const next = denominations[kind];
        if (next === undefined) return serial;
        end += next.count;
        value = next.value;
      }
      const leaf = checkedLeaves.ofTables(serial, value, uniques, serial * UNIQUE_BYTES, secrets, at);
      if (!isAt(leaf, leaves, serial * HASH_BYTES)) return serial;
      at += HALF_BYTES;
    }
  }
  return -1;
}

/** Whether these 32 bytes stand there, in a time that does not depend on where they differ. */
export function isAt(hash: Uint8Array, table: Uint8Array, offset: number): boolean {
  let difference = 0;
  for (let i = 0; i < HASH_BYTES; i++) difference |= (hash[i] ?? 0) ^ (table[offset + i] ?? 0);
  return difference === 0;
}

/** Bitwise XOR of `other` into `target`, of equal length. */
export function xorInto(target: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] ?? 0) ^ (other[i] ?? 0);
}
