/** Lines of a conversation: typed on a terminal, with a prompt, completion and history, or piped in. */

import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import { InterruptedError } from "./confirm.js";

/** Where people type, and see it. */
export interface TerminalStreams {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
}

export class TypedLines {
  readonly isTerminal: boolean;
  readonly #shown: ShownOrNot;
  readonly #lines: Interface;
  #interrupted: () => void;

  constructor(
    complete: (line: string) => [string[], string],
    { input, output }: TerminalStreams = { input: process.stdin, output: process.stdout },
  ) {
    this.isTerminal = input.isTTY === true && output.isTTY === true;
    this.#shown = new ShownOrNot(output);
    const onTerminal = this.isTerminal ? { output: this.#shown, terminal: true } : {};
    this.#lines = createInterface({ input, ...onTerminal, completer: complete, prompt: "" });
    this.#interrupted = () => this.#lines.close();
    this.#lines.on("SIGINT", () => this.#interrupted());
    // What is not shown is not to be had with the arrow keys either: it is the newest of the history.
    this.#lines.on("history", (history: string[]) => {
      if (this.#shown.isHidden) history.shift();
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<string> {
    return this.#lines[Symbol.asyncIterator]();
  }

  prompt(text: string): void {
    if (!this.isTerminal) return;
    this.#lines.setPrompt(text);
    this.#lines.prompt();
  }

  /**
   * What is typed without being shown; undefined where there is no terminal, nothing was typed, or the input ended.
   * An InterruptedError at Ctrl-C.
   */
  async secret(question: string): Promise<string | undefined> {
    if (!this.isTerminal) return undefined;
    const end = this.#interrupted;
    this.#shown.say(`${question} `);
    this.#shown.isHidden = true;
    try {
      const typed = await new Promise<string>((resolve, reject) => {
        this.#interrupted = () => reject(new InterruptedError());
        this.#lines.once("close", () => resolve(""));
        this.#lines.question("", resolve);
      });
      return typed.trim() || undefined;
    } finally {
      this.#interrupted = end;
      this.#shown.isHidden = false;
      this.#shown.say("\n");
    }
  }

  close(): void {
    this.#lines.close();
  }
}

/** The terminal, as long as what is typed may be seen. */
class ShownOrNot extends Writable {
  isHidden = false;
  readonly #output: TerminalStreams["output"];

  constructor(output: TerminalStreams["output"]) {
    super();
    this.#output = output;
  }

  get columns(): number | undefined {
    return this.#output.columns;
  }

  say(text: string): void {
    this.#output.write(text);
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    if (!this.isHidden) this.#output.write(chunk);
    done();
  }
}
