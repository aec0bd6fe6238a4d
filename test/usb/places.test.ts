/** USB devices as places of cards: what is listed, what is told while they come and go. */

import { describe, expect, test } from "vitest";
import type { PlaceEvent } from "../../host/cards/place.js";
import { LOOK_EVERY_MS } from "../../host/cards/place-watch.js";
import { UsbPlaces } from "../../host/cards/usb-places.js";
import { TransportError } from "../../host/transport.js";
import {
  CardInUseError,
  CardMuteError,
  CardUnusableError,
  ReaderMissingError,
} from "../../host/transports/card-errors.js";
import { UsbGoneError, UsbUnavailableError } from "../../host/transports/hid-errors.js";
import type { HidDevice, HidDevices } from "../../host/transports/node-hid.js";
import { VirtualTime } from "../support/virtual-time.js";
import { EchoCard, Line, lineTime, Port } from "./port.js";
import { initialization } from "./reports.js";

/** A computer's USB ports. */
class Computer implements HidDevices {
  readonly time = new VirtualTime();
  readonly plugged = new Map<string, Port | Line>();
  fault: Error | undefined;

  async list(): Promise<HidDevice[]> {
    if (this.fault !== undefined) throw this.fault;
    return [...this.plugged.keys()].map((serial) => ({ path: `/dev/${serial}`, serial, product: "Tallystick chip" }));
  }

  async open({ serial }: HidDevice) {
    const port = this.plugged.get(serial);
    if (port === undefined) throw new UsbGoneError(serial);
    return port instanceof Port ? port.line() : port;
  }

  plug(serial: string): Port {
    const port = new Port(new EchoCard(), {}, this.time);
    this.plugged.set(serial, port);
    return port;
  }

  places(): UsbPlaces {
    return new UsbPlaces({ devices: this, time: lineTime(this.time) });
  }

  pass(duration_ms: number): Promise<void> {
    return this.time.run(new Promise((resolve) => void this.time.after(duration_ms, resolve)));
  }
}

/** A device that answers each report with these. */
function answering(answers: (report: Uint8Array) => readonly Uint8Array[]): Line {
  const line: Line = new Line((report) => {
    for (const each of answers(report)) line.onReport?.(each);
  });
  return line;
}

async function statesOf(computer: Computer, places: UsbPlaces): Promise<string[]> {
  const list = await computer.time.run(places.list());
  return list.map(({ locator, state }) => `${locator} ${state}`);
}

test("devices are listed with who has them", async () => {
  const computer = new Computer();
  computer.plug("A1");
  const taken = await computer.plug("B2").open();
  computer.plugged.set(
    "C3",
    answering(() => []),
  );
  const places = computer.places();
  expect(await statesOf(computer, places)).toEqual(["usb:A1 card", "usb:B2 busy", "usb:C3 mute"]);
  await taken.close();
  expect(await statesOf(computer, places)).toEqual(["usb:A1 card", "usb:B2 card", "usb:C3 mute"]);
});

test("a place that is connected here is a card to its owner, and to nobody else, until it is closed or unplugged", async () => {
  const computer = new Computer();
  const port = computer.plug("A1");
  const [mine, others] = [computer.places(), computer.places()];
  const [place] = await mine.list();
  const transport = await place?.connect();
  expect(await statesOf(computer, mine)).toEqual(["usb:A1 card"]);
  expect(await statesOf(computer, others)).toEqual(["usb:A1 busy"]);
  await expect(place?.connect()).rejects.toThrow(CardInUseError);
  const [theirs] = await computer.time.run(others.list());
  await expect(computer.time.run(Promise.resolve(theirs?.connect()))).rejects.toThrow(CardInUseError);
  expect(await transport?.transmit(Uint8Array.of(1, 2, 3, 4))).toEqual(Uint8Array.of(1, 2, 3, 4));
  await transport?.close();
  expect(await statesOf(computer, others)).toEqual(["usb:A1 card"]);
  const again = await place?.connect();
  port.unplug();
  await expect(again?.transmit(Uint8Array.of(1, 2, 3, 4))).rejects.toThrow();
  const next = computer.plug("A1");
  const [replugged] = await mine.list();
  await replugged?.connect();
  expect(next.device.isPluggedIn).toBe(true);
});

describe("a device that cannot be opened has lost no answer: nothing was asked of its card", () => {
  const connecting = async (line: Line | undefined): Promise<Error> => {
    const computer = new Computer();
    computer.plug("A1");
    const [place] = await computer.places().list();
    if (line === undefined) computer.plugged.delete("A1");
    else computer.plugged.set("A1", line);
    return computer.time.run(
      Promise.resolve(place?.connect()).then(
        () => expect.fail("it was connected"),
        (error: Error) => error,
      ),
    );
  };
  const VERSION_1 = [0, 0, 0, 7, 1, 0, 0, 0, 0];
  test.each([
    ["says nothing", answering(() => []), CardMuteError],
    ["was unplugged", undefined, ReaderMissingError],
    ["refuses", answering(() => [initialization(-1, 0x3f, [1])]), CardUnusableError],
    [
      "is of another version",
      answering((report) => [initialization(-1, 6, [...report.subarray(7, 15), ...VERSION_1])]),
      CardUnusableError,
    ],
    ["is busy", answering(() => [initialization(-1, 0x3f, [6])]), CardInUseError],
  ] as const)("it %s", async (_name, line, kind) => {
    const error = await connecting(line);
    expect(error).toBeInstanceOf(kind);
    expect(error).not.toBeInstanceOf(TransportError);
    expect(error.message).toContain("o money moved.");
    expect(error.message).not.toMatch(/resume|open transaction/);
  });
});

test("who watches is told what is there, and every change; trouble once; and nothing after the end", async () => {
  const computer = new Computer();
  computer.plug("A1");
  const told: string[] = [];
  const changed = ({ kind, place }: PlaceEvent) => told.push(`${kind} ${place.locator} ${place.state}`);
  const watch = computer.places().watch(changed, (error) => told.push(error.name));
  const told_next = async () => {
    await computer.pass(2 * LOOK_EVERY_MS);
    return told.splice(0);
  };
  expect(await told_next()).toEqual(["added usb:A1 card"]);
  const second = computer.plug("B2");
  expect(await told_next()).toEqual(["added usb:B2 card"]);
  const taken = await second.open();
  expect(await told_next()).toEqual(["changed usb:B2 busy"]);
  await taken.close();
  computer.plugged.delete("A1");
  expect(await told_next()).toEqual(["removed usb:A1 card", "changed usb:B2 card"]);
  computer.fault = new UsbUnavailableError(new Error("no libudev"));
  expect(await told_next()).toEqual(["UsbUnavailableError"]);
  expect(await told_next()).toEqual([]);
  computer.fault = undefined;
  computer.plug("C3");
  expect(await told_next()).toEqual(["added usb:C3 card"]);
  await watch.stop();
  computer.plug("D4");
  expect(await told_next()).toEqual([]);
});
