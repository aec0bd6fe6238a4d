/**
 * Explores what faults can do to transactions on the release binaries:
 *
 *   npm run explore -- [--stories payment,sale] [--bounded] [--pairs sale] [--workers N] [--no-mutants] [--json]
 *   npm run explore -- --replay "payment message:12:lose cut:20:0:3" [--used]
 */

import { parseArgs } from "node:util";
import { shippedAppletPath } from "../../simulator/applet-files.js";
import { DEFECTS } from "./defects.js";
import type { Explored, Violation } from "./explore.js";
import { type Fault, faultText, parseFault } from "./faults.js";
import {
  type AppletPaths,
  appletsOf,
  CUT_AND_MESSAGE,
  type Job,
  jobText,
  PERSONALISATIONS,
  SINGLES,
  STORIES,
  storyOf,
  TWO_CUTS,
} from "./jobs.js";
import { FaultMissing, replay } from "./replay.js";
import type { Story } from "./story.js";
import { inWorkers } from "./workers.js";

/** Transactions of which pairs of faults are explored without being asked for. */
const PAIRED: readonly string[] = ["payment", "purchase"];
/** In so many parts does a long job come. */
const SHARES = 8;
/** Pairs of cuts are too many: every so manieth second cut. */
const TWO_CUTS_SAMPLE = 8;
const VIOLATIONS_SHOWN = 5;
/** Of the pairs of a cut and a message fault, in a bounded run. */
const BOUNDED_SAMPLE = 16;

const RELEASE: AppletPaths = { agent: shippedAppletPath("trusted-agent"), module: shippedAppletPath("money-module") };

