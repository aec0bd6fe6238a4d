/**
 * The transactions of a CTAPHID device (11.2.5, 11.2.6, 11.2.9): channels, locks, cancelling, and what is answered to reports
 * that are out of order. A fresh `Device` is all zeros, which is what static memory holds. Times are milliseconds in 32 bits
 * that may wrap around: only differences are looked at.
 */

import {
  Assembly,
  announcedLength,
  at,
  CAPABILITIES,
  CHANNEL_BROADCAST,
  CHANNEL_NONE,
  CHANNELS_MAX,
  COMMAND_CANCEL,
  COMMAND_ERROR,
  COMMAND_INIT,
  COMMAND_KEEPALIVE,
  COMMAND_LOCK,
  COMMAND_MSG,
  COMMAND_PING,
  COMMAND_RESTART,
  channelAt,
  commandOf,
  DEVICE_VERSION_BUILD,
  DEVICE_VERSION_MAJOR,
  DEVICE_VERSION_MINOR,
  ERROR_CANCELLED,
  ERROR_CHANNEL_BUSY,
  ERROR_INVALID_CHANNEL,
  ERROR_INVALID_COMMAND,
  ERROR_INVALID_LENGTH,
  ERROR_INVALID_PARAMETER,
  ERROR_INVALID_SEQUENCE,
  ERROR_MESSAGE_TIMEOUT,
  FRAMES_MAX,
  INIT_ANSWER_BYTES,
  INITIALIZATION_BIT,
  INITIALIZATION_HEADER_BYTES,
  isInitialization,
  KEEPALIVE_INTERVAL_MS,
  LOCK_SECONDS_MAX,
  MESSAGE_BYTES_MAX,
  NONCE_BYTES,
  PROTOCOL_VERSION,
  put,
  putChannel,
  REPORT_BYTES,
  STATUS_PROCESSING,
  TRANSACTION_TIMEOUT_MS,
  writeReport,
} from "./ctaphid.js";

/**
 * One report can bring this many frames: the end of another message by its time, and what is said to the report itself. While
 * a message is coming there is so always room for its end.
 */
const FRAMES_PER_REPORT: i32 = 2;
/** Ids are handed out in order up to this one, and then from 1 again, which ends all older channels. */
const CHANNEL_LAST: i32 = 0x7fffffff;

// What a device does at a time.
export const PHASE_IDLE: i32 = 0;
/** Reports of a message have come, and not the last one. */
const PHASE_ASSEMBLING: i32 = 1;
/** A message for the card, which has not begun with it. */
export const PHASE_READY: i32 = 2;
/** The card works. */
const PHASE_WORKING: i32 = 3;
/** The card works for a host that does not want the answer any more. */
const PHASE_ABANDONED: i32 = 4;
/** Reports of an answer wait to be fetched. */
const PHASE_SENDING: i32 = 5;

/**
 * A device: one transaction at a time (11.2.5.1). Whoever drives it gives it each report that arrives, fetches the reports
 * that it wants to send, has the card do what is READY, and calls `tick` at least every KEEPALIVE_INTERVAL_MS.
 */
export class Device extends Assembly {
  message!: Uint8Array;
  frames!: Uint8Array;
  phase: i32 = 0;
  /** Of the transaction that there is. */
  channel: i32 = 0;
  /** Whole messages so far, which wraps around: two that follow each other are told apart by it. */
  messages: i32 = 0;
  /** The last sign of life in this phase. */
  since_ms: i32 = 0;
  readyAt_ms: i32 = 0;
  sent: i32 = 0;
  /** Id that was handed out last: it and the CHANNELS_MAX - 1 before it are valid. */
  lastChannel: i32 = 0;
  lockChannel: i32 = 0;
  lockedUntil_ms: i32 = 0;
  /** Whose session is in the card: the channel of its last message, until that one's lock ends. */
  cardChannel: i32 = 0;
  firstFrame: i32 = 0;
  frameCount: i32 = 0;

  /** Memory for the one message, MESSAGE_BYTES_MAX, and for frames, FRAMES_BYTES. */
  attach(message: Uint8Array, frames: Uint8Array): void {
    this.message = message;
    this.frames = frames;
  }

  /** Whether there is room for what a report may bring; else fetch reports first. */
  canTake(): boolean {
    return this.frameCount <= FRAMES_MAX - FRAMES_PER_REPORT;
  }

  /** A report from the host. One of another length is none, and one that comes while `canTake()` is false is lost. */
  take(report: Uint8Array, now_ms: i32): void {
    if (report.length !== REPORT_BYTES || !this.canTake()) return;
    this.expire(now_ms);
    if (isInitialization(report)) this.initialization(report, now_ms);
    else this.continuation(report, now_ms);
  }

  /** Lets time pass: ends what has come to a standstill, and says that the card still works. */
  tick(now_ms: i32): void {
    this.expire(now_ms);
    if (!this.isWithCard()) return;
    if (((now_ms - this.since_ms) | 0) < KEEPALIVE_INTERVAL_MS || this.frameCount === FRAMES_MAX) return;
    this.since_ms = now_ms;
    this.say(this.channel, COMMAND_KEEPALIVE, STATUS_PROCESSING);
  }

