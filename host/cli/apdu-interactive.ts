/** `tally apdu interactive` and `record`: commands as they are typed or piped in, with decoded answers, and a session of them. */

import { existsSync } from "node:fs";
import type { Command } from "commander";
import { complete } from "../apdu-tools/completion.js";
import { helpFor } from "../apdu-tools/help.js";
import { SessionRecorder } from "../apdu-tools/recording.js";
import { type Outcome, SessionRunner, type Target } from "../apdu-tools/runner.js";
import { orElse, parseCommand, parseLine, type SessionItem, type Values } from "../apdu-tools/session.js";
import { TransportError } from "../transport.js";
import { comparisonJson, exchangeJson, exchangeLines, mismatchLines, type ShowOptions } from "./apdu-output.js";
import { addRunOptions, type RunOptions } from "./apdu-run.js";
import { type TargetSources, withTargets } from "./apdu-target.js";
import { valuesFor } from "./apdu-values.js";
import { InterruptedError } from "./confirm.js";
import { outputFor } from "./context.js";
import { exitCodeOf, explain, failureJson, UsageError } from "./failure.js";
import { EXIT_FAILED, type Output } from "./output.js";
import { TypedLines } from "./typed-lines.js";

interface InteractiveOptions extends RunOptions {
  readonly keepSecrets?: boolean;
  readonly plain?: boolean;
}

const GREETING = 'Type commands in hexadecimal or by name. Tab completes, "help" lists, "quit" ends.';

export function addInteractive(apdu: Command, sources: TargetSources): void {
  const interactive = apdu.command("interactive").description("type commands, and see what the answers mean");
  addRunOptions(interactive)
    .option("--plain", "answers as bytes, not decoded")
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<InteractiveOptions>();
      await withTargets(options, sources, (targets) => converse(targets, options));
    });
  const record = apdu
    .command("record")
    .description("the same, kept in a file that can be replayed; PIN, PUK and keys are named in it, not written")
    .argument("<file>", "a new file");
  addRunOptions(record)
    .option("--plain", "answers as bytes, not decoded")
    .option("--keep-secrets", "write PIN, PUK and keys into the file")
    .action(async (file: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<InteractiveOptions>();
      await withTargets(options, sources, (targets) => recordedConversation(file, targets, options));
    });
}

async function recordedConversation(
  file: string,
  targets: readonly Target[],
  options: InteractiveOptions,
): Promise<void> {
  if (existsSync(file)) {
    throw new UsageError(`There is ${file} already. Nothing was sent, and it stays as it is. Name a new file.`);
  }
  const failed = (error: Error) => {
    process.exitCode = EXIT_FAILED;
    process.stderr.write(`The recording in ${file} ended: ${error.message}. What was sent before is in it.\n`);
  };
  const recorder = new SessionRecorder(file, { keepSecrets: options.keepSecrets === true, failed });
  try {
    recorder.comment("recorded by tally apdu record");
    const recorded = targets.map((target) => ({ ...target, transport: recorder.wrap(target.transport, target.name) }));
    await converse(recorded, options);
  } finally {
    recorder.close();
  }
}

/** Line by line until the input ends. A line that makes no sense, or a card that fails, is said and does not end it. */
async function converse(targets: readonly Target[], options: InteractiveOptions): Promise<void> {
  const output = outputFor(options);
  const names = targets.map(({ name }) => name);
  const terminal = new TypedLines((line) => complete(line, names));
  const { isTerminal } = terminal;
  let values: Values = () => undefined;
  const runner = new SessionRunner(targets, { values: (name) => values(name) });
  const show: Show = { decode: options.plain !== true, secrets: options.secrets === true, isTyped: isTerminal };
  const take = async (line: string) => {
    if (toolWord(line, show, output)) return;
    const item = itemOf(line);
    // What is typed is for this command alone: digits that were wrong are not sent again.
    values = await valuesFor([{ item }], options.set ?? new Map(), (question) => terminal.secret(question));
    tell(output, await runner.take({ item }), show);
  };
  const prompt = () => terminal.prompt(`${runner.target}> `);
  if (isTerminal)
    output.say(`${targets.map(({ name, transport }) => `@${name}: ${transport.name}`).join(", ")}. ${GREETING}`);
  let worst = 0;
  prompt();
  try {
    for await (const line of terminal) {
      if (/^\s*(quit|exit)\s*$/i.test(line)) break;
      try {
        await orElse("Nothing was sent by this line.", () => take(line));
      } catch (error) {
        if (error instanceof InterruptedError) throw error;
        worst = Math.max(worst, exitCodeOf(error));
        complain(output, error);
      }
      prompt();
    }
  } finally {
    terminal.close();
  }
  // Who types sees what was refused; a script has the exit code.
  if (isTerminal) return;
  if (!runner.isAsExpected) worst = Math.max(worst, EXIT_FAILED);
  if (worst !== 0) process.exitCode = worst;
}

interface Show extends ShowOptions {
  decode: boolean;
  secrets: boolean;
}

/** A line of a session, or a command without its ">". */
function itemOf(line: string): SessionItem {
  const text = line.trim();
  const isLine = text === "" || /^[>#<@]/.test(text) || /^reset$/i.test(text);
  return isLine ? parseLine(text) : parseCommand(text);
}

const OTHER_WORDS = [
  "Beside commands",
  "  help COMMAND, help 6982  what a command, a status word, a tag or a reason is",
  "  reset                    takes the card's power away and gives it again",
  "  @NAME                    the card that what follows goes to, of several",
  "  < PATTERN                what the last command should have answered",
  "  decode on, decode off    whether answers are decoded",
  "  secrets on, secrets off  whether PIN, PUK and keys are shown",
  "  quit                     ends, as Ctrl-D does",
];

/** Words that are for the tool and not for a card. */
function toolWord(line: string, show: Show, output: Output): boolean {
  const [word = "", ...rest] = line.trim().split(/\s+/);
  switch (word.toLowerCase()) {
    case "help":
    case "?": {
      const lines = helpFor(rest.join(" ")) ?? [`Nothing is known of "${rest.join(" ")}". "help" lists the commands.`];
      for (const each of rest.length === 0 ? [...lines, ...OTHER_WORDS] : lines) output.say(each);
      return true;
    }
    case "decode":
      if (rest.length === 1) show.decode = rest[0] === "on";
      return rest.length === 1;
    case "secrets":
      if (rest.length === 1) show.secrets = rest[0] === "on";
      return rest.length === 1;
    default:
      return false;
  }
}

function tell(output: Output, outcome: Outcome, show: Show): void {
  if (outcome.kind === "exchange")
    output.result(exchangeJson(outcome.exchange, show), exchangeLines(outcome.exchange, show));
  if (outcome.kind === "comparison") output.result(comparisonJson(outcome), mismatchLines(outcome, show));
  if (outcome.kind === "reset") output.result({ target: outcome.target, reset: true }, ["reset: the power was away"]);
}

function complain(output: Output, error: unknown): void {
  if (output.json) output.result({ error: failureJson(error) }, []);
  else output.say(explain(error));
  if (error instanceof TransportError) output.say('"reset" gives the card its power again.');
}
