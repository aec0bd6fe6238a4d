/** Inputs that are kept in the repository, because each reaches something of the firmware that no recorded session does. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../simulator/applet-files.js";
import type { Engine } from "./engine.js";
import type { Workshop } from "./setup.js";
import { FEATURES_A_BLOCK, type Input, readInput, storedInput, type Target } from "./target.js";

const PATH = join(packageRoot(), "test/fuzz/corpus/inputs.json");

export function readCorpus(): Input[] {
  if (!existsSync(PATH)) return [];
  return (JSON.parse(readFileSync(PATH, "utf8")) as Parameters<typeof readInput>[0][]).map(readInput);
}

/** Longer ones are left out: there are others, or the next run finds them again. */
const INPUT_CHARS_MAX = 3_000;
/** Of a parser, whose answers are many and quickly found again. */
const PARSER_INPUT_CHARS_MAX = 400;
const PARSER_INPUTS_MAX = 10;

type Covers = { readonly input: Input; readonly blocks: readonly number[] };

/** Keeps a small set that still reaches all blocks, found by taking whatever reaches most that is not reached yet. */
export function writeCorpus(engine: Engine, { applets, groups }: Workshop): void {
  const chosen = groups.flatMap(({ targets }, group) => {
    const max = group < applets.length ? INPUT_CHARS_MAX : PARSER_INPUT_CHARS_MAX;
    const set = coveringSet(engine, targets, max);
    if (group < applets.length) return set;
    // Those that reach most came first.
    return targets.flatMap(({ name }) => set.filter(({ target }) => target === name).slice(0, PARSER_INPUTS_MAX));
  });
  mkdirSync(join(PATH, ".."), { recursive: true });
  writeFileSync(PATH, `[\n${chosen.map(lineOf).join(",\n")}\n]\n`);
}

function lineOf(input: Input): string {
  return JSON.stringify(storedInput(input));
}

function coveringSet(engine: Engine, targets: readonly Target[], charsMax: number): Input[] {
  const names = new Set(targets.map(({ name }) => name));
  const covered = new Set(targets.flatMap((target) => target.seeds().flatMap((seed) => blocksOf(target, seed))));
  const chosen: Input[] = [];
  let rest: Covers[] = engine.kept
    .filter((input) => names.has(input.target) && lineOf(input).length <= charsMax)
    .map((input) => ({ input, blocks: blocksOf(engine.target(input.target), input) }));
  for (;;) {
    rest = rest.flatMap(({ input, blocks }) => {
      const left = blocks.filter((block) => !covered.has(block));
      return left.length === 0 ? [] : [{ input, blocks: left }];
    });
    if (rest.length === 0) return chosen;
    const best = rest.reduce((a, b) => (a.blocks.length >= b.blocks.length ? a : b));
    const trimmed = withoutIdleSteps(engine.target(best.input.target), best);
    chosen.push(trimmed);
    for (const block of best.blocks) covered.add(block);
  }
}

function blocksOf(target: Target, input: Input): number[] {
  const blocks = new Set<number>();
  target.run(input, (feature) => blocks.add(Math.floor(feature / FEATURES_A_BLOCK)));
  return [...blocks];
}

/** The same without the steps that are not needed to reach these blocks. */
function withoutIdleSteps(target: Target, { input, blocks }: Covers): Input {
  let best = input;
  for (let at = input.steps.length - 1; at >= 0 && best.steps.length > 1; at--) {
    const shorter = { target: input.target, steps: best.steps.filter((_, i) => i !== at) };
    const reached = new Set(blocksOf(target, shorter));
    if (blocks.every((block) => reached.has(block))) best = shorter;
  }
  return best;
}
