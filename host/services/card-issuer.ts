/**
 * A sandbox card issuer: a bank with current accounts and cards, which knows nothing of electronic money. To it a
 * purchase of money is a card payment, and a sale is a refund.
 *
 * The network asks it to hold an amount, and later to capture the hold (the amount goes to or comes from clearing
 * with the network), to release it, or to put it into suspense. All of these are idempotent by the hold's id. They take
 * the network's transaction: this stand-in lives in the network's database, so that a hold and the answer that
 * promises it commit together.
 *
 *   BANK/deposit/NUMBER  liability  a customer's or merchant's account
 *   BANK/held/NUMBER     liability  of it, what is reserved
 *   BANK/suspense/UNIT   liability  reserved amounts whose end nobody reported in time
 *   BANK/clearing/UNIT   liability  owed to the network (below zero: owed by it)
 *   BANK/cash/UNIT       asset      what was paid in
 */

import { sql } from "kysely";
import { type Books, type Executor, type Migration, migrate, narrowed, Prepared, PreparedRows } from "./database.js";
import { maskPan } from "./iso8583/codec.js";
import { RESPONSE, type ResponseCode } from "./iso8583/messages.js";
import {
  type Account,
  Ledger,
  type LedgerAccount,
  type LedgerTables,
  type Posting,
  PostingBatch,
  type Unit,
} from "./ledger.js";

const SECONDS_PER_DAY = 86_400n;

export type CardStatus = "active" | "blocked" | "stolen";

export interface Card {
  readonly number: string;
  /** YYMM; the card is good to the end of that month. */
  readonly expiry: string;
  readonly holder: string;
  readonly account: string;
  readonly status: CardStatus;
  /** Highest sum of debits in one day, UTC, in the account's unit. */
  readonly dailyLimit: bigint;
}

/** An amount to be held: against a card, or against an account by its number (a merchant's settlement account). */
export interface HoldRequest {
  readonly id: string;
  /** debit: the account will pay, so the amount is taken aside now. credit: it will receive. */
  readonly direction: "debit" | "credit";
  readonly amount: bigint;
  readonly unit: Unit;
  readonly time_seconds: bigint;
  readonly source: { readonly cardNumber: string; readonly expiry: string } | { readonly account: string };
}

export type Refusal = Exclude<ResponseCode, "00">;

/** Account and card (empty if none) that a hold is for. */
export interface CheckedHold {
  readonly account: string;
  readonly card: string;
}

export interface IssuerTables extends LedgerTables {
  issuer_card: {
    number: string;
    bank: string;
    expiry: string;
    holder: string;
    account: string;
    status: string;
    daily_limit: bigint;
  };
  issuer_hold: {
    id: string;
    bank: string;
    account: string;
    card: string;
    direction: string;
    amount: bigint;
    currency: bigint;
    exponent: bigint;
    day: bigint;
    state: string;
  };
}

export interface CardAccount {
  readonly card: CardRow;
  readonly account: LedgerAccount;
}

type CardRow = IssuerTables["issuer_card"];
type HoldRow = IssuerTables["issuer_hold"];
type HoldState = "held" | "suspense" | "captured" | "released";

const STEPS: readonly Migration[] = [
  async (transaction) => {
    await transaction.schema
      .createTable("issuer_card")
      .addColumn("number", "text", (column) => column.primaryKey())
      .addColumn("bank", "text", (column) => column.notNull())
      .addColumn("expiry", "text", (column) => column.notNull())
      .addColumn("holder", "text", (column) => column.notNull())
      .addColumn("account", "text", (column) => column.notNull())
      .addColumn("status", "text", (column) => column.notNull())
      .addColumn("daily_limit", "bigint", (column) => column.notNull())
      .execute();
    await transaction.schema
      .createTable("issuer_hold")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("bank", "text", (column) => column.notNull())
      .addColumn("account", "text", (column) => column.notNull())
      .addColumn("card", "text", (column) => column.notNull())
      .addColumn("direction", "text", (column) => column.notNull())
      .addColumn("amount", "bigint", (column) => column.notNull())
      .addColumn("currency", "bigint", (column) => column.notNull())
      .addColumn("exponent", "bigint", (column) => column.notNull())
      .addColumn("day", "bigint", (column) => column.notNull())
      .addColumn("state", "text", (column) => column.notNull())
      .execute();
    await transaction.schema.createIndex("issuer_hold_card").on("issuer_hold").columns(["card", "day"]).execute();
  },
];

const cardOf = new Prepared((books: Executor<IssuerTables>, p: { number: string; bank: string }) =>
  books.selectFrom("issuer_card").selectAll().where("number", "=", p.number).where("bank", "=", p.bank),
);

