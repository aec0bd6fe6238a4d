/** What may be typed next in an interactive session: commands, their forms, applets, addresses, kinds, commands of the host. */

import { APPLETS, aidOf } from "../applets.js";
import { COMMANDS, type CommandEntry, commandNamed } from "./command-table.js";
import { takesMore } from "./help.js";
import { HOST_COMMANDS } from "./message-table.js";
import { ADDRESSES, ENVELOPE_KINDS, spacedHex } from "./names.js";

/** Words of the tool itself. */
const TOOL_WORDS = ["help", "reset", "decode on", "decode off", "secrets on", "secrets off", "quit"] as const;

/** Completions of a whole line, and the line, as readline wants them. */
export function complete(line: string, targets: readonly string[]): [string[], string] {
  const all = candidates(line, targets);
  const typed = line.toLowerCase();
  return [all.filter((each) => each.toLowerCase().startsWith(typed)), line];
}

function candidates(line: string, targets: readonly string[]): string[] {
  const help = /^help\s+/i.exec(line);
  if (help !== null) return COMMANDS.map(({ name }) => `help ${name}`);
  const entry = COMMANDS.find(({ name }) => line.toUpperCase().startsWith(`${name} `));
  if (entry === undefined) {
    const commands = COMMANDS.map((each) => (takesMore(each) ? `${each.name} ` : each.name));
    return [...commands, ...TOOL_WORDS, ...targets.map((name) => `@${name}`)];
  }
  return completionsOf(entry, line);
}

function completionsOf(entry: CommandEntry, line: string): string[] {
  if (entry === commandNamed("SELECT")) {
    return APPLETS.flatMap(({ name, number }) => [`SELECT ${name}`, `SELECT ${spacedHex(aidOf(number))}`]);
  }
  if (entry === commandNamed("ENVELOPE")) return envelopes(line);
  return [...new Set(entry.forms.map((form) => `${entry.name} ${form.name}`))];
}

function envelopes(line: string): string[] {
  const [, address, kind] = /^ENVELOPE\s+(\S+)\s+(\S+)\s/i.exec(line) ?? [];
  if (address !== undefined && kind !== undefined) {
    return HOST_COMMANDS.map(
      (each) => `ENVELOPE ${address} ${kind} ${each.name}${each.fields.length === 0 ? "" : " ["}`,
    );
  }
  const first = /^ENVELOPE\s+(\S+)\s/i.exec(line)?.[1];
  if (first !== undefined) return [...ENVELOPE_KINDS.values()].map((name) => `ENVELOPE ${first} ${name}`);
  return [...ADDRESSES.values()].map((name) => `ENVELOPE ${name}`);
}
