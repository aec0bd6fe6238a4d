/** The transactions of a simulated world: what is drawn from the seed, and how both ends of each run over one struck link. */

import { buy, type CustomerPrompts } from "../../host/applications/buy.js";
import { deposit } from "../../host/applications/deposit.js";
import type { Between } from "../../host/applications/merchant.js";
import { pay, payRequested } from "../../host/applications/pay.js";
import { receive, request } from "../../host/applications/receive.js";
import { refresh } from "../../host/applications/refresh.js";
import { answerResume, resume } from "../../host/applications/resume.js";
import { sell } from "../../host/applications/sell.js";
import { withdraw } from "../../host/applications/withdraw.js";
import { toHex } from "../../host/codec/bytes.js";
import type { PeerLink } from "../../host/communications/link.js";
import { ReasonError } from "../../host/reasons.js";
import { Bank, Customer, FEE, type Host, Shop, USD } from "./hosts.js";
import type { Meeting } from "./meeting.js";
import type { World } from "./world.js";

export const KINDS = ["payment", "pos", "withdrawal", "deposit", "refresh", "purchase", "sale"] as const;
export type Kind = (typeof KINDS)[number];

/** Of a hundred transactions so many are of each kind. */
const WEIGHTS: Readonly<Record<Kind, number>> = {
  payment: 48,
  pos: 18,
  withdrawal: 12,
  deposit: 7,
  refresh: 5,
  purchase: 6,
  sale: 4,
};

/** One transaction as it was drawn. */
export interface Transaction {
  readonly number: number;
  readonly kind: Kind;
  /** Who begins it; a merchant does only to have its notes refreshed. */
  readonly customer: Customer | Shop;
  /** With whom: another customer, the bank, a merchant. */
  readonly other: Host;
  readonly amount: bigint;
  /** Which of the merchant's devices has to do with it. */
  readonly till: number;
  /** Paid into the customer's account beforehand. */
  readonly salary: bigint;
}

/** What a side's application told its owner: paid, not paid, or neither; and why not. */
export interface Said {
  readonly word: "happened" | "aborted" | "unknown";
  readonly why?: string;
}

/** Of so many refreshments one is a merchant's. */
const SHOP_REFRESH_EVERY = 3;
const PAYMENT_MAX = 3_000;
const WITHDRAWAL_MAX = 20_000;
const SALARY = 25_000n;
/** Seconds between two transactions, at most. */
const PAUSE_SECONDS_MAX = 1_600;

export class Draws {
  readonly #world: World;
  readonly #kinds: readonly Kind[] = KINDS.flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));

  readonly #canMeet: (ends: readonly [Host, Host]) => boolean;

  /** `canMeet`: nothing keeps these two apart. */
  constructor(world: World, canMeet: (ends: readonly [Host, Host]) => boolean) {
    this.#world = world;
    this.#canMeet = canMeet;
  }

  get pause_seconds(): number {
    return this.#world.random.below(PAUSE_SECONDS_MAX) + 1;
  }

  /** Between two who can meet. */
  async next(number: number): Promise<Transaction> {
    for (;;) {
      const drawn = await this.#next(number);
      if (this.#canMeet([drawn.customer, drawn.other])) return drawn;
    }
  }

  /** What a customer's own host sees of his balance is looked at, so that nobody is asked to pay what he has not. */
  async #next(number: number): Promise<Transaction> {
    const { random, shops, bank } = this.#world;
    const drawn = this.#kinds[random.below(this.#kinds.length)] as Kind;
    const shop = shops[random.below(shops.length)] as Shop;
    const till = random.below(shop.devices.length);
    // What customers sell comes in many notes, and a till that is full sells nothing and buys nothing.
    if (drawn === "refresh" && random.below(SHOP_REFRESH_EVERY) === 0) {
      return { number, kind: drawn, customer: shop, other: bank, till, amount: 0n, salary: 0n };
    }
    const isTrade = drawn === "purchase" || drawn === "sale";
    const customer = this.#customer((each) => !isTrade || each.hasAgent);
    const has = await balanceOf(customer);
    // Who has nothing to spend gets himself some.
    const kind = has < 100n && drawn !== "purchase" && drawn !== "withdrawal" ? "withdrawal" : drawn;
    const base = { number, kind, customer, till };
    if (kind === "payment" || kind === "pos") {
      const other = this.#customer((each) => each !== customer);
      return { ...base, other, amount: this.#upTo(has, PAYMENT_MAX), salary: 0n };
    }
    if (kind === "withdrawal") {
      const amount = this.#upTo(BigInt(WITHDRAWAL_MAX), WITHDRAWAL_MAX);
      const left = await bank.books.depositBalance(customer.account);
      return { ...base, other: bank, amount, salary: left < amount ? SALARY : 0n };
    }
    if (kind === "deposit") return { ...base, other: bank, amount: this.#upTo(has, PAYMENT_MAX * 2), salary: 0n };
    if (kind === "refresh") return { ...base, other: bank, amount: 0n, salary: 0n };
    const isSale = kind === "sale";
    const amount = this.#upTo(isSale ? has : BigInt(PAYMENT_MAX), PAYMENT_MAX);
    // Nobody sells for less than the fee.
    return { ...base, other: shop, amount: isSale && amount <= FEE ? FEE + 1n : amount, salary: 0n };
  }

  #customer(fits: (customer: Customer) => boolean): Customer {
    const { random, customers } = this.#world;
    for (;;) {
      const customer = customers[random.below(customers.length)] as Customer;
      if (!customer.isCheat && fits(customer)) return customer;
    }
  }

  /** From a cent up; small amounts are more frequent than large ones. */
  #upTo(has: bigint, most: number): bigint {
    const { random } = this.#world;
    const bound = Math.min(Number(has), most);
    const once = random.below(bound) + 1;
    return BigInt(Math.min(once, random.below(bound) + 1));
  }
}

