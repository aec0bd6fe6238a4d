/** A link between two devices within one process, which does to messages whatever a test wants done to them. */

import type { Timers } from "../services/clock.js";
import { type PeerLink, UNREAD_MAX } from "./link.js";

/** What becomes of one message on its way. */
export type MessageFate =
  | { readonly kind: "deliver" }
  | { readonly kind: "lose" }
  | { readonly kind: "repeat"; readonly times: number }
  /** Overtaken by this many later messages of its direction. */
  | { readonly kind: "overtaken"; readonly messages: number }
  | { readonly kind: "delay"; readonly delay_ms: number }
  | { readonly kind: "replace"; readonly message: Uint8Array }
  | { readonly kind: "cut" };

/** Decides on each message: its direction (0 from the first end, 1 from the second), its number, its bytes. */
export type Disturbance = (direction: 0 | 1, index: number, message: Uint8Array) => MessageFate;

const DELIVER: MessageFate = { kind: "deliver" };

class InProcessEnd implements PeerLink {
  other: InProcessEnd | undefined;
  #handler: ((message: Uint8Array) => void) | undefined;
  #closeHandler: (() => void) | undefined;
  #unread: Uint8Array[] = [];
  #closed = false;
  #sent = 0;
  #held: { message: Uint8Array; left: number }[] = [];

  constructor(
    private readonly direction: 0 | 1,
    private readonly disturbance: Disturbance | undefined,
    private readonly timers: Timers | undefined,
  ) {}

  send(message: Uint8Array): void {
    if (this.#closed) return;
    const fate = this.disturbance?.(this.direction, this.#sent, message) ?? DELIVER;
    this.#sent += 1;
    for (const entry of this.#held) entry.left -= 1;
    this.#apply(fate, message.slice());
    this.#releaseHeld();
  }

  #apply(fate: MessageFate, message: Uint8Array): void {
    switch (fate.kind) {
      case "deliver":
        this.#pass(message);
        break;
      case "lose":
        break;
      case "repeat":
        for (let i = 0; i <= fate.times; i += 1) this.#pass(message);
        break;
      case "overtaken":
        this.#held.push({ message, left: fate.messages });
        break;
      case "delay":
        if (this.timers === undefined) throw new TypeError("timers: a link that delays needs them");
        this.timers.after(fate.delay_ms, () => this.#pass(message));
        break;
      case "replace":
        this.#pass(fate.message);
        break;
      case "cut":
        this.close();
        break;
    }
  }

  #releaseHeld(): void {
    const due = this.#held.filter((entry) => entry.left <= 0);
    this.#held = this.#held.filter((entry) => entry.left > 0);
    for (const entry of due) this.#pass(entry.message);
  }

  /** A message is never delivered within the call that sends it: two ends in one process would call each other deeply. */
  #pass(message: Uint8Array): void {
    queueMicrotask(() => this.other?.receive(message));
  }

  receive(message: Uint8Array): void {
    if (this.#closed) return;
    if (this.#handler !== undefined) this.#handler(message);
    else if (this.#unread.length < UNREAD_MAX) this.#unread.push(message);
  }

  onMessage(handler: (message: Uint8Array) => void): void {
    this.#handler = handler;
    const unread = this.#unread;
    this.#unread = [];
    for (const message of unread) handler(message);
  }

  onClose(handler: () => void): void {
    if (this.#closed) handler();
    else this.#closeHandler = handler;
  }

  close(): void {
    this.closed();
    const other = this.other;
    // What was sent before arrives before the end does.
    queueMicrotask(() => other?.closed());
  }

  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeHandler?.();
  }
}

/** Two ends of a link within one process. */
export function inProcessLink(disturbance?: Disturbance, timers?: Timers): [PeerLink, PeerLink] {
  const first = new InProcessEnd(0, disturbance, timers);
  const second = new InProcessEnd(1, disturbance, timers);
  first.other = second;
  second.other = first;
  return [first, second];
}
