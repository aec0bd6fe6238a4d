/**
 * Builds all that ships: the applets in both targets, and host and simulator to `dist/`; only what is stale.
 * `--firmware` builds the applets only.
 */

import { spawnSync } from "node:child_process";
import { appletRequest, FIRMWARE, TARGETS } from "./firmware/applets.js";
import { compileIfStale, FirmwareCompileError } from "./firmware/compile.js";

const root = process.cwd();

async function buildFirmware(): Promise<void> {
  for (const name of FIRMWARE) {
    for (const target of TARGETS) {
      const request = appletRequest(root, name, target);
      if (await compileIfStale(request)) console.error(`built ${request.outputPath}`);
    }
  }
}

/** TypeScript's own record, which lies in `dist`, says what is stale. */
function buildHost(): number {
  const compiler = "node_modules/typescript/bin/tsc";
  const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], { stdio: "inherit" });
  return status ?? 1;
}

try {
  await buildFirmware();
  process.exitCode = process.argv.includes("--firmware") ? 0 : buildHost();
} catch (error) {
  if (!(error instanceof FirmwareCompileError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
