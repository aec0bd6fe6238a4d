/** Values of the placeholders in a session: given on the command line, in the environment, or typed where there is a terminal. */

import { InvalidArgumentError } from "commander";
import { type NumberedItem, type SessionItem, VARIABLES, type Values } from "../apdu-tools/session.js";
import { secret } from "./confirm.js";

export type GivenValues = ReadonlyMap<string, string>;

/** `--set name=value`, any number of times. */
export function givenValue(text: string, before: GivenValues = new Map()): GivenValues {
  const match = /^([a-z][a-z0-9-]*)=(.+)$/s.exec(text);
  const [, name, value] = match ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError("It is NAME=VALUE.");
  return new Map([...before, [name, value]]);
}

export function valuesOf(
  given: GivenValues,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Values {
  return (name) => given.get(name) ?? (environment[VARIABLES[name] ?? ""] || undefined);
}

const PLACEHOLDER = /\{([a-z][a-z0-9-]*)\}/g;

/** Who asks for a value that nobody has given; undefined: nobody knows it. */
export type AskForValue = (question: string) => Promise<string | undefined>;

function placeholdersOf(item: SessionItem): string[] {
  if (item.kind === "symbolic") return [...item.text.matchAll(PLACEHOLDER)].map(([, name]) => name ?? "");
  if (item.kind !== "apdu") return [];
  return item.parts.flatMap((part) => (part instanceof Uint8Array ? [] : [part.placeholder]));
}

/** What nobody has given yet is asked for, without being shown, before anything is sent. */
export async function valuesFor(
  lines: readonly NumberedItem[],
  given: GivenValues,
  ask: AskForValue = secret,
): Promise<Values> {
  const known = valuesOf(given);
  const typed = new Map<string, string>();
  for (const name of new Set(lines.flatMap(({ item }) => placeholdersOf(item)))) {
    // A proof is computed, of the key.
    if (known(name) !== undefined || name === "proof") continue;
    const value = await ask(`{${name}}:`);
    if (value !== undefined) typed.set(name, value);
  }
  return (name) => known(name) ?? typed.get(name);
}
