/**
 * A card in a PC/SC reader, for this process alone. It gets power anew when it is connected and loses it when it is closed;
 * commands go to it one at a time; nothing is waited for without end.
 */

import { asError } from "../as-error.js";
import type { Timers } from "../services/clock.js";
import { type Transport, TransportError } from "../transport.js";
import { saysExtendedLength } from "./atr.js";
import {
  CardAbsentError,
  CardFaultError,
  CardInUseError,
  CardMuteError,
  CardRemovedError,
  CardResetError,
  CardServiceLostError,
  CardServiceMissingError,
  CardTimeoutError,
  ReaderLostError,
  ReaderMissingError,
} from "./card-errors.js";
import * as native from "./pcsc-native.js";

export interface PcscLimits {
  /** Longest that a reader may take for one exchange. */
  readonly answer_ms: number;
  /** A reader that another program uses is tried again for so long. */
  readonly inUse_ms: number;
  /** Between two tries. */
  readonly pause_ms: number;
}

export const PCSC_LIMITS: PcscLimits = { answer_ms: 60_000, inUse_ms: 3_000, pause_ms: 100 };

/** Where a transport has its reader from: another one after the service was restarted. */
export interface ReaderSource {
  /** The reader's name. */
  readonly name: string;
  /** An object for commands. Refuses when reader or service is not there. */
  take(): Promise<native.NativeReader>;
  /** Gives one back that is not connected. */
  give(reader: native.NativeReader): void;
  /** Answer to reset of the card that is in it. */
  atr(): Uint8Array | undefined;
}

/** Longest answers: data and status word. */
const SHORT_ANSWER = 256 + 2;
const EXTENDED_ANSWER = 65_536 + 2;
const STATUS_WORD = 2;
/** Header, Lc; what is longer than both and the data has an Le. */
const CASE_4_HEAD = 5;

let underWay = 0;

/** Whether a reader has not come back from a command: the process does not end by itself until it does, not even by process.exit. */
export function isReaderStuck(): boolean {
  return underWay > 0;
}

export class PcscTransport implements Transport {
  readonly name: string;
  readonly #source: ReaderSource;
  readonly #timers: Timers;
  readonly #limits: PcscLimits;
  #reader: native.NativeReader | undefined;
  #protocol = native.PROTOCOL_T1;
  #extendedLength = false;
  /** What ended the connection, until the next restart. */
  #lost: Error | undefined;
  #isClosed = false;
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(source: ReaderSource, timers: Timers, limits: PcscLimits) {
    this.name = source.name;
    this.#source = source;
    this.#timers = timers;
    this.#limits = limits;
  }

  /** Takes the card and restarts it. */
  static async open(source: ReaderSource, timers: Timers, limits: PcscLimits = PCSC_LIMITS): Promise<PcscTransport> {
    const transport = new PcscTransport(source, timers, limits);
    // What an earlier user left in the card goes with its power.
    await transport.#connect();
    await transport.#inTurn(() => transport.#restart());
    return transport;
  }

  get extendedLength(): boolean {
    return this.#extendedLength;
  }

  transmit(apdu: Uint8Array): Promise<Uint8Array> {
    return this.#inTurn(() => this.#transmit(apdu));
  }

  reset(): Promise<void> {
    return this.#inTurn(() => this.#restart());
  }

  close(): Promise<void> {
    if (this.#isClosed) return this.#tail.then(() => undefined);
    return this.#inTurn(async () => {
      this.#isClosed = true;
      await this.#disconnect();
    });
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #transmit(apdu: Uint8Array): Promise<Uint8Array> {
    const reader = this.#reader;
    if (reader === undefined) throw this.#lost ?? new TransportError(`${this.name} is closed.`);
    const isShort = this.#protocol === native.PROTOCOL_T0;
    const command = Buffer.from(isShort ? withoutLe(apdu) : apdu);
    const longest = this.#extendedLength ? EXTENDED_ANSWER : SHORT_ANSWER;
    try {
      const answer = await this.#bounded(
        native.promised<Uint8Array>((done) => reader.transmit(command, longest, this.#protocol, done)),
      );
      // Some drivers say that all is well when the card is taken out in mid-command.
      if (answer.length < STATUS_WORD) throw new CardFaultError(this.name, "an empty answer");
      return answer;
    } catch (error) {
      throw this.#failed(lossOf(this.name, error));
    }
  }

