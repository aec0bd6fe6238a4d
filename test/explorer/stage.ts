/**
 * The elements that states are about, one for each place, into which snapshots are put and out of which they are taken. It
 * speaks to them as a host does, in APDUs, and cuts their power where it is told to.
 */

import * as p from "../../firmware/protocol/apdu.js";
import { type Command, encodeCommand } from "../../host/apdu.js";
import { toHex } from "../../host/codec/bytes.js";
import { type CborValue, decode } from "../../host/codec/cbor.js";
import { type Pending, readPending } from "../../host/element-data.js";
import { openingProof } from "../../host/provision.js";
import { TlvReader } from "../../host/tlv.js";
import type { Applet } from "../../simulator/applet.js";
import { Chip } from "../../simulator/chip.js";
import { Element } from "../../simulator/element.js";
import { type Operation, PowerCut } from "../../simulator/faults.js";
import type { FlashGeometry } from "../../simulator/flash.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import type { Tear } from "../../simulator/tears.js";
import { VirtualClock } from "../../simulator/time.js";
import { type Holding, readHolding } from "../support/conservation.js";
import { PIN } from "../support/modules.js";
import { START_SECONDS } from "../support/virtual-time.js";
import { memoised } from "./memory.js";
import { hashOf, type Sort } from "./state.js";

/** Smaller than a card's, so that less has to be kept and compared, and a used one is soon full and erases. */
export const FLASH: FlashGeometry = { pageSizeBytes: 4096, pageCount: 20, wordSizeBytes: 4 };

/** More envelopes than this in answer to one is no answer of ours. */
const ENVELOPES_MAX = 64;
const RECORDS_MAX = 255;

/** What an element said to an envelope; `cut`: power went meanwhile. */
export type Answer =
  | { readonly kind: "taken"; readonly envelopes: readonly Uint8Array[] }
  | { readonly kind: "refused"; readonly status: number }
  | { readonly kind: "cut" };

/** An operation of a fault-free step, with all that the chip kept before and after it. */
export interface Traced {
  readonly operation: Operation;
  readonly before: Uint8Array;
  after: Uint8Array;
}

/** An element did what none may do: it trapped, or did not start. */
export class ElementFailure extends Error {
  override readonly name = "ElementFailure";
}

export class Place {
  readonly element: Element;
  readonly chip: Chip;
  /** What is in the element now, unchanged. */
  #holds: Uint8Array | undefined;
  readonly #holdings = new WeakMap<Uint8Array, Holding | "locked">();
  readonly #openAt = START_SECONDS;

  constructor(
    readonly name: string,
    readonly sort: Sort,
    readonly isGenerator: boolean,
    applet: Applet,
  ) {
    const randomness = new SeededRandomness(memoised, name);
    this.chip = new Chip({
      cryptography: memoised,
      randomness,
      clock: new VirtualClock(Number(START_SECONDS) * 1000),
      geometry: FLASH,
    });
    this.element = new Element(applet, this.chip);
  }

  load(snapshot: Uint8Array): void {
    if (this.#holds === snapshot) return;
    this.element.restore(snapshot);
    this.#holds = snapshot;
  }

  save(): Uint8Array {
    const snapshot = this.element.snapshot();
    this.#holds = snapshot;
    return snapshot;
  }

  /** Runs work on a snapshot and keeps a trace of its operations if asked to. */
  run<Result>(snapshot: Uint8Array, work: () => Result, trace?: Traced[]): { result: Result; snapshot: Uint8Array } {
    this.load(snapshot);
    this.#holds = undefined;
    const kept = trace === undefined ? undefined : this.#kept();
    if (trace !== undefined) this.#trace(trace);
    try {
      const result = this.#guarded(work);
      const last = trace?.at(-1);
      if (last !== undefined) last.after = this.chip.snapshot();
      if (trace?.length === 0 && kept !== this.#kept()) {
        throw new ElementFailure(`${this.name} changed what it keeps, and no operation was seen`);
      }
      if (this.chip.flash.violations !== 0) throw new ElementFailure(`${this.name} broke a rule of its flash`);
      return { result, snapshot: this.save() };
    } finally {
      this.chip.onOperation = undefined;
    }
  }

  /** All that outlives power. */
  #kept(): string {
    return hashOf(this.chip.flash.snapshot()) + hashOf(this.chip.persistentRegisters());
  }

  /** Looks at a snapshot in ways that change it; it stays what it was. */
  look<Result>(snapshot: Uint8Array, work: () => Result): Result {
    this.load(snapshot);
    this.#holds = undefined;
    return this.#guarded(work);
  }

