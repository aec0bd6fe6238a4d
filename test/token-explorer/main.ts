/**
 * Walks every way in which the life of a purse of token halves can go with one fault, and a number with two; then has each deliberate
 * defect noticed:
 *
 *   npm run explore:tokens -- [--bounded] [--stories life,flush] [--pairs N] [--seed S] [--no-mutants] [--only-mutants] [--workers N] [--json]
 *   npm run explore:tokens -- --replay "life cut:12:3 message:4:lose-answer"
 */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { appletRequest } from "../../scripts/firmware/applets.js";
import { compileIfStale } from "../../scripts/firmware/compile.js";
import { packageRoot, shippedApplet, shippedAppletPath } from "../../simulator/applet-files.js";
import { inWorkers } from "../support/workers.js";
import { type Check, HOST_DEFECTS, type HostDefect, PURSE_DEFECTS, type PurseDefect } from "./defects.js";
import { type Explored, FAULT_KINDS, type Job, nothingExplored, type Violation } from "./explore.js";
import { parseFault } from "./faults.js";
import { run } from "./run.js";
import { STORIES, storyNamed } from "./stories.js";
import { type Answer, SEED, WORKER, type Work } from "./workers.js";
import { Template } from "./world.js";

/** Two faults, of each story, that are not a cut and a message of a payment. */
const PAIRS = 100;
const PAIRS_BOUNDED = 20;
/** Of the single faults of a story that is not the first, when not all are walked: every so many. */
const SAMPLE_BOUNDED = 7;
const VIOLATIONS_MAX = 10;
const TOOLS = "build/tools";
const DEFECTS = "build/defects";

interface Options {
  readonly stories: readonly string[];
  readonly bounded: boolean;
  readonly pairs: number;
  readonly seed: string;
  readonly mutants: boolean;
  readonly workers: number;
  readonly json: boolean;
  readonly replay: string | undefined;
}

function options(): Options {
  const { values } = parseArgs({
    options: {
      bounded: { type: "boolean", default: false },
      stories: { type: "string", default: STORIES.map(({ name }) => name).join(",") },
      pairs: { type: "string" },
      seed: { type: "string", default: "1" },
      mutants: { type: "boolean", default: true },
      "only-mutants": { type: "boolean", default: false },
      workers: { type: "string" },
      json: { type: "boolean", default: false },
      replay: { type: "string" },
    },
    allowNegative: true,
  });
  const { bounded, json, mutants, replay, seed } = values;
  const isOnly = values["only-mutants"];
  const stories = isOnly ? [] : values.stories.split(",").map((name) => storyNamed(name).name);
  const pairs = Number(values.pairs ?? (bounded ? PAIRS_BOUNDED : PAIRS));
  if (!Number.isInteger(pairs) || pairs < 0) throw new RangeError("--pairs: a number of ways");
  const workers = Number(values.workers ?? availableParallelism());
  if (!Number.isInteger(workers) || workers < 1) throw new RangeError("--workers: at least one");
  return { stories, bounded, pairs, seed, mutants: mutants && !bounded, workers, json, replay };
}

/** Small shares, so that all workers end at about the same time. */
function jobsOf({ bounded, pairs, seed, stories }: Options): Job[] {
  return stories.flatMap((story, at) => {
    const sample = bounded && at > 0 ? SAMPLE_BOUNDED : 1;
    const of = bounded ? 2 : 4;
    const both = { spends: at === 0 || !bounded, sampled: pairs, seed };
    return Array.from({ length: of }, (_, index): Job => {
      return { story, kinds: FAULT_KINDS, pairs: both, share: { index, of }, sample };
    });
  });
}

async function exploreAll(jobs: readonly Job[], { json, workers }: Options): Promise<Explored> {
  const total = nothingExplored();
  const applet = shippedAppletPath("purse");
  const pieces = jobs.map((job): Work => ({ kind: "explore", job, applet, violationsMax: VIOLATIONS_MAX }));
  await inWorkers<Work, Answer>(WORKER, pieces, workers, (index, answer) => {
    if (answer.kind !== "explored") return;
    add(total, answer.explored);
    const { share, story } = jobs[index] as Job;
    if (!json)
      console.log(
        `${story}, part ${share.index + 1} of ${share.of}: ${answer.explored.ways} ways, ${answer.explored.violations.length} violations`,
      );
  });
  return total;
}

function add(total: Explored, part: Explored): void {
  const { violations, ...counts } = part;
  for (const [name, count] of Object.entries(counts)) total[name as keyof typeof counts] += count;
  total.violations.push(...violations);
}

interface Prepared {
  readonly name: string;
  readonly worker: string;
  readonly work: Work;
  readonly check: Check;
}

