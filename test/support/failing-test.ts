/** Tests that are run in a process of their own with something else under test: those that fail have noticed it. */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../simulator/applet-files.js";

interface TestResult {
  readonly status: string;
  readonly fullName: string;
  readonly failureMessages: readonly string[];
}

interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly TestResult[] }[];
}

const TESTS_MS_MAX = 300_000;

/** Name of a test that fails with these variables (setup.ts) in its environment, and not for want of time. */
export function failingTest(tests: string, variables: Readonly<Record<string, string>>): string | undefined {
  const report = join(packageRoot(), "build/defects", `${process.pid}.json`);
  mkdirSync(join(packageRoot(), "build/defects"), { recursive: true });
  rmSync(report, { force: true });
  const vitest = ["node_modules/vitest/vitest.mjs", "run", "--bail=1", "--reporter=json", `--outputFile=${report}`];
  const env = { ...process.env, ...variables };
  const options = { cwd: packageRoot(), env, stdio: "ignore", timeout: TESTS_MS_MAX } as const;
  const { error } = spawnSync(process.execPath, [...vitest, tests], options);
  if (error !== undefined) throw error;
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
  rmSync(report);
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  if (all.length === 0) throw new Error(`no test ran in ${tests}`);
  const isSlow = ({ failureMessages }: TestResult) => failureMessages.some((said) => said.includes("timed out"));
  return all.find((test) => test.status === "failed" && !isSlow(test))?.fullName;
}
