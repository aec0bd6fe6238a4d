/** Signed objects (RFC 9052): firmware and host make and take the same bytes, and an independent library checks them. */

import { createPrivateKey, sign as opensslSign, type webcrypto } from "node:crypto";
import { ProtectedHeaders, Sign1, UnprotectedHeaders } from "@auth0/cose";
import * as cborg from "cborg";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { SIGNED_CERTIFICATE, SIGNED_NOTE_BODY, SIGNED_TICKET, SIGNED_VERSION } from "../firmware/protocol/kinds.js";
import { COSE_PAYLOAD_BYTES_MAX } from "../firmware/protocol/limits.js";
import { REASON_BAD_SIGNATURE, REASON_MALFORMED, REASON_TOO_LONG } from "../firmware/protocol/reasons.js";
import { concatBytes, fromHex, toHex } from "../host/codec/bytes.js";
import { externalAad, payloadOf, sign1, verify1 } from "../host/codec/cose.js";
import { CodecError } from "../host/codec/errors.js";
import { ed25519Signer, ed25519Verify } from "../host/crypto.js";
import { PlatformError } from "../simulator/platform.generated.js";
import { loadModule, testChip } from "./support/firmware.js";

const SLOT = 3;
const firmware = await loadModule("cose", testChip("cose"));
const chipKey = ((): Uint8Array => {
  const address = firmware.allocate(32);
  expect(firmware.call("makeKey", SLOT, address)).toBe(0);
  return firmware.read(address, 32);
})();
beforeEach(() => firmware.release());

const seed = new Uint8Array(32).map((_, i) => i);
const signer = ed25519Signer(seed);
const payloads = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 200, maxLength: 700 }));
const kinds = fc.integer({ min: 1, max: 12 });

function chipSign(
  kind: number,
  payload: Uint8Array,
  capacity = payload.length + 80,
): { status: number; cose: Uint8Array } {
  firmware.release();
  const out = firmware.allocate(capacity);
  const status = firmware.call("coseSign", kind, SLOT, firmware.write(payload), payload.length, out, capacity);
  return { status, cose: firmware.read(out, Math.max(status, 0)) };
}

function chipVerify(kind: number, cose: Uint8Array, publicKey: Uint8Array): number {
  firmware.release();
  return firmware.call("coseVerify", kind, firmware.write(cose), cose.length, firmware.write(publicKey));
}

function chipPayload(cose: Uint8Array): Uint8Array | undefined {
  firmware.release();
  const address = firmware.call("cosePayload", firmware.write(cose), cose.length);
  return address === 0 ? undefined : firmware.read(address, firmware.call("cosePayloadLength"));
}

function hostVerify(kind: number, cose: Uint8Array, publicKey: Uint8Array): number {
  try {
    verify1(kind, cose, publicKey);
    return 0;
  } catch (error) {
    if (error instanceof CodecError) return -error.reason;
    throw error;
  }
}

/** Both verdicts, which must be one. */
function verdict(kind: number, cose: Uint8Array, publicKey: Uint8Array): number {
  const host = hostVerify(kind, cose, publicKey);
  expect([toHex(cose), chipVerify(kind, cose, publicKey)]).toEqual([toHex(cose), host]);
  return host;
}

function webKey(publicKey: Uint8Array): Promise<webcrypto.CryptoKey> {
  return crypto.subtle.importKey("raw", Uint8Array.from(publicKey), { name: "Ed25519" }, false, ["verify"]);
}

test("the signed context is tallystick, version, kind", () => {
  expect(toHex(externalAad(SIGNED_TICKET))).toBe(`${toHex(new TextEncoder().encode("tallystick"))}0104`);
  expect(externalAad(SIGNED_TICKET)[10]).toBe(SIGNED_VERSION);
  expect(() => externalAad(0)).toThrow(RangeError);
  expect(() => externalAad(256)).toThrow(RangeError);
});

