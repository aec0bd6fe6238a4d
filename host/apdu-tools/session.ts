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
  override readonly name: string = "SessionError";
  readonly exitCode = 2;
  readonly what: string;
  readonly line: number | undefined;

  /** `consequence`: what was done all the same and what was not, which only those know who send. */
  constructor(what: string, line?: number, consequence?: string) {
    // It may quote a file of a stranger's.
    const sentences = printable([what, ...(consequence === undefined ? [] : [consequence])].join(" "));
    super(`${line === undefined ? "" : `Line ${line}: `}${sentences}`);
    this.what = what;
    this.line = line;
  }

  /** The same, with what came of it. */
  followedBy(consequence: string): SessionError {
    return new SessionError(this.what, this.line, consequence);
  }
}

/** Does a part of the work, and says what came of it when something in a session makes no sense. */
export function orElse<Result>(consequence: string, work: () => Result): Result {
  const said = (error: unknown): never => {
    throw error instanceof SessionError ? error.followedBy(consequence) : error;
  };
  try {
    const result = work();
    return result instanceof Promise ? (result.catch(said) as Result) : result;
  } catch (error) {
    return said(error);
  }
}

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
    `"${clipped(text)}" is neither a command (>), an answer (<), a card (@), reset, nor a comment (#).`,
    number,
  );
}

/** What stands behind ">": digits, or a command by name. */
export function parseCommand(text: string, number?: number): SessionItem {
  if (text === "") throw new SessionError(`There is no command behind ">".`, number);
  const parts = hexParts(text);
  if (parts !== undefined) return { kind: "apdu", parts };
  if (HEX_WITH_PLACEHOLDERS.test(text)) {
    throw new SessionError(`"${clipped(text)}" is not whole bytes, or less than the four of a header.`, number);
  }
  return { kind: "symbolic", text: text.replace(/\s+/g, " ") };
}

function parseExpectation(text: string, number?: number): SessionItem {
  const pattern = parsePattern(text);
  if (pattern !== undefined) return { kind: "expect", pattern };
  throw new SessionError(
    `"${clipped(text.trim())}" is not an answer: digits in pairs, ".." for any byte, "*" for any bytes.`,
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
export class ValueMissingError extends SessionError {
  override readonly name = "ValueMissingError";
  readonly #value: string;

  constructor(value: string, consequence?: string) {
    const variable = VARIABLES[value];
    const elsewhere = variable === undefined ? "" : `, or in ${variable}`;
    super(
      `The session wants {${value}}, which was not given: by --set ${value}=...${elsewhere}.`,
      undefined,
      consequence,
    );
    this.#value = value;
  }

  override followedBy(consequence: string): ValueMissingError {
    return new ValueMissingError(this.#value, consequence);
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
  throw new SessionError(`{${name}} is not ${isDigits ? "digits" : "bytes in hexadecimal"}.`);
}

/** Text with its placeholders filled in: bytes in hexadecimal. */
export function filledIn(text: string, values: Values): string {
  return text.replace(PLACEHOLDER, (_whole, name: string) => {
    const value = givenValue(values, name);
    return value instanceof Uint8Array ? toHex(value) : value;
  });
}
