/** The instrumentation: every arm, loop and function tells that it is reached, once each, and is named by its function and line. */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { appletRequest } from "../../scripts/firmware/applets.js";
import { blocksPath, type CompileRequest, compileIfStale } from "../../scripts/firmware/compile.js";
import type { CodeBlock } from "../../scripts/firmware/instrument.js";
import { root as projectRoot } from "../support/firmware.js";

const SOURCE = `// line 1
export function choose(value: i32): i32 {
  assert(value != 99);
  if (value > 10) {
    return 1;
  } else if (value > 5) {
    return 2;
  }
  let sum = 0;
  for (let i = 0; i < value; i++) {
    sum += i;
  }
  return value == 3 && other(sum) ? 7 : sum;
}
function other(sum: i32): bool {
  return sum == 3;
}
export function never(): i32 {
  return 5;
}
`;

let root: string;
let blocks: readonly CodeBlock[];
let instance: WebAssembly.Instance;
let hits: number[];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "tallystick-instrument-"));
  mkdirSync(join(root, "firmware/platform"), { recursive: true });
  symlinkSync(join(projectRoot, "node_modules"), join(root, "node_modules"));
  for (const path of ["asconfig.json", "firmware/platform/layout.ts"]) {
    cpSync(join(projectRoot, path), join(root, path));
  }
  writeFileSync(join(root, "firmware/entry.ts"), SOURCE);
  const outputPath = "build/entry.wasm";
  const request: CompileRequest = { root, entryPath: "firmware/entry.ts", outputPath, target: "instrumented" };
  await compileIfStale(request);
  expect(await compileIfStale(request)).toBe(false);
  blocks = JSON.parse(readFileSync(join(root, blocksPath(outputPath)), "utf8")) as CodeBlock[];
  const log = (block = 0) => hits.push(block);
  const module = new WebAssembly.Module(readFileSync(join(root, outputPath)));
  instance = new WebAssembly.Instance(module, { env: { log_execution: log, abort: () => 0 } });
});

afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

/** Lines of the blocks that a call reaches, and what it answers. */
function reached(value: number): { answer: number; lines: Set<number> } {
  hits = [];
  const answer = (instance.exports["choose"] as (value: number) => number)(value);
  return { answer, lines: new Set(hits.map((block) => (blocks[block] as CodeBlock).line)) };
}

test("the code does what it did, and each arm is told apart", () => {
  expect(reached(11).answer).toBe(1);
  expect(reached(11).lines).toContain(5);
  expect(reached(11).lines).not.toContain(7);
  expect(reached(6).answer).toBe(2);
  expect(reached(6).lines).toContain(7);
  expect(reached(0)).toMatchObject({ answer: 0 });
  expect(reached(0).lines).not.toContain(11);
  expect(reached(3)).toMatchObject({ answer: 7 });
  expect(reached(3).lines).toContain(11);
  expect(reached(3).lines).toContain(16);
});

test("a loop tells of each round", () => {
  const rounds = (value: number) => {
    reached(value);
    return hits.filter((block) => (blocks[block] as CodeBlock).line === 11).length;
  };
  expect(rounds(4) - rounds(2)).toBe(2);
});

test("every block has its function, and the end of an assertion is known", () => {
  expect(blocks.every(({ function: name, line }) => name !== "" && line > 0)).toBe(true);
  expect(new Set(blocks.map((block) => block.function))).toContain("firmware/entry/never");
  expect(blocks.filter(({ asserts }) => asserts).map(({ line }) => line)).toEqual([3]);
});

test("instrumented applets do not lie where those that ship do", () => {
  const paths = (["release", "debug", "instrumented"] as const).map(
    (target) => appletRequest("", "money-module", target).outputPath,
  );
  expect(new Set(paths).size).toBe(3);
  expect(paths[2]?.startsWith("build/instrumented/")).toBe(true);
});
