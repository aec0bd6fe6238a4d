/** Builds `card-alone.c` with the card's own files, and runs it. */

import { join } from "node:path";
import { run } from "../../scripts/hardware/run.js";

const SOURCES = [
  "hardware/card/card.c",
  "hardware/wasm/applets.c",
  "hardware/wasm/wasm-rt.c",
  "test/posix/card-alone.c",
];
const SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

export function checkCardAlone(root: string, folder: string, compiler = "gcc", isSanitized = true): string {
  const program = join(folder, "card-alone");
  const include = ["-I", join(root, "hardware"), "-I", join(root, "hardware/wasm")];
  const flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", ...(isSanitized ? SANITIZERS : [])];
  run(compiler, [...flags, ...include, ...SOURCES.map((source) => join(root, source)), "-o", program]);
  run(program, []);
  return "the card alone: an applet that runs out of calls, and nothing that stays in its buffer";
}
