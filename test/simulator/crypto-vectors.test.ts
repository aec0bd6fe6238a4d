/** The platform's cryptography against the vectors of the standards, through a chip where a chip can be given the key. */

import { describe, expect, test } from "vitest";
import { hkdfSha256 } from "../../simulator/crypto.js";
import { PlatformError } from "../../simulator/platform.generated.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import {
  RFC_4231,
  RFC_5869,
  RFC_7748_AGREEMENT,
  RFC_7748_MULTIPLICATION,
  RFC_8032,
  RFC_8439,
} from "../support/crypto-vectors.js";
import { testChip } from "../support/firmware.js";

function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString("hex");
}

const chip = testChip();

describe("RFC 8032 section 7.1", () => {
  test.each(RFC_8032)("%s", (_name, seed, publicKey, message, signature) => {
    const key = sodiumCryptography.ed25519Key(bytes(seed));
    expect(hex(key.publicKey)).toBe(publicKey);
    const signed = new Uint8Array(64);
    sodiumCryptography.ed25519Sign(key, bytes(message), signed);
    expect(hex(signed)).toBe(signature);
    expect(chip.ed25519Verify(bytes(publicKey), bytes(message), signed)).toBe(0);
    signed[3] = (signed[3] ?? 0) ^ 1;
    expect(chip.ed25519Verify(bytes(publicKey), bytes(message), signed)).toBe(PlatformError.BadSignature);
  });
});

describe("RFC 7748", () => {
  test("section 5.2, scalar multiplication", () => {
    const shared = new Uint8Array(32);
    const scalar = bytes(RFC_7748_MULTIPLICATION.scalar);
    const point = bytes(RFC_7748_MULTIPLICATION.point);
    expect(sodiumCryptography.x25519Agree(scalar, point, shared)).toBe(true);
    expect(hex(shared)).toBe(RFC_7748_MULTIPLICATION.product);
  });

  test("section 6.1, Diffie-Hellman", () => {
    const alice = bytes(RFC_7748_AGREEMENT.alice);
    const bob = bytes(RFC_7748_AGREEMENT.bob);
    const [alicePublic, bobPublic] = [new Uint8Array(32), new Uint8Array(32)];
    sodiumCryptography.x25519Public(alice, alicePublic);
    sodiumCryptography.x25519Public(bob, bobPublic);
    expect(hex(alicePublic)).toBe(RFC_7748_AGREEMENT.alicePublic);
    expect(hex(bobPublic)).toBe(RFC_7748_AGREEMENT.bobPublic);
    const [one, other] = [new Uint8Array(32), new Uint8Array(32)];
    expect(sodiumCryptography.x25519Agree(alice, bobPublic, one)).toBe(true);
    expect(sodiumCryptography.x25519Agree(bob, alicePublic, other)).toBe(true);
    expect(hex(one)).toBe(RFC_7748_AGREEMENT.shared);
    expect(hex(other)).toBe(hex(one));
  });

  test("a point of small order gives no shared secret, and the destination stays", () => {
    chip.slotGenerate(0, 2);
    const destination = new Uint8Array(32).fill(5);
    for (const point of [bytes("00".repeat(32)), bytes(`01${"00".repeat(31)}`)]) {
      expect(chip.x25519Agree(0, point, destination)).toBe(PlatformError.BadKey);
    }
    expect(destination.every((byte) => byte === 5)).toBe(true);
  });
});

