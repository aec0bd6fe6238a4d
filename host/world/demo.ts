/**
 * The demonstration: one economy lives through what electronic money is for, and a closing audit shows where each cent is.
 * Every step checks what it shows; a step that does not hold is reported as failed, and the story goes on.
 */

import { KIND_HOST } from "../../firmware/protocol/messages.js";
import { deal } from "../applications/deal.js";
import { deposit } from "../applications/deposit.js";
import { pay } from "../applications/pay.js";
import { receive } from "../applications/receive.js";
import { shop } from "../applications/shop.js";
import type { Transfer } from "../applications/transfer.js";
import { equalBytes } from "../codec/bytes.js";
import { type Disturbance, inProcessLink } from "../communications/in-process.js";
import type { Device } from "../device.js";
import type { CarriedEnvelope } from "../message-manager.js";
import { type CardOffer, readNotice } from "../notices.js";
import { RESPONSE } from "../services/iso8583/messages.js";
import { formatDecimal, formatMoney, type Money, parseMoney, sameUnit, unitOf } from "../units.js";
import type { AuditLine } from "./audit.js";
import { check, DemoFailure } from "./demo-check.js";
import { NewspaperDemo, type TokenAuditLine, tokenLine } from "./demo-newspaper.js";
import { createWorld } from "./init.js";
import { depositAccount, tillName } from "./plan.js";
import type { WorldParts } from "./site.js";
import type { World } from "./world.js";

export interface DemoStep {
  readonly name: string;
  readonly ok: boolean;
  /** What was seen, or why it failed. */
  readonly detail: string;
  readonly milliseconds: number;
}

export interface DemoResult {
  readonly steps: readonly DemoStep[];
  readonly audit: readonly AuditLine[];
  readonly tokens: readonly TokenAuditLine[];
}

export interface DemoReporter {
  /** Work that takes a while, under way. */
  progress(what: string): void;
  step(step: DemoStep): void;
}

const PROMPTS = {
  confirmMerchant: () => true,
  chooseCard: (cards: readonly CardOffer[]) => cards[0],
  confirmReceipt: () => true,
};

const usd = unitOf("USD");

/** Runs the whole story in a new world, which is closed at the end. */
export async function runDemo(parts: WorldParts, reporter: DemoReporter): Promise<DemoResult> {
  const refills: string[] = [];
  const answers: string[] = [];
  const commits = new Commits();
  const watched: WorldParts = {
    ...parts,
    recorder: (device, envelope) => {
      commits.see(device, envelope);
      parts.recorder?.(device, envelope);
    },
    onMerchantEvent: (merchant, event) => {
      if (event.kind === "refilled") refills.push(event.from);
      if (event.kind === "authorization") answers.push(event.entry.code ?? "");
      parts.onMerchantEvent?.(merchant, event);
    },
  };
  const started = performance.now();
  const world = await createWorld(watched, (what) => reporter.progress(what));
  const demo = new Demo(world, reporter, { refills, answers, commits });
  try {
    demo.note(
      "an economy comes up",
      `${world.devices.size} devices with their chips, personalised and paired`,
      started,
    );
    return await demo.run();
  } finally {
    await world.close();
  }
}

/** Knows which devices' modules have said that they committed a payment. */
class Commits {
  readonly #devices = new Set<string>();

  see(device: string, { from, to, kind, body }: CarriedEnvelope): void {
    if (from !== "module" || to !== "host" || kind !== KIND_HOST) return;
    if (readNotice(body).name === "sent") this.#devices.add(device);
  }

  forget(device: string): void {
    this.#devices.delete(device);
  }

  has(device: string): boolean {
    return this.#devices.has(device);
  }
}

class Demo {
  readonly #steps: DemoStep[] = [];
  #audit: AuditLine[] = [];
  #tokenAudit: TokenAuditLine[] = [];

  constructor(
    private readonly world: World,
    private readonly reporter: DemoReporter,
    private readonly seen: { readonly refills: string[]; readonly answers: string[]; readonly commits: Commits },
  ) {}

  async run(): Promise<DemoResult> {
    await this.#step("merchants are compared", () => this.#compare());
    await this.#step("electronic dollars are bought with a debit card", () => this.#buyDollars());
    await this.#step("euros are bought from a dollar account", () => this.#buyEuros());
    await this.#step("a card is declined, and nothing moves", () => this.#declined());
    await this.#step("a friend is paid with the network unplugged", () => this.#offline());
    await this.#step("the friend pays on what was received", () => this.#secondHop());
    await this.#step("a note is divided to give change", () => this.#change());
    await this.#step("money is sold back into a bank account", () => this.#sell());
    await this.#step("a merchant that runs short is refilled by its second device", () =>
      this.#refilled(70n, "device"),
    );
    await this.#step("and then by its bank", () => this.#refilled(90n, "bank"));
    await this.#step("a merchant deposits what it took in, and the bank redeems the notes", () => this.#deposited());
    await this.#step("the cable is pulled in the middle of a payment", () => this.#cable());
    await this.#step("after an empty battery both sides resume and agree", () => this.#resume());
    await this.#newspaper();
    await this.#step("every cent is accounted for", () => this.#closingAudit());
    return { steps: this.#steps, audit: this.#audit, tokens: this.#tokenAudit };
  }

