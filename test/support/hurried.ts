/** Timers that go off early: deadlines of seconds come within a test, in their order. */

import { systemTimers, type Timers } from "../../host/services/clock.js";

const TIMES_FASTER = 20;
/** From here on nothing goes off before a handshake on a busy machine is through. */
const LONG_MS = 2_000;
const LONG_HURRIED_MS = 300;

export function hurried_ms(delay_ms: number): number {
  return Math.max(delay_ms / TIMES_FASTER, delay_ms < LONG_MS ? 0 : LONG_HURRIED_MS);
}

export const hurriedTimers: Timers = { after: (delay_ms, call) => systemTimers.after(hurried_ms(delay_ms), call) };
