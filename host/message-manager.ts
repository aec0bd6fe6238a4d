/**
 * The message manager (fig. 3, 134): carries envelopes between the host, the trusted agent and the money module of one
 * device, and, over a link, the elements of the same sort in another device.
 *
 * No element trusts it, and it trusts no peer: it reads addresses and kinds, never a sealed body, drops what a peer has
 * no business to send, and repeats what was lost on the way to its own elements. It runs the timers (text at fig. 6):
 * an element that spoke to its peer and got no answer is told so, and knows what to do.
 */

import { ENVELOPE_BYTES_MAX, QUERIES_MAX } from "../firmware/protocol/limits.js";
import * as m from "../firmware/protocol/messages.js";
import { equalBytes } from "./codec/bytes.js";
import { timeoutEnvelope } from "./commands.js";
import type { PeerLink } from "./communications/link.js";
import type { Element } from "./element.js";
import { type Notice, readNotice } from "./notices.js";
import type { Timers } from "./services/clock.js";
import { StatusWordError } from "./status-words.js";

export type ElementSort = "agent" | "module";
type Address = "host" | ElementSort | "peer";

/** An envelope on its way, as a recorder sees it. */
export interface CarriedEnvelope {
  readonly from: Address;
  readonly to: Address;
  readonly element: ElementSort;
  readonly kind: number;
  readonly body: Uint8Array;
}

/** What a conversation is told: a notice, or that there is nothing more to expect of the element that `source` names. */
export type ManagerEvent =
  | { readonly kind: "notice"; readonly source: ElementSort; readonly notice: Notice }
  | { readonly kind: "link-closed"; readonly source: ElementSort; readonly link: PeerLink }
  | { readonly kind: "fault"; readonly source: ElementSort; readonly error: Error };

export interface MessageManagerParts {
  readonly agent?: Element;
  readonly module?: Element;
  readonly timers: Timers;
  /** How long an element waits for its peer before it asks again. A person may be answering a prompt at the other end. */
  readonly queryAfter_ms?: number;
  readonly recorder?: (envelope: CarriedEnvelope) => void;
}

interface Job {
  readonly to: ElementSort;
  readonly from: Address;
  readonly envelope: Uint8Array;
  readonly done?: (error: Error | undefined) => void;
}

/** State of one element as far as its host knows it. */
interface Station {
  readonly element: Element;
  /** To the element of the same sort in another device. Agent and module may be connected to different ones. */
  link: PeerLink | undefined;
  /** It spoke to its peer and has not had an answer. */
  awaiting: boolean;
  cancelTimer: (() => void) | undefined;
  lastFromPeer: Uint8Array | undefined;
  lastFromPartner: Uint8Array | undefined;
  /** How often its partner has refused what it said, since its host last gave it a command. */
  refusals: number;
  lastAnswer: readonly Uint8Array[];
}

const QUERY_AFTER_MS = 20_000;
/** Peer messages that wait for the elements; a peer that sends more than this ahead of any answer is flooding. */
const INCOMING_MAX = 32;
const ADDRESSES: ReadonlyMap<number, Address> = new Map<number, Address>([
  [m.ADDRESS_HOST, "host"],
  [m.ADDRESS_AGENT, "agent"],
  [m.ADDRESS_MODULE, "module"],
  [m.ADDRESS_PEER, "peer"],
]);
const ADDRESS_NUMBERS = new Map([...ADDRESSES].map(([number, address]) => [address, number]));
/** What a peer may send: the rest is between a host and its own elements. */
const PEER_KINDS: ReadonlySet<number> = new Set([m.KIND_HANDSHAKE, m.KIND_SEALED, m.KIND_REFUSAL]);
export class MessageManager {
  /** Messages of peers that were dropped or refused. */
  dropped = 0;
  onEvent: ((event: ManagerEvent) => void) | undefined;
  readonly #parts: MessageManagerParts;
  readonly #stations = new Map<ElementSort, Station>();
  readonly #local: Job[] = [];
  readonly #incoming: Job[] = [];
  #running = false;
  #idle: (() => void)[] = [];
  /** Elements that are being told that a link is gone. */
  readonly #endings = new Set<Promise<void>>();

  constructor(parts: MessageManagerParts) {
    this.#parts = parts;
    for (const sort of ["agent", "module"] as const) {
      const element = parts[sort];
      if (element === undefined) continue;
      const rest = {
        cancelTimer: undefined,
        lastFromPeer: undefined,
        lastFromPartner: undefined,
        refusals: 0,
        lastAnswer: [],
      };
      this.#stations.set(sort, { element, link: undefined, awaiting: false, ...rest });
    }
  }

