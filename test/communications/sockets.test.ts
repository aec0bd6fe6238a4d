/** Lines over real sockets on loopback, on virtual time: a proxy in between cuts, delays, swallows and reorders connections. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { WebSocketServer } from "ws";
import { openError, openLine } from "../../host/communications/client.js";
import {
  LineAddressError,
  LineBrokenError,
  LineBusyError,
  LineCertificateError,
  LineForgottenError,
  LineRefusedError,
  LineUnreachableError,
  LineVersionError,
  NotTallystickError,
} from "../../host/communications/errors.js";
import { encodeFrame, SUBPROTOCOL } from "../../host/communications/frames.js";
import { ENVELOPE_CHANNEL, type Line, type SentEnvelope } from "../../host/communications/line.js";
import type { PeerLink } from "../../host/communications/link.js";
import { LinePortError, LineServer, type LineServerOptions } from "../../host/communications/server.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { type ConnectionFate, CuttingProxy } from "../support/lines.js";
import { VirtualTime } from "../support/virtual-time.js";

const SEEDS = 30;
const MESSAGES = 30;

let time: VirtualTime;
let random: SeededRandomness;
const cleanups: (() => unknown)[] = [];
beforeEach(() => {
  time = new VirtualTime();
  random = new SeededRandomness(sodiumCryptography, "lines");
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await time.run(Promise.resolve(cleanup()));
});

async function serve(options: Partial<LineServerOptions> = {}): Promise<{ server: LineServer; accepted: Line[] }> {
  const accepted: Line[] = [];
  const onLine = (line: PeerLink) => void accepted.push(line as Line);
  const server = await LineServer.open({ purposes: ["pay", "trade"], onLine, timers: time, random, ...options });
  cleanups.push(() => server.close());
  return { server, accepted };
}

async function proxyTo(server: LineServer, fateOf?: (connection: number) => ConnectionFate): Promise<CuttingProxy> {
  const proxy = await CuttingProxy.open(server.address, time, fateOf);
  cleanups.push(() => proxy.close());
  return proxy;
}

const open = (url: string, purpose = "pay") => time.run(openLine(url, purpose, { timers: time, random }));

/** A server that is something else. */
async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const address = server.address();
  return `ws://127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}/`;
}

/** A WebSocket service that answers everything in this way. */
function answering(answer: () => Uint8Array | string): Promise<string> {
  const http = createHttpServer();
  const sockets = new WebSocketServer({ server: http, handleProtocols: () => SUBPROTOCOL });
  sockets.on("connection", (socket) => {
    cleanups.push(() => socket.terminate());
    socket.on("message", () => socket.send(answer()));
  });
  return listening(http);
}

function helloOf(byte: number, expected: number): Uint8Array {
  return encodeFrame({ kind: "hello", token: new Uint8Array(16).fill(byte), expected, purpose: "pay" });
}

const closed = (link: PeerLink) => new Promise<void>((resolve) => link.onClose(resolve));

function collect(link: PeerLink): Uint8Array[] {
  const got: Uint8Array[] = [];
  link.onMessage((message) => got.push(message));
  return got;
}

/** Resolves when it has got so many messages. */
function count(link: PeerLink, wanted: number): { got: Uint8Array[]; all: Promise<void> } {
  const got: Uint8Array[] = [];
  const all = new Promise<void>((resolve) =>
    link.onMessage((message) => {
      got.push(message);
      if (got.length === wanted) resolve();
    }),
  );
  return { got, all };
}

/** Cut, swallowed or late, except that the first is good for a hello and those after the twelfth for everything. */
function fateOf(connection: number, draw: SeededRandomness): ConnectionFate {
  if (connection > 12) return {};
  if (connection === 0) return { bytes: 400 + draw.below(8_000) };
  const hold = draw.below(3) === 0 ? { hold_ms: draw.below(12_000) } : {};
  return { ...hold, bytes: draw.below(9_000), ending: draw.below(4) === 0 ? "deaf" : "cut" };
}

/** Messages of all lengths at moments of the next minute, in order. */
function sendNowAndThen(line: Line, draw: SeededRandomness): Uint8Array[] {
  const moments = Array.from({ length: MESSAGES }, () => draw.below(60_000)).sort((a, b) => a - b);
  return moments.map((moment_ms, i) => {
    const message = new Uint8Array(1 + draw.below(900)).fill(i);
    time.after(moment_ms, () => line.send(message));
    return message;
  });
}

