/** The README's commands, run as they are printed (support/typed-commands.ts). */

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { Desk, NotAsPrinted, patternOf, stepsOf } from "../support/typed-commands.js";

const README = readFileSync(join(resolve(import.meta.dirname, "../.."), "README.md"), "utf8");

test("a newcomer's session works as it is printed", { timeout: 120_000 }, async () => {
  const steps = stepsOf(README);
  expect(steps.filter(({ typed }) => typed !== undefined).length).toBeGreaterThanOrEqual(14);
  const desk = new Desk();
  try {
    await desk.type(steps);
  } finally {
    await desk.close();
  }
});

test("an output that is not as printed is found", async () => {
  expect("USD 5.01 paid").not.toMatch(patternOf("USD 5.00 paid"));
  expect("a at ws://x/.").toMatch(patternOf("a at …."));
  expect(stepsOf("```console till\n$ a b\nc\n```\n```console till\nd\n```\n")).toEqual([
    { terminal: "till", typed: "a b", expected: ["c"] },
    { terminal: "till", typed: undefined, expected: ["d"] },
  ]);
  const desk = new Desk();
  const typed = (command: string, ...expected: string[]) => desk.type([{ terminal: "", typed: command, expected }]);
  try {
    await typed("echo one", "one");
    await expect(typed("echo one", "two")).rejects.toThrow(NotAsPrinted);
    await expect(typed("echo one")).rejects.toThrow(NotAsPrinted);
    await expect(typed("echo one", "one", "two")).rejects.toThrow(NotAsPrinted);
    await expect(typed("false")).rejects.toThrow(NotAsPrinted);
  } finally {
    await desk.close();
  }
});
