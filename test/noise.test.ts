/** The Noise Protocol Framework, revision 34: XX and N with 25519, ChaChaPoly and SHA256, in firmware and host. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { HANDSHAKE_PAYLOAD_BYTES_MAX } from "../firmware/protocol/limits.js";
import { REASON_BAD_SEAL, REASON_MALFORMED } from "../firmware/protocol/reasons.js";
import {
  type Handshake,
  hostNoiseCrypto,
  oneWayReceiver,
  oneWaySender,
  openSealed,
  Session,
  sealTo,
} from "../host/codec/noise.js";
import { KeyKind, PlatformError } from "../simulator/platform.generated.js";
import { FirmwareAssertion } from "./support/firmware.js";
import {
  bytesOf,
  EPHEMERAL_A,
  EPHEMERAL_B,
  EPHEMERAL_PRIVATE_A,
  EPHEMERAL_PRIVATE_B,
  expectEnded,
  firmwareSession,
  handshake,
  hostSession,
  key,
  PRIVATE_A,
  PRIVATE_B,
  PROLOGUE,
  reasonOf,
  STATIC_A,
  STATIC_B,
} from "./support/noise-ends.js";
import { loadNoiseModule, type NoiseModule, SESSION_OPEN } from "./support/noise-module.js";

interface Vector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_static?: string;
  readonly init_ephemeral: string;
  readonly init_remote_static?: string;
  readonly resp_static: string;
  readonly resp_ephemeral?: string;
  readonly handshake_hash?: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const noRandom = (): never => {
  throw new Error("this end needs no randomness");
};

const { vectors } = JSON.parse(
  readFileSync(new URL("vectors/noise-25519-chachapoly-sha256.json", import.meta.url), "utf8"),
) as { vectors: readonly Vector[] };
const named = (name: string) =>
  vectors.filter((vector) => vector.protocol_name === name).map((vector, index) => ({ number: index + 1, vector }));
const vectorsXX = named("Noise_XX_25519_ChaChaPoly_SHA256");
const vectorsN = named("Noise_N_25519_ChaChaPoly_SHA256");
const builds = ["debug", "release"] as const;
const onBuilds = (cases: typeof vectorsXX) => builds.flatMap((build) => cases.map((entry) => ({ build, ...entry })));

let module: NoiseModule;
beforeEach(async () => {
  module = await loadNoiseModule();
});

describe("public vectors", () => {
  it("has vectors for both patterns", () => {
    expect(vectorsXX.length).toBeGreaterThanOrEqual(2);
    expect(vectorsN.length).toBeGreaterThanOrEqual(2);
  });

  it.each(vectorsXX)("XX $number on the host", ({ vector }) => {
    const prologue = hex(vector.init_prologue);
    const end = (initiator: boolean, own: string | undefined, ephemeral: string | undefined) =>
      new Session({ initiator, prologue, staticPrivate: hex(own ?? ""), random: () => hex(ephemeral ?? "") });
    const initiator = end(true, vector.init_static, vector.init_ephemeral);
    const responder = end(false, vector.resp_static, vector.resp_ephemeral);
    vector.messages.forEach(({ payload, ciphertext }, index) => {
      const [writer, reader] = index % 2 === 0 ? [initiator, responder] : [responder, initiator];
      const message = index < 3 ? writer.write(hex(payload)) : writer.seal(hex(payload));
      expect(toHex(message)).toBe(ciphertext);
      expect(toHex(index < 3 ? reader.read(message) : reader.open(message))).toBe(payload);
    });
    expect(initiator.hash).toEqual(responder.hash);
    if (vector.handshake_hash !== undefined) expect(toHex(initiator.hash)).toBe(vector.handshake_hash);
  });

  it.each(onBuilds(vectorsXX))("XX $number on the firmware, $build", async ({ build, vector }) => {
    module = await loadNoiseModule(build);
    const prologue = hex(vector.init_prologue);
    module.plant(STATIC_A, hex(vector.init_static ?? ""));
    module.plant(STATIC_B, hex(vector.resp_static));
    const [initiator, responder] = [module.session(0), module.session(1)];
    expect(initiator.begin(true, prologue, STATIC_A, EPHEMERAL_A)).toBe(0);
    expect(responder.begin(false, prologue, STATIC_B, EPHEMERAL_B)).toBe(0);
    vector.messages.forEach(({ payload, ciphertext }, index) => {
      const [writer, reader] = index % 2 === 0 ? [initiator, responder] : [responder, initiator];
      if (index === 0) module.nextPrivate(hex(vector.init_ephemeral));
      if (index === 1) module.nextPrivate(hex(vector.resp_ephemeral ?? ""));
      const message = index < 3 ? writer.write(hex(payload)) : writer.seal(hex(payload));
      expect(toHex(message)).toBe(ciphertext);
      expect(toHex(index < 3 ? reader.read(message) : reader.open(message))).toBe(payload);
    });
    expect(initiator.hash()).toEqual(responder.hash());
    if (vector.handshake_hash !== undefined) expect(toHex(initiator.hash())).toBe(vector.handshake_hash);
  });

  it.each(vectorsN)("N $number on the host", ({ vector }) => {
    const prologue = hex(vector.init_prologue);
    const remoteStatic = hex(vector.init_remote_static ?? "");
    const sender = oneWaySender({ prologue, remoteStatic, random: () => hex(vector.init_ephemeral) });
    const receiver = oneWayReceiver({ prologue, staticPrivate: hex(vector.resp_static) });
    vector.messages.forEach(({ payload, ciphertext }, index) => {
      const message = sendOneWay(sender, index, hex(payload));
      expect(toHex(message)).toBe(ciphertext);
      expect(toHex(index === 0 ? receiver.read(message) : receiver.open(message))).toBe(payload);
    });
    if (vector.handshake_hash !== undefined) expect(toHex(sender.hash)).toBe(vector.handshake_hash);
  });

  it.each(onBuilds(vectorsN))("N $number on the firmware, $build", async ({ build, vector }) => {
    module = await loadNoiseModule(build);
    const [first] = vector.messages;
    if (first === undefined) throw new Error("a vector without messages");
    const prologue = hex(vector.init_prologue);
    module.nextPrivate(hex(vector.init_ephemeral));
    const sealed = module.sealTo(hex(vector.init_remote_static ?? ""), prologue, EPHEMERAL_A, hex(first.payload));
    expect(toHex(sealed)).toBe(first.ciphertext);
    expect(module.kindOf(EPHEMERAL_A)).toBe(KeyKind.Empty);
    module.plant(STATIC_B, hex(vector.resp_static));
    expect(toHex(module.openSealed(STATIC_B, prologue, sealed))).toBe(first.payload);
  });
});

function sendOneWay(sender: Handshake, index: number, payload: Uint8Array): Uint8Array {
  return index === 0 ? sender.write(payload) : sender.seal(payload);
}

const payload = fc.uint8Array({ maxLength: HANDSHAKE_PAYLOAD_BYTES_MAX });
const payloads = fc.tuple(payload, payload, payload);

describe.each([
  { who: "firmware initiates", firmwareInitiates: true },
  { who: "host initiates", firmwareInitiates: false },
])("session of firmware and host, $who", ({ firmwareInitiates }) => {
  it("carries any payloads and messages, both ends see the same hash, keys and export", () => {
    const messages = fc.array(fc.record({ fromInitiator: fc.boolean(), plain: fc.uint8Array({ maxLength: 2000 }) }));
    fc.assert(
      fc.property(payloads, messages, (handshakePayloads, sequence) => {
        const firmware = firmwareSession(module, firmwareInitiates);
        const host = hostSession(!firmwareInitiates);
        const [initiator, responder] = firmwareInitiates ? [firmware, host] : [host, firmware];
        handshake(initiator, responder, handshakePayloads);
        expect([firmware.state(), host.state]).toEqual([SESSION_OPEN, "open"]);
        expect(firmware.hash()).toEqual(host.hash);
        expect(firmware.remoteStatic()).toEqual(hostNoiseCrypto.publicKey(firmwareInitiates ? PRIVATE_B : PRIVATE_A));
        expect(host.remoteStatic).toEqual(hostNoiseCrypto.publicKey(firmwareInitiates ? PRIVATE_A : PRIVATE_B));
        expect(firmware.exportSecret(PROLOGUE)).toEqual(host.exportSecret(PROLOGUE));
        expect(firmware.exportSecret(bytesOf("x"))).not.toEqual(host.exportSecret(bytesOf("y")));
        for (const { fromInitiator, plain } of sequence) {
          const [writer, reader] = fromInitiator ? [initiator, responder] : [responder, initiator];
          expect(reader.open(writer.seal(plain))).toEqual(plain);
        }
        expect([firmware.errors(), host.errors]).toEqual([0, 0]);
        firmware.end();
      }),
      { numRuns: 40 },
    );
  });

  it("fails at an end with another prologue", () => {
    const firmware = firmwareSession(module, firmwareInitiates, 0, bytesOf("another prologue"));
    const host = hostSession(!firmwareInitiates);
    const [initiator, responder] = firmwareInitiates ? [firmware, host] : [host, firmware];
    responder.read(initiator.write(key(1)));
    const second = responder.write(key(2));
    if (firmwareInitiates) expect(firmware.tryRead(second)).toBe(-REASON_BAD_SEAL);
    else expect(reasonOf(() => host.read(second))).toBe(REASON_BAD_SEAL);
  });
});

describe("two sessions of one element", () => {
  it("run interleaved and do not touch each other", () => {
    const [a, b] = [firmwareSession(module, true, 0), firmwareSession(module, false, 1)];
    module.nextPrivate(EPHEMERAL_PRIVATE_A, EPHEMERAL_PRIVATE_B);
    handshake(a, b);
    expect(a.hash()).toEqual(b.hash());
    const bBefore = b.image();
    a.end();
    expect(b.image()).toEqual(bBefore);
  });
});

describe("sealing to a public key, firmware and host", () => {
  const remoteStatic = hostNoiseCrypto.publicKey(PRIVATE_B);

  it("opens what the other sealed, longer than a handshake payload too", () => {
    module.plant(STATIC_B, PRIVATE_B);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000, size: "max" }), (plain) => {
        module.nextPrivate(EPHEMERAL_PRIVATE_A);
        const byFirmware = module.sealTo(remoteStatic, PROLOGUE, EPHEMERAL_A, plain);
        expect(openSealed({ staticPrivate: PRIVATE_B, prologue: PROLOGUE }, byFirmware)).toEqual(plain);
        const byHost = sealTo({ remoteStatic, prologue: PROLOGUE, random: () => key(0x77) }, plain);
        expect(module.openSealed(STATIC_B, PROLOGUE, byHost)).toEqual(plain);
      }),
      { numRuns: 40 },
    );
  });

  it("refuses what is altered, truncated, or sealed to another key or prologue", () => {
    module.plant(STATIC_B, PRIVATE_B);
    module.plant(STATIC_A, PRIVATE_A);
    const sealed = sealTo({ remoteStatic, prologue: PROLOGUE, random: () => key(0x77) }, key(1));
    for (let position = 0; position < sealed.length; position += 1) {
      const altered = sealed.slice();
      altered[position] = (altered[position] ?? 0) ^ 0x80;
      expect(module.tryOpenSealed(STATIC_B, PROLOGUE, altered)).toBe(-REASON_BAD_SEAL);
      expect(reasonOf(() => openSealed({ staticPrivate: PRIVATE_B, prologue: PROLOGUE }, altered))).toBe(
        REASON_BAD_SEAL,
      );
      expect(module.tryOpenSealed(STATIC_B, PROLOGUE, sealed.slice(0, position))).toBe(
        position < 48 ? -REASON_MALFORMED : -REASON_BAD_SEAL,
      );
    }
    expect(module.tryOpenSealed(STATIC_A, PROLOGUE, sealed)).toBe(-REASON_BAD_SEAL);
    expect(module.tryOpenSealed(STATIC_B, key(0), sealed)).toBe(-REASON_BAD_SEAL);
    expect(module.tryOpenSealed(STATIC_B, PROLOGUE, new Uint8Array(48))).toBe(-REASON_MALFORMED);
    expect(module.tryOpenSealed(STATIC_B, PROLOGUE, sealed)).toBe(32);
    expect(reasonOf(() => sealTo({ remoteStatic: key(0), prologue: PROLOGUE, random: () => key(1) }, key(1)))).toBe(
      REASON_MALFORMED,
    );
    expect(() => openSealed({ staticPrivate: key(0).slice(1), prologue: PROLOGUE }, sealed)).toThrow(/staticPrivate/);
    expect(() => sealTo({ remoteStatic, prologue: PROLOGUE, random: noRandom }, key(1))).toThrow(/randomness/);
  });
});

describe("what the platform does not give", () => {
  it("is told by its own error, and ends the session", () => {
    module.plant(STATIC_B, PRIVATE_B);
    const session = module.session(0);
    const first = hostSession(true).write(key(1));
    session.begin(false, PROLOGUE, 5, EPHEMERAL_A);
    session.read(first);
    expect(session.tryWrite(key(2))).toBe(PlatformError.SlotEmpty);
    expectEnded(module, session);
    module.generate(5, KeyKind.Ed25519);
    session.begin(false, PROLOGUE, 5, EPHEMERAL_A);
    session.read(first);
    expect(session.tryWrite(key(2))).toBe(PlatformError.WrongKind);
    expectEnded(module, session);
  });

  it("an ephemeral key in a slot that survives power loss is the caller's bug", () => {
    expect(() => module.session(0).begin(true, PROLOGUE, STATIC_A, 3)).toThrow(FirmwareAssertion);
  });
});
