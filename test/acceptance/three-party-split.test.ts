/**
 * Tokens that are split among two chips and a seller. What any two of the three have is worth nothing to them, at the shop and at the
 * mint, whatever they try; all three together pay.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import { DELIVERY_OPEN, PURSE_MONEY, WORD_REDEEM } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { decodeChain, readCertificate } from "../../host/codec/certificate.js";
import { ed25519Signer, sha256, x25519KeyPair } from "../../host/crypto.js";
import { openBulk, sealBulk } from "../../host/tokens/bulk.js";
import type { PurseOrder } from "../../host/tokens/buyer/card.js";
import { requestTokens } from "../../host/tokens/buyer/errands.js";
import { maskHalves, sellerIdOf, xorInto } from "../../host/tokens/derive.js";
import { authorizationHeader } from "../../host/tokens/http/challenge.js";
import { MintClient } from "../../host/tokens/http/mint-client.js";
import { readIssued } from "../../host/tokens/messages/answers.js";
import { verifyNotice } from "../../host/tokens/messages/closing.js";
import { PROLOGUE } from "../../host/tokens/messages/common.js";
import { encodeOrder, encodePayment, type PaymentPart } from "../../host/tokens/messages/payment.js";
import { readSellerPurse, type SellerPurse } from "../../host/tokens/messages/purses.js";
import { encodePresented, encodeWordAbout, signWord } from "../../host/tokens/messages/words.js";
import type { Redemption } from "../../host/tokens/parties.js";
import type { SellerKeys } from "../../host/tokens/seller/seller.js";
import type { SerialRange } from "../../host/tokens/terms.js";
import { type Buyer, PurseWorld } from "../support/purses.js";
import { Tap } from "../support/tap.js";
import { bytesFrom, FINE_DOLLAR } from "../support/token-buyer.js";
import { askAt, DAY, GOODS, type Shop, TokenMarket } from "../support/token-market.js";
import { outcomeOf } from "../support/token-world.js";

const PRICE = GOODS["/article"].price;
const TOKEN = 10n;
const TOKENS = Number(PRICE / TOKEN);
const HALF_BYTES = 32;

let chips: PurseWorld;
let market: TokenMarket;
let shop: Shop;
/** What the mint answers the shop. */
let fromMint: Tap;
let alice: Buyer;
let bob: Buyer;
let bytes: (length: number) => Uint8Array;

beforeEach(async () => {
  chips = new PurseWorld("three parties");
  bytes = bytesFrom(chips.random);
  market = await TokenMarket.open({ agency: chips.agencies.agents, time: chips.time, random: chips.random });
  fromMint = await Tap.open(market.mintUrl);
  shop = await market.shop("shop", { mintUrl: fromMint.url });
  [alice, bob] = [await chips.buyer("alice"), await chips.buyer("bob")];
  await market.account("alice", alice.id, 1_000n);
  await market.account("bob", bob.id, 0n);
  await fillJointPurse();
});
afterEach(async () => {
  await fromMint.close();
  await market.close();
});

/** Both ask, alice pays, and each chip gets its share of one purse. */
async function fillJointPurse(): Promise<void> {
  const joint = { id: bytes(16), holders: 2 };
  const order = (index: number): PurseOrder => ({
    issuerChain: market.mint.chain,
    seller: shop.seller.id,
    kind: PURSE_MONEY,
    unit: FINE_DOLLAR,
    denominations: [{ value: TOKEN, count: 100 }],
    spendBy_seconds: market.now() + 30 * DAY,
    joint: { ...joint, index },
  });
  const asks = ({ card }: Buyer, index: number) =>
    requestTokens(card, market.mint.id, order(index), (outer) => askAt(shop.url, outer));
  expect(await outcomeOf(asks(alice, 0))).toBe("waiting");
  expect(await market.worth("alice", alice.id)).toBe(100_000n);
  const his = await asks(bob, 1);
  const hers = await asks(alice, 0);
  expect(toHex(hers.purse)).toBe(toHex(his.purse));
  expect(await market.worth("alice", alice.id)).toBe(99_000n);
}

