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
import { APPLETS } from "./firmware/applets.js";
import { FirmwareCompileError } from "./firmware/compile.js";
import type { AppletName } from "./hardware/applets.js";
import { BOARDS, type BoardName } from "./hardware/boards.js";
import { buildImage } from "./hardware/build.js";
import { prepareEsp32 } from "./hardware/esp32.js";
import { LibsodiumMissing } from "./hardware/libsodium.js";
import { ToolError } from "./hardware/run.js";

const OPTIONS = { compiler: { type: "string" }, sanitize: { type: "boolean" }, applets: { type: "string" } } as const;

/** A project of its own, which ESP-IDF builds. */
const ESP32 = "esp32";

function isBoard(name: string | undefined): name is BoardName {
  return BOARDS.some((board) => board === name);
}

function isList(names: readonly string[] | undefined): names is readonly AppletName[] | undefined {
  return names === undefined || names.every((name) => APPLETS.some((applet) => applet === name));
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [board] = positionals;
  const applets = values.applets?.split(",");
  if (!isList(applets)) {
    console.error(`Which applets? There are ${APPLETS.join(", ")}.`);
    return 2;
  }
  if (board === ESP32 && positionals.length === 1) {
    console.log(await prepareEsp32(process.cwd(), applets));
    return 0;
  }
  if (!isBoard(board) || positionals.length !== 1) {
    console.error(`Which board? There are ${[...BOARDS, ESP32].join(", ")}.`);
    return 2;
  }
  const { path } = await buildImage(process.cwd(), board, { ...values, applets });
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
