/** Devices that do not keep to CTAPHID: a host ends with a typed error within its bounds, and never hangs. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TransportError } from "../../host/transport.js";
import { BUSY_MS_MAX, WRITE_WAIT_MS } from "../../host/transports/ctaphid-client.js";
import { EXCHANGE_MS_MAX } from "../../host/transports/ctaphid-exchange.js";
import { HidTransport } from "../../host/transports/hid.js";
import {
  CommandCancelledError,
  UsbGoneError,
  UsbInUseError,
  UsbMuteError,
  UsbProtocolError,
  UsbRefusedError,
  UsbSessionLostError,
} from "../../host/transports/hid-errors.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { VirtualTime } from "../support/virtual-time.js";
import { Line, lineTime } from "./port.js";
import { continuation, initialization, reportsOf } from "./reports.js";

const APDU = Uint8Array.of(0x80, 1, 2, 3);
const LONG = Uint8Array.from({ length: 200 }, (_, i) => i);
const CHANNEL = 7;
const INIT = 6;
const MSG = 3;

/** What a device says to a report; `later` lets it say more on its own. */
type Behaviour = (report: Uint8Array, say: (...reports: Uint8Array[]) => void, time: VirtualTime) => void;

/** Answers INIT, LOCK and restart as it should, and leaves the rest to the test. */
function proper(rest: Behaviour): Behaviour {
  return (report, say, time) => {
    const command = (report[4] as number) & 0x7f;
    const isFirst = (report[4] as number) >= 0x80;
    if (isFirst && command === INIT) {
      const isBroadcast = report[0] === 0xff;
      say(
        initialization(isBroadcast ? -1 : CHANNEL, INIT, [...report.subarray(7, 15), 0, 0, 0, CHANNEL, 2, 0, 0, 0, 0]),
      );
    } else if (isFirst && (command === 4 || command === 0x40)) say(initialization(CHANNEL, command));
    else rest(report, say, time);
  };
}

class Hostile {
  readonly time = new VirtualTime();
  readonly line: Line;

  constructor(behaviour: Behaviour) {
    const say = (...reports: Uint8Array[]) => {
      for (const each of reports) this.line.onReport?.(each);
    };
    this.line = new Line((report) => behaviour(report, say, this.time));
  }

  open(): Promise<HidTransport> {
    const random = new SeededRandomness(sodiumCryptography, "hostile");
    return this.time.run(HidTransport.open(this.line, { time: lineTime(this.time), random }));
  }

  async transmit(apdu = APDU): Promise<Uint8Array> {
    const transport = await this.open();
    return this.time.run(transport.transmit(apdu));
  }
}

function afterMessage(...answers: readonly Uint8Array[]): Hostile {
  return new Hostile(proper((_report, say) => say(...answers)));
}

