/** The host's transport against the virtual device, on virtual time. */

import { describe, expect, test } from "vitest";
import { MESSAGE_BYTES_MAX } from "../../firmware/usb/ctaphid.js";
import { TransportError } from "../../host/transport.js";
import { BUSY_MS_MAX } from "../../host/transports/ctaphid-client.js";
import { EXCHANGE_MS_MAX } from "../../host/transports/ctaphid-exchange.js";
import { LOCK_SECONDS } from "../../host/transports/hid.js";
import {
  CommandCancelledError,
  UsbGoneError,
  UsbInUseError,
  UsbMuteError,
  UsbSessionLostError,
} from "../../host/transports/hid-errors.js";
import { EchoCard, Port } from "./port.js";
import { initialization } from "./reports.js";

const APDU = Uint8Array.of(0x80, 1, 2, 3, 4);
const OTHER = Uint8Array.of(0x80, 5, 6, 7);

describe("commands", () => {
  test("the longest message goes there and back; a longer one is refused before anything is sent", async () => {
    const port = new Port(new EchoCard());
    const transport = await port.open();
    const longest = Uint8Array.from({ length: MESSAGE_BYTES_MAX }, (_, i) => (i * 13) & 0xff);
    expect(await transport.transmit(longest)).toEqual(longest);
    expect(() => transport.transmit(new Uint8Array(MESSAGE_BYTES_MAX + 1))).toThrow(RangeError);
    await transport.close();
  });

  test("what is sent at once is answered in order, one at a time", async () => {
    const card = new EchoCard();
    const port = new Port(card, { delay_ms: 30 });
    const answers = await port.time.run(
      (async () => {
        const transport = await port.open();
        return Promise.all([transport.transmit(APDU), transport.transmit(OTHER), transport.transmit(APDU)]);
      })(),
    );
    expect(answers).toEqual([APDU, OTHER, APDU]);
    expect(card.asked).toEqual([APDU, OTHER, APDU]);
  });

  test("reset restarts the card, and so do opening and closing", async () => {
    const card = new EchoCard();
    const port = new Port(card);
    const transport = await port.open();
    expect(card.restarts).toBe(2);
    await transport.reset();
    expect(card.restarts).toBe(3);
    await transport.close();
    expect(card.restarts).toBe(4);
    await expect(transport.transmit(APDU)).rejects.toThrow(UsbGoneError);
  });

  test("a card that works for long is waited for, as long as it says so", async () => {
    const port = new Port(new EchoCard(), { delay_ms: 20_000, work_ms: 20_000 });
    const transport = await port.time.run(port.open());
    expect(await port.time.run(transport.transmit(APDU))).toEqual(APDU);
  });

  test("... but not for ever", async () => {
    const port = new Port(new EchoCard());
    const transport = await port.open();
    const slow = new Port(new EchoCard(), { work_ms: 10 * EXCHANGE_MS_MAX }, port.time);
    await expect(port.time.run(slow.open())).rejects.toThrow(UsbMuteError);
    expect(await port.time.run(transport.transmit(APDU))).toEqual(APDU);
  });
});

describe("cancelling", () => {
  test("before the card begins: it has not seen the command, and the next one works", async () => {
    const card = new EchoCard();
    const port = new Port(card, { delay_ms: 1000 });
    const transport = await port.time.run(port.open());
    const cancelled = transport.transmit(APDU);
    port.time.after(500, () => void transport.cancel());
    await expect(port.time.run(cancelled)).rejects.toThrow(CommandCancelledError);
    await expect(cancelled).rejects.not.toBeInstanceOf(TransportError);
    expect(await port.time.run(transport.transmit(OTHER))).toEqual(OTHER);
    expect(card.asked).toEqual([OTHER]);
  });

  test("too late: the answer comes as usual", async () => {
    const port = new Port(new EchoCard(), { work_ms: 1000 });
    const transport = await port.time.run(port.open());
    const answer = transport.transmit(APDU);
    port.time.after(500, () => void transport.cancel());
    expect(await port.time.run(answer)).toEqual(APDU);
  });

  test("nothing: nobody notices", async () => {
    const port = new Port(new EchoCard());
    const transport = await port.open();
    await transport.cancel();
    expect(await transport.transmit(APDU)).toEqual(APDU);
  });
});

