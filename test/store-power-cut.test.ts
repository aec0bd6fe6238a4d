/** Power is cut at any operation of the chip, in any way: the store is as before the transaction, or as after it. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Fate, Operation } from "../simulator/faults.js";
import type { FlashGeometry } from "../simulator/flash.js";
import {
  affordable,
  type Change,
  type Contents,
  changed,
  digestOf,
  generator,
  type Step,
  StoreDriver,
  TEARS,
  type Tear,
  tornFate,
} from "./support/store-driver.js";

const GEOMETRIES: readonly (FlashGeometry & { readonly hasCounter: boolean })[] = [
  { pageSizeBytes: 4096, pageCount: 4, wordSizeBytes: 1, hasCounter: true },
  { pageSizeBytes: 4096, pageCount: 16, wordSizeBytes: 4, hasCounter: false },
  { pageSizeBytes: 16384, pageCount: 3, wordSizeBytes: 8, hasCounter: true },
  { pageSizeBytes: 4096, pageCount: 2, wordSizeBytes: 32, hasCounter: true },
  { pageSizeBytes: 4096, pageCount: 3, wordSizeBytes: 4, hasCounter: false },
];

/** A small store, turned over a few times: new, replaced and deleted records, over pages, aborted, and at rest. */
function scenario(geometry: FlashGeometry): Step[] {
  const long = geometry.pageSizeBytes === 4096 ? 500 : 1024;
  const steps: Step[] = [];
  const transaction = (changes: readonly Change[], isAborted = false) =>
    steps.push({ kind: "transaction", changes, isAborted });
  const rounds = Math.max(8, Math.ceil((1.5 * geometry.pageSizeBytes) / 1400));
  for (let round = 0; round < rounds; round++) {
    transaction([
      { key: 1, length: long, fill: round },
      { key: 2, length: 33, fill: round },
    ]);
    transaction([{ key: 3, length: (round % 6) * 100, fill: round }], round % 2 === 1);
    transaction([{ key: 2 }, { key: 10 + (round % 3), length: 300, fill: round }]);
    steps.push({ kind: "housekeeping" });
    if (round === 3) steps.push({ kind: "reboot" });
  }
  return steps;
}

async function formatted(geometry: FlashGeometry & { readonly hasCounter: boolean }): Promise<StoreDriver> {
  const driver = await StoreDriver.create("cut", { geometry, hasCounter: geometry.hasCounter });
  driver.format();
  return driver;
}

/** Cuts at the operation that comes after `at` others. */
function cutAt(at: number, tear: Tear, next: () => number, geometry: FlashGeometry) {
  let left = at;
  return (operation: Operation): Fate => {
    if (left-- > 0) return undefined;
    left = Number.POSITIVE_INFINITY;
    return tornFate(tear, operation, next, geometry.wordSizeBytes);
  };
}

/** Writes until the ring has turned over once, so that the scenario collects and erases. */
function turnOver(driver: StoreDriver): void {
  for (let i = 0; driver.wear().minimum < 2; i++) driver.transaction([{ key: 100 + (i % 2), length: 200, fill: i }]);
}

/** Operations of the scenario without any fault; it must come to collecting and erasing. */
function countOperations(driver: StoreDriver, steps: readonly Step[]): number {
  let operations = 0;
  let erasures = 0;
  runWithCuts(driver, steps, (operation) => {
    operations++;
    if (operation.kind === "flash-erase") erasures++;
    return undefined;
  });
  expect(erasures).toBeGreaterThan(0);
  return operations;
}

/** Runs all steps with one schedule of faults for the whole run; an interrupted step that has not happened is repeated. */
function runWithCuts(driver: StoreDriver, steps: readonly Step[], fates: (operation: Operation) => Fate): void {
  for (const step of steps) {
    for (let turn = 0; ; turn++) {
      if (turn > 20) throw new Error("a step does not come to an end");
      const isDone = driver.stepUnderFaults(step, fates, fates);
      if (isDone !== false) break;
    }
  }
}

function expectedAfter(start: Contents, steps: readonly Step[]): string {
  let contents = start;
  for (const step of steps) {
    if (step.kind === "transaction" && !step.isAborted) contents = changed(contents, step.changes);
  }
  return digestOf(contents);
}

