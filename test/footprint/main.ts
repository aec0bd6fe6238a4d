/**
 * What the firmware takes: each release applet, and each board with its images, its stack and the instructions of its work. It fails when
 * an applet has what it must not have, or a board is past a limit (scripts/hardware/measure-limits.ts).
 *
 *   npm run footprint -- [--json] [--applets]
 *
 * `--applets` leaves the boards out, `--json` is for programs. docs/PERFORMANCE.md says what is counted.
 */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { APPLETS, appletRequest } from "../../scripts/firmware/applets.js";
import { inspect } from "../../scripts/firmware/footprint.js";
import { LibsodiumMissing } from "../../scripts/hardware/libsodium.js";
import { LIMITS, missedOf, violationsOf } from "../../scripts/hardware/measure-limits.js";
import { packageRoot } from "../../simulator/applet-files.js";
import { MEASURED_BOARDS, missingTools } from "./boards.js";
import { tableOf } from "./print.js";
import { type Report, reportOf } from "./report.js";
import { recordWorkloads, type Workloads } from "./workloads.js";

const { values } = parseArgs({ options: { json: { type: "boolean" }, applets: { type: "boolean" } } });
const root = packageRoot();

let recording: Promise<Workloads> | undefined;
function workloads(): Promise<Workloads> {
  recording ??= recordWorkloads();
  return recording;
}

const inspections = APPLETS.map((applet) => {
  const wasm = readFileSync(appletRequest(root, applet, "release").outputPath);
  return { applet, ...inspect(wasm) };
});
const boards: Record<string, Report> = {};
for (const board of values.applets === true ? [] : MEASURED_BOARDS) {
  const missing = missingTools(board);
  for (const sentence of missing) console.error(sentence);
  if (missing.length > 0) continue;
  try {
    boards[board.name] = await reportOf(root, board, workloads);
  } catch (error) {
    if (!(error instanceof LibsodiumMissing)) throw error;
    console.error(`${board.name} is left out. ${error.message}`);
  }
}

if (values.json === true) {
  const applets = Object.fromEntries(inspections.map(({ applet, footprint }) => [applet, footprint]));
  console.log(JSON.stringify({ applets, boards }, null, 2));
} else {
  for (const { applet, footprint } of inspections) {
    console.log(`${applet}: ${footprint.wasmBytes} bytes of WASM, ${footprint.memoryBytes} bytes of static data`);
  }
  for (const [name, report] of Object.entries(boards)) console.log(`\n${tableOf(name, report)}`);
}

function fail(sentence: string): void {
  console.error(sentence);
  process.exitCode = 1;
}

for (const { applet, violations } of inspections) {
  for (const violation of violations) fail(`${applet}: ${violation}`);
}
for (const [name, report] of Object.entries(boards)) {
  const limits = LIMITS[name] ?? [];
  for (const sentence of missedOf(report, limits)) console.error(`${name}: ${sentence}`);
  for (const sentence of violationsOf(report, limits)) fail(`${name}: ${sentence}`);
}
