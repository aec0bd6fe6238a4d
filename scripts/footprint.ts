/** Prints what each release applet takes (`--json` for programs) and fails when one has what it must not have. */

import { readFileSync } from "node:fs";
import { APPLETS, appletRequest } from "./firmware/applets.js";
import { inspect } from "./firmware/footprint.js";

const inspections = APPLETS.map((applet) => {
  const wasm = readFileSync(appletRequest(process.cwd(), applet, "release").outputPath);
  return { applet, ...inspect(wasm) };
});
if (process.argv.includes("--json")) {
  const applets = Object.fromEntries(inspections.map(({ applet, footprint }) => [applet, footprint]));
  console.log(JSON.stringify({ applets }, null, 2));
} else {
  for (const { applet, footprint } of inspections) {
    console.log(`${applet}: ${footprint.wasmBytes} bytes of WASM, ${footprint.memoryBytes} bytes of static data`);
  }
}
for (const { applet, violations } of inspections) {
  for (const violation of violations) {
    console.error(`${applet}: ${violation}`);
    process.exitCode = 1;
  }
}
