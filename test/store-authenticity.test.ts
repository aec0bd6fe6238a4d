/** What somebody may do to the flash, and what age does to it: the store refuses it, or reads what was committed. */

import { beforeEach, describe, expect, it } from "vitest";
import { REASON_ROLLED_BACK, REASON_STORE_FAILURE } from "../firmware/protocol/reasons.js";
import type { FlashGeometry } from "../simulator/flash.js";
import { PlatformError } from "../simulator/platform.generated.js";
import { generator, StoreDriver, StoreError, TEARS, tornFate } from "./support/store-driver.js";

const PAGE = 4096;

/** Turned over a little, several transactions, one over two pages, an aborted one, and garbage that was not erased. */
async function image(geometry: FlashGeometry, hasCounter: boolean) {
  const driver = await StoreDriver.create("image", { geometry, hasCounter });
  driver.format();
  for (let i = 0; driver.wear().minimum < 2; i++) driver.transaction([{ key: 1 + (i % 3), length: 700, fill: i }]);
  for (let i = 0; i < 8; i++) {
    driver.transaction([
      { key: 4 + (i % 3), length: 40, fill: i },
      { key: 2, length: 33, fill: i },
    ]);
  }
  driver.transaction([{ key: 9, length: 100, fill: 1 }], true);
  const previous = driver.digest();
  driver.transaction([{ key: 5 }, { key: 8, length: 31, fill: 2 }]);
  return { driver, previous, last: driver.digest(), snapshot: driver.chip.snapshot() };
}

type Image = Awaited<ReturnType<typeof image>>;

/** Mounts a flash that was changed from outside. The digest, or the error. */
function mountChanged({ driver, snapshot }: Image, change: (flash: Uint8Array) => void): string | number {
  const changed = snapshot.slice();
  const regionBytes = driver.chip.flash.regionBytes;
  change(changed.subarray(0, regionBytes));
  driver.chip.restore(changed);
  let isWritten = false;
  driver.chip.onOperation = () => {
    isWritten = true;
    return undefined;
  };
  const status = driver.reboot();
  driver.chip.onOperation = undefined;
  expect(isWritten).toBe(false);
  return status === 0 ? driver.digest() : status;
}

const GEOMETRIES: readonly FlashGeometry[] = [
  { pageSizeBytes: PAGE, pageCount: 3, wordSizeBytes: 4 },
  { pageSizeBytes: PAGE, pageCount: 3, wordSizeBytes: 32 },
];

describe.each(GEOMETRIES)("with words of $wordSizeBytes", (geometry) => {
  it("refuses every changed byte that counts, on a chip with a counter", async () => {
    const made = await image(geometry, true);
    let refused = 0;
    for (let at = 0; at < made.driver.chip.flash.regionBytes; at++) {
      const seen = mountChanged(made, (flash) => {
        flash[at] = (flash[at] ?? 0) ^ ([0x01, 0x80, 0xff][at % 3] ?? 0);
      });
      if (typeof seen === "number") {
        expect([-REASON_STORE_FAILURE, -REASON_ROLLED_BACK]).toContain(seen);
        refused++;
      } else expect(seen, `byte ${at}`).toBe(made.last);
    }
    expect(refused).toBeGreaterThan(3000);
  });

  it("reads at worst the state before the last transaction, on a chip without one", async () => {
    const made = await image(geometry, false);
    const seen = new Set<string | number>();
    for (let at = 0; at < made.driver.chip.flash.regionBytes; at++) {
      seen.add(
        mountChanged(made, (flash) => {
          flash[at] = (flash[at] ?? 0) ^ 0x10;
        }),
      );
    }
    expect(seen.delete(-REASON_STORE_FAILURE)).toBe(true);
    expect(seen.delete(made.last)).toBe(true);
    // A change in the last transaction looks like a torn one; any other is refused.
    expect([...seen]).toEqual([made.previous]);
  });
});

/** The check of page headers and entries: it has no key, so that an attacker can compute it. */
function mix(seed: number, words: Uint32Array): number {
  let hash = seed;
  for (const word of words) {
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash = (hash << 15) | (hash >>> 17);
  }
  return hash;
}

/** Puts another number into a page header (words of 4 bytes), with the check that belongs to it. */
function forgeNumber(target: Uint8Array, number: number, pages: number): void {
  const header = new Uint32Array(target.slice(0, 48).buffer);
  const check = () => mix(mix(pages, header.subarray(0, 3)) ^ (PAGE + 2), header.subarray(4)) >>> 0;
  if (header[0] === 0xffffffff) return;
  expect(header[3]).toBe(check());
  header[2] = number;
  header[3] = check();
  target.set(new Uint8Array(header.buffer));
}

