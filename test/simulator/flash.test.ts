import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PowerCut } from "../../simulator/faults.js";
import { Flash, type FlashGeometry, MemoryFlashStorage } from "../../simulator/flash.js";
import { PlatformError } from "../../simulator/platform.generated.js";

const GEOMETRY: FlashGeometry = { pageSizeBytes: 4096, pageCount: 3, wordSizeBytes: 4 };

function newFlash(geometry: FlashGeometry = GEOMETRY): Flash {
  return new Flash(geometry, new MemoryFlashStorage(geometry));
}

function readAll(flash: Flash): Uint8Array {
  const bytes = new Uint8Array(flash.regionBytes);
  expect(flash.read(0, bytes)).toBe(0);
  return bytes;
}

const WORD = Uint8Array.of(0x12, 0x34, 0x56, 0x78);

describe("the rules of NOR flash", () => {
  test("new flash reads 0xFF", () => {
    expect(readAll(newFlash()).every((byte) => byte === 0xff)).toBe(true);
  });

  test("a word is programmed once between two erasures", () => {
    const flash = newFlash();
    expect(flash.program(8, WORD)).toBe(0);
    expect(flash.program(8, WORD)).toBe(PlatformError.FlashFailure);
    expect(flash.program(8, new Uint8Array(4))).toBe(PlatformError.FlashFailure);
    expect(flash.violations).toBe(2);
    expect(readAll(flash).subarray(8, 12)).toEqual(WORD);
    expect(flash.erase(0)).toBe(0);
    expect(flash.program(8, WORD)).toBe(0);
  });

  test.each([
    ["an address within a word", 2, 4],
    ["a length that is no multiple of the word", 0, 6],
    ["a range across two pages", 4092, 8],
  ])("%s is refused", (_what, address, lengthBytes) => {
    const flash = newFlash();
    expect(flash.program(address, new Uint8Array(lengthBytes))).toBe(PlatformError.FlashFailure);
    expect(flash.violations).toBe(1);
    expect(readAll(flash).every((byte) => byte === 0xff)).toBe(true);
  });

  test("what lies outside the region is an invalid argument", () => {
    const flash = newFlash();
    const end = flash.regionBytes;
    expect(flash.read(end - 3, new Uint8Array(4))).toBe(PlatformError.InvalidArgument);
    expect(flash.program(end, WORD)).toBe(PlatformError.InvalidArgument);
    expect(flash.program(0xfffffffc, WORD)).toBe(PlatformError.InvalidArgument);
    expect(flash.erase(3)).toBe(PlatformError.InvalidArgument);
    expect(flash.read(end - 4, new Uint8Array(4))).toBe(0);
  });

  test("a read crosses pages", () => {
    const flash = newFlash();
    flash.program(4092, WORD);
    flash.program(4096, WORD);
    const bytes = new Uint8Array(8);
    expect(flash.read(4092, bytes)).toBe(0);
    expect(bytes).toEqual(Uint8Array.of(...WORD, ...WORD));
  });

  test("an erasure wears its page only", () => {
    const flash = newFlash();
    flash.erase(1);
    flash.erase(1);
    expect([0, 1, 2].map((page) => flash.erasures(page))).toEqual([0, 2, 0]);
  });

  test("a geometry that no flash has is refused", () => {
    expect(() => newFlash({ ...GEOMETRY, pageSizeBytes: 2048 })).toThrow(RangeError);
    expect(() => newFlash({ ...GEOMETRY, wordSizeBytes: 3 })).toThrow(RangeError);
    expect(() => newFlash({ ...GEOMETRY, pageCount: 0 })).toThrow(RangeError);
  });
});

