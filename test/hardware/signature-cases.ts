/**
 * Signatures at the edges of the one strict rule: points of small order in key and R, encodings that are not canonical, S at and
 * beyond the order. test/simulator/ed25519-strict.test.ts says what is right; here boards and simulator are to agree.
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";

export interface SignatureCase {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

const { Point } = ed25519;
type CurvePoint = InstanceType<typeof Point>;
const L = Point.Fn.ORDER;
const P = 2n ** 255n - 19n;
const SIGN_BIT = 2n ** 255n;
/** Makes all eight points of small order. */
const TORSION = Point.fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function challenge(r: Uint8Array, publicKey: Uint8Array, message: Uint8Array): bigint {
  return fromLittleEndian(sha512(Uint8Array.of(...r, ...publicKey, ...message))) % L;
}

/** What a signer makes who adds points of small order to key and R. */
function forged(key: CurvePoint, r: CurvePoint, message: Uint8Array, addend = 0n): SignatureCase {
  const a = 1234567n;
  const b = 89n;
  const publicKey = Point.BASE.multiply(a).add(key).toBytes();
  const rBytes = Point.BASE.multiply(b).add(r).toBytes();
  const s = ((b + challenge(rBytes, publicKey, message) * a) % L) + addend;
  return { publicKey, message, signature: Uint8Array.of(...rBytes, ...littleEndian(s)) };
}

/** Encodings of points of small order, canonical and not. */
function smallEncodings(small: readonly CurvePoint[]): Uint8Array[] {
  const canonical = small.map((point) => fromLittleEndian(point.toBytes()));
  const others = [P - 1n, P, P + 1n, 0n, 1n, 2n].flatMap((y) => [y, y + SIGN_BIT]);
  return [...canonical, ...others].map(littleEndian);
}

export function* strictCases(): Generator<SignatureCase> {
  const small = [Point.ZERO];
  for (let i = 1; i < 8; i++) small.push((small[i - 1] as CurvePoint).add(TORSION));
  for (const key of small) for (const r of small) yield forged(key, r, Uint8Array.of(1, 2, 3));
  for (let i = 0; i < 24; i++) yield forged(small[1] as CurvePoint, Point.ZERO, Uint8Array.of(i));
  yield forged(Point.ZERO, Point.ZERO, Uint8Array.of(9), L);
  const encodings = smallEncodings(small);
  for (const publicKey of encodings) {
    for (const r of encodings) {
      yield { publicKey, message: Uint8Array.of(7), signature: Uint8Array.of(...r, ...littleEndian(0n)) };
    }
  }
}
