/** `tally card doctor`: what this machine has of what cards need, and how to mend what it has not. */

import type { Command } from "commander";
import { type Machine, thisMachine } from "./card-machine.js";
import { type Finding, PROBES } from "./card-probes.js";
import { type GlobalOptions, outputFor } from "./context.js";
import { EXIT_FAILED } from "./output.js";

export function addCardDoctor(card: Command): void {
  card
    .command("doctor")
    .description("what this machine has of what a card in a reader needs, and how to mend what is missing")
    .action(async (_options: unknown, command: Command) => {
      const findings = await examine(thisMachine);
      const fit = isFit(findings);
      const verdict = fit
        ? "A card can be put into a reader."
        : "Something is missing for a card in a reader. No money is affected.";
      outputFor(command.optsWithGlobals<GlobalOptions>()).result({ fit, findings }, [
        ...findings.flatMap(linesOf),
        verdict,
      ]);
      if (!fit) process.exitCode = EXIT_FAILED;
    });
}

export async function examine(machine: Machine): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const probe of PROBES) findings.push(await probe(machine));
  return findings;
}

export function isFit(findings: readonly Finding[]): boolean {
  return findings.every(({ ok, needed }) => ok || !needed);
}

function linesOf({ name, ok, needed, found, mend }: Finding): string[] {
  const mark = ok ? "ok      " : needed ? "MISSING " : "without ";
  return [`${mark} ${name}: ${found}`, ...(mend === undefined ? [] : [`           mend: ${mend}`])];
}
