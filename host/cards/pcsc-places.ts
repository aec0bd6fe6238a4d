/** Readers of PC/SC as places for cards. */

import { asError } from "../as-error.js";
import { toHex } from "../codec/bytes.js";
import { systemTimers, type Timers } from "../services/clock.js";
import { ReaderMissingError } from "../transports/card-errors.js";
import { PCSC_LIMITS, type PcscLimits, PcscTransport, type ReaderSource } from "../transports/pcsc.js";
import * as native from "../transports/pcsc-native.js";
import { PcscMonitor, type ReaderSlot } from "./pcsc-monitor.js";
import type { CardPlace, CardPlaces, PlaceEvent, PlaceState } from "./place.js";

export interface PcscPlacesParts {
  /** By default the library of this computer. */
  readonly load?: () => native.NativeLibrary;
  readonly timers?: Timers;
  readonly limits?: PcscLimits;
}

const PCSC_PREFIX = "pcsc:";

/** A service that ended is looked for again after this. */
const RETRY_MS = 1_000;

interface Watcher {
  readonly changed: (event: PlaceEvent) => void;
  readonly failed: (error: Error) => void;
  /** The last state that it was told of, by the reader's name. */
  readonly told: Map<string, string>;
}

export class PcscPlaces implements CardPlaces {
  readonly #load: () => native.NativeLibrary;
  readonly #timers: Timers;
  readonly #limits: PcscLimits;
  readonly #watchers = new Set<Watcher>();
  #monitor: PcscMonitor | undefined;
  #cancelRetry: (() => void) | undefined;
  /** Watchers were told that there is no service. */
  #isFailed = false;
  #isClosed = false;

  constructor(parts: PcscPlacesParts = {}) {
    this.#load = parts.load ?? native.loadNative;
    this.#timers = parts.timers ?? systemTimers;
    this.#limits = parts.limits ?? PCSC_LIMITS;
  }

  async list(): Promise<CardPlace[]> {
    return (await this.#running().list()).map((slot) => this.#place(slot));
  }

  watch(changed: (event: PlaceEvent) => void, failed: (error: Error) => void) {
    const watcher: Watcher = { changed, failed, told: new Map() };
    this.#watchers.add(watcher);
    // Of what is known already only this one is not told.
    native.later(() => this.#look());
    return {
      stop: async () => {
        this.#watchers.delete(watcher);
        if (this.#watchers.size === 0) this.#cancelRetry?.();
      },
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watchers.clear();
    this.#cancelRetry?.();
    const monitor = this.#monitor;
    this.#monitor = undefined;
    await monitor?.close();
  }

  /** The monitor at work; throws where it cannot begin. */
  #running(): PcscMonitor {
    if (this.#isClosed) throw new RangeError("places: closed");
    if (this.#monitor !== undefined) return this.#monitor;
    const monitor: PcscMonitor = new PcscMonitor(this.#load, this.#timers, {
      added: (slot) => this.#tell("added", slot),
      changed: (slot) => this.#tell("changed", slot),
      removed: (slot) => this.#tell("removed", slot),
      ended: (error) => this.#ended(monitor, error),
    });
    this.#monitor = monitor;
    this.#isFailed = false;
    return monitor;
  }

  /** Begins to watch, now and again until it is possible, and tells everybody what is there. */
  #look(): void {
    if (this.#watchers.size === 0 || this.#isClosed) return;
    try {
      const monitor = this.#running();
      monitor.list().then(
        (slots) => {
          for (const slot of slots) this.#tell("added", slot);
        },
        // Its end is told by itself.
        () => undefined,
      );
    } catch (error) {
      this.#fail(asError(error));
    }
  }

  #ended(monitor: PcscMonitor, error: Error): void {
    if (this.#monitor === monitor) this.#monitor = undefined;
    void monitor.close();
    if (this.#watchers.size > 0) this.#fail(error);
  }

  #fail(error: Error): void {
    if (!this.#isFailed) for (const { failed } of this.#watchers) failed(error);
    this.#isFailed = true;
    this.#cancelRetry?.();
    this.#cancelRetry = this.#timers.after(RETRY_MS, () => this.#look());
  }

  /** What a watcher knows already it is not told again: the service also tells of who uses a card, and of every restart. */
  #tell(kind: PlaceEvent["kind"], slot: ReaderSlot): void {
    for (const { told, changed } of this.#watchers) {
      const before = told.get(slot.name);
      if (kind === "removed") {
        told.delete(slot.name);
        if (before !== undefined) changed({ kind, place: this.#place(slot) });
        continue;
      }
      const now = `${stateOf(slot)} ${slot.atr === undefined ? "" : toHex(slot.atr)}`;
      if (before === now) continue;
      told.set(slot.name, now);
      changed({ kind: before === undefined ? "added" : "changed", place: this.#place(slot) });
    }
  }

  #place(slot: ReaderSlot): CardPlace {
    const { name, atr } = slot;
    return {
      locator: `${PCSC_PREFIX}${name}`,
      title: name,
      state: stateOf(slot),
      ...(atr === undefined ? {} : { atr }),
      connect: () => PcscTransport.open(this.#source(name), this.#timers, this.#limits),
    };
  }

  #source(name: string): ReaderSource {
    return {
      name,
      take: async () => {
        const monitor = this.#running();
        await monitor.list();
        const reader = monitor.takeReader(name);
        if (reader === undefined) throw new ReaderMissingError(name);
        return reader;
      },
      give: (reader) => this.#monitor?.giveReader(reader),
      atr: () => this.#monitor?.slot(name)?.atr,
    };
  }
}

function stateOf({ state = 0 }: ReaderSlot): PlaceState {
  if ((state & native.STATE_EMPTY) !== 0) return "empty";
  if ((state & native.STATE_MUTE) !== 0) return "mute";
  if ((state & native.STATE_EXCLUSIVE) !== 0) return "busy";
  return (state & native.STATE_PRESENT) !== 0 ? "card" : "empty";
}
