/**
 * What a device says of itself: HID report descriptor (Device Class Definition for HID 1.11, 6.2.2), and for boards the USB
 * descriptors (USB 2.0, 9.6) of a device with one HID interface. `npm run generate` writes them to hardware/usb.generated.h.
 */

import { DEVICE_VERSION_MAJOR, DEVICE_VERSION_MINOR, REPORT_BYTES } from "./ctaphid.js";

/**
 * pid.codes, and the first of the product ids that it keeps for tests of one's own: whoever ships a product takes an id of
 * his own. The usage page is what tells these devices from others with the same id.
 */
export const VENDOR_ID = 0x1209;
export const PRODUCT_ID = 0x0001;
export const DEVICE_VERSION_BCD = (DEVICE_VERSION_MAJOR << 8) | (DEVICE_VERSION_MINOR << 4);

/** The vendor's own page: no other driver of the host takes such a device for its own, and browsers leave it alone. */
export const USAGE_PAGE = 0xff00;
export const USAGE = 0x01;
const USAGE_REPORT_IN = 0x20;
const USAGE_REPORT_OUT = 0x21;

export const MANUFACTURER = "Tallystick";
export const PRODUCT = "Tallystick chip";

export interface Descriptor {
  readonly name: string;
  readonly doc: string;
  readonly bytes: readonly number[];
}

/** Two bytes, the low one first. */
function word(value: number): [number, number] {
  return [value & 0xff, value >> 8];
}

function reports(usage: number, item: number): number[] {
  return [
    ...[0x09, usage], // Usage
    ...[0x15, 0x00], // Logical minimum 0
    ...[0x26, ...word(0xff)], // Logical maximum 255
    ...[0x75, 8], // Report size, bits
    ...[0x95, REPORT_BYTES], // Report count
    ...[item, 0x02], // Data, variable, absolute
  ];
}

const INPUT = 0x81;
const OUTPUT = 0x91;

export const REPORT_DESCRIPTOR: Descriptor = {
  name: "report_descriptor",
  doc: "HID report descriptor: 64 bytes in, 64 bytes out, without report ids.",
  bytes: [
    ...[0x06, ...word(USAGE_PAGE)], // Usage page
    ...[0x09, USAGE],
    ...[0xa1, 0x01], // Collection: application
    ...reports(USAGE_REPORT_IN, INPUT),
    ...reports(USAGE_REPORT_OUT, OUTPUT),
    0xc0, // End of collection
  ],
};

/** Numbers of the strings in the device descriptor; 0 is the language. */
export const STRING_MANUFACTURER = 1;
export const STRING_PRODUCT = 2;
/** The board has it from its chip: `usb:SERIAL` is how people name the device. */
export const STRING_SERIAL = 3;
export const ENDPOINT_IN = 0x81;
export const ENDPOINT_OUT = 0x01;

const TYPE_DEVICE = 1;
const TYPE_CONFIGURATION = 2;
const TYPE_STRING = 3;
const TYPE_INTERFACE = 4;
const TYPE_ENDPOINT = 5;
const TYPE_HID = 0x21;
const TYPE_HID_REPORT = 0x22;
const USB_VERSION_BCD = 0x0200;
const HID_VERSION_BCD = 0x0111;
const CLASS_HID = 3;
const CONTROL_PACKET_BYTES = 64;
const BUS_POWERED = 0x80;
/** In units of 2 mA. */
const POWER_100_MA = 50;
const INTERRUPT = 3;
const POLLED_EVERY_MS = 1;
const ENGLISH = 0x0409;

function descriptor(type: number, ...body: readonly number[]): number[] {
  return [body.length + 2, type, ...body];
}

function endpoint(address: number): number[] {
  return descriptor(TYPE_ENDPOINT, address, INTERRUPT, ...word(REPORT_BYTES), POLLED_EVERY_MS);
}

function configuration(): number[] {
  const body = [
    ...descriptor(TYPE_INTERFACE, 0, 0, 2, CLASS_HID, 0, 0, 0),
    ...descriptor(TYPE_HID, ...word(HID_VERSION_BCD), 0, 1, TYPE_HID_REPORT, ...word(REPORT_DESCRIPTOR.bytes.length)),
    ...endpoint(ENDPOINT_IN),
    ...endpoint(ENDPOINT_OUT),
  ];
  const head = (total: number) => descriptor(TYPE_CONFIGURATION, ...word(total), 1, 1, 0, BUS_POWERED, POWER_100_MA);
  return [...head(head(0).length + body.length), ...body];
}

function text(characters: string): number[] {
  return descriptor(TYPE_STRING, ...[...characters].flatMap((each) => word(each.charCodeAt(0))));
}

export const USB_DESCRIPTORS: readonly Descriptor[] = [
  REPORT_DESCRIPTOR,
  {
    name: "device_descriptor",
    doc: "Device descriptor: its class is its interface's.",
    bytes: descriptor(
      TYPE_DEVICE,
      ...word(USB_VERSION_BCD),
      ...[0, 0, 0, CONTROL_PACKET_BYTES],
      ...word(VENDOR_ID),
      ...word(PRODUCT_ID),
      ...word(DEVICE_VERSION_BCD),
      ...[STRING_MANUFACTURER, STRING_PRODUCT, STRING_SERIAL, 1],
    ),
  },
  {
    name: "configuration_descriptor",
    doc: "Configuration with the HID interface and its two interrupt endpoints.",
    bytes: configuration(),
  },
  { name: "language_descriptor", doc: "String 0: English.", bytes: descriptor(TYPE_STRING, ...word(ENGLISH)) },
  { name: "manufacturer_descriptor", doc: `String ${STRING_MANUFACTURER}.`, bytes: text(MANUFACTURER) },
  { name: "product_descriptor", doc: `String ${STRING_PRODUCT}.`, bytes: text(PRODUCT) },
];
