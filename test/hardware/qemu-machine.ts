/** Boards in QEMU, as tests start them (scripts/hardware/emulation.ts). */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Emulation } from "../../scripts/hardware/emulation.js";
import { type BoardStart, MessageStream, type RunningBoard } from "./board.js";
import { ended, writeClock } from "./posix-board.js";

export interface Machine {
  readonly emulation: Emulation;
  readonly image: string;
  /** File of what outlives power. */
  readonly store: string;
}

/** Waits until the chip listens: what it is sent before is lost. What it says afterwards, of a trap above all, is shown. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    let said = "";
    const listen = (bytes: Buffer) => {
      said += bytes.toString();
      if (!said.includes("ready\n")) return;
      child.stderr?.off("data", listen).pipe(process.stderr, { end: false });
      resolve();
    };
    child.stderr?.on("data", listen);
    child.once("error", reject);
    child.once("exit", (status) => reject(new Error(`QEMU ended with ${status}: ${said}`)));
  });
}

/** Starts it in a folder, where its clock is a file; its serial line is QEMU's standard streams. */
export async function startMachine({ emulation, image, store }: Machine, start: BoardStart): Promise<RunningBoard> {
  const { folder, applets, seed, now_ms } = start;
  mkdirSync(folder, { recursive: true });
  if (!existsSync(store)) emulation.makeStore?.(store);
  const clock = join(folder, "clock");
  writeClock(clock, now_ms);
  const values = [...emulation.values({ image, store, applets, clock, seed }), "-serial", "stdio"];
  const child = spawn(emulation.program, values, { stdio: ["pipe", "pipe", "pipe"] });
  await ready(child);
  return {
    stream: new MessageStream(child.stdout, child.stdin),
    setClock: (later_ms) => writeClock(clock, later_ms),
    // A serial line has no end: what the chip wrote is in its file before it answers.
    stop: () => {
      child.kill("SIGKILL");
      return ended(child);
    },
  };
}
