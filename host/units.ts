/**
 * Monetary units and amounts. An amount is a bigint of the unit's smallest piece, never a float; a unit is an ISO 4217
 * currency with an exponent, the number of decimal digits below the currency's major unit.
 */

import { AMOUNT_BITS } from "../firmware/protocol/limits.js";

export interface Unit {
  /** ISO 4217 numeric code. */
  readonly currency: number;
  readonly exponent: number;
}

export interface Money {
  readonly amount: bigint;
  readonly unit: Unit;
}

/** Highest amount. */
export const AMOUNT_MAX = (1n << BigInt(AMOUNT_BITS)) - 1n;
/** Beyond this many digits an amount cannot be within AMOUNT_MAX. */
const EXPONENT_MAX = 18;

/** ISO 4217: alphabetic code, numeric code, minor units. */
const CURRENCIES: readonly (readonly [string, number, number])[] = [
  ["AED", 784, 2],
  ["ARS", 32, 2],
  ["AUD", 36, 2],
  ["BHD", 48, 3],
  ["BRL", 986, 2],
  ["CAD", 124, 2],
  ["CHF", 756, 2],
  ["CLP", 152, 0],
  ["CNY", 156, 2],
  ["COP", 170, 2],
  ["CZK", 203, 2],
  ["DKK", 208, 2],
  ["EGP", 818, 2],
  ["EUR", 978, 2],
  ["GBP", 826, 2],
  ["HKD", 344, 2],
  ["HUF", 348, 2],
  ["IDR", 360, 2],
  ["ILS", 376, 2],
  ["INR", 356, 2],
  ["ISK", 352, 0],
  ["JOD", 400, 3],
  ["JPY", 392, 0],
  ["KES", 404, 2],
  ["KRW", 410, 0],
  ["KWD", 414, 3],
  ["MAD", 504, 2],
  ["MXN", 484, 2],
  ["MYR", 458, 2],
  ["NGN", 566, 2],
  ["NOK", 578, 2],
  ["NZD", 554, 2],
  ["OMR", 512, 3],
  ["PEN", 604, 2],
  ["PHP", 608, 2],
  ["PKR", 586, 2],
  ["PLN", 985, 2],
  ["RON", 946, 2],
  ["SAR", 682, 2],
  ["SEK", 752, 2],
  ["SGD", 702, 2],
  ["THB", 764, 2],
  ["TND", 788, 3],
  ["TRY", 949, 2],
  ["TWD", 901, 2],
  ["UAH", 980, 2],
  ["USD", 840, 2],
  ["UYU", 858, 2],
  ["VND", 704, 0],
  ["XAF", 950, 0],
  ["XOF", 952, 0],
  ["ZAR", 710, 2],
];

const BY_CODE = new Map(CURRENCIES.map(([code, currency, exponent]) => [code, { currency, exponent }]));
const BY_NUMBER = new Map(CURRENCIES.map(([code, currency]) => [currency, code]));

/** What was entered is not an amount of money. */
export class AmountError extends Error {
  constructor(what: string) {
    super(`${what} Nothing was done. Enter an amount like "USD 12.34".`);
    this.name = "AmountError";
  }
}

export function currencyCodes(): string[] {
  return CURRENCIES.map(([code]) => code);
}

/** The usual unit of a currency: cents for "USD", yen for "JPY". */
export function unitOf(code: string): Unit {
  const unit = BY_CODE.get(code.toUpperCase());
  if (unit === undefined) throw new AmountError(`"${code}" is not a currency this program knows.`);
  return unit;
}

/** "USD" for 840; for a number without an entry in the table the three digits. */
export function currencyCode(unit: Unit): string {
  return BY_NUMBER.get(unit.currency) ?? String(unit.currency).padStart(3, "0");
}

export function sameUnit(one: Unit, other: Unit): boolean {
  return one.currency === other.currency && one.exponent === other.exponent;
}

/** Key of a unit in maps. */
export function unitKey(unit: Unit): string {
  return `${unit.currency}/${unit.exponent}`;
}

/** "12.34", "12", ".5": exact, or refused. */
export function parseDecimal(text: string, exponent: number): bigint {
  const match = /^(\d*)(?:\.(\d*))?$/.exec(text);
  const whole = match?.[1] ?? "";
  const fraction = match?.[2] ?? "";
  if (match === null || whole.length + fraction.length === 0) throw new AmountError(`"${text}" is not a number.`);
  if (fraction.length > exponent) {
    const most = exponent === 0 ? "no decimals" : `at most ${exponent} decimals`;
    throw new AmountError(`"${text}" has more decimals than the currency, which has ${most}.`);
  }
  const amount = BigInt(whole + fraction.padEnd(exponent, "0"));
  if (amount > AMOUNT_MAX) throw new AmountError(`"${text}" is more than can be paid at all.`);
  return amount;
}

/** "USD 12.34" or "12.34 USD", in the currency's usual unit, or one with so many decimals more. */
export function parseMoney(text: string, finer = 0): Money {
  const trimmed = text.trim();
  const match = /^([A-Za-z]{3})\s*([\d.]+)$/.exec(trimmed) ?? /^([\d.]+)\s*([A-Za-z]{3})$/.exec(trimmed);
  const [, first, second] = match ?? [];
  if (first === undefined || second === undefined) throw new AmountError(`"${text}" is not an amount with a currency.`);
  const [code, digits] = /^[A-Za-z]/.test(first) ? [first, second] : [second, first];
  const usual = unitOf(code);
  const unit = { currency: usual.currency, exponent: usual.exponent + finer };
  return { amount: parseDecimal(digits, unit.exponent), unit };
}

/** "12.34": the number alone. */
export function formatDecimal(amount: bigint, exponent: number): string {
  if (!Number.isInteger(exponent) || exponent < 0 || exponent > EXPONENT_MAX) throw new RangeError("exponent: 0 to 18");
  const sign = amount < 0n ? "-" : "";
  const digits = (amount < 0n ? -amount : amount).toString().padStart(exponent + 1, "0");
  if (exponent === 0) return sign + digits;
  return `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}

/** "USD 12.34". */
export function formatMoney(money: Money): string {
  return `${currencyCode(money.unit)} ${formatDecimal(money.amount, money.unit.exponent)}`;
}
