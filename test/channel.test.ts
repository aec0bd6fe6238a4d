/** The sealed channel between agent and module of one device: firmware against host, and both against a model. */

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { SESSION_ERRORS_MAX } from "../firmware/protocol/limits.js";
import { REASON_BAD_SEAL, REASON_REPEAT, REASON_TOO_LONG, REASON_UNEXPECTED } from "../firmware/protocol/reasons.js";
import { Channel, hostNoiseCrypto, NoiseError } from "../host/codec/noise.js";
import { DeliveryModel, deliver, deliveries } from "./support/delivery.js";
import { contains, loadNoiseModule, type NoiseModule, SESSION_NONE, SESSION_OPEN } from "./support/noise-module.js";

const KEY = new Uint8Array(32).fill(0x5a);
const bytes = (fill: number, length = 24): Uint8Array => new Uint8Array(length).fill(fill);

let module: NoiseModule;
beforeEach(async () => {
  module = await loadNoiseModule();
});

function firmwareChannel(initiator: boolean, index = initiator ? 0 : 1, key: Uint8Array = KEY) {
  const channel = module.channel(index);
  expect(channel.begin(key, initiator)).toBe(0);
  return channel;
}

const hostChannel = (initiator: boolean): Channel => Channel.fromKey(hostNoiseCrypto, KEY, initiator);

function reasonOf(work: () => unknown): number {
  try {
    work();
  } catch (error) {
    if (error instanceof NoiseError) return error.reason;
    throw error;
  }
  return 0;
}

describe("channel of firmware and host", () => {
  it.each([true, false])("carries any messages both ways, firmware initiator: %s", (initiator) => {
    const messages = fc.array(fc.record({ fromFirmware: fc.boolean(), plain: fc.uint8Array({ maxLength: 2000 }) }));
    fc.assert(
      fc.property(messages, (sequence) => {
        const [firmware, host] = [firmwareChannel(initiator), hostChannel(!initiator)];
        for (const { fromFirmware, plain } of sequence) {
          const [writer, reader] = fromFirmware ? [firmware, host] : [host, firmware];
          expect(reader.open(writer.seal(plain))).toEqual(plain);
        }
        expect([firmware.errors(), host.errors]).toEqual([0, 0]);
      }),
      { numRuns: 40 },
    );
  });

  it("never seals two messages alike, in one direction or the other", () => {
    const [initiator, responder] = [firmwareChannel(true), firmwareChannel(false)];
    const sealed = [initiator, responder].flatMap((end) => [1, 2, 3].map(() => Buffer.from(end.seal(bytes(1)))));
    expect(new Set(sealed.map((message) => message.toString("hex"))).size).toBe(6);
  });

  it("two ends of the same role, or with other keys, do not understand each other", () => {
    const sealed = firmwareChannel(true, 0).seal(bytes(1));
    expect(firmwareChannel(true, 1).tryOpen(sealed)).toBe(-REASON_BAD_SEAL);
    expect(firmwareChannel(false, 1, bytes(0x5b, 32)).tryOpen(sealed)).toBe(-REASON_BAD_SEAL);
    expect(firmwareChannel(false, 1).tryOpen(sealed)).toBe(24);
  });
});

