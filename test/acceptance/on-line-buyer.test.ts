/**
 * A buyer who is on line asks the mint straight away (EP 0 833 285 A2 fig. 4, step 1028): her chip has its purse at once, and the shop's
 * goes to the shop, which is reached, or is not, and collects it later.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import { PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { CardPurse } from "../../host/tokens/buyer/buyer.js";
import type { PurseOrder } from "../../host/tokens/buyer/card.js";
import type { InstalledPurse } from "../../host/tokens/buyer/card-data.js";
import { refundTokens, requestTokens } from "../../host/tokens/buyer/errands.js";
import { MintClient } from "../../host/tokens/http/mint-client.js";
import { payingFetch } from "../../host/tokens/http/paying-client.js";
import { readOuter } from "../../host/tokens/messages/request.js";
import type { Issuer } from "../../host/tokens/parties.js";
import { type Buyer, PurseWorld } from "../support/purses.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";
import { bought, DAY, GOODS, refusedBy, type Shop, TokenMarket } from "../support/token-market.js";
import { outcomeOf } from "../support/token-world.js";

const PRICE = GOODS["/article"].price;
const FACE = 1_000n;
const SAVINGS = 100_000n;

let chips: PurseWorld;
let market: TokenMarket;
let shop: Shop;
let alice: Buyer;
let mint: Issuer;

beforeEach(async () => {
  chips = new PurseWorld("on line");
  market = await TokenMarket.open({ agency: chips.agencies.agents, time: chips.time, random: chips.random });
  shop = await market.shop("shop");
  alice = await chips.buyer("alice");
  await market.account("alice", alice.id, SAVINGS / 100n);
  mint = new MintClient(market.mintUrl);
});
afterEach(() => market.close());

/** Over HTTP, to the mint itself. */
function asks(changes: Partial<PurseOrder> = {}): Promise<InstalledPurse> {
  const order: PurseOrder = {
    issuerChain: market.mint.chain,
    seller: shop.seller.id,
    kind: PURSE_MONEY,
    unit: FINE_DOLLAR,
    denominations: [{ value: 10n, count: 100 }],
    spendBy_seconds: market.now() + 30 * DAY,
    ...changes,
  };
  const forward = (outer: Uint8Array) => mint.request(readOuter(outer).sealed);
  return requestTokens(alice.card, market.mint.id, order, forward, refusedBy(market.mint, alice.id));
}

function reader() {
  const maxPrice = { amount: 100n, unit: FINE_DOLLAR };
  return payingFetch({ purses: [new CardPurse(alice.card)], maxPrice, random: chips.random });
}

const reads = (pay = reader()) => bought(pay, `${shop.url}/article`);

const worths = async () => ({
  alice: await market.worth("alice", alice.id),
  shop: await market.worth(shop.name, shop.seller.id),
});

const purses = () => shop.seller.purses().map(({ state }) => state);

test("the purse of a shop that is reached is brought there, and she reads at once", async () => {
  const { slot } = await asks();
  await expect.poll(purses).toEqual(["open"]);
  expect([await reads(), await reads()]).toEqual([GOODS["/article"].text, GOODS["/article"].text]);
  // Nothing is left to collect.
  expect(await shop.seller.collect()).toEqual({ credited: [], failed: [] });
  expect((await shop.seller.redeem()).failed).toEqual([]);
  expect(await refundTokens(alice.card, slot, (sealed) => mint.refund(sealed))).toMatchObject({ state: "closed" });
  expect(await alice.card.purses()).toEqual([]);
  expect(await worths()).toEqual({ alice: SAVINGS - 2n * PRICE, shop: 2n * PRICE });
  expect(await market.faults()).toEqual([]);
});

test("a shop that is not reached collects it: what she paid before is refused, and then good in the same bytes", async () => {
  shop.line = undefined;
  const { slot } = await asks();
  expect(await worths()).toEqual({ alice: SAVINGS - FACE, shop: 0n });
  expect(purses()).toEqual([]);
  // The shop has not its half: it says so, takes nothing, and the chip has shown its halves for that order.
  const pay = reader();
  expect(await reads(pay)).toBe("unknown-purse");
  const [shown] = await alice.card.purses();
  expect(shown?.stacks).toEqual([{ value: 10n, count: 100, next: 3 }]);

  expect((await shop.seller.collect()).failed).toEqual([]);
  expect(purses()).toEqual(["open"]);
  expect(await reads(pay)).toBe(GOODS["/article"].text);
  expect((await alice.card.purses())[0]?.stacks).toEqual(shown?.stacks);

  // The refund too waits for the shop to collect.
  expect(await refundTokens(alice.card, slot, (sealed) => mint.refund(sealed))).toMatchObject({ state: "recalled" });
  expect(await worths()).toEqual({ alice: SAVINGS - FACE, shop: 0n });
  expect(await reads()).toBe("no-purse");
  expect((await shop.seller.collect()).failed).toEqual([]);
  expect(purses()).toEqual(["returned"]);
  expect(await refundTokens(alice.card, slot, (sealed) => mint.refund(sealed))).toMatchObject({ state: "closed" });
  expect(await worths()).toEqual({ alice: SAVINGS - PRICE, shop: PRICE });
  expect(await market.faults()).toEqual([]);
});

test("a purse that was given back before the shop had its own is refunded whole, and no half of it is taken", async () => {
  shop.line = undefined;
  const { slot } = await asks();
  const pay = reader();
  expect(await reads(pay)).toBe("unknown-purse");
  expect(await refundTokens(alice.card, slot, (sealed) => mint.refund(sealed))).toMatchObject({ state: "recalled" });
  // Purse and recall wait for the shop together.
  expect((await shop.seller.collect()).failed).toEqual([]);
  expect(await reads(pay)).toBe("purse-recalled");
  expect(await refundTokens(alice.card, slot, (sealed) => mint.refund(sealed))).toMatchObject({ state: "closed" });
  expect(await worths()).toEqual({ alice: SAVINGS, shop: 0n });
  expect(await market.faults()).toEqual([]);
});

test("one that is not reached at first, and answers later, gets it without collecting", async () => {
  const { line } = shop;
  let tries = 0;
  shop.line = new Proxy(line ?? ({} as NonNullable<typeof line>), {
    get: () => () => {
      tries += 1;
      return Promise.reject(new Error("nobody there"));
    },
  });
  await asks();
  await expect.poll(() => tries).toBe(1);
  expect(purses()).toEqual([]);
  shop.line = line;
  // The mint tries again by itself.
  await chips.time.run(expect.poll(purses).toEqual(["open"]));
  expect(await reads()).toBe(GOODS["/article"].text);
  expect(await market.faults()).toEqual([]);
});

test("who is refused straight away has nothing debited, and learns no more than a shop would", async () => {
  expect(await outcomeOf(asks({ denominations: [{ value: SAVINGS + 1n, count: 1 }] }))).toBe("refused");
  expect(await alice.card.purses()).toEqual([]);
  expect(await worths()).toEqual({ alice: SAVINGS, shop: 0n });
  expect(purses()).toEqual([]);
  expect((await shop.seller.collect()).failed).toEqual([]);
  expect(purses()).toEqual([]);
  expect(await market.faults()).toEqual([]);
});
