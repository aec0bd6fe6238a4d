/** What a purse reveals, for which order, and what it does not: the rules of SPEND, one by one. */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SW_SECURITY_STATUS, SW_WRONG_DATA } from "../../firmware/protocol/apdu.js";
import * as r from "../../firmware/protocol/reasons.js";
import * as t from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { type CborValue, encode } from "../../host/codec/cbor.js";
import { ReasonError } from "../../host/reasons.js";
import { StatusWordError } from "../../host/status-words.js";
import type { Order } from "../../host/tokens/messages/payment.js";
import { NO_UNIT } from "../../host/tokens/terms.js";
import { PlatformError } from "../../simulator/platform.generated.js";
import { RecordReader } from "../support/conservation-records.js";
import { refuses, refusesBy, storedIn } from "../support/purse-checks.js";
import {
  type Buyer,
  DAY,
  type Filled,
  halvesOf,
  MILLS,
  OTHER_SELLER,
  orderOf,
  PurseWorld,
  SELLER,
  SPEND_BY,
  serialsOf,
} from "../support/purses.js";

let world: PurseWorld;
let buyer: Buyer;
let reader: RecordReader;
let filled: Filled;
let full: Uint8Array;

beforeAll(async () => {
  reader = await RecordReader.create();
  world = new PurseWorld("spending");
  buyer = await world.buyer("alice");
  filled = await world.purse(buyer);
  full = buyer.simulated.snapshot();
});

beforeEach(() => buyer.simulated.restore(full));

const spend = (order: Uint8Array, amount: bigint, firsts?: number[]) => () =>
  buyer.card.spend(filled.slot, order, amount, firsts === undefined ? {} : { firsts });
const next = async () => (await buyer.card.purses())[0]?.stacks.map((stack) => stack.next);

describe("the order", () => {
  const items = (changes: Record<number, CborValue> = {}) => {
    const order = [1, SELLER, new Uint8Array(16), new Uint8Array(32), 840, 3, 5, 0, null];
    return order.map((value, at) => (at in changes ? (changes[at] as CborValue) : value));
  };

  test("as it should be it is paid", async () => {
    expect((await buyer.card.spend(filled.slot, encode(items()), 5n)).amount).toBe(5n);
  });

  const malformed: Record<string, CborValue> = {
    "another version": items({ 0: 2 }),
    "a seller's id of another length": items({ 1: new Uint8Array(15) }),
    "a nonce of another length": items({ 2: new Uint8Array(8) }),
    "no hash": items({ 3: new Uint8Array(31) }),
    "a price that is no amount": items({ 6: 1n << 63n }),
    "a delivery that there is not": items({ 7: 2 }),
    "an empty assertion": items({ 8: "" }),
    "a long assertion": items({ 8: "x".repeat(t.ASSERTION_BYTES_MAX + 1) }),
    "an item more": [...items(), null],
    "an item less": items().slice(0, 8),
    "no array": 7,
  };

  test.each(Object.keys(malformed))("%s", async (name) => {
    await refusesBy(buyer, reader, SW_WRONG_DATA, spend(encode(malformed[name] as CborValue), 5n));
  });

  test("bytes behind it, and more of them than an order has", async () => {
    await refusesBy(buyer, reader, SW_WRONG_DATA, spend(Uint8Array.of(...encode(items()), 0), 5n));
    await refusesBy(buyer, reader, SW_WRONG_DATA, spend(new Uint8Array(t.ORDER_BYTES_MAX + 1), 5n));
    await refusesBy(buyer, reader, SW_WRONG_DATA, spend(new Uint8Array(0), 5n));
  });

  const wrong: Record<string, [number, Partial<Order>]> = {
    "for another seller": [r.REASON_OTHER_SELLER, { seller: OTHER_SELLER }],
    "in another currency": [r.REASON_UNKNOWN_UNIT, { unit: { ...MILLS, currency: 978 } }],
    "in a greater unit": [r.REASON_UNKNOWN_UNIT, { unit: { ...MILLS, exponent: 2 } }],
    "for an authorization": [r.REASON_UNKNOWN_UNIT, { unit: NO_UNIT }],
    "for less": [r.REASON_WRONG_AMOUNT, { price: 4n }],
  };

  test.each(Object.keys(wrong))("%s", async (name) => {
    const [reason, changes] = wrong[name] as [number, Partial<Order>];
    await refuses(buyer, reader, reason, spend(orderOf(9n, 1, changes), 5n));
  });

  test("for money and an assertion: the money is paid, the assertion is another purse's", async () => {
    expect((await buyer.card.spend(filled.slot, orderOf(5n, 1, { assertion: "over-21" }), 5n)).amount).toBe(5n);
  });

  test("an amount of nothing, and one above all that there is", async () => {
    await refuses(buyer, reader, r.REASON_AMOUNT_ZERO, spend(orderOf(5n), 0n));
    await refuses(buyer, reader, r.REASON_INSUFFICIENT_FUNDS, spend(orderOf(2_000n), 1_901n));
    await refusesBy(buyer, reader, SW_WRONG_DATA, spend(orderOf(5n), 1n << 63n));
    expect((await buyer.card.spend(filled.slot, orderOf(2_000n), 1_900n)).amount).toBe(1_900n);
    await refuses(buyer, reader, r.REASON_INSUFFICIENT_FUNDS, spend(orderOf(2_000n, 2), 1n));
  });

  test("a slot without a purse", async () => {
    for (const slot of [1, t.PURSES_MAX, 2 ** 40])
      await refuses(buyer, reader, r.REASON_NOT_FOUND, () => buyer.card.spend(slot, orderOf(5n), 5n));
  });
});

