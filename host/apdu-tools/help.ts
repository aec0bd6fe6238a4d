/** Help from the tables: all commands, one of them, and what a number means (a status word, instruction, tag or reason). */

import { reasonSentence } from "../reasons.js";
import { statusSentence } from "../status-words.js";
import { ARGUMENTS, COMMANDS, type CommandEntry, commandNamed, usageOf } from "./command-table.js";
import { DATA_OBJECTS, type DataObject } from "./data-objects.js";
import { HOST_COMMANDS, type Message, NOTICES } from "./message-table.js";
import { hex8, hex16 } from "./names.js";
import { RECORD_FILES } from "./records.js";
import { patternOf, STATUS_WORDS, statusWord } from "./status-table.js";

const GROUPS: Readonly<Record<CommandEntry["group"], string>> = {
  card: "The card and the way to it",
  owner: "The owner's, and any host's",
  envelopes: "Envelopes",
  personalisation: "Personalisation",
};

/** All commands, a line each. */
function commandList(): string[] {
  return Object.entries(GROUPS).flatMap(([group, title]) => {
    const entries = COMMANDS.filter((entry) => entry.group === group);
    return [
      title,
      ...entries.map((entry) => `  ${entry.name.padEnd(22)} ${headOf(entry)}  ${firstSentence(entry.purpose)}`),
    ];
  });
}

function headOf({ cla, ins }: CommandEntry): string {
  return `${hex8(cla)} ${hex8(ins)}`;
}

function firstSentence(text: string): string {
  return /^[^.]*\./.exec(text)?.[0] ?? text;
}

/** Everything about a command. */
function commandHelp(entry: CommandEntry): string[] {
  const isPlain = entry.forms.length === 1 && entry.forms[0]?.name === "";
  const usages = entry.forms.map((form) => `  ${usageOf(entry, form).padEnd(44)} ${form.meaning}`);
  return [
    `${entry.name}  ${headOf(entry)}`,
    entry.purpose,
    `  P1 P2   ${entry.p1p2}`,
    `  data    ${entry.data}`,
    `  answer  ${entry.answer}`,
    `  before  ${entry.before}`,
    ...(isPlain ? ["Typed as"] : ["Forms"]),
    ...usages,
    "Status words beside 9000",
    ...entry.statuses.map(({ status, why }) => `  ${shortPattern(status)}  ${why}`),
  ];
}

function shortPattern(status: number): string {
  const known = statusWord(status);
  return known === undefined ? hex16(status) : patternOf(known);
}

/** `help` and what stands behind it. Undefined when nothing is known of that. */
export function helpFor(topic: string): string[] | undefined {
  const text = topic.trim();
  if (text === "") return commandList();
  const entry = commandNamed(text);
  // VERIFY is a command, and a notice too.
  if (entry !== undefined) return [...commandHelp(entry), ...messageLines(text)];
  const words = text.split(/\s+/);
  for (let count = words.length - 1; count > 0; count -= 1) {
    const shorter = commandNamed(words.slice(0, count).join(" "));
    const form = shorter?.forms.find(({ name }) => name === words[count]?.toLowerCase());
    if (shorter !== undefined && form !== undefined) return formHelp(shorter, form.name);
  }
  return explained(text);
}

function formHelp(entry: CommandEntry, name: string): string[] {
  const object = entry.name === "GET DATA" ? DATA_OBJECTS.find((each) => each.name === name) : undefined;
  if (object !== undefined) return objectHelp(object);
  const file = entry.name === "READ RECORD" ? RECORD_FILES.find((each) => each.name === name) : undefined;
  const forms = entry.forms.filter((form) => form.name === name);
  return [
    ...forms.map((form) => `${usageOf(entry, form)}  ${form.meaning}`),
    ...(file === undefined ? [] : [`  answers [${file.fields.map((field) => field.name).join(", ")}]`]),
    `  before  ${entry.before}`,
  ];
}

function objectHelp(object: DataObject): string[] {
  return [
    `GET DATA ${object.name}  ${hex16(object.tag)}  ${object.meaning}`,
    `  who may  ${object.who}`,
    ...(object.applets === undefined ? [] : [`  of       ${object.applets.join(", ")}`]),
    ...(object.entry === undefined ? [] : [`  entries  ${hex8(object.entry)}, each:`]),
    ...object.fields.map(({ tag, name, bytes }) => `  ${hex8(tag)}  ${name}${bytes === undefined ? "" : `, ${bytes}`}`),
  ];
}

function messageHelp(sort: string, { name, number, applets, fields }: Message): string[] {
  const items = fields.length === 0 ? "" : `, ${fields.map((field) => field.name).join(", ")}`;
  return [`${sort} ${name}: [${number}${items}]  (${applets.join(", ")})`];
}

/** A status word, instruction, tag, or the number of a reason; the name of a command of the host. Undefined: nothing of that sort. */
export function explained(text: string): string[] | undefined {
  const digits = text.replace(/\s+/g, "").replace(/^0x/i, "");
  const lines = [
    ...statusLines(digits),
    ...tagLines(digits),
    ...instructionLines(digits),
    ...reasonLines(text),
    ...messageLines(text),
  ];
  return lines.length === 0 ? undefined : lines;
}

function statusLines(digits: string): string[] {
  const family = STATUS_WORDS.find((each) => patternOf(each).toLowerCase() === digits.toLowerCase());
  const status = /^[0-9a-f]{4}$/i.test(digits) ? Number.parseInt(digits, 16) : undefined;
  const known = family ?? (status === undefined ? undefined : statusWord(status));
  if (known === undefined) return [];
  const word = status ?? known.word;
  const users = COMMANDS.flatMap(({ name, statuses }) =>
    statuses
      .filter(({ status: each }) => (each & known.mask) === known.word)
      .map(({ why }) => `  ${name.padEnd(22)} ${why}`),
  );
  const isRefusal = word >> 12 === 6 && word >> 8 !== 0x61 && word >> 8 !== 0x6c;
  return [
    `status word ${status === undefined ? patternOf(known) : hex16(word)}: ${known.meaning}`,
    ...(isRefusal ? [`  ${statusSentence(word)}`] : []),
    ...users,
  ];
}

function tagLines(digits: string): string[] {
  const object = /^[0-9a-f]{4}$/i.test(digits)
    ? DATA_OBJECTS.find(({ tag }) => tag === Number.parseInt(digits, 16))
    : undefined;
  return object === undefined ? [] : objectHelp(object);
}

function instructionLines(digits: string): string[] {
  if (!/^[0-9a-f]{2}$/i.test(digits)) return [];
  return COMMANDS.filter(({ ins }) => ins === Number.parseInt(digits, 16)).flatMap(commandHelp);
}

function reasonLines(text: string): string[] {
  const digits = /^(?:reason\s+)?(1\d\d)$/i.exec(text.trim())?.[1];
  if (digits === undefined) return [];
  const sentence = reasonSentence(Number(digits));
  return sentence.includes("does not know") ? [] : [`reason ${digits}: ${sentence}`];
}

function messageLines(text: string): string[] {
  const name = text.trim().toUpperCase();
  return [
    ...HOST_COMMANDS.filter((each) => each.name === name).flatMap((each) => messageHelp("command", each)),
    ...NOTICES.filter((each) => each.name === name).flatMap((each) => messageHelp("notice", each)),
  ];
}

/** Whether something is typed behind a command's form. */
export function takesMore(entry: CommandEntry): boolean {
  return entry.forms.some(
    (form) => form.name !== "" || ARGUMENTS[form.data] !== "" || form.p1 === undefined || form.p2 === undefined,
  );
}
