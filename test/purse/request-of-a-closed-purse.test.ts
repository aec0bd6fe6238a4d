/** A chip and a mint: a request whose purse was closed before its answer came does not keep the owner from other tokens for that seller. */

import { beforeEach, expect, test } from "vitest";
import { ROLE_MINT } from "../../firmware/protocol/kinds.js";
import { WORD_FORWARD, WORD_RETURN } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { ed25519Signer, x25519KeyPair } from "../../host/crypto.js";
import { BankBooks, type BankTables } from "../../host/services/bank-books.js";
import { openDatabase } from "../../host/services/database.js";
import type { PurseOrder } from "../../host/tokens/buyer/card.js";
import { requestTokens } from "../../host/tokens/buyer/errands.js";
import { readOuter } from "../../host/tokens/messages/request.js";
import type { MintTables } from "../../host/tokens/mint/books.js";
import { Mint } from "../../host/tokens/mint/mint.js";
import { type Buyer, DAY, NOW, PurseWorld } from "../support/purses.js";
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

const forward = async (outer: Uint8Array) => {
  const { sealed } = readOuter(outer);
  return mint.forward(shop.word(WORD_FORWARD, sealed), sealed);
};

test.each(["its time is over", "the seller returns it at once"])("%s", async (why) => {
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
});
