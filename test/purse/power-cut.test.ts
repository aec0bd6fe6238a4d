/**
 * Power is cut at each operation of the flash while a purse carries out a command: before it, after it, within it.
 * When power is back the purse is as it was before the command or as it is after it; what left the chip is backed by
 * what is stored; a half that left is never revealed for another order; and the same order is shown the same halves.
 */

import { beforeAll, describe, expect, test, vi } from "vitest";
import { toHex } from "../../host/codec/bytes.js";
import { ReasonError } from "../../host/reasons.js";
import { StatusWordError } from "../../host/status-words.js";
import type { SpentTokens } from "../../host/tokens/buyer/card-data.js";
import { TransportError } from "../../host/transport.js";
import type { Fate, Operation, OperationHook } from "../../simulator/faults.js";
import {
  type Buyer,
  type Filled,
  halvesOf,
  OTHER_SELLER,
  orderOf,
  PurseWorld,
  SMALL_FLASH,
  serialsOf,
} from "../support/purses.js";
import { generator, TEARS, type Tear, tornFate } from "../support/store-driver.js";

const WORD_BYTES = 4;

// Many runs a test: seconds on an idle core, more on a busy one.
vi.setConfig({ testTimeout: 120_000 });

let world: PurseWorld;
let buyer: Buyer;
/** An open purse that has paid an order in part, and beside it: a request, a closed purse, an allowance. */
let open: Filled;
let closed: Filled;
let waiting: { slot: number; share: Uint8Array };
let start: Uint8Array;

const PAID = orderOf(60n, 1);
const NEXT = orderOf(60n, 2);
const AFTER = orderOf(60n, 3);

async function stage(seed: string, small: boolean): Promise<void> {
  world = new PurseWorld(seed, small ? { geometry: SMALL_FLASH } : {});
  buyer = await world.buyer("alice");
  open = await world.purse(buyer);
  await buyer.card.spend(open.slot, PAID, 7n);
  await buyer.card.allow(open.slot, 40n);
  closed = await world.purse(buyer, { seller: OTHER_SELLER });
  await buyer.card.close(closed.slot);
  const { sealed, slot } = await buyer.card.request(world.authorization("over-21", 9));
  waiting = { slot, share: world.mint.share(world.mint.open(sealed)) };
  start = buyer.simulated.snapshot();
}

beforeAll(() => stage("power cut", false));

interface Step {
  /** Power comes without the PIN: an allowance is spent. */
  readonly locked?: boolean;
  readonly run: () => Promise<unknown>;
  /** What must hold when power is back, beside that the state is the one before or the one after. */
  readonly check: (done: boolean, said: unknown) => Promise<void>;
}

const spendings = (order: Uint8Array, amount: bigint) => buyer.card.spend(open.slot, order, amount);

/** Tokens for `order` are the same as without a fault, and none of them is ever another order's. */
async function spentOnce(order: Uint8Array, amount: bigint, reference: SpentTokens, done: boolean): Promise<void> {
  const mine = new Set(serialsOf(reference.ranges));
  if (done) {
    const image = buyer.simulated.snapshot();
    for (const serial of serialsOf((await spendings(AFTER, 9n)).ranges)) expect(mine.has(serial)).toBe(false);
    buyer.simulated.restore(image);
  }
  expect(await spendings(order, amount)).toEqual(reference);
  expect(toHex(reference.halves)).toBe(toHex(halvesOf(open.request.seed, open.purse, order, [...mine])));
  for (const serial of serialsOf((await spendings(AFTER, 9n)).ranges)) expect(mine.has(serial)).toBe(false);
}

const references = new Map<string, SpentTokens>();

