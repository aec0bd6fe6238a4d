/**
 * A line: a link between devices on two hosts that outlives the connection that carries it.
 *
 * The messages of each direction are numbered, kept until the other end has acknowledged them, and sent again over the next
 * connection; what comes twice is dropped. So every message arrives once and in order, or the line closes. Who connects
 * connects again, who listens waits; both for so long and no longer.
 *
 * The line protects nothing. It neither encrypts nor knows who is at its other end, and whoever carries it can read, alter,
 * repeat or replace what is on it; the sessions of the elements above find that out. The untrusted network and host can
 * only delay or drop.
 */

import { channel } from "node:diagnostics_channel";
import { ENVELOPE_BYTES_MAX } from "../../firmware/protocol/limits.js";
import { asError } from "../as-error.js";
import { assertBytes } from "../codec/bytes.js";
import type { Timers } from "../services/clock.js";
import { LineBrokenError, LineMisusedError } from "./errors.js";
import { decodeFrame, encodeFrame, type Frame, INDEX_MAX, type Refusal } from "./frames.js";
import { type PeerLink, UNREAD_MAX } from "./link.js";
import type { Wire, WireEvents } from "./wire.js";

export interface LineLimits {
  /** Between two signs of life. */
  readonly heartbeat_ms: number;
  /** So many without an answer, and the connection is taken for dead. */
  readonly heartbeatsMissed_max: number;
  /** How long a line waits for its next connection. */
  readonly giveUpAfter_ms: number;
  /** The same, while somebody else is there who may be waiting for this line to end. */
  readonly giveUpAwaitedAfter_ms: number;
  /** How long a line that was closed here tries to get across what was sent before. */
  readonly closeWithin_ms: number;
  /** Messages that were sent and not acknowledged. */
  readonly unacknowledged_max: number;
  /** Messages that came before anybody listened. */
  readonly unread_max: number;
  /** Frames of any kind from the other end within a second. */
  readonly framesPerSecond_max: number;
  /** What the other end does not read. */
  readonly buffered_bytes_max: number;
}

export const LINE_LIMITS: LineLimits = {
  heartbeat_ms: 10_000,
  heartbeatsMissed_max: 2,
  giveUpAfter_ms: 60_000,
  giveUpAwaitedAfter_ms: 5_000,
  closeWithin_ms: 5_000,
  unacknowledged_max: 64,
  unread_max: UNREAD_MAX,
  framesPerSecond_max: 1_000,
  buffered_bytes_max: 1 << 20,
};

const SECOND_MS = 1_000;

/** Told each time a data frame is handed to a connection, just before. */
export const ENVELOPE_CHANNEL = "tallystick:envelope";
const envelopes = channel(ENVELOPE_CHANNEL);

export interface SentEnvelope {
  readonly line: Line;
  readonly index: number;
  /** It was on an earlier connection already. */
  readonly again: boolean;
}

export interface LineParts {
  readonly timers: Timers;
  readonly limits: LineLimits;
  readonly token: Uint8Array;
  /** The connection is gone; the line waits for the next one. */
  readonly onDetached?: () => void;
  /** The line is over, for both ends or for this one. Told once. */
  readonly onOver?: () => void;
}

/** `open` until either end closes it; `closing` while what was sent before gets across; then `over`. */
type State = "open" | "closing" | "over";

export class Line implements PeerLink {
  readonly token: Uint8Array;
  /** Why it ended, if it was not closed orderly. */
  fault: Error | undefined;
  readonly #parts: LineParts;
  #state: State = "open";
  #isNew = true;
  #wire: Wire | undefined;
  #handler: ((message: Uint8Array) => void) | undefined;
  #closeHandler: (() => void) | undefined;
  #unread: Uint8Array[] = [];
  /** Sent and not acknowledged; the first has the number `#base`. */
  #unacknowledged: Uint8Array[] = [];
  #base = 0;
  /** Number up to which messages have been on some connection. */
  #transmitted = 0;
  #expected = 0;
  #isHurried = false;
  #acknowledgementDue = false;
  #missed = 0;
  #frames = 0;
  #cancelHeartbeat: (() => void) | undefined;
  #cancelSecond: (() => void) | undefined;
  #cancelDeadline: (() => void) | undefined;

  constructor(parts: LineParts) {
    this.#parts = parts;
    this.token = parts.token;
    this.#waitForNext(parts.limits.giveUpAfter_ms);
  }

  /** Number of the next message that this end has not got. */
  get expected(): number {
    return this.#expected;
  }

  /** It has had no connection yet. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** How many messages have got across, in both directions. */
  get progress(): number {
    return this.#base + this.#expected;
  }

