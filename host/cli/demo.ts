/** `tally demo`: the whole story in an economy of its own, which is gone afterwards. */

import type { Command } from "commander";
import { type DemoResult, runDemo } from "../world/demo.js";
import { FolderHome, type Home, MemoryHome } from "../world/home.js";
import type { NetworkMode } from "../world/site.js";
import { partsIn } from "../world/wallet.js";
import { type GlobalOptions, outputFor, withTemporaryFolder } from "./context.js";
import { auditLines, EXIT_FAILED, type Output } from "./output.js";

export function addDemo(program: Command): void {
  program
    .command("demo")
    .description("an economy comes up, lives through purchases, payments and accidents, and is audited")
    .option("--memory", "keep everything in memory, the card network in this process")
    .action(async (options: { memory?: boolean }, command: Command) => {
      const output = outputFor(command.optsWithGlobals<GlobalOptions>());
      const started = performance.now();
      const result = options.memory === true ? await inMemory(output) : await inFolder(output);
      report(output, result, performance.now() - started);
      if (!result.steps.every((step) => step.ok)) process.exitCode = EXIT_FAILED;
    });
}

function inMemory(output: Output): Promise<DemoResult> {
  return run(output, new MemoryHome(), "in-process");
}

function inFolder(output: Output): Promise<DemoResult> {
  return withTemporaryFolder((path) => run(output, new FolderHome(path), "process"));
}

function run(output: Output, home: Home, network: NetworkMode): Promise<DemoResult> {
  return runDemo(
    { ...partsIn(home), network },
    {
      progress: (what) => output.progress(what),
      step: (step) => {
        output.say(`${step.ok ? "ok    " : "FAILED"}  ${step.name}  (${step.milliseconds} ms)`);
        output.say(`        ${step.detail}`);
      },
    },
  );
}

function report(output: Output, { steps, audit, tokens }: DemoResult, milliseconds: number): void {
  const failed = steps.filter((step) => !step.ok).length;
  const verdict = failed === 0 ? `All ${steps.length} steps hold` : `${failed} of ${steps.length} steps failed`;
  const lines = ["", ...auditLines(audit), "", `${verdict}, in ${(milliseconds / 1000).toFixed(1)} s.`];
  output.result({ steps: steps.map(({ name, ok }) => ({ name, ok })), audit, tokens }, lines);
}