describe("several programs", () => {
  test("the second one is told that the first has the device, within its bound; afterwards it gets a restarted card", async () => {
    const card = new EchoCard();
    const port = new Port(card);
    const first = await port.open();
    const began_ms = port.time.clock.nowMs();
    const line = port.line();
    await expect(port.time.run(port.open(line))).rejects.toThrow(UsbInUseError);
    expect(line.isClosed).toBe(true);
    expect(port.time.clock.nowMs() - began_ms).toBeLessThanOrEqual(BUSY_MS_MAX);
    expect(await first.transmit(APDU)).toEqual(APDU);
    await first.close();
    const restarts = card.restarts;
    const second = await port.time.run(port.open());
    expect(card.restarts).toBe(restarts + 1);
    expect(await second.transmit(APDU)).toEqual(APDU);
  });

  test("a session keeps the device for as long as it lasts, also while nothing is sent", async () => {
    const port = new Port(new EchoCard());
    const first = await port.open();
    await port.time.run(new Promise<void>((resolve) => void port.time.after(60_000, resolve)));
    await expect(port.time.run(port.open())).rejects.toThrow(UsbInUseError);
    expect(await first.transmit(APDU)).toEqual(APDU);
  });

  test("a program that died has the device for a moment only", async () => {
    const port = new Port(new EchoCard());
    const dead = port.line();
    await port.open(dead);
    dead.write = () => undefined;
    dead.close();
    const began_ms = port.time.clock.nowMs();
    const transport = await port.time.run(port.open());
    expect(port.time.clock.nowMs() - began_ms).toBeLessThanOrEqual(LOCK_SECONDS * 1000 + 100);
    expect(await transport.transmit(APDU)).toEqual(APDU);
  });

  test("a program that was held up longer than its lock does not go on as if nothing had been; a reset begins anew", async () => {
    const card = new EchoCard();
    const port = new Port(card);
    const transport = await port.open();
    // Timers go off, and nothing that waits for them is run in between.
    port.time.clock.advance(LOCK_SECONDS * 1000);
    await expect(transport.transmit(APDU)).rejects.toThrow(UsbSessionLostError);
    expect(card.asked).toEqual([]);
    const restarts = card.restarts;
    await port.time.run(transport.reset());
    expect(card.restarts).toBe(restarts + 1);
    expect(await transport.transmit(APDU)).toEqual(APDU);
  });

  test("a slow card is not lost: while it works the lock's time stands still, and nobody gets in behind it", async () => {
    const port = new Port(new EchoCard(), { work_ms: 3 * LOCK_SECONDS * 1000 });
    const transport = await port.time.run(port.open());
    const other = expect(port.open()).rejects.toThrow(UsbInUseError);
    for (let i = 0; i < 3; i += 1) expect(await port.time.run(transport.transmit(APDU))).toEqual(APDU);
    await port.time.run(other);
  });

  test("a stranger's messages in the midst of ours disturb nothing", async () => {
    const port = new Port(new EchoCard(), { work_ms: 200 });
    const transport = await port.time.run(port.open());
    const stranger = port.line();
    const heard: number[][] = [];
    stranger.onReport = (report) => heard.push(Array.from(report.subarray(0, 8)));
    for (let at_ms = 10; at_ms < 200; at_ms += 20) {
      port.time.after(at_ms, () => {
        stranger.write(initialization(-1, 6, [1, 2, 3, 4, 5, 6, 7, 8]));
        stranger.write(initialization(5, 1, [1]));
        stranger.write(initialization(0, 0x11));
      });
    }
    expect(await port.time.run(transport.transmit(APDU))).toEqual(APDU);
    expect(heard).toContainEqual([0xff, 0xff, 0xff, 0xff, 0xbf, 0, 1, 6]);
    expect(await port.time.run(transport.transmit(OTHER))).toEqual(OTHER);
  });
});

describe("unplugged", () => {
  test("in the midst of a command: it fails, and so does everything after it, at once", async () => {
    const card = new EchoCard();
    const port = new Port(card, { work_ms: 1000 });
    const transport = await port.time.run(port.open());
    const lost = transport.transmit(APDU);
    port.time.after(500, () => port.unplug());
    await expect(port.time.run(lost)).rejects.toThrow(UsbGoneError);
    await expect(transport.transmit(APDU)).rejects.toThrow(UsbGoneError);
    await expect(transport.reset()).rejects.toThrow(UsbGoneError);
    expect(transport.isOver).toBe(true);
    await transport.close();
  });

  test("and plugged in again it is another session", async () => {
    const port = new Port(new EchoCard());
    const transport = await port.open();
    port.unplug();
    await expect(transport.transmit(APDU)).rejects.toThrow(UsbGoneError);
    port.device.plug();
    const again = await port.open();
    expect(await again.transmit(APDU)).toEqual(APDU);
  });

  test("a device that restarts without anybody's noticing: the session is over, and not mistaken for another", async () => {
    const port = new Port(new EchoCard());
    const transport = await port.open();
    port.device.plug();
    await expect(transport.transmit(APDU)).rejects.toThrow(UsbSessionLostError);
    await transport.reset();
    expect(await transport.transmit(APDU)).toEqual(APDU);
  });
});
