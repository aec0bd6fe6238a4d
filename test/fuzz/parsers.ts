/**
 * Parsers as targets: each answers with a value or its own error, in bounded time and memory. Those of the firmware are in
 * parsers-firmware.ts, those of the host in parsers-host.ts.
 */

import { getHeapStatistics } from "node:v8";
import { equalBytes, toHex } from "../../host/codec/bytes.js";
import { mutated } from "./mutate.js";
import type { Numbers } from "./numbers.js";
import { Finding, type Input, type Target } from "./target.js";

/** Runs in a row: a parser is much faster than an element. */
const BURST = 10;
const GROWTH_BYTES_MAX = 64 * 1024 * 1024;

export abstract class ParserTarget implements Target {
  readonly burst = BURST;

  constructor(
    readonly name: string,
    private readonly good: readonly Uint8Array[],
  ) {}

  seeds(): Input[] {
    return this.good.map((bytes) => ({ target: this.name, steps: [{ bytes }] }));
  }

  mutate({ steps }: Input, numbers: Numbers, others: readonly Input[]): Input {
    const other = numbers.pick(others).steps[0]?.bytes ?? new Uint8Array(0);
    return { target: this.name, steps: [{ bytes: mutated(steps[0]?.bytes ?? new Uint8Array(0), numbers, other) }] };
  }

  run({ steps }: Input, reached: (feature: number) => void): void {
    const before = getHeapStatistics();
    this.parse(steps[0]?.bytes ?? new Uint8Array(0), reached);
    const after = getHeapStatistics();
    const growth = after.used_heap_size + after.external_memory - before.used_heap_size - before.external_memory;
    if (growth > GROWTH_BYTES_MAX) throw new Finding("memory", `${growth} bytes were taken`);
  }

  protected abstract parse(bytes: Uint8Array, reached: (feature: number) => void): void;
}

/** The value encodes to the bytes that it was decoded from. */
export function same(bytes: Uint8Array, again: Uint8Array): void {
  if (!equalBytes(bytes, again)) throw new Finding("identity", `${toHex(bytes)} comes back as ${toHex(again)}`);
}

export function sameText(words: string, again: string): void {
  if (words !== again) throw new Finding("identity", `${words} comes back as ${again}`);
}
