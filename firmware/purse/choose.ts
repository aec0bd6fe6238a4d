/**
 * Which tokens make an amount exactly: there is no change. The largest values are taken first, as many as fit; where
 * that leaves what the smaller ones cannot make, fewer are tried. A count is tried only if the rest is a multiple of
 * what all smaller values have in common, and not more than they are worth together. So two denominations take one
 * step each, and values that divide one another, as coins do, hardly ever a step back.
 *
 * The search ends after CHOICE_STEPS_MAX steps, found or not: an amount that takes longer is refused like one that
 * cannot be made.
 */

import { DENOMINATIONS_MAX } from "../protocol/tokens";
import { Purse } from "./purse";

/** Steps of one search, forth and back. */
export const CHOICE_STEPS_MAX: u32 = 4096;

/** For each denomination the count that is tried. */
const CHOSEN = memory.data(DENOMINATIONS_MAX * 4, 8);
/** The next count to be tried, -1 when there is none, and how far apart they are. */
const TRY = memory.data(DENOMINATIONS_MAX * 8, 8);
const STRIDE = memory.data(DENOMINATIONS_MAX * 8, 8);
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

/** Chooses from the tokens that are left from `next` on; false when they do not make the amount, or no choice was found. */
export function choose(purse: Purse, amount: u64): bool {
  const denominations: u32 = purse.denominations;
  assert(denominations > 0 && denominations <= <u32>DENOMINATIONS_MAX);
  prepare(purse);
  steps = 0;
  let d = denominations - 1;
  begin(purse, d, amount);
  while (steps < CHOICE_STEPS_MAX) {
    steps += 1;
    if (next(purse, d)) {
      if (d == 0) return true;
      const rest = load<u64>(REST + d * 8) - <u64>chosen(d) * purse.value(d);
      d -= 1;
      begin(purse, d, rest);
    } else {
      d += 1;
      if (d == denominations) return false;
    }
  }
  return false;
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

/** Finds the largest count of a denomination that leaves a multiple of the smaller ones' divisor. */
function begin(purse: Purse, d: u32, rest: u64): void {
  const value = purse.value(d);
  const divisor = load<u64>(DIVISOR + d * 8);
  const most = min(left(purse, d), rest / value);
  let count: i64 = -1;
  let stride: u64 = 1;
  const common = greatestCommonDivisor(value, divisor);
  if (divisor == 0) {
    // No smaller ones complete it: one count, or none.
    stride = u64.MAX_VALUE;
    if (rest == most * value) count = <i64>most;
  } else if (rest % common == 0) {
    stride = divisor / common;
    const residue = multiply((rest / common) % stride, inverse((value / common) % stride, stride), stride);
    if (residue <= most) count = <i64>(most - ((most - residue) % stride));
  }
  store<u64>(REST + d * 8, rest);
  store<i64>(TRY + d * 8, count);
  store<u64>(STRIDE + d * 8, stride);
}

/** Takes the next count, if the smaller ones are worth what it leaves. */
function next(purse: Purse, d: u32): bool {
  const count = load<i64>(TRY + d * 8);
  if (count < 0) return false;
  if (load<u64>(REST + d * 8) - <u64>count * purse.value(d) > load<u64>(BELOW + d * 8)) return false;
  const stride = load<u64>(STRIDE + d * 8);
  store<u32>(CHOSEN + d * 4, <u32>count);
  store<i64>(TRY + d * 8, stride > <u64>count ? -1 : count - <i64>stride);
  return true;
}

function greatestCommonDivisor(a: u64, b: u64): u64 {
  while (b != 0) {
    const remainder = a % b;
    a = b;
    b = remainder;
  }
  return a;
}

/** The inverse of `a` modulo `m`, which have nothing in common; both are below 2^63. */
function inverse(a: u64, m: u64): u64 {
  let previous: i64 = <i64>m;
  let current: i64 = <i64>a;
  let before: i64 = 0;
  let factor: i64 = 1;
  while (current != 0) {
    const quotient = previous / current;
    const remainder = previous - quotient * current;
    previous = current;
    current = remainder;
    const older = before - quotient * factor;
    before = factor;
    factor = older;
  }
  return <u64>(before < 0 ? before + <i64>m : before) % m;
}

/** a times b modulo `m`; all are below 2^63, so that a sum of two fits. */
function multiply(a: u64, b: u64, m: u64): u64 {
  let product: u64 = 0;
  while (b != 0) {
    if ((b & 1) != 0) product = (product + a) % m;
    a = (a + a) % m;
    b >>= 1;
  }
  return product;
}
