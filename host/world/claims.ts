/**
 * Who works with which part of a home: the bank, the card network, a merchant, a wallet. A part belongs to one process at a
 * time, and other parts of the same home to others meanwhile. The chips of a device are a part of their own: one process may
 * be the card in a reader, and another the wallet that works with that card.
 *
 *   home/parts/PART.lock    held by whoever has claimed the part
 *   home/parts/PART.json    the process that did, and where it is served
 *
 * The lock is an exclusive lock of SQLite's: the operating system takes it back from a process that was killed, and no
 * number of a process that is gone can be mistaken for one that lives. Whoever only asks who has a part takes a shared lock
 * for a moment, which does not look to others who ask as if somebody had it; whoever takes the part waits that moment.
 */

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type Libsql from "libsql";
import { exclusiveLock, isLocked, unlock } from "../services/exclusive-lock.js";

export type Part =
  | "settings"
  | "bank"
  | "network"
  | "mint"
  | "clearance"
  | `merchant-${string}`
  | `seller-${string}`
  | `purse-${string}`
  | `wallet-${string}`
  | `chips-${string}`;

/** Where a part of the home is served by another process. */
export interface Announcement {
  /** Undefined for a moment only: it has the part, and has not said so yet. */
  readonly process?: number;
  /** URL of its lines, or of the card network's port; absent while it serves nobody. */
  readonly url?: string;
  /** Where others than this home's processes find it. */
  readonly publicUrl?: string;
}

/** Another process works with this part of the home. */
export class PartInUseError extends Error {
  readonly part: Part;
  readonly holder: Announcement | undefined;

  constructor(folder: string, part: Part, holder: Announcement | undefined) {
    const who = holder?.process === undefined ? "Another process" : `Process ${holder.process}`;
    super(
      `${who} is working in ${folder} with ${nameOf(part)}. Nothing was done and no money moved. ` +
        "Wait until it has ended, or stop it, and run the command again.",
    );
    this.name = "PartInUseError";
    this.part = part;
    this.holder = holder;
  }
}

function nameOf(part: Part): string {
  const [kind = "", ...name] = part.split("-");
  if (kind === "merchant") return `the merchant ${name.join("-")}`;
  if (kind === "wallet") return `the device ${name.join("-")}`;
  if (kind === "chips") return `the chips of ${name.join("-")}`;
  return kind === "network" ? "the card network" : `the ${kind}`;
}

export class Claims {
  readonly #folder: string;
  readonly #held = new Map<Part, Libsql.Database>();

  /** `folder` is the home. */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(this.#path(""), { recursive: true, mode: 0o700 });
  }

  #path(file: string): string {
    return join(this.#folder, "parts", file);
  }

  /** Takes the part for this process, until it is given back. What this process has already stays its own. */
  take(part: Part): void {
    if (!this.tryTake(part)) throw new PartInUseError(this.#folder, part, this.#read(part));
  }

  /** As `take`; false when another process has it. */
  tryTake(part: Part): boolean {
    if (this.#held.has(part)) return true;
    const lock = exclusiveLock(this.#path(`${part}.lock`), ASKED_MS_MAX);
    if (lock === undefined) return false;
    this.#held.set(part, lock);
    this.#write(part, { process: process.pid });
    return true;
  }

  /** Tells other processes where this one serves the part; undefined: nowhere any more. */
  announce(part: Part, url: string | undefined, publicUrl?: string): void {
    if (!this.#held.has(part)) throw new RangeError(`part: ${part} is not claimed`);
    const announcement = { process: process.pid, ...(url === undefined ? {} : { url }) };
    // Only where it is another one.
    this.#write(part, publicUrl === undefined || publicUrl === url ? announcement : { ...announcement, publicUrl });
  }

  /** Who else works with the part; undefined when nobody does, or this process itself. */
  holder(part: Part): Announcement | undefined {
    if (this.#held.has(part)) return undefined;
    return isLocked(this.#path(`${part}.lock`)) ? (this.#read(part) ?? {}) : undefined;
  }

  has(part: Part): boolean {
    return this.#held.has(part);
  }

  /** Gives one part back. */
  giveBack(part: Part): void {
    const lock = this.#held.get(part);
    if (lock === undefined) return;
    rmSync(this.#path(`${part}.json`), { force: true });
    unlock(lock);
    this.#held.delete(part);
  }

  release(): void {
    for (const part of [...this.#held.keys()]) this.giveBack(part);
  }

  #write(part: Part, announcement: Announcement): void {
    const path = this.#path(`${part}.json`);
    writeFileSync(`${path}.new`, JSON.stringify(announcement), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  #read(part: Part): Announcement | undefined {
    try {
      const read = JSON.parse(readFileSync(this.#path(`${part}.json`), "utf8")) as Partial<Announcement> | null;
      if (typeof read?.process !== "number") return undefined;
      return {
        process: read.process,
        ...(typeof read.url === "string" ? { url: read.url } : {}),
        ...(typeof read.publicUrl === "string" ? { publicUrl: read.publicUrl } : {}),
      };
    } catch {
      return undefined; // Its holder has the lock and has not written yet, or was killed as it wrote.
    }
  }
}

/** Longer than anybody asks who has a part; a process that has it has it for longer. */
const ASKED_MS_MAX = 200;
