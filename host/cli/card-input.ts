/**
 * Lines of standard input, as far as they are this process's to read: one that a shell runs in the background, or puts there, would be
 * stopped by the terminal if it read what is typed for the shell (SIGTTIN). Input that ends, or never was, ends nothing.
 */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const LOOK_MS = 500;

/** Tells each line, until the answer is called. */
export function inputLines(told: (line: string) => void): () => void {
  const { stdin } = process;
  let stop: (() => void) | undefined;
  const listen = () => {
    if (stop !== undefined || !isOurs()) return;
    const lines = createInterface({ input: stdin });
    lines.on("line", told);
    stop = () => lines.close();
  };
  // A shell that puts it into the foreground or the background does not always say so.
  const look = () => {
    if (isOurs()) return listen();
    stop?.();
    stop = undefined;
  };
  process.on("SIGCONT", look);
  const looking = stdin.isTTY ? setInterval(look, LOOK_MS).unref() : undefined;
  listen();
  return () => {
    process.removeListener("SIGCONT", look);
    clearInterval(looking);
    stop?.();
    if (stop !== undefined) stdin.destroy();
  };
}

/** Whether this process is in the terminal's foreground, or its input is no terminal. Elsewhere than on Linux nobody says. */
function isOurs(): boolean {
  if (!process.stdin.isTTY) return true;
  try {
    // After the program's name, which may have anything in it: state, parent, process group, session, terminal, its foreground group.
    const [, , group, , , foreground] = (readFileSync("/proc/self/stat", "utf8").split(") ").at(-1) ?? "").split(" ");
    return group === foreground;
  } catch {
    return true;
  }
}
