/**
 * The acquirer's end of the line to the card authorization network: numbers for messages that survive a crash, and a
 * connection that comes back.
 */

import { connect, type Socket } from "node:net";
import type { Clock, Timers } from "./clock.js";
import { type Books, type Executor, type Migration, migrate, narrowed, Prepared } from "./database.js";
import { decodeMessage, encodeMessage, type IsoMessage } from "./iso8583/codec.js";
import { responseType } from "./iso8583/fields.js";
import { FrameReader, frame } from "./iso8583/framing.js";
import { correlation, MANAGEMENT, managementMessage, RESPONSE } from "./iso8583/messages.js";

/** Takes a message to the network and brings its answer: over TCP, or straight to a network in this process. */
export interface CardTransport {
  exchange(message: IsoMessage): Promise<IsoMessage>;
}

/** No answer came. What the network did with the message, if it got it, is not known: send the same message again. */
export class NetworkUnreachableError extends Error {
  constructor(what: string) {
    super(
      `The card network gave no answer (${what}). Whether it acted is not known yet; the same request is sent again ` +
        "until it answers, and it acts on it only once.",
    );
    this.name = "NetworkUnreachableError";
  }
}

const STAN_MAX = 999_999n;

interface StanTables {
  stan_sequence: { acquirer: string; last: bigint };
}

const STEPS: readonly Migration[] = [
  async (transaction) => {
    await transaction.schema
      .createTable("stan_sequence")
      .addColumn("acquirer", "text", (column) => column.primaryKey())
      .addColumn("last", "bigint", (column) => column.notNull())
      .execute();
  },
];

/** One statement, so that two callers never read the same number. */
const nextStan = new Prepared((books: Executor<StanTables>, p: { acquirer: string }) =>
  books
    .updateTable("stan_sequence")
    .set((expression) => ({
      last: expression
        .case()
        .when("last", ">=", STAN_MAX)
        .then(1n)
        .else(expression("last", "+", 1n))
        .end(),
    }))
    .where("acquirer", "=", p.acquirer)
    .returning("last"),
);

/**
 * Systems trace audit numbers, 1 to 999999 and round again. A number is stored as used before it is given out, so that
 * no crash uses it twice; the network tells numbers of different days apart, so one acquirer has a million a day.
 */
export class StanSequence {
  readonly #books: Books;
  readonly #acquirer: string;

  private constructor(books: Books, acquirer: string) {
    this.#books = books;
    this.#acquirer = acquirer;
  }

  static async open(books: Books, acquirer: string): Promise<StanSequence> {
    await migrate(books, "stan-sequence", STEPS);
    await narrowed<StanTables>(books)
      .insertInto("stan_sequence")
      .values({ acquirer, last: 0n })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    return new StanSequence(books, acquirer);
  }

