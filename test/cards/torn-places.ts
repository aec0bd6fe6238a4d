/** Readers whose cards are torn out at a command, before or after the chip has carried it out, and put in again. */

import type { CardPlace } from "../../host/cards/place.js";
import type { RandomOrigin, Transport } from "../../host/transport.js";
import { CardRemovedError } from "../../host/transports/card-errors.js";
import type { OpenPlaces } from "../../host/world/owners-device.js";
import type { CardProtocol } from "../../simulator/card/atr.js";
import type { CardApplication, ReadableCard } from "../../simulator/card/card.js";
import { cardOf } from "../support/cards.js";

/** "lost": the command did not arrive. "done": its answer did not. "late": neither did its answer, and the card stays in. */
export type Tear = "lost" | "done" | "late";

/** What is unlike other cards in readers. */
export interface PlacedCard {
  readonly protocol?: CardProtocol;
  readonly origin?: RandomOrigin;
}

export class TornPlaces implements OpenPlaces {
  readonly missing: readonly Error[] = [];
  /** Headers of commands since `tear`, of all cards together. */
  readonly sent: Uint8Array[] = [];
  readonly cards: ReadableCard[] = [];
  readonly #places: CardPlace[] = [];
  #tornAt = Number.POSITIVE_INFINITY;
  #how: Tear = "lost";

  put(title: string, applications: readonly CardApplication[], more: PlacedCard = {}): ReadableCard {
    const card = cardOf(applications, more.protocol ?? "T=1");
    this.cards.push(card);
    const hasPower = () => applications.every(({ element }) => element.isOn);
    const connect = async () => this.#connect(title, card, hasPower, more);
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

  #connect(title: string, card: ReadableCard, hasPower: () => boolean, { protocol, origin }: PlacedCard): Transport {
    card.powerOn();
    let isOut = false;
    return {
      name: title,
      extendedLength: protocol !== "T=0",
      transmit: async (apdu) => {
        if (isOut || !hasPower()) throw new CardRemovedError(title);
        this.sent.push(apdu.slice(0, 4));
        if (this.sent.length !== this.#tornAt) {
          const answer = await card.transmit(apdu);
          // One chip that lost its power in mid-command did not lose its own alone.
          if (!hasPower()) throw new CardRemovedError(title);
          return answer;
        }
        if (this.#how !== "lost") await card.transmit(apdu);
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
