/**
 * The commands of every applet and of the card around them, once, as data (ISO/IEC 7816-4; docs/APDU.md): what a command is
 * called, its bytes, what goes in, what comes back, when it is allowed and why it is refused. The decoder, the symbolic commands
 * of sessions, completion, help and the documentation take it from here. What the applets do stands in firmware/lib/dispatcher.ts,
 * firmware/lib/personalise.ts and each applet's index.ts.
 */

import { CLA_CHAIN } from "../../firmware/protocol/apdu.js";
import type { Command } from "../apdu.js";
import type { AppletName } from "../applets.js";
import { CARD_COMMANDS } from "./commands-card.js";
import { OWNER_COMMANDS } from "./commands-owner.js";
import { PERSONALISATION_COMMANDS } from "./commands-personalisation.js";
import { statusWord } from "./status-table.js";

/** What a data field is, for the decoder and for symbolic commands. */
export type DataKind =
  | "none"
  | "aid"
  | "digits"
  | "two-digits"
  | "seconds"
  | "envelope"
  | "bad-id-list"
  | "limit"
  | "personalisation-key"
  | "proof"
  | "key-order"
  | "roots"
  | "chain"
  | "parameters";

export type AnswerKind =
  | "none"
  | "fci"
  | "data-object"
  | "record"
  | "envelope"
  | "challenge"
  | "request"
  | "rest"
  | "channel";

/** One choice of P1 and P2. */
export interface Form {
  /** What stands behind the command's name; empty where there is one form only. */
  readonly name: string;
  /** Undefined: a number that is chosen, a record or a channel. */
  readonly p1: number | undefined;
  readonly p2: number | undefined;
  readonly meaning: string;
  readonly data: DataKind;
  readonly answer: AnswerKind;
  /** Who answers this form; absent: every applet. */
  readonly applets?: readonly AppletName[];
  /** Its data holds what only the owner or the agency may know. */
  readonly secret?: true;
}

export interface Refusal {
  readonly status: number;
  readonly why: string;
}

export interface CommandEntry {
  readonly name: string;
  readonly group: "card" | "owner" | "envelopes" | "personalisation";
  readonly cla: number;
  readonly ins: number;
  readonly purpose: string;
  readonly p1p2: string;
  readonly data: string;
  readonly answer: string;
  /** What must be so before. */
  readonly before: string;
  readonly forms: readonly Form[];
  /** How much of an answer is asked for. */
  readonly answerLength: "none" | "short" | "long";
  /** Status words of success and refusal that have a reason of this command's own. */
  readonly statuses: readonly Refusal[];
}

export const COMMANDS: readonly CommandEntry[] = [...CARD_COMMANDS, ...OWNER_COMMANDS, ...PERSONALISATION_COMMANDS];

/** Bits of CLA that are not the class: the channel and "more of this command follows". */
const CHANNEL_BITS = 0x03;

export function channelOf(cla: number): number {
  return cla & CHANNEL_BITS;
}

export function isChained(cla: number): boolean {
  return (cla & CLA_CHAIN) !== 0;
}

/** The class without channel and chaining. */
export function plainClass(cla: number): number {
  return cla & ~(CHANNEL_BITS | CLA_CHAIN) & 0xff;
}

export function findCommand(cla: number, ins: number): CommandEntry | undefined {
  const plain = plainClass(cla);
  return COMMANDS.find((each) => each.cla === plain && each.ins === ins);
}

export function findForm(entry: CommandEntry, p1: number, p2: number): Form | undefined {
  return entry.forms.find(
    (form) => (form.p1 === undefined || form.p1 === p1) && (form.p2 === undefined || form.p2 === p2),
  );
}

/** Why this command in particular is answered so: the table's own reason; undefined where there is none. */
export function reasonOf(command: Pick<Command, "cla" | "ins">, status: number): string | undefined {
  const known = statusWord(status);
  const own = findCommand(command.cla, command.ins)?.statuses.filter(
    (each) => known !== undefined && (each.status & known.mask) === known.word,
  );
  return own?.map(({ why }) => why).join("; ") || undefined;
}

/** The command of a name, in any case. */
export function commandNamed(name: string): CommandEntry | undefined {
  const wanted = name.trim().toUpperCase();
  return COMMANDS.find((each) => each.name === wanted);
}

/** Whether a command of this instruction, whatever its class and form, may hold what is secret. */
export function takesSecrets(ins: number): boolean {
  return COMMANDS.some((entry) => entry.ins === ins && entry.forms.some(({ secret }) => secret === true));
}

/** What is written behind a command's name and form: what people type for its data field. */
export const ARGUMENTS: Readonly<Record<DataKind, string>> = {
  none: "",
  aid: "<applet or AID>",
  digits: "<digits>",
  "two-digits": "<digits> <new digits>",
  seconds: "<seconds since 1970, or a date>",
  envelope: "<hex, or: ADDRESS KIND body>",
  "bad-id-list": "<hex>",
  limit: "<PIN> <currency> <most for one payment> <most for one day>",
  "personalisation-key": "<hex>",
  proof: "<hex>",
  "key-order": "<hex>",
  roots: "<hex>",
  chain: "<hex>",
  parameters: "<hex>",
};

/** "GET DATA balance", with what else is typed. */
export function usageOf(entry: CommandEntry, form: Form): string {
  const number = form.p1 === undefined || form.p2 === undefined ? "<number>" : "";
  return [entry.name, form.name, number, ARGUMENTS[form.data]].filter((part) => part !== "").join(" ");
}
