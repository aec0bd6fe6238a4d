/** Places that are tables: cards of simulated chips without any reader. */

import type { CardPlace, PlaceState } from "../../host/cards/place.js";
import type { Transport } from "../../host/transport.js";
import type { OpenPlaces } from "../../host/world/owners-device.js";
import { Card, type CardApplication } from "../../simulator/card/card.js";
import type { Element as SimulatedElement } from "../../simulator/element.js";

export function application(applet: number, element: SimulatedElement): CardApplication {
  return { aid: Uint8Array.of(0xf0, 0x54, 0x41, 0x4c, 0x4c, 0x59, applet), element };
}

class CardTransport implements Transport {
  readonly name: string;
  readonly extendedLength = true;
  readonly #card: Card;

  constructor(name: string, card: Card) {
    this.name = name;
    this.#card = card;
    card.powerOn();
  }

  async transmit(apdu: Uint8Array): Promise<Uint8Array> {
    return this.#card.transmit(apdu);
  }

  async reset(): Promise<void> {
    this.#card.powerOn();
  }

  async close(): Promise<void> {
    this.#card.powerOff();
  }
}

export class TablePlaces implements OpenPlaces {
  missing: Error[] = [];
  readonly #places: CardPlace[] = [];
  readonly cards: Card[] = [];
  /** Titles of places whose card somebody wanted, in order. */
  readonly asked: string[] = [];
  isClosed = false;

  /** A card with these, in a reader of this name. */
  put(title: string, ...applications: CardApplication[]): Card {
    const card = new Card(applications);
    this.cards.push(card);
    this.#add(title, "card", async () => new CardTransport(title, card));
    return card;
  }

  /** A reader whose card cannot be taken. */
  refuse(title: string, state: PlaceState, error: Error): void {
    this.#add(title, state, async () => {
      throw error;
    });
  }

  #add(title: string, state: PlaceState, connect: () => Promise<Transport>): void {
    const place = { locator: `pcsc:${title}`, title, state };
    this.#places.push({
      ...place,
      connect: () => {
        this.asked.push(title);
        return connect();
      },
    });
  }

  async list(): Promise<CardPlace[]> {
    return this.#places;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}
