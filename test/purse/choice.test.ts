/** Which tokens make an amount: exactly, of those that are left, found whenever a search without limits finds any. */

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { DENOMINATIONS_MAX, PURSE_TOKENS_MAX } from "../../firmware/protocol/tokens.js";
import { type LoadedModule, loadModule } from "../support/firmware.js";

type Left = readonly (readonly [value: bigint, left: number])[];

let module: LoadedModule<Record<string, (...values: (number | bigint)[]) => number>>;

beforeAll(async () => {
  module = await loadModule("token-choice");
});

/** Counts for each denomination, or undefined. */
function choose(left: Left, amount: bigint): number[] | undefined {
  module.call("clear", left.length);
  for (const [d, [value, count]] of left.entries()) module.call("denomination", d, value, count);
  if (module.call("choose", amount) === 0) return undefined;
  return left.map((_, d) => module.call("chosen", d) >>> 0);
}

function worth(left: Left, counts: readonly number[]): bigint {
  return left.reduce((sum, [value], d) => sum + value * BigInt(counts[d] ?? 0), 0n);
}

/** Every amount that can be made at all. */
function payable(left: Left): Set<bigint> {
  let amounts = new Set([0n]);
  for (const [value, count] of left) {
    const more = new Set<bigint>();
    for (const amount of amounts) for (let n = 0; n <= count; n += 1) more.add(amount + value * BigInt(n));
    amounts = more;
  }
  return amounts;
}

const small = fc
  .uniqueArray(fc.bigInt(1n, 30n), { minLength: 1, maxLength: 5 })
  .chain((values) =>
    fc.tuple(...values.sort((a, b) => Number(a - b)).map((value) => fc.tuple(fc.constant(value), fc.nat(6)))),
  );

describe("against all that there is", () => {
  test("an amount is made exactly when it can be, of tokens that are left", () => {
    fc.assert(
      fc.property(small, (left) => {
        const amounts = payable(left);
        const most = [...amounts].reduce((a, b) => (a > b ? a : b));
        for (let amount = 1n; amount <= most + 2n; amount += 1n) {
          const counts = choose(left, amount);
          expect(counts !== undefined, `${amount} of ${left.map((each) => each.join(" x "))}`).toBe(
            amounts.has(amount),
          );
          if (counts === undefined) continue;
          expect(worth(left, counts)).toBe(amount);
          counts.forEach((count, d) => void expect(count).toBeLessThanOrEqual(left[d]?.[1] ?? 0));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("as people pay", () => {
  const coins: Left = [1n, 2n, 5n, 10n, 20n, 50n, 100n, 200n].map((value) => [value, 40] as const);

  test("the largest first: the fewest tokens of values that are made like coins", () => {
    expect(choose(coins, 388n)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    expect(choose(coins, 40n * 388n)).toEqual(Array(8).fill(40));
    expect(choose(coins, 40n * 388n + 1n)).toBeUndefined();
  });

  test("where the largest leave what the others cannot make, one less is taken", () => {
    expect(
      choose(
        [
          [4n, 9],
          [6n, 9],
          [10n, 9],
        ],
        12n,
      ),
    ).toEqual([0, 2, 0]);
    expect(
      choose(
        [
          [3n, 1],
          [5n, 9],
          [7n, 1],
        ],
        10n,
      ),
    ).toEqual([1, 0, 1]);
    expect(
      choose(
        [
          [3n, 9],
          [5n, 9],
          [7n, 0],
        ],
        7n,
      ),
    ).toBeUndefined();
    expect(
      choose(
        [
          [2n, 500],
          [5n, 1],
        ],
        1_000n,
      ),
    ).toEqual([500, 0]);
  });

  test("two values of any size and number take one step each", () => {
    const left: Left = [
      [999_983n, PURSE_TOKENS_MAX / 2],
      [1_000_003n, PURSE_TOKENS_MAX / 2 - 1],
    ];
    const amount = 999_983n * 499_999n + 1_000_003n * 123_456n;
    const counts = choose(left, amount);
    expect(counts).toBeDefined();
    expect(worth(left, counts as number[])).toBe(amount);
  });

  test("a million tokens of one value, and the largest amounts", () => {
    expect(choose([[1n, PURSE_TOKENS_MAX]], BigInt(PURSE_TOKENS_MAX))).toEqual([PURSE_TOKENS_MAX]);
    const large: Left = [
      [1n, 1],
      [(1n << 62n) - 1n, 2],
    ];
    expect(choose(large, (1n << 63n) - 2n)).toEqual([0, 2]);
    expect(choose(large, (1n << 63n) - 1n)).toEqual([1, 2]);
  });
});

test("a search has an end: values without anything in common, made to be hard, are given up", () => {
  // Eight primes near one another, many of each, and an amount that is just out of reach of all of them.
  const primes = [10_007n, 10_009n, 10_037n, 10_039n, 10_061n, 10_067n, 10_069n, 10_079n];
  expect(primes).toHaveLength(DENOMINATIONS_MAX);
  const left: Left = primes.map((value) => [value, 60_000] as const);
  const started = performance.now();
  expect(choose(left, 10_007n * 37n + 1n)).toBeUndefined();
  expect(performance.now() - started).toBeLessThan(2_000);
  expect(choose(left, 10_079n * 900n)).toBeDefined();
});
