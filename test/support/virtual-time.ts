/** Virtual time for host code: timers fire when nothing else can happen any more. */

import type { Clock, Timers } from "../../host/services/clock.js";
import { VirtualClock } from "../../simulator/time.js";

export const START_SECONDS = 1_800_000_000n;

/** Turns of the event loop in which nothing ended: books and databases answer within fewer. */
const IDLE_TURNS = 25;

export class VirtualTime implements Clock, Timers {
  readonly clock = new VirtualClock(Number(START_SECONDS) * 1000);

  now_seconds(): bigint {
    return BigInt(Math.floor(this.clock.nowMs() / 1000));
  }

  after(delay_ms: number, call: () => void): () => void {
    const timer = this.clock.after(delay_ms, call);
    return () => timer.cancel();
  }

  /** Runs the work to its end, letting time jump to the next timer whenever everything waits. */
  async run<Result>(work: Promise<Result>): Promise<Result> {
    let running = true;
    const finished = work.then(
      () => undefined,
      () => undefined,
    );
    void finished.then(() => {
      running = false;
    });
    while (running) {
      for (let turn = 0; running && turn < IDLE_TURNS; turn += 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (running && !this.clock.advanceToNext()) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    return work;
  }
}
