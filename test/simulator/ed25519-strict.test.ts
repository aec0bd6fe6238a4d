/**
 * The one strict rule of Ed25519 verification, clause by clause, against an oracle that computes the rule from its
 * words over @noble/curves: S < L, canonical encodings, no small-order public key or R, equation without cofactor.
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { testChip } from "../support/firmware.js";

const { Point } = ed25519;
type CurvePoint = InstanceType<typeof Point>;
const L = Point.Fn.ORDER;
const P = 2n ** 255n - 19n;
const chip = testChip();

function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function toLittleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}

/** [scalar] point, for any scalar: noble refuses zero. */
function times(point: CurvePoint, scalar: bigint): CurvePoint {
  const reduced = ((scalar % (8n * L)) + 8n * L) % (8n * L);
  let sum = Point.ZERO;
  for (let bit = 256n; bit >= 0n; bit--) {
    sum = sum.double();
    if (((reduced >> bit) & 1n) === 1n) sum = sum.add(point);
  }
  return sum;
}

function challenge(r: Uint8Array, publicKey: Uint8Array, message: Uint8Array): bigint {
  return fromLittleEndian(sha512(Uint8Array.of(...r, ...publicKey, ...message))) % L;
}

/** A canonical encoding of a point that is not of small order. */
function decodeStrictly(bytes: Uint8Array): CurvePoint | undefined {
  try {
    const point = Point.fromBytes(bytes);
    const isCanonical = Buffer.from(point.toBytes()).equals(Buffer.from(bytes));
    return isCanonical && !times(point, 8n).equals(Point.ZERO) ? point : undefined;
  } catch {
    return undefined;
  }
}

function oracle(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const s = fromLittleEndian(signature.subarray(32));
  const a = decodeStrictly(publicKey);
  const r = decodeStrictly(signature.subarray(0, 32));
  if (s >= L || a === undefined || r === undefined) return false;
  const k = challenge(signature.subarray(0, 32), publicKey, message);
  return times(Point.BASE, s).equals(r.add(times(a, k)));
}

function accepts(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return chip.ed25519Verify(publicKey, message, signature) === 0;
}

/** A generator of the eight points of small order. */
const TORSION = Point.fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
const SMALL_ORDER = Array.from({ length: 8 }, (_, i) => times(TORSION, BigInt(i)));

/** R = [r]B + R', A = [a]B + A', S = r + ka: what a signer makes who adds points of small order. */
function forge(a: bigint, torsionOfA: number, r: bigint, torsionOfR: number, message: Uint8Array) {
  const keyPoint = times(Point.BASE, a).add(SMALL_ORDER[torsionOfA] ?? Point.ZERO);
  const publicKey = keyPoint.toBytes();
  const rBytes = times(Point.BASE, r)
    .add(SMALL_ORDER[torsionOfR] ?? Point.ZERO)
    .toBytes();
  const s = (r + challenge(rBytes, publicKey, message) * a) % L;
  return { publicKey, signature: Uint8Array.of(...rBytes, ...toLittleEndian(s)) };
}

const scalar = fc.bigInt({ min: 1n, max: L - 1n });
const torsion = fc.nat(7);

test("the verdict is the oracle's for keys and R with points of small order in them", () => {
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(scalar, torsion, scalar, torsion, fc.uint8Array({ maxLength: 8 }), (a, ta, r, tr, message) => {
      const { publicKey, signature } = forge(a, ta, r, tr, message);
      const verdict = accepts(publicKey, message, signature);
      expect(verdict).toBe(oracle(publicKey, message, signature));
      if (verdict) accepted++;
      else refused++;
    }),
    { numRuns: 150, examples: [[5n, 0, 7n, 0, Uint8Array.of(1)]] },
  );
  expect(accepted).toBeGreaterThan(0);
  expect(refused).toBeGreaterThan(0);
});

test("a key with a small-order part is accepted exactly when the equation holds without the cofactor", () => {
  const verdicts = Array.from({ length: 40 }, (_, i) => {
    const message = Uint8Array.of(i);
    const { publicKey, signature } = forge(1234567n, 1, 89n, 0, message);
    const k = challenge(signature.subarray(0, 32), publicKey, message);
    expect(accepts(publicKey, message, signature)).toBe(k % 8n === 0n);
    return k % 8n === 0n;
  });
  expect(verdicts).toContain(true);
  expect(verdicts).toContain(false);
});

test("S is less than L", () => {
  const message = Uint8Array.of(9);
  const { publicKey, signature } = forge(42n, 0, 43n, 0, message);
  expect(accepts(publicKey, message, signature)).toBe(true);
  const s = fromLittleEndian(signature.subarray(32));
  for (let added = s + L; added < 2n ** 256n; added += L) {
    expect(accepts(publicKey, message, Uint8Array.of(...signature.subarray(0, 32), ...toLittleEndian(added)))).toBe(
      false,
    );
  }
});

test("a public key of small order verifies nothing, in any encoding", () => {
  for (const encoding of encodingsOfSmallOrder()) {
    // For one in eight messages at most, k is such that the equation holds: try some.
    for (let i = 0; i < 64; i++) {
      const message = Uint8Array.of(i);
      const r = times(Point.BASE, BigInt(i + 1)).toBytes();
      const signature = Uint8Array.of(...r, ...toLittleEndian(BigInt(i + 1)));
      expect(accepts(encoding, message, signature)).toBe(false);
    }
  }
});

test("an R of small order verifies nothing, in any encoding", () => {
  const a = 77n;
  const publicKey = times(Point.BASE, a).toBytes();
  for (const encoding of encodingsOfSmallOrder()) {
    for (let i = 0; i < 8; i++) {
      const message = Uint8Array.of(i);
      // With R the neutral point this S satisfies the equation.
      const s = (challenge(encoding, publicKey, message) * a) % L;
      expect(accepts(publicKey, message, Uint8Array.of(...encoding, ...toLittleEndian(s)))).toBe(false);
    }
  }
});

test("a public key above the prime verifies nothing", () => {
  // y from p to 2^255 - 1 are the encodings that are not canonical; each is tried with both signs.
  for (let y = P; y < 2n ** 255n; y++) {
    for (const sign of [0n, 1n]) {
      const encoding = toLittleEndian(y | (sign << 255n));
      const r = times(Point.BASE, 5n).toBytes();
      expect(accepts(encoding, new Uint8Array(0), Uint8Array.of(...r, ...toLittleEndian(5n)))).toBe(false);
    }
  }
});

/** Canonical encodings, those with y + p where it fits, and those with the sign of a zero x set. */
function encodingsOfSmallOrder(): Uint8Array[] {
  const encodings = new Set<bigint>();
  for (const point of SMALL_ORDER) {
    const encoded = fromLittleEndian(point.toBytes());
    const y = encoded & (2n ** 255n - 1n);
    for (const form of [y, y + P]) {
      if (form < 2n ** 255n) for (const sign of [0n, 1n]) encodings.add(form | (sign << 255n));
    }
  }
  return [...encodings].map(toLittleEndian);
}
