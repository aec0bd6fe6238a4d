/**
 * The article server and its reader of examples/, each a process of its own, with a bank's mint: articles are sold over HTTP 402 for a tenth of
 * a cent, whatever is killed meanwhile nothing is sold or paid twice, and in the end the bank has credited what was sold and paid back the rest.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import { PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { ed25519Signer, x25519KeyPair } from "../../host/crypto.js";
import { systemClock, systemTimers } from "../../host/services/clock.js";
import { SoftwareIdentity } from "../../host/tokens/buyer/software-identity.js";
import { StorageCard } from "../../host/tokens/buyer/storage-card.js";
import { sellerIdOf } from "../../host/tokens/derive.js";
import { readChallenge } from "../../host/tokens/http/challenge.js";
import { MintClient } from "../../host/tokens/http/mint-client.js";
import { payingFetch } from "../../host/tokens/http/paying-client.js";
import { SellerClient } from "../../host/tokens/http/seller-client.js";
import { openSeller } from "../../host/tokens/seller/open-seller.js";
import { Child, type Ended, endChildren } from "../support/processes.js";
import { agentsAgency, bytesFrom, FINE_DOLLAR, seededRandom } from "../support/token-buyer.js";
import { askAt, DAY, TokenMarket } from "../support/token-market.js";

const PRICE = 10n;
const FACE = 1_000n;
const SAVINGS = 100_000n;

let folder: string;
let market: TokenMarket;
let server: Child;
let url: string;
let shop: { readonly id: Uint8Array; readonly keys: { signatureSeed: Uint8Array; agreementSecret: Uint8Array } };
let alice: SoftwareIdentity;
let card: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-articles-"));
  card = join(folder, "card");
  const random = seededRandom("article server");
  const bytes = bytesFrom(random);
  // What was certified in this second is not valid yet to a clock that is a little behind.
  const yesterday = Math.floor(Date.now() / 1_000) - DAY;
  const agency = agentsAgency(random, yesterday);
  market = await TokenMarket.open({ agency, random, time: { ...systemClock, ...systemTimers } });
  const keys = { signatureSeed: bytes(32), agreementSecret: bytes(32) };
  const signatureKey = ed25519Signer(keys.signatureSeed).publicKey;
  const { publicKey: agreementKey } = x25519KeyPair(keys.agreementSecret);
  shop = { id: sellerIdOf(signatureKey, agreementKey), keys };
  await market.enrol("shop", shop.id, { signatureKey, agreementKey });
  await startServer();
  alice = await newBuyer();
});
afterEach(async () => {
  await endChildren();
  await market.close();
  rmSync(folder, { recursive: true });
});

async function newBuyer(): Promise<SoftwareIdentity> {
  const { agency, random } = market.parts;
  const bytes = bytesFrom(random);
  const [id, signatureSeed, agreementSecret] = [bytes(16), bytes(32), bytes(32)];
  const signatureKey = ed25519Signer(signatureSeed).publicKey;
  const { publicKey: agreementKey } = x25519KeyPair(agreementSecret);
  const chain = agency.issue({ id, role: ROLE_PURSE, signatureKey, agreementKey }, market.now() - DAY);
  await market.account("alice", id, SAVINGS / 100n);
  return new SoftwareIdentity({ chain, signatureSeed, agreementSecret, random });
}

/** As the file says how: node examples/article-server.mjs shop.json */
async function startServer(): Promise<void> {
  const { id, publicKey, tree } = market.parts.agency.root;
  const config = {
    signatureSeed: toHex(shop.keys.signatureSeed),
    agreementSecret: toHex(shop.keys.agreementSecret),
    root: { tree, id: toHex(id), publicKey: toHex(publicKey) },
    issuers: [{ chain: toHex(market.mint.chain), url: market.mintUrl }],
    database: join(folder, "shop.db"),
    port: 0,
  };
  const file = join(folder, "shop.json");
  writeFileSync(file, JSON.stringify(config));
  server = new Child(["examples/article-server.mjs", file]);
  const ready = /^Articles at (http:\S+)\/articles\/1, USD 0\.0010 each/.exec(await server.line(/^Articles at/));
  url = ready?.[1] ?? "";
  market.elsewhere.set(toHex(shop.id), new SellerClient(url));
}

async function stopServer(): Promise<void> {
  server.kill("SIGINT");
  expect(await server.ended).toMatchObject({ code: 0, err: "" });
}

async function fillCard(): Promise<void> {
  const order = {
    issuerChain: market.mint.chain,
    seller: shop.id,
    kind: PURSE_MONEY,
    unit: FINE_DOLLAR,
    denominations: [{ value: PRICE, count: Number(FACE / PRICE) }],
    spendBy_seconds: market.now() + 30 * DAY,
    assertion: null,
  };
  const { outer } = await alice.ask(card, order, market.now());
  await alice.install(card, await askAt(url, outer));
}

