/**
 * The platform of a board beside the simulator's, without an applet: the same calls on the same linear memory must give the same
 * results and leave the same bytes. The board runs test/hardware/calls-stream.c.
 */

import { createHash } from "node:crypto";
import { PLATFORM_FUNCTIONS } from "../../firmware/platform/interface.js";
import { toHex } from "../../host/codec/bytes.js";
import { Chip } from "../../simulator/chip.js";
import { DEFAULT_GEOMETRY, type FlashStorage, MemoryFlashStorage } from "../../simulator/flash.js";
import { bindPlatform } from "../../simulator/platform.generated.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { VirtualClock } from "../../simulator/time.js";
import { BoardGone, type BoardUnderTest, type RunningBoard } from "./board.js";
import { Difference } from "./session.js";

export const MEMORY_BYTES = 16_384;
const ARGUMENTS = 10;
/** The folder of the one element that the test image has. */
export const PLATFORM_ELEMENT = "platform";

function numbers(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setUint32(4 * i, value >>> 0, true);
  });
  return bytes;
}

/** Messages of test/hardware/calls-stream.c. */
export const POWER_MESSAGE = Uint8Array.of(0x70);
const HASH_MESSAGE = Uint8Array.of(0x68);

export function callMessage(name: string, ...values: readonly number[]): Uint8Array {
  const index = PLATFORM_FUNCTIONS.findIndex((each) => each.name === name);
  const rest = new Array<number>(ARGUMENTS - values.length).fill(0);
  return Buffer.concat([Uint8Array.of(0x63), numbers(index, ...values, ...rest)]);
}

/** Writes linear memory; it is not answered. */
export function memoryMessage(address: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(0x77), numbers(address), bytes]);
}

export interface CallsStart {
  readonly board: BoardUnderTest;
  readonly folder: string;
  readonly seed: string;
  /** Counter and persistent slots, as they are kept. */
  readonly registers?: Uint8Array;
}

/** A board and a simulated chip that are called alike. */
export class TwinPlatforms {
  readonly memory = new Uint8Array(MEMORY_BYTES);
  readonly #start: CallsStart;
  readonly #storage: FlashStorage = new MemoryFlashStorage(DEFAULT_GEOMETRY);
  readonly #clock = new VirtualClock();
  readonly #chip: Chip;
  readonly #binding: WebAssembly.ModuleImports;
  readonly #running: RunningBoard;
  calls = 0;

  private constructor(start: CallsStart, running: RunningBoard) {
    this.#start = start;
    this.#running = running;
    this.#chip = new Chip({
      cryptography: sodiumCryptography,
      randomness: new SeededRandomness(sodiumCryptography, start.seed),
      clock: this.#clock,
      flashStorage: this.#storage,
      registerStorage: { load: () => start.registers, save: () => undefined },
    });
    this.#binding = bindPlatform(
      () => ({ buffer: this.memory.buffer }),
      () => this.#chip,
    );
  }

  static async start(start: CallsStart): Promise<TwinPlatforms> {
    const { board, folder, seed, registers } = start;
    if (registers !== undefined) board.keep(folder, PLATFORM_ELEMENT, registers);
    const running = await board.start({ folder, applets: [PLATFORM_ELEMENT], seed, now_ms: 0 });
    const twins = new TwinPlatforms(start, running);
    await twins.power();
    await twins.write(0, twins.memory);
    return twins;
  }

  async power(): Promise<void> {
    const [isOn] = await this.#running.stream.exchange(POWER_MESSAGE);
    if (isOn !== 1) throw new Difference(`${this.#start.board.name}: the element does not start`);
    this.#chip.powerOn();
  }

  /** Lets time pass on both. */
  advance(duration_ms: number): void {
    this.#clock.advance(duration_ms);
    this.#running.setClock(this.#clock.nowMs());
  }

  async write(address: number, bytes: Uint8Array): Promise<void> {
    this.memory.set(bytes, address);
    this.#running.stream.send(memoryMessage(address, bytes));
  }

  /** Calls a function with these numbers on both, compares all of memory, and gives the result. */
  async call(name: string, ...values: readonly number[]): Promise<number> {
    const expected = this.#binding[name]?.(...values);
    const { stream } = this.#running;
    stream.send(callMessage(name, ...values));
    stream.send(HASH_MESSAGE);
    const answer = await stream.receive();
    const hash = await stream.receive();
    this.calls += 1;
    const what = `${this.#start.board.name}: ${name}(${values.join(", ")})`;
    if (answer[0] !== 1) throw new Difference(`${what} stopped the element`);
    const result = new DataView(answer.buffer, answer.byteOffset + 1, 4).getInt32(0, true);
    if (result !== expected) throw new Difference(`${what} is ${result}, and in the simulator ${expected}`);
    if (Buffer.compare(hash, createHash("sha256").update(this.memory).digest()) !== 0) {
      throw new Difference(`${what} ${await this.#whereMemoryDiffers()}`);
    }
    return result;
  }

  async #whereMemoryDiffers(): Promise<string> {
    const { stream } = this.#running;
    const memory = await stream.exchange(Buffer.concat([Uint8Array.of(0x72), numbers(0, MEMORY_BYTES)]));
    const at = memory.findIndex((byte, i) => byte !== this.memory[i]);
    const [a, b] = [memory, this.memory].map((bytes) => toHex(bytes.subarray(at, at + 16)));
    return `leaves ${a} at ${at}, and in the simulator ${b}`;
  }

  /** Ends the board; what it kept must be what the simulator keeps. */
  async end(): Promise<void> {
    await this.#running.stop("end");
    const { board, folder } = this.#start;
    const kept = board.kept(folder, PLATFORM_ELEMENT);
    const region = this.#storage.bytes.subarray(0, kept.flash.length);
    const isSame =
      Buffer.compare(kept.flash, region) === 0 &&
      Buffer.compare(kept.registers, this.#chip.persistentRegisters()) === 0;
    if (!isSame) throw new Difference(`${board.name}: flash or registers are not the simulator's`);
  }

  async abandon(): Promise<void> {
    await this.#running.stop("kill").catch((error: unknown) => {
      if (!(error instanceof BoardGone)) throw error;
    });
  }
}
