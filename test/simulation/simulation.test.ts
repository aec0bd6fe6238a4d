import { describe, expect, test } from "vitest";
import type { Blow } from "./faults.js";
import type { Customer } from "./hosts.js";
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

test.each(["withdrawal", "deposit"] as const)("the bank dies before it hears anything of a %s", async (kind) => {
  const simulation = await Simulation.create({ devices: 10, transactions: 0, seed: kind, faults: false });
  const { bank, customers } = simulation.world;
  const base = { customer: customers[1] as Customer, other: bank, till: 0, salary: 0n };
  await simulation.transact({ ...base, number: 1, kind: "withdrawal", amount: 20_000n });
  const booked: boolean[] = [];
  // Each twice: fresh notes are made for some and not for others, which then take fewer notices.
  for (let number = 2; number < 26; number += 1) {
    const notice = number >> 1;
    let hasDied = false;
    const blow: Blow = {
      ...{ kind: "bank dies", apart: 1, isPartition: false },
      arm: () => bank.life.endAtNotice(notice),
      disarm: () => {
        hasDied = bank.life.isOver;
        bank.life.endAtNotice(undefined);
        return hasDied;
      },
    };
    const [happened] = await simulation.transact({ ...base, number, kind, amount: 700n }, blow);
    await simulation.step(number);
    if (hasDied) booked.push(happened);
  }
  expect((await simulation.end()).violations).toEqual([]);
  // Before the money moved, and after it.
  expect(new Set(booked)).toEqual(new Set([false, true]));
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
