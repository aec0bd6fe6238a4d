/** What is said of an error that nobody wrote a sentence for: what happened, what it means for the money, what to do. */

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
