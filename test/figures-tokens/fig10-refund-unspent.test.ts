/** EP 0 833 285 A2 fig. 10: the bank's response to a buyer who wants back what it did not spend. */

import { describe, expect, it } from "vitest";
import { CREDIT_REFUNDED, WORD_COLLECT, WORD_FORWARD, WORD_RETURN } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { encodeWaiting } from "../../host/tokens/messages/answers.js";
import { verifyNotice, verifyRecall } from "../../host/tokens/messages/closing.js";
import type { TokenRequest } from "../../host/tokens/messages/request.js";
import type { SellerLine } from "../../host/tokens/parties.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";
import { ALICE_CENTS, DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

const ALICE = 100n * ALICE_CENTS;

/** Answers nothing, ever. */
const silent: SellerLine = {
  deliver: () => new Promise(() => {}),
  recall: () => new Promise(() => {}),
  notice: () => new Promise(() => {}),
};

async function purseOf(w: TokenWorld, parts: Partial<TokenRequest> = {}) {
  const times = { spendBy_seconds: w.now() + DAY, time_seconds: w.now() };
  const asked = w.alice.ask(w.keys, { seller: w.shop.id, ...times, ...parts });
  const issued = await w.time.run(w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed));
  w.shop.take(issued.sellerPurse);
  const held = w.alice.install(w.keys, asked, issued.share);
  return { asked, held, purse: held.share.purse };
}

async function spentPurse(tokens: number) {
  const w = await TokenWorld.open();
  const made = await purseOf(w);
  const { held } = made;
  if (tokens > 0)
    w.shop.paid(w.alice.pay(held, w.alice.order(held, 10n * BigInt(tokens)), [{ first: 0, count: tokens }]));
  const worth = async () => [
    await w.worth("alice", w.alice.id, FINE_DOLLAR),
    await w.worth("shop", w.shop.id, FINE_DOLLAR),
  ];
  return { w, ...made, worth };
}

