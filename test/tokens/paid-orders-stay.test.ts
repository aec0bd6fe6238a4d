/** A paying client and its open orders: what was paid must not be forgotten, and an old order must not stand in the way of new ones. */

import type { IncomingMessage } from "node:http";
import { afterEach, beforeEach, expect, it } from "vitest";
import { DELIVERY_OPEN } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { sha256 } from "../../host/crypto.js";
import { challengeHeader } from "../../host/tokens/http/challenge.js";
import { type Fetch, payingFetch } from "../../host/tokens/http/paying-client.js";
import type { Offer } from "../../host/tokens/http/paywall.js";
import { type SellerServer, serveSeller } from "../../host/tokens/http/serve-seller.js";
import { encodeOrder } from "../../host/tokens/messages/payment.js";
import { SellerWorld } from "../support/seller-world.js";
import { SoftPurse } from "../support/soft-purse.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";

const OFFERS: Readonly<Record<string, Offer>> = {
  "/article": { unit: FINE_DOLLAR, price: 30n },
  "/open": { unit: FINE_DOLLAR, price: 30n, delivery: DELIVERY_OPEN },
  "/long": { unit: FINE_DOLLAR, price: 3_000n },
};
const HURRIED = {
  after(_ms: number, call: () => void) {
    queueMicrotask(call);
    return () => {};
  },
};
const MAX = { amount: 4_000n, unit: FINE_DOLLAR };
let world: SellerWorld;
let server: SellerServer;
let soft: SoftPurse;
let file: string | undefined;

const open = () =>
  serveSeller(world.seller, {
    price: (request: IncomingMessage) => OFFERS[request.url ?? ""],
    handler: (request, response) => {
      if (request.url === "/away") return void response.writeHead(302, { location: `${server.url}/article` }).end();
      response.end(`goods of ${request.url}`);
    },
  });

beforeEach(async () => {
  world = await SellerWorld.open("client-loses");
  file = undefined;
  server = await open();
  const buyer = world.buyer();
  soft = new SoftPurse(buyer, await world.purse(buyer, { denominations: [{ value: 10n, count: 1_000 }] }));
});
afterEach(async () => {
  await server.close();
  await world.close();
});

const keeper = {
  read: () => file,
  write: (text: string) => {
    file = text;
  },
};
const paying = (way: Fetch = (input, init) => fetch(input, init)) =>
  payingFetch({
    purses: [soft],
    maxPrice: MAX,
    keeper,
    attempts_max: 1,
    fetch: way,
    timers: HURRIED,
  });
const taken = () => world.seller.purses()[0]?.denominations[0]?.taken;

it("an order that a shop restarted in between took the halves of is not forgotten", async () => {
  let number = 0;
  const pay = paying(async (input, init) => {
    // The long payment was taken; then the shop's process is gone.
    if (number++ === 2) throw new TypeError("the line broke");
    return fetch(input, init);
  });
  await expect(pay(`${server.url}/long`)).rejects.toMatchObject({ code: "unreachable" });
  expect([taken(), soft.next]).toEqual([300, 300]);
  const { url } = server;
  await server.close();
  server = await open();
  const moved: Fetch = (input, init) => fetch(String(input).replace(url, server.url), init);
  const again = await paying(moved)(`${url}/long`).then(
    (response) => response.text(),
    (error: Error) => error.message,
  );
  expect.soft(again).toBe("goods of /long");
  expect([taken(), soft.next]).toEqual([300, 300]);
});

it("an order that was made for a shop whose purse is gone does not keep others from being paid", async () => {
  const seller = new Uint8Array(16).fill(7);
  const challenge = {
    seller,
    issuers: [],
    unit: FINE_DOLLAR,
    price: 30n,
    goods: sha256(seller),
    assertion: null,
    delivery: null,
  };
  const { goods, price, unit } = challenge;
  const order = encodeOrder({ seller, nonce: seller, goods, unit, price, delivery: 1, assertion: null });
  // As the client wrote it before it died; the purse for that seller was closed and refunded meanwhile.
  file = JSON.stringify({
    version: 1,
    orders: [
      {
        key: "GET http://gone.example/",
        url: "http://gone.example/",
        challenge: challengeHeader(challenge),
        order: toHex(order),
      },
    ],
  });
  expect(await (await paying()(`${server.url}/article`)).text()).toBe("goods of /article");
});

it("a refusal that somebody on the line made up does not end a paid order", async () => {
  let isHostile = true;
  const pay = paying(async (input, init) => {
    const response = await fetch(input, init);
    if (!isHostile || response.status !== 200) return response;
    await response.arrayBuffer();
    return Response.json({ code: "order-over", message: "go away" }, { status: 410 });
  });
  await expect(pay(`${server.url}/article`)).rejects.toMatchObject({ code: "order-over" });
  isHostile = false;
  await pay(`${server.url}/article`);
  expect([taken(), soft.next]).toEqual([3, 3]);
});

it("an error page of a proxy does not end a paid order whose goods come in the open", async () => {
  let isBusy = true;
  const pay = paying(async (input, init) => {
    const response = await fetch(input, init);
    if (!isBusy || response.status !== 200) return response;
    await response.arrayBuffer();
    return new Response("<h1>Too many requests</h1>", { status: 429, headers: { "content-type": "text/html" } });
  });
  expect((await pay(`${server.url}/open`)).status).toBe(429);
  isBusy = false;
  expect(await (await pay(`${server.url}/open`)).text()).toBe("goods of /open");
  expect([taken(), soft.next]).toEqual([3, 3]);
});

it("a page that leads elsewhere is paid where the price was asked, or not at all", async () => {
  const answer = await paying()(`${server.url}/away`).then(
    (response) => response.text(),
    () => "refused",
  );
  expect(answer === "goods of /article" || (answer === "refused" && soft.next === 0)).toBe(true);
});
