/** The loop: takes an input that reached something, changes it, runs it, and keeps what reaches something new. */

import { createContext, Script } from "node:vm";
import { Numbers } from "./numbers.js";
import { FEATURES_A_BLOCK, Finding, type Input, type Step, type Target } from "./target.js";

/** How often a finding is run again to make it smaller. */
const MINIMISING_RUNS = 400;
/** Far more than a row of runs takes on a busy machine; an endless one that takes memory must not get far in it. */
const TURN_MS_MAX = 5_000;
const WORK = new Script("work()");
const FINDINGS_MAX = 20;

export interface Found {
  readonly input: Input;
  readonly finding: Finding;
}

export interface Bounds {
  readonly executions: number;
  readonly isOver: () => boolean;
}

export interface Group {
  readonly targets: readonly Target[];
  /** How often it is its turn, beside others. */
  readonly turns: number;
}

interface Pool {
  readonly target: Target;
  readonly kept: Input[];
  /** Features of what this target ran. */
  readonly features: Set<number>;
}

export class Engine {
  executions = 0;
  readonly findings: Found[] = [];
  /** Inputs that reached something new, in order. */
  readonly kept: Input[] = [];
  readonly #pools = new Map<string, Pool>();
  readonly #groups: readonly (readonly Pool[])[];
  readonly #shared: readonly Set<number>[];
  readonly #numbers: Numbers;
  /** Index of each group, as often as it is to have its turn. */
  readonly #turns: readonly number[];
  readonly #bounded: { work?: () => void } = createContext({});
  #current: Input | undefined;

  /** Targets of one group run the same code: what one reached is nothing new for another. */
  constructor(groups: readonly Group[], seed: string) {
    this.#numbers = new Numbers(seed);
    this.#turns = groups.flatMap(({ turns }, index) => new Array<number>(turns).fill(index));
    this.#shared = groups.map(() => new Set<number>());
    this.#groups = groups.map(({ targets }, group) =>
      targets.map((target) => {
        const pool = { target, kept: [], features: this.#shared[group] as Set<number> };
        this.#pools.set(target.name, pool);
        return pool;
      }),
    );
  }

  target(name: string): Target {
    const pool = this.#pools.get(name);
    if (pool === undefined) throw new RangeError(`there is no target ${name}: the corpus is of another program`);
    return pool.target;
  }

  /** Runs one input again; what it finds. */
  again(input: Input): Finding | undefined {
    let found: Finding | undefined;
    this.#current = input;
    this.#inTime(() => {
      try {
        this.target(input.target).run(input, () => undefined);
      } catch (error) {
        found = asFinding(error);
      }
    });
    return found ?? this.findings[0]?.finding;
  }

  /** Blocks that the targets of a group reached. */
  reachedIn(group: number): Set<number> {
    return new Set([...(this.#shared[group] ?? [])].map((feature) => Math.floor(feature / FEATURES_A_BLOCK)));
  }

  /** What is known to be good, then what was kept of other runs. */
  begin(corpus: readonly Input[], bounds: Bounds): void {
    for (const pool of this.#pools.values()) {
      for (const seed of pool.target.seeds()) {
        if (this.#isOver(bounds)) return;
        this.#inTime(() => this.#try(pool, seed));
        if (!pool.kept.includes(seed)) pool.kept.push(seed);
      }
    }
    for (const input of corpus) {
      if (this.#isOver(bounds)) return;
      this.target(input.target);
      this.#inTime(() => this.#try(this.#pools.get(input.target) as Pool, input));
    }
  }

  #isOver({ executions, isOver }: Bounds): boolean {
    return this.executions >= executions || this.findings.length >= FINDINGS_MAX || isOver();
  }

  run(bounds: Bounds): void {
    const numbers = this.#numbers;
    while (!this.#isOver(bounds)) {
      this.#turn(numbers.pick(this.#groups[numbers.pick(this.#turns)] as readonly Pool[]), bounds.executions);
    }
  }

  /** One run, or a row of them. */
  #turn(pool: Pool, executions: number): void {
    const times = Math.min(pool.target.burst ?? 1, executions - this.executions);
    this.#inTime(() => {
      for (let i = 0; i < times; i++) this.#try(pool, this.#next(pool));
    });
  }

  /** What hangs is stopped from outside. */
  #inTime(work: () => void): void {
    this.#bounded.work = work;
    try {
      WORK.runInContext(this.#bounded, { timeout: TURN_MS_MAX });
    } catch (error) {
      const input = this.#current;
      if (input !== undefined) this.findings.push({ input, finding: new Finding("endless", String(error)) });
    }
  }

  #next({ kept, target }: Pool): Input {
    const numbers = this.#numbers;
    // Every other time one of those that were kept last.
    const recent = numbers.oneIn(2) ? Math.min(kept.length, 12) : kept.length;
    const input = kept[kept.length - 1 - numbers.below(recent)] as Input;
    return target.mutate(input, numbers, kept);
  }

  #try(pool: Pool, input: Input): void {
    this.executions += 1;
    this.#current = input;
    let isNew = false;
    try {
      pool.target.run(input, (feature) => {
        if (pool.features.has(feature)) return;
        pool.features.add(feature);
        isNew = true;
      });
    } catch (error) {
      this.#take(pool.target, input, asFinding(error));
      return;
    }
    if (!isNew) return;
    pool.kept.push(input);
    this.kept.push(input);
  }

  /** One finding of a sort is enough: it is made as small as it gets. */
  #take(target: Target, input: Input, finding: Finding): void {
    const sort = sortOf(finding);
    if (this.findings.some((each) => sortOf(each.finding) === sort)) return;
    this.findings.push(minimised(target, { input, finding }));
  }
}