/** node examples/reader.mjs card URL ... */
function reads(...articles: number[]): Promise<Ended> {
  return new Child(["examples/reader.mjs", card, ...articles.map((number) => `${url}/articles/${number}`)]).ended;
}

function told(left: bigint, ...articles: number[]): Ended {
  const lines = articles.map((number) => `You read /articles/${number}.\n\n`);
  return { code: 0, signal: null, err: "", out: `${lines.join("")}Left on the card: ${left} of 840/4.\n` };
}

const worths = async () => ({
  alice: await market.worth("alice", alice.id),
  shop: await market.worth("shop", shop.id),
});

/** The shopkeeper redeems what the server took, from its file; the server is not running. */
async function redeemed(): Promise<void> {
  const seller = await openSeller(join(folder, "shop.db"), {
    keys: shop.keys,
    root: market.parts.agency.root,
    issuers: [{ chain: market.mint.chain, line: new MintClient(market.mintUrl) }],
  });
  expect((await seller.redeem()).failed).toEqual([]);
  expect(await seller.audit()).toEqual([]);
}

async function refunded(): Promise<void> {
  const opened = await StorageCard.open(card);
  const { close } = await alice.close(opened, market.mint.chain);
  await opened.close();
  expect(await new MintClient(market.mintUrl).refund(close)).toMatchObject({ state: "closed" });
}

test("sells what is paid, asks for the price of what is not, and everybody has his own in the end", async () => {
  const asked = await fetch(`${url}/articles/1`);
  expect(asked.status).toBe(402);
  expect(readChallenge(asked.headers.get("www-authenticate"))).toMatchObject({
    seller: shop.id,
    unit: FINE_DOLLAR,
    price: PRICE,
    issuers: [{ id: market.mint.id }],
  });
  await fillCard();
  expect(await worths()).toEqual({ alice: SAVINGS - FACE, shop: 0n });
  expect(await reads(1, 2)).toEqual(told(FACE - 2n * PRICE, 1, 2));
  // The same article again is another purchase; what is free costs nothing.
  expect(await reads(2)).toEqual(told(FACE - 3n * PRICE, 2));
  expect((await fetch(`${url}/elsewhere`)).status).toBe(200);
  await stopServer();
  await redeemed();
  expect(await worths()).toEqual({ alice: SAVINGS - FACE, shop: 3n * PRICE });
  await startServer();
  await refunded();
  expect(await worths()).toEqual({ alice: SAVINGS - 3n * PRICE, shop: 3n * PRICE });
  // Nothing is left for another article.
  const late = await reads(3);
  expect([late.code, late.out]).toEqual([1, ""]);
  expect(late.err).toMatch(/No purse has tokens for this shop.*Nothing was paid/);
  expect(await market.faults()).toEqual([]);
});

test("killed at any time, the server remembers what it sold, and sells no half twice", async () => {
  await fillCard();
  let payment = "";
  const opened = await StorageCard.open(card);
  const pay = payingFetch({
    purses: [opened],
    maxPrice: { amount: PRICE, unit: FINE_DOLLAR },
    fetch: (input, init) => {
      payment = new Headers(init?.headers).get("authorization") ?? "";
      return fetch(input, init);
    },
  });
  expect(await (await pay(`${url}/articles/1`)).text()).toBe("You read /articles/1.\n");
  await opened.close();
  for (let deaths = 0; deaths < 3; deaths += 1) {
    server.kill("SIGKILL");
    expect(await server.ended).toMatchObject({ signal: "SIGKILL" });
    await startServer();
    // The same payment is for what it bought, and for nothing else.
    const again = await fetch(`${url}/articles/1`, { headers: { authorization: payment } });
    expect([again.status, await again.text()]).toEqual([200, "You read /articles/1.\n"]);
    const other = await fetch(`${url}/articles/7`, { headers: { authorization: payment } });
    expect([other.status, ((await other.json()) as { code: string }).code]).toEqual([409, "wrong-order"]);
    expect(await reads(2)).toEqual(told(FACE - BigInt(2 + deaths) * PRICE, 2));
  }
  await stopServer();
  await redeemed();
  expect(await worths()).toEqual({ alice: SAVINGS - FACE, shop: 4n * PRICE });
  await startServer();
  await refunded();
  expect(await worths()).toEqual({ alice: SAVINGS - 4n * PRICE, shop: 4n * PRICE });
  expect(await market.faults()).toEqual([]);
});
