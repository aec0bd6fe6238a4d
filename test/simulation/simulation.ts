/**
 * One run: a world is made, transactions are drawn and performed one after the other, what is left open is settled when the owners
 * meet later, and the auditor looks after each of them, now and then at everything, and at the end.
 */

import type { SimulatedChip } from "../../host/chips.js";
import { type Audited, type AuditedModule, Auditor, type Deal, type Violation } from "./auditor.js";
import { type Bank, Customer, FEE, type Host, Shop } from "./hosts.js";
import { Meeting } from "./meeting.js";
import { Draws, KINDS, type Kind, perform, settle, type Transaction } from "./transactions.js";
import { World } from "./world.js";

export interface Options {
  readonly devices: number;
  readonly transactions: number;
  readonly seed: string;
  readonly faults: boolean;
}

export interface Progress {
  /** So many of the devices are ready, or so many of the transactions are done. */
  readonly stage: "devices" | "transactions" | "end";
  readonly done: number;
  readonly of: number;
}

export interface Result {
  readonly happened: number;
  readonly aborted: number;
  readonly kinds: Readonly<Record<Kind, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly cheats: number;
  readonly checks: number;
  readonly violations: readonly Violation[];
  readonly inDoubt: number;
  readonly digest: string;
}

/** After so many transactions the auditor looks at everything. */
const EVERYTHING_EVERY = 1_000;
/** Rounds of meetings at the end: what is still open after these never ends. */
const LAST_ROUNDS = 5;

export class Simulation {
  readonly world: World;
  readonly auditor: Auditor;
  readonly #options: Options;
  readonly #draws: Draws;
  readonly #byModule = new Map<string, Host>();
  /** Pairs of hosts between whom something may be open, by both names: from which transaction on they can meet. */
  readonly #open = new Map<string, { readonly ends: readonly [Host, Host]; readonly from: number }>();
  readonly #counts = { happened: 0, aborted: 0, cheats: 0 };
  readonly #kinds = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
  readonly #faults: Record<string, number> = {};

  private constructor(world: World, options: Options) {
    this.world = world;
    this.#options = options;
    this.#draws = new Draws(world);
    this.auditor = new Auditor(auditedOf(world));
    for (const host of world.hosts) for (const id of host.moduleIds) this.#byModule.set(id, host);
  }

  static async create(options: Options, progress: (progress: Progress) => void = () => undefined): Promise<Simulation> {
    const { seed, devices } = options;
    const world = await World.create(seed, devices, (done) => progress({ stage: "devices", done, of: devices }));
    const simulation = new Simulation(world, options);
    await simulation.auditor.begin();
    for (const customer of world.customers) customer.park();
    return simulation;
  }

  async run(progress: (progress: Progress) => void = () => undefined): Promise<Result> {
    const { transactions } = this.#options;
    for (let number = 1; number <= transactions; number += 1) {
      await this.step(number);
      progress({ stage: "transactions", done: number, of: transactions });
    }
    return this.end(progress);
  }

  /** One transaction, and who meets before it. */
  async step(number: number): Promise<void> {
    const { auditor, world } = this;
    auditor.number = number;
    await this.#pass(this.#draws.pause_seconds);
    await this.#meetings(number);
    const transaction = await this.#draws.next(number);
    await this.#transact(transaction);
    if (number % EVERYTHING_EVERY === 0) {
      await auditor.everything();
      for (const customer of world.customers) customer.park();
    }
  }

