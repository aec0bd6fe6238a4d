/**
 * Where a world keeps what it is made of: chips, books, keys, settings. In a folder, from command to command, or in memory.
 *
 *   home/parts/                 which process works with which part of it (claims.ts)
 *   home/world.json             names, PINs of the sandbox, settings; 0600
 *   home/agencies.json          the agencies' keys; 0600
 *   home/chips/NAME/            flash and keys of a chip
 *   home/books/NAME.sqlite      books of a service
 */

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Kysely } from "kysely";
import { ChipFactory, type ChipParts } from "../chips.js";
import { type DatabaseLocation, openDatabase } from "../services/database.js";
import { type Announcement, Claims, type Part } from "./claims.js";

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
  /** Takes a part of the home for this process until the home is closed; refused while another process has it. */
  claim(part: Part): void;
  /** Takes a part for as long as the work lasts. A part that this process has already it keeps. */
  withClaim<Result>(part: Part, work: () => Promise<Result>): Promise<Result>;
  /** Who else works with the part, if anybody does. */
  holder(part: Part): Announcement | undefined;
  /** Tells other processes where this one serves the part; undefined: nowhere any more. */
  announce(part: Part, url: string | undefined, publicUrl?: string): void;
  close(): Promise<void>;
}

/** What only the home of a single wallet has in it (remote.ts). */
export const REMOTE_WALLET_FILE = "wallet.json";

export function isRemoteHome(home: Pick<Home, "holds">): boolean {
  return home.holds(REMOTE_WALLET_FILE);
}

/** A program of an earlier version is at work in the folder: it took the whole of it. */
export class HomeLockedError extends Error {
  constructor(path: string, holder: number) {
    super(
      `Process ${holder} is working in ${path}. Nothing was done and no money moved. Wait until it has ended; ` +
        `if there is no such process any more, remove ${join(path, "lock")}.`,
    );
    this.name = "HomeLockedError";
  }
}

/** There may be a home, and this user may not look. */
export class HomeForbiddenError extends Error {
  constructor(path: string, cause: unknown) {
    super(
      `This user may not read ${path}. Nothing was done and no money moved. Run the command as the user whose it is, ` +
        "or name another folder with --home.",
      { cause },
    );
    this.name = "HomeForbiddenError";
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

  claim(): void {}

  withClaim<Result>(_part: Part, work: () => Promise<Result>): Promise<Result> {
    return work();
  }

  holder(): undefined {
    return undefined;
  }

  announce(): void {}

  async close(): Promise<void> {
    this.chips.close();
    await this.closeDatabases();
  }
}

export class FolderHome extends OpenDatabases implements Home {
  readonly chips: ChipFactory;
  readonly place: string;
  readonly #claims: Claims;

  /** Opens the folder, and makes it if it is not there. Of its parts, one process at a time works with each. */
  constructor(path: string, chips: Omit<ChipParts, "folder"> = {}) {
    super();
    this.place = resolve(path);
    makeFolder(join(this.place, "books"));
    refuseOldLock(this.place);
    this.#claims = new Claims(this.place);
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
    if (readIfThere(path) === text) return;
    // On the disk before it takes the old one's place: a power cut leaves one or the other.
    writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
    renameSync(`${path}.new`, path);
  }

  claim(part: Part): void {
    this.#claims.take(part);
  }

  async withClaim<Result>(part: Part, work: () => Promise<Result>): Promise<Result> {
    if (this.#claims.has(part)) return work();
    this.claim(part);
    try {
      return await work();
    } finally {
      this.#claims.giveBack(part);
    }
  }

  holder(part: Part): Announcement | undefined {
    return this.#claims.holder(part);
  }

  announce(part: Part, url: string | undefined, publicUrl?: string): void {
    this.#claims.announce(part, url, publicUrl);
  }

  async close(): Promise<void> {
    this.chips.close();
    await this.closeDatabases();
    this.#claims.release();
  }
}

/** With those above it. Node's own way to do that goes round for ever where a system takes no folders and says ENOENT, as in /proc. */
function makeFolder(path: string): void {
  const make = () => mkdirSync(path, { mode: 0o700 });
  try {
    make();
  } catch (error) {
    if (hasCode(error, "EEXIST") && statSync(path).isDirectory()) return;
    if (!hasCode(error, "ENOENT") || dirname(path) === path) throw error;
    makeFolder(dirname(path));
    make();
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

/** Version 0.1 locked the whole folder. A lock whose process is gone was left by one that was killed. */
function refuseOldLock(folder: string): void {
  const path = join(folder, "lock");
  const holder = readIfThere(path);
  if (holder === undefined) return;
  if (isAlive(Number(holder))) throw new HomeLockedError(folder, Number(holder));
  rmSync(path, { force: true });
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

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
