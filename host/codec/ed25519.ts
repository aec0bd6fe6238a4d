/** The part of the one Ed25519 rule that needs no curve arithmetic; `firmware/lib/ed25519.ts` states all of it. */

import { assertBytes } from "./bytes.js";

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const PRIME = 2n ** 255n - 19n;
const SIGN_BIT = 2n ** 255n;

/** The y coordinates of the points of order 1, 2, 4 and 8. */
const ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
const SMALL_ORDER = new Set([0n, 1n, PRIME - 1n, ORDER_8, PRIME - ORDER_8]);

function littleEndian(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 32);
  let value = 0n;
  for (let i = 24; i >= 0; i -= 8) value = (value << 64n) | view.getBigUint64(i, true);
  return value;
}

function isAcceptablePoint(point: Uint8Array): boolean {
  const y = littleEndian(point) & (SIGN_BIT - 1n);
  return y < PRIME && !SMALL_ORDER.has(y);
}

/** True when S < L and both points are canonical and not of small order. */
export function signatureIsStrict(publicKey: Uint8Array, signature: Uint8Array): boolean {
  assertBytes(publicKey, "publicKey", 32);
  assertBytes(signature, "signature", 64);
  const reduced = littleEndian(signature.subarray(32)) < ORDER;
  return reduced && isAcceptablePoint(signature) && isAcceptablePoint(publicKey);
}
