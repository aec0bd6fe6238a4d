/**
 * All sequences of steps of small stores up to a length, with a cut at every operation in every way, second cuts included; and
 * that so much was really looked at. `npm run explore:store -- --steps N` goes further.
 */

import { expect, test, vi } from "vitest";
import { bounds } from "./store-proof/bounds.js";
import { emptyTally, explore, type Tally } from "./store-proof/explorer.js";
import { ALPHABET } from "./store-proof/steps.js";

// Seconds on an idle core, more on a busy one.
vi.setConfig({ testTimeout: 180_000 });

const STEPS = 2;
const STEPS_CUT_TWICE = 1;

/** What each flash must come to at least: an explorer that looked away would not. */
const LEAST = [
  { states: 350, cutPoints: 1700, secondCutPoints: 600, mounts: 30_000, failures: 500 },
  { states: 230, cutPoints: 1000, secondCutPoints: 400, mounts: 30_000, failures: 500 },
  { states: 35, cutPoints: 70, secondCutPoints: 0, mounts: 5_000, failures: 0 },
  { states: 25, cutPoints: 80, secondCutPoints: 0, mounts: 25_000, failures: 0 },
];

test.each(bounds(STEPS, STEPS_CUT_TWICE).map((bound, index) => ({ ...bound.geometry, bound, index })))(
  "$pageCount pages, words of $wordSizeBytes: every cut leaves the contents before or after, never others",
  async ({ bound, index }) => {
    const tally = await explore(bound, emptyTally());
    expect(tally.examples).toEqual([]);
    expect(tally.violations).toBe(0);
    expect(tally.sequences).toBe(bound.starts.length * sumOfPowers(ALPHABET.length, bound.steps));
    for (const [name, least] of Object.entries(LEAST[index] ?? {})) {
      expect(tally[name as keyof Tally], name).toBeGreaterThanOrEqual(least);
    }
    expect(tally.tears).toBeGreaterThanOrEqual(tally.mounts);
    // Records, commit entries, page headers; pages that were garbage; counts, where there is a counter.
    expect(tally.operations["flash-program"]).toBeGreaterThan(tally.states);
    expect(tally.operations["flash-erase"]).toBeGreaterThan(2);
    expect(tally.operations["counter-increment"] > 0).toBe(bound.hasCounter);
  },
);

function sumOfPowers(base: number, most: number): number {
  let sum = 0;
  for (let exponent = 1; exponent <= most; exponent++) sum += base ** exponent;
  return sum;
}
