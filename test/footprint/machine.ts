/** Boards in QEMU with options of QEMU's own: counting instructions, a monitor. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { BoardName } from "../../scripts/hardware/boards.js";
import { EMULATIONS } from "../../scripts/hardware/emulation.js";
import { type BoardStart, MessageStream, type RunningBoard } from "../hardware/board.js";
import { ended, writeClock } from "../hardware/posix-board.js";

const READY = "ready";
/** QEMU says so once of each machine whose time stands still while it sleeps, which is what counting wants. */
const STANDS_STILL = "icount sleep disabled and no active timers";

/** What can be started, with all that it keeps in a folder. */
export interface Startable {
  start(start: BoardStart): Promise<RunningBoard>;
}

/** Waits until the chip listens: what it is sent before is lost. Whatever else is said, of a trap above all, is shown. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status) => reject(new Error(`QEMU ended with ${status} before the board was ready`)));
    if (child.stderr === null) throw new RangeError("child: it has no error stream");
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (line === READY) resolve();
      else if (!line.includes(STANDS_STILL)) console.error(line);
    });
  });
}

/** The file of what outlives power. */
export function storeOf(folder: string): string {
  return join(folder, "store");
}

export function emulatedBoard(name: BoardName, image: string, options: readonly string[]): Startable {
  const emulation = EMULATIONS[name];
  if (emulation === undefined) throw new RangeError(`name: ${name} does not run in QEMU`);
  return {
    async start({ folder, applets, seed, now_ms }) {
      mkdirSync(folder, { recursive: true });
      const [store, clock] = [storeOf(folder), join(folder, "clock")];
      if (!existsSync(store)) emulation.makeStore?.(store);
      writeClock(clock, now_ms);
      const values = [...emulation.values({ image, store, applets, clock, seed }), ...options, "-serial", "stdio"];
      const child = spawn(emulation.program, values, { stdio: ["pipe", "pipe", "pipe"] });
      // Whatever ends this process early leaves no emulator behind.
      const end = () => child.kill("SIGKILL");
      process.once("exit", end);
      child.once("exit", () => process.off("exit", end));
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