  /** After most failures nothing reaches the card any more; only a fault of one exchange may be over. */
  #failed(error: Error): Error {
    if (error instanceof CardFaultError) return error;
    this.#lost = error;
    // A command that hangs holds the object: whoever touches it hangs too.
    if (error instanceof CardTimeoutError) this.#reader = undefined;
    return error;
  }

  async #restart(): Promise<void> {
    if (this.#isClosed) throw new TransportError(`${this.name} is closed.`);
    await this.#disconnect();
    await this.#connect();
  }

  async #connect(): Promise<void> {
    const reader = await this.#source.take();
    const options = {
      share_mode: native.SHARE_EXCLUSIVE,
      protocol: native.PROTOCOL_T0 | native.PROTOCOL_T1,
    };
    for (let waited_ms = 0; ; waited_ms += this.#limits.pause_ms) {
      try {
        this.#protocol = await this.#bounded(native.promised<number>((done) => reader.connect(options, done)));
        break;
      } catch (error) {
        const isInUse = native.resultOf(error) === native.SHARING_VIOLATION;
        if (!isInUse || waited_ms >= this.#limits.inUse_ms) {
          const refusal = refusalOf(this.name, error);
          const isUsable = !(refusal instanceof CardTimeoutError || refusal instanceof CardServiceMissingError);
          if (isUsable) this.#source.give(reader);
          throw this.#failed(refusal);
        }
        await pause(this.#timers, this.#limits.pause_ms);
      }
    }
    this.#reader = reader;
    this.#lost = undefined;
    const atr = this.#source.atr();
    const isLong = this.#protocol === native.PROTOCOL_T1 && atr !== undefined && saysExtendedLength(atr);
    this.#extendedLength = isLong;
  }

  /** Takes the power away. An object that cannot let go, of a reader that is gone, is not used again. */
  async #disconnect(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) return;
    try {
      await this.#bounded(
        native.promised<undefined>((done) => reader.disconnect(native.UNPOWER_CARD, (e) => done(e, undefined))),
      );
      this.#source.give(reader);
    } catch (error) {
      this.#lost = lossOf(this.name, error);
    }
  }

  /** The work, or an error when it has taken too long; it may still be going on then. */
  #bounded<Result>(work: Promise<Result>): Promise<Result> {
    const { answer_ms } = this.#limits;
    underWay += 1;
    return new Promise((resolve, reject) => {
      const cancel = this.#timers.after(answer_ms, () => reject(new CardTimeoutError(this.name, answer_ms)));
      const ended = () => {
        cancel();
        underWay -= 1;
      };
      work.finally(ended).then(resolve, reject);
    });
  }
}

export function pause(timers: Timers, pause_ms: number): Promise<void> {
  return new Promise((resolve) => {
    timers.after(pause_ms, resolve);
  });
}

/** Under T=0 a command with data has no Le: the card says how much there is, and GET RESPONSE fetches it (ISO/IEC 7816-3, 12.2). */
function withoutLe(apdu: Uint8Array): Uint8Array {
  const data = apdu[4] ?? 0;
  return data > 0 && apdu.length === CASE_4_HEAD + data + 1 ? apdu.subarray(0, -1) : apdu;
}

/** Why a card could not be taken: nothing was asked of it. */
function refusalOf(reader: string, error: unknown): Error {
  if (error instanceof TransportError) return error;
  switch (native.resultOf(error)) {
    case native.SHARING_VIOLATION:
      return new CardInUseError(reader);
    case native.NO_SMARTCARD:
    case native.REMOVED_CARD:
      return new CardAbsentError(reader);
    case native.UNKNOWN_READER:
    case native.READER_UNAVAILABLE:
    case native.NO_READERS:
      return new ReaderMissingError(reader);
    case native.UNSUPPORTED_CARD:
    case native.UNRESPONSIVE_CARD:
    case native.UNPOWERED_CARD:
    case native.PROTOCOL_MISMATCH:
      return new CardMuteError(reader);
    case native.INVALID_HANDLE:
    case native.NO_SERVICE:
    case native.SERVICE_STOPPED:
      return new CardServiceMissingError(error);
    default:
      return new CardFaultError(reader, asError(error).message, { cause: error });
  }
}

/** Why an answer is lost. */
function lossOf(reader: string, error: unknown): Error {
  if (error instanceof TransportError) return error;
  const options = { cause: error };
  switch (native.resultOf(error)) {
    case native.REMOVED_CARD:
    case native.NO_SMARTCARD:
    case native.UNPOWERED_CARD:
      return new CardRemovedError(reader, options);
    case native.RESET_CARD:
      return new CardResetError(reader, options);
    case native.UNKNOWN_READER:
    case native.READER_UNAVAILABLE:
    case native.NO_READERS:
      return new ReaderLostError(reader, options);
    case native.INVALID_HANDLE:
    case native.NO_SERVICE:
    case native.SERVICE_STOPPED:
      return new CardServiceLostError(reader, options);
    default:
      return new CardFaultError(reader, asError(error).message, options);
  }
}
