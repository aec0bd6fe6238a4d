/**
 * Property tests start from one seed, so that two runs of the same code agree. `TALLY_SEED=random npm test` lets each run
 * look elsewhere, `TALLY_SEED=42` repeats one; a failure prints the seed it came from.
 *
 * TALLY_TEST_AGENT, TALLY_TEST_MODULE and TALLY_TEST_PURSE put other applets in the place of those that ship: with a defect that tests must notice.
 * TALLY_SESSIONS=FOLDER leaves there what elements were given (session-recorder.ts).
 * TALLY_COVERAGE=FOLDER runs instrumented applets and leaves there, for each test file, which blocks of them it reached.
 */

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect } from "vitest";
import { loadApplet, replaceApplet, shippedAppletPath } from "../../simulator/applet-files.js";
import { type InstrumentedApplet, instrumentProcess } from "./coverage.js";
import { recordSessions } from "./session-recorder.js";

const wanted = process.env["TALLY_SEED"] ?? "1996";
if (wanted !== "random") fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(wanted) });

const { TALLY_TEST_AGENT: agent, TALLY_TEST_MODULE: module, TALLY_TEST_PURSE: purse } = process.env;
const REPLACED = [["trusted-agent", agent] as const, ["money-module", module] as const, ["purse", purse] as const];
for (const [name, path] of REPLACED) {
  if (path === undefined) continue;
  const shipped = shippedAppletPath(name);
  for (const each of [shipped, shipped.replace(/\.wasm$/, ".debug.wasm")]) replaceApplet(each, loadApplet(path));
}

function writeReached(folder: string, applets: readonly InstrumentedApplet[]): void {
  const reached = applets.map(({ name, ever }) => [name, [...ever.keys()].filter((block) => ever[block] === 1)]);
  const file = createHash("sha256").update(String(expect.getState().testPath)).digest("hex");
  writeFileSync(join(folder, `${file}.json`), JSON.stringify(Object.fromEntries(reached)));
}

const folder = process.env["TALLY_COVERAGE"];
if (folder !== undefined) {
  const applets = await instrumentProcess();
  afterAll(() => writeReached(folder, applets));
}

const sessions = process.env["TALLY_SESSIONS"];
if (sessions !== undefined) {
  const { write } = recordSessions(sessions);
  afterAll(write);
}
