/** A shop changes its price while an order that it was paid waits for its answer. */

import { expect, it } from "vitest";
import { payingFetch } from "../../host/tokens/http/paying-client.js";
import { serveSeller } from "../../host/tokens/http/serve-seller.js";
import { SellerWorld } from "../support/seller-world.js";
import { SoftPurse } from "../support/soft-purse.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";

it("gives what was paid, and is not paid twice", async () => {
  const world = await SellerWorld.open("price");
  let price = 30n;
  const server = await serveSeller(world.seller, {
    price: () => ({ unit: FINE_DOLLAR, price }),
    handler: (_request, response) => void response.end("goods"),
  });
  const buyer = world.buyer();
  const soft = new SoftPurse(buyer, await world.purse(buyer));
  let isBroken = true;
  const pay = payingFetch({
    purses: [soft],
    maxPrice: { amount: 100n, unit: FINE_DOLLAR },
    attempts_max: 1,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (!isBroken || response.status !== 200) return response;
      throw new TypeError("the line broke");
    },
  });
  await expect(pay(server.url)).rejects.toMatchObject({ code: "unreachable" });
  price = 40n;
  isBroken = false;
  const answers: string[] = [];
  for (let i = 0; i < 2; i++)
    answers.push(
      await pay(server.url).then(
        (response) => response.text(),
        (error: Error) => error.message,
      ),
    );
  await server.close();
  await world.close();
  expect(answers[0]).toBe("goods");
});
