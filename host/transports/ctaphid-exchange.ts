/** One message to a CTAPHID device, and what comes back: its answer, an error, or nothing within the time that there is. */

import {
  Assembly,
  announcedLength,
  COMMAND_ERROR,
  COMMAND_INIT,
  COMMAND_KEEPALIVE,
  channelAt,
  commandOf,
  ERROR_CANCELLED,
  INIT_ANSWER_BYTES,
  INITIALIZATION_HEADER_BYTES,
  isInitialization,
  MESSAGE_BYTES_MAX,
  NONCE_BYTES,
  REPORT_BYTES,
} from "../../firmware/usb/ctaphid.js";
import { equalBytes } from "../codec/bytes.js";
import type { Timers } from "../services/clock.js";
import { CommandCancelledError, UsbMuteError, UsbProtocolError, UsbRefusedError } from "./hid-errors.js";

/** Time that only passes, and timers that follow it. */
export interface LineTime extends Timers {
  now_ms(): number;
}

/** An answer to INIT, or the next report of any answer, comes within this time. */
const REPORT_WAIT_MS = 1000;
/** Of a card that works a keepalive or the answer comes within this time. */
const SIGN_OF_LIFE_WAIT_MS = 3000;
/** However alive the device says it is: no command takes longer. */
export const EXCHANGE_MS_MAX = 60_000;

/** For an ERROR frame without a code (11.2.9.1.6, ERR_OTHER). */
const ERROR_OTHER = 0x7f;

export interface Request {
  readonly channel: number;
  readonly command: number;
  /** INIT's: an answer with another one is another program's. */
  readonly nonce?: Uint8Array;
}

export class Exchange {
  /** Settles within EXCHANGE_MS_MAX, whatever the device does. */
  readonly done: Promise<Uint8Array>;
  readonly #name: string;
  readonly #time: LineTime;
  readonly #request: Request;
  readonly #assembly = new Assembly();
  readonly #message = new Uint8Array(MESSAGE_BYTES_MAX);
  readonly #stopLast: () => void;
  #stopWaiting: () => void = () => undefined;
  #succeed: (answer: Uint8Array) => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;
  #isOver = false;
  #isAnswering = false;
  #firstKeepalive_ms: number | undefined;
  #lastKeepalive_ms = 0;

  /** `name` is the device's, for people. */
  constructor(name: string, time: LineTime, request: Request) {
    this.#name = name;
    this.#time = time;
    this.#request = request;
    this.done = new Promise((resolve, reject) => {
      this.#succeed = resolve;
      this.#fail = reject;
    });
    // Whoever began it may be busy writing when it fails, and looks later.
    this.done.catch(() => undefined);
    this.#stopLast = time.after(EXCHANGE_MS_MAX, () => this.fail(new UsbMuteError(name)));
  }

  get channel(): number {
    return this.#request.channel;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** So long, at least, the card was at work: from the first keepalive to the last. */
  get worked_ms(): number {
    return this.#lastKeepalive_ms - (this.#firstKeepalive_ms ?? this.#lastKeepalive_ms);
  }

  /** Whether it is a message that the card may not have begun with. */
  get mayBeCancelled(): boolean {
    return this.#request.nonce === undefined && !this.#isAnswering;
  }

  /** The whole message has been written: the device's turn. */
  written(): void {
    if (this.#isOver || this.#isAnswering) return;
    this.#wait(this.#request.nonce === undefined ? SIGN_OF_LIFE_WAIT_MS : REPORT_WAIT_MS);
  }

  fail(error: Error): void {
    this.#end();
    this.#fail(error);
  }

  /** A report from the device, whatever it is about. */
  take(report: Uint8Array): void {
    if (this.#isOver || report.length !== REPORT_BYTES || channelAt(report, 0) !== this.#request.channel) return;
    if (!isInitialization(report)) this.#continuation(report);
    else if (commandOf(report) === COMMAND_ERROR) this.#refused(report);
    else if (this.#request.nonce !== undefined) this.#initAnswer(report, this.#request.nonce);
    else this.#initialization(report);
  }

  #end(): void {
    this.#isOver = true;
    this.#stopWaiting();
    this.#stopLast();
  }

  #answered(data: Uint8Array): void {
    this.#end();
    this.#succeed(data);
  }

  #wait(wait_ms: number): void {
    this.#stopWaiting();
    this.#stopWaiting = this.#time.after(wait_ms, () => this.fail(new UsbMuteError(this.#name)));
  }

  #broken(what: string): void {
    this.fail(new UsbProtocolError(this.#name, what));
  }

  #refused(report: Uint8Array): void {
    const code = announcedLength(report) === 0 ? ERROR_OTHER : (report[INITIALIZATION_HEADER_BYTES] as number);
    const isCancelled = code === ERROR_CANCELLED;
    this.fail(isCancelled ? new CommandCancelledError(this.#name) : new UsbRefusedError(this.#name, code));
  }

  /** Other programs' INITs are answered on the same channel. */
  #initAnswer(report: Uint8Array, nonce: Uint8Array): void {
    if (commandOf(report) !== COMMAND_INIT || announcedLength(report) < INIT_ANSWER_BYTES) return;
    const data = report.slice(INITIALIZATION_HEADER_BYTES, INITIALIZATION_HEADER_BYTES + INIT_ANSWER_BYTES);
    if (equalBytes(data.subarray(0, NONCE_BYTES), nonce)) this.#answered(data);
  }

  #initialization(report: Uint8Array): void {
    const command = commandOf(report);
    if (this.#isAnswering) this.#broken("a message began in the midst of another");
    else if (command === COMMAND_KEEPALIVE) this.#alive();
    else if (command !== this.#request.command) this.#broken("the answer to something else");
    else if (announcedLength(report) > MESSAGE_BYTES_MAX) this.#broken("an answer longer than any message");
    else {
      this.#isAnswering = true;
      this.#assembly.open(report, this.#message);
      this.#progress();
    }
  }

  #alive(): void {
    this.#lastKeepalive_ms = this.#time.now_ms();
    this.#firstKeepalive_ms ??= this.#lastKeepalive_ms;
    this.#wait(SIGN_OF_LIFE_WAIT_MS);
  }

  /** One that nothing calls for is ignored, as the device does. */
  #continuation(report: Uint8Array): void {
    if (!this.#isAnswering) return;
    if (this.#assembly.append(report, this.#message)) this.#progress();
    else this.#broken("a part of its answer was lost on the way");
  }

  #progress(): void {
    if (this.#assembly.isComplete()) this.#answered(this.#message.slice(0, this.#assembly.length));
    else this.#wait(REPORT_WAIT_MS);
  }
}
