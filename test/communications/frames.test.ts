import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ENVELOPE_BYTES_MAX } from "../../firmware/protocol/limits.js";
import { lineAddress } from "../../host/communications/address.js";
import { LineAddressError } from "../../host/communications/errors.js";
import {
  decodeFrame,
  encodeFrame,
  FRAME_BYTES_MAX,
  type Frame,
  FrameError,
  FrameVersionError,
  INDEX_MAX,
  LINE_VERSION,
  REFUSALS,
} from "../../host/communications/frames.js";

const numbers = fc.integer({ min: 0, max: INDEX_MAX });
const tokens = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((token) => (token.every((byte) => byte === 0) ? undefined : token));
const purposes = fc.stringMatching(/^[a-z][a-z0-9-]{0,15}$/);
const frames: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ kind: fc.constant("hello" as const), token: tokens, expected: numbers, purpose: purposes }),
  fc.record({
    kind: fc.constant("data" as const),
    index: numbers,
    message: fc.uint8Array({ maxLength: ENVELOPE_BYTES_MAX }),
  }),
  fc.record({ kind: fc.constant("acknowledgement" as const), expected: numbers }),
  fc.constant<Frame>({ kind: "end" }),
  fc.record({ kind: fc.constant("refused" as const), reason: fc.constantFrom(...REFUSALS) }),
);

/** What is decoded, or the FrameError; anything else that is thrown fails the test. */
function decoded(bytes: Uint8Array): Frame | FrameError {
  try {
    return decodeFrame(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(FrameError);
    return error as FrameError;
  }
}

describe("frames of a line", () => {
  test("what is encoded is decoded as it was, and has one encoding", () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const bytes = encodeFrame(frame);
        expect(bytes.length).toBeLessThanOrEqual(FRAME_BYTES_MAX);
        expect(decodeFrame(bytes)).toEqual(frame);
        expect(decodeFrame(Buffer.concat([Buffer.alloc(3), bytes]).subarray(3))).toEqual(frame);
      }),
      { numRuns: 500 },
    );
  });

  test("any bytes are exactly one frame, or a FrameError", () => {
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc
        .tuple(fc.integer({ min: 0, max: 6 }), fc.uint8Array({ maxLength: 48 }))
        .map(([kind, rest]) => Uint8Array.of(kind, ...rest)),
      fc
        .tuple(fc.constant(LINE_VERSION), fc.uint8Array({ maxLength: 48 }))
        .map(([version, rest]) => Uint8Array.of(1, version, ...rest)),
    );
    fc.assert(
      fc.property(garbage, (bytes) => {
        const frame = decoded(bytes);
        if (!(frame instanceof FrameError)) expect(encodeFrame(frame)).toEqual(bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  test("a frame that is cut short, lengthened or altered is another frame or none, never the same", () => {
    fc.assert(
      fc.property(frames, fc.nat(), fc.integer({ min: 1, max: 255 }), (frame, place, change) => {
        const bytes = encodeFrame(frame);
        const altered = bytes.slice();
        const at = place % bytes.length;
        altered[at] = (altered[at] ?? 0) ^ change;
        for (const other of [bytes.subarray(0, at), Uint8Array.of(...bytes, change), altered]) {
          expect(decoded(other)).not.toEqual(frame);
        }
      }),
    );
  });

  test("what is held is a copy", () => {
    const bytes = encodeFrame({ kind: "data", index: 1, message: Uint8Array.of(1, 2, 3) });
    const buffer = Buffer.from(bytes);
    const frame = decodeFrame(buffer);
    buffer.fill(0);
    expect(frame).toEqual({ kind: "data", index: 1, message: Uint8Array.of(1, 2, 3) });
  });

  test("limits", () => {
    const message = new Uint8Array(ENVELOPE_BYTES_MAX + 1);
    expect(() => encodeFrame({ kind: "data", index: 0, message })).toThrow(RangeError);
    expect(decoded(Uint8Array.of(2, 0, 0, 0, 0, ...message))).toBeInstanceOf(FrameError);
    expect(() => encodeFrame({ kind: "data", index: INDEX_MAX + 1, message: new Uint8Array(0) })).toThrow(RangeError);
    expect(() => encodeFrame({ kind: "hello", token: undefined, expected: 0, purpose: "Pay" })).toThrow(RangeError);
    const zeros = new Uint8Array(16);
    expect(() => encodeFrame({ kind: "hello", token: zeros, expected: 0, purpose: "pay" })).toThrow(RangeError);
    expect(decoded(new Uint8Array(0))).toBeInstanceOf(FrameError);
    expect(decoded(Uint8Array.of(1, 2, 99))).toBeInstanceOf(FrameVersionError);
  });
});

describe("addresses of lines", () => {
  test("are WebSocket URLs, and nothing else", () => {
    for (const text of ["ws://127.0.0.1:8080", "wss://shop.example/till?lane=4", "ws://[::1]:9/", "WS://host/"]) {
      expect(lineAddress(text).protocol).toMatch(/^wss?:$/);
    }
    const bad = [
      "",
      "http://shop.example/",
      "shop.example:80",
      "ws:shop.example",
      "ws://",
      "ws://user:secret@shop.example/",
      "ws://shop.example/#part",
      "ws://shop.example/#",
      " ws://shop.example/",
      "ws://shop.example/\n",
      "ws://shop.example:99999/",
      `ws://shop.example/${"x".repeat(600)}`,
    ];
    for (const text of bad) {
      expect(() => lineAddress(text), text).toThrow(LineAddressError);
      expect(() => lineAddress(text), text).toThrow(/No money moved/);
    }
    expect(() => lineAddress("ws://user:secret@shop.example/")).not.toThrow(/secret/);
  });

  test("anything else throws nothing but a LineAddressError", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 700 }), fc.boolean(), (text, isPrefixed) => {
        try {
          expect(lineAddress(isPrefixed ? `ws://${text}` : text)).toBeInstanceOf(URL);
        } catch (error) {
          expect(error).toBeInstanceOf(LineAddressError);
        }
      }),
    );
  });
});