describe("a device that does not let one begin", () => {
  test("it says nothing", async () => {
    const hostile = new Hostile(() => undefined);
    await expect(hostile.open()).rejects.toThrow(UsbMuteError);
    expect(hostile.line.isClosed).toBe(true);
  });

  test("answers to others' INITs are not ours", async () => {
    const wrong = initialization(-1, INIT, [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 2, 0, 0, 0, 0]);
    const behaviour = proper((report, say) => say(report));
    const hostile = new Hostile((report, say, time) => {
      if (report[0] === 0xff) say(wrong);
      else if (report[3] !== CHANNEL) return;
      behaviour(report, say, time);
    });
    expect(await hostile.transmit()).toEqual(APDU);
  });

  test("it answers others' INITs, again and again", async () => {
    const wrong = initialization(-1, INIT, [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 2, 0, 0, 0, 0]);
    const hostile = new Hostile((_report, say, time) => {
      for (let i = 0; i < 1000; i += 1) time.after(i * 10, () => say(wrong));
    });
    await expect(hostile.open()).rejects.toThrow(UsbMuteError);
  });

  test.each([
    ["0", 0],
    ["the broadcast one", 0xff],
  ])("it gives channel %s", async (_name, byte) => {
    const hostile = new Hostile((report, say) => {
      say(initialization(-1, INIT, [...report.subarray(7, 15), byte, byte, byte, byte, 2, 0, 0, 0, 0]));
    });
    await expect(hostile.open()).rejects.toThrow(UsbProtocolError);
  });

  test("it speaks version 1", async () => {
    const hostile = new Hostile((report, say) => {
      say(initialization(-1, INIT, [...report.subarray(7, 15), 0, 0, 0, 7, 1, 0, 0, 0, 0]));
    });
    await expect(hostile.open()).rejects.toThrow(UsbProtocolError);
  });

  test("it is busy for ever", async () => {
    const hostile = new Hostile((_report, say) => say(initialization(-1, 0x3f, [6])));
    const began_ms = hostile.time.clock.nowMs();
    await expect(hostile.open()).rejects.toThrow(UsbInUseError);
    expect(hostile.time.clock.nowMs() - began_ms).toBeLessThanOrEqual(BUSY_MS_MAX);
  });

  test("it takes no reports", async () => {
    const hostile = new Hostile(() => undefined);
    hostile.line.write = () => new Promise<void>(() => undefined) as unknown as undefined;
    const began_ms = hostile.time.clock.nowMs();
    await expect(hostile.open()).rejects.toThrow(UsbGoneError);
    expect(hostile.time.clock.nowMs() - began_ms).toBe(WRITE_WAIT_MS);
  });
});

describe("a device that does not answer as it should", () => {
  test("it says nothing", async () => {
    await expect(afterMessage().transmit()).rejects.toThrow(UsbMuteError);
  });

  test("it says for ever that it works", async () => {
    const hostile = new Hostile(
      proper((_report, say, time) => {
        const alive = () => {
          say(initialization(CHANNEL, 0x3b, [1]));
          time.after(100, alive);
        };
        alive();
      }),
    );
    const transport = await hostile.open();
    const began_ms = hostile.time.clock.nowMs();
    await expect(hostile.time.run(transport.transmit(APDU))).rejects.toThrow(UsbMuteError);
    expect(hostile.time.clock.nowMs() - began_ms).toBe(EXCHANGE_MS_MAX);
  });

  test("it answers on another channel", async () => {
    await expect(afterMessage(initialization(CHANNEL + 1, MSG, [0x90, 0])).transmit()).rejects.toThrow(UsbMuteError);
  });

  test("it answers in wrong order", async () => {
    const [head, , tail] = reportsOf(CHANNEL, MSG, LONG) as [Uint8Array, Uint8Array, Uint8Array];
    await expect(afterMessage(head, tail).transmit()).rejects.toThrow(UsbProtocolError);
    await expect(afterMessage(head, continuation(CHANNEL, 5)).transmit()).rejects.toThrow(UsbProtocolError);
    await expect(afterMessage(head, head).transmit()).rejects.toThrow(UsbProtocolError);
  });

  test("it answers half, and no more", async () => {
    const [head] = reportsOf(CHANNEL, MSG, LONG) as [Uint8Array];
    await expect(afterMessage(head).transmit()).rejects.toThrow(UsbMuteError);
  });

  test("it announces more than any message has", async () => {
    await expect(afterMessage(initialization(CHANNEL, MSG, [], 7610)).transmit()).rejects.toThrow(UsbProtocolError);
  });

  test("it answers more than it announced: what is beyond it is not the next answer's", async () => {
    let messages = 0;
    const hostile = new Hostile(
      proper((report, say) => {
        messages += 1;
        say(...reportsOf(CHANNEL, MSG, [...report.subarray(7, 11), messages]));
        say(continuation(CHANNEL, 0, LONG), continuation(CHANNEL, 1, LONG));
      }),
    );
    const transport = await hostile.open();
    expect(await transport.transmit(APDU)).toEqual(Uint8Array.of(...APDU, 1));
    expect(await transport.transmit(APDU)).toEqual(Uint8Array.of(...APDU, 2));
  });

  test("it answers something else", async () => {
    await expect(afterMessage(initialization(CHANNEL, 1, APDU)).transmit()).rejects.toThrow(UsbProtocolError);
  });

  test.each([
    ["an unknown command", [1], UsbRefusedError, 1],
    ["a lost part", [4], UsbRefusedError, 4],
    ["half a message", [5], UsbRefusedError, 4],
    ["no reason at all", [], UsbRefusedError, 1],
    ["a channel that is not valid", [0x0b], UsbSessionLostError, 1],
    ["being cancelled, by nobody", [0x2d], CommandCancelledError, 1],
    ["being busy, for ever", [6], UsbInUseError, undefined],
  ])("it refuses for %s: only what the card has not seen is sent again", async (_name, code, type, times) => {
    let sent = 0;
    const hostile = new Hostile(
      proper((report, say) => {
        if ((report[4] as number) < 0x80) return;
        sent += 1;
        say(initialization(CHANNEL, 0x3f, code));
      }),
    );
    await expect(hostile.transmit(LONG)).rejects.toThrow(type);
    if (times !== undefined) expect(sent).toBe(times);
  });

  test("the host says that it has given up a command, so that its answer is not taken for that of the next", async () => {
    let messages = 0;
    let forget: () => void = () => undefined;
    const behaviour = proper((_report, say, time) => {
      messages += 1;
      const answer = initialization(CHANNEL, MSG, [messages]);
      forget = time.after(messages === 1 ? 3500 : 1000, () => say(answer));
    });
    const hostile = new Hostile((report, say, time) => {
      if (report[4] === (INIT | 0x80)) forget();
      behaviour(report, say, time);
    });
    const transport = await hostile.open();
    await expect(hostile.time.run(transport.transmit(APDU))).rejects.toThrow(UsbMuteError);
    await hostile.time.run(transport.reset());
    expect(await hostile.time.run(transport.transmit(APDU))).toEqual(Uint8Array.of(2));
  });
});

