/** EP 0 833 285 A2 fig. 4: the bank's response to a request. */

import { describe, expect, it } from "vitest";
import { WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import { equalBytes, toHex } from "../../host/codec/bytes.js";
import { sha256 } from "../../host/crypto.js";
import { buyerHalf, halfKey, leavesRoot, orderKey, tokenLeaf } from "../../host/tokens/derive.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";
import { ALICE_CENTS, DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

async function world() {
  const made = await TokenWorld.open();
  const times = { spendBy_seconds: made.now() + DAY, time_seconds: made.now() };
  return { world: made, times };
}

describe("fig. 4, generate and split", () => {
  it("1002-1030: debits the buyer and makes two purses, each of which is worth nothing without the other", async () => {
    const { world: w, times } = await world();
    const denominations = [
      { value: 1n, count: 50 },
      { value: 10n, count: 20 },
    ];
    const asked = w.alice.ask(w.keys, { seller: w.shop.id, ...times, denominations });
    const issued = await w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
    const { head, purse } = w.shop.take(issued.sellerPurse);
    const held = w.alice.install(w.keys, asked, issued.share);

    expect(held.share).toMatchObject({ purse: head.purse, denominations, spendBy_seconds: times.spendBy_seconds });
    expect(head).toMatchObject({ seller: w.shop.id, issuer: w.keys.id, denominations, holders: 1 });
    expect(purse.orderKeys).toEqual([orderKey(asked.request.seed)]);
    expect(head.root).toEqual(leavesRoot(purse.leaves));
    const uniques = new Set<string>();
    for (let serial = 0; serial < 70; serial++) {
      const secret = buyerHalf(halfKey(asked.request.seed), head.purse, serial);
      const half = purse.halves.subarray(32 * serial, 32 * serial + 32);
      for (let i = 0; i < 32; i++) secret[i] = (secret[i] ?? 0) ^ (half[i] ?? 0);
      const unique = purse.uniques.slice(16 * serial, 16 * serial + 16);
      uniques.add(toHex(unique));
      const leaf = tokenLeaf(head.purse, serial, serial < 50 ? 1n : 10n, unique, secret);
      expect(equalBytes(leaf, purse.leaves.subarray(32 * serial, 32 * serial + 32))).toBe(true);
      // Neither half is the secret, nor one of its leaf's preimages.
      expect(equalBytes(sha256(half), leaf)).toBe(false);
    }
    expect(uniques.size).toBe(70);
    // 250 hundredths of a cent are 2 cents and a half: 3 cents are debited, half a cent is credit.
    expect(await w.bank.depositBalance("alice")).toBe(ALICE_CENTS - 3n);
    expect(await w.worth("alice", w.alice.id, FINE_DOLLAR)).toBe(100n * ALICE_CENTS - 250n);
    expect((await w.mint.audit()).units).toEqual([
      { unit: FINE_DOLLAR, issued: 250n, outstanding: 250n, redeemed: 0n, refunded: 0n, credit: 50n },
    ]);
    expect(await w.faults()).toEqual([]);
  });

  it("the same request again fetches the same purses, sealed anew, and debits nothing", async () => {
    const { world: w, times } = await world();
    const asked = w.alice.ask(w.keys, { seller: w.shop.id, ...times });
    const first = await w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
    const balance = await w.bank.depositBalance("alice");
    const again = w.alice.seal(w.keys, { ...asked.request, time_seconds: times.time_seconds + 5 });
    const second = await w.mint.forward(w.shop.word(WORD_FORWARD, again), again);
    expect(second.sellerPurse).not.toEqual(first.sellerPurse);
    expect(w.shop.take(second.sellerPurse).purse).toEqual(w.shop.take(first.sellerPurse).purse);
    expect(w.alice.install(w.keys, asked, second.share)).toEqual(w.alice.install(w.keys, asked, first.share));
    expect(await w.bank.depositBalance("alice")).toBe(balance);
  });

  it("twenty repeats at once, by both ways, are one purse", async () => {
    const { world: w, times } = await world();
    const asked = w.alice.ask(w.keys, { seller: w.shop.id, ...times });
    const word = w.shop.word(WORD_FORWARD, asked.sealed);
    const forwarded = Array.from({ length: 10 }, () => w.mint.forward(word, asked.sealed));
    const direct = Array.from({ length: 10 }, () => w.mint.request(asked.sealed));
    const shares = await Promise.all([...forwarded, ...direct]);
    const ids = new Set(shares.map(({ share }) => toHex(w.alice.install(w.keys, asked, share).share.purse)));
    expect(ids.size).toBe(1);
    expect(await w.worth("alice", w.alice.id, FINE_DOLLAR)).toBe(100n * ALICE_CENTS - 1000n);
    expect(await w.faults()).toEqual([]);
  });

  it("1028: a buyer who is on line gets its share straight away, and the seller its purse", async () => {
    const { world: w, times } = await world();
    const asked = w.alice.ask(w.keys, { seller: w.shop.id, ...times });
    const { share, halves } = await w.time.run(w.mint.request(asked.sealed));
    expect(halves).toBeNull();
    const held = w.alice.install(w.keys, asked, share);
    await w.time.run(w.mint.tick());
    expect([...w.shop.purses.keys()]).toEqual([toHex(held.share.purse)]);
  });

  it("1012: a seller is told of every buyer's refusal the same, and the bank knows why", async () => {
    const { world: w, times } = await world();
    const stranger = w.buyer();
    const poor = w.alice.ask(w.keys, { seller: w.shop.id, ...times, denominations: [{ value: 100_001n, count: 1 }] });
    const unknown = stranger.ask(w.keys, { seller: w.shop.id, ...times });
    const sentences = new Set<string>();
    for (const { sealed } of [poor, unknown]) {
      const refusal = await w.mint.forward(w.shop.word(WORD_FORWARD, sealed), sealed).catch((error: Error) => error);
      expect(refusal).toMatchObject({ name: "TokenError", code: "refused" });
      sentences.add(String(refusal));
      expect(await outcomeOf(w.mint.request(sealed))).toBe("refused");
    }
    expect(sentences.size).toBe(1);
    expect(await w.mint.refusals(toHex(w.alice.id))).toMatchObject([{ code: "insufficient-funds" }]);
    expect(await w.mint.refusals(toHex(stranger.id))).toMatchObject([{ code: "unknown-buyer" }]);
    expect(await w.bank.depositBalance("alice")).toBe(ALICE_CENTS);
    expect(await w.faults()).toEqual([]);
  });
});
