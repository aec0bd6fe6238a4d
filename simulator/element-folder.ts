/**
 * An element's flash and keys in a folder: `flash.bin` (the region, then the wear of each page) and `keys.bin` (counter
 * and key slots). A process that is killed loses nothing that was programmed: flash is written through, keys are
 * replaced by rename. The machine's own power failure is not covered: nothing is synced to its disk.
 */

import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { RegisterStorage } from "./chip.js";
import { writtenForGood } from "./diagnostics.js";
import { erasedBytes, type FlashGeometry, type FlashStorage, storageBytes } from "./flash.js";

/** The folder cannot be used; the message says why. */
export class ElementFolderError extends Error {
  override readonly name = "ElementFolderError";
}

class FileFlashStorage implements FlashStorage {
  readonly bytes: Uint8Array;
  private readonly descriptor: number;

  constructor(path: string, geometry: FlashGeometry) {
    const present = readIfThere(path);
    if (present === undefined) writeByRename(path, erasedBytes(geometry));
    this.bytes = present ?? erasedBytes(geometry);
    if (this.bytes.length !== storageBytes(geometry)) {
      throw new ElementFolderError(`${path} has ${this.bytes.length} bytes: it is the flash of another geometry`);
    }
    this.descriptor = openSync(path, "r+");
  }

  written(start: number, end: number): void {
    for (let offset = start; offset < end; ) {
      offset += writeSync(this.descriptor, this.bytes, offset, end - offset, offset);
    }
    writtenForGood();
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function writeByRename(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.new`;
  writeFileSync(temporary, bytes, { mode: 0o600 });
  renameSync(temporary, path);
}

export class ElementFolder {
  readonly flashStorage: FlashStorage;
  readonly registerStorage: RegisterStorage;
  private readonly flashFile: FileFlashStorage;
  private readonly lockPath: string;

  /** Opens the folder, and makes it when it is not there. One process at a time may have it open. */
  constructor(path: string, geometry: FlashGeometry) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    this.lockPath = join(path, "lock");
    lock(this.lockPath);
    try {
      this.flashFile = new FileFlashStorage(join(path, "flash.bin"), geometry);
    } catch (error) {
      rmSync(this.lockPath, { force: true });
      throw error;
    }
    this.flashStorage = this.flashFile;
    const keysPath = join(path, "keys.bin");
    this.registerStorage = {
      load: () => readIfThere(keysPath),
      save: (registers) => {
        writeByRename(keysPath, registers);
        writtenForGood();
      },
    };
  }

  close(): void {
    this.flashFile.close();
    rmSync(this.lockPath, { force: true });
  }
}

/** Two processes that run one element would spend its money twice. The lock of a process that is gone does not count. */
function lock(path: string): void {
  for (let tries = 0; tries < 2; tries++) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      return;
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
    const holder = Number(new TextDecoder().decode(readIfThere(path) ?? new Uint8Array(0)));
    if (isAlive(holder)) {
      const advice = "Stop that process first; if it has nothing to do with this element, delete the lock.";
      throw new ElementFolderError(`${path} says that process ${holder} has this element open. ${advice}`);
    }
    rmSync(path, { force: true });
  }
  throw new ElementFolderError(`${path} cannot be taken: another process took it at the same moment`);
}

function isAlive(processId: number): boolean {
  if (!Number.isInteger(processId) || processId <= 0) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}
