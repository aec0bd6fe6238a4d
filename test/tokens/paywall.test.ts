/** A shop behind HTTP 402 and a client that pays by itself, over real sockets. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DELIVERY_OPEN, DELIVERY_SEALED } from "../../firmware/protocol/tokens.js";
import { TokenError } from "../../host/tokens/errors.js";
import { authorizationHeader, readAuthorization, readChallenge } from "../../host/tokens/http/challenge.js";
import { Deliveries } from "../../host/tokens/http/deliveries.js";
import { type Fetch, payingFetch } from "../../host/tokens/http/paying-client.js";
import { type Offer, paymentOf } from "../../host/tokens/http/paywall.js";
import { type SellerServer, serveSeller } from "../../host/tokens/http/serve-seller.js";
import { readBuyerPurse } from "../../host/tokens/messages/answers.js";
import { readPayment } from "../../host/tokens/messages/payment.js";
import { encodeOuter } from "../../host/tokens/messages/request.js";
import { NOW } from "../support/agencies.js";
import { DAY, range, SellerWorld } from "../support/seller-world.js";
import { SoftPurse } from "../support/soft-purse.js";
import { type BuyersPurse, FINE_DOLLAR, type TokenBuyer } from "../support/token-buyer.js";

const ARTICLE = "An article that is worth three tenths of a cent.";
const OFFERS: Readonly<Record<string, Offer>> = {
  "/article": { unit: FINE_DOLLAR, price: 30n },
  "/open": { unit: FINE_DOLLAR, price: 30n, delivery: DELIVERY_OPEN },
  "/once": { unit: FINE_DOLLAR, price: 20n, once: true },
  "/dear": { unit: FINE_DOLLAR, price: 5_000n },
  "/long": { unit: FINE_DOLLAR, price: 3_000n },
  "/wine": { unit: FINE_DOLLAR, price: 10n, assertion: "over-21", delivery: DELIVERY_SEALED },
};
const MAX = { amount: 4_000n, unit: FINE_DOLLAR };
/** Time passes at once: what is tried again is tried now. */
const HURRIED = {
  after(_delay_ms: number, call: () => void) {
    queueMicrotask(call);
    return () => {};
  },
};

let world: SellerWorld;
let server: SellerServer;
let buyer: TokenBuyer;
let purse: BuyersPurse;
let soft: SoftPurse;
let handled: string[];
/** Whoever came for what is made once, and how many of them must have paid before its handler ends. */
let once: IncomingMessage[];
let together: number;

async function handler(request: IncomingMessage, response: ServerResponse): Promise<void> {
  while (request.url === "/once" && once.filter(paymentOf).length < together)
    await new Promise((resolve) => setImmediate(resolve));
  handled.push(`${request.url} ${paymentOf(request)?.paid ?? "free"}`);
  if (request.url === "/broken") throw new Error("a defect");
  response.setHeader("content-type", "text/plain");
  response.end(request.url === "/once" ? `answer ${handled.length}` : ARTICLE);
}

beforeEach(async () => {
  world = await SellerWorld.open("paywall");
  handled = [];
  once = [];
  together = 1;
  server = await serveSeller(world.seller, {
    price: (request) => {
      if (request.url === "/once") once.push(request);
      return OFFERS[request.url ?? ""];
    },
    deliveries: await Deliveries.open(world.database),
    handler,
  });
  buyer = world.buyer();
  purse = await world.purse(buyer, { denominations: [{ value: 10n, count: 400 }] });
  soft = new SoftPurse(buyer, purse);
});
afterEach(async () => {
  await server.close();
  await world.close();
});

const url = (path: string) => `${server.url}${path}`;
const paying = (options: Partial<Parameters<typeof payingFetch>[0]> = {}) =>
  payingFetch({ purses: [soft], maxPrice: MAX, timers: HURRIED, ...options });
const taken = () => world.seller.purses()[0]?.denominations[0]?.taken;

