/**
 * Chips on serial lines: `serial:PATH`, a serial port or the Unix socket of a board in an emulator. Nobody can see what is behind a
 * port without asking, and asking a stranger is rude: only ports that were named are places, in TALLY_SERIAL (several with commas between
 * them) or by their locators.
 */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { systemTimers } from "../services/clock.js";
import { type SerialSource, SerialTransport, type SerialTransportParts } from "../transports/serial.js";
import { serialSource } from "../transports/serial-port.js";
import type { CardPlace, CardPlaces, PlaceEvent } from "./place.js";
import { PlaceWatch, PlaceWatches } from "./place-watch.js";

const SERIAL_PREFIX = "serial:";
const WINDOWS_PORT = /^COM\d+$/i;

export interface SerialPlacesParts extends SerialTransportParts {
  /** Paths of the places that are listed. By default those of TALLY_SERIAL. */
  readonly paths?: readonly string[];
  readonly source?: (path: string) => SerialSource;
}

/** Paths in the environment. */
export function serialPaths(environment: Readonly<Record<string, string | undefined>> = process.env): string[] {
  const named = (environment["TALLY_SERIAL"] ?? "").split(",").map((path) => withoutPrefix(path.trim()));
  return [...new Set(named.filter((path) => path !== "").map(whole))];
}

/** People copy locators. */
function withoutPrefix(named: string): string {
  return named.startsWith(SERIAL_PREFIX) ? named.slice(SERIAL_PREFIX.length) : named;
}

/** One port has one name, wherever one stands. */
function whole(path: string): string {
  return WINDOWS_PORT.test(path) ? path : resolve(path);
}

export class SerialPlaces implements CardPlaces {
  readonly #parts: SerialPlacesParts;
  readonly #paths: readonly string[];
  readonly #watches = new PlaceWatches();

  constructor(parts: SerialPlacesParts = {}) {
    this.#parts = parts;
    this.#paths = parts.paths ?? serialPaths();
  }

  async list(): Promise<CardPlace[]> {
    return this.#paths.map((path) => this.#place(path));
  }

  /** A port that is not listed; what is wrong with it shows when it is connected. */
  named(locator: string): CardPlace | undefined {
    const isNamed = locator.startsWith(SERIAL_PREFIX) && locator.length > SERIAL_PREFIX.length;
    return isNamed ? { ...this.#place(whole(withoutPrefix(locator))), state: "card" } : undefined;
  }

  watch(changed: (event: PlaceEvent) => void, failed: (error: Error) => void) {
    const timers = this.#parts.timers ?? systemTimers;
    return this.#watches.add(new PlaceWatch(() => this.list(), changed, failed, timers));
  }

  close(): Promise<void> {
    return this.#watches.close();
  }

  #place(path: string): CardPlace {
    const { source = serialSource } = this.#parts;
    return {
      locator: `${SERIAL_PREFIX}${path}`,
      title: path,
      // Whether a chip is behind it is known only to who asks.
      state: WINDOWS_PORT.test(path) || existsSync(path) ? "card" : "empty",
      connect: () => SerialTransport.open(source(path), this.#parts),
    };
  }
}