  /**
   * Whether the card must lose its power before it begins with the message: what is in it, a verified PIN above all, is
   * another's. A program that was killed has not taken it away.
   */
  isAnothers(): boolean {
    return this.phase === PHASE_READY && this.channel !== this.cardChannel;
  }

  /** The card begins with the message; from here on nobody can take it back. */
  begin(): void {
    if (this.phase !== PHASE_READY) return;
    this.phase = PHASE_WORKING;
    this.cardChannel = this.channel;
  }

  /** The card's answer of so many bytes is in `message`. */
  answer(length: i32, now_ms: i32): void {
    if (this.phase === PHASE_ABANDONED) this.phase = PHASE_IDLE;
    if (this.phase === PHASE_WORKING) this.send(length, now_ms);
  }

  /** Writes the next report for the host; false when there is none. */
  next(report: Uint8Array, now_ms: i32): boolean {
    if (this.frameCount !== 0) {
      const from: i32 = this.firstFrame * REPORT_BYTES;
      for (let i: i32 = 0; i < REPORT_BYTES; i++) put(report, i, at(this.frames, from + i));
      this.firstFrame = (this.firstFrame + 1) % FRAMES_MAX;
      this.frameCount -= 1;
      return true;
    }
    if (this.phase !== PHASE_SENDING) return false;
    this.sent = writeReport(report, this.channel, this.command, this.message, this.length, this.sent);
    this.since_ms = now_ms;
    if (this.sent === this.length) this.phase = PHASE_IDLE;
    return true;
  }

  /** A lock that is over is forgotten; so is half a message (11.2.5.2), and an answer that nobody fetches. */
  private expire(now_ms: i32): void {
    const isStill: boolean = ((now_ms - this.since_ms) | 0) >= TRANSACTION_TIMEOUT_MS;
    if (this.phase === PHASE_ASSEMBLING && isStill) {
      this.phase = PHASE_IDLE;
      this.fail(this.channel, ERROR_MESSAGE_TIMEOUT);
    } else if (this.phase === PHASE_SENDING && isStill) {
      this.phase = PHASE_IDLE;
    }
    if (!this.isWithCard() && ((now_ms - this.lockedUntil_ms) | 0) >= 0) this.unlock();
  }

  /** The session of who had the lock ends with it. */
  private unlock(): void {
    if (this.lockChannel !== CHANNEL_NONE) this.cardChannel = CHANNEL_NONE;
    this.lockChannel = CHANNEL_NONE;
  }

  private initialization(report: Uint8Array, now_ms: i32): void {
    const channel: i32 = channelAt(report, 0);
    const command: i32 = commandOf(report);
    if (!this.isValid(channel) && !(channel === CHANNEL_BROADCAST && command === COMMAND_INIT)) {
      this.fail(channel, ERROR_INVALID_CHANNEL);
    } else if (command === COMMAND_CANCEL) {
      this.cancel(channel, now_ms);
    } else if (this.isTakenFrom(channel)) {
      this.fail(channel, ERROR_CHANNEL_BUSY);
    } else if (this.phase !== PHASE_IDLE && command !== COMMAND_INIT) {
      this.interrupt(channel);
    } else {
      this.start(report, channel, command, now_ms);
    }
  }

  /** Whether another channel has a transaction or the lock (11.2.5.1, 11.2.6). */
  private isTakenFrom(channel: i32): boolean {
    if (this.phase !== PHASE_IDLE && this.channel !== channel) return true;
    return this.lockChannel !== CHANNEL_NONE && this.lockChannel !== channel;
  }

  private isValid(channel: i32): boolean {
    return channel > 0 && channel <= this.lastChannel && channel > this.lastChannel - CHANNELS_MAX;
  }

  /** Another message on the channel of a transaction: in the midst of a message it breaks the order (11.2.5.4). */
  private interrupt(channel: i32): void {
    if (this.phase !== PHASE_ASSEMBLING) {
      this.fail(channel, ERROR_CHANNEL_BUSY);
      return;
    }
    this.phase = PHASE_IDLE;
    this.fail(channel, ERROR_INVALID_SEQUENCE);
  }

  /** A new message, on a channel whose turn it is. */
  private start(report: Uint8Array, channel: i32, command: i32, now_ms: i32): void {
    const refused: i32 = refusalOf(command, announcedLength(report));
    if (refused !== 0) {
      this.fail(channel, refused);
    } else if (command === COMMAND_INIT) {
      this.initialize(report, channel, now_ms);
    } else if (command === COMMAND_LOCK) {
      this.lock(channel, at(report, INITIALIZATION_HEADER_BYTES), now_ms);
    } else {
      this.channel = channel;
      this.phase = PHASE_ASSEMBLING;
      this.since_ms = now_ms;
      this.open(report, this.message);
      this.complete(now_ms);
    }
  }

