/** What the header of firmware/lib/store.ts promises in numbers: capacity to the byte, wear levelling, lifetime. */

import { describe, expect, it } from "vitest";
import { STORE_RESERVE_RECORDS, STORE_VALUE_BYTES_MAX } from "../firmware/protocol/limits.js";
import { REASON_STORE_FULL } from "../firmware/protocol/reasons.js";
import type { Fate, Operation } from "../simulator/faults.js";
import type { FlashGeometry } from "../simulator/flash.js";
import { type Change, digestOf, generator, StoreDriver, TEARS, tornFate } from "./support/store-driver.js";

const GEOMETRIES: readonly FlashGeometry[] = [
  { pageSizeBytes: 4096, pageCount: 2, wordSizeBytes: 32 },
  { pageSizeBytes: 4096, pageCount: 5, wordSizeBytes: 4 },
  { pageSizeBytes: 4096, pageCount: 16, wordSizeBytes: 8 },
  { pageSizeBytes: 16384, pageCount: 3, wordSizeBytes: 1 },
  { pageSizeBytes: 131072, pageCount: 2, wordSizeBytes: 16 },
];
const COMMIT = 32;

/** The formulas of the header, in its own letters. */
class Promised {
  readonly unit: number;
  readonly capacity: number;

  constructor({ pageSizeBytes, pageCount, wordSizeBytes }: FlashGeometry) {
    this.unit = Math.max(4, wordSizeBytes);
    const U = pageSizeBytes - Math.ceil(48 / this.unit) * this.unit;
    const E = this.e(STORE_VALUE_BYTES_MAX);
    const most = (pageCount - 1) * (U - COMMIT) - (pageCount - 2) * (E + COMMIT);
    this.capacity = most - this.transaction(0, STORE_RESERVE_RECORDS);
  }

  e(length: number): number {
    return Math.ceil((12 + length) / this.unit) * this.unit;
  }

  transaction(bytes: number, records: number): number {
    return bytes + records * (11 + this.unit) + COMMIT;
  }

  live(driver: StoreDriver): number {
    return [...driver.contents.values()].reduce((sum, value) => sum + this.e(value.length), 0);
  }

  /** Longest value that a transaction of one record may bring, or less than none. */
  longest(driver: StoreDriver): number {
    return this.capacity - this.live(driver) - this.transaction(0, 1);
  }

  newEntries(changes: readonly Change[]): number {
    return changes.reduce((sum, change) => sum + this.e(change.length ?? 0), COMMIT);
  }
}

async function formatted(geometry: FlashGeometry, hasCounter = true): Promise<StoreDriver> {
  const driver = await StoreDriver.create("space", { geometry, hasCounter }, undefined, "release");
  driver.format();
  return driver;
}

/** A refusal at storeBegin that leaves all as it was. */
function expectFull(driver: StoreDriver, bytes: number): void {
  const before = driver.chip.snapshot();
  expect(driver.store.storeBegin(bytes, 1)).toBe(-REASON_STORE_FULL);
  expect(Buffer.compare(driver.chip.snapshot(), before)).toBe(0);
  expect(driver.digest()).toBe(digestOf(driver.contents));
}

const SIZES = {
  "the longest values": () => STORE_VALUE_BYTES_MAX,
  // 1,300 bytes and more a page are lost if values of 1,024 and of half of it alternate badly.
  "long and middling values": (next: () => number) => [STORE_VALUE_BYTES_MAX, 680, 1000][next() % 3] ?? 0,
  "values of all lengths": (next: () => number) => next() % (STORE_VALUE_BYTES_MAX + 1),
  "short values": (next: () => number) => 200 + (next() % 30),
};