/** A fetch that keeps what was sent, and loses the answers of the calls with these numbers, counted from 0. */
function losing(lost: readonly number[]): { fetch: Fetch; sent: { url: string; authorization: string | null }[] } {
  const sent: { url: string; authorization: string | null }[] = [];
  return {
    sent,
    fetch: async (input, init) => {
      const number = sent.length;
      sent.push({ url: String(input), authorization: new Headers(init?.headers).get("authorization") });
      const response = await fetch(input, init);
      if (!lost.includes(number)) return response;
      await response.arrayBuffer();
      throw new TypeError("the line broke");
    },
  };
}

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (error instanceof TokenError) return error.code;
    throw error;
  }
}

describe("a shop behind HTTP 402", () => {
  it("gives what is free, and says what the rest costs", async () => {
    expect(await (await fetch(url("/free"))).text()).toBe(ARTICLE);
    const response = await fetch(url("/article"));
    expect(response.status).toBe(402);
    const challenge = readChallenge(response.headers.get("www-authenticate"));
    expect(challenge).toMatchObject({
      seller: world.seller.id,
      price: 30n,
      unit: FINE_DOLLAR,
      assertion: null,
      delivery: null,
    });
    expect(challenge?.issuers).toEqual([{ id: world.issuer.keys.id }]);
    expect(await response.json()).toMatchObject({ code: "payment-required", price: "30" });
    expect(handled).toEqual(["/free free"]);
  });

  it("is paid by a client that pays by itself, and its goods come sealed and are opened", async () => {
    const { fetch: watched, sent } = losing([]);
    const response = await paying({ fetch: watched })(url("/article"));
    expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
      200,
      "text/plain",
      ARTICLE,
    ]);
    expect(handled).toEqual(["/article 30"]);
    expect([taken(), soft.next]).toEqual([3, 3]);
    // Who overheard it and repeats it gets what he cannot read.
    const overheard = await fetch(url("/article"), { headers: { authorization: sent[1]?.authorization ?? "" } });
    expect(overheard.status).toBe(200);
    expect(await overheard.text()).not.toContain("article");
    expect(taken()).toBe(3);
  });

  it("delivers in the open where it says so", async () => {
    const { fetch: watched, sent } = losing([]);
    expect(await (await paying({ fetch: watched })(url("/open"))).text()).toBe(ARTICLE);
    const again = await fetch(url("/open"), { headers: { authorization: sent[1]?.authorization ?? "" } });
    expect(await again.text()).toBe(ARTICLE);
    expect(taken()).toBe(3);
  });

  it.each([[[1]], [[1, 2]], [[1, 2, 3]]])("is paid once where the answers of calls %j are lost", async (lost) => {
    const { fetch: watched, sent } = losing(lost);
    expect(await (await paying({ fetch: watched })(url("/article"))).text()).toBe(ARTICLE);
    expect(new Set(sent.slice(1).map(({ authorization }) => authorization)).size).toBe(1);
    expect([taken(), soft.next]).toEqual([3, 3]);
  });

  it("is paid once where all answers are lost and the same is fetched later", async () => {
    const { fetch: watched } = losing([1, 2, 3, 4]);
    const pay = paying({ fetch: watched });
    expect(await refusal(pay(url("/article")))).toBe("unreachable");
    expect(await (await pay(url("/article"))).text()).toBe(ARTICLE);
    expect([taken(), soft.next]).toEqual([3, 3]);
    expect(await (await pay(url("/article"))).text()).toBe(ARTICLE);
    expect([taken(), soft.next]).toEqual([6, 6]);
  });

  it("runs a handler once whose goods come into being once, whoever repeats, at once or later or after a restart", async () => {
    const { fetch: watched, sent } = losing([1]);
    expect(await (await paying({ fetch: watched })(url("/once"))).text()).toBe("answer 1");
    const authorization = sent[1]?.authorization ?? "";
    await Promise.all([0, 1, 2].map(() => fetch(url("/once"), { headers: { authorization } })));
    expect(handled).toEqual(["/once 20"]);
    world.now += BigInt(3 * DAY);
    expect((await fetch(url("/once"), { headers: { authorization } })).status).toBe(200);
    expect(handled).toEqual(["/once 20"]);
  });

  it("runs it once for payments that come at the same moment", async () => {
    const { fetch: watched, sent } = losing([0, 1]);
    await paying({ fetch: watched, attempts_max: 1 })(url("/once")).catch(() => {});
    expect(sent).toHaveLength(1);
    const challenge = readChallenge((await fetch(url("/once"))).headers.get("www-authenticate"));
    if (challenge === undefined) throw new Error("no challenge");
    const order = buyer.order(purse, 20n, { goods: challenge.goods });
    const authorization = authorizationHeader(buyer.pay(purse, order, range(0, 2)));
    together = 4;
    const answers = await Promise.all([0, 1, 2, 3].map(() => fetch(url("/once"), { headers: { authorization } })));
    expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(Array(4).fill("answer 1"));
    expect(handled).toHaveLength(1);
  });

  it("delivers again for a day, and not later", async () => {
    const { fetch: watched, sent } = losing([]);
    await paying({ fetch: watched })(url("/article"));
    const authorization = sent[1]?.authorization ?? "";
    world.now += BigInt(DAY);
    expect((await fetch(url("/article"), { headers: { authorization } })).status).toBe(200);
    world.now += 1n;
    const late = await fetch(url("/article"), { headers: { authorization } });
    expect([late.status, await late.json()]).toEqual([410, expect.objectContaining({ code: "order-over" })]);
  });

  it("takes many halves by POST, and gives the goods for one of them", async () => {
    const { fetch: watched, sent } = losing([]);
    expect(await (await paying({ fetch: watched })(url("/long"))).text()).toBe(ARTICLE);
    expect(sent.map((each) => new URL(each.url).pathname)).toEqual(["/long", "/tally/pay", "/long"]);
    expect(
      readPayment(readAuthorization(sent[2]?.authorization ?? undefined) ?? new Uint8Array(0)).parts[0]?.halves,
    ).toHaveLength(0);
    expect(taken()).toBe(300);
  });

  it("says what is missing, takes the rest for the same order", async () => {
    const challenge = readChallenge((await fetch(url("/article"))).headers.get("www-authenticate"));
    if (challenge === undefined) throw new Error("no challenge");
    const order = buyer.order(purse, 30n, { goods: challenge.goods });
    const send = (first: number, count: number) =>
      fetch(url("/article"), {
        headers: { authorization: authorizationHeader(buyer.pay(purse, order, range(first, count))) },
      });
    const some = await send(0, 2);
    expect([some.status, await some.json()]).toEqual([
      402,
      expect.objectContaining({ code: "underpaid", paid: "20", missing: "10" }),
    ]);
    expect((await send(2, 1)).status).toBe(200);
    expect(handled).toEqual(["/article 30"]);
  });

  it("answers bad payments with the code and a sentence, and runs no handler", async () => {
    const spent = buyer.pay(purse, buyer.order(purse, 30n), range(0, 3));
    for (const [authorization, status, code] of [
      ["TallyTokens", 400, "malformed"],
      ["TallyTokens !!", 400, "malformed"],
      ["TallyTokens AAAA", 400, "malformed"],
      [authorizationHeader(spent), 409, "wrong-order"],
    ] as const) {
      const response = await fetch(url("/article"), { headers: { authorization } });
      const refused = (await response.json()) as { code: string; message: string };
      expect([response.status, refused.code]).toEqual([status, code]);
      expect(refused.message).toMatch(/Nothing was taken/);
    }
    expect((await fetch(url("/article"), { headers: { authorization: "Basic abc" } })).status).toBe(402);
    const unknown = await fetch(url("/tally/pay"), { method: "POST", body: spent });
    expect(unknown.status).toBe(409);
    const long = await fetch(url("/tally/request"), { method: "POST", body: new Uint8Array(5_000) });
    expect(long.status).toBe(413);
    expect(handled).toEqual([]);
    expect(taken()).toBe(0);
  });

  it("serves wine to whoever shows an authorization", async () => {
    expect(await refusal(paying()(url("/wine")))).toBe("no-purse");
    const card = new SoftPurse(buyer, await world.authorization(buyer));
    const response = await paying({ purses: [card, soft] })(url("/wine"));
    expect(await response.text()).toBe(ARTICLE);
    expect([soft.next, card.next]).toEqual([1, 1]);
  });

  it("is asked for purses by buyers and issuers", async () => {
    const asked = buyer.ask(world.issuer.keys, {
      seller: world.seller.id,
      spendBy_seconds: NOW + DAY,
      time_seconds: NOW,
    });
    const outer = encodeOuter({ issuer: world.issuer.keys.id, sealed: asked.sealed });
    const post = (path: string, body: Uint8Array) => fetch(url(path), { method: "POST", body: Buffer.from(body) });
    const answer = await post("/tally/request", outer);
    const { share } = readBuyerPurse(new Uint8Array(await answer.arrayBuffer()));
    const other = buyer.install(world.issuer.keys, asked, share);
    expect(other.share.seller).toEqual(world.seller.id);
    const recalled = await post("/tally/recall", world.issuer.recall(other.share.purse));
    expect([recalled.status, (await recalled.arrayBuffer()).byteLength > 100]).toEqual([200, true]);
    expect((await post("/tally/recall", asked.sealed)).status).toBe(403);
    expect((await post("/tally/notice", new Uint8Array(9))).status).toBe(403);
    expect((await post("/tally/purse", new Uint8Array(9))).status).toBe(403);
  });
});