const spentOnDay = new Prepared((books: Executor<IssuerTables>, p: { card: string; day: bigint }) =>
  books
    .selectFrom("issuer_hold")
    .select(sql<bigint>`cast(coalesce(sum(amount), 0) as bigint)`.as("spent"))
    .where("card", "=", p.card)
    .where("day", "=", p.day)
    .where("direction", "=", "debit")
    .where("state", "!=", "released"),
);

const someHolds = new PreparedRows((books: Executor<IssuerTables>, rows: readonly { id: string }[]) =>
  books
    .selectFrom("issuer_hold")
    .selectAll()
    .where(
      "id",
      "in",
      rows.map(({ id }) => id),
    ),
);

const setHoldState = new PreparedRows(
  (books: Executor<IssuerTables>, rows: readonly { id: string; state: HoldState }[]) =>
    books
      .updateTable("issuer_hold")
      .set({ state: rows[0]?.state as HoldState })
      .where(
        "id",
        "in",
        rows.map(({ id }) => id),
      ),
);

const insertHolds = new PreparedRows((books: Executor<IssuerTables>, rows: readonly HoldRow[]) =>
  books.insertInto("issuer_hold").values(
    rows.map((p) => ({
      id: p.id,
      bank: p.bank,
      account: p.account,
      card: p.card,
      direction: p.direction,
      amount: p.amount,
      currency: p.currency,
      exponent: p.exponent,
      day: p.day,
      state: p.state,
    })),
  ),
);

/**
 * What one transaction does to holds and accounts of the banks: it is read together, changed in memory, and written
 * together at the end, with one statement for each table.
 */
export class HoldBatch {
  readonly postings = new PostingBatch();
  readonly #found = new Map<string, HoldRow>();
  readonly #placed: HoldRow[] = [];
  readonly #moved = new Map<HoldState, { id: string; state: HoldState }[]>();

  /** A batch that knows the holds of these ids. */
  static async of(books: Books, ids: readonly string[]): Promise<HoldBatch> {
    const batch = new HoldBatch();
    const rows = ids.map((id) => ({ id }));
    for (const hold of await someHolds.all(books, rows)) batch.#found.set(hold.id, hold);
    return batch;
  }

  find(id: string): HoldRow | undefined {
    return this.#found.get(id);
  }

  place(hold: HoldRow): void {
    this.#placed.push(hold);
  }

  move(id: string, state: HoldState): void {
    const moved = this.#moved.get(state) ?? [];
    this.#moved.set(state, moved);
    moved.push({ id, state });
  }

