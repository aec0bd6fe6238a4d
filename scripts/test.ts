/**
 * Runs the tests and ends with one plain line, `N passed, N failed`, counted from vitest's own report. Anything that
 * keeps the report from being whole (a file that does not load, a runner that dies) counts as a failure.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { summaryOf } from "./test-summary.js";

const REPORT_PATH = "build/test-report.json";

mkdirSync("build", { recursive: true });
rmSync(REPORT_PATH, { force: true });
const { status } = spawnSync(
  process.execPath,
  [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${REPORT_PATH}`,
    ...process.argv.slice(2),
  ],
  { stdio: "inherit" },
);

function readReport(): string | undefined {
  try {
    return readFileSync(REPORT_PATH, "utf8");
  } catch {
    return undefined;
  }
}

const summary = summaryOf(readReport(), status);
for (const problem of summary.problems) console.error(problem);
console.log(`${summary.passed} passed, ${summary.failed} failed`);
process.exitCode = summary.failed === 0 ? 0 : 1;
