/** Processes that do pieces of work, one at a time each. */

import { type ChildProcess, fork } from "node:child_process";

/** What a worker says when it could not do its piece. */
export interface Failure {
  readonly kind: "error";
  readonly said: string;
}

/** A worker did not do its job. */
export class WorkerError extends Error {
  override readonly name = "WorkerError";
}

/** Gives the pieces to so many processes of `worker` in their order; `done` is told of each as it ends. */
export async function inWorkers<Work extends object, Answer extends { readonly kind: string }>(
  worker: string,
  pieces: readonly Work[],
  workers: number,
  done: (index: number, answer: Answer) => void,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    const child = fork(worker, [], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    try {
      while (next < pieces.length) {
        const index = next;
        next += 1;
        const answer = await ask<Work, Answer>(child, pieces[index] as Work);
        if (isFailure(answer)) throw new WorkerError(answer.said);
        done(index, answer);
      }
    } finally {
      if (child.connected) child.disconnect();
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, pieces.length) }, work));
}

function isFailure(answer: { readonly kind: string }): answer is Failure {
  return answer.kind === "error";
}

function ask<Work extends object, Answer>(child: ChildProcess, work: Work): Promise<Answer | Failure> {
  return new Promise((resolve, reject) => {
    const gone = (code: number | null) => reject(new WorkerError(`a worker ended with ${code ?? "a signal"}`));
    child.once("exit", gone);
    child.once("message", (answer) => {
      child.off("exit", gone);
      resolve(answer as Answer | Failure);
    });
    child.send(work);
  });
}

/** In a worker: does the work that its parent sends, until the parent is gone. */
export function serveWork<Work, Answer extends { readonly kind: string }>(doIt: (work: Work) => Promise<Answer>): void {
  process.on("message", (work) => {
    doIt(work as Work).then(
      (answer) => process.send?.(answer),
      (error: unknown) => {
        const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
        process.send?.({ kind: "error", said } satisfies Failure);
      },
    );
  });
  process.on("disconnect", () => process.exit(0));
}
