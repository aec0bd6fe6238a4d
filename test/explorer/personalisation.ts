/**
 * Personalisation of a blank chip, step by step, with a fault at each: power cut at every operation of the chip, from its very first
 * boot on, each command lost, its answer lost, said twice, the agency's host dead. Whatever happens, the host that comes back
 * finds out where the chip stands and ends what was begun.
 */

import * as p from "../../firmware/protocol/apdu.js";
import { ROLE_CUSTOMER, ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { type Agencies, Agency, newAgencies } from "../../host/agencies.js";
import type { Command } from "../../host/apdu.js";
import { encode } from "../../host/codec/cbor.js";
import { verifyChain } from "../../host/codec/certificate.js";
import { readInformation } from "../../host/element-data.js";
import { openingProof } from "../../host/provision.js";
import type { Applet } from "../../simulator/applet.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { tearsOf } from "../../simulator/tears.js";
import { PIN, PUK } from "../support/modules.js";
import { START_SECONDS } from "../support/virtual-time.js";
import { draws, newExplored, type Share } from "./explore.js";
import { Place, type Traced } from "./stage.js";
import { hashOf, type Sort } from "./state.js";

/** A chip refuses keys that look like a default. */
const KEY = Uint8Array.from({ length: 32 }, (_each, i) => 0x5a ^ (i * 7));
const ID = new Uint8Array(16).fill(0x1d);
const ROLES: Record<Sort, number> = { agent: ROLE_CUSTOMER, module: ROLE_TRANSACTION };
/** A chip that is not ready after so many tries never will be. */
const TRIES_MAX = 3;

/** Where the host is: what the chip said last is all that it needs. */
interface Progress {
  readonly snapshot: Uint8Array;
  readonly isOn: boolean;
  /** Number of the next command. */
  readonly step: number;
  readonly answer: Uint8Array;
  readonly tries: number;
}

type Step = (answer: Uint8Array) => Command;

export class Personalisation {
  readonly explored = newExplored();
  readonly #place: Place;
  readonly #agencies: Agencies;
  readonly #steps: readonly Step[];
  readonly #seen = new Set<string>();
  #firsts = 0;

  constructor(
    private readonly sort: Sort,
    applet: Applet,
    private readonly share: Share = { index: 0, of: 1 },
  ) {
    this.#place = new Place(`blank ${sort}`, sort, false, applet);
    const random = new SeededRandomness(sodiumCryptography, "agency");
    const secrets = newAgencies({ fill: (destination) => random.fill(destination) }, Number(START_SECONDS));
    this.#agencies = { agents: new Agency(secrets.agents), modules: new Agency(secrets.modules) };
    this.#steps = this.#program();
  }

  get #agency(): Agency {
    return this.sort === "agent" ? this.#agencies.agents : this.#agencies.modules;
  }

  #program(): readonly Step[] {
    const { agents, modules } = this.#agencies;
    const role = ROLES[this.sort];
    const own = (ins: number, p2: number, data: Uint8Array) => ({ cla: p.CLA_OWN, ins, p1: 0, p2, data });
    const store = (what: number, data: Uint8Array) => () => own(p.INS_STORE_DATA, what, data);
    const text = new TextEncoder();
    const iso = { cla: p.CLA_ISO, p1: 0, p2: 0 };
    return [
      () => own(p.INS_PUT_KEY, 0, KEY),
      () => ({ ...iso, ins: p.INS_GET_CHALLENGE, answerBytesMax: 256 }),
      (challenge) => ({ ...iso, ins: p.INS_EXTERNAL_AUTHENTICATE, data: openingProof(KEY, challenge) }),
      store(
        p.STORE_DATA_ROOTS,
        encode([agents.root.id, agents.root.publicKey, modules.root.id, modules.root.publicKey]),
      ),
      () => ({
        ...iso,
        ins: p.INS_GENERATE_KEY_PAIR,
        data: Uint8Array.of(...ID, role, ...this.#agency.agreementKey),
        answerBytesMax: 65_536,
      }),
      (request) =>
        own(
          p.INS_STORE_DATA,
          p.STORE_DATA_CHAIN,
          this.#agency.certify(request, { id: ID, role }, Number(START_SECONDS)),
        ),
      store(p.STORE_DATA_PIN, text.encode(PIN)),
      store(p.STORE_DATA_PUK, text.encode(PUK)),
      store(p.STORE_DATA_PARAMETERS, encode([])),
      () => own(p.INS_SET_STATUS, p.LIFE_PERSONALISED, new Uint8Array(0)),
      () => own(p.INS_SET_STATUS, p.LIFE_OPERATIONAL, new Uint8Array(0)),
    ];
  }

  run(): void {
    const blank = this.#place.save();
    const off = { snapshot: blank, isOn: false, step: 0, answer: new Uint8Array(0), tries: 0 };
    for (const operations of this.#way(off)) this.explored.traceOperations += operations;
    this.#walk(off, [], true);
  }

  /** Operations of each step without a fault. */
  *#way(from: Progress): Generator<number> {
    let at: Progress | undefined = from;
    while (at !== undefined) {
      const trace: Traced[] = [];
      at = this.#next(at, trace);
      yield trace.length;
    }
  }

  /** Each step without a fault, and before it every fault, if there may be one. */
  #walk(from: Progress, faults: readonly string[], mayFail: boolean): void {
    let at = from;
    for (;;) {
      const key = `${at.isOn} ${at.step} ${at.tries} ${mayFail} ${hashOf(at.snapshot)}`;
      const trace: Traced[] = [];
      try {
        if (this.#seen.has(key)) break;
        this.#seen.add(key);
        this.explored.counts.states += 1;
        const next = this.#next(at, trace);
        if (mayFail) this.#faults(at, next ?? at, trace, faults);
        if (next === undefined) {
          this.#judge(at);
          break;
        }
        at = next;
      } catch (error) {
        const wrong = error instanceof Error ? error.message : String(error);
        this.explored.violations.push({ story: this.name, faults, wrong: `${wrong}, at step ${at.step}` });
        break;
      }
    }
    this.explored.counts.executions += 1;
  }

  get name(): string {
    return `personalisation ${this.sort}`;
  }

  #isMine(): boolean {
    this.#firsts += 1;
    return this.#firsts % this.share.of === this.share.index;
  }

  #faults(at: Progress, next: Progress, trace: readonly Traced[], faults: readonly string[]): void {
    const again = (each: Progress, isOn: boolean): Progress => ({ ...each, isOn, step: -1, tries: each.tries + 1 });
    const off = (each: Progress) => again({ ...each, snapshot: this.#place.off(each.snapshot) }, false);
    const ways: readonly [string, () => Progress][] = [
      ["lost", () => again(at, at.isOn)],
      ["answer lost", () => again(next, next.isOn)],
      ["said twice", () => ({ ...next, snapshot: this.#saidAgain(at, next) })],
      ["power lost", () => off(at)],
      ["power lost after", () => off(next)],
    ];
    for (const [name, way] of ways) {
      if (!this.#isMine()) continue;
      this.explored.counts.messageFaults += 1;
      this.#walk(way(), [...faults, `${name}:${at.step}`], false);
    }
    for (const [index, traced] of trace.entries()) {
      if (!this.#isMine()) continue;
      this.explored.counts.cutPoints += 1;
      this.explored.cutInTrace += 1;
      for (const [tear, torn] of this.#torn(traced, at.step * 64 + index)) {
        this.#walk(again({ ...at, snapshot: torn }, false), [...faults, `cut:${at.step}:${index}:${tear}`], false);
      }
    }
  }

  /** Tears that leave different bytes; a chip that is not whole yet says too little of itself to tell more of them apart. */
  #torn(traced: Traced, seed: number): Map<number, Uint8Array> {
    const seen = new Set<string>();
    const torn = new Map<number, Uint8Array>();
    let number = -1;
    for (const tear of tearsOf(traced.operation, this.#place.chip.flashWordSize(), draws(seed))) {
      number += 1;
      const off = this.#place.torn(traced, tear);
      if (seen.has(hashOf(off))) continue;
      seen.add(hashOf(off));
      this.explored.counts.tears += 1;
      torn.set(number, off);
    }
    this.explored.counts.classes += torn.size;
    return torn;
  }

  /** The command once more: whatever is answered the second time, the host goes on from the first answer. */
  #saidAgain(at: Progress, next: Progress): Uint8Array {
    const step = this.#steps[at.step];
    if (step === undefined || !at.isOn) return next.snapshot;
    return this.#place.run(next.snapshot, () => this.#place.transmit(step(at.answer))).snapshot;
  }

  /** Undefined when the chip is ready. */
  #next(at: Progress, trace: Traced[]): Progress | undefined {
    if (at.tries > TRIES_MAX) throw new Error("the chip is not ready, however often it is tried");
    if (!at.isOn) {
      const { snapshot } = this.#place.run(at.snapshot, () => this.#place.element.powerOn(), trace);
      return { ...at, snapshot, isOn: true };
    }
    if (at.step < 0) return this.#found(at);
    const step = this.#steps[at.step];
    if (step === undefined) return undefined;
    const { result, snapshot } = this.#place.run(at.snapshot, () => this.#answered(step(at.answer)), trace);
    if (result === undefined)
      return { ...at, snapshot: this.#place.off(snapshot), isOn: false, step: -1, tries: at.tries + 1 };
    return { ...at, snapshot, step: at.step + 1, answer: result };
  }

  #answered(command: Command): Uint8Array | undefined {
    const { data, status } = this.#place.transmit(command);
    return status === p.SW_OK ? data.slice() : undefined;
  }

  /** The host that comes back asks the chip how far it is: it opens personalisation, and goes on or begins again. */
  #found(at: Progress): Progress | undefined {
    const { life } = readInformation(this.#place.data(at.snapshot, p.TAG_INFORMATION));
    if (life === p.LIFE_OPERATIONAL) return { ...at, step: this.#steps.length };
    if (life === p.LIFE_BLANK) return { ...at, step: 0 };
    if (life !== p.LIFE_INITIALISED && life !== p.LIFE_PERSONALISED) throw new Error(`the chip is in life ${life}`);
    const opened = this.#place.run(at.snapshot, () => this.#place.open(KEY)).snapshot;
    return { ...at, snapshot: opened, step: life === p.LIFE_INITIALISED ? 3 : this.#steps.length - 1 };
  }

  /** It is its owner's: PIN, certificate and keys fit together, and nothing of personalisation is open. */
  #judge(at: Progress): void {
    const place = this.#place;
    const awake = place.run(at.snapshot, () => place.wake()).snapshot;
    const chain = place.data(awake, p.TAG_CHAIN);
    const { device } = verifyChain(chain, this.#agency.root, Number(START_SECONDS));
    if (device.role !== ROLES[this.sort]) throw new Error("the certificate is of another role");
    const again = place.look(awake, () =>
      place.transmit({ cla: p.CLA_OWN, ins: p.INS_PUT_KEY, p1: 0, p2: 0, data: KEY }),
    );
    if (again.status === p.SW_OK) throw new Error("personalisation can be begun again");
    this.explored.happened += 1;
  }
}
