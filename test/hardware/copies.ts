/**
 * Registers in two copies (hardware/boards/common/copies.h): one that a cut or age has spoilt does not count, and the one before
 * it does; where neither counts, though something was kept, the element does not start.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { callMessage, PLATFORM_ELEMENT, POWER_MESSAGE } from "./calls.js";
import { COPY_BYTES, type QemuBoard } from "./qemu-board.js";
import { Difference } from "./session.js";

/** What can become of a copy while it is written, or later. */
const SPOILT: readonly ((copy: Uint8Array) => void)[] = [
  (copy) => copy.fill(0xff),
  (copy) => copy.fill(0xff, copy.length / 2),
  (copy) => copy.fill(0xff, 0, copy.length / 2),
  (copy) => copy.fill(0, copy.length - 1),
  (copy) => {
    copy[0] = (copy[0] ?? 0) ^ 4;
  },
  (copy) => {
    copy[20] = (copy[20] ?? 0) ^ 1;
  },
];

function demand(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Difference(`two copies: ${what} is ${actual}, and not ${expected}`);
}

class Bench {
  readonly #board: QemuBoard;
  readonly #folder: string;
  checks = 0;

  constructor(board: QemuBoard, folder: string) {
    this.#board = board;
    this.#folder = folder;
  }

  get #store(): string {
    return join(this.#folder, "store");
  }

  /** Starts the chip; it answers whether its element starts, and the results of calls without arguments. */
  async run(...calls: readonly string[]): Promise<{ readonly isOn: boolean; readonly results: number[] }> {
    const start = { folder: this.#folder, applets: [PLATFORM_ELEMENT], seed: "copies", now_ms: 0 };
    const { stream, stop } = await this.#board.start(start);
    const results: number[] = [];
    try {
      const [on] = await stream.exchange(POWER_MESSAGE);
      for (const name of calls) {
        const answer = await stream.exchange(callMessage(name));
        results.push(new DataView(answer.buffer, answer.byteOffset + 1, 4).getInt32(0, true));
      }
      this.checks += 1;
      return { isOn: on === 1, results };
    } finally {
      await stop("end");
    }
  }

  store(): Uint8Array {
    return readFileSync(this.#store);
  }

  /** Puts back what the store was, with these copies spoilt. */
  spoil(store: Uint8Array, copies: readonly number[], how: (copy: Uint8Array) => void): void {
    const bytes = store.slice();
    const places = this.#board.copyPlaces(PLATFORM_ELEMENT);
    for (const copy of copies) how(bytes.subarray(places[copy] ?? 0, (places[copy] ?? 0) + COPY_BYTES));
    writeFileSync(this.#store, bytes);
  }
}

/** Number of times that the chip was started. */
export async function checkCopies(board: QemuBoard, folder: string): Promise<number> {
  const bench = new Bench(board, folder);
  await bench.run("counter_increment");
  const once = Uint8Array.from(bench.store());
  const { results } = await bench.run("counter_increment");
  demand(results[0], 2, "the counter");
  const twice = Uint8Array.from(bench.store());
  for (const how of SPOILT) {
    bench.spoil(twice, [1], how);
    const later = await bench.run("counter_read", "counter_increment");
    demand(later.isOn, true, "start with the later copy spoilt");
    demand(later.results.join(), "1,2", "the counter with the later copy spoilt");
    bench.spoil(twice, [0], how);
    demand((await bench.run("counter_read")).results[0], 2, "the counter with the earlier copy spoilt");
  }
  for (const how of SPOILT.slice(1)) {
    bench.spoil(twice, [0, 1], how);
    demand((await bench.run()).isOn, false, "start with both copies spoilt");
  }
  // The first write of all was torn: the chip is as new.
  bench.spoil(once, [0], SPOILT[1] as (copy: Uint8Array) => void);
  const first = await bench.run("counter_read");
  demand(first.isOn, true, "start with the first copy torn");
  demand(first.results[0], 0, "the counter with the first copy torn");
  return bench.checks;
}