describe("channel messages that are altered, truncated, repeated, reordered or lost", () => {
  it("firmware follows the model", () => {
    fc.assert(
      fc.property(deliveries, (steps) => {
        const [firmware, host] = [firmwareChannel(false), hostChannel(true)];
        const model = new DeliveryModel();
        for (const step of steps) {
          const sealed = deliver(step, model, (plain) => host.seal(plain));
          const before = firmware.image();
          const { status, plain } = model.expect(sealed);
          expect(firmware.tryOpen(sealed)).toBe(status);
          expect(firmware.state()).toBe(model.open ? SESSION_OPEN : SESSION_NONE);
          expect(firmware.errors()).toBe(model.open ? model.errors : 0);
          if (status >= 0) expect(firmware.output(status)).toEqual(plain);
          if (status === -REASON_REPEAT) expect(firmware.image()).toEqual(before);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("host follows the model", () => {
    fc.assert(
      fc.property(deliveries, (steps) => {
        const [sender, receiver] = [hostChannel(true), hostChannel(false)];
        const model = new DeliveryModel();
        for (const step of steps) {
          const sealed = deliver(step, model, (plain) => sender.seal(plain));
          const { status, plain } = model.expect(sealed);
          if (status >= 0) expect(receiver.open(sealed)).toEqual(plain);
          else expect(reasonOf(() => receiver.open(sealed))).toBe(-status);
          expect(receiver.isOpen).toBe(model.open);
          expect(receiver.errors).toBe(model.errors);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("a repeat is told by length and tag, so an altered body is answered as a repeat and read by nobody", () => {
    const [firmware, host] = [firmwareChannel(false), hostChannel(true)];
    const sealed = host.seal(bytes(1));
    expect(firmware.tryOpen(sealed)).toBe(24);
    sealed[0] = (sealed[0] ?? 0) ^ 1;
    expect(firmware.tryOpen(sealed)).toBe(-REASON_REPEAT);
    expect(firmware.tryOpen(Uint8Array.of(0, ...sealed))).toBe(-REASON_BAD_SEAL);
  });

  it("every byte of the tag tells a repeat from another message", () => {
    for (let position = 24; position < 40; position += 1) {
      const [firmware, host] = [firmwareChannel(false), hostChannel(true)];
      const sealed = host.seal(bytes(1));
      firmware.open(sealed);
      sealed[position] = (sealed[position] ?? 0) ^ 1;
      expect(firmware.tryOpen(sealed)).toBe(-REASON_BAD_SEAL);
      const receiver = hostChannel(false);
      receiver.open(hostChannel(true).seal(bytes(1)));
      expect(reasonOf(() => receiver.open(sealed))).toBe(REASON_BAD_SEAL);
    }
  });

  it("a refusal in between does not forget the last accepted message", () => {
    const [firmware, host] = [firmwareChannel(false), hostChannel(true)];
    const sealed = host.seal(bytes(1));
    firmware.open(sealed);
    expect(firmware.tryOpen(bytes(9))).toBe(-REASON_BAD_SEAL);
    expect(firmware.tryOpen(sealed)).toBe(-REASON_REPEAT);
    expect(firmware.open(host.seal(bytes(2)))).toEqual(bytes(2));
  });
});

describe("channel's end", () => {
  it("comes with the last error it takes, wipes all of it, and refuses everything after", () => {
    const [firmware, host] = [firmwareChannel(false), hostChannel(true)];
    for (let count = 1; count < SESSION_ERRORS_MAX; count += 1) {
      expect(firmware.tryOpen(bytes(count, count))).toBe(-REASON_BAD_SEAL);
      expect([firmware.state(), firmware.errors()]).toEqual([SESSION_OPEN, count]);
    }
    expect(firmware.tryOpen(bytes(1))).toBe(-REASON_BAD_SEAL);
    expect(firmware.image().every((byte) => byte === 0)).toBe(true);
    expect(firmware.tryOpen(host.seal(bytes(1)))).toBe(-REASON_UNEXPECTED);
    expect(firmware.trySeal(bytes(1))).toBe(-REASON_UNEXPECTED);
  });

  it("leaves no key in memory", () => {
    const derived = hostNoiseCrypto.hkdf(new Uint8Array(0), KEY, new TextEncoder().encode("tallystick channel"), 64);
    const keys = [KEY, derived.slice(0, 32), derived.slice(32)];
    const firmware = firmwareChannel(true);
    module.clearScratch();
    expect(keys.map((key) => contains(module.image(), key))).toEqual([false, true, true]);
    firmware.end();
    expect(keys.map((key) => contains(module.image(), key))).toEqual([false, false, false]);
    expect(firmware.state()).toBe(SESSION_NONE);
  });

  it("refuses what is longer than the caller's buffer, counted where a peer sent it", () => {
    const [firmware, host] = [firmwareChannel(false), hostChannel(true)];
    const sealed = host.seal(bytes(1));
    expect(firmware.tryOpen(sealed, { capacity: 23 })).toBe(-REASON_TOO_LONG);
    expect(firmware.errors()).toBe(1);
    expect(firmware.tryOpen(sealed, { capacity: 24 })).toBe(24);
    expect(firmware.trySeal(bytes(1), { capacity: 39 })).toBe(-REASON_TOO_LONG);
    expect(firmware.trySeal(bytes(1), { capacity: 40 })).toBe(40);
    expect(firmware.errors()).toBe(1);
  });

  it("begins anew with another key where one was open before", () => {
    const firmware = firmwareChannel(false, 0);
    firmware.tryOpen(bytes(1));
    firmwareChannel(false, 0);
    expect(firmware.errors()).toBe(0);
    expect(firmware.open(hostChannel(true).seal(bytes(3)))).toEqual(bytes(3));
  });
});
