/** Tokens that are split among several buyers and the seller: all are needed to spend one, and the first has paid. */

import { describe, expect, it } from "vitest";
import { WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { verifyNotice } from "../../host/tokens/messages/closing.js";
import type { TokenRequest } from "../../host/tokens/messages/request.js";
import { FINE_DOLLAR, type TokenBuyer } from "../support/token-buyer.js";
import { ALICE_CENTS, DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

const ALICE = 100n * ALICE_CENTS;
const JOINT = new Uint8Array(16).fill(9);

async function jointWorld() {
  const w = await TokenWorld.open();
  const holders = [w.alice, w.buyer(), w.buyer()];
  const spendBy_seconds = w.now() + DAY;
  const ask = (buyer: TokenBuyer, index: number, parts: Partial<TokenRequest> = {}) => {
    const joint = { id: JOINT, holders: 3, index };
    return buyer.ask(w.keys, { seller: w.shop.id, spendBy_seconds, time_seconds: w.now(), joint, ...parts });
  };
  const forward = (sealed: Uint8Array) => w.mint.forward(w.shop.word(WORD_FORWARD, sealed), sealed);
  return { w, holders, ask, forward };
}

async function jointPurse() {
  const parts = await jointWorld();
  const { w, holders, ask, forward } = parts;
  const asked = holders.map((buyer, index) => ask(buyer, index));
  // The one who pays asks first, the others later.
  for (const { sealed } of asked.slice(0, 2)) expect(await outcomeOf(forward(sealed))).toBe("waiting");
  expect(await w.bank.depositBalance("alice")).toBe(ALICE_CENTS);
  const held = [];
  for (const [i, request] of [...asked.entries()].reverse()) {
    const issued = await forward(request.sealed);
    w.shop.take(issued.sellerPurse);
    const buyer = holders[i];
    if (buyer === undefined) throw new Error("no holder");
    held.unshift({ buyer, purse: buyer.install(w.keys, request, issued.share) });
  }
  const [first] = held;
  if (first === undefined) throw new Error("no holder");
  return { ...parts, held, first, purse: first.purse.share.purse };
}

describe("a joint purse", () => {
  it("is made when all have asked, paid by the first, and each gets its own share of it", async () => {
    const { w, held, purse } = await jointPurse();
    expect(held.map(({ purse: { share } }) => [toHex(share.purse), share.holders, share.index])).toEqual(
      [0, 1, 2].map((index) => [toHex(purse), 3, index]),
    );
    expect(w.shop.purses.size).toBe(1);
    expect(await w.worth("alice", w.alice.id, FINE_DOLLAR)).toBe(ALICE - 1000n);
    expect(await w.faults()).toEqual([]);
  });

  it("is spent by all of its holders together, and by no two of them", async () => {
    const { w, held, first, purse } = await jointPurse();
    const ranges = [{ first: 0, count: 4 }];
    const parts = held.map(({ buyer, purse: of }) => ({ buyer, purse: of, ranges }));
    const order = w.alice.order(first.purse, 40n);
    for (let missing = 0; missing < 3; missing++) {
      const some = parts.filter((_, i) => i !== missing);
      expect(() => w.shop.paid(w.alice.payFrom(some, order))).toThrow("do not make it");
    }
    w.shop.paid(w.alice.payFrom(parts, order));
    const { refused } = await w.mint.redeem(w.shop.redemption(purse));
    expect(refused).toEqual([]);
    expect(await w.worth("shop", w.shop.id, FINE_DOLLAR)).toBe(40n);
  });

  it("is refunded to the first, whoever of them closes it", async () => {
    const { w, held, purse } = await jointPurse();
    const last = held[2]?.buyer ?? w.alice;
    const refund = await w.time.run(w.mint.refund(last.close(w.keys, purse, [0])));
    if (refund.state !== "closed") throw new Error("not closed");
    expect(verifyNotice(refund.notice, w.keys.signatureKey)).toMatchObject({ subject: last.id, tokens: 0, amount: 0n });
    const payers = await w.mint.refund(w.alice.close(w.keys, purse, [0]));
    if (payers.state !== "closed") throw new Error("not closed");
    expect(verifyNotice(payers.notice, w.keys.signatureKey)).toMatchObject({ subject: w.alice.id, amount: 1000n });
    expect(await w.worth("alice", w.alice.id, FINE_DOLLAR)).toBe(ALICE);
    expect(await w.faults()).toEqual([]);
  });

  it("is not made of requests that differ in anything, nor of two for one place, nor for one buyer in two places", async () => {
    const { w, holders, ask, forward } = await jointWorld();
    const [alice, bob, carol] = holders;
    if (alice === undefined || bob === undefined || carol === undefined) throw new Error("no holder");
    await w.openAccount("bob");
    await w.mint.addBuyer(toHex(bob.id), "bob");
    expect(await outcomeOf(forward(ask(alice, 0).sealed))).toBe("waiting");
    const differ: Partial<TokenRequest>[] = [
      { denominations: [{ value: 10n, count: 99 }] },
      { spendBy_seconds: w.now() + DAY + 1 },
      { unit: { currency: 840, exponent: 3 } },
      { joint: { id: JOINT, holders: 2, index: 1 } },
    ];
    for (const parts of differ) expect(await outcomeOf(forward(ask(bob, 1, parts).sealed))).toBe("refused");
    expect(await outcomeOf(forward(ask(bob, 0).sealed))).toBe("refused");
    expect(await outcomeOf(forward(ask(alice, 1).sealed))).toBe("refused");
    expect((await w.mint.refusals(toHex(bob.id))).map(({ code }) => code)).toEqual(
      Array.from({ length: 5 }, () => "joint-mismatch"),
    );
    // What did not fit spoils nothing.
    expect(await outcomeOf(forward(ask(bob, 1).sealed))).toBe("waiting");
    expect(await outcomeOf(forward(ask(carol, 2).sealed))).toBe("done");
    // Nobody joins a purse that was made.
    expect(await outcomeOf(forward(ask(w.buyer(), 1).sealed))).toBe("refused");
    expect(await w.worth("alice", w.alice.id, FINE_DOLLAR)).toBe(ALICE - 1000n);
  });

  it("that the first cannot pay is made for none, and only the first is told why", async () => {
    const { w, holders, ask, forward } = await jointWorld();
    const large = { denominations: [{ value: ALICE + 1n, count: 1 }] };
    const asked = holders.map((buyer, index) => ask(buyer, index, large));
    const outcomes = [];
    for (const { sealed } of asked) outcomes.push(await outcomeOf(forward(sealed)));
    expect(outcomes).toEqual(["waiting", "waiting", "refused"]);
    expect(await Promise.all(holders.map(({ id }) => w.mint.refusals(toHex(id))))).toMatchObject([
      [{ code: "insufficient-funds" }],
      [],
      [],
    ]);
    // When she has the money, the last of them asks again.
    await w.bank.fund({ id: "more", account: "alice", unit: { currency: 840, exponent: 2 }, amount: 1n });
    expect(await outcomeOf(forward(asked[2]?.sealed ?? new Uint8Array(0)))).toBe("done");
    expect(await w.bank.depositBalance("alice")).toBe(0n);
    expect(await w.faults()).toEqual([]);
  });

  it("whose holders never all ask is forgotten when it could not be spent any more", async () => {
    const { w, holders, ask, forward } = await jointWorld();
    const [alice] = holders;
    if (alice === undefined) throw new Error("no holder");
    await outcomeOf(forward(ask(alice, 0).sealed));
    const waiting = () => w.database.selectFrom("token_request").select("buyer").execute();
    w.time.clock.advance(DAY * 1000);
    await w.mint.tick();
    expect(await waiting()).toHaveLength(1);
    w.time.clock.advance(1000);
    await w.mint.tick();
    expect(await waiting()).toHaveLength(0);
  });
});
