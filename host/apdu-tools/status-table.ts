/** Status words: what an applet, the card or a reader answers, and when (docs/APDU.md). Sentences for people are in host/status-words.ts. */

import * as p from "../../firmware/protocol/apdu.js";
import { type Command, isSuccess } from "../apdu.js";
import { statusSentence } from "../status-words.js";
import { hex8, hex16 } from "./names.js";

export interface StatusWord {
  readonly word: number;
  /** Bits that are the word's; the others say something. */
  readonly mask: number;
  readonly meaning: string;
}

const WHOLE = 0xffff;
const HIGH = 0xff00;

export const STATUS_WORDS: readonly StatusWord[] = [
  { word: p.SW_OK, mask: WHOLE, meaning: "done" },
  { word: p.SW_FETCH, mask: HIGH, meaning: "done; an envelope waits, of xx bytes (FF: 255 or more)" },
  { word: p.SW_MORE, mask: HIGH, meaning: "more to get by GET RESPONSE: xx bytes (00: 256 or more)" },
  { word: p.SW_WARNING_TRIES, mask: 0xfff0, meaning: "wrong digits; x tries are left" },
  { word: p.SW_MEMORY_FAILURE, mask: WHOLE, meaning: "memory failure" },
  { word: p.SW_WRONG_LENGTH, mask: WHOLE, meaning: "a length that does not fit" },
  {
    word: p.SW_CHANNEL_UNSUPPORTED,
    mask: WHOLE,
    meaning: "the logical channel is not open; the card says it, no applet",
  },
  { word: p.SW_LAST_CHAIN_EXPECTED, mask: WHOLE, meaning: "the last command of a chain was expected" },
  { word: p.SW_CHAINING_UNSUPPORTED, mask: WHOLE, meaning: "no chaining; no applet says it, other cards do" },
  { word: p.SW_SECURITY_STATUS, mask: WHOLE, meaning: "the PIN first, or the personalisation key" },
  { word: p.SW_BLOCKED, mask: WHOLE, meaning: "blocked: no tries are left" },
  { word: p.SW_REFERENCE_DATA_UNUSABLE, mask: WHOLE, meaning: "there are no digits to compare with" },
  { word: p.SW_CONDITIONS, mask: WHOLE, meaning: "life cycle or state does not allow it" },
  { word: p.SW_NOT_ALLOWED, mask: WHOLE, meaning: "no state for this command now" },
  { word: p.SW_BAD_SEAL, mask: WHOLE, meaning: "a sealed message that does not open" },
  { word: p.SW_WRONG_DATA, mask: WHOLE, meaning: "the data is refused" },
  { word: p.SW_FUNCTION_UNSUPPORTED, mask: WHOLE, meaning: "a function that this role does not have" },
  { word: p.SW_NOT_FOUND, mask: WHOLE, meaning: "no such file or application" },
  { word: p.SW_RECORD_NOT_FOUND, mask: WHOLE, meaning: "no such record" },
  { word: p.SW_NOT_ENOUGH_SPACE, mask: WHOLE, meaning: "the store is full" },
  { word: p.SW_REFERENCED_DATA_NOT_FOUND, mask: WHOLE, meaning: "no such data" },
  { word: p.SW_WRONG_P1P2, mask: WHOLE, meaning: "P1 P2 that the command does not have" },
  { word: p.SW_WRONG_LE, mask: HIGH, meaning: "another Le: xx; no applet says it, readers do" },
  { word: p.SW_INS_UNSUPPORTED, mask: WHOLE, meaning: "no such instruction" },
  { word: p.SW_CLA_UNSUPPORTED, mask: WHOLE, meaning: "no such class" },
  {
    word: p.SW_UNKNOWN,
    mask: WHOLE,
    meaning: "the applet trapped: no line of it says that. Nothing else is answered until the next power-up",
  },
];

/** "91xx", "63Cx", "9000". */
export function patternOf({ word, mask }: StatusWord): string {
  if (mask === WHOLE) return hex16(word);
  return mask === HIGH ? `${hex8(word >> 8)}xx` : `${hex16(word).slice(0, 3)}x`;
}

export function statusWord(status: number): StatusWord | undefined {
  return STATUS_WORDS.find(({ word, mask }) => (status & mask) === word);
}

/** Done, more to get, or an envelope waits. */
export function isGood(status: number): boolean {
  return isSuccess(status) || (status & HIGH) === p.SW_MORE;
}

/** What a status word says, in one line. `command`: what it answers. */
export function describeStatus(status: number, command?: Command): string {
  const known = statusWord(status);
  if (known === undefined) return "not a status word of this project";
  const low = status & 0xff;
  if (known.word === p.SW_FETCH)
    return `done; an envelope of ${low === 0xff ? "255 bytes or more" : `${low} bytes`} waits`;
  if (known.word === p.SW_MORE) return `${low === 0 ? "256 bytes or more are" : `${low} bytes are`} left: GET RESPONSE`;
  if (known.word === p.SW_OK) return known.meaning;
  if (known.word === p.SW_WARNING_TRIES && command !== undefined && asksForTries(command)) {
    const tries = status & 0xf;
    return `the PIN was not verified; ${tries === 1 ? "1 try is" : `${tries} tries are`} left`;
  }
  return statusSentence(status, command?.ins);
}

/** Whether a command asks how many tries are left: its 63Cx is an answer, not a refusal. */
export function asksForTries(command: Command): boolean {
  return command.ins === p.INS_VERIFY && command.p2 === p.REFERENCE_PIN && (command.data?.length ?? 0) === 0;
}
