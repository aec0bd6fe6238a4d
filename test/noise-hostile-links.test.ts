/** Sessions over hostile links: what is altered, cut, repeated, reordered or lost is refused; secrets are wiped. */

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
import { hostNoiseCrypto, sealTo } from "../host/codec/noise.js";
import { DeliveryModel, deliver, deliveries } from "./support/delivery.js";
import {
  awaiting,
  EPHEMERAL_A,
  EPHEMERAL_PRIVATE_A,
  EPHEMERAL_PRIVATE_B,
  expectEnded,
  firmwareSession,
  handshake,
  hostSession,
  key,
  PRIVATE_B,
  PROLOGUE,
  reasonOf,
  STATIC_B,
} from "./support/noise-ends.js";
import {
  contains,
  loadNoiseModule,
  type NoiseModule,
  RecordingCrypto,
  SESSION_HANDSHAKE,
  SESSION_NONE,
  SESSION_OPEN,
} from "./support/noise-module.js";

let module: NoiseModule;
beforeEach(async () => {
  module = await loadNoiseModule();
});

describe("handshake messages that are not what was sent", () => {
  it.each([1, 2])("message %i: any altered bit is refused and ends the session", (step) => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 7 }), (position, bit) => {
        const { firmware, message } = awaiting(module, step);
        message[position % message.length] = (message[position % message.length] ?? 0) ^ (1 << bit);
        expect(firmware.tryRead(message)).toBe(-REASON_BAD_SEAL);
        expectEnded(module, firmware);
      }),
      { numRuns: 100 },
    );
  });

  it("message 0: any altered bit is noticed by the initiator in the answer", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 7 }), (position, bit) => {
        const { firmware, message, host } = awaiting(module, 0);
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
    const { message } = awaiting(module, step);
    for (let length = 0; length < message.length; length += 1) {
      const { firmware } = awaiting(module, step);
      const status = firmware.tryRead(message.slice(0, length));
      if (length < extra) expect(status).toBe(-REASON_MALFORMED);
      else expect(status).toBe(step === 0 ? length - extra : -REASON_BAD_SEAL);
      if (status < 0) expectEnded(module, firmware);
      firmware.end();
    }
  });

  it.each([1, 2])("message %i: a longer one is refused", (step) => {
    const { firmware, message } = awaiting(module, step);
    expect(firmware.tryRead(Uint8Array.of(...message, 0))).toBe(-REASON_BAD_SEAL);
    expectEnded(module, firmware);
  });

  it.each([0, 1])("message %i: an ephemeral key of small order is refused", (step) => {
    const { firmware, message } = awaiting(module, step);
    message.fill(0, 0, 32);
    if (step === 0) {
      // The responder meets the key when it first agrees with it.
      firmware.read(message);
      expect(firmware.tryWrite(key(2))).toBe(-REASON_MALFORMED);
    } else expect(firmware.tryRead(message)).toBe(-REASON_MALFORMED);
    expectEnded(module, firmware);
  });

  it("refuses a payload above the limit, and takes one at the limit", () => {
    const longest = new Uint8Array(HANDSHAKE_PAYLOAD_BYTES_MAX).fill(7);
    for (const firmwareInitiates of [true, false]) {
      const [firmware, host] = [firmwareSession(module, firmwareInitiates, 0), hostSession(!firmwareInitiates)];
      const [initiator, responder] = firmwareInitiates ? [firmware, host] : [host, firmware];
      handshake(initiator, responder, [longest, longest, longest]);
      firmware.end();
    }
    const writer = firmwareSession(module, true, 0);
    expect(writer.tryWrite(new Uint8Array(HANDSHAKE_PAYLOAD_BYTES_MAX + 1))).toBe(-REASON_TOO_LONG);
    expectEnded(module, writer);
    const reader = firmwareSession(module, false, 1);
    expect(reader.tryRead(new Uint8Array(32 + HANDSHAKE_PAYLOAD_BYTES_MAX + 1))).toBe(-REASON_TOO_LONG);
    expectEnded(module, reader);
    expect(reasonOf(() => hostSession(true).write(new Uint8Array(HANDSHAKE_PAYLOAD_BYTES_MAX + 1)))).toBe(
      REASON_TOO_LONG,
    );
  });

  it("refuses where the caller's buffer is too small, and writes nothing beyond it", () => {
    const { firmware, message } = awaiting(module, 2);
    expect(firmware.tryRead(message, { capacity: 31 })).toBe(-REASON_TOO_LONG);
    expectEnded(module, firmware);
    const writer = firmwareSession(module, true, 0);
    expect(writer.tryWrite(key(1), 63)).toBe(-REASON_TOO_LONG);
    expectEnded(module, writer);
  });

  it("ends a session that writes or reads out of turn", () => {
    const initiator = firmwareSession(module, true, 0);
    expect(initiator.tryRead(new Uint8Array(96).fill(5))).toBe(-REASON_UNEXPECTED);
    expectEnded(module, initiator);
    const responder = firmwareSession(module, false, 1);
    expect(responder.tryWrite(key(1))).toBe(-REASON_UNEXPECTED);
    expectEnded(module, responder);
    expect(responder.tryWrite(key(1))).toBe(-REASON_UNEXPECTED);
    expect(responder.tryRead(key(1))).toBe(-REASON_UNEXPECTED);
    expect(reasonOf(() => hostSession(false).write(key(1)))).toBe(REASON_UNEXPECTED);
  });

  it("reads a payload over the message that carries it", () => {
    for (const step of [0, 1, 2]) {
      const { firmware, message } = awaiting(module, step);
      expect(firmware.tryRead(message, { inPlace: true })).toBe(32);
      expect(module.inPlaceResult(32)).toEqual(key(step + 1));
      expect(firmware.tryRead(message)).toBe(-REASON_REPEAT);
      firmware.end();
    }
  });
});

