/** Boards in QEMU with options of QEMU's own: counting instructions, a monitor. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { BoardName } from "../../scripts/hardware/boards.js";
import { EMULATIONS } from "../../scripts/hardware/emulation.js";
import { type BoardStart, MessageStream, type RunningBoard } from "../hardware/board.js";
import { ended, writeClock } from "../hardware/posix-board.js";

const READY = "ready\n";

/** What can be started, with all that it keeps in a folder. */
export interface Startable {
  start(start: BoardStart): Promise<RunningBoard>;
}

/** Waits until the chip listens: what it is sent before is lost. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    let said = "";
    child.stderr?.on("data", (bytes: Buffer) => {
      said += bytes.toString();
      if (said.includes(READY)) resolve();
    });
    child.once("error", reject);
    child.once("exit", (status) => reject(new Error(`QEMU ended with ${status}: ${said}`)));
  });
}

export function emulatedBoard(name: BoardName, image: string, options: readonly string[]): Startable {
  const emulation = EMULATIONS[name];
  if (emulation === undefined) throw new RangeError(`name: ${name} does not run in QEMU`);
  return {
    async start({ folder, applets, seed, now_ms }) {
      mkdirSync(folder, { recursive: true });
      const clock = join(folder, "clock");
      writeClock(clock, now_ms);
      const values = emulation.values({ image, store: join(folder, "store"), applets, clock, seed });
      const child = spawn(emulation.program, [...values, ...options, "-serial", "stdio"], {
        stdio: ["pipe", "pipe", "pipe"],
      });
      await ready(child);
      return {
        stream: new MessageStream(child.stdout, child.stdin),
        setClock: (later_ms) => writeClock(clock, later_ms),
        stop: () => {
          child.kill("SIGKILL");
          return ended(child);
        },
      };
    },
  };
}
