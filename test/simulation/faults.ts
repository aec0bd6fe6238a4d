/**
 * What strikes a transaction of a simulated world, drawn from the seed: a message on its way, the power of a chip in the middle of a
 * write, the life of a host, a host that says again what was said long ago. Where it falls is drawn within what the last undisturbed
 * transaction of the kind took, so that most blows fall somewhere.
 */

import { ADDRESS_PEER, KIND_HANDSHAKE, KIND_SEALED } from "../../firmware/protocol/messages.js";
import type { SimulatedChip } from "../../host/chips.js";
import type { Fate } from "../../simulator/faults.js";
import type { SeededRandomness } from "../../simulator/randomness.js";
import { SUBSETS, tearsOf } from "../../simulator/tears.js";
import { MESSAGE_FAULTS, type Strike } from "../support/faults.js";
import type { Host } from "./hosts.js";
import type { Injection } from "./meeting.js";

/** Of so many transactions one is struck. */
const STRUCK_EVERY = 4;
/** Of so many meetings that are to settle something one is struck too. */
const MEETING_STRUCK_EVERY = 8;
/** Of so many transactions one is a cheat's, who has had a module copied. */
const CHEAT_EVERY = 150;
/** How many transactions long a partition lasts, at most, and any other separation. */
const PARTITION_MAX = 300;
const APART_MAX = 8;
const INJECTED_MAX = 6;
const GARBAGE_BYTES_MAX = 400;
const ARCHIVE_MAX = 400;

const WEIGHTS = {
  message: 40,
  power: 25,
  death: 20,
  restart: 4,
  partition: 8,
  replay: 6,
  garbage: 4,
  misuse: 4,
} as const;
type Sort = keyof typeof WEIGHTS;
const SORTS: readonly Sort[] = (Object.keys(WEIGHTS) as Sort[]).flatMap((sort) =>
  Array.from({ length: WEIGHTS[sort] }, () => sort),
);
/** What can strike a meeting of two who settle. */
const MEETING_SORTS: readonly Sort[] = ["message", "message", "power", "death"];

/** How much a transaction of a kind takes: where blows can fall. */
export interface Extent {
  readonly messages: number;
  readonly operations: number;
  readonly steps: number;
  readonly notices: number;
}

const EXTENT_UNKNOWN: Extent = { messages: 6, operations: 20, steps: 30, notices: 4 };

export interface Blow {
  readonly kind: string;
  readonly strike?: Strike;
  readonly injection?: Injection;
  /** A host that is to be started again before the transaction. */
  readonly restart?: Host;
  /** For so many transactions the two cannot meet again. */
  readonly apart: number;
  /** A partition: nor can they begin anything new. */
  readonly isPartition: boolean;
  arm(): void;
  /** Whether it fell, as far as it knows itself. */
  disarm(): boolean;
}

export class Faults {
  readonly #random: SeededRandomness;
  #isOn: boolean;
  readonly #extents = new Map<string, Extent>();
  /** What was carried in the last transactions. */
  readonly #archive: Uint8Array[] = [];

  constructor(random: SeededRandomness, isOn: boolean) {
    this.#random = random;
    this.#isOn = isOn;
  }

  learn(kind: string, extent: Extent, carried: readonly Uint8Array[]): void {
    this.#extents.set(kind, extent);
    this.#archive.push(...carried);
    this.#archive.splice(0, Math.max(0, this.#archive.length - ARCHIVE_MAX));
  }

  /** Nothing falls any more. */
  end(): void {
    this.#isOn = false;
  }

  get isCheatsTurn(): boolean {
    return this.#isOn && this.#random.below(CHEAT_EVERY) === 0;
  }

