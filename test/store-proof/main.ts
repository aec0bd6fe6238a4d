/**
 * The store's proof by going through all cases, further than the tests go (test/store-explore.test.ts):
 *
 *   npm run explore:store -- [--steps N] [--cut-twice N] [--json]
 *
 * All sequences of up to N steps in each of several flashes (bounds.ts), power cut at every operation in every way. The way there
 * of each violation is told on the error stream; there are none.
 */

import { parseArgs } from "node:util";
import { bounds } from "./bounds.js";
import { emptyTally, explore } from "./explorer.js";

function length(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`--${name}: a number of steps`);
  return value;
}

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "3" },
    "cut-twice": { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});
const steps = length(values.steps, "steps");
const stepsCutTwice = length(values["cut-twice"], "cut-twice");

const say = (text: string) => process.stderr.write(`${text}\n`);
const tally = emptyTally();
for (const bound of bounds(steps, stepsCutTwice)) {
  const { pageCount, pageSizeBytes, wordSizeBytes } = bound.geometry;
  const begun_ms = performance.now();
  await explore(bound, tally);
  const took_s = ((performance.now() - begun_ms) / 1000).toFixed(1);
  say(
    `${pageCount} pages of ${pageSizeBytes}, words of ${wordSizeBytes}, counter: ${bound.hasCounter}, ${bound.steps} steps: ${took_s} s`,
  );
}
for (const example of tally.examples) say(example);
const { examples, ...counts } = tally;
if (values.json) process.stdout.write(`${JSON.stringify(counts)}\n`);
else for (const [name, count] of Object.entries(counts)) say(`${name}: ${JSON.stringify(count)}`);
process.exitCode = tally.violations === 0 ? 0 : 1;
