/** What says no is signed by nobody: whoever carries the answer can say it. None of that may cost money. */

import { expect, it } from "vitest";
import { WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import { TokenError } from "../../host/tokens/errors.js";
import { outcome, range, SellerWorld } from "../support/seller-world.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";
import { DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

it.each(["purse-closed", "redemption-over"] as const)(
  "a seller whose redemption somebody on the line answers with %s presents its tokens again",
  async (code) => {
    const world = await SellerWorld.open("line");
    const buyer = world.buyer();
    const purse = await world.purse(buyer);
    expect(await outcome(world.seller.accept(world.payment(buyer, purse, 30n, range(0, 3)), world.expected(30n)))).toBe(
      "paid",
    );
    // The issuer is not even asked.
    world.line = new Proxy(world.issuer, {
      get: (issuer, name) =>
        name === "redeem"
          ? async () => {
              throw new TokenError(code, "somebody in between");
            }
          : Reflect.get(issuer, name).bind(issuer),
    });
    expect((await world.seller.redeem()).failed).toHaveLength(1);
    world.line = world.issuer;
    const { credited } = await world.seller.redeem();
    await world.close();
    expect(credited.map(({ amount }) => amount)).toEqual([30n]);
  },
);

it("a request that was refused, and that the chip has forgotten, debits nobody when a stranger sends it again", async () => {
  const w = await TokenWorld.open();
  const dear = w.alice.ask(w.keys, {
    seller: w.shop.id,
    spendBy_seconds: w.now() + 300 * DAY,
    time_seconds: w.now(),
    denominations: [{ value: 100n, count: 1_500 }], // 15 dollars; she has 10.
  });
  const forward = () => outcomeOf(w.mint.forward(w.shop.word(WORD_FORWARD, dear.sealed), dear.sealed));
  expect(await forward()).toBe("refused"); // Her chip forgets the request (buyer/errands.ts), and with it the seed.
  await w.bank.fund({ id: "wages", account: "alice", unit: { currency: 840, exponent: 2 }, amount: 10_000n });
  w.time.clock.advance(20 * DAY * 1000);
  const before = await w.worth("alice", w.alice.id, FINE_DOLLAR);
  // Who overheard the bytes, or the seller, sends them once more. Nobody can spend what is made of them.
  await outcomeOf(w.mint.request(dear.sealed));
  expect(await w.worth("alice", w.alice.id, FINE_DOLLAR)).toBe(before);
});

it("and does not keep her from other tokens for the same seller", async () => {
  const w = await TokenWorld.open();
  const ask = (count: number) =>
    w.alice.ask(w.keys, {
      seller: w.shop.id,
      spendBy_seconds: w.now() + 300 * DAY,
      time_seconds: w.now(),
      denominations: [{ value: 100n, count }],
    });
  // The seller says "refused" to her, so that her chip forgets the request, and forwards it all the same.
  const kept = ask(100);
  await w.mint.forward(w.shop.word(WORD_FORWARD, kept.sealed), kept.sealed);
  w.time.clock.advance(1000);
  const next = ask(10);
  expect(await outcomeOf(w.mint.request(next.sealed))).toBe("done");
});
