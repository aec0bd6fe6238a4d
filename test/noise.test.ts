/** The Noise Protocol Framework, revision 34: XX and N with 25519, ChaChaPoly and SHA256, in firmware and host. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { HANDSHAKE_PAYLOAD_BYTES_MAX, SESSION_ERRORS_MAX } from "../firmware/protocol/limits.js";
import {
  REASON_BAD_SEAL,
  REASON_MALFORMED,
  REASON_REPEAT,
  REASON_TOO_LONG,
  REASON_UNEXPECTED,
} from "../firmware/protocol/reasons.js";
import {
  type Handshake,
  hostNoiseCrypto,
  NoiseError,
  oneWayReceiver,
  oneWaySender,
  openSealed,
  Session,
  sealTo,
} from "../host/codec/noise.js";
import { KeyKind, PlatformError } from "../simulator/platform.generated.js";
import { DeliveryModel, deliver, deliveries } from "./support/delivery.js";
import { FirmwareAssertion } from "./support/firmware.js";
import {
  contains,
  loadNoiseModule,
  type NoiseModule,
  RecordingCrypto,
  SESSION_HANDSHAKE,
  SESSION_NONE,
  SESSION_OPEN,
} from "./support/noise-module.js";

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
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
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

const STATIC_A = 0;
const STATIC_B = 1;
const EPHEMERAL_A = 16;
const EPHEMERAL_B = 17;
const PROLOGUE = bytesOf("prologue of the test");
const PRIVATE_A = key(0xa1);
const PRIVATE_B = key(0xb2);
const EPHEMERAL_PRIVATE_A = key(0xc3);
const EPHEMERAL_PRIVATE_B = key(0xd4);

let module: NoiseModule;
beforeEach(async () => {
  module = await loadNoiseModule();
});

function hostSession(initiator: boolean, crypto = hostNoiseCrypto): Session {
  return new Session({
    initiator,
    prologue: PROLOGUE,
    staticPrivate: initiator ? PRIVATE_A : PRIVATE_B,
    random: () => (initiator ? EPHEMERAL_PRIVATE_A : EPHEMERAL_PRIVATE_B),
    crypto,
  });
}

/** A session of the firmware with the keys of one end planted. */
function firmwareSession(initiator: boolean, index = initiator ? 0 : 1, prologue = PROLOGUE) {
  const staticSlot = initiator ? STATIC_A : STATIC_B;
  module.plant(staticSlot, initiator ? PRIVATE_A : PRIVATE_B);
  module.nextPrivate(initiator ? EPHEMERAL_PRIVATE_A : EPHEMERAL_PRIVATE_B);
  const session = module.session(index);
  expect(session.begin(initiator, prologue, staticSlot, initiator ? EPHEMERAL_A : EPHEMERAL_B)).toBe(0);
  return session;
}

type FirmwareSession = ReturnType<typeof firmwareSession>;
interface End {
  write(payload: Uint8Array): Uint8Array;
  read(message: Uint8Array): Uint8Array;
}

function handshake(initiator: End, responder: End, payloads: readonly Uint8Array[] = [key(1), key(2), key(3)]): void {
  payloads.slice(0, 3).forEach((payload, step) => {
    const [writer, reader] = step % 2 === 0 ? [initiator, responder] : [responder, initiator];
    expect(reader.read(writer.write(payload))).toEqual(payload);
  });
}

function reasonOf(work: () => unknown): number {
  try {
    work();
  } catch (error) {
    if (error instanceof NoiseError) return error.reason;
    throw error;
  }
  return 0;
}

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
        const firmware = firmwareSession(firmwareInitiates);
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
    const firmware = firmwareSession(firmwareInitiates, 0, bytesOf("another prologue"));
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
    const [a, b] = [firmwareSession(true, 0), firmwareSession(false, 1)];
    module.nextPrivate(EPHEMERAL_PRIVATE_A, EPHEMERAL_PRIVATE_B);
    handshake(a, b);
    expect(a.hash()).toEqual(b.hash());
    const bBefore = b.image();
    a.end();
    expect(b.image()).toEqual(bBefore);
  });
});

