/**
 * A card that only stores halves, a file without a key, from the request to the refund: once with our halves of secrets, once with the
 * source's halves of signed tokens. Whoever has a copy of it can spend what its owner has not; nobody can spend anything twice.
 */

import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import { PURSE_MONEY, SCHEME_SECRET, SCHEME_SOURCE } from "../../firmware/protocol/tokens.js";
import { ed25519Signer, x25519KeyPair } from "../../host/crypto.js";
import { SoftwareIdentity } from "../../host/tokens/buyer/software-identity.js";
import { StorageCard } from "../../host/tokens/buyer/storage-card.js";
import { MintClient } from "../../host/tokens/http/mint-client.js";
import { payingFetch } from "../../host/tokens/http/paying-client.js";
import { agentsAgency, bytesFrom, FINE_DOLLAR, seededRandom } from "../support/token-buyer.js";
import { askAt, bought, DAY, GOODS, type Shop, TokenMarket } from "../support/token-market.js";
import { VirtualTime } from "../support/virtual-time.js";

const PRICE = GOODS["/article"].price;
/** 50 of a hundredth of a cent and 45 of a tenth: five cents. */
const COINS = [
  { value: 1n, count: 50 },
  { value: 10n, count: 45 },
];
const FACE = 500n;
/** Cents, and the same in hundredths of a cent. */
const SAVINGS_CENTS = 100n;
const SAVINGS = 100n * SAVINGS_CENTS;

let folder: string;
let file: string;
let market: TokenMarket;
let shop: Shop;
let alice: SoftwareIdentity;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-stored-halves-"));
  file = join(folder, "card");
  const time = new VirtualTime();
  const random = seededRandom("stored halves");
  const agency = agentsAgency(random, Number(time.now_seconds()));
  market = await TokenMarket.open({ agency, time, random });
  shop = await market.shop("shop", { location: { file: join(folder, "shop.db") } });
  const bytes = bytesFrom(random);
  const [id, signatureSeed, agreementSecret] = [bytes(16), bytes(32), bytes(32)];
  const signatureKey = ed25519Signer(signatureSeed).publicKey;
  const { publicKey: agreementKey } = x25519KeyPair(agreementSecret);
  const chain = agency.issue({ id, role: ROLE_PURSE, signatureKey, agreementKey }, market.now());
  alice = new SoftwareIdentity({ chain, signatureSeed, agreementSecret, random });
  await market.account("alice", id, SAVINGS_CENTS);
});
afterEach(async () => {
  await market.close();
  rmSync(folder, { recursive: true });
});

/** Asked for by way of the shop; the first answer is lost. */
async function newCard(scheme: number): Promise<StorageCard> {
  const { outer } = await alice.ask(
    file,
    {
      issuerChain: market.mint.chain,
      seller: shop.seller.id,
      ...{ scheme, kind: PURSE_MONEY, unit: FINE_DOLLAR, denominations: COINS, assertion: null },
      spendBy_seconds: market.now() + 30 * DAY,
    },
    market.now(),
  );
  await askAt(shop.url, outer);
  await alice.install(file, await askAt(shop.url, (await alice.repeat(file)).outer));
  expect(await worths()).toEqual({ alice: SAVINGS - FACE, shop: 0n });
  return StorageCard.open(file);
}

const worths = async () => ({
  alice: await market.worth("alice", alice.id),
  shop: await market.worth(shop.name, shop.seller.id),
});

/** Buys the article with a card. */
function buys(card: StorageCard): Promise<string> {
  return bought(payingFetch({ purses: [card], maxPrice: { amount: 100n, unit: FINE_DOLLAR } }), `${shop.url}/article`);
}

/** Nothing is left to anybody but what was paid and what was not. */
async function isSettled(sold: number): Promise<void> {
  const earned = BigInt(sold) * PRICE;
  expect(await worths()).toEqual({ alice: SAVINGS - earned, shop: earned });
  expect(shop.seller.balance()).toEqual([{ unit: FINE_DOLLAR, accepted: earned, credited: earned, refused: 0n }]);
  expect(await market.faults()).toEqual([]);
}

async function isRefunded(card: StorageCard): Promise<void> {
  const { close, halves } = await alice.close(card, market.mint.chain);
  const mint = new MintClient(market.mintUrl);
  expect(await mint.refund(close, halves)).toMatchObject({ state: "closed" });
  // Asked again, now without the halves, it says the same and books nothing.
  expect(await mint.refund(close)).toMatchObject({ state: "closed" });
}

describe.each([
  { name: "halves of secrets", scheme: SCHEME_SECRET, half_bytes: 32 },
  { name: "the source's halves of signed tokens", scheme: SCHEME_SOURCE, half_bytes: 100 },
])("a card with $name", ({ scheme, half_bytes }) => {
  test("is filled, pays a shop, is carried to another reader, redeemed, and refunded", async () => {
    const card = await newCard(scheme);
    expect(card.available).toBe(FACE);
    expect(statSync(file).size).toBeGreaterThan(95 * half_bytes);
    expect([await buys(card), await buys(card)]).toEqual([GOODS["/article"].text, GOODS["/article"].text]);
    await card.close();
    const elsewhere = await StorageCard.open(file);
    expect(elsewhere.available).toBe(FACE - 2n * PRICE);
    expect(await buys(elsewhere)).toBe(GOODS["/article"].text);
    expect((await shop.seller.redeem()).failed).toEqual([]);
    expect(await worths()).toEqual({ alice: SAVINGS - FACE, shop: 3n * PRICE });
    await isRefunded(elsewhere);
    expect(await buys(elsewhere)).toBe("no-purse");
    await elsewhere.close();
    await isSettled(3);
  });

  test("copied, it spends what is left, and nothing that was spent", async () => {
    const card = await newCard(scheme);
    const copy = join(folder, "copy");
    copyFileSync(file, copy);
    expect(await buys(card)).toBe(GOODS["/article"].text);
    const thief = await StorageCard.open(copy);
    const before = shop.seller.balance();
    // The copy does not know that these are spent: the shop does.
    expect(await buys(thief)).toBe("half-spent");
    expect(shop.seller.balance()).toEqual(before);
    // The thief's card goes on with its next tokens, which are the owner's money.
    expect(await buys(thief)).toBe(GOODS["/article"].text);
    expect(await buys(card)).toBe("half-spent");
    expect(await buys(card)).toBe(GOODS["/article"].text);
    await thief.close();
    expect((await shop.seller.redeem()).failed).toEqual([]);
    await isRefunded(card);
    await card.close();
    await isSettled(3);
  });

  test("holds none of the others' secrets, and is good at its own shop only", async () => {
    const card = await newCard(scheme);
    const stored = readFileSync(file);
    for (const secret of [shop.keys.agreementSecret, shop.keys.signatureSeed, market.identity.seed])
      expect(stored.includes(Buffer.from(secret))).toBe(false);
    // Another shop of the same mint has no other halves for it.
    const other = await market.shop("other");
    const pay = payingFetch({ purses: [card], maxPrice: { amount: 100n, unit: FINE_DOLLAR } });
    expect(await bought(pay, `${other.url}/article`)).toBe("no-purse");
    expect(card.available).toBe(FACE);
    await isRefunded(card);
    await card.close();
    expect(await worths()).toEqual({ alice: SAVINGS, shop: 0n });
    expect(await market.faults()).toEqual([]);
  });
});
