/**
 * How much of the firmware the tests reach: runs those that work with whole applets on instrumented ones, replays the fuzzer's
 * corpus, and says for each file and function which of its blocks were reached.
 *
 *   npm run coverage -- [--functions] [--blocks FILE] [--json] [test files or folders]
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type InstrumentedApplet, instrumentProcess, isCounted } from "../support/coverage.js";

/** Tests at an applet's edge. */
const WORKLOAD = [
  "test/firmware-apdu",
  "test/money-module",
  "test/trusted-agent",
  "test/purse",
  "test/figures",
  "test/figures-tokens",
  "test/attacks",
  "test/invariants",
  "test/host/provision.test.ts",
  "test/host/refresh.test.ts",
  "test/host/teller.test.ts",
  "test/fuzz",
];

interface Share {
  reached: number;
  total: number;
}

/** Blocks that a test file reached, by applet. */
type Reached = Readonly<Record<string, readonly number[]>>;

function runTests(workload: readonly string[]): Reached[] {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-coverage-"));
  try {
    const { status } = spawnSync(
      process.execPath,
      [
        "node_modules/vitest/vitest.mjs",
        "run",
        "--testTimeout=600000",
        "--hookTimeout=600000",
        "--silent=true",
        ...workload,
      ],
      { stdio: ["ignore", 2, 2], env: { ...process.env, TALLY_COVERAGE: folder } },
    );
    if (status !== 0) process.exitCode = 1;
    return readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Reached);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Shares by a name of the block's: its file, its function. */
function sharesBy(applet: InstrumentedApplet, hit: ReadonlySet<number>, key: "file" | "function"): Map<string, Share> {
  const shares = new Map<string, Share>();
  applet.blocks.forEach((block, id) => {
    if (!isCounted(block)) return;
    const share = shares.get(block[key]) ?? { reached: 0, total: 0 };
    share.total += 1;
    if (hit.has(id)) share.reached += 1;
    shares.set(block[key], share);
  });
  return shares;
}

function whole(shares: ReadonlyMap<string, Share>): Share {
  const sum = { reached: 0, total: 0 };
  for (const { reached, total } of shares.values()) {
    sum.reached += reached;
    sum.total += total;
  }
  return sum;
}

const percent = ({ reached, total }: Share): string => `${((100 * reached) / total).toFixed(1)} %`;

function line(name: string, share: Share): string {
  return `${`${share.reached}/${share.total}`.padStart(11)} ${percent(share).padStart(8)}  ${name}`;
}

function neverReached(functions: ReadonlyMap<string, Share>): string[] {
  return [...functions].filter(([, { reached }]) => reached === 0).map(([name]) => name);
}

/** Lines of a file where blocks begin that nothing reached. */
function unreachedLines(applet: InstrumentedApplet, hit: ReadonlySet<number>, file: string): number[] {
  const lines = applet.blocks.flatMap((block, id) =>
    isCounted(block) && block.file.endsWith(file) && !hit.has(id) ? [block.line] : [],
  );
  return [...new Set(lines)].sort((a, b) => a - b);
}

function report(applet: InstrumentedApplet, hit: ReadonlySet<number>, functions: boolean, file?: string): void {
  const files = sharesBy(applet, hit, "file");
  const byFunction = sharesBy(applet, hit, "function");
  console.log(`\n${applet.name}: ${line("all files", whole(files)).trim()}`);
  for (const [name, share] of [...files].sort(([a], [b]) => a.localeCompare(b))) console.log(line(name, share));
  if (functions) {
    console.log("functions:");
    for (const [name, share] of byFunction) if (share.reached < share.total) console.log(line(name, share));
  }
  console.log("functions never reached:");
  for (const name of neverReached(byFunction)) console.log(`  ${name}`);
  if (file !== undefined) console.log(`${file}, lines never reached: ${unreachedLines(applet, hit, file).join(", ")}`);
}

const { values, positionals } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    functions: { type: "boolean", default: false },
    blocks: { type: "string" },
  },
  allowPositionals: true,
});
const applets = await instrumentProcess();
const found = runTests(positionals.length === 0 ? WORKLOAD : positionals);
const summary: Record<string, unknown> = {};
for (const applet of applets) {
  const hit = new Set(found.flatMap((reached) => reached[applet.name] ?? []));
  const files = sharesBy(applet, hit, "file");
  const functions = sharesBy(applet, hit, "function");
  summary[applet.name] = {
    ...whole(files),
    files: Object.fromEntries(files),
    neverReached: neverReached(functions),
  };
  if (!values.json) report(applet, hit, values.functions, values.blocks);
}
if (values.json) console.log(JSON.stringify(summary));
