/**
 * Sessions of APDUs as text (docs/READERS.md): what is sent to cards and what must come back. One format for scripts, recordings
 * and the examples of docs/APDU.md; files for scriptor (bare lines of hexadecimal digits, `reset`) are sessions too.
 *
 *     # a comment
 *     @module                      the card that the lines below go to, of several
 *     reset                        power off and on
 *     > 00 CA DF 01 00             one APDU, as it is
 *     > GET DATA balance           a command by name: its whole exchange, whatever the card can carry
 *     < 6F .. * 90 00              what must come back
 */

import { toHex } from "../codec/bytes.js";
import { printable } from "../printable.js";
import { bytesOfHex, spacedHex } from "./names.js";
import { type Pattern, parsePattern, printPattern } from "./pattern.js";

/** A command as bytes in which values are filled in by name. */
export type CommandPart = Uint8Array | { readonly placeholder: string };

export type SessionItem =
  | { readonly kind: "blank" }
  | { readonly kind: "comment"; readonly text: string }
  | { readonly kind: "reset" }
  | { readonly kind: "target"; readonly name: string }
  | { readonly kind: "apdu"; readonly parts: readonly CommandPart[] }
  | { readonly kind: "symbolic"; readonly text: string }
  | { readonly kind: "expect"; readonly pattern: Pattern };

export interface SessionLine {
  readonly number: number;
  readonly item: SessionItem;
}

/** A line of a session, or what somebody typed without one. */
export interface NumberedItem {
  readonly item: SessionItem;
  readonly number?: number;
}

/** Text that is no session. */
export class SessionError extends Error {
  override readonly name = "SessionError";
  readonly exitCode = 2;
  readonly line: number | undefined;

  constructor(what: string, line?: number) {
    // It may quote a file of a stranger's.
    super(`${line === undefined ? "" : `Line ${line}: `}${printable(what)}`);
    this.line = line;
  }
}

const NOTHING_SENT = "Nothing was sent from there on, and no money moved. Put the line right, and start again.";
const PLACEHOLDER = /\{([a-z][a-z0-9-]*)\}/g;
const HEX_WITH_PLACEHOLDERS = /^(?:[0-9a-fA-F\s:]|\{[a-z][a-z0-9-]*\})*$/;
const APDU_BYTES_MIN = 4;

export function parseSession(text: string): SessionLine[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, i) => ({ number: i + 1, item: parseLine(line, i + 1) }));
}

export function printSession(lines: readonly SessionLine[]): string {
  return lines.map(({ item }) => `${printItem(item)}\n`).join("");
}

export function parseLine(line: string, number?: number): SessionItem {
  const text = line.trim();
  if (text === "") return { kind: "blank" };
  if (text.startsWith("#")) return { kind: "comment", text: text.slice(1).trim() };
  if (text.startsWith("<")) return parseExpectation(text.slice(1), number);
  if (/^reset$/i.test(text)) return { kind: "reset" };
  const target = /^@([a-z][a-z0-9-]*)$/.exec(text)?.[1];
  if (target !== undefined) return { kind: "target", name: target };
  if (text.startsWith(">")) return parseCommand(text.slice(1).trim(), number);
  const bare = hexParts(text);
  if (bare !== undefined) return { kind: "apdu", parts: bare };
  throw new SessionError(
    `"${clipped(text)}" is neither a command (>), an answer (<), a card (@), reset, nor a comment (#). ${NOTHING_SENT}`,
    number,
  );
}

/** What stands behind ">": digits, or a command by name. */
export function parseCommand(text: string, number?: number): SessionItem {
  if (text === "") throw new SessionError(`There is no command behind ">". ${NOTHING_SENT}`, number);
  const parts = hexParts(text);
  if (parts !== undefined) return { kind: "apdu", parts };
  if (HEX_WITH_PLACEHOLDERS.test(text)) {
    throw new SessionError(
      `"${clipped(text)}" is not whole bytes, or less than the four of a header. ${NOTHING_SENT}`,
      number,
    );
  }
  return { kind: "symbolic", text: text.replace(/\s+/g, " ") };
}

