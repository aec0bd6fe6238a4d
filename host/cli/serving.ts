/** Commands that serve until they are stopped. The first Ctrl-C or SIGTERM ends them in good order, the second at once. */

import { type Command, InvalidArgumentError } from "commander";
import type { Output } from "./output.js";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

let stopping: (() => void) | undefined;

/** What a signal does, where the command has something to end. False: it has nothing. */
export function stopGently(): boolean {
  const stop = stopping;
  stopping = undefined;
  stop?.();
  return stop !== undefined;
}

export { SIGNALS };

/**
 * Waits for the word to end. Until `over` it keeps the process alive, though all its timers and sockets may be idle: also while
 * those are served to the end who are there.
 */
export class Stop {
  readonly told: Promise<void>;
  readonly #alive = setInterval(() => undefined, 2 ** 30);

  constructor() {
    this.told = new Promise((resolve) => {
      stopping = resolve;
    });
  }

  /** Everything is done. */
  over(): void {
    clearInterval(this.#alive);
    stopping = undefined;
  }
}

/** Serves until told to end, and to the end of that. */
export async function untilTold(work: (stop: Stop) => Promise<void>): Promise<void> {
  const stop = new Stop();
  try {
    await work(stop);
  } finally {
    stop.over();
  }
}

/** Something happened: a line for people, or a line of JSON. */
export function tell(output: Output, event: Readonly<Record<string, unknown>>, line: string): void {
  output.result(event, [line]);
}

export function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("A port is a number from 0 to 65535.");
}

export interface PlaceOptions {
  readonly host?: string;
  readonly port?: number;
  readonly publicUrl?: string;
}

/** Options of a command that listens for lines. */
export function listening(command: Command): Command {
  return command
    .option("--port <number>", "port to listen at (default: any)", portNumber)
    .option("--host <address>", "interface to listen at (default: 127.0.0.1)")
    .option("--public-url <url>", "where others find it: ws://NAME, or wss://NAME behind a proxy that speaks TLS");
}

/** Where a server listens, of the options of its command. */
export function placeOf({ host, port, publicUrl }: PlaceOptions): PlaceOptions {
  return {
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
  };
}
