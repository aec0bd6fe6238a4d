/**
 * Writes the generated files. With `--check` it writes nothing and fails when one of them is not what its source in
 * firmware/ says.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { generatedFiles } from "./generator/outputs.js";

function currentText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

const stale = generatedFiles().filter((file) => currentText(file.path) !== file.text);
if (process.argv.includes("--check")) {
  for (const file of stale) console.error(`${file.path} is stale: run "npm run generate" and commit the result.`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  for (const file of stale) {
    mkdirSync(dirname(file.path), { recursive: true });
    writeFileSync(file.path, file.text);
    console.log(`wrote ${file.path}`);
  }
}
