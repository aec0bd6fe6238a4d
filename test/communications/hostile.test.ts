/** What can be sent to a port of lines by anybody: it costs the server a bounded amount, and other lines nothing. */

import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { openLine } from "../../host/communications/client.js";
import { LineBusyError, LineMisusedError } from "../../host/communications/errors.js";
import {
  decodeFrame,
  encodeFrame,
  FRAME_BYTES_MAX,
  type Frame,
  SUBPROTOCOL,
} from "../../host/communications/frames.js";
import type { Line } from "../../host/communications/line.js";
import {
  LINE_SERVER_LIMITS,
  LineServer,
  type LineServerEvent,
  type LineServerOptions,
} from "../../host/communications/server.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { VirtualTime } from "../support/virtual-time.js";

const HELLO: Frame = { kind: "hello", token: undefined, expected: 0, purpose: "pay" };

let time: VirtualTime;
let random: SeededRandomness;
let server: LineServer;
let accepted: Line[];
let events: LineServerEvent[];
const faults: unknown[] = [];
const note = (fault: unknown) => faults.push(fault);
const cleanups: (() => unknown)[] = [];

beforeEach(() => {
  time = new VirtualTime();
  random = new SeededRandomness(sodiumCryptography, "hostile");
  process.on("uncaughtExceptionMonitor", note);
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await time.run(Promise.resolve(cleanup()));
  process.off("uncaughtExceptionMonitor", note);
  expect(faults).toEqual([]);
});

async function serve(options: Partial<LineServerOptions> = {}): Promise<void> {
  accepted = [];
  events = [];
  server = await LineServer.open({
    purposes: ["pay"],
    onLine: (line) => void accepted.push(line as Line),
    onEvent: (event) => events.push(event),
    timers: time,
    random,
    ...options,
  });
  cleanups.push(() => server.close());
}

const openOne = () => time.run(openLine(server.url, "pay", { timers: time, random }));

/** The line still carries messages both ways. */
async function expectAlive(near: Line, far: Line): Promise<void> {
  const up = new Promise((resolve) => far.onMessage(resolve));
  const down = new Promise((resolve) => near.onMessage(resolve));
  near.send(Uint8Array.of(1));
  far.send(Uint8Array.of(2));
  expect(await time.run(Promise.all([up, down]))).toEqual([Uint8Array.of(1), Uint8Array.of(2)]);
}

/** A WebSocket client that keeps to nothing but WebSocket. */
class Stranger {
  readonly socket: WebSocket;
  readonly frames: Frame[] = [];
  readonly gone: Promise<void>;

  constructor(options: ConstructorParameters<typeof WebSocket>[2] = {}) {
    this.socket = new WebSocket(server.url, [SUBPROTOCOL], { perMessageDeflate: false, ...options });
    this.socket.on("error", () => undefined);
    this.socket.on("message", (bytes: Buffer) => this.frames.push(decodeFrame(bytes)));
    this.gone = new Promise((resolve) => this.socket.once("close", () => resolve()));
    cleanups.push(() => this.socket.terminate());
  }

  static async connected(): Promise<Stranger> {
    const stranger = new Stranger();
    await time.run(new Promise((resolve) => stranger.socket.once("open", resolve)));
    return stranger;
  }

  /** Says hello and gets its line. */
  static async greeted(): Promise<Stranger> {
    const stranger = await Stranger.connected();
    stranger.say(HELLO);
    await time.run(new Promise((resolve) => stranger.socket.once("message", resolve)));
    return stranger;
  }

  say(frame: Frame): void {
    this.socket.send(encodeFrame(frame));
  }

  get refusal(): string | undefined {
    const frame = this.frames.find(({ kind }) => kind === "refused");
    return frame?.kind === "refused" ? frame.reason : undefined;
  }

  get token(): Uint8Array {
    const hello = this.frames.find(({ kind }) => kind === "hello");
    if (hello?.kind !== "hello" || hello.token === undefined) throw new Error("it was given no line");
    return hello.token;
  }
}

/** The event loop goes round, and time stands still. */
async function turns(number: number): Promise<void> {
  for (let turn = 0; turn < number; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A TCP connection that sends these bytes, whatever they are; what came back when it is over. */
function raw(bytes: string | Uint8Array, allowHalfOpen = false): { socket: Socket; answer: Promise<string> } {
  const socket = connect({ ...server.address, allowHalfOpen });
  let answer = "";
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => {
    answer += chunk.toString("latin1");
  });
  socket.write(bytes);
  cleanups.push(() => socket.destroy());
  return { socket, answer: new Promise((resolve) => socket.once("close", () => resolve(answer))) };
}

function get(path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ ...server.address, path }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on("error", reject);
    request.end();
  });
}