/** The three messages of one handshake, and the firmware at the point where it awaits message `step`. */
function awaiting(step: number): { firmware: FirmwareSession; message: Uint8Array; host: Session } {
  const firmware = firmwareSession(step === 1, 0);
  const host = hostSession(step !== 1);
  if (step === 0) return { firmware, message: host.write(key(1)), host };
  if (step === 1) {
    host.read(firmware.write(key(1)));
    return { firmware, message: host.write(key(2)), host };
  }
  firmware.read(host.write(key(1)));
  host.read(firmware.write(key(2)));
  return { firmware, message: host.write(key(3)), host };
}

function expectEnded(session: FirmwareSession): void {
  expect(session.state()).toBe(SESSION_NONE);
  expect(session.image().every((byte) => byte === 0)).toBe(true);
  expect([module.kindOf(EPHEMERAL_A), module.kindOf(EPHEMERAL_B)]).toEqual([KeyKind.Empty, KeyKind.Empty]);
}

describe("handshake messages that are not what was sent", () => {
  it.each([1, 2])("message %i: any altered bit is refused and ends the session", (step) => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 7 }), (position, bit) => {
        const { firmware, message } = awaiting(step);
        message[position % message.length] = (message[position % message.length] ?? 0) ^ (1 << bit);
        expect(firmware.tryRead(message)).toBe(-REASON_BAD_SEAL);
        expectEnded(firmware);
      }),
      { numRuns: 100 },
    );
  });

  it("message 0: any altered bit is noticed by the initiator in the answer", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 7 }), (position, bit) => {
        const { firmware, message, host } = awaiting(0);
        message[position % message.length] = (message[position % message.length] ?? 0) ^ (1 << bit);
        firmware.read(message);
        const answer = firmware.write(key(2));
        expect(reasonOf(() => host.read(answer))).toBe(REASON_BAD_SEAL);
        expect(host.state).toBe("ended");
        firmware.end();
      }),
      { numRuns: 50 },
    );
  });

  it.each([0, 1, 2])("message %i: every shorter one is refused, or noticed in the answer", (step) => {
    const extra = [32, 96, 64][step] ?? 0;
    const { message } = awaiting(step);
    for (let length = 0; length < message.length; length += 1) {
      const { firmware } = awaiting(step);
      const status = firmware.tryRead(message.slice(0, length));
      if (length < extra) expect(status).toBe(-REASON_MALFORMED);
      else expect(status).toBe(step === 0 ? length - extra : -REASON_BAD_SEAL);
      if (status < 0) expectEnded(firmware);
      firmware.end();
    }
  });

  it.each([1, 2])("message %i: a longer one is refused", (step) => {
    const { firmware, message } = awaiting(step);
    expect(firmware.tryRead(Uint8Array.of(...message, 0))).toBe(-REASON_BAD_SEAL);
    expectEnded(firmware);
  });

  it.each([0, 1])("message %i: an ephemeral key of small order is refused", (step) => {
    const { firmware, message } = awaiting(step);
    message.fill(0, 0, 32);
    if (step === 0) {
      // The responder meets the key when it first agrees with it.
      firmware.read(message);
      expect(firmware.tryWrite(key(2))).toBe(-REASON_MALFORMED);
    } else expect(firmware.tryRead(message)).toBe(-REASON_MALFORMED);
    expectEnded(firmware);
  });

  it("refuses a payload above the limit, and takes one at the limit", () => {
    const longest = new Uint8Array(HANDSHAKE_PAYLOAD_BYTES_MAX).fill(7);
    for (const firmwareInitiates of [true, false]) {
      const [firmware, host] = [firmwareSession(firmwareInitiates, 0), hostSession(!firmwareInitiates)];
      const [initiator, responder] = firmwareInitiates ? [firmware, host] : [host, firmware];
      handshake(initiator, responder, [longest, longest, longest]);
      firmware.end();
    }
    const writer = firmwareSession(true, 0);
    expect(writer.tryWrite(new Uint8Array(HANDSHAKE_PAYLOAD_BYTES_MAX + 1))).toBe(-REASON_TOO_LONG);
    expectEnded(writer);
    const reader = firmwareSession(false, 1);
    expect(reader.tryRead(new Uint8Array(32 + HANDSHAKE_PAYLOAD_BYTES_MAX + 1))).toBe(-REASON_TOO_LONG);
    expectEnded(reader);
    expect(reasonOf(() => hostSession(true).write(new Uint8Array(HANDSHAKE_PAYLOAD_BYTES_MAX + 1)))).toBe(
      REASON_TOO_LONG,
    );
  });

  it("refuses where the caller's buffer is too small, and writes nothing beyond it", () => {
    const { firmware, message } = awaiting(2);
    expect(firmware.tryRead(message, { capacity: 31 })).toBe(-REASON_TOO_LONG);
    expectEnded(firmware);
    const writer = firmwareSession(true, 0);
    expect(writer.tryWrite(key(1), 63)).toBe(-REASON_TOO_LONG);
    expectEnded(writer);
  });

  it("ends a session that writes or reads out of turn", () => {
    const initiator = firmwareSession(true, 0);
    expect(initiator.tryRead(new Uint8Array(96).fill(5))).toBe(-REASON_UNEXPECTED);
    expectEnded(initiator);
    const responder = firmwareSession(false, 1);
    expect(responder.tryWrite(key(1))).toBe(-REASON_UNEXPECTED);
    expectEnded(responder);
    expect(responder.tryWrite(key(1))).toBe(-REASON_UNEXPECTED);
    expect(responder.tryRead(key(1))).toBe(-REASON_UNEXPECTED);
    expect(reasonOf(() => hostSession(false).write(key(1)))).toBe(REASON_UNEXPECTED);
  });

  it("reads a payload over the message that carries it", () => {
    for (const step of [0, 1, 2]) {
      const { firmware, message } = awaiting(step);
      expect(firmware.tryRead(message, { inPlace: true })).toBe(32);
      expect(module.inPlaceResult(32)).toEqual(key(step + 1));
      expect(firmware.tryRead(message)).toBe(-REASON_REPEAT);
      firmware.end();
    }
  });
});

