/** The kinds of transactions, who of them may be killed, and what each of them may change. */

import { type Offer, priceOf } from "../../host/services/directory.js";
import { currencyCode, formatMoney, type Money, unitOf } from "../../host/units.js";
import { depositAccount, STANDARD_PLAN } from "../../host/world/plan.js";
import type { Observation } from "./agreement.js";
import type { ServerName } from "./economy.js";

export type Victim = "wallet" | "payer" | "payee" | ServerName;

export interface Kind {
  readonly name: string;
  readonly victims: readonly Victim[];
  /** What is to be done next, with everybody's money as it is now. */
  plan(now: Observation): Planned;
}

/** A transaction with what it changes if it happens. */
export interface Planned {
  readonly money: string;
  readonly changes: ReadonlyMap<string, bigint>;
  /** A merchant that was short may have got up to so much from its bank, whether the rest happened or not. */
  readonly refill?: { readonly from: string; readonly to: string; readonly most: bigint };
  /** Words of the command line; for a payment those of the payer, without the request. */
  readonly words: readonly string[];
}

export const OWNER = "alice";
export const PAYEE = "bob";
const ONE = 100n;

export const KINDS: readonly Kind[] = [
  {
    name: "purchase",
    victims: ["wallet", "birch", "network"],
    plan: () => tradeAt("birch", "buy", { unit: unitOf("USD"), amount: 2n * ONE }),
  },
  {
    name: "sale",
    victims: ["wallet", "birch", "network"],
    plan: () => tradeAt("birch", "sell", { unit: unitOf("USD"), amount: 2n * ONE }),
  },
  {
    // One device of the merchant is short, and the other has it.
    name: "refill",
    victims: ["wallet", "alder"],
    plan: (now) => tradeAt("alder", "buy", moreThan(now, "alder-1 USD")),
  },
  {
    // The merchant is short, and its bank has it.
    name: "issue",
    victims: ["wallet", "alder", "bank", "network"],
    plan: (now) => tradeAt("alder", "buy", moreThan(now, "alder-1 EUR")),
  },
  {
    name: "payment",
    victims: ["payer", "payee"],
    plan: () => {
      const money = { unit: unitOf("USD"), amount: ONE };
      const changes = new Map([
        [`wallet ${OWNER} USD`, -money.amount],
        [`wallet ${PAYEE} USD`, money.amount],
      ]);
      return { money: formatMoney(money), changes, words: ["wallet", "pay", OWNER] };
    },
  },
  { name: "withdrawal", victims: ["wallet", "bank"], plan: () => atBank("withdraw") },
  { name: "deposit", victims: ["wallet", "bank"], plan: () => atBank("deposit") },
];

function moreThan(now: Observation, place: string): Money {
  const [, currency = ""] = place.split(" ");
  return { unit: unitOf(currency), amount: (now.spendable.get(place) ?? 0n) + ONE };
}

function tradeAt(merchant: "alder" | "birch", direction: Offer["direction"], money: Money): Planned {
  const currency = currencyCode(money.unit);
  const plan = STANDARD_PLAN.merchants.find(({ name }) => name === merchant);
  const offer = plan?.offers.find((each) => each.direction === direction && currencyCode(each.money) === currency);
  const price = offer === undefined ? undefined : priceOf(offer, money.amount);
  if (plan === undefined || price === undefined) throw new Error(`${merchant} does not ${direction} ${currency}`);
  const sign = direction === "buy" ? 1n : -1n;
  return {
    money: formatMoney(money),
    changes: new Map([
      [`wallet ${OWNER} ${currency}`, sign * money.amount],
      [`tills ${merchant} ${currency}`, -sign * money.amount],
      [`card current-${OWNER}`, -sign * price.authorization],
      [`card ${plan.settlement.number}`, sign * price.authorization],
    ]),
    refill: {
      from: `account ${depositAccount(merchant, money.unit)}`,
      to: `tills ${merchant} ${currency}`,
      most: direction === "buy" ? money.amount : 0n,
    },
    words: ["wallet", direction, OWNER, formatMoney(money), "--merchant", merchant, "--yes"],
  };
}

function atBank(direction: "withdraw" | "deposit"): Planned {
  const money = { unit: unitOf("EUR"), amount: direction === "withdraw" ? 3n * ONE : 2n * ONE };
  const sign = direction === "withdraw" ? 1n : -1n;
  return {
    money: formatMoney(money),
    changes: new Map([
      [`wallet ${OWNER} EUR`, sign * money.amount],
      [`account ${depositAccount(OWNER, money.unit)}`, -sign * money.amount],
    ]),
    words: ["wallet", direction, OWNER, formatMoney(money)],
  };
}

/** Whether it happened, or did not, by what has changed; a text when it is something between. */
export function verdict({ changes, refill }: Planned, changed: ReadonlyMap<string, bigint>): boolean | string {
  for (const happened of [true, false]) {
    const rest = new Map(changed);
    if (happened) {
      for (const [place, change] of changes) {
        const left = (rest.get(place) ?? 0n) - change;
        if (left === 0n) rest.delete(place);
        else rest.set(place, left);
      }
    }
    if (rest.size === 0) return happened;
    if (refill === undefined || rest.size !== 2) continue;
    const got = rest.get(refill.to) ?? 0n;
    if (got > 0n && got <= refill.most && rest.get(refill.from) === -got) return happened;
  }
  const list = [...changed].map(([place, change]) => `${place} ${change > 0n ? "+" : ""}${change}`);
  return `something between happening and not happening: ${list.join(", ")}`;
}
