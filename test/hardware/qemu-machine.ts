/** Boards in QEMU (hardware/boards/qemu): the serial line is QEMU's standard streams, the command line comes by semihosting. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type BoardStart, MessageStream, type RunningBoard } from "./board.js";
import { ended, writeClock } from "./posix-board.js";

export interface Machine {
  readonly emulator: string;
  /** Arguments of the emulator: the machine, its image, what else it has. */
  readonly values: readonly string[];
  /** What the image is told beside what every test tells it (hardware/boards/qemu/machine.h). */
  readonly told: readonly string[];
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

/** A comma within what QEMU is told is written twice. */
export function quoted(value: string): string {
  return value.replaceAll(",", ",,");
}

/** Starts it in a folder that there is; its clock is a file there. */
export async function startMachine(machine: Machine, start: BoardStart): Promise<RunningBoard> {
  const { folder, applets, seed, now_ms } = start;
  mkdirSync(folder, { recursive: true });
  const clock = join(folder, "clock");
  writeClock(clock, now_ms);
  const told = [...machine.told, `clock=${clock}`, `applets=${applets.join(",")}`, `seed=${seed}`];
  const semihosting = ["enable=on", "target=native", "arg=tallystick", ...told.map((each) => `arg=${quoted(each)}`)];
  const streams = ["-display", "none", "-monitor", "none", "-serial", "stdio"];
  const values = [...machine.values, ...streams, "-semihosting-config", semihosting.join(",")];
  const child = spawn(machine.emulator, values, { stdio: ["pipe", "pipe", "pipe"] });
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
