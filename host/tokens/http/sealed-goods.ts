/**
 * Goods that travel sealed: ChaCha20-Poly1305 under the goods key with a random nonce, so that who overheard a payment and repeats
 * it gets what nobody but its buyer can read. The order's hash and the type of the goods belong to what is sealed.
 */

import { concatBytes } from "../../codec/bytes.js";
import { aeadOpen, aeadSeal, OpenError } from "../../crypto.js";
import { type RandomSource, randomBytes } from "../../randomness.js";

/** Body of a response: 12 bytes of nonce, ciphertext, 16 bytes of tag. */
export const SEALED_TYPE = "application/vnd.tallystick.sealed";
/** What it is when it is opened. */
export const INNER_TYPE_HEADER = "tally-content-type";
const NONCE_BYTES = 12;

export interface GoodsSeal {
  readonly key: Uint8Array;
  readonly orderHash: Uint8Array;
  /** Media type of the goods. */
  readonly type: string;
}

export function sealGoods(body: Uint8Array, seal: GoodsSeal, random: RandomSource): Uint8Array {
  const nonce = randomBytes(random, NONCE_BYTES);
  return concatBytes(nonce, aeadSeal(seal.key, nonce, body, contextOf(seal)));
}

/** Undefined where it was not sealed by this order's seller. */
export function openGoods(sealed: Uint8Array, seal: GoodsSeal): Uint8Array | undefined {
  if (sealed.length < NONCE_BYTES) return undefined;
  try {
    return aeadOpen(seal.key, sealed.subarray(0, NONCE_BYTES), sealed.subarray(NONCE_BYTES), contextOf(seal));
  } catch (error) {
    if (error instanceof OpenError) return undefined;
    throw error;
  }
}

function contextOf({ orderHash, type }: GoodsSeal): Uint8Array {
  return concatBytes(orderHash, new TextEncoder().encode(type));
}