function options() {
  const { values } = parseArgs({
    options: {
      stories: { type: "string" },
      bounded: { type: "boolean", default: false },
      pairs: { type: "string" },
      workers: { type: "string", default: "2" },
      mutants: { type: "boolean", default: true },
      replay: { type: "string" },
      used: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
    allowNegative: true,
  });
  const workers = Number(values.workers);
  if (!Number.isInteger(workers) || workers < 1) throw new RangeError("--workers: a positive integer");
  const all = [...STORIES, ...PERSONALISATIONS];
  const stories = values.stories === undefined ? all : namesIn(values.stories, all);
  const pairs = namesIn(values.pairs ?? "", STORIES);
  return { ...values, workers, stories, pairs };
}

type Options = ReturnType<typeof options>;

function namesIn(list: string, known: readonly string[]): readonly string[] {
  const names = new Set(list.split(",").filter((name) => name !== ""));
  for (const name of names) {
    if (!known.includes(name))
      throw new RangeError(`"${name}" is no story that can be explored so: ${known.join(", ")}`);
  }
  return [...names];
}

function jobsOf({ stories, pairs, bounded }: Options): Job[] {
  const jobs: Job[] = [];
  const add = (story: string, used: boolean, budget: Job["budget"], sample: number, shares: number) => {
    for (let index = 0; index < shares; index += 1) {
      const share = { index, of: shares };
      jobs.push({ story, used, ...(budget === undefined ? {} : { budget }), share, sample, applets: RELEASE });
    }
  };
  for (const name of pairs) add(name, false, CUT_AND_MESSAGE, 1, SHARES);
  for (const name of PAIRED.filter((each) => stories.includes(each) && !pairs.includes(each))) {
    if (bounded) add(name, false, CUT_AND_MESSAGE, BOUNDED_SAMPLE, 1);
    else add(name, false, CUT_AND_MESSAGE, 1, SHARES);
    if (!bounded) add(name, false, TWO_CUTS, TWO_CUTS_SAMPLE, SHARES);
  }
  for (const story of stories.filter((name) => STORIES.includes(name))) {
    for (const budget of SINGLES) add(story, false, budget, 1, 1);
    const usedCuts = SINGLES.filter(({ cuts }) => cuts > 0);
    if (!bounded) for (const budget of usedCuts) add(story, true, budget, 1, 4);
  }
  for (const story of PERSONALISATIONS) if (stories.includes(story)) add(story, false, undefined, 1, 2);
  return jobs;
}

interface Totals {
  executions: number;
  states: number;
  cutPoints: number;
  tears: number;
  traceOperations: number;
  readonly violations: (Violation & { readonly used: boolean })[];
  /** Jobs in which an operation of the way without a fault was left out. */
  readonly skipped: string[];
}

async function run(jobs: readonly Job[], { workers, json }: Options): Promise<Totals> {
  const totals: Totals = {
    executions: 0,
    states: 0,
    cutPoints: 0,
    tears: 0,
    traceOperations: 0,
    violations: [],
    skipped: [],
  };
  const done = new Map<string, Explored[]>();
  const pieces = jobs.map((job) => ({ kind: "explore", job }) as const);
  await inWorkers(pieces, workers, (index, answer) => {
    const job = jobs[index] as Job;
    if (answer.kind !== "explored") return;
    const { explored } = answer;
    totals.violations.push(...explored.violations.map((violation) => ({ ...violation, used: job.used })));
    const parts = [...(done.get(jobText(job)) ?? []), explored];
    done.set(jobText(job), parts);
    if (parts.length === job.share.of) concluded(totals, job, parts, json);
  });
  return totals;
}

/** All parts of a job are done: together they must have cut every operation of the way without a fault. */
function concluded(totals: Totals, job: Job, parts: readonly Explored[], json: boolean): void {
  const sum = (of: (part: Explored) => number) => parts.reduce((total, part) => total + of(part), 0);
  const executions = sum(({ counts }) => counts.executions);
  const cutPoints = sum(({ counts }) => counts.cutPoints);
  const tears = sum(({ counts }) => counts.tears);
  const operations = parts[0]?.traceOperations ?? 0;
  totals.executions += executions;
  totals.states += sum(({ counts }) => counts.states);
  totals.cutPoints += cutPoints;
  totals.tears += tears;
  const cuts = job.budget === undefined || job.budget.cuts > 0;
  if (cuts) totals.traceOperations += operations;
  if (cuts && sum(({ cutInTrace }) => cutInTrace) !== operations) totals.skipped.push(jobText(job));
  if (json) return;
  const struck = cuts ? `, ${operations} operations, ${cutPoints} cut points, ${tears} tears` : "";
  console.log(
    `${jobText(job)}: ${executions} executions${struck}, ${sum(({ violations }) => violations.length)} violations`,
  );
}

async function catchDefects({ workers, json }: Options): Promise<{ total: number; caught: number }> {
  let caught = 0;
  const pieces = DEFECTS.map(({ name }) => ({ kind: "defect", defect: name, release: RELEASE }) as const);
  await inWorkers(pieces, workers, (index, answer) => {
    if (answer.kind !== "noticed") return;
    const name = DEFECTS[index]?.name ?? "";
    if (answer.by !== undefined) caught += 1;
    if (answer.by === undefined) console.error(`nobody notices: ${name}`);
    else if (!json) console.log(`noticed: ${name} (${answer.by.slice(0, 140)})`);
  });
  return { total: DEFECTS.length, caught };
}

function isWrong(story: Story, faults: readonly Fault[]): boolean {
  try {
    return replay(story, faults).wrong !== undefined;
  } catch (error) {
    // With fewer faults there may be nothing that a later one could strike.
    if (error instanceof FaultMissing) return false;
    throw error;
  }
}

/** As few faults as give a wrong end, each in its simplest form. */
async function shrunk(violation: Totals["violations"][number]): Promise<{ faults: Fault[]; lines: readonly string[] }> {
  const story = await storyOf(violation.story, violation.used, appletsOf(RELEASE));
  let faults = violation.faults.map(parseFault);
  for (const fault of [...faults]) {
    const fewer = faults.filter((each) => each !== fault);
    if (fewer.length > 0 && isWrong(story, fewer)) faults = fewer;
  }
  for (const [i, fault] of faults.entries()) {
    if (fault.kind !== "cut") continue;
    const simpler = faults.with(i, { ...fault, tear: 0 });
    if (isWrong(story, simpler)) faults = simpler;
  }
  return { faults, lines: replay(story, faults).lines };
}

/** The first is shown whole, the others only as what repeats them. */
async function report(violation: Totals["violations"][number], isWhole: boolean): Promise<void> {
  console.error(`${violation.story}: ${violation.wrong}`);
  if (!STORIES.includes(violation.story)) {
    console.error(`  ${violation.faults.join(" ")}`);
    return;
  }
  const { faults, lines } = await shrunk(violation);
  if (isWhole) for (const line of lines) console.error(`  ${line}`);
  const words = [violation.story, ...faults.map(faultText)].join(" ");
  console.error(`again: npm run explore -- --replay "${words}"${violation.used ? " --used" : ""}`);
}

async function showReplay(words: string, used: boolean): Promise<void> {
  const [name = "", ...faults] = words.split(" ");
  if (!STORIES.includes(name)) throw new RangeError(`"${name}" is no story: ${STORIES.join(", ")}`);
  const { lines, wrong } = replay(await storyOf(name, used, appletsOf(RELEASE)), faults.map(parseFault));
  for (const line of lines) console.log(line);
  process.exitCode = wrong === undefined ? 0 : 1;
}

async function main(): Promise<void> {
  const chosen = options();
  if (chosen.replay !== undefined) return showReplay(chosen.replay, chosen.used);
  const startedAt = performance.now();
  const totals = await run(jobsOf(chosen), chosen);
  const mutants = chosen.mutants ? await catchDefects(chosen) : { total: 0, caught: 0 };
  for (const [i, violation] of totals.violations.slice(0, VIOLATIONS_SHOWN).entries()) await report(violation, i === 0);
  for (const name of totals.skipped) console.error(`${name}: operations were left out`);
  const { executions, states, cutPoints, tears, traceOperations } = totals;
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const violations = totals.violations.length + totals.skipped.length;
  const result = { executions, states, cutPoints, tears, traceOperations, violations, mutants, seconds };
  console.log(chosen.json ? JSON.stringify(result) : summary(result));
  const isWhole = mutants.caught === mutants.total;
  process.exitCode = violations === 0 && isWhole ? 0 : 1;
}

function summary({
  executions,
  violations,
  mutants,
  seconds,
}: {
  executions: number;
  violations: number;
  mutants: { total: number; caught: number };
  seconds: number;
}): string {
  return `${executions} executions, ${violations} violations; ${mutants.caught} of ${mutants.total} defects caught; ${seconds} s`;
}

await main();
