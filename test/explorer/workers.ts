/** Processes that do jobs, one at a time each. */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Explored } from "./explore.js";
import type { Job } from "./jobs.js";

export type Answer = { readonly explored: Explored } | { readonly error: string };

const WORKER = fileURLToPath(new URL("./worker.js", import.meta.url));

/** A worker did not do its job. */
export class WorkerError extends Error {
  override readonly name = "WorkerError";
}

/** Gives the jobs to so many workers in their order; `done` is told of each as it ends. `done` answers whether to go on. */
export async function inWorkers(
  jobs: readonly Job[],
  workers: number,
  done: (index: number, answer: Answer) => boolean,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    const child = fork(WORKER, [], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    try {
      while (next < jobs.length) {
        const index = next;
        next += 1;
        if (!done(index, await ask(child, jobs[index] as Job))) next = jobs.length;
      }
    } finally {
      if (child.connected) child.disconnect();
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, jobs.length) }, work));
}

function ask(child: ChildProcess, job: Job): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const gone = (code: number | null) => reject(new WorkerError(`a worker ended with ${code ?? "a signal"}`));
    child.once("exit", gone);
    child.once("message", (answer) => {
      child.off("exit", gone);
      resolve(answer as Answer);
    });
    child.send(job);
  });
}