describe.each(GEOMETRIES)(
  "with $pageCount pages of $pageSizeBytes, words of $wordSizeBytes, counter: $hasCounter",
  (geometry) => {
    it("survives one cut, at every operation and with every tear", async () => {
      const driver = await formatted(geometry);
      turnOver(driver);
      const start = driver.chip.snapshot();
      const contents = driver.contents;
      const steps = scenario(geometry);
      const expected = expectedAfter(driver.contents, steps);
      const operations = countOperations(driver, steps);
      for (let at = 0; at < operations; at++) {
        for (const tear of TEARS) {
          driver.chip.restore(start);
          driver.contents = contents;
          driver.step({ kind: "reboot" });
          runWithCuts(driver, steps, cutAt(at, tear, generator(at * 31 + 1), geometry));
          expect(driver.digest(), `cut ${tear} at ${at}`).toBe(expected);
          driver.step({ kind: "reboot" });
          expect(driver.digest(), `cut ${tear} at ${at}, later`).toBe(expected);
        }
      }
      expect(driver.chip.flash.violations).toBe(0);
    });

    it("survives a second cut while it recovers from the first", async () => {
      const driver = await formatted(geometry);
      turnOver(driver);
      const start = driver.chip.snapshot();
      const contents = driver.contents;
      const steps = scenario(geometry);
      const expected = expectedAfter(driver.contents, steps);
      const operations = countOperations(driver, steps);
      for (let at = 0; at < operations; at++) {
        for (let gap = 0; gap < 6; gap++) {
          const next = generator(at * 977 + gap + 1);
          const tear = (): Tear => TEARS[next() % TEARS.length] as Tear;
          const first = cutAt(at, tear(), next, geometry);
          const second = cutAt(at + 1 + gap, tear(), next, geometry);
          driver.chip.restore(start);
          driver.contents = contents;
          driver.step({ kind: "reboot" });
          runWithCuts(driver, steps, (operation) => {
            const fate = first(operation);
            return second(operation) ?? fate;
          });
          expect(driver.digest(), `cuts at ${at} and ${gap} later`).toBe(expected);
        }
      }
      expect(driver.chip.flash.violations).toBe(0);
    });

    it("survives many cuts in random transactions on a store of any fullness", async () => {
      const driver = await formatted(geometry);
      const run = (seed: number) => {
        const next = generator(seed + 1);
        const keys = 3 + (next() % 30);
        const fates = (operation: Operation): Fate => {
          if (next() % 9 !== 0) return undefined;
          return tornFate(TEARS[next() % TEARS.length] as Tear, operation, next, geometry.wordSizeBytes);
        };
        for (let i = 0; i < 60; i++) {
          const dice = next() % 12;
          let step: Step = { kind: dice === 0 ? "reboot" : "housekeeping" };
          if (dice > 1) step = { kind: "transaction", changes: affordable(driver, next, keys), isAborted: dice === 2 };
          driver.stepUnderFaults(step, fates, fates);
          expect(driver.digest()).toBe(digestOf(driver.contents));
        }
        expect(driver.dump()).toEqual(driver.contents);
      };
      fc.assert(fc.property(fc.nat(), run), { numRuns: 12, seed: 5, endOnFailure: true });
      expect(driver.chip.flash.violations).toBe(0);
    });
  },
);

describe("formatting", () => {
  it.each([true, false])(
    "cut anywhere, leaves a flash that is blank, refused, or formatted (counter: %s)",
    async (hasCounter) => {
      const geometry = { pageSizeBytes: 4096, pageCount: 4, wordSizeBytes: 4 };
      const driver = await StoreDriver.create("format", { geometry, hasCounter });
      const blank = driver.chip.snapshot();
      const seen = new Set<number>();
      for (let at = 0; at < 3; at++) {
        for (const tear of TEARS) {
          driver.chip.restore(blank);
          driver.powerOn();
          driver.chip.onOperation = cutAt(at, tear, generator(at + 1), geometry);
          try {
            driver.store.storeFormat(3);
          } catch {
            // Cut: what counts is what comes next.
          }
          driver.chip.onOperation = undefined;
          const status = driver.reboot();
          seen.add(status);
          if (status === 0) expect(driver.dump().size).toBe(0);
          else driver.format();
          driver.transaction([{ key: 1, length: 9, fill: 1 }]);
          driver.step({ kind: "reboot" });
          expect(driver.dump().size).toBe(1);
        }
      }
      expect([...seen].sort()).toEqual([-161, 0, 1]);
    },
  );
});
