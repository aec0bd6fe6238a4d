/**
 * What the STM32F405 has below the portable code, compiled for this computer with its sanitizers: pages on flash, with power cut at
 * every operation (hardware/boards/common/pages.h).
 *
 *   npm run test:stm32 -- [--compiler NAME] [--seed N] [--effort N]
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { OTHERS, SANITIZERS, STRICT } from "../../scripts/hardware/boards.js";
import { LIBSODIUM_DEFINES, libsodium } from "../../scripts/hardware/libsodium.js";
import { compileObject, hashOfHeaders } from "../../scripts/hardware/objects.js";
import { run } from "../../scripts/hardware/run.js";
import { packageRoot } from "../../simulator/applet-files.js";

const OWN = [
  "boards/common/copies.c",
  "boards/common/pages.c",
  "boards/common/pages-sector.c",
  "boards/paged/store.c",
  "boards/stm32f405/clock.c",
  "boards/stm32f405/flash.c",
  "boards/stm32f405/pins.c",
  "boards/stm32f405/random.c",
  "platform/bytes.c",
  "platform/hashes.c",
  "platform/misuse.c",
];
const SECTIONS = ["-ffunction-sections", "-fdata-sections"];

const { values } = parseArgs({
  options: {
    compiler: { type: "string", default: "gcc" },
    seed: { type: "string", default: "1" },
    effort: { type: "string", default: "1" },
  },
});

/** The program, compiled where it is stale. */
function build(root: string, compiler: string): string {
  const output = join(root, `build/hardware/stm32-model-${compiler}`);
  const objects = join(output, "objects");
  mkdirSync(objects, { recursive: true });
  const hardware = join(root, "hardware");
  const tests = join(root, "test/stm32");
  const sodium = libsodium(root);
  const headers = hashOfHeaders([hardware, tests]);
  const include = [`-I${hardware}`, `-I${tests}`, `-I${join(tests, "model")}`, "-isystem", sodium.include];
  const strict = { compiler, headers, flags: ["-O2", ...SECTIONS, ...SANITIZERS, ...STRICT, ...include] };
  const ownInclude = [`-I${sodium.include}`, `-I${sodium.ownInclude}`];
  const flags = ["-O2", ...SECTIONS, ...OTHERS, ...LIBSODIUM_DEFINES, ...ownInclude];
  const library = { compiler, headers, flags };
  const model = join(tests, "model");
  const names = [tests, model].flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  const own = [...OWN.map((name) => join(hardware, name)), ...names.filter((name) => name.endsWith(".c"))];
  const compiled = [
    ...own.map((source) => compileObject(source, objects, strict)),
    ...sodium.sources.map((source) => compileObject(source, objects, library)),
  ];
  const program = join(output, "stm32-model");
  run(compiler, ["-Wl,--gc-sections", ...SANITIZERS, ...compiled, "-o", program]);
  return program;
}

const program = build(packageRoot(), values.compiler);
const { status, signal } = spawnSync(program, [values.effort, values.seed], { stdio: "inherit" });
if (signal !== null) console.error(`the program was ended by ${signal}`);
process.exitCode = status === 0 ? 0 : 1;