function parseExpectation(text: string, number?: number): SessionItem {
  const pattern = parsePattern(text);
  if (pattern !== undefined) return { kind: "expect", pattern };
  throw new SessionError(
    `"${clipped(text.trim())}" is not an answer: digits in pairs, ".." for any byte, "*" for any bytes. ${NOTHING_SENT}`,
    number,
  );
}

/** A message shows the beginning only: a line may hold what nobody should read. */
function clipped(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}

/** Bytes and placeholders of a line of digits; undefined when it is another line. */
function hexParts(text: string): CommandPart[] | undefined {
  if (!HEX_WITH_PLACEHOLDERS.test(text)) return undefined;
  const parts: CommandPart[] = [];
  for (const [i, piece] of text.split(PLACEHOLDER).entries()) {
    if (i % 2 === 1) parts.push({ placeholder: piece });
    else {
      const bytes = bytesOfHex(piece);
      if (bytes === undefined) return undefined;
      if (bytes.length > 0) parts.push(bytes);
    }
  }
  const [first] = parts;
  return first instanceof Uint8Array && first.length >= APDU_BYTES_MIN ? parts : undefined;
}

export function printItem(item: SessionItem): string {
  switch (item.kind) {
    case "blank":
      return "";
    case "comment":
      return item.text === "" ? "#" : `# ${item.text}`;
    case "reset":
      return "reset";
    case "target":
      return `@${item.name}`;
    case "apdu":
      return `> ${item.parts.map((part) => (part instanceof Uint8Array ? spacedHex(part) : `{${part.placeholder}}`)).join(" ")}`;
    case "symbolic":
      return `> ${item.text}`;
    case "expect":
      return `< ${printPattern(item.pattern)}`;
  }
}

/** Gives a value for a placeholder; undefined when nobody has given one. */
export type Values = (name: string) => string | Uint8Array | undefined;

/** Values that the environment may have. */
export const VARIABLES: Readonly<Record<string, string>> = { pin: "TALLY_PIN", puk: "TALLY_PUK" };

/** A session names something that was not given. */
export class ValueMissingError extends Error {
  override readonly name = "ValueMissingError";
  readonly exitCode = 2;

  constructor(name: string) {
    const variable = VARIABLES[name];
    const elsewhere = variable === undefined ? "" : `, or in ${variable}`;
    super(
      `The session wants {${name}}, which was not given. Nothing was sent from there on, and no money moved. ` +
        `Start it again with --set ${name}=...${elsewhere}.`,
    );
  }
}

function givenValue(values: Values, name: string): string | Uint8Array {
  const value = values(name);
  if (value === undefined) throw new ValueMissingError(name);
  return value;
}

/** What is given as digits and sent in ASCII; any other value is bytes in hexadecimal. */
const DIGITS_NAME = /^(?:pin|puk)(?:-\d+)?$/;

/** Bytes of a value in a line of hexadecimal. */
export function valueBytes(values: Values, name: string): Uint8Array {
  const value = givenValue(values, name);
  if (value instanceof Uint8Array) return value;
  const isDigits = DIGITS_NAME.test(name);
  if (isDigits && /^\d+$/.test(value)) return new TextEncoder().encode(value);
  const bytes = isDigits ? undefined : bytesOfHex(value);
  if (bytes !== undefined) return bytes;
  throw new SessionError(`{${name}} is not ${isDigits ? "digits" : "bytes in hexadecimal"}. Nothing was sent.`);
}

/** Text with its placeholders filled in: bytes in hexadecimal. */
export function filledIn(text: string, values: Values): string {
  return text.replace(PLACEHOLDER, (_whole, name: string) => {
    const value = givenValue(values, name);
    return value instanceof Uint8Array ? toHex(value) : value;
  });
}
