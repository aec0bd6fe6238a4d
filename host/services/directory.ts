/**
 * The directory of merchants who sell and buy electronic money (WO 96/41315 fig. 7, steps 700-702): a customer's
 * application asks it which merchant is cheapest for an amount.
 *
 * Nobody has to believe it. It only says where to knock: the customer's agent checks the merchant's credential, and
 * fee and rate stand on the receipt that both agents agree to.
 *
 * Rounding, always against whoever would otherwise make money by splitting an amount: what a customer pays is rounded
 * up, what a customer gets is rounded down, a fee is rounded up.
 */

import type { Kysely } from "kysely";
import { sameUnit } from "../units.js";
import { atomically, type Migration, migrate } from "./database.js";
import { AMOUNT_MAX, checkUnit, type Unit } from "./ledger.js";

/** From the customer's side: `buy` electronic money by card, or `sell` it into the card's account. */
export type Direction = "buy" | "sell";

/** Units of the account for one unit of money, both minor. */
export interface Rate {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export interface Offer {
  readonly direction: Direction;
  /** Unit of the electronic money. */
  readonly money: Unit;
  /** Unit in which the card is debited or credited. */
  readonly account: Unit;
  readonly rate: Rate;
  /** In the account's unit. */
  readonly feeFixed: bigint;
  readonly feePermille: bigint;
}

export interface DirectoryEntry {
  /** Subject id of the merchant's agent, 32 hex digits. */
  readonly id: string;
  readonly name: string;
  /** Where its device is reached. */
  readonly address: string;
  readonly offers: readonly Offer[];
}

export interface Wish {
  readonly direction: Direction;
  readonly money: Unit;
  readonly account: Unit;
  /** Of electronic money. */
  readonly amount: bigint;
}

export interface Quote {
  readonly merchant: { readonly id: string; readonly name: string; readonly address: string };
  readonly offer: Offer;
  /** The amount in the account's unit, before the fee. */
  readonly exchanged: bigint;
  readonly fee: bigint;
  /** What the card is debited (buying) or credited (selling). */
  readonly authorization: bigint;
}

export interface DirectoryTables {
  directory_merchant: { id: string; name: string; address: string };
  directory_offer: {
    merchant: string;
    line: bigint;
    direction: string;
    money_currency: bigint;
    money_exponent: bigint;
    account_currency: bigint;
    account_exponent: bigint;
    numerator: bigint;
    denominator: bigint;
    fee_fixed: bigint;
    fee_permille: bigint;
  };
}

type OfferRow = DirectoryTables["directory_offer"];

export const OFFERS_MAX = 64;
const PERMILLE = 1_000n;
const NAME_CHARS_MAX = 64;
const ADDRESS_CHARS_MAX = 256;

const STEPS: readonly Migration[] = [
  async (transaction) => {
    await transaction.schema
      .createTable("directory_merchant")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("address", "text", (column) => column.notNull())
      .execute();
    await transaction.schema
      .createTable("directory_offer")
      .addColumn("merchant", "text", (column) => column.notNull())
      .addColumn("line", "bigint", (column) => column.notNull())
      .addColumn("direction", "text", (column) => column.notNull())
      .addColumn("money_currency", "bigint", (column) => column.notNull())
      .addColumn("money_exponent", "bigint", (column) => column.notNull())
      .addColumn("account_currency", "bigint", (column) => column.notNull())
      .addColumn("account_exponent", "bigint", (column) => column.notNull())
      .addColumn("numerator", "bigint", (column) => column.notNull())
      .addColumn("denominator", "bigint", (column) => column.notNull())
      .addColumn("fee_fixed", "bigint", (column) => column.notNull())
      .addColumn("fee_permille", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("directory_offer_key", ["merchant", "line"])
      .execute();
  },
];

export class Directory {
  readonly #database: Kysely<DirectoryTables>;

  private constructor(database: Kysely<DirectoryTables>) {
    this.#database = database;
  }

  static async open(database: Kysely<DirectoryTables>): Promise<Directory> {
    await migrate(database, "directory", STEPS);
    return new Directory(database);
  }

  /** Enters a merchant, or replaces all that was said of it. */
  async put(entry: DirectoryEntry): Promise<void> {
    checkEntry(entry);
    const { id, name, address } = entry;
    await atomically(this.#database, async (transaction) => {
      await transaction
        .insertInto("directory_merchant")
        .values({ id, name, address })
        .onConflict((conflict) => conflict.column("id").doUpdateSet({ name, address }))
        .execute();
      await transaction.deleteFrom("directory_offer").where("merchant", "=", id).execute();
      const rows = entry.offers.map((offer, line) => rowOf(id, line, offer));
      if (rows.length > 0) await transaction.insertInto("directory_offer").values(rows).execute();
    });
  }

  async remove(id: string): Promise<void> {
    await atomically(this.#database, async (transaction) => {
      await transaction.deleteFrom("directory_offer").where("merchant", "=", id).execute();
      await transaction.deleteFrom("directory_merchant").where("id", "=", id).execute();
    });
  }

  async entries(): Promise<DirectoryEntry[]> {
    const merchants = await this.#database.selectFrom("directory_merchant").selectAll().orderBy("id").execute();
    const offers = await this.#database.selectFrom("directory_offer").selectAll().orderBy("line").execute();
    return merchants.map((merchant) => ({
      ...merchant,
      offers: offers.filter((row) => row.merchant === merchant.id).map(offerOf),
    }));
  }

