/**
 * A card as a USB device of this computer, without hardware: a device of Linux's uhid (uhid-events.ts), which the kernel and
 * all programs take for a real one.
 */

import { access, close, constants, open, writeSync } from "node:fs";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { MachineClock } from "../time.js";
import { createEvent, destroyEvent, inputEvent, type KernelEvent, refusalEvent } from "./uhid-events.js";
import type { Reading } from "./uhid-reader.js";
import { type CardBehindUsb, UsbCard, type UsbCardOptions } from "./usb-card.js";

const UHID_PATH = "/dev/uhid";
/** The kernel's driver that makes any HID device a /dev/hidraw node; without it nobody starts the device or sees it. */
const DRIVER_PATH = "/sys/bus/hid/drivers/hid-generic";
/** The kernel starts a device within this time, and lets go of it within it. */
const KERNEL_WAIT_MS = 5000;
/** The kernel keeps 64 reports for a program that reads them. */
const BURST_REPORTS = 32;

export type UsbEvent = "inserted" | "removed" | "opened" | "closed" | "reset";

/** This computer gives no virtual USB devices to this program. */
export class UhidError extends Error {
  constructor(cause: unknown) {
    super(`${reasonOf(cause)} Nothing happened to the card, and no money moved.`, { cause });
    this.name = "UhidError";
  }
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOENT" || code === "ENODEV") {
    return `This computer's kernel offers no virtual USB devices (${UHID_PATH}). Load its modules: modprobe -a uhid hid-generic.`;
  }
  if (code === "EACCES" || code === "EPERM") {
    return `This user may not make virtual USB devices. Run as root, or let your user have ${UHID_PATH} (a udev rule).`;
  }
  return `The kernel refused the virtual USB device (${cause instanceof Error ? cause.message : String(cause)}).`;
}

/** A card that is plugged into this computer's USB, as far as its programs can see. */
export class CardOnUsb {
  onEvent: ((event: UsbEvent) => void) | undefined;
  readonly serial: string;
  readonly #device: UsbCard;
  #file: number | undefined;
  #isDestroyed = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  #reading: Promise<void> = Promise.resolve();
  #started: () => void = () => undefined;

  constructor(card: CardBehindUsb, serial: string, options: UsbCardOptions = {}) {
    if (!/^[!-~]{1,63}$/.test(serial)) throw new RangeError("serial: 1 to 63 printable characters, without spaces");
    this.serial = serial;
    this.#device = new UsbCard(card, new MachineClock(), { burst: BURST_REPORTS, ...options });
    this.#device.onReport = (report) => this.#write(inputEvent(report));
    this.#device.onRestart = () => this.onEvent?.("reset");
  }

  /** Plugs the device in. A UhidError says what this computer lacks. */
  async insert(): Promise<void> {
    if (this.#file !== undefined) return;
    const started = new Promise<void>((resolve) => {
      this.#started = resolve;
    });
    try {
      await promisify(access)(DRIVER_PATH);
      this.#file = await promisify(open)(UHID_PATH, constants.O_RDWR);
      this.#device.plug();
      writeSync(this.#file, createEvent(this.serial));
    } catch (error) {
      this.#device.unplug();
      if (this.#file !== undefined) await promisify(close)(this.#file);
      this.#file = undefined;
      throw new UhidError(error);
    }
    process.on("SIGTERM", this.#endBy);
    process.on("SIGINT", this.#endBy);
    process.on("exit", this.#destroy);
    this.#reading = this.#read(this.#file);
    if (await within(KERNEL_WAIT_MS, started)) return;
    await this.remove();
    throw new UhidError(new Error(`it was not started within ${KERNEL_WAIT_MS} ms`));
  }

  /** Pulls it out: what the card was doing is over. Resolves when the kernel has taken notice. */
  async remove(): Promise<void> {
    if (this.#file === undefined) return;
    this.#destroy();
    await within(KERNEL_WAIT_MS, this.#reading);
    this.onEvent?.("removed");
  }

  /** At the end of a process too: the thread that reads would keep it, until the kernel says STOP. */
  readonly #destroy = (): void => {
    process.off("SIGTERM", this.#endBy);
    process.off("SIGINT", this.#endBy);
    process.off("exit", this.#destroy);
    this.#device.unplug();
    Atomics.store(this.#isDestroyed, 0, 1);
    this.#write(destroyEvent());
    this.#file = undefined;
  };

  /** A process that is told to end takes its device with it; if nobody else here cares about the signal, it ends. */
  readonly #endBy = (signal: NodeJS.Signals): void => {
    const isOnlyOne = process.listenerCount(signal) === 1;
    void this.remove().then(() => {
      if (isOnlyOne) process.kill(process.pid, signal);
    });
  };

  #write(event: Buffer): void {
    if (this.#file !== undefined) writeSync(this.#file, event);
  }

  async #read(file: number): Promise<void> {
    this.#isDestroyed = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const workerData: Reading = { file, isDestroyed: this.#isDestroyed };
    const reader = new Worker(new URL("uhid-reader.js", import.meta.url), { workerData });
    reader.on("message", (event: KernelEvent) => {
      if (this.#file === file) this.#take(event);
    });
    await new Promise<void>((resolve) => {
      reader.on("error", () => resolve()); // The device is not there any more.
      reader.on("exit", () => resolve());
    });
    if (this.#file === file) this.#destroy();
    await promisify(close)(file);
  }

  #take(event: KernelEvent): void {
    switch (event.kind) {
      case "start":
        this.#started();
        this.onEvent?.("inserted");
        break;
      case "open":
        this.onEvent?.("opened");
        break;
      case "close":
        this.onEvent?.("closed");
        break;
      case "output":
        this.#device.take(event.report);
        break;
      case "get-report":
      case "set-report":
        this.#write(refusalEvent(event));
        break;
    }
  }
}

/** Whether something happens within this time. */
async function within(limit_ms: number, happening: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limit_ms);
  });
  const isInTime = await Promise.race([happening.then(() => true), late]);
  clearTimeout(timer);
  return isInTime;
}
