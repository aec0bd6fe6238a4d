/** Processes that do jobs, one at a time each. */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Explored } from "./explore.js";
import type { AppletPaths, Job } from "./jobs.js";

/** What a worker is asked to do: a part of the exploration, or to look whether a defect is noticed. */
export type Work =
  | { readonly kind: "explore"; readonly job: Job }
  | { readonly kind: "defect"; readonly defect: string; readonly release: AppletPaths };

export type Answer =
  | { readonly kind: "explored"; readonly explored: Explored }
  | { readonly kind: "noticed"; readonly by: string | undefined }
  | { readonly kind: "error"; readonly said: string };

const WORKER = fileURLToPath(new URL("./worker.js", import.meta.url));

/** A worker did not do its job. */
export class WorkerError extends Error {
  override readonly name = "WorkerError";
}

/** Gives the work to so many workers in its order; `done` is told of each piece as it ends. */
export async function inWorkers(
  pieces: readonly Work[],
  workers: number,
  done: (index: number, answer: Answer) => void,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    const child = fork(WORKER, [], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    try {
      while (next < pieces.length) {
        const index = next;
        next += 1;
        const answer = await ask(child, pieces[index] as Work);
        if (answer.kind === "error") throw new WorkerError(answer.said);
        done(index, answer);
      }
    } finally {
      if (child.connected) child.disconnect();
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, pieces.length) }, work));
}

function ask(child: ChildProcess, work: Work): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const gone = (code: number | null) => reject(new WorkerError(`a worker ended with ${code ?? "a signal"}`));
    child.once("exit", gone);
    child.once("message", (answer) => {
      child.off("exit", gone);
      resolve(answer as Answer);
    });
    child.send(work);
  });
}
