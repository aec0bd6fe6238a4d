/**
 * Kills processes of an economy at seeded moments of its transactions, starts everything again, and looks whether all agree:
 *
 *   npm run test:kill -- [--moments N] [--seed S] [--workers N] [--only MOMENT]... [--json]
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Observation, observe } from "./agreement.js";
import { Economy } from "./economy.js";
import { KINDS, OWNER, PAYEE, type Victim } from "./kinds.js";
import { drawMoments, type Moment, momentText, parseMoment, type Range } from "./moments.js";
import { type Counts, SORTS } from "./orders.js";
import { counting, killAll, succeed } from "./processes.js";
import { Draw } from "./random.js";
import { measure, Trial } from "./trial.js";

/** Transactions after which a new economy begins, so that failures of one do not colour too many others. */
const MOMENTS_AN_ECONOMY = 20;

interface Options {
  readonly moments: number;
  readonly seed: string;
  readonly workers: number;
  readonly only: readonly Moment[];
  readonly json: boolean;
}

interface Outcome {
  readonly moment: string;
  readonly killed: boolean;
  readonly killedAgain: boolean;
  readonly happened: boolean | undefined;
  readonly faults: readonly string[];
  readonly slow: readonly string[];
  readonly took_ms: number;
}

function options(): Options {
  const { values } = parseArgs({
    options: {
      moments: { type: "string", default: "100" },
      seed: { type: "string", default: "1" },
      workers: { type: "string", default: "2" },
      only: { type: "string", multiple: true, default: [] },
      json: { type: "boolean", default: false },
    },
  });
  const moments = Number(values.moments);
  const workers = Number(values.workers);
  if (!Number.isInteger(moments) || moments < 1) throw new RangeError("--moments: a positive integer");
  if (!Number.isInteger(workers) || workers < 1) throw new RangeError("--workers: a positive integer");
  return { moments, seed: values.seed, workers, only: values.only.map(parseMoment), json: values.json };
}

/** An economy in which everybody has something, and the merchant's first device next to nothing. */
async function makeTemplate(folder: string): Promise<string> {
  const home = join(folder, "template");
  await succeed(["init"], { home });
  for (const words of [
    ["wallet", "buy", OWNER, "USD 58.00", "--merchant", "alder", "--yes"],
    ["wallet", "buy", OWNER, "EUR 79.00", "--merchant", "alder", "--yes"],
    ["wallet", "pay", OWNER, PAYEE, "USD 10.00"],
    ["wallet", "withdraw", OWNER, "EUR 20.00"],
  ]) {
    await succeed(words, { home });
  }
  return home;
}

/** How many moments there are: one transaction of each kind with nobody killed. */
async function rangesOf(template: string): Promise<Range[]> {
  const economy = await Economy.open(template);
  const ranges: Range[] = [];
  const { counts: recovery } = await counting(["wallet", "resume", OWNER], economy.home);
  for (const kind of KINDS) {
    const measured = await measure(economy, kind.plan(await observe(economy.home)), kind.victims);
    for (const [victim, counts] of measured) {
      for (const sort of SORTS) {
        if (counts[sort] === 0) continue;
        ranges.push({ kind, victim, sort, count: counts[sort], recovery: recoveryOf(victim, counts, recovery) });
      }
    }
  }
  await economy.close();
  return ranges;
}

/** What a victim does when it comes back is what it does to begin with, and some of what it had been doing. */
function recoveryOf(victim: Victim, counts: Counts, wallet: Counts): number {
  const isWallet = victim === "wallet" || victim === "payer" || victim === "payee";
  return (isWallet ? wallet.durable : 0) + Math.ceil(counts.durable / 2);
}

class Worker {
  readonly #template: string;
  #economy: Economy | undefined;
  #now: Observation | undefined;
  #trials = 0;

  constructor(template: string) {
    this.#template = template;
  }

