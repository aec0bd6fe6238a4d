/**
 * A transaction device: a host with a trusted agent, a money module, or both. Applications hold one conversation at a
 * time with each: they give commands and are told notices, in order.
 */

import * as p from "../firmware/protocol/apdu.js";
import { command } from "./commands.js";
import type { PeerLink } from "./communications/link.js";
import type { Element } from "./element.js";
import {
  type CarriedEnvelope,
  ElementMissingError,
  type ElementSort,
  type ManagerEvent,
  MessageManager,
} from "./message-manager.js";
import type { Notice, NoticeName, NoticeOf } from "./notices.js";
import { ReasonError } from "./reasons.js";
import type { Clock, Timers } from "./services/clock.js";
import { StatusWordError } from "./status-words.js";

export interface DeviceParts {
  readonly name: string;
  readonly agent?: Element;
  readonly module?: Element;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly queryAfter_ms?: number;
  readonly recorder?: (envelope: CarriedEnvelope) => void;
}

/** So far this clock may be behind an issuer's. */
const CLOCK_BEHIND_SECONDS_MAX = 60n;

/** This computer's clock is earlier than a date that an issuer has signed. */
export class ClockBehindError extends Error {
  constructor(name: string, floor_seconds: bigint) {
    const date = new Date(Number(floor_seconds) * 1000).toISOString();
    super(
      `${name} knows that it is at least ${date}, and this computer's clock says less. No money moved. Set the clock.`,
    );
    this.name = "ClockBehindError";
  }
}

/** The device is in another conversation. */
export class DeviceBusyError extends Error {
  constructor(name: string) {
    super(`${name} is in the middle of another transaction. No money moved. Wait until it is done.`);
    this.name = "DeviceBusyError";
  }
}

/** Power went off in the middle of a conversation. */
export class DeviceRestartedError extends Error {
  constructor(name: string) {
    super(
      `${name} lost power in the middle of a transaction. The money is where it was, or in an open transaction; ` +
        "connect to the other device again and resume.",
    );
    this.name = "DeviceRestartedError";
  }
}

/** The other device went away. */
export class LinkClosedError extends Error {
  constructor() {
    super(
      "The connection broke. The money is where it was, or in an open transaction; connect the two devices again and resume.",
    );
    this.name = "LinkClosedError";
  }
}

/**
 * Tells an element date and time. Its floor, which only issuers' signed dates raise, may be a moment ahead of this clock,
 * because chips count whole seconds from their power-up: then the floor is the better date. `name` is for people.
 */
export async function tellTime(element: Element, clock: Clock, name: string): Promise<void> {
  const now = clock.now_seconds();
  try {
    await element.open(now);
  } catch (error) {
    if (!(error instanceof StatusWordError) || error.status !== p.SW_WRONG_DATA) throw error;
    const { clockFloor_seconds: floor } = await element.counters();
    if (floor <= now) throw error;
    if (floor - now > CLOCK_BEHIND_SECONDS_MAX) throw new ClockBehindError(name, floor);
    await element.open(floor);
  }
}

export class Device {
  readonly name: string;
  readonly parts: DeviceParts;
  readonly manager: MessageManager;
  readonly #conversations = new Map<ElementSort, Conversation>();

  constructor(parts: DeviceParts) {
    this.name = parts.name;
    this.parts = parts;
    this.manager = new MessageManager(parts);
    this.manager.onEvent = (event) => this.#tell(event);
  }

  /** An event belongs to the conversation of its element; a module's, where it has none, to that of the agent. */
  #tell(event: ManagerEvent): void {
    const other = event.source === "agent" ? "module" : "agent";
    (this.#conversations.get(event.source) ?? this.#conversations.get(other))?.take(event);
  }

  get agent(): Element {
    if (this.parts.agent === undefined) throw new ElementMissingError("agent");
    return this.parts.agent;
  }

  get module(): Element {
    if (this.parts.module === undefined) throw new ElementMissingError("module");
    return this.parts.module;
  }

  elements(): Element[] {
    return [this.parts.agent, this.parts.module].filter((element) => element !== undefined);
  }

  /** The owner's PIN and the date, to every element: after power-up, before anything else. */
  async unlock(pin: string): Promise<void> {
    for (const element of this.elements()) {
      await element.verifyPin(pin);
      await tellTime(element, this.parts.clock, this.name);
    }
  }

