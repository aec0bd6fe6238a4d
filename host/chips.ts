/** Simulated chips for whoever has no real ones: the shipping firmware on the software platform, in memory or in a folder. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Applet } from "../simulator/applet.js";
import { loadApplet, shippedApplet, shippedAppletPath } from "../simulator/applet-files.js";
import { Chip } from "../simulator/chip.js";
import type { Cryptography } from "../simulator/crypto.js";
import { Element as SimulatedElement } from "../simulator/element.js";
import { ElementFolder } from "../simulator/element-folder.js";
import { DEFAULT_GEOMETRY, type FlashGeometry } from "../simulator/flash.js";
import { MachineRandomness, type Randomness } from "../simulator/randomness.js";
import { sodiumCryptography } from "../simulator/sodium.js";
import { MachineClock, type Clock as SimulatedClock } from "../simulator/time.js";
import { APPLET_OF_SORT } from "./applets.js";
import { Element } from "./element.js";
import type { ElementSort } from "./message-manager.js";
import { SimulatorTransport } from "./transports/simulator.js";

export interface ChipParts {
  /** By default libsodium's. A function gives the chip of this name its own. */
  readonly cryptography?: Cryptography | ((chipName: string) => Cryptography);
  readonly clock?: SimulatedClock;
  /** A source of random bytes for the chip of this name; by default the machine's. */
  readonly randomness?: (chipName: string) => Randomness;
  /** Of chips in memory; by default the usual one. */
  readonly geometry?: FlashGeometry;
  /** Where chips keep their flash and keys, a folder each; without it they live in memory. */
  readonly folder?: string;
  /** Whether the chip of this name has a monotonic counter; by default all have one. */
  readonly hasCounter?: (chipName: string) => boolean;
  /** Firmware with names and messages in its assertions, beside the release binary. */
  readonly debugFirmware?: boolean;
}

/** An element of a device, or a purse, which is a card of its own. */
export type ChipSort = ElementSort | "purse";

function appletOf(sort: ChipSort, debug: boolean): Applet {
  const { name } = APPLET_OF_SORT[sort];
  return debug ? loadApplet(shippedAppletPath(name).replace(/\.wasm$/, ".debug.wasm")) : shippedApplet(name);
}

/** A simulated chip with the client that talks to it. */
export interface SimulatedChip {
  readonly element: Element;
  readonly simulated: SimulatedElement;
  readonly transport: SimulatorTransport;
}

/** Makes chips, or finds those of earlier times in their folder. */
export class ChipFactory {
  readonly #parts: ChipParts;
  readonly #folders = new Map<string, ElementFolder>();
  readonly #chips = new Map<string, SimulatedChip>();

  constructor(parts: ChipParts = {}) {
    this.#parts = parts;
  }

  /** The chip of this name, powered on and selected. */
  async chip(name: string, sort: ChipSort): Promise<SimulatedChip> {
    const known = this.#chips.get(name);
    if (known === undefined) return this.#make(name, sort);
    await known.element.select();
    return known;
  }

  async #make(name: string, sort: ChipSort): Promise<SimulatedChip> {
    const { folder, debugFirmware, geometry } = this.#parts;
    const given = this.#parts.cryptography ?? sodiumCryptography;
    const cryptography = typeof given === "function" ? given(name) : given;
    const inMemory = geometry === undefined ? {} : { geometry };
    const storage = folder === undefined ? inMemory : this.#storage(name, join(folder, name));
    const chip = new Chip({
      cryptography,
      randomness: this.#parts.randomness?.(name) ?? new MachineRandomness(cryptography),
      clock: this.#parts.clock ?? new MachineClock(),
      hasCounter: this.#parts.hasCounter?.(name) ?? true,
      ...storage,
    });
    const simulated = new SimulatedElement(appletOf(sort, debugFirmware === true), chip);
    const transport = new SimulatorTransport(simulated, name);
    const made = { element: await Element.select(transport, APPLET_OF_SORT[sort].number), simulated, transport };
    this.#chips.set(name, made);
    return made;
  }

  #storage(name: string, path: string) {
    const folder = new ElementFolder(path, DEFAULT_GEOMETRY);
    this.#folders.set(name, folder);
    return { flashStorage: folder.flashStorage, registerStorage: folder.registerStorage };
  }

  /** Destroys a chip with all that is in it: the next of this name is a blank one. */
  discard(name: string): void {
    this.#folders.get(name)?.close();
    this.#folders.delete(name);
    this.#chips.delete(name);
    const { folder } = this.#parts;
    if (folder !== undefined) rmSync(join(folder, name), { recursive: true, force: true });
  }

  close(): void {
    this.#chips.clear();
    for (const folder of this.#folders.values()) folder.close();
    this.#folders.clear();
  }
}
