/**
 * A double-entry ledger: accounts, a journal, and the postings of each journal entry.
 *
 * - An entry balances: in each unit its debits equal its credits, so the sum over all accounts is zero in every unit.
 * - An entry has a key that its maker chooses. The same entry posted again changes nothing; another entry under the
 *   same key is refused. So a caller that does not know whether its posting survived a crash simply posts again.
 * - A balance is kept beside the postings that make it and never goes below zero where the account forbids it.
 * - Amounts are bigint minor units of the account's unit and stay below 2^63, the range of the column.
 *
 * Nothing here knows what an account is for. Every method takes the transaction of its caller, so that a service posts
 * and writes its own rows in one commit; given a plain database it makes a transaction of its own.
 */

import { sql } from "kysely";
import { toHex } from "../codec/bytes.js";
import { sha256 } from "../crypto.js";
import { atomically, type Books, type Executor, type Migration, migrate, narrowed, PreparedRows } from "./database.js";

/** A monetary unit: ISO 4217 numeric currency, and how many decimal digits one of its units is below the major one. */
export interface Unit {
  readonly currency: number;
  readonly exponent: number;
}

export type AccountKind = "asset" | "expense" | "liability" | "income" | "equity";
export type Side = "debit" | "credit";

export interface Account {
  readonly id: string;
  readonly kind: AccountKind;
  readonly unit: Unit;
  /** Whether the balance, counted on the account's own side, may fall below zero. */
  readonly mayGoNegative: boolean;
}

export interface LedgerAccount extends Account {
  /** On the account's own side. */
  readonly balance: bigint;
}

export interface Posting {
  readonly account: string;
  readonly side: Side;
  readonly amount: bigint;
}

export interface Entry {
  /** Idempotency key, unique in the ledger. */
  readonly id: string;
  readonly memo: string;
  readonly time_seconds: bigint;
  readonly postings: readonly Posting[];
}

/** Highest amount and balance. */
export const AMOUNT_MAX = 2n ** 63n - 1n;
export const POSTINGS_MAX = 32;
export const ACCOUNT_ID_CHARS_MAX = 128;

export type LedgerErrorCode =
  | "conflict"
  | "insufficient-funds"
  | "out-of-range"
  | "unbalanced"
  | "unknown-account"
  | "contention";

export class LedgerError extends Error {
  readonly code: LedgerErrorCode;

  constructor(code: LedgerErrorCode, what: string) {
    super(`${what} Nothing was posted: every balance is as it was.`);
    this.name = "LedgerError";
    this.code = code;
  }
}

export interface LedgerTables {
  ledger_account: {
    id: string;
    kind: string;
    currency: bigint;
    exponent: bigint;
    may_go_negative: bigint;
    balance: bigint;
  };
  ledger_entry: { id: string; memo: string; time_seconds: bigint; digest: string };
  ledger_posting: { entry_id: string; line: bigint; account_id: string; side: string; amount: bigint };
}

