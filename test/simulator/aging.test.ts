/** What age does to flash: as much as was asked for, the same from the same seed, and nothing else. */

import { describe, expect, test } from "vitest";
import { drawBits, Endurance, misread, PAGE_ENDS, type PageEnd, rot } from "../../simulator/aging.js";
import { firstOf, PowerCut } from "../../simulator/faults.js";
import { Flash, type FlashGeometry, MemoryFlashStorage } from "../../simulator/flash.js";
import { PlatformError } from "../../simulator/platform.generated.js";
import { generator } from "../support/store-driver.js";

const PAGE = 4096;
const GEOMETRY: FlashGeometry = { pageSizeBytes: PAGE, pageCount: 3, wordSizeBytes: 4 };

function newFlash(): Flash {
  return new Flash(GEOMETRY, new MemoryFlashStorage(GEOMETRY));
}

function readAll(flash: Flash): Uint8Array {
  const bytes = new Uint8Array(flash.regionBytes);
  expect(flash.read(0, bytes)).toBe(0);
  return bytes;
}

function differingBits(a: Uint8Array, b: Uint8Array): number[] {
  const bits: number[] = [];
  for (let i = 0; i < 8 * a.length; i++) {
    if ((((a[i >> 3] ?? 0) ^ (b[i >> 3] ?? 0)) >> (i & 7)) & 1) bits.push(i);
  }
  return bits;
}

describe("bit rot", () => {
  test("at rest: so many bits of the region turn over, and no others; the seed says which", () => {
    const [flash, same, other] = [newFlash(), newFlash(), newFlash()];
    const bits = rot(flash, 100, 110, 9, generator(1));
    expect(new Set(bits).size).toBe(9);
    const before = readAll(newFlash());
    expect(differingBits(before, readAll(flash))).toEqual(bits.toSorted((a, b) => a - b));
    for (const bit of bits) expect(bit >= 800 && bit < 880).toBe(true);
    expect(rot(same, 100, 110, 9, generator(1))).toEqual(bits);
    expect(rot(other, 100, 110, 9, generator(2))).not.toEqual(bits);
    for (const bit of bits) flash.flipBit(bit);
    expect(readAll(flash)).toEqual(before);
    expect(() => drawBits(0, 1, 9, generator(1))).toThrow(RangeError);
    expect(() => flash.flipBit(8 * flash.regionBytes)).toThrow(RangeError);
  });

  test("at a read: one bit of what is read, now and then, and flash keeps what it holds", () => {
    const flash = newFlash();
    const before = readAll(flash);
    flash.onRead = misread(4, generator(3));
    let wrong = 0;
    for (let i = 0; i < 400; i++) {
      const bytes = new Uint8Array(16);
      flash.read(16 * i, bytes);
      const bits = differingBits(bytes, before.slice(0, 16)).length;
      expect(bits).toBeLessThanOrEqual(1);
      wrong += bits;
    }
    expect(wrong).toBeGreaterThan(60);
    expect(wrong).toBeLessThan(140);
    flash.onRead = undefined;
    expect(readAll(flash)).toEqual(before);
  });
});

describe("a page that is worn out", () => {
  const zeros = new Uint8Array(PAGE);

  function worn(end: PageEnd, erasures = 3, spread = 0) {
    const flash = newFlash();
    const endurance = new Endurance(flash, { erasures, spread }, generator(7), [end]);
    flash.onOperation = endurance.hook;
    return { flash, endurance };
  }

  /** Turns of programming all of page 1 and erasing it that go well. */
  function turns(flash: Flash): number {
    for (let turn = 0; turn < 100; turn++) {
      if (flash.program(PAGE, zeros) !== 0 || flash.erase(1) !== 0) return turn;
      if (
        readAll(flash)
          .subarray(PAGE, 2 * PAGE)
          .some((byte) => byte !== 0xff)
      )
        return turn;
    }
    return 100;
  }

  test.each(PAGE_ENDS)("%s: works as often as it bears, and not once more", (end) => {
    const { flash, endurance } = worn(end);
    expect(turns(flash)).toBe(3);
    expect(endurance.isWornOut(1)).toBe(true);
    expect(endurance.isWornOut(0)).toBe(false);
    const left = readAll(flash).subarray(PAGE, 2 * PAGE);
    const erased = left.filter((byte) => byte === 0xff).length;
    if (end === "fails") expect(left).toEqual(zeros);
    else if (end === "sticks") {
      expect(erased).toBeGreaterThan(PAGE / 2);
      expect(erased).toBeLessThan(PAGE);
    } else expect(left.some((byte) => byte !== 0 && byte !== 0xff)).toBe(true);
    // Other pages go on, and what is there can be read.
    expect(flash.erase(0)).toBe(0);
    expect(flash.violations).toBe(0);
  });

  test("says that it failed, or, where cells stick, that all is well", () => {
    for (const end of PAGE_ENDS) {
      const { flash } = worn(end, 0);
      const answers = [flash.program(0, Uint8Array.of(0, 0, 0, 0)), flash.erase(0)];
      const [programmed, erased] = answers.map((answer) => answer === PlatformError.FlashFailure);
      expect(programmed, end).toBe(end === "programs-fail");
      expect(erased, end).toBe(end === "fails" || end === "fails-partly");
    }
  });

  test("pages differ within the spread, by the seed", () => {
    const { flash, endurance } = worn("fails", 10, 5);
    const bears = [0, 1, 2].map((page) => {
      let erasures = 0;
      while (!endurance.isWornOut(page)) {
        expect(flash.erase(page)).toBe(0);
        erasures++;
      }
      expect(flash.erase(page)).toBe(PlatformError.FlashFailure);
      return erasures;
    });
    for (const erasures of bears) expect(erasures >= 10 && erasures <= 15).toBe(true);
    expect(new Set(bears).size).toBeGreaterThan(1);
  });

  test("wear and cuts go together: the first hook that has something to say decides", () => {
    const { flash, endurance } = worn("fails", 1);
    flash.onOperation = firstOf(endurance.hook, () => ({ cut: "after" }));
    expect(() => flash.erase(2)).toThrow(PowerCut);
    expect(flash.erase(2)).toBe(PlatformError.FlashFailure);
  });
});
