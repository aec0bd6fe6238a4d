/** What an issuer has to bring to sellers: tried again until it is done, never by waiting in the way of others. */

import type { Timers } from "../../services/clock.js";

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 3_600_000;

interface Errand {
  attempt: Promise<boolean> | undefined;
  delay_ms: number;
  cancelTimer: () => void;
}

export class Couriers {
  readonly #timers: Timers;
  readonly #errands = new Map<string, Errand>();
  #isClosed = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Tries now, or joins the attempt under way; true when it is done. `deliver` says so, and is called again later for as long as
   * it says no, or throws.
   */
  attempt(name: string, deliver: () => Promise<boolean>): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    const errand = this.#errands.get(name) ?? { attempt: undefined, delay_ms: RETRY_MS_MIN, cancelTimer: () => {} };
    this.#errands.set(name, errand);
    errand.cancelTimer();
    errand.attempt ??= this.#run(name, errand, deliver);
    return errand.attempt;
  }

  /** As `attempt`, for whoever waits at most this long for an answer. */
  async within(limit_ms: number, name: string, deliver: () => Promise<boolean>): Promise<boolean> {
    let cancelTimer = () => {};
    const limit = new Promise<boolean>((resolve) => {
      cancelTimer = this.#timers.after(limit_ms, () => resolve(false));
    });
    try {
      return await Promise.race([this.attempt(name, deliver), limit]);
    } finally {
      cancelTimer();
    }
  }

  /** Starts nothing any more; resolves when what is under way has ended. What has to be brought is in the books. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const errands = [...this.#errands.values()];
    this.#errands.clear();
    for (const errand of errands) errand.cancelTimer();
    await Promise.all(errands.map(({ attempt }) => attempt));
  }

  async #run(name: string, errand: Errand, deliver: () => Promise<boolean>): Promise<boolean> {
    let isDone = false;
    try {
      isDone = await deliver();
    } catch {
      // The seller is away, or answers what nobody can use: it is asked again.
    }
    errand.attempt = undefined;
    if (isDone) this.#errands.delete(name);
    else if (!this.#isClosed) {
      errand.cancelTimer = this.#timers.after(errand.delay_ms, () => void this.attempt(name, deliver));
      errand.delay_ms = Math.min(2 * errand.delay_ms, RETRY_MS_MAX);
    }
    return isDone;
  }
}
