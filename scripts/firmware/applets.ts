/** The applets, their sources and what they compile to. */

import type { CompileRequest, FirmwareTarget } from "./compile.js";

export const APPLETS = ["money-module", "trusted-agent"] as const;
export const TARGETS: readonly FirmwareTarget[] = ["release", "debug"];

export function appletRequest(root: string, applet: string, target: FirmwareTarget): CompileRequest {
  const suffix = target === "debug" ? ".debug.wasm" : ".wasm";
  return {
    root,
    entryPath: `firmware/${applet}/index.ts`,
    outputPath: `build/firmware/${applet}${suffix}`,
    target,
  };
}
