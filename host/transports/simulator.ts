/** A simulated element as a card: its answers come at once, without a turn of the event loop. */

import type { Element as SimulatedElement } from "../../simulator/element.js";
import { type Transport, TransportError } from "../transport.js";

export class SimulatorTransport implements Transport {
  readonly name: string;
  readonly extendedLength: boolean;
  readonly #element: SimulatedElement;

  /** Powers the element on. `extendedLength: false` makes it a card behind a reader for short APDUs. */
  constructor(element: SimulatedElement, name = "simulated chip", extendedLength = true) {
    this.#element = element;
    this.name = name;
    this.extendedLength = extendedLength;
    if (!element.isOn) element.powerOn();
  }

  transmit(apdu: Uint8Array): Uint8Array {
    try {
      return this.#element.transmit(apdu);
    } catch (error) {
      // Whatever stops the chip in mid-command, a power cut or a trap, looks from outside like a card that is gone.
      if (error instanceof RangeError) throw error;
      const cause = error instanceof Error ? error.message : String(error);
      throw new TransportError(`${this.name} stopped answering (${cause}).`, { cause: error });
    }
  }

  reset(): void {
    this.#element.powerOn();
  }

  close(): void {
    this.#element.powerOff();
  }
}
