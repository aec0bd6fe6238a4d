/** The real seller with the real issuer, over real HTTP: from a request to the last cent in somebody's account. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import { PURSE_MONEY, SCHEME_SOURCE } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { ed25519Signer, x25519KeyPair } from "../../host/crypto.js";
import { openDatabase } from "../../host/services/database.js";
import { MintClient } from "../../host/tokens/http/mint-client.js";
import { MintServer } from "../../host/tokens/http/mint-server.js";
import { payingFetch } from "../../host/tokens/http/paying-client.js";
import { post } from "../../host/tokens/http/post.js";
import { SellerClient } from "../../host/tokens/http/seller-client.js";
import { type SellerServer, serveSeller } from "../../host/tokens/http/serve-seller.js";
import { readBuyerPurse } from "../../host/tokens/messages/answers.js";
import { encodeOrder, encodePayment } from "../../host/tokens/messages/payment.js";
import { encodeOuter } from "../../host/tokens/messages/request.js";
import type { Issuer, SellerLine } from "../../host/tokens/parties.js";
import { Seller } from "../../host/tokens/seller.js";
import type { SellerTables } from "../../host/tokens/seller-store.js";
import { SoftwareIdentity } from "../../host/tokens/software-identity.js";
import { StorageCard } from "../../host/tokens/storage-card.js";
import { SoftPurse } from "../support/soft-purse.js";
import { type BuyersPurse, bytesFrom, FINE_DOLLAR } from "../support/token-buyer.js";
import { ALICE_CENTS, DAY, TokenWorld } from "../support/token-world.js";

let world: TokenWorld;
let seller: Seller;
let mintServer: MintServer;
let shop: SellerServer;
/** How the issuer reaches the seller: a test may break it. */
let line: SellerLine | undefined;
/** How the seller reaches the issuer. */
let issuer: Issuer;

beforeEach(async () => {
  world = await TokenWorld.open({ seed: "seller and mint" });
  mintServer = await MintServer.open(world.mint);
  issuer = new MintClient(mintServer.url);
  seller = await Seller.open({
    keys: { signatureSeed: new Uint8Array(32).fill(21), agreementSecret: new Uint8Array(32).fill(22) },
    database: openDatabase<SellerTables>("memory"),
    root: world.agency.root,
    issuers: [{ chain: world.mint.chain, line: new Proxy({} as Issuer, { get: (_, name) => bound(issuer, name) }) }],
    clock: world.time,
    random: world.random,
  });
  shop = await serveSeller(seller, {
    price: (request) => (request.url === "/article" ? { unit: FINE_DOLLAR, price: 30n } : undefined),
    handler: (_request, response) => void response.end("an article"),
  });
  line = new SellerClient(shop.url);
  const { signatureKey, agreementKey } = seller.keys;
  await world.mint.addSeller({ id: seller.id, signatureKey, agreementKey, account: "shop", address: shop.url });
  world.lines.get = (key) => (key === toHex(seller.id) ? line : undefined);
});

afterEach(async () => {
  await shop.close();
  await mintServer.close();
});

function bound(of: Issuer, name: string | symbol): unknown {
  const method: unknown = Reflect.get(of, name);
  return typeof method === "function" ? method.bind(of) : method;
}

const terms = () => ({ seller: seller.id, spendBy_seconds: world.now() + 30 * DAY, time_seconds: world.now() });

async function fill(): Promise<BuyersPurse> {
  const asked = world.alice.ask(world.keys, terms());
  const outer = encodeOuter({ issuer: world.keys.id, sealed: asked.sealed });
  const answer = await post(`${shop.url}/tally/request`, outer, { answer_ms_max: 5_000, answerBytes_max: 10_000 });
  return world.alice.install(world.keys, asked, readBuyerPurse(answer).share);
}

const softPurses = new WeakMap<BuyersPurse, SoftPurse>();

async function buy(purse: BuyersPurse, times: number): Promise<void> {
  const soft = softPurses.get(purse) ?? new SoftPurse(world.alice, purse);
  softPurses.set(purse, soft);
  const pay = payingFetch({ purses: [soft], maxPrice: { amount: 100n, unit: FINE_DOLLAR } });
  for (let i = 0; i < times; i++) expect(await (await pay(`${shop.url}/article`)).text()).toBe("an article");
}

