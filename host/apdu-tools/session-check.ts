/** A session is looked through before anything of it is sent: a mistake in its last line should not be found half-way. */

import { AmountError } from "../units.js";
import {
  filledIn,
  type NumberedItem,
  SessionError,
  type SessionItem,
  ValueMissingError,
  type Values,
  valueBytes,
} from "./session.js";
import { parseSymbolic } from "./symbolic.js";

/** The personalisation key, and the answer to a challenge that is made of it. */
export const KEY = "key";
export const PROOF = "proof";
const PROOF_BYTES = 32;

/** Throws what is wrong with the first line that makes no sense. */
export function checkSession(lines: readonly NumberedItem[], targets: readonly string[], values: Values): void {
  // What is computed only then has its length already.
  const known: Values = (name) =>
    values(name) ?? (name === PROOF && values(KEY) !== undefined ? new Uint8Array(PROOF_BYTES) : undefined);
  let isAnswerable = false;
  for (const { item, number } of lines) {
    if (item.kind === "expect" && !isAnswerable) refuseAnswer(number);
    if (item.kind === "target" && !targets.includes(item.name)) refuseTarget(item.name, targets, number);
    if (item.kind === "apdu" || item.kind === "symbolic") inLine(number, () => checkCommand(item, known));
    if (item.kind !== "blank" && item.kind !== "comment")
      isAnswerable = item.kind === "apdu" || item.kind === "symbolic";
  }
}

function checkCommand(item: Extract<SessionItem, { kind: "apdu" | "symbolic" }>, values: Values): void {
  if (item.kind === "symbolic") parseSymbolic(filledIn(item.text, values), true);
  else for (const part of item.parts) if (!(part instanceof Uint8Array)) valueBytes(values, part.placeholder);
}

export function refuseAnswer(line: number | undefined): never {
  throw new SessionError("An answer is expected, and no command stands before it.", line);
}

export function refuseTarget(name: string, targets: readonly string[], line: number | undefined): never {
  const known = targets.map((each) => `@${each}`).join(", ");
  throw new SessionError(`There is no card @${name} here, only ${known}.`, line);
}

/** A command that makes no sense is one of a line. */
export function inLine<Result>(line: number | undefined, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (line === undefined || error instanceof ValueMissingError) throw error;
    if (error instanceof AmountError) throw new SessionError(error.message, line);
    throw error instanceof SessionError && error.line === undefined ? new SessionError(error.what, line) : error;
  }
}
