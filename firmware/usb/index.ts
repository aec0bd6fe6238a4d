/**
 * CTAPHID for boards: device.ts on static memory. A board puts a report from the host at `reportIn`, and has what is to be
 * sent at `reportOut`; when a message is ready it gives it to the card and puts the answer into its place, at `message`.
 */

import { FRAMES_BYTES, MESSAGE_BYTES_MAX, REPORT_BYTES } from "./ctaphid.js";
import { Device, PHASE_READY } from "./device.js";

const REPORT_IN: usize = memory.data(REPORT_BYTES, 8);
const REPORT_OUT: usize = memory.data(REPORT_BYTES, 8);
const MESSAGE: usize = memory.data(MESSAGE_BYTES_MAX, 8);
const FRAMES: usize = memory.data(FRAMES_BYTES, 8);
/** All zeros: a fresh device. */
const DEVICE: usize = memory.data(offsetof<Device>(), 8);

// A Uint8Array is its buffer, where in memory it begins, and its length.
const VIEW_BYTES: i32 = 12;
const VIEW_IN: usize = memory.data(VIEW_BYTES, 8);
const VIEW_OUT: usize = memory.data(VIEW_BYTES, 8);
const VIEW_MESSAGE: usize = memory.data(VIEW_BYTES, 8);
const VIEW_FRAMES: usize = memory.data(VIEW_BYTES, 8);

function setView(view: usize, start: usize, length: i32): void {
  store<usize>(view, start);
  store<usize>(view, start, 4);
  store<i32>(view, length, 8);
}

function device(): Device {
  return changetype<Device>(DEVICE);
}

/** At power-up, and when the bus is reset. */
export function boot(): void {
  memory.fill(DEVICE, 0, offsetof<Device>());
  setView(VIEW_IN, REPORT_IN, REPORT_BYTES);
  setView(VIEW_OUT, REPORT_OUT, REPORT_BYTES);
  setView(VIEW_MESSAGE, MESSAGE, MESSAGE_BYTES_MAX);
  setView(VIEW_FRAMES, FRAMES, FRAMES_BYTES);
  device().attach(changetype<Uint8Array>(VIEW_MESSAGE), changetype<Uint8Array>(VIEW_FRAMES));
}

export function reportIn(): usize {
  return REPORT_IN;
}

export function reportOut(): usize {
  return REPORT_OUT;
}

export function message(): usize {
  return MESSAGE;
}

/** Whether the endpoint may be armed for one more report from the host. */
export function canTake(): bool {
  return device().canTake();
}

/** A report of `length` bytes is at `reportIn`. */
export function take(length: i32, now_ms: i32): void {
  if (length != REPORT_BYTES) return;
  device().take(changetype<Uint8Array>(VIEW_IN), now_ms);
}

/** Puts the next report for the host at `reportOut`; false when there is none. */
export function next(now_ms: i32): bool {
  return device().next(changetype<Uint8Array>(VIEW_OUT), now_ms);
}

/** Every 100 ms or more often. */
export function tick(now_ms: i32): void {
  device().tick(now_ms);
}

/** Command of the message that waits for the card, MSG or restart; -1: none does. */
export function readyCommand(): i32 {
  return device().phase == PHASE_READY ? device().command : -1;
}

/** Whether the card has to lose its power first, and be given it again: ask before `begin`. */
export function isAnothers(): bool {
  return device().isAnothers();
}

/** The card begins with it: bytes of the message, at `message`. */
export function begin(): i32 {
  device().begin();
  return device().length;
}

/** The card's answer of so many bytes is at `message`. */
export function answer(length: i32, now_ms: i32): void {
  device().answer(length, now_ms);
}
