/** What can happen to one message between two devices, and a link that does it to exactly one. */

import { type Disturbance, inProcessLink, type MessageFate } from "../../host/communications/in-process.js";
import type { PeerLink } from "../../host/communications/link.js";
import type { Timers } from "../../host/services/clock.js";

/**
 * `echo` arrives, and once more after the next message of its direction; `late` arrives when the queries have begun;
 * `stale` when the other end has given up; `cut` ends the link instead of the message, `cut-behind` right after it.
 */
export const MESSAGE_FAULTS = [
  "lose",
  "repeat",
  "echo",
  "overtaken",
  "late",
  "stale",
  "corrupt-kind",
  "corrupt-first",
  "corrupt-last",
  "truncate",
  "cut",
  "cut-behind",
] as const;
export type MessageFault = (typeof MESSAGE_FAULTS)[number];

export interface Strike {
  readonly direction: 0 | 1;
  /** Number of the message in its direction, from 0. */
  readonly index: number;
  readonly fault: MessageFault;
}

export interface StruckLink {
  readonly ends: readonly [PeerLink, PeerLink];
  /** Messages sent so far in each direction. */
  readonly sent: readonly [number, number];
  readonly hasStruck: boolean;
}

/** Devices ask again after a second, four times. */
export const QUERY_AFTER_MS = 1000;
const LATE_MS = 1500;
const STALE_MS = 6000;

export function struckLink(timers: Timers, strike?: Strike): StruckLink {
  const sent: [number, number] = [0, 0];
  let hasStruck = false;
  let echo: Uint8Array | undefined;
  const disturbance: Disturbance = (direction, index, message) => {
    sent[direction] = index + 1;
    if (strike === undefined || direction !== strike.direction) return { kind: "deliver" };
    if (echo !== undefined) {
      const again = echo;
      echo = undefined;
      queueMicrotask(() => ends[direction].send(again));
    }
    if (index !== strike.index) return { kind: "deliver" };
    hasStruck = true;
    if (strike.fault === "echo") echo = message.slice();
    if (strike.fault === "cut-behind") queueMicrotask(() => ends[direction].close());
    return fateOf(strike.fault, message);
  };
  const ends = inProcessLink(disturbance, timers);
  return {
    ends,
    sent,
    get hasStruck() {
      return hasStruck;
    },
  };
}

/** A link that is bad all the time, in the same form; it does not count. */
export function disturbedLink(timers: Timers, disturbance: Disturbance): StruckLink {
  return { ends: inProcessLink(disturbance, timers), sent: [0, 0], hasStruck: false };
}

function fateOf(fault: MessageFault, message: Uint8Array): MessageFate {
  switch (fault) {
    case "lose":
    case "cut":
      return { kind: fault };
    case "repeat":
      return { kind: "repeat", times: 2 };
    case "overtaken":
      return { kind: "overtaken", messages: 1 };
    case "late":
      return { kind: "delay", delay_ms: LATE_MS };
    case "stale":
      return { kind: "delay", delay_ms: STALE_MS };
    case "corrupt-kind":
      return { kind: "replace", message: flipped(message, 1) };
    case "corrupt-first":
      return { kind: "replace", message: flipped(message, 2) };
    case "corrupt-last":
      return { kind: "replace", message: flipped(message, message.length - 1) };
    case "truncate":
      return { kind: "replace", message: message.slice(0, message.length - 1) };
    default:
      return { kind: "deliver" };
  }
}

function flipped(message: Uint8Array, at: number): Uint8Array {
  const altered = message.slice();
  altered[at] = (altered[at] ?? 0) ^ 1;
  return altered;
}
