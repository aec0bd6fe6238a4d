/** Derivations of docs/TOKENS.md, against node:crypto. */

import { createHash, createHmac, hkdfSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RepeatedHmac } from "../../host/crypto.js";
import * as derive from "../../host/tokens/derive.js";
import { denominationEnds, faceValue, tokenCount, tokenValue, worthOf } from "../../host/tokens/terms.js";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const serial = fc.nat(2 ** 20 - 1);
const hkdf = (secret: Uint8Array, label: string) => Buffer.from(hkdfSync("sha256", secret, "", label, 32));
const hmac = (key: Uint8Array, ...parts: readonly (Uint8Array | string)[]) =>
  parts.reduce((mac, part) => mac.update(part), createHmac("sha256", key)).digest();
const sha256 = (...parts: readonly Uint8Array[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

function big(value: bigint, length: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * length, "0"), "hex");
}

const same = (one: Uint8Array, other: Uint8Array) => expect(Buffer.compare(one, other)).toBe(0);

describe("derivations", () => {
  it("of a chip's seed: halves, masks and goods keys", () => {
    fc.assert(
      fc.property(bytes(32), bytes(16), bytes(32), serial, (seed, purse, order, i) => {
        const key = derive.halfKey(seed);
        const orderKey = derive.orderKey(seed);
        same(key, hkdf(seed, "tallystick token half"));
        same(orderKey, hkdf(seed, "tallystick token order"));
        same(derive.buyerHalf(key, purse, i), hmac(key, purse, big(BigInt(i), 4)));
        same(derive.halfMask(orderKey, order, i), hmac(orderKey, order, big(BigInt(i), 4)));
        same(derive.goodsKey(orderKey, order), hmac(orderKey, order, "goods"));
      }),
    );
  });

  it("of a purse's secret: secrets, unique serial numbers, leaves and their root", () => {
    fc.assert(
      fc.property(bytes(32), bytes(16), serial, fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }), (own, purse, i, value) => {
        const made = new derive.TokenSecrets(own);
        const secret = Uint8Array.from(made.secret(i));
        const unique = Uint8Array.from(made.unique(i));
        same(secret, hmac(hkdf(own, "tallystick token secret"), big(BigInt(i), 4)));
        same(unique, hmac(hkdf(own, "tallystick token serial"), big(BigInt(i), 4)).subarray(0, 16));
        const leaf = derive.tokenLeaf(purse, i, value, unique, secret);
        same(leaf, sha256(Uint8Array.of(1), purse, big(BigInt(i), 4), big(value, 8), unique, secret));
        same(derive.leavesRoot(leaf), sha256(leaf));
      }),
    );
    same(derive.sellerIdOf(Uint8Array.of(1), Uint8Array.of(2)), sha256(Uint8Array.of(1, 2)).subarray(0, 16));
  });

  it("HMACs that are made many at once are those that are made one by one", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(bytes(20), { minLength: 1 }), (key, messages) => {
        const many = new RepeatedHmac(key, 20);
        for (const message of messages) {
          many.message.set(message);
          same(many.digest(), hmac(key, message));
        }
      }),
    );
    expect(() => new RepeatedHmac(new Uint8Array(65), 20)).toThrow(RangeError);
  });

  it("what tokens are worth is the sum of what each is", () => {
    const denominations = [
      { value: 1n, count: 3 },
      { value: 5n, count: 2 },
      { value: 7n, count: 4 },
    ];
    expect([tokenCount(denominations), faceValue(denominations)]).toEqual([9, 41n]);
    expect(denominationEnds(denominations)).toEqual([3, 5, 9]);
    expect([2, 3, 8, 9].map((each) => tokenValue(denominations, each))).toEqual([1n, 5n, 7n, undefined]);
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(8)), (serials) => {
        serials.sort((a, b) => a - b);
        const sum = serials.reduce((total, each) => total + (tokenValue(denominations, each) ?? 0n), 0n);
        expect(worthOf(denominations, serials)).toBe(sum);
      }),
    );
  });
});
