/** Questions and answers over a byte stream that loses bytes: frames, and answers that are told apart by their tags. */

import type { Duplex } from "node:stream";
import type { Timers } from "../services/clock.js";
import { encodeFrame, FrameDecoder } from "./serial-frames.js";

/** An open stream, and how it is given back. */
export interface SerialLine {
  readonly stream: Duplex;
  /** What was written is on its way when this is done. */
  close(): Promise<void>;
}

const TAGS = 256;

/** Which answers are taken. */
export interface Expected {
  /** Of earlier questions whose answers are as good; this one's is added. */
  readonly tags?: Set<number>;
  /** By its tag alone an answer may be somebody else's. */
  readonly isGood?: (message: Uint8Array) => boolean;
}

interface Waiting {
  readonly tags: ReadonlySet<number>;
  readonly isGood: (message: Uint8Array) => boolean;
  readonly answered: (message: Uint8Array | undefined) => void;
  readonly failed: (error: Error) => void;
}

/** One question at a time. */
export class QuestionLine {
  readonly #line: SerialLine;
  readonly #timers: Timers;
  readonly #decoder = new FrameDecoder();
  #tag: number;
  #waiting: Waiting | undefined;
  #failure: Error | undefined;

  /** `tag`: of the first frame. A random one, or the answer to a program that was killed may be taken for one's own. */
  constructor(line: SerialLine, timers: Timers, tag: number, ended: (cause?: Error) => Error) {
    this.#line = line;
    this.#timers = timers;
    this.#tag = tag % TAGS;
    line.stream.on("data", (bytes: Uint8Array) => this.#take(bytes));
    line.stream.on("error", (error) => this.#end(ended(error)));
    line.stream.on("close", () => this.#end(ended()));
    line.stream.on("end", () => this.#end(ended()));
  }

  /** Why nothing more comes. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Sends what is not answered. */
  tell(message: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#send(this.#nextTag(), message);
  }

  /** As `tell`, at once, whatever is waited for; done when it is on its way or nothing goes there any more. */
  tellLast(message: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (this.#failure !== undefined) resolve();
      else this.#line.stream.write(encodeFrame(this.#nextTag(), message), () => resolve());
    });
  }

  /** Sends a question, and gives its answer; undefined when none came in time. Throws when the line ended. */
  ask(message: Uint8Array, wait_ms: number, expected: Expected = {}): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const { tags = new Set(), isGood = () => true } = expected;
      const tag = this.#nextTag();
      tags.add(tag);
      const cancel = this.#timers.after(wait_ms, () => this.#settle((waiting) => waiting.answered(undefined)));
      this.#waiting = {
        tags,
        isGood,
        answered: (answer) => {
          cancel();
          resolve(answer);
        },
        failed: (error) => {
          cancel();
          reject(error);
        },
      };
      this.#send(tag, message);
    });
  }

  close(): Promise<void> {
    return this.#line.close();
  }

  #nextTag(): number {
    const tag = this.#tag;
    this.#tag = (tag + 1) % TAGS;
    return tag;
  }

  #send(tag: number, message: Uint8Array): void {
    this.#line.stream.write(encodeFrame(tag, message));
  }

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) how(waiting);
  }

  #take(bytes: Uint8Array): void {
    for (const { tag, message } of this.#decoder.take(bytes)) {
      const waiting = this.#waiting;
      if (waiting?.tags.has(tag) === true && waiting.isGood(message)) this.#settle(({ answered }) => answered(message));
    }
  }

  #end(failure: Error): void {
    this.#failure ??= failure;
    this.#settle((waiting) => waiting.failed(failure));
  }
}