describe("a hello that is none", () => {
  test.each<[string, Uint8Array<ArrayBufferLike> | string, string]>([
    ["of another version", Uint8Array.of(1, 2), "version"],
    ["of a purpose that nobody serves", encodeFrame({ ...HELLO, purpose: "teller" }), "purpose"],
    ["of somebody who has got what was never sent", encodeFrame({ ...HELLO, expected: 3 }), "malformed"],
    ["that is a message", encodeFrame({ kind: "data", index: 0, message: Uint8Array.of(1) }), "malformed"],
    ["that is text", "hello", "malformed"],
    ["that is nothing", new Uint8Array(0), "malformed"],
    ["that is garbage", new Uint8Array(200).fill(1), "malformed"],
  ])("%s is refused, and its connection closed", async (_name, bytes, reason) => {
    await serve();
    const stranger = await Stranger.connected();
    stranger.socket.send(bytes as string);
    await time.run(stranger.gone);
    expect(stranger.refusal).toBe(reason);
    expect([accepted, server.lines]).toEqual([[], []]);
  });

  test("that never comes ends the connection", async () => {
    await serve();
    const before = time.clock.nowMs();
    const stranger = await Stranger.connected();
    await time.run(stranger.gone);
    expect(time.clock.nowMs() - before).toBe(LINE_SERVER_LIMITS.hello_ms_max);
    expect(events).toEqual(["silent"]);
  });
});

describe("tokens", () => {
  test("that are guessed open nothing, and leave the line as it is", async () => {
    await serve();
    const near = await openOne();
    const guesses = [0, 7, 15].map((at) => Uint8Array.from(near.token, (byte, i) => (i === at ? byte ^ 1 : byte)));
    guesses.push(new Uint8Array(16).fill(1));
    for (const token of guesses) {
      const thief = await Stranger.connected();
      thief.say({ ...HELLO, token });
      await time.run(thief.gone);
      expect(thief.refusal).toBe("unknown-line");
    }
    expect([near.isAttached, accepted[0]?.isAttached]).toEqual([true, true]);
    await expectAlive(near, accepted[0] as Line);
  });

  test("are good for their purpose alone", async () => {
    await serve({ purposes: ["pay", "trade"] });
    const near = await openOne();
    const thief = await Stranger.connected();
    thief.say({ ...HELLO, token: near.token, purpose: "trade" });
    await time.run(thief.gone);
    expect(thief.refusal).toBe("unknown-line");
  });

  test("belong to the newest connection; one that is late is refused", async () => {
    await serve();
    const first = await Stranger.greeted();
    accepted[0]?.send(Uint8Array.of(9));
    first.say({ kind: "acknowledgement", expected: 1 });
    const second = await Stranger.connected();
    second.say({ ...HELLO, token: first.token, expected: 1 });
    await time.run(first.gone);
    expect(second.frames.map(({ kind }) => kind)).toEqual(["hello"]);
    const late = await Stranger.connected();
    late.say({ ...HELLO, token: first.token, expected: 0 });
    await time.run(late.gone);
    expect([late.refusal, accepted[0]?.isAttached, accepted.length]).toEqual(["malformed", true, 1]);
  });

  test("are different, and of the source of randomness that was handed in", async () => {
    await serve();
    const [one, other] = [await openOne(), await openOne()];
    expect(one.token).not.toEqual(other.token);
    const again = new SeededRandomness(sodiumCryptography, "hostile");
    expect(one.token).toHaveLength(16);
    const bytes = new Uint8Array(16);
    again.fill(bytes);
    expect(one.token).toEqual(bytes);
  });
});

