/** The applets, their sources and what they compile to. */

import type { CompileRequest, FirmwareTarget } from "./compile.js";

export const APPLETS = ["money-module", "trusted-agent", "purse"] as const;
/** What ships, and what helps to find faults in it. */
export const TARGETS: readonly FirmwareTarget[] = ["release", "debug"];

/** Instrumented binaries lie apart: nothing takes them for what ships. */
const OUTPUT: Readonly<Record<FirmwareTarget, (applet: string) => string>> = {
  release: (applet) => `build/firmware/${applet}.wasm`,
  debug: (applet) => `build/firmware/${applet}.debug.wasm`,
  instrumented: (applet) => `build/instrumented/${applet}.wasm`,
};

export function appletRequest(root: string, applet: string, target: FirmwareTarget): CompileRequest {
  return { root, entryPath: `firmware/${applet}/index.ts`, outputPath: OUTPUT[target](applet), target };
}
