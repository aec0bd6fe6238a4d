/**
 * Walks a story with every fault that its way without one has a place for, each way from its beginning to its end, and some ways with
 * two. What is struck is counted from the way without a fault, so that none is left out.
 */

import { Numbers } from "../fuzz/numbers.js";
import { type Fault, faultText, type MessageFault, PLAIN_MESSAGE_FAULTS, SERVICES } from "./faults.js";
import { type RunOptions, run, type Way } from "./run.js";
import { type Story, storyNamed } from "./stories.js";
import { classesOf } from "./tears.js";

export const FAULT_KINDS = ["cut", "message", "crash", "restart"] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Job {
  readonly story: string;
  /** The single faults of these kinds; with "none" only the way without. */
  readonly kinds: readonly FaultKind[];
  /** Two faults: each cut with each fault of a message while something is paid, and so many of all others. */
  readonly pairs: { readonly spends: boolean; readonly sampled: number; readonly seed: string } | undefined;
  readonly share: { readonly index: number; readonly of: number };
  /** Every n-th single fault only. */
  readonly sample: number;
}

export interface Violation {
  readonly story: string;
  readonly faults: readonly string[];
  readonly wrong: readonly string[];
}

export interface Explored {
  ways: number;
  /** Of the way without a fault. */
  operations: number;
  cutPoints: number;
  /** Torn images that were booted, and those that are not like another one. */
  tears: number;
  classes: number;
  messageFaults: number;
  crashes: number;
  restarts: number;
  pairs: number;
  /** Second faults that found nothing to strike. */
  missed: number;
  halves: number;
  readonly violations: Violation[];
}

export function nothingExplored(): Explored {
  const counts = { ways: 0, operations: 0, cutPoints: 0, tears: 0, classes: 0, halves: 0 };
  return { ...counts, messageFaults: 0, crashes: 0, restarts: 0, pairs: 0, missed: 0, violations: [] };
}

/** Enough to see what is wrong. */
const VIOLATIONS_MAX = 20;

export async function explore(job: Job, options: RunOptions, violationsMax = VIOLATIONS_MAX): Promise<Explored> {
  const explorer = new TokenExplorer(storyNamed(job.story), options, violationsMax);
  await explorer.run(job);
  return explorer.explored;
}

class TokenExplorer {
  readonly explored = nothingExplored();
  readonly #story: Story;
  readonly #options: RunOptions;
  readonly #violationsMax: number;

  constructor(story: Story, options: RunOptions, violationsMax: number) {
    this.#story = story;
    this.#options = options;
    this.#violationsMax = violationsMax;
  }