  async write(ledger: Ledger, books: Books): Promise<void> {
    await this.postings.post(ledger, books);
    if (this.#placed.length > 0) await insertHolds.run(books, this.#placed);
    for (const moved of this.#moved.values()) await setHoldState.run(books, moved);
  }
}

export class CardIssuer {
  readonly bankId: string;
  readonly #ledger = new Ledger();

  constructor(bankId: string) {
    if (!/^[A-Za-z0-9._-]{1,32}$/.test(bankId)) throw new RangeError("bankId must be 1 to 32 letters, digits, . _ -");
    this.bankId = bankId;
  }

  static async migrate(database: Books): Promise<void> {
    await Ledger.migrate(database);
    await migrate(database, "card-issuer", STEPS);
  }

  /** Opens a current account; again is nothing. */
  async openAccount(books: Books, number: string, unit: Unit): Promise<void> {
    for (const place of ["deposit", "held"]) {
      const id = `${this.bankId}/${place}/${number}`;
      await this.#ledger.openAccount(books, { id, kind: "liability", unit, mayGoNegative: false });
    }
  }

  /** Pays money into an account, once for each id. */
  async fund(transaction: Books, id: string, number: string, amount: bigint): Promise<void> {
    const { unit } = await this.#ledger.account(transaction, this.#deposit(number));
    const cash = this.#bankAccount("cash", unit);
    await this.#ledger.openAccount(transaction, cash);
    await this.#ledger.post(transaction, {
      id: `${this.bankId}/fund/${id}`,
      memo: "",
      time_seconds: 0n,
      postings: transferOf(amount, cash.id, this.#deposit(number)),
    });
  }

  /** Issues a card, once: a card that exists keeps its status and limit. */
  async issueCard(books: Books, card: Card): Promise<void> {
    const { dailyLimit, ...rest } = card;
    await narrowed<IssuerTables>(books)
      .insertInto("issuer_card")
      .values({ ...rest, bank: this.bankId, daily_limit: dailyLimit })
      .onConflict((conflict) => conflict.column("number").doNothing())
      .execute();
  }

  async setCardStatus(books: Books, number: string, status: CardStatus): Promise<void> {
    const result = await narrowed<IssuerTables>(books)
      .updateTable("issuer_card")
      .set({ status })
      .where("number", "=", number)
      .where("bank", "=", this.bankId)
      .executeTakeFirst();
    if (result.numUpdatedRows !== 1n) throw new RangeError(`no card ${maskPan(number)} at bank ${this.bankId}`);
  }

  async balance(books: Books, number: string): Promise<{ available: bigint; held: bigint }> {
    const available = await this.#ledger.balance(books, this.#deposit(number));
    const held = await this.#ledger.balance(books, `${this.bankId}/held/${number}`);
    return { available, held };
  }

  /** A card of this bank and the account behind it; undefined for a card that is not this bank's. */
  async cardAccount(transaction: Books, cardNumber: string, batch: HoldBatch): Promise<CardAccount | undefined> {
    const card = await this.#card(transaction, cardNumber);
    if (card === undefined) return undefined;
    const account = await this.#account(transaction, card.account, batch);
    if (account === undefined) throw new Error(`bank ${this.bankId} has a card without its account`);
    return { card, account };
  }

  /**
   * What a hold would be placed on, or why it is refused. Writes nothing. `known` is what `cardAccount` has found in the
   * same transaction.
   */
  async check(
    transaction: Books,
    request: HoldRequest,
    batch = new HoldBatch(),
    known?: CardAccount,
  ): Promise<CheckedHold | Refusal> {
    const source = await this.#source(transaction, request, known?.card);
    if (typeof source === "string") return source;
    const account =
      source.card !== undefined && source.card === known?.card
        ? known.account
        : await this.#account(transaction, source.account, batch);
    if (account === undefined) return RESPONSE.invalidMerchant;
    const { unit, balance } = account;
    if (unit.currency !== request.unit.currency || unit.exponent !== request.unit.exponent) {
      return RESPONSE.invalidTransaction;
    }
    const checked = { account: source.account, card: source.card?.number ?? "" };
    if (request.direction === "credit") return checked;
    if (source.card !== undefined) {
      const spent = await this.#spentOn(transaction, source.card.number, dayOf(request.time_seconds));
      if (spent + request.amount > source.card.daily_limit) return RESPONSE.exceedsLimit;
    }
    return request.amount > balance ? RESPONSE.insufficientFunds : checked;
  }

  /** Holds the amount, on what `check` has found in the same transaction. A batch is written by the caller. */
  async hold(transaction: Books, request: HoldRequest, checked: CheckedHold, batch?: HoldBatch): Promise<void> {
    const own = batch ?? new HoldBatch();
    const { id, direction, amount, unit, time_seconds } = request;
    own.place({
      ...{ id, direction, amount, bank: this.bankId, account: checked.account, card: checked.card },
      currency: BigInt(unit.currency),
      exponent: BigInt(unit.exponent),
      day: dayOf(time_seconds),
      state: "held",
    });
    if (direction === "debit") {
      const entry = `${this.bankId}/hold/${id}`;
      this.#post(own, entry, time_seconds, amount, this.#deposit(checked.account), this.#held(checked.account));
    }
    if (batch === undefined) await own.write(this.#ledger, transaction);
  }

  /** The held amount goes to clearing, or for a credit comes from there. A batch is written by the caller. */
  capture(books: Books, id: string, time_seconds: bigint, batch?: HoldBatch): Promise<void> {
    return this.#end(books, id, "captured", batch, (hold, own) => {
      const clearing = this.#bankAccount("clearing", unitOf(hold));
      const entry = `${this.bankId}/capture/${id}`;
      if (hold.direction === "credit") {
        this.#post(own, entry, time_seconds, hold.amount, clearing, this.#deposit(hold.account));
      } else this.#post(own, entry, time_seconds, hold.amount, this.#whereHeld(hold), clearing);
    });
  }