  /** What falls on a transaction between these two, if anything. */
  forTransaction(kind: string, hosts: readonly [Host, Host], elements: readonly SimulatedChip[]): Blow | undefined {
    if (!this.#isOn || this.#random.below(STRUCK_EVERY) !== 0) return undefined;
    return this.#blow(SORTS[this.#random.below(SORTS.length)] as Sort, kind, hosts, elements);
  }

  forMeeting(hosts: readonly [Host, Host], elements: readonly SimulatedChip[]): Blow | undefined {
    if (!this.#isOn || this.#random.below(MEETING_STRUCK_EVERY) !== 0) return undefined;
    return this.#blow(MEETING_SORTS[this.#random.below(MEETING_SORTS.length)] as Sort, "meeting", hosts, elements);
  }

  /** Whether a chip that lost power loses it again as it comes back. */
  again(elements: readonly SimulatedChip[]): Blow | undefined {
    if (!this.#isOn || this.#random.below(4) !== 0) return undefined;
    return this.#powerCut("power again", elements, 6);
  }

  get keepsPower(): boolean {
    return this.#random.below(2) === 0;
  }

  #blow(sort: Sort, kind: string, hosts: readonly [Host, Host], elements: readonly SimulatedChip[]): Blow {
    const random = this.#random;
    const extent = this.#extents.get(kind) ?? EXTENT_UNKNOWN;
    const base = { apart: 1 + random.below(APART_MAX), isPartition: false, arm: () => undefined, disarm: () => false };
    const direction = random.below(2) as 0 | 1;
    const index = random.below(extent.messages);
    switch (sort) {
      case "message": {
        const fault = MESSAGE_FAULTS[random.below(MESSAGE_FAULTS.length)] ?? "lose";
        return { ...base, kind: fault, strike: { direction, index, fault } };
      }
      case "partition": {
        const apart = 1 + random.below(PARTITION_MAX);
        return { ...base, kind: sort, apart, isPartition: true, strike: { direction, index, fault: "cut" } };
      }
      case "power":
        return this.#powerCut(sort, elements, extent.operations);
      case "death":
        // More often who serves: a bank and merchants have books beside their elements.
        return this.#death(hosts[Math.min(1, random.below(3))] as Host, elements, extent);
      case "restart":
        return { ...base, kind: `${hosts[1].sort} restart`, restart: hosts[1], disarm: () => true };
      case "misuse":
        return this.#misuse(elements, direction, index);
      default:
        return { ...base, kind: sort, injection: { direction, index, messages: this.#messages(sort === "replay") } };
    }
  }

  #messages(isReplay: boolean): Uint8Array[] {
    const count = 1 + this.#random.below(INJECTED_MAX);
    return Array.from({ length: count }, () => (isReplay ? this.#archived() : this.#garbage()));
  }

  #archived(): Uint8Array {
    return this.#archive[this.#random.below(Math.max(1, this.#archive.length))] ?? this.#garbage();
  }

  /** The head of an envelope, so that somebody reads it, and noise. */
  #garbage(): Uint8Array {
    const message = new Uint8Array(2 + this.#random.below(GARBAGE_BYTES_MAX));
    this.#random.fill(message);
    message[0] = 1 + this.#random.below(2);
    message[1] = this.#random.below(2) === 0 ? KIND_HANDSHAKE : KIND_SEALED;
    return message;
  }

  /** A host gives its own element what was said long ago, as if a peer said it now, and keeps the answer to itself. */
  #misuse(elements: readonly SimulatedChip[], direction: 0 | 1, index: number): Blow {
    const chip = elements[this.#random.below(elements.length)] as SimulatedChip;
    const envelopes = this.#messages(this.#random.below(4) > 0).map((message) => {
      const envelope = message.slice();
      envelope[0] = ADDRESS_PEER;
      return envelope;
    });
    const misuse = () => {
      for (const envelope of envelopes) if (chip.simulated.isOn) chip.simulated.transmit(envelopeApdu(envelope));
    };
    const injection = { direction, index, messages: [], also: misuse };
    return { kind: "misuse", injection, apart: 1, isPartition: false, arm: () => undefined, disarm: () => false };
  }

  /** At any step; or just before it hears of something; or while one of its elements writes: what the element then has for good its host never hears of. */
  #death(host: Host, elements: readonly SimulatedChip[], extent: Extent): Blow {
    const { life } = host;
    const step = 1 + this.#random.below(extent.steps);
    const own = elements.filter((chip) => host.elements.includes(chip));
    const { chip } = (own[this.#random.below(own.length)] as SimulatedChip).simulated;
    const notice = 1 + this.#random.below(extent.notices);
    const way = this.#random.below(3);
    let writesLeft = 1 + this.#random.below(extent.operations);
    return {
      kind: `${host.sort} dies`,
      ...{ apart: 1 + this.#random.below(APART_MAX), isPartition: false },
      arm: () => {
        if (way === 0) return life.endAt(step);
        if (way === 1) return life.endAtNotice(notice);
        chip.onOperation = () => {
          writesLeft -= 1;
          if (writesLeft === 0) life.end();
          return undefined;
        };
      },
      disarm: () => {
        life.endAt(undefined);
        life.endAtNotice(undefined);
        chip.onOperation = undefined;
        return life.isOver;
      },
    };
  }

  #powerCut(kind: string, elements: readonly SimulatedChip[], operations: number): Blow {
    const { chip } = (elements[this.#random.below(elements.length)] as SimulatedChip).simulated;
    let left = 1 + this.#random.below(operations);
    let hasFallen = false;
    return {
      kind,
      ...{ apart: 1 + this.#random.below(APART_MAX), isPartition: false },
      arm: () => {
        chip.onOperation = (operation): Fate => {
          left -= 1;
          if (left !== 0) return undefined;
          hasFallen = true;
          const tears = tearsOf(operation, chip.flash.geometry.wordSizeBytes, () => this.#random.below(2 ** 32));
          return { cut: this.#oneOf(tears, tearCount(operation.lengthBytes, chip.flash.geometry.wordSizeBytes)) };
        };
      },
      disarm: () => {
        chip.onOperation = undefined;
        return hasFallen;
      },
    };
  }

  #oneOf<Item>(items: Iterable<Item>, count: number): Item {
    let left = this.#random.below(count);
    for (const item of items) {
      if (left === 0) return item;
      left -= 1;
    }
    throw new RangeError("items: fewer than were counted");
  }
}

/** How many tears an operation has (simulator/tears.ts). */
function tearCount(lengthBytes: number, wordSizeBytes: number): number {
  return lengthBytes === 0 ? 2 : 2 + lengthBytes / wordSizeBytes + 1 + SUBSETS;
}

/** ENVELOPE, extended. */
function envelopeApdu(envelope: Uint8Array): Uint8Array {
  const length = [0, envelope.length >> 8, envelope.length & 0xff];
  return Uint8Array.of(0x80, 0xc2, 0, 0, ...length, ...envelope, 0, 0);
}
