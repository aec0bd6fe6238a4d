/** The POSIX board: a process with a folder (hardware/boards/posix). */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_GEOMETRY } from "../../simulator/flash.js";
import { type BoardStart, type BoardUnderTest, type Kept, MessageStream, type RunningBoard } from "./board.js";

const REGION_BYTES = DEFAULT_GEOMETRY.pageCount * DEFAULT_GEOMETRY.pageSizeBytes;

/** Eight bytes, the lowest first, as the boards read them. */
export function writeClock(path: string, now_ms: number): void {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(now_ms));
  writeFileSync(path, bytes);
}

/** Waits until the process is gone; one that ended badly by itself says so. */
export function ended(child: ChildProcess): Promise<void> {
  const check = () => {
    const isGood = child.exitCode === 0 || child.signalCode === "SIGKILL";
    if (!isGood) throw new Error(`the board ended with ${child.exitCode ?? child.signalCode}`);
  };
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve().then(check);
  return new Promise<void>((resolve) => child.once("exit", () => resolve())).then(check);
}

export class PosixBoard implements BoardUnderTest {
  readonly name: string;
  readonly command_ms = 3;
  readonly #image: string;

  constructor(image: string, name: string) {
    this.#image = image;
    this.name = name;
  }

  async start({ folder, applets, seed, now_ms }: BoardStart): Promise<RunningBoard> {
    mkdirSync(folder, { recursive: true });
    const clock = join(folder, "clock");
    writeClock(clock, now_ms);
    const values = ["--folder", folder, "--applets", applets.join(","), "--seed", seed, "--clock", clock];
    const child = spawn(this.#image, values, { stdio: ["pipe", "pipe", "inherit"] });
    await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    return {
      stream: new MessageStream(child.stdout, child.stdin),
      setClock: (later_ms) => writeClock(clock, later_ms),
      stop: (how) => {
        if (how === "kill") child.kill("SIGKILL");
        else child.stdin.end();
        return ended(child);
      },
    };
  }

  kept(folder: string, applet: string): Kept {
    const flash = readFileSync(join(folder, applet, "flash.bin")).subarray(0, REGION_BYTES);
    const keys = join(folder, applet, "keys.bin");
    return { flash, registers: existsSync(keys) ? readFileSync(keys) : new Uint8Array(0) };
  }

  keep(folder: string, applet: string, registers: Uint8Array): void {
    mkdirSync(join(folder, applet), { recursive: true });
    writeFileSync(join(folder, applet, "keys.bin"), registers);
  }
}
