/**
 * A command as a process that is killed (SIGKILL) at a given moment of what it does to the world outside it: before and after each commit of
 * books, after each write of a chip's flash, before and after each file of the home that is written, before each request over HTTP and when its
 * answer comes.
 */

import { join } from "node:path";
import { Child } from "./processes.js";

const ROOT = join(import.meta.dirname, "../..");

/** Loaded before the program. Without TALLY_DIES it counts, and says how many moments there were. */
const PRELOAD = `
import { subscribe } from "node:diagnostics_channel";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const dies = Number(process.env.TALLY_DIES ?? 0);
let count = 0;
const moment = () => {
  count += 1;
  if (count === dies) process.kill(process.pid, "SIGKILL");
};
for (const name of ["tallystick:durable", "undici:request:create", "undici:request:headers", "undici:request:trailers"]) subscribe(name, moment);
for (const name of ["writeFileSync", "renameSync"]) {
  const plain = fs[name];
  fs[name] = (...given) => {
    moment();
    plain(...given);
    moment();
  };
}
syncBuiltinESMExports();
process.on("exit", () => fs.writeSync(2, "moments " + count + "\\n"));
`;

function mortal(words: readonly string[], environment: Readonly<Record<string, string>>): Child {
  const preload = `data:text/javascript,${encodeURIComponent(PRELOAD)}`;
  return new Child(["--import", preload, join(ROOT, "dist/host/cli/main.js"), ...words], environment);
}

/** Runs `tally` to its end; how many moments it had. Throws where it failed. */
export async function countMoments(words: readonly string[]): Promise<number> {
  const { code, err } = await mortal(words, {}).ended;
  const moments = Number(/^moments (\d+)$/m.exec(err)?.[1] ?? 0);
  if (code !== 0 || moments === 0) throw new Error(`It ended with ${code}: ${err}`);
  return moments;
}

/** Runs it until it is killed at a moment, from 1. False if it had fewer. */
export async function killAt(words: readonly string[], moment: number): Promise<boolean> {
  const { signal } = await mortal(words, { TALLY_DIES: String(moment) }).ended;
  return signal === "SIGKILL";
}
