/** The parsers of what comes from cards and readers: sessions of APDUs, whatever bytes are decoded, an ATR, reports of USB,
 * frames of a serial line. */

import {
  announcedLength,
  COMMAND_CANCEL,
  COMMAND_INIT,
  COMMAND_LOCK,
  COMMAND_MSG,
  COMMAND_PING,
  commandOf,
  FRAMES_BYTES,
  isInitialization,
  MESSAGE_BYTES_MAX,
  REPORT_BYTES,
} from "../../firmware/usb/ctaphid.js";
import { Device } from "../../firmware/usb/device.js";
import { BYTES_KINDS, decodeAs, decodeFound } from "../../host/apdu-tools/decode.js";
import { parseSession, printSession, SessionError } from "../../host/apdu-tools/session.js";
import { saysExtendedLength } from "../../host/transports/atr.js";
import { encodeFrame, type Frame, FrameDecoder } from "../../host/transports/serial-frames.js";
import { answerToReset } from "../../simulator/card/atr.js";
import { sameText } from "./parsers.js";
import type { ParserParts } from "./parsers-host.js";
import { Finding } from "./target.js";

const SESSION = "@module\nreset\n> 00 A4 04 00 07 F0 54 41 4C 4C 59 01 00\n< 6F .. * 90 00\n> VERIFY {pin}\n# over\n";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8");

/** What is read of a session is read again of what is printed of it. */
function sessionAgain(bytes: Uint8Array): void {
  const printed = printSession(parseSession(text(bytes)));
  sameText(printed, printSession(parseSession(printed)));
}

/** As anything, and as what it looks like: a decoder never throws. */
function decodedInEveryWay(bytes: Uint8Array): void {
  const context = { applet: "money-module", secrets: false } as const;
  for (const kind of BYTES_KINDS) decodeAs(kind, bytes, context);
  decodeFound(bytes, context);
}

/** Reports in a row, a while after each other: what the device says are reports, and then it works. */
function reports(bytes: Uint8Array): void {
  const device = new Device();
  device.attach(new Uint8Array(MESSAGE_BYTES_MAX), new Uint8Array(FRAMES_BYTES));
  const report = new Uint8Array(REPORT_BYTES);
  let now_ms = 0;
  const fetchAll = () => {
    for (let frames = 0; device.next(report, now_ms); frames += 1) {
      if (frames > MESSAGE_BYTES_MAX / 59 + 8) throw new Finding("hang", "a device that never stops talking");
      if (isInitialization(report) && announcedLength(report) > MESSAGE_BYTES_MAX) {
        throw new Finding("length", `${announcedLength(report)} bytes are announced`);
      }
    }
  };
  for (let start = 0; start + REPORT_BYTES <= bytes.length; start += REPORT_BYTES) {
    device.take(bytes.subarray(start, start + REPORT_BYTES), now_ms);
    fetchAll();
    now_ms += bytes[start] ?? 0;
    device.tick(now_ms);
  }
  // A lock is over, and so is half a message: whoever comes now gets a channel.
  now_ms += 60_000;
  device.tick(now_ms);
  device.begin();
  device.answer(0, now_ms);
  fetchAll();
  device.tick(now_ms + 60_000);
  fetchAll();
  device.take(initReport(), now_ms + 60_000);
  if (!device.next(report, now_ms + 60_000) || commandOf(report) !== COMMAND_INIT)
    throw new Finding("hang", "INIT is not answered");
}

function initReport(): Uint8Array {
  const report = new Uint8Array(REPORT_BYTES);
  report.set([0xff, 0xff, 0xff, 0xff, 0x80 | COMMAND_INIT, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
  return report;
}

/** INIT on the broadcast channel, then on channel 1: PING, whose rest comes and does not come, a lock, an APDU that is cancelled. */
function reportSamples(): Uint8Array[] {
  const onChannel = (...bytes: number[]) => {
    const report = new Uint8Array(REPORT_BYTES);
    report.set([0, 0, 0, 1, ...bytes]);
    return report;
  };
  const ping = onChannel(0x80 | COMMAND_PING, 0, 100);
  const rest = onChannel(0);
  const lock = onChannel(0x80 | COMMAND_LOCK, 0, 1, 10);
  const message = onChannel(0x80 | COMMAND_MSG, 0, 4, 0, 0x84, 0, 0);
  const cancel = onChannel(0x80 | COMMAND_CANCEL, 0, 0);
  return [
    [ping, rest],
    [ping, initReport(), rest],
    [lock, message, cancel],
  ].map((sent) => Buffer.concat([initReport(), ...sent]));
}

/** In one piece and byte by byte the same frames are found, and each is what it is encoded as. */
function serialFrames(bytes: Uint8Array): Frame[] {
  const frames = new FrameDecoder().take(bytes);
  const slow = new FrameDecoder();
  const printed = (found: readonly Frame[]) =>
    found.map(({ tag, message }) => `${tag} ${Buffer.from(message).toString("hex")}`).join();
  sameText(printed(frames), printed([...bytes].flatMap((byte) => slow.take(Uint8Array.of(byte)))));
  const again = frames.map(({ tag, message }) => encodeFrame(tag, message));
  sameText(printed(frames), printed(new FrameDecoder().take(Buffer.concat(again))));
  return frames;
}

export function cardParsers(): ParserParts[] {
  const hex = (digits: string) => new Uint8Array(Buffer.from(digits, "hex"));
  const commands = [hex("00a4040007f054414c4c590100"), hex("00cadf0100"), hex("80c20000000002810100")];
  return [
    ["session", [new TextEncoder().encode(SESSION)], sessionAgain, SessionError],
    ["decode", [...commands, answerToReset("T=1"), hex("9000")], decodedInEveryWay],
    ["answer to reset", [answerToReset("T=1"), answerToReset("T=0")], saysExtendedLength],
    ["USB reports", reportSamples(), reports],
    ["serial frames", commands.map((command, tag) => encodeFrame(tag, command)), serialFrames],
  ];
}
