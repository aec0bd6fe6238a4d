/**
 * A compiled applet and its pool of instances.
 *
 * An instance of WebAssembly reserves gigabytes of address space, so that a process can hold only some thousands; and
 * making one takes longer than running most commands. So instances are used again: one that is taken starts from the
 * image which the first had when it was made, and serves the chip that it is lent to.
 */

import { exposeGlobals, GLOBAL_PREFIX } from "./applet-globals.js";
import { bindPlatform, PLATFORM_MODULE, type Platform } from "./platform.generated.js";

const GLOBAL_BYTES = 8;

/** Told of each block of an instrumented applet's code that is reached, and answers 0; what ships tells nothing. */
export type BlockSink = (block: number) => number;

/** A debug build called `abort`: an assertion failed. Release builds trap instead. */
export class FirmwareAssertion extends Error {
  override readonly name = "FirmwareAssertion";
}

/** What every applet exports. */
interface AppletExports {
  readonly memory: WebAssembly.Memory;
  buffer(): number;
  bufferSize(): number;
  boot(): number;
  command(lengthBytes: number): number;
}

export class AppletInstance {
  readonly exports: AppletExports;
  /** The chip that this instance is lent to. */
  platform: Platform | undefined;
  private readonly globals: readonly WebAssembly.Global[];

  constructor(module: WebAssembly.Module, onBlock: BlockSink) {
    const instance = new WebAssembly.Instance(module, {
      [PLATFORM_MODULE]: bindPlatform(
        () => this.exports.memory,
        () => this.lentTo(),
      ),
      env: {
        abort: (message = 0, file = 0, line = 0, column = 0) => this.abort(message, file, line, column),
        log_execution: onBlock,
      },
    });
    this.exports = checkedExports(instance);
    this.globals = Object.entries(instance.exports)
      .filter(([name]) => name.startsWith(GLOBAL_PREFIX))
      .map(([, value]) => value as WebAssembly.Global);
  }

  get imageBytes(): number {
    return this.exports.memory.buffer.byteLength + this.globals.length * GLOBAL_BYTES;
  }

  /** Linear memory, then each mutable global. */
  image(): Uint8Array {
    const memory = new Uint8Array(this.exports.memory.buffer);
    const image = new Uint8Array(this.imageBytes);
    image.set(memory);
    const view = new DataView(image.buffer, memory.length);
    this.globals.forEach((global, i) => {
      view.setBigInt64(i * GLOBAL_BYTES, BigInt(global.value), true);
    });
    return image;
  }

  setImage(image: Uint8Array): void {
    if (image.length !== this.imageBytes) throw new RangeError("image: of another applet");
    const memory = new Uint8Array(this.exports.memory.buffer);
    memory.set(image.subarray(0, memory.length));
    const view = new DataView(image.buffer, image.byteOffset + memory.length);
    this.globals.forEach((global, i) => {
      const value = view.getBigInt64(i * GLOBAL_BYTES, true);
      global.value = typeof global.value === "bigint" ? value : Number(value);
    });
  }

  private lentTo(): Platform {
    if (this.platform === undefined) throw new Error("an applet ran without a chip");
    return this.platform;
  }

  private abort(message: number, file: number, line: number, column: number): never {
    const text = readText(this.exports.memory, message);
    throw new FirmwareAssertion(`${text} at ${readText(this.exports.memory, file)}:${line}:${column}`);
  }
}

/** A string of AssemblyScript: its length in bytes lies before it. */
export function readText(memory: WebAssembly.Memory, address: number): string {
  if (address < 4) return "assertion failed";
  const lengthBytes = new DataView(memory.buffer).getUint32(address - 4, true);
  return new TextDecoder("utf-16le").decode(new Uint8Array(memory.buffer, address, lengthBytes));
}

function checkedExports(instance: WebAssembly.Instance): AppletExports {
  for (const name of ["buffer", "bufferSize", "boot", "command"]) {
    if (typeof instance.exports[name] !== "function") throw new TypeError(`the applet does not export ${name}()`);
  }
  return instance.exports as unknown as AppletExports;
}

export class Applet {
  private readonly module: WebAssembly.Module;
  private readonly idle: AppletInstance[] = [];
  private readonly initialImage: Uint8Array;

  constructor(
    wasm: Uint8Array,
    private readonly onBlock: BlockSink = () => 0,
  ) {
    this.module = new WebAssembly.Module(exposeGlobals(wasm));
    const first = new AppletInstance(this.module, onBlock);
    this.initialImage = first.image();
    this.idle.push(first);
  }

  /** An instance in the state `image`, by default that of a new one. */
  take(platform: Platform, image: Uint8Array = this.initialImage): AppletInstance {
    const instance = this.idle.pop() ?? new AppletInstance(this.module, this.onBlock);
    instance.platform = platform;
    instance.setImage(image);
    return instance;
  }

  give(instance: AppletInstance): void {
    instance.platform = undefined;
    // What one element knew must not wait in memory for another.
    instance.setImage(this.initialImage);
    this.idle.push(instance);
  }
}