describe.each(GEOMETRIES)("$pageCount pages of $pageSizeBytes, words of $wordSizeBytes", (geometry) => {
  it.each(Object.entries(SIZES))("take what the formula says to the byte, of %s, and for ever", async (_name, size) => {
    const driver = await formatted(geometry);
    const promised = new Promised(geometry);
    const next = generator(5);
    let key = 1;
    for (let length = size(next); promised.longest(driver) >= length; length = size(next)) {
      driver.transaction([{ key: key++, length, fill: key }]);
    }
    // Down to a byte: more records, until one of the longest length that is promised fills it.
    for (let longest = promised.longest(driver); longest >= 0; longest = promised.longest(driver)) {
      const length = Math.min(longest, STORE_VALUE_BYTES_MAX);
      if (length < STORE_VALUE_BYTES_MAX) expectFull(driver, length + 1);
      driver.transaction([{ key: key++, length, fill: key }]);
    }
    const last = { key: key - 1, length: driver.contents.get(key - 1)?.length ?? 0 };
    expectFull(driver, 1);
    expect(driver.store.storeFreeBytes()).toBe(0);
    // As full as that, the ring turns and turns: the last record goes, and comes back at the same fullness.
    const minimum = driver.wear().minimum;
    for (let turn = 0; driver.wear().minimum < minimum + 3; turn++) {
      driver.transaction([{ key: last.key }]);
      driver.transaction([{ ...last, fill: turn }]);
      if (turn % 50 === 0) expect(driver.digest()).toBe(digestOf(driver.contents));
    }
    expectFull(driver, 1);
    while (driver.contents.size > 0) {
      driver.transaction([...driver.contents.keys()].slice(0, STORE_RESERVE_RECORDS).map((each) => ({ key: each })));
    }
    expect(driver.digest()).toBe(digestOf(new Map()));
    expect(driver.chip.flash.violations).toBe(0);
  });
});

const SMALL: readonly FlashGeometry[] = [
  { pageSizeBytes: 4096, pageCount: 2, wordSizeBytes: 32 },
  { pageSizeBytes: 4096, pageCount: 3, wordSizeBytes: 8 },
  { pageSizeBytes: 4096, pageCount: 7, wordSizeBytes: 4 },
];

function spread(counts: readonly number[]): number {
  return Math.max(...counts) - Math.min(...counts);
}

describe.each(SMALL)("wear of $pageCount pages, words of $wordSizeBytes", (geometry) => {
  const TURNS = 30;
  const pages = Array.from({ length: geometry.pageCount }, (_, page) => page);

  /** Two thirds of the room are never written again. */
  function fillCold(driver: StoreDriver): void {
    const third = Math.floor(driver.store.storeFreeBytes() / 3);
    for (let key = 100; driver.store.storeFreeBytes() > third + 300; key++) {
      driver.transaction([{ key, length: 300, fill: key }]);
    }
  }

  it.each([
    ["cold and hot data", true, false],
    ["hot data only", false, false],
    ["housekeeping at every step", true, true],
  ])("%s: counts never differ by more than one in all of 30 turns", async (_name, isCold, isKept) => {
    const driver = await formatted(geometry);
    if (isCold) fillCold(driver);
    const next = generator(8);
    for (let i = 0; driver.wear().minimum < TURNS; i++) {
      driver.transaction([{ key: 1 + (next() % 2), length: next() % 200, fill: i }]);
      if (isKept) driver.step({ kind: "housekeeping" });
      if (i % 40 === 0) driver.step({ kind: "reboot" });
      expect(spread(pages.map((page) => driver.chip.flash.erasures(page)))).toBeLessThanOrEqual(1);
    }
    expect(Math.min(...pages.map((page) => driver.chip.flash.erasures(page)))).toBeGreaterThanOrEqual(TURNS - 3);
    expect(driver.digest()).toBe(digestOf(driver.contents));
  });

  it("cuts: counts differ by more than one only by erasures that a cut had repeated", async () => {
    const driver = await formatted(geometry);
    fillCold(driver);
    const next = generator(9);
    const erased = pages.map(() => new Set<number>());
    const repeated = pages.map(() => 0);
    let cuts = 0;
    const fates = (operation: Operation): Fate => {
      if (operation.kind === "flash-erase") {
        // The number that the page will be opened as: an erasure for the same number again is a repeated one.
        const page = operation.address / geometry.pageSizeBytes;
        const ahead = (page - ((driver.head() + 1) % geometry.pageCount) + geometry.pageCount) % geometry.pageCount;
        const sequence = driver.head() + 1 + ahead;
        if (erased[page]?.has(sequence)) repeated[page] = (repeated[page] ?? 0) + 1;
        erased[page]?.add(sequence);
      }
      if (next() % 14 !== 0) return undefined;
      cuts++;
      return tornFate(TEARS[next() % TEARS.length] ?? "before", operation, next, geometry.wordSizeBytes);
    };
    for (let i = 0; driver.wear().minimum < TURNS; i++) {
      const changes = [{ key: 1 + (next() % 2), length: next() % 200, fill: i }];
      driver.stepUnderFaults({ kind: "transaction", changes }, fates);
    }
    const counts = pages.map((page) => driver.chip.flash.erasures(page));
    // A cut before the erasure is one that did not happen: so the bounds are on both sides.
    const once = pages.map((page) => erased[page]?.size ?? 0);
    expect(spread(once)).toBeLessThanOrEqual(1);
    for (const page of pages) {
      expect(counts[page]).toBeLessThanOrEqual((once[page] ?? 0) + (repeated[page] ?? 0));
    }
    const total = repeated.reduce((sum, count) => sum + count);
    expect(total).toBeGreaterThan(5);
    expect(total).toBeLessThanOrEqual(cuts);
    expect(driver.digest()).toBe(digestOf(driver.contents));
  });
});

