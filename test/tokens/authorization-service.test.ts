/** An authorization service: to whoever has proved an assertion it gives tokens that say so, and not who (claim 9). */

import { describe, expect, it } from "vitest";
import { PURSE_AUTHORIZATION, PURSE_MONEY, WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { verifyNotice } from "../../host/tokens/messages/closing.js";
import type { TokenRequest } from "../../host/tokens/messages/request.js";
import { NO_UNIT } from "../../host/tokens/terms.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";
import { DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

async function service() {
  const w = await TokenWorld.open({ isService: true });
  const ask = (parts: Partial<TokenRequest> = {}) =>
    w.alice.ask(w.keys, {
      ...{ seller: w.shop.id, spendBy_seconds: w.now() + DAY, time_seconds: w.now() },
      ...{ kind: PURSE_AUTHORIZATION, unit: NO_UNIT, assertion: "over-21", denominations: [{ value: 1n, count: 10 }] },
      ...parts,
    });
  const forward = (sealed: Uint8Array) => w.mint.forward(w.shop.word(WORD_FORWARD, sealed), sealed);
  return { w, ask, forward };
}

describe("an authorization service", () => {
  it("says of a buyer what it has proved, for as long as that holds, and nothing else", async () => {
    const { w, ask, forward } = await service();
    expect(await outcomeOf(forward(ask().sealed))).toBe("refused");
    await w.mint.addAssertion(toHex(w.alice.id), "over-21", w.now() + DAY);
    expect(await outcomeOf(forward(ask({ assertion: "over-65" }).sealed))).toBe("refused");
    expect(await outcomeOf(forward(ask({ spendBy_seconds: w.now() + DAY + 1 }).sealed))).toBe("refused");
    expect((await w.mint.refusals(toHex(w.alice.id))).map(({ code }) => code)).toEqual(
      Array.from({ length: 3 }, () => "not-proved"),
    );
    const asked = ask();
    const issued = await forward(asked.sealed);
    const { head } = w.shop.take(issued.sellerPurse);
    expect(head).toMatchObject({ assertion: "over-21", kind: PURSE_AUTHORIZATION, unit: NO_UNIT });
    const held = w.alice.install(w.keys, asked, issued.share);
    w.shop.paid(w.alice.pay(held, w.alice.order(held, 1n, { assertion: "over-21" }), [{ first: 0, count: 1 }]));
    const { notice } = await w.mint.redeem(w.shop.redemption(head.purse));
    expect(verifyNotice(notice, w.keys.signatureKey)).toMatchObject({ tokens: 1, unit: NO_UNIT });
    const refund = await w.time.run(w.mint.refund(w.alice.close(w.keys, head.purse, [1])));
    expect(refund.state).toBe("closed");
    expect((await w.mint.audit()).units).toMatchObject([{ issued: 10n, redeemed: 1n, refunded: 9n, outstanding: 0n }]);
    expect(await w.faults()).toEqual([]);
  });

  it("makes no money, and keeps no accounts", async () => {
    const { w, ask, forward } = await service();
    const denominations = [{ value: 1n, count: 10 }];
    const money = ask({ kind: PURSE_MONEY, unit: FINE_DOLLAR, assertion: null, denominations });
    expect(await outcomeOf(forward(money.sealed))).toBe("refused");
    expect(await w.mint.refusals(toHex(w.alice.id))).toMatchObject([{ code: "unit-refused" }]);
    await expect(w.mint.addBuyer(toHex(w.alice.id), "alice")).rejects.toThrow(RangeError);
    await expect(w.mint.addSeller(w.entry(w.seller(), "shop"))).rejects.toThrow(RangeError);
  });
});
