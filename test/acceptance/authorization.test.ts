/**
 * A buyer proves to an authorization service that she is over 21, and buys from somebody who must know that, and learns nothing else: no
 * id, no key, no certificate, no name, no account, and not even whether it was the same buyer as before (EP 0 833 285 A2, claim 9).
 */

import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TAG_CHAIN } from "../../firmware/protocol/apdu.js";
import { PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { decode } from "../../host/codec/cbor.js";
import { decodeChain, readCertificate } from "../../host/codec/certificate.js";
import { openBulk } from "../../host/tokens/bulk.js";
import { CardPurse } from "../../host/tokens/buyer/buyer.js";
import type { PurseOrder } from "../../host/tokens/buyer/card.js";
import { refundTokens, requestTokens } from "../../host/tokens/buyer/errands.js";
import { MintClient } from "../../host/tokens/http/mint-client.js";
import { SELLER_PATHS } from "../../host/tokens/http/mint-paths.js";
import { payingFetch } from "../../host/tokens/http/paying-client.js";
import { SellerClient } from "../../host/tokens/http/seller-client.js";
import { readIssued } from "../../host/tokens/messages/answers.js";
import { PROLOGUE } from "../../host/tokens/messages/common.js";
import { openRequest } from "../../host/tokens/messages/request.js";
import { type Buyer, PurseWorld } from "../support/purses.js";
import { Tap, type TappedMessage } from "../support/tap.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";
import { askAt, DAY, GOODS, OVER_21, refusedBy, type Shop, TokenMarket } from "../support/token-market.js";
import { outcomeOf } from "../support/token-world.js";

let chips: PurseWorld;
let market: TokenMarket;
let shop: Shop;
/** Everything that the shop is sent, by whomever, and everything that issuers answer it. */
let atShop: Tap;
let fromIssuers: readonly Tap[];

beforeEach(async () => {
  chips = new PurseWorld("authorization");
  market = await TokenMarket.open({ agency: chips.agencies.agents, time: chips.time, random: chips.random });
  const [mint, clearance] = [await Tap.open(market.mintUrl), await Tap.open(market.clearanceUrl)];
  fromIssuers = [mint, clearance];
  shop = await market.shop("distillery news", { mintUrl: mint.url, clearanceUrl: clearance.url });
  atShop = await Tap.open(shop.url);
  shop.line = new SellerClient(atShop.url);
});
afterEach(async () => {
  for (const tap of [atShop, ...fromIssuers]) await tap.close();
  await market.close();
});

const spendBy_seconds = () => market.now() + 30 * DAY;
const money = (): PurseOrder => ({
  issuerChain: market.mint.chain,
  seller: shop.seller.id,
  kind: PURSE_MONEY,
  unit: FINE_DOLLAR,
  denominations: [{ value: 10n, count: 100 }],
  spendBy_seconds: spendBy_seconds(),
});
const proof = (): PurseOrder => {
  const { clearance } = market;
  const terms = { issuerChain: clearance.chain, seller: shop.seller.id, spendBy_seconds: spendBy_seconds() };
  return chips.authorization(OVER_21, 5, terms);
};

const asks = ({ card, id }: Buyer, order: PurseOrder) => {
  const issuer = order.kind === PURSE_MONEY ? market.mint : market.clearance;
  return requestTokens(card, issuer.id, order, (outer) => askAt(atShop.url, outer), refusedBy(issuer, id));
};

/** All that goes on between a buyer and the shop, from the first request to the last notice. What the shop got because of it. */
async function lifeOf(buyer: Buyer): Promise<Received> {
  for (const tap of [atShop, ...fromIssuers]) tap.clear();
  const before = new Set((await rows()).map(text));

  // Without papers nobody is over 21; the shop is not told why.
  expect(await outcomeOf(asks(buyer, proof()))).toBe("refused");
  await market.clearance.addAssertion(toHex(buyer.id), OVER_21, market.now() + 90 * DAY);
  await asks(buyer, proof());
  await asks(buyer, money());

  const pay = payingFetch({
    purses: [new CardPurse(buyer.card)],
    maxPrice: { amount: 100n, unit: FINE_DOLLAR },
    random: chips.random,
  });
  for (const path of ["/spirits", "/article", "/spirits"] as const) {
    const response = await pay(`${atShop.url}${path}`);
    expect([response.status, await response.text()]).toEqual([200, GOODS[path].text]);
  }
  expect((await shop.seller.redeem()).failed).toEqual([]);

  for (const { slot, kind } of await buyer.card.purses()) {
    const issuer = new MintClient(kind === PURSE_MONEY ? market.mintUrl : market.clearanceUrl);
    expect(await refundTokens(buyer.card, slot, (sealed) => issuer.refund(sealed))).toMatchObject({ state: "closed" });
  }
  const notices = () => atShop.messages("to server").filter(({ head }) => head.includes(SELLER_PATHS.notice));
  await expect.poll(() => notices().length).toBe(2);

  const messages = [...atShop.messages("to server"), ...fromIssuers.flatMap((tap) => tap.messages("to client"))];
  const bytes = [...atShop.bytes("to server"), ...fromIssuers.flatMap((tap) => tap.bytes("to client"))];
  const kept = (await rows()).filter((row) => !before.has(text(row)));
  return { messages, bytes, unsealed: messages.flatMap(unsealed), kept };
}

interface Received {
  readonly messages: readonly TappedMessage[];
  /** Of each connection. */
  readonly bytes: readonly Uint8Array[];
  /** What the shop found in what was sealed to it. */
  readonly unsealed: readonly Uint8Array[];
  /** Rows of its books that were not there before. */
  readonly kept: readonly Row[];
}

type Row = readonly [table: string, row: Readonly<Record<string, unknown>>];

async function rows(): Promise<Row[]> {
  const { database } = shop;
  const tables = await sql<{ name: string }>`select name from sqlite_master where type = 'table'`.execute(database);
  expect(tables.rows.length).toBeGreaterThanOrEqual(5);
  const read = tables.rows.map(async ({ name }) => {
    const { rows: found } = await sql<Record<string, unknown>>`select * from ${sql.table(name)}`.execute(database);
    return found.map((row): Row => [name, row]);
  });
  return (await Promise.all(read)).flat();
}

const text = (row: Row) => JSON.stringify(row, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value));

