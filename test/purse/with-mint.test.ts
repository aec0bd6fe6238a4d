/** A chip, a bank's mint and a seller, each the real one for the others: every cent is where it should be, from request to refund. */

import { beforeEach, expect, test } from "vitest";
import { ROLE_MINT } from "../../firmware/protocol/kinds.js";
import { WORD_FORWARD, WORD_RETURN } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { ed25519Signer, x25519KeyPair } from "../../host/crypto.js";
import { BankBooks, type BankTables } from "../../host/services/bank-books.js";
import { openDatabase } from "../../host/services/database.js";
import type { PurseOrder } from "../../host/tokens/buyer/card.js";
import { requestTokens } from "../../host/tokens/buyer/errands.js";
import { encodePayment } from "../../host/tokens/messages/payment.js";
import { readOuter } from "../../host/tokens/messages/request.js";
import type { MintTables } from "../../host/tokens/mint/books.js";
import { Mint } from "../../host/tokens/mint/mint.js";
import { type Buyer, DAY, NOW, orderOf, PurseWorld } from "../support/purses.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";
import { TestSeller } from "../support/token-seller.js";

const CENTS = { currency: 840, exponent: 2 };
/** 80 + 100 + 220 = 400 hundredths of a cent. */
const DENOMINATIONS = [
  { value: 2n, count: 40 },
  { value: 10n, count: 10 },
  { value: 110n, count: 2 },
];

let world: PurseWorld;
let buyer: Buyer;
let database: ReturnType<typeof openDatabase<BankTables & MintTables>>;
let bank: BankBooks;
let mint: Mint;
let shop: TestSeller;

