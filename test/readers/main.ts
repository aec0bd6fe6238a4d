/**
 * Cards in readers, for real: pcscd with virtual readers, in a lab of its own, and whatever uses cards on a machine.
 *
 *   npm run test:readers [-- --only TEXT]
 *
 * It installs what is missing where it may, or says what to install. Each check has a home of its own and a bound.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DOCUMENT_CHECKS } from "./document.js";
import { SERVICE_CHECKS } from "./host-service.js";
import { WALLET_CHECKS } from "./host-wallet.js";
import { Bench, enterLab, isInLab, type ReaderCheck, runTool, within } from "./lab.js";
import { LAB_CHECKS } from "./labs.js";
import { PROVISION_CHECKS } from "./provision.js";
import { TERMINAL_CHECKS } from "./terminal.js";
import { TOOL_CHECKS } from "./tools.js";

/** In the order in which they are run. */
const CHECKS: readonly ReaderCheck[] = [
  ...DOCUMENT_CHECKS,
  ...TOOL_CHECKS,
  ...LAB_CHECKS,
  ...TERMINAL_CHECKS,
  ...WALLET_CHECKS,
  ...PROVISION_CHECKS,
  ...SERVICE_CHECKS,
];

const CHECK_MS_MAX = 90_000;

async function runAll(only: string | undefined): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-readers-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const template = join(folder, "home");
  const made = await runTool(process.execPath, ["dist/host/cli/main.js", "--home", template, "init"]);
  if (made.code !== 0) throw new Error(`tally init: ${made.err}`);
  const chosen = CHECKS.filter(({ name }) => only === undefined || name.includes(only));
  if (chosen.length === 0) throw new RangeError(`--only: there are: ${CHECKS.map(({ name }) => name).join("; ")}`);
  let failures = 0;
  for (const check of chosen) {
    const startedAt_ms = Date.now();
    const wrong = await outcomeOf(check, template);
    const took = `${((Date.now() - startedAt_ms) / 1000).toFixed(1)} s`;
    console.log(`${wrong === undefined ? "ok    " : "FAILED"} ${check.name} (${took})`);
    if (wrong === undefined) continue;
    failures += 1;
    console.log(wrong.replace(/^/gm, "       "));
  }
  console.log(failures === 0 ? `${chosen.length} checks passed.` : `${failures} of ${chosen.length} checks FAILED.`);
  return failures === 0;
}

/** What is wrong, if anything is. */
async function outcomeOf(check: ReaderCheck, template: string): Promise<string | undefined> {
  const bench = new Bench(template);
  try {
    await within(check.name, check.run(bench), CHECK_MS_MAX);
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  } finally {
    await bench.close();
  }
}

const { values } = parseArgs({ options: { only: { type: "string" } } });
if (!isInLab()) process.exitCode = await enterLab(fileURLToPath(import.meta.url), process.argv.slice(2));
else process.exit((await runAll(values.only)) ? 0 : 1);