/** What everybody has, in hundredths of a cent. */
const worths = async () => ({
  alice: await world.worth("alice", world.alice.id, FINE_DOLLAR),
  shop: await world.worth("shop", seller.id, FINE_DOLLAR),
});
const ALL = ALICE_CENTS * 100n;

describe("a seller and an issuer", () => {
  it("forward, take, redeem in bulk, and refund what was not spent", async () => {
    const purse = await fill();
    await buy(purse, 3);
    expect((await seller.redeem()).failed).toEqual([]);
    expect(await worths()).toEqual({ alice: ALL - 1_000n, shop: 90n });
    expect(seller.balance()).toEqual([{ unit: FINE_DOLLAR, accepted: 90n, credited: 90n, refused: 0n }]);
    const close = world.alice.close(world.keys, purse.share.purse, [9]);
    expect(await issuer.refund(close)).toMatchObject({ state: "closed" });
    expect(await worths()).toEqual({ alice: ALL - 90n, shop: 90n });
    expect(seller.purses()).toMatchObject([{ state: "returned" }]);
    expect(await seller.redeem()).toEqual({ credited: [], failed: [] });
    expect([await world.faults(), await seller.audit()]).toEqual([[], []]);
  });

  it("return what was taken and not redeemed with a recalled purse", async () => {
    const purse = await fill();
    await buy(purse, 2);
    const close = world.alice.close(world.keys, purse.share.purse, [6]);
    expect(await issuer.refund(close)).toMatchObject({ state: "closed" });
    expect(await worths()).toEqual({ alice: ALL - 60n, shop: 60n });
    expect((await seller.redeem()).failed).toEqual([]);
    expect(seller.balance()).toEqual([{ unit: FINE_DOLLAR, accepted: 60n, credited: 60n, refused: 0n }]);
    expect([await world.faults(), await seller.audit()]).toEqual([[], []]);
  });

  it("agree where the seller is not reached, and collects", async () => {
    const purse = await fill();
    await buy(purse, 1);
    line = undefined;
    const close = world.alice.close(world.keys, purse.share.purse, [3]);
    expect(await issuer.refund(close)).toMatchObject({ state: "recalled" });
    expect((await seller.collect()).failed).toEqual([]);
    expect(await issuer.refund(close)).toMatchObject({ state: "closed" });
    expect((await seller.collect()).failed).toEqual([]);
    expect(await worths()).toEqual({ alice: ALL - 30n, shop: 30n });
    expect(seller.balance()).toEqual([{ unit: FINE_DOLLAR, accepted: 30n, credited: 30n, refused: 0n }]);
    expect([await world.faults(), await seller.audit()]).toEqual([[], []]);
  });

  it("agree on a purse that a buyer got straight from the issuer, brought or collected", async () => {
    for (const reached of [true, false]) {
      line = reached ? new SellerClient(shop.url) : undefined;
      const asked = world.alice.ask(world.keys, { ...terms(), flushes: seller.purses()[0]?.purse ?? null });
      const answer = await issuer.request(asked.sealed).catch((error: unknown) => error);
      if (answer instanceof Error) {
        // The old purse of the pair is asked for first: the seller has to collect that.
        expect(answer).toMatchObject({ code: "flushing" });
        expect((await seller.collect()).failed).toEqual([]);
      }
      const { share } = await issuer.request(asked.sealed);
      const purse = world.alice.install(world.keys, asked, share);
      if (!reached) expect((await seller.collect()).failed).toEqual([]);
      await buy(purse, 1);
    }
    expect((await seller.redeem()).failed).toEqual([]);
    expect((await worths()).shop).toBe(60n);
    expect([await world.faults(), await seller.audit()]).toEqual([[], []]);
  });

  it("lose nothing where answers of the issuer are lost", async () => {
    const purse = await fill();
    await buy(purse, 2);
    const good = issuer;
    issuer = {
      ...bind(good),
      redeem: async (sealed) => {
        await good.redeem(sealed);
        throw new Error("the line broke");
      },
    };
    expect((await seller.redeem()).failed).toHaveLength(1);
    await buy(purse, 1);
    expect((await seller.redeem()).failed).toHaveLength(1);
    issuer = good;
    expect((await seller.redeem()).failed).toEqual([]);
    expect(seller.balance()).toEqual([{ unit: FINE_DOLLAR, accepted: 90n, credited: 90n, refused: 0n }]);
    expect((await worths()).shop).toBe(90n);
    expect([await world.faults(), await seller.audit()]).toEqual([[], []]);
  });
});

