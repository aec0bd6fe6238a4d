/**
 * The firmware for chips, in QEMU (hardware/boards), beside the simulator: what either answers must be the same to the byte.
 *
 *   npm run test:chip -- [--seed S] [--calls N] [--kills N] [--noise-every N] [--corpus-every N]
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildImage } from "../../scripts/hardware/build.js";
import { type AppletName, packageRoot } from "../../simulator/applet-files.js";
import { PLATFORM_ELEMENT } from "../hardware/calls.js";
import { compareBoards } from "../hardware/compare.js";
import { checkCopies } from "../hardware/copies.js";
import { QemuBoard } from "../hardware/qemu-board.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    calls: { type: "string", default: "500" },
    kills: { type: "string", default: "1" },
    "noise-every": { type: "string", default: "16" },
    "corpus-every": { type: "string", default: "20" },
  },
});
const root = packageRoot();
const DEVICE = ["money-module", "trusted-agent"] as const;
const PURSE = ["purse"] as const;
const device = new QemuBoard((await buildImage(root, "cortex-m4", { applets: DEVICE })).path, DEVICE);
const purse = new QemuBoard((await buildImage(root, "cortex-m4", { applets: PURSE })).path, PURSE);
const platform = new QemuBoard((await buildImage(root, "cortex-m4", {}, "platform-test")).path, [PLATFORM_ELEMENT]);
const own = async (folder: string) =>
  `registers in two copies, either of them spoilt: ${await checkCopies(platform, join(folder, "copies"))} starts`;
const firmware = (applets: readonly AppletName[]) => (applets.includes("purse") ? purse : device);
await compareBoards(
  { name: device.name, firmware, platform, own },
  {
    seed: values.seed,
    calls: Number(values.calls),
    kills: Number(values.kills),
    noiseEvery: Number(values["noise-every"]),
    corpusEvery: Number(values["corpus-every"]),
  },
);
