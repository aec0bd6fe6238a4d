/** Questions to the owner, on the terminal. */

import { createInterface } from "node:readline/promises";
import { EXIT_UNCONFIRMED } from "./output.js";

/** A question that nobody can answer. */
export class UnconfirmedError extends Error {
  readonly exitCode = EXIT_UNCONFIRMED;

  constructor(question: string) {
    super(`"${question}" needs an answer and there is no terminal to ask on. No money moved. Add --yes to agree.`);
    this.name = "UnconfirmedError";
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
