/** A CTAPHID device against the model of the standard, and its answer to each disorder by name (CTAP 2.1, 11.2). */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CHANNELS_MAX, FRAMES_BYTES, FRAMES_MAX, MESSAGE_BYTES_MAX } from "../../firmware/usb/ctaphid.js";
import { Device, PHASE_IDLE, PHASE_READY } from "../../firmware/usb/device.js";
import { DeviceModel } from "./device-model.js";
import { type Operation, operations } from "./operations.js";
import { continuation, type Frame, framesIn, initialization, reportsOf } from "./reports.js";

const NONCE = [1, 2, 3, 4, 5, 6, 7, 8];
const BUSY = [0x06];

/** A device whose reports are fetched at once. */
class Fetched {
  readonly device = new Device();
  now_ms = 0;

  constructor() {
    this.device.attach(new Uint8Array(MESSAGE_BYTES_MAX), new Uint8Array(FRAMES_BYTES));
  }

  fetch(): Frame[] {
    const reports: Uint8Array[] = [];
    for (const report = new Uint8Array(64); this.device.next(report, this.now_ms); ) reports.push(report.slice());
    return framesIn(reports);
  }

  say(...reports: readonly Uint8Array[]): Frame[] {
    const frames: Frame[] = [];
    for (const report of reports) {
      this.device.take(report, this.now_ms);
      frames.push(...this.fetch());
    }
    return frames;
  }

  /** Lets time pass in one step. */
  pass(duration_ms: number): Frame[] {
    this.now_ms += duration_ms;
    this.device.tick(this.now_ms);
    return this.fetch();
  }

  channel(): number {
    const [frame] = this.say(initialization(-1, 6, NONCE));
    const { data = [] } = frame ?? {};
    expect(data.slice(0, 8)).toEqual(NONCE);
    return new DataView(Uint8Array.from(data).buffer).getInt32(8);
  }

  answer(...data: readonly number[]): Frame[] {
    this.device.begin();
    this.device.message.set(data);
    this.device.answer(data.length, this.now_ms);
    return this.fetch();
  }
}

function answerOf(length: number): number[] {
  return Array.from({ length }, (_, i) => (i * 31) & 0xff);
}

/** Does the same to both, and compares what they say. */
function compare(fetched: Fetched, model: DeviceModel, operation: Operation): void {
  fetched.now_ms += operation.after_ms;
  const { now_ms, device } = fetched;
  switch (operation.kind) {
    case "report":
      expect(fetched.say(operation.report)).toEqual(model.report(operation.report, now_ms));
      break;
    case "tick":
      expect(fetched.pass(0)).toEqual(model.tick(now_ms));
      break;
    case "begin":
      device.begin();
      model.begin();
      break;
    case "answer": {
      const data = answerOf(operation.length);
      // A card that does not work writes nothing.
      if (model.state === "with-card" || model.state === "unwanted") device.message.set(data);
      device.answer(data.length, now_ms);
      expect(fetched.fetch()).toEqual(model.answer(data, now_ms));
      break;
    }
  }
  expect(device.phase === PHASE_READY).toBe(model.state === "ready");
  if (model.state === "ready") expect(Array.from(device.message.subarray(0, device.length))).toEqual(model.data);
}

describe("a device against the model", () => {
  test("any reports, in any order and at any time, bring what the standard says, and it works afterwards", () => {
    fc.assert(
      fc.property(operations, (list) => {
        const fetched = new Fetched();
        const model = new DeviceModel();
        for (const operation of list) compare(fetched, model, operation);
        fetched.device.begin();
        fetched.device.answer(0, fetched.now_ms);
        fetched.fetch();
        // Whatever was left, a message or a lock, ends by its time.
        fetched.pass(10_500);
        const channel = fetched.channel();
        expect(fetched.say(...reportsOf(channel, 1, [9, 8, 7]))).toEqual([{ channel, command: 1, data: [9, 8, 7] }]);
      }),
      { numRuns: 3000 },
    );
  });
});

