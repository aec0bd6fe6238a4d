/** The line as a model: whatever happens to its connections, messages arrive once and in order, or the line closes. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { ENVELOPE_BYTES_MAX } from "../../firmware/protocol/limits.js";
import { LineBrokenError, LineMisusedError } from "../../host/communications/errors.js";
import { decodeFrame, encodeFrame, type Frame } from "../../host/communications/frames.js";
import {
  ENVELOPE_CHANNEL,
  LINE_LIMITS,
  Line,
  type LineLimits,
  type SentEnvelope,
} from "../../host/communications/line.js";
import { type MemoryWire, memoryWires } from "../support/lines.js";
import { VirtualTime } from "../support/virtual-time.js";

const TOKEN = new Uint8Array(16).fill(7);

/** What one end of a line got, and when it was told of the end. */
class End {
  readonly line: Line;
  readonly sent: number[] = [];
  readonly got: number[] = [];
  closes = 0;
  wire: MemoryWire | undefined;

  constructor(time: VirtualTime, limits: Partial<LineLimits> = {}, listens = true) {
    this.line = new Line({ timers: time, limits: { ...LINE_LIMITS, ...limits }, token: TOKEN });
    if (listens) this.listen();
    this.line.onClose(() => {
      this.closes += 1;
    });
  }

  listen(): void {
    this.line.onMessage((message) => this.got.push(new DataView(message.buffer).getUint32(0)));
  }

  send(): void {
    const number = this.sent.length;
    const message = new Uint8Array(4);
    new DataView(message.buffer).setUint32(0, number);
    this.sent.push(number);
    this.line.send(message);
  }

  say(frame: Frame): void {
    this.wire?.other.sent.push(encodeFrame(frame));
    this.wire?.takeOne();
  }

  /** What it has put on its connection, and nobody has taken. */
  said(): Frame[] {
    return (this.wire?.sent.splice(0) ?? []).map(decodeFrame);
  }
}

/** As after a hello of each. */
function join(a: End, b: End): void {
  const [near, far] = memoryWires();
  const [aHas, bHas] = [a.line.expected, b.line.expected];
  a.wire = near;
  b.wire = far;
  a.line.attach(near, bHas);
  b.line.attach(far, aHas);
}

/** Everything under way arrives. */
async function drain(a: End, b: End): Promise<void> {
  for (let isMoving = true; isMoving; ) {
    isMoving = (a.wire?.takeOne() ?? false) || (b.wire?.takeOne() ?? false);
    if (!isMoving) {
      await Promise.resolve();
      await Promise.resolve();
      isMoving = (a.wire?.takeOne() ?? false) || (b.wire?.takeOne() ?? false);
    }
  }
}

type Step = "send-a" | "send-b" | "take-a" | "take-b" | "turn" | "cut" | "cut-a" | "cut-b" | "join" | "wait";
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<Step>("send-a", "send-b") },
  { weight: 6, arbitrary: fc.constantFrom<Step>("take-a", "take-b", "turn") },
  { weight: 3, arbitrary: fc.constantFrom<Step>("cut", "cut-a", "cut-b", "join", "wait") },
);

let time: VirtualTime;
beforeEach(() => {
  time = new VirtualTime();
});

