/** Goods that come into being once: their handler runs once for each purchase, however long it takes, and whatever was forgotten since. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, beforeEach, expect, it } from "vitest";
import { DELIVERY_OPEN } from "../../firmware/protocol/tokens.js";
import { authorizationHeader, readChallenge } from "../../host/tokens/http/challenge.js";
import { Deliveries } from "../../host/tokens/http/deliveries.js";
import { paymentOf } from "../../host/tokens/http/paywall.js";
import { type SellerServer, serveSeller } from "../../host/tokens/http/serve-seller.js";
import { DAY, range, SellerWorld } from "../support/seller-world.js";
import { type BuyersPurse, FINE_DOLLAR, type TokenBuyer } from "../support/token-buyer.js";

const ANSWER_BYTES_MAX = 100;
let world: SellerWorld;
let deliveries: Deliveries;
let server: SellerServer;
let buyer: TokenBuyer;
let purse: BuyersPurse;
let shown: number;
let handled: number;
let work: (response: ServerResponse) => void | Promise<void>;
/** What waits for its time to be over. */
let waiting: Set<() => void>;

beforeEach(async () => {
  world = await SellerWorld.open("once");
  deliveries = await Deliveries.open(world.database);
  [handled, shown] = [0, 0];
  work = (response) => void response.end(`answer ${handled}`);
  waiting = new Set();
  server = await serveSeller(world.seller, {
    price: () => ({ unit: FINE_DOLLAR, price: 20n, once: true, delivery: DELIVERY_OPEN }),
    deliveries,
    answerBytes_max: ANSWER_BYTES_MAX,
    timers: {
      after(_delay_ms, call) {
        waiting.add(call);
        return () => waiting.delete(call);
      },
    },
    handler: async (request: IncomingMessage, response) => {
      if (paymentOf(request) !== undefined) handled += 1;
      await work(response);
    },
  });
  buyer = world.buyer();
  purse = await world.purse(buyer, { denominations: [{ value: 10n, count: 100 }] });
});
afterEach(async () => {
  await server.close();
  await world.close();
});

async function bought(): Promise<() => Promise<Response>> {
  const challenge = readChallenge((await fetch(server.url)).headers.get("www-authenticate"));
  if (challenge === undefined) throw new Error("no challenge");
  const order = buyer.order(purse, 20n, { goods: challenge.goods, delivery: DELIVERY_OPEN });
  const authorization = authorizationHeader(buyer.pay(purse, order, range(shown, 2)));
  shown += 2;
  return () => fetch(server.url, { headers: { authorization } });
}

/** A handler that has begun, whose buyer was told that it takes too long. */
async function slow(end: (response: ServerResponse) => void) {
  let finish = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  work = async (response) => {
    await finished;
    end(response);
  };
  const get = await bought();
  const first = get();
  await expect.poll(() => waiting.size + handled).toBe(2);
  for (const call of waiting) call();
  expect((await first).status).toBe(500);
  return { get, finish };
}

it("a handler that takes longer than an answer may goes on, and what it answers is for who repeats the payment", async () => {
  const { get, finish } = await slow((response) => {
    expect(response.headersSent).toBe(false);
    response.setHeader("content-type", "text/plain").writeHead(201, { "x-made": "once" });
    expect([response.headersSent, response.statusCode]).toEqual([true, 201]);
    response.end("made");
  });
  const again = [get(), get()];
  await expect.poll(() => waiting.size).toBe(2);
  finish();
  for (const answer of [...(await Promise.all(again)), await get()])
    expect([answer.status, answer.headers.get("x-made"), await answer.text()]).toEqual([201, "once", "made"]);
  expect(handled).toBe(1);
  expect(waiting.size).toBe(0);
});

it("who repeats it while it runs and waits too long is told so too, and has no other run", async () => {
  const { get, finish } = await slow((response) => void response.end("made"));
  const again = get();
  await expect.poll(() => waiting.size).toBe(1);
  for (const call of waiting) call();
  expect((await again).status).toBe(500);
  finish();
  expect(await (await get()).text()).toBe("made");
  expect(handled).toBe(1);
});

it.each([
  [
    "fails",
    () => {
      throw new Error("a defect");
    },
  ],
  ["breaks off", (response: ServerResponse) => void response.destroy()],
  ["writes more than is kept", (response: ServerResponse) => void response.end(Buffer.alloc(ANSWER_BYTES_MAX + 1))],
])("one that %s is not once for ever: the next runs, also where it was too slow before", async (_what, end) => {
  const { get, finish } = await slow(end);
  finish();
  work = end;
  expect((await get()).status).toBe(500);
  work = (response) => void response.end("made at last");
  expect(await (await get()).text()).toBe("made at last");
});

it("what was delivered and forgotten is over, and not made again", async () => {
  const get = await bought();
  expect(await (await get()).text()).toBe("answer 1");
  for (let week = 0; week < 3; week++) {
    world.now += BigInt(7 * DAY);
    await deliveries.forget(world.now);
    const late = await get();
    expect([late.status, await late.json()]).toEqual([410, expect.objectContaining({ code: "order-over" })]);
  }
  expect(handled).toBe(1);
});

it("with a new answer those are forgotten that are not given any more, and no others", async () => {
  const old = await bought();
  await old();
  world.now += BigInt(DAY);
  const recent = await bought();
  await recent();
  world.now += BigInt(DAY);
  expect(await (await old()).text()).toBe("answer 1");
  world.now += 1n;
  await (await bought())();
  expect((await old()).status).toBe(410);
  expect(await (await recent()).text()).toBe("answer 2");
  expect(handled).toBe(3);
});
