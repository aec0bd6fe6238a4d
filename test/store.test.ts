/** The flash store against its ideal model, without power cuts: contents, limits, space, wear, and errors of flash. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  STORE_RECORDS_MAX,
  STORE_RESERVE_RECORDS,
  STORE_TRANSACTION_RECORDS_MAX,
  STORE_VALUE_BYTES_MAX,
} from "../firmware/protocol/limits.js";
import {
  REASON_NOT_FOUND,
  REASON_STORE_FAILURE,
  REASON_STORE_FULL,
  REASON_TOO_LONG,
} from "../firmware/protocol/reasons.js";
import type { Fate, Operation } from "../simulator/faults.js";
import type { FlashGeometry } from "../simulator/flash.js";
import { PlatformError } from "../simulator/platform.generated.js";
import {
  affordable,
  type Change,
  digestOf,
  generator,
  KEY_SLOT,
  STORE_BLANK,
  STORE_MOUNTED,
  StoreDriver,
  StoreError,
  TEARS,
  tornFate,
  valueBytes,
} from "./support/store-driver.js";

const GEOMETRIES: readonly FlashGeometry[] = [
  { pageSizeBytes: 4096, pageCount: 4, wordSizeBytes: 1 },
  { pageSizeBytes: 4096, pageCount: 16, wordSizeBytes: 4 },
  { pageSizeBytes: 16384, pageCount: 3, wordSizeBytes: 8 },
  { pageSizeBytes: 4096, pageCount: 2, wordSizeBytes: 32 },
  { pageSizeBytes: 131072, pageCount: 2, wordSizeBytes: 16 },
];

async function formatted(geometry: FlashGeometry, hasCounter = true): Promise<StoreDriver> {
  const driver = await StoreDriver.create("store", { geometry, hasCounter });
  driver.format();
  return driver;
}

describe.each(GEOMETRIES)("with $pageCount pages of $pageSizeBytes, words of $wordSizeBytes", (geometry) => {
  it("equals a map after random transactions, aborts, housekeeping and reboots", async () => {
    const driver = await formatted(geometry);
    const run = (seed: number) => {
      const next = generator(seed);
      for (let i = 0; i < 60; i++) {
        const dice = next() % 10;
        if (dice === 0) driver.step({ kind: "reboot" });
        else if (dice === 1) driver.step({ kind: "housekeeping" });
        else driver.transaction(affordable(driver, next, 40), dice === 2);
        expect(driver.digest()).toBe(digestOf(driver.contents));
      }
      expect(driver.dump()).toEqual(driver.contents);
    };
    fc.assert(fc.property(fc.nat(), run), { numRuns: 20, seed: 1, endOnFailure: true });
    expect(driver.chip.flash.violations).toBe(0);
  });

  it("takes what it says it takes, refuses more, and lets a full store be emptied", async () => {
    const driver = await formatted(geometry);
    const next = generator(7);
    let key = 0;
    for (;;) {
      const records = driver.store.storeFreeRecords();
      const bytes = driver.store.storeFreeBytes();
      if (records === 0 || bytes === 0) break;
      const changes: Change[] = [];
      let left = bytes;
      for (let i = 0; i < records; i++) {
        const length = Math.min(left, STORE_VALUE_BYTES_MAX, 1 + (next() % STORE_VALUE_BYTES_MAX));
        left -= length;
        changes.push({ key: ++key, length, fill: key });
      }
      driver.transaction(changes);
    }
    expect(driver.store.storeBegin(STORE_VALUE_BYTES_MAX, 1)).toBe(-REASON_STORE_FULL);
    expect(driver.digest()).toBe(digestOf(driver.contents));
    expect(driver.contents.size).toBeGreaterThan(1);
    // Full stays full, through any number of refusals and reboots, and whatever is there can be deleted.
    driver.step({ kind: "reboot" });
    expect(driver.store.storeBegin(STORE_VALUE_BYTES_MAX, 1)).toBe(-REASON_STORE_FULL);
    while (driver.contents.size > 0) {
      driver.transaction([...driver.contents.keys()].slice(0, STORE_RESERVE_RECORDS).map((key) => ({ key })));
      expect(driver.digest()).toBe(digestOf(driver.contents));
    }
    expect(driver.chip.flash.violations).toBe(0);
  });

  it("never writes into the reserve for deletions", async () => {
    const driver = await formatted(geometry);
    for (let key = 1; driver.store.storeFreeRecords() > 0; key++) driver.transaction([{ key, length: 1, fill: key }]);
    const status = driver.store.storeBegin(0, STORE_RESERVE_RECORDS);
    expect(status).toBe(0);
    if (driver.contents.size < STORE_RECORDS_MAX)
      expect(driver.put(0x7000, new Uint8Array(0))).toBe(-REASON_STORE_FULL);
    driver.store.storeAbort();
  });

  it("rewrites a nearly full store for ever, and wears all pages alike", async () => {
    const driver = await formatted(geometry);
    const next = generator(3);
    const length = Math.min(STORE_VALUE_BYTES_MAX, Math.floor(driver.store.storeFreeBytes() / 8));
    for (let key = 1; driver.store.storeFreeBytes() >= 3 * length && key < 150; key++) {
      driver.transaction([{ key, length, fill: key }]);
    }
    // Only a few records are ever rewritten: the cold ones must move all the same.
    for (let i = 0; i < 400; i++) driver.transaction([{ key: 1 + (next() % 3), length: next() % length, fill: i }]);
    expect(driver.digest()).toBe(digestOf(driver.contents));
    while (driver.store.storeHousekeeping() === 1);
    const erasures = Array.from({ length: geometry.pageCount }, (_, page) => driver.chip.flash.erasures(page) + 1);
    expect(Math.max(...erasures) - Math.min(...erasures)).toBeLessThanOrEqual(1);
    const wear = driver.wear();
    expect(wear.pages).toBe(geometry.pageCount);
    expect(wear.minimum).toBe(Math.min(...erasures));
    expect(wear.maximum).toBe(Math.max(...erasures));
    expect(wear.total).toBe(erasures.reduce((sum, count) => sum + count));
    driver.step({ kind: "reboot" });
    expect(driver.wear()).toEqual(wear);
    driver.format();
    expect(driver.wear().minimum).toBeGreaterThanOrEqual(wear.minimum);
    expect(driver.chip.flash.violations).toBe(0);
  });

  it("survives operations that fail, and a device that is worn out", async () => {
    const driver = await formatted(geometry, false);
    const next = generator(11);
    for (let i = 0; i < 300; i++) {
      let failsAt = next() % 12;
      const isWornOut = next() % 4 === 0;
      driver.chip.onOperation = () => (failsAt-- === 0 || (isWornOut && failsAt < 0) ? { fails: true } : undefined);
      const changes = affordable(driver, next, 30);
      try {
        if (next() % 4 === 0) driver.step({ kind: "housekeeping" });
        else driver.transaction(changes);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        expect([PlatformError.FlashFailure, -REASON_STORE_FAILURE]).toContain(error.status);
      }
      expect(driver.digest()).toBe(digestOf(driver.contents));
      driver.chip.onOperation = undefined;
      if (next() % 3 === 0) driver.step({ kind: "reboot" });
      expect(driver.digest()).toBe(digestOf(driver.contents));
      if (next() % 3 === 0) driver.transaction(affordable(driver, next, 30));
    }
    expect(driver.chip.flash.violations).toBe(0);
  });
});

function maskOf(fate: Fate, { lengthBytes }: Operation): Uint8Array {
  if (fate === undefined || !("cut" in fate)) throw new TypeError("fate: a cut");
  if (fate.cut === "before" || fate.cut === "after")
    return new Uint8Array(lengthBytes).fill(fate.cut === "after" ? 255 : 0);
  return fate.cut;
}

describe("flash that fails half-way", () => {
  it("leaves the state before or after, and the store knows which", async () => {
    const next = generator(21);
    const driver = await formatted(GEOMETRIES[1] as FlashGeometry);
    let failures = 0;
    for (let i = 0; i < 1500; i++) {
      let failsIn = next() % 10;
      driver.chip.onOperation = (operation) => {
        if (operation.kind === "counter-increment" || failsIn-- !== 0) return undefined;
        // What failed has changed some of the bits, all of them, or none.
        return { fails: maskOf(tornFate(TEARS[next() % TEARS.length] ?? "after", operation, next, 4), operation) };
      };
      try {
        driver.transaction(affordable(driver, next, 30));
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        failures++;
      }
      driver.chip.onOperation = undefined;
      expect(driver.digest()).toBe(digestOf(driver.contents));
      if (i % 2 === 0) driver.step({ kind: "reboot" });
      expect(driver.digest()).toBe(digestOf(driver.contents));
    }
    expect(failures).toBeGreaterThan(300);
    expect(driver.chip.flash.violations).toBe(0);
  });
});

describe("the store's interface", () => {
  const geometry = GEOMETRIES[1] as FlashGeometry;

  it("says whether flash is blank, and refuses everything else before it is mounted", async () => {
    const driver = await StoreDriver.create("blank", { geometry });
    expect(driver.store.storeBegin(1, 1)).toBe(-REASON_STORE_FAILURE);
    expect(driver.store.storeHousekeeping()).toBe(-REASON_STORE_FAILURE);
    expect(driver.reboot()).toBe(STORE_BLANK);
    expect(driver.store.storeRead(1, 0, 0, 0)).toBe(-REASON_STORE_FAILURE);
    driver.format();
    expect(driver.reboot()).toBe(STORE_MOUNTED);
    driver.transaction([{ key: 1, length: 10, fill: 1 }]);
    expect(driver.store.storeMount(KEY_SLOT + 1)).toBe(PlatformError.SlotEmpty);
    expect(driver.store.storeBegin(1, 1)).toBe(-REASON_STORE_FAILURE);
  });

  it("does not mount under another key", async () => {
    const driver = await formatted(geometry);
    driver.transaction([{ key: 1, length: 10, fill: 1 }]);
    driver.chip.slotPut(KEY_SLOT, new Uint8Array(32));
    const before = driver.chip.snapshot();
    expect(driver.reboot()).toBe(-REASON_STORE_FAILURE);
    expect(driver.chip.snapshot()).toEqual(before);
    driver.format();
    expect(driver.dump().size).toBe(0);
  });

  it("reads parts of a value, and the state before the open transaction", async () => {
    const driver = await formatted(geometry);
    const old = { key: 9, length: 500, fill: 1 };
    driver.transaction([old]);
    expect(driver.store.storeBegin(1000, 3)).toBe(0);
    expect(driver.put(9, valueBytes({ key: 9, length: 400, fill: 2 }))).toBe(0);
    expect(driver.put(10, new Uint8Array(3))).toBe(0);
    expect(driver.store.storeLength(9)).toBe(500);
    expect(driver.store.storeLength(10)).toBe(-REASON_NOT_FOUND);
    expect(driver.read(9, 100, 50)).toEqual(valueBytes(old).subarray(100, 150));
    expect(driver.read(9, 490, 50)).toEqual(valueBytes(old).subarray(490));
    expect(driver.read(9, 500, 50).length).toBe(0);
    expect(driver.store.storeCommit()).toBe(0);
    expect(driver.read(9)).toEqual(valueBytes({ key: 9, length: 400, fill: 2 }));
    expect(driver.store.storeLength(10)).toBe(3);
    expect(driver.store.storeRead(11, 0, 0, 0)).toBe(-REASON_NOT_FOUND);
  });

  it("takes the last change of a record within a transaction", async () => {
    const driver = await formatted(geometry);
    driver.transaction([{ key: 1, length: 5, fill: 1 }]);
    expect(driver.store.storeBegin(100, 6)).toBe(0);
    expect(driver.store.storeDelete(1)).toBe(0);
    expect(driver.store.storeDelete(1)).toBe(-REASON_NOT_FOUND);
    expect(driver.put(1, new Uint8Array(7))).toBe(0);
    expect(driver.put(2, new Uint8Array(8))).toBe(0);
    expect(driver.store.storeDelete(2)).toBe(0);
    expect(driver.store.storeCommit()).toBe(0);
    driver.step({ kind: "reboot" });
    expect(driver.dump()).toEqual(new Map([[1, new Uint8Array(7)]]));
  });

  it("holds callers to their reservation and to the limits", async () => {
    const driver = await formatted(geometry);
    const { store } = driver;
    expect(store.storeBegin(1, STORE_TRANSACTION_RECORDS_MAX + 1)).toBe(-REASON_TOO_LONG);
    expect(store.storeBegin(STORE_VALUE_BYTES_MAX + 1, 1)).toBe(-REASON_TOO_LONG);
    expect(store.storeBegin(-1, 96)).toBe(-REASON_TOO_LONG);
    expect(store.storePut(1, 0, 0)).toBe(-REASON_STORE_FAILURE);
    expect(store.storeBegin(10, 2)).toBe(0);
    expect(store.storeBegin(10, 2)).toBe(-REASON_STORE_FAILURE);
    expect(store.storePut(1, 0, STORE_VALUE_BYTES_MAX + 1)).toBe(-REASON_TOO_LONG);
    expect(driver.put(1, new Uint8Array(11))).toBe(-REASON_STORE_FULL);
    expect(driver.put(1, new Uint8Array(10))).toBe(0);
    expect(driver.put(2, new Uint8Array(1))).toBe(-REASON_STORE_FULL);
    expect(driver.put(2, new Uint8Array(0))).toBe(0);
    expect(driver.put(3, new Uint8Array(0))).toBe(-REASON_STORE_FULL);
    expect(store.storeCommit()).toBe(0);
    expect(store.storeCommit()).toBe(-REASON_STORE_FAILURE);
    expect(driver.dump().size).toBe(2);
  });

  it("walks through keys in order and within a range", async () => {
    const driver = await formatted(geometry);
    const keys = [0x01000001, 0x01000005, 0x02000000, 0xff000000, 0xffffffff];
    driver.transaction(keys.map((key) => ({ key, length: 1, fill: 1 })));
    expect([...driver.dump().keys()]).toEqual(keys);
    expect(driver.store.storeNext(0x01000001, 0x01ffffff)).toBe(0x01000005);
    expect(driver.store.storeNext(0x01000005, 0x01ffffff)).toBe(0);
    expect(driver.store.storeNext(0xffffffff, 0xffffffff)).toBe(0);
  });

  it("holds as many records as its index", async () => {
    const driver = await formatted({ pageSizeBytes: 4096, pageCount: 64, wordSizeBytes: 4 });
    for (let key = 1; key <= STORE_RECORDS_MAX; ) {
      const length = Math.min(96, STORE_RECORDS_MAX + 1 - key);
      const changes = Array.from({ length }, () => ({ key: key++, length: 20, fill: key }));
      driver.transaction(changes);
    }
    expect(driver.store.storeFreeRecords()).toBe(0);
    expect(driver.store.storeBegin(1, 1)).toBe(-REASON_STORE_FULL);
    driver.step({ kind: "reboot" });
    expect(driver.digest()).toBe(digestOf(driver.contents));
    driver.transaction([{ key: 5 }]);
    expect(driver.store.storeFreeRecords()).toBe(1);
  });

  it("commits with one program and one hash a record, one program and one MAC, and never erases if housekeeping ran", async () => {
    const calls = { program: 0, erase: 0, hash: 0, mac: 0, count: 0 };
    const driver = await StoreDriver.create("cost", { geometry: { ...geometry, pageCount: 64 } }, (chip) => {
      const { flash } = chip;
      chip.flashProgram = (address, source) => {
        calls.program++;
        return flash.program(address, source);
      };
      chip.flashErase = (page) => {
        calls.erase++;
        return flash.erase(page);
      };
      const { sha256, hmacSha256, counterIncrement } = chip;
      chip.sha256 = (message, destination) => {
        calls.hash++;
        return sha256.call(chip, message, destination);
      };
      chip.hmacSha256 = (key, message, destination) => {
        calls.mac++;
        return hmacSha256.call(chip, key, message, destination);
      };
      chip.counterIncrement = () => {
        calls.count++;
        return counterIncrement.call(chip);
      };
      return chip;
    });
    driver.format();
    const costs = { program: 0, erase: 0, hash: 0, mac: 0, count: 0 };
    const commits = 1500;
    for (let i = 0; i < commits; i++) {
      while (driver.store.storeHousekeeping() === 1);
      Object.assign(calls, { program: 0, erase: 0, hash: 0, mac: 0, count: 0 });
      driver.transaction([0, 1, 2].map((j) => ({ key: 1 + ((3 * i + j) % 300), length: 100, fill: i })));
      for (const name of Object.keys(costs) as (keyof typeof costs)[]) costs[name] += calls[name];
    }
    expect(driver.wear().minimum).toBeGreaterThan(1);
    expect(costs.erase).toBe(0);
    expect(costs.hash).toBe(3 * commits);
    expect(costs.mac).toBe(commits);
    expect(costs.count).toBe(commits);
    // One more program for each page that is opened: eleven commits fill one.
    expect(costs.program).toBeLessThan(4.1 * commits);
  });

  it("takes less than 9 KB of RAM", async () => {
    const driver = await StoreDriver.create("ram", { geometry });
    driver.module.release();
    expect(driver.module.allocate(0)).toBeLessThan(9 * 1024);
  });

  it("refuses a geometry that breaks its preconditions", async () => {
    const driver = await StoreDriver.create("one page", { geometry: { ...geometry, pageCount: 1 } });
    expect(driver.reboot()).toBe(-REASON_STORE_FAILURE);
    const wide = await StoreDriver.create("wide", { geometry }, (chip) => {
      chip.flashWordSize = () => 64;
      return chip;
    });
    expect(wide.reboot()).toBe(-REASON_STORE_FAILURE);
  });
});
