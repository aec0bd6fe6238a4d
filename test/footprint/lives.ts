/**
 * Simulated chips whose every command and answer is written down, from each power-on: what a board does again from the first on, with
 * the same random bytes, and must answer the same to the byte.
 */

import { AID_MONEY_MODULE, AID_PURSE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import { ChipFactory, type ChipSort, type SimulatedChip } from "../../host/chips.js";
import { Element } from "../../host/element.js";
import { SimulatorTransport } from "../../host/transports/simulator.js";
import { type AppletName, shippedApplet } from "../../simulator/applet-files.js";
import { Chip } from "../../simulator/chip.js";
import { Element as SimulatedElement } from "../../simulator/element.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import type { Clock } from "../../simulator/time.js";

export interface RecordedExchange {
  readonly command: Uint8Array;
  readonly response: Uint8Array;
  readonly now_ms: number;
}

/** What happened between two power-ons of a chip. */
export interface Life {
  readonly applet: AppletName;
  /** Of its random bytes, which begin anew with each power-on. */
  readonly seed: string;
  /** As power came. */
  readonly now_ms: number;
  readonly exchanges: RecordedExchange[];
}

const APPLETS: Readonly<Record<ChipSort, { readonly applet: AppletName; readonly aid: number }>> = {
  module: { applet: "money-module", aid: AID_MONEY_MODULE },
  agent: { applet: "trusted-agent", aid: AID_TRUSTED_AGENT },
  purse: { applet: "purse", aid: AID_PURSE },
};

export class RecordedChips extends ChipFactory {
  readonly #seed: string;
  readonly #clock: Clock;
  readonly #lives = new Map<SimulatedElement, Life[]>();
  readonly #chips = new Map<string, SimulatedChip>();

  constructor(seed: string, clock: Clock) {
    super();
    this.#seed = seed;
    this.#clock = clock;
  }

  /** All lives of a chip, the present one last. */
  livesOf({ simulated }: Pick<SimulatedChip, "simulated">): readonly Life[] {
    const lives = this.#lives.get(simulated);
    if (lives === undefined) throw new RangeError("simulated: it is none of these chips");
    return lives;
  }

  override async chip(name: string, sort: ChipSort): Promise<SimulatedChip> {
    const known = this.#chips.get(name);
    if (known !== undefined) {
      await known.element.select();
      return known;
    }
    const { applet, aid } = APPLETS[sort];
    const randomness = new SeededRandomness(sodiumCryptography, "");
    const chip = new Chip({ cryptography: sodiumCryptography, randomness, clock: this.#clock });
    const simulated = new SimulatedElement(shippedApplet(applet), chip);
    const lives: Life[] = [];
    this.#lives.set(simulated, lives);
    const powerOn = simulated.powerOn.bind(simulated);
    simulated.powerOn = () => {
      const seed = `${this.#seed} ${name} ${lives.length}`;
      lives.push({ applet, seed, now_ms: this.#clock.nowMs(), exchanges: [] });
      randomness.setState(new SeededRandomness(sodiumCryptography, seed).state());
      powerOn();
    };
    const transmit = simulated.transmit.bind(simulated);
    simulated.transmit = (command) => {
      const response = transmit(command);
      lives.at(-1)?.exchanges.push({ command: command.slice(), response, now_ms: this.#clock.nowMs() });
      return response;
    };
    const transport = new SimulatorTransport(simulated, name);
    const made = { element: await Element.select(transport, aid), simulated, transport };
    this.#chips.set(name, made);
    return made;
  }
}
