/** The store on flash that grows old: bits that turn over at rest and in reading, pages that can be erased no more. */

import { describe, expect, it } from "vitest";
import { REASON_ROLLED_BACK, REASON_STORE_FAILURE, REASON_STORE_FULL } from "../firmware/protocol/reasons.js";
import { Endurance, PAGE_ENDS, type PageEnd } from "../simulator/aging.js";
import { firstOf, type OperationHook, PowerCut } from "../simulator/faults.js";
import type { FlashGeometry } from "../simulator/flash.js";
import { PlatformError } from "../simulator/platform.generated.js";
import {
  affordable,
  digestOf,
  generator,
  type Step,
  StoreDriver,
  StoreError,
  type StoreImage,
  TEARS,
  tornFate,
} from "./support/store-driver.js";

const PAGE = 4096;
const GEOMETRY: FlashGeometry = { pageSizeBytes: PAGE, pageCount: 3, wordSizeBytes: 4 };
const REFUSALS = [-REASON_STORE_FAILURE, -REASON_ROLLED_BACK];

async function create(hasCounter: boolean, geometry = GEOMETRY): Promise<StoreDriver> {
  const driver = await StoreDriver.create("aging", { geometry, hasCounter }, undefined, "release");
  driver.format();
  return driver;
}

/** Two pages in use, each for a small part, so that every bit of them can be turned over. */
async function smallImage(hasCounter: boolean) {
  const driver = await create(hasCounter);
  for (let i = 0; i < 4; i++) driver.transaction([{ key: 1 + (i % 3), length: 30 + 20 * i, fill: i }]);
  // Torn: the log goes on in the next page.
  driver.chip.onOperation = (operation) => tornFate("dense", operation, generator(1), 4);
  expect(() => driver.transaction([{ key: 9, length: 60, fill: 9 }])).toThrow(PowerCut);
  driver.chip.onOperation = undefined;
  driver.step({ kind: "reboot" });
  driver.transaction([
    { key: 4, length: 50, fill: 1 },
    { key: 1, length: 70, fill: 2 },
  ]);
  driver.transaction([{ key: 2 }, { key: 5, length: 0 }]);
  const previous = driver.digest();
  driver.transaction([{ key: 3, length: 41, fill: 3 }]);
  expect(driver.head() % GEOMETRY.pageCount).toBe(1);
  return { driver, previous, last: driver.digest(), image: driver.image() };
}

/** Bits of all bytes that are programmed, and some of the others. */
function bitsToTurn(chip: Uint8Array, regionBytes: number): { used: number[]; others: number[] } {
  const used: number[] = [];
  const others: number[] = [];
  for (let bit = 0; bit < 8 * regionBytes; bit++) {
    if (chip[bit >> 3] !== 0xff) used.push(bit);
    else if (bit % 97 === 0) others.push(bit);
  }
  return { used, others };
}