export function asFinding(error: unknown): Finding {
  if (error instanceof Finding) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new Finding("exception", text, { cause: error });
}

/** Numbers in a message differ from input to input. */
function sortOf({ rule, message }: Finding): string {
  return `${rule} ${rule === "trap" || rule === "exception" ? message.replace(/[0-9a-f]{4,}|\d+/g, "#") : ""}`;
}

/** What breaks the same rule with less. */
function minimised(target: Target, found: Found): Found {
  let best = found;
  let runs = 0;
  const attempt = (steps: readonly Step[]): boolean => {
    if (runs >= MINIMISING_RUNS || steps.length === 0) return false;
    runs += 1;
    const input = { target: target.name, steps };
    try {
      target.run(input, () => undefined);
      return false;
    } catch (error) {
      const finding = asFinding(error);
      if (sortOf(finding) !== sortOf(found.finding)) return false;
      best = { input, finding };
      return true;
    }
  };
  for (let at = best.input.steps.length - 1; at >= 0; at--) attempt(best.input.steps.filter((_, i) => i !== at));
  best.input.steps.forEach((step, at) => {
    for (const simpler of simplerSteps(step)) attempt(best.input.steps.map((each, i) => (i === at ? simpler : each)));
  });
  for (const at of best.input.steps.keys()) shrinkBytes(() => best.input.steps, at, attempt);
  return best;
}

function simplerSteps(step: Step): Step[] {
  const { form: _form, ...unframed } = step;
  const plain = step.base === undefined ? [] : [{ base: step.base }];
  return step.form === undefined ? (step.bytes === undefined ? [] : plain) : [...plain, unframed];
}

/** Takes pieces out of a step's bytes, large ones first, as long as that leaves the finding. */
function shrinkBytes(steps: () => readonly Step[], at: number, attempt: (steps: readonly Step[]) => boolean): void {
  const bytesOf = () => steps()[at]?.bytes;
  for (let size = (bytesOf()?.length ?? 0) >> 1; size >= 1; size >>= 1) {
    for (let start = 0; start < (bytesOf()?.length ?? 0); ) {
      const bytes = bytesOf() as Uint8Array;
      const shorter = Uint8Array.from([...bytes.subarray(0, start), ...bytes.subarray(start + size)]);
      if (!attempt(steps().map((each, i) => (i === at ? { ...each, bytes: shorter } : each)))) start += size;
    }
  }
}