  /** The next number: in the caller's transaction, or in one of its own. */
  async next(books: Books = this.#books): Promise<number> {
    const row = await nextStan.first(books, { acquirer: this.#acquirer });
    if (row === undefined) throw new RangeError("acquirer: has no sequence");
    return Number(row.last);
  }
}

export interface NetworkClientOptions {
  /** Where the network listens; a function, where it may be another port after the network was started again. */
  readonly port: number | (() => number);
  readonly acquirer: string;
  readonly stans: StanSequence;
  readonly clock: Clock;
  readonly timers: Timers;
  /** How long an answer may take. */
  readonly answer_ms_max?: number;
}

const ANSWER_MS_MAX = 10_000;

/** A client on loopback. Connects and signs on when it is first needed, and again after the line was lost. */
export class NetworkClient implements CardTransport {
  readonly #options: NetworkClientOptions;
  #line: Promise<Line> | undefined;
  #closed = false;

  constructor(options: NetworkClientOptions) {
    this.#options = options;
  }

  async exchange(message: IsoMessage): Promise<IsoMessage> {
    const line = await this.#connected();
    return line.ask(message);
  }

  /** Asks whether the network is there. */
  async echo(): Promise<void> {
    const answer = await this.exchange(await this.#management(MANAGEMENT.echo));
    if (answer.fields[39] !== RESPONSE.approved) throw new NetworkUnreachableError("it refused an echo");
  }

  /** Closes the line. Whoever waits for an answer is told that none came. */
  async close(): Promise<void> {
    this.#closed = true;
    const line = await this.#line?.catch(() => undefined);
    line?.close("the line was closed here");
  }

  #connected(): Promise<Line> {
    if (this.#closed) return Promise.reject(new NetworkUnreachableError("the line was closed here"));
    if (this.#line !== undefined) return this.#line;
    const opening = this.#signOn();
    const forget = () => {
      if (this.#line === opening) this.#line = undefined;
    };
    opening.then((line) => line.closed.then(forget), forget);
    this.#line = opening;
    return opening;
  }

  async #signOn(): Promise<Line> {
    const { port, timers, answer_ms_max } = this.#options;
    const line = await Line.connect(typeof port === "number" ? port : port(), timers, answer_ms_max ?? ANSWER_MS_MAX);
    const answer = await line.ask(await this.#management(MANAGEMENT.signOn));
    if (answer.fields[39] !== RESPONSE.approved) {
      line.close("sign-on was refused");
      throw new NetworkUnreachableError("sign-on was refused");
    }
    return line;
  }

  async #management(code: (typeof MANAGEMENT)[keyof typeof MANAGEMENT]): Promise<IsoMessage> {
    const { acquirer, stans, clock } = this.#options;
    return managementMessage({ code, stan: await stans.next(), time_seconds: clock.now_seconds(), acquirer });
  }
}

interface Waiting {
  readonly resolve: (answer: IsoMessage) => void;
  readonly reject: (error: Error) => void;
  readonly cancelTimer: () => void;
}

/** One TCP connection with the questions that are open on it. */
class Line {
  readonly #socket: Socket;
  readonly #timers: Timers;
  readonly #answer_ms_max: number;
  readonly #waiting = new Map<string, Waiting>();
  /** Resolves when the line is no more. */
  readonly closed: Promise<void>;
  #open = true;
  #markClosed: () => void = () => {};

  private constructor(socket: Socket, timers: Timers, answer_ms_max: number) {
    this.#socket = socket;
    this.#timers = timers;
    this.#answer_ms_max = answer_ms_max;
    this.closed = new Promise((resolve) => {
      this.#markClosed = resolve;
    });
    socket.on("error", (error) => this.close(error.message));
    socket.on("close", () => this.close("the connection was closed"));
    const reader = new FrameReader();
    socket.on("data", (chunk: Uint8Array) => this.#receive(reader, chunk));
  }

  static connect(port: number, timers: Timers, answer_ms_max: number): Promise<Line> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      const fail = (error: Error) => reject(new NetworkUnreachableError(error.message));
      socket.once("error", fail);
      socket.once("connect", () => {
        socket.off("error", fail);
        resolve(new Line(socket, timers, answer_ms_max));
      });
    });
  }

  ask(message: IsoMessage): Promise<IsoMessage> {
    const key = correlation(responseType(message.type), message.fields);
    if (!this.#open) return Promise.reject(new NetworkUnreachableError("the connection was closed"));
    if (this.#waiting.has(key)) return Promise.reject(new RangeError("the same message is already under way"));
    return new Promise((resolve, reject) => {
      // An answer that comes later than this would meet nobody; a fresh line cannot bring it.
      const cancelTimer = this.#timers.after(this.#answer_ms_max, () => this.close("it took too long"));
      this.#waiting.set(key, { resolve, reject, cancelTimer });
      this.#socket.write(frame(encodeMessage(message)));
    });
  }

  close(why: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#markClosed();
    this.#socket.destroy();
    for (const waiting of this.#waiting.values()) {
      waiting.cancelTimer();
      waiting.reject(new NetworkUnreachableError(why));
    }
    this.#waiting.clear();
  }

  #receive(reader: FrameReader, chunk: Uint8Array): void {
    try {
      for (const bytes of reader.push(chunk)) this.#answered(decodeMessage(bytes));
    } catch {
      this.close("it sent something that is no message");
    }
  }

  /** An answer that nobody waits for is dropped: its question was given up, and will be asked again. */
  #answered(answer: IsoMessage): void {
    const key = correlation(answer.type, answer.fields);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    waiting.cancelTimer();
    waiting.resolve(answer);
  }
}
