/**
 * One run: a world is made, transactions are drawn and performed one after the other, what is left open is settled when the owners
 * meet later, and the auditor looks after each of them, now and then at everything, and at the end.
 */

import { settleAgent } from "../../host/applications/resume.js";
import { toHex } from "../../host/codec/bytes.js";
import { auditedModule, auditedOf, dealOf, ownersOf } from "./audited.js";
import { Auditor, type Violation } from "./auditor.js";
import { Cheats } from "./cheats.js";
import { type Blow, Faults } from "./faults.js";
import { Customer, type Host, Shop, USD } from "./hosts.js";
import { Meeting } from "./meeting.js";
import { type Ends, OpenBusiness } from "./open-business.js";
import { Draws, KINDS, type Kind, perform, type Said, settle, type Transaction } from "./transactions.js";
import { World } from "./world.js";

export interface Options {
  readonly devices: number;
  readonly transactions: number;
  readonly seed: string;
  readonly faults: boolean;
}

export interface Progress {
  /** So many of the devices are ready, or so many of the transactions are done. */
  readonly stage: "devices" | "transactions";
  readonly done: number;
  readonly of: number;
}

type Counts = Record<string, number>;

export interface Result {
  readonly happened: number;
  readonly aborted: number;
  readonly kinds: Readonly<Record<Kind, number>>;
  readonly reasons: Readonly<Counts>;
  readonly faults: Readonly<Counts>;
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
/** How often a host that loses power as it comes to life is started again. */
const STARTS_MAX = 5;

export class Simulation {
  readonly world: World;
  readonly auditor: Auditor;
  readonly cheats: Cheats;
  readonly #options: Options;
  readonly #draws: Draws;
  readonly #faults: Faults;
  readonly #business = new OpenBusiness();
  readonly #byModule = new Map<string, Host>();
  readonly #counts = { happened: 0, aborted: 0 };
  readonly #kinds = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
  readonly #reasons: Counts = {};
  /** For whoever reads of an error. */
  #doing = "";
  readonly #struck: Counts = {};

  private constructor(world: World, options: Options) {
    this.world = world;
    this.#options = options;
    this.auditor = new Auditor(auditedOf(world));
    this.#draws = new Draws(world, (ends) => !this.#business.isApart(ends));
    this.#faults = new Faults(world.random.fork("faults"), options.faults);
    this.cheats = new Cheats(world, (customer) => !this.#business.concerns(customer));
    for (const host of world.hosts) for (const id of host.moduleIds) this.#byModule.set(id, host);
  }

  static async create(options: Options, progress: (progress: Progress) => void = () => undefined): Promise<Simulation> {
    const { seed, devices } = options;
    const world = await World.create(seed, devices, (done) => progress({ stage: "devices", done, of: devices }));
    const simulation = new Simulation(world, options);
    await simulation.auditor.begin();
    simulation.#park();
    return simulation;
  }

  async run(progress: (progress: Progress) => void = () => undefined): Promise<Result> {
    const { transactions } = this.#options;
    try {
      for (let number = 1; number <= transactions; number += 1) {
        await this.step(number);
        progress({ stage: "transactions", done: number, of: transactions });
      }
      return await this.end();
    } catch (error) {
      // Nobody can go on in a world where something hangs, or fails that must not.
      const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      this.auditor.violations.push({ number: this.auditor.number, what: `${this.#doing}: ${what}` });
      return this.#result(0);
    }
  }

  #park(): void {
    for (const customer of this.world.customers) customer.park();
  }

  // One transaction, and who meets before it.

  async step(number: number): Promise<void> {
    const { auditor } = this;
    auditor.number = number;
    await this.#pass(this.#draws.pause_seconds);
    await this.#meetings(number);
    if (this.#faults.isCheatsTurn) await this.cheat(number);
    const transaction = await this.#draws.next(number);
    const { kind, customer, other, salary } = transaction;
    this.#kinds[kind] += 1;
    if (salary > 0n) {
      await this.world.bank.books.fund({
        id: `salary/${number}`,
        account: customer.account,
        amount: salary,
        unit: USD,
      });
      auditor.paidIn(customer.name, salary);
    }
    const blow = this.#faults.forTransaction(kind, [customer, other], elementsOf(transaction));
    const [happened, said] = await this.transact(transaction, blow);
    this.#counts[happened ? "happened" : "aborted"] += 1;
    if (!happened)
      count(this.#reasons, `${kind}: ${said.find(({ why }) => why !== undefined)?.why ?? "nobody said why"}`);
    if (number % EVERYTHING_EVERY !== 0) return;
    await auditor.everything();
    this.#park();
  }

  async #pass(seconds: number): Promise<void> {
    await this.world.time.drain();
    this.world.time.clock.advance(seconds * 1000);
  }

  /** Performs it under the blow, brings back who was struck, and has the auditor look. Whether money moved, and what was said. */
  async transact(transaction: Transaction, blow?: Blow): Promise<[boolean, readonly Said[]]> {
    const { world, auditor } = this;
    const { kind, customer, other, number } = transaction;
    const ends: Ends = [customer, other];
    if (blow?.restart !== undefined) await this.#start(blow.restart, this.#faults.keepsPower);
    const meeting = new Meeting(world.time, blow?.strike, blow?.injection);
    const extent = blow === undefined ? new Extents(ends, elementsOf(transaction)) : undefined;
    const said = await this.#under(`${kind}, ${namesOf(ends)}`, blow, meeting, () =>
      perform(world, transaction, meeting),
    );
    if (extent !== undefined) this.#faults.learn(kind, extent.end(meeting), meeting.carried);
    await this.#recover(ends, blow);
    const words = said.map(({ word }) => word);
    const deal = dealOf(transaction, words);
    const moved = await auditor.after(ownersOf(ends), deal);
    this.#noteOpen(ends, number + (blow?.apart ?? 1), blow?.isPartition === true && meeting.hasStruck);
    if (words.includes("unknown")) this.#business.note(ends, number + (blow?.apart ?? 1));
    this.#parkEnds(ends);
    return [moved || (deal === undefined && words[0] === "happened"), said];
  }

