/** Writes what boards need of USB: `hardware/usb.generated.h`. */

import * as ctaphid from "../../firmware/usb/ctaphid.js";
import * as usb from "../../firmware/usb/descriptors.js";
import { noticeOf } from "./names.js";

const PREFIX = "tallystick_usb";
const BYTES_PER_LINE = 16;

/** Numbers of CTAPHID that a driver of the framing sees; what its messages mean it leaves to the framing. */
const CONSTANTS: readonly (readonly [name: string, value: number, doc: string])[] = [
  ["REPORT_BYTES", ctaphid.REPORT_BYTES, "of each report, in and out"],
  ["MESSAGE_BYTES_MAX", ctaphid.MESSAGE_BYTES_MAX, "of the longest message"],
  ["COMMAND_MSG", ctaphid.COMMAND_MSG, "a ready message is a command APDU for the card"],
  ["COMMAND_RESTART", ctaphid.COMMAND_RESTART, "a ready message asks for power off and on; its answer is empty"],
  ["KEEPALIVE_INTERVAL_MS", ctaphid.KEEPALIVE_INTERVAL_MS, "the framing is told the time this often"],
  ["ENDPOINT_IN", usb.ENDPOINT_IN, "address of the interrupt endpoint to the host"],
  ["ENDPOINT_OUT", usb.ENDPOINT_OUT, "address of the interrupt endpoint from the host"],
  ["STRING_SERIAL", usb.STRING_SERIAL, "number of the string that is the board's own serial number"],
];

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}

function arrayText({ name, doc, bytes }: usb.Descriptor): string {
  const lines: string[] = [];
  for (let from = 0; from < bytes.length; from += BYTES_PER_LINE) {
    lines.push(
      `    ${bytes
        .slice(from, from + BYTES_PER_LINE)
        .map(hex)
        .join(", ")},\n`,
    );
  }
  return `/* ${doc} */\nstatic const uint8_t ${PREFIX}_${name}[${bytes.length}] = {\n${lines.join("")}};\n`;
}

export function usbHeaderText(): string {
  const defines = CONSTANTS.map(
    ([name, value, doc]) => `#define ${PREFIX.toUpperCase()}_${name} (${value}) /* ${doc} */\n`,
  );
  return `/* ${noticeOf("firmware/usb/descriptors.ts and firmware/usb/ctaphid.ts")} */
#ifndef TALLYSTICK_USB_H
#define TALLYSTICK_USB_H

#include <stdint.h>

${defines.join("")}
${usb.USB_DESCRIPTORS.map(arrayText).join("\n")}
#endif
`;
}