  get isAttached(): boolean {
    return this.#wire !== undefined;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get isOver(): boolean {
    return this.#state === "over";
  }

  // A link.

  send(message: Uint8Array): void {
    assertBytes(message, "message");
    if (message.length > ENVELOPE_BYTES_MAX) throw new RangeError(`message: at most ${ENVELOPE_BYTES_MAX} bytes`);
    if (this.#state !== "open") return;
    const index = this.#base + this.#unacknowledged.length;
    if (this.#unacknowledged.length >= this.#parts.limits.unacknowledged_max || index >= INDEX_MAX) {
      this.#refuse("flood", "the other side takes no more messages");
      return;
    }
    this.#unacknowledged.push(message.slice());
    this.#transmit(index);
  }

  onMessage(handler: (message: Uint8Array) => void): void {
    this.#handler = handler;
    const unread = this.#unread;
    this.#unread = [];
    for (const message of unread) if (!this.#give(message)) break;
  }

  onClose(handler: () => void): void {
    if (this.#state === "open") this.#closeHandler = handler;
    else handler();
  }

  /**
   * What was sent before still gets across, over the next connection if this one breaks, and after it the end of the line; the
   * other end answers with its own. All that within a short time, or not at all.
   */
  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#cancelDeadline?.();
    this.#cancelDeadline = this.#parts.timers.after(this.#parts.limits.closeWithin_ms, () => this.#over());
    this.#put({ kind: "end" });
    this.#tellClosed();
  }

  /** Ends it at once: what was sent may be lost. */
  abandon(fault: Error): void {
    this.#put({ kind: "refused", reason: "fault" });
    this.#over(fault);
  }

  // Its connections.

  /** Somebody else is there: without a connection this line need not wait for as long as it might. */
  hurry(): void {
    const { giveUpAfter_ms, giveUpAwaitedAfter_ms } = this.#parts.limits;
    if (this.#state !== "open" || this.isAttached || this.#isNew || giveUpAwaitedAfter_ms >= giveUpAfter_ms) return;
    if (this.#isHurried) return;
    this.#isHurried = true;
    this.#waitForNext(giveUpAwaitedAfter_ms);
  }

  /**
   * Whether a connection whose other end has got messages up to `peerExpects` can go on with this line. One that has got less
   * than it had acknowledged is an old one that was late.
   */
  fits(peerExpects: number): boolean {
    return peerExpects >= this.#base && peerExpects <= this.#transmitted && this.#state !== "over";
  }

  /** Goes on over this connection; the one before is dropped. Both ends have said hello. */
  attach(wire: Wire, peerExpects: number): void {
    if (!this.fits(peerExpects)) throw new RangeError("peerExpects: not a number that the other end can have got to");
    this.#wire?.drop();
    this.#wire = wire;
    this.#isNew = false;
    if (this.#state === "open") {
      this.#cancelDeadline?.();
      this.#cancelDeadline = undefined;
      this.#isHurried = false;
    }
    wire.listen(this.#eventsOf(wire));
    this.#missed = 0;
    this.#beatLater();
    this.#acknowledged(peerExpects);
    for (let i = 0; i < this.#unacknowledged.length; i += 1) this.#transmit(this.#base + i);
    if (this.#state === "closing") this.#put({ kind: "end" });
  }

  #eventsOf(wire: Wire): WireEvents {
    const guarded = (work: () => void) => {
      if (wire === this.#wire && this.#counted()) work();
    };
    return {
      frame: (bytes) => guarded(() => this.#take(bytes)),
      life: () => guarded(() => undefined),
      gone: () => {
        if (wire === this.#wire) this.#detached();
      },
    };
  }

  #detached(): void {
    this.#wire = undefined;
    this.#cancelHeartbeat?.();
    if (this.#state === "open") this.#waitForNext(this.#parts.limits.giveUpAfter_ms);
    if (this.#state !== "over") this.#parts.onDetached?.();
  }

  #waitForNext(wait_ms: number): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = this.#parts.timers.after(wait_ms, () => this.#over(new LineBrokenError(wait_ms)));
  }

  /** The other end may be there still, and the next connection may be better. */
  #dropWire(): void {
    this.#wire?.drop();
    this.#detached();
  }

  // What comes.

  #take(bytes: Uint8Array): void {
    let frame: Frame;
    try {
      frame = decodeFrame(bytes);
    } catch {
      this.#dropWire();
      return;
    }
    switch (frame.kind) {
      case "data":
        this.#takeMessage(frame.index, frame.message);
        break;
      case "acknowledgement":
        if (frame.expected > this.#transmitted) this.#dropWire();
        else this.#acknowledged(frame.expected);
        break;
      case "end":
        this.#peerEnded();
        break;
      case "refused":
        this.#over(new LineMisusedError(`the other side refused it (${frame.reason})`));
        break;
      case "hello":
        this.#dropWire(); // One is enough.
        break;
    }
  }

  #takeMessage(index: number, message: Uint8Array): void {
    if (index > this.#expected) {
      this.#dropWire(); // A connection keeps the order; whoever is at its other end does not.
      return;
    }
    this.#acknowledgeSoon();
    if (index < this.#expected) return;
    this.#expected += 1;
    if (this.#state !== "open") return;
    if (this.#handler !== undefined) this.#give(message);
    else if (this.#unread.length < this.#parts.limits.unread_max) this.#unread.push(message);
    else this.#refuse("flood", "the other side sent more than anybody reads");
  }

  /** A fault of whoever takes messages ends this line and touches no other. */
  #give(message: Uint8Array): boolean {
    try {
      this.#handler?.(message);
      return true;
    } catch (error) {
      this.#refuse("fault", "a message could not be taken here", error);
      return false;
    }
  }

  /** Messages that came together are acknowledged together. */
  #acknowledgeSoon(): void {
    if (this.#acknowledgementDue) return;
    this.#acknowledgementDue = true;
    queueMicrotask(() => {
      this.#acknowledgementDue = false;
      this.#put({ kind: "acknowledgement", expected: this.#expected });
    });
  }

  #acknowledged(expected: number): void {
    const count = expected - this.#base;
    if (count <= 0) return;
    this.#unacknowledged.splice(0, count);
    this.#base = expected;
  }

  #peerEnded(): void {
    if (this.#state === "open") this.#put({ kind: "end" });
    this.#over();
  }

  /** Whether what came is within what may come; each sign of life counts. */
  #counted(): boolean {
    const { limits, timers } = this.#parts;
    this.#missed = 0;
    this.#frames += 1;
    this.#cancelSecond ??= timers.after(SECOND_MS, () => {
      this.#cancelSecond = undefined;
      this.#frames = 0;
    });
    const { buffered_bytes = 0 } = this.#wire ?? {};
    if (this.#frames <= limits.framesPerSecond_max && buffered_bytes <= limits.buffered_bytes_max) return true;
    this.#refuse("flood", "the other side sent too much too fast");
    return false;
  }

  // What goes.

  #transmit(index: number): void {
    const message = this.#unacknowledged[index - this.#base];
    if (this.#wire === undefined || message === undefined) return;
    const again = index < this.#transmitted;
    this.#transmitted = Math.max(this.#transmitted, index + 1);
    if (envelopes.hasSubscribers) envelopes.publish({ line: this, index, again } satisfies SentEnvelope);
    this.#put({ kind: "data", index, message });
  }

  #put(frame: Frame): void {
    this.#wire?.send(encodeFrame(frame));
  }

  #beatLater(): void {
    const { timers, limits } = this.#parts;
    this.#cancelHeartbeat?.();
    this.#cancelHeartbeat = timers.after(limits.heartbeat_ms, () => this.#beat());
  }

  #beat(): void {
    const { heartbeatsMissed_max, buffered_bytes_max } = this.#parts.limits;
    const isChoked = (this.#wire?.buffered_bytes ?? 0) > buffered_bytes_max;
    if (this.#missed >= heartbeatsMissed_max || isChoked) {
      this.#dropWire();
      return;
    }
    this.#missed += 1;
    this.#wire?.ping();
    this.#beatLater();
  }

  // Its end.

  /** Ends the line for both ends: the other one is told why. */
  #refuse(reason: Refusal, what: string, cause?: unknown): void {
    this.#put({ kind: "refused", reason });
    const fault = new LineMisusedError(what);
    if (cause !== undefined) fault.cause = cause;
    this.#over(fault);
  }

  #over(fault?: Error): void {
    if (this.#state === "over") return;
    const wasOpen = this.#state === "open";
    if (wasOpen) this.fault = fault;
    this.#state = "over";
    for (const cancel of [this.#cancelHeartbeat, this.#cancelSecond, this.#cancelDeadline]) cancel?.();
    const wire = this.#wire;
    this.#wire = undefined;
    wire?.finish();
    this.#unacknowledged = [];
    if (wasOpen) this.#tellClosed();
    this.#parts.onOver?.();
  }

  #tellClosed(): void {
    const handler = this.#closeHandler;
    this.#closeHandler = undefined;
    try {
      handler?.();
    } catch (error) {
      this.fault ??= asError(error);
    }
  }
}
