/**
 * The strangers before a server, in a fair queue: `caller.ts` says when a line may have a device, this says whose turn it is.
 *
 * 1. Of one address at most one caller whose session is not open has a device, or waits in the line for one; the others of that
 *    address wait here, in the order in which they said their first word. What is behind serves in turn, so addresses alternate.
 * 2. While anybody else waits, a caller that has a device and no session loses its line after `sessionAwaited_ms_max`; alone it
 *    may take `session_ms_max`.
 * 3. A bounded number of strangers is there, of one address and in all. Whoever comes then is told that the server is busy.
 *
 * So whoever comes from an address of its own waits for one stranger of each other address (and lane), and whoever shares an
 * address also for those of it that came before: each costs `sessionAwaited_ms_max` at most. With these limits that is 2 s beside
 * one such address; among strangers of its own address a customer's element gives up, after 80 s, when 40 of them came before.
 * Customers with sessions are not hurried; what is waited for them is what it was.
 */

import type { Timers } from "../services/clock.js";
import { CALLER_LIMITS, type CallerLimits, called } from "./caller.js";
import type { PeerLink } from "./link.js";

export interface CallersLimits extends CallerLimits {
  /** As `session_ms_max`, while somebody else waits. */
  readonly sessionAwaited_ms_max: number;
  /** Lines without a session: of one address, and in all. */
  readonly perAddress_max: number;
  readonly strangers_max: number;
}

/** A crowd behind one address is no attack; fewer than the connections there may be, of which lines that lost theirs need some. */
export const CALLERS_LIMITS: CallersLimits = {
  ...CALLER_LIMITS,
  sessionAwaited_ms_max: 2_000,
  perAddress_max: 56,
  strangers_max: 192,
};

/** A line whose session is not open. */
class Stranger {
  /** It waits for its turn here, or behind for a device. */
  waits = false;
  /** It has had a device for longer than it may while somebody else waits. */
  isOverdue = false;
  isGone = false;
  cancelGrace: (() => void) | undefined;
  /** Its turn has come, or it has gone. */
  wake: (() => void) | undefined;

  constructor(
    readonly line: PeerLink,
    readonly address: string,
    readonly queue: string,
  ) {}
}

export class Callers {
  readonly #strangers = new Set<Stranger>();
  /** By queue: the one whose turn it is, and then those that wait for theirs. */
  readonly #queues = new Map<string, Stranger[]>();

  constructor(
    private readonly timers: Timers,
    private readonly limits: CallersLimits = CALLERS_LIMITS,
  ) {}

  /** Whether one more line from there may come in. */
  hasRoom(address: string): boolean {
    const { perAddress_max, strangers_max } = this.limits;
    let fromThere = 0;
    for (const stranger of this.#strangers) if (stranger.address === address) fromThere += 1;
    return this.#strangers.size < strangers_max && fromThere < perAddress_max;
  }

  /**
   * Serves the caller when its turn has come, if it has said something by then and is still there. Resolves when the work has
   * ended. `lane`: what is served by other devices, or may have to wait for one of them, has a queue of its own.
   */
  async serve(
    line: PeerLink,
    address: string,
    work: (link: PeerLink) => void | Promise<void>,
    lane = "",
  ): Promise<void> {
    const stranger = new Stranger(line, address, `${lane} ${address}`);
    this.#strangers.add(stranger);
    try {
      // One that says nothing is nobody's fault here.
      const link = await called(line, this.timers, this.limits, {
        taken: () => this.#taken(stranger),
        known: () => this.#leave(stranger),
        ended: () => this.#ended(stranger),
      }).catch(() => undefined);
      if (link === undefined || stranger.isGone) return;
      await this.#turn(stranger);
      if (!stranger.isGone) await work(link);
    } finally {
      // Not as soon as the line ends: until it is found to be dead it is in the way behind.
      this.#leave(stranger);
    }
  }

  #turn(stranger: Stranger): Promise<void> {
    stranger.waits = true;
    this.#hurry();
    const queue = this.#queues.get(stranger.queue);
    if (queue === undefined) {
      this.#queues.set(stranger.queue, [stranger]);
      return Promise.resolve();
    }
    queue.push(stranger);
    return new Promise((resolve) => {
      stranger.wake = resolve;
    });
  }

  /** A device has begun with it. */
  #taken(stranger: Stranger): void {
    if (!this.#strangers.has(stranger) || stranger.cancelGrace !== undefined) return;
    stranger.waits = false;
    stranger.cancelGrace = this.timers.after(this.limits.sessionAwaited_ms_max, () => {
      stranger.isOverdue = true;
      this.#hurry();
    });
  }

  #ended(stranger: Stranger): void {
    stranger.isGone = true;
    stranger.waits = false;
    stranger.wake?.();
  }

  /** It is no stranger any more, or no longer there. */
  #leave(stranger: Stranger): void {
    if (!this.#strangers.delete(stranger)) return;
    stranger.waits = false;
    stranger.cancelGrace?.();
    const queue = this.#queues.get(stranger.queue) ?? [];
    const place = queue.indexOf(stranger);
    if (place < 0) return;
    queue.splice(place, 1);
    if (queue.length === 0) this.#queues.delete(stranger.queue);
    else if (place === 0) queue[0]?.wake?.();
  }

  #hurry(): void {
    if (![...this.#strangers].some(({ waits }) => waits)) return;
    for (const stranger of this.#strangers) if (stranger.isOverdue) stranger.line.close();
  }
}