beforeEach(async () => {
  world = new PurseWorld("with a mint");
  const { agents } = world.agencies;
  const [seed, agreementSecret, id] = [32, 32, 16].map((length) => new Uint8Array(length).fill(length + 7)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const signatureKey = ed25519Signer(seed).publicKey;
  const agreementKey = x25519KeyPair(agreementSecret).publicKey;
  const chain = agents.issue({ id, role: ROLE_MINT, signatureKey, agreementKey }, NOW);
  shop = new TestSeller(
    agents,
    () => ({ id, signatureKey, agreementKey }),
    world.random,
    () => Number(world.time.now_seconds()),
  );
  database = openDatabase<BankTables & MintTables>("memory");
  bank = await BankBooks.open(database, world.time);
  for (const account of ["alice", "shop"]) await bank.openDeposit(account, CENTS);
  await bank.fund({ id: "salary", account: "alice", unit: CENTS, amount: 1_000n });
  mint = await Mint.open({
    identity: { chain, seed, agreementSecret },
    root: agents.root,
    bank,
    database,
    clock: world.time,
    timers: world.time,
    random: world.random,
    lineOf: ({ key }) => (key === toHex(shop.id) ? shop : undefined),
  });
  buyer = await world.buyer("alice");
  await mint.addBuyer(toHex(buyer.id), "alice");
  const keys = { signatureKey: shop.signer.publicKey, agreementKey: shop.agreement.publicKey };
  await mint.addSeller({ id: shop.id, ...keys, account: "shop", address: "" });
});

const order = (changes: Partial<PurseOrder> = {}): PurseOrder => ({
  ...world.order({ issuerChain: mint.chain, seller: shop.id, unit: FINE_DOLLAR, denominations: DENOMINATIONS }),
  spendBy_seconds: NOW + 20 * DAY,
  ...changes,
});

/** By way of the seller (fig. 3); what is lost on the way is asked for again. */
async function fill(changes: Partial<PurseOrder> = {}): Promise<number> {
  const sent = await buyer.card.request(order(changes));
  const first = await mint.forward(shop.word(WORD_FORWARD, sent.sealed), sent.sealed);
  const { sealed } = await buyer.card.repeat(sent.slot);
  const again = await mint.forward(shop.word(WORD_FORWARD, sealed), sealed);
  shop.take(first.sellerPurse);
  shop.take(again.sellerPurse);
  const installed = await buyer.card.install(again.share);
  expect(await buyer.card.install(first.share)).toEqual(installed);
  return installed.slot;
}

async function pay(slot: number, number: number, amount: bigint): Promise<Uint8Array> {
  const bytes = orderOf(amount, number, { seller: shop.id, unit: FINE_DOLLAR });
  const part = await buyer.card.spend(slot, bytes, amount);
  shop.paid(encodePayment({ order: bytes, parts: [part] }));
  return part.purse;
}

async function sound(): Promise<void> {
  expect([...(await mint.audit()).faults, ...(await bank.audit())]).toEqual([]);
}

/** Deposits and credit, in hundredths of a cent. */
async function worth(account: string, subject: Uint8Array): Promise<bigint> {
  return (
    (await bank.depositBalance(account)) * 100n + (await bank.tokens.credit(database, toHex(subject), FINE_DOLLAR))
  );
}

test("requested, spent, redeemed, closed, refunded: what was paid is the seller's, the rest the buyer's", async () => {
  const before = await worth("alice", buyer.id);
  const slot = await fill();
  expect(await worth("alice", buyer.id)).toBe(before - 400n);
  let purse = new Uint8Array();
  for (const [number, amount] of [2n, 14n, 122n, 36n].entries())
    purse = (await pay(slot, number, amount)) as typeof purse;
  await mint.redeem(shop.redemption(purse));
  await sound();
  const { sealed } = await buyer.card.close(slot);
  let refund = await mint.refund(sealed);
  for (let turn = 0; refund.state !== "closed" && turn < 50; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    refund = await mint.refund(sealed);
  }
  if (refund.state !== "closed") throw new Error("the seller's purse did not come back");
  await buyer.card.settled(slot, refund.notice);
  expect(await buyer.card.purses()).toEqual([]);
  await sound();
  expect(await worth("shop", shop.id)).toBe(174n);
  expect(await worth("alice", buyer.id)).toBe(before - 174n);
});

test("a new purse flushes the old one, which is refunded", async () => {
  const before = await worth("alice", buyer.id);
  const slot = await fill();
  await pay(slot, 1, 30n);
  const sent = await buyer.card.request(order({ flush: true }));
  const forward = () => mint.forward(shop.word(WORD_FORWARD, sent.sealed), sent.sealed);
  let purses: Awaited<ReturnType<typeof forward>> | undefined;
  for (let turn = 0; purses === undefined && turn < 50; turn += 1) {
    purses = await forward().catch(() => undefined);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (purses === undefined) throw new Error("the mint did not flush");
  shop.take(purses.sellerPurse);
  const installed = await buyer.card.install(purses.share);
  await pay(installed.slot, 2, 110n);
  await sound();
  expect(await worth("alice", buyer.id)).toBe(before - 400n - 30n);
  expect(await worth("shop", shop.id)).toBe(30n);
});

const forward = async (outer: Uint8Array) => {
  const { sealed } = readOuter(outer);
  return mint.forward(shop.word(WORD_FORWARD, sealed), sealed);
};

/** What came of the request is gone before its answer reaches the chip: that keeps nobody from other tokens for the same seller. */
test.each(["its time is over", "the seller returns it at once"])(
  "a purse that is closed before it is installed: %s",
  async (why) => {
    const lost = requestTokens(buyer.card, mint.id, order(), async (outer) => {
      const { sellerPurse } = await forward(outer);
      const { head } = shop.take(sellerPurse);
      if (why.startsWith("the seller"))
        await mint.returned(shop.redemption(head.purse, { type: WORD_RETURN, tokens: new Map() }));
      throw new TypeError("the line broke");
    });
    await expect(lost).rejects.toThrow("the line broke");
    if (why.startsWith("its")) {
      world.time.clock.advance(60 * DAY * 1000);
      await mint.tick();
      await world.unlock(buyer);
    }
    const next = order({ spendBy_seconds: Number(world.time.now_seconds()) + DAY });
    const outcomes: string[] = [];
    for (let attempt = 0; attempt < 3; attempt++)
      outcomes.push(
        await requestTokens(buyer.card, mint.id, next, forward).then(
          () => "installed",
          (error: Error) => error.message,
        ),
      );
    expect(outcomes.join("; ")).toContain("installed");
  },
);
