/**
 * The one verification rule for Ed25519. A transferable note is judged by many verifiers, and two that disagree are a
 * way to make money, so that everything in which libraries differ is decided here, before the platform is asked:
 *
 *   S < L                                     RFC 8032 section 5.1.7; without it a signature has a second spelling
 *   y(A) < p, y(R) < p                        no second spelling of a point either
 *   A, R not of order 1, 2, 4 or 8            else one signature could fit many messages or keys
 *   [S]B = R + [k]A, not multiplied by 8      the platform's part
 *
 * These are integer comparisons on 32 bytes: a few hundred instructions beside a verification's million.
 */

import { KEY_BYTES, PLATFORM_BAD_KEY, PLATFORM_BAD_SIGNATURE, SIGNATURE_BYTES } from "../platform/constants";
import { ed25519Verify } from "../platform/imports";
import { REASON_BAD_SIGNATURE } from "../protocol/reasons";

const SIGN_BIT: u64 = 0x8000000000000000;

/** True when the 32 little-endian bytes are below L = 2^252 + 27742317777372353535851937790883648493. */
export function scalarIsReduced(scalar: usize): bool {
  const top = load<u64>(scalar, 24);
  if (top != 0x1000000000000000) return top < 0x1000000000000000;
  if (load<u64>(scalar, 16) != 0) return false;
  const middle = load<u64>(scalar, 8);
  if (middle != 0x14def9dea2f79cd6) return middle < 0x14def9dea2f79cd6;
  return load<u64>(scalar) < 0x5812631a5cf5d3ed;
}

/**
 * True when the 32 bytes may be a point: y < p = 2^255 - 19, and y is not one of the five that points of order 1, 2, 4
 * and 8 have. Both signs of x are refused for those, so that "x = 0 with sign" needs no rule of its own.
 */
export function pointIsAcceptable(point: usize): bool {
  const y0 = load<u64>(point);
  const y1 = load<u64>(point, 8);
  const y2 = load<u64>(point, 16);
  const y3 = load<u64>(point, 24) & ~SIGN_BIT;
  // From p - 1 (order 2) upwards.
  if (y3 == 0x7fffffffffffffff && y2 == u64.MAX_VALUE && y1 == u64.MAX_VALUE && y0 >= 0xffffffffffffffec) return false;
  // 0 (order 4) and 1 (the neutral element).
  if (y3 == 0 && y2 == 0 && y1 == 0 && y0 <= 1) return false;
  // The two of order 8.
  if (y0 == 0xb027b2c28f95e826 && y1 == 0xf098eff289f4c345) {
    if (y2 == 0x3933c6d305acdfd5 && y3 == 0x05fc536d880238b1) return false;
  }
  if (y0 == 0x4fd84d3d706a17c7 && y1 == 0x0f67100d760b3cba) {
    if (y2 == 0xc6cc392cfa53202a && y3 == 0x7a03ac9277fdc74e) return false;
  }
  return true;
}

/** 0 when the signature is the key's for this message, -REASON_BAD_SIGNATURE when it is not, or a platform error. */
export function signatureVerify(publicKey: usize, message: usize, messageLength: u32, signature: usize): i32 {
  const strict = scalarIsReduced(signature + 32) && pointIsAcceptable(signature) && pointIsAcceptable(publicKey);
  if (!strict) return -REASON_BAD_SIGNATURE;
  const verdict = ed25519Verify(publicKey, KEY_BYTES, message, messageLength, signature, SIGNATURE_BYTES);
  if (verdict == PLATFORM_BAD_SIGNATURE || verdict == PLATFORM_BAD_KEY) return -REASON_BAD_SIGNATURE;
  assert(verdict <= 0);
  return verdict;
}
