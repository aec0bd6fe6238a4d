/** Readers whose cards are torn out at a command, before or after the chip has carried it out, and put in again. */

import type { CardPlace } from "../../host/cards/place.js";
import type { RandomOrigin, Transport } from "../../host/transport.js";
import { CardRemovedError } from "../../host/transports/card-errors.js";
import type { OpenPlaces } from "../../host/world/owners-device.js";
import { Card, type CardApplication } from "../../simulator/card/card.js";

/** "lost": the command did not arrive. "done": its answer did not. "late": neither did its answer, and the card stays in. */
export type Tear = "lost" | "done" | "late";

export class TornPlaces implements OpenPlaces {
  readonly missing: readonly Error[] = [];
  /** Headers of commands since `tear`, of all cards together. */
  readonly sent: Uint8Array[] = [];
  readonly cards: Card[] = [];
  readonly #places: CardPlace[] = [];
  #tornAt = Number.POSITIVE_INFINITY;
  #how: Tear = "lost";

  put(title: string, applications: readonly CardApplication[], randomOrigin?: RandomOrigin): Card {
    const card = new Card(applications);
    this.cards.push(card);
    const connect = async () => this.#connect(title, card, randomOrigin);
    this.#places.push({ locator: `pcsc:${title}`, title, state: "card", connect });
    return card;
  }

  takeOutAll(): void {
    this.#places.splice(0);
    this.cards.splice(0);
  }

  /** At the command of this number from now on; without one never. */
  tear(command = Number.POSITIVE_INFINITY, how: Tear = "lost"): void {
    this.sent.splice(0);
    this.#tornAt = command;
    this.#how = how;
  }

  async list(): Promise<CardPlace[]> {
    return this.#places;
  }

  async close(): Promise<void> {}

  #connect(title: string, card: Card, origin: RandomOrigin | undefined): Transport {
    card.powerOn();
    let isOut = false;
    return {
      name: title,
      extendedLength: true,
      transmit: async (apdu) => {
        if (isOut) throw new CardRemovedError(title);
        this.sent.push(apdu.slice(0, 4));
        if (this.sent.length !== this.#tornAt) return card.transmit(apdu);
        if (this.#how !== "lost") card.transmit(apdu);
        isOut = this.#how !== "late";
        if (isOut) card.powerOff();
        throw new CardRemovedError(title);
      },
      ...(origin === undefined ? {} : { randomOrigin: async () => origin }),
      reset: async () => card.powerOn(),
      close: async () => card.powerOff(),
    };
  }
}