  #trace(trace: Traced[]): void {
    this.chip.onOperation = (operation) => {
      const now = this.chip.snapshot();
      const last = trace.at(-1);
      if (last !== undefined) last.after = now;
      trace.push({ operation, before: now, after: now });
      return undefined;
    };
  }

  #guarded<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      if (error instanceof PowerCut) throw error;
      const said = error instanceof Error ? error.message : String(error);
      throw new ElementFailure(`${this.name}: ${said}`, { cause: error });
    }
  }

  transmit(command: Command): { data: Uint8Array; status: number } {
    const response = this.element.transmit(encodeCommand(command));
    const end = response.length - 2;
    return { data: response.subarray(0, end), status: ((response[end] ?? 0) << 8) | (response[end + 1] ?? 0) };
  }

  /** ENVELOPE, and FETCH until nothing waits. */
  deliver(envelope: Uint8Array): Answer {
    const wanted = { cla: p.CLA_OWN, p1: 0, p2: 0, answerBytesMax: 65_536 };
    const envelopes: Uint8Array[] = [];
    let response = this.transmit({ ...wanted, ins: p.INS_ENVELOPE, data: envelope });
    for (;;) {
      const isFetch = (response.status & 0xff00) === p.SW_FETCH;
      if (response.status !== p.SW_OK && !isFetch) return { kind: "refused", status: response.status };
      if (response.data.length > 0) envelopes.push(response.data.slice());
      if (!isFetch) return { kind: "taken", envelopes };
      if (envelopes.length > ENVELOPES_MAX) throw new RangeError("an element that never stops talking");
      response = this.transmit({ ...wanted, ins: p.INS_FETCH });
    }
  }

  /** Power, PIN and date, as a host does it before anything else. */
  wake(): void {
    this.element.powerOn();
    const digits = new TextEncoder().encode(PIN);
    this.#demand({ cla: p.CLA_ISO, ins: p.INS_VERIFY, p1: 0, p2: p.REFERENCE_PIN, data: digits });
    const date = new Uint8Array(8);
    new DataView(date.buffer).setBigUint64(0, this.#openAt);
    this.#demand({ cla: p.CLA_OWN, ins: p.INS_OPEN, p1: 0, p2: 0, data: date });
  }

  /** Power, and personalisation is open again: what the agency's host does before an element has an owner. */
  reopen(personalisationKey: Uint8Array): void {
    this.element.powerOn();
    this.open(personalisationKey);
  }

  open(personalisationKey: Uint8Array): void {
    const challenge = this.#demand({ cla: p.CLA_ISO, ins: p.INS_GET_CHALLENGE, p1: 0, p2: 0, answerBytesMax: 256 });
    const data = openingProof(personalisationKey, challenge);
    this.#demand({ cla: p.CLA_ISO, ins: p.INS_EXTERNAL_AUTHENTICATE, p1: 0, p2: 0, data });
  }

  #demand(command: Command): Uint8Array {
    const { data, status } = this.transmit(command);
    if (status !== p.SW_OK) {
      throw new ElementFailure(`${this.name} refused ${command.ins.toString(16)}: ${status.toString(16)}`);
    }
    return data.slice();
  }

  /** What a module says that it has; undefined while it is off or locked. */
  holding(snapshot: Uint8Array): Holding | undefined {
    let known = this.#holdings.get(snapshot);
    if (known === undefined) {
      known = this.look(snapshot, () =>
        this.element.isOn
          ? (readHolding((apdu) => this.element.transmit(apdu), this.isGenerator) ?? "locked")
          : "locked",
      );
      this.#holdings.set(snapshot, known);
    }
    return known === "locked" ? undefined : known;
  }

  pending(snapshot: Uint8Array): Pending[] {
    return this.look(snapshot, () => readPending(this.#data(p.TAG_PENDING)));
  }

  /** Value of a data object. */
  data(snapshot: Uint8Array, tag: number): Uint8Array {
    return this.look(snapshot, () => this.#data(tag));
  }

  records(snapshot: Uint8Array, file: number): CborValue[] {
    return this.look(snapshot, () => {
      const records: CborValue[] = [];
      for (let number = 1; number <= RECORDS_MAX; number += 1) {
        const command = { cla: p.CLA_ISO, ins: p.INS_READ_RECORD, p1: number, p2: (file << 3) | 4 };
        const { data, status } = this.transmit({ ...command, answerBytesMax: 65_536 });
        if (status !== p.SW_OK) break;
        records.push(decode(data.slice()));
      }
      return records;
    });
  }

  #data(tag: number): Uint8Array {
    const command = { cla: p.CLA_ISO, ins: p.INS_GET_DATA, p1: tag >> 8, p2: tag & 0xff, answerBytesMax: 65_536 };
    const { data, status } = this.transmit(command);
    if (status !== p.SW_OK) throw new ElementFailure(`${this.name}: GET DATA answers ${status.toString(16)}`);
    return new TlvReader(data.slice()).bytes(tag);
  }

  // Power cuts.

  /** The same element without power. */
  off(snapshot: Uint8Array): Uint8Array {
    this.load(snapshot);
    this.element.powerOff();
    return this.save();
  }

  /** The chip, without power, as a cut within this operation leaves it. */
  torn({ operation, before, after }: Traced, tear: Tear): Uint8Array {
    this.#holds = undefined;
    this.element.powerOff();
    this.chip.restore(tear === "after" && operation.lengthBytes === 0 ? after : before);
    if (operation.lengthBytes > 0) this.#tear(operation, after, tear);
    return this.save();
  }

  /** Does the operation again, and cuts it. */
  #tear(operation: Operation, after: Uint8Array, tear: Tear): void {
    const { flash } = this.chip;
    const { kind, address, lengthBytes } = operation;
    flash.onOperation = () => ({ cut: tear });
    try {
      if (kind === "flash-erase") flash.erase(address / flash.geometry.pageSizeBytes);
      else flash.program(address, after.subarray(address, address + lengthBytes));
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
    } finally {
      flash.onOperation = undefined;
    }
  }

  /**
   * Boots a chip without power, and says what there is: cuts that leave the same go on as one. Its store's records, its space
   * and wear, its keys and counter.
   */
  classOf(off: Uint8Array): string {
    return this.look(off, () => {
      this.element.powerOn();
      const store = toHex(this.#data(p.TAG_STORE));
      return `${toHex(this.#data(p.TAG_DIGEST))} ${store} ${hashOf(this.chip.persistentRegisters())}`;
    });
  }
}
