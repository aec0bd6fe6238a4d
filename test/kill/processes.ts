/** Processes of the command line, each with the preload that can kill it, and all of them gone when the test is. */

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Counts, FromPreload, Order, ToPreload } from "./orders.js";

const MAIN = "dist/host/cli/main.js";
const PRELOAD = new URL("./preload.js", import.meta.url).href;
/** Longer than any wait that the product allows itself. */
const PATIENCE_MS = 150_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
  readonly took_ms: number;
}

export type Event = Readonly<Record<string, unknown>> & { readonly event?: string };

const alive = new Set<Process>();

/** Ends whatever was started, at once. */
export function killAll(): void {
  for (const each of alive) each.kill("SIGKILL");
}

export interface StartOptions {
  readonly home: string;
  readonly order?: Order | undefined;
  /** File for the counts of the moments, written when the process ends by itself. */
  readonly countsFile?: string;
}

export class Process {
  readonly name: string;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #questions = new Map<number, (counts: Counts | undefined) => void>();
  readonly #listeners = new Set<() => void>();
  readonly #events: Event[] = [];
  #number = 0;
  #over: Exit | undefined;
  #out = "";
  #err = "";

  constructor(words: readonly string[], { home, order, countsFile }: StartOptions) {
    this.name = words.slice(0, 3).join(" ");
    const begun_ms = performance.now();
    const { TALLY_HOME: _home, ...environment } = process.env;
    const env: NodeJS.ProcessEnv = { ...environment, NODE_ENV: "production" };
    if (order !== undefined) env["TALLY_KILL"] = JSON.stringify(order);
    if (countsFile !== undefined) env["TALLY_KILL_COUNTS"] = countsFile;
    this.#child = spawn(process.execPath, ["--import", PRELOAD, MAIN, "--home", home, "--json", ...words], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env,
    });
    alive.add(this);
    this.#child.on("message", (message) => this.#answered(message as FromPreload));
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#err += text;
    });
    if (this.#child.stdout !== null)
      createInterface({ input: this.#child.stdout }).on("line", (line) => this.#line(line));
    this.exited = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => {
        alive.delete(this);
        const took_ms = performance.now() - begun_ms;
        this.#over = { code, signal, out: this.#out, err: this.#err.trim(), took_ms };
        for (const settle of this.#questions.values()) settle(undefined);
        this.#questions.clear();
        this.#wake();
        resolve(this.#over);
      });
    });
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get events(): readonly Event[] {
    return this.#events;
  }

  get err(): string {
    return this.#err.trim();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The first event of this name; undefined when the process ends before. */
  async event(name: string): Promise<Event | undefined> {
    for (;;) {
      const found = this.#events.find(({ event }) => event === name);
      if (found !== undefined || this.isOver) return found;
      await this.#something(`waits for "${name}"`);
    }
  }

  /** Its end; a process that does not come to it is a failure of its own. */
  async end(): Promise<Exit> {
    while (!this.isOver) await this.#something("does not end");
    return this.exited;
  }

  /** Gives an order, or takes it back; resolves when it is in force, with the counts till then. Undefined: it is gone. */
  order(order?: Order): Promise<Counts | undefined> {
    return this.#ask((number) => ({ kind: "order", number, ...(order === undefined ? {} : { order }) }));
  }

  /** Its counts when it says that it was paid, which is about its end. */
  async countsAtPaid(): Promise<Counts | undefined> {
    await this.event("paid");
    return this.counts();
  }

  counts(): Promise<Counts | undefined> {
    return this.#ask((number) => ({ kind: "count", number }));
  }

  #ask(message: (number: number) => ToPreload): Promise<Counts | undefined> {
    return new Promise((resolve) => {
      if (this.isOver || !this.#child.connected) {
        resolve(undefined);
        return;
      }
      this.#number += 1;
      this.#questions.set(this.#number, resolve);
      this.#child.send(message(this.#number), () => undefined);
    });
  }

  #answered({ number, counts }: FromPreload): void {
    this.#questions.get(number)?.(counts);
    this.#questions.delete(number);
  }

  #line(line: string): void {
    this.#out += `${line}\n`;
    try {
      this.#events.push(JSON.parse(line) as Event);
    } catch {
      this.#events.push({ event: "text", line });
    }
    this.#wake();
  }

  #wake(): void {
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  async #something(what: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.#listeners.add(resolve);
      timer = setTimeout(() => reject(new Error(`"${this.name}" ${what} for too long. ${this.err}`)), PATIENCE_MS);
    });
    clearTimeout(timer);
  }
}

/** Runs a command to its end. */
export async function run(words: readonly string[], options: StartOptions): Promise<Exit> {
  return new Process(words, options).end();
}

/** Runs a command that must succeed, and gives what it printed. */
export async function succeed(words: readonly string[], options: StartOptions): Promise<Event> {
  const { code, signal, out, err } = await run(words, options);
  if (code !== 0) throw new Error(`"${words.join(" ")}" ended with ${code ?? signal}: ${err}`);
  return JSON.parse(out.trim().split("\n").at(-1) ?? "null") as Event;
}

/** Runs a command to its end and counts its moments. */
export async function counting(words: readonly string[], home: string): Promise<{ exit: Exit; counts: Counts }> {
  const countsFile = join(home, "counts.json");
  const exit = await run(words, { home, countsFile });
  const counts = JSON.parse(readFileSync(countsFile, "utf8")) as Counts;
  rmSync(countsFile);
  return { exit, counts };
}
