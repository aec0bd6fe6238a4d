/** Does the work that its parent sends, until the parent is gone. */

import { loadApplet } from "../../simulator/applet-files.js";
import { failingTest } from "../support/failing-test.js";
import { serveWork } from "../support/workers.js";
import { explore } from "./explore.js";
import { type Answer, SEED, type Work } from "./workers.js";
import { Template } from "./world.js";

let template: Template | undefined;

async function done(work: Work): Promise<Answer> {
  if (work.kind === "tests")
    return { kind: "failed", test: failingTest(work.tests, { TALLY_TEST_PURSE: work.applet }) };
  template ??= await Template.make(SEED);
  const options = { template, applet: loadApplet(work.applet) };
  return { kind: "explored", explored: await explore(work.job, options, work.violationsMax) };
}

process.on("exit", () => template?.remove());
serveWork(done);
