/** What is said of an error that nobody wrote a sentence for: what happened, what it means for the money, what to do. */

import { TransferInDoubtError } from "../applications/transfer.js";
import { PaymentRequestError } from "../payment-request.js";
import { ReasonError } from "../reasons.js";
import { StatusWordError } from "../status-words.js";
import { AmountError } from "../units.js";
import { OutcomeUnknownError } from "../wallet/wallet.js";
import { EXIT_FAILED, EXIT_OPEN, EXIT_USAGE } from "./output.js";

/** The command was understood as words, and what they say makes no sense. (What commander throws it has already printed.) */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly exitCode = EXIT_USAGE;
}

const MONEY_IS_SAFE = "Money is where chips and books last recorded it.";

export function explain(error: unknown): string {
  if (!(error instanceof Error)) return fault(String(error));
  const code = "code" in error ? String(error.code) : "";
  if ("syscall" in error) {
    return `The folder or a file of it cannot be used (${error.message}). ${MONEY_IS_SAFE} See to the folder's permissions and space, then try again.`;
  }
  if (code.startsWith("SQLITE")) {
    return `The books cannot be used: ${error.message}. ${MONEY_IS_SAFE} If a file in books/ is damaged, put it back from a copy, then run "tally audit".`;
  }
  const ofTheLanguage = [TypeError, RangeError, ReferenceError, SyntaxError].some((kind) => error instanceof kind);
  return ofTheLanguage ? fault(error.message) : error.message;
}

function fault(what: string): string {
  return `A fault of the program: ${what}. ${MONEY_IS_SAFE} Run "tally audit"; TALLY_TRACE=1 shows where it was.`;
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof AmountError || error instanceof PaymentRequestError) return EXIT_USAGE;
  if (error instanceof TransferInDoubtError || error instanceof OutcomeUnknownError) return EXIT_OPEN;
  const has = error instanceof Error && "exitCode" in error && typeof error.exitCode === "number";
  return has ? (error.exitCode as number) : EXIT_FAILED;
}

/** For scripts: the kind of the error, the chip's or its peer's reason where there is one, and the sentence for people. */
export function failureJson(error: unknown) {
  return {
    name: error instanceof Error ? error.name : "Error",
    ...(error instanceof ReasonError ? { reason: error.reason } : {}),
    ...(error instanceof StatusWordError ? { status: error.status } : {}),
    message: explain(error),
  };
}
