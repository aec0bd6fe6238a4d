/** What the explorer's worker processes are asked, and answer. */

import { fileURLToPath } from "node:url";
import { inWorkers as inProcesses } from "../support/workers.js";
import type { Explored } from "./explore.js";
import type { AppletPaths, Job } from "./jobs.js";

/** What a worker is asked to do: a part of the exploration, or to look whether a defect is noticed. */
export type Work =
  | { readonly kind: "explore"; readonly job: Job }
  | { readonly kind: "defect"; readonly defect: string; readonly release: AppletPaths };

export type Answer =
  | { readonly kind: "explored"; readonly explored: Explored }
  | { readonly kind: "noticed"; readonly by: string | undefined };

const WORKER = fileURLToPath(new URL("./worker.js", import.meta.url));

/** Gives the work to so many workers in its order; `done` is told of each piece as it ends. */
export function inWorkers(
  pieces: readonly Work[],
  workers: number,
  done: (index: number, answer: Answer) => void,
): Promise<void> {
  return inProcesses<Work, Answer>(WORKER, pieces, workers, done);
}