describe("a line", () => {
  test("delivers once and in order over any succession of connections", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 120 }), async (walk) => {
        const time = new VirtualTime();
        const [a, b] = [new End(time), new End(time)];
        join(a, b);
        const step: Record<Step, () => void> = {
          "send-a": () => a.sent.length < 60 && a.send(),
          "send-b": () => b.sent.length < 60 && b.send(),
          "take-a": () => a.wire?.takeOne(),
          "take-b": () => b.wire?.takeOne(),
          turn: () => undefined,
          cut: () => [a, b].map((end) => end.wire?.gone()),
          // Half-open: one end has noticed, the other goes on talking into the void.
          "cut-a": () => a.wire?.gone(),
          "cut-b": () => b.wire?.gone(),
          join: () => join(a, b),
          wait: () => time.clock.advance(500),
        };
        for (const name of walk) {
          step[name]();
          if (name === "turn") await Promise.resolve();
          for (const [here, there] of [
            [a, b],
            [b, a],
          ] as const) {
            expect(here.got).toEqual(there.sent.slice(0, here.got.length));
          }
        }
        expect([a.line.fault, b.line.fault]).toEqual([undefined, undefined]);
        join(a, b);
        await drain(a, b);
        expect(a.got).toEqual(b.sent);
        expect(b.got).toEqual(a.sent);
        a.line.close();
        await drain(a, b);
        expect([a.line.isOver, b.line.isOver, a.closes, b.closes]).toEqual([true, true, 1, 1]);
        expect(time.clock.nextDueMs(), "timers left").toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  test("tells whoever counts envelopes which of them go a second time", () => {
    const seen: unknown[] = [];
    const note = (message: unknown) => {
      const { index, again } = message as SentEnvelope;
      seen.push([index, again]);
    };
    subscribe(ENVELOPE_CHANNEL, note);
    const [a, b] = [new End(time), new End(time)];
    a.send(); // There is no connection yet.
    expect(seen).toEqual([]);
    join(a, b);
    a.send();
    join(a, b);
    unsubscribe(ENVELOPE_CHANNEL, note);
    expect(seen).toEqual([
      [0, false],
      [1, false],
      [0, true],
      [1, true],
    ]);
  });

  test("has one connection at a time: the one before is closed, and not heard any more", () => {
    const [a, b] = [new End(time), new End(time)];
    join(a, b);
    const before = b.wire;
    join(a, b);
    before?.other.sent.push(encodeFrame({ kind: "data", index: 0, message: new Uint8Array(4) }));
    expect(before?.takeOne()).toBe(false);
    before?.gone();
    expect([b.got, b.line.isAttached]).toEqual([[], true]);
  });

  test("drops what comes twice, and acknowledges it again", async () => {
    const [a, b] = [new End(time), new End(time)];
    join(a, b);
    a.send();
    await drain(a, b);
    for (const index of [0, 1, 0, 1]) b.say({ kind: "data", index, message: Uint8Array.of(0, 0, 0, index) });
    await Promise.resolve();
    expect(b.got).toEqual([0, 1]);
    expect(b.said()).toEqual([{ kind: "acknowledgement", expected: 2 }]);
  });

  test("keeps what comes before anybody listens, and what came before the end", async () => {
    const [a, b] = [new End(time), new End(time, {}, false)];
    join(a, b);
    for (let i = 0; i < 5; i += 1) a.send();
    a.line.close();
    await drain(a, b);
    expect(b.line.isOver).toBe(true);
    b.listen();
    expect(b.got).toEqual(a.sent);
  });

  test("that was closed while its connection was away gets everything across over the next one, then ends", async () => {
    const [a, b] = [new End(time), new End(time)];
    join(a, b);
    a.send();
    a.send();
    a.wire?.gone();
    b.wire?.gone();
    a.line.close();
    a.send();
    expect([a.closes, b.closes, a.line.isOver]).toEqual([1, 0, false]);
    join(a, b);
    await drain(a, b);
    expect(b.got).toEqual([0, 1]);
    expect([a.line.isOver, b.line.isOver, b.line.fault]).toEqual([true, true, undefined]);
  });

  test("that was closed and cannot get it across is over after a short time", () => {
    const a = new End(time);
    const b = new End(time);
    join(a, b);
    a.send();
    a.line.close();
    time.clock.advance(LINE_LIMITS.closeWithin_ms);
    expect(a.line.isOver).toBe(true);
    expect(a.said().map(({ kind }) => kind)).toEqual(["data", "end"]);
  });

  test("closed by both at once is over for both", async () => {
    const [a, b] = [new End(time), new End(time)];
    join(a, b);
    a.send();
    b.send();
    a.line.close();
    b.line.close();
    await drain(a, b);
    expect([a.line.isOver, b.line.isOver, a.closes, b.closes]).toEqual([true, true, 1, 1]);
  });

  test("gives up when no connection comes for so long, and says so once", () => {
    const [a, b] = [new End(time), new End(time)];
    join(a, b);
    a.wire?.gone();
    time.clock.advance(LINE_LIMITS.giveUpAfter_ms - 1);
    expect(a.closes).toBe(0);
    time.clock.advance(1);
    expect(a.closes).toBe(1);
    expect(a.line.fault).toBeInstanceOf(LineBrokenError);
    expect(a.line.fault?.message).toMatch(/60 seconds.*money.*resume/);
    a.send();
    let told = 0;
    a.line.onClose(() => {
      told += 1;
    });
    expect(told).toBe(1);
  });

  test("takes a connection for dead that answers no heartbeat, and not one that does", () => {
    const [a, b] = [new End(time), new End(time)];
    join(a, b);
    for (let beat = 0; beat < 10; beat += 1) {
      time.clock.advance(LINE_LIMITS.heartbeat_ms);
      a.wire?.life();
    }
    expect([a.line.isAttached, a.wire?.pings]).toEqual([true, 10]);
    expect(b.line.isAttached).toBe(false);
    time.clock.advance(3 * LINE_LIMITS.heartbeat_ms);
    expect(a.line.isAttached).toBe(false);
    expect(b.line.fault).toBeInstanceOf(LineBrokenError);
  });

  test("closes when the other end acknowledges nothing", () => {
    const [a, b] = [new End(time), new End(time)];
    join(a, b);
    for (let i = 0; i < LINE_LIMITS.unacknowledged_max; i += 1) a.send();
    expect(a.closes).toBe(0);
    a.send();
    expect(a.line.fault).toBeInstanceOf(LineMisusedError);
    expect(a.said().at(-1)).toEqual({ kind: "refused", reason: "flood" });
  });

  test("refuses more than anybody reads", async () => {
    const [a, b] = [new End(time), new End(time, {}, false)];
    join(a, b);
    for (let i = 0; i <= LINE_LIMITS.unread_max; i += 1) {
      b.say({ kind: "data", index: i, message: new Uint8Array(4) });
      await Promise.resolve();
    }
    expect(b.line.fault).toBeInstanceOf(LineMisusedError);
    b.listen();
    expect(b.got).toHaveLength(LINE_LIMITS.unread_max);
  });

  test("refuses a flood: of messages, of repeats, of pings; and takes as much over a longer time", () => {
    const repeat: Frame = { kind: "data", index: 0, message: new Uint8Array(4) };
    for (const flood of [(end: End) => end.say(repeat), (end: End) => end.wire?.life()]) {
      const [a, b] = [new End(time), new End(time)];
      join(a, b);
      for (let i = 0; i < LINE_LIMITS.framesPerSecond_max; i += 1) flood(b);
      expect(b.closes).toBe(0);
      time.clock.advance(1_000);
      for (let i = 0; i < LINE_LIMITS.framesPerSecond_max; i += 1) flood(b);
      expect(b.closes).toBe(0);
      flood(b);
      expect(b.line.fault).toBeInstanceOf(LineMisusedError);
    }
  });

  test("ends with whoever takes pings and reads nothing", () => {
    const [a, b] = [new End(time), new End(time)];
    join(a, b);
    if (b.wire !== undefined) b.wire.buffered_bytes = LINE_LIMITS.buffered_bytes_max + 1;
    b.wire?.life();
    expect(b.line.isOver).toBe(true);
  });

  test.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array(0)],
    ["garbage", Uint8Array.of(9, 9, 9)],
    ["a second hello", encodeFrame({ kind: "hello", token: TOKEN, expected: 0, purpose: "pay" })],
    ["a message out of its turn", encodeFrame({ kind: "data", index: 1, message: Uint8Array.of(1) })],
    ["an acknowledgement of what was not sent", encodeFrame({ kind: "acknowledgement", expected: 1 })],
  ])("%s ends the connection, not the line", async (_name, bytes) => {
    const [a, b] = [new End(time), new End(time)];
    join(a, b);
    b.wire?.other.sent.push(bytes);
    b.wire?.takeOne();
    expect([b.line.isAttached, b.line.isOver]).toEqual([false, false]);
    a.wire?.gone();
    join(a, b);
    a.send();
    await drain(a, b);
    expect(b.got).toEqual([0]);
  });

  test("a fault of whoever takes messages ends that line, is kept, and is thrown at nobody", async () => {
    const [a, b] = [new End(time), new End(time, {}, false)];
    join(a, b);
    const cause = new Error("a fault of the application");
    b.line.onMessage(() => {
      throw cause;
    });
    a.send();
    await drain(a, b);
    expect(b.line.fault).toMatchObject({ cause });
    expect([a.closes, b.closes]).toEqual([1, 1]);
    expect(a.line.fault).toBeInstanceOf(LineMisusedError);
  });

  test("a fault of whoever is told of the end stays there too", () => {
    const end = new End(time);
    end.line.onClose(() => {
      throw new Error("a fault of the application");
    });
    expect(() => end.line.close()).not.toThrow();
  });

  test("a connection that is late does not fit", () => {
    const [a, b] = [new End(time), new End(time)];
    join(a, b);
    a.send();
    a.say({ kind: "acknowledgement", expected: 1 });
    a.send();
    expect([0, 1, 2, 3].map((expected) => a.line.fits(expected))).toEqual([false, true, true, false]);
    expect(() => a.line.attach(memoryWires()[0], 0)).toThrow(RangeError);
    expect(() => a.line.send(new Uint8Array(ENVELOPE_BYTES_MAX + 1))).toThrow(RangeError);
  });
});
