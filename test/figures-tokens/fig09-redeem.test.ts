/** EP 0 833 285 A2 fig. 9: the bank's response to a seller's redemption request. */

import { describe, expect, it } from "vitest";
import { CREDIT_REDEEMED, WORD_FORWARD, WORD_REDEEM, WORD_RETURN } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { encodeRedemption } from "../../host/tokens/messages/answers.js";
import { verifyNotice } from "../../host/tokens/messages/closing.js";
import { encodePresented } from "../../host/tokens/messages/words.js";
import { signerOf } from "../support/agencies.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";
import { DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

/** A shop that was paid the first `tokens` of a purse of 100 tokens of 10. */
async function paidShop(tokens = 25) {
  const w = await TokenWorld.open();
  const asked = w.alice.ask(w.keys, { seller: w.shop.id, spendBy_seconds: w.now() + DAY, time_seconds: w.now() });
  const issued = await w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
  const { head } = w.shop.take(issued.sellerPurse);
  const held = w.alice.install(w.keys, asked, issued.share);
  if (tokens > 0)
    w.shop.paid(w.alice.pay(held, w.alice.order(held, 10n * BigInt(tokens)), [{ first: 0, count: tokens }]));
  const { paid } = w.shop.purses.get(toHex(head.purse)) ?? { paid: new Map<number, Uint8Array>() };
  const balance = () => w.worth("shop", w.shop.id, FINE_DOLLAR);
  return { w, purse: head.purse, held, paid, balance };
}

describe("fig. 9, redeem", () => {
  it("1060-1068: credits every valid token and says so", async () => {
    const { w, purse, balance } = await paidShop();
    const { notice, refused } = await w.mint.redeem(w.shop.redemption(purse));
    expect(refused).toEqual([]);
    expect(verifyNotice(notice, w.keys.signatureKey)).toMatchObject({
      what: CREDIT_REDEEMED,
      ...{ purse, subject: w.shop.id, tokens: 25, amount: 250n, unit: FINE_DOLLAR },
    });
    expect(await balance()).toBe(250n);
    // Two cents went to the deposit, half a cent waits for the other half.
    expect(await w.bank.depositBalance("shop")).toBe(2n);
    expect(await w.faults()).toEqual([]);
  });

  it("sweeps what waits below a cent into the deposit as soon as it makes one", async () => {
    const { w, purse, paid } = await paidShop(25);
    const tokens = [...paid];
    for (const [cents, first, last] of [
      [0n, 0, 9],
      [1n, 9, 19],
      [2n, 19, 25],
    ] as const) {
      await w.mint.redeem(w.shop.redemption(purse, { tokens: new Map(tokens.slice(first, last)) }));
      expect(await w.bank.depositBalance("shop")).toBe(cents);
      expect(await w.faults()).toEqual([]);
    }
  });

  it("1061-1062: credits nothing on a signature that is not the seller's, or on a word about something else", async () => {
    const { w, purse, paid, balance } = await paidShop();
    const about = encodePresented({ ranges: [{ first: 0, count: 1 }], secrets: paid.get(0) ?? new Uint8Array(32) });
    const forged = w.shop.word(WORD_REDEEM, about, { purse }, signerOf(77));
    expect(await outcomeOf(w.mint.redeem(w.shop.seal(forged, about)))).toBe("not-authentic");
    const other = w.shop.word(WORD_REDEEM, new Uint8Array(1), { purse });
    expect(await outcomeOf(w.mint.redeem(w.shop.seal(other, about)))).toBe("not-authentic");
    const forward = w.shop.word(WORD_FORWARD, about, { purse });
    expect(await outcomeOf(w.mint.redeem(w.shop.seal(forward, about)))).toBe("malformed");
    expect(await outcomeOf(w.mint.redeem(new Uint8Array(500)))).toBe("malformed");
    expect(await balance()).toBe(0n);
  });

  it("credits no other seller than the purse's, known or not", async () => {
    const { w, purse, paid, balance } = await paidShop();
    const thief = w.seller();
    expect(await outcomeOf(w.mint.redeem(thief.redemption(purse, { tokens: paid })))).toBe("unknown-seller");
    await w.openAccount("thief");
    await w.mint.addSeller(w.entry(thief, "thief"));
    expect(await outcomeOf(w.mint.redeem(thief.redemption(purse, { tokens: paid })))).toBe("unknown-purse");
    expect(await outcomeOf(w.mint.redeem(w.shop.redemption(new Uint8Array(16), { tokens: paid })))).toBe(
      "unknown-purse",
    );
    expect([await balance(), await w.bank.depositBalance("thief")]).toEqual([0n, 0n]);
  });

  it("1064: names what it does not honour, and honours the rest", async () => {
    const { w, purse, paid, balance } = await paidShop(3);
    await w.mint.redeem(w.shop.redemption(purse, { tokens: new Map([...paid].slice(0, 1)) }));
    const altered = Uint8Array.from(paid.get(1) ?? []);
    altered[31] = (altered[31] ?? 0) ^ 1;
    const tokens = new Map([...paid, [1, altered], [50, altered], [100, altered], [1_048_575, altered]]);
    const { notice, refused } = await w.mint.redeem(w.shop.redemption(purse, { tokens }));
    expect(refused).toEqual([
      { serial: 0, why: "already-redeemed" },
      { serial: 1, why: "wrong-secret" },
      { serial: 50, why: "wrong-secret" },
      { serial: 100, why: "unknown-serial" },
      { serial: 1_048_575, why: "unknown-serial" },
    ]);
    expect(verifyNotice(notice, w.keys.signatureKey)).toMatchObject({ tokens: 1, amount: 10n });
    expect(await balance()).toBe(20n);
    // The token whose secret was wrong is not spoilt by that.
    await w.mint.redeem(w.shop.redemption(purse));
    expect(await balance()).toBe(30n);
    expect(await w.faults()).toEqual([]);
  });

  it("a secret is checked to its last bit, whichever token it is", async () => {
    const { w, purse, paid, balance } = await paidShop(2);
    const secret = paid.get(0) ?? new Uint8Array(32);
    for (let bit = 0; bit < 256; bit++) {
      const altered = Uint8Array.from(secret);
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const { refused } = await w.mint.redeem(w.shop.redemption(purse, { tokens: new Map([[0, altered]]) }));
      expect(refused).toEqual([{ serial: 0, why: "wrong-secret" }]);
    }
    // The secret of one token is none of another.
    const { refused } = await w.mint.redeem(w.shop.redemption(purse, { tokens: new Map([[1, secret]]) }));
    expect(refused).toEqual([{ serial: 1, why: "wrong-secret" }]);
    expect(await balance()).toBe(0n);
  });

  it("answers the same word with the same bytes, and another under its id with a refusal", async () => {
    const { w, purse, paid, balance } = await paidShop(5);
    const request = new Uint8Array(16).fill(5);
    const sealed = w.shop.redemption(purse, { word: { request } });
    const first = encodeRedemption(await w.mint.redeem(sealed));
    w.time.clock.advance(1_000_000);
    expect(encodeRedemption(await w.mint.redeem(sealed))).toEqual(first);
    expect(encodeRedemption(await w.mint.redeem(w.shop.redemption(purse, { word: { request } })))).toEqual(first);
    const other = w.shop.redemption(purse, { tokens: new Map([...paid].slice(1)), word: { request } });
    expect(await outcomeOf(w.mint.redeem(other))).toBe("reused");
    expect(await balance()).toBe(50n);
  });

  it("credits fifty concurrent requests for the same tokens once", async () => {
    const { w, purse, balance } = await paidShop(40);
    const answers = await Promise.all(Array.from({ length: 50 }, () => w.mint.redeem(w.shop.redemption(purse))));
    const credited = answers.map(({ notice }) => verifyNotice(notice, w.keys.signatureKey).tokens);
    expect(credited.filter((tokens) => tokens === 40)).toHaveLength(1);
    expect(credited.filter((tokens) => tokens === 0)).toHaveLength(49);
    expect(await balance()).toBe(400n);
    expect(await w.faults()).toEqual([]);
  });

  it("gives fifty concurrent repeats of one word one answer", async () => {
    const { w, purse, balance } = await paidShop(40);
    const sealed = w.shop.redemption(purse);
    const answers = await Promise.all(Array.from({ length: 50 }, () => w.mint.redeem(sealed)));
    expect(new Set(answers.map((answer) => toHex(encodeRedemption(answer)))).size).toBe(1);
    expect(await balance()).toBe(400n);
  });

  it("redeems nothing that comes at the same moment as the purse goes back", async () => {
    const { w, purse, paid, balance } = await paidShop(40);
    const tokens = [...paid];
    const returned = w.mint.returned(
      w.shop.redemption(purse, { type: WORD_RETURN, tokens: new Map(tokens.slice(0, 20)) }),
    );
    const late = w.mint.redeem(w.shop.redemption(purse, { tokens: new Map(tokens.slice(20)) }));
    expect(await Promise.all([outcomeOf(returned), outcomeOf(late)])).toEqual(["done", "purse-closed"]);
    expect(await balance()).toBe(200n);
    expect(await w.faults()).toEqual([]);
  });

  it("redeems until the purse's last second for redemption, and not after it", async () => {
    const { w, purse, paid, balance } = await paidShop(2);
    const until = w.now() + DAY + 30 * DAY;
    w.time.clock.advance((until - w.now()) * 1000);
    await w.mint.redeem(w.shop.redemption(purse, { tokens: new Map([...paid].slice(0, 1)) }));
    expect(await balance()).toBe(10n);
    w.time.clock.advance(1000);
    expect(await outcomeOf(w.mint.redeem(w.shop.redemption(purse)))).toBe("redemption-over");
    await w.mint.tick();
    expect(await outcomeOf(w.mint.redeem(w.shop.redemption(purse)))).toBe("redemption-over");
    expect(await balance()).toBe(10n);
  });

  it("takes as many secrets as tokens", async () => {
    const { w, purse, paid, balance } = await paidShop(2);
    for (const secrets of [new Uint8Array(0), new Uint8Array(31), Uint8Array.from([...(paid.get(0) ?? []), 0])]) {
      const about = encodePresented({ ranges: [{ first: 0, count: 1 }], secrets });
      const word = w.shop.word(WORD_REDEEM, about, { purse });
      expect(await outcomeOf(w.mint.redeem(w.shop.seal(word, about)))).toBe("malformed");
    }
    expect(await balance()).toBe(0n);
  });
});