  /** Runs to the end: applications first, then what the bank and the merchants still have to do with it. */
  async #under<Value>(
    what: string,
    blow: Blow | undefined,
    meeting: Meeting,
    work: () => Promise<Value>,
  ): Promise<Value> {
    const { bank, shops, time } = this.world;
    this.world.counterLinks = () => {
      this.auditor.readAhead();
      return meeting.raw();
    };
    this.#doing = `${what}, ${blow === undefined ? "undisturbed" : `struck by ${blow.kind}`}`;
    blow?.arm();
    const together = async () => {
      const value = await work();
      await Promise.allSettled(shops.map((shop) => shop.life.guard(shop.merchant.idle())));
      await Promise.allSettled([bank.life.guard(bank.service.idle())]);
      return value;
    };
    const value = await time.run(together());
    meeting.end();
    await time.drain();
    if (blow !== undefined && (blow.disarm() || meeting.hasStruck || meeting.hasInjected))
      count(this.#struck, blow.kind);
    return value;
  }

  /** Whose host has died, or whose chip has no power, comes back; the bank first, for merchants need it. */
  async #recover(ends: Ends, blow: Blow | undefined): Promise<void> {
    const { bank } = this.world;
    const hosts = [bank, ...ends.filter((each) => each !== (bank as Host))];
    for (const host of hosts.filter(({ isWell }) => !isWell)) await this.#start(host, this.#faults.keepsPower, blow);
    await this.world.time.drain();
  }

  /** A host comes to life, and may lose power as it does. */
  async #start(host: Host, keepsPower: boolean, blow?: Blow): Promise<void> {
    if (!keepsPower) for (const { simulated } of host.elements) simulated.powerOff();
    const again = blow?.kind === "power" ? this.#faults.again(host.elements) : undefined;
    again?.arm();
    for (let starts = 1; ; starts += 1) {
      const isSameLife = keepsPower && host instanceof Customer && !host.life.isOver;
      try {
        await this.world.time.run(isSameLife ? host.repower() : host.start());
        break;
      } catch (error) {
        if (starts === STARTS_MAX) throw error;
        // As from a reader: a card that is still in the middle of what another host had begun is reset.
        for (const { simulated } of host.elements) simulated.powerOff();
      }
    }
    if (again?.disarm() === true) count(this.#struck, again.kind);
  }

