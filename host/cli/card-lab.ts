/** `tally card lab`: a command, or a shell, beside a pcscd of its own with virtual readers. */

import { Argument, type Command, InvalidArgumentError } from "commander";
import { LAB_READERS_MAX, type Lab, runInLab } from "./card-lab-run.js";
import { thisMachine } from "./card-machine.js";
import { type GlobalOptions, outputFor } from "./context.js";
import { Stop } from "./serving.js";

const READERS = 2;

const AFTERWORD = `
It needs root, or a system where users may have namespaces. What runs in it has no network but its own loopback, and sees
no readers but the lab's; files are those of the machine. For example:
  tally card lab -- sh -c 'tally card start alice & opensc-tool --list-readers --wait'`;

interface LabCommandOptions extends GlobalOptions {
  readonly readers: number;
}

export function addCardLab(card: Command): void {
  card
    .command("lab")
    .description(
      "run a command, or a shell, in which a pcscd of its own has virtual readers; the machine's is left alone",
    )
    .option("--readers <number>", "how many virtual readers; they come in pairs", readersNumber, READERS)
    .addArgument(new Argument("[command...]", "after --: what to run (default: your shell)").default([]))
    .addHelpText("after", AFTERWORD)
    .action(async (words: readonly string[], _options: unknown, command: Command) => {
      process.exitCode = await lab(words, command.optsWithGlobals<LabCommandOptions>());
    });
}

async function lab([program, ...rest]: readonly string[], options: LabCommandOptions): Promise<number> {
  const output = outputFor(options);
  const shell = thisMachine.environment["SHELL"] || "/bin/sh";
  const command: [string, ...string[]] = program === undefined ? [shell] : [program, ...rest];
  return runInLab(thisMachine, { readers: options.readers, command }, (opened) => {
    void guard(opened);
    const { ports } = opened;
    const says = `The lab has ${ports.length} virtual readers, at ports ${ports.join(", ")}. "tally card start" puts cards in; exit ends it.`;
    if (program === undefined) output.say(says);
  });
}

/** Signals are the command's. A terminal sends its own to all; that of another process comes here alone. */
async function guard({ ended, kill }: Lab): Promise<void> {
  const terminate = () => kill("SIGTERM");
  process.on("SIGTERM", terminate);
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  while (!isOver) {
    const stop = new Stop();
    await Promise.race([ended, stop.told]);
    stop.over();
  }
  process.removeListener("SIGTERM", terminate);
}

function readersNumber(text: string): number {
  const readers = Number(text);
  if (/^\d{1,2}$/.test(text) && readers >= 1 && readers <= LAB_READERS_MAX) return readers;
  throw new InvalidArgumentError(`It is a number from 1 to ${LAB_READERS_MAX}.`);
}