describe("floods", () => {
  test("of messages: the line is refused, another goes on", async () => {
    await serve();
    const near = await openOne();
    const stranger = await Stranger.greeted();
    for (let i = 0; i < 3_000; i += 1) stranger.say({ kind: "data", index: i, message: new Uint8Array(100) });
    await time.run(stranger.gone);
    expect(accepted[1]?.fault).toBeInstanceOf(LineMisusedError);
    expect(stranger.refusal).toBe("flood");
    expect(server.lines).toEqual([accepted[0]]);
    await expectAlive(near, accepted[0] as Line);
  });

  test("of repeats: the line is refused as well", async () => {
    await serve();
    const stranger = await Stranger.greeted();
    for (let i = 0; i < 3_000; i += 1) stranger.say({ kind: "data", index: 0, message: Uint8Array.of(1) });
    await time.run(stranger.gone);
    expect([stranger.refusal, accepted[0]?.isOver]).toEqual(["flood", true]);
  });

  test("of pings ends at least the connection", async () => {
    await serve();
    const stranger = await Stranger.greeted();
    for (let i = 0; i < 3_000; i += 1) stranger.socket.ping();
    await time.run(stranger.gone);
    expect(accepted[0]?.isAttached).toBe(false);
  });

  test("of one giant frame, in one piece or many", async () => {
    await serve();
    const near = await openOne();
    for (const giant of [
      (socket: WebSocket) => socket.send(new Uint8Array(FRAME_BYTES_MAX + 1)),
      (socket: WebSocket) => socket.send(new Uint8Array(5_000_000)),
      (socket: WebSocket) => {
        for (let i = 0; i < 100; i += 1) socket.send(new Uint8Array(1_000), { fin: false });
      },
      (socket: WebSocket) => {
        for (let i = 0; i < 10_000; i += 1) socket.send(new Uint8Array(0), { fin: false });
      },
    ]) {
      const stranger = await Stranger.greeted();
      giant(stranger.socket);
      await time.run(stranger.gone);
    }
    await expectAlive(near, accepted[0] as Line);
  });

  test("of which only the length has come: nobody waits for the rest", async () => {
    await serve();
    const stranger = await Stranger.greeted();
    const { _socket: socket } = stranger.socket as unknown as { _socket: Socket };
    socket.write(Uint8Array.of(0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0x50, 0, 0, 1, 2, 3, 4));
    await turns(25);
    expect([accepted[0]?.isOver, accepted[0]?.isAttached]).toEqual([false, false]);
  });

  test("of text, even where its letters are a frame: that connection is closed, the line waits", async () => {
    await serve();
    for (const text of ["text", "\u0004"]) {
      const stranger = await Stranger.greeted();
      stranger.socket.send(text);
      await time.run(stranger.gone);
    }
    expect(accepted.map((line) => [line.isOver, line.isAttached])).toEqual([
      [false, false],
      [false, false],
    ]);
  });

  test("of bytes that are no WebSocket frames", async () => {
    await serve();
    const stranger = await Stranger.greeted();
    const { _socket: socket } = stranger.socket as unknown as { _socket: Socket };
    socket.write(random.fork("bytes").state());
    await time.run(stranger.gone);
    expect(accepted[0]?.isOver).toBe(false);
  });
});

