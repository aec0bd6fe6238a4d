/**
 * Library tests: a module of AssemblyScript in `test/firmware/<name>.module.ts`, compiled when stale, on a simulated chip.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { appletRequest } from "../../scripts/firmware/applets.js";
import { compileIfStale, type FirmwareTarget } from "../../scripts/firmware/compile.js";
import { type Applet, type BlockSink, FirmwareAssertion, readText } from "../../simulator/applet.js";
import { type AppletName, loadApplet, packageRoot } from "../../simulator/applet-files.js";
import { Chip, type ChipParts } from "../../simulator/chip.js";
import { bindPlatform, PLATFORM_MODULE, type Platform } from "../../simulator/platform.generated.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { VirtualClock } from "../../simulator/time.js";

export { FirmwareAssertion };

export const root = packageRoot();

/** A chip that is the same on every run with the same seed, in virtual time. */
export function testChip(seed = "chip", parts: Partial<ChipParts> = {}): Chip {
  return new Chip({
    cryptography: sodiumCryptography,
    randomness: new SeededRandomness(sodiumCryptography, seed),
    clock: new VirtualClock(),
    ...parts,
  });
}

/** A shipping applet for `new Element(applet, chip)`, compiled from the sources as they are now. */
export async function testApplet(name: AppletName, target: FirmwareTarget = "release"): Promise<Applet> {
  const request = appletRequest(root, name, target);
  await compileIfStale(request);
  return loadApplet(join(root, request.outputPath));
}

/** An exported function; i64 parameters and results are bigint. */
export type ExportedFunction = (...values: (number | bigint)[]) => number;

export interface LoadedModule<Exports> {
  /** The functions that the type parameter names; one that the module does not export throws when it is looked up. */
  readonly exports: Exports;
  /** Calls an exported function by name. */
  call(name: string, ...values: (number | bigint)[]): number;
  readonly memory: WebAssembly.Memory;
  /** Copies bytes behind the module's static data (from `__heap_base` up) and says where; `release` frees all. */
  write(bytes: Uint8Array): number;
  /** Room of that many zero bytes behind static data. */
  allocate(lengthBytes: number): number;
  release(): void;
  /** A copy of linear memory. */
  read(address: number, lengthBytes: number): Uint8Array;
}

const compiled = new Map<string, Promise<WebAssembly.Module>>();

const MODULE_OUTPUT: Readonly<Record<FirmwareTarget, (name: string) => string>> = {
  release: (name) => `build/test-firmware/${name}.wasm`,
  debug: (name) => `build/test-firmware/${name}.debug.wasm`,
  instrumented: (name) => `build/instrumented/${name}.module.wasm`,
};

async function compileOnce(name: string, target: FirmwareTarget): Promise<WebAssembly.Module> {
  const outputPath = MODULE_OUTPUT[target](name);
  await compileIfStale({ root, entryPath: `test/firmware/${name}.module.ts`, outputPath, target });
  return WebAssembly.compile(readFileSync(join(root, outputPath)));
}

function exportedFunction(instance: WebAssembly.Instance, name: string): ExportedFunction {
  const value = instance.exports[name];
  if (typeof value !== "function") throw new TypeError(`the module exports no function ${name}`);
  return value as ExportedFunction;
}

function checkedExports<Exports extends object>(instance: WebAssembly.Instance): Exports {
  return new Proxy({} as Exports, { get: (_target, name) => exportedFunction(instance, String(name)) });
}

/**
 * A fresh instance of a test module.
 * @param target `debug` (default) says in which line an assertion failed; `release` is compiled as what ships,
 *   `instrumented` tells `onBlock` what it reaches.
 */
export async function loadModule<Exports extends object = Record<string, ExportedFunction>>(
  name: string,
  platform: Platform = testChip(),
  target: FirmwareTarget = "debug",
  onBlock: BlockSink = () => 0,
): Promise<LoadedModule<Exports>> {
  const key = `${name}.${target}`;
  const module = compiled.get(key) ?? compileOnce(name, target);
  compiled.set(key, module);
  let memory: WebAssembly.Memory | undefined;
  const linearMemory = (): WebAssembly.Memory => {
    if (memory === undefined) throw new Error("the module called the platform before it was instantiated");
    return memory;
  };
  const abort = (message: number, file: number, line: number, column: number): never => {
    const text = `${readText(linearMemory(), message)} at ${readText(linearMemory(), file)}:${line}:${column}`;
    throw new FirmwareAssertion(text);
  };
  const instance = await WebAssembly.instantiate(await module, {
    [PLATFORM_MODULE]: bindPlatform(linearMemory, () => platform),
    env: { abort, log_execution: onBlock },
  });
  memory = instance.exports.memory as WebAssembly.Memory;
  return withRoom<Exports>(instance, memory);
}

function withRoom<Exports extends object>(
  instance: WebAssembly.Instance,
  memory: WebAssembly.Memory,
): LoadedModule<Exports> {
  const heapBase = Number((instance.exports.__heap_base as WebAssembly.Global).value);
  let next = heapBase;
  const allocate = (lengthBytes: number): number => {
    const address = (next + 7) & ~7;
    if (address + lengthBytes > memory.buffer.byteLength) throw new RangeError("no room: release() what is done with");
    next = address + lengthBytes;
    new Uint8Array(memory.buffer, address, lengthBytes).fill(0);
    return address;
  };
  return {
    exports: checkedExports<Exports>(instance),
    call: (name, ...values) => exportedFunction(instance, name)(...values),
    memory,
    allocate,
    write(bytes) {
      const address = allocate(bytes.length);
      new Uint8Array(memory.buffer).set(bytes, address);
      return address;
    },
    release() {
      next = heapBase;
    },
    read(address, lengthBytes) {
      return new Uint8Array(memory.buffer).slice(address, address + lengthBytes);
    },
  };
}
