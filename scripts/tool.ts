/**
 * Runs one of the test tools that are programs of their own: `run.mjs tool <name> [arguments]` compiles `test/<name>/main.ts`,
 * with what it imports, to `build/tools`, and starts it in this process.
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [name] = process.argv.splice(2, 1);
if (name === undefined || !existsSync(`test/${name}/main.ts`)) {
  console.error(`There is no tool "${name}" in test/.`);
  process.exit(2);
}
const compiler = "node_modules/typescript/bin/tsc";
const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.tools.json"], { stdio: "inherit" });
if (status !== 0) process.exit(1);

/** What somebody asked for that there is not; anything else is a fault of the tool. */
function isMistake(error: unknown): error is Error {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return error instanceof RangeError || code.startsWith("ERR_PARSE_ARGS");
}

try {
  await import(pathToFileURL(join(process.cwd(), `build/tools/test/${name}/main.js`)).href);
} catch (error) {
  if (!isMistake(error)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