describe("an attacker who writes flash", () => {
  let made: Image;
  const geometry = { pageSizeBytes: PAGE, pageCount: 6, wordSizeBytes: 4 };

  beforeEach(async () => {
    made = await image(geometry, true);
    for (let i = 0; i < 12; i++) made.driver.transaction([{ key: 20 + i, length: 800, fill: i }]);
    made.last = made.driver.digest();
    made.snapshot = made.driver.chip.snapshot();
    expect(mountChanged(made, () => {})).toBe(made.last);
  });

  const refusals = [-REASON_STORE_FAILURE, -REASON_ROLLED_BACK, 1];
  const page = (flash: Uint8Array, index: number) => flash.subarray(index * PAGE, (index + 1) * PAGE);

  it("cannot exchange, copy, blank or empty pages", () => {
    let refused = 0;
    for (let a = 0; a < geometry.pageCount; a++) {
      for (let b = 0; b < geometry.pageCount; b++) {
        const changes: ((flash: Uint8Array) => void)[] = [
          (flash) => page(flash, a).set(page(flash, b).slice()),
          (flash) => {
            const kept = page(flash, a).slice();
            page(flash, a).set(page(flash, b));
            page(flash, b).set(kept);
          },
          (flash) => page(flash, a).set(page(flash, b).slice(48), 48),
          (flash) => page(flash, a).fill(0xff, b === 0 ? 0 : 48),
        ];
        for (const change of changes) {
          const seen = mountChanged(made, change);
          if (typeof seen === "number") refused++;
          if (typeof seen === "number") expect(refusals).toContain(seen);
          else expect(seen).toBe(made.last);
        }
      }
    }
    expect(refused).toBeGreaterThan(60);
  });

  it("cannot drop transactions from the end of a page, even with a next page that pretends to follow", () => {
    let refused = 0;
    for (let index = 0; index < geometry.pageCount; index++) {
      const next = (index + 1) % geometry.pageCount;
      const flash = made.snapshot.subarray(0, geometry.pageCount * PAGE);
      const numberAfter = new DataView(flash.buffer, next * PAGE).getUint32(8, true);
      for (let at = 48; at < PAGE; at += 4) {
        // Behind a commit entry, or behind the header.
        if (at > 48 && (page(flash, index)[at - 32 + 6] !== 0xa6 || at < 80)) continue;
        for (let dropped = 1; dropped < 8; dropped++) {
          const seen = mountChanged(made, (changed) => {
            page(changed, index).fill(0xff, at);
            forgeNumber(page(changed, next), numberAfter - dropped, geometry.pageCount);
          });
          if (typeof seen === "number") refused++;
          if (typeof seen === "number") expect(refusals).toContain(seen);
          else expect(seen).toBe(made.last);
        }
      }
    }
    expect(refused).toBeGreaterThan(50);
  });

  it("cannot move or exchange records within a page", () => {
    for (let at = 48; at + 64 <= PAGE; at += 4) {
      for (let index = 0; index < geometry.pageCount; index++) {
        const seen = mountChanged(made, (flash) => page(flash, index).copyWithin(at, at + 4, PAGE - 60));
        if (typeof seen === "number") expect(refusals).toContain(seen);
        else expect(seen).toBe(made.last);
      }
    }
  });

  it("cannot slide a transaction over an aborted one before it", async () => {
    const { driver, snapshot } = await image(GEOMETRIES[0] as FlashGeometry, true);
    const slid = { driver, snapshot, previous: "", last: "" };
    // The aborted put of key 9: 12 bytes and 100.
    const aborted = Buffer.from(snapshot).indexOf(Buffer.from([9, 0, 0, 0, 100, 0, 0x35, 1]));
    expect(aborted).toBeGreaterThan(0);
    const pageEnd = (Math.floor(aborted / PAGE) + 1) * PAGE;
    const seen = mountChanged(slid, (flash) => {
      flash.copyWithin(aborted, aborted + 112, pageEnd);
      flash.fill(0xff, pageEnd - 112, pageEnd);
    });
    expect(seen).toBe(-REASON_ROLLED_BACK);
  });

  it("cannot bring back an older image, as a whole or in pages", () => {
    const { driver } = made;
    driver.chip.restore(made.snapshot);
    expect(driver.reboot()).toBe(0);
    const old = driver.chip.flash.snapshot();
    driver.transaction([{ key: 20 }, { key: 50, length: 900, fill: 1 }]);
    const next = driver.chip.flash.snapshot();
    const current = driver.digest();
    for (let i = 0; i < 20; i++) driver.transaction([{ key: 51, length: 900, fill: i }]);
    driver.chip.flash.restore(old);
    expect(driver.reboot()).toBe(-REASON_ROLLED_BACK);
    driver.chip.flash.restore(next);
    expect(driver.reboot()).toBe(-REASON_ROLLED_BACK);
    expect(current).not.toBe(made.last);
    for (let index = 0; index < geometry.pageCount; index++) {
      driver.chip.restore(made.snapshot);
      expect(driver.reboot()).toBe(0);
      for (let i = 0; i < 20; i++) driver.transaction([{ key: 51, length: 900, fill: i }]);
      const digest = driver.digest();
      const mixed = driver.chip.flash.snapshot();
      mixed.set(old.subarray(index * PAGE, (index + 1) * PAGE), index * PAGE);
      driver.chip.flash.restore(mixed);
      const status = driver.reboot();
      if (status === 0) expect(driver.digest()).toBe(digest);
      else expect(refusals).toContain(status);
    }
  });

  it("is not helped by a counter that runs away or ends", () => {
    const { driver } = made;
    driver.chip.restore(made.snapshot);
    driver.chip.counterIncrement();
    expect(driver.reboot()).toBe(-REASON_ROLLED_BACK);
    driver.chip.restore(made.snapshot);
    driver.chip.counterRead = () => PlatformError.InvalidArgument;
    expect(driver.reboot()).toBe(PlatformError.InvalidArgument);
  });
});

