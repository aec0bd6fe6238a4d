/** A seller has the records of its latest orders at hand, and asks the disk for those of others: an answer is the same from either. */

import { afterEach, beforeEach, expect, it } from "vitest";
import type { Accepted } from "../../host/tokens/seller/seller.js";
import { outcome, range, SellerWorld } from "../support/seller-world.js";
import type { BuyersPurse, TokenBuyer } from "../support/token-buyer.js";

const ORDERS = 17_000;
const CROWD = 1_000;
const PRICE = 10n;

let world: SellerWorld;
let buyer: TokenBuyer;
let purse: BuyersPurse;

beforeEach(async () => {
  world = await SellerWorld.open("many orders");
  buyer = world.buyer();
  purse = await world.purse(buyer, { denominations: [{ value: PRICE, count: ORDERS + 1 }] });
});

afterEach(() => world.close());

it("answers a repeated order as before, however many came since, and takes nothing twice", async () => {
  const expected = world.expected(PRICE);
  const payments = Array.from({ length: ORDERS }, (_, serial) => world.payment(buyer, purse, PRICE, range(serial)));
  const answers: Accepted[] = [];
  // What is not on the disk yet is not forgotten, so they come in crowds.
  for (let at = 0; at < ORDERS; at += CROWD) {
    const crowd = payments.slice(at, at + CROWD);
    answers.push(...(await Promise.all(crowd.map((payment) => world.seller.accept(payment, expected)))));
  }
  expect(answers.every(({ first, state }) => first && state === "paid")).toBe(true);
  for (const number of [0, 1, ORDERS / 2, ORDERS - 1]) {
    const again = await world.seller.accept(payments[number] ?? new Uint8Array(0), expected);
    expect(again).toEqual({ ...answers[number], first: false });
  }
  // A token of an order long ago is gone for every other order.
  expect(await outcome(world.seller.accept(world.payment(buyer, purse, PRICE, range(0)), expected))).toBe("half-spent");
  expect(await outcome(world.seller.accept(world.payment(buyer, purse, PRICE, range(ORDERS)), expected))).toBe("paid");
  expect(world.seller.balance()[0]?.accepted).toBe(PRICE * BigInt(ORDERS + 1));
  expect(await world.seller.audit()).toEqual([]);
});

it("knows an order that the disk does not have yet, however many came since", async () => {
  const expected = world.expected(PRICE);
  const payments = Array.from({ length: ORDERS }, (_, serial) => world.payment(buyer, purse, PRICE, range(serial)));
  const [early = new Uint8Array(0)] = payments;
  const all = await Promise.all([...payments, early].map((payment) => world.seller.accept(payment, expected)));
  expect(all.filter(({ first, state }) => first && state === "paid")).toHaveLength(ORDERS);
  expect(all.at(-1)).toEqual({ ...all[0], first: false });
});
