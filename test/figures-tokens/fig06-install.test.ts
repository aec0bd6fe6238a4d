/**
 * EP 0 833 285 A2 fig. 6: the buyer unseals its purse, checks that the issuer signed it, and adds it to those that it
 * can spend.
 */

import { beforeEach, expect, it } from "vitest";
import { REASON_BAD_SEAL, REASON_BAD_SIGNATURE } from "../../firmware/protocol/reasons.js";
import { DENOMINATIONS_MAX } from "../../firmware/protocol/tokens.js";
import { ed25519Signer } from "../../host/crypto.js";
import { type Buyer, COINS, DAY, PurseWorld, REDEEM_BY, SPEND_BY } from "../support/purses.js";
import { reasonOf } from "../support/refusals.js";

let world: PurseWorld;
let buyer: Buyer;

beforeEach(async () => {
  world = new PurseWorld("figure 6");
  buyer = await world.buyer("alice");
});

it("the purse is unsealed by the key of this chip: another chip's is none of its own", async () => {
  const mallory = await world.buyer("mallory");
  const request = world.mint.open((await buyer.card.request(world.order())).sealed);
  await mallory.card.request(world.order());
  const share = world.mint.share(request);
  expect(await reasonOf(mallory.card.install(share))).toBe(REASON_BAD_SEAL);
  expect((await buyer.card.install(share)).slot).toBe(0);
});

it("the issuer's signature is checked with the key to which the request was sealed", async () => {
  const request = world.mint.open((await buyer.card.request(world.order())).sealed);
  const forged = world.mint.share(request, {}, ed25519Signer(new Uint8Array(32).fill(0x66)));
  expect(await reasonOf(buyer.card.install(forged))).toBe(REASON_BAD_SIGNATURE);
  const before = await buyer.element.digest();
  expect(await reasonOf(buyer.card.install(forged))).toBe(REASON_BAD_SIGNATURE);
  expect(await buyer.element.digest()).toEqual(before);
  await buyer.card.install(world.mint.share(request));
});

it("the purse is among those that can be spent, with all its tokens", async () => {
  const { slot, purse } = await world.purse(buyer);
  expect(await buyer.card.purses()).toMatchObject([
    {
      slot,
      purse,
      state: "open",
      stacks: COINS.map((coin) => ({ ...coin, next: 0 })),
      spendBy_seconds: SPEND_BY,
      redeemBy_seconds: REDEEM_BY,
      order: null,
      revealed: 0n,
      allowance: 0n,
      holders: 1,
      index: 0,
    },
  ]);
});

it("the issuer sets the last days, the buyer's host only asks for one", async () => {
  await world.purse(buyer, {}, { spendBy_seconds: SPEND_BY - DAY, redeemBy_seconds: SPEND_BY - DAY });
  expect(await buyer.card.purses()).toMatchObject([
    { spendBy_seconds: SPEND_BY - DAY, redeemBy_seconds: SPEND_BY - DAY },
  ]);
});

it("the same purse again is the same purse: nothing is written", async () => {
  const request = world.mint.open((await buyer.card.request(world.order())).sealed);
  const share = world.mint.share(request, { purse: new Uint8Array(16).fill(0x77) });
  const first = await buyer.card.install(share);
  const before = await buyer.element.digest();
  expect(await buyer.card.install(share)).toEqual(first);
  // The issuer may have sealed it anew.
  const again = world.mint.share(request, { purse: new Uint8Array(16).fill(0x77) });
  expect(await buyer.card.install(again)).toEqual(first);
  expect(await buyer.element.digest()).toEqual(before);
});

it("the longest purse there is comes in one message of the one length", async () => {
  const denominations = Array.from({ length: DENOMINATIONS_MAX }, (_, d) => ({
    value: 1n << BigInt(36 + d),
    count: 99_999,
  }));
  const joint = { id: new Uint8Array(16).fill(9), holders: 4, index: 3 };
  await world.purse(buyer, { denominations, joint });
  expect(await buyer.card.purses()).toMatchObject([{ state: "open", holders: 4, index: 3 }]);
});
