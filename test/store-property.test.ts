/** Random steps under random faults on flashes of any geometry: the store equals a map, before or after what was interrupted. */

import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { firstOf, type OperationHook } from "../simulator/faults.js";
import type { FlashGeometry } from "../simulator/flash.js";
import {
  affordable,
  digestOf,
  generator,
  type Step,
  StoreDriver,
  StoreError,
  TEARS,
  tornFate,
} from "./support/store-driver.js";

vi.setConfig({ testTimeout: 120_000 });

const STEPS = 60;
const KEYS = 60;

const flashes = fc.record({
  pageSizeBytes: fc.constantFrom(4096, 8192, 16384, 32768, 65536, 131072),
  pageCount: fc.integer({ min: 2, max: 12 }),
  wordSizeBytes: fc.constantFrom(1, 2, 4, 8, 16, 32),
  hasCounter: fc.boolean(),
  /** One operation of so many is cut, and one fails. */
  cutsEvery: fc.constantFrom(4, 9, 30),
  failsEvery: fc.constantFrom(5, 40, 1_000_000),
  seed: fc.integer({ min: 1 }),
});
type Case = FlashGeometry & { readonly hasCounter: boolean; cutsEvery: number; failsEvery: number; seed: number };

interface Seen {
  cuts: number;
  failures: number;
  erasures: number;
  after: number;
}

function drawStep(driver: StoreDriver, next: () => number): Step {
  const dice = next() % 12;
  if (dice === 0) return { kind: "reboot" };
  if (dice === 1) return { kind: "housekeeping" };
  return { kind: "transaction", changes: affordable(driver, next, KEYS), isAborted: dice === 2 };
}

/** Long values until the ring has turned over, or as much as a test has time for. */
function turnOver(driver: StoreDriver, next: () => number): void {
  for (let i = 0; i < 400 && driver.wear().minimum < 2; i++) {
    const length = Math.min(1024, driver.store.storeFreeBytes());
    const key = 1 + (next() % KEYS);
    driver.transaction([driver.store.storeFreeRecords() === 0 ? { key } : { key, length, fill: i }]);
  }
}

async function run({ hasCounter, cutsEvery, failsEvery, seed, ...geometry }: Case, seen: Seen): Promise<void> {
  const driver = await StoreDriver.create("property", { geometry, hasCounter }, undefined, "release");
  driver.format();
  const next = generator(seed);
  if (next() % 2 === 0) turnOver(driver, next);
  const cut: OperationHook = (operation) => {
    if (operation.kind === "flash-erase") seen.erasures++;
    if (next() % cutsEvery !== 0) return undefined;
    seen.cuts++;
    return tornFate(TEARS[next() % TEARS.length] ?? "before", operation, next, geometry.wordSizeBytes);
  };
  const fail: OperationHook = ({ lengthBytes }) => {
    if (lengthBytes === 0 || next() % failsEvery !== 0) return undefined;
    seen.failures++;
    return { fails: next() % 2 === 0 ? true : new Uint8Array(lengthBytes).map(() => next()) };
  };
  for (let i = 0; i < STEPS; i++) {
    const step = drawStep(driver, next);
    try {
      if (driver.stepUnderFaults(step, firstOf(cut, fail), cut) === true && step.kind === "transaction") seen.after++;
    } catch (error) {
      if (!(error instanceof StoreError) || failsEvery > STEPS * 1000) throw error;
    }
    expect(driver.digest()).toBe(digestOf(driver.contents));
  }
  driver.step({ kind: "reboot" });
  expect(driver.dump()).toEqual(driver.contents);
  expect(driver.chip.flash.violations).toBe(0);
}

it("equals a map, whatever the geometry, under cuts and failures", async () => {
  const seen: Seen = { cuts: 0, failures: 0, erasures: 0, after: 0 };
  await fc.assert(
    fc.asyncProperty(flashes, (flash) => run(flash, seen)),
    { numRuns: 80 },
  );
  expect(seen.cuts).toBeGreaterThan(500);
  expect(seen.failures).toBeGreaterThan(100);
  expect(seen.erasures).toBeGreaterThan(100);
  expect(seen.after).toBeGreaterThan(50);
});