  async #pass(seconds: number): Promise<void> {
    await this.world.time.drain();
    this.world.time.clock.advance(seconds * 1000);
  }

  async #transact(transaction: Transaction): Promise<void> {
    const { world, auditor } = this;
    const { kind, customer, other, amount, salary, number } = transaction;
    const ends: [Host, Host] = [customer, other];
    this.#kinds[kind] += 1;
    if (salary > 0n) {
      const id = `salary/${number}`;
      await world.bank.books.fund({
        id,
        account: customer.account,
        amount: salary,
        unit: { currency: 840, exponent: 2 },
      });
      auditor.paidIn(customer.name, salary);
    }
    const meeting = new Meeting(world.time);
    world.counterLinks = () => meeting.raw();
    const words = await world.time.run(this.#together(() => perform(world, transaction, meeting), meeting));
    await this.#recover(ends);
    const deal = dealOf(transaction, words);
    const happened = await auditor.after(ownersOf(ends), deal);
    if (kind === "refresh" ? words.length > 0 : happened) this.#counts.happened += 1;
    else this.#counts.aborted += 1;
    this.#noteOpen(
      ends,
      number + 1,
      words.every((word) => word === "happened"),
    );
    for (const host of ends) if (host instanceof Customer) host.park();
    void amount;
  }

  /** Runs to the end: applications first, then what the bank and the merchants still have to do with it. */
  async #together<Value>(work: () => Promise<Value>, meeting: Meeting): Promise<Value> {
    const { bank, shops } = this.world;
    const value = await work();
    await Promise.allSettled(shops.map((shop) => shop.life.guard(shop.merchant.idle())));
    await Promise.allSettled([bank.life.guard(bank.service.idle())]);
    meeting.end();
    return value;
  }

  /** Whose host has died, or whose chip has no power, comes back; the bank and merchants pick up what they were at. */
  async #recover(ends: readonly Host[]): Promise<void> {
    const { world } = this;
    await world.time.drain();
    for (const host of [world.bank, ...ends.filter((each) => each !== (world.bank as Host))]) {
      if (!host.isWell) await world.time.run(host.start());
    }
    await world.time.drain();
  }

  // What is open.

  /** Hosts between whom something is open, as their modules say, or whose business did not end well. */
  #noteOpen([one, other]: readonly [Host, Host], from: number, endedWell: boolean): void {
    const key = [one.name, other.name].sort().join("|");
    if (endedWell) this.#open.delete(key);
    else if (!this.#open.has(key)) this.#open.set(key, { ends: [one, other], from });
    for (const host of [one, other]) {
      for (const owner of host === (this.world.bank as Host) ? [""] : [host.name]) {
        for (const { open } of this.auditor.holdingsOf(owner)) {
          for (const { peer } of open) this.#noteEnds(host, this.#byModule.get(peer), from);
        }
      }
    }
  }

  #noteEnds(host: Host, peer: Host | undefined, from: number): void {
    if (peer === undefined || peer === host) return;
    const key = [host.name, peer.name].sort().join("|");
    if (!this.#open.has(key)) this.#open.set(key, { ends: [host, peer], from });
  }

  /** Those who can meet again do. */
  async #meetings(number: number): Promise<void> {
    for (const [key, { ends, from }] of [...this.#open]) {
      if (from > number) continue;
      this.#open.delete(key);
      await this.#meet(ends, number);
    }
  }

  async #meet(ends: readonly [Host, Host], number: number): Promise<void> {
    const { world, auditor } = this;
    const meeting = new Meeting(world.time);
    world.counterLinks = () => meeting.raw();
    await world.time.run(this.#together(() => settle(world, ends[0], ends[1], meeting), meeting));
    await this.#recover(ends);
    await auditor.after(ownersOf(ends));
    this.#noteOpen(ends, number + 1, true);
    for (const host of ends) if (host instanceof Customer) host.park();
  }

  // The end.

  async end(progress: (progress: Progress) => void = () => undefined): Promise<Result> {
    const { world, auditor } = this;
    const number = auditor.number;
    for (let round = 0; round < LAST_ROUNDS; round += 1) {
      progress({ stage: "end", done: round, of: LAST_ROUNDS });
      await this.#pass(60);
      for (const shop of world.shops) await this.#meet([shop, world.bank], number);
      await this.#meetings(Number.POSITIVE_INFINITY);
      if (this.#open.size === 0) break;
    }
    const inDoubt = await auditor.end();
    const { happened, aborted, cheats } = this.#counts;
    const { checks, violations } = auditor;
    const digest = await auditor.digest();
    return { happened, aborted, kinds: this.#kinds, faults: this.#faults, cheats, checks, violations, inDoubt, digest };
  }
}

function ownersOf(ends: readonly Host[]): string[] {
  return ends.filter((host) => host instanceof Customer || host instanceof Shop).map(({ name }) => name);
}

function dealOf(transaction: Transaction, words: Deal["words"]): Deal | undefined {
  const { kind, customer, other, amount } = transaction;
  const base = { amount, words };
  switch (kind) {
    case "payment":
    case "pos":
      return { ...base, payer: customer.name, payee: other.name };
    case "withdrawal":
      return { ...base, payer: undefined, payee: customer.name };
    case "deposit":
      return { ...base, payer: customer.name, payee: undefined };
    case "refresh":
      return undefined;
    default: {
      const { account, acquirer, name } = other as Shop;
      const trade = {
        ...{ type: kind, customer: customer.name, customerAccount: customer.account, merchant: name },
        ...{ merchantAccount: account, acquirer, amount, fee: FEE },
      };
      const ends = kind === "purchase" ? { payer: name, payee: customer.name } : { payer: customer.name, payee: name };
      return { ...base, ...ends, trade };
    }
  }
}

function cardOf({ simulated }: SimulatedChip): (apdu: Uint8Array) => Uint8Array {
  return (apdu) => simulated.transmit(apdu);
}

export function auditedModule(host: Host, chip: SimulatedChip, role: AuditedModule["role"]): AuditedModule {
  const module = { id: chip.element.idHex, name: host.name, role, card: cardOf(chip) };
  return role === "wallet" ? { ...module, owner: host.name } : module;
}

function auditedOf(world: World): Audited {
  const { bank, shops, customers } = world;
  const [teller, generator] = (bank as Bank).chips;
  if (teller === undefined || generator === undefined) throw new Error("a bank has a teller and a generator");
  const owners = [...shops, ...customers];
  const chips = owners.flatMap((host) => host.chips.map((each) => ({ host, ...each })));
  return {
    modules: [
      auditedModule(bank, teller.module, "teller"),
      auditedModule(bank, generator.module, "generator"),
      ...chips.map(({ host, module }) => auditedModule(host, module, "wallet")),
    ],
    accounts: new Map(owners.map(({ name, account }) => [name, account])),
    bank: bank.database,
    network: world.networkDatabase,
    outboxes: new Map(shops.map(({ name, database }) => [name, database])),
    agents: chips.flatMap(({ agent }) => (agent === undefined ? [] : [cardOf(agent)])),
  };
}
