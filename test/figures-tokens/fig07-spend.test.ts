/**
 * EP 0 833 285 A2 fig. 7, the buyer's chip: as many halves as make the price leave it, and nothing else is done for
 * them than keyed hashes.
 */

import { beforeEach, expect, it } from "vitest";
import { DELIVERY_SEALED, HALF_BYTES, HALVES_PER_SPEND_MAX, PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { countOf, platformCalls } from "../support/platform-calls.js";
import {
  type Buyer,
  type Filled,
  goodsKeyOf,
  halvesOf,
  MILLS,
  orderOf,
  PurseWorld,
  SELLER,
  serialsOf,
} from "../support/purses.js";

let world: PurseWorld;
let buyer: Buyer;
let filled: Filled;

beforeEach(async () => {
  world = new PurseWorld("figure 7");
  buyer = await world.buyer("alice");
  filled = await world.purse(buyer);
});

it("the host finds the purse for the seller, and what is left in it", async () => {
  const found = await buyer.card.find(SELLER, PURSE_MONEY, MILLS);
  expect(found).toMatchObject({ slot: filled.slot, purse: filled.purse, allowance: 0n });
  expect(await buyer.card.find(new Uint8Array(16), PURSE_MONEY, MILLS)).toBeUndefined();
  expect(await buyer.card.find(SELLER, PURSE_MONEY, { currency: 978, exponent: 3 })).toBeUndefined();
});

it("halves are what issuer and seller compute from the seed, masked for the order", async () => {
  const order = orderOf(107n);
  const spent = await buyer.card.spend(filled.slot, order, 107n);
  // One of a hundred, one of five, two of one; serial numbers go on from denomination to denomination.
  expect(spent.ranges).toEqual([
    { first: 0, count: 2 },
    { first: 500, count: 1 },
    { first: 580, count: 1 },
  ]);
  expect(spent).toMatchObject({ purse: filled.purse, index: 0, amount: 107n });
  expect(toHex(spent.halves)).toBe(toHex(halvesOf(filled.request.seed, filled.purse, order, serialsOf(spent.ranges))));
});

it("the goods are sealed under a key of this order, which the seller makes too", async () => {
  const order = orderOf(1n, 1, { delivery: DELIVERY_SEALED });
  const { goodsKey } = await buyer.card.spend(filled.slot, order, 1n);
  expect(toHex(goodsKey)).toBe(toHex(goodsKeyOf(filled.request.seed, order)));
});

it("tokens of a denomination are spent in order, and none twice", async () => {
  const seen = new Set<number>();
  for (let number = 1; number <= 20; number += 1) {
    const { ranges } = await buyer.card.spend(filled.slot, orderOf(7n, number), 7n);
    for (const serial of serialsOf(ranges)) {
      expect(seen.has(serial)).toBe(false);
      seen.add(serial);
    }
  }
  expect([...seen].sort((a, b) => a - b)).toEqual([
    ...Array.from({ length: 40 }, (_, i) => i),
    ...Array.from({ length: 20 }, (_, i) => 500 + i),
  ]);
});

it("a large payment comes in pages, the same whatever is asked for first", async () => {
  const { slot, purse, request } = filled;
  // All hundreds, all fives, 300 of one: 390 halves.
  const order = orderOf(1_700n);
  const spent = await buyer.card.spend(slot, order, 1_700n);
  const serials = serialsOf(spent.ranges);
  expect(serials).toHaveLength(390);
  expect(toHex(spent.halves)).toBe(toHex(halvesOf(request.seed, purse, order, serials)));
  const page = await buyer.card.spendPage(slot, order, 1_700n, 305);
  expect(page.halves.length).toBe(85 * HALF_BYTES);
  expect(toHex(page.halves)).toBe(toHex(spent.halves.subarray(305 * HALF_BYTES)));
  expect((await buyer.card.spendPage(slot, order, 1_700n, 7)).halves.length).toBe(HALVES_PER_SPEND_MAX * HALF_BYTES);
});

it("the chip does no public-key cryptography: two keyed hashes a half, and a few besides", async () => {
  const one = await platformCalls(buyer.simulated.chip, () => buyer.card.spend(filled.slot, orderOf(100n), 100n));
  const many = await platformCalls(buyer.simulated.chip, () => buyer.card.spend(filled.slot, orderOf(500n, 2), 500n));
  for (const calls of [one, many]) {
    expect(calls.filter((name) => /25519|slot|aead|random/.test(name))).toEqual([]);
    expect(countOf(calls, "hkdfSha256")).toBe(2);
  }
  // Two for each half, one for the goods; the store's commit is one more.
  expect([one, many].map((calls) => countOf(calls, "hmacSha256"))).toEqual([2 + 1 + 1, 2 * 5 + 1 + 1]);
  // The command, the order, and what the store writes.
  expect(countOf(one, "sha256")).toBe(countOf(many, "sha256"));
  // The count is real: a close does what a spend does not.
  const close = await platformCalls(buyer.simulated.chip, () => buyer.card.close(filled.slot));
  expect([countOf(close, "ed25519Sign"), countOf(close, "x25519Agree")]).toEqual([1, 1]);
});

it("what is spent is stored, in one write, before a half is made", async () => {
  const calls = await platformCalls(buyer.simulated.chip, () => buyer.card.spend(filled.slot, orderOf(100n), 100n));
  const [record, commit, ...more] = calls.flatMap((name, at) => (name === "flashProgram" ? [at] : []));
  expect([record, commit]).not.toContain(undefined);
  expect(more).toEqual([]);
  expect(calls.indexOf("hkdfSha256")).toBeGreaterThan(commit as number);
  const again = await platformCalls(buyer.simulated.chip, () => buyer.card.spend(filled.slot, orderOf(100n), 100n));
  expect(countOf(again, "flashProgram")).toBe(0);
});