describe("RFC 8439 section 2.8.2", () => {
  const key = bytes(RFC_8439.key);
  const nonce = bytes(RFC_8439.nonce);
  const associated = bytes(RFC_8439.associated);
  const plaintext = new TextEncoder().encode(RFC_8439.plaintext);
  const expected = RFC_8439.ciphertext;

  test("seal and open, also in place", () => {
    const ciphertext = new Uint8Array(plaintext.length + 16);
    expect(chip.aeadSeal(key, nonce, associated, plaintext, ciphertext)).toBe(0);
    expect(hex(ciphertext)).toBe(expected);
    const room = new Uint8Array(plaintext.length + 16);
    room.set(plaintext);
    const inner = room.subarray(0, plaintext.length);
    expect(chip.aeadSeal(key, nonce, associated, inner, room)).toBe(0);
    expect(hex(room)).toBe(expected);
    expect(chip.aeadOpen(key, nonce, associated, room, inner)).toBe(0);
    expect(inner).toEqual(plaintext);
  });

  test("a wrong tag, key, nonce or associated byte opens nothing and leaves the destination alone", () => {
    const sealed = bytes(expected);
    const flip = (value: Uint8Array, at: number) => value.map((byte, i) => (i === at ? byte ^ 1 : byte));
    const attempts = [
      [key, nonce, associated, flip(sealed, sealed.length - 1)],
      [key, nonce, associated, flip(sealed, 0)],
      [flip(key, 31), nonce, associated, sealed],
      [key, flip(nonce, 0), associated, sealed],
      [key, nonce, flip(associated, 11), sealed],
      [key, nonce, new Uint8Array(0), sealed],
    ] as const;
    for (const [k, n, a, c] of attempts) {
      const destination = new Uint8Array(plaintext.length).fill(0xaa);
      expect(chip.aeadOpen(k, n, a, c, destination)).toBe(PlatformError.BadTag);
      expect(destination.every((byte) => byte === 0xaa)).toBe(true);
    }
  });

  test("lengths that do not fit and buffers that overlap in part are refused", () => {
    const room = new Uint8Array(200);
    const seal = (from: number, to: number, cipherBytes: number) =>
      chip.aeadSeal(key, nonce, associated, room.subarray(from, from + 64), room.subarray(to, to + cipherBytes));
    expect(seal(0, 100, 80)).toBe(0);
    expect(seal(0, 100, 79)).toBe(PlatformError.InvalidArgument);
    expect(seal(0, 8, 80)).toBe(PlatformError.InvalidArgument);
    expect(chip.aeadOpen(key, nonce, associated, new Uint8Array(15), new Uint8Array(0))).toBe(
      PlatformError.InvalidArgument,
    );
  });
});

describe("FIPS 180-4 and RFC 4231", () => {
  test("SHA-256 of nothing, of abc, and of two blocks", () => {
    const vectors = {
      "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      abc: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq:
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    };
    for (const [message, expected] of Object.entries(vectors)) {
      const destination = new Uint8Array(32);
      chip.sha256(new TextEncoder().encode(message), destination);
      expect(hex(destination)).toBe(expected);
    }
  });

  test.each(RFC_4231)("HMAC-SHA256 %s", (_name, key, message, expected) => {
    const destination = new Uint8Array(32);
    chip.hmacSha256(bytes(key), bytes(message), destination);
    expect(hex(destination)).toBe(expected);
  });
});

describe("RFC 5869 appendix A", () => {
  test.each(RFC_5869)("%s", (_name, salt, material, info, expected) => {
    const destination = new Uint8Array(expected.length / 2);
    expect(chip.hkdfSha256(bytes(salt), bytes(material), bytes(info), destination)).toBe(0);
    expect(hex(destination)).toBe(expected);
  });

  test("a slot derives as HKDF with its secret and no salt", () => {
    const secret = new Uint8Array(32).fill(0x42);
    const info = bytes("010203");
    const [derived, expected] = [new Uint8Array(100), new Uint8Array(100)];
    chip.slotPut(5, secret);
    expect(chip.slotDerive(5, info, derived)).toBe(0);
    hkdfSha256(sodiumCryptography, new Uint8Array(0), secret, info, expected);
    expect(hex(derived)).toBe(hex(expected));
  });

  test("the longest output, and one byte more", () => {
    expect(chip.hkdfSha256(bytes(""), bytes("00"), bytes(""), new Uint8Array(255 * 32))).toBe(0);
    const tooLong = new Uint8Array(255 * 32 + 1);
    expect(chip.hkdfSha256(bytes(""), bytes("00"), bytes(""), tooLong)).toBe(PlatformError.InvalidArgument);
    expect(tooLong.every((byte) => byte === 0)).toBe(true);
  });
});
