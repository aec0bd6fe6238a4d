/**
 * What the project for ESP-IDF (hardware/boards/esp32) needs beside the repository's own files: the framing of USB and applets as C by
 * wasm2c, in build/hardware/esp32, and the applets' binaries in build/firmware, which it embeds for WAMR.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { APPLETS, appletRequest } from "../firmware/applets.js";
import { compileIfStale } from "../firmware/compile.js";
import { inspect } from "../firmware/footprint.js";
import { type AppletName, appletSources } from "./applets.js";
import { run } from "./run.js";

const ALIGNMENT = 16;

function memoryText(bytes: number): string {
  return `/* Written by the build, from build/firmware/usb.wasm as it is. */
#ifndef TALLYSTICK_FRAMING_MEMORY_H
#define TALLYSTICK_FRAMING_MEMORY_H

#define FRAMING_MEMORY_BYTES ${bytes}

#endif
`;
}

/** As many as there is room for: the two elements of a device. */
const COMPILED: readonly AppletName[] = ["money-module", "trusted-agent"];

/** Prepares what is stale; the folder. `compiled`: applets of images that have them as C. */
export async function prepareEsp32(root: string, compiled = COMPILED): Promise<string> {
  const folder = join(root, "build/hardware/esp32");
  mkdirSync(folder, { recursive: true });
  for (const applet of APPLETS) await compileIfStale(appletRequest(root, applet, "release"));
  const request = appletRequest(root, "usb", "release");
  await compileIfStale(request);
  const binary = join(root, request.outputPath);
  const { memoryBytes } = inspect(readFileSync(binary)).footprint;
  writeFileSync(join(folder, "framing-memory.h"), memoryText(Math.ceil(memoryBytes / ALIGNMENT) * ALIGNMENT));
  rmSync(join(folder, "applets"), { recursive: true, force: true });
  await appletSources(root, join(folder, "applets"), compiled, true);
  const code = join(folder, "framing-code.c");
  run(process.execPath, [join(root, "node_modules/wabt/bin/wasm2c"), binary, "-n", "usb", "-o", code]);
  return folder;
}
