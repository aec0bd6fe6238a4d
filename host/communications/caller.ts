/**
 * Whoever opens a line is a stranger until its element has shown ours who it is. A device serves one at a time, and a stranger
 * that says nothing, or begins and does not go on, would keep it from everybody else: an element waits for its peer's first
 * message without end, and for others for as long as a person may take to answer. So a caller gets a device when it has said
 * something, and loses the line unless its session is open soon after: within `session_ms_max`, or much sooner while others wait,
 * of whom each address has one at a time at the devices (`callers.ts`).
 *
 * What holds: strangers without a chip, however many and however often they come again, delay a customer from another address by
 * what one of them may take, and one from the same address by its place in a bounded queue. What does not: behind a proxy, or one
 * router, all have one address; a customer whose handshake takes longer than `sessionAwaited_ms_max` is cut off while others
 * wait; who has many addresses delays everybody by one stranger for each, and can fill the places. Who has a chip is a customer.
 */

import { KIND_SEALED } from "../../firmware/protocol/messages.js";
import type { Timers } from "../services/clock.js";
import { type PeerLink, UNREAD_MAX } from "./link.js";

export interface CallerLimits {
  /** From the line to its first message. */
  readonly firstWord_ms_max: number;
  /** From when a device takes the call to the end of the handshake, in which no person has a part. */
  readonly session_ms_max: number;
}

export const CALLER_LIMITS: CallerLimits = { firstWord_ms_max: 10_000, session_ms_max: 15_000 };

/** Who decides whose turn it is, and is told how far a caller has got. */
export interface CallerWatch {
  /** A device has begun with it. */
  taken(): void;
  /** Its session is open: the element knows who it is. */
  known(): void;
  /** The line is gone, after its first message. */
  ended(): void;
}

const UNWATCHED: CallerWatch = { taken: () => undefined, known: () => undefined, ended: () => undefined };

/** The other end opened a line and said nothing. */
export class SilentCallerError extends Error {
  constructor() {
    super("Somebody connected, said nothing and was cut off. No money moved. Nothing need be done.");
    this.name = "SilentCallerError";
  }
}

/** The link to go on with, once the caller has said something; rejects, and closes the line, if it does not. */
export function called(
  line: PeerLink,
  timers: Timers,
  limits = CALLER_LIMITS,
  watch: CallerWatch = UNWATCHED,
): Promise<PeerLink> {
  return new Promise((resolve, reject) => {
    const caller = new Caller(line, timers, limits, watch);
    const cancel = timers.after(limits.firstWord_ms_max, () => {
      line.close();
      reject(new SilentCallerError());
    });
    line.onMessage((message) => {
      cancel();
      caller.take(message);
      resolve(caller);
    });
    line.onClose(() => {
      cancel();
      caller.ended();
      reject(new SilentCallerError());
    });
  });
}

class Caller implements PeerLink {
  #unread: Uint8Array[] = [];
  #handler: ((message: Uint8Array) => void) | undefined;
  #closeHandler: (() => void) | undefined;
  #isClosed = false;
  #cancelDeadline: (() => void) | undefined;

  constructor(
    private readonly line: PeerLink,
    private readonly timers: Timers,
    private readonly limits: CallerLimits,
    private readonly watch: CallerWatch,
  ) {}

  take(message: Uint8Array): void {
    if (this.#handler !== undefined) this.#handler(message);
    else if (this.#unread.length < UNREAD_MAX) this.#unread.push(message);
    else this.line.close();
  }

  ended(): void {
    this.#isClosed = true;
    this.#cancelDeadline?.();
    const handler = this.#closeHandler;
    this.#closeHandler = undefined;
    handler?.();
    this.watch.ended();
  }

  /** An element seals something only when it knows who is at the other end. */
  send(message: Uint8Array): void {
    if (message[1] === KIND_SEALED) {
      this.#cancelDeadline?.();
      this.watch.known();
    }
    this.line.send(message);
  }

  onMessage(handler: (message: Uint8Array) => void): void {
    this.#handler = handler;
    if (!this.#isClosed) {
      this.watch.taken();
      this.#cancelDeadline ??= this.timers.after(this.limits.session_ms_max, () => this.line.close());
    }
    for (const message of this.#unread.splice(0)) handler(message);
  }

  onClose(handler: () => void): void {
    if (this.#isClosed) handler();
    else this.#closeHandler = handler;
  }

  close(): void {
    this.#cancelDeadline?.();
    this.line.close();
  }
}
