/** Sessions as text: what is printed is read again, and what makes no sense is refused with its line. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mismatchAt, type Pattern, parsePattern, printPattern } from "../../host/apdu-tools/pattern.js";
import {
  parseSession,
  printSession,
  SessionError,
  type SessionItem,
  ValueMissingError,
  valueBytes,
} from "../../host/apdu-tools/session.js";

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/);
const word = fc.stringMatching(/^[G-Z][A-Za-z0-9.]{0,9}$/);
const bytes = fc.uint8Array({ minLength: 4, maxLength: 300 });

/** Two placeholders, or two runs of bytes, side by side are one line all the same. */
const parts = fc
  .tuple(bytes, fc.array(fc.tuple(name, fc.uint8Array({ maxLength: 9 })), { maxLength: 3 }))
  .map(([first, rest]) => [
    first,
    ...rest.flatMap(([placeholder, more]) => [{ placeholder }, ...(more.length > 0 ? [more] : [])]),
  ]);

const digit = fc.constantFrom(0, 0xf);
const byteItem = fc
  .tuple(fc.integer({ min: 0, max: 255 }), digit, digit)
  .map(([value, high, low]) => ({ value: value & ((high << 4) | low), mask: (high << 4) | low }));
const pattern: fc.Arbitrary<Pattern> = fc
  .array(fc.oneof({ weight: 5, arbitrary: byteItem }, { weight: 1, arbitrary: fc.constant("any" as const) }), {
    minLength: 1,
    maxLength: 60,
  })
  .filter((items) => !items.some((item, i) => item === "any" && items[i - 1] === "any"));

const item: fc.Arbitrary<SessionItem> = fc.oneof(
  fc.constant<SessionItem>({ kind: "blank" }),
  fc.stringMatching(/^[ -~]{0,40}$/).map((text): SessionItem => ({ kind: "comment", text: text.trim() })),
  fc.constant<SessionItem>({ kind: "reset" }),
  name.map((target): SessionItem => ({ kind: "target", name: target })),
  parts.map((all): SessionItem => ({ kind: "apdu", parts: all })),
  fc
    .array(word, { minLength: 1, maxLength: 5 })
    .map((words): SessionItem => ({ kind: "symbolic", text: words.join(" ") })),
  pattern.map((expected): SessionItem => ({ kind: "expect", pattern: expected })),
);

describe("text", () => {
  test("what is printed is read as the same", () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 20 }), (items) => {
        const lines = items.map((each, i) => ({ number: i + 1, item: each }));
        expect(parseSession(printSession(lines))).toEqual(lines);
      }),
      { numRuns: 500 },
    );
  });

  test("any text is a session or refused with its line, and what was read is printed as the same", () => {
    const line = fc.oneof(fc.string(), fc.stringMatching(/^[<>@#]? ?[0-9a-fA-F.*{} xyz]{0,30}$/));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        try {
          const read = parseSession(lines.join("\n"));
          expect(parseSession(printSession(read)).map((each) => each.item)).toEqual(read.map((each) => each.item));
        } catch (error) {
          expect(error).toBeInstanceOf(SessionError);
          expect((error as SessionError).line).toBeGreaterThan(0);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("the lines of a file for scriptor are commands", () => {
    const read = parseSession("# select\nreset\n00a4040007f054414c4c590100\n00 CA DF 01 00\r\n");
    expect(read.map(({ item: { kind } }) => kind)).toEqual(["comment", "reset", "apdu", "apdu"]);
  });

  test.each([
    ["> 00 A4 04 0", 1, /whole bytes/],
    ["reset\n> 00 A4", 2, /four of a header/],
    ["reset\n\n>", 3, /no command/],
    ["# x\n< 90 0", 2, /not an answer/],
    ["< ** 90 00", 1, /not an answer/],
    ["hello", 1, /neither a command/],
    ["@Agent", 1, /neither a command/],
  ])("%j is refused", (text, line, why) => {
    expect(() => parseSession(text)).toThrow(expect.objectContaining({ line, message: expect.stringMatching(why) }));
  });

  test("a placeholder is digits, or bytes; what nobody gave is refused", () => {
    const values = (asked: string) => ({ pin: "123456", key: "0A 0b", data: "123456", "puk-2": "0x" })[asked];
    expect(valueBytes(values, "pin")).toEqual(new TextEncoder().encode("123456"));
    expect(valueBytes(values, "key")).toEqual(Uint8Array.of(0x0a, 0x0b));
    expect(valueBytes(values, "data")).toEqual(Uint8Array.of(0x12, 0x34, 0x56));
    expect(() => valueBytes(values, "puk-2")).toThrow(SessionError);
    expect(() => valueBytes(values, "puk")).toThrow(ValueMissingError);
  });
});

describe("patterns", () => {
  const fits = (text: string, hex: string) => mismatchAt(parsePattern(text) as Pattern, Buffer.from(hex, "hex"));

  test.each([
    ["9000", "9000", undefined],
    ["9000", "9001", 1],
    ["9000", "019000", 0],
    ["91 ..", "9124", undefined],
    ["63 C.", "63c2", undefined],
    ["63 C.", "6383", 1],
    ["6F .. 84 * 90 00", "6f0984f0549000", undefined],
    ["6F .. 84 * 90 00", "6f0984f0549001", 7],
    ["* 90 00", "9000", undefined],
    ["* 90 00", "90009000", undefined],
    ["* 90 00 * 61 ..", "019000026105", undefined],
    ["01 *", "01", undefined],
    ["01 02", "01", 1],
  ])("%s against %s: %s", (text, hex, at) => {
    expect(fits(text, hex)).toBe(at);
  });

  test("a pattern fits what a regular expression of the same meaning fits", () => {
    const small = fc.array(fc.constantFrom(0, 1), { maxLength: 8 });
    const shape = fc
      .array(fc.constantFrom<"any" | 0 | 1 | 2>("any", 0, 1, 2), { minLength: 1, maxLength: 8 })
      .filter((items) => !items.some((each, i) => each === "any" && items[i - 1] === "any"));
    fc.assert(
      fc.property(shape, small, (items, sent) => {
        const asPattern = items.map((each) =>
          each === "any" ? each : each === 2 ? { value: 0, mask: 0 } : { value: each, mask: 0xff },
        );
        const asExpression = new RegExp(
          `^${items.map((each) => (each === "any" ? ".*" : each === 2 ? "." : each)).join("")}$`,
        );
        expect(mismatchAt(asPattern, Uint8Array.from(sent)) === undefined).toBe(asExpression.test(sent.join("")));
        expect(parsePattern(printPattern(asPattern))).toEqual(asPattern);
      }),
      { numRuns: 2000 },
    );
  });

  test("many stars are no trouble", () => {
    const many = parsePattern("* 00 ".repeat(200)) as Pattern;
    expect(mismatchAt(many, new Uint8Array(4000).fill(1))).toBeDefined();
  });
});
