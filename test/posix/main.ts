/**
 * The firmware on the POSIX board (hardware/boards/posix) beside the simulator: what either answers must be the same to the byte.
 *
 *   npm run test:posix -- [--compiler NAME] [--no-sanitize] [--seed S] [--calls N] [--kills N] [--noise-every N] [--corpus-every N]
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildImage } from "../../scripts/hardware/build.js";
import { packageRoot } from "../../simulator/applet-files.js";
import { compareBoards } from "../hardware/compare.js";
import { checkFolders } from "../hardware/folders.js";
import { PosixBoard } from "../hardware/posix-board.js";
import { checkCardAlone } from "./card-alone.js";

const { values } = parseArgs({
  options: {
    compiler: { type: "string" },
    "no-sanitize": { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    calls: { type: "string", default: "4000" },
    kills: { type: "string", default: "8" },
    "noise-every": { type: "string", default: "2" },
    "corpus-every": { type: "string", default: "1" },
  },
});
const { compiler, seed } = values;
const options = { compiler, sanitize: !values["no-sanitize"] };
const root = packageRoot();
const name = `posix, ${compiler ?? "gcc"}${options.sanitize ? ", sanitized" : ""}`;
const firmware = new PosixBoard((await buildImage(root, "posix", options)).path, name);
const platform = new PosixBoard((await buildImage(root, "posix", options, "platform-test")).path, name);
const own = async (folder: string) => {
  const alone = checkCardAlone(root, folder, compiler, options.sanitize);
  const taken = await checkFolders(firmware, join(folder, "shared"));
  return `${alone}\nfolders shared with the simulator: ${taken} times taken over`;
};
await compareBoards(
  { name, firmware: () => firmware, platform, own },
  {
    seed,
    calls: Number(values.calls),
    kills: Number(values.kills),
    noiseEvery: Number(values["noise-every"]),
    corpusEvery: Number(values["corpus-every"]),
  },
);
