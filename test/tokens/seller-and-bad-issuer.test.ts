/** What an issuer, or somebody who says that he is one, tells a seller: believed only as far as it is signed and fits. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CREDIT_REFUNDED } from "../../firmware/protocol/tokens.js";
import { sha256 } from "../../host/crypto.js";
import { openDatabase } from "../../host/services/database.js";
import { encodeWaiting } from "../../host/tokens/messages/answers.js";
import { type CreditNotice, signNotice, signRecall, verifyNotice } from "../../host/tokens/messages/closing.js";
import { encodeOuter } from "../../host/tokens/messages/request.js";
import { readWord } from "../../host/tokens/messages/words.js";
import type { Issuer, Redemption } from "../../host/tokens/parties.js";
import { Seller } from "../../host/tokens/seller/seller.js";
import type { SellerTables } from "../../host/tokens/seller/store.js";
import { NOW, signerOf } from "../support/agencies.js";
import { DAY, outcome, range, SellerWorld } from "../support/seller-world.js";
import { type BuyersPurse, FINE_DOLLAR, type TokenBuyer } from "../support/token-buyer.js";
import { TestIssuer } from "../support/token-issuer.js";

let world: SellerWorld;
let buyer: TokenBuyer;
let purse: BuyersPurse;
beforeEach(async () => {
  world = await SellerWorld.open("bad issuer", { onDisk: true });
  buyer = world.buyer();
  purse = await world.purse(buyer);
  await world.seller.accept(world.payment(buyer, purse, 30n, range(0, 3)), world.expected(30n));
});
afterEach(() => world.close());

/** The issuer's answers to redemptions, changed. */
function answering(change: (answer: Redemption) => Redemption): void {
  const { issuer } = world;
  world.line = new Proxy(issuer as Issuer, {
    get: (_, name) => {
      if (name === "redeem") return async (sealed: Uint8Array) => change(await issuer.redeem(sealed));
      const method: unknown = Reflect.get(issuer, name);
      return typeof method === "function" ? method.bind(issuer) : method;
    },
  });
}

const resigned =
  (change: Partial<CreditNotice>, signer = world.issuer.signer) =>
  ({ notice, refused }: Redemption) => ({
    notice: signNotice({ ...verifyNotice(notice, world.issuer.signer.publicKey), ...change }, signer),
    refused,
  });
const BALANCE = { unit: FINE_DOLLAR, accepted: 30n, refused: 0n };

describe("a notice that is not believed leaves the tokens to be asked for again", () => {
  it.each<[string, () => (answer: Redemption) => Redemption]>([
    ["signed by somebody else", () => resigned({}, signerOf(99))],
    ["about another purse", () => resigned({ purse: new Uint8Array(16) })],
    ["for somebody else", () => resigned({ subject: new Uint8Array(16) })],
    ["to another request", () => resigned({ request: new Uint8Array(16) })],
    ["of another kind", () => resigned({ what: CREDIT_REFUNDED })],
    ["over less", () => resigned({ amount: 20n })],
    ["over fewer tokens", () => resigned({ tokens: 2 })],
    ["over more", () => resigned({ amount: 40n })],
    ["in another unit", () => resigned({ unit: { currency: 978, exponent: 4 } })],
    [
      "with a list of refused tokens that it does not fit",
      () => (answer) => ({ ...answer, refused: [{ serial: 1, why: "already-redeemed" }] }),
    ],
    ["cut off", () => (answer) => ({ ...answer, notice: answer.notice.subarray(0, -1) })],
  ])("%s", async (_what, spoil) => {
    answering(spoil());
    const { credited, failed } = await world.seller.redeem();
    expect([credited, failed]).toEqual([[], [expect.objectContaining({ code: "not-authentic" })]]);
    expect(world.seller.balance()).toEqual([{ ...BALANCE, credited: 0n }]);
    world.line = world.issuer;
    expect((await world.seller.redeem()).failed).toEqual([]);
    expect(world.seller.balance()).toEqual([{ ...BALANCE, credited: 30n }]);
  });

  it("tokens that are refused by name are not presented again, and are told", async () => {
    const [issued] = world.issuer.purses;
    issued?.redeemed.add(1);
    expect((await world.seller.redeem()).credited).toMatchObject([{ amount: 20n, tokens: 2 }]);
    expect(world.seller.balance()).toEqual([{ ...BALANCE, credited: 20n, refused: 10n }]);
    expect(await world.seller.redeem()).toEqual({ credited: [], failed: [] });
    await world.restart();
    expect(world.seller.balance()).toEqual([{ ...BALANCE, credited: 20n, refused: 10n }]);
    expect(await world.seller.audit()).toEqual([]);
  });
});

describe("a purse", () => {
  it("of another issuer than was asked is not stored, though the seller takes its tokens too", async () => {
    const { agency, issuer, random } = world;
    const other = new TestIssuer(agency, random, () => NOW);
    const misleading: Issuer = new Proxy(issuer as Issuer, {
      get: (_, name) =>
        name === "forward" ? async (_word: Uint8Array, sealed: Uint8Array) => other.issue(sealed) : undefined,
    });
    const database = openDatabase<SellerTables>("memory");
    const seller = await Seller.open({
      keys: { signatureSeed: new Uint8Array(32).fill(11), agreementSecret: new Uint8Array(32).fill(12) },
      database,
      root: agency.root,
      issuers: [
        { chain: issuer.chain, line: misleading, assertions: [] },
        { chain: other.chain, line: other, assertions: [] },
      ],
      clock: { now_seconds: () => world.now },
      random,
    });
    other.serve({ id: seller.id, ...seller.keys });
    const { sealed } = buyer.ask(other.keys, { seller: seller.id, spendBy_seconds: NOW + DAY, time_seconds: NOW });
    const ask = (id: Uint8Array) => outcome(() => seller.forward(encodeOuter({ issuer: id, sealed })));
    expect(await ask(issuer.keys.id)).toBe("not-authentic");
    expect(seller.purses()).toEqual([]);
    expect(await ask(other.keys.id)).toBe("done");
    expect(seller.purses()).toMatchObject([{ issuer: other.keys.id, state: "open" }]);
    await database.destroy();
  });
});