describe("what the store says of its wear", () => {
  it.each(SMALL)("counts a page of $pageCount that was opened in vain, also after a mount", async (geometry) => {
    const driver = await formatted(geometry);
    const erasures = () => {
      let sum = 0;
      for (let page = 0; page < geometry.pageCount; page++) sum += driver.chip.flash.erasures(page);
      return sum;
    };
    const opens = ({ kind, address }: Operation) =>
      kind === "flash-program" && address % geometry.pageSizeBytes === 0 && driver.wear().minimum > 1;
    let image = driver.image();
    const isCut = (turn: number): boolean => {
      image = driver.image();
      const changes = [{ key: 1, length: 900, fill: turn }];
      const fates = (operation: Operation): Fate => (opens(operation) ? { cut: "after" } : undefined);
      return driver.stepUnderFaults({ kind: "transaction", changes }, fates) !== undefined;
    };
    let turn = 0;
    while (!isCut(turn)) turn++;
    driver.transaction([{ key: 1, length: 900, fill: turn }]);
    const [told, happened] = [driver.wear(), erasures()];
    driver.step({ kind: "reboot" });
    expect(driver.wear()).toEqual(told);
    // The same without the cut.
    driver.restore(image);
    driver.transaction([{ key: 1, length: 900, fill: turn }]);
    expect(happened).toBe(erasures() + 1);
    expect(told.total).toBe(driver.wear().total + 1);
    expect(told.maximum).toBe(driver.wear().maximum + 1);
  });
});

describe("lifetime", () => {
  /** Bytes of entries and commits that are written in one turn of the ring, of several. */
  async function turn(geometry: FlashGeometry, fullness: number, lengths: readonly number[]) {
    const driver = await formatted(geometry);
    const promised = new Promised(geometry);
    const hot = lengths.map((length, index) => ({ key: 1 + index, length, fill: 0 }));
    driver.transaction(hot);
    for (let key = 100; promised.live(driver) + promised.e(500) < promised.capacity * fullness; key++) {
      driver.transaction([{ key, length: 500, fill: key }]);
    }
    const begun = driver.wear().minimum + 1;
    let bytes = 0;
    let commits = 0;
    const TURNS = 4;
    for (let i = 0; driver.wear().minimum < begun + TURNS; i++) {
      const changes = hot.map((change) => ({ ...change, fill: i }));
      driver.transaction(changes);
      if (driver.wear().minimum < begun) continue;
      bytes += promised.newEntries(changes);
      commits++;
    }
    return { bytes: bytes / TURNS, commits: commits / TURNS, room: promised.capacity - promised.live(driver) };
  }

  it.each([
    { pageSizeBytes: 4096, pageCount: 8, wordSizeBytes: 4 },
    { pageSizeBytes: 4096, pageCount: 3, wordSizeBytes: 32 },
    { pageSizeBytes: 32768, pageCount: 3, wordSizeBytes: 8 },
  ])("of $pageCount pages of $pageSizeBytes: a turn takes at least capacity - live bytes", async (geometry) => {
    for (const fullness of [0.2, 0.5, 0.8]) {
      for (const lengths of [[100, 100, 100], [1024], [0], [700, 20]]) {
        const { bytes, room } = await turn(geometry, fullness, lengths);
        expect(bytes, `${fullness} full, ${lengths}`).toBeGreaterThanOrEqual(room);
      }
    }
  });

  it("of 64 pages of 4096, half full: 2.5 million commits of three records of 100 bytes at 10,000 cycles", async () => {
    const geometry = { pageSizeBytes: 4096, pageCount: 64, wordSizeBytes: 4 };
    const { commits } = await turn(geometry, 0.5, [100, 100, 100]);
    expect(10_000 * commits).toBeGreaterThanOrEqual(2_500_000);
  });

  it("the header's numbers of that flash: 186 KB of entries", () => {
    const promised = new Promised({ pageSizeBytes: 4096, pageCount: 64, wordSizeBytes: 4 });
    expect(Math.floor(promised.capacity / 1000)).toBe(186);
  });
});
