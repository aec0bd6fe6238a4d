/** An issuer and a seller that reach each other over HTTP on loopback, and strangers at the issuer's port. */

import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WORD_COLLECT, WORD_FORWARD, WORD_RETURN } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { readBody } from "../../host/tokens/http/bodies.js";
import { MintClient } from "../../host/tokens/http/mint-client.js";
import { MINT_PATHS, SELLER_PATHS } from "../../host/tokens/http/mint-paths.js";
import { MintServer } from "../../host/tokens/http/mint-server.js";
import { SellerClient } from "../../host/tokens/http/seller-client.js";
import type { Issuer, SellerLine } from "../../host/tokens/parties.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";
import { ALICE_CENTS, DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

const ALICE = 100n * ALICE_CENTS;
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The smallest server of a seller: the three paths at which an issuer reaches it. */
async function serveLine(line: SellerLine): Promise<string> {
  const answers = new Map<string, (body: Uint8Array) => Promise<unknown>>([
    [SELLER_PATHS.deliver, (body) => line.deliver(body)],
    [SELLER_PATHS.recall, (body) => line.recall(body)],
    [SELLER_PATHS.notice, (body) => line.notice(body)],
  ]);
  const server = createServer((request, response) => {
    void (async () => {
      const answer = answers.get(request.url ?? "");
      const body = await readBody(request, 1_000_000);
      try {
        if (answer === undefined) throw new Error("no such path");
        const said = await answer(body);
        response.end(said instanceof Uint8Array ? said : "");
      } catch {
        response.writeHead(500).end();
      }
    })();
  });
  return listening(server);
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function served() {
  const w = await TokenWorld.open();
  const server = await MintServer.open(w.mint);
  ends.push(() => server.close());
  const client = new MintClient(server.url);
  w.lines.set(toHex(w.shop.id), new SellerClient(await serveLine(w.shop)));
  const ask = (flushes: Uint8Array | null = null) =>
    w.alice.ask(w.keys, { seller: w.shop.id, spendBy_seconds: w.now() + DAY, time_seconds: w.now(), flushes });
  return { w, server, client, ask };
}

async function status(url: string, init: RequestInit): Promise<number> {
  const response = await fetch(url, init);
  await response.arrayBuffer();
  return response.status;
}

describe("an issuer over HTTP", () => {
  it("does all that one in the same process does", async () => {
    const { w, client, ask } = await served();
    const asked = ask();
    const issued = await client.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
    const { head } = w.shop.take(issued.sellerPurse);
    const held = w.alice.install(w.keys, asked, issued.share);
    w.shop.paid(w.alice.pay(held, w.alice.order(held, 50n), [{ first: 0, count: 5 }]));
    const sealed = w.shop.redemption(head.purse);
    const redemption = await client.redeem(sealed);
    expect(redemption.refused).toEqual([]);
    expect(await client.redeem(sealed)).toEqual(redemption);
    const next = ask(head.purse);
    const { share } = await client.request(next.sealed);
    const second = w.alice.install(w.keys, next, share).share.purse;
    const refund = await client.refund(w.alice.close(w.keys, second, [0]));
    expect(refund.state).toBe("closed");
    await expect.poll(() => w.shop.notices.length).toBe(2);
    expect(await client.collect(w.shop.word(WORD_COLLECT))).toEqual({ purses: [], recalls: [], notices: [] });
    expect(await w.worth("shop", w.shop.id, FINE_DOLLAR)).toBe(50n);
    expect(await w.worth("alice", w.alice.id, FINE_DOLLAR)).toBe(ALICE - 50n);
    expect(await w.faults()).toEqual([]);
  });

  it("tells refusals by code and sentence, and an answer of nobody as unreachable", async () => {
    const { w, server, client, ask } = await served();
    const { sealed } = ask();
    const local = await w.mint.forward(w.shop.word(WORD_FORWARD, new Uint8Array(1)), sealed).catch(String);
    const remote = await client.forward(w.shop.word(WORD_FORWARD, new Uint8Array(1)), sealed).catch(String);
    expect(remote).toBe(local);
    expect(await outcomeOf(client.redeem(new Uint8Array(9)))).toBe("malformed");
    expect(
      await outcomeOf(client.returned(w.shop.redemption(w.alice.id, { tokens: new Map(), type: WORD_RETURN }))),
    ).toBe("unknown-purse");
    await server.close();
    expect(await outcomeOf(client.request(sealed))).toBe("unreachable");
  });

  it("a client believes no answer that is none, too long, or too late", async () => {
    const url = await listening(
      createServer((request, response) => {
        request.resume();
        if (request.url === MINT_PATHS.request) response.end("hello");
        else if (request.url === MINT_PATHS.redeem) response.end(new Uint8Array(2_000));
        else if (request.url === MINT_PATHS.collect) response.writeHead(400).end(`{"code":"rich","message":"x"}`);
        else response.writeHead(200).write("slow");
      }),
    );
    const client = new MintClient(url, { answerBytes_max: 1_000, answer_ms_max: 300 });
    const bytes = new Uint8Array(3);
    for (const work of [client.request(bytes), client.redeem(bytes), client.collect(bytes), client.refund(bytes)])
      expect(await outcomeOf(work)).toBe("unreachable");
  });

  it("sends strangers away: paths, methods, bodies", async () => {
    const { server } = await served();
    const body = new Uint8Array(5_000);
    expect(await status(`${server.url}/`, { method: "GET" })).toBe(404);
    expect(await status(server.url + MINT_PATHS.redeem, { method: "GET" })).toBe(405);
    expect(await status(server.url + MINT_PATHS.request, { method: "POST", body })).toBe(413);
    expect(await status(server.url + MINT_PATHS.forward, { method: "POST", body: "x" })).toBe(400);
    const chunks = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(3_000));
      },
    });
    const endless = { method: "POST", body: chunks, duplex: "half" } as RequestInit;
    await expect(status(server.url + MINT_PATHS.refund, endless).catch(() => 413)).resolves.toBe(413);
  });

  it("lets go of whoever announces more than may come at once", async () => {
    const { server } = await served();
    const { port, hostname } = new URL(server.url);
    const each = 40 * 1024 * 1024;
    const head = `POST ${MINT_PATHS.redeem} HTTP/1.1\r\nhost: x\r\ncontent-length: ${each}\r\n\r\n`;
    const sockets = Array.from({ length: 7 }, () => connect(Number(port), hostname));
    const answers = sockets.map(
      (socket) => new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString()))),
    );
    for (const socket of sockets) socket.write(head);
    expect(await Promise.race(answers)).toMatch(/^HTTP\/1.1 503 /);
    for (const socket of sockets) socket.destroy();
    // Once they are gone there is room again.
    await expect
      .poll(() => status(server.url + MINT_PATHS.redeem, { method: "POST", body: new Uint8Array(each) }))
      .toBe(400);
  });

  it("an error that is no refusal says nothing of itself", async () => {
    const broken: Issuer = Object.assign(Object.create(null), {
      request: () => Promise.reject(new Error("the password is 1234")),
    });
    const server = await MintServer.open(broken);
    ends.push(() => server.close());
    const response = await fetch(server.url + MINT_PATHS.request, { method: "POST", body: "x" });
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("1234");
    expect(await outcomeOf(new MintClient(server.url).request(new Uint8Array(1)))).toBe("unreachable");
  });
});
