/** Somebody between a client and a shop who changes what the shop asks for: docs/TOKENS.md says that nobody has to believe a challenge. */

import { expect, it } from "vitest";
import { DELIVERY_OPEN } from "../../firmware/protocol/tokens.js";
import { challengeHeader, readChallenge } from "../../host/tokens/http/challenge.js";
import { payingFetch } from "../../host/tokens/http/paying-client.js";
import { serveSeller } from "../../host/tokens/http/serve-seller.js";
import { SellerWorld } from "../support/seller-world.js";
import { SoftPurse } from "../support/soft-purse.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";

it("does not have his own shopping paid by it, over a line without TLS", async () => {
  const world = await SellerWorld.open("in between");
  const server = await serveSeller(world.seller, {
    price: () => ({ unit: FINE_DOLLAR, price: 30n }),
    handler: (request, response) => void response.end(`goods of ${request.url}`),
  });
  const buyer = world.buyer();
  const soft = new SoftPurse(buyer, await world.purse(buyer));
  const stolen: string[] = [];
  const pay = payingFetch({
    purses: [soft],
    maxPrice: { amount: 100n, unit: FINE_DOLLAR },
    attempts_max: 1,
    fetch: async (_input, init) => {
      const authorization = new Headers(init?.headers).get("authorization");
      if (authorization !== null) {
        // What the client pays for is what he wanted, and comes in the open.
        stolen.push(await (await fetch(`${server.url}/his`, { headers: { authorization } })).text());
        return new Response("nothing for you", { status: 200 });
      }
      const asked = await fetch(`${server.url}/his`);
      const challenge = readChallenge(asked.headers.get("www-authenticate"));
      if (challenge === undefined) throw new Error("no challenge");
      const header = challengeHeader({ ...challenge, delivery: DELIVERY_OPEN });
      return new Response("", { status: 402, headers: { "www-authenticate": header } });
    },
  });
  const got = await pay("http://shop.example/article").then(
    (response) => response.text(),
    () => "refused",
  );
  await server.close();
  await world.close();
  expect({ got, stolen }).toEqual({ got: "refused", stolen: [] });
});
