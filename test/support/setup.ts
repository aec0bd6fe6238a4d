/**
 * Property tests start from one seed, so that two runs of the same code agree. `TALLY_SEED=random npm test` lets each run
 * look elsewhere, `TALLY_SEED=42` repeats one; a failure prints the seed it came from.
 *
 * TALLY_TEST_AGENT and TALLY_TEST_MODULE put other applets in the place of those that ship: with a defect that tests must notice.
 */

import fc from "fast-check";
import { loadApplet, replaceApplet, shippedAppletPath } from "../../simulator/applet-files.js";

const wanted = process.env["TALLY_SEED"] ?? "1996";
if (wanted !== "random") fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(wanted) });

const { TALLY_TEST_AGENT: agent, TALLY_TEST_MODULE: module } = process.env;
for (const [name, path] of [["trusted-agent", agent] as const, ["money-module", module] as const]) {
  if (path === undefined) continue;
  const shipped = shippedAppletPath(name);
  for (const each of [shipped, shipped.replace(/\.wasm$/, ".debug.wasm")]) replaceApplet(each, loadApplet(path));
}
