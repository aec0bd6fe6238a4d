/**
 * What the STM32F405 has below the portable code, compiled for this computer with its sanitizers. First alone: the drivers on a
 * model of their controllers, pages with power cut at every operation. Then under the firmware, beside the simulator: what either
 * answers must be the same to the byte.
 *
 *   npm run test:stm32 -- [--compiler NAME] [--seed N] [--effort N] [--calls N] [--kills N] [--noise-every N] [--corpus-every N]
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { APPLETS } from "../../scripts/firmware/applets.js";
import { OTHERS, SANITIZERS, STRICT } from "../../scripts/hardware/boards.js";
import { buildImage } from "../../scripts/hardware/build.js";
import { LIBSODIUM_DEFINES, libsodium } from "../../scripts/hardware/libsodium.js";
import { compileObject, hashOfHeaders } from "../../scripts/hardware/objects.js";
import { run } from "../../scripts/hardware/run.js";
import { packageRoot } from "../../simulator/applet-files.js";
import { PLATFORM_ELEMENT } from "../hardware/calls.js";
import { compareBoards } from "../hardware/compare.js";
import { ModelBoard } from "./model-board.js";

const BOARD = "stm32f405-model";
const OWN = [
  "boards/common/copies.c",
  "boards/common/pages.c",
  "boards/common/pages-sector.c",
  "boards/paged/store.c",
  "boards/stm32f405/clock.c",
  "boards/stm32f405/flash.c",
  "boards/stm32f405/pins.c",
  "boards/stm32f405/random.c",
  "boards/stm32f405-chip/serial.c",
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
    calls: { type: "string", default: "1000" },
    kills: { type: "string", default: "4" },
    "noise-every": { type: "string", default: "10" },
    "corpus-every": { type: "string", default: "20" },
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
  const headers = hashOfHeaders([hardware, tests, join(root, "test/hardware")]);
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

/** The firmware on the model. */
async function compare(root: string): Promise<void> {
  const options = { compiler: values.compiler, sanitize: true };
  const name = "STM32F405's flash, modelled";
  const image = await buildImage(root, BOARD, options);
  const firmware = new ModelBoard(image.path, APPLETS, name);
  const alone = await buildImage(root, BOARD, options, "platform-test");
  const platform = new ModelBoard(alone.path, [PLATFORM_ELEMENT], name);
  const own = () => Promise.resolve("three elements of 64 pages on eight sectors");
  await compareBoards(
    { name, firmware: () => firmware, platform, own },
    {
      seed: values.seed,
      calls: Number(values.calls),
      kills: Number(values.kills),
      noiseEvery: Number(values["noise-every"]),
      corpusEvery: Number(values["corpus-every"]),
    },
  );
  console.log(`sectors erased, as the chips said when they were looked at: ${firmware.erasures}`);
}

const root = packageRoot();
const program = build(root, values.compiler);
const { status, signal } = spawnSync(program, [values.effort, values.seed], { stdio: "inherit" });
if (signal !== null) console.error(`the program was ended by ${signal}`);
if (status === 0) await compare(root);
else process.exitCode = 1;
