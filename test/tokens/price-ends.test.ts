/** Prices at the ends: as many halves as one payment holds, one more, and nothing at all. */

import { expect, it } from "vitest";
import { toHex } from "../../host/codec/bytes.js";
import { PAYMENT_HALVES_MAX, readChallenge, SCHEME } from "../../host/tokens/http/challenge.js";
import { type Fetch, payingFetch } from "../../host/tokens/http/paying-client.js";
import type { Offer } from "../../host/tokens/http/paywall.js";
import { serveSeller } from "../../host/tokens/http/serve-seller.js";
import { SellerWorld } from "../support/seller-world.js";
import { SoftPurse } from "../support/soft-purse.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";

async function shop(price: bigint, count: number, offer: Partial<Offer> = {}) {
  const world = await SellerWorld.open("ends");
  const server = await serveSeller(world.seller, {
    price: () => ({ unit: FINE_DOLLAR, price, ...offer }),
    handler: (_request, response) => void response.end("goods"),
  });
  const buyer = world.buyer();
  const soft = new SoftPurse(buyer, await world.purse(buyer, { denominations: [{ value: 1n, count }] }));
  const pay: Fetch = payingFetch({ purses: [soft], maxPrice: { amount: price, unit: FINE_DOLLAR }, attempts_max: 1 });
  const outcome = await pay(server.url).then(
    (response) => response.text(),
    (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
  );
  const taken = world.seller.purses()[0]?.denominations[0]?.taken;
  await server.close();
  await world.close();
  return { outcome, taken, shown: soft.next };
}

const LONG = { timeout: 60_000 };

it("a price that takes as many halves as one payment holds is paid", LONG, async () => {
  const tokens = PAYMENT_HALVES_MAX;
  const { outcome, shown, taken } = await shop(BigInt(tokens), 40_000);
  expect({ outcome, shown, taken }).toEqual({ outcome: "goods", shown: tokens, taken: tokens });
});

it("one that takes more is refused before a half is shown", LONG, async () => {
  const { outcome, shown, taken } = await shop(BigInt(PAYMENT_HALVES_MAX + 1), 40_000);
  expect(outcome).toMatch(
    /^too-expensive: .* takes 32641 halves .* Nothing was paid\. Ask for tokens of greater value\./,
  );
  expect([shown, taken]).toEqual([0, 0]);
});

it("what costs nothing is given, also where it is made once", async () => {
  expect(await shop(0n, 10)).toEqual({ outcome: "goods", taken: 0, shown: 0 });
  expect((await shop(0n, 10, { once: true })).outcome).toBe("goods");
});

it("a shop that wants an order for nothing is told that there is none", () => {
  const asks = (price: string, assertion: string | null) => {
    const id = toHex(new Uint8Array(16));
    const unit = { currency: 840, exponent: 6 };
    const document = { version: 1, seller: id, issuers: [], unit, price, goods: id + id, assertion, delivery: null };
    return `${SCHEME} challenge="${Buffer.from(JSON.stringify(document)).toString("base64url")}"`;
  };
  expect(() => readChallenge(asks("0", null))).toThrow(/asks for nothing\. Nothing was paid/);
  expect(readChallenge(asks("0", "over-21"))?.price).toBe(0n);
  expect(readChallenge(asks("1", null))?.price).toBe(1n);
});
