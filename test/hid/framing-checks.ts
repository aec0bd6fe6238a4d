/** CTAPHID over the kernel's HID stack: what the standard says, and what a host makes of it. */

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { MESSAGE_BYTES_MAX } from "../../firmware/usb/ctaphid.js";
import { UsbPlaces } from "../../host/cards/usb-places.js";
import { HidTransport } from "../../host/transports/hid.js";
import { CommandCancelledError, UsbGoneError, UsbInUseError } from "../../host/transports/hid-errors.js";
import { type HidDevice, systemHidDevices } from "../../host/transports/node-hid.js";
import { continuation, initialization, reportsOf } from "../usb/reports.js";
import type { Checks } from "./checks.js";
import type { DeviceProcess } from "./parent.js";
import { Raw } from "./raw.js";

const APDU = Uint8Array.of(0x80, 1, 2, 3, 4);
const OTHER = Uint8Array.of(0x80, 5, 6, 7);
const SLOW_MS = 1000;
const LONG = Uint8Array.from({ length: MESSAGE_BYTES_MAX }, (_, i) => (i * 13) & 0xff);

async function openTransport(device: HidDevice): Promise<HidTransport> {
  return HidTransport.open(await systemHidDevices.open(device));
}

async function with_<Opened extends { close(): Promise<void> }>(
  opening: Promise<Opened>,
  work: (opened: Opened) => Promise<void>,
): Promise<void> {
  const opened = await opening;
  try {
    await work(opened);
  } finally {
    await opened.close();
  }
}

function error(channel: number, code: number) {
  return { channel, command: 0x3f, data: [code] };
}

export async function checkDisorder(checks: Checks, device: HidDevice): Promise<void> {
  const raw = (work: (line: Raw) => Promise<void>) => () => with_(Raw.open(device), work);
  await checks.run(
    "INIT gives a channel, PING comes back whole at the longest",
    raw(async (line) => {
      const channel = await line.channel();
      await line.say(...reportsOf(channel, 1, LONG));
      deepEqual(await line.hear(129), [{ channel, command: 1, data: Array.from(LONG) }]);
    }),
  );
  await checks.run(
    "reserved channels and strange ones are refused",
    raw(async (line) => {
      for (const channel of [0, -1, 0x1234567]) deepEqual(await line.ask(channel, 1), error(channel, 0x0b));
    }),
  );
  await checks.run(
    "a skipped part is noticed, and the next message works",
    raw(async (line) => {
      const channel = await line.channel();
      const [head, , tail] = reportsOf(channel, 1, LONG) as [Uint8Array, Uint8Array, Uint8Array];
      await line.say(head, tail);
      deepEqual(await line.hear(1), [error(channel, 4)]);
      deepEqual(await line.ask(channel, 1, [1]), { channel, command: 1, data: [1] });
    }),
  );
  await checks.run(
    "interleaved channels: the second is told that the device is busy, the first is not disturbed",
    raw(async (line) => {
      const [first, second] = [await line.channel(), await line.channel()];
      const [head, tail] = reportsOf(first, 1, LONG.subarray(0, 100)) as [Uint8Array, Uint8Array];
      await line.say(head, initialization(second, 1, [1]), continuation(second, 0), tail);
      deepEqual(await line.hear(3), [
        error(second, 6),
        { channel: first, command: 1, data: Array.from(LONG.subarray(0, 100)) },
      ]);
    }),
  );
  await checks.run(
    "half a message is given up after its time",
    raw(async (line) => {
      const channel = await line.channel();
      const began_ms = performance.now();
      await line.say(initialization(channel, 1, [1], 100));
      deepEqual(await line.hear(1), [error(channel, 5)]);
      ok(performance.now() - began_ms > 450);
    }),
  );
  await checks.run(
    "unknown commands, wrong lengths and reports that are no message",
    raw(async (line) => {
      const channel = await line.channel();
      deepEqual(await line.ask(channel, 0x08), error(channel, 1));
      await line.say(initialization(channel, 3, [], MESSAGE_BYTES_MAX + 1));
      deepEqual(await line.hear(1), [error(channel, 3)]);
      await line.say(continuation(channel, 0), Uint8Array.of(1, 2, 3));
      deepEqual(await line.ask(channel, 1, [2]), { channel, command: 1, data: [2] });
    }),
  );
}

export async function checkTransport(checks: Checks, device: HidDevice): Promise<void> {
  await checks.run("the longest command goes to the card and back", () =>
    with_(openTransport(device), async (transport) => {
      deepEqual(await transport.transmit(LONG), LONG);
      await transport.reset();
    }),
  );
  await checks.run("a second program is told that the device is in use; places say so too", () =>
    with_(openTransport(device), async (transport) => {
      await rejects(openTransport(device), UsbInUseError);
      const places = await new UsbPlaces().list();
      equal(places.find(({ locator }) => locator === `usb:${device.serial}`)?.state, "busy");
      deepEqual(await transport.transmit(APDU), APDU);
    }),
  );
}

/** `device` begins with a command after SLOW_MS, and `worker` works as long on it. */
export async function checkSlow(
  checks: Checks,
  owner: DeviceProcess,
  device: HidDevice,
  worker: HidDevice,
): Promise<void> {
  await checks.run("while the card works there are keepalives, every 100 ms", () =>
    with_(Raw.open(device), async (line) => {
      const channel = await line.channel();
      await line.say(initialization(channel, 3, APDU));
      const frames = await line.hear(8);
      deepEqual(frames.slice(0, 5), Array(5).fill({ channel, command: 0x3b, data: [1] }));
      await line.ask(channel, 6, [1, 2, 3, 4, 5, 6, 7, 8]);
    }),
  );
  await checks.run("cancelled before the card begins: it has not seen the command", () =>
    with_(openTransport(device), async (transport) => {
      const before = await owner.asked(device.serial);
      const cancelled = rejects(transport.transmit(APDU), CommandCancelledError);
      setTimeout(() => void transport.cancel(), SLOW_MS / 2);
      await cancelled;
      deepEqual(await transport.transmit(OTHER), OTHER);
      equal(await owner.asked(device.serial), before + 1);
    }),
  );
  await checks.run("cancelled too late: the answer comes as usual", () =>
    with_(openTransport(worker), async (transport) => {
      setTimeout(() => void transport.cancel(), SLOW_MS / 2);
      deepEqual(await transport.transmit(APDU), APDU);
    }),
  );
  await checks.run("unplugged in the midst of a command: an error, at once; plugged in again it works", async () => {
    const transport = await openTransport(worker);
    const lost = rejects(transport.transmit(APDU), UsbGoneError);
    setTimeout(() => void owner.pull(worker.serial), SLOW_MS / 2);
    await lost;
    await transport.close();
    equal(
      (await systemHidDevices.list()).some(({ serial }) => serial === worker.serial),
      false,
    );
    await with_(openTransport(await owner.plug(worker.serial)), async (again) => {
      deepEqual(await again.transmit(OTHER), OTHER);
    });
  });
}

export const SLOW = { delay_ms: SLOW_MS };
export const WORKING = { work_ms: SLOW_MS };