describe("bit rot", () => {
  it("in a record is noticed when it is read, collected or mounted", async () => {
    const driver = await StoreDriver.create("rot", {
      geometry: { pageSizeBytes: PAGE, pageCount: 3, wordSizeBytes: 4 },
      hasCounter: false,
    });
    driver.format();
    const value = { key: 1, length: 64, fill: 9 };
    driver.transaction([value, { key: 2, length: 10, fill: 1 }]);
    driver.transaction([{ key: 3, length: 10, fill: 1 }]);
    const flash = driver.chip.flash.snapshot();
    const at = Buffer.from(flash).indexOf(Buffer.from(driver.read(1)));
    expect(at).toBeGreaterThan(0);
    flash[at + 30] = (flash[at + 30] ?? 0) ^ 0x08;
    driver.chip.flash.restore(flash);
    // Even where the rotten byte is not asked for.
    expect(() => driver.read(1, 0, 4)).toThrow(StoreError);
    expect(driver.read(2).length).toBe(10);
    const write = () => {
      for (let i = 0; i < 40; i++) driver.transaction([{ key: 3, length: 900, fill: i }]);
    };
    expect(write).toThrow(new StoreError("storeBegin", -REASON_STORE_FAILURE));
    expect(driver.read(2).length).toBe(10);
    expect(driver.reboot()).toBe(-REASON_STORE_FAILURE);
  });

  it("in the middle of the log is not taken for a torn end", async () => {
    const driver = await StoreDriver.create("middle", {
      geometry: { pageSizeBytes: PAGE, pageCount: 4, wordSizeBytes: 4 },
      hasCounter: false,
    });
    driver.format();
    for (let i = 1; i < 5; i++) driver.transaction([{ key: i, length: 500, fill: i }]);
    const flash = driver.chip.flash.snapshot();
    let refused = 0;
    // Behind the header and the first, empty transaction; up to the last one.
    for (let at = 80; at < 80 + 3 * 544; at++) {
      const rotten = flash.slice();
      rotten[at] = (rotten[at] ?? 0) ^ 0x20;
      driver.chip.flash.restore(rotten);
      if (driver.reboot() === -REASON_STORE_FAILURE) refused++;
    }
    expect(refused).toBe(3 * 544);
  });
});

describe("a host that cuts power", () => {
  it("cannot brick the store by values that look like its own entries", async () => {
    const driver = await StoreDriver.create("brick", {
      geometry: { pageSizeBytes: PAGE, pageCount: 4, wordSizeBytes: 4 },
    });
    driver.format();
    driver.transaction([{ key: 1, length: 900, fill: 1 }]);
    const own = driver.chip.flash.snapshot().slice(0, 1024);
    const digest = driver.digest();
    const next = generator(3);
    for (let i = 0; i < 60; i++) {
      driver.chip.onOperation = (operation) => {
        if (operation.kind !== "flash-program" || operation.lengthBytes < 900) return undefined;
        return tornFate(TEARS[i % TEARS.length] ?? "before", operation, next, 4);
      };
      driver.store.storeBegin(1024, 1);
      expect(() => driver.put(2, own)).toThrow();
      driver.chip.onOperation = undefined;
      expect(driver.reboot()).toBe(0);
      expect(driver.digest()).toBe(digest);
    }
  });
});
