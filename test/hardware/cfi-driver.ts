/** The driver of CFI flash (hardware/boards/riscv-virt/cfi.h) on chips of software that are slower and worse than QEMU's (test/cfi). */

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { SANITIZERS, STRICT } from "../../scripts/hardware/boards.js";
import { compileObject, hashOfHeaders } from "../../scripts/hardware/objects.js";
import { run, ToolError } from "../../scripts/hardware/run.js";
import { Difference } from "./session.js";

const COMPILER = "gcc";
const DRIVER = "hardware/boards/riscv-virt/cfi.c";

/** Compiled for this computer, with its sanitizers. */
export function checkDriver(root: string): void {
  const output = join(root, "build/hardware/cfi");
  const tests = join(root, "test/cfi");
  const include = [join(root, "hardware"), tests, join(root, "test/hardware")];
  const flags = ["-O1", ...SANITIZERS, ...STRICT, ...include.map((folder) => `-I${folder}`)];
  const compilation = { compiler: COMPILER, flags, headers: hashOfHeaders(include) };
  mkdirSync(output, { recursive: true });
  const sources = readdirSync(tests).filter((name) => name.endsWith(".c"));
  const objects = [join(root, DRIVER), ...sources.map((name) => join(tests, name))].map((source) =>
    compileObject(source, join(output, "objects"), compilation),
  );
  const program = join(output, "cfi");
  run(COMPILER, [...SANITIZERS, ...objects, "-o", program]);
  try {
    run(program, []);
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    throw new Difference(`the driver of CFI flash: ${error.message}`);
  }
}
