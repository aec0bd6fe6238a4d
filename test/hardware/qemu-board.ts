/** The STM32F405 in QEMU (hardware/boards/netduinoplus2): its store is a file. */

import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { cortexM4 } from "../../scripts/hardware/emulation.js";
import { REGISTER_BYTES_PERSISTENT } from "../../simulator/chip.js";
import { DEFAULT_GEOMETRY } from "../../simulator/flash.js";
import type { BoardStart, BoardUnderTest, Kept, RunningBoard } from "./board.js";
import { startMachine } from "./qemu-machine.js";

// As hardware/boards/netduinoplus2/store.c has it.
const REGION_BYTES = DEFAULT_GEOMETRY.pageCount * DEFAULT_GEOMETRY.pageSizeBytes;
const ELEMENTS_MAX = 3;
const COPY_ROOM = 1024;
const ELEMENT_ROOM = REGION_BYTES + 2 * COPY_ROOM;
const NUMBER_BYTES = 4;
const HASH_AT = NUMBER_BYTES + REGISTER_BYTES_PERSISTENT;
export const COPY_BYTES = HASH_AT + 32;

/** The first copy of registers. */
export function copyOf(registers: Uint8Array): Uint8Array {
  const number = Uint8Array.of(1, 0, 0, 0);
  const hash = createHash("sha256").update(number).update(registers).digest();
  return Buffer.concat([number, registers, hash]);
}

/** What the latest of the copies that are whole has; nothing when none is. Each is at the beginning of its place. */
export function latestRegisters(places: readonly Buffer[]): Uint8Array {
  const good = places.filter((copy) => {
    const hash = createHash("sha256").update(copy.subarray(0, HASH_AT)).digest();
    return Buffer.compare(hash, copy.subarray(HASH_AT, HASH_AT + hash.length)) === 0;
  });
  const latest = good.reduce<Buffer | undefined>(
    (best, copy) => (best === undefined || copy.readUInt32LE(0) > best.readUInt32LE(0) ? copy : best),
    undefined,
  );
  return latest?.subarray(NUMBER_BYTES, HASH_AT) ?? new Uint8Array(0);
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

  start(start: BoardStart): Promise<RunningBoard> {
    const store = join(start.folder, "store");
    return startMachine({ emulation: cortexM4, image: this.#image, store }, start);
  }

  /** Where in the store both copies of an element's registers begin. */
  copyPlaces(applet: string): readonly number[] {
    return [0, 1].map((copy) => this.#startOf(applet) + REGION_BYTES + copy * COPY_ROOM);
  }

  kept(folder: string, applet: string): Kept {
    const start = this.#startOf(applet);
    const element = readFileSync(join(folder, "store")).subarray(start, start + ELEMENT_ROOM);
    const copies = [0, 1].map((copy) => element.subarray(REGION_BYTES + copy * COPY_ROOM));
    const registers = latestRegisters(copies);
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