  async try(moment: Moment): Promise<Outcome> {
    const begun_ms = performance.now();
    const faults: string[] = [];
    const slow: string[] = [];
    let result = { killed: false, killedAgain: false, happened: undefined as boolean | undefined };
    try {
      const economy = await this.#open();
      this.#now ??= await observe(economy.home);
      const trial = await new Trial(economy, moment).run((now) => moment.kind.plan(now), this.#now);
      const { killed, killedAgain, happened } = trial;
      result = { killed, killedAgain, happened };
      faults.push(...trial.faults);
      slow.push(...trial.slow);
      // Another of the same kind, with nobody killed, must work.
      const next = await new Trial(economy).run((now) => moment.kind.plan(now), trial.after);
      faults.push(...next.faults.map((fault) => `afterwards: ${fault}`));
      slow.push(...next.slow.map((step) => `afterwards: ${step}`));
      this.#now = next.after;
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
    }
    this.#trials += 1;
    if (faults.length > 0 || this.#trials >= MOMENTS_AN_ECONOMY) faults.push(...(await this.close()));
    return { moment: momentText(moment), ...result, faults, slow, took_ms: performance.now() - begun_ms };
  }

  async #open(): Promise<Economy> {
    this.#economy ??= await Economy.open(this.#template);
    return this.#economy;
  }

  /** The next moment begins with an economy of its own. */
  async close(): Promise<string[]> {
    const economy = this.#economy;
    this.#economy = undefined;
    this.#now = undefined;
    this.#trials = 0;
    await economy?.close();
    return economy?.faults ?? [];
  }
}

async function main(): Promise<void> {
  const { moments: count, seed, workers, only, json } = options();
  const say = (line: string) => void (json ? process.stderr : process.stdout).write(`${line}\n`);
  const begun_ms = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "tallystick-kill-run-"));
  const clean = () => {
    killAll();
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", clean);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  const template = await makeTemplate(folder);
  let moments = only;
  if (only.length === 0) {
    const ranges = await rangesOf(template);
    for (const { kind, victim, sort, count: most } of ranges) say(`${kind.name}/${victim}/${sort}: 1 to ${most}`);
    moments = drawMoments(ranges, count, new Draw(seed));
  }
  say(`seed ${seed}, ${moments.length} moments`);
  const outcomes: Outcome[] = [];
  const queue = [...moments];
  const work = async () => {
    const worker = new Worker(template);
    for (let moment = queue.shift(); moment !== undefined; moment = queue.shift()) {
      const outcome = await worker.try(moment);
      outcomes.push(outcome);
      say(`${String(outcomes.length).padStart(4)} ${lineOf(outcome)}`);
      for (const fault of outcome.faults) say(`       ${fault}`);
      for (const step of outcome.slow) say(`       slow: ${step}`);
      if (outcome.faults.length > 0) say(`       again: npm run test:kill -- --only ${outcome.moment}`);
    }
    for (const fault of await worker.close()) {
      outcomes.push({ ...NOTHING, moment: "the end", faults: [fault] });
      say(`     ${fault}`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, moments.length) }, work));
  const failed = outcomes.filter(({ faults }) => faults.length > 0).length;
  const passed = outcomes.length - failed;
  const took_s = Number(((performance.now() - begun_ms) / 1000).toFixed(1));
  const killed = outcomes.filter((outcome) => outcome.killed).length;
  const killedAgain = outcomes.filter((outcome) => outcome.killedAgain).length;
  const happened = outcomes.filter((outcome) => outcome.happened === true).length;
  const slow = outcomes.filter((outcome) => outcome.slow.length > 0).length;
  say(
    `${killed} were killed, ${killedAgain} twice; ${happened} transactions happened all the same; ${slow} made somebody wait; ${took_s} s`,
  );
  if (json)
    process.stdout.write(
      `${JSON.stringify({ seed, passed, failed, killed, killedAgain, happened, slow, took_s, outcomes })}\n`,
    );
  say(`${passed} passed, ${failed} failed`);
  clean();
  process.exitCode = failed === 0 ? 0 : 1;
}

const NOTHING = { killed: false, killedAgain: false, happened: undefined, slow: [], took_ms: 0 };

function lineOf({ moment, killed, killedAgain, happened, faults, took_ms }: Outcome): string {
  const what = !killed ? "not reached" : killedAgain ? "killed twice" : "killed";
  const end = happened === undefined ? "" : happened ? ", happened" : ", did not happen";
  return `${faults.length === 0 ? "ok  " : "FAIL"} ${moment}: ${what}${end} (${(took_ms / 1000).toFixed(1)} s)`;
}

await main();