describe("each single bit that turns over at rest", () => {
  it.each([true, false])(
    "is noticed by the mount, or what is mounted is what was committed (counter: %s)",
    async (hasCounter) => {
      const { driver, previous, last, image } = await smallImage(hasCounter);
      const { flash } = driver.chip;
      const { used, others } = bitsToTurn(image.chip, flash.regionBytes);
      const seen = { refused: 0, last: 0, previous: 0 };
      for (const bit of [...used, ...others]) {
        flash.flipBit(bit);
        const status = driver.reboot();
        flash.flipBit(bit);
        if (status < 0) {
          expect(REFUSALS, `bit ${bit}`).toContain(status);
          seen.refused++;
        } else {
          const digest = driver.digest();
          // Without a counter a rotten last transaction looks like a torn one; anything else is refused.
          if (digest === previous && !hasCounter) seen.previous++;
          else expect(digest, `bit ${bit}`).toBe(last);
          if (digest === last) seen.last++;
        }
      }
      expect(used.length).toBeGreaterThan(6000);
      expect(seen.refused).toBeGreaterThan(used.length / 2);
      expect(seen.last).toBeGreaterThan(others.length / 2);
      // The record and the commit entry of the last transaction.
      expect(seen.previous > 0).toBe(!hasCounter);
      expect(seen.previous).toBeLessThanOrEqual(8 * (56 + 32));
    },
  );

  it("is noticed by whoever reads that record, and hurts no other", async () => {
    const { driver, image } = await smallImage(true);
    const { flash } = driver.chip;
    const { used } = bitsToTurn(image.chip, flash.regionBytes);
    const values = [...driver.contents];
    let noticed = 0;
    for (const bit of used) {
      flash.flipBit(bit);
      const wrong = values.filter(([key, value]) => !readsOrRefuses(driver, key, value));
      flash.flipBit(bit);
      expect(wrong.length, `bit ${bit}`).toBeLessThanOrEqual(1);
      noticed += wrong.length;
    }
    // Every bit of every live record counts, its header and its padding too.
    const live = values.reduce((sum, [, value]) => sum + Math.ceil((12 + value.length) / 4) * 4, 0);
    const programmed = live * 8;
    expect(noticed).toBeLessThanOrEqual(programmed);
    expect(noticed).toBeGreaterThan(programmed * 0.95);
  });

  it("in a mounted store is never copied into another record, however long it lies there", async () => {
    const { driver, image } = await smallImage(false);
    const { flash } = driver.chip;
    const { used } = bitsToTurn(image.chip, flash.regionBytes);
    const next = generator(4);
    let refused = 0;
    for (let i = 0; i < 250; i++) {
      driver.restore(image);
      flash.flipBit(used[next() % used.length] ?? 0);
      try {
        for (let turn = 0; turn < 24; turn++) driver.transaction([{ key: 6, length: 900, fill: turn }]);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        refused++;
      }
      expectNothingWrong(driver);
      if (driver.reboot() >= 0) expectNothingWrong(driver);
    }
    expect(refused).toBeGreaterThan(50);
    expect(refused).toBeLessThan(250);
  });
});

/** True if the value is read, false if reading is refused; a wrong value fails. */
function readsOrRefuses(driver: StoreDriver, key: number, value: Uint8Array): boolean {
  try {
    expect(driver.read(key)).toEqual(value);
    return true;
  } catch (error) {
    if (error instanceof StoreError && REFUSALS.includes(error.status)) return false;
    throw error;
  }
}

function expectNothingWrong(driver: StoreDriver): void {
  for (const [key, value] of driver.contents) readsOrRefuses(driver, key, value);
}

describe("each read that answers with one bit turned over", () => {
  /** Something done with the n-th read turned over in its m-th way; false if there are no more reads. */
  function withMisread(driver: StoreDriver, at: number, random: () => number, work: () => void): boolean {
    let left = at;
    driver.chip.flash.onRead = (_address, bytes) => {
      if (left-- !== 0) return;
      const bit = random() % (8 * bytes.length);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    };
    try {
      work();
    } finally {
      driver.chip.flash.onRead = undefined;
    }
    return left < 0;
  }

  it.each([true, false])("of a mount: refused, or mounted as it was (counter: %s)", async (hasCounter) => {
    const { driver, last, image } = await smallImage(hasCounter);
    const next = generator(6);
    let refused = 0;
    let reads = 0;
    for (let hasRead = true; hasRead; reads++) {
      for (let way = 0; way < 12; way++) {
        driver.restore(image);
        let status = 0;
        hasRead = withMisread(driver, reads, next, () => {
          status = driver.reboot();
        });
        if (status < 0) refused++;
        else expect(driver.digest(), `read ${reads}`).toBe(last);
        // A refusal has written nothing, and the next mount reads right.
        expect(driver.reboot()).toBe(0);
        expect(driver.digest()).toBe(last);
      }
    }
    expect(reads).toBeGreaterThan(30);
    expect(refused).toBeGreaterThan(100);
  });

  const step: Step = { kind: "transaction", changes: [{ key: 6, length: 900, fill: 1 }, { key: 1 }] };

  it.each([true, false])(
    "of a transaction that collects: it is done or not, and the store says which (counter: %s)",
    async (hasCounter) => {
      const { driver } = await smallImage(hasCounter);
      const image = aboutToCollect(driver);
      const next = generator(7);
      let failed = 0;
      let reads = 0;
      for (let hasRead = true; hasRead; reads++) {
        for (let way = 0; way < 12; way++) {
          driver.restore(image);
          hasRead = withMisread(driver, reads, next, () => {
            try {
              driver.step(step);
            } catch (error) {
              if (!(error instanceof StoreError)) throw error;
              failed++;
            }
          });
          expectNothingWrong(driver);
          expect(driver.reboot()).toBe(0);
          expect(driver.digest(), `read ${reads}`).toBe(digestOf(driver.contents));
        }
      }
      expect(reads).toBeGreaterThan(10);
      expect(failed).toBeGreaterThan(50);
    },
  );

  function aboutToCollect(driver: StoreDriver): StoreImage {
    for (let i = 0; i < 40; i++) {
      const image = driver.image();
      let erases = false;
      driver.chip.onOperation = (operation) => {
        erases ||= operation.kind === "flash-erase";
        return undefined;
      };
      driver.step(step);
      driver.chip.onOperation = undefined;
      driver.restore(image);
      if (erases) return image;
      driver.transaction([{ key: 7, length: 400, fill: i }]);
    }
    throw new Error("it does not come to collecting");
  }
});

