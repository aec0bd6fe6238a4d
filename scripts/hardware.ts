/**
 * Builds the firmware for a board, to build/hardware/BOARD:
 *
 *   npm run build:hardware -- posix|cortex-m4 [--compiler NAME] [--sanitize]
 */

import { parseArgs } from "node:util";
import { FirmwareCompileError } from "./firmware/compile.js";
import { BOARDS, type BoardName } from "./hardware/boards.js";
import { buildImage } from "./hardware/build.js";
import { LibsodiumMissing } from "./hardware/libsodium.js";
import { ToolError } from "./hardware/run.js";

const OPTIONS = { compiler: { type: "string" }, sanitize: { type: "boolean" } } as const;

function isBoard(name: string | undefined): name is BoardName {
  return BOARDS.some((board) => board === name);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [board] = positionals;
  if (!isBoard(board) || positionals.length !== 1) {
    console.error(`Which board? There are ${BOARDS.join(", ")}.`);
    return 2;
  }
  const { path } = await buildImage(process.cwd(), board, values);
  console.log(path);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const isExplained =
    error instanceof LibsodiumMissing || error instanceof ToolError || error instanceof FirmwareCompileError;
  if (!isExplained) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
