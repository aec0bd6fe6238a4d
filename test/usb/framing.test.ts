/** Messages in reports, and back (CTAP 2.1, 11.2.4). */

import fc from "fast-check";
import { expect, test } from "vitest";
import { Assembly, MESSAGE_BYTES_MAX, writeReport } from "../../firmware/usb/ctaphid.js";
import { reportsOf } from "./reports.js";

function split(channel: number, command: number, message: Uint8Array): Uint8Array[] {
  const reports: Uint8Array[] = [];
  let from = 0;
  do {
    const report = new Uint8Array(64).fill(0xee);
    from = writeReport(report, channel, command, message, message.length, from);
    reports.push(report);
  } while (from < message.length);
  return reports;
}

function assembled(reports: readonly Uint8Array[]): { command: number; message: Uint8Array } {
  const assembly = new Assembly();
  const message = new Uint8Array(MESSAGE_BYTES_MAX);
  for (const [i, report] of reports.entries()) {
    if (i === 0) assembly.open(report, message);
    else expect(assembly.append(report, message)).toBe(true);
    expect(assembly.isComplete()).toBe(i === reports.length - 1);
  }
  return { command: assembly.command, message: message.subarray(0, assembly.length) };
}

test("a message of any length is what it was when its reports are put together", () => {
  const whole = Uint8Array.from({ length: MESSAGE_BYTES_MAX }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
  for (let length = 0; length <= MESSAGE_BYTES_MAX; length += length < 300 || length > 7400 ? 1 : 13) {
    const message = whole.subarray(0, length);
    const back = assembled(split(1, 3, message));
    if (Buffer.compare(back.message, message) !== 0)
      throw new Error(`a message of ${length} bytes came back otherwise`);
    expect(back.command).toBe(3);
  }
});

test("reports are those of the standard, byte by byte", () => {
  const message = fc.uint8Array({ maxLength: 400, size: "max" });
  const channels = fc.integer({ min: -0x80000000, max: 0x7fffffff });
  fc.assert(
    fc.property(channels, fc.integer({ min: 0, max: 127 }), message, (channel, command, data) => {
      expect(split(channel, command, data)).toEqual(reportsOf(channel, command, data));
    }),
  );
});

test("a report that was left out, or comes twice, is noticed", () => {
  const reports = split(1, 3, new Uint8Array(300));
  const message = new Uint8Array(MESSAGE_BYTES_MAX);
  for (const wrong of [1, 3]) {
    const assembly = new Assembly();
    assembly.open(reports[0] as Uint8Array, message);
    assembly.append(reports[1] as Uint8Array, message);
    expect(assembly.append(reports[wrong] as Uint8Array, message)).toBe(false);
  }
});
