/** Time as the services are handed it: a clock and timers, so that a world can run them from one seed. */

/** Seconds since 1970 UTC. */
export interface Clock {
  now_seconds(): bigint;
}

/** Calls once, later; the answer cancels the call. */
export interface Timers {
  after(delay_ms: number, call: () => void): () => void;
}

/** The machine's clock: for processes, never for tests. */
export const systemClock: Clock = {
  now_seconds: () => BigInt(Math.floor(Date.now() / 1000)),
};

/** The event loop's timers. They do not keep a process alive that has nothing else to do. */
export const systemTimers: Timers = {
  after(delay_ms, call) {
    const timer = setTimeout(call, delay_ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
