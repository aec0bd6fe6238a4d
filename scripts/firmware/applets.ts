/** The applets and the USB framing of boards, their sources and what they compile to. */

import type { CompileRequest, FirmwareTarget } from "./compile.js";

export const APPLETS = ["money-module", "trusted-agent", "purse"] as const;
/** All that is firmware: USB's framing is no applet, because it has no platform under it and runs outside the chip. */
export const FIRMWARE = [...APPLETS, "usb"] as const;
/** What ships, and what helps to find faults in it. */
export const TARGETS: readonly FirmwareTarget[] = ["release", "debug"];

/** Instrumented binaries lie apart: nothing takes them for what ships. */
const OUTPUT: Readonly<Record<FirmwareTarget, (name: string) => string>> = {
  release: (name) => `build/firmware/${name}.wasm`,
  debug: (name) => `build/firmware/${name}.debug.wasm`,
  instrumented: (name) => `build/instrumented/${name}.wasm`,
};

export function appletRequest(root: string, name: string, target: FirmwareTarget): CompileRequest {
  return { root, entryPath: `firmware/${name}/index.ts`, outputPath: OUTPUT[target](name), target };
}
