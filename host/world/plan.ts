/** The sandbox economy as data: who is there, with which accounts, cards, terms and stock. */

import type { ElementSort } from "../message-manager.js";
import type { PersonalisationRecord } from "../provision.js";
import type { Offer } from "../services/directory.js";
import type { NetworkAccount, NetworkRate } from "../services/network-tables.js";
import { parseMoney, type Unit, unitOf } from "../units.js";

export interface CardPlan {
  readonly number: string;
  readonly kind: "credit" | "debit";
  readonly bank: string;
  readonly account: string;
  readonly status: "active" | "blocked" | "stolen";
  /** In the account's unit. */
  readonly dailyLimit: bigint;
}

export interface CustomerPlan {
  readonly name: string;
  /** Its chips are in a home of their own (remote.ts). */
  readonly elsewhere?: boolean;
  readonly holder: string;
  readonly cards: readonly CardPlan[];
  /** What its accounts at the bank hold at the beginning; the card's account is elsewhere. */
  readonly deposits?: readonly string[];
}

export interface MerchantPlan {
  readonly name: string;
  readonly title: string;
  /** Number under which the card network knows it. */
  readonly number: string;
  readonly settlement: { readonly bank: string; readonly number: string };
  /** What each of its devices holds at the beginning. */
  readonly stock: readonly (readonly string[])[];
  readonly offers: readonly Offer[];
}

export interface WorldPlan {
  /** Electronic money of this bank; what merchants have on deposit there. */
  readonly bank: { readonly id: string; readonly deposits: readonly string[] };
  /** Issuers of cards: their numbers' prefix, and the currency in which their accounts are kept. */
  readonly issuers: readonly { readonly bank: string; readonly bin: string; readonly currency: string }[];
  readonly accounts: readonly NetworkAccount[];
  readonly merchants: readonly MerchantPlan[];
  readonly customers: readonly CustomerPlan[];
  readonly rates: readonly NetworkRate[];
  /** Last month of every card, YYMM. */
  readonly cardExpiry: string;
}

const usd = unitOf("USD");
const eur = unitOf("EUR");
const ISSUER = "meadow-bank";

/** A card number: prefix, digits, and the check digit of ISO/IEC 7812. */
export function cardNumber(bin: string, serial: number): string {
  const digits = bin + String(serial).padStart(15 - bin.length, "0");
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const digit = Number(digits[digits.length - 1 - i]);
    const doubled = i % 2 === 0 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return digits + ((10 - (sum % 10)) % 10);
}

function offer(direction: Offer["direction"], currency: string, rate: [bigint, bigint], fee: [bigint, bigint]): Offer {
  return {
    direction,
    money: unitOf(currency),
    account: usd,
    rate: { numerator: rate[0], denominator: rate[1] },
    feeFixed: fee[0],
    feePermille: fee[1],
  };
}

function account(number: string, opening: string): NetworkAccount {
  const money = parseMoney(opening);
  return { bank: ISSUER, number, unit: money.unit, opening: money.amount };
}

const CARDS = {
  alice: cardNumber("400000", 1),
  bob: cardNumber("400000", 2),
  carol: cardNumber("400000", 3),
} as const;

function card(name: keyof typeof CARDS, kind: CardPlan["kind"], status: CardPlan["status"]): CardPlan {
  return { number: CARDS[name], kind, bank: ISSUER, account: `current-${name}`, status, dailyLimit: 100_000n };
}

/** A customer's accounts at the bank. */
const DEPOSITS = ["USD 200.00", "EUR 100.00"];

export const STANDARD_PLAN: WorldPlan = {
  bank: { id: "harbour-bank", deposits: ["USD 5000.00", "EUR 5000.00"] },
  issuers: [{ bank: ISSUER, bin: "400000", currency: "USD" }],
  accounts: [
    account("current-alice", "USD 800.00"),
    account("current-bob", "USD 300.00"),
    account("current-carol", "USD 20.00"),
    account("settlement-alder", "USD 2000.00"),
    account("settlement-birch", "USD 2000.00"),
  ],
  merchants: [
    {
      name: "alder",
      title: "Alder Exchange",
      number: "ALDER",
      settlement: { bank: ISSUER, number: "settlement-alder" },
      stock: [["USD 60.00", "EUR 80.00"], ["USD 120.00"]],
      offers: [
        offer("buy", "USD", [1n, 1n], [0n, 10n]),
        offer("sell", "USD", [1n, 1n], [0n, 10n]),
        offer("buy", "EUR", [109n, 100n], [0n, 10n]),
        offer("sell", "EUR", [107n, 100n], [0n, 10n]),
      ],
    },
    {
      name: "birch",
      title: "Birch Money",
      number: "BIRCH",
      settlement: { bank: ISSUER, number: "settlement-birch" },
      stock: [["USD 100.00"]],
      offers: [offer("buy", "USD", [1n, 1n], [75n, 0n]), offer("sell", "USD", [1n, 1n], [75n, 0n])],
    },
  ],
  customers: [
    { name: "alice", holder: "Alice Archer", cards: [card("alice", "debit", "active")], deposits: DEPOSITS },
    { name: "bob", holder: "Bob Baker", cards: [card("bob", "credit", "active")], deposits: DEPOSITS },
    { name: "carol", holder: "Carol Cooper", cards: [card("carol", "debit", "active")], deposits: DEPOSITS },
  ],
  rates: [{ accountCurrency: usd.currency, currency: eur.currency, numerator: 108n, decimals: 2 }],
  cardExpiry: "3112",
};

