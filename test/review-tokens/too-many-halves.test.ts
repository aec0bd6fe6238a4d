/** Prices at the ends: more halves than a shop reads, and nothing at all. */

import { expect, it } from "vitest";
import { type Fetch, payingFetch } from "../../host/tokens/http/paying-client.js";
import { serveSeller } from "../../host/tokens/http/serve-seller.js";
import { SellerWorld } from "../support/seller-world.js";
import { SoftPurse } from "../support/soft-purse.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";

async function shop(price: bigint, count: number) {
  const world = await SellerWorld.open("ends");
  const server = await serveSeller(world.seller, {
    price: () => ({ unit: FINE_DOLLAR, price }),
    handler: (_request, response) => void response.end("goods"),
  });
  const buyer = world.buyer();
  const soft = new SoftPurse(buyer, await world.purse(buyer, { denominations: [{ value: 1n, count }] }));
  const pay: Fetch = payingFetch({ purses: [soft], maxPrice: { amount: price, unit: FINE_DOLLAR }, attempts_max: 1 });
  const outcome = await pay(server.url).then(
    (response) => response.text(),
    (error: Error) => error.message,
  );
  const taken = world.seller.purses()[0]?.denominations[0]?.taken;
  await server.close();
  await world.close();
  return { outcome, taken, shown: soft.next };
}

it("a price that takes more halves than one payment holds is paid, or refused before a half is shown", {
  timeout: 60_000,
}, async () => {
  const { outcome, shown, taken } = await shop(40_000n, 40_000);
  expect({ outcome, isShownForNothing: shown !== taken }).toMatchObject({ isShownForNothing: false });
});

it("what costs nothing is given", async () => {
  expect((await shop(0n, 10)).outcome).toBe("goods");
});