describe("connections", () => {
  test("1,000 that say nothing: lines go on, none is opened meanwhile, and then there is room again", async () => {
    await serve();
    const near = await openOne();
    const silent: ReturnType<typeof raw>[] = [];
    while (silent.length < 1_000) {
      const some = Array.from({ length: 100 }, () => raw(""));
      silent.push(...some);
      await Promise.all(some.map(({ socket }) => new Promise((resolve) => socket.once("connect", resolve))));
    }
    const room = LINE_SERVER_LIMITS.connectionsPerAddress_max - 1;
    const turnedAway = () => events.filter((event) => event === "turned-away").length;
    while (turnedAway() < 1_000 - room) await turns(1);
    await expect(openOne()).rejects.toThrow(LineBusyError);
    await expectAlive(near, accepted[0] as Line);
    await time.run(Promise.all(silent.map(({ answer }) => answer)));
    expect(events.filter((event) => event === "silent")).toHaveLength(room);
    await expectAlive(await openOne(), accepted[1] as Line);
  });

  test("few of those that find no room are told so at once, and none stays for it", async () => {
    await serve({ limits: { connections_max: 1 } });
    let told = 0;
    for (let i = 0; i < 100; i += 1) raw("", true).socket.once("data", () => (told += 1));
    while (events.length < 99) await turns(1);
    await turns(25);
    expect(told).toBe(32);
    await time.run(new Promise<void>((resolve) => void time.after(1_000, resolve)));
    raw("", true).socket.once("data", () => (told += 1));
    while (events.length < 100) await turns(1);
    await turns(25);
    expect(told).toBe(33);
  });

  test("a head that comes byte by byte ends at the deadline", async () => {
    await serve();
    const before = time.clock.nowMs();
    const { socket, answer } = raw("GET / HTTP/1.1\r\n");
    const drip = () => {
      socket.write("X: 1\r\n");
      if (!socket.destroyed) time.after(500, drip);
    };
    time.after(500, drip);
    await time.run(answer);
    expect(time.clock.nowMs() - before).toBeLessThanOrEqual(LINE_SERVER_LIMITS.hello_ms_max + 500);
  });

  test("a hello that comes byte by byte ends there too", async () => {
    await serve();
    const stranger = await Stranger.connected();
    const { _socket: socket } = stranger.socket as unknown as { _socket: Socket };
    const drip = () => {
      if (socket.destroyed) return;
      socket.write(Uint8Array.of(0x80 | 2));
      time.after(9_000, drip);
    };
    drip();
    await time.run(stranger.gone);
    expect(events).toEqual(["silent"]);
  });

  test("no more than the limits, in all and from one address", async () => {
    for (const limits of [{ connections_max: 3 }, { connectionsPerAddress_max: 3 }]) {
      await serve({ limits });
      const lines = [await openOne(), await openOne(), await openOne()];
      await expect(openOne()).rejects.toThrow(LineBusyError);
      const gone = new Promise<void>((resolve) => accepted[1]?.onClose(resolve));
      lines[1]?.close();
      await time.run(gone);
      await time.run(new Promise((resolve) => time.after(3_000, () => resolve(undefined))));
      await expectAlive(await openOne(), accepted[3] as Line);
    }
  });

  test("lines whose connections are gone are bounded; of whoever has most of them the oldest is given up", async () => {
    await serve({ limits: { waitingLines_max: 3 } });
    for (let i = 0; i < 5; i += 1) {
      const stranger = await Stranger.greeted();
      stranger.socket.terminate();
      await time.run(stranger.gone);
      await turns(10);
    }
    expect(accepted.map((line) => line.isOver)).toEqual([true, true, false, false, false]);
    expect(events.filter((event) => event === "evicted")).toHaveLength(2);
    await time.run(new Promise((resolve) => time.after(LINE_SERVER_LIMITS.giveUpAfter_ms, () => resolve(undefined))));
    expect(server.lines).toEqual([]);
  });

  test("garbage instead of HTTP, and HTTP that is too long", async () => {
    await serve();
    const near = await openOne();
    const bytes = new Uint8Array(4_000);
    random.fill(bytes);
    await time.run(raw(bytes).answer);
    await time.run(raw(`GET /${"x".repeat(20_000)} HTTP/1.1\r\n\r\n`).answer);
    await time.run(raw("CONNECT other.example:443 HTTP/1.1\r\nHost: x\r\n\r\n").answer);
    await expectAlive(near, accepted[0] as Line);
  });

  test("upgrades that are none of ours are turned down: other protocols, pages in a browser, bad targets", async () => {
    await serve({ path: "/" });
    const upgrade = (lines: string[], target = "/") =>
      raw(
        [
          `GET ${target} HTTP/1.1`,
          "Host: x",
          "Connection: Upgrade",
          "Upgrade: websocket",
          "Sec-WebSocket-Version: 13",
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
          ...lines,
          "\r\n",
        ].join("\r\n"),
      ).answer;
    const ours = `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`;
    expect(await time.run(upgrade([]))).toMatch(/^HTTP\/1.1 400 /);
    expect(await time.run(upgrade(["Sec-WebSocket-Protocol: chat"]))).toMatch(/^HTTP\/1.1 400 /);
    expect(await time.run(upgrade([ours, "Origin: https://page.example"]))).toMatch(/^HTTP\/1.1 403 /);
    expect(await time.run(upgrade([ours], "/else"))).toMatch(/^HTTP\/1.1 404 /);
    expect(await time.run(upgrade([ours], "http://[/"))).toMatch(/^HTTP\/1.1 400 /);
    expect(await time.run(upgrade([ours], "//[/"))).toMatch(/^HTTP\/1.1 40[04] /);
    const stranger = raw(`GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n${ours}\r\n\r\n`);
    expect(await time.run(stranger.answer)).toMatch(/^HTTP\/1.1 4/);
    expect(server.lines).toEqual([]);
  });
});

