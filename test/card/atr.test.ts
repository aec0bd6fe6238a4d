/** The answer to reset, byte by byte (ISO/IEC 7816-3, 8.2; ISO/IEC 7816-4, 12.1.1). */

import { describe, expect, test } from "vitest";
import { toHex } from "../../host/codec/bytes.js";
import { answerToReset, historicalBytes } from "../../simulator/card/atr.js";

describe("the answer to reset", () => {
  test("of T=1: TS, T0 with TD1 and 11 historical bytes, TD1, TD2, TA3, TB3, historical bytes, TCK", () => {
    expect(toHex(answerToReset("T=1"))).toBe(
      "3b" + // direct convention
        "8b" + // TD1 follows; 11 historical bytes
        "81" + // T=1; TD2 follows
        "31" + // T=1; TA3 and TB3 follow, of T=1
        "fe" + // blocks of 254 bytes
        "45" + // BWI 4, CWI 5
        "80" + // compact TLV follows
        "55" + // issuer's data, 5 bytes
        "54414c4c59" + // TALLY
        "73" + // capabilities, 3 bytes
        "86" + // selected by full name; short file identifiers; record numbers
        "01" + // a data unit is a byte
        "db" + // chaining, extended length; channels numbered by card or host, 4 of them
        "36",
    );
  });

  test("of T=0 has no interface bytes, no check byte, and no extended length", () => {
    expect(toHex(answerToReset("T=0"))).toBe("3b0b805554414c4c597386019b");
  });

  test("the check byte makes the bytes from T0 on cancel out, and T0 counts the historical bytes", () => {
    const atr = answerToReset("T=1");
    expect(atr.slice(1).reduce((sum, byte) => sum ^ byte, 0)).toBe(0);
    for (const protocol of ["T=1", "T=0"] as const) {
      expect((answerToReset(protocol)[1] ?? 0) & 0x0f).toBe(historicalBytes(protocol).length);
    }
  });

  test("the compact TLV of the historical bytes ends where they end", () => {
    const [category, ...objects] = historicalBytes("T=1");
    expect(category).toBe(0x80);
    const tags: number[] = [];
    for (let at = 0; at < objects.length; ) {
      const object = objects[at] ?? 0;
      tags.push(object >> 4);
      at += 1 + (object & 0x0f);
      expect(at).toBeLessThanOrEqual(objects.length);
    }
    expect(tags).toEqual([5, 7]);
  });
});
