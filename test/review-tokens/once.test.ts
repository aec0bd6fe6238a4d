/** An offer that is once, whose handler takes longer than an answer may. */

import { expect, it } from "vitest";
import { authorizationHeader, readChallenge } from "../../host/tokens/http/challenge.js";
import { Deliveries } from "../../host/tokens/http/deliveries.js";
import { paymentOf } from "../../host/tokens/http/paywall.js";
import { serveSeller } from "../../host/tokens/http/serve-seller.js";
import { range, SellerWorld } from "../support/seller-world.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";

it("has its handler run once", async () => {
  const world = await SellerWorld.open("slow");
  let handled = 0;
  let finish = () => {};
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const server = await serveSeller(world.seller, {
    price: () => ({ unit: FINE_DOLLAR, price: 20n, once: true }),
    deliveries: await Deliveries.open(world.database),
    answer_ms_max: 50,
    handler: async (request, response) => {
      if (paymentOf(request) !== undefined) handled += 1;
      await done;
      response.end(`answer ${handled}`);
    },
  });
  const buyer = world.buyer();
  const purse = await world.purse(buyer);
  const challenge = readChallenge((await fetch(server.url)).headers.get("www-authenticate"));
  if (challenge === undefined) throw new Error("no challenge");
  const authorization = authorizationHeader(
    buyer.pay(purse, buyer.order(purse, 20n, { goods: challenge.goods }), range(0, 2)),
  );
  expect((await fetch(server.url, { headers: { authorization } })).status).toBe(500);
  const again = fetch(server.url, { headers: { authorization } });
  finish();
  expect(await (await again).text()).toBe("answer 1");
  await server.close();
  await world.close();
});