describe("one order is paid", () => {
  test("in steps: only what is new is taken, and all of it is shown", async () => {
    const order = orderOf(50n);
    const first = await buyer.card.spend(filled.slot, order, 3n);
    const second = await buyer.card.spend(filled.slot, order, 20n);
    expect(second.ranges).toEqual([
      { first: 0, count: 5 },
      { first: 500, count: 3 },
    ]);
    expect(toHex(second.halves.subarray(0, 96))).toBe(toHex(first.halves));
    expect(toHex(second.halves)).toBe(
      toHex(halvesOf(filled.request.seed, filled.purse, order, serialsOf(second.ranges))),
    );
    expect(await next()).toEqual([5, 3, 0]);
    await refuses(buyer, reader, r.REASON_WRONG_AMOUNT, spend(order, 19n));
    await refuses(buyer, reader, r.REASON_WRONG_AMOUNT, spend(order, 51n));
    expect((await buyer.card.spend(filled.slot, order, 50n)).amount).toBe(50n);
  });

  test("again: the same halves, and nothing is written, also after power was gone", async () => {
    const order = orderOf(37n);
    const first = await buyer.card.spend(filled.slot, order, 37n);
    const before = storedIn(buyer, reader);
    expect(await buyer.card.spend(filled.slot, order, 37n)).toEqual(first);
    await world.restart(buyer);
    expect(await buyer.card.spend(filled.slot, order, 37n)).toEqual(first);
    expect(storedIn(buyer, reader)).toBe(before);
  });

  test("until another takes its place: then it is a new one, with tokens of its own", async () => {
    const first = await buyer.card.spend(filled.slot, orderOf(2n, 1), 2n);
    const second = await buyer.card.spend(filled.slot, orderOf(2n, 2), 2n);
    const third = await buyer.card.spend(filled.slot, orderOf(2n, 1), 2n);
    expect([first, second, third].map(({ ranges }) => ranges)).toEqual([
      [{ first: 0, count: 2 }],
      [{ first: 2, count: 2 }],
      [{ first: 4, count: 2 }],
    ]);
  });

  test("one byte else is another order: other tokens, another mask", async () => {
    const a = orderOf(2n, 1, { delivery: t.DELIVERY_OPEN });
    const b = orderOf(2n, 1, { delivery: t.DELIVERY_SEALED });
    const [first, second] = [await buyer.card.spend(filled.slot, a, 2n), await buyer.card.spend(filled.slot, b, 2n)];
    expect(first.ranges).not.toEqual(second.ranges);
    expect(toHex(first.goodsKey)).not.toBe(toHex(second.goodsKey));
  });

  test("a page that is not there is refused before anything is taken", async () => {
    const order = orderOf(3n);
    for (const skip of [3, 2 ** 31, 2 ** 40])
      await refusesBy(buyer, reader, SW_WRONG_DATA, () => buyer.card.spendPage(filled.slot, order, 3n, skip));
    expect((await buyer.card.spendPage(filled.slot, order, 3n, 2)).halves).toHaveLength(32);
  });
});