  get #isOver(): boolean {
    return this.explored.violations.length >= this.#violationsMax;
  }

  async run({ kinds, pairs, sample, share }: Job): Promise<void> {
    const way = await run(this.#story, [], { ...this.#options, isTraced: true });
    this.explored.halves += way.halves;
    if (share.index === 0) {
      this.explored.ways += 1;
      this.explored.operations += way.operations;
      this.#judge([], way);
    }
    if (this.#isOver) return;
    let number = 0;
    const isMine = () => number++ % (share.of * sample) === share.index;
    if (kinds.includes("cut")) await this.#cuts(way, isMine);
    if (kinds.includes("message")) await this.#all(messageFaults(way), isMine, "messageFaults");
    if (kinds.includes("crash")) await this.#all(crashes(way), isMine, "crashes");
    if (kinds.includes("restart")) await this.#all(restarts(way), isMine, "restarts");
    if (pairs !== undefined) await this.#pairs(way, pairs, share);
  }

  async #all(
    faults: readonly Fault[],
    isMine: () => boolean,
    count: "messageFaults" | "crashes" | "restarts",
  ): Promise<void> {
    for (const fault of faults) {
      if (this.#isOver) return;
      if (!isMine()) continue;
      this.explored[count] += 1;
      await this.#single(fault);
    }
  }

  async #single(fault: Fault): Promise<void> {
    const way = await run(this.#story, [fault], this.#options);
    this.explored.ways += 1;
    this.#judge([fault], way);
    for (const each of way.missed) this.#violate([each], ["it found nothing to strike"]);
  }

  #judge(faults: readonly Fault[], { wrong }: Way): void {
    if (wrong.length > 0) this.#violate(faults, wrong);
  }

  #violate(faults: readonly Fault[], wrong: readonly string[]): void {
    this.explored.violations.push({ story: this.#story.name, faults: faults.map(faultText), wrong });
  }

  async #cuts({ trace }: Way, isMine: () => boolean): Promise<void> {
    for (const traced of trace) {
      if (this.#isOver) return;
      if (!isMine()) continue;
      this.explored.cutPoints += 1;
      const { booted, tears, wrong } = await classesOf(traced, this.#options.applet);
      this.explored.tears += booted;
      this.explored.classes += tears.length;
      const cut = (tear: number): Fault => ({ kind: "cut", operation: traced.number, tear });
      for (const { said, tear } of wrong) this.#violate([cut(tear)], [said]);
      for (const tear of tears) await this.#single(cut(tear));
    }
  }

  async #pairs(way: Way, pairs: NonNullable<Job["pairs"]>, share: Job["share"]): Promise<void> {
    const all = [...(pairs.spends ? await this.#spendPairs(way) : []), ...this.#sampledPairs(way, pairs)];
    for (const [at, faults] of all.entries()) {
      if (this.#isOver) return;
      if (at % share.of !== share.index) continue;
      const found = await run(this.#story, faults, this.#options);
      this.explored.ways += 1;
      this.explored.pairs += 1;
      this.explored.missed += found.missed.length;
      this.#judge(faults, found);
    }
  }

  /** While something is paid: each cut of each operation, with each fault of the payment's message. */
  async #spendPairs(way: Way): Promise<Fault[][]> {
    const pairs: Fault[][] = [];
    const messages = messageFaults(way);
    for (const [number, { what }] of way.sent.entries()) {
      if (!what.includes("payment")) continue;
      for (const traced of way.trace.filter((each) => each.messages === number)) {
        const { tears } = await classesOf(traced, this.#options.applet);
        for (const tear of tears)
          for (const fault of messages)
            if (fault.kind === "message" && fault.message === number)
              pairs.push([{ kind: "cut", operation: traced.number, tear }, fault]);
      }
    }
    return pairs;
  }

  #sampledPairs(way: Way, { sampled, seed }: NonNullable<Job["pairs"]>): Fault[][] {
    const numbers = new Numbers(`${seed} ${this.#story.name}`);
    const cuts = way.trace.map(({ number }): Fault => ({ kind: "cut", operation: number, tear: numbers.below(8) % 2 }));
    const sorts = [cuts, messageFaults(way), crashes(way), restarts(way)].filter((each) => each.length > 0);
    return Array.from({ length: sampled }, () => [
      numbers.pick(numbers.pick(sorts)),
      numbers.pick(numbers.pick(sorts)),
    ]);
  }
}

function messageFaults({ sent }: Way): Fault[] {
  return sent.flatMap(({ answerParts, parts }, message) => {
    const altered = (alters: "message" | "answer", count: number): MessageFault[] =>
      Array.from({ length: count }, (_, part) => part).flatMap((part) => [
        { alters, part, end: "first" },
        { alters, part, end: "last" },
      ]);
    const all = [...PLAIN_MESSAGE_FAULTS, ...altered("message", parts), ...altered("answer", answerParts)];
    return all.map((fault): Fault => ({ kind: "message", message, fault }));
  });
}

function crashes({ commits }: Way): Fault[] {
  return SERVICES.flatMap((who) =>
    Array.from({ length: commits[who] }, (_, commit) =>
      (["before", "after"] as const).map((side): Fault => ({ kind: "crash", who, commit, side })),
    ).flat(),
  );
}

function restarts({ sent }: Way): Fault[] {
  return sent.flatMap((_, message) =>
    [...SERVICES, "card" as const].map((who): Fault => ({ kind: "restart", who, message })),
  );
}
