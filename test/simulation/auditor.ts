/**
 * The auditor: looks from outside whether money is where it must be. It shares no code with the firmware, the host's codecs or its
 * services: modules it asks by APDU (module-readings.ts), books by SQL (books.ts). It checks
 *
 * - conservation: issued - redeemed + copied = spendable + offered + in doubt, where a transfer counts once: at the payer until
 *   the payer's commit is stored, from then at the payee. Copied is what was in modules when a laboratory copied them;
 * - what everybody has, in modules and accounts, against a ledger of its own of what their transactions say;
 * - that both ends logged the same payments, and the bank booked what its modules logged (audit-bank.ts);
 * - that a card was charged if and only if money moved (audit-cards.ts).
 *
 * What it finds is a violation, with the number of the transaction after which it was seen.
 */

import { createHash } from "node:crypto";
import { BankAudit } from "./audit-bank.js";
import { CardAudit, type Trade } from "./audit-cards.js";
import { BooksReader } from "./books.js";
import { digestOf, type Holding, holdingOf, logFrom, type Moved, type Open } from "./module-readings.js";
import type { Card } from "./reading.js";

export interface AuditedModule {
  readonly id: string;
  readonly name: string;
  /** Whose expectations it counts for; undefined: the bank's own. */
  readonly owner?: string;
  readonly role: "wallet" | "teller" | "generator";
  readonly card: Card;
  /** Whether it has power. */
  readonly isOn: () => boolean;
}

export interface Audited {
  readonly modules: readonly AuditedModule[];
  /** Number of each owner's account at the bank. */
  readonly accounts: ReadonlyMap<string, string>;
  readonly bank: unknown;
  readonly network: unknown;
  /** By merchant. */
  readonly outboxes: ReadonlyMap<string, unknown>;
  /** Other elements, agents, whose stores count for the digest. */
  readonly agents: readonly Card[];
}

export interface Violation {
  /** Of the transaction after which it was seen. */
  readonly number: number;
  readonly what: string;
}

/** What a transaction says: who pays whom how much, if it happens. Undefined ends are the bank's counter. */
export interface Deal {
  readonly payer: string | undefined;
  readonly payee: string | undefined;
  readonly amount: bigint;
  /** What each side's application told its owner. */
  readonly words: readonly ("happened" | "aborted" | "unknown")[];
  readonly trade?: Omit<Trade, "happened">;
}

interface Watched extends AuditedModule {
  holding: Holding;
  /** Of its log, what was read ahead. */
  ahead: readonly Moved[];
  nextLog: number;
}

export class Auditor {
  checks = 0;
  readonly violations: Violation[] = [];
  /** Of the transaction that is looked at. */
  number = 0;
  readonly #modules: Watched[] = [];
  readonly #byId = new Map<string, Watched[]>();
  readonly #byOwner = new Map<string, Watched[]>();
  readonly #accounts: Map<string, string>;
  readonly #books: BooksReader;
  readonly #audited: Audited;
  readonly #bank: BankAudit;
  readonly #cards: CardAudit;
  readonly #expected = new Map<string, bigint>();
  /** Payments that the payer has logged and the payee has not. */
  readonly #sent = new Map<string, Moved & { readonly by: string }>();
  #copied = 0n;

  constructor(audited: Audited) {
    this.#audited = audited;
    this.#accounts = new Map(audited.accounts);
    this.#books = new BooksReader(audited.bank);
    this.#bank = new BankAudit(this.#books);
    this.#cards = new CardAudit(new BooksReader(audited.network), audited.outboxes);
    for (const module of audited.modules) this.#watch(module, 0);
  }

