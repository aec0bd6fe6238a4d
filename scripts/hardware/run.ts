/** Tools of the build. */

import { spawnSync } from "node:child_process";

/** A tool is not there or failed; the message has what it said. */
export class ToolError extends Error {
  override readonly name = "ToolError";
}

/** Debian's packages of what the build may lack. */
const PACKAGES: Readonly<Record<string, string>> = {
  gcc: "gcc libc6-dev",
  clang: "clang libc6-dev",
  "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
  "arm-none-eabi-objcopy": "binutils-arm-none-eabi",
  "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
  "dpkg-source": "dpkg-dev",
};

function whyNot(tool: string, error: Error): string {
  const isMissing = "code" in error && error.code === "ENOENT";
  const debian = PACKAGES[tool];
  if (!isMissing) return `${tool} cannot be run: ${error.message}`;
  return `${tool} is not installed${debian === undefined ? "" : ` (Debian: apt-get install ${debian})`}.`;
}

/** Runs a tool to its end and gives what it printed. */
export function run(tool: string, values: readonly string[], folder?: string): string {
  const { status, stdout, stderr, error } = spawnSync(tool, values, {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    ...(folder === undefined ? {} : { cwd: folder }),
  });
  if (error !== undefined) throw new ToolError(whyNot(tool, error));
  if (status !== 0) throw new ToolError(`${tool} failed:\n${stderr}${stdout}`);
  return stdout;
}