test("whatever a device says, opening, a command and closing end, with an answer or an error of ours", async () => {
  const channels = fc.constantFrom(CHANNEL, CHANNEL, CHANNEL, -1, 0, 9);
  const said = fc.oneof(
    fc
      .tuple(channels, fc.constantFrom(1, 3, 4, 6, 0x11, 0x3b, 0x3f, 0x40), fc.uint8Array({ maxLength: 57 }))
      .chain(([channel, command, data]) =>
        fc
          .constantFrom(data.length, data.length, 0, 58, 200, 7609, 7610, 65_535)
          .map((length) => initialization(channel, command, data, length)),
      ),
    fc.tuple(channels, fc.nat({ max: 3 }), fc.uint8Array({ maxLength: 59 })).map((parts) => continuation(...parts)),
    fc.uint8Array({ maxLength: 70 }),
  );
  const answers = fc.array(fc.tuple(fc.constantFrom(0, 0, 10, 900, 2900), said), { maxLength: 4, size: "max" });
  const isProper = fc.boolean();
  await fc.assert(
    fc.asyncProperty(
      isProper,
      fc.array(answers, { minLength: 1, maxLength: 8, size: "max" }),
      async (startsWell, script) => {
        let i = 0;
        const behaviour: Behaviour = (_report, say, time) => {
          for (const [after_ms, report] of script[i++ % script.length] ?? []) {
            if (after_ms === 0) say(report);
            else time.after(after_ms, () => say(report));
          }
        };
        const hostile = new Hostile(startsWell ? proper(behaviour) : behaviour);
        const began_ms = hostile.time.clock.nowMs();
        try {
          const transport = await hostile.open();
          await Promise.allSettled([hostile.time.run(transport.transmit(LONG)), hostile.time.run(transport.reset())]);
          await hostile.time.run(transport.transmit(APDU)).finally(() => hostile.time.run(transport.close()));
        } catch (error) {
          if (!(error instanceof TransportError) && !(error instanceof CommandCancelledError)) throw error;
        }
        expect(hostile.time.clock.nowMs() - began_ms).toBeLessThan(10 * EXCHANGE_MS_MAX);
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);
