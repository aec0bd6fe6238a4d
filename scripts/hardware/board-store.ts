/** The file of what a board in QEMU keeps: whose it is, and that one board at a time has it. */

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { APPLETS } from "../firmware/applets.js";
import type { AppletName } from "./applets.js";
import { BOARDS, type BoardName } from "./boards.js";

/** A store that cannot be used as it was asked for. */
export class StoreError extends Error {
  override readonly name = "StoreError";
}

export interface StoreContents {
  readonly board: BoardName;
  /** In the order of their elements. */
  readonly applets: readonly AppletName[];
  /** It was started with random bytes from a seed once: keys in it may be known. Absent: never. */
  readonly seeded?: boolean;
}

export interface StoreOrder {
  readonly board: BoardName;
  /** Undefined: those that are in it; in a new one the usual. */
  readonly applets: readonly AppletName[] | undefined;
  readonly usual: readonly AppletName[];
  /** Its random bytes will be those of a seed. */
  readonly seeded?: boolean;
}

/** Beside the store: an image with other applets would take one's flash for another's. */
function contentsPath(store: string): string {
  return `${store}.json`;
}

function lockPath(store: string): string {
  return `${store}.lock`;
}

function parsed(text: string): { readonly board?: unknown; readonly applets?: unknown; readonly seeded?: unknown } {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

function readContents(store: string): StoreContents | undefined {
  if (!existsSync(contentsPath(store))) {
    if (!existsSync(store)) return undefined;
    throw new StoreError(
      `There is no ${contentsPath(store)}, which says what is in ${store}: with other applets its chips would lose their keys. ` +
        "Nothing was started. Put it back, or name another file.",
    );
  }
  const { board, applets, seeded } = parsed(readFileSync(contentsPath(store), "utf8"));
  const isBoard = BOARDS.some((each) => each === board);
  const isList = Array.isArray(applets) && applets.every((each) => APPLETS.some((applet) => applet === each));
  if (!isBoard || !isList)
    throw new StoreError(
      `${contentsPath(store)} does not say whose store ${store} is. Nothing was started. Name another file.`,
    );
  const contents = { board: board as BoardName, applets: applets as AppletName[] };
  return seeded === true ? { ...contents, seeded } : contents;
}

/**
 * What is in the store, or will be: as it was before, and as it is asked for now. Where a seed was once it stays: a chip makes keys as
 * soon as it has power, and would say later that its random bytes are fit for them.
 */
export function settleContents(store: string, { board, applets, usual, seeded = false }: StoreOrder): StoreContents {
  const before = readContents(store);
  const contents = before ?? { board, applets: applets ?? usual };
  const isSame = contents.board === board && (applets === undefined || applets.join() === contents.applets.join());
  if (!isSame)
    throw new StoreError(
      `${store} is the store of a ${contents.board} with ${contents.applets.join(", ")}. Nothing was started. Start that, or ` +
        "name another file.",
    );
  if (before?.seeded === true && !seeded)
    throw new StoreError(
      `${store} was started with --seed before: keys in it may be known to others. Nothing was started. Start it with --seed, ` +
        "for tests, or name another file.",
    );
  const settled = seeded ? { ...contents, seeded } : contents;
  if (before === undefined || before.seeded !== settled.seeded)
    writeFileSync(contentsPath(store), `${JSON.stringify(settled)}\n`);
  return settled;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function busy(who: string, file: string): StoreError {
  return new StoreError(
    `${who} Nothing was started. Use that one, or end it first; if that process is another program, delete ${file}.`,
  );
}

/** Refuses while another has the store: two emulators would destroy what is in it. */
export function demandFree(store: string): void {
  if (!existsSync(lockPath(store))) return;
  const pid = Number(readFileSync(lockPath(store), "utf8"));
  if (!Number.isSafeInteger(pid) || pid <= 0 || !isRunning(pid)) return;
  throw busy(`A board runs on ${store} already, in process ${pid}.`, lockPath(store));
}

/** Takes a free store for this process. Of several who find it free at the same time all but one are refused. */
export function take(store: string): void {
  const taking = `${lockPath(store)}.new`;
  try {
    writeFileSync(taking, `${process.pid}\n`, { flag: "wx" });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    throw busy(`A board is being started on ${store}.`, taking);
  }
  try {
    // Of an emulator that is gone the lock may be left.
    demandFree(store);
    renameSync(taking, lockPath(store));
  } catch (error) {
    rmSync(taking, { force: true });
    throw error;
  }
}

/** What this process has taken is the emulator's now, though this one may be killed. */
export function passOn(store: string, pid: number): void {
  writeFileSync(lockPath(store), `${pid}\n`);
}

export function unlock(store: string): void {
  rmSync(lockPath(store), { force: true });
}