describe("channels (11.2.3)", () => {
  test("INIT gives a channel of one's own, and echoes the nonce with the versions", () => {
    const fetched = new Fetched();
    const [frame] = fetched.say(initialization(-1, 6, NONCE));
    expect(frame).toEqual({ channel: -1, command: 6, data: [...NONCE, 0, 0, 0, 1, 2, 0, 1, 0, 0] });
  });

  test.each([
    ["0", 0],
    ["the broadcast one", -1],
    ["one that nobody was given", 77],
  ])("channel %s is refused", (_name, channel) => {
    const fetched = new Fetched();
    fetched.channel();
    expect(fetched.say(initialization(channel, 1, []))).toEqual([{ channel, command: 0x3f, data: [0x0b] }]);
  });

  test("who is given one too many takes the oldest away", () => {
    const fetched = new Fetched();
    const given = Array.from({ length: CHANNELS_MAX + 1 }, () => fetched.channel());
    const [oldest = 0, second = 0] = given;
    expect(fetched.say(initialization(oldest, 1))).toEqual([{ channel: oldest, command: 0x3f, data: [0x0b] }]);
    expect(fetched.say(initialization(second, 1))).toEqual([{ channel: second, command: 1, data: [] }]);
  });

  test("ids begin again after the last one, and no channel of before is valid", () => {
    const fetched = new Fetched();
    fetched.device.lastChannel = 0x7ffffffe;
    const last = fetched.channel();
    expect([last, fetched.channel()]).toEqual([0x7fffffff, 1]);
    expect(fetched.say(initialization(last, 1))).toEqual([{ channel: last, command: 0x3f, data: [0x0b] }]);
  });
});

describe("transactions (11.2.5)", () => {
  test("another channel is told that the device is busy, and the first one is not disturbed", () => {
    const fetched = new Fetched();
    const [first, second] = [fetched.channel(), fetched.channel()];
    const [head, middle, tail] = reportsOf(first, 1, answerOf(150)) as [Uint8Array, Uint8Array, Uint8Array];
    const busy = [{ channel: second, command: 0x3f, data: BUSY }];
    expect(fetched.say(head, initialization(second, 1))).toEqual(busy);
    expect(fetched.say(continuation(second, 0), middle, initialization(second, 3))).toEqual(busy);
    expect(fetched.say(tail)).toEqual([{ channel: first, command: 1, data: answerOf(150) }]);
  });

  test("half a message is given up after 500 ms, and not before", () => {
    const fetched = new Fetched();
    const channel = fetched.channel();
    const [head, tail] = reportsOf(channel, 1, answerOf(100)) as [Uint8Array, Uint8Array];
    fetched.say(head);
    expect(fetched.pass(499)).toEqual([]);
    expect(fetched.pass(1)).toEqual([{ channel, command: 0x3f, data: [0x05] }]);
    expect(fetched.say(tail)).toEqual([]);
  });

  test("an answer that nobody fetches is given up", () => {
    const fetched = new Fetched();
    const channel = fetched.channel();
    fetched.device.take(initialization(channel, 1, [1]), fetched.now_ms);
    expect(fetched.pass(500)).toEqual([]);
    expect(fetched.device.phase).toBe(PHASE_IDLE);
  });

  test("nobody fetches anything: no report is taken that would have no room for its answer", () => {
    const fetched = new Fetched();
    const channel = fetched.channel();
    for (let i = 0; i < 10; i += 1) fetched.device.take(initialization(0, 1), 0);
    expect(fetched.device.canTake()).toBe(false);
    expect(fetched.fetch()).toHaveLength(FRAMES_MAX - 1);
    expect(fetched.say(initialization(channel, 1))).toEqual([{ channel, command: 1, data: [] }]);
  });

  test("a message that runs out of time while nobody fetches anything is told of when somebody does", () => {
    const fetched = new Fetched();
    const channel = fetched.channel();
    fetched.device.take(initialization(channel, 1, [], 100), 0);
    for (let i = 0; i < 10; i += 1) fetched.device.take(initialization(0, 1), 0);
    for (let i = 0; i < 10; i += 1) fetched.device.tick(600);
    expect(fetched.fetch().at(-1)).toEqual({ channel, command: 0x3f, data: [0x05] });
  });

  test("the longest message is taken, and a longer one is not", () => {
    const fetched = new Fetched();
    const channel = fetched.channel();
    const longest = answerOf(MESSAGE_BYTES_MAX);
    expect(fetched.say(...reportsOf(channel, 1, longest))).toEqual([{ channel, command: 1, data: longest }]);
    const tooLong = initialization(channel, 3, [], MESSAGE_BYTES_MAX + 1);
    expect(fetched.say(tooLong)).toEqual([{ channel, command: 0x3f, data: [0x03] }]);
  });

  test("INIT on the channel itself forgets what was on it; the card's answer goes nowhere", () => {
    const fetched = new Fetched();
    const channel = fetched.channel();
    fetched.say(...reportsOf(channel, 3, [1, 2, 3, 4]));
    fetched.device.begin();
    expect(fetched.say(initialization(channel, 6, NONCE))).toMatchObject([{ channel, command: 6 }]);
    expect(fetched.say(initialization(channel, 1))).toEqual([{ channel, command: 0x3f, data: BUSY }]);
    expect(fetched.answer(0x90, 0x00)).toEqual([]);
    expect(fetched.say(initialization(channel, 1))).toEqual([{ channel, command: 1, data: [] }]);
  });

  test("a clock that wraps around changes nothing", () => {
    const fetched = new Fetched();
    fetched.now_ms = 0x7fffff00;
    const channel = fetched.channel();
    fetched.say(...reportsOf(channel, 1, answerOf(100)).slice(0, 1));
    fetched.now_ms = (fetched.now_ms + 499) | 0;
    expect(fetched.pass(0)).toEqual([]);
    expect(fetched.pass(1)).toEqual([{ channel, command: 0x3f, data: [0x05] }]);
  });
});