  #watch(module: AuditedModule, nextLog: number): void {
    const watched = { ...module, nextLog, ahead: [], holding: holdingOf(module.card, module.role === "generator") };
    this.#modules.push(watched);
    for (const [map, key] of [
      [this.#byId, module.id],
      [this.#byOwner, module.owner ?? ""],
    ] as const) {
      map.set(key, [...(map.get(key) ?? []), watched]);
    }
  }

  /** Takes what is there for the beginning of everything. */
  async begin(): Promise<void> {
    await this.#readAll(this.#modules);
    for (const owner of this.#accounts.keys()) this.#expected.set(owner, await this.worthOf(owner));
    await this.#cards.begin();
    await this.everything();
  }

  /** Paid in from outside, by what the transaction says. */
  paidIn(owner: string, amount: bigint): void {
    this.#expected.set(owner, this.expectationOf(owner) + amount);
  }

  /** A laboratory has copied a module: its money is there twice. */
  async copied(clone: AuditedModule, owner: string): Promise<void> {
    const original = this.#byOwner.get(owner)?.[0];
    if (original === undefined) throw new Error(`${owner} has no module`);
    this.#watch({ ...clone, owner: clone.name }, original.nextLog);
    const amount = original.holding.spendable + original.holding.offered;
    this.#copied += amount;
    this.#expected.set(clone.name, amount);
    this.#check((await this.worthOf(clone.name)) === amount, "a copy has another balance than its original");
  }

  expectationOf(owner: string): bigint {
    return this.#expected.get(owner) ?? 0n;
  }

  holdingsOf(owner: string): Holding[] {
    return (this.#byOwner.get(owner) ?? []).map(({ holding }) => holding);
  }

  // After a transaction, a resumption, a restart.

  /** Looks at these owners, and at the bank; whether the deal, if there is one, happened. */
  async after(owners: readonly string[], deal?: Deal): Promise<boolean> {
    const inModules = (owner: string) => this.#inModules(owner);
    const before = new Map(owners.map((owner) => [owner, inModules(owner)]));
    const watched = [...owners.flatMap((owner) => this.#byOwner.get(owner) ?? []), ...(this.#byOwner.get("") ?? [])];
    await this.#readAll(watched);
    const happened = deal === undefined ? false : await this.#judge(deal, before);
    for (const owner of owners) {
      const worth = await this.worthOf(owner);
      const expected = this.expectationOf(owner);
      this.#check(worth === expected, `${owner} has ${worth}, and should have ${expected}`);
      // One fault is said once.
      this.#expected.set(owner, worth);
    }
    await this.#conservation();
    return happened;
  }

  /** Whether money moved: from one owner to another, or between an owner's module and account. */
  async #judge(deal: Deal, before: ReadonlyMap<string, bigint>): Promise<boolean> {
    const { payer, payee, amount, words, trade } = deal;
    const gain = (owner: string) => this.#inModules(owner) - (before.get(owner) ?? 0n);
    const happened =
      payer !== undefined && payee !== undefined
        ? (await this.worthOf(payer)) !== this.expectationOf(payer)
        : payee === undefined
          ? gain(payer as string) === -amount
          : gain(payee) === amount;
    if (happened && payer !== undefined && payee !== undefined) {
      this.#expected.set(payer, this.expectationOf(payer) - amount);
      this.#expected.set(payee, this.expectationOf(payee) + amount);
    }
    if (payer === undefined || payee === undefined) {
      const moved = gain((payer ?? payee) as string);
      this.#check(happened || moved === 0n, `at the counter ${moved} moved instead of ${amount}`);
    }
    if (words.includes("happened")) this.#check(happened, "an application said that it was paid, and it was not");
    if (words.includes("aborted")) this.#check(!happened, "an application said that nothing was paid, and it was");
    if (trade !== undefined) this.#report(await this.#cards.traded({ ...trade, happened }));
    return happened;
  }

  // What there is.

  /** In an owner's modules, with what is on its way to them. */
  #inModules(owner: string): bigint {
    const modules = this.#byOwner.get(owner) ?? [];
    return modules.reduce((sum, module) => sum + this.#heldBy(module), 0n);
  }

  #heldBy(module: Watched): bigint {
    const { spendable, offered, open } = module.holding;
    const coming = open.filter((entry) => entry.state === "in doubt" && this.#isCommitted(module, entry));
    return coming.reduce((sum, { amount }) => sum + amount, spendable + offered);
  }

  /** What a payee has in doubt is on its way if, and only if, its payer has committed. */
  #isCommitted(payee: Watched, doubt: Open): boolean {
    const payers = this.#byId.get(doubt.peer) ?? [];
    return payers.some(({ holding }) =>
      holding.open.some(
        ({ payId, state, peer }) => payId === doubt.payId && state === "committed" && peer === payee.id,
      ),
    );
  }

  /** All that is an owner's: in its modules, on its account, on those for refreshing, and on its way to the counter. */
  async worthOf(owner: string): Promise<bigint> {
    let worth = this.#inModules(owner);
    const account = this.#accounts.get(owner);
    if (account !== undefined) worth += await this.#books.balance(`deposits/${account}`);
    const own = this.#byOwner.get(owner) ?? [];
    for (const { id } of own) {
      worth += await this.#books.balance(`refresh/${id}/840.2`);
      for (const teller of this.#tellers()) {
        for (const entry of teller.holding.open) {
          if (entry.peer === id && entry.state === "in doubt" && this.#isCommitted(teller, entry))
            worth += entry.amount;
        }
      }
    }
    return worth;
  }

  #tellers(): Watched[] {
    return (this.#byOwner.get("") ?? []).filter(({ role }) => role === "teller");
  }

  async #readAll(modules: readonly Watched[]): Promise<void> {
    const logged: { readonly module: Watched; readonly moved: readonly Moved[] }[] = [];
    for (const module of modules) logged.push({ module, moved: this.#read(module) });
    for (const { module, moved } of logged)
      for (const entry of moved) if (entry.kind === "sent") this.#noteSent(module, entry);
    for (const { module, moved } of logged)
      for (const entry of moved) if (entry.kind === "received") this.#noteReceived(module, entry);
    for (const { module, moved } of logged)
      if (module.role !== "wallet") this.#bank.logged(module.role, moved, this.#generators());
    this.#report(await this.#bank.booked());
    this.checks += 1;
  }

  #generators(): ReadonlySet<string> {
    return new Set((this.#byOwner.get("") ?? []).filter(({ role }) => role === "generator").map(({ id }) => id));
  }

  #read(module: Watched): readonly Moved[] {
    module.holding = holdingOf(module.card, module.role === "generator");
    this.#readLog(module);
    const moved = module.ahead;
    module.ahead = [];
    return moved;
  }

  #readLog(module: Watched): void {
    const { moved, next } = logFrom(module.card, module.nextLog);
    module.nextLog = next;
    module.ahead = [...module.ahead, ...moved];
  }

  /** In the middle of a transaction: reads on in the logs of the bank's modules, which a long one would overwrite. */
  readAhead(): void {
    for (const module of this.#byOwner.get("") ?? []) if (module.isOn()) this.#readLog(module);
  }

  #noteSent(module: Watched, entry: Moved): void {
    this.#check(!this.#sent.has(entry.payId), `${module.name} logged a payment twice`);
    this.#sent.set(entry.payId, { ...entry, by: module.id });
  }

  #noteReceived(module: Watched, entry: Moved): void {
    const sent = this.#sent.get(entry.payId);
    const fits =
      sent !== undefined && sent.by === entry.peer && sent.peer === module.id && sent.amount === entry.amount;
    this.#check(fits, `${module.name} logged ${entry.amount} received from ${entry.peer}, who did not log that`);
    this.#sent.delete(entry.payId);
  }

  async #conservation(): Promise<void> {
    const issued = this.#modules.reduce((sum, { holding }) => sum + holding.issued, 0n);
    const held = this.#modules.reduce((sum, module) => sum + this.#heldBy(module), 0n);
    const redeemed = await this.#bank.redeemed();
    const fits = issued - redeemed + this.#copied === held;
    this.#check(fits, `issued ${issued} - redeemed ${redeemed} + copied ${this.#copied} is not held ${held}`);
  }

  // Now and then, and at the end.

  /** Every module again, everybody's expectations, all books. */
  async everything(): Promise<void> {
    await this.#readAll(this.#modules);
    for (const [owner, expected] of this.#expected) {
      const worth = await this.worthOf(owner);
      this.#check(worth === expected, `${owner} has ${worth}, and should have ${expected}`);
    }
    await this.#conservation();
    const held = this.#tellers().reduce((sum, { holding }) => sum + holding.spendable, 0n);
    this.#report(await this.#bank.everything(held));
    this.#report(await this.#cards.everything());
  }

  /** Nothing is open anywhere, every payment is in two logs, every authorization at its end. How much is in doubt. */
  async end(): Promise<number> {
    await this.everything();
    let inDoubt = 0;
    for (const { name, holding } of this.#modules) {
      for (const { state, amount } of holding.open) {
        if (state === "in doubt" || state === "committed") inDoubt += 1;
        this.#check(false, `${name} still has ${amount} ${state}`);
      }
    }
    for (const { by, peer, amount } of this.#sent.values())
      this.#check(false, `${by} paid ${amount}, and ${peer} did not log it`);
    this.#report(await this.#bank.end());
    this.#report(await this.#cards.end());
    return inDoubt;
  }

  /** After everybody has brought everything: the bank's loss is what was spent twice, and its findings name who did it. */
  async losses(spentTwice: ReadonlyMap<string, bigint>): Promise<void> {
    this.#report(await this.#bank.losses(spentTwice));
  }

  /** SHA-256 over the stores of all elements and all books, in their order. */
  async digest(): Promise<string> {
    const hash = createHash("sha256");
    for (const { card } of this.#modules) hash.update(digestOf(card));
    for (const card of this.#audited.agents) hash.update(digestOf(card));
    for (const database of [this.#audited.bank, this.#audited.network, ...this.#audited.outboxes.values()]) {
      await new BooksReader(database).hashInto(hash);
    }
    return hash.digest("hex");
  }

  /** What somebody else saw, who can ask what no command at the card's edge tells. */
  seen(holds: boolean, what: string): void {
    this.#check(holds, what);
  }

  #check(holds: boolean, what: string): void {
    this.checks += 1;
    if (!holds) this.violations.push({ number: this.number, what });
  }

  #report(faults: readonly string[]): void {
    this.checks += 1;
    for (const what of faults) this.violations.push({ number: this.number, what });
  }
}
