/**
 * A chip on a serial line (docs/READERS.md), for this process alone: messages in frames, one at a time. The card gets power anew when
 * it is connected and loses it when it is closed; nothing is waited for without end.
 */

import { SW_WRONG_LENGTH } from "../../firmware/protocol/apdu.js";
import { type RandomSource, randomBytes, systemRandom } from "../randomness.js";
import { systemTimers, type Timers } from "../services/clock.js";
import { type RandomOrigin, type Transport, TransportError } from "../transport.js";
import { readAtr, saysExtendedLength } from "./atr.js";
import { CardTimeoutError, ReaderMissingError } from "./card-errors.js";
import { SerialGoneError, SerialPowerLostError, SerialProtocolError } from "./serial-errors.js";
import { CONTROL_ATR, CONTROL_BOARD, CONTROL_POWER_OFF, CONTROL_POWER_ON } from "./serial-frames.js";
import { QuestionLine, type SerialLine } from "./serial-line.js";

export interface SerialLimits {
  /** Longest that a command may take, with its way there and back. */
  readonly answer_ms: number;
  /** Longest until a board that was given power answers: one that was just plugged in, or ends what another asked. */
  readonly begin_ms: number;
  /** Until then it is asked again this often, for it may have missed a question. */
  readonly again_ms: number;
}

export const SERIAL_LIMITS: SerialLimits = { answer_ms: 60_000, begin_ms: 4_000, again_ms: 1_000 };

/** Where a transport has its line from: another one after it ended. */
export interface SerialSource {
  /** For people: the port's name. */
  readonly name: string;
  open(): Promise<SerialLine>;
  /** What it means when nobody answers on a line that was just opened. */
  noAnswer(): Error;
}

export interface SerialTransportParts {
  readonly timers?: Timers;
  readonly random?: RandomSource;
  readonly limits?: SerialLimits;
}

/** A command that no applet knows. */
const NO_COMMAND = Uint8Array.of(0, 0, 0, 0);
const POWER_OFF_TRIES = 3;

/** By number, as boards say it (hardware/boards/board.h). */
const ORIGINS: readonly RandomOrigin[] = ["none", "seeded", "fit"];

/** Those that are connected. */
const connected = new Set<SerialTransport>();

/**
 * Takes the power from every card that this process has on a serial line, and waits for no answer: for a process that is ended in the
 * middle of something. A board does not notice that its host is gone, and would keep a verified PIN for whoever comes.
 */
export async function powerOffSerialCards(timers: Timers = systemTimers): Promise<void> {
  let cancel: () => void = () => undefined;
  const isLate = new Promise<void>((resolve) => {
    cancel = timers.after(SERIAL_LIMITS.again_ms, resolve);
  });
  await Promise.race([isLate, Promise.all([...connected].map((transport) => transport.abandon()))]);
  cancel();
}

function isAtr(answer: Uint8Array): boolean {
  return readAtr(answer).convention !== undefined;
}

export class SerialTransport implements Transport {
  readonly name: string;
  readonly #source: SerialSource;
  readonly #timers: Timers;
  readonly #random: RandomSource;
  readonly #limits: SerialLimits;
  #line: QuestionLine | undefined;
  #extendedLength = false;
  /** What ended the session, until the next restart. */
  #lost: Error | undefined;
  #isClosed = false;
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(source: SerialSource, { timers, random, limits }: SerialTransportParts) {
    this.name = source.name;
    this.#source = source;
    this.#timers = timers ?? systemTimers;
    this.#random = random ?? systemRandom;
    this.#limits = limits ?? SERIAL_LIMITS;
  }

  /** Opens the line and restarts the card: what an earlier user left in it goes with its power. */
  static async open(source: SerialSource, parts: SerialTransportParts = {}): Promise<SerialTransport> {
    const transport = new SerialTransport(source, parts);
    try {
      await transport.#inTurn(() => transport.#restart());
      connected.add(transport);
    } catch (error) {
      // Nothing was asked of its card yet.
      throw error instanceof SerialGoneError ? new ReaderMissingError(source.name, { cause: error }) : error;
    }
    return transport;
  }

  get extendedLength(): boolean {
    return this.#extendedLength;
  }

