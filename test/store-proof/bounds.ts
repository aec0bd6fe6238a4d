/** The flashes that the explorer goes through. */

import type { Bound } from "./explorer.js";
import { STARTS } from "./steps.js";

const PAGE_BYTES = 4096;
/** With two pages every turn of a page collects. */
const STARTS_OF_TWO = STARTS.filter((start) => start !== "about to turn a page");

/** Sequences of so many steps; one less where short words make many tears. */
export function bounds(steps: number, stepsCutTwice: number): Bound[] {
  const flash = (pageCount: number, wordSizeBytes: number, hasCounter: boolean, less: number): Bound => ({
    geometry: { pageSizeBytes: PAGE_BYTES, pageCount, wordSizeBytes },
    hasCounter,
    starts: pageCount === 2 ? STARTS_OF_TWO : STARTS,
    steps: Math.max(0, steps - less),
    stepsCutTwice: Math.max(0, stepsCutTwice - less),
  });
  return [flash(3, 32, true, 0), flash(2, 32, false, 0), flash(3, 4, false, 1), flash(2, 1, true, 1)];
}
