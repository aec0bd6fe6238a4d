/** Processes of their own, as a shell starts them: what they print, line by line, and how they end. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The project's folder, in which tests and tools run. */
const ROOT = process.cwd();
const running = new Set<Child>();

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

export class Child {
  readonly ended: Promise<Ended>;
  readonly #process;
  readonly #lines: string[] = [];
  #err = "";
  #wake: () => void = () => undefined;
  #isOver = false;

  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const { TALLY_PIN: _, TALLY_HOME: __, ...rest } = process.env;
    this.#process = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { ...rest, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(this);
    createInterface({ input: this.#process.stdout }).on("line", (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    this.#process.stderr.on("data", (chunk) => {
      this.#err += chunk;
    });
    this.ended = once(this.#process, "close").then(([code, signal]) => {
      running.delete(this);
      this.#isOver = true;
      this.#wake();
      return { code, signal, out: this.#lines.map((line) => `${line}\n`).join(""), err: this.#err };
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The first line that fits, of those that were printed already or are yet to come. */
  async line(fits: RegExp): Promise<string> {
    for (let seen = 0; ; ) {
      for (; seen < this.#lines.length; seen += 1) {
        const line = this.#lines[seen] ?? "";
        if (fits.test(line)) return line;
      }
      if (this.#isOver) throw new Error(`It ended without a line like ${fits}: ${this.#lines.join("\n")}${this.#err}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The first event of this kind, of a command that prints lines of JSON. */
  async event<Event = Record<string, string>>(kind: string): Promise<Event> {
    return JSON.parse(await this.line(new RegExp(`"event":"${kind}"`))) as Event;
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }
}

/** A module of the built program, at work: the text sees `file(name)`, the URL of a file of dist/host. */
export function childModule(text: string): Child {
  const file = `const file = (name) => new URL(name, ${JSON.stringify(`file://${ROOT}/dist/host/`)});`;
  return new Child(["--input-type=module", "--eval", `${file}\n${text}`]);
}

/** `tally`, started. */
export function tallyProcess(words: readonly string[], environment: Readonly<Record<string, string>> = {}): Child {
  return new Child([join(ROOT, "dist/host/cli/main.js"), ...words], environment);
}

/** None outlives its test. */
export async function endChildren(): Promise<void> {
  for (const child of running) child.kill("SIGKILL");
  await Promise.all([...running].map(({ ended }) => ended));
}

export interface Done {
  readonly code: number | null;
  readonly err: string;
  /** The last line that it printed, which is JSON. */
  readonly value: Record<string, unknown>;
}

/** Commands with --json on one home: started, or started and waited for. */
export function commandsOn(home: () => string) {
  const started = (...words: string[]) => tallyProcess(["--home", home(), "--json", ...words]);
  const done = async (...words: string[]): Promise<Done> => {
    const { code, out, err } = await started(...words).ended;
    const last = out.trim().split("\n").at(-1) ?? "";
    return { code, err, value: last === "" ? {} : (JSON.parse(last) as Record<string, unknown>) };
  };
  return { started, done };
}