  transmit(apdu: Uint8Array): Promise<Uint8Array> {
    // On the line a message of one byte is a control; every card answers so to less than a header.
    if (apdu.length === 1) return Promise.resolve(Uint8Array.of(SW_WRONG_LENGTH >> 8, SW_WRONG_LENGTH & 0xff));
    const command = apdu.slice();
    return this.#inTurn(async () => {
      const answer = await this.#exchange(command);
      if (answer.length === 0) throw this.#lose(new SerialPowerLostError(this.name));
      if (answer.length === 1) throw new SerialProtocolError(this.name, "a response without status word");
      return answer;
    });
  }

  randomOrigin(): Promise<RandomOrigin> {
    return this.#inTurn(async () => {
      const [number = -1] = await this.#exchange(Uint8Array.of(CONTROL_BOARD));
      const origin = ORIGINS[number];
      if (origin === undefined) throw new SerialProtocolError(this.name, `a random source of number ${number}`);
      return origin;
    });
  }

  /** A line that ended is opened again: a board that was restarted goes on with what it kept. */
  reset(): Promise<void> {
    return this.#inTurn(() => this.#restart());
  }

  /** Behind whatever the card is at it loses its power. */
  async abandon(): Promise<void> {
    await this.#line?.tellLast(Uint8Array.of(CONTROL_POWER_OFF));
  }

  close(): Promise<void> {
    if (this.#isClosed) return this.#tail.then(() => undefined);
    return this.#inTurn(async () => {
      this.#isClosed = true;
      connected.delete(this);
      await this.#powerOff();
      await this.#line?.close();
      this.#line = undefined;
    });
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #exchange(message: Uint8Array): Promise<Uint8Array> {
    const line = this.#line;
    if (this.#isClosed || line === undefined) throw this.#lost ?? new TransportError(`${this.name} is closed.`);
    if (this.#lost !== undefined) throw this.#lost;
    const { answer_ms } = this.#limits;
    try {
      const answer = await line.ask(message, answer_ms);
      if (answer !== undefined) return answer;
    } catch (error) {
      throw error instanceof Error ? this.#lose(error) : error;
    }
    throw this.#lose(new CardTimeoutError(this.name, answer_ms));
  }

  #lose(why: Error): Error {
    this.#lost ??= why;
    return this.#lost;
  }

  async #restart(): Promise<void> {
    if (this.#isClosed) throw new TransportError(`${this.name} is closed.`);
    if (this.#line?.failure !== undefined) {
      await this.#line.close();
      this.#line = undefined;
    }
    const isNew = this.#line === undefined;
    const line = this.#line ?? (await this.#open());
    try {
      const atr = await this.#powerOn(line);
      if (atr === undefined) throw isNew ? this.#source.noAnswer() : this.#timeout();
      this.#extendedLength = saysExtendedLength(atr);
      this.#line = line;
      this.#lost = undefined;
    } catch (error) {
      // Whoever comes next begins with a new line.
      this.#line = undefined;
      await line.close();
      throw error;
    }
  }

  async #open(): Promise<QuestionLine> {
    const [tag = 0] = randomBytes(this.#random, 1);
    return new QuestionLine(await this.#source.open(), this.#timers, tag, (cause) => {
      return new SerialGoneError(this.name, cause);
    });
  }

  #timeout(): Error {
    return this.#lose(new CardTimeoutError(this.name, this.#limits.begin_ms));
  }

  /** Its answer to reset; undefined: nobody answers. */
  async #powerOn(line: QuestionLine): Promise<Uint8Array | undefined> {
    const { begin_ms, again_ms } = this.#limits;
    const tags = new Set<number>();
    for (let waited_ms = 0; waited_ms < begin_ms; waited_ms += again_ms) {
      line.tell(Uint8Array.of(CONTROL_POWER_OFF));
      line.tell(Uint8Array.of(CONTROL_POWER_ON));
      const answer = await line.ask(Uint8Array.of(CONTROL_ATR), again_ms, { tags, isGood: isAtr });
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  /** A line may lose what was sent, or forget it when it is closed: a card without power says so by an empty answer. */
  async #powerOff(): Promise<void> {
    const line = this.#line;
    if (line === undefined || line.failure !== undefined) return;
    try {
      for (let tries = 0; tries < POWER_OFF_TRIES; tries += 1) {
        line.tell(Uint8Array.of(CONTROL_POWER_OFF));
        const answer = await line.ask(NO_COMMAND, this.#limits.again_ms);
        if (answer === undefined || answer.length === 0) return;
      }
    } catch {
      // A line that ended: whoever comes next takes the power away first.
    }
  }
}
