/**
 * The firmware for chips, in QEMU (hardware/boards), beside the simulator: what either answers must be the same to the byte.
 *
 *   npm run test:chip -- [--seed S] [--calls N]
 */

import { parseArgs } from "node:util";
import { buildImage } from "../../scripts/hardware/build.js";
import { packageRoot } from "../../simulator/applet-files.js";
import { compareBoards } from "../hardware/compare.js";
import { QemuBoard } from "../hardware/qemu-board.js";

const { values } = parseArgs({
  options: { seed: { type: "string", default: "1" }, calls: { type: "string", default: "1000" } },
});
const root = packageRoot();
const firmware = new QemuBoard((await buildImage(root, "cortex-m4")).path);
const platform = new QemuBoard((await buildImage(root, "cortex-m4", {}, "platform-test")).path);
await compareBoards({ firmware, platform }, { seed: values.seed, calls: Number(values.calls) });
