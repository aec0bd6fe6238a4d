/**
 * Cheats whose module a laboratory has copied, flash and keys: original and copy spend the same notes. And the closing of a world
 * that had some: everybody brings all to the bank, so that what was spent twice is found out, every cent of it.
 */

import { PACKET_NOTES_MAX } from "../../firmware/protocol/limits.js";
import { Customer, type Shop } from "./hosts.js";
import { balanceOf, type Transaction } from "./transactions.js";
import type { World } from "./world.js";

/** The list of bad ids has so many places. */
const CHEATS_MAX = 50;
/** A share of the customers who are honest to the end. */
const HONEST_MIN = 8;
const TRIES = 20;
const WORTH_MIN = 500n;

export interface Cheat {
  readonly culprit: Customer;
  readonly clone: Customer;
  readonly amount: bigint;
  /** By the original and by the copy, in whichever order. */
  readonly payments: readonly Transaction[];
}

export class Cheats {
  count = 0;
  /** By the id of the module that was copied. */
  readonly spentTwice = new Map<string, bigint>();
  readonly #world: World;
  readonly #isFree: (customer: Customer) => boolean;

  /** `isFree`: nothing is open with this customer. */
  constructor(world: World, isFree: (customer: Customer) => boolean) {
    this.#world = world;
    this.#isFree = isFree;
  }

  /** Somebody who can pay with all that he has, and two who will be paid; undefined: nobody was found. */
  async next(number: number): Promise<Cheat | undefined> {
    const { random, time } = this.#world;
    for (let tries = 0; tries < TRIES && this.count < CHEATS_MAX; tries += 1) {
      const honest = this.#world.customers.filter(({ isCheat }) => !isCheat);
      if (honest.length < HONEST_MIN) return undefined;
      const take = () => honest.splice(random.below(honest.length), 1)[0] as Customer;
      const [culprit, one, other] = [take(), take(), take()];
      const amount = await this.#spendable(culprit);
      if (culprit.hasAgent || amount < WORTH_MIN || !this.#isFree(culprit)) continue;
      const [chips] = culprit.chips;
      if (chips === undefined) continue;
      culprit.isCheat = true;
      this.count += 1;
      const name = `copy of ${culprit.name}`;
      const clone = new Customer(name, { module: await this.#world.cloneOf(chips.module, name) }, time);
      const base = { number, kind: "payment", amount, till: 0, salary: 0n } as const;
      const payments = [
        { ...base, customer: culprit, other: one },
        { ...base, customer: clone, other },
      ];
      if (random.below(2) === 0) payments.reverse();
      return { culprit, clone, amount, payments };
    }
    return undefined;
  }

  /** All that a module has, if it can go in one payment to a subscriber, and the bank owes it nothing; else nothing. */
  async #spendable(customer: Customer): Promise<bigint> {
    const notes = await customer.device.module.notes();
    const rest = notes.some(({ spendable, rests }) => !spendable || Object.values(rests).includes(true));
    if (rest || notes.length > PACKET_NOTES_MAX) return 0n;
    const owed = await this.#world.bank.books.refreshOwed(customer.device.module.idHex);
    return owed.length > 0 ? 0n : balanceOf(customer);
  }

  conclude({ culprit, amount }: Cheat, isTwice: boolean): void {
    this.spentTwice.set(culprit.device.module.idHex, isTwice ? amount : 0n);
  }

  /** For each device of honest people: its next deposit, of as many notes as go at once; undefined when it has none left. */
  *closing(): Generator<() => Promise<Transaction | undefined>> {
    const { customers, shops } = this.#world;
    for (const host of [...customers.filter(({ isCheat }) => !isCheat), ...shops]) {
      for (const till of host.devices.keys()) yield () => this.#lastDeposit(host, till);
    }
  }

  async #lastDeposit(customer: Customer | Shop, till: number): Promise<Transaction | undefined> {
    const notes = (await customer.devices[till]?.module.notes()) ?? [];
    const amounts = notes.filter(({ spendable }) => spendable).map(({ money }) => money.amount);
    const largest = amounts.sort((a, b) => (a < b ? 1 : a > b ? -1 : 0)).slice(0, PACKET_NOTES_MAX);
    const amount = largest.reduce((sum, each) => sum + each, 0n);
    if (amount === 0n) return undefined;
    return { number: 0, kind: "deposit", customer, other: this.#world.bank, till, amount, salary: 0n };
  }
}
