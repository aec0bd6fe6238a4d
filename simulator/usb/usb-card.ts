/**
 * A card that is a USB device: reports in, reports out. It knows neither an operating system nor the time of day, so that it
 * runs behind /dev/uhid (uhid.ts) and, on virtual time, within a test.
 */

import {
  COMMAND_RESTART,
  FRAMES_BYTES,
  KEEPALIVE_INTERVAL_MS,
  MESSAGE_BYTES_MAX,
  REPORT_BYTES,
} from "../../firmware/usb/ctaphid.js";
import { Device, PHASE_IDLE, PHASE_READY } from "../../firmware/usb/device.js";
import type { Clock, Timer } from "../time.js";

/** What is behind the device: a `Card`. */
export interface CardBehindUsb {
  powerOn(): void;
  powerOff(): void;
  transmit(apdu: Uint8Array): Uint8Array;
}

export interface UsbCardOptions {
  /** How long a command waits before the card begins with it: until then it can be cancelled. */
  readonly delay_ms?: number;
  /** How long the card then works. What it has stored is stored, also when nobody gets the answer. */
  readonly work_ms?: number;
  /** So many reports are sent in a row, and then one a millisecond, which is how often USB asks for them. By default all. */
  readonly burst?: number;
}

const POLLED_EVERY_MS = 1;
/** Reports that wait until there is room for what they may bring; USB itself would hold them back. */
const INCOMING_MAX = 256;

export class UsbCard {
  /** Takes each report for the host. */
  onReport: ((report: Uint8Array) => void) | undefined;
  /** The host had the card restarted. */
  onRestart: (() => void) | undefined;
  readonly #card: CardBehindUsb;
  readonly #clock: Clock;
  readonly #options: UsbCardOptions;
  /** Present while it is plugged in. */
  #device: Device | undefined;
  #ticking: Timer | undefined;
  #working: Timer | undefined;
  #pacing: Timer | undefined;
  #incoming: Uint8Array[] = [];
  /** Reports sent in a row. */
  #row = 0;
  /** The message that the card waits for its time to begin with, or works on. */
  #taken = 0;

  constructor(card: CardBehindUsb, clock: Clock, options: UsbCardOptions = {}) {
    this.#card = card;
    this.#clock = clock;
    this.#options = options;
  }

  get isPluggedIn(): boolean {
    return this.#device !== undefined;
  }

  /** Gives power. */
  plug(): void {
    this.unplug();
    this.#device = new Device();
    this.#device.attach(new Uint8Array(MESSAGE_BYTES_MAX), new Uint8Array(FRAMES_BYTES));
    this.#taken = 0;
    this.#row = 0;
    this.#incoming = [];
    this.#powerOn();
  }

  /** Takes the power away, whatever is under way. */
  unplug(): void {
    this.#device = undefined;
    this.#ticking?.cancel();
    this.#working?.cancel();
    this.#pacing?.cancel();
    this.#ticking = undefined;
    this.#pacing = undefined;
    this.#card.powerOff();
  }

  /** A report from the host. */
  take(report: Uint8Array): void {
    if (this.#incoming.length < INCOMING_MAX) this.#incoming.push(report.slice());
    this.#goOn();
  }

  #now(): number {
    return Math.trunc(this.#clock.nowMs()) | 0;
  }

  /** A chip that does not start stays silent, and its card answers 6F00 for it. */
  #powerOn(): void {
    try {
      this.#card.powerOn();
    } catch {
      // The card has power all the same.
    }
  }

  /** Takes and sends what there is, and sees to it that the card and the time go on. */
  #goOn(): void {
    const device = this.#device;
    if (device === undefined) return;
    for (;;) {
      this.#send(device);
      this.#startCard(device);
      const report = device.canTake() ? this.#incoming.shift() : undefined;
      if (report === undefined) break;
      device.take(report, this.#now());
    }
    if (device === this.#device && device.phase !== PHASE_IDLE && this.#ticking === undefined) this.#tick(device);
  }

  #send(device: Device): void {
    while (this.#pacing === undefined) {
      if (this.#row === this.#options.burst) {
        this.#pacing = this.#clock.after(POLLED_EVERY_MS, () => {
          this.#pacing = undefined;
          this.#row -= 1;
          this.#goOn();
        });
        return;
      }
      const report = new Uint8Array(REPORT_BYTES);
      if (!device.next(report, this.#now())) {
        this.#row = 0;
        return;
      }
      this.#row += 1;
      this.onReport?.(report);
    }
  }

  #startCard(device: Device): void {
    if (device.phase !== PHASE_READY || this.#taken === device.messages) return;
    this.#taken = device.messages;
    this.#working?.cancel();
    this.#after(this.#options.delay_ms, () => this.#begin(device));
  }

  #tick(device: Device): void {
    this.#ticking = this.#clock.after(KEEPALIVE_INTERVAL_MS, () => {
      this.#ticking = undefined;
      device.tick(this.#now());
      this.#goOn();
    });
  }

  #after(delay_ms: number | undefined, call: () => void): void {
    if (delay_ms === undefined || delay_ms === 0) call();
    else this.#working = this.#clock.after(delay_ms, call);
  }

  #begin(device: Device): void {
    // It was cancelled meanwhile.
    if (device.phase !== PHASE_READY || device.messages !== this.#taken) return;
    const isAnothers = device.isAnothers();
    device.begin();
    const answer = this.#execute(device, isAnothers);
    this.#after(this.#options.work_ms, () => {
      device.message.set(answer);
      device.answer(answer.length, this.#now());
      this.#goOn();
    });
  }

  #execute(device: Device, isAnothers: boolean): Uint8Array {
    const isRestart = device.command === COMMAND_RESTART;
    if (isRestart || isAnothers) {
      this.#powerOn();
      this.onRestart?.();
    }
    return isRestart ? new Uint8Array(0) : this.#card.transmit(device.message.slice(0, device.length));
  }
}
