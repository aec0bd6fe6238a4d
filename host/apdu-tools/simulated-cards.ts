/**
 * Blank simulated chips in memory, for trying commands: by the machine's randomness and clock, or by a seed and a fixed time,
 * so that a session gives the same bytes each time. One chip each, or one card that holds all three applets.
 */

import { shippedApplet } from "../../simulator/applet-files.js";
import { Card } from "../../simulator/card/card.js";
import { Chip } from "../../simulator/chip.js";
import { Element } from "../../simulator/element.js";
import { MachineRandomness, SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { MachineClock, VirtualClock } from "../../simulator/time.js";
import { APPLET_NAMED, APPLET_NAMES, APPLETS, type AppletName, aidOf } from "../applets.js";
import type { Transport } from "../transport.js";
import { SimulatorTransport } from "../transports/simulator.js";
import type { Target } from "./runner.js";

/** When time stands still for a seed: 2027-01-15T08:00:00Z. */
const SEEDED_NOW_MS = 1_800_000_000_000;

export const BLANK_KINDS = [...APPLET_NAMES, "card"] as const;
export type BlankKind = (typeof BLANK_KINDS)[number];

export function blankTarget(kind: BlankKind, seed: string | undefined): Target {
  if (kind === "card") return { name: kind, transport: new CardTransport(blankCard(seed), "blank simulated card") };
  const name = APPLET_NAMED[kind].sort;
  return { name, transport: new SimulatorTransport(blankElement(kind, seed), `blank simulated ${kind}`), applet: kind };
}

function blankElement(applet: AppletName, seed: string | undefined): Element {
  const randomness =
    seed === undefined
      ? new MachineRandomness(sodiumCryptography)
      : new SeededRandomness(sodiumCryptography, `blank ${applet} ${seed}`);
  const clock = seed === undefined ? new MachineClock() : new VirtualClock(SEEDED_NOW_MS);
  return new Element(shippedApplet(applet), new Chip({ cryptography: sodiumCryptography, randomness, clock }));
}

function blankCard(seed: string | undefined): Card {
  return new Card(APPLETS.map(({ number, name }) => ({ aid: aidOf(number), element: blankElement(name, seed) })));
}

/** A simulated card with channels, without a reader between. */
export class CardTransport implements Transport {
  readonly name: string;
  readonly extendedLength = true;
  readonly #card: Card;

  /** Powers the card on. */
  constructor(card: Card, name: string) {
    this.#card = card;
    this.name = name;
    if (!card.isOn) card.powerOn();
  }

  transmit(apdu: Uint8Array): Uint8Array {
    return this.#card.transmit(apdu);
  }

  reset(): void {
    this.#card.powerOn();
  }

  close(): void {
    this.#card.powerOff();
  }
}
