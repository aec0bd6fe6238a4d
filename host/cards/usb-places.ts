/** USB devices as places of cards, each by its serial number: `usb:0123456789AB`. */

import { systemRandom } from "../randomness.js";
import { type Transport, TransportError } from "../transport.js";
import { CardInUseError, CardMuteError, CardUnusableError, ReaderMissingError } from "../transports/card-errors.js";
import { CtapHidClient } from "../transports/ctaphid-client.js";
import { HidTransport, type HidTransportParts, systemLineTime } from "../transports/hid.js";
import { UsbGoneError, UsbInUseError, UsbMuteError } from "../transports/hid-errors.js";
import { type HidDevice, type HidDevices, systemHidDevices, titleOf } from "../transports/node-hid.js";
import type { CardPlace, CardPlaces, PlaceEvent, PlaceState } from "./place.js";
import { PlaceWatch, PlaceWatches } from "./place-watch.js";

const USB_PREFIX = "usb:";

export interface UsbPlacesParts extends HidTransportParts {
  readonly devices?: HidDevices;
}

export class UsbPlaces implements CardPlaces {
  readonly #parts: UsbPlacesParts;
  readonly #devices: HidDevices;
  /** What is open here, by locator: such devices are not asked who has them. */
  readonly #ours = new Map<string, { readonly isOver: boolean }>();
  readonly #watches = new PlaceWatches();

  constructor(parts: UsbPlacesParts = {}) {
    this.#parts = parts;
    this.#devices = parts.devices ?? systemHidDevices;
  }

  async list(): Promise<CardPlace[]> {
    const places: CardPlace[] = [];
    for (const device of await this.#devices.list()) places.push(await this.#place(device));
    return places;
  }

  watch(changed: (event: PlaceEvent) => void, failed: (error: Error) => void): { readonly stop: () => Promise<void> } {
    return this.#watches.add(new PlaceWatch(() => this.list(), changed, failed, this.#parts.time ?? systemLineTime));
  }

  close(): Promise<void> {
    return this.#watches.close();
  }

  async #place(device: HidDevice): Promise<CardPlace> {
    const locator = `${USB_PREFIX}${device.serial}`;
    const state = this.#isOurs(locator) ? "card" : await this.#stateOf(device);
    return { locator, title: titleOf(device), state, connect: () => this.#connect(device, locator) };
  }

  /** Asks for a channel, once: a device that another program has for itself gives none. */
  async #stateOf(device: HidDevice): Promise<PlaceState> {
    try {
      const line = await this.#devices.open(device);
      const client = new CtapHidClient(line, this.#parts.time ?? systemLineTime, this.#parts.random ?? systemRandom);
      try {
        await client.initialize(0);
        return "card";
      } finally {
        await client.close();
      }
    } catch (error) {
      return error instanceof UsbInUseError ? "busy" : "mute";
    }
  }

  #isOurs(locator: string): boolean {
    return this.#ours.get(locator)?.isOver === false;
  }

  async #connect(device: HidDevice, locator: string): Promise<Transport> {
    // A second session of this process is another program to the first.
    if (this.#isOurs(locator)) throw new CardInUseError(titleOf(device));
    this.#ours.set(locator, { isOver: false });
    try {
      const transport = await HidTransport.open(await this.#devices.open(device), this.#parts);
      this.#ours.set(locator, transport);
      return transport;
    } catch (error) {
      this.#ours.delete(locator);
      throw refusalOf(titleOf(device), error);
    }
  }
}

/** Why a device could not be taken: nothing was asked of its card, and no answer is lost. */
function refusalOf(name: string, error: unknown): unknown {
  if (error instanceof UsbInUseError) return new CardInUseError(name);
  if (error instanceof UsbGoneError) return new ReaderMissingError(name, { cause: error });
  if (error instanceof UsbMuteError) return new CardMuteError(name, { cause: error });
  return error instanceof TransportError ? new CardUnusableError(error.what, { cause: error }) : error;
}
