/** A chip and a mint: what keeps an owner from tokens, and what a terminal without the PIN can do. */

import { expect, it } from "vitest";
import { CardPurse, wantedMoney } from "../../host/tokens/buyer/buyer.js";
import { type Buyer, MILLS, orderOf, PurseWorld, SELLER } from "../support/purses.js";

async function locked(buyer: Buyer): Promise<void> {
  await buyer.element.restart();
}

it("a terminal with an allowance of a tenth of a cent does not make a purse of two dollars useless", async () => {
  const world = new PurseWorld("burnt");
  const buyer = await world.buyer("alice");
  const { slot } = await world.purse(buyer);
  await buyer.card.allow(slot, 1n);
  await locked(buyer);
  await buyer.card.spend(slot, orderOf(1n), 1n, { firsts: [499, 80, 10] }).catch(() => undefined);
  await world.unlock(buyer);
  const [purse] = await buyer.card.purses();
  const left = purse?.stacks.reduce((sum, { value, count, next }) => sum + value * BigInt(count - next), 0n);
  expect(left).toBeGreaterThanOrEqual(1_899n);
});

it("a purse that is empty does not hide another one for the same seller", async () => {
  const world = new PurseWorld("two issuers");
  const buyer = await world.buyer("alice");
  const { slot } = await world.purse(buyer);
  await buyer.card.spend(slot, orderOf(1_900n), 1_900n);
  const other = world.newMint(0xb1);
  const sent = await buyer.card.request(world.order({ issuerChain: other.chain }));
  await buyer.card.install(other.share(other.open(sent.sealed)));
  const found = await new CardPurse(buyer.card).find(wantedMoney(SELLER, MILLS));
  expect(found?.available).toBe(1_900n);
});