describe("the source's scheme", () => {
  it("is spent from a card that only stores halves, redeemed as tokens, and its rest refunded", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tallystick-source-"));
    const file = join(folder, "card");
    const identity = newIdentity();
    await world.mint.addBuyer(toHex(identity.id), "alice");
    const denominations = [
      { value: 1n, count: 10 },
      { value: 10n, count: 20 },
    ];
    const what = { kind: PURSE_MONEY, unit: FINE_DOLLAR, denominations, assertion: null, scheme: SCHEME_SOURCE };
    const { seller: shopId, spendBy_seconds } = terms();
    const order = { ...what, issuerChain: world.mint.chain, seller: shopId, spendBy_seconds };
    const { outer } = await identity.ask(file, order, world.now());
    await identity.install(file, await seller.forward(outer));
    const card = await StorageCard.open(file);
    const pay = payingFetch({ purses: [card], maxPrice: { amount: 100n, unit: FINE_DOLLAR } });
    for (let i = 0; i < 2; i++) expect(await (await pay(`${shop.url}/article`)).text()).toBe("an article");
    const goods = new Uint8Array(32);
    const nonce = new Uint8Array(16);
    const bytes = encodeOrder({
      seller: shopId,
      nonce,
      goods,
      unit: FINE_DOLLAR,
      price: 12n,
      delivery: 0,
      assertion: null,
    });
    const { parts } = await card.spend(bytes, 12n);
    const expected = { goods, unit: FINE_DOLLAR, price: 12n };
    for (const at of [0, 40, 119, 150]) {
      const spoiled = parts.map((part) => ({
        ...part,
        halves: part.halves.map((byte, i) => (i === at ? byte ^ 1 : byte)),
      }));
      const bad = seller.accept(encodePayment({ order: bytes, parts: spoiled }), expected);
      await expect(bad).rejects.toMatchObject({ code: "half-altered" });
    }
    expect(await seller.accept(encodePayment({ order: bytes, parts }), expected)).toMatchObject({ state: "paid" });
    expect(await seller.audit()).toEqual([]);
    expect((await seller.redeem()).failed).toEqual([]);
    expect(seller.balance()).toEqual([{ unit: FINE_DOLLAR, accepted: 72n, credited: 72n, refused: 0n }]);
    const { close, halves } = await identity.close(card, world.mint.chain);
    expect(await issuer.refund(close, halves)).toMatchObject({ state: "closed" });
    expect((await worths()).shop).toBe(72n);
    const credit = await world.bank.tokens.credit(world.database, toHex(identity.id), FINE_DOLLAR);
    expect((await world.bank.depositBalance("alice")) * 100n + credit).toBe(ALL - 72n);
    expect([await world.faults(), await seller.audit()]).toEqual([[], []]);
    await card.close();
    rmSync(folder, { recursive: true });
  });
});

function newIdentity(): SoftwareIdentity {
  const bytes = bytesFrom(world.random);
  const [id, signatureSeed, agreementSecret] = [bytes(16), bytes(32), bytes(32)];
  const signatureKey = ed25519Signer(signatureSeed).publicKey;
  const { publicKey: agreementKey } = x25519KeyPair(agreementSecret);
  const chain = world.agency.issue({ id, role: ROLE_PURSE, signatureKey, agreementKey }, world.now());
  return new SoftwareIdentity({ chain, signatureSeed, agreementSecret, random: world.random });
}

function bind(of: Issuer): Issuer {
  return {
    forward: of.forward.bind(of),
    request: of.request.bind(of),
    redeem: of.redeem.bind(of),
    returned: of.returned.bind(of),
    collect: of.collect.bind(of),
    refund: of.refund.bind(of),
  };
}
