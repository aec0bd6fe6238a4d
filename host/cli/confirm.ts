/** Questions to the owner, on the terminal. */

import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { EXIT_INTERRUPTED, EXIT_UNCONFIRMED } from "./output.js";

/** A question that nobody can answer. */
export class UnconfirmedError extends Error {
  readonly exitCode = EXIT_UNCONFIRMED;

  constructor(question: string) {
    super(`"${question}" needs an answer and there is no terminal to ask on. No money moved. Add --yes to agree.`);
    this.name = "UnconfirmedError";
  }
}

/** Ctrl-C at a question. Whoever asks has not begun yet. */
export class InterruptedError extends Error {
  readonly exitCode = EXIT_INTERRUPTED;

  constructor() {
    super("Interrupted. The command was not begun, and no money moved by it.");
    this.name = "InterruptedError";
  }
}

export async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UnconfirmedError(question);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Ctrl-C and the end of input close the terminal, and no answer is a no.
    const closed = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
    terminal.once("SIGINT", () => terminal.close());
    return /^y(es)?$/i.test((await Promise.race([terminal.question(`${question} [y/N] `), closed])).trim());
  } finally {
    terminal.close();
  }
}

/**
 * A number that only its owner knows, typed without being shown: what stands on a command line can be read by every process
 * of the machine, and stays in the shell's history. Undefined where there is no terminal, or nothing was typed. An
 * InterruptedError at Ctrl-C.
 */
export async function secret(question: string): Promise<string | undefined> {
  if (!process.stdin.isTTY) return undefined;
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    process.stderr.write(`${question} `);
    const closed = new Promise<string>((resolve, reject) => {
      terminal.once("close", () => resolve(""));
      terminal.once("SIGINT", () => reject(new InterruptedError()));
    });
    const typed = (await Promise.race([terminal.question(""), closed])).trim();
    return typed === "" ? undefined : typed;
  } finally {
    process.stderr.write("\n");
    terminal.close();
  }
}