const STEPS: Readonly<Record<string, Step>> = {
  request: {
    run: () => buyer.card.request(world.order({ unit: { currency: 978, exponent: 3 } })),
    check: (done, said) => requestStands(3, done, said),
  },
  "request that flushes": {
    run: () => buyer.card.request(world.order({ flush: true })),
    check: async (done, said) => {
      await requestStands(3, done, said);
      const { sealed } = await buyer.card.close(open.slot);
      expect(world.mint.openClose(sealed, open.request).spent).toEqual([2, 1, 0]);
    },
  },
  install: {
    run: () => buyer.card.install(waiting.share),
    check: async () => {
      expect((await buyer.card.install(waiting.share)).slot).toBe(waiting.slot);
    },
  },
  "spend, a new order": {
    run: () => spendings(NEXT, 22n),
    check: (done) => spentOnce(NEXT, 22n, reference("spend, a new order"), done),
  },
  "spend, more for the open order": {
    run: () => spendings(PAID, 33n),
    check: (done) => spentOnce(PAID, 33n, reference("spend, more for the open order"), done),
  },
  "spend, the allowance": {
    locked: true,
    run: () => spendings(NEXT, 40n),
    check: async (done) => {
      const allowance = (await buyer.card.purses())[0]?.allowance;
      expect(allowance).toBe(done ? 0n : 40n);
      await spentOnce(NEXT, 40n, reference("spend, the allowance"), done);
    },
  },
  allow: {
    run: () => buyer.card.allow(open.slot, 9n),
    check: async () => {
      expect(await buyer.card.allow(open.slot, 9n)).toBe(9n);
    },
  },
  close: {
    run: () => buyer.card.close(open.slot),
    check: async () => {
      const { sealed } = await buyer.card.close(open.slot);
      expect(world.mint.openClose(sealed, open.request).spent).toEqual([2, 1, 0]);
      await expect(spendings(PAID, 7n)).rejects.toBeInstanceOf(ReasonError);
    },
  },
  settled: {
    run: () => buyer.card.settled(closed.slot, world.mint.refund(closed)),
    check: async (done) => {
      if (!done) await buyer.card.settled(closed.slot, world.mint.refund(closed));
      expect((await buyer.card.purses()).map(({ slot }) => slot)).toEqual([open.slot, waiting.slot]);
    },
  },
  forget: {
    run: () => buyer.card.forget(waiting.slot),
    check: async (done) => {
      if (!done) await buyer.card.forget(waiting.slot);
      expect((await buyer.card.purses()).map(({ slot }) => slot)).toEqual([open.slot, closed.slot]);
    },
  },
};

function reference(name: string): SpentTokens {
  return references.get(name) as SpentTokens;
}

/** A request that left the chip is the one that is stored, and can be said again. */
async function requestStands(slot: number, done: boolean, said: unknown): Promise<void> {
  if (!done) {
    expect(said).toBeUndefined();
    return;
  }
  const record = (await buyer.card.purses()).find((each) => each.slot === slot);
  const again = await buyer.card.repeat(slot);
  expect(toHex(again.nonce)).toBe(toHex(record?.nonce as Uint8Array));
  const request = world.mint.open(again.sealed);
  if (said !== undefined) expect(world.mint.open((said as { sealed: Uint8Array }).sealed)).toEqual(request);
  expect((await buyer.card.install(world.mint.share(request))).slot).toBe(slot);
}

/** All that is stored of purses, but for what is random. */
async function state(): Promise<string> {
  const purses = await buyer.card.purses();
  return JSON.stringify(
    purses.map(({ nonce: _, ...rest }) => rest),
    (_, value) => (typeof value === "bigint" ? `${value}` : value instanceof Uint8Array ? toHex(value) : value),
  );
}

function arm(hook: OperationHook | undefined): void {
  buyer.simulated.chip.onOperation = hook;
}

/** The chip as it is when the step begins. */
async function begin(image: Uint8Array, { locked }: Step): Promise<void> {
  arm(undefined);
  buyer.simulated.restore(image);
  if (locked === true) await buyer.element.restart();
}

interface Measured {
  readonly operations: number;
  readonly before: string;
  readonly after: string;
}

/** The step without a fault. */
async function measure(name: string, step: Step, image: Uint8Array): Promise<Measured> {
  await begin(image, { run: step.run, check: step.check });
  const before = await state();
  await begin(image, step);
  let operations = 0;
  arm(() => {
    operations += 1;
    return undefined;
  });
  const said = await step.run();
  arm(undefined);
  if (name.startsWith("spend")) references.set(name, said as SpentTokens);
  await world.restart(buyer);
  const after = await state();
  expect(after).not.toBe(before);
  return { operations, before, after };
}

/** Strikes the operation that comes after `at` others, once. */
function strike(
  at: number,
  fate: (operation: Operation) => Fate,
): OperationHook & { readonly happened: () => boolean } {
  let left = at;
  let happened = false;
  const hook = (operation: Operation) => {
    left -= 1;
    if (left >= 0 || happened) return undefined;
    happened = true;
    return fate(operation);
  };
  return Object.assign(hook, { happened: () => happened });
}