  /** Power off and on, and unlocked again. */
  async restart(pin: string): Promise<void> {
    this.manager.disconnect("agent");
    this.manager.disconnect("module");
    for (const [source, conversation] of this.#conversations) {
      conversation.take({ kind: "fault", source, error: new DeviceRestartedError(this.name) });
    }
    for (const element of this.elements()) await element.restart();
    await this.unlock(pin);
  }

  get isOperational(): boolean {
    return this.elements().every((element) => element.known.life === p.LIFE_OPERATIONAL);
  }

  /**
   * Holds a conversation that one element leads, from its first command to its end. Agent and module may be in one each:
   * while an agent serves a customer its module may be refilled. Whatever ends it early, an error or the application, the
   * elements are told to cancel, so that none of them waits for a host that has left.
   */
  async converse<Result>(
    link: PeerLink | undefined,
    sort: ElementSort,
    work: (conversation: Conversation) => Promise<Result>,
  ): Promise<Result> {
    if (this.#conversations.has(sort)) throw new DeviceBusyError(this.name);
    const conversation = new Conversation(this.manager, sort, link);
    this.#conversations.set(sort, conversation);
    this.manager.disconnect(sort);
    try {
      await this.manager.ended();
      return await work(conversation);
    } catch (error) {
      await this.manager.command(sort, command.cancel()).catch(() => undefined);
      // Whoever is at the other end need not wait for somebody who has left.
      this.manager.disconnect(sort);
      throw error;
    } finally {
      this.#conversations.delete(sort);
    }
  }
}

export interface SourcedNotice {
  readonly source: ElementSort;
  readonly notice: Notice;
}

/** Commands to the device's elements and their notices, in order, while one transaction lasts. */
export class Conversation {
  readonly #manager: MessageManager;
  readonly #sort: ElementSort;
  readonly #link: PeerLink | undefined;
  readonly #events: ManagerEvent[] = [];
  #wake: (() => void) | undefined;
  #connected = false;

  constructor(manager: MessageManager, sort: ElementSort, link: PeerLink | undefined) {
    this.#manager = manager;
    this.#sort = sort;
    this.#link = link;
  }

  take(event: ManagerEvent): void {
    // The end of an earlier conversation's link may be noticed only now.
    if (event.kind === "link-closed" && event.link !== this.#link) return;
    this.#events.push(event);
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Gives the element that leads this conversation a command, or another one of the device. */
  async command(envelope: Uint8Array, to: ElementSort = this.#sort): Promise<void> {
    this.#connect();
    await this.#manager.command(to, envelope);
  }

  /** Prepares the element before the peer's first message can reach it. */
  async prepare(envelope: Uint8Array): Promise<void> {
    await this.#manager.command(this.#sort, envelope);
    this.#connect();
  }

  #connect(): void {
    if (this.#connected || this.#link === undefined) return;
    this.#connected = true;
    this.#manager.connect(this.#sort, this.#link);
  }

  /** The next notice. A fault of the device, or a link that broke, is thrown. */
  async next(): Promise<SourcedNotice> {
    while (this.#events.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const event = this.#events.shift() as ManagerEvent;
    if (event.kind === "fault") throw event.error;
    if (event.kind === "link-closed") throw new LinkClosedError();
    return event;
  }

  /** Waits until the element waits for no answer of its peer: the last message has arrived. */
  quiet(): Promise<void> {
    return this.#manager.quiet(this.#sort);
  }

  /** The element has said its last word: no answer comes to it, and none is asked for. */
  expectNothing(): void {
    this.#manager.expectNothing(this.#sort);
  }

  /** Waits until everything that is under way within the device is done. */
  idle(): Promise<void> {
    return this.#manager.idle();
  }

  /**
   * Hangs up. The side that the last message of a protocol goes to does so, when it has it: the other stays to send it
   * again. Until then a link stays connected beyond its conversation.
   */
  close(): void {
    this.#manager.disconnect(this.#sort);
  }

  /** Notices that are there already, without waiting. */
  drain(): SourcedNotice[] {
    const notices: SourcedNotice[] = [];
    for (const event of this.#events.splice(0)) if (event.kind === "notice") notices.push(event);
    return notices;
  }

  /** Waits for a notice of this name; others are skipped, an abort is thrown. */
  async expect<Name extends NoticeName>(name: Name): Promise<NoticeOf<Name>> {
    for (;;) {
      const { notice } = await this.next();
      if (notice.name === name) return notice as NoticeOf<Name>;
      if (notice.name === "aborted") throw new ReasonError(notice.reason, notice.byPeer);
    }
  }
}
