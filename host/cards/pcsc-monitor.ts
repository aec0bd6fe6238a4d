/**
 * The readers of a running PC/SC service and the cards in them, watched from the first list of readers until the service
 * ends or the monitor is closed. What the native library does in its own threads becomes a table here, and a call for each
 * change of it.
 */

import { asError } from "../as-error.js";
import type { Timers } from "../services/clock.js";
import { CardServiceMissingError } from "../transports/card-errors.js";
import { pause } from "../transports/pcsc.js";
import * as native from "../transports/pcsc-native.js";

/** A reader as the service last told of it. */
export interface ReaderSlot {
  readonly name: string;
  /** Bits of PC/SC; undefined: not told yet. */
  readonly state: number | undefined;
  readonly atr: Uint8Array | undefined;
}

export interface MonitorEvents {
  added(slot: ReaderSlot): void;
  changed(slot: ReaderSlot): void;
  removed(slot: ReaderSlot): void;
  /** The service ended; every reader was told as removed before. */
  ended(error: Error): void;
}

/** So long the service may take to list its readers and to tell the state of each. */
const FIRST_LIST_MS_MAX = 5_000;
/**
 * A thread of the library that is told to end in the moment in which it has just told of a change never says that it has
 * ended, and the process could not end either. It is told when no change is that young.
 */
const SETTLED_MS = 20;
const ENDED_MS_MAX = 1_000;

interface Watched {
  readonly reader: native.NativeReader;
  slot: ReaderSlot;
  isEnded: boolean;
}

let unended = 0;

/** Whether a thread of the library goes on for ever: then the process does not end by itself. */
export function isMonitorStuck(): boolean {
  return unended > 0;
}

export class PcscMonitor {
  readonly #readers: native.NativeReaders;
  readonly #timers: Timers;
  readonly #events: MonitorEvents;
  readonly #watched = new Map<string, Watched>();
  /** Those that are gone and have not said so. */
  readonly #leaving = new Set<Watched>();
  readonly #commandReaders = new Map<string, native.NativeReader[]>();
  readonly #waiting: { readonly isMet: () => boolean; readonly met: () => void }[] = [];
  #isListed = false;
  #isOver = false;
  #failure: Error | undefined;

  /** Throws where there is no library, or no service. */
  constructor(load: () => native.NativeLibrary, timers: Timers, events: MonitorEvents) {
    this.#timers = timers;
    this.#events = events;
    this.#readers = native.openNative(load);
    this.#readers.on("error", (error) => native.later(() => this.#ended(error)));
    this.#readers.on("reader", (reader) => this.#add(reader));
    this.#hearLists();
  }

  /** The library tells of readers that come; that there are none it tells nobody but itself. */
  #hearLists(): void {
    const readers = this.#readers;
    const start = readers.start.bind(readers);
    readers.start = (callback) => {
      start((error, names) => {
        const listed = error ? [] : namesIn(names);
        if (!error) this.#forgetAllBut(listed);
        callback(error, names);
        if (!error) this.#isListed = true;
        native.later(() => this.#check());
      });
    };
  }

