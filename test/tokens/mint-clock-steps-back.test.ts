/** An issuer's clock steps back over the end of a purse while a redemption is looked at. */

import { expect, it } from "vitest";
import { WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import { Mint } from "../../host/tokens/mint/mint.js";
import type { SerialRange } from "../../host/tokens/terms.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";
import { DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

it("pays a purse once: to the buyer or to the seller", async () => {
  const w = await TokenWorld.open();
  const asked = w.alice.ask(w.keys, {
    seller: w.shop.id,
    spendBy_seconds: w.now() + DAY,
    time_seconds: w.now(),
    denominations: [{ value: 1n, count: 20_000 }],
  });
  const { sellerPurse, share } = await w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
  w.shop.take(sellerPurse);
  const purse = w.alice.install(w.keys, asked, share);
  const all: SerialRange[] = [{ first: 0, count: 20_000 }];
  w.shop.paid(w.alice.pay(purse, w.alice.order(purse, 20_000n), all));
  // Somebody else has tokens too: else the ledger itself would have none left to pay from.
  const other = w.buyer();
  await w.openAccount("other", 1_000n);
  await w.mint.addBuyer(Buffer.from(other.id).toString("hex"), "other");
  const theirs = other.ask(w.keys, {
    seller: w.shop.id,
    spendBy_seconds: w.now() + 300 * DAY,
    time_seconds: w.now(),
    denominations: [{ value: 1n, count: 50_000 }],
  });
  await w.mint.forward(w.shop.word(WORD_FORWARD, theirs.sealed), theirs.sealed);
  const worth = async () =>
    (await w.worth("alice", w.alice.id, FINE_DOLLAR)) + (await w.worth("shop", w.shop.id, FINE_DOLLAR));
  const before = await worth();
  w.mint.close();
  let now_seconds = BigInt(purse.share.redeemBy_seconds);
  let wasAsked = () => {};
  const looked = new Promise<void>((resolve) => {
    wasAsked = resolve;
  });
  let isWatched = false;
  const clock = {
    now_seconds: () => {
      if (isWatched) wasAsked();
      return now_seconds;
    },
  };
  const mint = await Mint.open({ ...w.mintOptions(), clock });
  isWatched = true;
  const redeeming = outcomeOf(mint.redeem(w.shop.redemption(purse.share.purse)));
  await looked;
  // The issuer looks at 16,384 tokens and lets others go on: a second passes, the purse is over and refunded; then its clock is set right.
  now_seconds += 1n;
  await mint.tick();
  now_seconds -= 1n;
  await redeeming;
  mint.close();
  expect((await worth()) - before).toBe(20_000n);
  expect(await w.faults()).toEqual([]);
});
