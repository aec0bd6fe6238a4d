/**
 * Virtual time that jumps as soon as nothing is under way. Everything in a simulated world answers at once (chips, databases and
 * links within this process), so that one turn of the event loop, which comes when no promise is left to go on, says that all wait.
 */

import { VirtualTime } from "../support/virtual-time.js";

/** Work waits for something that no timer will bring. */
export class StalledError extends Error {
  override readonly name = "StalledError";

  constructor() {
    super("everybody waits, and no timer is set: this would hang for ever");
  }
}

/** A world that is left alone has set its last timer long before this many have fired. */
const TIMERS_MAX = 10_000;

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export class SimulationTime extends VirtualTime {
  override async run<Result>(work: Promise<Result>): Promise<Result> {
    let isRunning = true;
    const end = () => {
      isRunning = false;
    };
    work.then(end, end);
    for (;;) {
      await turn();
      if (!isRunning) return work;
      if (!this.clock.advanceToNext()) throw new StalledError();
    }
  }

  /** Lets everything that anybody has set a timer for come to its end. */
  async drain(): Promise<void> {
    for (let fired = 0; fired < TIMERS_MAX; fired += 1) {
      await turn();
      if (!this.clock.advanceToNext()) return;
    }
    throw new StalledError();
  }
}
