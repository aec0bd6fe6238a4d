/**
 * Simulates an economy of thousands of devices on virtual time, from one seed, with faults and cheats, and audits it all along:
 *
 *   npm run simulate -- [--devices N] [--transactions N] [--seed S] [--faults] [--until N] [--json]
 */

import { parseArgs } from "node:util";
import { type Options, type Progress, type Result, Simulation } from "./simulation.js";
import { DEVICES_MIN } from "./world.js";

const DEVICES_MAX = 10_000;
const TRANSACTIONS_MAX = 10_000_000;

/** What the caller asked for cannot be done; said without a trace. */
class OptionError extends Error {}

interface CommandLine extends Options {
  readonly json: boolean;
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < least || number > most) {
    throw new OptionError(`--${name} ${text}: a whole number from ${least} to ${most} is needed.`);
  }
  return number;
}

function parse(): ReturnType<typeof parseArgs>["values"] {
  try {
    return parseArgs({
      options: {
        devices: { type: "string", default: "200" },
        transactions: { type: "string", default: "2000" },
        seed: { type: "string", default: "1" },
        until: { type: "string" },
        faults: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : String(error));
  }
}

function commandLine(): CommandLine {
  const values = parse();
  const devices = wholeNumber("devices", String(values.devices), DEVICES_MIN, DEVICES_MAX);
  const transactions = wholeNumber("transactions", String(values.transactions), 1, TRANSACTIONS_MAX);
  const until = values.until === undefined ? transactions : wholeNumber("until", String(values.until), 1, transactions);
  if (values.seed === "") throw new OptionError("--seed must not be empty.");
  const { faults, json } = values;
  return { devices, transactions: until, seed: String(values.seed), faults: faults === true, json: json === true };
}

/** A line now and then, with the time it took so far. */
function reporter(isQuiet: boolean): (progress: Progress) => void {
  const begun_ms = performance.now();
  let said_ms = begun_ms;
  return ({ stage, done, of }) => {
    const now_ms = performance.now();
    if (isQuiet || (now_ms - said_ms < 5_000 && done !== of)) return;
    said_ms = now_ms;
    console.log(`${((now_ms - begun_ms) / 1000).toFixed(0).padStart(5)} s  ${done} of ${of} ${stage}`);
  };
}

function say(options: CommandLine, result: Result, seconds: number): void {
  const counted = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  console.log(`${result.happened} happened, ${result.aborted} aborted: ${counted(result.kinds)}`);
  console.log(`did not happen: ${counted(result.reasons) || "none"}`);
  console.log(`faults: ${counted(result.faults) || "none"}; modules copied: ${result.cheats}`);
  console.log(`${result.checks} checks, ${result.violations.length} violations, ${result.inDoubt} in doubt`);
  console.log(`${seconds.toFixed(1)} s, ${(options.transactions / seconds).toFixed(1)} transactions a second`);
  console.log(`digest ${result.digest}`);
}

function sayViolations({ devices, seed, faults }: CommandLine, { violations }: Result): void {
  for (const { number, what } of violations) {
    console.error(`after transaction ${number}: ${what}`);
  }
  const [first] = violations;
  if (first === undefined) return;
  const options = `--devices ${devices} --transactions ${first.number} --seed ${seed}${faults ? " --faults" : ""}`;
  console.error(`again, up to the first: npm run simulate -- ${options} --until ${first.number}`);
}

async function main(): Promise<void> {
  const options = commandLine();
  const begun_ms = performance.now();
  const progress = reporter(options.json);
  const simulation = await Simulation.create(options, progress);
  const ready_ms = performance.now();
  const result = await simulation.run(progress);
  const seconds = (performance.now() - begun_ms) / 1000;
  const transactionsPerSecond = Number((options.transactions / (seconds - (ready_ms - begun_ms) / 1000)).toFixed(1));
  if (options.json) {
    const { devices, transactions } = options;
    const { happened, aborted, kinds, faults, cheats, checks, violations, inDoubt, digest } = result;
    console.log(
      JSON.stringify({
        ...{ devices, transactions, happened, aborted, kinds, faults, cheats, checks },
        ...{
          violations: violations.length,
          inDoubt,
          transactionsPerSecond,
          seconds: Number(seconds.toFixed(1)),
          digest,
        },
      }),
    );
  } else say(options, result, seconds);
  sayViolations(options, result);
  process.exitCode = result.violations.length > 0 || result.inDoubt > 0 ? 1 : 0;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof OptionError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
