/**
 * What the project for ESP-IDF (hardware/boards/esp32) needs beside the repository's own files: the framing of USB as C by wasm2c, and
 * the applets' binaries, which it embeds. To build/hardware/esp32 and build/firmware.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { APPLETS, appletRequest } from "../firmware/applets.js";
import { compileIfStale } from "../firmware/compile.js";
import { inspect } from "../firmware/footprint.js";
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

/** Prepares what is stale; the folder. */
export async function prepareEsp32(root: string): Promise<string> {
  const folder = join(root, "build/hardware/esp32");
  mkdirSync(folder, { recursive: true });
  for (const applet of APPLETS) await compileIfStale(appletRequest(root, applet, "release"));
  const request = appletRequest(root, "usb", "release");
  await compileIfStale(request);
  const binary = join(root, request.outputPath);
  const { memoryBytes } = inspect(readFileSync(binary)).footprint;
  writeFileSync(join(folder, "framing-memory.h"), memoryText(Math.ceil(memoryBytes / ALIGNMENT) * ALIGNMENT));
  const code = join(folder, "framing-code.c");
  run(process.execPath, [join(root, "node_modules/wabt/bin/wasm2c"), binary, "-n", "usb", "-o", code]);
  return folder;
}
