/**
 * A lab: a command runs beside a pcscd of its own with virtual readers, apart from the machine's, in a network and a mount namespace
 * (unshare(1)). Nothing of the machine is changed, and all of it ends with the command.
 *
 *   this process --- unshare --- sh: mounts, loopback, starts pcscd --- becomes the command
 *                                                            \--- pcscd, told to end when its parent does (setpriv(1))
 *
 * The shell waits for a line before it becomes the command; this process writes it when pcscd's socket is there.
 */

import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  watch,
  writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { VPCD_PORT } from "../../simulator/card/vpcd.js";
import type { Machine } from "./card-machine.js";
import { LAB_VARIABLE, READERS_AN_ENTRY, VPCD_PACKAGE, vpcdDriver, vpcdEntry } from "./card-vpcd.js";
import { withTemporaryFolder } from "./context.js";

export const LAB_READERS_MAX = 32;
const READY_MS_MAX = 15_000;
const END_MS_MAX = 5_000;
const LOOK_MS = 20;
const LOG_CHARACTERS_SHOWN = 1_000;

/** Which package brings what a lab is made of. */
const PROGRAMS: Readonly<Record<string, string>> = {
  pcscd: "pcscd",
  ip: "iproute2",
  unshare: "util-linux",
  setpriv: "util-linux",
  mount: "mount",
};

/**
 * Arguments: the lab's folder, pcscd with what it takes, "--", the command. Descriptor 3: the word to go on. 4: pcscd has it as long as
 * it runs. 5: the error stream of the command; that of the preparations is a file.
 *
 * Where the machine has no /run/pcscd, /run is one of its own, with the machine's beside it. Without immediate acknowledgements (quickack) the
 * loopback answers vpcd, which writes in two pieces, twenty times a second.
 */
const PREPARATIONS = `
set -e
lab=$1 daemon=$2
shift 2
if [ ! -d /run/pcscd ]; then
  mkdir "$lab/machine"
  mount --rbind /run "$lab/machine"
  mount -t tmpfs -o mode=755 tmpfs /run
  for each in "$lab"/machine/*; do if [ -e "$each" ]; then ln -s "$each" /run/; fi; done
  mkdir /run/pcscd
fi
mount --bind "$lab/run" /run/pcscd
ip link set lo up
ip route change table local local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 quickack 1
options=
if "$daemon" --help | grep -q disable-polkit; then options=--disable-polkit; fi
setsid setpriv --pdeathsig TERM "$daemon" --foreground $options --config "$lab/configuration" >"$lab/pcscd.log" 2>&1 3<&- 5>&- &
echo "$!" >&4
exec 4>&-
read -r go <&3
exec "$@" 2>&5 3<&- 5>&-
`;

/** Nothing can be tried here, and why. */
export class LabError extends Error {
  constructor(why: string, mend: string) {
    super(
      `There is no lab: ${why}. Nothing was started, nothing of this machine was changed and no money moved. ${mend}`,
    );
    this.name = "LabError";
  }
}

export interface LabOptions {
  /** At least so many: readers come in pairs. */
  readonly readers: number;
  readonly command: readonly [string, ...string[]];
}

export interface Lab {
  /** Ports of the virtual readers. */
  readonly ports: readonly number[];
  /** Exit code of the command, when everything has ended. */
  readonly ended: Promise<number>;
  /** Sends a signal to the command. */
  kill(signal: NodeJS.Signals): void;
}

/** Packages that a lab needs and this machine lacks. */
export function packagesMissing(machine: Machine): string[] {
  const missing = Object.entries(PROGRAMS).flatMap(([name, owner]) =>
    machine.program(name) === undefined ? [owner] : [],
  );
  if (vpcdDriver(machine) === undefined) missing.push(VPCD_PACKAGE);
  return [...new Set(missing)];
}

/** Runs the command, tells `onReady` when the readers are there, and gives the command's exit code. */
export async function runInLab(machine: Machine, options: LabOptions, onReady: (lab: Lab) => void): Promise<number> {
  if (machine.platform !== "linux") throw new LabError("it needs namespaces of Linux", "Use a machine with Linux.");
  const missing = packagesMissing(machine);
  if (missing.length > 0) {
    throw new LabError(`${missing.join(", ")} is not installed`, `Run: apt-get install ${missing.join(" ")}`);
  }
  return withTemporaryFolder(async (folder) => {
    const ports = furnish(machine, folder, options.readers);
    const run = new LabRun(machine, folder, options.command);
    try {
      await run.ready();
    } catch (error) {
      await run.end();
      throw error;
    }
    onReady({ ports, ended: run.ended, kill: (signal) => run.kill(signal) });
    const code = await run.ended;
    await run.end();
    return code;
  });
}

/** A shell of the lab knows no alias of the shell that it was started from: `tally` is a program there. */
function tallyIn(folder: string): string {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const main = fileURLToPath(new URL("./main.js", import.meta.url));
  const text = `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`;
  writeFileSync(join(bin, "tally"), text, { mode: 0o755 });
  return bin;
}

