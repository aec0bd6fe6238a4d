/** Links that are parted and healed, and links on which everything happens: what arrives, and two devices over them. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Lossiness, lossy, Partition } from "../../host/communications/disturbances.js";
import { type Disturbance, inProcessLink } from "../../host/communications/in-process.js";
import { count } from "../support/ping-pong.js";
import { generator } from "../support/store-driver.js";

const NOTHING: Lossiness = { lose: 0, repeat: 0, overtaken: 0, delay: 0, corrupt: 0, cut: 0, delayMax_ms: 1 };

/** Sends the numbers from 0 on from both ends, with something done before each; what each end got. */
async function exchanged(disturbance: Disturbance, messages: number, before: (index: number) => void = () => {}) {
  const ends = inProcessLink(disturbance);
  const got: [number[], number[]] = [[], []];
  for (const [index, end] of ends.entries()) end.onMessage((message) => got[index]?.push(message[0] ?? -1));
  for (let i = 0; i < messages; i++) {
    before(i);
    for (const end of ends) end.send(Uint8Array.of(i));
    await Promise.resolve();
  }
  return { far: got[1], near: got[0] };
}

describe("a partition", () => {
  test.each([
    ["both", [0, 1, 5, 6], [0, 1, 5, 6], 6],
    [0, [0, 1, 5, 6], [0, 1, 2, 3, 4, 5, 6], 3],
    [1, [0, 1, 2, 3, 4, 5, 6], [0, 1, 5, 6], 3],
  ] as const)("of %s: nothing passes there from a message on until it is healed", async (blocked, far, near, lost) => {
    const partition = new Partition();
    const got = await exchanged(partition.disturbance, 7, (index) => {
      if (index === 2) partition.part(blocked);
      if (index === 5) partition.heal();
      expect(partition.isParted).toBe(index >= 2 && index < 5);
    });
    expect(got).toEqual({ far, near });
    expect(partition.lost).toBe(lost);
  });

  test("what else happens to the link happens while it is whole", async () => {
    const partition = new Partition((direction) => ({ kind: direction === 0 ? "deliver" : "lose" }));
    const got = await exchanged(partition.disturbance, 3, (index) => {
      if (index === 2) partition.part();
    });
    expect(got).toEqual({ far: [0, 1], near: [] });
    expect(partition.lost).toBe(2);
  });

  test("healed in time, two devices come to their end; never healed, both give up", async () => {
    for (const blocked of ["both", 0, 1] as const) {
      for (let from = 0; from < 7; from++) {
        for (const isHealed of [true, false]) {
          const partition = new Partition();
          let passed = 0;
          const { one, two, cards } = await count((direction, index, message) => {
            if (passed++ === from) partition.part(blocked);
            // The queries of both ends come before they give up.
            if (isHealed && partition.lost === 2) partition.heal();
            return partition.disturbance(direction, index, message);
          });
          expect(partition.lost).toBeGreaterThan(0);
          const name = `${blocked}, from message ${from}, healed: ${isHealed}`;
          const accepted = cards.map((card) => card.accepted);
          if (isHealed) {
            expect([one.status, two.status], name).toEqual(["fulfilled", "fulfilled"]);
            expect(accepted, name).toEqual([
              [2, 4, 6, 8],
              [1, 3, 5, 7],
            ]);
          } else if (accepted.flat().length < 8) {
            expect([one.status, two.status], name).toContain("rejected");
          }
        }
      }
    }
  });
});

describe("a lossy link", () => {
  test("does each thing about as often as was asked", () => {
    const shares = { lose: 0.1, repeat: 0.15, overtaken: 0.05, delay: 0.2, corrupt: 0.1, cut: 0.02, delayMax_ms: 50 };
    const disturbance = lossy(shares, generator(5));
    const seen = new Map<string, number>();
    const message = new Uint8Array(20);
    for (let i = 0; i < 10_000; i++) {
      const fate = disturbance(0, i, message);
      seen.set(fate.kind, (seen.get(fate.kind) ?? 0) + 1);
      if (fate.kind === "delay") expect(fate.delay_ms >= 1 && fate.delay_ms <= 50).toBe(true);
      if (fate.kind === "replace")
        expect(fate.message.reduce((sum, byte) => sum + byte.toString(2).length - 1, 0)).toBeLessThan(8);
      if (fate.kind === "replace") expect(fate.message).not.toEqual(message);
    }
    const wanted = { ...shares, replace: shares.corrupt, deliver: 0.38 };
    for (const kind of ["lose", "repeat", "overtaken", "delay", "replace", "cut", "deliver"] as const) {
      expect(Math.abs((seen.get(kind) ?? 0) / 10_000 - wanted[kind]), kind).toBeLessThan(0.02);
    }
    expect(message).toEqual(new Uint8Array(20));
    expect(lossy(NOTHING, generator(5))(0, 0, message)).toEqual({ kind: "deliver" });
  });

  test("the same seed does the same", () => {
    const run = (seed: number) => {
      const disturbance = lossy({ ...NOTHING, lose: 0.3, delay: 0.3, delayMax_ms: 9, corrupt: 0.2 }, generator(seed));
      return Array.from({ length: 50 }, (_, index) => disturbance(0, index, Uint8Array.of(1, 2, 3)));
    };
    expect(run(3)).toEqual(run(3));
    expect(run(3)).not.toEqual(run(4));
  });

  test("two devices over any of them: each message counts once and in order, or they stop", async () => {
    let ended = 0;
    let stopped = 0;
    const shares = {
      lose: 0.12,
      repeat: 0.15,
      overtaken: 0.1,
      delay: 0.1,
      corrupt: 0.05,
      cut: 0.01,
      delayMax_ms: 3000,
    };
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1 }), async (seed) => {
        const { one, two, cards } = await count(lossy(shares, generator(seed)));
        expect([2, 4, 6, 8].slice(0, cards[0].accepted.length)).toEqual(cards[0].accepted);
        expect([1, 3, 5, 7].slice(0, cards[1].accepted.length)).toEqual(cards[1].accepted);
        if (one.status === "fulfilled" && two.status === "fulfilled") ended++;
        else stopped++;
      }),
      { numRuns: 300 },
    );
    expect(ended).toBeGreaterThan(30);
    expect(stopped).toBeGreaterThan(10);
  });
});
