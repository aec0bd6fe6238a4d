/** A real purse (the release applet on a simulated chip) pays a real seller behind HTTP 402: money, many halves, an authorization. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DELIVERY_SEALED, PURSE_AUTHORIZATION, PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { openDatabase } from "../../host/services/database.js";
import { CardPurse } from "../../host/tokens/buyer/buyer.js";
import { payingFetch } from "../../host/tokens/http/paying-client.js";
import { type SellerServer, serveSeller } from "../../host/tokens/http/serve-seller.js";
import { encodeOuter } from "../../host/tokens/messages/request.js";
import { Seller } from "../../host/tokens/seller/seller.js";
import type { SellerTables } from "../../host/tokens/seller/store.js";
import { NO_UNIT } from "../../host/tokens/terms.js";
import { type Buyer, NOW, PurseWorld, SPEND_BY } from "../support/purses.js";
import { FINE_DOLLAR, seededRandom } from "../support/token-buyer.js";
import { TestIssuer } from "../support/token-issuer.js";

let chips: PurseWorld;
let buyer: Buyer;
let issuer: TestIssuer;
let seller: Seller;
let server: SellerServer;
let pay: ReturnType<typeof payingFetch>;

beforeEach(async () => {
  chips = new PurseWorld("chip pays");
  buyer = await chips.buyer("alice");
  const random = seededRandom("chip pays");
  issuer = new TestIssuer(chips.agencies.agents, random, () => NOW);
  seller = await Seller.open({
    keys: { signatureSeed: new Uint8Array(32).fill(1), agreementSecret: new Uint8Array(32).fill(2) },
    database: openDatabase<SellerTables>("memory"),
    root: chips.agencies.agents.root,
    issuers: [{ chain: issuer.chain, line: issuer, assertions: ["over-21"] }],
    clock: chips.time,
    random,
  });
  issuer.serve({ id: seller.id, ...seller.keys });
  server = await serveSeller(seller, {
    price: ({ url }) => {
      if (url === "/wine") return { unit: FINE_DOLLAR, price: 20n, assertion: "over-21", delivery: DELIVERY_SEALED };
      return { unit: FINE_DOLLAR, price: url === "/long" ? 3_000n : 30n };
    },
    handler: ({ url }, response) => void response.end(`for ${url}`),
  });
  pay = payingFetch({ purses: [new CardPurse(buyer.card)], maxPrice: { amount: 5_000n, unit: FINE_DOLLAR } });
});
afterEach(() => server.close());

/** Asked for by way of the seller, and installed in the chip (fig. 2, 3, 5, 6). */
async function fill(
  what: { kind: number; unit: typeof FINE_DOLLAR; assertion?: string },
  value: bigint,
  count: number,
) {
  const terms = { issuerChain: issuer.chain, seller: seller.id, spendBy_seconds: SPEND_BY, ...what };
  const { sealed } = await buyer.card.request({ ...terms, denominations: [{ value, count }] });
  const { share } = await seller.forward(encodeOuter({ issuer: issuer.keys.id, sealed }));
  return buyer.card.install(share);
}

const money = () => fill({ kind: PURSE_MONEY, unit: FINE_DOLLAR }, 10n, 1_000);
const accepted = () => seller.balance().map((each) => each.accepted);

describe("a chip", () => {
  it("pays what it is asked for, with few halves and with many", async () => {
    await money();
    expect(await (await pay(`${server.url}/article`)).text()).toBe("for /article");
    expect(await (await pay(`${server.url}/long`)).text()).toBe("for /long");
    expect(accepted()).toEqual([3_030n]);
    expect(await seller.audit()).toEqual([]);
  });

  it("shows what it is, and pays, in one order", async () => {
    await money();
    await fill({ kind: PURSE_AUTHORIZATION, unit: NO_UNIT, assertion: "over-21" }, 1n, 5);
    expect(await (await pay(`${server.url}/wine`)).text()).toBe("for /wine");
    expect(accepted()).toEqual([20n, 1n]);
    expect(await seller.audit()).toEqual([]);
  });

  it("is closed, recalled, and the seller has returned what it took", async () => {
    const { purse, slot } = await money();
    await pay(`${server.url}/article`);
    await buyer.card.close(slot);
    const { refused } = await issuer.returned(await seller.recall(issuer.recall(purse)));
    expect([refused, issuer.purses[0]?.redeemed.size]).toEqual([[], 3]);
    await expect(pay(`${server.url}/article`)).rejects.toMatchObject({ code: "no-purse" });
  });
});
