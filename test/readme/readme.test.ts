/**
 * The README's commands, run as they are printed: in `console` blocks a line after `$` is typed and what follows is
 * expected; `…` stands for anything. A block of a name is a terminal of its own, whose last command goes on until the end.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");
const ANYTHING = "…";
const ANSWER_MS_MAX = 20_000;

interface Step {
  readonly terminal: string;
  /** Undefined: nothing is typed, the terminal goes on printing. */
  readonly typed: string | undefined;
  readonly expected: readonly string[];
}

function stepsOf(readme: string): Step[] {
  const steps: Step[] = [];
  for (const [, terminal = "", text = ""] of readme.matchAll(/^```console ?(.*)\n([\s\S]*?)^```$/gm)) {
    const parts = text.split(/^\$ /m);
    const [first = "", ...commands] = parts;
    if (first !== "") steps.push({ terminal, typed: undefined, expected: linesOf(first) });
    for (const part of commands) {
      const [typed, ...expected] = linesOf(part);
      steps.push({ terminal, typed: typed ?? "", expected });
    }
  }
  return steps;
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** As a pattern: what is printed around `…` stands there to the letter. */
function patternOf(expected: string): RegExp {
  const parts = expected.split(ANYTHING).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".+")}$`);
}

let folder: string;
const running: ChildProcess[] = [];
/** All that any terminal has printed, for what is copied from one to the other. */
const printed: string[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-readme-"));
  const bin = join(folder, "bin");
  mkdirSync(bin);
  // What the alias of the README is to a person.
  const main = join(ROOT, "dist/host/cli/main.js");
  writeFileSync(join(bin, "tally"), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, { mode: 0o755 });
});

afterAll(async () => {
  for (const child of running) {
    child.kill("SIGINT");
    if (child.exitCode === null) await new Promise((ended) => child.once("exit", ended));
  }
  rmSync(folder, { recursive: true, force: true });
});

class Terminal {
  readonly lines: string[] = [];
  #rest = "";
  #taken = 0;
  #wake: () => void = () => undefined;
  child: ChildProcess | undefined;

  type(command: string): void {
    const child = spawn("sh", ["-c", `exec ${command}`], {
      cwd: folder,
      env: { ...process.env, PATH: `${join(folder, "bin")}:${process.env["PATH"]}`, TALLY_HOME: join(folder, "world") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    running.push(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (chunk: string) => this.#print(chunk));
    }
    child.once("exit", () => this.#wake());
  }

  #print(chunk: string): void {
    const lines = (this.#rest + chunk).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines.filter((each) => each !== "")) {
      this.lines.push(line);
      printed.push(line);
    }
    this.#wake();
  }

  /** The next lines, as many as are expected, or as many as there are when the command ends or time is up. */
  async next(count: number): Promise<string[]> {
    const until = performance.now() + ANSWER_MS_MAX;
    while (this.lines.length < this.#taken + count && performance.now() < until) {
      if (this.child?.exitCode !== null && this.child?.stdout?.readableEnded === true) break;
      await new Promise<void>((woken) => {
        const timer = setTimeout(woken, 250);
        this.#wake = () => {
          clearTimeout(timer);
          woken();
        };
      });
    }
    const lines = this.lines.slice(this.#taken, this.#taken + count);
    this.#taken += lines.length;
    return lines;
  }

  async ended(): Promise<number | null> {
    const { child } = this;
    if (child !== undefined && child.exitCode === null) await new Promise((done) => child.once("close", done));
    return child?.exitCode ?? null;
  }
}

/** An argument with `…` in it is copied from what a terminal printed. */
function completed(command: string): string {
  return command.replace(/"([^"]*…[^"]*)"/g, (_whole, text: string) => {
    const pattern = patternOf(text);
    const line = [...printed].reverse().find((each) => pattern.test(each));
    if (line === undefined) throw new Error(`Nobody has printed what is like ${text}`);
    return `"${line}"`;
  });
}

test("a newcomer's session works as it is printed", { timeout: 120_000 }, async () => {
  const steps = stepsOf(README);
  expect(steps.filter(({ typed }) => typed !== undefined).length).toBeGreaterThanOrEqual(14);
  const terminals = new Map<string, Terminal>();
  for (const { terminal: name, typed, expected } of steps) {
    const goesOn = name !== "";
    const terminal = goesOn ? (terminals.get(name) ?? new Terminal()) : new Terminal();
    terminals.set(name, terminal);
    if (typed !== undefined) terminal.type(completed(typed));
    const lines = await terminal.next(expected.length);
    for (const [index, line] of expected.entries()) expect(lines[index], typed).toMatch(patternOf(line));
    expect(lines.length).toBe(expected.length);
    if (goesOn) continue;
    expect(await terminal.ended(), typed).toBe(0);
    expect(terminal.lines, typed).toHaveLength(expected.length);
  }
});

test("an output that is not as printed is found", () => {
  expect("USD 5.01 paid").not.toMatch(patternOf("USD 5.00 paid"));
  expect("a at ws://x/.").toMatch(patternOf("a at …."));
  expect(stepsOf("```console till\n$ a b\nc\n```\n```console till\nd\n```\n")).toEqual([
    { terminal: "till", typed: "a b", expected: ["c"] },
    { terminal: "till", typed: undefined, expected: ["d"] },
  ]);
});
