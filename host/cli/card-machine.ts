/**
 * What the commands for cards ask of the machine that they run on. Everything here has a bound, and tests put a machine of their
 * own in its place.
 */

import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { delimiter, join } from "node:path";

const PROGRAM_MS_MAX = 5_000;
const CONNECT_MS_MAX = 2_000;
/** Daemons are here, where the path of a user does not always lead. */
const FOLDERS_OF_DAEMONS = ["/usr/sbin", "/sbin", "/usr/local/sbin"];
const OUTPUT_CHARACTERS_MAX = 64 * 1024;

export interface ProgramRun {
  /** Null: it was ended, by a signal or because it took too long. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly isRoot: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where a program is, if it is installed. */
  program(name: string): string | undefined;
  /** To its end, or to a bound. */
  run(program: string, args: readonly string[]): Promise<ProgramRun>;
  exists(path: string): boolean;
  /** Whether this user may read and write it. */
  mayUse(path: string): boolean;
  /** Undefined: it cannot be read. */
  read(path: string): string | undefined;
  /** Names in a folder; none where there is no such folder. */
  list(folder: string): readonly string[];
  /** Whether somebody answers at a socket file: undefined if so, else the code of the error. */
  refusal(socket: string): Promise<string | undefined>;
  /** File of an npm package; undefined: it is not installed. */
  packageFile(name: string): string | undefined;
}

export const thisMachine: Machine = {
  platform: process.platform,
  isRoot: process.getuid?.() === 0,
  environment: process.env,
  program: (name) =>
    [...(process.env.PATH ?? "").split(delimiter), ...FOLDERS_OF_DAEMONS]
      .filter((folder) => folder !== "")
      .map((folder) => join(folder, name))
      .find(isExecutable),
  run: (program, args) => runProgram(program, args),
  exists: (path) => existsSync(path),
  mayUse: (path) => allows(path, constants.R_OK | constants.W_OK),
  read: (path) => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return undefined;
    }
  },
  list: (folder) => {
    try {
      return readdirSync(folder).sort();
    } catch {
      return [];
    }
  },
  refusal,
  packageFile: (name) => {
    try {
      return createRequire(import.meta.url).resolve(name);
    } catch {
      return undefined;
    }
  },
};

function isExecutable(path: string): boolean {
  return allows(path, constants.X_OK);
}

function allows(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

export function runProgram(program: string, args: readonly string[], bound_ms = PROGRAM_MS_MAX): Promise<ProgramRun> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), bound_ms);
    let out = "";
    let err = "";
    const end = (code: number | null) => {
      clearTimeout(timer);
      resolve({ code, out, err });
    };
    child.stdout.on("data", (chunk) => {
      if (out.length < OUTPUT_CHARACTERS_MAX) out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      if (err.length < OUTPUT_CHARACTERS_MAX) err += chunk;
    });
    child.on("error", (error) => {
      err += error.message;
      end(null);
    });
    child.on("close", end);
  });
}

function refusal(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const timer = setTimeout(() => end("ETIMEDOUT"), CONNECT_MS_MAX);
    const end = (code: string | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(code);
    };
    socket.on("connect", () => end(undefined));
    socket.on("error", (error) => end("code" in error ? String(error.code) : error.message));
  });
}
