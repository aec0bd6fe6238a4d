/** The explorer itself: that it leaves nothing out, that its states are values, and that a counterexample can be walked again. */

import { beforeAll, describe, expect, it } from "vitest";
import { shippedAppletPath } from "../../simulator/applet-files.js";
import { tearsOf } from "../../simulator/tears.js";
import { type Budget, Explorer } from "./explore.js";
import { faultText, MESSAGE_FAULTS, parseFault } from "./faults.js";
import { type AppletPaths, appletsOf, SINGLES, storyOf } from "./jobs.js";
import { Machine, nextEvent } from "./machine.js";
import { replay } from "./replay.js";
import { keyOf, type State } from "./state.js";
import type { Story } from "./story.js";

const RELEASE: AppletPaths = { agent: shippedAppletPath("trusted-agent"), module: shippedAppletPath("money-module") };
const CUTS: Budget = { cuts: 1, messages: 0, deaths: 0 };

let payment: Story;

beforeAll(async () => {
  payment = await storyOf("payment", false, appletsOf(RELEASE));
});

describe("tears of an operation", () => {
  const program = { kind: "flash-program", address: 0, lengthBytes: 12 } as const;
  const all = [...tearsOf(program, 4, () => 0x9e3779b9)];

  it("are none of its bits, all, each prefix of words, and subsets", () => {
    expect(all[0]).toBe("before");
    expect(all.at(-1)).toBe("after");
    const masks = all.filter((tear) => tear instanceof Uint8Array);
    const prefixes = [0, 4, 8, 12].map((length) => new Uint8Array(12).fill(0xff, 0, length));
    for (const prefix of prefixes) expect(masks).toContainEqual(prefix);
    expect(masks.length).toBe(prefixes.length + 16);
  });

  it("of a key or the counter are before and after", () => {
    expect([...tearsOf({ kind: "counter-increment", address: 0, lengthBytes: 0 }, 4, () => 0)]).toEqual([
      "before",
      "after",
    ]);
  });
});

describe("what is explored", () => {
  it("is every operation of the way without a fault, in however many parts", () => {
    const whole = new Explorer(payment);
    whole.run(CUTS);
    expect(whole.explored.violations).toEqual([]);
    expect(whole.explored.traceOperations).toBeGreaterThan(20);
    expect(whole.explored.cutInTrace).toBe(whole.explored.traceOperations);
    expect(whole.explored.counts.tears).toBeGreaterThan(whole.explored.traceOperations * 16);
    expect(whole.explored.happened).toBeGreaterThan(0);
    const parts = [0, 1, 2].map((index) => {
      const part = new Explorer(payment, { share: { index, of: 3 } });
      part.run(CUTS);
      return part.explored.cutInTrace;
    });
    expect(parts.reduce((sum, part) => sum + part)).toBe(whole.explored.traceOperations);
  }, 60_000);

  it("is the same twice", () => {
    const counts = [0, 1].map(() => {
      const explorer = new Explorer(payment);
      explorer.run(SINGLES[0] as Budget);
      return explorer.explored;
    });
    expect(counts[0]).toEqual(counts[1]);
  }, 60_000);
});

describe("faults of one message", () => {
  it("are as many different ways", () => {
    const ways = new Map<string, string>();
    const beginning = nthArrival(4);
    for (const fault of MESSAGE_FAULTS) {
      const { lines } = replay(payment, [{ kind: "message", event: beginning, fault }]);
      ways.set(fault, lines.filter((line) => !line.includes("***")).join("\n"));
    }
    // Late and overtaken are the same where two take turns: nothing comes before somebody asks. Nor does one altered byte show.
    for (const alike of ["overtaken", "corrupt-first"]) ways.delete(alike);
    expect(new Set(ways.values()).size).toBe(ways.size);
  });

  /** Number of the event that is the n-th arrival of a payment. */
  function nthArrival(n: number): number {
    const machine = new Machine(payment);
    let state = payment.beginning;
    let left = n;
    for (let event = nextEvent(state); event !== undefined; event = nextEvent(state)) {
      if (event.kind === "arrival") left -= 1;
      if (left === 0) return state.events;
      state = machine.after(state, event);
    }
    throw new RangeError(`there are no ${n} arrivals`);
  }
});

describe("a state", () => {
  it("can be gone on from twice, with the same end", () => {
    const machine = new Machine(payment);
    const states: State[] = [payment.beginning];
    const walk = (from: State): State => {
      let state = from;
      for (let event = nextEvent(state); event !== undefined; event = nextEvent(state)) {
        state = machine.after(state, event);
        states.push(state);
      }
      return state;
    };
    const end = keyOf(walk(payment.beginning));
    const keys = states.map(keyOf);
    for (const state of [states[3], states[Math.floor(states.length / 2)]]) {
      expect(keyOf(walk(state as State))).toBe(end);
    }
    // Whoever went on from it did not change it.
    expect(states.slice(0, keys.length).map(keyOf)).toEqual(keys);
  });
});

describe("a way with faults", () => {
  it.each(["message:12:lose", "death:9:1:power", "cut:14:3:0", "cut:14:3:0:both"])(
    "%s can be named, and walked again",
    (text) => {
      expect(faultText(parseFault(text))).toBe(text);
      const { lines, wrong } = replay(payment, [parseFault(text)]);
      expect(wrong).toBeUndefined();
      expect(lines.join("\n")).toContain(`*** ${text}`);
      expect(replay(payment, [parseFault(text)]).lines).toEqual(lines);
    },
  );

  it.each(["", "cut", "message:1:vanish", "death:1:0", "cut:1:2:x"])("%j is no fault", (text) => {
    expect(() => parseFault(text)).toThrow(RangeError);
  });
});
