/** The simulator in the place of a board: the same applets, seed, clock and geometry. What it answers is what a board must answer. */

import { AID_MONEY_MODULE, AID_PURSE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import { type AppletName, shippedApplet } from "../../simulator/applet-files.js";
import { Card } from "../../simulator/card/card.js";
import type { RegisterStorage } from "../../simulator/chip.js";
import { Chip } from "../../simulator/chip.js";
import { Element } from "../../simulator/element.js";
import { DEFAULT_GEOMETRY, type FlashStorage, MemoryFlashStorage } from "../../simulator/flash.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import type { Kept } from "./board.js";

const AID_PREFIX = Uint8Array.of(0xf0, 0x54, 0x41, 0x4c, 0x4c, 0x59);
const NUMBERS: Readonly<Record<AppletName, number>> = {
  "money-module": AID_MONEY_MODULE,
  "trusted-agent": AID_TRUSTED_AGENT,
  purse: AID_PURSE,
};

export function aidOf(applet: AppletName): Uint8Array {
  return Uint8Array.of(...AID_PREFIX, NUMBERS[applet]);
}

export function selectCommand(applet: AppletName, channel = 0): Uint8Array {
  const aid = aidOf(applet);
  return Uint8Array.of(channel, 0xa4, 4, 0, aid.length, ...aid, 0);
}

/** What outlives a process, for a reference that is started again. */
interface Storage {
  readonly flash: FlashStorage;
  registers: Uint8Array | undefined;
}

/** Chips with the storage of one folder, started as often as the board is. */
export class ReferenceStore {
  readonly #storages = new Map<AppletName, Storage>();

  storage(applet: AppletName): Storage {
    let storage = this.#storages.get(applet);
    if (storage === undefined) {
      storage = { flash: new MemoryFlashStorage(DEFAULT_GEOMETRY), registers: undefined };
      this.#storages.set(applet, storage);
    }
    return storage;
  }

  /** From now on what a board kept. */
  take(applet: AppletName, { flash, registers }: Kept): void {
    const storage = this.storage(applet);
    storage.flash.bytes.set(flash);
    storage.registers = registers.length === 0 ? undefined : registers.slice();
  }

  kept(applet: AppletName): Kept {
    const { flash, registers } = this.storage(applet);
    const region = DEFAULT_GEOMETRY.pageCount * DEFAULT_GEOMETRY.pageSizeBytes;
    return { flash: flash.bytes.slice(0, region), registers: registers ?? new Uint8Array(0) };
  }
}

export interface ReferenceStart {
  readonly applets: readonly AppletName[];
  readonly seed: string;
  readonly now_ms: number;
}

export class Reference {
  readonly card: Card;
  readonly elements = new Map<AppletName, Element>();
  #now_ms: number;

  constructor({ applets, seed, now_ms }: ReferenceStart, store: ReferenceStore) {
    this.#now_ms = now_ms;
    const randomness = new SeededRandomness(sodiumCryptography, seed);
    const clock = { nowMs: () => this.#now_ms, after: () => ({ cancel: () => undefined }) };
    for (const applet of applets) {
      const storage = store.storage(applet);
      const registerStorage: RegisterStorage = {
        load: () => storage.registers,
        save: (registers) => {
          storage.registers = registers.slice();
        },
      };
      const parts = {
        cryptography: sodiumCryptography,
        randomness,
        clock,
        flashStorage: storage.flash,
        registerStorage,
      };
      this.elements.set(applet, new Element(shippedApplet(applet), new Chip(parts)));
    }
    this.card = new Card([...this.elements].map(([applet, element]) => ({ aid: aidOf(applet), element })));
    this.card.powerOn();
  }

  setClock(now_ms: number): void {
    this.#now_ms = now_ms;
  }
}
