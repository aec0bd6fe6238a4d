/** Every way to cards together: what one of them lacks, its library or its service, does not hide the others. */

import { asError } from "../as-error.js";
import { PcscPlaces } from "./pcsc-places.js";
import type { CardPlace, CardPlaces, PlaceEvent } from "./place.js";
import { SerialPlaces } from "./serial-places.js";
import { UsbPlaces } from "./usb-places.js";

export class AllPlaces implements CardPlaces {
  readonly #sources: readonly CardPlaces[];
  #missing: readonly Error[] = [];

  constructor(sources: readonly CardPlaces[]) {
    this.#sources = sources;
  }

  /** Why some ways were closed when places were listed last. */
  get missing(): readonly Error[] {
    return this.#missing;
  }

  async list(): Promise<CardPlace[]> {
    const lists = await Promise.allSettled(this.#sources.map(async (source) => source.list()));
    this.#missing = lists.flatMap((each) => (each.status === "rejected" ? [asError(each.reason)] : []));
    return lists.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
  }

  named(locator: string): CardPlace | undefined {
    for (const source of this.#sources) {
      const place = source.named?.(locator);
      if (place !== undefined) return place;
    }
    return undefined;
  }

  watch(changed: (event: PlaceEvent) => void, failed: (error: Error) => void) {
    const watches = this.#sources.map((source) => source.watch(changed, failed));
    return {
      stop: async () => {
        await Promise.all(watches.map((each) => each.stop()));
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.close()));
  }
}

/** All that this computer may have. Close them. */
export function allPlaces(): AllPlaces {
  return new AllPlaces([new PcscPlaces(), new UsbPlaces(), new SerialPlaces()]);
}