describe("handshake messages repeated", () => {
  it.each([0, 1, 2])("message %i: REASON_REPEAT, nothing changed, and the handshake goes on", (step) => {
    const { firmware, message, host } = awaiting(module, step);
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
    const { firmware, message } = awaiting(module, 2);
    firmware.read(message);
    expect(firmware.tryOpen(message)).toBe(-REASON_REPEAT);
    expect(firmware.errors()).toBe(0);
  });

  it("any other handshake message in an open session is counted, and enough of them end it", () => {
    const { firmware, message } = awaiting(module, 2);
    firmware.read(message);
    for (let count = 1; count < SESSION_ERRORS_MAX; count += 1) {
      expect(firmware.tryRead(new Uint8Array(64).fill(count))).toBe(-REASON_UNEXPECTED);
      expect([firmware.state(), firmware.errors()]).toEqual([SESSION_OPEN, count]);
    }
    expect(firmware.tryRead(new Uint8Array(64).fill(99))).toBe(-REASON_UNEXPECTED);
    expectEnded(module, firmware);
  });
});

describe("transport messages that are altered, truncated, repeated, reordered or lost", () => {
  it("firmware follows the model", () => {
    fc.assert(
      fc.property(deliveries, (steps) => {
        const { firmware, message, host } = awaiting(module, 2);
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
        if (!model.open) expectEnded(module, firmware);
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
    const { firmware, message } = awaiting(module, 2);
    firmware.read(message);
    expect(firmware.tryOpen(firmware.seal(key(1)))).toBe(-REASON_BAD_SEAL);
  });

  it("seals and opens in place, and refuses a buffer that is too small without using a counter", () => {
    const { firmware, message, host } = awaiting(module, 2);
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
    const [firmware, host] = [firmwareSession(module, false, 0), hostSession(true, oracle)];
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
    expectEnded(module, firmware);
  });

  it.each([1, 2])("are wiped when message %i fails", (step) => {
    const { firmware, message } = awaiting(module, step);
    message[40] = (message[40] ?? 0) ^ 1;
    expect(firmware.tryRead(message)).toBe(-REASON_BAD_SEAL);
    expectEnded(module, firmware);
  });

  it("are wiped by the last refused message that ends the session", () => {
    const oracle = new RecordingCrypto();
    const [firmware, host] = [firmwareSession(module, false, 0), hostSession(true, oracle)];
    handshake(host, firmware);
    for (let count = 0; count < SESSION_ERRORS_MAX; count += 1) firmware.tryOpen(key(count));
    module.clearScratch();
    expect(oracle.found(module.image())).toEqual([]);
    expectEnded(module, firmware);
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

  it("cannot be exported any more once a message was sealed, but can after a refused one and a repeat", () => {
    const { firmware, message } = awaiting(module, 2);
    firmware.read(message);
    expect(firmware.tryOpen(key(1))).toBe(-REASON_BAD_SEAL);
    expect(firmware.tryOpen(message)).toBe(-REASON_REPEAT);
    expect(firmware.trySeal(key(1), { capacity: 40 })).toBe(-REASON_TOO_LONG);
    expect(firmware.tryExport(PROLOGUE)).toBe(0);
    firmware.seal(key(1));
    expect(firmware.tryExport(PROLOGUE)).toBe(-REASON_UNEXPECTED);
  });

  it("can be forgotten before the first message", () => {
    const { firmware, message } = awaiting(module, 2);
    firmware.read(message);
    firmware.forgetExport();
    expect(firmware.tryExport(PROLOGUE)).toBe(-REASON_UNEXPECTED);
    expect(firmware.state()).toBe(SESSION_OPEN);
  });

  it("cannot be exported before the handshake is done", () => {
    const { firmware } = awaiting(module, 2);
    expect(firmware.state()).toBe(SESSION_HANDSHAKE);
    expect(firmware.tryExport(PROLOGUE)).toBe(-REASON_UNEXPECTED);
  });
});
