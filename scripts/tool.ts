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
await import(pathToFileURL(join(process.cwd(), `build/tools/test/${name}/main.js`)).href);
