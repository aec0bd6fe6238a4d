/** Commands by name, as people type them ("GET DATA balance", "READ RECORD log 1", "VERIFY 123456"), made into commands. */

import { PIN_DIGITS_MAX } from "../../firmware/protocol/limits.js";
import type { Command } from "../apdu.js";
import { EXTENDED_ANSWER_BYTES_MAX, SHORT_ANSWER_BYTES_MAX } from "../apdu.js";
import { APPLETS, aidOf } from "../applets.js";
import { concatBytes } from "../codec/bytes.js";
import { encode } from "../codec/cbor.js";
import { parseDecimal, unitOf } from "../units.js";
import { ARGUMENTS, COMMANDS, type CommandEntry, type DataKind, type Form, usageOf } from "./command-table.js";
import { parseDiagnostic } from "./diagnostic.js";
import { hostCommandNamed } from "./message-table.js";
import { ADDRESSES, bytesOfHex, ENVELOPE_KINDS } from "./names.js";
import { SessionError } from "./session.js";

function refuse(what: string): never {
  throw new SessionError(what);
}

/** The longest name of a command that the words begin with. */
function entryOf(words: readonly string[]): { entry: CommandEntry; rest: readonly string[] } {
  for (let count = Math.min(3, words.length); count > 0; count -= 1) {
    const name = words.slice(0, count).join(" ").toUpperCase();
    const entry = COMMANDS.find((each) => each.name === name);
    if (entry !== undefined) return { entry, rest: words.slice(count) };
  }
  return refuse(`"${words.slice(0, 2).join(" ")}" is not a command; "help" lists them.`);
}

/** "... on 2": the logical channel. */
function channelIn(words: readonly string[]): { words: readonly string[]; channel: number } {
  const digit = /^[0-3]$/.exec(words.at(-1) ?? "")?.[0];
  if (words.length > 2 && words.at(-2)?.toLowerCase() === "on" && digit !== undefined) {
    return { words: words.slice(0, -2), channel: Number(digit) };
  }
  return { words, channel: 0 };
}

/** Placeholders are filled in already. `extended`: whether long answers can be asked for at once. */
export function parseSymbolic(text: string, extended: boolean): Command {
  const { words, channel } = channelIn(text.trim().split(/\s+/));
  const { entry, rest } = entryOf(words);
  const { form, rest: afterForm } = formOf(entry, rest);
  const { p1, p2, rest: afterNumber } = numbersOf(entry, form, afterForm);
  const data = dataOf(form.data, afterNumber, usageOf(entry, form));
  const long = extended ? EXTENDED_ANSWER_BYTES_MAX : SHORT_ANSWER_BYTES_MAX;
  const answer = { none: 0, short: SHORT_ANSWER_BYTES_MAX, long }[form.answer === "none" ? "none" : entry.answerLength];
  return {
    cla: entry.cla | channel,
    ins: entry.ins,
    p1,
    p2,
    ...(data.length === 0 ? {} : { data }),
    ...(answer === 0 ? {} : { answerBytesMax: answer }),
  };
}

function formOf(entry: CommandEntry, words: readonly string[]): { form: Form; rest: readonly string[] } {
  const [word = ""] = words;
  const isNumber = /^\d+$/.test(words[1] ?? "");
  const fitting = entry.forms.filter((form) => form.name !== "" && form.name === word.toLowerCase());
  const takesNumber = (form: Form) => form.p1 === undefined || form.p2 === undefined;
  const [named] = fitting.length > 1 ? fitting.filter((form) => takesNumber(form) === isNumber) : fitting;
  if (named !== undefined) return { form: named, rest: words.slice(1) };
  const plain = entry.forms.find((form) => form.name === "");
  if (plain !== undefined) return { form: plain, rest: words };
  const choices = [...new Set(entry.forms.map((form) => form.name))].join(", ");
  return refuse(`${entry.name} wants one of: ${choices}.`);
}

function numbersOf(entry: CommandEntry, form: Form, words: readonly string[]) {
  const { p1, p2 } = form;
  if (p1 !== undefined && p2 !== undefined) return { p1, p2, rest: words };
  const number = Number(words[0] ?? "");
  if (words[0] === undefined || !Number.isInteger(number) || number < 0 || number > 0xff) {
    return refuse(`${usageOf(entry, form)}: a number from 0 to 255 is missing.`);
  }
  return { p1: p1 ?? number, p2: p2 ?? number, rest: words.slice(1) };
}

