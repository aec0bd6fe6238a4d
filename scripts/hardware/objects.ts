/** Compiles C when something that it is made of has changed since: its text, a header of the project, or how it is compiled. */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { run } from "./run.js";

export interface Compilation {
  readonly compiler: string;
  readonly flags: readonly string[];
  /** What every file may include: a change in it compiles all again. */
  readonly headers: string;
}

/** One hash of all headers below the folders. */
export function hashOfHeaders(folders: readonly string[]): string {
  const hash = createHash("sha256");
  for (const folder of folders) {
    const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".h"));
    for (const name of names.sort()) hash.update(name).update(readFileSync(join(folder, name)));
  }
  return hash.digest("hex");
}

/** Where the object of a source goes. */
export function objectOf(folder: string, source: string): string {
  return join(folder, `${basename(dirname(source))}-${basename(source, ".c")}.o`);
}

/** The object file of a source; compiled when it is stale. */
export function compileObject(source: string, folder: string, { compiler, flags, headers }: Compilation): string {
  const object = objectOf(folder, source);
  const values = [...flags, "-c", source, "-o", object];
  const text = readFileSync(source);
  const inputs = createHash("sha256")
    .update(JSON.stringify([compiler, values, headers]))
    .update(text)
    .digest("hex");
  const record = `${object}.inputs`;
  if (existsSync(record) && readFileSync(record, "utf8") === inputs) return object;
  mkdirSync(folder, { recursive: true });
  run(compiler, values);
  writeFileSync(record, inputs);
  return object;
}
