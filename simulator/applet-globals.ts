/**
 * Makes the mutable globals of an applet visible: they are state like linear memory is, but no applet exports them.
 * Entries are appended to the export section of the binary as it is loaded; its code stays byte for byte what ships.
 */

import { WasmReader } from "./wasm-reader.js";

const SECTION_IMPORT = 2;
const SECTION_GLOBAL = 6;
const SECTION_EXPORT = 7;
const KIND_GLOBAL = 3;
const HEADER_BYTES = 8;
const TYPE_I64 = 0x7e;
const TYPE_I32 = 0x7f;

/** Names under which the mutable globals are exported. */
export const GLOBAL_PREFIX = "tallystick:global:";

interface Section {
  readonly id: number;
  readonly content: Uint8Array;
}

function sectionsOf(wasm: Uint8Array): Section[] {
  const reader = new WasmReader(wasm);
  reader.take(HEADER_BYTES);
  const sections: Section[] = [];
  while (!reader.isAtEnd()) {
    const id = reader.byte();
    sections.push({ id, content: reader.take(reader.u32()) });
  }
  return sections;
}

/** Indexes of the mutable globals. Initializers are single constants in what the compiler emits. */
function mutableGlobals(content: Uint8Array): number[] {
  const reader = new WasmReader(content);
  const flags = reader.vector(() => {
    const type = reader.byte();
    const isMutable = reader.byte() === 1;
    const isConstant = reader.byte() === (type === TYPE_I32 ? 0x41 : 0x42);
    if ((type !== TYPE_I32 && type !== TYPE_I64) || !isConstant) throw new Error("a global of an unknown form");
    while (reader.byte() >= 0x80) {
      // The rest of the constant's LEB128.
    }
    if (reader.byte() !== 0x0b) throw new Error("a global's initializer is not a constant");
    return isMutable;
  });
  return flags.flatMap((isMutable, index) => (isMutable ? [index] : []));
}

function leb128(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

function withExports(content: Uint8Array, globals: readonly number[]): Uint8Array {
  const reader = new WasmReader(content);
  const count = reader.u32();
  const entries = globals.flatMap((index) => {
    const name = new TextEncoder().encode(`${GLOBAL_PREFIX}${index}`);
    return [...leb128(name.length), ...name, KIND_GLOBAL, ...leb128(index)];
  });
  return Uint8Array.from([...leb128(count + globals.length), ...reader.rest(), ...entries]);
}

/** The same binary with its mutable globals exported. */
export function exposeGlobals(wasm: Uint8Array): Uint8Array {
  const sections = sectionsOf(wasm);
  const imports = sections.find((section) => section.id === SECTION_IMPORT);
  if (imports !== undefined && importsGlobal(imports.content)) throw new Error("an applet imports no globals");
  const globals = sections.find((section) => section.id === SECTION_GLOBAL);
  const mutable = globals === undefined ? [] : mutableGlobals(globals.content);
  const parts = sections.map(({ id, content }) => {
    const body = id === SECTION_EXPORT ? withExports(content, mutable) : content;
    return [Uint8Array.from([id, ...leb128(body.length)]), body];
  });
  return concatenate([wasm.subarray(0, HEADER_BYTES), ...parts.flat()]);
}

function importsGlobal(content: Uint8Array): boolean {
  const reader = new WasmReader(content);
  const kinds = reader.vector(() => {
    reader.name();
    reader.name();
    const kind = reader.byte();
    if (kind === 0) reader.u32();
    return kind;
  });
  return kinds.some((kind) => kind !== 0);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
