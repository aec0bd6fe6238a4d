/**
 * Builds the firmware for a board, to build/hardware/BOARD:
 *
 *   npm run build:hardware -- posix|cortex-m4|stm32f405|stm32f405-model|rv32imc [--compiler NAME] [--sanitize]
 *     [--applets NAME[,NAME]...]
 *   npm run build:hardware -- esp32 [--applets NAME[,NAME]...]
 *
 * The last prepares what the project for ESP-IDF in hardware/boards/esp32 compiles.
 */

import { parseArgs } from "node:util";
import { FirmwareCompileError } from "./firmware/compile.js";
import { appletList, WHICH_APPLETS } from "./hardware/applets.js";
import { BOARDS, type BoardName, ownCompilerOnly } from "./hardware/boards.js";
import { buildImage } from "./hardware/build.js";
import { prepareEsp32 } from "./hardware/esp32.js";
import { LibsodiumMissing } from "./hardware/libsodium.js";
import { ToolError } from "./hardware/run.js";

const OPTIONS = {
  compiler: { type: "string" },
  sanitize: { type: "boolean" },
  applets: { type: "string" },
  help: { type: "boolean" },
} as const;

const USAGE = `npm run build:hardware -- BOARD [--compiler NAME] [--sanitize] [--applets NAME[,NAME]...]`;

/** A project of its own, which ESP-IDF builds. */
const ESP32 = "esp32";

function isBoard(name: string | undefined): name is BoardName {
  return BOARDS.some((board) => board === name);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [board] = positionals;
  if (values.help === true) {
    console.log(`${USAGE}\nBoards: ${[...BOARDS, ESP32].join(", ")}. hardware/README.md says what they are.`);
    return 0;
  }
  const isEsp32 = board === ESP32;
  if (positionals.length !== 1 || !(isEsp32 || isBoard(board))) {
    console.error(`Which board? There are ${[...BOARDS, ESP32].join(", ")}.\n${USAGE}`);
    return 2;
  }
  const applets = values.applets === undefined ? undefined : appletList(values.applets);
  if (values.applets !== undefined && applets === undefined) {
    console.error(WHICH_APPLETS);
    return 2;
  }
  if ((values.compiler !== undefined || values.sanitize === true) && (isEsp32 || ownCompilerOnly(board))) {
    console.error(
      `--compiler and --sanitize are for boards that run on this computer; ${board} has a compiler of its own.`,
    );
    return 2;
  }
  if (isEsp32) {
    console.log(await prepareEsp32(process.cwd(), applets));
    return 0;
  }
  const { path } = await buildImage(process.cwd(), board, { ...values, applets });
  console.log(path);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const isMistake = error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
  const isExplained =
    error instanceof LibsodiumMissing || error instanceof ToolError || error instanceof FirmwareCompileError;
  if (!isMistake && !isExplained) throw error;
  console.error(isMistake ? `${error.message}\n${USAGE}` : error.message);
  process.exitCode = isMistake ? 2 : 1;
}
