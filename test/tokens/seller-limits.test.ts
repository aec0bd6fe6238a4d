/** A seller's server and who sends it too much: refused before it is read, and others are served meanwhile. */

import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { PAYMENT_BYTES_MAX } from "../../host/tokens/http/challenge.js";
import { type SellerServer, serveSeller } from "../../host/tokens/http/serve-seller.js";
import { SellerWorld } from "../support/seller-world.js";

const ARRIVING = PAYMENT_BYTES_MAX + 400_000;
let world: SellerWorld;
let server: SellerServer;
const sockets: Socket[] = [];

beforeEach(async () => {
  world = await SellerWorld.open("limits");
  server = await serveSeller(world.seller, {
    price: () => undefined,
    arrivingBytes_max: ARRIVING,
    handler: (_request, response) => void response.end("free"),
  });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
  await world.close();
});

function open(): Socket {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {}); // It is cut off on purpose.
  sockets.push(socket);
  return socket;
}

/** All that comes until the other end closes. */
function answer(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (part) => {
      text += part.toString();
    });
    socket.on("close", () => resolve(text));
  });
}

/** The head of a payment, and nothing of the body. */
function announce(length: number | "chunked"): Socket {
  const socket = open();
  const how = length === "chunked" ? "transfer-encoding: chunked" : `content-length: ${length}`;
  socket.write(`POST /tally/pay HTTP/1.1\r\nhost: shop\r\n${how}\r\n\r\n`);
  return socket;
}

it("refuses a body that is too long by its length, and closes without reading it", async () => {
  expect(await answer(announce(PAYMENT_BYTES_MAX + 1))).toMatch(
    /^HTTP\/1.1 413 .*at most 1048576 bytes.*Nothing was done/s,
  );
});

it("refuses a body of no announced length as soon as it is too long", async () => {
  const socket = announce("chunked");
  const piece = "x".repeat(60_000);
  const said = answer(socket);
  for (let sent = 0; sent <= PAYMENT_BYTES_MAX; sent += piece.length)
    socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
  expect(await said).toMatch(/^HTTP\/1.1 413 /);
});

it("takes no more than so many bytes at once from everybody, and serves what is small meanwhile", async () => {
  const slow = announce(PAYMENT_BYTES_MAX);
  slow.write("x");
  const status = async (length: number) => (await answer(announce(length))).slice(9, 12);
  await expect.poll(() => status(500_000), { timeout: 10_000 }).toBe("503");
  expect(await (await fetch(`${server.url}/free`)).text()).toBe("free");
  const small = await fetch(`${server.url}/tally/pay`, { method: "POST", body: "x" });
  expect(small.status).toBe(400);
  slow.destroy();
  // What it might have sent is free again.
  const next = announce(500_000);
  const said = answer(next);
  next.write("x".repeat(500_000));
  next.end();
  expect(await said).toMatch(/^HTTP\/1.1 400 .*Nothing was taken/s);
});

it("takes no more than so many connections from one address", async () => {
  const some = Array.from({ length: 200 }, () => open());
  const closed = new Set<Socket>();
  await new Promise<void>((resolve) => {
    for (const socket of some)
      socket.on("close", () => {
        closed.add(socket);
        resolve();
      });
  });
  expect(closed.size).toBeLessThan(some.length);
});
