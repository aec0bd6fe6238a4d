/** The directory's HTTP port: one document, and nothing that a stranger sends there ends or blocks it. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { LinePortError } from "../../host/communications/server.js";
import { readDocument } from "../../host/servers/directory-document.js";
import { DirectoryServer, type DirectorySource } from "../../host/servers/directory-server.js";
import { unitOf } from "../../host/units.js";

const usd = unitOf("USD");
const ENTRY = {
  id: "0".repeat(32),
  name: "Alder Exchange",
  address: "ws://127.0.0.1:1/",
  offers: [
    {
      direction: "buy" as const,
      money: usd,
      account: usd,
      rate: { numerator: 2n ** 53n + 1n, denominator: 3n },
      feeFixed: 0n,
      feePermille: 10n,
    },
  ],
};
const SOURCE: DirectorySource = {
  entries: async () => [ENTRY],
  rest: () => ({ bank: "ws://127.0.0.1:2/", issuers: [{ bank: "meadow-bank", unit: usd }] }),
};

const open: { close(): Promise<void> }[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const each of open.splice(0)) await each.close();
});

async function served(source = SOURCE): Promise<DirectoryServer> {
  const server = await DirectoryServer.open(source);
  open.push(server);
  return server;
}

function socketTo(server: DirectoryServer): Socket {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  sockets.push(socket);
  return socket;
}

/** All that comes back on what was said. */
async function answerTo(server: DirectoryServer, said: string): Promise<string> {
  const socket = socketTo(server);
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.end(said);
  await once(socket, "close");
  return text;
}

describe("the directory over HTTP", () => {
  test("says what it was given, amounts to the last digit", async () => {
    const server = await served();
    const response = await fetch(server.url);
    expect(response.status).toBe(200);
    expect(readDocument(await response.text())).toEqual({ merchants: [ENTRY], ...SOURCE.rest() });
  });

  test("a bank that is not served is left out", async () => {
    const server = await served({ ...SOURCE, rest: () => ({ bank: undefined, issuers: [] }) });
    expect(readDocument(await (await fetch(server.url)).text()).bank).toBeUndefined();
  });

  test("other paths and methods are told so; HEAD has no body", async () => {
    const server = await served();
    expect((await fetch(new URL("/", server.url))).status).toBe(404);
    expect((await fetch(`${server.url}?x=1`)).status).toBe(200);
    expect((await fetch(server.url, { method: "POST", body: "x" })).status).toBe(405);
    const head = await fetch(server.url, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  test("books that cannot be read are no reason to end", async () => {
    let fails = true;
    const server = await served({
      ...SOURCE,
      entries: async () => {
        if (fails) throw new Error("the disk is gone");
        return [];
      },
    });
    const response = await fetch(server.url);
    expect([response.status, await response.text()]).toEqual([503, expect.not.stringContaining("disk")]);
    fails = false;
    expect((await fetch(server.url)).status).toBe(200);
  });

  test("whatever a stranger asks for, the next one is served", async () => {
    const server = await served();
    const targets = ["//", "///", "http://", "//[", "/%", "*", "http://[::1/directory", `/${"a".repeat(20_000)}`, "\\"];
    for (const target of targets) await answerTo(server, `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    for (const said of ["\0\0\0", "GET", "GET /directory HTTP/9.9\r\n\r\n", "\r\n\r\n\r\n"])
      await answerTo(server, said);
    expect((await fetch(server.url)).status).toBe(200);
  });

  test("one address does not take all its connections, and gets no more for nothing", async () => {
    const server = await served();
    const silent = Array.from({ length: 80 }, () => socketTo(server));
    const turnedAway = await Promise.all(silent.slice(64).map((socket) => once(socket, "close")));
    expect(turnedAway).toHaveLength(16);
    for (const socket of silent.slice(0, 8)) socket.destroy();
    await vi.waitFor(async () => expect((await fetch(server.url)).status).toBe(200));
  });

  test("a request that is never finished is ended", { timeout: 15_000 }, async () => {
    const server = await served();
    const socket = socketTo(server);
    socket.write("GET /directory HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    socket.resume();
    await once(socket, "close");
    expect((await fetch(server.url)).status).toBe(200);
  });

  test("a port that is taken is explained as one", async () => {
    const first = await served();
    const port = Number(new URL(first.url).port);
    await expect(DirectoryServer.open(SOURCE, { port })).rejects.toThrow(LinePortError);
    await expect(DirectoryServer.open(SOURCE, { port })).rejects.toThrow(
      /EADDRINUSE.*No money moved. Use another port/,
    );
  });

  test("closing does not wait for whoever is connected and silent", async () => {
    const server = await DirectoryServer.open(SOURCE);
    const socket = socketTo(server);
    await once(socket, "connect");
    const closed = once(socket, "close");
    await server.close();
    await closed;
  });
});