describe("a client that pays by itself", () => {
  it("never pays more than it may, nor in another unit", async () => {
    expect(await refusal(paying()(url("/dear")))).toBe("too-expensive");
    const cents = { amount: 1_000n, unit: { currency: 978, exponent: 4 } };
    expect(await refusal(paying({ maxPrice: cents })(url("/article")))).toBe("too-expensive");
    expect(await refusal(paying({ purses: [] })(url("/article")))).toBe("no-purse");
    expect([soft.next, taken()]).toEqual([0, 0]);
  });

  it("pays nothing where it is told not to", async () => {
    const pay = paying({
      onPay: () => {
        throw new Error("no");
      },
    });
    await expect(pay(url("/article"))).rejects.toThrow("no");
    expect(soft.next).toBe(0);
  });

  it("does not believe goods that somebody else sealed, and keeps the order open", async () => {
    let isHonest = false;
    const pay = paying({
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (isHonest || response.status !== 200) return response;
        return new Response(Buffer.alloc(80), { status: 200, headers: response.headers });
      },
    });
    expect(await refusal(pay(url("/article")))).toBe("not-authentic");
    isHonest = true;
    expect(await (await pay(url("/article"))).text()).toBe(ARTICLE);
    expect([soft.next, taken()]).toEqual([3, 3]);
  });

  it("shows bare halves to nobody over a line that others read", async () => {
    const bare = {
      find: async (...given: Parameters<SoftPurse["find"]>) => {
        const found = await soft.find(...given);
        return found === undefined ? undefined : { ...found, isBare: true };
      },
    };
    const pay = paying({
      purses: [bare],
      fetch: (input, init) => fetch(String(input).replace("shop.example", new URL(server.url).host), init),
    });
    expect(await refusal(pay("http://shop.example/article"))).toBe("no-purse");
    expect(soft.next).toBe(0);
    expect(await (await pay(url("/article"))).text()).toBe(ARTICLE);
  });
});
