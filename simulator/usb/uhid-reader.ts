/**
 * The thread that reads what the kernel says to a virtual device. The kernel keeps 32 events and drops the rest, and a message
 * may have 129 reports: reading waits for nothing else here.
 */

import { readSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { EVENT_BYTES_MAX, type KernelEvent, readEvent } from "./uhid-events.js";

export interface Reading {
  readonly file: number;
  /** Not zero: the device is destroyed, and the next STOP is the last event. */
  readonly isDestroyed: Int32Array<SharedArrayBuffer>;
}

function read({ file, isDestroyed }: Reading): void {
  const bytes = Buffer.alloc(EVENT_BYTES_MAX);
  let event: KernelEvent;
  do {
    readSync(file, bytes);
    event = readEvent(bytes);
    parentPort?.postMessage(event);
  } while (event.kind !== "stop" || Atomics.load(isDestroyed, 0) === 0);
}

read(workerData as Reading);
