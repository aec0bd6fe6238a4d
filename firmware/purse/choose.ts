/**
 * Which tokens make an amount exactly: there is no change. The largest values are taken first, as many as fit; where that leaves what the
 * smaller ones cannot make, one less is tried. A count is tried only if the rest is a multiple of what all smaller values have in
 * common and not more than they are worth together; so two denominations take one step each, and values that divide one another, as
 * coins do, hardly ever a step back.
 *
 * The search ends after CHOICE_STEPS_MAX counts, found or not: an amount that takes longer is refused like one that cannot be made.
 */

import { DENOMINATIONS_MAX } from "../protocol/tokens";
import { Purse } from "./purse";

/** Counts tried in one search. */
export const CHOICE_STEPS_MAX: u32 = 20000;

/** For each denomination: counts chosen; then what the search knows there. */
const CHOSEN = memory.data(DENOMINATIONS_MAX * 4, 8);
/** The count to be tried next, -1 when there is none. */
const TRY = memory.data(DENOMINATIONS_MAX * 8, 8);
/** What is to be made of this value and the smaller ones. */
const REST = memory.data(DENOMINATIONS_MAX * 8, 8);
/** What the smaller ones that are left are worth, and their greatest common divisor, 0 when none is left. */
const BELOW = memory.data(DENOMINATIONS_MAX * 8, 8);
const DIVISOR = memory.data(DENOMINATIONS_MAX * 8, 8);

let steps: u32 = 0;

/** Tokens of a denomination that make the amount. */
export function chosen(d: u32): u32 {
  assert(d < <u32>DENOMINATIONS_MAX);
  return load<u32>(CHOSEN + d * 4);
}

/** What the tokens are worth that are left from `next` on. */
export function leftOf(purse: Purse): u64 {
  let sum: u64 = 0;
  for (let d: u32 = 0; d < purse.denominations; d++) sum += left(purse, d) * purse.value(d);
  return sum;
}

/** Chooses from the tokens that are left from `next` on; false when they do not make the amount, or none was found. */
export function choose(purse: Purse, amount: u64): bool {
  const denominations: u32 = purse.denominations;
  assert(denominations > 0 && denominations <= <u32>DENOMINATIONS_MAX);
  memory.fill(CHOSEN, 0, DENOMINATIONS_MAX * 4);
  prepare(purse);
  steps = 0;
  let d = denominations - 1;
  begin(purse, d, amount);
  while (true) {
    const rest = load<u64>(REST + d * 8);
    if (next(purse, d)) {
      if (d == 0) return true;
      d -= 1;
      begin(purse, d, rest - <u64>chosen(d + 1) * purse.value(d + 1));
    } else {
      d += 1;
      if (d == denominations || steps >= CHOICE_STEPS_MAX) return false;
    }
  }
}

function left(purse: Purse, d: u32): u64 {
  assert(purse.next(d) <= purse.count(d));
  return purse.count(d) - purse.next(d);
}

function prepare(purse: Purse): void {
  let below: u64 = 0;
  let divisor: u64 = 0;
  for (let d: u32 = 0; d < purse.denominations; d++) {
    store<u64>(BELOW + d * 8, below);
    store<u64>(DIVISOR + d * 8, divisor);
    if (left(purse, d) == 0) continue;
    below += left(purse, d) * purse.value(d);
    divisor = greatestCommonDivisor(purse.value(d), divisor);
  }
}

function begin(purse: Purse, d: u32, rest: u64): void {
  store<u64>(REST + d * 8, rest);
  store<i64>(TRY + d * 8, <i64>min(left(purse, d), rest / purse.value(d)));
}

/** Finds the next count of a denomination that the smaller ones may complete. */
function next(purse: Purse, d: u32): bool {
  const value = purse.value(d);
  const rest = load<u64>(REST + d * 8);
  const divisor = load<u64>(DIVISOR + d * 8);
  for (let count = load<i64>(TRY + d * 8); count >= 0 && steps < CHOICE_STEPS_MAX; count--) {
    steps += 1;
    const open = rest - <u64>count * value;
    if (open > load<u64>(BELOW + d * 8)) return false;
    if (divisor == 0 ? open != 0 : open % divisor != 0) continue;
    store<u32>(CHOSEN + d * 4, <u32>count);
    // Counts in between leave another remainder.
    const stride = divisor == 0 ? 1 : divisor / greatestCommonDivisor(value, divisor);
    store<i64>(TRY + d * 8, stride > <u64>count ? -1 : count - <i64>stride);
    return true;
  }
  return false;
}

function greatestCommonDivisor(a: u64, b: u64): u64 {
  while (b != 0) {
    const remainder = a % b;
    a = b;
    b = remainder;
  }
  return a;
}
