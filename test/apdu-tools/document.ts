/** docs/APDU.md as it must be: what its tables say, made from the tables of host/apdu-tools, and the sessions in it. */

import { readFileSync } from "node:fs";
import { COMMANDS, type CommandEntry } from "../../host/apdu-tools/command-table.js";
import type { DataObject } from "../../host/apdu-tools/data-objects.js";
import { HOST_COMMANDS, type Message, NOTICES } from "../../host/apdu-tools/message-table.js";
import { hex8, hex16 } from "../../host/apdu-tools/names.js";
import { RECORD_FILES } from "../../host/apdu-tools/records.js";
import { parseSession, type SessionLine } from "../../host/apdu-tools/session.js";
import { patternOf, STATUS_WORDS, statusWord } from "../../host/apdu-tools/status-table.js";

export function readDocument(): string {
  return readFileSync(new URL("../../docs/APDU.md", import.meta.url), "utf8");
}

export interface Example {
  /** Line of the document in which the fence opens. */
  readonly line: number;
  readonly lines: readonly SessionLine[];
}

/** Every fenced block of the language apdu; lines are numbered as in the document. */
export function examplesIn(document: string): Example[] {
  const examples: Example[] = [];
  for (const match of document.matchAll(/^```apdu\n(.*?)^```$/gms)) {
    const line = document.slice(0, match.index).split("\n").length;
    const lines = parseSession(match[1] ?? "").map(({ number, item }) => ({ number: line + number, item }));
    examples.push({ line, lines });
  }
  return examples;
}

const table = (rows: readonly (readonly string[])[]): string => rows.map((row) => `| ${row.join(" | ")} |\n`).join("");
const escaped = (text: string) => text.replaceAll("|", "\\|");

/** What stands under a command's heading. */
export function commandBlock(entry: CommandEntry): string {
  const forms = entry.forms.filter(({ name }) => name !== "");
  const rows = [
    ["CLA INS", `\`${hex8(entry.cla)} ${hex8(entry.ins)}\``],
    ["P1 P2", entry.p1p2],
    ["data", entry.data],
    ["answer", entry.answer],
    ["before", entry.before],
  ];
  return [
    `${entry.purpose}\n`,
    table([["", ""], ["---", "---"], ...rows.map((row) => row.map(escaped))]),
    ...(forms.length === 0 ? [] : [formTable(entry)]),
    table([
      ["status", "why"],
      ["---", "---"],
      ...entry.statuses.map(({ status, why }) => [`\`${wordOf(status)}\``, why]),
    ]),
  ].join("\n");
}

function formTable({ forms }: CommandEntry): string {
  const rows = forms.map(({ name, p1, p2, meaning, applets }) => [
    `\`${name}\``,
    `\`${p1 === undefined ? "NN" : hex8(p1)} ${p2 === undefined ? "NN" : hex8(p2)}\``,
    meaning,
    applets === undefined ? "all" : applets.join(", "),
  ]);
  return table([["form", "P1 P2", "what", "at"], ["---", "---", "---", "---"], ...rows]);
}

function wordOf(status: number): string {
  const known = statusWord(status);
  return known === undefined ? hex16(status) : patternOf(known);
}

export function objectHeading({ tag, name }: DataObject): string {
  return `${hex16(tag)} ${name}`;
}

/** What stands under the heading of a data object. */
export function objectBlock(object: DataObject): string {
  const where = object.entry === undefined ? "" : ` Entries \`${hex8(object.entry)}\`, each with:`;
  const of = object.applets === undefined ? "" : ` Of: ${object.applets.join(", ")}.`;
  const head = `${object.meaning[0]?.toUpperCase()}${object.meaning.slice(1)}. Who may: ${object.who}.${of}${where}\n`;
  if (object.fields.length === 0) return head;
  const rows = object.fields.map(({ tag, name, bytes }) => [
    `\`${hex8(tag)}\``,
    name,
    bytes === undefined ? "" : String(bytes),
  ]);
  return `${head}\n${table([["tag", "what", "bytes"], ["---", "---", "---"], ...rows])}`;
}

export function overviewBlock(): string {
  const rows = COMMANDS.map(({ name, cla, ins, purpose }) => [
    `[${name}](#${name.toLowerCase().replaceAll(" ", "-")})`,
    `\`${hex8(cla)} ${hex8(ins)}\``,
    /^[^.]*/.exec(purpose)?.[0] ?? "",
  ]);
  return table([["command", "CLA INS", "what"], ["---", "---", "---"], ...rows]);
}

export function recordsBlock(): string {
  const rows = RECORD_FILES.map(({ file, name, meaning, applets, fields }) => [
    String(file),
    `\`${name}\``,
    `${meaning}: \`[${fields.map((field) => field.name.replaceAll(";", ",")).join(", ")}${name === "tickets" ? ", components..." : ""}]\``,
    applets.join(", "),
  ]);
  return table([["file", "name", "what", "at"], ["---", "---", "---", "---"], ...rows]);
}

export function statusBlock(): string {
  return table([
    ["status", "what"],
    ["---", "---"],
    ...STATUS_WORDS.map((word) => [`\`${patternOf(word)}\``, word.meaning]),
  ]);
}

function messagesBlock(messages: readonly Message[]): string {
  const rows = messages.map(({ number, name, applets, fields, isOpen }) => [
    String(number),
    name,
    `${fields.map((field) => field.name.replaceAll(";", ",")).join(", ")}${isOpen ? "..." : ""}`,
    applets.join(", "),
  ]);
  return table([["number", "name", "what follows it", "at"], ["---", "---", "---", "---"], ...rows]);
}

export const hostCommandsBlock = () => messagesBlock(HOST_COMMANDS);
export const noticesBlock = () => messagesBlock(NOTICES);
