/** Does the jobs that its parent sends, until the parent is gone. */

import { explore, type Job } from "./jobs.js";
import type { Answer } from "./workers.js";

function answer(it: Answer): void {
  process.send?.(it);
}

process.on("message", (job: Job) => {
  explore(job).then(
    (explored) => answer({ explored }),
    (error: unknown) => answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
