/**
 * Commands of a document, run as they are printed: in `console` blocks a line after `$` is typed and what follows is
 * expected; `…` stands for anything. A block of a name is a terminal of its own, whose last command goes on until the end.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const MAIN = resolve("dist/host/cli/main.js");
const ANYTHING = "…";
const ANSWER_MS_MAX = 20_000;

export interface Step {
  readonly terminal: string;
  /** Undefined: nothing is typed, the terminal goes on printing. */
  readonly typed: string | undefined;
  readonly expected: readonly string[];
}

export function stepsOf(document: string): Step[] {
  const steps: Step[] = [];
  for (const [, terminal = "", text = ""] of document.matchAll(/^```console ?(.*)\n([\s\S]*?)^```$/gm)) {
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
export function patternOf(expected: string): RegExp {
  const parts = expected.split(ANYTHING).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".+")}$`);
}

/** What a document says and what came are not the same. */
export class NotAsPrinted extends Error {
  override readonly name = "NotAsPrinted";
}

class Terminal {
  readonly lines: string[] = [];
  readonly #desk: Desk;
  #rest = "";
  #taken = 0;
  #wake: () => void = () => undefined;
  child: ChildProcess | undefined;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  type(command: string): void {
    const child = this.#desk.start(command);
    this.child = child;
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
      this.#desk.printed.push(line);
    }
    this.#wake();
  }

  /** The next lines, as many as are expected, or as many as there are when the command ends or time is up. */
  async next(count: number): Promise<string[]> {
    const until = performance.now() + this.#desk.answer_ms;
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

/** A folder in which `tally` is a command, and all that its terminals have printed. */
export class Desk {
  readonly folder: string;
  /** Longest that the lines of one command are waited for. */
  readonly answer_ms: number;
  readonly printed: string[] = [];
  readonly #running: ChildProcess[] = [];

  constructor(answer_ms = ANSWER_MS_MAX) {
    this.answer_ms = answer_ms;
    this.folder = mkdtempSync(join(tmpdir(), "tallystick-typed-"));
    const bin = join(this.folder, "bin");
    mkdirSync(bin);
    // What the alias of the README is to a person.
    writeFileSync(join(bin, "tally"), `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`, { mode: 0o755 });
  }

  /** Of every command that is typed here. */
  get home(): string {
    return join(this.folder, "world");
  }

  start(command: string): ChildProcess {
    const child = spawn("sh", ["-c", `exec ${command}`], {
      cwd: this.folder,
      env: {
        ...process.env,
        PATH: `${join(this.folder, "bin")}:${process.env["PATH"]}`,
        TALLY_HOME: this.home,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#running.push(child);
    return child;
  }

  /** Types every step, and throws at the first that does not come out as it is printed. */
  async type(steps: readonly Step[]): Promise<void> {
    const terminals = new Map<string, Terminal>();
    for (const { terminal: name, typed, expected } of steps) {
      const goesOn = name !== "";
      const terminal = goesOn ? (terminals.get(name) ?? new Terminal(this)) : new Terminal(this);
      terminals.set(name, terminal);
      const what = typed ?? `(${name} goes on)`;
      if (typed !== undefined) terminal.type(this.#completed(typed));
      compare(what, await terminal.next(expected.length), expected);
      if (goesOn) continue;
      const exitCode = await terminal.ended();
      if (exitCode !== 0) throw new NotAsPrinted(`${what}\nended with ${exitCode}:\n${terminal.lines.join("\n")}`);
      compare(what, terminal.lines, expected);
    }
  }

  /** An argument with `…` in it is copied from what a terminal printed. */
  #completed(command: string): string {
    return command.replace(/"([^"]*…[^"]*)"/g, (_whole, text: string) => {
      const pattern = patternOf(text);
      const line = [...this.printed].reverse().find((each) => pattern.test(each));
      if (line === undefined) throw new NotAsPrinted(`Nobody has printed what is like ${text}`);
      return `"${line}"`;
    });
  }

  async close(): Promise<void> {
    for (const child of this.#running) {
      child.kill("SIGINT");
      if (child.exitCode === null && child.signalCode === null) await new Promise((ended) => child.once("exit", ended));
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function compare(typed: string, lines: readonly string[], expected: readonly string[]): void {
  const isSame =
    lines.length === expected.length && expected.every((line, index) => patternOf(line).test(lines[index] ?? ""));
  if (isSame) return;
  throw new NotAsPrinted(`${typed}\nprinted:\n${lines.join("\n")}\ninstead of:\n${expected.join("\n")}`);
}