  /** Connects an element to its peer; an earlier link of this element is closed. */
  connect(sort: ElementSort, link: PeerLink): void {
    const station = this.#stations.get(sort);
    if (station === undefined) throw new ElementMissingError(sort);
    this.disconnect(sort);
    station.link = link;
    link.onMessage((message) => this.#fromPeer(sort, station, link, message));
    link.onClose(() => {
      const ending = this.#linkClosed(sort, station, link).finally(() => this.#endings.delete(ending));
      this.#endings.add(ending);
    });
  }

  disconnect(sort: ElementSort): void {
    const station = this.#stations.get(sort);
    if (station === undefined) return;
    const { link } = station;
    station.link = undefined;
    station.lastFromPeer = undefined;
    this.#answered(station);
    link?.close();
    this.#wakeIdle();
  }

  /** Gives an element a command; resolves when the element has taken it, rejects when it refuses. */
  async command(to: ElementSort, envelope: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const done = (error: Error | undefined) => (error === undefined ? resolve() : reject(error));
      this.#local.push({ to, from: "host", envelope, done });
      this.#start();
    });
  }

  /**
   * The element's last message needs no answer: it was the last of the transaction. If it is lost the peer asks for it
   * again; this end has nothing to ask for.
   */
  expectNothing(sort: ElementSort): void {
    const station = this.#stations.get(sort);
    if (station === undefined) return;
    this.#answered(station);
    this.#wakeIdle();
  }

  /** Resolves when nothing is under way in the device and the element waits for no answer of its peer. */
  async quiet(sort: ElementSort): Promise<void> {
    const station = this.#stations.get(sort);
    while (this.#running || station?.awaiting === true) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #fromPeer(sort: ElementSort, station: Station, link: PeerLink, message: Uint8Array): void {
    if (link !== station.link) return;
    const fits = message.length >= 2 && message.length <= ENVELOPE_BYTES_MAX && PEER_KINDS.has(message[1] ?? 0);
    if (message[0] !== ADDRESS_NUMBERS.get(sort) || !fits || this.#incoming.length >= INCOMING_MAX) {
      this.dropped += 1;
      return;
    }
    const envelope = message.slice();
    envelope[0] = m.ADDRESS_PEER;
    this.#incoming.push({ to: sort, from: "peer", envelope });
    this.#start();
  }

  /** The peer is gone for good: whoever waits for it need not wait for the timers. */
  async #linkClosed(sort: ElementSort, station: Station, link: PeerLink): Promise<void> {
    if (link !== station.link) return;
    station.link = undefined;
    await this.idle();
    if (station.awaiting) await this.#endWaiting(sort);
    this.#answered(station);
    // What the modules said to each other went through the agents.
    if (sort === "agent") await this.#endWaiting("module");
    this.#wakeIdle();
    this.onEvent?.({ kind: "link-closed", source: sort, link });
  }

  /** Tells an element that no reply will come until it has given up. One that waits for nothing refuses, or says nothing. */
  async #endWaiting(sort: ElementSort): Promise<void> {
    const station = this.#stations.get(sort);
    if (station === undefined || (sort === "module" && station.link !== undefined)) return;
    for (let queries = 0; queries <= QUERIES_MAX; queries += 1) {
      this.#answered(station);
      try {
        await this.command(sort, timeoutEnvelope());
      } catch {
        return;
      }
      await this.idle();
    }
  }

  /**
   * Resolves when every element has been told of the links that are gone. What it is told so would end whatever it had begun
   * with somebody else meanwhile.
   */
  async ended(): Promise<void> {
    while (this.#endings.size > 0) await Promise.all(this.#endings);
  }

  /** Resolves when nothing is under way within the device. */
  async idle(): Promise<void> {
    while (this.#running) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    // Never within the call that brings the first envelope.
    queueMicrotask(() => void this.#run());
  }

  /** One envelope after the other; those within the device first, so that an element never waits behind a peer. */
  async #run(): Promise<void> {
    for (;;) {
      const job = this.#local.shift() ?? this.#incoming.shift();
      if (job === undefined) break;
      const carried = this.#carry(job);
      const error = carried instanceof Promise ? await carried : carried;
      if (job.done !== undefined) job.done(error);
      else if (error !== undefined) this.#failed(job, error);
    }
    this.#running = false;
    this.#wakeIdle();
  }

  #wakeIdle(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  /** Undefined, or why the envelope was not taken. Without a promise where the element's answer is there at once. */
  #carry(job: Job): Error | undefined | Promise<Error | undefined> {
    const station = this.#stations.get(job.to);
    if (station === undefined) return new ElementMissingError(job.to);
    this.#record(job.from, job.to, job.to, job.envelope);
    try {
      const answer = station.element.deliver(job.envelope);
      if (!(answer instanceof Promise)) return this.#taken(job, station, answer);
      return answer.then((late) => this.#taken(job, station, late)).catch(errorOf);
    } catch (error) {
      return errorOf(error);
    }
  }

  #taken(job: Job, station: Station, answer: readonly Uint8Array[]): undefined {
    if (job.from === "agent" || job.from === "module") station.lastFromPartner = job.envelope;
    if (job.from === "host" && job.envelope[1] === m.KIND_HOST) station.refusals = 0;
    this.#route(job, station, answer);
  }

  #route(job: Job, station: Station, answer: readonly Uint8Array[]): void {
    const before = station.lastAnswer;
    const again = isAgain(job, answer, before);
    if (job.from === "peer") {
      this.#answered(station);
      station.lastFromPeer = job.envelope;
    }
    station.lastAnswer = answer;
    for (const envelope of answer) {
      const to = ADDRESSES.get(envelope[0] ?? -1);
      if (to === undefined || envelope.length < 2) continue;
      this.#record(job.to, to, job.to, envelope);
      if (to === "host") {
        // An element that offers its last answer again repeats its notices too; the application had them already.
        if (!again || !before.some((earlier) => equalBytes(earlier, envelope))) this.#notify(job.to, envelope);
      } else if (to === "peer") this.#toPeer(job.to, station, envelope);
      else this.#toOwn(job.to, to, envelope);
    }
  }

  #notify(source: ElementSort, envelope: Uint8Array): void {
    if (envelope[1] !== m.KIND_HOST) return;
    try {
      this.onEvent?.({ kind: "notice", source, notice: readNotice(envelope.subarray(2)) });
    } catch (error) {
      this.onEvent?.({ kind: "fault", source, error: errorOf(error) });
    }
  }

  #toOwn(from: ElementSort, to: ElementSort, envelope: Uint8Array): void {
    const forwarded = envelope.slice();
    forwarded[0] = ADDRESS_NUMBERS.get(from) ?? m.ADDRESS_HOST;
    // Nothing gets lost within a device: what the partner has taken it need not take again, and two elements that answer
    // each other's repeats with repeats would never end.
    const taken = this.#stations.get(to)?.lastFromPartner;
    if (taken === undefined || !equalBytes(taken, forwarded)) this.#local.push({ to, from, envelope: forwarded });
  }

  #toPeer(sort: ElementSort, station: Station, envelope: Uint8Array): void {
    const message = envelope.slice();
    message[0] = ADDRESS_NUMBERS.get(sort) ?? m.ADDRESS_HOST;
    station.link?.send(message);
    this.#answered(station);
    station.awaiting = true;
    const after_ms = this.#parts.queryAfter_ms ?? QUERY_AFTER_MS;
    station.cancelTimer = this.#parts.timers.after(after_ms, () => this.#timeout(sort, station));
  }

  #timeout(sort: ElementSort, station: Station): void {
    if (!station.awaiting) return;
    this.#answered(station);
    this.#local.push({ to: sort, from: "host", envelope: timeoutEnvelope() });
    this.#start();
  }

  #answered(station: Station): void {
    station.awaiting = false;
    station.cancelTimer?.();
    station.cancelTimer = undefined;
  }

  /**
   * A peer's message that was refused is the peer's fault. What an element said to its partner and was refused gets no
   * reply: the element is told so, as when a peer is silent. A card that is gone is the application's concern, and nobody
   * waits for what its peer may say to it.
   */
  #failed(job: Job, error: Error): void {
    if (!(error instanceof StatusWordError)) this.#lost(job.to, error);
    else if (job.from === "agent" || job.from === "module") this.#refusedByPartner(job.from, error);
    else this.dropped += 1;
  }

  /** Nothing is waited for that could not be given to the element. */
  #lost(sort: ElementSort, error: Error): void {
    const station = this.#stations.get(sort);
    if (station !== undefined) this.#answered(station);
    this.onEvent?.({ kind: "fault", source: sort, error });
  }

  #refusedByPartner(sender: ElementSort, error: Error): void {
    const station = this.#stations.get(sender);
    if (station === undefined) return;
    if (station.refusals > QUERIES_MAX) {
      // Nothing that the timers could say helps any more: the application must not wait for it.
      this.onEvent?.({ kind: "fault", source: sender, error });
      return;
    }
    station.refusals += 1;
    this.#local.push({ to: sender, from: "host", envelope: timeoutEnvelope() });
  }

  #record(from: Address, to: Address, element: ElementSort, envelope: Uint8Array): void {
    this.#parts.recorder?.({ from, to, element, kind: envelope[1] ?? 0, body: envelope.subarray(2) });
  }
}

function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Whether the element only said again what it had said before: it was asked to, or it was told something again. */
function isAgain(job: Job, answer: readonly Uint8Array[], before: readonly Uint8Array[]): boolean {
  if (job.envelope[1] === m.KIND_TIMEOUT) return true;
  if (job.from === "host" || answer.length !== before.length) return false;
  return answer.every((envelope, i) => equalBytes(envelope, before[i] ?? new Uint8Array(0)));
}

/** The device lacks the element that a command is for. */
export class ElementMissingError extends Error {
  constructor(sort: ElementSort) {
    super(
      `This device has no ${sort === "agent" ? "trusted agent" : "money module"}. No money moved. ` +
        "Use a device that has one.",
    );
    this.name = "ElementMissingError";
  }
}
