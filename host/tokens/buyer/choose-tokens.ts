/** Which tokens make an amount exactly, as firmware/purse/choose.ts does it: the largest values first, as many as fit. */

import type { Denomination } from "../terms.js";

/** Counts tried in one search; an amount that takes longer is refused like one that cannot be made. */
const STEPS_MAX = 20_000;

/** How many in all, or undefined. */
export function chosenCount(left: readonly Denomination[], amount: bigint): number | undefined {
  return chooseTokens(left, amount)?.reduce((sum, count) => sum + count, 0);
}

/** How many of each, or undefined. `left` is what there is, values rising; counts may be 0. */
export function chooseTokens(left: readonly Denomination[], amount: bigint): number[] | undefined {
  const chosen = left.map(() => 0);
  let steps = 0;
  const worthBelow = (kind: number) =>
    left.slice(0, kind).reduce((sum, { count, value }) => sum + value * BigInt(count), 0n);
  const search = (kind: number, rest: bigint): boolean => {
    const here = left[kind];
    if (here === undefined) return rest === 0n;
    const below = worthBelow(kind);
    const most = rest / here.value;
    for (let count = most < BigInt(here.count) ? Number(most) : here.count; count >= 0; count--) {
      if (++steps > STEPS_MAX) return false;
      const open = rest - here.value * BigInt(count);
      if (open > below) return false;
      chosen[kind] = count;
      if (kind === 0 ? open === 0n : search(kind - 1, open)) return true;
    }
    return false;
  };
  return search(left.length - 1, amount) ? chosen : undefined;
}
