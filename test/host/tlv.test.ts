import fc from "fast-check";
import { expect, test } from "vitest";
import { readStoreState } from "../../host/element-data.js";
import { integerOf, readTlv, TlvError, TlvReader, writeTlv } from "../../host/tlv.js";

const tags = fc.constantFrom(0x80, 0x81, 0x84, 0xa5, 0xdf01, 0xdf12, 0xe1);
const values = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 120, maxLength: 700 }));

test("what is written is read, in order", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ tag: tags, value: values }), { maxLength: 6 }), (objects) => {
      const bytes = Buffer.concat(objects.map((object) => writeTlv(object.tag, object.value)));
      expect(readTlv(bytes).map(({ tag, value }) => ({ tag, value: Uint8Array.from(value) }))).toEqual(objects);
    }),
  );
});

test("garbage is refused with a TlvError or read, never anything else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        const length = readTlv(bytes).reduce((sum, object) => sum + object.value.length, 0);
        expect(length).toBeLessThanOrEqual(bytes.length);
      } catch (error) {
        expect(error).toBeInstanceOf(TlvError);
      }
    }),
  );
});

test("integers are big endian and exact", () => {
  expect(integerOf(Uint8Array.of(0x7f, 255, 255, 255, 255, 255, 255, 255))).toBe(2n ** 63n - 1n);
  const reader = new TlvReader(writeTlv(0x82, Uint8Array.of(1, 0)));
  expect(reader.number(0x82)).toBe(256);
  expect(() => reader.bytes(0x83)).toThrow(/83/);
});

test("a store whose count of erasures is cut short is refused with a TlvError", () => {
  const fields: readonly [number, number][] = [
    [0x80, 4],
    [0x81, 4],
    [0x83, 4],
  ];
  const rest = fields.map(([tag, length]) => writeTlv(tag, new Uint8Array(length)));
  const answer = (erasures: number) => Buffer.concat([...rest, writeTlv(0x82, new Uint8Array(erasures))]);
  expect(readStoreState(answer(8)).erasuresMax).toBe(0);
  for (const length of [0, 4, 7, 9]) expect(() => readStoreState(answer(length))).toThrow(TlvError);
});