  /** Continuation packets that nothing calls for are ignored (11.2.5.4). */
  private continuation(report: Uint8Array, now_ms: i32): void {
    if (this.phase !== PHASE_ASSEMBLING || channelAt(report, 0) !== this.channel) return;
    this.since_ms = now_ms;
    if (this.append(report, this.message)) {
      this.complete(now_ms);
      return;
    }
    this.phase = PHASE_IDLE;
    this.fail(this.channel, ERROR_INVALID_SEQUENCE);
  }

  private complete(now_ms: i32): void {
    if (!this.isComplete()) return;
    this.messages = (this.messages + 1) | 0;
    this.readyAt_ms = now_ms;
    this.phase = PHASE_READY;
    if (this.command !== COMMAND_PING) return;
    this.phase = PHASE_WORKING;
    this.send(this.length, now_ms);
  }

  private send(length: i32, now_ms: i32): void {
    this.leaveCard(now_ms);
    this.phase = PHASE_SENDING;
    this.since_ms = now_ms;
    this.length = length;
    this.sent = 0;
  }

  /** While the card had a message the lock's time stood still: a slow card is not lost to another in the midst of its work. */
  private leaveCard(now_ms: i32): void {
    if (this.isWithCard()) this.lockedUntil_ms = (this.lockedUntil_ms + now_ms - this.readyAt_ms) | 0;
  }

  private isWithCard(): boolean {
    return this.phase === PHASE_READY || this.phase === PHASE_WORKING;
  }

  /** A new channel, or the channel's own once more, whatever was on it forgotten (11.2.5.3). */
  private initialize(report: Uint8Array, channel: i32, now_ms: i32): void {
    let given: i32 = channel;
    this.leaveCard(now_ms);
    if (channel === CHANNEL_BROADCAST) {
      this.lastChannel = this.lastChannel === CHANNEL_LAST ? 1 : this.lastChannel + 1;
      given = this.lastChannel;
    } else if (this.phase === PHASE_WORKING || this.phase === PHASE_ABANDONED) {
      this.phase = PHASE_ABANDONED;
    } else {
      this.phase = PHASE_IDLE;
    }
    const frame: i32 = this.frame(channel, COMMAND_INIT, INIT_ANSWER_BYTES);
    for (let i: i32 = 0; i < NONCE_BYTES; i++) put(this.frames, frame + i, at(report, INITIALIZATION_HEADER_BYTES + i));
    putChannel(this.frames, frame + 8, given);
    put(this.frames, frame + 12, PROTOCOL_VERSION);
    put(this.frames, frame + 13, DEVICE_VERSION_MAJOR);
    put(this.frames, frame + 14, DEVICE_VERSION_MINOR);
    put(this.frames, frame + 15, DEVICE_VERSION_BUILD);
    put(this.frames, frame + 16, CAPABILITIES);
  }

  /** 11.2.9.2.2. No seconds at all give the lock back. */
  private lock(channel: i32, seconds: i32, now_ms: i32): void {
    if (seconds > LOCK_SECONDS_MAX) {
      this.fail(channel, ERROR_INVALID_PARAMETER);
      return;
    }
    this.lockedUntil_ms = (now_ms + seconds * 1000) | 0;
    if (seconds === 0) this.unlock();
    else this.lockChannel = channel;
    this.frame(channel, COMMAND_LOCK, 0);
  }

  /** CANCEL itself has no answer (11.2.9.1.5). A message that the card has begun with ends as if nothing had been said. */
  private cancel(channel: i32, now_ms: i32): void {
    if (channel !== this.channel || (this.phase !== PHASE_ASSEMBLING && this.phase !== PHASE_READY)) return;
    this.leaveCard(now_ms);
    this.phase = PHASE_IDLE;
    this.fail(channel, ERROR_CANCELLED);
  }

  private fail(channel: i32, code: i32): void {
    this.say(channel, COMMAND_ERROR, code);
  }

  private say(channel: i32, command: i32, value: i32): void {
    put(this.frames, this.frame(channel, command, 1), value);
  }

  /** One more frame that waits, with data of zeros; where in `frames` its data begins. */
  private frame(channel: i32, command: i32, length: i32): i32 {
    const start: i32 = ((this.firstFrame + this.frameCount) % FRAMES_MAX) * REPORT_BYTES;
    this.frameCount += 1;
    for (let i: i32 = 0; i < REPORT_BYTES; i++) put(this.frames, start + i, 0);
    putChannel(this.frames, start, channel);
    put(this.frames, start + 4, command | INITIALIZATION_BIT);
    put(this.frames, start + 6, length);
    return start + INITIALIZATION_HEADER_BYTES;
  }
}

/** Why a device takes no message of this command and length; 0: it does. */
function refusalOf(command: i32, length: i32): i32 {
  switch (command) {
    case COMMAND_PING:
    case COMMAND_MSG:
      return length > MESSAGE_BYTES_MAX ? ERROR_INVALID_LENGTH : 0;
    case COMMAND_INIT:
      return length === NONCE_BYTES ? 0 : ERROR_INVALID_LENGTH;
    case COMMAND_LOCK:
      return length === 1 ? 0 : ERROR_INVALID_LENGTH;
    case COMMAND_RESTART:
      return length === 0 ? 0 : ERROR_INVALID_LENGTH;
    default:
      return ERROR_INVALID_COMMAND;
  }
}
