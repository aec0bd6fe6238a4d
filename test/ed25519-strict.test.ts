/** The one Ed25519 rule: firmware, host and the platform's library say the same to signatures on which libraries differ. */

import { createPublicKey, verify as opensslVerify } from "node:crypto";
import { ED25519_TORSION_SUBGROUP, ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { REASON_BAD_SIGNATURE } from "../firmware/protocol/reasons.js";
import { concatBytes, fromHex, toHex } from "../host/codec/bytes.js";
import { signatureIsStrict } from "../host/codec/ed25519.js";
import { ed25519KeyPair, ed25519Sign, ed25519Verify } from "../host/crypto.js";
import { PlatformError } from "../simulator/platform.generated.js";
import { loadModule, testChip } from "./support/firmware.js";

const { Point } = ed25519;
const L = Point.Fn.ORDER;
const P = Point.Fp.ORDER;
const SIGN_BIT = 2n ** 255n;

const firmware = await loadModule("cose");
beforeEach(() => firmware.release());

function littleEndian(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, "0")).reverse();
}

function number(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`);
}

interface Claim {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** Every verdict that must agree: the firmware's rule, the host's, and the library alone. */
function verdicts({ publicKey, message, signature }: Claim): { firmware: boolean; host: boolean; platform: boolean } {
  firmware.release();
  const key = firmware.write(publicKey);
  const text = firmware.write(message);
  const signed = firmware.write(signature);
  const status = firmware.call("signatureVerify", key, text, message.length, signed);
  expect([0, -REASON_BAD_SIGNATURE]).toContain(status);
  return {
    firmware: status === 0,
    host: ed25519Verify(publicKey, message, signature),
    platform: firmware.call("platformVerify", key, text, message.length, signed) === 0,
  };
}

const ALL = { firmware: true, host: true, platform: true };
const NONE = { firmware: false, host: false, platform: false };

/** OpenSSL: it has the equation without cofactor too, but none of the rules on points. */
function openssl({ publicKey, message, signature }: Claim): boolean {
  const x = Buffer.from(publicKey).toString("base64url");
  const key = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x } });
  return opensslVerify(null, message, key, signature);
}

/** A signature by scalars and points of one's choice, with torsion added to the key or to R. */
function forge(secret: bigint, nonce: bigint, message: Uint8Array, keyTorsion: string, nonceTorsion: string): Claim {
  const publicKey = Point.BASE.multiply(secret).add(Point.fromHex(keyTorsion)).toBytes();
  const r = Point.BASE.multiply(nonce).add(Point.fromHex(nonceTorsion)).toBytes();
  const challenge = number(sha512(concatBytes(r, publicKey, message))) % L;
  const s = (nonce + challenge * secret) % L;
  return { publicKey, message, signature: concatBytes(r, littleEndian(s)) };
}

const NEUTRAL = "0100000000000000000000000000000000000000000000000000000000000000";
const message = new TextEncoder().encode("pay 5");
const honest = ((): Claim => {
  const { publicKey, secretKey } = ed25519KeyPair(new Uint8Array(32).fill(5));
  return { publicKey, message, signature: ed25519Sign(message, secretKey) };
})();

describe("RFC 8032 section 7.1", () => {
  test.each([
    [
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
      "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
  ])("seed %s", (seed, publicKey, text, signature) => {
    const pair = ed25519KeyPair(fromHex(seed));
    expect(toHex(pair.publicKey)).toBe(publicKey);
    expect(toHex(ed25519Sign(fromHex(text), pair.secretKey))).toBe(signature);
    const claim = { publicKey: pair.publicKey, message: fromHex(text), signature: fromHex(signature) };
    expect(verdicts(claim)).toEqual(ALL);
  });
});

describe("scalar S", () => {
  const s = number(honest.signature.subarray(32));
  const withS = (value: bigint): Claim => ({
    ...honest,
    signature: concatBytes(honest.signature.subarray(0, 32), littleEndian(value)),
  });

  test("S + L and S + 2L say the same equation and are refused", () => {
    expect(verdicts(withS(s))).toEqual(ALL);
    for (let k = 1n; s + k * L < 2n ** 256n; k++) expect(verdicts(withS(s + k * L))).toEqual(NONE);
  });

  test("the comparison with L is exact, in firmware and host", () => {
    const near = [0n, 1n, L - 1n, L, L + 1n, 2n ** 252n, 2n ** 252n - 1n, 2n ** 253n, 2n ** 256n - 1n];
    for (const limb of [64n, 128n, 192n])
      near.push(L - (1n << limb), L + (1n << limb), L ^ (1n << limb), L - 2n ** limb + 1n);
    const scalars = fc.oneof(
      fc.constantFrom(...near),
      fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
      fc.bigInt({ min: L - 2n ** 130n, max: L + 2n ** 130n }),
    );
    const check = (value: bigint): void => {
      firmware.release();
      const scalar = littleEndian(value);
      expect([value, firmware.call("scalarIsReduced", firmware.write(scalar))]).toEqual([value, Number(value < L)]);
      const signature = concatBytes(honest.signature.subarray(0, 32), scalar);
      expect([value, signatureIsStrict(honest.publicKey, signature)]).toEqual([value, value < L]);
    };
    near.forEach(check);
    fc.assert(fc.property(scalars, check), { numRuns: 500 });
  });
});

describe("points", () => {
  const torsion = ED25519_TORSION_SUBGROUP;
  /** Small-order points with every spelling that decoders are known to take: y and y + p, both signs. */
  const spellings = new Set<string>();
  for (const hex of torsion) {
    const y = number(fromHex(hex)) % SIGN_BIT;
    for (const value of [y, y + P]) {
      if (value >= SIGN_BIT) continue;
      spellings.add(toHex(littleEndian(value)));
      spellings.add(toHex(littleEndian(value + SIGN_BIT)));
    }
  }

  test("there are fourteen spellings of the eight points", () => {
    expect(torsion).toHaveLength(8);
    expect(spellings.size).toBe(14);
  });

  test.each([...spellings])("%s is refused as key and as R", (hex) => {
    const point = fromHex(hex);
    expect(firmware.call("pointIsAcceptable", firmware.write(point))).toBe(0);
    expect(signatureIsStrict(point, honest.signature)).toBe(false);
    // With S = 0 and R = A neutral or cancelling, a verifier without the rule may say yes to any message.
    for (let i = 0; i < 16; i++) {
      const any = Uint8Array.of(i);
      const zeroS = concatBytes(fromHex(NEUTRAL), new Uint8Array(32));
      expect(verdicts({ publicKey: point, message: any, signature: zeroS })).toEqual(NONE);
      const asR = concatBytes(point, honest.signature.subarray(32));
      expect(verdicts({ ...honest, signature: asR })).toEqual(NONE);
    }
  });

  test("OpenSSL alone takes a key of small order: the rule is not idle", () => {
    const signature = concatBytes(fromHex(NEUTRAL), new Uint8Array(32));
    expect(openssl({ publicKey: fromHex(NEUTRAL), message, signature })).toBe(true);
  });

  test("every y from p up, and none just below but p - 1, is refused", () => {
    for (let y = P - 4n; y < SIGN_BIT; y++) {
      for (const value of [y, y + SIGN_BIT]) {
        firmware.release();
        const point = littleEndian(value);
        const isAcceptable = y < P - 1n;
        expect(firmware.call("pointIsAcceptable", firmware.write(point))).toBe(Number(isAcceptable));
        expect(signatureIsStrict(point, honest.signature)).toBe(isAcceptable);
      }
    }
  });

  test("neighbours of the refused points are not refused", () => {
    for (const hex of torsion) {
      for (let bit = 0; bit < 255; bit++) {
        const near = littleEndian(number(fromHex(hex)) ^ (1n << BigInt(bit)));
        const isRefused = spellings.has(toHex(near)) || number(near) % SIGN_BIT >= P;
        firmware.release();
        expect(firmware.call("pointIsAcceptable", firmware.write(near))).toBe(Number(!isRefused));
        expect(signatureIsStrict(near, honest.signature)).toBe(!isRefused);
      }
    }
  });

  test("R + p is no second spelling of R", () => {
    // Points with y < 19 have one; a nonce cannot be chosen to hit them, but the check must not depend on that.
    for (let y = 2n; y < 19n; y++) {
      const claim = { ...honest, signature: concatBytes(littleEndian(y + P), honest.signature.subarray(32)) };
      expect(verdicts(claim)).toEqual(NONE);
    }
  });
});

describe("the equation has no cofactor", () => {
  const texts = Array.from({ length: 24 }, (_, i) => Uint8Array.of(i));

  test.each(ED25519_TORSION_SUBGROUP.filter((hex) => hex !== NEUTRAL))("torsion %s in R is refused", (hex) => {
    for (const text of texts) {
      const claim = forge(1234n, 5678n, text, NEUTRAL, hex);
      expect(verdicts(claim)).toEqual(NONE);
      expect(openssl(claim)).toBe(false);
    }
  });

  test("a verifier with cofactor takes what is refused here: the difference is real", () => {
    const [torsion = ""] = ED25519_TORSION_SUBGROUP.filter((hex) => hex !== NEUTRAL);
    const { signature, message: text, publicKey } = forge(1234n, 5678n, message, NEUTRAL, torsion);
    expect(ed25519.verify(signature, text, publicKey, { zip215: false })).toBe(true);
  });

  test.each(ED25519_TORSION_SUBGROUP)("a key with torsion %s: all verdicts are the same as OpenSSL's", (hex) => {
    for (const text of texts) {
      const claim = forge(1234n, 5678n, text, hex, NEUTRAL);
      expect(verdicts(claim)).toEqual(openssl(claim) ? ALL : NONE);
    }
  });

  test("without torsion everything is accepted", () => {
    for (const text of texts) expect(verdicts(forge(1234n, 5678n, text, NEUTRAL, NEUTRAL))).toEqual(ALL);
  });
});

describe("the rule stands in front of a platform whose library has none", () => {
  test("a platform that says yes to everything is asked only about strict claims", async () => {
    const chip = testChip();
    let asked = 0;
    chip.ed25519Verify = () => {
      asked += 1;
      return 0;
    };
    const lenient = await loadModule("cose", chip);
    const judge = ({ publicKey, message: text, signature }: Claim): number => {
      const key = lenient.write(publicKey);
      return lenient.call("signatureVerify", key, lenient.write(text), text.length, lenient.write(signature));
    };
    expect(judge(honest)).toBe(0);
    expect(asked).toBe(1);
    const r = honest.signature.subarray(0, 32);
    const s = honest.signature.subarray(32);
    expect(judge({ ...honest, publicKey: fromHex(NEUTRAL) })).toBe(-REASON_BAD_SIGNATURE);
    expect(judge({ ...honest, signature: concatBytes(fromHex(NEUTRAL), s) })).toBe(-REASON_BAD_SIGNATURE);
    expect(judge({ ...honest, signature: concatBytes(r, littleEndian(L)) })).toBe(-REASON_BAD_SIGNATURE);
    expect(asked).toBe(1);
  });

  test.each([
    [PlatformError.BadSignature, -REASON_BAD_SIGNATURE],
    [PlatformError.BadKey, -REASON_BAD_SIGNATURE],
    [PlatformError.NotSupported, PlatformError.NotSupported],
  ])("the platform's %d becomes %d", async (answer, result) => {
    const chip = testChip();
    chip.ed25519Verify = () => answer;
    const module = await loadModule("cose", chip);
    const [key, signature] = [module.write(honest.publicKey), module.write(honest.signature)];
    expect(module.call("signatureVerify", key, key, 0, signature)).toBe(result);
  });
});

test("a changed bit anywhere is refused by all", () => {
  const bits = fc.record({ part: fc.constantFrom("publicKey", "message", "signature" as const), bit: fc.nat() });
  fc.assert(
    fc.property(bits, ({ part, bit }) => {
      const bytes = Uint8Array.from(honest[part as keyof Claim]);
      const at = (bit >> 3) % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      expect(verdicts({ ...honest, [part]: bytes })).toEqual(NONE);
    }),
    { numRuns: 300 },
  );
});
