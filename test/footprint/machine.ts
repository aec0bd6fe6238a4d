/** Boards in QEMU with options of QEMU's own: counting instructions, a monitor. */

import { join } from "node:path";
import type { BoardName } from "../../scripts/hardware/boards.js";
import { EMULATIONS, type Emulation } from "../../scripts/hardware/emulation.js";
import type { BoardStart, RunningBoard } from "../hardware/board.js";
import { startMachine } from "../hardware/qemu-machine.js";

/** What can be started, with all that it keeps in a folder. */
export interface Startable {
  start(start: BoardStart): Promise<RunningBoard>;
}

export function emulatedBoard(name: BoardName, image: string, options: readonly string[]): Startable {
  const plain = EMULATIONS[name];
  if (plain === undefined) throw new RangeError(`name: ${name} does not run in QEMU`);
  const emulation: Emulation = { ...plain, values: (start) => [...plain.values(start), ...options] };
  return { start: (start) => startMachine({ emulation, image, store: join(start.folder, "store") }, start) };
}