/** The lab's folder: pcscd's configuration, and the driver once for each entry. pcscd reads every file of the folder that it is given. */
function furnish(machine: Machine, folder: string, readers: number): number[] {
  for (const name of ["run", "configuration", "drivers"]) mkdirSync(join(folder, name));
  const driver = vpcdDriver(machine);
  if (driver === undefined) throw new LabError("vpcd's driver is gone", `Run: apt-get install ${VPCD_PACKAGE}`);
  const entries = Math.ceil(readers / READERS_AN_ENTRY);
  const texts: string[] = [];
  for (let index = 0; index < entries; index += 1) {
    const copy = join(folder, "drivers", `vpcd${index}.so`);
    copyFileSync(realpathSync(driver), copy);
    texts.push(vpcdEntry(`Lab ${index}`, copy, VPCD_PORT + index * READERS_AN_ENTRY));
  }
  writeFileSync(join(folder, "configuration", "readers.conf"), texts.join("\n"));
  return Array.from({ length: entries * READERS_AN_ENTRY }, (_, index) => VPCD_PORT + index);
}

type Verdict = "ready" | "ended" | "late";

class LabRun {
  readonly ended: Promise<number>;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #go: Duplex;
  /** It begins with the number of pcscd's process, and ends when pcscd does. */
  readonly #daemon: Duplex;
  /** The lab's network, which tells its processes from others; undefined until pcscd was started. */
  #namespace: string | undefined;
  readonly #daemonEnded: Promise<void>;

  constructor(machine: Machine, folder: string, command: readonly string[]) {
    this.#folder = folder;
    const { PCSCLITE_CSOCK_NAME: _, ...environment } = machine.environment;
    const asRoot = machine.isRoot ? [] : ["--map-root-user"];
    const shell = ["sh", "-c", PREPARATIONS, "sh", folder, machine.program("pcscd") ?? "pcscd", ...command];
    const log = openSync(join(folder, "preparations.log"), "w");
    this.#child = spawn("unshare", [...asRoot, "--net", "--mount", ...shell], {
      env: {
        ...environment,
        PATH: [tallyIn(folder), environment["PATH"]].filter((each) => each !== undefined).join(delimiter),
        [LAB_VARIABLE]: join(folder, "configuration"),
      },
      stdio: ["inherit", "inherit", log, "pipe", "pipe", 2],
    });
    closeSync(log);
    this.#go = this.#child.stdio[3] as Duplex;
    this.#daemon = this.#child.stdio[4] as Duplex;
    // What went away is seen by its end.
    for (const pipe of [this.#go, this.#daemon]) pipe.on("error", () => undefined);
    this.#daemon.on("data", (bytes) => {
      this.#namespace ??= namespaceOf(Number(String(bytes)));
    });
    this.#daemonEnded = new Promise((resolve) => {
      this.#daemon.on("close", resolve);
      this.#daemon.on("end", resolve);
    });
    this.ended = new Promise((resolve) => {
      this.#child.on("error", () => resolve(1));
      this.#child.on("exit", (code, signal) =>
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      );
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** pcscd's socket is there, and the command has begun. */
  async ready(): Promise<void> {
    const folder = join(this.#folder, "run");
    let tell: (verdict: Verdict) => void = () => undefined;
    const told = new Promise<Verdict>((resolve) => {
      tell = resolve;
    });
    const look = () => {
      if (existsSync(join(folder, "pcscd.comm"))) tell("ready");
    };
    const watcher = watch(folder, look);
    const timer = setTimeout(() => tell("late"), READY_MS_MAX);
    void Promise.race([this.#daemonEnded, this.ended]).then(() => tell("ended"));
    look();
    const verdict = await told;
    watcher.close();
    clearTimeout(timer);
    if (verdict !== "ready") throw this.#failure(verdict);
    this.#go.write("go\n");
  }

  #failure(verdict: Verdict): LabError {
    const said = ["preparations.log", "pcscd.log"].map((name) => readIfThere(join(this.#folder, name))).join("\n");
    const shown = said.trim().slice(-LOG_CHARACTERS_SHOWN);
    if (this.#namespace === undefined) {
      return new LabError(
        `this user may not have namespaces (${shown})`,
        "Run it as root, or let users have them: sysctl -w kernel.unprivileged_userns_clone=1",
      );
    }
    const what = verdict === "late" ? "pcscd did not get ready" : "pcscd ended";
    return new LabError(`${what} (${shown})`, "See what pcscd says to: pcscd --foreground --debug");
  }

  /** Whatever is left of it ends: pcscd, and what the command left in the background. */
  async end(): Promise<void> {
    this.#go.destroy();
    this.#child.kill("SIGTERM");
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      for (const processId of processesIn(this.#namespace)) killIfThere(processId, signal);
      if (await this.#isEverybodyGone()) break;
    }
    this.#daemon.destroy();
  }

  /** Processes that are not this one's children tell nobody of their end. */
  async #isEverybodyGone(): Promise<boolean> {
    for (let waited_ms = 0; waited_ms < END_MS_MAX; waited_ms += LOOK_MS) {
      if (processesIn(this.#namespace).length === 0) return true;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return false;
  }
}

function namespaceOf(processId: number | string): string | undefined {
  try {
    return readlinkSync(`/proc/${processId}/ns/net`);
  } catch {
    return undefined; // It has ended, or it is another user's.
  }
}

/** Never those of this process's own network, however it was taken for the lab's: they are to be ended. */
function processesIn(namespace: string | undefined): number[] {
  if (namespace === undefined || namespace === namespaceOf("self")) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && namespaceOf(name) === namespace)
    .map(Number);
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function killIfThere(processId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(processId, signal);
  } catch {
    // It has ended meanwhile.
  }
}