const STEPS: readonly Migration[] = [
  async (transaction) => {
    await transaction.schema
      .createTable("ledger_account")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("currency", "bigint", (column) => column.notNull())
      .addColumn("exponent", "bigint", (column) => column.notNull())
      .addColumn("may_go_negative", "bigint", (column) => column.notNull())
      .addColumn("balance", "bigint", (column) => column.notNull())
      .execute();
    await transaction.schema
      .createTable("ledger_entry")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("memo", "text", (column) => column.notNull())
      .addColumn("time_seconds", "bigint", (column) => column.notNull())
      .addColumn("digest", "text", (column) => column.notNull())
      .execute();
    await transaction.schema
      .createTable("ledger_posting")
      .addColumn("entry_id", "text", (column) => column.notNull().references("ledger_entry.id"))
      .addColumn("line", "bigint", (column) => column.notNull())
      .addColumn("account_id", "text", (column) => column.notNull().references("ledger_account.id"))
      .addColumn("side", "text", (column) => column.notNull())
      .addColumn("amount", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("ledger_posting_key", ["entry_id", "line"])
      .execute();
    await transaction.schema.createIndex("ledger_posting_account").on("ledger_posting").column("account_id").execute();
  },
];

type AccountRow = LedgerTables["ledger_account"];

const encoder = new TextEncoder();

export class Ledger {
  static async migrate(books: Books): Promise<void> {
    await migrate(books, "ledger", STEPS);
  }

  /** Opens an account; opening it again is nothing, opening another one under its id is refused. */
  async openAccount(books: Books, account: Account): Promise<void> {
    checkAccount(account);
    const own = narrowed<LedgerTables>(books);
    await atomically(own, async (transaction) => {
      const row = await accountRow(transaction, account.id);
      if (row !== undefined) {
        if (!sameAccount(row, account)) {
          throw new LedgerError("conflict", `Account "${account.id}" exists with another kind or unit.`);
        }
        return;
      }
      await transaction
        .insertInto("ledger_account")
        .values({
          id: account.id,
          kind: account.kind,
          currency: BigInt(account.unit.currency),
          exponent: BigInt(account.unit.exponent),
          may_go_negative: account.mayGoNegative ? 1n : 0n,
          balance: 0n,
        })
        .execute();
    });
  }

  /** Posts one entry: see `postAll`. */
  async post(books: Books, entry: Entry): Promise<{ readonly replayed: boolean }> {
    const [replayed] = await this.postAll(books, [entry]);
    return { replayed: replayed === true };
  }

  /**
   * Posts entries in their order, all or none, and says of each whether it had been posted before. Everything is checked
   * before the first write, so that a caller may catch a refusal and go on with its transaction.
   */
  async postAll(books: Books, entries: readonly Entry[]): Promise<boolean[]> {
    for (const entry of entries) checkPostings(entry);
    return atomically(narrowed<LedgerTables>(books), async (transaction) => {
      const earlier = new Map((await someEntries.all(transaction, entries)).map(({ id, digest }) => [id, digest]));
      const fresh: DigestedEntry[] = [];
      const replayed = entries.map((entry) => {
        const digest = digestOf(entry.postings);
        const known = earlier.get(entry.id);
        if (known !== undefined && known !== digest) {
          throw new LedgerError("conflict", `Entry "${entry.id}" was already posted with other contents.`);
        }
        if (known !== undefined) return true;
        earlier.set(entry.id, digest);
        fresh.push({ entry, digest });
        return false;
      });
      if (fresh.length > 0) await writeAll(transaction, fresh, new Map());
      return replayed;
    });
  }

  /**
   * As `postAll`, for entries of which the caller knows that they are new; were one not, the database would refuse it and
   * with it the whole transaction. `known` is what was read of accounts in the same transaction.
   */
  async postNew(books: Books, entries: readonly Entry[], known: ReadonlyMap<string, AccountRow>): Promise<void> {
    for (const entry of entries) checkPostings(entry);
    const fresh = entries.map((entry) => ({ entry, digest: digestOf(entry.postings) }));
    await atomically(narrowed<LedgerTables>(books), (transaction) => writeAll(transaction, fresh, known));
  }

  /** Balance on the account's own side: what an asset account holds, what a liability account owes. */
  async balance(books: Books, id: string): Promise<bigint> {
    return (await this.#row(books, id)).balance;
  }

  async account(books: Books, id: string): Promise<LedgerAccount> {
    const row = await this.#row(books, id);
    return { ...accountOf(row), balance: row.balance };
  }

  /** The account, or undefined if there is none. */
  async find(books: Books, id: string): Promise<LedgerAccount | undefined> {
    const row = await accountRow(narrowed<LedgerTables>(books), id);
    return row === undefined ? undefined : { ...accountOf(row), balance: row.balance };
  }

  async hasEntry(books: Books, id: string): Promise<boolean> {
    const row = await narrowed<LedgerTables>(books)
      .selectFrom("ledger_entry")
      .select("id")
      .where("id", "=", id)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** All accounts with their balances, in the order of their ids. */
  async accounts(books: Books): Promise<LedgerAccount[]> {
    const rows = await narrowed<LedgerTables>(books).selectFrom("ledger_account").selectAll().orderBy("id").execute();
    return rows.map((row) => ({ ...accountOf(row), balance: row.balance }));
  }

  /**
   * Recomputes everything from the postings and says what does not fit. The sums are made here and not in the
   * database, where a sum that leaves 64 bits becomes an error or a float.
   */
  async audit(books: Books): Promise<string[]> {
    const own = narrowed<LedgerTables>(books);
    const accounts = new Map(
      (await own.selectFrom("ledger_account").selectAll().execute()).map((row) => [row.id, row]),
    );
    const postings = await own.selectFrom("ledger_posting").selectAll().execute();
    return auditOf(accounts, postings);
  }

  async #row(books: Books, id: string): Promise<AccountRow> {
    const row = await accountRow(narrowed<LedgerTables>(books), id);
    if (row === undefined) throw new LedgerError("unknown-account", `There is no account "${id}".`);
    return row;
  }
}

/**
 * New entries of one transaction that are posted together, with the accounts of theirs that may not be open yet. In the
 * common case they are, and nothing is asked. What is read of accounts in that transaction is kept, and not read again.
 */
export class PostingBatch {
  readonly #entries: Entry[] = [];
  readonly #accounts: Account[] = [];
  readonly #known = new Map<string, AccountRow>();

  /** Accounts by their ids; one that does not exist is left out. */
  async read(books: Books, ids: readonly string[]): Promise<(LedgerAccount | undefined)[]> {
    for (const row of await accountRows(books, ids)) this.#known.set(row.id, row);
    return ids.map((id) => {
      const row = this.#known.get(id);
      return row === undefined ? undefined : { ...accountOf(row), balance: row.balance };
    });
  }

  add(entry: Entry, accounts: readonly Account[]): void {
    this.#entries.push(entry);
    this.#accounts.push(...accounts);
  }

  async post(ledger: Ledger, books: Books): Promise<void> {
    if (this.#entries.length === 0) return;
    try {
      await ledger.postNew(books, this.#entries, this.#known);
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== "unknown-account") throw error;
      for (const account of this.#accounts) await ledger.openAccount(books, account);
      await ledger.postNew(books, this.#entries, this.#known);
    }
  }
}

interface BalanceChange {
  readonly id: string;
  readonly before: bigint;
  readonly after: bigint;
}

function auditOf(accounts: Map<string, AccountRow>, postings: readonly LedgerTables["ledger_posting"][]): string[] {
  const faults: string[] = [];
  const balances = new Map<string, bigint>();
  const entrySums = new Map<string, bigint>();
  for (const posting of postings) {
    const account = accounts.get(posting.account_id);
    if (account === undefined) {
      faults.push(`entry ${posting.entry_id} posts to the unknown account ${posting.account_id}`);
      continue;
    }
    const own = signed(account.kind as AccountKind, posting.side as Side, posting.amount);
    balances.set(account.id, (balances.get(account.id) ?? 0n) + own);
    const key = `${posting.entry_id} in ${account.currency}/${account.exponent}`;
    const debit = posting.side === "debit" ? posting.amount : -posting.amount;
    entrySums.set(key, (entrySums.get(key) ?? 0n) + debit);
  }
  for (const account of accounts.values()) {
    const sum = balances.get(account.id) ?? 0n;
    if (sum !== account.balance)
      faults.push(`account ${account.id} shows ${account.balance}, its postings make ${sum}`);
    if (sum < 0n && account.may_go_negative === 0n) faults.push(`account ${account.id} is negative`);
  }
  for (const [key, sum] of entrySums) if (sum !== 0n) faults.push(`entry ${key} is out of balance by ${sum}`);
  return faults;
}

interface DigestedEntry {
  readonly entry: Entry;
  readonly digest: string;
}

async function writeAll(
  transaction: Executor<LedgerTables>,
  fresh: readonly DigestedEntry[],
  known: ReadonlyMap<string, AccountRow>,
): Promise<void> {
  const accounts = new Map<string, AccountRow>();
  const unread = new Set<string>();
  for (const { entry } of fresh) {
    for (const { account } of entry.postings) {
      const row = known.get(account);
      if (row === undefined) unread.add(account);
      else accounts.set(account, row);
    }
  }
  for (const row of await accountRows(transaction, [...unread])) accounts.set(row.id, row);
  const balances = new Map([...accounts].map(([id, row]) => [id, row.balance]));
  for (const { entry } of fresh) apply(entry, accounts, balances);
  await writeEntries(transaction, fresh);
  const changes = [...accounts].map(([id, row]) => ({ id, before: row.balance, after: balances.get(id) ?? 0n }));
  await writeBalances(transaction, changes);
}

/** Brings balances to what they are after an entry, or says why it must not be posted. */
function apply(entry: Entry, accounts: ReadonlyMap<string, AccountRow>, balances: Map<string, bigint>): void {
  const own = new Map<string, bigint>();
  const sums = new Map<string, bigint>();
  for (const posting of entry.postings) {
    const account = accounts.get(posting.account);
    if (account === undefined) throw new LedgerError("unknown-account", `There is no account "${posting.account}".`);
    const amount = signed(account.kind as AccountKind, posting.side, posting.amount);
    own.set(account.id, (own.get(account.id) ?? 0n) + amount);
    const unit = `${account.currency}/${account.exponent}`;
    const debit = posting.side === "debit" ? posting.amount : -posting.amount;
    sums.set(unit, (sums.get(unit) ?? 0n) + debit);
  }
  for (const [unit, sum] of sums) {
    if (sum !== 0n) throw new LedgerError("unbalanced", `Entry "${entry.id}" is out of balance in unit ${unit}.`);
  }
  for (const [id, amount] of own) {
    const before = balances.get(id) ?? 0n;
    checkChange(accounts.get(id) as AccountRow, before, before + amount);
    balances.set(id, before + amount);
  }
}

function checkChange(account: AccountRow, before: bigint, after: bigint): void {
  if (after > AMOUNT_MAX || after < -AMOUNT_MAX) {
    throw new LedgerError("out-of-range", `The balance of account "${account.id}" would leave 63 bits.`);
  }
  // An account that was allowed below zero, and no longer is, may still be filled up.
  if (after < 0n && account.may_go_negative === 0n && after < before) {
    throw new LedgerError("insufficient-funds", `Account "${account.id}" does not hold enough.`);
  }
}

const someAccounts = new PreparedRows((books: Executor<LedgerTables>, rows: readonly { id: string }[]) =>
  books
    .selectFrom("ledger_account")
    .selectAll()
    .where(
      "id",
      "in",
      rows.map(({ id }) => id),
    ),
);

const someEntries = new PreparedRows((books: Executor<LedgerTables>, rows: readonly { id: string }[]) =>
  books
    .selectFrom("ledger_entry")
    .select(["id", "digest"])
    .where(
      "id",
      "in",
      rows.map(({ id }) => id),
    ),
);

const insertEntries = new PreparedRows((books: Executor<LedgerTables>, rows: readonly LedgerTables["ledger_entry"][]) =>
  books
    .insertInto("ledger_entry")
    .values(rows.map(({ id, memo, time_seconds, digest }) => ({ id, memo, time_seconds, digest }))),
);

const insertPostings = new PreparedRows(
  (books: Executor<LedgerTables>, rows: readonly LedgerTables["ledger_posting"][]) =>
    books.insertInto("ledger_posting").values(
      rows.map(({ entry_id, line, account_id, side, amount }) => {
        return { entry_id, line, account_id, side, amount };
      }),
    ),
);

/**
 * All balances in one statement. The condition on the old ones makes it safe where transactions do run side by side
 * (PostgreSQL).
 */
const updateBalances = new PreparedRows((books: Executor<LedgerTables>, changes: readonly BalanceChange[]) =>
  books
    .updateTable("ledger_account")
    .set((expression) => {
      const [first, ...rest] = changes;
      const start = expression
        .case()
        .when("id", "=", first?.id ?? "")
        .then(asBigint(first?.after));
      const cases = rest.reduce((before, { id, after }) => before.when("id", "=", id).then(asBigint(after)), start);
      return { balance: cases.else(expression.ref("balance")).end() };
    })
    .where((expression) =>
      expression.or(
        changes.map(({ id, before }) =>
          expression.and([expression("id", "=", id), expression("balance", "=", before)]),
        ),
      ),
    ),
);

/** PostgreSQL would take a bare parameter in a case for text. */
function asBigint(value: bigint | undefined) {
  return sql<bigint>`cast(${value} as bigint)`;
}

async function writeEntries(transaction: Books, fresh: readonly DigestedEntry[]): Promise<void> {
  const entries = fresh.map(({ entry: { id, memo, time_seconds }, digest }) => ({ id, memo, time_seconds, digest }));
  const lines = fresh.flatMap(({ entry }) =>
    entry.postings.map(({ account, side, amount }, line) => {
      return { entry_id: entry.id, line: BigInt(line), account_id: account, side, amount };
    }),
  );
  await insertEntries.run(transaction, entries);
  await insertPostings.run(transaction, lines);
}

async function writeBalances(transaction: Books, changes: readonly BalanceChange[]): Promise<void> {
  const changed = await updateBalances.run(transaction, changes);
  if (changed !== BigInt(changes.length)) {
    throw new LedgerError("contention", "An account changed at the same time: post again.");
  }
}

async function accountRows(books: Books, ids: readonly string[]): Promise<AccountRow[]> {
  if (ids.length === 0) return [];
  return someAccounts.all(
    books,
    ids.map((id) => ({ id })),
  );
}

async function accountRow(books: Books, id: string): Promise<AccountRow | undefined> {
  return (await accountRows(books, [id]))[0];
}

function accountOf(row: AccountRow): Account {
  return {
    id: row.id,
    kind: row.kind as AccountKind,
    unit: { currency: Number(row.currency), exponent: Number(row.exponent) },
    mayGoNegative: row.may_go_negative !== 0n,
  };
}

function sameAccount(row: AccountRow, account: Account): boolean {
  const known = accountOf(row);
  return (
    known.kind === account.kind &&
    known.unit.currency === account.unit.currency &&
    known.unit.exponent === account.unit.exponent &&
    known.mayGoNegative === account.mayGoNegative
  );
}

/** The amount as it counts on the account's own side. */
function signed(kind: AccountKind, side: Side, amount: bigint): bigint {
  const own: Side = kind === "asset" || kind === "expense" ? "debit" : "credit";
  return side === own ? amount : -amount;
}

function checkAccount(account: Account): void {
  if (account.id.length === 0 || account.id.length > ACCOUNT_ID_CHARS_MAX) {
    throw new RangeError(`account.id must have 1 to ${ACCOUNT_ID_CHARS_MAX} characters`);
  }
  checkUnit(account.unit);
}

export function checkUnit(unit: Unit): void {
  if (!Number.isInteger(unit.currency) || unit.currency < 0 || unit.currency > 999) {
    throw new RangeError("unit.currency must be an ISO 4217 number, 0 to 999");
  }
  if (!Number.isInteger(unit.exponent) || unit.exponent < 0 || unit.exponent > 9) {
    throw new RangeError("unit.exponent must be 0 to 9");
  }
}

function checkPostings(entry: Entry): void {
  if (entry.id.length === 0 || entry.id.length > ACCOUNT_ID_CHARS_MAX) {
    throw new RangeError(`entry.id must have 1 to ${ACCOUNT_ID_CHARS_MAX} characters`);
  }
  if (entry.postings.length < 2 || entry.postings.length > POSTINGS_MAX) {
    throw new LedgerError("unbalanced", `Entry "${entry.id}" must have 2 to ${POSTINGS_MAX} postings.`);
  }
  for (const posting of entry.postings) {
    if (posting.amount <= 0n || posting.amount > AMOUNT_MAX) {
      throw new LedgerError("out-of-range", `Entry "${entry.id}" has an amount outside 1 to 2^63 - 1.`);
    }
  }
}

/** Memo and time are left out: a repeat after a crash may be made at another time. */
function digestOf(postings: readonly Posting[]): string {
  const lines = postings.map((posting) => [posting.account, posting.side, posting.amount.toString()]);
  return toHex(sha256(encoder.encode(JSON.stringify(lines))));
}