describe("firmware and host", () => {
  test("each takes what the other signs, as the kind it was signed as and no other", () => {
    fc.assert(
      fc.property(payloads, kinds, kinds, (payload, kind, other) => {
        const { cose } = chipSign(kind, payload);
        expect(verify1(kind, cose, chipKey)).toEqual(payload);
        expect(verdict(kind, cose, chipKey)).toBe(0);
        const made = sign1(kind, payload, signer);
        expect(verdict(kind, made, signer.publicKey)).toBe(0);
        expect(chipPayload(made)).toEqual(payload);
        expect(payloadOf(made)).toEqual(payload);
        expect(verdict(kind, made, chipKey)).toBe(-REASON_BAD_SIGNATURE);
        if (other !== kind) expect(verdict(other, made, signer.publicKey)).toBe(-REASON_BAD_SIGNATURE);
      }),
      { numRuns: 150 },
    );
  });

  test("any damage gives the same verdict, and never a good one", () => {
    const damage = fc.record({ at: fc.nat(), byte: fc.nat(255), how: fc.constantFrom("change", "add", "cut") });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), damage, (payload, { at, byte, how }) => {
        const good = sign1(SIGNED_NOTE_BODY, payload, signer);
        const bytes = [...good];
        const place = at % bytes.length;
        if (how === "change") bytes[place] = byte;
        else if (how === "add") bytes.splice(place, 0, byte);
        else bytes.length = place;
        const cose = Uint8Array.from(bytes);
        const isUnchanged = toHex(cose) === toHex(good);
        expect(verdict(SIGNED_NOTE_BODY, cose, signer.publicKey) === 0).toBe(isUnchanged);
        expect(chipPayload(cose) === undefined).toBe(
          hostVerify(SIGNED_NOTE_BODY, cose, signer.publicKey) === -REASON_MALFORMED,
        );
      }),
      { numRuns: 600 },
    );
  });

  const good = sign1(SIGNED_TICKET, fromHex("a10102"), signer);
  const hex = toHex(good);
  const forms: Record<string, string> = {
    "a tagged object": `d2${hex}`,
    "an unprotected header that is not empty": hex.replace("43a10127a0", "43a10127a10400"),
    "another algorithm": hex.replace("43a10127", "43a10126"),
    "a protected header with a second entry": hex.replace("43a10127", "45a201270401"),
    "an empty protected header": hex.replace("43a10127", "40"),
    "a protected header as a map": hex.replace("43a10127", "a10127"),
    "five items": hex.replace(/^84/, "85").concat("00"),
    "three items": hex.replace(/^84/, "83"),
    "a payload that is absent": hex.replace("43a10102", "f6"),
    "a payload with a longer header": hex.replace("43a10102", "5803a10102"),
    "a signature of 63 bytes": hex.replace(/5840/, "583f").slice(0, -2),
    "a signature of 65 bytes": hex.replace(/5840/, "5841").concat("00"),
    "a byte behind it": `${hex}00`,
    nothing: "",
  };
  test.each(Object.entries(forms))("%s is malformed", (_what, form) => {
    expect(form).not.toBe(hex);
    expect(verdict(SIGNED_TICKET, fromHex(form), signer.publicKey)).toBe(-REASON_MALFORMED);
  });

  test("the longest payload is signed and taken, one byte more is not", () => {
    const longest = new Uint8Array(COSE_PAYLOAD_BYTES_MAX).fill(1);
    const { cose } = chipSign(SIGNED_TICKET, longest);
    expect(verdict(SIGNED_TICKET, cose, chipKey)).toBe(0);
    const longer = new Uint8Array(COSE_PAYLOAD_BYTES_MAX + 1);
    expect(chipSign(SIGNED_TICKET, longer).status).toBe(-REASON_TOO_LONG);
    expect(() => sign1(SIGNED_TICKET, longer, signer)).toThrow(RangeError);
    const made = concatBytes(fromHex("8443a10127a0"), cborg.encode(longer), cborg.encode(new Uint8Array(64)));
    expect(verdict(SIGNED_TICKET, made, chipKey)).toBe(-REASON_MALFORMED);
  });
});

describe("firmware", () => {
  test("an output buffer too small is TOO_LONG, and a slot without a key is the platform's error", () => {
    const payload = new Uint8Array(24);
    const { status } = chipSign(SIGNED_TICKET, payload);
    expect(status).toBe(6 + 2 + 24 + 66);
    expect(chipSign(SIGNED_TICKET, payload, status).status).toBe(status);
    for (const capacity of [0, 5, 6, 8, 30, status - 1]) {
      expect(chipSign(SIGNED_TICKET, payload, capacity).status).toBe(-REASON_TOO_LONG);
    }
    const out = firmware.allocate(200);
    expect(firmware.call("coseSign", SIGNED_TICKET, 9, out, 1, out, 200)).toBe(PlatformError.SlotEmpty);
  });

  test("a payload may lie in the buffer that the signed object is written to", () => {
    const payload = Uint8Array.from({ length: 100 }, (_, i) => i);
    for (const offset of [0, 1, 8, 60]) {
      firmware.release();
      const out = firmware.allocate(300);
      new Uint8Array(firmware.memory.buffer).set(payload, out + offset);
      const length = firmware.call("coseSign", SIGNED_TICKET, SLOT, out + offset, payload.length, out, 300);
      expect(verify1(SIGNED_TICKET, firmware.read(out, length), chipKey)).toEqual(payload);
    }
  });

  test("the same payload under the same key gives the same bytes", () => {
    expect(chipSign(SIGNED_TICKET, seed).cose).toEqual(chipSign(SIGNED_TICKET, seed).cose);
  });
});