function dataOf(kind: DataKind, words: readonly string[], usage: string): Uint8Array {
  const [first, second] = words;
  switch (kind) {
    case "none":
      if (words.length > 0) return refuse(`${usage}: there is nothing to be said behind it.`);
      return new Uint8Array(0);
    case "aid":
      return aid(words, usage);
    case "digits":
      return first === undefined ? new Uint8Array(0) : only(digits(first, usage), words, 1, usage);
    case "two-digits":
      return only(twoDigits(digits(first, usage), digits(second, usage)), words, 2, usage);
    case "seconds":
      return seconds(words.join(" "), usage);
    case "limit":
      return limit(words, usage);
    case "envelope":
      return envelope(words, usage);
    default:
      return ARGUMENTS[kind] === "<hex>" && words.join("").startsWith("[")
        ? cbor(words.join(" "))
        : hexOf(words, usage);
  }
}

function aid(words: readonly string[], usage: string): Uint8Array {
  const applet = APPLETS.find(({ name }) => name === words[0]?.toLowerCase());
  return applet === undefined ? hexOf(words, usage) : only(aidOf(applet.number), words, 1, usage);
}

function only(data: Uint8Array, words: readonly string[], count: number, usage: string): Uint8Array {
  return words.length === count ? data : refuse(`${usage}: ${words.length} words were given.`);
}

function hexOf(words: readonly string[], usage: string): Uint8Array {
  const bytes = bytesOfHex(words.join(""));
  return bytes === undefined || bytes.length === 0 ? refuse(`${usage}: bytes in hexadecimal are missing.`) : bytes;
}

/** What was typed is not repeated: it may be most of a PIN. */
function digits(word: string | undefined, usage: string): Uint8Array {
  if (word === undefined || !/^\d+$/.test(word)) return refuse(`${usage}: digits are missing.`);
  if (word.length > PIN_DIGITS_MAX) return refuse(`${usage}: at most ${PIN_DIGITS_MAX} digits.`);
  return new TextEncoder().encode(word);
}

function twoDigits(old: Uint8Array, next: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(old.length), old, next);
}

function seconds(text: string, usage: string): Uint8Array {
  const milliseconds = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (text === "" || !Number.isSafeInteger(milliseconds) || milliseconds < 0)
    return refuse(`${usage}: a date is missing.`);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(Math.floor(milliseconds / 1000)));
  return bytes;
}

/** PIN, currency, most for one payment, most for one day, in the currency's usual unit. */
function limit(words: readonly string[], usage: string): Uint8Array {
  const [pin, code, payment, day] = words;
  if (code === undefined || payment === undefined || day === undefined || words.length !== 4) {
    return refuse(`${usage}: four words are wanted.`);
  }
  const known = digits(pin, usage);
  const unit = unitOf(code);
  const terms = new Uint8Array(19);
  const view = new DataView(terms.buffer);
  view.setUint16(0, unit.currency);
  view.setUint8(2, unit.exponent);
  view.setBigUint64(3, parseDecimal(payment, unit.exponent));
  view.setBigUint64(11, parseDecimal(day, unit.exponent));
  return concatBytes(Uint8Array.of(known.length), known, terms);
}

/** Hexadecimal, or ADDRESS KIND and a body: digits, an array, or a command of the host by name and what follows it. */
function envelope(words: readonly string[], usage: string): Uint8Array {
  const address = numberNamed(ADDRESSES, words[0]);
  if (address === undefined) return hexOf(words, usage);
  const kind = numberNamed(ENVELOPE_KINDS, words[1]);
  if (kind === undefined) return refuse(`${usage}: the kind is one of: ${[...ENVELOPE_KINDS.values()].join(", ")}.`);
  return concatBytes(Uint8Array.of(address, kind), bodyOf(words.slice(2), usage));
}

function numberNamed(names: ReadonlyMap<number, string>, word: string | undefined): number | undefined {
  return [...names].find(([, name]) => name === word?.toLowerCase())?.[0];
}

function bodyOf(words: readonly string[], usage: string): Uint8Array {
  const text = words.join(" ");
  if (text === "") return new Uint8Array(0);
  if (text.startsWith("[")) return cbor(text);
  const arrayAt = words.findIndex((word) => word.startsWith("["));
  const name = (arrayAt < 0 ? words : words.slice(0, arrayAt)).join(" ");
  const message = hostCommandNamed(name);
  if (message === undefined) return hexOf(words, usage);
  const rest = arrayAt < 0 ? "" : words.slice(arrayAt).join(" ").replace(/^\[/, "");
  return cbor(/^\s*\]?$/.test(rest) ? `[${message.number}]` : `[${message.number}, ${rest}`);
}

function cbor(text: string): Uint8Array {
  try {
    return encode(parseDiagnostic(text));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return refuse(error.message);
  }
}