  /** Before the library looks at a list: a reader that is back must be a new one to it. */
  #forgetAllBut(names: readonly string[]): void {
    for (const [name, watched] of this.#watched) {
      if (names.includes(name)) continue;
      this.#remove(name, watched);
    }
    for (const { reader, isEnded } of this.#leaving) {
      const isBack = names.includes(reader.name) && this.#readers.readers[reader.name] === reader;
      if (isBack && !isEnded) delete this.#readers.readers[reader.name];
    }
  }

  #add(reader: native.NativeReader): void {
    const slot: ReaderSlot = { name: reader.name, state: undefined, atr: undefined };
    const watched: Watched = { reader, slot, isEnded: false };
    this.#watched.set(reader.name, watched);
    reader.on("status", ({ state, atr }) => {
      if (this.#watched.get(reader.name) !== watched || this.#isOver) return;
      const before = watched.slot;
      watched.slot = { name: reader.name, state, atr: atr === undefined || atr.length === 0 ? undefined : atr };
      native.later(() => {
        if (this.#isOver) return;
        if (before.state === undefined) this.#events.added(watched.slot);
        else this.#events.changed(watched.slot);
        this.#check();
      });
    });
    // The reader is gone, or the service: "end" follows.
    reader.on("error", () => undefined);
    reader.on("end", () => {
      watched.isEnded = true;
      native.later(() => {
        this.#leaving.delete(watched);
        if (this.#watched.get(reader.name) === watched) this.#remove(reader.name, watched);
        this.#check();
      });
    });
  }

  #remove(name: string, watched: Watched): void {
    this.#watched.delete(name);
    this.#commandReaders.delete(name);
    if (!watched.isEnded) this.#leaving.add(watched);
    if (!this.#isOver && watched.slot.state !== undefined) native.later(() => this.#events.removed(watched.slot));
  }

  #ended(error: unknown): void {
    if (this.#isOver) return;
    const isNone = native.resultOf(error) !== native.CANCELLED;
    const failure = isNone ? new CardServiceMissingError(error) : asError(error);
    for (const [name, watched] of this.#watched) this.#remove(name, watched);
    this.#failure = failure;
    this.#isOver = true;
    this.#readers.close();
    native.later(() => this.#events.ended(failure));
    this.#check();
  }

  /** Every reader and its state, once they are known. */
  async list(): Promise<ReaderSlot[]> {
    await this.#until(
      () => this.#isOver || (this.#isListed && this.#slots().every(({ state }) => state !== undefined)),
      FIRST_LIST_MS_MAX,
    );
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#isListed) throw new CardServiceMissingError();
    return this.#slots();
  }

  #slots(): ReaderSlot[] {
    return [...this.#watched.values()].map(({ slot }) => slot);
  }

  /** As it is now; undefined: there is no such reader. */
  slot(name: string): ReaderSlot | undefined {
    return this.#watched.get(name)?.slot;
  }

  /** An object for commands to a reader; undefined: there is no such reader. */
  takeReader(name: string): native.NativeReader | undefined {
    const watched = this.#watched.get(name);
    if (watched === undefined) return undefined;
    return this.#commandReaders.get(name)?.pop() ?? native.commandReader(watched.reader);
  }

  /** Takes it back, for the next one who wants it. */
  giveReader(reader: native.NativeReader): void {
    if (!this.#watched.has(reader.name)) return;
    const free = this.#commandReaders.get(reader.name) ?? [];
    this.#commandReaders.set(reader.name, [...free, reader]);
  }

  /** Ends every thread of the library. */
  async close(): Promise<void> {
    if (this.#isListed) await pause(this.#timers, SETTLED_MS);
    const isFirst = !this.#isOver;
    this.#isOver = true;
    const all = [...this.#watched.values(), ...this.#leaving];
    if (isFirst) {
      for (const { reader, isEnded } of all) if (!isEnded) reader.close();
      this.#readers.close();
    }
    await this.#until(() => all.every(({ isEnded }) => isEnded), ENDED_MS_MAX);
    unended += all.filter(({ isEnded }) => !isEnded).length;
  }

  /** Waits for a condition that a call from the library makes true, and not for ever. */
  #until(isMet: () => boolean, wait_ms: number): Promise<void> {
    if (isMet()) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#timers.after(wait_ms, resolve);
      this.#waiting.push({
        isMet,
        met: () => {
          cancel();
          resolve();
        },
      });
    });
  }

  #check(): void {
    for (const each of [...this.#waiting]) {
      if (!each.isMet()) continue;
      this.#waiting.splice(this.#waiting.indexOf(each), 1);
      each.met();
    }
  }
}

/** Each ends with a zero, and the list with another. */
function namesIn(names: Uint8Array | undefined): string[] {
  return new TextDecoder()
    .decode(names)
    .split("\0")
    .filter((name) => name !== "");
}
