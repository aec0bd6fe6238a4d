/** Makes a binary of each defect, and looks whether whoever has to notice it does. */

import { join } from "node:path";
import { appletRequest } from "../../scripts/firmware/applets.js";
import { compileIfStale } from "../../scripts/firmware/compile.js";
import { packageRoot } from "../../simulator/applet-files.js";
import { failingTest } from "../support/failing-test.js";
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
  if ("tests" in check) {
    const { agent, module } = applets;
    return failingTest(check.tests, { TALLY_TEST_AGENT: agent, TALLY_TEST_MODULE: module });
  }
  const { story, budget, used = false } = check;
  const job = { story, used, budget, share: { index: 0, of: 1 }, sample: 1, applets };
  const [violation] = (await explore(job)).violations;
  if (violation === undefined) return undefined;
  const { faults, wrong } = violation;
  const needsFault = Object.values(budget).some((most) => most > 0);
  if (needsFault && faults.length === 0) throw new Error(`${defect.name}: it needs no fault to be noticed: ${wrong}`);
  return `${faults.join(" ") || "without a fault"}: ${wrong}`;
}
