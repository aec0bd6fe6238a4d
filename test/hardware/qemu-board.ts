/** The STM32F405 in QEMU (hardware/boards/netduinoplus2): its serial line is QEMU's standard streams, its store a file. */

import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { REGISTER_BYTES_PERSISTENT } from "../../simulator/chip.js";
import { DEFAULT_GEOMETRY } from "../../simulator/flash.js";
import { type BoardStart, type BoardUnderTest, type Kept, MessageStream, type RunningBoard } from "./board.js";
import { ended, writeClock } from "./posix-board.js";

// As hardware/boards/netduinoplus2/store.c has it.
const REGION_BYTES = DEFAULT_GEOMETRY.pageCount * DEFAULT_GEOMETRY.pageSizeBytes;
const ELEMENTS_MAX = 3;
const COPY_ROOM = 1024;
const ELEMENT_ROOM = REGION_BYTES + 2 * COPY_ROOM;
const NUMBER_BYTES = 4;
const HASH_AT = NUMBER_BYTES + REGISTER_BYTES_PERSISTENT;
export const COPY_BYTES = HASH_AT + 32;
function copyOf(registers: Uint8Array): Uint8Array {
  const number = Uint8Array.of(1, 0, 0, 0);
  const hash = createHash("sha256").update(number).update(registers).digest();
  return Buffer.concat([number, registers, hash]);
}

/** Waits until the chip listens: what it is sent before is lost. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    let said = "";
    child.stderr?.on("data", (bytes: Buffer) => {
      said += bytes.toString();
      if (said.includes("ready\n")) resolve();
    });
    child.once("error", reject);
    child.once("exit", (status) => reject(new Error(`QEMU ended with ${status}: ${said}`)));
  });
}

export class QemuBoard implements BoardUnderTest {
  readonly name = "netduinoplus2 in QEMU";
  readonly command_ms = 6;
  readonly #image: string;
  /** In the order of the image. */
  readonly #elements: readonly string[];

  constructor(image: string, elements: readonly string[]) {
    this.#image = image;
    this.#elements = elements;
  }

  #startOf(applet: string): number {
    const element = this.#elements.indexOf(applet);
    if (element < 0) throw new RangeError(`applet: the image has no ${applet}`);
    return element * ELEMENT_ROOM;
  }

  async start({ folder, applets, seed, now_ms }: BoardStart): Promise<RunningBoard> {
    mkdirSync(folder, { recursive: true });
    const clock = join(folder, "clock");
    writeClock(clock, now_ms);
    const given = [`store=${join(folder, "store")}`, `clock=${clock}`, `applets=${applets.join(",")}`, `seed=${seed}`];
    const semihosting = [
      "enable=on",
      "target=native",
      "arg=tallystick",
      ...given.map((each) => `arg=${each.replaceAll(",", ",,")}`),
    ];
    const machine = ["-M", "netduinoplus2", "-kernel", this.#image, "-display", "none", "-monitor", "none"];
    const values = [...machine, "-serial", "stdio", "-semihosting-config", semihosting.join(",")];
    const child = spawn("qemu-system-arm", values, { stdio: ["pipe", "pipe", "pipe"] });
    await ready(child);
    return {
      stream: new MessageStream(child.stdout, child.stdin),
      setClock: (later_ms) => writeClock(clock, later_ms),
      // A serial line has no end: what the chip wrote is in the file before it answers.
      stop: () => {
        child.kill("SIGKILL");
        return ended(child);
      },
    };
  }

  /** Where in the store both copies of an element's registers begin. */
  copyPlaces(applet: string): readonly number[] {
    return [0, 1].map((copy) => this.#startOf(applet) + REGION_BYTES + copy * COPY_ROOM);
  }

  kept(folder: string, applet: string): Kept {
    const start = this.#startOf(applet);
    const element = readFileSync(join(folder, "store")).subarray(start, start + ELEMENT_ROOM);
    const copies = [0, 1].map((copy) => element.subarray(REGION_BYTES + copy * COPY_ROOM));
    const good = copies.filter((copy) => {
      const hash = createHash("sha256").update(copy.subarray(0, HASH_AT)).digest();
      return Buffer.compare(hash, copy.subarray(HASH_AT, HASH_AT + hash.length)) === 0;
    });
    const latest = good.reduce<Buffer | undefined>(
      (best, copy) => (best === undefined || copy.readUInt32LE(0) > best.readUInt32LE(0) ? copy : best),
      undefined,
    );
    const registers = latest?.subarray(NUMBER_BYTES, HASH_AT) ?? new Uint8Array(0);
    return { flash: element.subarray(0, REGION_BYTES), registers };
  }

  keep(folder: string, applet: string, registers: Uint8Array): void {
    mkdirSync(folder, { recursive: true });
    const bytes = Buffer.alloc(ELEMENTS_MAX * ELEMENT_ROOM, 0xff);
    bytes.set(copyOf(registers), this.#startOf(applet) + REGION_BYTES);
    const file = openSync(join(folder, "store"), "w", 0o600);
    writeSync(file, bytes);
    closeSync(file);
  }
}
