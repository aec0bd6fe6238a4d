/** `npm run board` as a process, and the emulator in it. */

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BoardName } from "../../scripts/hardware/boards.js";
import { packageRoot } from "../../simulator/applet-files.js";
import { Difference } from "../hardware/session.js";

/** A start may compile first. */
const START_MS_MAX = 300_000;

export interface Runner {
  readonly child: ChildProcess;
  readonly place: string;
  readonly ended: Promise<number | null>;
  /** The board's power goes: what it kept is in its store, and the runner ends. */
  killEmulator(): void;
}

export function runner(board: BoardName, store: string, ...more: string[]): ChildProcess {
  const values = [join(packageRoot(), "scripts/run.mjs"), "hardware/run-board", board, "--store", store, ...more];
  return spawn(process.execPath, values, { stdio: ["ignore", "pipe", "pipe"] });
}

/** Starts it, and waits until it says where it is. */
export function startRunner(board: BoardName, store: string, ...more: string[]): Promise<Runner> {
  const child = runner(board, store, ...more);
  const ended = new Promise<number | null>((done) => child.once("exit", done));
  const killEmulator = () => void process.kill(Number(readFileSync(`${store}.lock`, "utf8")), "SIGKILL");
  return new Promise((resolve, reject) => {
    let said = "";
    const timer = setTimeout(() => reject(new Difference(`the board does not get ready: ${said}`)), START_MS_MAX);
    child.stderr?.on("data", (bytes: Buffer) => {
      said += bytes.toString();
    });
    child.stdout?.on("data", (bytes: Buffer) => {
      const place = /^(serial:.*)$/m.exec(bytes.toString())?.[1];
      clearTimeout(timer);
      if (place !== undefined) resolve({ child, place, ended, killEmulator });
    });
    child.once("exit", (status) => {
      clearTimeout(timer);
      reject(new Difference(`the board was not started (${status}): ${said}`));
    });
  });
}