describe("fig. 10, refund unspent", () => {
  it("1082-1099: asks the seller for its purse, redeems what was spent, and pays the rest back", async () => {
    const { w, purse, worth } = await spentPurse(25);
    const refund = await w.time.run(w.mint.refund(w.alice.close(w.keys, purse, [25])));
    if (refund.state !== "closed") throw new Error("the seller is on line: it is closed at once");
    expect(verifyNotice(refund.notice, w.keys.signatureKey)).toMatchObject({
      what: CREDIT_REFUNDED,
      ...{ purse, subject: w.alice.id, request: null, tokens: 75, amount: 750n, unit: FINE_DOLLAR },
    });
    expect(await worth()).toEqual([ALICE - 250n, 250n]);
    expect(await w.faults()).toEqual([]);
    // Both are told, and the seller is not told who the buyer is.
    await w.time.run(w.mint.tick());
    expect(w.shop.notices).toHaveLength(1);
    const told = verifyNotice(w.shop.notices[0] ?? new Uint8Array(0), w.keys.signatureKey);
    expect(told).toMatchObject({ what: CREDIT_REFUNDED, purse, subject: w.shop.id, tokens: 25, amount: 250n });
    expect(toHex(w.shop.notices[0] ?? new Uint8Array(0))).not.toContain(toHex(w.alice.id));
  });

  it("the same statement again gets the same notice, and pays nothing more", async () => {
    const { w, purse, worth } = await spentPurse(0);
    const first = await w.time.run(w.mint.refund(w.alice.close(w.keys, purse, [0])));
    w.time.clock.advance(5_000);
    expect(await w.time.run(w.mint.refund(w.alice.close(w.keys, purse, [0])))).toEqual(first);
    expect(await worth()).toEqual([ALICE, 0n]);
  });

  it("1088: what the seller redeems counts, not what the buyer says that it spent", async () => {
    const { w, purse, worth } = await spentPurse(60);
    const refund = await w.time.run(w.mint.refund(w.alice.close(w.keys, purse, [0])));
    if (refund.state !== "closed") throw new Error("not closed");
    expect(verifyNotice(refund.notice, w.keys.signatureKey)).toMatchObject({ tokens: 40, amount: 400n });
    expect(await worth()).toEqual([ALICE - 600n, 600n]);
  });

  it("redeems nothing of a purse that was returned, by a code of its own", async () => {
    const { w, purse } = await spentPurse(5);
    await w.time.run(w.mint.refund(w.alice.close(w.keys, purse, [5])));
    expect(await outcomeOf(w.mint.redeem(w.shop.redemption(purse)))).toBe("purse-closed");
    expect(await outcomeOf(w.mint.returned(w.shop.redemption(purse, { type: WORD_RETURN })))).toBe("purse-closed");
  });

  it("a seller that withholds its purse may redeem until the last day, and not after it; then the buyer is paid", async () => {
    const { w, purse, worth } = await spentPurse(10);
    w.shop.withholds = true;
    const statement = w.alice.close(w.keys, purse, [10]);
    const last = w.now() + 31 * DAY;
    expect(await w.time.run(w.mint.refund(statement))).toEqual({ state: "recalled", paidBy_seconds: last });
    await w.mint.redeem(w.shop.redemption(purse));
    expect(await worth()).toEqual([ALICE - 1000n, 100n]);
    w.time.clock.advance((last - w.now()) * 1000);
    await w.mint.tick();
    expect(await worth()).toEqual([ALICE - 1000n, 100n]);
    w.time.clock.advance(1000);
    await w.mint.tick();
    expect(await worth()).toEqual([ALICE - 100n, 100n]);
    expect((await w.mint.refund(statement)).state).toBe("closed");
    expect(await w.faults()).toEqual([]);
  });

  it("a timer pays at the last day, with nobody asking; of an open purse too, whose card may be lost", async () => {
    const { w, worth } = await spentPurse(10);
    const paid = (async () => {
      while ((await worth())[0] !== ALICE) await new Promise<void>((resolve) => w.time.after(86_400_000, resolve));
    })();
    await w.time.run(paid);
    expect(w.now()).toBeLessThan(1_800_000_000 + 33 * DAY);
    expect(await worth()).toEqual([ALICE, 0n]);
    expect(await w.faults()).toEqual([]);
  });

  it("closes a purse once, however many look at it when its last second is over", async () => {
    const { w, purse, worth } = await spentPurse(10);
    w.time.clock.advance(40 * DAY * 1000);
    const statement = w.alice.close(w.keys, purse, [10]);
    const asked = [w.mint.tick(), w.mint.refund(statement), w.mint.tick(), w.mint.refund(statement)];
    expect(await Promise.all(asked.map(outcomeOf))).toEqual(["done", "done", "done", "done"]);
    expect(await worth()).toEqual([ALICE, 0n]);
    expect(await w.faults()).toEqual([]);
  });

  it("a mint that was closed books nothing more, and the next one asks again", async () => {
    const { w, purse, worth } = await spentPurse(10);
    let answer: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const shopsLine = { ...silent, recall: (signed: Uint8Array) => asked.then(() => w.shop.recall(signed)) };
    w.lines.set(toHex(w.shop.id), shopsLine);
    const refund = w.mint.refund(w.alice.close(w.keys, purse, [10]));
    const turns = () => w.time.run(new Promise<void>((resolve) => w.time.after(100, resolve)));
    await turns();
    w.mint.close();
    answer();
    expect(await refund).toMatchObject({ state: "recalled" });
    await turns();
    expect(await worth()).toEqual([ALICE - 1000n, 0n]);
    w.lines.set(toHex(w.shop.id), w.shop);
    await w.start();
    await turns();
    expect(await worth()).toEqual([ALICE - 100n, 100n]);
  });

  it("asks a seller that is away again, until it answers", async () => {
    const { w, purse, worth } = await spentPurse(10);
    w.shop.withholds = true;
    const statement = w.alice.close(w.keys, purse, [10]);
    expect((await w.time.run(w.mint.refund(statement))).state).toBe("recalled");
    w.shop.withholds = false;
    const closed = (async () => {
      while ((await worth())[1] === 0n) await new Promise<void>((resolve) => w.time.after(60_000, resolve));
    })();
    await w.time.run(closed);
    expect(await worth()).toEqual([ALICE - 100n, 100n]);
    expect(w.now()).toBeLessThan(1_800_000_000 + DAY);
  });

  it("a buyer does not wait for a seller that never answers", async () => {
    const { w, purse } = await spentPurse(10);
    w.lines.set(toHex(w.shop.id), silent);
    const refund = await w.time.run(w.mint.refund(w.alice.close(w.keys, purse, [10])));
    expect(refund.state).toBe("recalled");
    expect(w.now()).toBeLessThanOrEqual(1_800_000_000 + 15);
  });

  it("a seller without a line collects the recall, returns, and collects the notice once", async () => {
    const { w, purse, worth } = await spentPurse(10);
    w.lines.clear();
    expect((await w.time.run(w.mint.refund(w.alice.close(w.keys, purse, [10])))).state).toBe("recalled");
    const waiting = await w.mint.collect(w.shop.word(WORD_COLLECT));
    expect(waiting.recalls.map((recall) => verifyRecall(recall, w.keys.signatureKey).purse)).toEqual([purse]);
    await w.mint.returned(w.shop.redemption(purse, { type: WORD_RETURN }));
    expect(await worth()).toEqual([ALICE - 100n, 100n]);
    const next = await w.mint.collect(w.shop.word(WORD_COLLECT, encodeWaiting(waiting)));
    expect([next.recalls.length, next.notices.length]).toEqual([0, 1]);
    // An answer that got lost is given again; one that is acknowledged is not.
    const lost = await w.mint.collect(w.shop.word(WORD_COLLECT));
    expect(lost.notices).toEqual(next.notices);
    const last = await w.mint.collect(w.shop.word(WORD_COLLECT, encodeWaiting(lost)));
    expect(last).toEqual({ purses: [], recalls: [], notices: [] });
  });

  it("a word that collects is good for five minutes", async () => {
    const { w } = await spentPurse(0);
    const late = w.shop.word(WORD_COLLECT, new Uint8Array(0), { time_seconds: w.now() - 301 });
    expect(await outcomeOf(w.mint.collect(late))).toBe("out-of-date");
    const forged = w.shop.word(WORD_COLLECT, new Uint8Array(0), {}, w.alice.signer);
    expect(await outcomeOf(w.mint.collect(forged))).toBe("not-authentic");
  });

  it("believes only the purse's buyer, and statements that fit it", async () => {
    const { w, purse, worth } = await spentPurse(10);
    const mallory = w.buyer();
    expect(await outcomeOf(w.mint.refund(mallory.close(w.keys, purse, [0])))).toBe("unknown-purse");
    Object.defineProperty(mallory, "id", { value: w.alice.id });
    expect(await outcomeOf(w.mint.refund(mallory.close(w.keys, purse, [0])))).toBe("not-authentic");
    for (const spent of [[], [101], [0, 0]])
      expect(await outcomeOf(w.mint.refund(w.alice.close(w.keys, purse, spent)))).toBe("malformed");
    expect(await outcomeOf(w.mint.refund(new Uint8Array(560)))).toBe("malformed");
    expect(await outcomeOf(w.mint.refund(w.alice.close(w.keys, w.alice.id, [0])))).toBe("unknown-purse");
    expect(await worth()).toEqual([ALICE - 1000n, 0n]);
    await w.mint.redeem(w.shop.redemption(purse));
    expect(await worth()).toEqual([ALICE - 1000n, 100n]);
  });

  it("an older purse of the pair is flushed in the same round trip, if the request names it", async () => {
    const { w, purse, worth } = await spentPurse(10);
    expect(await outcomeOf(purseOf(w))).toBe("refused");
    expect(await w.mint.refusals(toHex(w.alice.id))).toMatchObject([{ code: "flush-first" }]);
    expect(await worth()).toEqual([ALICE - 1000n, 0n]);
    const next = await purseOf(w, { flushes: purse });
    expect(next.purse).not.toEqual(purse);
    expect(await worth()).toEqual([ALICE - 1100n, 100n]);
    expect((await w.mint.refund(w.alice.close(w.keys, purse, [10]))).state).toBe("closed");
    expect(await w.faults()).toEqual([]);
    // A purse in another unit is of another pair.
    await purseOf(w, { unit: { currency: 840, exponent: 3 } });
  });

  it("a seller that is away when an older purse is flushed is waited for: nothing is debited, and asking again goes on", async () => {
    const { w, purse, worth } = await spentPurse(10);
    w.lines.clear();
    const times = { spendBy_seconds: w.now() + DAY, time_seconds: w.now() };
    const asked = w.alice.ask(w.keys, { seller: w.shop.id, ...times, flushes: purse });
    const forward = () => w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
    expect(await outcomeOf(w.time.run(forward()))).toBe("flushing");
    expect(await outcomeOf(w.time.run(forward()))).toBe("flushing");
    expect(await worth()).toEqual([ALICE - 1000n, 0n]);
    await w.mint.returned(w.shop.redemption(purse, { type: WORD_RETURN }));
    expect(await worth()).toEqual([ALICE - 100n, 100n]);
    const issued = await forward();
    w.alice.install(w.keys, asked, issued.share);
    expect(await worth()).toEqual([ALICE - 1100n, 100n]);
  });

  it("what is over has nothing to flush", async () => {
    const { w, worth } = await spentPurse(10);
    w.time.clock.advance(32 * DAY * 1000);
    await purseOf(w);
    expect(await worth()).toEqual([ALICE - 1000n, 0n]);
    expect(await w.faults()).toEqual([]);
  });

  it("the request of a purse that was flushed makes no second one", async () => {
    const { w, asked, purse, worth } = await spentPurse(10);
    await w.time.run(w.mint.refund(w.alice.close(w.keys, purse, [10])));
    const again = w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
    expect(await outcomeOf(again)).toBe("purse-closed");
    expect(await worth()).toEqual([ALICE - 100n, 100n]);
  });
});
