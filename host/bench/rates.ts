/** How many of something are done in a second: the median of rounds, each of which does as many. */

import { spreadOf } from "./measure.js";

export interface Rate {
  readonly perSecond: number;
  /** Of the rounds. */
  readonly lowest: number;
  readonly highest: number;
  readonly rounds: number;
  /** How many a round does. */
  readonly perRound: number;
}

/** Per second of CPU time, over all threads of the process: what one core does. */
export async function ofOneCore(count: number, work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (count * 1e6) / (user + system);
}

/** Per second by the clock, and of CPU time. */
export async function byTheClock(
  count: number,
  work: () => unknown,
): Promise<{ readonly perSecond: number; readonly ofOneCore: number }> {
  const before = performance.now();
  const core = await ofOneCore(count, work);
  return { perSecond: (count * 1000) / (performance.now() - before), ofOneCore: core };
}

export function rateOf(perSecond: readonly number[], perRound: number): Rate {
  const { max, median, min } = spreadOf(perSecond);
  const [lowest, highest] = [Math.round(min), Math.round(max)];
  return { perSecond: Math.round(median), lowest, highest, rounds: perSecond.length, perRound };
}

/** Rates that are measured by turns, so that whatever else the machine does strikes all of them alike. */
export class Rounds<Name extends string> {
  readonly #measured = new Map<Name, { readonly perSecond: number[]; readonly perRound: number }>();

  add(name: Name, perSecond: number, perRound: number): void {
    const known = this.#measured.get(name) ?? { perSecond: [], perRound };
    known.perSecond.push(perSecond);
    this.#measured.set(name, known);
  }

  rate(name: Name): Rate {
    const { perRound, perSecond } = this.#of(name);
    return rateOf(perSecond, perRound);
  }

  /** How many times as fast one is as another: the median over the rounds, in each of which both were measured. */
  ratio(one: Name, other: Name): number {
    const others = this.#of(other).perSecond;
    const ratios = this.#of(one).perSecond.map((perSecond, round) => perSecond / (others[round] ?? 0));
    return Math.round(10 * spreadOf(ratios).median) / 10;
  }

  #of(name: Name) {
    const measured = this.#measured.get(name);
    if (measured === undefined) throw new RangeError(`name: ${name} was not measured`);
    return measured;
  }
}