/** The shop's purse, of the answer that brings it. */
function unsealed({ body, head }: TappedMessage): Uint8Array[] {
  if (!head.startsWith("HTTP/1.1 200") || body.length < 1_000) return [];
  const { sellerPurse } = readIssued(body);
  return [openBulk({ staticPrivate: shop.keys.agreementSecret, prologue: PROLOGUE.purse }, sellerPurse)];
}

/** Bytes in the headers of HTTP: payments travel in base64url. */
const LONG_WORD = /[A-Za-z0-9_-]{24,}/g;

function wordsOf({ head }: TappedMessage): Uint8Array[] {
  return [...head.matchAll(LONG_WORD)].map(([word]) => new Uint8Array(Buffer.from(word, "base64url")));
}

/** As much of something is as good as all of it. */
const PIECE_BYTES = 8;

/** Whether something, or a piece of it, is anywhere in all that. */
function isIn(what: Uint8Array, { messages, bytes, unsealed: opened, kept }: Received): boolean {
  const values = kept.flatMap(([, row]) => Object.values(row));
  const stored = values.map((value) => (value instanceof Uint8Array ? value : Buffer.from(String(value))));
  const places = [...bytes, ...messages.flatMap(wordsOf), ...opened, ...stored];
  const pieces = Array.from({ length: Math.ceil(what.length / PIECE_BYTES) }, (_, i) =>
    what.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES),
  );
  return pieces.some((piece) => places.some((place) => holds(place, piece)));
}

/** As it is, in hexadecimal, or in base64 of either kind (as far as whole groups of it go, wherever they begin). */
function holds(place: Uint8Array, what: Uint8Array): boolean {
  const bytes = Buffer.from(place);
  const forms = [0, 1, 2].flatMap((from) => {
    const groups = Buffer.from(what).subarray(from, from + 3 * Math.floor((what.length - from) / 3));
    return groups.length < 6 ? [] : [groups.toString("base64"), groups.toString("base64url")];
  });
  return [Buffer.from(what), Buffer.from(toHex(what)), ...forms].some((form) => bytes.includes(form));
}

/** Whatever says who a buyer is. */
async function marksOf({ element, id }: Buyer, ...words: string[]): Promise<Record<string, Uint8Array>> {
  const { device } = decodeChain(await element.getData(TAG_CHAIN));
  const { agreementKey, signatureKey } = readCertificate(device);
  const named = words.map((word) => [word, Buffer.from(word)] as const);
  // The end of a certificate is its signature.
  return { id, signatureKey, agreementKey, certificate: device.subarray(-48), ...Object.fromEntries(named) };
}