describe("handshake messages repeated", () => {
  it.each([0, 1, 2])("message %i: REASON_REPEAT, nothing changed, and the handshake goes on", (step) => {
    const { firmware, message, host } = awaiting(step);
    firmware.read(message);
    for (let time = 0; time < 2 * SESSION_ERRORS_MAX; time += 1) {
      const before = firmware.image();
      expect(firmware.tryRead(message)).toBe(-REASON_REPEAT);
      expect(firmware.image()).toEqual(before);
    }
    if (step === 0) {
      host.read(firmware.write(key(2)));
      expect(firmware.tryRead(message)).toBe(-REASON_REPEAT);
      firmware.read(host.write(key(3)));
    } else if (step === 1) {
      host.read(firmware.write(key(3)));
      expect(firmware.tryRead(message)).toBe(-REASON_REPEAT);
    }
    expect([firmware.state(), host.state]).toEqual([SESSION_OPEN, "open"]);
    expect(host.open(firmware.seal(key(4)))).toEqual(key(4));
  });

  it("the host does the same", () => {
    const [initiator, responder] = [hostSession(true), hostSession(false)];
    const messages: Uint8Array[] = [];
    for (const [writer, reader] of [
      [initiator, responder],
      [responder, initiator],
      [initiator, responder],
    ] as const) {
      const message = writer.write(key(9));
      messages.push(message);
      reader.read(message);
      expect(reasonOf(() => reader.read(message))).toBe(REASON_REPEAT);
    }
    const [, second, third] = messages;
    expect(reasonOf(() => initiator.read(second ?? key(0)))).toBe(REASON_REPEAT);
    expect(reasonOf(() => responder.open(third ?? key(0)))).toBe(REASON_REPEAT);
    expect([initiator.state, responder.state, responder.errors]).toEqual(["open", "open", 0]);
  });

  it("the third message, delivered again as a transport message, is known too", () => {
    const { firmware, message } = awaiting(2);
    firmware.read(message);
    expect(firmware.tryOpen(message)).toBe(-REASON_REPEAT);
    expect(firmware.errors()).toBe(0);
  });

  it("any other handshake message in an open session is counted, and enough of them end it", () => {
    const { firmware, message } = awaiting(2);
    firmware.read(message);
    for (let count = 1; count < SESSION_ERRORS_MAX; count += 1) {
      expect(firmware.tryRead(new Uint8Array(64).fill(count))).toBe(-REASON_UNEXPECTED);
      expect([firmware.state(), firmware.errors()]).toEqual([SESSION_OPEN, count]);
    }
    expect(firmware.tryRead(new Uint8Array(64).fill(99))).toBe(-REASON_UNEXPECTED);
    expectEnded(firmware);
  });
});

