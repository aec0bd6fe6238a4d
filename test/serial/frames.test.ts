import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeFrame, type Frame, FrameDecoder, fcs16 } from "../../host/transports/serial-frames.js";

const FLAG = 0x7e;
const ESCAPE = 0x7d;

const tags = fc.integer({ min: 0, max: 255 });
/** Many bytes that must be escaped. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.array(fc.constantFrom(FLAG, ESCAPE, 0x5e, 0x5d, 0), { maxLength: 40 }).map((each) => Uint8Array.from(each)),
);
const frames: fc.Arbitrary<Frame> = fc.record({ tag: tags, message: bytes });

function decoded(...pieces: readonly Uint8Array[]): Frame[] {
  const decoder = new FrameDecoder();
  return pieces.flatMap((piece) => decoder.take(piece));
}

describe("frames on a serial line", () => {
  test("the FCS is the standard's", () => {
    expect(fcs16(new TextEncoder().encode("123456789"))).toBe(0x906e);
    expect(fcs16(new Uint8Array(0))).toBe(0);
  });

  test("a frame, byte by byte", () => {
    const fcs = fcs16(Uint8Array.of(0x7e, 0x7d, 0x01));
    expect([...encodeFrame(0x7e, Uint8Array.of(0x7d, 0x01))]).toEqual([
      0x7e,
      0x7d,
      0x5e,
      0x7d,
      0x5d,
      0x01,
      fcs & 0xff,
      fcs >> 8,
      0x7e,
    ]);
  });

  test("what is encoded is decoded as it was, in whatever pieces it comes", () => {
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 5 }), fc.integer({ min: 1, max: 50 }), (sent, size) => {
        const line = Buffer.concat(sent.map(({ tag, message }) => encodeFrame(tag, message)));
        const pieces: Uint8Array[] = [];
        for (let at = 0; at < line.length; at += size) pieces.push(line.subarray(at, at + size));
        expect(decoded(...pieces)).toEqual(sent);
        for (const { tag, message } of sent) {
          const inner = encodeFrame(tag, message).subarray(1, -1);
          expect(inner.includes(FLAG)).toBe(false);
        }
      }),
    );
  });

  test("one flag between two frames is enough", () => {
    const one = encodeFrame(1, Uint8Array.of(1));
    const other = encodeFrame(2, Uint8Array.of(2));
    expect(decoded(one, other.subarray(1)).map(({ tag }) => tag)).toEqual([1, 2]);
  });

  test("a frame with a bit turned over is none, and the next one is good", () => {
    fc.assert(
      fc.property(frames, fc.nat(), fc.nat({ max: 7 }), frames, ({ tag, message }, place, bit, next) => {
        const spoilt = encodeFrame(tag, message);
        const at = 1 + (place % (spoilt.length - 2));
        spoilt[at] = (spoilt[at] ?? 0) ^ (1 << bit);
        expect(decoded(spoilt, encodeFrame(next.tag, next.message))).toEqual([next]);
      }),
      // An FCS of 16 bits misses one error in 65,536: not these.
      { seed: 1 },
    );
  });

  test("a frame that was cut off or given up is none, and the next one is good", () => {
    fc.assert(
      fc.property(frames, fc.nat(), fc.boolean(), frames, ({ tag, message }, place, isGivenUp, next) => {
        const whole = encodeFrame(tag, message);
        const begun = whole.subarray(0, 1 + (place % (whole.length - 2)));
        const end = isGivenUp ? Uint8Array.of(ESCAPE, FLAG) : new Uint8Array(0);
        expect(decoded(begun, end, encodeFrame(next.tag, next.message))).toEqual([next]);
      }),
    );
  });

  test("a whole frame that is given up in place of its end is none", () => {
    const whole = encodeFrame(9, Uint8Array.of(1, 2, 3));
    expect(decoded(whole.subarray(0, -1), Uint8Array.of(ESCAPE, FLAG))).toEqual([]);
  });

  test("whatever comes, memory has an end, and the next frame is good", () => {
    const decoder = new FrameDecoder(16);
    expect(decoder.take(encodeFrame(1, new Uint8Array(13)))).toHaveLength(1);
    expect(decoder.take(encodeFrame(1, new Uint8Array(14)))).toEqual([]);
    for (let piece = 0; piece < 100; piece++) expect(decoder.take(new Uint8Array(1000))).toEqual([]);
    expect(decoder.take(encodeFrame(3, new Uint8Array(2)))).toHaveLength(1);
  });

  test("any bytes are taken", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (noise) => {
        for (const { tag, message } of decoded(noise)) expect(decoded(encodeFrame(tag, message))).toHaveLength(1);
      }),
    );
  });
});
