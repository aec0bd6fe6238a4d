/** Descriptors are well formed: what a host would refuse at once. */

import { expect, test } from "vitest";
import { REPORT_DESCRIPTOR, USB_DESCRIPTORS } from "../../firmware/usb/descriptors.js";

const TYPE_CONFIGURATION = 2;
const TYPE_HID = 0x21;

const standard = USB_DESCRIPTORS.filter((descriptor) => descriptor !== REPORT_DESCRIPTOR);

/** Descriptors that follow each other, cut where their lengths say (USB 2.0, 9.5). */
function cut(bytes: readonly number[]): (readonly number[])[] {
  if (bytes.length === 0) return [];
  const [length = 0] = bytes;
  expect(length).toBeGreaterThan(1);
  expect(length).toBeLessThanOrEqual(bytes.length);
  return [bytes.slice(0, length), ...cut(bytes.slice(length))];
}

test.each(standard)("$name is as long as it says", ({ bytes }) => {
  const [first = []] = cut(bytes);
  if (first[1] === TYPE_CONFIGURATION) expect((first[2] ?? 0) + 256 * (first[3] ?? 0)).toBe(bytes.length);
  else expect(first).toEqual(bytes);
});

test("the interface's HID descriptor says how long the report descriptor is", () => {
  const configuration = standard.find(({ bytes }) => bytes[1] === TYPE_CONFIGURATION)?.bytes ?? [];
  const hid = cut(configuration).find(([, type]) => type === TYPE_HID) ?? [];
  expect(hid.slice(-2)).toEqual([REPORT_DESCRIPTOR.bytes.length, 0]);
});

test("report descriptor: items of a collection on the vendor's page, 64 bytes each way", () => {
  const items: number[][] = [];
  for (let from = 0; from < REPORT_DESCRIPTOR.bytes.length; ) {
    const prefix = REPORT_DESCRIPTOR.bytes[from] as number;
    const size = [0, 1, 2, 4][prefix & 3] as number;
    items.push([prefix & 0xfc, ...REPORT_DESCRIPTOR.bytes.slice(from + 1, from + 1 + size)]);
    from += 1 + size;
  }
  expect(items[0]).toEqual([0x04, 0x00, 0xff]);
  expect(items.at(-1)).toEqual([0xc0]);
  const bits = items.flatMap(([tag], i) => (tag === 0x80 || tag === 0x90 ? [i] : []));
  expect(bits).toHaveLength(2);
  for (const i of bits) {
    expect(items[i - 1]).toEqual([0x94, 64]);
    expect(items[i - 2]).toEqual([0x74, 8]);
  }
});
