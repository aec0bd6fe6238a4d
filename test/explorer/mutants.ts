/** Makes a binary of each defect, and looks whether whoever has to notice it does. */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { appletRequest } from "../../scripts/firmware/applets.js";
import { compileIfStale } from "../../scripts/firmware/compile.js";
import { packageRoot } from "../../simulator/applet-files.js";
import type { Defect } from "./defects.js";
import { type AppletPaths, explore } from "./jobs.js";
import type { Sort } from "./state.js";

const APPLETS: Record<Sort, string> = { agent: "trusted-agent", module: "money-module" };

function folderOf(defect: Defect): string {
  return join("build/defects", defect.name.replaceAll(/\W+/g, "-"));
}

/** Compiles the applets that have the defect; the others are those that ship. */
async function compiled(defect: Defect, release: AppletPaths): Promise<AppletPaths> {
  const root = packageRoot();
  const paths = { ...release };
  for (const sort of defect.applets) {
    const outputPath = join(folderOf(defect), `${APPLETS[sort]}.wasm`);
    await compileIfStale({ ...appletRequest(root, APPLETS[sort], "release"), outputPath, edits: defect.edits });
    paths[sort] = join(root, outputPath);
  }
  return paths;
}

/** What noticed the defect, in a few words; undefined when nothing did. */
export async function noticed(defect: Defect, release: AppletPaths): Promise<string | undefined> {
  const applets = await compiled(defect, release);
  const { check } = defect;
  if ("tests" in check) return failing(check.tests, applets);
  const { story, budget, used = false } = check;
  const job = { story, used, budget, share: { index: 0, of: 1 }, sample: 1, applets };
  const [violation] = (await explore(job)).violations;
  if (violation === undefined) return undefined;
  const { faults, wrong } = violation;
  const needsFault = Object.values(budget).some((most) => most > 0);
  if (needsFault && faults.length === 0) throw new Error(`${defect.name}: it needs no fault to be noticed: ${wrong}`);
  return `${faults.join(" ") || "without a fault"}: ${wrong}`;
}

interface TestResult {
  readonly status: string;
  readonly fullName: string;
  readonly failureMessages: readonly string[];
}

interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly TestResult[] }[];
}

const TESTS_MS_MAX = 300_000;

/** Name of a test that fails with these applets in the place of those that ship, and not for want of time. */
function failing(tests: string, applets: AppletPaths): string | undefined {
  const report = join(packageRoot(), "build/defects", `${process.pid}.json`);
  mkdirSync(join(packageRoot(), "build/defects"), { recursive: true });
  rmSync(report, { force: true });
  const vitest = ["node_modules/vitest/vitest.mjs", "run", "--bail=1", "--reporter=json", `--outputFile=${report}`];
  const env = { ...process.env, TALLY_TEST_AGENT: applets.agent, TALLY_TEST_MODULE: applets.module };
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
