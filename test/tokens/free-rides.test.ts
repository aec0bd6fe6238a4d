/** Ways past a paywall, and a challenge that breaks the one who reads it. */

import { connect } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { TokenError } from "../../host/tokens/errors.js";
import { readChallenge } from "../../host/tokens/http/challenge.js";
import { payingFetch } from "../../host/tokens/http/paying-client.js";
import { type SellerServer, serveSeller } from "../../host/tokens/http/serve-seller.js";
import { SellerWorld } from "../support/seller-world.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";

let world: SellerWorld;
let server: SellerServer;
beforeEach(async () => {
  world = await SellerWorld.open("free rides");
  server = await serveSeller(world.seller, {
    // As in examples/article-server.mjs.
    price: ({ url = "" }) => (url.startsWith("/articles/") ? { unit: FINE_DOLLAR, price: 30n } : undefined),
    handler: (request, response) => void response.end(`You read ${new URL(request.url ?? "", "http://x").pathname}.`),
  });
});
afterEach(async () => {
  await server.close();
  await world.close();
});

function said(target: string): Promise<string> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(Number(port), hostname, () =>
      socket.write(`GET ${target} HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\n\r\n`),
    );
    socket.on("data", (bytes) => {
      text += bytes.toString();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}

it("a request whose target is a whole URL costs what its path costs, or is refused", async () => {
  expect(await said("/articles/1")).toMatch(/^HTTP\/1.1 402/);
  expect(await said("http://shop.example/articles/1")).not.toMatch(/^HTTP\/1.1 200/);
});

const header = (document: object) =>
  `TallyTokens challenge="${Buffer.from(JSON.stringify(document)).toString("base64url")}"`;

it.each([
  ["a version that is no text", { version: { toString: null, valueOf: null } }],
  ["a version that clears the screen", { version: "\u001b[2J" }],
])("%s is refused in a sentence that can be shown", (_, document) => {
  let error: unknown;
  try {
    readChallenge(header(document));
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(TokenError);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  expect((error as TokenError).message).not.toMatch(/[\u0000-\u001f]/);
});

it("an assertion that clears the screen is in no sentence", async () => {
  const challenge = {
    version: 1,
    seller: "00".repeat(16),
    issuers: [],
    unit: FINE_DOLLAR,
    price: "0",
    goods: "00".repeat(32),
    assertion: "\u001b[2J\u001b]0;owned\u0007".padEnd(4_000, "x"),
    delivery: null,
  };
  const pay = payingFetch({
    purses: [],
    maxPrice: { amount: 10n, unit: FINE_DOLLAR },
    fetch: async () => new Response("", { status: 402, headers: { "www-authenticate": header(challenge) } }),
  });
  const error = await pay("http://shop.example/").then(
    () => undefined,
    (caught: unknown) => caught,
  );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  expect((error as Error).message).not.toMatch(/[\u0000-\u001f\u007f]/);
});
