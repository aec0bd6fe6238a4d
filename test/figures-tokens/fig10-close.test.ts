/**
 * EP 0 833 285 A2 fig. 10, the buyer's chip: it spends no more, then says how far it went, and forgets the purse when
 * it was refunded.
 */

import { beforeEach, expect, it } from "vitest";
import { REASON_PURSE_CLOSED } from "../../firmware/protocol/reasons.js";
import { PURSE_MONEY, TOKEN_CLOSE_PLAIN_BYTES } from "../../firmware/protocol/tokens.js";
import { platformCalls } from "../support/platform-calls.js";
import { type Buyer, type Filled, MILLS, orderOf, PurseWorld, SELLER } from "../support/purses.js";
import { reasonOf } from "../support/refusals.js";

let world: PurseWorld;
let buyer: Buyer;
let filled: Filled;

beforeEach(async () => {
  world = new PurseWorld("figure 10");
  buyer = await world.buyer("alice");
  filled = await world.purse(buyer);
  await buyer.card.spend(filled.slot, orderOf(107n), 107n);
});

it("says how many tokens of each denomination were revealed, signed and sealed to the issuer", async () => {
  const { sealed, purse } = await buyer.card.close(filled.slot);
  expect(sealed).toHaveLength(TOKEN_CLOSE_PLAIN_BYTES + 48);
  expect(world.mint.openClose(sealed, filled.request)).toEqual({ purse, buyer: buyer.id, spent: [2, 1, 1] });
  expect(() => world.newMint(0xb1).openClose(sealed, filled.request)).toThrow();
});

it("no half is revealed any more, not even for the order that is open", async () => {
  await buyer.card.close(filled.slot);
  expect(await reasonOf(buyer.card.spend(filled.slot, orderOf(107n), 107n))).toBe(REASON_PURSE_CLOSED);
  expect(await reasonOf(buyer.card.spend(filled.slot, orderOf(1n, 2), 1n))).toBe(REASON_PURSE_CLOSED);
  expect(await reasonOf(buyer.card.allow(filled.slot, 5n))).toBe(REASON_PURSE_CLOSED);
  expect(await buyer.card.find(SELLER, PURSE_MONEY, MILLS)).toBeUndefined();
});

it("is stored, in one write, before the word is signed", async () => {
  const calls = await platformCalls(buyer.simulated.chip, () => buyer.card.close(filled.slot));
  const writes = calls.flatMap((name, at) => (name === "flashProgram" ? [at] : []));
  expect(writes).toHaveLength(2);
  expect(calls.indexOf("ed25519Sign")).toBeGreaterThan(writes[1] as number);
});

it("closing again says the same again, and writes nothing", async () => {
  const first = await buyer.card.close(filled.slot);
  const before = await buyer.element.digest();
  const again = await buyer.card.close(filled.slot);
  expect(world.mint.openClose(again.sealed, filled.request)).toEqual(
    world.mint.openClose(first.sealed, filled.request),
  );
  expect(await buyer.element.digest()).toEqual(before);
});

it("a new request for the seller closes the old purse and names it: the issuer flushes it first", async () => {
  const { sealed, slot } = await buyer.card.request(world.order({ flush: true }));
  expect(world.mint.open(sealed).flushes).toEqual(filled.purse);
  expect(await buyer.card.purses()).toMatchObject([
    { slot: filled.slot, state: "closed" },
    { slot, state: "requested" },
  ]);
  const { sealed: statement } = await buyer.card.close(filled.slot);
  expect(world.mint.openClose(statement, filled.request).spent).toEqual([2, 1, 1]);
});

it("1099: with the issuer's notice that it was refunded the purse is gone", async () => {
  await buyer.card.close(filled.slot);
  expect(await buyer.card.settled(filled.slot, world.mint.refund(filled))).toEqual({
    slot: filled.slot,
    purse: filled.purse,
  });
  expect(await buyer.card.purses()).toEqual([]);
});