describe("an independent COSE library", () => {
  test("verifies what firmware and host sign, with the external_aad of the kind", async () => {
    const payload = fromHex("83010203");
    const signed: [Uint8Array, Uint8Array][] = [
      [chipSign(SIGNED_NOTE_BODY, payload).cose, chipKey],
      [sign1(SIGNED_NOTE_BODY, payload, signer), signer.publicKey],
    ];
    for (const [cose, publicKey] of signed) {
      const object = Sign1.decode(cose);
      const key = await webKey(publicKey);
      expect(Uint8Array.from(object.payload)).toEqual(payload);
      await object.verify(key, { externalAAD: externalAad(SIGNED_NOTE_BODY) });
      await expect(object.verify(key, { externalAAD: externalAad(SIGNED_CERTIFICATE) })).rejects.toThrow();
      await expect(object.verify(key)).rejects.toThrow();
    }
  });

  test("what it signs without our context is refused by both as a signature, not as a form", async () => {
    const { cose, publicKey } = await signedByLibrary(fromHex("83010203"));
    expect(verdict(SIGNED_NOTE_BODY, cose, publicKey)).toBe(-REASON_BAD_SIGNATURE);
  });

  test("what it encodes, signed by OpenSSL over its own Sig_structure, is taken by both", () => {
    const payload = fromHex("83010203");
    const protectedHeader = cborg.encode(new Map([[1, -8]]));
    const signedBytes = cborg.encode(["Signature1", protectedHeader, externalAad(SIGNED_NOTE_BODY), payload]);
    const signature = Uint8Array.from(opensslSign(null, signedBytes, privateKey()));
    const object = new Sign1(protectedHeader, new Map(), payload, signature);
    const cose = untagged(object.encode());
    expect(verdict(SIGNED_NOTE_BODY, cose, signer.publicKey)).toBe(0);
    expect(toHex(cose)).toBe(toHex(sign1(SIGNED_NOTE_BODY, payload, signer)));
  });

  /** It encodes with the tag of COSE_Sign1, which ours do not carry. */
  function untagged(cose: Uint8Array): Uint8Array {
    expect(cose[0]).toBe(0xd2);
    return Uint8Array.from(cose.subarray(1));
  }

  /** PKCS #8 (RFC 8410) around the seed. */
  function privateKey(): ReturnType<typeof createPrivateKey> {
    const der = Buffer.concat([fromHex("302e020100300506032b657004220420"), seed]);
    return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  }

  async function signedByLibrary(payload: Uint8Array): Promise<{ cose: Uint8Array; publicKey: Uint8Array }> {
    const pkcs8 = Uint8Array.from(concatBytes(fromHex("302e020100300506032b657004220420"), seed));
    const key = await crypto.subtle.importKey("pkcs8", pkcs8, { name: "Ed25519" }, true, ["sign"]);
    const headers = new ProtectedHeaders([[1, -8]]);
    const object = await Sign1.sign(headers, new UnprotectedHeaders([]), payload, key);
    await object.verify(await webKey(signer.publicKey));
    return { cose: untagged(object.encode()), publicKey: signer.publicKey };
  }
});

describe("host", () => {
  test("the strict rule stands in front of any verifier that is handed in", () => {
    const cose = sign1(SIGNED_TICKET, seed, signer);
    const yes = (): boolean => true;
    const smallOrderKey = new Uint8Array(32);
    expect(() => verify1(SIGNED_TICKET, cose, smallOrderKey, yes)).toThrow(CodecError);
    expect(verify1(SIGNED_TICKET, cose, signer.publicKey, yes)).toEqual(seed);
    expect(() => verify1(SIGNED_TICKET, cose, signer.publicKey, () => false)).toThrow(CodecError);
  });

  test("guards name the argument", () => {
    expect(() => sign1(SIGNED_TICKET, "x" as unknown as Uint8Array, signer)).toThrow(/^payload:/);
    expect(() => verify1(SIGNED_TICKET, seed, new Uint8Array(31))).toThrow(/^publicKey:/);
    expect(() => sign1(SIGNED_TICKET, seed, { publicKey: seed, sign: () => new Uint8Array(63) })).toThrow(
      /^signature:/,
    );
    expect(() => ed25519Verify(seed, seed, seed)).toThrow(/^signature: expected 64 bytes, found 32/);
    expect(() => ed25519Signer(new Uint8Array(31))).toThrow(/^seed:/);
  });
});