describe("tokens that the host names", () => {
  test("those before them are never revealed", async () => {
    const { ranges } = await buyer.card.spend(filled.slot, orderOf(6n), 6n, { firsts: [10, 4, 0] });
    expect(ranges).toEqual([
      { first: 10, count: 1 },
      { first: 504, count: 1 },
    ]);
    expect(await next()).toEqual([11, 5, 0]);
    const after = await buyer.card.spend(filled.slot, orderOf(6n, 2), 6n);
    expect(after.ranges).toEqual([
      { first: 11, count: 1 },
      { first: 505, count: 1 },
    ]);
  });

  test("for the same order again: the same, and nothing else", async () => {
    const order = orderOf(6n);
    const first = await buyer.card.spend(filled.slot, order, 6n, { firsts: [10, 4, 0] });
    expect(await buyer.card.spend(filled.slot, order, 6n, { firsts: [10, 4, 0] })).toEqual(first);
    expect(await buyer.card.spend(filled.slot, order, 6n)).toEqual(first);
    await refuses(buyer, reader, r.REASON_UNEXPECTED, spend(order, 6n, [11, 5, 0]));
  });

  test("none that was passed, none that there is not, one for each denomination", async () => {
    await buyer.card.spend(filled.slot, orderOf(2n), 2n);
    await refuses(buyer, reader, r.REASON_UNEXPECTED, spend(orderOf(2n, 2), 2n, [1, 0, 0]));
    await refuses(buyer, reader, r.REASON_UNEXPECTED, spend(orderOf(2n, 2), 2n, [501, 0, 0]));
    await refuses(buyer, reader, r.REASON_UNEXPECTED, spend(orderOf(2n, 2), 2n, [2 ** 32 - 1, 0, 0]));
    for (const firsts of [[], [2], [2, 0], [2, 0, 0, 0], [2, 0, 2 ** 32], Array(9).fill(2)])
      await refusesBy(buyer, reader, SW_WRONG_DATA, spend(orderOf(2n, 2), 2n, firsts));
    await refuses(buyer, reader, r.REASON_INSUFFICIENT_FUNDS, spend(orderOf(2n, 2), 2n, [500, 80, 10]));
    expect((await buyer.card.spend(filled.slot, orderOf(2n, 2), 2n, { firsts: [498, 80, 10] })).ranges).toEqual([
      { first: 498, count: 2 },
    ]);
  });
});

describe("the last second for spending", () => {
  test("until it, by the time that the host gave", async () => {
    await buyer.element.open(BigInt(SPEND_BY));
    expect((await buyer.card.spend(filled.slot, orderOf(5n), 5n)).amount).toBe(5n);
    await buyer.element.open(BigInt(SPEND_BY + 1));
    await refuses(buyer, reader, r.REASON_SPENDING_OVER, spend(orderOf(5n, 2), 5n));
    await refuses(buyer, reader, r.REASON_SPENDING_OVER, spend(orderOf(5n), 5n));
    expect(await buyer.card.find(SELLER, t.PURSE_MONEY, MILLS)).toBeUndefined();
  });

  test("by the floor, when no host said what time it is", async () => {
    await buyer.card.allow(filled.slot, 100n);
    await buyer.element.restart();
    expect((await buyer.card.spend(filled.slot, orderOf(5n), 5n)).amount).toBe(5n);
    await buyer.element.putList(world.agencies.agents.badIdList(9n, SPEND_BY + DAY, []));
    await refuses(buyer, reader, r.REASON_SPENDING_OVER, spend(orderOf(5n, 2), 5n));
    expect(await buyer.card.find(SELLER, t.PURSE_MONEY, MILLS)).toBeUndefined();
  });
});