  #parkEnds(ends: Ends): void {
    for (const host of ends) if (host instanceof Customer) host.park();
  }

  // What is open.

  /** Hosts between whom something is open, as their modules say. */
  #noteOpen(ends: Ends, from: number, isPartition = false): void {
    if (isPartition) this.#business.note(ends, from, true);
    for (const host of ends) {
      const owner = host === (this.world.bank as Host) ? "" : host.name;
      for (const { open } of this.auditor.holdingsOf(owner)) {
        for (const { peer } of open) {
          const other = this.#byModule.get(peer);
          if (other !== undefined && other !== host) this.#business.note([host, other], from);
        }
      }
    }
  }

  /** Those who can meet again do. */
  async #meetings(number: number): Promise<void> {
    for (const ends of this.#business.take(number)) {
      const elements = ends.flatMap((host) => host.elements);
      await this.#meet(ends, this.#faults.forMeeting(ends, elements));
    }
  }

  async #meet(ends: Ends, blow?: Blow): Promise<void> {
    const { world, auditor } = this;
    const meeting = new Meeting(world.time, blow?.strike, blow?.injection);
    const extent =
      blow === undefined
        ? new Extents(
            ends,
            ends.flatMap((host) => host.elements),
          )
        : undefined;
    await this.#under(`meeting, ${namesOf(ends)}`, blow, meeting, () => settle(world, ends[0], ends[1], meeting));
    if (extent !== undefined) this.#faults.learn("meeting", extent.end(meeting), meeting.carried);
    await this.#recover(ends, blow);
    await auditor.after(ownersOf(ends));
    const from = auditor.number + (blow?.apart ?? 1);
    this.#noteOpen(ends, from);
    if (blow !== undefined) this.#business.note(ends, from);
    this.#parkEnds(ends);
  }

  // Cheats.

  /** Somebody has had a module copied: original and copy pay all of it to two who do not know. */
  async cheat(number: number): Promise<void> {
    const cheat = await this.cheats.next(number);
    if (cheat === undefined) return;
    const { auditor } = this;
    const { clone, culprit, payments } = cheat;
    // The chip is on the table while it is copied: it is read first, so that nobody counts what came in between.
    await auditor.after([culprit.name]);
    const [chips] = clone.chips;
    if (chips === undefined) return;
    await this.world.time.run(clone.start());
    await auditor.copied(auditedModule(clone, chips.module, "wallet"), culprit.name);
    let paid = 0;
    for (const payment of payments) {
      const [happened] = await this.transact(payment);
      if (happened) paid += 1;
    }
    this.cheats.conclude(cheat, paid === payments.length);
    clone.park();
  }

  // The end.

  /** What is open is settled, with nobody striking any more; where there were cheats, everybody brings everything to the bank. */
  async end(): Promise<Result> {
    const { auditor, cheats } = this;
    this.#faults.end();
    await this.#settleAll();
    if (cheats.count > 0) {
      for (const last of cheats.closing()) await this.#deposits(last);
      await this.#settleAll();
      await auditor.losses(cheats.spentTwice);
    }
    await this.#askAgents();
    return this.#result(await auditor.end());
  }

  /** What agents have pending no command lists; but whoever settles is told. After once it is over. */
  async #askAgents(): Promise<void> {
    const { customers, shops, time } = this.world;
    for (const host of [...customers.filter(({ hasAgent }) => hasAgent), ...shops]) {
      for (const device of host.devices) {
        await time.run(settleAgent(device));
        const waiting: string[] = [];
        const outcomes = await time.run(settleAgent(device, (receipt) => waiting.push(toHex(receipt))));
        const isSilent = outcomes.length === 0 && waiting.length === 0;
        this.auditor.seen(isSilent, `an agent of ${host.name} still has something pending: ${waiting.join(", ")}`);
      }
      if (host instanceof Customer) host.park();
    }
  }

  async #result(inDoubt: number): Promise<Result> {
    const { auditor, cheats } = this;
    const { checks, violations } = auditor;
    return {
      ...this.#counts,
      ...{ kinds: this.#kinds, reasons: this.#reasons, faults: this.#struck, cheats: cheats.count },
      ...{ checks, violations, inDoubt, digest: await auditor.digest() },
    };
  }

  /** Until nothing is left, or the bank refuses it: then the auditor will miss it. */
  async #deposits(next: () => Promise<Transaction | undefined>): Promise<void> {
    for (let deposit = await next(); deposit !== undefined; deposit = await next()) {
      const [happened] = await this.transact(deposit);
      if (!happened) return;
    }
  }

  async #settleAll(): Promise<void> {
    const { shops, bank } = this.world;
    for (let round = 0; round < LAST_ROUNDS; round += 1) {
      await this.#pass(60);
      await this.#meetings(Number.POSITIVE_INFINITY);
      for (const shop of shops) await this.#meet([shop, bank]);
      if (this.#business.count === 0) break;
    }
  }
}

/** How much a transaction takes, measured while nothing disturbs it. */
class Extents {
  readonly #lives: readonly { readonly steps: number; readonly notices: number; readonly life: Host["life"] }[];
  readonly #elements: ReturnType<typeof elementsOf>;
  readonly #operations: number[];

  constructor(ends: Ends, elements: ReturnType<typeof elementsOf>) {
    this.#lives = ends.map(({ life }) => ({ steps: life.steps, notices: life.notices, life }));
    this.#elements = elements;
    this.#operations = elements.map(() => 0);
    elements.forEach(({ simulated }, index) => {
      simulated.chip.onOperation = () => {
        this.#operations[index] = (this.#operations[index] ?? 0) + 1;
        return undefined;
      };
    });
  }

  end(meeting: Meeting) {
    for (const { simulated } of this.#elements) simulated.chip.onOperation = undefined;
    return {
      messages: Math.max(1, ...meeting.sent),
      operations: Math.max(1, ...this.#operations),
      steps: Math.max(1, ...this.#lives.map(({ steps, life }) => life.steps - steps)),
      notices: Math.max(1, ...this.#lives.map(({ notices, life }) => life.notices - notices)),
    };
  }
}

/** The chips that have to do with it: of a merchant those of one till. */
function elementsOf({ customer, other, till }: Transaction) {
  return [customer, other].flatMap((host) => {
    if (!(host instanceof Shop)) return host.elements;
    const { agent, module } = host.chips[till] ?? {};
    return [agent, module].filter((chip) => chip !== undefined);
  });
}

function namesOf(ends: Ends): string {
  return ends.map(({ name }) => name).join(" and ");
}

function count(counts: Counts, what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}