describe("faults", () => {
  test("a cut program leaves the chosen bits cleared, a cut erase the chosen bits set", () => {
    const bytes = fc.uint8Array({ minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(bytes, bytes, bytes, (source, programMask, eraseMask) => {
        const flash = newFlash();
        flash.onOperation = () => ({ cut: programMask });
        expect(() => flash.program(4, source)).toThrow(PowerCut);
        const torn = readAll(flash).slice(4, 8);
        for (let bit = 0; bit < 32; bit++) {
          const at = (from: Uint8Array) => ((from[bit >> 3] ?? 0) >> (bit & 7)) & 1;
          expect(at(torn)).toBe(at(programMask) === 1 ? at(source) : 1);
        }
        const pageMask = new Uint8Array(4096).fill(0xff);
        pageMask.set(eraseMask, 4);
        flash.onOperation = () => ({ cut: pageMask });
        expect(() => flash.erase(0)).toThrow(PowerCut);
        const after = readAll(flash).slice(4, 8);
        expect(after).toEqual(torn.map((byte, i) => byte | (eraseMask[i] ?? 0)));
        expect(flash.erasures(0)).toBe(1);
      }),
    );
  });

  test("power goes before or after an operation", () => {
    const flash = newFlash();
    flash.onOperation = () => ({ cut: "before" });
    expect(() => flash.program(0, WORD)).toThrow(PowerCut);
    expect(readAll(flash)[0]).toBe(0xff);
    flash.onOperation = () => ({ cut: "after" });
    expect(() => flash.program(0, WORD)).toThrow(PowerCut);
    expect(readAll(flash).subarray(0, 4)).toEqual(WORD);
  });

  test("the hook sees every operation that changes flash, and no other", () => {
    const flash = newFlash();
    const seen: unknown[] = [];
    flash.onOperation = (operation) => void seen.push(operation);
    flash.program(16, WORD);
    flash.read(0, new Uint8Array(4));
    flash.program(16, WORD);
    flash.program(0, new Uint8Array(0));
    flash.erase(2);
    expect(seen).toEqual([
      { kind: "flash-program", address: 16, lengthBytes: 4 },
      { kind: "flash-erase", address: 8192, lengthBytes: 4096 },
    ]);
  });

  test("an operation that fails changes nothing", () => {
    const flash = newFlash();
    flash.onOperation = () => ({ fails: true });
    expect(flash.program(0, WORD)).toBe(PlatformError.FlashFailure);
    expect(flash.violations).toBe(0);
    expect(readAll(flash)[0]).toBe(0xff);
  });

  test("a mask of another length is a mistake in the test", () => {
    const flash = newFlash();
    flash.onOperation = () => ({ cut: new Uint8Array(3) });
    expect(() => flash.program(0, WORD)).toThrow(RangeError);
  });
});

test("flash equals a model over any sequence of operations", () => {
  const operation = fc.oneof(
    fc.record({ kind: fc.constant("erase" as const), page: fc.nat(3) }),
    fc.record({
      kind: fc.constant("program" as const),
      address: fc.nat(3 * 4096 + 8),
      source: fc.uint8Array({ maxLength: 12 }),
    }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const flash = newFlash();
      const model: number[] = new Array(3 * 4096).fill(0xff);
      for (const step of operations) {
        if (step.kind === "erase") {
          const isGood = step.page < 3;
          expect(flash.erase(step.page) === 0).toBe(isGood);
          if (isGood) model.fill(0xff, step.page * 4096, (step.page + 1) * 4096);
          continue;
        }
        const { address, source } = step;
        const end = address + source.length;
        const isAligned = address % 4 === 0 && source.length % 4 === 0;
        const isOnePage = Math.floor(address / 4096) === Math.floor((end - 1) / 4096);
        const isErased = model.slice(address, end).every((byte) => byte === 0xff);
        const isGood = end <= model.length && (source.length === 0 || (isAligned && isOnePage && isErased));
        expect(flash.program(address, source) === 0).toBe(isGood);
        if (isGood) model.splice(address, source.length, ...source);
      }
      expect([...readAll(flash)]).toEqual(model);
    }),
    { numRuns: 50 },
  );
});
