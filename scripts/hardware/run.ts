/** Tools of the build. */

import { spawnSync } from "node:child_process";

/** A tool is not there or failed; the message has what it said. */
export class ToolError extends Error {
  override readonly name = "ToolError";
}

/** Runs a tool to its end and gives what it printed. */
export function run(tool: string, values: readonly string[], folder?: string): string {
  const { status, stdout, stderr, error } = spawnSync(tool, values, {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    ...(folder === undefined ? {} : { cwd: folder }),
  });
  if (error !== undefined) throw new ToolError(`${tool} cannot be run: ${error.message}`);
  if (status !== 0) throw new ToolError(`${tool} failed:\n${stderr}${stdout}`);
  return stdout;
}