describe("a line between hosts", () => {
  test("carries messages both ways, for a purpose, with the address's query", async () => {
    const opened: unknown[] = [];
    const { server, accepted } = await serve({
      path: "/lines",
      onLine: (line, purpose, query) => {
        opened.push([purpose, query.get("till")]);
        accepted.push(line as Line);
      },
    });
    const near = await open(`${server.url}?till=4`, "trade");
    expect(opened).toEqual([["trade", "4"]]);
    const [far] = accepted as [Line];
    const [up, down] = [collect(far), collect(near)];
    for (const byte of [1, 2, 3]) near.send(Uint8Array.of(byte));
    far.send(new Uint8Array(6272).fill(5));
    near.close();
    await time.run(closed(far));
    expect(up).toEqual([1, 2, 3].map((byte) => Uint8Array.of(byte)));
    expect(down).toEqual([]); // It had closed.
    expect([near.fault, far.fault, server.lines.length]).toEqual([undefined, undefined, 0]);
  });

  test("the server's end closes in order as well", async () => {
    const { server, accepted } = await serve();
    const near = await open(server.url);
    const down = collect(near);
    accepted[0]?.send(Uint8Array.of(1));
    accepted[0]?.send(Uint8Array.of(2));
    const gone = closed(near);
    await time.run(server.close());
    await time.run(gone);
    expect(down).toEqual([Uint8Array.of(1), Uint8Array.of(2)]);
    expect(near.fault).toBeUndefined();
  });

  test("tells a diagnostics channel of each data frame it sends", async () => {
    const { server, accepted } = await serve();
    const near = await open(server.url);
    const seen: SentEnvelope[] = [];
    const note = (message: unknown) => seen.push(message as SentEnvelope);
    subscribe(ENVELOPE_CHANNEL, note);
    near.send(Uint8Array.of(1));
    accepted[0]?.send(Uint8Array.of(2));
    near.send(Uint8Array.of(3));
    unsubscribe(ENVELOPE_CHANNEL, note);
    near.send(Uint8Array.of(4));
    expect(seen.map(({ line, index, again }) => [line === near, index, again])).toEqual([
      [true, 0, false],
      [false, 0, false],
      [true, 1, false],
    ]);
  });
});