describe("requests that open no line", () => {
  test("are told what the port is for", async () => {
    await serve();
    const { status, text } = await time.run(get("/"));
    expect(status).toBe(426);
    expect(text).toMatch(/Tallystick client/);
  });

  test("are answered by whoever serves them, on the same port", async () => {
    await serve({
      onRequest: (request, response) => {
        response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ path: request.url }));
      },
    });
    expect(await time.run(get("/directory"))).toEqual({ status: 200, text: '{"path":"/directory"}' });
    await expectAlive(await openOne(), accepted[0] as Line);
  });

  test("a fault of whoever serves them, at once or later, is an answer and no more", async () => {
    for (const onRequest of [
      () => {
        throw new Error("at once");
      },
      () => Promise.reject(new Error("later")),
    ]) {
      await serve({ onRequest });
      expect((await time.run(get("/"))).status).toBe(500);
      expect(events).toEqual(["failed"]);
    }
  });

  test("one that is never answered ends at the deadline", async () => {
    await serve({ onRequest: () => undefined });
    await expect(time.run(get("/"))).rejects.toThrow();
    expect(events).toEqual(["silent"]);
  });
});

describe("a fault of whoever takes a line", () => {
  test.each([
    [
      "at once",
      () => {
        throw new Error("a fault");
      },
    ],
    ["later", () => Promise.reject(new Error("a fault"))],
  ])("%s ends that line, and no other", async (_name, fault) => {
    let isFirst = true;
    await serve({
      onLine: (line) => {
        accepted.push(line as Line);
        if (isFirst) {
          isFirst = false;
          return;
        }
        return fault();
      },
    });
    const near = await openOne();
    const other = await openOne();
    await time.run(new Promise<void>((resolve) => other.onClose(resolve)));
    expect(accepted[1]?.fault?.message).toBe("a fault");
    expect(other.fault).toBeInstanceOf(LineMisusedError);
    await expectAlive(near, accepted[0] as Line);
  });
});

describe("a fault of somebody else's code", () => {
  test("that comes after the line was closed leaves its last words alone", async () => {
    await serve({
      onLine: async (line) => {
        for (const byte of [1, 2, 3]) line.send(Uint8Array.of(byte));
        line.close();
        throw new Error("declined");
      },
    });
    const near = await openOne();
    const got: Uint8Array[] = [];
    near.onMessage((message) => got.push(message));
    await time.run(new Promise<void>((resolve) => near.onClose(resolve)));
    expect(got).toEqual([1, 2, 3].map((byte) => Uint8Array.of(byte)));
    expect(near.fault).toBeUndefined();
    expect(events).toContain("failed");
  });

  test("in the question for room, or in an onlooker, throws at nobody", async () => {
    const fault = () => {
      throw new Error("a fault");
    };
    await serve({ hasRoom: fault });
    await expect(openOne()).rejects.toThrow(LineBusyError);
    expect(events).toEqual(["failed", "refused"]);
    await serve({ onEvent: fault });
    await expectAlive(await openOne(), accepted[0] as Line);
  });
});

describe("closing", () => {
  test("ends all lines in order, silent connections too, and takes no new ones", async () => {
    await serve({ limits: { connections_max: 3 } });
    const [one, other] = [await openOne(), await openOne()];
    const silent = raw("");
    const tooMany = raw("", true);
    while (!events.includes("turned-away")) await turns(1);
    accepted[0]?.send(Uint8Array.of(4));
    const before = time.clock.nowMs();
    const got = new Promise((resolve) => one.onMessage(resolve));
    await time.run(server.close());
    expect(time.clock.nowMs() - before).toBeLessThan(1_000);
    expect(await time.run(got)).toEqual(Uint8Array.of(4));
    tooMany.socket.destroy();
    expect([one.fault, other.fault]).toEqual([undefined, undefined]);
    await time.run(silent.answer);
    await expect(openOne()).rejects.toThrow(/No money moved/);
  });

  test("tells whoever says hello meanwhile that there is no room", async () => {
    await serve();
    const late = await Stranger.connected();
    const slow = await Stranger.greeted();
    slow.socket.pause(); // The line waits for its answer.
    const closing = server.close();
    late.say(HELLO);
    await time.run(late.gone);
    expect(late.refusal).toBe("busy");
    await time.run(closing);
    expect(accepted).toHaveLength(1);
  });

  test("does not wait long for a client that is gone", async () => {
    await serve();
    const near = await openOne();
    accepted[0]?.send(Uint8Array.of(4));
    const stranger = await Stranger.greeted();
    stranger.socket.pause();
    accepted[1]?.send(new Uint8Array(1_000));
    const before = time.clock.nowMs();
    await time.run(server.close());
    expect(time.clock.nowMs() - before).toBeLessThanOrEqual(LINE_SERVER_LIMITS.closeWithin_ms + 2_000);
    expect(near.isOver).toBe(true);
  });
});
