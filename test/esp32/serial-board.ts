/** The ESP32-C3's program: its serial port is standard input and output, its partition a file. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createDecipheriv, createHash, createHmac } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { REGISTER_BYTES_PERSISTENT } from "../../simulator/chip.js";
import { DEFAULT_GEOMETRY } from "../../simulator/flash.js";
import {
  type BoardStart,
  type BoardUnderTest,
  type Kept,
  MessageStream,
  type RunningBoard,
} from "../hardware/board.js";
import { ended, writeClock } from "../hardware/posix-board.js";

// As hardware/boards/esp32/main has it.
const ELEMENTS = ["money-module", "trusted-agent", "purse"];
const SECTOR_BYTES = 4096;
const REGION_BYTES = DEFAULT_GEOMETRY.pageCount * DEFAULT_GEOMETRY.pageSizeBytes;
const ELEMENT_BYTES = REGION_BYTES + 2 * SECTOR_BYTES;
const NUMBER_BYTES = 4;
const HASH_AT = NUMBER_BYTES + REGISTER_BYTES_PERSISTENT;
const COPY_BYTES = HASH_AT + 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** The block that the build names, as the fake of the HMAC peripheral fills it. */
const EFUSE_KEY = Buffer.alloc(32, 3);
const SEALED_BYTES = NONCE_BYTES + COPY_BYTES + TAG_BYTES;
const COPY_ROOM = 640;
const COPIES_PER_AREA = Math.floor(SECTOR_BYTES / COPY_ROOM);

export type Program = ChildProcessByStdio<Writable, Readable, null>;

/** Starts a chip's program in its folder. */
export async function startProgram(path: string, start: BoardStart, more: readonly string[] = []): Promise<Program> {
  const { folder, applets, seed, now_ms } = start;
  mkdirSync(folder, { recursive: true });
  const clock = join(folder, "clock");
  writeClock(clock, now_ms);
  const values = [
    "--store",
    join(folder, "partition"),
    "--clock",
    clock,
    "--seed",
    seed,
    "--applets",
    applets.join(","),
  ];
  const child = spawn(path, [...values, ...more], { stdio: ["pipe", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  return child;
}

export function stopProgram(child: Program, how: "end" | "kill"): Promise<void> {
  if (how === "kill") child.kill("SIGKILL");
  else child.stdin.end();
  return ended(child);
}

/** Sealed bytes as they were before; undefined: whoever sealed them had another key, or they are damaged. */
function unsealed(element: number, sealed: Buffer): Buffer | undefined {
  const key = createHmac("sha256", EFUSE_KEY).update("tallystick registers").digest();
  const open = createDecipheriv("chacha20-poly1305", key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  open.setAAD(Uint8Array.of(element), { plaintextLength: COPY_BYTES });
  open.setAuthTag(sealed.subarray(NONCE_BYTES + COPY_BYTES, SEALED_BYTES));
  try {
    const copy = open.update(sealed.subarray(NONCE_BYTES, NONCE_BYTES + COPY_BYTES));
    open.final();
    return copy;
  } catch {
    return undefined;
  }
}

/** Where in the partition the sectors of an element's registers begin. */
export function areaOf(applet: string): number {
  return ELEMENTS.indexOf(applet) * ELEMENT_BYTES + REGION_BYTES;
}

/** Where the copies lie there. */
function copyPlaces(applet: string): readonly number[] {
  const start = areaOf(applet);
  const inArea = Array.from({ length: COPIES_PER_AREA }, (_, copy) => copy * COPY_ROOM);
  return [0, SECTOR_BYTES].flatMap((area) => inArea.map((place) => start + area + place));
}

/** What a chip's partition keeps of an applet. */
export function keptBy(folder: string, applet: string, isSealed: boolean): Kept {
  const element = ELEMENTS.indexOf(applet);
  if (element < 0) throw new RangeError(`applet: the image has no ${applet}`);
  const partition = readFileSync(join(folder, "partition"));
  let latest: Buffer | undefined;
  for (const place of copyPlaces(applet)) {
    const written = partition.subarray(place, place + COPY_ROOM);
    const copy = isSealed ? unsealed(element, written) : written.subarray(0, COPY_BYTES);
    if (copy === undefined) continue;
    const hash = createHash("sha256").update(copy.subarray(0, HASH_AT)).digest();
    if (Buffer.compare(hash, copy.subarray(HASH_AT)) !== 0) continue;
    if (latest === undefined || copy.readUInt32LE(0) > latest.readUInt32LE(0)) latest = copy;
  }
  return {
    flash: partition.subarray(element * ELEMENT_BYTES, element * ELEMENT_BYTES + REGION_BYTES),
    registers: latest?.subarray(NUMBER_BYTES, HASH_AT) ?? new Uint8Array(0),
  };
}

export class SerialBoard implements BoardUnderTest {
  readonly name: string;
  readonly command_ms = 3;
  readonly #program: string;
  readonly #isSealed: boolean;

  constructor(program: string, name: string, isSealed = false) {
    this.#program = program;
    this.name = name;
    this.#isSealed = isSealed;
  }

  async start(start: BoardStart): Promise<RunningBoard> {
    const child = await startProgram(this.#program, start);
    return {
      stream: new MessageStream(child.stdout, child.stdin),
      setClock: (later_ms) => writeClock(join(start.folder, "clock"), later_ms),
      stop: (how) => stopProgram(child, how),
    };
  }

  kept(folder: string, applet: string): Kept {
    return keptBy(folder, applet, this.#isSealed);
  }

  keep(): void {
    throw new Error("this board is only started from nothing");
  }
}