describe("authorizations", () => {
  let slot: number;
  const order = (number: number, changes: Partial<Order> = {}) =>
    orderOf(1n, number, { unit: NO_UNIT, assertion: "over-21", ...changes });

  beforeEach(async () => {
    const { denominations, ...rest } = world.authorization("over-21", 3);
    ({ slot } = await world.purse(buyer, { ...rest, denominations }));
  });

  test("one token an order, in order, as many as there are", async () => {
    for (const number of [0, 1, 2]) {
      const { ranges } = await buyer.card.spend(slot, order(number), 1n);
      expect(ranges).toEqual([{ first: number, count: 1 }]);
    }
    await refuses(buyer, reader, r.REASON_INSUFFICIENT_FUNDS, () => buyer.card.spend(slot, order(3), 1n));
  });

  test("the assertion is the purse's, to the letter", async () => {
    for (const assertion of ["over-18", "over-2", "over-211", null])
      await refuses(buyer, reader, r.REASON_OTHER_ASSERTION, () => buyer.card.spend(slot, order(1, { assertion }), 1n));
  });

  test("beside money of any unit and price, which is another purse's affair", async () => {
    for (const [number, changes] of [
      { unit: MILLS, price: 40n },
      { price: 0n },
      { unit: MILLS, price: 1n },
    ].entries()) {
      const { ranges } = await buyer.card.spend(slot, order(number, changes), 1n);
      expect(ranges).toEqual([{ first: number, count: 1 }]);
    }
  });

  test("not two of them for one order", async () => {
    await refuses(buyer, reader, r.REASON_WRONG_AMOUNT, () => buyer.card.spend(slot, order(1, { price: 2n }), 2n));
  });
});

