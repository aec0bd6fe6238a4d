/**
 * What a test may listen to from within a process: `node:diagnostics_channel`, which costs nothing while nobody does. The host's
 * own channels are in `host/diagnostics.ts`.
 */

import { channel } from "node:diagnostics_channel";

/** Told after each write that a killed process leaves behind: of flash, of a chip's registers. */
export const DURABLE_CHANNEL = "tallystick:durable";

const durable = channel(DURABLE_CHANNEL);

export function writtenForGood(): void {
  if (durable.hasSubscribers) durable.publish({ side: "after" });
}
