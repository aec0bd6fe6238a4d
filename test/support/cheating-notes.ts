/**
 * Notes in the hands of modules that cheat (cheating-module.ts): made, divided, passed on and offered to real elements, all
 * properly certified, so that a test has to spoil only the one thing that it is about.
 */

import { expect } from "vitest";
import { ROLE_GENERATOR, ROLE_TELLER, ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import * as m from "../../firmware/protocol/messages.js";
import { addTransfer, encodeNote, mintNote, type NoteDraft, type NoteParts, showKey } from "../../host/codec/note.js";
import { command } from "../../host/commands.js";
import { randomBytes } from "../../host/randomness.js";
import { type Money, unitOf } from "../../host/units.js";
import { rememberOffer } from "./bound-locks.js";
import { abortReason, CheatingModule, CheatingSession, deliver, noticeNames, type Reply } from "./cheating-module.js";
import { ISSUER, type ModuleDevice, ModuleWorld } from "./modules.js";
import { START_SECONDS } from "./virtual-time.js";

export const NOW = Number(START_SECONDS);
export const DAY = 86_400;
export const USD = unitOf("USD");
/** What a note is worth unless a test says otherwise. */
export const VALUE = 10_000n;

export const usd = (amount: bigint): Money => ({ amount, unit: USD });

/** A signed object with one bit of its signature's first half changed: still canonical, only wrong. */
export function forged(signed: Uint8Array): Uint8Array {
  const copy = signed.slice();
  const at = copy.length - 40;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

export function withEntry(parts: NoteParts, index: number, change: Partial<NoteParts["entries"][number]>): NoteParts {
  const entries = parts.entries.map((entry, at) => (at === index ? { ...entry, ...change } : entry));
  return { ...parts, entries };
}

export interface Held {
  readonly parts: NoteParts;
  readonly key: Uint8Array;
}

export interface Step {
  readonly by: CheatingModule;
  readonly to: Uint8Array;
  readonly amount?: bigint;
  readonly counter?: bigint;
  readonly key?: Uint8Array;
  readonly date?: number;
}

/** A bank and two subscribers that cheat, and two real elements, a subscriber and a teller, to cheat. */
export class NoteCheats {
  readonly world: ModuleWorld;
  readonly alice: ModuleDevice;
  readonly bank: ModuleDevice;
  readonly generator: CheatingModule;
  readonly teller: CheatingModule;
  readonly cheat: CheatingModule;
  readonly friend: CheatingModule;
  counter = 1n;
  readonly #images: ReadonlyMap<ModuleDevice, Uint8Array>;

  private constructor(world: ModuleWorld, alice: ModuleDevice, bank: ModuleDevice) {
    this.world = world;
    this.alice = alice;
    this.bank = bank;
    this.generator = this.cheater(ROLE_GENERATOR);
    this.teller = this.cheater(ROLE_TELLER);
    this.cheat = this.cheater();
    this.friend = this.cheater();
    this.#images = new Map([alice, bank].map((each) => [each, each.simulated.snapshot()]));
  }

  static async create(seed: string): Promise<NoteCheats> {
    const world = new ModuleWorld(seed);
    return new NoteCheats(world, await world.module("alice"), await world.module("bank", ROLE_TELLER));
  }

  /** Both elements as they were at first: empty, unlocked. */
  restore(): void {
    for (const [device, image] of this.#images) device.simulated.restore(image);
  }

  cheater(role = ROLE_TRANSACTION): CheatingModule {
    const { agencies, random } = this.world;
    return new CheatingModule({ agency: agencies.modules, random, now_seconds: NOW, role });
  }

  draft(change: Partial<NoteDraft> = {}): NoteDraft {
    const dates = { issued: NOW, expiry: NOW + 30 * DAY, finalRedemption: NOW + 60 * DAY };
    return { id: randomBytes(this.world.random, 16), issuer: ISSUER, unit: USD, value: VALUE, ...dates, ...change };
  }

  /** The note with one more record; the key of the one before is shown. */
  pass(parts: NoteParts, before: Uint8Array | null, step: Step): Held {
    const key = step.key ?? randomBytes(this.world.random, 32);
    const transfer = {
      by: step.by.noteSigner,
      to: step.to,
      counter: step.counter ?? this.counter++,
      amount: step.amount ?? VALUE,
      date: step.date ?? NOW,
      key,
    };
    const passed = addTransfer(before === null ? parts : showKey(parts, before), transfer);
    rememberOffer(passed, key, step.by.signer);
    return { parts: passed, key };
  }

  along(minted: NoteParts, steps: readonly Step[]): Held {
    let state: { parts: NoteParts; key: Uint8Array | null } = { parts: minted, key: null };
    for (const step of steps) {
      state = this.pass(state.parts, state.key, step);
    }
    return { parts: state.parts, key: state.key as Uint8Array };
  }

  /** Generator to teller to the cheat: what the cheat honestly holds. */
  held(change: Partial<NoteDraft> = {}) {
    return this.along(mintNote(this.draft(change), this.generator.noteSigner), [
      { by: this.generator, to: this.teller.id },
      { by: this.teller, to: this.cheat.id },
    ]);
  }

  /** That, on offer to a victim. */
  offered(victim: ModuleDevice, last: Partial<Step> = {}, change: Partial<NoteDraft> = {}) {
    const mine = this.held(change);
    return this.pass(mine.parts, mine.key, { by: this.cheat, to: victim.element.id, ...last });
  }

  /** What the element holds, by everything it says of itself. */
  async state(victim: ModuleDevice) {
    const { element } = victim;
    const [digest, balances, notes, pending] = [
      element.digest(),
      element.balances(),
      element.notes(),
      element.pending(),
    ];
    return { digest: await digest, balances: await balances, notes: await notes, pending: await pending };
  }

  /** A session in which the victim has agreed to receive the money, and awaits notes. */
  async agreed(victim: ModuleDevice, money: Money, payer = this.cheat): Promise<CheatingSession> {
    await deliver(victim.element, command.listen());
    const session = new CheatingSession(payer, victim.element, true);
    const opened = await session.initiate();
    expect(session.heard(opened)[0]?.[0]).toBe(m.MODULE_ACKNOWLEDGE);
    const proposed = await session.propose(money);
    expect(noticeNames(proposed)).toEqual(["verify"]);
    const correct = await deliver(victim.element, command.yes());
    expect(session.heard(correct)).toEqual([[m.MODULE_AMOUNT_CORRECT]]);
    return session;
  }

  /** Offers the notes, and settles when all were taken. The answer to the last one sent. */
  async pay(victim: ModuleDevice, notes: readonly NoteParts[], amount: bigint, key?: Uint8Array): Promise<Reply> {
    const session = await this.agreed(victim, usd(amount));
    for (const [index, parts] of notes.entries()) {
      const reply = await session.note(index, notes.length, encodeNote(parts));
      const [heard] = session.heard(reply);
      if (heard?.[0] === m.MODULE_ABORT) {
        // Owner and peer are told the same.
        expect(abortReason(reply)).toBe(heard[1]);
        return reply;
      }
      expect(heard).toEqual(index + 1 < notes.length ? [m.MODULE_NEXT, index] : [m.MODULE_READY]);
    }
    return key === undefined ? session.ready() : session.key(key);
  }

  /** The victim refuses for this reason, and its store is as before, bit for bit. */
  async refuses(victim: ModuleDevice, notes: readonly NoteParts[], amount: bigint, reason: number) {
    const before = await this.state(victim);
    const reply = await this.pay(victim, notes, amount, new Uint8Array(32));
    expect(abortReason(reply)).toBe(reason);
    expect(await this.state(victim)).toEqual(before);
  }

  async takes(victim: ModuleDevice, parts: NoteParts, amount: bigint, key: Uint8Array) {
    const before = (await victim.element.balances())[0]?.spendable ?? 0n;
    const reply = await this.pay(victim, [parts], amount, key);
    expect(noticeNames(reply)).toEqual(["received"]);
    expect((await victim.element.balances())[0]?.spendable).toBe(before + amount);
  }

  /** A body that the cheat wrote and signed itself, under the generator's certificate. */
  ownBody(change: Partial<NoteDraft>): NoteParts {
    const parts = mintNote(this.draft(change), { ...this.generator.noteSigner, signer: this.cheat.signer });
    return parts;
  }

  /** A note that has gone to and fro until it has `hops` records, the last of them to the victim. */
  walked(victim: ModuleDevice, hops: number) {
    const steps: Step[] = [
      { by: this.generator, to: this.teller.id },
      { by: this.teller, to: hops % 2 === 1 ? this.cheat.id : this.friend.id },
    ];
    for (let at = 2; at < hops; at += 1) {
      const by = (hops - at) % 2 === 1 ? this.cheat : this.friend;
      steps.push({ by, to: at + 1 === hops ? victim.element.id : (by === this.cheat ? this.friend : this.cheat).id });
    }
    return this.along(mintNote(this.draft(), this.generator.noteSigner), steps);
  }

  /** The victim pays all that it has in dollars to a module that takes part in everything. */
  async spendAll(victim: ModuleDevice, payee: CheatingModule): Promise<void> {
    const [balance] = await victim.element.balances();
    await this.spend(victim, payee, balance?.spendable ?? 0n);
  }

  async spend(victim: ModuleDevice, payee: CheatingModule, amount: bigint): Promise<void> {
    const money = usd(amount);
    const session = new CheatingSession(payee, victim.element, false);
    const proposed = await session.respond(await deliver(victim.element, command.pay(money, null)));
    expect(session.heard(proposed)[0]?.[0]).toBe(m.MODULE_PROPOSE);
    let [heard] = session.heard(await session.correct());
    while (heard?.[0] === m.MODULE_NOTE && Number(heard[1]) + 1 < Number(heard[2])) {
      [heard] = session.heard(await session.next(Number(heard[1])));
    }
    expect(session.heard(await session.ready())[0]?.[0]).toBe(m.MODULE_KEY);
    await session.confirm();
  }
}
