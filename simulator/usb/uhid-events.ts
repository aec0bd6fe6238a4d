/**
 * Events of Linux's uhid, through which a program is a HID device to the kernel and to every other program (linux/uhid.h,
 * Documentation/hid/uhid.rst): a type of four bytes and what belongs to it, packed, in the machine's byte order.
 */

import { endianness } from "node:os";
import { REPORT_BYTES } from "../../firmware/usb/ctaphid.js";
import {
  DEVICE_VERSION_BCD,
  PRODUCT,
  PRODUCT_ID,
  REPORT_DESCRIPTOR,
  VENDOR_ID,
} from "../../firmware/usb/descriptors.js";

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
export const EVENT_BYTES_MAX = 4380;
const REPORT_DATA_BYTES_MAX = 4096;
const NAME_BYTES = 128;
const PHYSICAL_BYTES = 64;
const SERIAL_BYTES = 64;
const BUS_USB = 3;
const EIO = 5;

const IS_LITTLE = endianness() === "LE";

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
export function createEvent(serial: string): Buffer {
  const event = Buffer.alloc(TYPE_BYTES + NAME_BYTES + PHYSICAL_BYTES + SERIAL_BYTES + 20 + REPORT_DATA_BYTES_MAX);
  let at = put32(event, UHID_CREATE2, 0);
  event.write(PRODUCT, at, NAME_BYTES - 1, "latin1");
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
export function inputEvent(report: Uint8Array): Buffer {
  const event = Buffer.alloc(TYPE_BYTES + 2 + report.length);
  event.set(report, put16(event, report.length, put32(event, UHID_INPUT2, 0)));
  return event;
}

export function destroyEvent(): Buffer {
  const event = Buffer.alloc(TYPE_BYTES);
  put32(event, UHID_DESTROY, 0);
  return event;
}

/** Reports are all that this device has: whoever asks for others is told so, and need not wait for it. */
export function refusalEvent({ kind, id }: ReportQuestion): Buffer {
  const event = Buffer.alloc(TYPE_BYTES + 8);
  const type = kind === "get-report" ? UHID_GET_REPORT_REPLY : UHID_SET_REPORT_REPLY;
  put16(event, EIO, put32(event, id, put32(event, type, 0)));
  return event;
}

/** What the kernel says. */
export type KernelEvent =
  /** The kernel has begun with the device, or ended with it; a program has opened it, or the last one has closed it. */
  | { readonly kind: "start" | "stop" | "open" | "close" | "other" }
  | { readonly kind: "output"; readonly report: Uint8Array }
  | ReportQuestion;

export interface ReportQuestion {
  readonly kind: "get-report" | "set-report";
  readonly id: number;
}

const KINDS: ReadonlyMap<number, "start" | "stop" | "open" | "close"> = new Map([
  [UHID_START, "start"],
  [UHID_STOP, "stop"],
  [UHID_OPEN, "open"],
  [UHID_CLOSE, "close"],
]);

export function readEvent(event: Buffer): KernelEvent {
  const type = get32(event, 0);
  if (type === UHID_OUTPUT) return { kind: "output", report: outputOf(event) };
  if (type === UHID_GET_REPORT) return { kind: "get-report", id: get32(event, TYPE_BYTES) };
  if (type === UHID_SET_REPORT) return { kind: "set-report", id: get32(event, TYPE_BYTES) };
  return { kind: KINDS.get(type) ?? "other" };
}

/** struct uhid_output_req. Programs write the report's number first, which is 0 where reports have none. */
function outputOf(event: Buffer): Uint8Array {
  const size = Math.min(get16(event, TYPE_BYTES + REPORT_DATA_BYTES_MAX), REPORT_DATA_BYTES_MAX);
  const data = Uint8Array.from(event.subarray(TYPE_BYTES, TYPE_BYTES + size));
  return size === REPORT_BYTES + 1 && data[0] === 0 ? data.slice(1) : data;
}