  /** All merchants that do it, the cheapest first; equal ones by name. */
  async shop(wish: Wish): Promise<Quote[]> {
    checkWish(wish);
    const rows = await this.#database
      .selectFrom("directory_offer")
      .innerJoin("directory_merchant", "directory_merchant.id", "directory_offer.merchant")
      .selectAll()
      .where("direction", "=", wish.direction)
      .where("money_currency", "=", BigInt(wish.money.currency))
      .where("money_exponent", "=", BigInt(wish.money.exponent))
      .where("account_currency", "=", BigInt(wish.account.currency))
      .where("account_exponent", "=", BigInt(wish.account.exponent))
      .execute();
    return quotesOf(
      rows.map((row) => ({ merchant: { id: row.id, name: row.name, address: row.address }, offer: offerOf(row) })),
      wish,
    );
  }
}

/** The offers that fit, priced, the cheapest first; equal ones by name. */
export function quotesOf(offers: readonly Pick<Quote, "merchant" | "offer">[], wish: Wish): Quote[] {
  checkWish(wish);
  const quotes: Quote[] = [];
  for (const { merchant, offer } of offers) {
    const fits = offer.direction === wish.direction && sameUnit(offer.money, wish.money);
    const price = fits && sameUnit(offer.account, wish.account) ? priceOf(offer, wish.amount) : undefined;
    if (price !== undefined) quotes.push({ merchant, offer, ...price });
  }
  return quotes.sort((left, right) => compareQuotes(wish.direction, left, right));
}

function checkWish(wish: Wish): void {
  checkUnit(wish.money);
  checkUnit(wish.account);
  if (wish.amount <= 0n || wish.amount > AMOUNT_MAX) throw new RangeError("wish.amount must be 1 to 2^63 - 1");
}

/** What an amount costs, or brings; undefined where the offer does not stretch to it (the fee would eat it all). */
export function priceOf(
  offer: Offer,
  amount: bigint,
): { readonly exchanged: bigint; readonly fee: bigint; readonly authorization: bigint } | undefined {
  const product = amount * offer.rate.numerator;
  const buying = offer.direction === "buy";
  const exchanged = buying ? divideUp(product, offer.rate.denominator) : product / offer.rate.denominator;
  const fee = offer.feeFixed + divideUp(exchanged * offer.feePermille, PERMILLE);
  const authorization = buying ? exchanged + fee : exchanged - fee;
  if (authorization <= 0n || authorization > AMOUNT_MAX) return undefined;
  return { exchanged, fee, authorization };
}

function compareQuotes(direction: Direction, left: Quote, right: Quote): number {
  if (left.authorization !== right.authorization) {
    const cheaper = left.authorization < right.authorization;
    return cheaper === (direction === "buy") ? -1 : 1;
  }
  const [first, second] = [
    `${left.merchant.name}\n${left.merchant.id}`,
    `${right.merchant.name}\n${right.merchant.id}`,
  ];
  return first < second ? -1 : first > second ? 1 : 0;
}

function divideUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

function checkEntry(entry: DirectoryEntry): void {
  if (!/^[0-9a-f]{32}$/.test(entry.id)) throw new RangeError("entry.id must be 32 lower-case hexadecimal digits");
  checkLength(entry.name, "entry.name", NAME_CHARS_MAX);
  checkLength(entry.address, "entry.address", ADDRESS_CHARS_MAX);
  if (entry.offers.length > OFFERS_MAX) throw new RangeError(`entry.offers: at most ${OFFERS_MAX}`);
  for (const offer of entry.offers) {
    checkUnit(offer.money);
    checkUnit(offer.account);
    checkAmount(offer.rate.numerator, "offer.rate.numerator", 1n);
    checkAmount(offer.rate.denominator, "offer.rate.denominator", 1n);
    checkAmount(offer.feeFixed, "offer.feeFixed", 0n);
    checkAmount(offer.feePermille, "offer.feePermille", 0n, PERMILLE);
  }
}

function checkLength(text: string, name: string, max: number): void {
  if (text.length === 0 || text.length > max) throw new RangeError(`${name} must have 1 to ${max} characters`);
}

function checkAmount(value: bigint, name: string, min: bigint, max = AMOUNT_MAX): void {
  if (value < min || value > max) throw new RangeError(`${name} must be ${min} to ${max}`);
}

function rowOf(merchant: string, line: number, offer: Offer): OfferRow {
  return {
    merchant,
    line: BigInt(line),
    direction: offer.direction,
    money_currency: BigInt(offer.money.currency),
    money_exponent: BigInt(offer.money.exponent),
    account_currency: BigInt(offer.account.currency),
    account_exponent: BigInt(offer.account.exponent),
    numerator: offer.rate.numerator,
    denominator: offer.rate.denominator,
    fee_fixed: offer.feeFixed,
    fee_permille: offer.feePermille,
  };
}

function offerOf(row: OfferRow): Offer {
  return {
    direction: row.direction as Direction,
    money: { currency: Number(row.money_currency), exponent: Number(row.money_exponent) },
    account: { currency: Number(row.account_currency), exponent: Number(row.account_exponent) },
    rate: { numerator: row.numerator, denominator: row.denominator },
    feeFixed: row.fee_fixed,
    feePermille: row.fee_permille,
  };
}