describe("a recall", () => {
  it("of somebody else, or for another seller, returns nothing", async () => {
    const { seller } = world;
    const about = { purse: purse.share.purse, time_seconds: NOW };
    expect(await outcome(() => seller.recall(signRecall({ ...about, seller: seller.id }, signerOf(99))))).toBe(
      "not-authentic",
    );
    const other = signRecall({ ...about, seller: new Uint8Array(16) }, world.issuer.signer);
    expect(await outcome(() => seller.recall(other))).toBe("wrong-seller");
    expect(await outcome(() => seller.recall(new Uint8Array(3)))).toBe("not-authentic");
    expect(seller.purses()).toMatchObject([{ state: "open" }]);
  });

  it("has the same answer for ever, and ends the purse", async () => {
    const recall = world.issuer.recall(purse.share.purse);
    const first = await world.seller.recall(recall);
    const [again, third] = await Promise.all([world.seller.recall(recall), world.seller.recall(recall)]);
    expect([again, third]).toEqual([first, first]);
    await world.restart();
    expect(await world.seller.recall(recall)).toEqual(first);
    const late = world.seller.accept(world.payment(buyer, purse, 10n, range(5)), world.expected(10n));
    expect(await outcome(late)).toBe("purse-recalled");
  });

  it("of a purse that has not come returns nothing of it, and keeps it from coming", async () => {
    const asked = buyer.ask(world.issuer.keys, {
      seller: world.seller.id,
      spendBy_seconds: NOW + DAY,
      time_seconds: NOW,
    });
    const issued = world.issuer.issue(asked.sealed);
    const other = buyer.install(world.issuer.keys, asked, issued.share);
    const sealed = await world.seller.recall(world.issuer.recall(other.share.purse));
    expect((await world.issuer.returned(sealed)).refused).toEqual([]);
    const outer = encodeOuter({ issuer: world.issuer.keys.id, sealed: asked.sealed });
    for (let i = 0; i < 2; i++) {
      expect(await outcome(() => world.seller.forward(outer))).toBe("purse-recalled");
      const payment = world.payment(buyer, other, 10n, range(0));
      expect(await outcome(world.seller.accept(payment, world.expected(10n)))).toBe("purse-recalled");
      await world.restart();
    }
    expect(await world.seller.audit()).toEqual([]);
  });
});

describe("what waits at an issuer", () => {
  it("is taken as far as it can be believed; the rest is told, and hinders nothing", async () => {
    const asked = buyer.ask(world.issuer.keys, {
      seller: world.seller.id,
      spendBy_seconds: NOW + DAY,
      time_seconds: NOW,
    });
    const { sellerPurse } = world.issuer.issue(asked.sealed);
    world.issuer.waiting.purses.push(new Uint8Array(100), sellerPurse);
    world.issuer.waiting.recalls.push(new Uint8Array(3), world.issuer.recall(purse.share.purse));
    world.issuer.waiting.notices.push(new Uint8Array(3));
    const { failed } = await world.seller.collect();
    expect(failed.map((error) => (error as { code?: string }).code)).toEqual(Array(3).fill("not-authentic"));
    expect(
      world.seller
        .purses()
        .map(({ state }) => state)
        .sort(),
    ).toEqual(["open", "returned"]);
    expect(world.seller.balance()).toEqual([{ ...BALANCE, credited: 30n }]);
  });

  it("is acknowledged when all of it was done, and comes again until then", async () => {
    const { issuer } = world;
    const digests: Uint8Array[] = [];
    let isBroken = true;
    world.line = new Proxy(issuer as Issuer, {
      get: (_, name) => {
        if (name === "collect")
          return async (word: Uint8Array) => {
            digests.push(readWord(word).digest);
            return issuer.collect();
          };
        if (name === "returned" && isBroken) return () => Promise.reject(new Error("the line broke"));
        const method: unknown = Reflect.get(issuer, name);
        return typeof method === "function" ? method.bind(issuer) : method;
      },
    });
    issuer.waiting.recalls.push(issuer.recall(purse.share.purse));
    expect((await world.seller.collect()).failed).toHaveLength(1);
    isBroken = false;
    expect((await world.seller.collect()).failed).toEqual([]);
    await world.seller.collect();
    const nothing = sha256(new Uint8Array(0));
    expect(digests).toEqual([nothing, nothing, sha256(encodeWaiting(issuer.waiting))]);
    expect(world.seller.balance()).toEqual([{ ...BALANCE, credited: 30n }]);
  });

  it("a purse that nobody recalled is over when its issuer says that it is closed", async () => {
    const [issued] = world.issuer.purses;
    if (issued === undefined) throw new Error("no purse");
    await world.seller.redeem();
    await world.seller.notice(world.issuer.closed(issued));
    expect(world.seller.purses()).toMatchObject([{ state: "returned" }]);
    const late = world.seller.accept(world.payment(buyer, purse, 10n, range(5)), world.expected(10n));
    expect(await outcome(late)).toBe("purse-recalled");
    await world.seller.notice(world.issuer.closed(issued));
    expect(await world.seller.audit()).toEqual([]);
  });
});
