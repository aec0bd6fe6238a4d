/**
 * Walks every way in which a story can go with so many faults: from each state, the step without a fault, and each fault that
 * the budget has left. Ways begin together and share what they have in common as snapshots; a state that was seen with as much
 * budget left is not gone on from again.
 */

import { tearsOf } from "../../simulator/tears.js";
import { type Fault, faultsOf, faultText, struck } from "./faults.js";
import { died, type Event, Machine, nextEvent, touched } from "./machine.js";
import { ElementFailure, type Traced } from "./stage.js";
import { hashOf, keyOf, SIDES, type State, type Station, withStation } from "./state.js";
import { placeOf, type Story } from "./story.js";

/** Faults that one way may have. */
export interface Budget {
  readonly cuts: number;
  readonly messages: number;
  readonly deaths: number;
}

export interface Counts {
  /** Ways that were walked to their end, or to a state from which another had been. */
  executions: number;
  states: number;
  /** Operations of chips at which power was cut, in the step that they belong to. */
  cutPoints: number;
  /** Ways in which an operation was torn; each was booted. */
  tears: number;
  /** Tears that left something else than the others of their operation: these are gone on from. */
  classes: number;
  messageFaults: number;
  deaths: number;
}

function newCounts(): Counts {
  return { executions: 0, states: 0, cutPoints: 0, tears: 0, classes: 0, messageFaults: 0, deaths: 0 };
}

/** What a worker found. */
export interface Explored {
  readonly counts: Counts;
  readonly violations: Violation[];
  /** Operations of the elements in the way without a fault, and those of them at which this worker cut power. */
  traceOperations: number;
  cutInTrace: number;
  /** Different ends in which the deal happened. */
  happened: number;
}

export function newExplored(): Explored {
  return { counts: newCounts(), violations: [], traceOperations: 0, cutInTrace: 0, happened: 0 };
}

export interface Violation {
  readonly story: string;
  readonly faults: readonly string[];
  readonly wrong: string;
}

/** Which of the first faults are this worker's. */
export interface Share {
  readonly index: number;
  readonly of: number;
}

export interface ExploreOptions {
  readonly share?: Share;
  /** Ends at the first. */
  readonly violationsMax?: number;
  /** Every n-th of the second faults only. */
  readonly sample?: number;
}

export class Explorer {
  readonly explored = newExplored();
  readonly #machine: Machine;
  readonly #seen = new Set<string>();
  readonly #judged = new Map<string, string | undefined>();
  #firsts = 0;
  #seconds = 0;

  constructor(
    private readonly story: Story,
    private readonly options: ExploreOptions = {},
  ) {
    this.#machine = new Machine(story);
  }

  run(budget: Budget): void {
    this.#traceOperations();
    this.#walk(this.story.beginning, budget, []);
  }

