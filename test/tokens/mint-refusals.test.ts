/** What an issuer makes no tokens for. Nothing is debited, nothing is issued, and the seller learns nothing of the buyer. */

import { beforeEach, describe, expect, it } from "vitest";
import { ROLE_CUSTOMER, TREE_AGENTS } from "../../firmware/protocol/kinds.js";
import { PURSE_AUTHORIZATION, WORD_FORWARD, WORD_REDEEM } from "../../firmware/protocol/tokens.js";
import { Agency, newAgency } from "../../host/agencies.js";
import { toHex } from "../../host/codec/bytes.js";
import type { TokenRequest } from "../../host/tokens/messages/request.js";
import { sealRequest, signRequest } from "../../host/tokens/messages/request.js";
import { NO_UNIT } from "../../host/tokens/terms.js";
import { bytesFrom, TokenBuyer } from "../support/token-buyer.js";
import type { TestSeller } from "../support/token-seller.js";
import { ALICE_CENTS, DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

let w: TokenWorld;
const bad = new Set<string>();

beforeEach(async () => {
  bad.clear();
  w = await TokenWorld.open({ isBad: (subject) => bad.has(toHex(subject)) });
});

function ask(parts: Partial<TokenRequest> = {}, buyer = w.alice) {
  return buyer.ask(w.keys, { seller: w.shop.id, spendBy_seconds: w.now() + DAY, time_seconds: w.now(), ...parts });
}

function forward(sealed: Uint8Array, seller: TestSeller = w.shop): Promise<string> {
  return outcomeOf(w.mint.forward(seller.word(WORD_FORWARD, sealed), sealed));
}

async function nothingHappened(): Promise<void> {
  expect(await w.bank.depositBalance("alice")).toBe(ALICE_CENTS);
  expect((await w.mint.audit()).units).toEqual([]);
  expect(await w.faults()).toEqual([]);
}

async function reason(buyer = w.alice): Promise<unknown> {
  return (await w.mint.refusals(toHex(buyer.id))).map(({ code }) => code);
}

describe("a request is refused", () => {
  it("when the seller's word is not its own, about another request, or for another purpose", async () => {
    const { sealed } = ask();
    const forged = w.shop.word(WORD_FORWARD, sealed, {}, w.alice.signer);
    expect(await outcomeOf(w.mint.forward(forged, sealed))).toBe("not-authentic");
    const other = w.shop.word(WORD_FORWARD, ask().sealed);
    expect(await outcomeOf(w.mint.forward(other, sealed))).toBe("not-authentic");
    expect(await outcomeOf(w.mint.forward(w.shop.word(WORD_REDEEM, sealed), sealed))).toBe("malformed");
    expect(await outcomeOf(w.mint.forward(new Uint8Array(10), sealed))).toBe("malformed");
    await nothingHappened();
  });

  it("when another seller forwards it, known or not", async () => {
    const { sealed } = ask();
    const other = w.seller();
    expect(await forward(sealed, other)).toBe("unknown-seller");
    await w.openAccount("other");
    await w.mint.addSeller(w.entry(other, "other"));
    expect(await forward(sealed, other)).toBe("wrong-seller");
    await nothingHappened();
  });

  it("when it is sealed to another, altered, cut off, or for another issuer", async () => {
    const { sealed } = ask();
    for (const at of [0, 40, 800, sealed.length - 1]) {
      const altered = Uint8Array.from(sealed);
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(await forward(altered)).toBe("malformed");
    }
    expect(await forward(sealed.slice(0, -1))).toBe("malformed");
    expect(await forward(ask({ issuer: w.alice.id }).sealed)).toBe("unknown-issuer");
    await nothingHappened();
  });

  it("by one code when the buyer is not who it says: signature, subject, role, root, validity, bad-id list", async () => {
    const { request } = ask();
    const mallory = w.buyer();
    const options = { remoteStatic: w.keys.agreementKey, random: bytesFrom(w.random) };
    const forged = sealRequest(signRequest(request, mallory.signer), w.alice.chain, options);
    expect(await forward(forged)).toBe("refused");
    const borrowed = sealRequest(signRequest(request, mallory.signer), mallory.chain, options);
    expect(await forward(borrowed)).toBe("refused");
    const elsewhere = new Agency(newAgency(TREE_AGENTS, w.random, w.now()));
    for (const impostor of [w.buyer(ROLE_CUSTOMER), new TokenBuyer(elsewhere, w.random, w.now())]) {
      // Money is not what is wanting.
      await w.mint.addBuyer(toHex(impostor.id), "alice");
      expect(await forward(ask({}, impostor).sealed)).toBe("refused");
      expect(await reason(impostor)).toEqual([]);
    }
    bad.add(toHex(w.alice.id));
    expect(await forward(ask().sealed)).toBe("refused");
    bad.clear();
    w.time.clock.advance(6 * 365 * DAY * 1000);
    expect(await forward(ask().sealed)).toBe("refused");
    // Of none of them it is believed that it is alice: nothing is kept in her name.
    expect(await reason()).toEqual([]);
    await nothingHappened();
  });

  it("by the same code for whatever is the buyer's own affair, of which the bank keeps the reason", async () => {
    const cases: readonly (readonly [string, Partial<TokenRequest>])[] = [
      ["insufficient-funds", { denominations: [{ value: 100n * ALICE_CENTS + 1n, count: 1 }] }],
      ["insufficient-funds", { denominations: [{ value: 2n ** 62n, count: 1 }] }],
      ["insufficient-funds", { denominations: [{ value: 2n ** 63n - 1n, count: 1 }] }],
      ["out-of-date", { spendBy_seconds: w.now() }],
      ["out-of-date", { spendBy_seconds: w.now() + 401 * DAY }],
      ["unit-refused", { unit: { currency: 978, exponent: 4 } }],
      ["unit-refused", { unit: { currency: 840, exponent: 1 } }],
      ["unit-refused", { unit: { currency: 840, exponent: 10 } }],
      ["unit-refused", { scheme: 0 }],
      [
        "unit-refused",
        { kind: PURSE_AUTHORIZATION, unit: NO_UNIT, assertion: "over-21", denominations: [{ value: 1n, count: 5 }] },
      ],
    ];
    const sentences = new Set<string>();
    for (const [code, parts] of cases) {
      const { sealed } = ask(parts);
      const refusal = await w.mint.forward(w.shop.word(WORD_FORWARD, sealed), sealed).catch(String);
      sentences.add(String(refusal));
      expect(await outcomeOf(w.mint.request(sealed))).toBe("refused");
      w.time.clock.advance(1000);
      expect((await w.mint.refusals(toHex(w.alice.id))).at(-1)?.code).toBe(code);
    }
    expect([...sentences]).toHaveLength(1);
    await nothingHappened();
  });

  it("when the nonce was used for something else", async () => {
    const first = ask();
    expect(await forward(first.sealed)).toBe("done");
    const { nonce } = first.request;
    expect(
      await forward(ask({ nonce, seed: first.request.seed, denominations: [{ value: 1n, count: 1 }] }).sealed),
    ).toBe("refused");
    expect(await forward(ask({ ...first.request, seed: new Uint8Array(32) }).sealed)).toBe("refused");
    expect(await reason()).toEqual(["reused"]);
    expect((await w.mint.audit()).units).toMatchObject([{ issued: 1000n }]);
    expect(await forward(ask(first.request).sealed)).toBe("done");
  });

  it("when the seller's account is kept in another unit than the buyer's", async () => {
    const other = w.seller();
    await w.openAccount("mills", 0n, { currency: 840, exponent: 3 });
    await w.mint.addSeller(w.entry(other, "mills"));
    expect(await forward(ask({ seller: other.id }).sealed, other)).toBe("refused");
    expect(await reason()).toEqual(["unit-refused"]);
  });

  it("sixteen of its reasons are kept, the last ones", async () => {
    for (let i = 0; i < 20; i++) {
      await forward(ask({ spendBy_seconds: 1 }).sealed);
      w.time.clock.advance(1000);
    }
    const kept = await w.mint.refusals(toHex(w.alice.id));
    expect(kept).toHaveLength(16);
    expect(kept[0]?.time_seconds).toBe(1_800_000_004n);
  });
});

describe("the registers", () => {
  it("take a seller by the id of its keys only", async () => {
    const entry = w.entry(w.seller(), "shop");
    expect(await outcomeOf(w.mint.addSeller({ ...entry, id: w.alice.id }))).toBe("not-authentic");
    await expect(w.mint.addSeller({ ...entry, account: "nowhere" })).rejects.toMatchObject({ code: "unknown-account" });
    await expect(w.mint.addSeller({ ...entry, account: null })).rejects.toThrow(RangeError);
    expect(await outcomeOf(w.mint.addSeller(entry))).toBe("done");
  });

  it("change an account to one in the same unit", async () => {
    await w.openAccount("savings");
    await w.openAccount("mills", 0n, { currency: 840, exponent: 3 });
    expect(await outcomeOf(w.mint.addBuyer(toHex(w.alice.id), "mills"))).toBe("unit-refused");
    expect(await outcomeOf(w.mint.addSeller(w.entry(w.shop, "mills")))).toBe("unit-refused");
    expect(await outcomeOf(w.mint.addBuyer(toHex(w.alice.id), "savings"))).toBe("done");
    expect(await forward(ask().sealed)).toBe("refused");
    expect(await reason()).toEqual(["insufficient-funds"]);
  });
});