/** A merchant's devices are numbered from 1. */
export function tillName(merchant: string, index: number): string {
  return `${merchant}-${index + 1}`;
}

export function merchantOfTill(till: string): string {
  return till.replace(/-\d+$/, "");
}

/** Number of an account at the bank. */
export function depositAccount(owner: string, unit: Unit): string {
  return `${owner}-${unit.currency}`;
}

export interface DeviceRecord {
  readonly name: string;
  /** "bank", "authority", "merchant" or "customer". */
  readonly kind: string;
  readonly pin: string;
  readonly puk: string;
  readonly agent?: PersonalisationRecord;
  readonly module?: PersonalisationRecord;
  /** Its chips are on a card, or on two, and never were in the home. */
  readonly onCard?: boolean;
}

/** A customer who joined after the economy was made, as the home remembers it. */
export interface JoinedCustomer {
  readonly name: string;
  readonly holder: string;
  /** What is on the account of the card, for example "USD 300.00"; without it there is no card. */
  readonly card?: string;
  /** What the accounts at the bank hold. */
  readonly deposits: readonly string[];
  /** What the agencies keep of the chips, where these are in a home of their own. */
  readonly elsewhere?: { readonly agent: PersonalisationRecord; readonly module: PersonalisationRecord };
  /** Of one who has not joined yet: for every command but the one that finishes it, it is not there. */
  readonly unfinished?: UnfinishedJoin;
}

/** How far somebody is who joins, so that nothing is lost whenever that is broken off (join.ts). */
export interface UnfinishedJoin {
  /** Tells the folder that belongs to it from others, 32 hex digits. */
  readonly id: string;
  /** The home of its own that was ordered. */
  readonly into?: string;
  /** Where the wallet in it finds the directory. */
  readonly directory?: string;
  /** Its chips, once they are personalised. PIN and PUK of a home of its own are kept until its owner has seen them. */
  readonly device?: DeviceRecord;
  /** Chips that are made on cards. */
  readonly onCard?: UnfinishedOnCard;
  /** Chips and card are there; accounts may be. */
  readonly complete?: boolean;
}

/** What going on with chips on cards needs (card-join.ts). It is written before the first of them is asked to change. */
export interface UnfinishedOnCard {
  readonly device: CardDevice;
  /** Those that have their key for certain: no other chip takes their place. */
  readonly begun: readonly ElementSort[];
}

/** A device of agent and module. */
export type CardDevice = DeviceRecord & Required<Pick<DeviceRecord, "agent" | "module">>;

/**
 * The plan with these customers too, but for those that are unfinished. Their cards are of the first issuer, numbered after
 * those that are there.
 */
export function withCustomers(plan: WorldPlan, joined: readonly JoinedCustomer[]): WorldPlan {
  const [issuer] = plan.issuers;
  if (joined.length === 0 || issuer === undefined) return plan;
  const accounts = [...plan.accounts];
  const customers = [...plan.customers];
  for (const [index, { name, holder, card: opening, deposits, elsewhere, unfinished }] of joined.entries()) {
    if (unfinished !== undefined) continue;
    const { bank, bin } = issuer;
    const number = cardNumber(bin, JOINED_CARD_FIRST + index);
    const account = `current-${name}`;
    const cards: CardPlan[] = [];
    if (opening !== undefined) {
      const money = parseMoney(opening);
      accounts.push({ bank, number: account, unit: money.unit, opening: money.amount });
      cards.push({ number, kind: "debit", bank, account, status: "active", dailyLimit: JOINED_DAILY_LIMIT });
    }
    customers.push({ name, holder, cards, deposits, elsewhere: elsewhere !== undefined });
  }
  return { ...plan, accounts, customers };
}

/** Serial number of the first card that is given later. */
const JOINED_CARD_FIRST = 1_000;
const JOINED_DAILY_LIMIT = 100_000n;