  /** The held amount is free again. */
  release(books: Books, id: string, time_seconds: bigint, batch?: HoldBatch): Promise<void> {
    return this.#end(books, id, "released", batch, (hold, own) => {
      if (hold.direction === "credit") return;
      const entry = `${this.bankId}/release/${id}`;
      this.#post(own, entry, time_seconds, hold.amount, this.#whereHeld(hold), this.#deposit(hold.account));
    });
  }

  /** Nobody has said how it ended: the amount leaves the account's own books, but goes to neither side. */
  suspend(books: Books, id: string, time_seconds: bigint): Promise<void> {
    return this.#end(books, id, "suspense", undefined, (hold, own) => {
      if (hold.direction === "credit") return;
      const suspense = this.#bankAccount("suspense", unitOf(hold));
      this.#post(own, `${this.bankId}/suspend/${id}`, time_seconds, hold.amount, this.#held(hold.account), suspense);
    });
  }

  /** A hold goes to `state`, once, and its amount where `work` says. */
  async #end(
    books: Books,
    id: string,
    state: HoldState,
    batch: HoldBatch | undefined,
    work: (hold: HoldRow, batch: HoldBatch) => void,
  ): Promise<void> {
    const own = batch ?? (await HoldBatch.of(books, [id]));
    const hold = this.#openHold(own, id, state);
    if (hold === undefined) return;
    work(hold, own);
    own.move(id, state);
    if (batch === undefined) await own.write(this.#ledger, books);
  }

  #deposit(number: string): string {
    return `${this.bankId}/deposit/${number}`;
  }

  #held(number: string): string {
    return `${this.bankId}/held/${number}`;
  }

  /** An account by its number; what is held of it is read along, because a hold will change it. */
  async #account(books: Books, number: string, batch: HoldBatch): Promise<LedgerAccount | undefined> {
    const [account] = await batch.postings.read(books, [this.#deposit(number), this.#held(number)]);
    return account;
  }

  async #source(
    transaction: Books,
    request: HoldRequest,
    known?: CardRow,
  ): Promise<Refusal | { account: string; card?: CardRow }> {
    if ("account" in request.source) return { account: request.source.account };
    const { cardNumber } = request.source;
    const card = known?.number === cardNumber ? known : await this.#card(transaction, cardNumber);
    if (card === undefined) return RESPONSE.invalidCard;
    if (card.status === "stolen") return RESPONSE.stolenCard;
    if (card.status !== "active") return RESPONSE.declined;
    if (card.expiry !== request.source.expiry || request.time_seconds >= endOfMonth(card.expiry)) {
      return RESPONSE.expiredCard;
    }
    return { account: card.account, card };
  }

  #card(transaction: Books, number: string): Promise<CardRow | undefined> {
    return cardOf.first(transaction, { number, bank: this.bankId });
  }

  /** What the card was debited, or may still be, on one day: never above its limit, so that the sum stays in range. */
  async #spentOn(transaction: Books, card: string, day: bigint): Promise<bigint> {
    return (await spentOnDay.first(transaction, { card, day }))?.spent ?? 0n;
  }

  /** The hold if it can still go to `state`; undefined if it is already there. */
  #openHold(batch: HoldBatch, id: string, state: HoldState): HoldRow | undefined {
    const hold = batch.find(id);
    if (hold?.bank !== this.bankId) throw new Error(`bank ${this.bankId} has no hold ${id}`);
    if (hold.state === state) return undefined;
    if (hold.state !== "held" && hold.state !== "suspense") throw new Error(`hold ${id} is already ${hold.state}`);
    return hold;
  }

  #whereHeld(hold: HoldRow): Account | string {
    return hold.state === "suspense" ? this.#bankAccount("suspense", unitOf(hold)) : this.#held(hold.account);
  }

  #bankAccount(name: "cash" | "clearing" | "suspense", unit: Unit): Account {
    return {
      id: `${this.bankId}/${name}/${unit.currency}.${unit.exponent}`,
      kind: name === "cash" ? "asset" : "liability",
      unit,
      mayGoNegative: name === "clearing",
    };
  }

  /** Accounts of the bank's own, given as such, are opened when they are first used. */
  #post(
    batch: HoldBatch,
    id: string,
    time_seconds: bigint,
    amount: bigint,
    debit: Account | string,
    credit: Account | string,
  ): void {
    const own = [debit, credit].filter((account) => typeof account !== "string");
    batch.postings.add({ id, memo: "", time_seconds, postings: transferOf(amount, idOf(debit), idOf(credit)) }, own);
  }
}

function idOf(account: Account | string): string {
  return typeof account === "string" ? account : account.id;
}

function transferOf(amount: bigint, debit: string, credit: string): Posting[] {
  return [
    { account: debit, side: "debit", amount },
    { account: credit, side: "credit", amount },
  ];
}

function unitOf(hold: HoldRow): Unit {
  return { currency: Number(hold.currency), exponent: Number(hold.exponent) };
}

function dayOf(time_seconds: bigint): bigint {
  return time_seconds / SECONDS_PER_DAY;
}

/** First second after the month YYMM. Cards live in the 21st century. */
function endOfMonth(expiry: string): bigint {
  const year = 2000 + Number(expiry.slice(0, 2));
  return BigInt(Date.UTC(year, Number(expiry.slice(2)), 1) / 1000);
}