describe("cancelling (11.2.9.1.5)", () => {
  test("a message that the card has not begun with is dropped; one that it has begun with is answered", () => {
    const fetched = new Fetched();
    const channel = fetched.channel();
    const cancel = initialization(channel, 0x11);
    expect(fetched.say(cancel)).toEqual([]);
    expect(fetched.say(...reportsOf(channel, 3, [1, 2, 3, 4]), cancel)).toEqual([
      { channel, command: 0x3f, data: [0x2d] },
    ]);
    expect(fetched.device.phase).toBe(PHASE_IDLE);
    fetched.say(...reportsOf(channel, 3, [1, 2, 3, 4]));
    fetched.device.begin();
    expect(fetched.say(cancel)).toEqual([]);
    expect(fetched.answer(0x90, 0x00)).toEqual([{ channel, command: 3, data: [0x90, 0x00] }]);
  });
});

describe("keepalives (11.2.9.1.7)", () => {
  test("every 100 ms while the card works, and none else", () => {
    const fetched = new Fetched();
    const channel = fetched.channel();
    fetched.say(...reportsOf(channel, 3, [1, 2, 3, 4]));
    const alive = [{ channel, command: 0x3b, data: [1] }];
    expect([fetched.pass(99), fetched.pass(1), fetched.pass(99), fetched.pass(1)]).toEqual([[], alive, [], alive]);
    expect(fetched.answer(0x90, 0x00)).toHaveLength(1);
    expect(fetched.pass(1000)).toEqual([]);
  });
});

describe("locks (11.2.6)", () => {
  test("a lock keeps others away until its time is over, and may be renewed and given back", () => {
    const fetched = new Fetched();
    const [first, second] = [fetched.channel(), fetched.channel()];
    const busy = [{ channel: second, command: 0x3f, data: BUSY }];
    expect(fetched.say(initialization(first, 4, [2]))).toEqual([{ channel: first, command: 4, data: [] }]);
    fetched.pass(1999);
    expect(fetched.say(initialization(second, 1))).toEqual(busy);
    expect(fetched.say(initialization(-1, 6, NONCE))).toEqual([{ channel: -1, command: 0x3f, data: BUSY }]);
    fetched.say(initialization(first, 4, [2]));
    fetched.pass(1999);
    expect(fetched.say(initialization(second, 1))).toEqual(busy);
    fetched.pass(1);
    expect(fetched.say(initialization(second, 1))).toEqual([{ channel: second, command: 1, data: [] }]);
    fetched.say(initialization(first, 4, [10]), initialization(first, 4, [0]));
    expect(fetched.say(initialization(second, 1))).toEqual([{ channel: second, command: 1, data: [] }]);
    expect(fetched.say(initialization(first, 4, [11]))).toEqual([{ channel: first, command: 0x3f, data: [0x02] }]);
  });

  test("a card that works longer than the lock lasts is not lost to another channel", () => {
    const fetched = new Fetched();
    const [first, second] = [fetched.channel(), fetched.channel()];
    fetched.say(initialization(first, 4, [1]), ...reportsOf(first, 3, [1, 2, 3, 4]));
    for (let i = 0; i < 30; i += 1) fetched.pass(100);
    fetched.answer(0x90, 0x00);
    fetched.pass(999);
    expect(fetched.say(initialization(second, 1))).toEqual([{ channel: second, command: 0x3f, data: BUSY }]);
    fetched.pass(1);
    expect(fetched.say(initialization(second, 1))).toEqual([{ channel: second, command: 1, data: [] }]);
  });
});
