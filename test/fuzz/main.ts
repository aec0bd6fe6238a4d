/**
 * Fuzzes the applets and every parser, guided by what of the instrumented firmware is reached:
 *
 *   npm run fuzz -- [--seconds N] [--executions N] [--seed S] [--json] [--keep] [--replay FILE]
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { isCounted } from "../support/coverage.js";
import { readCorpus, writeCorpus } from "./corpus.js";
import { Engine, type Found } from "./engine.js";
import { type Workshop, workshop } from "./setup.js";
import { readInput, storedInput } from "./target.js";

const FINDINGS = "build/fuzz";

interface Options {
  readonly seconds: number;
  readonly executions: number;
  readonly seed: string;
  readonly json: boolean;
  readonly keep: boolean;
  readonly replay: string | undefined;
}

function options(): Options {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string" },
      executions: { type: "string" },
      seed: { type: "string", default: "1" },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      replay: { type: "string" },
    },
  });
  const unbounded = Number.MAX_SAFE_INTEGER;
  const executions = Number(values.executions ?? unbounded);
  const seconds = Number(values.seconds ?? (values.executions === undefined ? 60 : unbounded));
  if (!(seconds > 0)) throw new RangeError("--seconds: a positive number");
  if (!Number.isInteger(executions) || executions < 1) throw new RangeError("--executions: a positive integer");
  const { seed, json, keep, replay } = values;
  return { seconds, executions, seed, json, keep, replay };
}

function store({ input, finding }: Found, index: number, seed: string): string {
  mkdirSync(FINDINGS, { recursive: true });
  const path = `${FINDINGS}/finding-${seed}-${index}.json`;
  writeFileSync(
    path,
    `${JSON.stringify({ rule: finding.rule, message: finding.message, ...storedInput(input) }, null, 2)}\n`,
  );
  return path;
}

function replay(engine: Engine, path: string): void {
  const input = readInput(JSON.parse(readFileSync(path, "utf8")) as Parameters<typeof readInput>[0]);
  const finding = engine.again(input);
  console.log(`${path}: ${finding?.message ?? "nothing found."}`);
  if (finding?.cause instanceof Error) console.log(finding.cause.stack);
  process.exitCode = finding === undefined ? 0 : 1;
}

/** Blocks of each applet that count, and how many of them were reached. */
function blocksOf({ applets }: Workshop, engine: Engine) {
  return Object.fromEntries(
    applets.map(({ name, blocks }, group) => {
      const reached = engine.reachedIn(group);
      const counted = blocks.flatMap((block, id) => (isCounted(block) ? [id] : []));
      return [name, { reached: counted.filter((id) => reached.has(id)).length, total: counted.length }];
    }),
  );
}

const wanted = options();
const shop = await workshop();
const engine = new Engine(shop.groups, wanted.seed);
if (wanted.replay !== undefined) replay(engine, wanted.replay);
else {
  const begun_ms = performance.now();
  const isOver = () => performance.now() - begun_ms > wanted.seconds * 1000;
  const bounds = { executions: wanted.executions, isOver };
  engine.begin(readCorpus(), bounds);
  engine.run(bounds);
  const seconds = Math.round((performance.now() - begun_ms) / 100) / 10;
  const executionsPerSecond = Math.round(engine.executions / seconds);
  const blocks = blocksOf(shop, engine);
  const paths = engine.findings.map((found, index) => store(found, index, wanted.seed));
  const { executions, findings } = engine;
  if (wanted.json) {
    console.log(JSON.stringify({ seconds, executions, executionsPerSecond, blocks, findings: findings.length }));
  } else {
    console.log(`${executions} executions in ${seconds} s, ${executionsPerSecond} a second`);
    for (const [name, { reached, total }] of Object.entries(blocks))
      console.log(`${name}: ${reached} of ${total} blocks`);
    findings.forEach(({ input, finding }, index) => {
      console.log(`${paths[index]}: ${input.target}: ${finding.message}`);
    });
    console.log(`${findings.length} findings`);
  }
  if (wanted.keep) writeCorpus(engine, shop);
  process.exitCode = findings.length === 0 ? 0 : 1;
}
