/** What an authorization request comes to: for whom, in which currencies, and what each bank is asked to hold. */

import type { Transaction } from "kysely";
import { toHex } from "../codec/bytes.js";
import type { CardAccount, CardIssuer, CheckedHold, HoldBatch, HoldRequest } from "./card-issuer.js";
import { type AuthorizationRequest, RESPONSE, type ResponseCode } from "./iso8583/messages.js";
import type { Unit } from "./ledger.js";
import { merchantOf, type NetworkRate, type NetworkTables, rateOf } from "./network-tables.js";

/** What a request comes to, before it is written down. */
export interface Decision {
  readonly code: ResponseCode;
  readonly billing?: Billing;
  readonly cardBank?: string;
  readonly unit?: Unit;
  /** What the banks found when they were asked, in the order of `holdsOf`. */
  readonly checked?: readonly CheckedHold[];
}

export interface Billing {
  readonly amount: bigint;
  readonly unit: Unit;
  readonly source: CardAccount;
  /** Only where the currencies differ. */
  readonly rate?: NetworkRate;
}

/** What the card's account is debited or credited, in its own currency. */
export async function billingOf(
  transaction: Transaction<NetworkTables>,
  request: AuthorizationRequest,
  issuer: CardIssuer,
  unit: Unit,
  batch: HoldBatch,
): Promise<Billing | ResponseCode> {
  const source = await issuer.cardAccount(transaction, request.cardNumber, batch);
  if (source === undefined) return RESPONSE.invalidCard;
  const accountUnit = source.account.unit;
  if (accountUnit.currency === unit.currency) {
    if (accountUnit.exponent !== unit.exponent) return RESPONSE.invalidTransaction;
    return { amount: request.amount, unit: accountUnit, source };
  }
  const currencies = { account: BigInt(accountUnit.currency), currency: BigInt(unit.currency) };
  const row = await rateOf.first(transaction, currencies);
  if (row === undefined) return RESPONSE.invalidTransaction;
  const denominator = 10n ** row.decimals;
  const product = request.amount * row.numerator;
  const amount = request.type === "purchase" ? (product + denominator - 1n) / denominator : product / denominator;
  if (amount === 0n || amount > 999_999_999_999n) return RESPONSE.invalidAmount;
  const rate = {
    accountCurrency: accountUnit.currency,
    currency: unit.currency,
    numerator: row.numerator,
    decimals: Number(row.decimals),
  };
  return { amount, unit: accountUnit, source, rate };
}

/** What both sides are to hold: the card's account in its currency, the merchant's in the transaction's. */
export function holdsOf(
  request: AuthorizationRequest,
  decision: { readonly billing: Billing; readonly cardBank: string; readonly unit: Unit },
  approval: string,
): [bank: string, hold: HoldRequest][] {
  const purchase = request.type === "purchase";
  const time_seconds = request.time_seconds;
  const card: HoldRequest = {
    id: `${approval}/card`,
    direction: purchase ? "debit" : "credit",
    amount: decision.billing.amount,
    unit: decision.billing.unit,
    time_seconds,
    source: { cardNumber: request.cardNumber, expiry: request.expiry },
  };
  const merchant: HoldRequest = {
    id: `${approval}/merchant`,
    direction: purchase ? "credit" : "debit",
    amount: request.amount,
    unit: decision.unit,
    time_seconds,
    source: { account: request.settlement.number },
  };
  return [
    [decision.cardBank, card],
    [request.settlement.bank, merchant],
  ];
}

/** The merchant is under contract, settles with its own account, and its agent acts for it. */
export async function merchantFits(
  transaction: Transaction<NetworkTables>,
  request: AuthorizationRequest,
): Promise<boolean> {
  const { acquirer, merchant: number, merchantAgent } = request;
  const merchant = await merchantOf.first(transaction, { acquirer, merchant: number, agent: toHex(merchantAgent) });
  return merchant?.bank === request.settlement.bank && merchant.account === request.settlement.number;
}
