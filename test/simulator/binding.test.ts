/** The binding between an applet's memory and a platform: no argument makes it throw or touch what it may not. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { PLATFORM_FUNCTIONS, type PlatformFunction } from "../../firmware/platform/interface.js";
import { bindPlatform, type Platform, PlatformError } from "../../simulator/platform.generated.js";
import { testChip } from "../support/firmware.js";

const MEMORY_BYTES = 65536;

function memoryOf(bytes: Uint8Array): WebAssembly.Memory {
  return { buffer: bytes.buffer as ArrayBuffer };
}

function bindingOf(platform: Platform, bytes: Uint8Array): WebAssembly.ModuleImports {
  return bindPlatform(
    () => memoryOf(bytes),
    () => platform,
  );
}

/** One argument list for each parameter: likely values, edges and anything. */
const anyU32 = fc.oneof(
  fc.constantFrom(0, 1, 12, 16, 31, 32, 33, 64, 4096, MEMORY_BYTES - 32, MEMORY_BYTES - 1, MEMORY_BYTES, -1, -32),
  fc.nat(MEMORY_BYTES),
  fc.integer(),
);

function argumentsOf(declared: PlatformFunction): fc.Arbitrary<number[]> {
  const parts = declared.parameters.map((parameter) => {
    if (parameter.kind === "u32") return fc.tuple(anyU32);
    const length = parameter.bytes === undefined ? anyU32 : fc.oneof(fc.constant(parameter.bytes), anyU32);
    return fc.tuple(anyU32, length);
  });
  return fc.tuple(...parts).map((lists) => lists.flat());
}

/** Where the call may write: the `out` buffers. */
function outputs(declared: PlatformFunction, values: readonly number[]): { start: number; end: number }[] {
  const ranges: { start: number; end: number }[] = [];
  let at = 0;
  for (const parameter of declared.parameters) {
    if (parameter.kind === "u32") at++;
    else {
      const start = (values[at] ?? 0) >>> 0;
      if (parameter.kind === "out") ranges.push({ start, end: start + ((values[at + 1] ?? 0) >>> 0) });
      at += 2;
    }
  }
  return ranges;
}

/** True when every buffer lies in memory and has its fixed length. */
function isWellFormed(declared: PlatformFunction, values: readonly number[]): boolean {
  let at = 0;
  return declared.parameters.every((parameter) => {
    if (parameter.kind === "u32") {
      at++;
      return true;
    }
    const [start, length] = [(values[at] ?? 0) >>> 0, (values[at + 1] ?? 0) >>> 0];
    at += 2;
    return start + length <= MEMORY_BYTES && (parameter.bytes === undefined || parameter.bytes === length);
  });
}

test.each(PLATFORM_FUNCTIONS)("$name takes any numbers", (declared) => {
  const chip = testChip("binding", { geometry: { pageSizeBytes: 4096, pageCount: 2, wordSizeBytes: 4 } });
  for (const kind of [1, 2, 3]) chip.slotGenerate(kind, kind);
  const bytes = new Uint8Array(MEMORY_BYTES);
  const binding = bindingOf(chip, bytes);
  fc.assert(
    fc.property(argumentsOf(declared), fc.nat(255), (values, filler) => {
      bytes.fill(filler);
      const result = binding[declared.name]?.(...values);
      expect(Number.isInteger(result)).toBe(true);
      if (!isWellFormed(declared, values)) expect(result).toBe(PlatformError.InvalidArgument);
      const isRefused = (result ?? -1) < 0;
      const allowed = isRefused ? [] : outputs(declared, values);
      const changed = bytes.findIndex(
        (byte, i) => byte !== filler && !allowed.some(({ start, end }) => i >= start && i < end),
      );
      expect(changed).toBe(-1);
    }),
    { numRuns: 60 },
  );
});

test("a platform is called only with buffers that lie in memory and have their fixed length", () => {
  const bytes = new Uint8Array(MEMORY_BYTES);
  let calls = 0;
  const platform = new Proxy({} as Platform, {
    get: () => () => {
      calls++;
      return 0;
    },
  });
  const binding = bindingOf(platform, bytes);
  let wellFormed = 0;
  for (const declared of PLATFORM_FUNCTIONS) {
    fc.assert(
      fc.property(argumentsOf(declared), (values) => {
        const before = calls;
        binding[declared.name]?.(...values);
        expect(calls - before).toBe(isWellFormed(declared, values) ? 1 : 0);
        wellFormed += calls - before;
      }),
      { numRuns: 60 },
    );
  }
  expect(wellFormed).toBeGreaterThan(100);
});

test("numbers arrive unsigned, and buffers are the memory itself", () => {
  const bytes = new Uint8Array(MEMORY_BYTES);
  const seen: { address: number; destination: Uint8Array }[] = [];
  const platform = {
    flashRead(address: number, destination: Uint8Array) {
      seen.push({ address, destination });
      return 0;
    },
  } as Platform;
  bindingOf(platform, bytes).flash_read?.(-4, 100, 8);
  expect(seen[0]?.address).toBe(0xfffffffc);
  expect(seen[0]?.destination.buffer).toBe(bytes.buffer);
  expect(seen[0]?.destination.byteOffset).toBe(100);
  expect(seen[0]?.destination.length).toBe(8);
});
