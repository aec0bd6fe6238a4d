/**
 * What checks of readers work with: a lab around this program (the same as `tally card lab`), a home, cards in readers as processes of
 * their own, the tools of others, and the same chips without a reader to compare with. Nothing here waits without a bound.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { packagesMissing, runInLab } from "../../host/cli/card-lab-run.js";
import { type Machine, thisMachine } from "../../host/cli/card-machine.js";
import { LAB_VARIABLE, vpcdPorts } from "../../host/cli/card-vpcd.js";
import { openOwnersChips } from "../../host/world/card.js";
import { FolderHome } from "../../host/world/home.js";
import { partsIn } from "../../host/world/wallet.js";
import { Card } from "../../simulator/card/card.js";

export interface ReaderCheck {
  readonly name: string;
  /** Throws what is wrong. */
  run(bench: Bench): Promise<void>;
}

const READERS = 4;
const TOOL_MS_MAX = 20_000;
const EVENT_MS_MAX = 15_000;
const TALLY = "dist/host/cli/main.js";
/** Which package brings what the checks run, beside the lab's own. */
const TOOLS: Readonly<Record<string, string>> = {
  "opensc-tool": "opensc",
  pcsc_scan: "pcsc-tools",
  scriptor: "pcsc-tools",
};

/** Every checked thing is a promise of an event, and this is how long it is waited for. */
export async function within<Result>(what: string, work: Promise<Result>, bound_ms = EVENT_MS_MAX): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${bound_ms} ms`)), bound_ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function isInLab(machine: Machine = thisMachine): boolean {
  return machine.environment[LAB_VARIABLE] !== undefined;
}

/** Runs this program again, in a lab, and gives its exit code. */
export async function enterLab(program: string, args: readonly string[]): Promise<number> {
  const missing = packages();
  if (missing.length > 0 && thisMachine.isRoot && thisMachine.program("apt-get") !== undefined) {
    console.log(`Installing ${missing.join(", ")}.`);
    spawnSync("apt-get", ["install", "--yes", "--no-install-recommends", ...missing], { stdio: "inherit" });
  }
  const lacking = packages();
  if (lacking.length > 0) {
    console.error(`These are needed and missing: apt-get install ${lacking.join(" ")}`);
    return 1;
  }
  return runInLab(thisMachine, { readers: READERS, command: [process.execPath, program, ...args] }, ({ kill }) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => kill("SIGTERM"));
  });
}

function packages(): string[] {
  const tools = Object.entries(TOOLS).flatMap(([name, owner]) =>
    thisMachine.program(name) === undefined ? [owner] : [],
  );
  // What it was built with; an npm package that was never built is missing.
  const library = thisMachine.packageFile("pcsclite") === undefined ? ["libpcsclite-dev"] : [];
  return [...new Set([...packagesMissing(thisMachine), ...tools, ...library])];
}

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a program to its end, or until `enough` is true of what it has printed. */
export function runTool(
  program: string,
  args: readonly string[],
  options: { readonly input?: string; readonly enough?: (out: string) => boolean } = {},
): Promise<Ran> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdin.on("error", () => undefined); // It has ended without reading all of it.
  child.stdin.end(options.input ?? "");
  child.stdout.on("data", (chunk) => {
    out += chunk;
    if (options.enough?.(out) === true) child.kill("SIGKILL");
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  const ended = new Promise<Ran>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
  return within(`${program} ${args.join(" ")}`, ended, TOOL_MS_MAX).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw new Error(`${error instanceof Error ? error.message : error}; it said: ${out}${err}`);
  });
}

export interface CardEvent {
  readonly event: string;
  readonly card?: number;
  readonly [more: string]: unknown;
}

/** `tally card start`, as a shell starts it. */
export class CardProcess {
  readonly #child: ChildProcess;
  readonly #events: CardEvent[] = [];
  readonly #ended: Promise<number | null>;
  #err = "";
  #wake: () => void = () => undefined;
  #isOver = false;

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [TALLY, ...args], { stdio: ["pipe", "pipe", "pipe"] });
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on("line", (line) => {
        this.#events.push(JSON.parse(line) as CardEvent);
        this.#wake();
      });
    }
    this.#child.stderr?.on("data", (chunk) => {
      this.#err += chunk;
    });
    this.#ended = new Promise((resolve) => {
      this.#child.on("close", (code) => {
        this.#isOver = true;
        this.#wake();
        resolve(code);
      });
    });
  }

  /** The next event that fits; those before it are forgotten. */
  event(kind: string, card?: number): Promise<CardEvent> {
    const next = async (): Promise<CardEvent> => {
      for (;;) {
        const at = this.#events.findIndex((each) => each.event === kind && (card === undefined || each.card === card));
        const [found] = at < 0 ? [] : this.#events.splice(at, 1);
        if (found !== undefined) return found;
        if (this.#isOver) throw new Error(`the cards ended: ${this.#err}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    return within(`the event ${kind} of card ${card ?? "any"}`, next());
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Exit code, and what it complained of. */
  async ended(): Promise<{ readonly code: number | null; readonly err: string }> {
    return { code: await within("the cards' end", this.#ended), err: this.#err };
  }

  kill(): Promise<number | null> {
    this.#child.kill("SIGKILL");
    return this.#ended;
  }
}

/** Everything that one check needs; closed after it. */
export class Bench {
  readonly folder: string;
  readonly home: string;
  /** Names as pcscd has them, and ports, of the readers in their order. */
  readonly readers: readonly { readonly name: string; readonly port: number }[];
  readonly #processes: CardProcess[] = [];
  readonly #homes: FolderHome[] = [];

  constructor(template: string) {
    this.folder = mkdtempSync(join(tmpdir(), "tallystick-readers-"));
    this.home = join(this.folder, "home");
    cpSync(template, this.home, { recursive: true });
    this.readers = vpcdPorts(thisMachine).map((port, index) => ({
      name: `Lab ${Math.floor(index / 2)} 00 0${index % 2}`,
      port,
    }));
  }

  /** Cards in readers, from the first on; pcscd has seen that the readers were empty before, and has powered each card. */
  async cards(...words: readonly string[]): Promise<CardProcess> {
    await this.empty();
    const started = this.start(...words);
    const { cards } = (await started.event("ready")) as CardEvent & {
      readonly cards: readonly { readonly card: number }[];
    };
    for (const { card } of cards) {
      await started.event("inserted", card);
      await started.event("powered", card);
    }
    return started;
  }

  /** No reader has a card, as pcscd sees it. */
  async empty(): Promise<void> {
    const isEmpty = ({ name }: { readonly name: string }, out: string) => {
      const states = out.split(/^ Reader \d+: /m).filter((text) => text.startsWith(name));
      return /Card state: Card removed/.test(states.at(-1) ?? "");
    };
    await runTool("pcsc_scan", ["-n"], { enough: (out) => this.readers.every((reader) => isEmpty(reader, out)) });
  }

  /** As `cards`, and nothing is waited for. */
  start(...words: readonly string[]): CardProcess {
    const started = new CardProcess(["--home", this.home, "--json", "card", "start", ...words]);
    this.#processes.push(started);
    return started;
  }

  tally(...words: readonly string[]): Promise<Ran> {
    return runTool(process.execPath, [TALLY, "--home", this.home, ...words]);
  }

  /** The same owner's chips as T=1 would show them, without a reader: copies, made before the card is started. */
  async reference(owner: string): Promise<Card> {
    const copy = join(this.folder, `reference-${this.#homes.length}`);
    cpSync(this.home, copy, { recursive: true });
    const home = new FolderHome(copy);
    this.#homes.push(home);
    const chips = await openOwnersChips(partsIn(home), owner);
    const card = new Card(chips.map(({ application }) => application));
    card.powerOn();
    return card;
  }

  pinOf(owner: string): string {
    const { devices } = JSON.parse(readFileSync(join(this.home, "world.json"), "utf8")) as {
      readonly devices: readonly { readonly name: string; readonly pin: string }[];
    };
    const found = devices.find(({ name }) => name === owner);
    if (found === undefined) throw new Error(`no device ${owner}`);
    return found.pin;
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.kill()));
    for (const home of this.#homes) await home.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
