/** Time: the machine's, or virtual, which passes only when it is told to. */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970, as a host knows them. */
  nowMs(): number;
  /** Calls once, after the delay. */
  after(delayMs: number, callback: () => void): Timer;
}

export class MachineClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  after(delayMs: number, callback: () => void): Timer {
    const handle = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(handle) };
  }
}

interface VirtualTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Timers fire in the order of their times, and those of one time in the order in which they were set. */
export class VirtualClock implements Clock {
  private readonly timers = new Set<VirtualTimer>();
  private order = 0;

  constructor(private currentMs = 0) {}

  nowMs(): number {
    return this.currentMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    if (!(delayMs >= 0)) throw new RangeError("delayMs: zero or more");
    const timer = { dueMs: this.currentMs + delayMs, order: this.order++, callback };
    this.timers.add(timer);
    return { cancel: () => void this.timers.delete(timer) };
  }

  /** When the next timer is due, if there is one. */
  nextDueMs(): number | undefined {
    return this.earliest()?.dueMs;
  }

  /** Lets time pass; timers that fall due on the way fire at their own time, those they set included. */
  advance(durationMs: number): void {
    if (!(durationMs >= 0)) throw new RangeError("durationMs: zero or more");
    const endMs = this.currentMs + durationMs;
    for (let timer = this.earliest(); timer !== undefined && timer.dueMs <= endMs; timer = this.earliest()) {
      this.timers.delete(timer);
      this.currentMs = timer.dueMs;
      timer.callback();
    }
    this.currentMs = endMs;
  }

  /** Jumps to the next timer and fires it; false when there is none. */
  advanceToNext(): boolean {
    const timer = this.earliest();
    if (timer === undefined) return false;
    this.timers.delete(timer);
    this.currentMs = timer.dueMs;
    timer.callback();
    return true;
  }

  /** Puts time back, for an explorer that tries another branch. No timer may be pending. */
  setNowMs(nowMs: number): void {
    if (this.timers.size !== 0) throw new Error("the clock cannot be set while timers are pending");
    this.currentMs = nowMs;
  }

  private earliest(): VirtualTimer | undefined {
    let earliest: VirtualTimer | undefined;
    for (const timer of this.timers) {
      const isEarlier =
        earliest === undefined ||
        timer.dueMs < earliest.dueMs ||
        (timer.dueMs === earliest.dueMs && timer.order < earliest.order);
      if (isEarlier) earliest = timer;
    }
    return earliest;
  }
}