  async #newspaper(): Promise<void> {
    const newspaper = await NewspaperDemo.open(this.world.site);
    try {
      await this.#step("tokens for a newspaper are bought, and split", () => newspaper.bought());
      await this.#step("two hundred articles are read for tenths of a cent", () => newspaper.read());
      await this.#step("halves that were shown before are refused", () => newspaper.cheated());
      await this.#step("an article for adults is read without a name", () => newspaper.proved());
      await this.#step("the newspaper redeems what it earned", () => newspaper.redeemed());
      await this.#step("what was not spent comes back", () => newspaper.refunded());
      this.#tokenAudit = await newspaper.audit();
    } finally {
      await newspaper.close();
    }
  }

  note(name: string, detail: string, started: number, ok = true): void {
    const step = { name, ok, detail, milliseconds: Math.round(performance.now() - started) };
    this.#steps.push(step);
    this.reporter.step(step);
  }

  async #step(name: string, work: () => Promise<string>): Promise<void> {
    const started = performance.now();
    try {
      this.note(name, await work(), started);
    } catch (error) {
      this.note(name, error instanceof Error ? error.message : String(error), started, false);
    }
  }

  #customer(name: string): Device {
    return this.world.customer(name).device;
  }

  async #compare(): Promise<string> {
    const small = await shop(this.world.directory, "buy", parseMoney("USD 40.00"), usd);
    const large = await shop(this.world.directory, "buy", parseMoney("USD 120.00"), usd);
    check(small.length === 2 && large.length === 2, "two merchants sell dollars");
    const cheapest = [small[0].merchant.name, large[0].merchant.name];
    check(cheapest[0] !== cheapest[1], "different merchants are cheapest for different amounts");
    return `cheapest for USD 40.00: ${cheapest[0]}; for USD 120.00: ${cheapest[1]}`;
  }

  async #buyDollars(): Promise<string> {
    const money = parseMoney("USD 40.00");
    const [best] = await shop(this.world.directory, "buy", money, usd);
    const receipt = await this.#trade("alice", best.merchant.address, "buy", money);
    check(receipt.authorization.amount === best.authorization, "the receipt says what the directory promised");
    check((await this.#spendable("alice", money)) === money.amount, "the notes have arrived");
    return `${formatMoney(money)} for ${formatMoney(receipt.authorization)} from ${best.merchant.name}`;
  }

  async #buyEuros(): Promise<string> {
    const money = parseMoney("EUR 20.00");
    const receipt = await this.#trade("alice", "alder", "buy", money);
    check(sameUnit(receipt.authorization.unit, usd), "the account is debited in dollars");
    check((await this.#spendable("alice", money)) === money.amount, "the notes have arrived");
    return `${formatMoney(money)} for ${formatMoney(receipt.authorization)}`;
  }

  async #declined(): Promise<string> {
    const money = parseMoney("USD 50.00");
    const before = await this.world.audit();
    const refusal = await failureOf(this.#trade("carol", "birch", "buy", money));
    const answer = this.seen.answers.at(-1);
    check(answer === RESPONSE.insufficientFunds, `the bank says there is too little on the account, not ${answer}`);
    check((await this.#spendable("carol", money)) === 0n, "no notes have moved");
    check(sameAudit(before, await this.world.audit()), "every module holds what it held");
    return refusal.message;
  }

  async #offline(): Promise<string> {
    const { network } = this.world;
    const messages = network.messages;
    network.unplugged = true;
    try {
      const paid = await this.#pay("alice", "bob", "USD 12.34");
      check(paid.confirmed, "the payee has confirmed");
      check(network.messages === messages, "no message went to the card network");
      return `alice paid bob ${formatMoney(paid.money)}`;
    } finally {
      network.unplugged = false;
    }
  }

  async #secondHop(): Promise<string> {
    const paid = await this.#pay("bob", "carol", "USD 5.00");
    const notes = await this.#customer("carol").module.notes();
    const hops = Math.max(...notes.map((note) => note.hops));
    check(hops >= 4, "the note carries every hand it went through");
    return `bob paid carol ${formatMoney(paid.money)}; its notes have passed through ${hops} transfers`;
  }

  async #change(): Promise<string> {
    const carol = this.#customer("carol");
    const before = await carol.module.notes();
    const paid = await this.#pay("carol", "alice", "USD 1.25");
    const after = await carol.module.notes();
    const divided = after.find((note) =>
      before.some((whole) => equalBytes(whole.noteId, note.noteId) && whole.money.amount > note.money.amount),
    );
    if (divided === undefined) throw new DemoFailure("no note was divided");
    check((await this.#spendable("carol", paid.money)) === 375n, "the rest stayed with the payer");
    return `carol paid ${formatMoney(paid.money)} and keeps ${formatMoney(divided.money)} of the same note`;
  }

  async #sell(): Promise<string> {
    const money = parseMoney("USD 5.00");
    const before = await this.#spendable("bob", money);
    const receipt = await this.#trade("bob", "birch", "sell", money);
    check((await this.#spendable("bob", money)) === before - money.amount, "the notes are gone");
    return `bob sold ${formatMoney(money)}; ${formatMoney(receipt.authorization)} go to the account`;
  }

  async #refilled(dollars: bigint, from: string): Promise<string> {
    const money = { amount: dollars * 100n, unit: usd };
    this.seen.refills.length = 0;
    await this.#trade("alice", "alder", "buy", money);
    check(
      this.seen.refills.length === 1 && this.seen.refills[0] === from,
      `the money came from the merchant's ${from}`,
    );
    return `alice bought ${formatMoney(money)}`;
  }

  async #deposited(): Promise<string> {
    const { bank, books } = this.world;
    const money = parseMoney("USD 25.00");
    const account = depositAccount("birch", money.unit);
    const before = await books.depositBalance(account);
    await deposit(this.world.device(tillName("birch", 0)), bank, account, money);
    await bank.idle();
    check((await books.depositBalance(account)) === before + money.amount, "the account is credited");
    const { redeemed } = await bank.notesEnded(money.unit);
    check(redeemed === money.amount, "the notes are taken out of circulation");
    return `birch deposited ${formatMoney(money)}`;
  }

  async #cable(): Promise<string> {
    const money = parseMoney("USD 3.00");
    const before = await this.world.audit();
    // The key, which the payer sends when it has committed, is the first of its messages that does not arrive.
    this.seen.commits.forget("alice");
    const pulled: Disturbance = () => ({ kind: this.seen.commits.has("alice") ? "cut" : "deliver" });
    const failure = await failureOf(this.#pay("alice", "bob", "USD 3.00", pulled));
    const [line] = (await this.world.audit()).filter((each) => each.currency === "USD");
    const [then] = before.filter((each) => each.currency === "USD");
    check(line?.balanced === true, "the audit balances even now");
    check(line?.inDoubt === money.amount, "the amount is in doubt, at the payee");
    check(line.spendable === (then?.spendable ?? 0n) - money.amount, "nobody can spend it");
    return failure.message;
  }

  async #resume(): Promise<string> {
    for (const name of ["alice", "bob"]) await this.#customer(name).restart(this.world.site.record(name).pin);
    const before = await this.#spendable("bob", { amount: 0n, unit: usd });
    const settled = await this.world.settle(this.#customer("alice"), this.#customer("bob"));
    check(settled.open === 0, "nothing is open between them");
    check((await this.#spendable("bob", { amount: 0n, unit: usd })) === before + 300n, "bob can spend it");
    check((await this.#customer("bob").module.pending()).length === 0, "nothing is in doubt");
    return "the payment that broke off stands: bob has USD 3.00 more";
  }

  async #closingAudit(): Promise<string> {
    await this.world.bank.idle();
    this.#audit = await this.world.audit();
    check(this.#audit.length > 0 && this.#audit.every((line) => line.balanced), "every currency balances");
    const faults = [...(await this.world.books.audit()), ...(await this.world.network.audit())];
    check(faults.length === 0, `the books balance: ${faults.join("; ")}`);
    check((await this.world.bank.findings()).length === 0, "no note that came back was spent twice");
    check(this.#tokenAudit.length > 0 && this.#tokenAudit.every((line) => line.balanced), "the tokens balance");
    const notes = this.#audit.map(
      (line) => `${line.currency} ${formatDecimal(line.issued, line.exponent)} issued, all found`,
    );
    return [...notes, ...this.#tokenAudit.map(tokenLine)].join("; ");
  }

  // What the steps are made of.

  async #pay(from: string, to: string, text: string, disturbance?: Disturbance): Promise<Transfer> {
    const [near, far] = inProcessLink(disturbance, this.world.parts.timers);
    const payer = this.#customer(from);
    const [paid, received] = await Promise.allSettled([
      pay(payer, near, parseMoney(text)),
      receive(this.#customer(to), far),
    ]);
    if (received.status === "rejected") throw received.reason;
    if (paid.status === "rejected") throw paid.reason;
    return paid.value;
  }

  async #trade(customer: string, trader: string, direction: "buy" | "sell", money: Money) {
    const { merchant } = this.world.trader(trader);
    const result = await deal({ customer: this.#customer(customer), merchant, prompts: PROMPTS }, direction, money);
    if (result.receipt === undefined || result.provisional) throw new DemoFailure("the purchase is still provisional");
    return result.receipt;
  }

  async #spendable(name: string, money: Money): Promise<bigint> {
    const balances = await this.#customer(name).module.balances();
    return balances.find((balance) => sameUnit(balance.unit, money.unit))?.spendable ?? 0n;
  }
}

async function failureOf(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new DemoFailure("It went through, and should not have.");
}

function sameAudit(one: readonly AuditLine[], other: readonly AuditLine[]): boolean {
  const key = (lines: readonly AuditLine[]) => lines.map((line) => Object.values(line).join(" ")).join("\n");
  return key(one) === key(other);
}
