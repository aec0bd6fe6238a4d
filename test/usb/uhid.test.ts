/** What is said to the kernel and heard from it (linux/uhid.h); test:hid has the kernel itself. */

import { existsSync } from "node:fs";
import { endianness } from "node:os";
import { expect, test } from "vitest";
import { PRODUCT_ID, REPORT_DESCRIPTOR, VENDOR_ID } from "../../firmware/usb/descriptors.js";
import { CardOnUsb, UhidError } from "../../simulator/usb/uhid.js";
import { createEvent, EVENT_BYTES_MAX, inputEvent, readEvent, refusalEvent } from "../../simulator/usb/uhid-events.js";
import { EchoCard } from "./port.js";

const LITTLE = endianness() === "LE";

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

test("UHID_CREATE2 has name, serial number, ids and report descriptor where the kernel looks for them", () => {
  const event = createEvent("SERIAL1");
  expect(event.length).toBe(4 + 128 + 64 + 64 + 2 + 2 + 4 * 4 + 4096);
  expect(view(event).getUint32(0, LITTLE)).toBe(11);
  expect(event.toString("latin1", 196, 204)).toBe("SERIAL1\0");
  expect(view(event).getUint16(260, LITTLE)).toBe(REPORT_DESCRIPTOR.bytes.length);
  expect(view(event).getUint16(262, LITTLE)).toBe(3);
  expect([view(event).getUint32(264, LITTLE), view(event).getUint32(268, LITTLE)]).toEqual([VENDOR_ID, PRODUCT_ID]);
  expect([...event.subarray(280, 280 + REPORT_DESCRIPTOR.bytes.length)]).toEqual(REPORT_DESCRIPTOR.bytes);
});

test("UHID_INPUT2 has a length and the report", () => {
  const event = inputEvent(new Uint8Array(64).fill(9));
  expect([view(event).getUint32(0, LITTLE), view(event).getUint16(4, LITTLE), event.length]).toEqual([12, 64, 70]);
});

test.each([
  ["with the number 0 that programs write first", [0, ...Array(64).fill(5)]],
  ["without it", Array(64).fill(5)],
])("UHID_OUTPUT: a report %s", (_name, data: readonly number[]) => {
  const event = Buffer.alloc(EVENT_BYTES_MAX);
  view(event).setUint32(0, 6, LITTLE);
  event.set(data, 4);
  view(event).setUint16(4 + 4096, data.length, LITTLE);
  expect(readEvent(event)).toEqual({ kind: "output", report: new Uint8Array(64).fill(5) });
});

test("who asks for other reports is refused", () => {
  const event = Buffer.alloc(EVENT_BYTES_MAX);
  view(event).setUint32(0, 9, LITTLE);
  view(event).setUint32(4, 77, LITTLE);
  const question = readEvent(event);
  expect(question).toEqual({ kind: "get-report", id: 77 });
  if (question.kind !== "get-report") throw new Error("a question");
  const reply = refusalEvent(question);
  expect([view(reply).getUint32(0, LITTLE), view(reply).getUint32(4, LITTLE)]).toEqual([10, 77]);
  expect(view(reply).getUint16(8, LITTLE)).not.toBe(0);
});

test.skipIf(existsSync("/dev/uhid"))("a kernel without uhid: an error that says what to load", async () => {
  const card = new CardOnUsb(new EchoCard(), "SERIAL1");
  await expect(card.insert()).rejects.toThrow(UhidError);
  await expect(card.insert()).rejects.toThrow("modprobe -a uhid hid-generic");
  await card.remove();
});
