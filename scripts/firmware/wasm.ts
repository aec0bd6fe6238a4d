/**
 * Reads of a WebAssembly binary what the footprint gate asks about. It knows the sections and instructions that the
 * compiler emits for applets, and refuses a binary with anything else rather than pass over it.
 */

import { WasmReader } from "../../simulator/wasm-reader.js";

export interface WasmImport {
  readonly module: string;
  readonly name: string;
  readonly kind: number;
}

export interface WasmGlobal {
  readonly type: number;
  readonly isMutable: boolean;
  /** Value of an i32.const initializer; undefined for any other. */
  readonly i32: number | undefined;
}

export interface WasmExport {
  readonly name: string;
  readonly kind: number;
  readonly index: number;
}

export interface WasmMemory {
  readonly pagesMin: number;
  readonly pagesMax: number | undefined;
}

export interface WasmSummary {
  readonly imports: readonly WasmImport[];
  readonly memories: readonly WasmMemory[];
  readonly globals: readonly WasmGlobal[];
  readonly exports: readonly WasmExport[];
  readonly hasStart: boolean;
  readonly growsMemory: boolean;
}

export const KIND_FUNCTION = 0;
export const KIND_GLOBAL = 3;
export const TYPE_I32 = 0x7f;

const SECTION_IMPORT = 2;
const SECTION_MEMORY = 5;
const SECTION_GLOBAL = 6;
const SECTION_EXPORT = 7;
const SECTION_START = 8;
const SECTION_CODE = 10;
const SECTION_LAST = 12;

const KIND_TABLE = 1;
const KIND_MEMORY = 2;

export function summarize(bytes: Uint8Array): WasmSummary {
  const reader = new WasmReader(bytes);
  if (reader.u32Fixed() !== 0x6d736100 || reader.u32Fixed() !== 1) throw new Error("not a WebAssembly 1 binary");
  const sections = new Map<number, WasmReader>();
  while (!reader.isAtEnd()) {
    const id = reader.byte();
    const section = reader.part(reader.u32());
    if (id > SECTION_LAST) throw new Error(`unknown section ${id}`);
    if (id !== 0) sections.set(id, section);
  }
  const each = <T>(id: number, read: (section: WasmReader) => T): T[] => {
    const section = sections.get(id);
    return section === undefined ? [] : section.vector(() => read(section));
  };
  const imports = each(SECTION_IMPORT, readImport);
  return {
    imports,
    memories: each(SECTION_MEMORY, readLimits),
    globals: each(SECTION_GLOBAL, readGlobal),
    exports: each(SECTION_EXPORT, readExport),
    hasStart: sections.has(SECTION_START),
    growsMemory: each(SECTION_CODE, bodyGrowsMemory).includes(true),
  };
}

function readLimits(reader: WasmReader): WasmMemory {
  const flags = reader.byte();
  const pagesMin = reader.u32();
  return { pagesMin, pagesMax: (flags & 1) === 0 ? undefined : reader.u32() };
}

function readImport(reader: WasmReader): WasmImport {
  const module = reader.name();
  const name = reader.name();
  const kind = reader.byte();
  if (kind === KIND_FUNCTION) reader.u32();
  else if (kind === KIND_TABLE) {
    reader.byte();
    readLimits(reader);
  } else if (kind === KIND_MEMORY) readLimits(reader);
  else if (kind === KIND_GLOBAL) reader.part(2);
  else throw new Error(`unknown kind ${kind} of import ${module}.${name}`);
  return { module, name, kind };
}

function readGlobal(reader: WasmReader): WasmGlobal {
  const type = reader.byte();
  const isMutable = reader.byte() === 1;
  let i32: number | undefined;
  for (let first = true; ; first = false) {
    const opcode = reader.byte();
    if (opcode === OPCODE_END) return { type, isMutable, i32 };
    const value = opcode === OPCODE_I32_CONST ? reader.signed() : skipImmediates(reader, opcode);
    i32 = first ? value : undefined;
  }
}

function readExport(reader: WasmReader): WasmExport {
  return { name: reader.name(), kind: reader.byte(), index: reader.u32() };
}

const OPCODE_END = 0x0b;
const OPCODE_I32_CONST = 0x41;
const OPCODE_MEMORY_GROW = 0x40;
const OPCODE_PREFIX = 0xfc;

function bodyGrowsMemory(section: WasmReader): boolean {
  const body = section.part(section.u32());
  body.vector(() => [body.u32(), body.byte()]);
  let grows = false;
  while (!body.isAtEnd()) {
    const opcode = body.byte();
    if (opcode === OPCODE_MEMORY_GROW) grows = true;
    skipImmediates(body, opcode);
  }
  return grows;
}

/** Reads past what follows an opcode. */
function skipImmediates(reader: WasmReader, opcode: number): undefined {
  const isBlock = opcode === 0x02 || opcode === 0x03 || opcode === 0x04;
  const isConstant = opcode === OPCODE_I32_CONST || opcode === 0x42;
  if (opcode === OPCODE_PREFIX) skipPrefixed(reader);
  else if (isBlock || isConstant) reader.signed();
  else if (opcode === 0x43) reader.part(4);
  else if (opcode === 0x44) reader.part(8);
  else if (opcode === 0x0e) {
    reader.vector(() => reader.u32());
    reader.u32();
  } else if (opcode === 0x11) {
    reader.u32();
    reader.u32();
  } else if (opcode >= 0x28 && opcode <= 0x3e) {
    reader.u32();
    reader.u32();
  } else if (takesIndex(opcode)) reader.u32();
  else if (!isPlain(opcode)) throw new Error(`unknown instruction 0x${opcode.toString(16)}`);
}

/** br, br_if, call, locals, globals, memory.size and memory.grow. */
function takesIndex(opcode: number): boolean {
  const isBranch = opcode === 0x0c || opcode === 0x0d;
  const isVariable = opcode >= 0x20 && opcode <= 0x24;
  return isBranch || opcode === 0x10 || isVariable || opcode === 0x3f || opcode === OPCODE_MEMORY_GROW;
}

/** unreachable, nop, else, end, return, drop, select, and everything numeric. */
function isPlain(opcode: number): boolean {
  const isControl = [0x00, 0x01, 0x05, OPCODE_END, 0x0f, 0x1a, 0x1b].includes(opcode);
  return isControl || (opcode >= 0x45 && opcode <= 0xc4);
}

/** Saturating conversions (0 to 7), memory.init, data.drop, memory.copy, memory.fill. */
function skipPrefixed(reader: WasmReader): void {
  const operands = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1];
  const suboperation = reader.u32();
  const count = operands[suboperation];
  if (count === undefined) throw new Error(`unknown instruction 0xfc ${suboperation}`);
  for (let i = 0; i < count; i++) reader.u32();
}
