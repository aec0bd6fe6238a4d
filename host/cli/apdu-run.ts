/** `tally apdu send`, `script` and `replay`: commands and sessions, to their end. */

import { readFileSync, statSync } from "node:fs";
import type { Command } from "commander";
import { bytesOfHex } from "../apdu-tools/names.js";
import { type Outcome, SessionRunner } from "../apdu-tools/runner.js";
import { type NumberedItem, orElse, parseCommand, parseSession, SessionError } from "../apdu-tools/session.js";
import { checkSession } from "../apdu-tools/session-check.js";
import { comparisonJson, exchangeJson, exchangeLines, mismatchLines, type ShowOptions } from "./apdu-output.js";
import { addTargetOptions, type TargetOptions, type TargetSources, withTargets } from "./apdu-target.js";
import { type GivenValues, givenValue, valuesFor } from "./apdu-values.js";
import { outputFor } from "./context.js";
import { EXIT_FAILED, type Output } from "./output.js";

export interface RunOptions extends TargetOptions, ShowOptions {
  readonly set?: GivenValues;
  readonly statusOnly?: boolean;
  readonly keepGoing?: boolean;
}

const NOTHING_SENT = "Nothing was sent, and no money moved. Put it right, and start again.";
const SENT_SO_FAR = "It was not sent, nor anything after it; what stands before it was.";

/** A recording of a day is some megabytes; more is another kind of file. */
const SESSION_BYTES_MAX = 64 << 20;

/** Options of everything that sends. */
export function addRunOptions(command: Command): Command {
  return addTargetOptions(command)
    .option("--set <name=value>", "value of a {name}; {pin} and {puk} also from TALLY_PIN and TALLY_PUK", givenValue)
    .option("--decode", "show what commands and answers mean")
    .option("--secrets", "show PIN, PUK and keys");
}

export function addRun(apdu: Command, sources: TargetSources): void {
  const send = apdu
    .command("send")
    .description('send commands, in hexadecimal or by name: "GET DATA balance"')
    .argument("<command...>", "one command, or several in quotes");
  addRunOptions(send).action(async (words: readonly string[], _options: unknown, command: Command) => {
    const items = orElse(NOTHING_SENT, () => commandsIn(words).map((text) => parseCommand(text)));
    await run(
      command.optsWithGlobals<RunOptions>(),
      sources,
      items.map((item) => ({ item })),
    );
  });
  for (const [name, what] of [
    ["script", "run a session: what is sent, and what must come back"],
    ["replay", "send a recording again, and compare the answers with those of then"],
  ] as const) {
    const command = apdu.command(name).description(what).argument("<file>", "a session; - reads it from the input");
    addRunOptions(command)
      .option("--status-only", "compare status words only")
      .option("--keep-going", "do not end at the first answer that is not as expected")
      .action(async (file: string, _options: unknown, self: Command) => {
        const lines = orElse(NOTHING_SENT, () => parseSession(readSession(file)));
        await run(self.optsWithGlobals<RunOptions>(), sources, lines);
      });
  }
}

export function readSession(file: string): string {
  if (file === "-") return readFileSync(0, "utf8");
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFile() !== true) throw new SessionError(`There is no file ${file}.`);
  if (found.size > SESSION_BYTES_MAX) throw new SessionError(`${file} is too large for a session.`);
  return readFileSync(file, "utf8");
}

/** Several words are one command, unless some of them are whole commands by themselves. */
function commandsIn(words: readonly string[]): readonly string[] {
  const areWhole = words.every((word) => (bytesOfHex(word)?.length ?? 0) >= 4);
  return areWhole || words.some((word) => /\s/.test(word)) ? words : [words.join(" ")];
}

async function run(options: RunOptions, sources: TargetSources, lines: readonly NumberedItem[]): Promise<void> {
  const output = outputFor(options);
  const values = await valuesFor(lines, options.set ?? new Map());
  await withTargets(options, sources, async (targets) => {
    const names = targets.map(({ name }) => name);
    orElse(NOTHING_SENT, () => checkSession(lines, names, values));
    const runner = new SessionRunner(targets, { values, statusOnly: options.statusOnly === true });
    const told: unknown[] = [];
    for (const [i, line] of lines.entries()) {
      const outcome = await orElse(SENT_SO_FAR, () => runner.take(line));
      tell(output, outcome, options, told);
      // A later command may rest on what this one should have done.
      if (!runner.isAsExpected && nextKind(lines, i + 1) !== "expect" && options.keepGoing !== true) break;
    }
    const asExpected = runner.isAsExpected;
    output.result({ asExpected, steps: told }, []);
    if (!asExpected) process.exitCode = EXIT_FAILED;
  });
}

/** What comes next, but for remarks. */
function nextKind(lines: readonly NumberedItem[], from: number): NumberedItem["item"]["kind"] | undefined {
  for (let at = from; at < lines.length; at += 1) {
    const kind = lines[at]?.item.kind;
    if (kind !== "blank" && kind !== "comment") return kind;
  }
  return undefined;
}

function tell(output: Output, outcome: Outcome, options: ShowOptions, told: unknown[]): void {
  switch (outcome.kind) {
    case "exchange":
      for (const line of exchangeLines(outcome.exchange, options)) output.say(line);
      told.push(exchangeJson(outcome.exchange, options));
      break;
    case "comparison":
      for (const line of mismatchLines(outcome, options)) output.say(line);
      told.push(comparisonJson(outcome));
      break;
    case "reset":
      output.say("reset");
      told.push({ target: outcome.target, reset: true });
      break;
    case "target":
      output.say(`@${outcome.target}`);
      break;
    case "nothing":
      break;
  }
}