async function newOrder(): Promise<Uint8Array> {
  const goods = sha256(new TextEncoder().encode("GET /article"));
  const what = { goods, unit: FINE_DOLLAR, price: PRICE, delivery: DELIVERY_OPEN, assertion: null };
  return encodeOrder({ seller: shop.seller.id, nonce: bytes(16), ...what });
}

/** A chip shows its halves for an order. */
async function shows({ card }: Buyer, order: Uint8Array): Promise<PaymentPart> {
  const [purse] = await card.purses();
  return card.spend(purse?.slot ?? -1, order, PRICE);
}

/** What the shop says to a payment. */
async function pays(order: Uint8Array, ...parts: readonly PaymentPart[]): Promise<string> {
  const authorization = authorizationHeader(encodePayment({ order, parts }));
  const response = await fetch(`${shop.url}/article`, { headers: { authorization } });
  return response.ok ? response.text() : ((await response.json()) as { readonly code: string }).code;
}

/** The shop's purse, as it has it itself. */
function shopsPurse(): SellerPurse {
  const answers = fromMint.messages("to client").filter(({ body, head }) => / 200 /.test(head) && body.length > 8_000);
  const { sellerPurse } = readIssued(answers.at(-1)?.body ?? new Uint8Array());
  return readSellerPurse(openBulk({ staticPrivate: shop.keys.agreementSecret, prologue: PROLOGUE.purse }, sellerPurse));
}

/** P of the tokens that a chip showed: who has K takes the mask away. */
function bare({ halves, index, ranges }: PaymentPart, order: Uint8Array): Uint8Array {
  const own = halves.slice();
  maskHalves(own, shopsPurse().orderKeys[index] ?? new Uint8Array(), sha256(order), ranges);
  return own;
}

/** Q of tokens of one range. */
function halvesQ({ first, count }: SerialRange): Uint8Array {
  return shopsPurse().halves.slice(HALF_BYTES * first, HALF_BYTES * (first + count));
}

function combined(...parts: readonly Uint8Array[]): Uint8Array {
  const [first = new Uint8Array(), ...others] = parts.map((part) => part.slice());
  for (const other of others) xorInto(first, other);
  return first;
}

/** Presents secrets to the mint in a seller's name, with its keys. */
function presents(keys: SellerKeys, purse: Uint8Array, range: SerialRange, secrets: Uint8Array): Promise<Redemption> {
  const signer = ed25519Signer(keys.signatureSeed);
  const seller = sellerIdOf(signer.publicKey, x25519KeyPair(keys.agreementSecret).publicKey);
  const about = encodePresented({ ranges: [range], secrets });
  const word = { type: WORD_REDEEM, seller, request: bytes(16), purse, digest: sha256(about) };
  const signed = signWord({ ...word, time_seconds: market.now() }, signer);
  const { agreementKey } = readCertificate(decodeChain(market.mint.chain).device);
  const sealing = { remoteStatic: agreementKey, prologue: PROLOGUE.seller, random: bytes };
  return new MintClient(market.mintUrl).redeem(sealBulk(sealing, encodeWordAbout(signed, about)));
}

/** Not one of these tokens is honoured, and nobody is credited. */
async function areWorthless(range: SerialRange, redemption: Promise<Redemption>): Promise<void> {
  const { notice, refused } = await redemption;
  const { signatureKey } = readCertificate(decodeChain(market.mint.chain).device);
  expect(verifyNotice(notice, signatureKey)).toMatchObject({ tokens: 0, amount: 0n });
  const serials = Array.from({ length: range.count }, (_, i) => range.first + i);
  expect(refused).toEqual(serials.map((serial) => ({ serial, why: "wrong-secret" })));
  await nothingMoved();
}

async function nothingMoved(): Promise<void> {
  expect(await market.worth(shop.name, shop.seller.id)).toBe(0n);
  expect(await market.worth("alice", alice.id)).toBe(99_000n);
  expect(shop.seller.balance().every(({ accepted }) => accepted === 0n)).toBe(true);
  expect(await market.faults()).toEqual([]);
}

