/**
 * A card as a USB device of this computer: Linux's uhid, through which a program is a HID device to the kernel and to every
 * other program (linux/uhid.h, Documentation/hid/uhid.rst). An event is a type of four bytes and what belongs to it, packed,
 * in the machine's byte order.
 */

import { access, close, constants, open, read, writeSync } from "node:fs";
import { endianness } from "node:os";
import { promisify } from "node:util";
import { REPORT_BYTES } from "../../firmware/usb/ctaphid.js";
import {
  DEVICE_VERSION_BCD,
  MANUFACTURER,
  PRODUCT,
  PRODUCT_ID,
  REPORT_DESCRIPTOR,
  VENDOR_ID,
} from "../../firmware/usb/descriptors.js";
import { MachineClock } from "../time.js";
import { type CardBehindUsb, UsbCard, type UsbCardOptions } from "./usb-card.js";

const UHID_PATH = "/dev/uhid";
/** The kernel's driver that makes any HID device a /dev/hidraw node; without it nobody starts the device or sees it. */
const DRIVER_PATH = "/sys/bus/hid/drivers/hid-generic";
/** The kernel starts a device within this time, and lets go of it within it. */
const KERNEL_WAIT_MS = 5000;

// Events to the kernel.
const UHID_DESTROY = 1;
const UHID_CREATE2 = 11;
const UHID_INPUT2 = 12;
const UHID_GET_REPORT_REPLY = 10;
const UHID_SET_REPORT_REPLY = 14;
// Events from it.
const UHID_START = 2;
const UHID_STOP = 3;
const UHID_OPEN = 4;
const UHID_CLOSE = 5;
const UHID_OUTPUT = 6;
const UHID_GET_REPORT = 9;
const UHID_SET_REPORT = 13;

const TYPE_BYTES = 4;
const EVENT_BYTES_MAX = 4380;
const REPORT_DATA_BYTES_MAX = 4096;
const NAME_BYTES = 128;
const PHYSICAL_BYTES = 64;
const SERIAL_BYTES = 64;
const BUS_USB = 3;
const EIO = 5;

const IS_LITTLE = endianness() === "LE";

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
    return `This computer's kernel offers no virtual USB devices (${UHID_PATH}). Load its modules: modprobe -a uhid hid-generic`;
  }
  if (code === "EACCES" || code === "EPERM") {
    return `This user may not make virtual USB devices. Run as root, or let your user have ${UHID_PATH} (a udev rule).`;
  }
  return `The kernel refused the virtual USB device (${cause instanceof Error ? cause.message : String(cause)}).`;
}

function put16(event: Buffer, value: number, offset: number): number {
  return IS_LITTLE ? event.writeUInt16LE(value, offset) : event.writeUInt16BE(value, offset);
}

function put32(event: Buffer, value: number, offset: number): number {
  return IS_LITTLE ? event.writeUInt32LE(value, offset) : event.writeUInt32BE(value, offset);
}

function get16(event: Buffer, offset: number): number {
  return IS_LITTLE ? event.readUInt16LE(offset) : event.readUInt16BE(offset);
}

function get32(event: Buffer, offset: number): number {
  return IS_LITTLE ? event.readUInt32LE(offset) : event.readUInt32BE(offset);
}

/** struct uhid_create2_req. */
function createEvent(serial: string): Buffer {
  const event = Buffer.alloc(TYPE_BYTES + NAME_BYTES + PHYSICAL_BYTES + SERIAL_BYTES + 20 + REPORT_DATA_BYTES_MAX);
  let at = put32(event, UHID_CREATE2, 0);
  event.write(`${MANUFACTURER} ${PRODUCT}`, at, NAME_BYTES - 1, "latin1");
  at += NAME_BYTES;
  event.write("tallystick/uhid", at, PHYSICAL_BYTES - 1, "latin1");
  at += PHYSICAL_BYTES;
  event.write(serial, at, SERIAL_BYTES - 1, "latin1");
  at += SERIAL_BYTES;
  at = put16(event, REPORT_DESCRIPTOR.bytes.length, at);
  at = put16(event, BUS_USB, at);
  for (const value of [VENDOR_ID, PRODUCT_ID, DEVICE_VERSION_BCD, 0]) at = put32(event, value, at);
  event.set(REPORT_DESCRIPTOR.bytes, at);
  return event;
}

/** struct uhid_input2_req. */
function inputEvent(report: Uint8Array): Buffer {
  const event = Buffer.alloc(TYPE_BYTES + 2 + report.length);
  event.set(report, put16(event, report.length, put32(event, UHID_INPUT2, 0)));
  return event;
}

/** Reports are all that this device has: whoever asks for others is told so, and need not wait for it. */
function refusalEvent(type: number, id: number): Buffer {
  const event = Buffer.alloc(TYPE_BYTES + 8);
  put16(event, EIO, put32(event, id, put32(event, type, 0)));
  return event;
}

/** struct uhid_output_req. Programs write the report's number first, which is 0 where reports have none. */
function outputOf(event: Buffer): Uint8Array {
  const size = Math.min(get16(event, TYPE_BYTES + REPORT_DATA_BYTES_MAX), REPORT_DATA_BYTES_MAX);
  const data = event.subarray(TYPE_BYTES, TYPE_BYTES + size);
  return size === REPORT_BYTES + 1 && data[0] === 0 ? data.subarray(1) : data;
}

/** A card that is plugged into this computer's USB, as far as its programs can see. */
export class CardOnUsb {
  onEvent: ((event: UsbEvent) => void) | undefined;
  readonly serial: string;
  readonly #device: UsbCard;
  #file: number | undefined;
  #reading: Promise<void> = Promise.resolve();
  #started: (() => void) | undefined;

  constructor(card: CardBehindUsb, serial: string, options: UsbCardOptions = {}) {
    if (!/^[!-~]{1,63}$/.test(serial)) throw new RangeError("serial: 1 to 63 printable characters, without spaces");
    this.serial = serial;
    this.#device = new UsbCard(card, new MachineClock(), options);
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

  /** At the end of a process too: the read that is under way would keep it, until the kernel says STOP. */
  readonly #destroy = (): void => {
    process.off("SIGTERM", this.#endBy);
    process.off("SIGINT", this.#endBy);
    process.off("exit", this.#destroy);
    this.#device.unplug();
    const event = Buffer.alloc(TYPE_BYTES);
    put32(event, UHID_DESTROY, 0);
    this.#write(event);
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
    const event = Buffer.alloc(EVENT_BYTES_MAX);
    try {
      do {
        await promisify(read)(file, event, 0, EVENT_BYTES_MAX, null);
        if (this.#file === file) this.#take(event);
      } while (get32(event, 0) !== UHID_STOP || this.#file === file);
    } catch {
      // The device is not there any more.
    } finally {
      await promisify(close)(file);
    }
  }

  #take(event: Buffer): void {
    switch (get32(event, 0)) {
      case UHID_START:
        this.#started?.();
        this.onEvent?.("inserted");
        break;
      case UHID_OPEN:
        this.onEvent?.("opened");
        break;
      case UHID_CLOSE:
        this.onEvent?.("closed");
        break;
      case UHID_OUTPUT:
        this.#device.take(outputOf(event));
        break;
      case UHID_GET_REPORT:
        this.#write(refusalEvent(UHID_GET_REPORT_REPLY, get32(event, TYPE_BYTES)));
        break;
      case UHID_SET_REPORT:
        this.#write(refusalEvent(UHID_SET_REPORT_REPLY, get32(event, TYPE_BYTES)));
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