describe("without the PIN", () => {
  beforeEach(() => buyer.element.select());

  test("nothing is revealed, and not even said whether there is a purse", async () => {
    for (const slot of [filled.slot, 5, 2 ** 40])
      await refusesBy(buyer, reader, SW_SECURITY_STATUS, () => buyer.card.spend(slot, orderOf(5n), 5n));
    await refusesBy(buyer, reader, SW_SECURITY_STATUS, spend(orderOf(5n, 1, { seller: OTHER_SELLER }), 5n));
    await refusesBy(buyer, reader, SW_SECURITY_STATUS, spend(orderOf(5n), 0n));
    expect(await buyer.card.find(SELLER, t.PURSE_MONEY, MILLS)).toBeUndefined();
  });

  test("what the owner allowed, and no more; with the PIN it stays as it is", async () => {
    await world.unlock(buyer);
    expect(await buyer.card.allow(filled.slot, 12n)).toBe(12n);
    await buyer.card.spend(filled.slot, orderOf(30n, 9), 30n);
    await buyer.element.select();
    expect(await buyer.card.find(SELLER, t.PURSE_MONEY, MILLS)).toMatchObject({ slot: filled.slot, allowance: 12n });
    await buyer.card.spend(filled.slot, orderOf(20n), 7n);
    expect(await buyer.card.find(SELLER, t.PURSE_MONEY, MILLS)).toMatchObject({ allowance: 5n });
    await refuses(buyer, reader, r.REASON_ALLOWANCE, spend(orderOf(20n), 13n));
    await refuses(buyer, reader, r.REASON_ALLOWANCE, spend(orderOf(20n, 2), 6n));
    // Only what is new counts.
    await buyer.card.spend(filled.slot, orderOf(20n), 12n);
    expect(await buyer.card.find(SELLER, t.PURSE_MONEY, MILLS)).toBeUndefined();
    await refusesBy(buyer, reader, SW_SECURITY_STATUS, spend(orderOf(20n, 2), 1n));
    await refuses(buyer, reader, r.REASON_ALLOWANCE, spend(orderOf(20n), 13n));
  });

  test("the order that was paid last is shown its halves again when the allowance is used up", async () => {
    await world.unlock(buyer);
    await buyer.card.allow(filled.slot, 6n);
    await buyer.element.restart();
    const first = await buyer.card.spend(filled.slot, orderOf(6n), 6n);
    await buyer.element.restart();
    const before = storedIn(buyer, reader);
    expect(await buyer.card.spend(filled.slot, orderOf(6n), 6n)).toEqual(first);
    expect(storedIn(buyer, reader)).toBe(before);
  });

  test("an allowance takes no more than the purse has, and can be taken back", async () => {
    await world.unlock(buyer);
    await buyer.card.allow(filled.slot, (1n << 63n) - 1n);
    await buyer.element.select();
    await refuses(buyer, reader, r.REASON_INSUFFICIENT_FUNDS, spend(orderOf(9_999n), 1_901n));
    await world.unlock(buyer);
    await buyer.card.allow(filled.slot, 0n);
    await buyer.element.select();
    await refusesBy(buyer, reader, SW_SECURITY_STATUS, spend(orderOf(1n), 1n));
    await refusesBy(buyer, reader, SW_SECURITY_STATUS, () => buyer.card.allow(filled.slot, 5n));
    await refusesBy(buyer, reader, SW_SECURITY_STATUS, () => buyer.card.close(filled.slot));
    await refusesBy(buyer, reader, SW_SECURITY_STATUS, () => buyer.card.purses());
  });
});

describe("a chip that fails", () => {
  /** The n-th call of a function of the platform answers that it failed. */
  function failing(name: "hmacSha256" | "hkdfSha256" | "sha256", at: number): { readonly failed: () => boolean } {
    const { chip } = buyer.simulated;
    let left = at;
    const real = chip[name].bind(chip) as (...values: never[]) => number;
    const value = (...values: never[]) => {
      left -= 1;
      return left === -1 ? PlatformError.FlashFailure : real(...values);
    };
    Object.defineProperty(chip, name, { configurable: true, value });
    return { failed: () => left < 0 };
  }

  test.each(["hmacSha256", "hkdfSha256", "sha256"] as const)(
    "in any %s: no half leaves, and none is lost",
    async (name) => {
      const order = orderOf(108n);
      const { seed } = filled.request;
      let failures = 0;
      for (let at = 0; ; at += 1) {
        buyer.simulated.restore(full);
        const { failed } = failing(name, at);
        const outcome = await buyer.card.spend(filled.slot, order, 108n).catch((error: unknown) => error);
        Reflect.deleteProperty(buyer.simulated.chip, name);
        if (!failed()) break;
        failures += 1;
        // Where the store finds by itself that its write is whole, it is.
        if (outcome instanceof Error)
          expect(outcome instanceof StatusWordError || outcome instanceof ReasonError).toBe(true);
        const waiting = await buyer.element.fetchAgain().catch(() => []);
        // Address, kind, array, number.
        const halves = waiting.filter((envelope) => envelope[4] === t.NOTICE_PURSE_SPENT);
        expect(halves).toHaveLength(outcome instanceof Error ? 0 : 1);
        const spent = await buyer.card.spend(filled.slot, order, 108n);
        expect(spent.ranges).toEqual([
          { first: 0, count: 3 },
          { first: 500, count: 1 },
          { first: 580, count: 1 },
        ]);
        expect(toHex(spent.halves)).toBe(toHex(halvesOf(seed, filled.purse, order, serialsOf(spent.ranges))));
      }
      expect(failures).toBeGreaterThan(name === "hmacSha256" ? 9 : 1);
    },
  );
});
