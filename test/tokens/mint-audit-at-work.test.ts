/** `tally mint audit` looks at a mint that another process has at work: what it counts must be of one moment. */

import { expect, it } from "vitest";
import { WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import { DAY, TokenWorld } from "../support/token-world.js";

it("finds no fault where there is none", async () => {
  const w = await TokenWorld.open();
  const buy = async () => {
    const asked = w.alice.ask(w.keys, { seller: w.shop.id, spendBy_seconds: w.now() + DAY, time_seconds: w.now() });
    const issued = await w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
    w.shop.take(issued.sellerPurse);
    return w.alice.install(w.keys, asked, issued.share);
  };
  const purse = await buy();
  w.shop.paid(w.alice.pay(purse, w.alice.order(purse, 300n), [{ first: 0, count: 30 }]));
  const presented = w.shop.redemption(purse.share.purse);
  let isDone = false;
  const redeemed = w.mint.redeem(presented).finally(() => {
    isDone = true;
  });
  const audits: Promise<{ readonly faults: readonly string[] }>[] = [];
  while (!isDone) {
    audits.push(w.mint.audit());
    await new Promise((resolve) => setImmediate(resolve));
  }
  await redeemed;
  expect((await Promise.all(audits)).flatMap(({ faults }) => faults)).toEqual([]);
});