describe("transport messages that are altered, truncated, repeated, reordered or lost", () => {
  it("firmware follows the model", () => {
    fc.assert(
      fc.property(deliveries, (steps) => {
        const { firmware, message, host } = awaiting(2);
        firmware.read(message);
        const model = new DeliveryModel(message);
        for (const step of steps) {
          const sealed = deliver(step, model, (plain) => host.seal(plain));
          const before = firmware.image();
          const expected = model.expect(sealed);
          expect(firmware.tryOpen(sealed)).toBe(expected.status);
          expect(firmware.state()).toBe(model.open ? SESSION_OPEN : SESSION_NONE);
          expect(firmware.errors()).toBe(model.open ? model.errors : 0);
          if (expected.status >= 0) expect(firmware.opened()).toEqual(expected.plain);
          else expect(firmware.outputTouched()).toBe(false);
          if (expected.status === -REASON_REPEAT) expect(firmware.image()).toEqual(before);
        }
        if (!model.open) expectEnded(firmware);
        firmware.end();
      }),
      { numRuns: 150 },
    );
  });

  it("host follows the model", () => {
    fc.assert(
      fc.property(deliveries, (steps) => {
        const [initiator, responder] = [hostSession(true), hostSession(false)];
        responder.read(initiator.write(key(1)));
        initiator.read(responder.write(key(2)));
        const third = initiator.write(key(3));
        responder.read(third);
        const model = new DeliveryModel(third);
        for (const step of steps) {
          const sealed = deliver(step, model, (plain) => initiator.seal(plain));
          const { status, plain } = model.expect(sealed);
          if (status >= 0) expect(responder.open(sealed)).toEqual(plain);
          else expect(reasonOf(() => responder.open(sealed))).toBe(-status);
          expect(responder.state).toBe(model.open ? "open" : "ended");
        }
      }),
      { numRuns: 150 },
    );
  });

  it("never opens a message of its own direction", () => {
    const { firmware, message } = awaiting(2);
    firmware.read(message);
    expect(firmware.tryOpen(firmware.seal(key(1)))).toBe(-REASON_BAD_SEAL);
  });

  it("seals and opens in place, and refuses a buffer that is too small without using a counter", () => {
    const { firmware, message, host } = awaiting(2);
    firmware.read(message);
    expect(firmware.trySeal(key(5), { capacity: 47 })).toBe(-REASON_TOO_LONG);
    expect(firmware.trySeal(key(5), { capacity: 15 })).toBe(-REASON_TOO_LONG);
    expect(firmware.trySeal(key(5), { inPlace: true })).toBe(48);
    expect(host.open(module.inPlaceResult(48))).toEqual(key(5));
    expect(firmware.tryOpen(host.seal(key(6)), { inPlace: true })).toBe(32);
    expect(module.inPlaceResult(32)).toEqual(key(6));
    const next = host.seal(key(7));
    expect(firmware.tryOpen(next, { capacity: 31 })).toBe(-REASON_TOO_LONG);
    expect(firmware.errors()).toBe(1);
    expect(firmware.tryOpen(next)).toBe(32);
  });
});