function torn(at: number, tear: Tear, seed: number) {
  const next = generator(seed);
  return strike(at, (operation) => tornFate(tear, operation, next, WORD_BYTES));
}

/** Carries the step out under a fault; undefined when it did not answer. */
async function struck(step: Step, hook: OperationHook): Promise<unknown> {
  arm(hook);
  try {
    return await step.run();
  } catch (error) {
    const isFault = error instanceof TransportError || error instanceof StatusWordError || error instanceof ReasonError;
    if (!isFault) throw error;
    return undefined;
  } finally {
    arm(undefined);
  }
}

/** Before or after; what was said is backed. */
async function judge(step: Step, { before, after }: Measured, said: unknown): Promise<boolean> {
  const now = await state();
  expect([before, after]).toContain(now);
  if (said !== undefined) expect(now).toBe(after);
  await step.check(now === after, said);
  return now === after;
}

async function named<Result>(where: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

async function cutEverywhere(name: string, step: Step, image: Uint8Array): Promise<number> {
  const measured = await measure(name, step, image);
  expect(measured.operations).toBeGreaterThan(1);
  let done = 0;
  for (let at = 0; at < measured.operations; at += 1) {
    for (const [index, tear] of TEARS.entries()) {
      await begin(image, step);
      const hook = torn(at, tear, at * 31 + index + 1);
      const said = await struck(step, hook);
      expect(hook.happened()).toBe(true);
      await world.restart(buyer);
      if (await named(`${name}: ${tear} at ${at}`, judge(step, measured, said))) done += 1;
    }
  }
  expect(done).toBeLessThan(measured.operations * TEARS.length);
  return done;
}

describe("power is cut", () => {
  test.each(Object.keys(STEPS))("at each operation of %s", async (name) => {
    expect(await cutEverywhere(name, STEPS[name] as Step, start)).toBeGreaterThan(0);
  });

  test.each(Object.keys(STEPS))("at each operation of %s, and again while the chip starts", async (name) => {
    const step = STEPS[name] as Step;
    const measured = await measure(name, step, start);
    for (let at = 0; at < measured.operations; at += 1) {
      for (let boot = 0; boot < 6; boot += 1) {
        await begin(start, step);
        const said = await struck(step, torn(at, TEARS[(at + boot) % TEARS.length] as Tear, at * 17 + boot + 1));
        arm(torn(boot, TEARS[boot % TEARS.length] as Tear, at * 977 + boot + 1));
        await world.unlockAfterPower(buyer).catch(() => undefined);
        await world.restart(buyer);
        await named(`${name}: cut at ${at}, and at ${boot} of the start`, judge(step, measured, said));
      }
    }
  });
});

describe("flash fails", () => {
  test.each(Object.keys(STEPS))("at each operation of %s: it is done and said, or neither", async (name) => {
    const step = STEPS[name] as Step;
    const measured = await measure(name, step, start);
    for (let at = 0; at < measured.operations; at += 1) {
      await begin(start, step);
      const hook = strike(at, ({ lengthBytes }) => (lengthBytes === 0 ? undefined : { fails: true }));
      const said = await struck(step, hook);
      if (step.locked === true) await world.unlock(buyer);
      const now = await state();
      expect(now, `${name}: failure at ${at}`).toBe(said === undefined ? measured.before : measured.after);
      await world.restart(buyer);
      await named(`${name}: failure at ${at}`, judge(step, measured, said));
    }
  });
});

test("power is cut while garbage is collected, because the store is nearly full", async () => {
  await stage("collecting", true);
  const step = STEPS["spend, a new order"] as Step;
  const seen = new Set<number>();
  let cuts = 0;
  for (let number = 0; number < 60 && seen.size < 4; number += 1) {
    await buyer.card.spend(open.slot, orderOf(9n, 100 + number), 1n);
    const image = buyer.simulated.snapshot();
    const { operations } = await measure("spend, a new order", step, image);
    if (!seen.has(operations)) {
      seen.add(operations);
      cuts += await cutEverywhere("spend, a new order", step, image);
    }
    buyer.simulated.restore(image);
  }
  // Some of them opened a page, some copied what lives in the oldest.
  expect(seen.size).toBeGreaterThan(2);
  expect(Math.max(...seen)).toBeGreaterThan(8);
  expect(cuts).toBeGreaterThan(10);
});
