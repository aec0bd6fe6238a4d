/** The examples of token halves as processes of their own: a server of articles, and a reader with a card that only stores halves. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import { PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { ed25519Signer, x25519KeyPair } from "../../host/crypto.js";
import { sellerIdOf } from "../../host/tokens/derive.js";
import { MintServer } from "../../host/tokens/http/mint-server.js";
import { post } from "../../host/tokens/http/post.js";
import { readBuyerPurse } from "../../host/tokens/messages/answers.js";
import { SoftwareIdentity } from "../../host/tokens/software-identity.js";
import { Child } from "../support/processes.js";
import { agentsAgency, bytesFrom, FINE_DOLLAR, seededRandom } from "../support/token-buyer.js";
import { TestIssuer } from "../support/token-issuer.js";

const DAY = 86_400;
const now = Math.floor(Date.now() / 1_000);
const random = seededRandom("examples");
const bytes = bytesFrom(random);
const agency = agentsAgency(random, now - DAY);
const issuer = new TestIssuer(agency, random, () => now - DAY);
const shop = { signatureSeed: bytes(32), agreementSecret: bytes(32) };
const shopKeys = {
  signatureKey: ed25519Signer(shop.signatureSeed).publicKey,
  agreementKey: x25519KeyPair(shop.agreementSecret).publicKey,
};
const shopId = sellerIdOf(shopKeys.signatureKey, shopKeys.agreementKey);

let folder: string;
let server: Child;
let url: string;
let mint: MintServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-articles-"));
  issuer.serve({ id: shopId, ...shopKeys });
  mint = await MintServer.open(issuer);
  const { id, publicKey, tree } = agency.root;
  const config = {
    signatureSeed: toHex(shop.signatureSeed),
    agreementSecret: toHex(shop.agreementSecret),
    root: { tree, id: toHex(id), publicKey: toHex(publicKey) },
    issuers: [{ chain: toHex(issuer.chain), url: mint.url }],
    database: join(folder, "shop.db"),
    port: 0,
  };
  writeFileSync(join(folder, "shop.json"), JSON.stringify(config));
  server = new Child(["examples/article-server.mjs", join(folder, "shop.json")]);
  url = /(http:\S+)\/articles/.exec(await server.line(/^Articles at/))?.[1] ?? "";
});
afterAll(async () => {
  server.kill("SIGINT");
  expect(await server.ended).toMatchObject({ code: 0, err: "" });
  await mint.close();
  rmSync(folder, { recursive: true });
});

it("a reader pays an article server with a card, for each article, and what is left is on the card", async () => {
  const [id, signatureSeed, agreementSecret] = [bytes(16), bytes(32), bytes(32)];
  const signatureKey = ed25519Signer(signatureSeed).publicKey;
  const { publicKey: agreementKey } = x25519KeyPair(agreementSecret);
  const chain = agency.issue({ id, role: ROLE_PURSE, signatureKey, agreementKey }, now - DAY);
  const identity = new SoftwareIdentity({ chain, signatureSeed, agreementSecret, random });
  const card = join(folder, "card");
  const what = { issuerChain: issuer.chain, seller: shopId, kind: PURSE_MONEY, unit: FINE_DOLLAR, assertion: null };
  const denominations = [{ value: 10n, count: 100 }];
  const { outer } = await identity.ask(card, { ...what, denominations, spendBy_seconds: now + DAY }, now);
  const answer = await post(`${url}/tally/request`, outer, { answer_ms_max: 10_000, answerBytes_max: 10_000 });
  await identity.install(card, readBuyerPurse(answer));

  expect((await fetch(`${url}/articles/1`)).status).toBe(402);
  const reader = new Child(["examples/reader.mjs", card, `${url}/articles/1`, `${url}/articles/2`]);
  const { code, err, out } = await reader.ended;
  expect([code, err]).toEqual([0, ""]);
  expect(out).toBe("You read /articles/1.\n\nYou read /articles/2.\n\nLeft on the card: 980 of 840/4.\n");
});
