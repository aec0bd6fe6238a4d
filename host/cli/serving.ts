/** Commands that serve until they are stopped. The first Ctrl-C or SIGTERM ends them in good order, the second at once. */

import { InvalidArgumentError } from "commander";
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

/** The word to end; waiting for it keeps the process alive, though all its timers and sockets may be idle. */
export class Stop {
  readonly told: Promise<void>;
  readonly #alive = setInterval(() => undefined, 2 ** 30);

  constructor() {
    this.told = new Promise((resolve) => {
      stopping = () => {
        this.over();
        resolve();
      };
    });
  }

  /** The command ends by itself. */
  over(): void {
    clearInterval(this.#alive);
    stopping = undefined;
  }
}

/** A command that waits for the word to end. Whatever ends it, it keeps the process alive no longer. */
export async function untilStopped<Result>(work: (stop: Stop) => Promise<Result>): Promise<Result> {
  const stop = new Stop();
  try {
    return await work(stop);
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
}

/** Where a server listens, of the options of its command. */
export function placeOf({ host, port }: PlaceOptions): PlaceOptions {
  return { ...(host === undefined ? {} : { host }), ...(port === undefined ? {} : { port }) };
}
