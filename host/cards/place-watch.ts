/** Watching places that come and go without telling anybody who has not asked. */

import { asError } from "../as-error.js";
import type { Timers } from "../services/clock.js";
import type { CardPlace, PlaceEvent } from "./place.js";

/** Places are looked at this often. */
export const LOOK_EVERY_MS = 1000;

/** Looks again and again, and tells the difference. */
export class PlaceWatch {
  readonly #list: () => Promise<CardPlace[]>;
  readonly #changed: (event: PlaceEvent) => void;
  readonly #failed: (error: Error) => void;
  readonly #timers: Timers;
  #known = new Map<string, CardPlace>();
  #failure: string | undefined;
  #isStopped = false;
  #stopWaiting: () => void = () => undefined;
  #looking: Promise<void>;

  constructor(
    list: () => Promise<CardPlace[]>,
    changed: (event: PlaceEvent) => void,
    failed: (error: Error) => void,
    timers: Timers,
  ) {
    this.#list = list;
    this.#changed = changed;
    this.#failed = failed;
    this.#timers = timers;
    this.#looking = this.#look();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopWaiting();
    await this.#looking;
  }

  async #look(): Promise<void> {
    try {
      const places = await this.#list();
      this.#failure = undefined;
      if (!this.#isStopped) this.#tell(new Map(places.map((place) => [place.locator, place])));
    } catch (error) {
      this.#fail(asError(error));
    }
    if (this.#isStopped) return;
    this.#stopWaiting = this.#timers.after(LOOK_EVERY_MS, () => {
      this.#looking = this.#look();
    });
  }

  /** The same trouble is told once, not each second. */
  #fail(error: Error): void {
    if (this.#isStopped || this.#failure === error.message) return;
    this.#failure = error.message;
    this.#failed(error);
  }

  #tell(now: Map<string, CardPlace>): void {
    const before = this.#known;
    this.#known = now;
    for (const [locator, place] of before) if (!now.has(locator)) this.#changed({ kind: "removed", place });
    for (const [locator, place] of now) {
      const state = before.get(locator)?.state;
      if (state === undefined) this.#changed({ kind: "added", place });
      else if (state !== place.state) this.#changed({ kind: "changed", place });
    }
  }
}

/** The watches of one way to cards, which end with it. */
export class PlaceWatches {
  readonly #running = new Set<PlaceWatch>();

  add(watch: PlaceWatch): { readonly stop: () => Promise<void> } {
    this.#running.add(watch);
    return {
      stop: async () => {
        this.#running.delete(watch);
        await watch.stop();
      },
    };
  }

  async close(): Promise<void> {
    for (const watch of this.#running) await watch.stop();
    this.#running.clear();
  }
}
