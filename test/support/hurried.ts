/** Timers that go off early: deadlines of seconds come within a test, in their order. */

import { systemTimers, type Timers } from "../../host/services/clock.js";

const TIMES_FASTER = 20;

export const hurriedTimers: Timers = { after: (delay_ms, call) => systemTimers.after(delay_ms / TIMES_FASTER, call) };
