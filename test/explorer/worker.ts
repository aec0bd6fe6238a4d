/** Does the work that its parent sends, until the parent is gone. */

import { serveWork } from "../support/workers.js";
import { DEFECTS } from "./defects.js";
import { explore } from "./jobs.js";
import { noticed } from "./mutants.js";
import type { Answer, Work } from "./workers.js";

async function done(work: Work): Promise<Answer> {
  if (work.kind === "explore") return { kind: "explored", explored: await explore(work.job) };
  const defect = DEFECTS.find(({ name }) => name === work.defect);
  if (defect === undefined) throw new RangeError(`no defect "${work.defect}"`);
  return { kind: "noticed", by: await noticed(defect, work.release) };
}

serveWork(done);
