/** A virtual USB device in this process, and hosts on it: each hears all that the device says, as programs on hidraw do. */

import type { ReportLine } from "../../host/transports/ctaphid-client.js";
import { HidTransport } from "../../host/transports/hid.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { type CardBehindUsb, UsbCard, type UsbCardOptions } from "../../simulator/usb/usb-card.js";
import { VirtualTime } from "../support/virtual-time.js";

export class Line implements ReportLine {
  readonly name = "test device";
  onReport: ((report: Uint8Array) => void) | undefined;
  onFailure: ((error: Error) => void) | undefined;
  isClosed = false;
  /** Reports that the host has written. */
  written = 0;
  readonly #write: (report: Uint8Array) => void;

  constructor(write: (report: Uint8Array) => void) {
    this.#write = write;
  }

  write(report: Uint8Array): void {
    this.written += 1;
    this.#write(report.slice());
  }

  close(): void {
    this.isClosed = true;
    this.onReport = undefined;
    this.onFailure = undefined;
  }
}

/** Answers each command with itself and 9000, and remembers what it was asked. */
export class EchoCard implements CardBehindUsb {
  readonly asked: Uint8Array[] = [];
  restarts = 0;

  powerOn(): void {
    this.restarts += 1;
  }

  powerOff(): void {}

  transmit(apdu: Uint8Array): Uint8Array {
    this.asked.push(apdu);
    return apdu;
  }
}

export class Port {
  readonly time: VirtualTime;
  readonly device: UsbCard;
  readonly lines: Line[] = [];
  readonly random = new SeededRandomness(sodiumCryptography, "usb port");

  constructor(card: CardBehindUsb, options: UsbCardOptions = {}, time = new VirtualTime()) {
    this.time = time;
    this.device = new UsbCard(card, time.clock, options);
    this.device.onReport = (report) => {
      for (const line of this.lines) line.onReport?.(report);
    };
    this.device.plug();
  }

  get lineTime() {
    return lineTime(this.time);
  }

  line(): Line {
    const line = new Line((report) => {
      if (!this.device.isPluggedIn) throw new Error("no such device");
      this.device.take(report);
    });
    this.lines.push(line);
    return line;
  }

  open(line: ReportLine = this.line()): Promise<HidTransport> {
    return HidTransport.open(line, { time: this.lineTime, random: this.random });
  }

  unplug(): void {
    this.device.unplug();
    for (const line of this.lines) line.onFailure?.(new Error("could not read from HID device"));
  }
}

export function lineTime(time: VirtualTime) {
  return { now_ms: () => time.clock.nowMs(), after: time.after.bind(time) };
}