export async function balanceOf(customer: Customer): Promise<bigint> {
  const [balance] = await customer.device.module.balances();
  return balance?.spendable ?? 0n;
}

const PROMPTS: CustomerPrompts = {
  confirmMerchant: () => true,
  chooseCard: (cards) => cards[0],
  confirmReceipt: () => true,
};

/** Both sides' applications; what each told its owner. */
export async function perform(world: World, transaction: Transaction, meeting: Meeting): Promise<Said[]> {
  const { customer, other } = transaction;
  const money = { amount: transaction.amount, unit: USD };
  const { life, account } = customer;
  const device = (customer instanceof Shop ? customer.devices[transaction.till] : undefined) ?? customer.device;
  const sides = (first: (link: PeerLink) => Promise<unknown>, second: (link: PeerLink) => Promise<unknown>) => {
    const [near, far] = meeting.link(customer.life, other.life);
    // Who waits is ready before the other speaks.
    const waiting = other.life.guard(second(far));
    return Promise.allSettled([life.guard(first(near)), waiting]);
  };
  const counter = () => world.bank.counterFor(life);
  const alone = async (work: Promise<unknown>) => Promise.allSettled([life.guard(work)]);
  switch (transaction.kind) {
    case "payment":
      return wordsOf(
        await sides(
          (near) => pay(device, near, money, { memo: "rent" }),
          (far) => receive(other.device, far),
        ),
      );
    case "pos":
      return wordsOf(
        await sides(
          (near) => payRequested(device, near, (prompt) => prompt.money.amount === money.amount),
          (far) => request(other.device, far, money, "till"),
        ),
      );
    case "withdrawal":
      return wordsOf(await alone(withdraw(device, counter(), account, money)));
    case "deposit":
      return wordsOf(await alone(deposit(device, counter(), account, money)));
    case "refresh":
      return wordsOf(
        await alone(
          refresh(device, counter(), { days: 30, all: transaction.number % 2 === 0 || customer instanceof Shop }),
        ),
      );
    default: {
      const side = transaction.kind === "purchase" ? buy : sell;
      const { merchant, devices } = other as Shop;
      return wordsOf(
        await sides(
          (near) => side(device, near, money, PROMPTS),
          (far) => merchant.serve(far, devices[transaction.till]),
        ),
      );
    }
  }
}

function wordsOf(results: readonly PromiseSettledResult<unknown>[]): Said[] {
  return results.map((result) => {
    if (result.status === "rejected") {
      const { reason } = result;
      if (reason instanceof ReasonError) return { word: "aborted", why: `reason ${reason.reason}` };
      return { word: "unknown", why: reason instanceof Error ? reason.constructor.name : String(reason) };
    }
    const { outcome, reason, provisional } = result.value as {
      outcome?: string;
      reason?: number;
      provisional?: boolean;
    };
    if (outcome === "aborted") return { word: "aborted", why: `reason ${reason}` };
    return { word: outcome === "provisional" || provisional === true ? "unknown" : "happened" };
  });
}

/** Two who have something open meet; what an outcome session says of itself is not relied upon. */
export async function settle(world: World, one: Host, other: Host, meeting: Meeting): Promise<void> {
  const [customer, peer] = one instanceof Customer ? [one, other] : [other, one];
  if (!(customer instanceof Customer)) {
    // A merchant and its bank.
    const shop = one instanceof Shop ? one : (other as Shop);
    await Promise.allSettled([shop.life.guard(shop.merchant.recover())]);
    return;
  }
  const { device, life } = customer;
  if (peer instanceof Bank) {
    await Promise.allSettled([life.guard(connectAndResume(world, customer))]);
    return;
  }
  const [between] = await Promise.allSettled([life.guard(betweenThem(peer, customer))]);
  if (between.status === "rejected") return;
  const [near, far] = meeting.link(customer.life, peer.life);
  const answer = peer instanceof Shop ? peer.merchant.answerResume(far, between.value) : answerResume(peer.device, far);
  await Promise.allSettled([life.guard(resume(device, near)), peer.life.guard<unknown>(answer)]);
}

async function connectAndResume(world: World, { device, life }: Customer): Promise<void> {
  const link = await world.bank.counterFor(life).connectForResume?.();
  if (link !== undefined) await resume(device, link);
}

/** Which till has it the customer may know; otherwise the merchant looks for itself. */
async function betweenThem(peer: Host, customer: Customer): Promise<Between> {
  const tills = peer.moduleIds;
  const open = await customer.device.module.pending();
  const module = open.map(({ peer }) => toHex(peer)).find((id) => tills.includes(id));
  return module === undefined ? { customer: customer.device.module.idHex } : { module };
}
