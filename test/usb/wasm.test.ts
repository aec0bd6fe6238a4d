/** The framing that boards run is the framing that this process runs: same reports in, same bytes out. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FRAMES_BYTES, FRAMES_MAX, MESSAGE_BYTES_MAX } from "../../firmware/usb/ctaphid.js";
import { Device, PHASE_READY } from "../../firmware/usb/device.js";
import { summarize } from "../../scripts/firmware/wasm.js";
import { type Operation, operations } from "./operations.js";

const binary = readFileSync("build/firmware/usb.wasm");
const module = new WebAssembly.Module(binary);

/** What `firmware/usb/index.ts` exports. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  boot(): void;
  reportIn(): number;
  reportOut(): number;
  message(): number;
  canTake(): number;
  take(length: number, now_ms: number): void;
  next(now_ms: number): number;
  tick(now_ms: number): void;
  readyCommand(): number;
  isAnothers(): number;
  begin(): number;
  answer(length: number, now_ms: number): void;
}

test("it asks for nothing: no imports, no start section, and memory that stays as it is", () => {
  const summary = summarize(binary);
  expect(summary.imports).toEqual([]);
  expect(summary.hasStart).toBe(false);
  expect(summary.growsMemory).toBe(false);
  expect(summary.memories).toEqual([{ pagesMin: 1, pagesMax: 1 }]);
});

/** Everything that a device lets one see, as bytes. */
interface Seen {
  do(operation: Operation, now_ms: number): void;
  next(now_ms: number): Uint8Array | undefined;
  state(): readonly unknown[];
}

const ANSWER = Uint8Array.from({ length: 300 }, (_, i) => (i * 31) & 0xff);

class Compiled implements Seen {
  readonly #exports = new WebAssembly.Instance(module).exports as unknown as Exports;

  constructor() {
    this.#exports.boot();
  }

  do(operation: Operation, now_ms: number): void {
    const { memory, reportIn, message, take, tick, begin, answer } = this.#exports;
    if (operation.kind === "report") {
      new Uint8Array(memory.buffer, reportIn(), 64).set(operation.report.subarray(0, 64));
      take(operation.report.length, now_ms);
    } else if (operation.kind === "tick") tick(now_ms);
    else if (operation.kind === "begin") begin();
    else {
      new Uint8Array(memory.buffer, message(), MESSAGE_BYTES_MAX).set(ANSWER.subarray(0, operation.length));
      answer(operation.length, now_ms);
    }
  }

  next(now_ms: number): Uint8Array | undefined {
    const { memory, next, reportOut } = this.#exports;
    return next(now_ms) === 0 ? undefined : new Uint8Array(memory.buffer, reportOut(), 64).slice();
  }

  state(): readonly unknown[] {
    const { memory, message, canTake, readyCommand, isAnothers } = this.#exports;
    return [
      canTake() !== 0,
      readyCommand(),
      isAnothers() !== 0,
      new Uint8Array(memory.buffer, message(), MESSAGE_BYTES_MAX).slice(),
    ];
  }
}

class Interpreted implements Seen {
  readonly #device = new Device();

  constructor() {
    this.#device.attach(new Uint8Array(MESSAGE_BYTES_MAX), new Uint8Array(FRAMES_BYTES));
  }

  do(operation: Operation, now_ms: number): void {
    if (operation.kind === "report") this.#device.take(operation.report, now_ms);
    else if (operation.kind === "tick") this.#device.tick(now_ms);
    else if (operation.kind === "begin") this.#device.begin();
    else {
      this.#device.message.set(ANSWER.subarray(0, operation.length));
      this.#device.answer(operation.length, now_ms);
    }
  }

  next(now_ms: number): Uint8Array | undefined {
    const report = new Uint8Array(64);
    return this.#device.next(report, now_ms) ? report : undefined;
  }

  state(): readonly unknown[] {
    const { phase, command, message, frameCount } = this.#device;
    expect(frameCount).toBeLessThanOrEqual(FRAMES_MAX);
    const ready = phase === PHASE_READY ? command : -1;
    return [this.#device.canTake(), ready, this.#device.isAnothers(), message.slice()];
  }
}

function same(a: Seen, b: Seen): void {
  const [one, other] = [a.state(), b.state()];
  expect(one.slice(0, 3)).toEqual(other.slice(0, 3));
  expect(Buffer.compare(one[3] as Uint8Array, other[3] as Uint8Array)).toBe(0);
}

test("compiled to WebAssembly and run as TypeScript it says the same, byte by byte, however much is fetched of it", () => {
  const fetches = fc.infiniteStream(fc.constantFrom(0, 1, 2, 9));
  const starts = fc.constantFrom<number>(0, 0x7fffff00);
  fc.assert(
    fc.property(operations, fetches, starts, (list, fetched, start_ms) => {
      const [compiled, interpreted] = [new Compiled(), new Interpreted()];
      let now_ms = start_ms;
      for (const operation of list) {
        now_ms = (now_ms + operation.after_ms) | 0;
        for (const device of [compiled, interpreted]) device.do(operation, now_ms);
        for (let count = fetched.next().value; count > 0; count -= 1) {
          expect(compiled.next(now_ms)).toEqual(interpreted.next(now_ms));
        }
        same(compiled, interpreted);
      }
    }),
    { numRuns: 1000 },
  );
});
