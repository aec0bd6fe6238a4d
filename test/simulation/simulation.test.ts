import { describe, expect, test } from "vitest";
import { type Options, Simulation } from "./simulation.js";

const SMALL: Options = { devices: 30, transactions: 150, seed: "1", faults: true };

async function run(options: Options) {
  return (await Simulation.create(options)).run();
}

describe("a small world that is struck all the time", () => {
  test("ends with nothing in doubt and no violation, and twice in the very same state", async () => {
    const [first, second] = [await run(SMALL), await run(SMALL)];
    expect(first.violations).toEqual([]);
    expect(first.inDoubt).toBe(0);
    expect(first.happened + first.aborted).toBe(SMALL.transactions);
    expect(first.happened).toBeGreaterThan(SMALL.transactions / 2);
    expect(Object.values(first.faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(20);
    expect(first.checks).toBeGreaterThan(SMALL.transactions * 5);
    expect(second).toEqual(first);
  }, 60_000);

  test("is another one with another seed", async () => {
    const short = { ...SMALL, transactions: 20 };
    const [one, other] = [await run(short), await run({ ...short, seed: "2" })];
    expect(one.digest).not.toBe(other.digest);
    expect([...one.violations, ...other.violations]).toEqual([]);
  });

  test("goes the same way up to a number, whatever comes after it", async () => {
    const [short, long] = [await Simulation.create(SMALL), await Simulation.create({ ...SMALL, transactions: 60 })];
    for (let number = 1; number <= 40; number += 1) await short.step(number);
    for (let number = 1; number <= 40; number += 1) await long.step(number);
    expect(await short.auditor.digest()).toBe(await long.auditor.digest());
  });
});

test("a world without faults has none, and every transaction that can happen does", async () => {
  const result = await run({ ...SMALL, faults: false });
  expect(result.faults).toEqual({});
  expect(result.violations).toEqual([]);
  expect(result.cheats).toBe(0);
  expect(result.reasons).toEqual({});
  expect(result.happened).toBe(SMALL.transactions);
});

test("cheats are found out to the cent", async () => {
  const simulation = await Simulation.create({ ...SMALL, devices: 16, seed: "cheats" });
  const { cheats, auditor } = simulation;
  for (let number = 1; number <= 80; number += 1) {
    await simulation.step(number);
    if (number === 30 || number === 40) await simulation.cheat(number);
  }
  const { violations } = await simulation.end();
  expect(violations).toEqual([]);
  // The auditor's word counts only because it would have missed a cent.
  const [culprit = "", amount = 0n] = [...cheats.spentTwice].find(([, spent]) => spent > 0n) ?? [];
  await auditor.losses(new Map([...cheats.spentTwice, [culprit, amount + 1n]]));
  expect(auditor.violations.map(({ what }) => what)).toEqual([
    expect.stringMatching(/^bank: lost .* by copies/),
    expect.stringMatching(/^bank: its notes say a loss/),
  ]);
}, 60_000);
