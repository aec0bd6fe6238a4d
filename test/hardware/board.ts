/** A board as tests see it: a byte stream with a card on it (hardware/card/stream.h), and what it keeps without power. */

import type { Duplex, Readable, Writable } from "node:stream";

export interface BoardStart {
  /** Where it keeps what outlives power; the same folder again is the same chip. */
  readonly folder: string;
  readonly applets: readonly string[];
  /** Of its random bytes. */
  readonly seed: string;
  /** What its clock says when power comes. */
  readonly now_ms: number;
}

/** Flash without wear, then the registers. */
export interface Kept {
  readonly flash: Uint8Array;
  readonly registers: Uint8Array;
}

export interface RunningBoard {
  readonly stream: MessageStream;
  setClock(now_ms: number): void;
  /** Ends it, and waits until it is gone: by the end of its stream, or in the middle of whatever it does. */
  stop(how: "end" | "kill"): Promise<void>;
}

export interface BoardUnderTest {
  readonly name: string;
  /** How long a command that keeps something takes, about. */
  readonly command_ms: number;
  start(start: BoardStart): Promise<RunningBoard>;
  /** What the chip in a folder keeps; it does not run. */
  kept(folder: string, applet: string): Kept;
  /** Gives a chip that was never started its registers. */
  keep(folder: string, applet: string, registers: Uint8Array): void;
}

/** Longer than any answer takes: a board that has not answered by then is stuck. */
const ANSWER_MS_MAX = 60_000;

/** The board is gone in the middle of an exchange. */
export class BoardGone extends Error {
  override readonly name = "BoardGone";
}

const LENGTH_BYTES = 2;
export const CONTROL_POWER_OFF = 0;
export const CONTROL_POWER_ON = 1;
export const CONTROL_RESET = 2;
export const CONTROL_ATR = 4;

/** Messages of two bytes of length and as many bytes. */
export class MessageStream {
  readonly #output: Writable;
  #received: Buffer = Buffer.alloc(0);
  #waiting: ((message: Uint8Array | undefined) => void)[] = [];
  #isOver = false;

  constructor(input: Readable, output: Writable) {
    this.#output = output;
    input.on("data", (bytes: Buffer) => this.#take(bytes));
    input.on("close", () => this.#end());
    input.on("error", () => this.#end());
    output.on("error", () => this.#end());
  }

  static of(socket: Duplex): MessageStream {
    return new MessageStream(socket, socket);
  }

  send(message: Uint8Array): void {
    const head = Uint8Array.of(message.length >> 8, message.length & 0xff);
    if (!this.#isOver) this.#output.write(Buffer.concat([head, message]));
  }

  async receive(): Promise<Uint8Array> {
    let timer: NodeJS.Timeout | undefined;
    const message = await new Promise<Uint8Array | undefined>((resolve, reject) => {
      timer = setTimeout(() => reject(new BoardGone("the board does not answer")), ANSWER_MS_MAX);
      this.#waiting.push(resolve);
      this.#deliver();
    });
    clearTimeout(timer);
    if (message === undefined) throw new BoardGone("the board went away before it answered");
    return message;
  }

  exchange(message: Uint8Array): Promise<Uint8Array> {
    this.send(message);
    return this.receive();
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    this.#deliver();
  }

  #end(): void {
    this.#isOver = true;
    this.#deliver();
  }

  #deliver(): void {
    while (this.#waiting.length > 0) {
      const message = this.#next();
      if (message === undefined && !this.#isOver) return;
      this.#waiting.shift()?.(message);
    }
  }

  #next(): Uint8Array | undefined {
    if (this.#received.length < LENGTH_BYTES) return undefined;
    const end = LENGTH_BYTES + this.#received.readUInt16BE(0);
    if (this.#received.length < end) return undefined;
    const message = new Uint8Array(this.#received.subarray(LENGTH_BYTES, end));
    this.#received = this.#received.subarray(end);
    return message;
  }
}
