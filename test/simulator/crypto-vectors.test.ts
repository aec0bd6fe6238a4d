/** The platform's cryptography against the vectors of the standards, through a chip where a chip can be given the key. */

import { describe, expect, test } from "vitest";
import { hkdfSha256 } from "../../simulator/crypto.js";
import { PlatformError } from "../../simulator/platform.generated.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { testChip } from "../support/firmware.js";

function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString("hex");
}

const chip = testChip();

describe("RFC 8032 section 7.1", () => {
  test.each([
    [
      "TEST 1",
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
      "TEST 2",
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
      "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
      "TEST 3",
      "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
      "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
  ])("%s", (_name, seed, publicKey, message, signature) => {
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
    const scalar = bytes("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    const point = bytes("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    expect(sodiumCryptography.x25519Agree(scalar, point, shared)).toBe(true);
    expect(hex(shared)).toBe("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  });

  test("section 6.1, Diffie-Hellman", () => {
    const alice = bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    const bob = bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    const [alicePublic, bobPublic] = [new Uint8Array(32), new Uint8Array(32)];
    sodiumCryptography.x25519Public(alice, alicePublic);
    sodiumCryptography.x25519Public(bob, bobPublic);
    expect(hex(alicePublic)).toBe("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    expect(hex(bobPublic)).toBe("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    const [one, other] = [new Uint8Array(32), new Uint8Array(32)];
    expect(sodiumCryptography.x25519Agree(alice, bobPublic, one)).toBe(true);
    expect(sodiumCryptography.x25519Agree(bob, alicePublic, other)).toBe(true);
    expect(hex(one)).toBe("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
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
  const key = bytes("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const nonce = bytes("070000004041424344454647");
  const associated = bytes("50515253c0c1c2c3c4c5c6c7");
  const plaintext = new TextEncoder().encode(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const expected =
    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691";

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

  test.each([
    ["case 1", "0b".repeat(20), "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"],
    [
      "case 2",
      "4a656665",
      "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ],
    ["case 3", "aa".repeat(20), "dd".repeat(50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"],
    [
      "case 6",
      "aa".repeat(131),
      "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ],
  ])("HMAC-SHA256 %s", (_name, key, message, expected) => {
    const destination = new Uint8Array(32);
    chip.hmacSha256(bytes(key), bytes(message), destination);
    expect(hex(destination)).toBe(expected);
  });
});

describe("RFC 5869 appendix A", () => {
  const cases = [
    [
      "A.1",
      "000102030405060708090a0b0c",
      "0b".repeat(22),
      "f0f1f2f3f4f5f6f7f8f9",
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ],
    [
      "A.2",
      Array.from({ length: 80 }, (_, i) => (0x60 + i).toString(16)).join(""),
      Array.from({ length: 80 }, (_, i) => i.toString(16).padStart(2, "0")).join(""),
      Array.from({ length: 80 }, (_, i) => (0xb0 + i).toString(16)).join(""),
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ],
    [
      "A.3",
      "",
      "0b".repeat(22),
      "",
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ],
  ] as const;

  test.each(cases)("%s", (_name, salt, material, info, expected) => {
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