describe("connections that break", () => {
  test(`of ${SEEDS} seeds: all arrives once and in order, or the line closes`, { timeout: 120_000 }, async () => {
    let connections = 0;
    let whole = 0;
    for (let seed = 0; seed < SEEDS; seed += 1) {
      const draw = random.fork(`connections ${seed}`);
      const { server, accepted } = await serve();
      const proxy = await proxyTo(server, (connection) => fateOf(connection, draw));
      const near = await open(proxy.url);
      const [far] = accepted as [Line];
      const [down, up] = [count(near, MESSAGES), count(far, MESSAGES)];
      const [sentUp, sentDown] = [sendNowAndThen(near, draw), sendNowAndThen(far, draw)];
      await time.run(Promise.race([Promise.all([down.all, up.all]), Promise.all([closed(near), closed(far)])]));
      expect(down.got, `seed ${seed}, down`).toEqual(sentDown.slice(0, down.got.length));
      expect(up.got, `seed ${seed}, up`).toEqual(sentUp.slice(0, up.got.length));
      if (down.got.length === MESSAGES && up.got.length === MESSAGES) whole += 1;
      else expect([near.isOver, far.isOver], `seed ${seed}`).toEqual([true, true]);
      connections += proxy.connections;
      for (const cleanup of cleanups.splice(0).reverse()) await time.run(Promise.resolve(cleanup()));
    }
    expect(connections).toBeGreaterThan(3 * SEEDS);
    expect(whole).toBeGreaterThan(SEEDS / 2);
  });

  test("a client that cannot come back in time gives up, and so does the server", async () => {
    const { server, accepted } = await serve();
    const proxy = await proxyTo(server);
    const near = await open(proxy.url);
    const [far] = accepted as [Line];
    proxy.isDown = true;
    proxy.cut();
    await time.run(Promise.all([closed(near), closed(far)]));
    expect([near.fault, far.fault]).toEqual([expect.any(LineBrokenError), expect.any(LineBrokenError)]);
    expect(server.lines).toEqual([]);
    const { knocks } = proxy;
    await time.run(new Promise<void>((resolve) => void time.after(60_000, resolve)));
    expect(proxy.knocks).toBe(knocks);
  });

  test("a process whose line waits for a connection does not end for want of anything to do", async () => {
    const { server } = await serve();
    const proxy = await proxyTo(server);
    const [began, ended] = [vi.spyOn(globalThis, "setInterval"), vi.spyOn(globalThis, "clearInterval")];
    cleanups.push(() => [began, ended].map((spy) => spy.mockRestore()));
    const isHeld = () => began.mock.results.some(({ value }) => !ended.mock.calls.some(([handle]) => handle === value));
    const seen: [boolean, boolean][] = [];
    const onConnection = (isThere: boolean) => seen.push([isThere, isHeld()]);
    const near = await time.run(openLine(proxy.url, "pay", { timers: time, random, onConnection }));
    const { all } = count(server.lines[0] as Line, 1);
    proxy.cut();
    near.send(Uint8Array.of(1));
    await time.run(all);
    proxy.isDown = true;
    proxy.cut();
    await time.run(closed(near));
    expect(seen).toEqual([
      [false, true],
      [true, false],
      [false, true],
    ]);
    expect(isHeld()).toBe(false);
  });

  test("a server that offers another line instead is not believed", async () => {
    const { server } = await serve();
    const proxy = await proxyTo(server);
    const near = await open(proxy.url);
    proxy.target = { host: "127.0.0.1", port: Number(new URL(await answering(() => helloOf(9, 0))).port) };
    proxy.cut();
    await time.run(closed(near));
    expect(near.fault).toBeInstanceOf(LineBrokenError);
  });

  test("connections that bring nothing are made less and less often", async () => {
    const { server, accepted } = await serve();
    const proxy = await proxyTo(server, (connection) => (connection === 0 ? {} : { bytes: 350 }));
    const near = await open(proxy.url);
    near.send(new Uint8Array(2_000));
    proxy.cut();
    near.send(new Uint8Array(2_000));
    await time.run(new Promise<void>((resolve) => void time.after(60_000, resolve)));
    expect(proxy.connections).toBeGreaterThan(10);
    expect(proxy.connections).toBeLessThan(40);
    expect([near.isOver, accepted[0]?.isOver]).toEqual([false, false]);
    near.close();
  });

  test("a connection that says nothing more is noticed by both ends, and replaced", async () => {
    const { server, accepted } = await serve();
    const proxy = await proxyTo(server, (connection) => (connection === 0 ? { bytes: 600, ending: "deaf" } : {}));
    const seen: boolean[] = [];
    const opening = openLine(proxy.url, "pay", { timers: time, random, onConnection: (isThere) => seen.push(isThere) });
    const near = await time.run(opening);
    const { got, all } = count(accepted[0] as Line, 5);
    for (let i = 0; i < 5; i += 1) near.send(new Uint8Array(200).fill(i));
    await time.run(all);
    expect(got).toHaveLength(5);
    expect(proxy.connections).toBe(2);
    expect(seen).toEqual([false, true]);
  });

  test("a server that was started again does not know the line: the client is told, and does not hang", async () => {
    const { server, accepted } = await serve();
    const proxy = await proxyTo(server);
    const near = await open(proxy.url);
    near.send(Uint8Array.of(1));
    const again = await serve();
    proxy.target = again.server.address;
    proxy.cut();
    const before = time.clock.nowMs();
    await time.run(closed(near));
    expect(near.fault).toBeInstanceOf(LineForgottenError);
    expect(near.fault?.message).toMatch(/started again.*The money is.*resume/);
    expect(time.clock.nowMs() - before).toBeLessThan(1_000);
    expect([again.accepted, accepted[0]?.isOver]).toEqual([[], false]);
  });

  test("a proxy that answers in the server's place while it is away does not end the line", async () => {
    const { server, accepted } = await serve();
    const proxy = await proxyTo(server);
    const near = await open(proxy.url);
    const { all } = count(accepted[0] as Line, 1);
    let asked = 0;
    const gateway = createHttpServer();
    gateway.on("upgrade", (_request, socket) => {
      asked += 1;
      if (asked === 3) proxy.target = server.address;
      socket.on("error", () => undefined).end("HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n");
    });
    proxy.target = { host: "127.0.0.1", port: Number(new URL(await listening(gateway)).port) };
    proxy.cut();
    near.send(Uint8Array.of(1));
    await time.run(all);
    expect(asked).toBe(3);
  });
});

