/** A board as tests see it: a byte stream with a card on it (hardware/card/stream.h), and what it keeps without power. */

import type { Duplex, Readable, Writable } from "node:stream";
import { encodeFrame, FrameDecoder } from "../../host/transports/serial-frames.js";

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

const TAGS = 256;

/** Messages in frames, each sent with the next tag. */
export class MessageStream {
  readonly #output: Writable;
  readonly #decoder = new FrameDecoder();
  /** Messages that came, or what is wrong with one. */
  #received: (Uint8Array | BoardGone)[] = [];
  #waiting: ((message: Uint8Array | BoardGone) => void)[] = [];
  /** Of messages that may still be answered, the oldest first. */
  #tags: number[] = [];
  #tag = 0;
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
    this.#tag = (this.#tag + 1) % TAGS;
    this.#tags = [...this.#tags.slice(1 - TAGS), this.#tag];
    this.sendRaw(encodeFrame(this.#tag, message));
  }

  /** Bytes as they are, which need not be frames. */
  sendRaw(bytes: Uint8Array): void {
    if (!this.#isOver) this.#output.write(bytes);
  }

  async receive(): Promise<Uint8Array> {
    let timer: NodeJS.Timeout | undefined;
    const message = await new Promise<Uint8Array | BoardGone>((resolve, reject) => {
      timer = setTimeout(() => reject(new BoardGone("the board does not answer")), ANSWER_MS_MAX);
      this.#waiting.push(resolve);
      this.#deliver();
    });
    clearTimeout(timer);
    if (message instanceof BoardGone) throw message;
    return message;
  }

  exchange(message: Uint8Array): Promise<Uint8Array> {
    this.send(message);
    return this.receive();
  }

  #take(bytes: Buffer): void {
    for (const { tag, message } of this.#decoder.take(bytes)) {
      const at = this.#tags.indexOf(tag);
      this.#tags = this.#tags.slice(at + 1);
      this.#received.push(at < 0 ? new BoardGone("the board answers what nobody asked") : message);
    }
    this.#deliver();
  }

  #end(): void {
    this.#isOver = true;
    this.#deliver();
  }

  #deliver(): void {
    while (this.#waiting.length > 0) {
      const message = this.#received.shift();
      if (message === undefined && !this.#isOver) return;
      this.#waiting.shift()?.(message ?? new BoardGone("the board went away before it answered"));
    }
  }
}
