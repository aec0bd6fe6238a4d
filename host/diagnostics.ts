/**
 * What a test may listen to from within a process (`node:diagnostics_channel`, which costs nothing while nobody does), so
 * that it can kill the process at any moment that matters: `test/kill/`.
 *
 *   tallystick:envelope   before a message to a peer is handed to a connection (communications/line.ts)
 *   tallystick:durable    before and after each commit of books (services/database.ts), and after each write of a chip's
 *                         flash and registers (simulator/diagnostics.ts)
 */

import { channel } from "node:diagnostics_channel";
import { DURABLE_CHANNEL } from "../simulator/diagnostics.js";

const durable = channel(DURABLE_CHANNEL);

/** Does a write that will outlive the process, and says so on both sides of it. */
export function committing<Result>(write: () => Result): Result {
  if (!durable.hasSubscribers) return write();
  durable.publish({ side: "before" });
  const result = write();
  durable.publish({ side: "after" });
  return result;
}
