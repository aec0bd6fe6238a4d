/**
 * A buyer's host asks for tokens and has back what is left, with a real chip, mint and seller, and dies at every step of it: before and after
 * each command to the chip, each message and its answer. What is begun again after that ends as if nothing had happened.
 */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AID_PURSE } from "../../firmware/protocol/apdu.js";
import { PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { Element } from "../../host/element.js";
import { CardPurse } from "../../host/tokens/buyer/buyer.js";
import { PurseCard, type PurseOrder } from "../../host/tokens/buyer/card.js";
import { refundClosed, refundTokens, requestTokens } from "../../host/tokens/buyer/errands.js";
import { TokenError } from "../../host/tokens/errors.js";
import { payingFetch } from "../../host/tokens/http/paying-client.js";
import type { BuyerPurse, Refund } from "../../host/tokens/parties.js";
import type { Transport } from "../../host/transport.js";
import { Death, Mortal } from "../support/mortal.js";
import { type Buyer, PIN, PurseWorld } from "../support/purses.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";
import { bought, DAY, OVER_21, refusedBy, type Shop, TokenMarket } from "../support/token-market.js";
import { outcomeOf } from "../support/token-world.js";

const FACE = 1_000n;
const PRICE = 30n;
const SAVINGS = 10_000n;

let chips: PurseWorld;
let market: TokenMarket;
let shop: Shop;

beforeEach(async () => {
  chips = new PurseWorld("errands");
  market = await TokenMarket.open({ agency: chips.agencies.agents, time: chips.time, random: chips.random });
  shop = await market.shop("shop");
});
afterEach(() => market.close());

let customers = 0;
async function customer(cents = SAVINGS / 100n): Promise<Buyer> {
  customers += 1;
  const buyer = await chips.buyer(`customer ${customers}`);
  await market.account(toHex(buyer.id), buyer.id, cents);
  return buyer;
}

/** The chip, to a host that is mortal: it is switched on and unlocked as the owner does it, and then every APDU is a step. */
async function cardOf({ transport }: Buyer, mortal = Mortal.immortal()): Promise<PurseCard> {
  transport.reset();
  let isUp = false;
  const carrying: Transport = {
    name: transport.name,
    extendedLength: transport.extendedLength,
    transmit: (apdu) => (isUp ? mortal.step(() => transport.transmit(apdu)) : transport.transmit(apdu)),
    reset: () => transport.reset(),
    close: () => transport.close(),
  };
  const element = await Element.select(carrying, AID_PURSE);
  await element.verifyPin(PIN);
  await element.open(chips.time.now_seconds());
  isUp = true;
  return new PurseCard(element);
}

const order = (changes: Partial<PurseOrder> = {}): PurseOrder => ({
  issuerChain: market.mint.chain,
  seller: shop.seller.id,
  kind: PURSE_MONEY,
  unit: FINE_DOLLAR,
  denominations: [{ value: 10n, count: 100 }],
  spendBy_seconds: market.now() + 30 * DAY,
  ...changes,
});

const forwarded = (outer: Uint8Array): Promise<BuyerPurse> => shop.seller.forward(outer);

function asks(card: PurseCard, changes: Partial<PurseOrder> = {}, forward = forwarded) {
  return requestTokens(card, market.mint.id, order(changes), forward, refusedBy(market.mint, card.element.id));
}

const refunds = (sealed: Uint8Array): Promise<Refund> => market.mint.refund(sealed);
const worth = (buyer: Buyer) => market.worth(toHex(buyer.id), buyer.id);
const statesOf = async (buyer: Buyer) => (await (await cardOf(buyer)).purses()).map(({ state }) => state);

/** Some purchases from the purse that is open. */
async function spends(buyer: Buyer, times: number): Promise<void> {
  const purses = [new CardPurse(await cardOf(buyer))];
  const pay = payingFetch({ purses, maxPrice: { amount: PRICE, unit: FINE_DOLLAR }, random: chips.random });
  for (let i = 0; i < times; i += 1) expect(await bought(pay, `${shop.url}/article`)).toBe("an article");
}

/** Every way to die in this work, each with a customer of his own: it is begun, dies, is begun again by the next process, and looked at. */
async function everyDeath(
  prepared: () => Promise<Buyer>,
  work: (buyer: Buyer, mortal: Mortal) => Promise<unknown>,
  looked: (buyer: Buyer, moment: string) => Promise<void>,
): Promise<void> {
  const whole = Mortal.immortal();
  const first = await prepared();
  await work(first, whole);
  await looked(first, "without a death");
  expect(whole.steps).toBeGreaterThanOrEqual(4);
  for (let dies = 0; dies < whole.steps; dies += 1) {
    for (const when of ["before", "after"] as const) {
      const buyer = await prepared();
      await expect(work(buyer, new Mortal(dies, when))).rejects.toBeInstanceOf(Death);
      await work(buyer, Mortal.immortal());
      await looked(buyer, `${when} step ${dies}`);
    }
  }
  expect(await market.faults()).toEqual([]);
}

describe("a request", () => {
  test("that is broken off at any step is asked again, and paid once", async () => {
    await everyDeath(
      () => customer(),
      async (buyer, mortal) => {
        const card = await cardOf(buyer, mortal);
        // Who begins again asks only if there is nothing yet.
        if ((await card.purses()).some(({ state }) => state === "open")) return;
        await asks(card, {}, (outer) => mortal.step(() => forwarded(outer)));
      },
      async (buyer, moment) => {
        const purses = await (await cardOf(buyer)).purses();
        expect(purses, moment).toMatchObject([{ state: "open", stacks: [{ value: 10n, count: 100, next: 0 }] }]);
        expect(await worth(buyer), moment).toBe(SAVINGS - FACE);
        await spends(buyer, 1);
      },
    );
  });

  test("that is under way is what the pair gets, whatever is asked for next; another kind is another request", async () => {
    const buyer = await customer();
    await market.clearance.addAssertion(toHex(buyer.id), OVER_21, market.now() + 90 * DAY);
    const lost = () => Promise.reject(new TokenError("unreachable", "No answer."));
    const card = await cardOf(buyer);
    expect(await outcomeOf(asks(card, {}, lost))).toBe("unreachable");
    expect(await statesOf(buyer)).toEqual(["requested"]);
    const again = await cardOf(buyer);
    const proof = chips.authorization(OVER_21, 5, {
      issuerChain: market.clearance.chain,
      seller: shop.seller.id,
      spendBy_seconds: market.now() + DAY,
    });
    await requestTokens(again, market.clearance.id, proof, forwarded);
    await asks(again, { denominations: [{ value: 5n, count: 2 }] });
    expect((await again.purses()).map(({ state, assertion, stacks }) => [state, assertion, stacks[0]?.count])).toEqual([
      ["open", null, 100],
      ["open", OVER_21, 5],
    ]);
    expect(await worth(buyer)).toBe(SAVINGS - FACE);
    expect(await market.faults()).toEqual([]);
  });

  test("that is refused is given up, at any step of that, and the next one may be granted", async () => {
    await everyDeath(
      () => customer(5n),
      async (buyer, mortal) => {
        const card = await cardOf(buyer, mortal);
        const refusal = await asks(card, {}, (outer) => mortal.step(() => forwarded(outer))).catch((error) => error);
        if (!(refusal instanceof TokenError)) throw refusal;
        expect(refusal).toMatchObject({ code: "refused", message: expect.stringContaining("No money was taken") });
      },
      async (buyer, moment) => {
        expect(await statesOf(buyer), moment).toEqual([]);
        expect(await worth(buyer), moment).toBe(500n);
        await asks(await cardOf(buyer), { denominations: [{ value: 10n, count: 50 }] });
        expect(await worth(buyer), moment).toBe(0n);
        expect(await statesOf(buyer), moment).toEqual(["open"]);
      },
    );
  });

  test("that only has to wait is kept", async () => {
    for (const code of ["unreachable", "flushing", "waiting", "unknown-issuer"] as const) {
      const buyer = await customer();
      const card = await cardOf(buyer);
      const said = () => Promise.reject(new TokenError(code, "Not now."));
      expect(await outcomeOf(asks(card, {}, said))).toBe(code);
      expect(await statesOf(buyer)).toEqual(["requested"]);
      await asks(await cardOf(buyer));
      expect(await worth(buyer)).toBe(SAVINGS - FACE);
    }
    expect(await market.faults()).toEqual([]);
  });

  test("that only somebody on the way calls refused is kept, and answered the next time", async () => {
    const buyer = await customer();
    const lies = async (outer: Uint8Array) => {
      await forwarded(outer);
      throw new TokenError("refused", "There is nothing for you.");
    };
    for (let times = 0; times < 2; times += 1) {
      expect(await outcomeOf(asks(await cardOf(buyer), {}, lies))).toBe("refused");
      expect(await statesOf(buyer)).toEqual(["requested"]);
      expect(await worth(buyer)).toBe(SAVINGS - FACE);
    }
    await asks(await cardOf(buyer));
    expect(await worth(buyer)).toBe(SAVINGS - FACE);
    await spends(buyer, 1);
    expect(await market.faults()).toEqual([]);
  });

  test("that was granted, and given up by its owner, costs nothing in the end", async () => {
    const buyer = await customer();
    const card = await cardOf(buyer);
    const lost = async (outer: Uint8Array) => {
      await forwarded(outer);
      throw new TokenError("unreachable", "No answer.");
    };
    expect(await outcomeOf(asks(card, {}, lost))).toBe("unreachable");
    await card.forget((await card.purses())[0]?.slot ?? -1);
    expect(await worth(buyer)).toBe(SAVINGS - FACE);
    // The seller has half of it, which is good for nothing.
    expect((await shop.seller.redeem()).credited).toEqual([]);
    const [purse] = shop.seller.purses();
    chips.time.clock.advance((Number(purse?.redeemBy_seconds) + 1 - market.now()) * 1_000);
    await market.mint.tick();
    expect(await worth(buyer)).toBe(SAVINGS);
    expect(await market.faults()).toEqual([]);
  });

  test("that cannot be read is not sent: a chip without its PIN, an order that it refuses", async () => {
    const buyer = await customer();
    await buyer.element.restart();
    let sent = 0;
    const counted = (outer: Uint8Array) => {
      sent += 1;
      return forwarded(outer);
    };
    const locked = requestTokens(new PurseCard(buyer.element), market.mint.id, order(), counted);
    await expect(locked).rejects.toMatchObject({ name: "StatusWordError" });
    const late = { spendBy_seconds: market.now() - 1 };
    await expect(asks(await cardOf(buyer), late, counted)).rejects.toMatchObject({ name: "ReasonError" });
    expect([sent, await statesOf(buyer), await worth(buyer)]).toEqual([0, [], SAVINGS]);
  });

  test("that flushes an older purse, broken off at any step, has the rest of it back", {
    timeout: 60_000,
  }, async () => {
    await everyDeath(
      async () => {
        const buyer = await customer();
        await asks(await cardOf(buyer));
        await spends(buyer, 2);
        return buyer;
      },
      async (buyer, mortal) => {
        const card = await cardOf(buyer, mortal);
        const isNew = ({ state, stacks }: Purse) => state === "open" && stacks[0]?.count === 50;
        if (!(await card.purses()).some(isNew)) {
          const half = { denominations: [{ value: 10n, count: 50 }], flush: true };
          await asks(card, half, (outer) => mortal.step(() => forwarded(outer)));
        }
        await refundClosed(card, market.mint.id, (sealed) => mortal.step(() => refunds(sealed)));
      },
      async (buyer, moment) => {
        const purses = await (await cardOf(buyer)).purses();
        expect(purses, moment).toMatchObject([{ state: "open", stacks: [{ count: 50, next: 0 }] }]);
        expect(await worth(buyer), moment).toBe(SAVINGS - 2n * PRICE - FACE / 2n);
      },
    );
  });
});

type Purse = Awaited<ReturnType<PurseCard["purses"]>>[number];

describe("a refund", () => {
  async function refundOf(buyer: Buyer, mortal: Mortal): Promise<Refund | undefined> {
    const card = await cardOf(buyer, mortal);
    const [purse] = await card.purses();
    return purse && refundTokens(card, purse.slot, (sealed) => mortal.step(() => refunds(sealed)));
  }

  const withPurse = async () => {
    const buyer = await customer();
    await asks(await cardOf(buyer));
    await spends(buyer, 2);
    return buyer;
  };

  test("that is broken off at any step is asked again, and paid once", async () => {
    await everyDeath(withPurse, refundOf, async (buyer, moment) => {
      expect(await statesOf(buyer), moment).toEqual([]);
      expect(await worth(buyer), moment).toBe(SAVINGS - 2n * PRICE);
    });
  });

  test("that waits for the seller is told so, as often as it is asked, at any step; no half is good meanwhile", async () => {
    const { line } = shop;
    await everyDeath(
      async () => {
        const buyer = await withPurse();
        shop.line = undefined;
        return buyer;
      },
      async (buyer, mortal) => {
        const refund = await refundOf(buyer, mortal);
        expect(refund).toMatchObject({ state: "recalled", paidBy_seconds: market.now() + 60 * DAY });
      },
      async (buyer, moment) => {
        expect(await statesOf(buyer), moment).toEqual(["closed"]);
        expect(await worth(buyer), moment).toBe(SAVINGS - FACE);
        const pay = payingFetch({
          purses: [new CardPurse(await cardOf(buyer))],
          maxPrice: { amount: PRICE, unit: FINE_DOLLAR },
        });
        expect(await bought(pay, `${shop.url}/article`), moment).toBe("no-purse");
        // The seller comes by, and then it is paid.
        expect((await shop.seller.collect()).failed, moment).toEqual([]);
        expect(await refundOf(buyer, Mortal.immortal()), moment).toMatchObject({ state: "closed" });
        expect(await statesOf(buyer), moment).toEqual([]);
        expect(await worth(buyer), moment).toBe(SAVINGS - 2n * PRICE);
        shop.line = line;
      },
    );
  });

  test("of several purses goes on where one is not given back", async () => {
    const buyer = await withPurse();
    const { line } = shop;
    const other = await market.shop("other");
    await requestTokens(await cardOf(buyer), market.mint.id, order({ seller: other.seller.id }), (outer) =>
      other.seller.forward(outer),
    );
    const card = await cardOf(buyer);
    for (const { slot } of await card.purses()) await card.close(slot);
    shop.line = undefined;
    const states = async () => (await refundClosed(card, market.mint.id, refunds)).map(({ state }) => state);
    expect((await states()).sort()).toEqual(["closed", "recalled"]);
    expect(await worth(buyer)).toBe(SAVINGS - FACE);
    shop.line = line;
    await shop.seller.collect();
    expect(await states()).toEqual(["closed"]);
    expect(await states()).toEqual([]);
    expect(await worth(buyer)).toBe(SAVINGS - 2n * PRICE);
    expect(await market.faults()).toEqual([]);
  });

  test("that somebody only says was paid is not believed: the chip keeps the purse, and asks again", async () => {
    const buyer = await withPurse();
    const card = await cardOf(buyer);
    const [purse] = await card.purses();
    const slot = purse?.slot ?? -1;
    const paid = await refundTokens(await cardOf(await withPurse()), slot, refunds);
    if (paid.state !== "closed") throw new Error("not closed");
    await expect(refundTokens(card, slot, async () => paid)).rejects.toMatchObject({ name: "ReasonError" });
    expect(await statesOf(buyer)).toEqual(["closed"]);
    expect(await worth(buyer)).toBe(SAVINGS - FACE);
    expect(await refundOf(buyer, Mortal.immortal())).toMatchObject({ state: "closed" });
    expect(await worth(buyer)).toBe(SAVINGS - 2n * PRICE);
  });
});
