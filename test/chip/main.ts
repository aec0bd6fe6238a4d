/**
 * The firmware for chips, in QEMU (hardware/boards), beside the simulator: what either answers must be the same to the byte.
 *
 *   npm run test:chip -- [--board cortex-m4|rv32imc|all] [--seed S] [--calls N] [--kills N]
 *     [--noise-every N] [--corpus-every N] [--torn N]
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { APPLETS } from "../../scripts/firmware/applets.js";
import { buildImage } from "../../scripts/hardware/build.js";
import { libsodium } from "../../scripts/hardware/libsodium.js";
import { type AppletName, packageRoot } from "../../simulator/applet-files.js";
import { PLATFORM_ELEMENT } from "../hardware/calls.js";
import { type Boards, compareBoards } from "../hardware/compare.js";
import { checkCopies } from "../hardware/copies.js";
import { checkField } from "../hardware/field.js";
import { QemuBoard } from "../hardware/qemu-board.js";
import { RiscvBoard } from "../hardware/riscv-board.js";
import { checkFlash } from "../hardware/riscv-flash.js";
import { checkEconomy } from "./economy.js";
import { checkServedBoard } from "./served-board.js";

const ALL = "all";
const root = packageRoot();
const { values } = parseArgs({
  options: {
    board: { type: "string", default: ALL },
    seed: { type: "string", default: "1" },
    calls: { type: "string", default: "500" },
    kills: { type: "string", default: "1" },
    "noise-every": { type: "string", default: "16" },
    "corpus-every": { type: "string", default: "20" },
    torn: { type: "string", default: "3" },
  },
});
const torn = Number(values.torn);

async function cortexM4(): Promise<Boards> {
  const build = async (applets: readonly AppletName[]) =>
    new QemuBoard((await buildImage(root, "cortex-m4", { applets })).path, applets);
  const device = await build(["money-module", "trusted-agent"]);
  const purse = await build(["purse"]);
  const platform = new QemuBoard((await buildImage(root, "cortex-m4", {}, "platform-test")).path, [PLATFORM_ELEMENT]);
  const own = async (folder: string) => {
    const field = checkField(root);
    const starts = await checkCopies(platform, join(folder, "copies"));
    const served = await checkServedBoard(join(folder, "served"));
    const economy = await checkEconomy("cortex-m4", join(folder, "economy"), torn);
    return `${field}\nregisters in two copies, either of them spoilt: ${starts} starts\n${served}\n${economy}`;
  };
  const firmware = (applets: readonly AppletName[]) => (applets.includes("purse") ? purse : device);
  return { name: device.name, firmware, platform, own };
}

async function rv32imc(): Promise<Boards> {
  const firmware = new RiscvBoard((await buildImage(root, "rv32imc")).path, APPLETS);
  const image = (await buildImage(root, "rv32imc", {}, "platform-test")).path;
  const platform = new RiscvBoard(image, [PLATFORM_ELEMENT]);
  const own = async (folder: string) => {
    const flash = await checkFlash(root, image, join(folder, "flash"));
    return `${flash}\n${await checkEconomy("rv32imc", join(folder, "economy"), torn)}`;
  };
  return { name: firmware.name, firmware: () => firmware, platform, own };
}

const CHIPS = { "cortex-m4": cortexM4, rv32imc } as const;
type Chip = keyof typeof CHIPS;

function isChip(name: string): name is Chip {
  return Object.hasOwn(CHIPS, name);
}

/** Each board in a process of its own, side by side; what one says is printed when it has ended. */
async function compareEach(names: readonly Chip[]): Promise<void> {
  // What both compile of is there before they ask for it at once.
  libsodium(root);
  const program = fileURLToPath(import.meta.url);
  const ended = names.map(async (name) => {
    const child = spawn(process.execPath, [program, ...process.argv.slice(2), "--board", name]);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes: Buffer) => {
        said += bytes.toString();
      });
    }
    const [status] = await once(child, "close");
    process.stdout.write(said);
    return status === 0;
  });
  if (!(await Promise.all(ended)).every(Boolean)) process.exitCode = 1;
}

const amounts = {
  seed: values.seed,
  calls: Number(values.calls),
  kills: Number(values.kills),
  noiseEvery: Number(values["noise-every"]),
  corpusEvery: Number(values["corpus-every"]),
};
if (values.board === ALL) await compareEach(Object.keys(CHIPS).filter(isChip));
else if (isChip(values.board)) await compareBoards(await CHIPS[values.board](), amounts);
else throw new RangeError(`--board: one of ${[...Object.keys(CHIPS), ALL].join(", ")}`);