function folderOf(name: string): string {
  return join(packageRoot(), DEFECTS, `tokens-${name.replaceAll(/\W+/g, "-")}`);
}

/** A binary of its own. */
async function preparedPurse({ check, edits, name }: PurseDefect): Promise<Prepared> {
  const root = packageRoot();
  const outputPath = join(folderOf(name), "purse.wasm").slice(root.length + 1);
  await compileIfStale({ ...appletRequest(root, "purse", "release"), outputPath, edits });
  return { name, worker: WORKER, work: workFor(check, join(root, outputPath)), check };
}

/** A copy of the compiled program with the edit in it. */
function preparedHost({ check, find, module, name, replace }: HostDefect): Prepared {
  const folder = folderOf(name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const isProgram = (path: string) => !path.endsWith(".map");
  cpSync(join(packageRoot(), TOOLS), folder, { recursive: true, filter: isProgram });
  const path = join(folder, `${module}.js`);
  const text = readFileSync(path, "utf8");
  if (text.split(find).length !== 2) throw new Error(`${name}: what it edits is not once in ${module}.js`);
  writeFileSync(path, text.replace(find, replace));
  const worker = join(folder, "test/token-explorer/worker.js");
  return { name, worker, work: workFor(check, shippedAppletPath("purse")), check };
}

function workFor(check: Check, applet: string): Work {
  if ("tests" in check) return { kind: "tests", tests: check.tests, applet };
  const { kinds, story } = check;
  const job: Job = { story, kinds, pairs: undefined, share: { index: 0, of: 1 }, sample: 1 };
  return { kind: "explore", job, applet, violationsMax: 1 };
}

/** What noticed it, in a few words; undefined when nothing did. One that needs a fault must not be noticed without. */
function noticedBy({ check, name }: Prepared, answer: Answer): string | undefined {
  if (answer.kind === "failed") return answer.test;
  const [violation] = answer.explored.violations;
  if (violation === undefined) return undefined;
  const needsFault = "kinds" in check && check.kinds.length > 0;
  if (needsFault && violation.faults.length === 0) {
    console.error(`${name}: it needs no fault to be noticed: ${violation.wrong.join("; ")}`);
    return undefined;
  }
  return `${violation.story} ${violation.faults.join(" ") || "without a fault"}: ${violation.wrong[0] ?? ""}`;
}

async function catchDefects({ json, workers }: Options): Promise<{ total: number; caught: number }> {
  const prepared = [...(await Promise.all(PURSE_DEFECTS.map(preparedPurse))), ...HOST_DEFECTS.map(preparedHost)];
  let caught = 0;
  const queue = [...prepared];
  const one = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const defect = next;
      await inWorkers<Work, Answer>(defect.worker, [defect.work], 1, (_, answer) => {
        const by = noticedBy(defect, answer);
        if (by !== undefined) caught += 1;
        if (by === undefined) console.error(`nobody notices: ${defect.name}`);
        else if (!json) console.log(`noticed: ${defect.name} (${by.slice(0, 160)})`);
      });
    }
  };
  await Promise.all(Array.from({ length: workers }, one));
  return { total: prepared.length, caught };
}

async function showReplay(words: string): Promise<void> {
  const [name = "", ...faults] = words.split(" ");
  const template = await Template.make(SEED);
  try {
    const applet = shippedApplet("purse");
    const way = await run(storyNamed(name), faults.map(parseFault), { template, applet, isTold: true });
    for (const line of way.lines) console.log(line);
    for (const fault of way.missed) console.log(`found nothing to strike: ${JSON.stringify(fault)}`);
    for (const wrong of way.wrong) console.log(`WRONG: ${wrong}`);
    process.exitCode = way.wrong.length === 0 && way.missed.length === 0 ? 0 : 1;
  } finally {
    template.remove();
  }
}

function report({ faults, story, wrong }: Violation): void {
  console.error(`${story}: ${wrong.join("; ")}`);
  console.error(`again: npm run explore:tokens -- --replay "${[story, ...faults].join(" ")}"`);
}

async function main(): Promise<void> {
  const chosen = options();
  if (chosen.replay !== undefined) return showReplay(chosen.replay);
  const startedAt = performance.now();
  const { violations, ...counts } = await exploreAll(jobsOf(chosen), chosen);
  const mutants = chosen.mutants ? await catchDefects(chosen) : { total: 0, caught: 0 };
  for (const violation of violations) report(violation);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const result = { ...counts, violations: violations.length, mutants, seconds };
  if (chosen.json) console.log(JSON.stringify(result));
  else
    console.log(
      `${counts.ways} ways, ${violations.length} violations; ${mutants.caught} of ${mutants.total} defects caught; ${seconds} s`,
    );
  process.exitCode = violations.length === 0 && mutants.caught === mutants.total ? 0 : 1;
}

await main();