describe("secrets", () => {
  it("are wiped by the split, the first message, and the end", () => {
    const oracle = new RecordingCrypto();
    const [firmware, host] = [firmwareSession(false, 0), hostSession(true, oracle)];
    firmware.read(host.write(key(1)));
    host.read(firmware.write(key(2)));
    expect(oracle.found(module.image()).length).toBeGreaterThan(0); // the scan does find what is there
    firmware.read(host.write(key(3)));
    expect(oracle.secrets.length).toBeGreaterThanOrEqual(10);
    module.clearScratch();
    // Two transport keys and the chaining key; no agreement, no handshake key, no private key.
    expect(new Set(oracle.found(module.image())).size).toBe(3);
    const exported = firmware.exportSecret(PROLOGUE);
    const sealed = host.seal(key(4));
    firmware.open(sealed);
    module.clearScratch();
    expect(new Set(oracle.found(module.image())).size).toBe(2);
    expect(contains(module.image(), exported)).toBe(false);
    expect(firmware.tryExport(PROLOGUE)).toBe(-REASON_UNEXPECTED);
    expect(reasonOf(() => host.exportSecret(PROLOGUE))).toBe(REASON_UNEXPECTED);
    firmware.end();
    expect(oracle.found(module.image())).toEqual([]);
    for (const secret of [PRIVATE_B, EPHEMERAL_PRIVATE_B]) expect(contains(module.image(), secret)).toBe(false);
    expectEnded(firmware);
  });

  it.each([1, 2])("are wiped when message %i fails", (step) => {
    const { firmware, message } = awaiting(step);
    message[40] = (message[40] ?? 0) ^ 1;
    expect(firmware.tryRead(message)).toBe(-REASON_BAD_SEAL);
    expectEnded(firmware);
  });

  it("are wiped by the last refused message that ends the session", () => {
    const oracle = new RecordingCrypto();
    const [firmware, host] = [firmwareSession(false, 0), hostSession(true, oracle)];
    handshake(host, firmware);
    for (let count = 0; count < SESSION_ERRORS_MAX; count += 1) firmware.tryOpen(key(count));
    module.clearScratch();
    expect(oracle.found(module.image())).toEqual([]);
    expectEnded(firmware);
  });

  it("stay in no scratch after sealing to a key and opening", () => {
    const oracle = new RecordingCrypto();
    module.plant(STATIC_B, PRIVATE_B);
    const remoteStatic = hostNoiseCrypto.publicKey(PRIVATE_B);
    const sealed = sealTo(
      { remoteStatic, prologue: PROLOGUE, random: () => EPHEMERAL_PRIVATE_A, crypto: oracle },
      key(8),
    );
    module.nextPrivate(EPHEMERAL_PRIVATE_A);
    expect(module.sealTo(remoteStatic, PROLOGUE, EPHEMERAL_A, key(8))).toEqual(sealed);
    expect(module.openSealed(STATIC_B, PROLOGUE, sealed)).toEqual(key(8));
    module.clearScratch();
    expect(oracle.secrets.length).toBeGreaterThanOrEqual(3);
    expect(oracle.found(module.image())).toEqual([]);
    expect(contains(module.image(), key(8))).toBe(false);
  });

  it("can be forgotten before the first message", () => {
    const { firmware, message } = awaiting(2);
    firmware.read(message);
    firmware.forgetExport();
    expect(firmware.tryExport(PROLOGUE)).toBe(-REASON_UNEXPECTED);
    expect(firmware.state()).toBe(SESSION_OPEN);
  });

  it("cannot be exported before the handshake is done", () => {
    const { firmware } = awaiting(2);
    expect(firmware.state()).toBe(SESSION_HANDSHAKE);
    expect(firmware.tryExport(PROLOGUE)).toBe(-REASON_UNEXPECTED);
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
    expectEnded(session);
    module.generate(5, KeyKind.Ed25519);
    session.begin(false, PROLOGUE, 5, EPHEMERAL_A);
    session.read(first);
    expect(session.tryWrite(key(2))).toBe(PlatformError.WrongKind);
    expectEnded(session);
  });

  it("an ephemeral key in a slot that survives power loss is the caller's bug", () => {
    expect(() => module.session(0).begin(true, PROLOGUE, STATIC_A, 3)).toThrow(FirmwareAssertion);
  });
});
