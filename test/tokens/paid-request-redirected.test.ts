/** A shop, or somebody in its place, answers a request that was paid with another address: halves go there never. */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { DELIVERY_OPEN } from "../../firmware/protocol/tokens.js";
import { type Fetch, payingFetch } from "../../host/tokens/http/paying-client.js";
import { serveSeller } from "../../host/tokens/http/serve-seller.js";
import { SellerWorld } from "../support/seller-world.js";
import { SoftPurse } from "../support/soft-purse.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A shop whose paid requests are led elsewhere on the same host, where a browser would send all of them again. */
async function misled(price: bigint, isLed: (request: IncomingMessage) => boolean) {
  const world = await SellerWorld.open("redirected");
  ends.push(() => world.close());
  const shop = await serveSeller(world.seller, {
    price: () => ({ unit: FINE_DOLLAR, price, delivery: DELIVERY_OPEN }),
    handler: (_request, response) => void response.end("goods"),
  });
  ends.push(() => shop.close());
  const came: string[] = [];
  const front = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const { method = "", url = "" } = request;
    const { authorization } = request.headers;
    came.push(`${method} ${url}${authorization === undefined ? "" : " paid"}`);
    if (isLed(request)) return void response.writeHead(307, { location: "/elsewhere" }).end();
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    const body = Buffer.concat(parts);
    const answer = await fetch(shop.url + url, { method, headers, ...(body.length > 0 ? { body } : {}) });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  ends.push(async () => {
    front.closeAllConnections();
    await new Promise((resolve) => front.close(resolve));
  });
  const buyer = world.buyer();
  const purse = await world.purse(buyer, { denominations: [{ value: 10n, count: 400 }] });
  const maxPrice = { amount: 4_000n, unit: FINE_DOLLAR };
  // Some versions of the platform cannot send bytes a second time, and would hide that they were to be: a Blob all of them can.
  const sending: Fetch = (input, { body, ...init } = {}) =>
    fetch(input, body instanceof Uint8Array ? { ...init, body: new Blob([Buffer.from(body)]) } : { ...init });
  const pay = payingFetch({ purses: [new SoftPurse(buyer, purse)], maxPrice, attempts_max: 1, fetch: sending });
  const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}/article`;
  await pay(url, { redirect: "follow" }).catch(() => {});
  return came;
}

const isPaid = ({ headers }: IncomingMessage) => headers.authorization !== undefined;

it("of a payment in a header", async () => {
  expect(await misled(30n, isPaid)).toEqual(["GET /article", "GET /article paid"]);
});

it("of a payment that is posted", async () => {
  const came = await misled(3_000n, ({ method }) => method === "POST");
  expect(came).toEqual(["GET /article", "POST /tally/pay"]);
});

it("of the request behind a payment that was posted", async () => {
  const came = await misled(3_000n, isPaid);
  expect(came).toEqual(["GET /article", "POST /tally/pay", "GET /article paid"]);
});
