/** What an applet takes, and what it must not have. */

import { KIND_GLOBAL, summarize, TYPE_I32, type WasmSummary } from "./wasm.js";

export const WASM_BYTES_MAX = 65_536;
export const PAGES_MAX = 1;
const PLATFORM_MODULE = "tallystick";
const WAMR_ALIGNMENT = 16;

export interface Footprint {
  readonly wasmBytes: number;
  /** What static data takes of linear memory: `__heap_base`. */
  readonly memoryBytes: number;
  readonly start: boolean;
  readonly growsMemory: boolean;
  readonly importsAbort: boolean;
}

export interface Inspection {
  readonly footprint: Footprint;
  /** Sentences; none when the applet may ship. */
  readonly violations: readonly string[];
}

function exportedGlobalValue(summary: WasmSummary, name: string): number | undefined {
  const found = summary.exports.find((item) => item.kind === KIND_GLOBAL && item.name === name);
  const global = found === undefined ? undefined : summary.globals[found.index];
  return global === undefined || global.isMutable || global.type !== TYPE_I32 ? undefined : global.i32;
}

function importViolations(summary: WasmSummary): string[] {
  const foreign = summary.imports.filter((item) => item.module !== PLATFORM_MODULE);
  return foreign.map((item) => `imports ${item.module}.${item.name}, which no platform has`);
}

function globalViolations(summary: WasmSummary): string[] {
  const exported = summary.exports.filter((item) => item.kind === KIND_GLOBAL);
  const mutable = exported.filter((item) => summary.globals[item.index]?.isMutable !== false);
  const violations = mutable.map((item) => `exports the mutable global ${item.name}`);
  for (const name of ["__heap_base", "__data_end"]) {
    if (exportedGlobalValue(summary, name) === undefined) violations.push(`does not export the constant ${name}`);
  }
  if ((exportedGlobalValue(summary, "__heap_base") ?? 0) % WAMR_ALIGNMENT !== 0) {
    violations.push(`its heap begins on no multiple of ${WAMR_ALIGNMENT}: WAMR would not shrink its memory`);
  }
  const first = summary.globals.find((global) => global.isMutable && global.type === TYPE_I32);
  if (first !== undefined && first.i32 !== 0) {
    violations.push(`its first mutable i32 global starts at ${first.i32}: WAMR would take it for a stack pointer`);
  }
  return violations;
}

function memoryViolations(summary: WasmSummary): string[] {
  const violations: string[] = [];
  const [memory] = summary.memories;
  if (memory === undefined || summary.memories.length !== 1) violations.push("does not define one memory of its own");
  else if (memory.pagesMin > PAGES_MAX || memory.pagesMax === undefined || memory.pagesMax > PAGES_MAX) {
    violations.push(
      `its memory has ${memory.pagesMin} to ${memory.pagesMax ?? "any number of"} pages, not ${PAGES_MAX}`,
    );
  }
  if (summary.growsMemory) violations.push("contains memory.grow");
  return violations;
}

export function inspect(wasm: Uint8Array): Inspection {
  const summary = summarize(wasm);
  const footprint: Footprint = {
    wasmBytes: wasm.length,
    memoryBytes: exportedGlobalValue(summary, "__heap_base") ?? 0,
    start: summary.hasStart,
    growsMemory: summary.growsMemory,
    importsAbort: summary.imports.some((item) => item.module === "env" && item.name === "abort"),
  };
  const violations = [...importViolations(summary), ...globalViolations(summary), ...memoryViolations(summary)];
  if (wasm.length > WASM_BYTES_MAX) violations.push(`has ${wasm.length} bytes, more than ${WASM_BYTES_MAX}`);
  if (summary.hasStart) violations.push("has a start section");
  return { footprint, violations };
}