function onlyRange({ ranges }: PaymentPart): SerialRange {
  const [range] = ranges;
  expect(ranges).toHaveLength(1);
  return range as SerialRange;
}

for (const [who, index] of [
  ["alice", 0],
  ["bob", 1],
] as const) {
  test(`the seller and ${who} have nothing: neither a sale, nor anything that the mint honours`, async () => {
    const order = await newOrder();
    const part = await shows(index === 0 ? alice : bob, order);
    const range = onlyRange(part);
    expect(range.count).toBe(TOKENS);
    expect(await pays(order, part)).toBe("half-missing");
    // Nor by saying that the same halves are the other's too.
    expect(await pays(order, part, { ...part, index: 1 - index })).toBe("half-altered");
    expect(await pays(order, part, { ...part, index: 1 - index, halves: new Uint8Array(part.halves.length) })).toBe(
      "half-altered",
    );
    await nothingMoved();
    // The seller, who would like to be paid too, puts together what they have, in every way that there is.
    const [own, q] = [bare(part, order), halvesQ(range)];
    for (const secrets of [combined(own, q), own, q, combined(own, own, q), combined(part.halves, q)])
      await areWorthless(range, presents(shop.keys, part.purse, range, secrets));
  });
}

test("alice and bob have nothing without the seller, even with its name and keys", async () => {
  const order = await newOrder();
  const [hers, his] = [await shows(alice, order), await shows(bob, order)];
  const range = onlyRange(hers);
  expect(onlyRange(his)).toEqual(range);
  const [a, b] = [bare(hers, order), bare(his, order)];
  const tries = [combined(a, b), a, b, combined(hers.halves, his.halves)];
  // A seller of their own is registered, and presents them.
  const own = { signatureSeed: bytes(32), agreementSecret: bytes(32) };
  const signatureKey = ed25519Signer(own.signatureSeed).publicKey;
  const agreementKey = x25519KeyPair(own.agreementSecret).publicKey;
  await market.enrol("alice and bob", sellerIdOf(signatureKey, agreementKey), { signatureKey, agreementKey });
  for (const secrets of tries) {
    expect(await outcomeOf(presents(own, hers.purse, range, secrets))).toBe("unknown-purse");
    // With the shop's own keys, stolen, and without its purse.
    await areWorthless(range, presents(shop.keys, hers.purse, range, secrets));
  }
  expect(await market.worth("alice and bob", sellerIdOf(signatureKey, agreementKey))).toBe(0n);
});

test("all three pay: the shop sells, the mint honours every token, and what is left goes back to who paid", async () => {
  const order = await newOrder();
  const [hers, his] = [await shows(alice, order), await shows(bob, order)];
  expect(await pays(order, hers, his)).toBe(GOODS["/article"].text);
  expect(await pays(order, his, hers)).toBe(GOODS["/article"].text);
  expect((await shop.seller.redeem()).failed).toEqual([]);
  expect(shop.seller.balance()).toEqual([{ unit: FINE_DOLLAR, accepted: PRICE, credited: PRICE, refused: 0n }]);
  expect(await market.worth(shop.name, shop.seller.id)).toBe(PRICE);

  // What the tests above put together by hand is worth something when it is put together of all three.
  const second = await newOrder();
  const [hersAgain, hisAgain] = [await shows(alice, second), await shows(bob, second)];
  const range = onlyRange(hersAgain);
  const secrets = combined(bare(hersAgain, second), bare(hisAgain, second), halvesQ(range));
  expect((await presents(shop.keys, hers.purse, range, secrets)).refused).toEqual([]);
  expect(await market.worth(shop.name, shop.seller.id)).toBe(2n * PRICE);

  // Bob alone ends it; the money was alice's.
  const [purse] = await bob.card.purses();
  const { sealed } = await bob.card.close(purse?.slot ?? -1);
  expect(await new MintClient(market.mintUrl).refund(sealed)).toMatchObject({ state: "closed" });
  expect(await market.worth("alice", alice.id)).toBe(100_000n - 2n * PRICE);
  expect(await market.worth("bob", bob.id)).toBe(0n);
  expect(await market.faults()).toEqual([]);
});