  /** The way without a fault: what goes wrong there goes wrong without any. */
  #traceOperations(): void {
    let state = this.story.beginning;
    try {
      for (let event = nextEvent(state); event !== undefined; event = nextEvent(state)) {
        const trace: Traced[] = [];
        state = this.#machine.after(state, event, trace);
        this.explored.traceOperations += trace.length;
      }
      const { wrong, happened } = this.story.judge(state);
      if (wrong.length > 0 || !happened) throw new ElementFailure(wrong.join("; ") || "the deal does not happen");
    } catch (error) {
      if (!(error instanceof ElementFailure)) throw error;
      this.#violate([], error);
    }
  }

  get #isOver(): boolean {
    return this.explored.violations.length >= (this.options.violationsMax ?? 1);
  }

  #walk(from: State, budget: Budget, faults: readonly Fault[]): void {
    let state = from;
    for (;;) {
      if (this.#isOver) return;
      const key = `${keyOf(state)} ${budget.cuts} ${budget.messages} ${budget.deaths}`;
      if (this.#seen.has(key)) {
        this.explored.counts.executions += 1;
        return;
      }
      this.#seen.add(key);
      this.explored.counts.states += 1;
      const event = nextEvent(state);
      if (event === undefined) {
        this.explored.counts.executions += 1;
        this.#judge(state, faults);
        return;
      }
      const next = this.#strike(state, event, budget, faults);
      if (next === undefined) return;
      state = next;
    }
  }

  /** Goes every way that a fault opens here, and answers the state after the step without one. */
  #strike(state: State, event: Event, budget: Budget, faults: readonly Fault[]): State | undefined {
    if (budget.messages > 0) this.#messages(state, event, budget, faults);
    if (budget.deaths > 0) this.#deaths(state, budget, faults);
    const trace: Traced[] | undefined = budget.cuts > 0 ? [] : undefined;
    let next: State | undefined;
    try {
      next = this.#machine.after(state, event, trace);
      const wrong = this.story.check(next);
      if (wrong !== undefined) throw new ElementFailure(wrong);
    } catch (error) {
      this.#violate(faults, error);
      return undefined;
    }
    if (trace !== undefined) this.#cuts(state, event, trace, budget, faults);
    return next;
  }

  #messages(state: State, event: Event, budget: Budget, faults: readonly Fault[]): void {
    for (const fault of faultsOf(event)) {
      if (!this.#isMine(faults)) continue;
      this.explored.counts.messageFaults += 1;
      const changed = struck(state, event, fault);
      const named: Fault = { kind: "message", event: state.events, fault };
      this.#walk(changed, { ...budget, messages: budget.messages - 1 }, [...faults, named]);
    }
  }

  #deaths(state: State, budget: Budget, faults: readonly Fault[]): void {
    for (const side of SIDES) {
      for (const loses of ["host", "power"] as const) {
        if (!this.#isMine(faults)) continue;
        this.explored.counts.deaths += 1;
        const named: Fault = { kind: "death", event: state.events, side, loses };
        this.#walk(killed(this.story, state, named), { ...budget, deaths: budget.deaths - 1 }, [...faults, named]);
      }
    }
  }

  #cuts(state: State, event: Event, trace: readonly Traced[], budget: Budget, faults: readonly Fault[]): void {
    for (const [index, traced] of trace.entries()) {
      if (!this.#isMine(faults)) continue;
      this.explored.counts.cutPoints += 1;
      if (faults.length === 0) this.explored.cutInTrace += 1;
      for (const { tear, torn } of this.#classes(state, event, traced, faults, index)) {
        const left = { ...budget, cuts: budget.cuts - 1 };
        const named = { kind: "cut", event: state.events, operation: index, tear } as const;
        this.#walk(torn, left, [...faults, { ...named, both: false }]);
        const dark = withoutPower(this.story, torn, event);
        if (dark !== torn) this.#walk(dark, left, [...faults, { ...named, both: true }]);
      }
    }
  }

  /** Boots every tear of an operation; one of each class. */
  #classes(state: State, event: Event, traced: Traced, faults: readonly Fault[], index: number) {
    const at = touched(event);
    if (at === undefined) throw new Error("an operation of no element");
    const place = placeOf(this.story, at.side, at.sort);
    const raw = new Set<string>();
    const classes = new Map<string, { tear: number; torn: State }>();
    let number = -1;
    for (const tear of tearsOf(traced.operation, place.chip.flashWordSize(), draws(state.events * 64 + index))) {
      number += 1;
      const off = place.torn(traced, tear);
      const hash = hashOf(off);
      if (raw.has(hash)) continue;
      raw.add(hash);
      this.explored.counts.tears += 1;
      try {
        const name = place.classOf(off);
        if (!classes.has(name)) classes.set(name, { tear: number, torn: cutState(state, at, off) });
      } catch (error) {
        this.#violate(
          [...faults, { kind: "cut", event: state.events, operation: index, tear: number, both: false }],
          error,
        );
        return [];
      }
    }
    this.explored.counts.classes += classes.size;
    return [...classes.values()];
  }

  /** The first fault of a way is one worker's; of second ones a sample may do. */
  #isMine(faults: readonly Fault[]): boolean {
    if (faults.length === 0) {
      const { index, of } = this.options.share ?? { index: 0, of: 1 };
      this.#firsts += 1;
      return this.#firsts % of === index;
    }
    this.#seconds += 1;
    return this.#seconds % (this.options.sample ?? 1) === 0;
  }

  #judge(state: State, faults: readonly Fault[]): void {
    const key = keyOf(state);
    let said = this.#judged.get(key);
    if (!this.#judged.has(key)) {
      try {
        const { wrong, happened } = this.story.judge(state);
        if (happened) this.explored.happened += 1;
        said = wrong.length > 0 ? wrong.join("; ") : undefined;
      } catch (error) {
        said = error instanceof Error ? error.message : String(error);
      }
      this.#judged.set(key, said);
    }
    if (said !== undefined)
      this.explored.violations.push({ story: this.story.name, faults: faults.map(faultText), wrong: said });
  }

  #violate(faults: readonly Fault[], error: unknown): void {
    const wrong = error instanceof Error ? error.message : String(error);
    this.explored.violations.push({ story: this.story.name, faults: faults.map(faultText), wrong });
  }
}

/** 32 bits a call, the same for the same seed (xorshift). */
export function draws(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

export function killed(story: Story, state: State, { side, loses }: Fault & { kind: "death" }): State {
  return died(state, side, loses, (sort) => {
    const { snapshot } = state.sides[side][sort] as Station;
    return placeOf(story, side, sort).off(snapshot);
  });
}

/** The same with the other element of the device without power too; the same state where there is none. */
export function withoutPower(story: Story, state: State, event: Event): State {
  const at = touched(event);
  const other = at?.sort === "agent" ? "module" : "agent";
  const partner = at === undefined ? undefined : state.sides[at.side][other];
  if (at === undefined || partner?.isOn !== true) return state;
  const snapshot = placeOf(story, at.side, other).off(partner.snapshot);
  return withStation(state, at.side, other, { snapshot, isOn: false });
}

/** Power is gone at one element: its host's conversation is over, its other element goes on. */
export function cutState(state: State, at: NonNullable<ReturnType<typeof touched>>, off: Uint8Array): State {
  const broken = died(state, at.side, "host", () => off);
  return withStation({ ...broken, events: broken.events + 1 }, at.side, at.sort, { snapshot: off, isOn: false });
}
