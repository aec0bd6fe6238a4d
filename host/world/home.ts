/**
 * Where a world keeps what it is made of: chips, books, keys, settings. In a folder, from command to command, or in memory.
 *
 *   home/lock                   the process that has it open
 *   home/world.json             names, PINs of the sandbox, settings; 0600
 *   home/agencies.json          the agencies' keys; 0600
 *   home/chips/NAME/            flash and keys of a chip
 *   home/books/NAME.sqlite      books of a service
 */

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Kysely } from "kysely";
import { ChipFactory, type ChipParts } from "../chips.js";
import { type DatabaseLocation, openDatabase } from "../services/database.js";

export interface Home {
  readonly chips: ChipFactory;
  /** For messages to people. */
  readonly place: string;
  database<Tables>(name: string): Kysely<Tables>;
  /** File of a database, for a process of its own; undefined in memory. */
  databaseFile(name: string): string | undefined;
  read(name: string): string | undefined;
  /** Whether there is a file or folder of this name. */
  holds(name: string): boolean;
  /** Replaces a file as one; only the owner reads it. */
  write(name: string, text: string): void;
  close(): Promise<void>;
}

/** Another command is at work in the folder. */
export class HomeLockedError extends Error {
  constructor(path: string, holder: number) {
    super(
      `Process ${holder} is working in ${path}. Nothing was done and no money moved. Wait until it has ended; ` +
        `if there is no such process any more, remove ${join(path, "lock")}.`,
    );
    this.name = "HomeLockedError";
  }
}

/** The folder that commands use unless told otherwise. */
export function defaultHomePath(): string {
  return process.env.TALLY_HOME || join(homedir(), ".tallystick");
}

abstract class OpenDatabases {
  readonly #databases = new Map<string, Kysely<unknown>>();

  database<Tables>(name: string): Kysely<Tables> {
    let database = this.#databases.get(name);
    if (database === undefined) {
      database = openDatabase<unknown>(this.location(name));
      this.#databases.set(name, database);
    }
    return database as unknown as Kysely<Tables>;
  }

  protected abstract location(name: string): DatabaseLocation;

  protected async closeDatabases(): Promise<void> {
    for (const database of this.#databases.values()) await database.destroy();
    this.#databases.clear();
  }
}

export class MemoryHome extends OpenDatabases implements Home {
  readonly chips: ChipFactory;
  readonly place = "memory";
  readonly #files = new Map<string, string>();

  constructor(chips: Omit<ChipParts, "folder"> = {}) {
    super();
    this.chips = new ChipFactory(chips);
  }

  protected location(): DatabaseLocation {
    return "memory";
  }

  databaseFile(): string | undefined {
    return undefined;
  }

  read(name: string): string | undefined {
    return this.#files.get(name);
  }

  holds(name: string): boolean {
    return this.#files.has(name);
  }

  write(name: string, text: string): void {
    this.#files.set(name, text);
  }

  async close(): Promise<void> {
    this.chips.close();
    await this.closeDatabases();
  }
}

export class FolderHome extends OpenDatabases implements Home {
  readonly chips: ChipFactory;
  readonly place: string;

  /** Opens the folder, and makes it if it is not there. One process at a time. */
  constructor(path: string, chips: Omit<ChipParts, "folder"> = {}) {
    super();
    this.place = resolve(path);
    mkdirSync(join(this.place, "books"), { recursive: true, mode: 0o700 });
    takeLock(this.place);
    this.chips = new ChipFactory({ ...chips, folder: join(this.place, "chips") });
  }

  protected location(name: string): DatabaseLocation {
    return { file: this.databaseFile(name) };
  }

  databaseFile(name: string): string {
    return join(this.place, "books", `${name}.sqlite`);
  }

  read(name: string): string | undefined {
    return readIfThere(join(this.place, name));
  }

  holds(name: string): boolean {
    return existsSync(join(this.place, name));
  }

  write(name: string, text: string): void {
    const path = join(this.place, name);
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  async close(): Promise<void> {
    this.chips.close();
    await this.closeDatabases();
    rmSync(join(this.place, "lock"), { force: true });
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function takeLock(folder: string): void {
  const path = join(folder, "lock");
  for (let tries = 0; tries < 2; tries += 1) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx", mode: 0o600 });
      return;
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
    const holder = Number(readIfThere(path) ?? "");
    if (isAlive(holder)) throw new HomeLockedError(folder, holder);
    // Its process is gone, killed perhaps: nothing else would ever remove it.
    rmSync(path, { force: true });
  }
  throw new HomeLockedError(folder, Number(readIfThere(path) ?? "0"));
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

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