async function customer(name: string, account: string, cents: bigint): Promise<Buyer> {
  const buyer = await chips.buyer(name);
  await market.account(account, buyer.id, cents);
  return buyer;
}

test("a shop for adults takes proof and money of two buyers, and cannot tell one from the other", async () => {
  const alice = await customer("alice", "alice's savings", 1_000n);
  const bartholomew = await customer("bartholomew", "account 20000007 of bartholomew", 123_456n);
  const [hers, his] = [await lifeOf(alice), await lifeOf(bartholomew)];

  const spent = 2n * GOODS["/spirits"].price + GOODS["/article"].price;
  expect(await market.worth(shop.name, shop.seller.id)).toBe(2n * spent);
  expect(await market.worth("alice's savings", alice.id)).toBe(100_000n - spent);
  expect(await market.faults()).toEqual([]);

  // Nothing of either is in anything that the shop was sent, can unseal, or wrote down.
  for (const [buyer, received, ...words] of [
    [alice, hers, "alice", "savings"],
    [bartholomew, his, "bartholomew", "20000007"],
  ] as const) {
    for (const [name, mark] of Object.entries(await marksOf(buyer, ...words)))
      expect([name, isIn(mark, received)]).toEqual([name, false]);
  }
  // And whatever it is, it is the same for both, message by message, row by row. (Two notices may overtake each other.)
  // Three requests, six of goods, two recalls, two notices; and issuers' answers to three requests and two redemptions.
  expect(hers.messages).toHaveLength(3 + 6 + 2 + 2 + 3 + 2);
  expect(his.messages.map(shapeOf).sort()).toEqual(hers.messages.map(shapeOf).sort());
  expect(Buffer.concat(his.bytes).length).toBe(Buffer.concat(hers.bytes).length);
  expect(hers.unsealed).toHaveLength(2);
  expect(his.unsealed.map(shapeOfBytes)).toEqual(hers.unsealed.map(shapeOfBytes));
  expect(hers.kept.length).toBeGreaterThan(8);
  expect(his.kept.map(shapeOfRow).sort()).toEqual(hers.kept.map(shapeOfRow).sort());
});

test("what is looked for is found where it is: in what the chip sealed to the issuer, once the issuer opens it", async () => {
  const alice = await customer("alice", "alice's savings", 1_000n);
  const { sealed } = await alice.card.request(money());
  const { signed, chain } = openRequest(sealed, { staticPrivate: market.identity.agreementSecret });
  const nothing: Received = { messages: [], bytes: [], unsealed: [], kept: [] };
  for (const [name, mark] of Object.entries(await marksOf(alice))) {
    const places: Received[] = [
      { ...nothing, bytes: [signed, chain] },
      { ...nothing, unsealed: [Buffer.from(`${toHex(signed)}${toHex(chain)}`)] },
      { ...nothing, kept: [["a table", { here: Buffer.concat([signed, chain]).toString("base64") }]] },
      { ...nothing, messages: [{ head: `a: ${Buffer.concat([chain, signed]).toString("base64url")}`, body: chain }] },
    ];
    expect(places.map((place) => [name, isIn(mark, place)])).toEqual(places.map(() => [name, true]));
    expect([name, isIn(mark, { ...nothing, bytes: [sealed] })]).toEqual([name, false]);
  }
  const { rows: accounts } = await sql<Record<string, unknown>>`select * from token_buyer`.execute(market.database);
  const books = { ...nothing, kept: accounts.map((row): Row => ["token_buyer", row]) };
  expect([isIn(alice.id, books), isIn(Buffer.from("savings"), books)]).toEqual([true, true]);
});

/** A message without what is random in it. */
function shapeOf({ body, head }: TappedMessage): string {
  const lines = head.replace(/^date: .*$/im, "date").replace(LONG_WORD, ({ length }) => `<${length}>`);
  return JSON.stringify([lines, body.length === 0 ? "" : shapeOfBytes(body)]);
}

function shapeOfBytes(bytes: Uint8Array): unknown {
  try {
    return shapeOfValue(decode(bytes));
  } catch {
    return `bytes(${bytes.length})`;
  }
}

function shapeOfValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes(${value.length})`;
  if (Array.isArray(value)) return value.map(shapeOfValue);
  return typeof value;
}

function shapeOfRow([table, row]: Row): string {
  const cells = Object.entries(row).map(([column, value]) => {
    const is = value instanceof Uint8Array ? `bytes(${value.length})` : typeof value;
    return `${column} ${typeof value === "string" ? `text(${value.length})` : is}`;
  });
  return `${table}: ${cells.join(", ")}`;
}
