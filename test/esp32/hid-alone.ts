/** Builds `hid-alone.c` with the USB card's own file, and runs it. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../scripts/hardware/run.js";

const SOURCES = ["hardware/usb/hid-card.c", "test/esp32/hid-alone.c"];

export function checkHidAlone(root: string, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const program = join(folder, "hid-alone");
  const flags = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=thread", "-pthread"];
  run("gcc", [...flags, "-I", join(root, "hardware"), ...SOURCES.map((source) => join(root, source)), "-o", program]);
  run(program, []);
  return "the USB card alone: what comes after a reset of the bus is for the device after it";
}
