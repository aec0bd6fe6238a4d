/** A purse in a simulated chip whose power is cut where a fault says so, and whose every answer is watched. */

import { AID_PURSE } from "../../firmware/protocol/apdu.js";
import { Element } from "../../host/element.js";
import { PurseCard } from "../../host/tokens/buyer/card.js";
import { SimulatorTransport } from "../../host/transports/simulator.js";
import type { Applet } from "../../simulator/applet.js";
import { Chip } from "../../simulator/chip.js";
import { ElementOff, Element as SimulatedElement } from "../../simulator/element.js";
import { type Operation, PowerCut } from "../../simulator/faults.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { tearsOf } from "../../simulator/tears.js";
import type { Clock } from "../../simulator/time.js";
import { generator } from "../support/store-driver.js";
import type { Fault } from "./faults.js";
import type { HalvesWatch } from "./halves.js";

/** Small, so that an image of it is. */
export const FLASH = { pageSizeBytes: 4096, pageCount: 8, wordSizeBytes: 4 };
export const PIN = "1234";
export const PUK = "12345678";

/** An operation of a way without a fault, with all that the chip kept before and after it. */
export interface Traced {
  readonly number: number;
  readonly card: number;
  readonly operation: Operation;
  /** Messages that had been sent. */
  readonly messages: number;
  readonly before: Uint8Array;
  after: Uint8Array;
}

/** Counts the operations of all chips of a way. */
export class Operations {
  next = 0;
  /** Kept if asked for. */
  readonly trace: Traced[] | undefined;
  readonly faults: readonly Fault[];
  readonly struck: (fault: Fault) => void;
  readonly messages: () => number;

  constructor(
    faults: readonly Fault[],
    struck: (fault: Fault) => void,
    isTraced: boolean,
    /** How many were sent. */
    messages: () => number,
  ) {
    this.faults = faults;
    this.struck = struck;
    this.messages = messages;
    this.trace = isTraced ? [] : undefined;
  }
}

export function newChip(name: string, clock: Clock): Chip {
  const randomness = new SeededRandomness(sodiumCryptography, `token explorer ${name}`);
  return new Chip({ cryptography: sodiumCryptography, randomness, clock, geometry: FLASH });
}

/** Tears of an operation are the same in every way. */
export function seedOf({ address, lengthBytes }: Operation): number {
  return 1 + address + lengthBytes;
}

function tearOf(operation: Operation, number: number) {
  let at = 0;
  for (const tear of tearsOf(operation, FLASH.wordSizeBytes, generator(seedOf(operation))))
    if (at++ === number) return tear;
  throw new RangeError(`an operation of ${operation.lengthBytes} bytes has no tear ${number}`);
}

export class ExploredCard {
  readonly chip: Chip;
  readonly #index: number;
  readonly #operations: Operations;
  readonly #simulated: SimulatedElement;
  #element: Element | undefined;

  constructor(
    index: number,
    parts: {
      readonly name: string;
      readonly applet: Applet;
      readonly clock: Clock;
      readonly image: Uint8Array;
      readonly operations: Operations;
      readonly watch: HalvesWatch;
    },
  ) {
    this.#index = index;
    this.#operations = parts.operations;
    this.chip = newChip(parts.name, parts.clock);
    this.chip.restore(parts.image);
    this.chip.onOperation = (operation) => this.#operation(operation);
    this.#simulated = new SimulatedElement(parts.applet, this.chip);
    const transmit = this.#simulated.transmit.bind(this.#simulated);
    this.#simulated.transmit = (apdu) => {
      try {
        const answer = transmit(apdu);
        parts.watch.answered(apdu, answer);
        return answer;
      } catch (error) {
        // A cut is what was to happen; a chip without power says nothing; anything else must never be.
        if (!(error instanceof PowerCut || error instanceof ElementOff)) parts.watch.failed(error);
        throw error;
      }
    };
  }

  get isOn(): boolean {
    return this.#simulated.isOn;
  }

  get purse(): PurseCard {
    if (this.#element === undefined) throw new Error("the card was not put in");
    return new PurseCard(this.#element);
  }

  get id(): Uint8Array {
    return this.purse.element.id;
  }

  /** Power, PIN and date. */
  async start(now_seconds: bigint): Promise<void> {
    if (this.#element === undefined)
      this.#element = await Element.select(new SimulatorTransport(this.#simulated), AID_PURSE);
    else await this.#element.restart();
    await this.#element.verifyPin(PIN);
    await this.#element.open(now_seconds);
  }

  #operation(operation: Operation) {
    const { faults, struck, trace } = this.#operations;
    const number = this.#operations.next;
    this.#operations.next += 1;
    if (trace !== undefined) {
      const before = this.chip.snapshot();
      const last = trace.findLast(({ card }) => card === this.#index);
      if (last !== undefined && last.after.length === 0) last.after = before;
      const messages = this.#operations.messages();
      trace.push({ number, card: this.#index, operation, messages, before, after: new Uint8Array(0) });
    }
    const fault = faults.find((each) => each.kind === "cut" && each.operation === number);
    if (fault === undefined || fault.kind !== "cut") return undefined;
    struck(fault);
    return { cut: tearOf(operation, fault.tear) };
  }

  /** Rules of its flash that were broken. */
  get violations(): number {
    return this.chip.flash.violations;
  }

  /** The last operation of a trace has its image from the end. */
  endTrace(): void {
    const last = this.#operations.trace?.findLast(({ card }) => card === this.#index);
    if (last !== undefined && last.after.length === 0) last.after = this.chip.snapshot();
  }
}