describe("a device whose pages wear out", () => {
  const FAILURES = [PlatformError.FlashFailure, -REASON_STORE_FAILURE];
  const geometry: FlashGeometry = { pageSizeBytes: PAGE, pageCount: 4, wordSizeBytes: 8 };

  /** Works until nothing has been done twenty times in a row; what was answered then. */
  function workToTheEnd(driver: StoreDriver, next: () => number, check: () => void, fates?: OperationHook) {
    let stuck = 0;
    let done = 0;
    const answers: StoreError[] = [];
    while (stuck < 20) {
      const changes = [...affordable(driver, next, 20).slice(0, 3), { key: 30, length: 800, fill: next() }];
      const step: Step = next() % 8 === 0 ? { kind: "housekeeping" } : { kind: "transaction", changes };
      try {
        if (fates === undefined) driver.step(step);
        else driver.stepUnderFaults(step, fates, fates);
        done++;
        stuck = 0;
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        if (error.call !== "storeHousekeeping" && error.status !== -REASON_STORE_FULL) answers.push(error);
        stuck++;
      }
      check();
      if (done > 20_000) throw new Error("it does not wear out");
    }
    return { done, answers };
  }

  it.each(PAGE_ENDS)(
    "%s: works as long as its pages, then refuses, and all that was committed can be read",
    async (end) => {
      const lives: number[] = [];
      for (let seed = 1; seed <= 6; seed++) {
        const driver = await create(seed % 2 === 0, geometry);
        const endurance = new Endurance(driver.chip.flash, { erasures: 8, spread: 4 }, generator(seed), [
          end as PageEnd,
        ]);
        const next = generator(seed);
        driver.chip.onOperation = endurance.hook;
        const { done, answers } = workToTheEnd(driver, next, () => {
          expect(driver.digest()).toBe(digestOf(driver.contents));
          if (next() % 5 !== 0) return;
          driver.step({ kind: "reboot" });
          expect(driver.digest()).toBe(digestOf(driver.contents));
        });
        lives.push(done);
        for (const { status } of answers) expect(FAILURES).toContain(status);
        // Where erasures fail, the transaction is refused before it begins.
        if (end !== "programs-fail") expect(answers.at(-1)?.call).toBe("storeBegin");
        expect([0, 1, 2, 3].some((page) => endurance.isWornOut(page))).toBe(true);
        driver.step({ kind: "reboot" });
        expect(driver.dump()).toEqual(driver.contents);
        expect(driver.chip.flash.violations).toBe(0);
      }
      // Eight turns of four pages of 4,096 bytes, in transactions of about 1 KB.
      for (const done of lives) expect(done).toBeGreaterThan(40);
    },
  );

  it("and power is cut meanwhile: before or after, to the end", async () => {
    let cuts = 0;
    for (let seed = 1; seed <= 10; seed++) {
      const driver = await create(seed % 2 === 0, geometry);
      const endurance = new Endurance(driver.chip.flash, { erasures: 6, spread: 4 }, generator(seed));
      const next = generator(seed + 100);
      const hook = firstOf(endurance.hook, (operation) => {
        if (next() % 25 !== 0) return undefined;
        cuts++;
        return tornFate(TEARS[next() % TEARS.length] ?? "before", operation, next, 8);
      });
      workToTheEnd(driver, next, () => expect(driver.digest()).toBe(digestOf(driver.contents)), hook);
      driver.step({ kind: "reboot" });
      expect(driver.dump()).toEqual(driver.contents);
      expect(driver.chip.flash.violations).toBe(0);
    }
    expect(cuts).toBeGreaterThan(50);
  });
});