describe("a line that cannot be opened says what happened, that no money moved, and what to do", () => {
  const refused = async (url: string, purpose?: string): Promise<Error> => {
    const error = await open(url, purpose).then(
      () => new Error("it was opened"),
      (error: Error) => error,
    );
    expect(error.message).toMatch(/No money moved\. [A-Z].*\.$/);
    return error;
  };

  test("nobody there", async () => {
    const url = await listening(createServer());
    for (const cleanup of cleanups.splice(0)) await cleanup();
    expect(await refused(url)).toBeInstanceOf(LineUnreachableError);
  });

  test("somebody who never answers", async () => {
    const url = await listening(createServer((socket) => cleanups.push(() => socket.destroy())));
    const before = time.clock.nowMs();
    expect(await refused(url)).toBeInstanceOf(LineUnreachableError);
    expect(time.clock.nowMs() - before).toBe(10_000);
  });

  test("somebody who hangs up", async () => {
    const url = await listening(createServer((socket) => socket.destroy()));
    expect(await refused(url)).toBeInstanceOf(LineUnreachableError);
  });

  test("something else", async () => {
    const web = createHttpServer((_request, response) => response.writeHead(200, { Connection: "close" }).end("hello"));
    expect(await refused(await listening(web))).toBeInstanceOf(NotTallystickError);
    const mail = createServer((socket) =>
      socket
        .on("error", () => undefined)
        .resume()
        .end("220 mail.example ESMTP\r\n"),
    );
    expect(await refused(await listening(mail))).toBeInstanceOf(NotTallystickError);
  });

  test.each<[string, (text: string) => unknown, unknown]>([
    ["another WebSocket service", () => "chat", NotTallystickError],
    ["another version", () => Uint8Array.of(1, 2, 0, 0), LineVersionError],
    ["a refusal for the version", () => Uint8Array.of(5, 1), LineVersionError],
    ["a line that was not asked for", () => Uint8Array.of(4), NotTallystickError],
    ["a line that has got what was never sent", () => helloOf(7, 3), NotTallystickError],
    ["garbage", () => Uint8Array.of(200, 1), NotTallystickError],
    ["no room", () => Uint8Array.of(5, 3), LineBusyError],
    ["a giant", () => new Uint8Array(100_000), NotTallystickError],
  ])("%s", async (_name, answer, kind) => {
    expect(await refused(await answering(() => answer("") as string))).toBeInstanceOf(kind);
  });

  test("TLS where there is none, and certificates that are not good", async () => {
    const { server } = await serve();
    expect(await refused(server.url.replace("ws:", "wss:"))).toBeInstanceOf(LineUnreachableError);
    const mail = createServer((socket) =>
      socket
        .on("error", () => undefined)
        .resume()
        .end("220 mail.example ESMTP\r\n"),
    );
    expect(await refused((await listening(mail)).replace("ws:", "wss:"))).toBeInstanceOf(NotTallystickError);
    for (const code of ["DEPTH_ZERO_SELF_SIGNED_CERT", "CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID"]) {
      const error = openError("wss://shop.example/", Object.assign(new Error(code), { code }));
      expect(error).toBeInstanceOf(LineCertificateError);
      expect(error.message).toMatch(new RegExp(`${code}.*No money moved\\. [A-Z].*\\.$`));
    }
  });

  test("a server whose devices are all taken, for as long as they are", async () => {
    let isFree = false;
    const { server, accepted } = await serve({ hasRoom: (purpose) => isFree || purpose !== "pay" });
    expect(await refused(server.url)).toBeInstanceOf(LineBusyError);
    expect(accepted).toEqual([]);
    isFree = true;
    await open(server.url);
    expect(accepted).toHaveLength(1);
  });

  test("a purpose that is not served", async () => {
    const { server } = await serve();
    const error = await refused(server.url, "teller");
    expect(error).toBeInstanceOf(LineRefusedError);
    expect(error.message).toMatch(/does not do "teller"/);
  });

  test("another path", async () => {
    const { server } = await serve({ path: "/lines" });
    expect(await refused(`${server.url}/other`)).toBeInstanceOf(NotTallystickError);
  });

  test("an address that is none", async () => {
    expect(await refused("http://127.0.0.1/")).toBeInstanceOf(LineAddressError);
  });

  test("a port that is taken", async () => {
    const { server } = await serve();
    const again = serve({ port: server.address.port });
    await expect(again).rejects.toThrow(LinePortError);
    await expect(again).rejects.toThrow(/No money moved/);
  });
});
