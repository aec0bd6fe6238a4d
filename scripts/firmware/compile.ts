/**
 * Compiles AssemblyScript to WebAssembly when a file that the last compilation looked at has changed since.
 *
 * What it looked at is kept beside the output with a hash of each file, absent files included, so that an edit
 * elsewhere compiles nothing again. Several processes may do this at once: outputs appear by rename.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { type Binaryen, blocksOf, type Expression, type InstrumentedModule, Instrumenter } from "./instrument.js";

/** "instrumented": debug, and it tells of each block of its code that is reached (instrument.ts). It never ships. */
export type FirmwareTarget = "debug" | "release" | "instrumented";

export interface CompileRequest {
  /** Folder of the project: every other path is relative to it. */
  readonly root: string;
  readonly entryPath: string;
  readonly outputPath: string;
  readonly target: FirmwareTarget;
  /** Something else in the place of what sources say: a defect on purpose, for a test of the tests. Never for what ships. */
  readonly edits?: readonly SourceEdit[];
}

export interface SourceEdit {
  readonly path: string;
  /** It stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** The compiler refused the source; the message is what it said. */
export class FirmwareCompileError extends Error {
  override readonly name = "FirmwareCompileError";
}

/** Changes whenever this file compiles in another way, so that no output of the old way is taken for fresh. */
const METHOD = "2";
/** The same for instrument.ts. */
const INSTRUMENT_METHOD = "2";
const LAYOUT_PATH = "firmware/platform/layout.ts";
const LAYOUT_FUNCTION = "firmware/platform/layout/layout";
const COMPILER_MODULE: string = "assemblyscript/asc";
const ASCONFIG_PATH = "asconfig.json";

/** What of the compiler is used. Its own types would bring AssemblyScript's globals into every TypeScript file. */
interface Compiler {
  main(
    parameters: readonly string[],
    options: {
      readonly stdout: Output;
      readonly stderr: Output;
      readFile(name: string, base: string): string | null;
      writeFile(name: string, content: string | Uint8Array): void;
      readonly transforms: readonly Transform[];
    },
  ): Promise<{ readonly error: Error | null }>;
}

interface Transform {
  afterCompile(module: ExportEditor & InstrumentedModule): void;
}

interface Output {
  write(text: string | Uint8Array): void;
}

interface InputRecord {
  readonly method: string;
  readonly compiler: string;
  readonly outputHash: string;
  /** Hash of each file that was read, `null` where none was found. */
  readonly files: { readonly [path: string]: string | null };
}

function hash(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function hashIfThere(path: string): string | null {
  try {
    return hash(readFileSync(path));
  } catch {
    return null;
  }
}

function recordPath(request: CompileRequest): string {
  return join(request.root, `${request.outputPath}.inputs.json`);
}

function compilerVersion(root: string): string {
  const manifest: unknown = JSON.parse(readFileSync(join(root, "node_modules/assemblyscript/package.json"), "utf8"));
  return String((manifest as { version: unknown }).version);
}

function methodOf({ target, edits }: CompileRequest): string {
  const method = target === "instrumented" ? `${METHOD}/${INSTRUMENT_METHOD}` : METHOD;
  return edits === undefined ? method : `${method}/${hash(JSON.stringify(edits))}`;
}

/** The text with what is edited in it. */
function edited(text: string, path: string, edits: readonly SourceEdit[]): string {
  let now = text;
  for (const edit of edits) {
    if (path !== edit.path) continue;
    const parts = now.split(edit.find);
    if (parts.length !== 2) {
      throw new FirmwareCompileError(
        `${path}: what is to be replaced stands there ${parts.length - 1} times: ${edit.find}`,
      );
    }
    now = parts.join(edit.replace);
  }
  return now;
}

/** True when compiling would give what is there. */
export function isFresh(request: CompileRequest): boolean {
  const text = readIfThere(recordPath(request));
  if (text === null) return false;
  const record = JSON.parse(text) as InputRecord;
  if (record.method !== methodOf(request) || record.compiler !== compilerVersion(request.root)) return false;
  if (hashIfThere(join(request.root, request.outputPath)) !== record.outputHash) return false;
  return Object.entries(record.files).every(([path, expected]) => hashIfThere(join(request.root, path)) === expected);
}

function writeByRename(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** What the layout export needs of a binaryen module. */
interface ExportEditor {
  removeExport(externalName: string): void;
  removeFunction(name: string): void;
  addGlobalExport(internalName: string, externalName: string): unknown;
  getGlobal(name: string): number;
  removeGlobal(name: string): void;
  addGlobal(name: string, type: number, isMutable: boolean, initial: Expression): unknown;
  readonly i32: { const(value: number): Expression };
}

/** What the editor of globals asks of binaryen itself. */
interface GlobalReader extends Binaryen {
  getGlobalInfo(reference: number): { readonly init: Expression };
}

const DATA_END = "~lib/memory/__data_end";
const HEAP_BASE = "~lib/memory/__heap_base";
/** WAMR shrinks memory only if the end of data, rounded up to this, is not behind the base of the heap. */
const WAMR_ALIGNMENT = 16;

/** Exports the two globals that WAMR looks for, in the place of the function that made the compiler lay them down. */
class Layout {
  declare readonly binaryen: GlobalReader;

  afterCompile(module: ExportEditor): void {
    module.removeExport("layout");
    module.removeFunction(LAYOUT_FUNCTION);
    const { init } = this.binaryen.getGlobalInfo(module.getGlobal(HEAP_BASE));
    const base = Number(this.binaryen.getExpressionInfo(init).value);
    module.removeGlobal(HEAP_BASE);
    const rounded = Math.ceil(base / WAMR_ALIGNMENT) * WAMR_ALIGNMENT;
    module.addGlobal(HEAP_BASE, this.binaryen.i32, false, module.i32.const(rounded));
    module.addGlobalExport(DATA_END, "__data_end");
    module.addGlobalExport(HEAP_BASE, "__heap_base");
  }
}

/** A class, because only those are given binaryen. */
class BlockMarks {
  declare readonly binaryen: Binaryen;

  afterCompile(module: InstrumentedModule): void {
    new Instrumenter(module, this.binaryen).run();
  }
}

/** Where the list of an instrumented binary's blocks lies: JSON, an array of `CodeBlock`. */
export function blocksPath(outputPath: string): string {
  return outputPath.replace(/\.wasm$/, ".blocks.json");
}

function textPath(outputPath: string): string {
  return outputPath.replace(/\.wasm$/, ".wast");
}

/** What the compiler is told beyond what is the same for all, and the transforms that it runs. */
function targetParts(request: CompileRequest): { parameters: string[]; transforms: Transform[] } {
  const { target, outputPath } = request;
  const layout = Layout as unknown as Transform;
  if (target !== "instrumented") return { parameters: ["--target", target], transforms: [layout] };
  const parameters = ["--target", "debug", "--textFile", textPath(outputPath)];
  return { parameters, transforms: [layout, BlockMarks as unknown as Transform] };
}

/** The text is read for the list of blocks and not kept. */
function keepBlocks(request: CompileRequest, outputs: Map<string, string | Uint8Array>): void {
  const text = outputs.get(textPath(request.outputPath));
  if (text === undefined) return;
  outputs.delete(textPath(request.outputPath));
  outputs.set(blocksPath(request.outputPath), JSON.stringify(blocksOf(text.toString())));
}

async function compile(request: CompileRequest): Promise<void> {
  const { main } = (await import(COMPILER_MODULE)) as Compiler;
  const files = new Map<string, string | null>();
  const outputs = new Map<string, string | Uint8Array>();
  let diagnostics = "";
  const sink = {
    write(text: string | Uint8Array) {
      diagnostics += text.toString();
    },
  };
  const { parameters, transforms } = targetParts(request);
  const options = {
    stdout: sink,
    stderr: sink,
    readFile: (name: string, base: string) => {
      // Sources that TypeScript reads as well name each other as its modules are named.
      const path = resolve(base, name.replace(/\.js\.ts$/, ".ts"));
      const text = readIfThere(path);
      const source = relative(request.root, path);
      files.set(source, text === null ? null : hash(text));
      return text === null ? null : edited(text, source, request.edits ?? []);
    },
    writeFile: (name: string, content: string | Uint8Array) => void outputs.set(name, content),
    transforms,
  };
  const { error } = await main(
    [
      request.entryPath,
      LAYOUT_PATH,
      ...["--config", ASCONFIG_PATH],
      ...parameters,
      ...["--baseDir", request.root],
      ...["--outFile", request.outputPath],
    ],
    options,
  );
  if (error === null && diagnostics !== "") console.error(`${request.entryPath}:\n${diagnostics}`);
  if (error !== null) throw new FirmwareCompileError(`${request.entryPath}: ${error.message}\n${diagnostics}`);
  keepBlocks(request, outputs);
  writeOutputs(request, outputs, Object.fromEntries(files));
}

function writeOutputs(
  request: CompileRequest,
  outputs: ReadonlyMap<string, string | Uint8Array>,
  files: InputRecord["files"],
): void {
  const wasm = outputs.get(request.outputPath);
  if (wasm === undefined) throw new FirmwareCompileError(`${request.entryPath}: the compiler wrote no output`);
  rmSync(recordPath(request), { force: true });
  for (const [path, content] of outputs) writeByRename(join(request.root, path), content);
  const record: InputRecord = {
    method: methodOf(request),
    compiler: compilerVersion(request.root),
    outputHash: hash(wasm),
    files,
  };
  writeByRename(recordPath(request), JSON.stringify(record));
}

/** Compiles if needed. Returns true when it compiled, false when the output was fresh. */
export async function compileIfStale(request: CompileRequest): Promise<boolean> {
  if (isFresh(request)) return false;
  await compile(request);
  return true;
}
