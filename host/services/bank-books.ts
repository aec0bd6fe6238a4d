/**
 * The banking system of WO 96/41315 fig. 5 as pure books: customers' deposits and the accounts that electronic money
 * passes through. It knows of notes only how much they are worth; the money modules are somebody else's.
 *
 *   deposits/NUMBER     liability  what the bank owes the holder of an account
 *   in-transit/UNIT     liability  taken from a deposit for a withdrawal whose notes have not been seen to move
 *   money-issued/UNIT   liability  notes of this bank that are out, wherever they are
 *   unclaimed/UNIT      liability  of those, what nobody redeemed by the last date
 *   money-held/UNIT     asset      notes in the bank's own tellers and generators
 *   money-due/BANK/UNIT asset      notes of another bank sent back to it, not yet paid for
 *   clearing/UNIT       asset      what other banks and the world outside owe this bank (below zero: it owes them)
 *   fraud-loss/UNIT     expense    paid for copies of notes, which nobody was ever issued
 *   refresh/MODULE/UNIT liability  what a module paid in to have it back in fresh notes, and has not had back yet
 *   token-...           several    token halves: token-accounts.ts
 *
 * Every operation has an id, the pay-id of the money modules where there is one. The same operation again changes
 * nothing and gives the same answer, whatever crashed in between; another one under the same id is refused.
 */

import type { Kysely, Transaction } from "kysely";
import type { Clock } from "./clock.js";
import { atomically, type Books, type Migration, migrate } from "./database.js";
import {
  type AccountKind,
  checkUnit,
  Ledger,
  LedgerError,
  type LedgerTables,
  type Posting,
  type Unit,
} from "./ledger.js";
import { TokenAccounts } from "./token-accounts.js";

export interface BankTables extends LedgerTables {
  bank_operation: {
    id: string;
    kind: string;
    state: string;
    account: string;
    subject_id: string;
    currency: bigint;
    exponent: bigint;
    amount: bigint;
  };
  bank_link: { account: string; subject_id: string };
}

const STEPS: readonly Migration[] = [
  async (transaction) => {
    await transaction.schema
      .createTable("bank_operation")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("state", "text", (column) => column.notNull())
      .addColumn("account", "text", (column) => column.notNull())
      .addColumn("subject_id", "text", (column) => column.notNull())
      .addColumn("currency", "bigint", (column) => column.notNull())
      .addColumn("exponent", "bigint", (column) => column.notNull())
      .addColumn("amount", "bigint", (column) => column.notNull())
      .execute();
    await transaction.schema
      .createTable("bank_link")
      .addColumn("account", "text", (column) => column.notNull())
      .addColumn("subject_id", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("bank_link_key", ["account", "subject_id"])
      .execute();
  },
];

export type OperationKind =
  | "withdrawal"
  | "deposit"
  | "issue"
  | "redeem"
  | "loss"
  | "foreign-sent"
  | "foreign-paid"
  | "returned"
  | "unclaimed"
  | "claim"
  | "funding";
export type OperationState = "reserved" | "settled" | "reversed";

export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly state: OperationState;
  readonly account: string;
  readonly unit: Unit;
  readonly amount: bigint;
}

export type BankErrorCode =
  | "conflict"
  | "insufficient-funds"
  | "not-linked"
  | "unknown-account"
  | "unknown-operation"
  | "wrong-unit";

export class BankError extends Error {
  readonly code: BankErrorCode;

  constructor(code: BankErrorCode, message: string) {
    super(`${message} Nothing was booked.`);
    this.name = "BankError";
    this.code = code;
  }
}

/** What an operation of notes is about. `id` is the pay-id in hex, or any id that its maker does not use again. */
export interface MoneyOperation {
  readonly id: string;
  readonly unit: Unit;
  readonly amount: bigint;
}

export interface AccountOperation extends MoneyOperation {
  /** Number of the deposit account. */
  readonly account: string;
}

export interface Deposit {
  /** Number of the account. */
  readonly account: string;
  readonly unit: Unit;
  readonly amount: bigint;
}

export interface WithdrawalRequest extends AccountOperation {
  /** The money module that withdraws, 32 hex digits. */
  readonly subjectId: string;
}

interface NewOperation extends MoneyOperation {
  readonly kind: OperationKind;
  readonly state: OperationState;
  readonly account: string;
  readonly subjectId: string;
}

/** An operation of one posting. */
type SingleOperation = Omit<NewOperation, "state" | "subjectId">;

const WORLD = "";
/** A number that begins with it is no customer's: the rest is a module's subject id. */
const OWN_ACCOUNT = "@";

export class BankBooks {
  readonly #database: Kysely<BankTables>;
  readonly #ledger = new Ledger();
  readonly #clock: Clock;
  /** Of token halves, posted in the transactions of their issuer. */
  readonly tokens = new TokenAccounts(this.#ledger);

  private constructor(database: Kysely<BankTables>, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  static async open(database: Kysely<BankTables>, clock: Clock): Promise<BankBooks> {
    await Ledger.migrate(database);
    await migrate(database, "bank", STEPS);
    return new BankBooks(database, clock);
  }

  /** Opens a deposit account; again is nothing. */
  async openDeposit(number: string, unit: Unit): Promise<void> {
    if (number.startsWith(OWN_ACCOUNT)) throw new RangeError(`number must not begin with "${OWN_ACCOUNT}"`);
    await this.#ledger.openAccount(this.#database, {
      id: depositOf(number),
      kind: "liability",
      unit,
      mayGoNegative: false,
    });
  }

  /** Lets a money module withdraw from an account. */
  async link(account: string, subjectId: string): Promise<void> {
    await this.#transact(async (transaction) => {
      await this.#depositUnit(transaction, account);
      await transaction
        .insertInto("bank_link")
        .values({ account, subject_id: subjectId })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    });
  }

  async unlink(account: string, subjectId: string): Promise<void> {
    await this.#database
      .deleteFrom("bank_link")
      .where("account", "=", account)
      .where("subject_id", "=", subjectId)
      .execute();
  }

  /** The accounts that a module may withdraw from. */
  async accountsOf(subjectId: string): Promise<string[]> {
    const rows = await this.#database
      .selectFrom("bank_link")
      .select("account")
      .where("subject_id", "=", subjectId)
      .orderBy("account")
      .execute();
    return rows.map((row) => row.account);
  }

  /** Money from the world outside: a salary, cash over the counter. */
  fund(operation: AccountOperation): Promise<Operation> {
    return this.#single({ ...operation, kind: "funding" }, "clearing", depositOf(operation.account));
  }

  /** Before notes leave a teller: the amount goes from the deposit into transit. */
  withdrawReserve(request: WithdrawalRequest): Promise<Operation> {
    return this.#transact(async (transaction) => {
      const known = await this.#known(transaction, { ...request, kind: "withdrawal" });
      if (known !== undefined) return known;
      await this.#checkLink(transaction, request);
      await this.#post(transaction, `withdrawal/${request.id}/reserve`, request, [
        [depositOf(request.account), "debit"],
        ["in-transit", "credit"],
      ]);
      return this.#record(transaction, { ...request, kind: "withdrawal", state: "reserved" });
    });
  }

  /** The notes have moved: the bank holds fewer, and owes nothing more. */
  withdrawSettle(id: string): Promise<Operation> {
    return this.#finish(id, "settled", "money-held");
  }

  /** The notes have not moved and never will. An id that was never reserved cannot be reserved afterwards. */
  withdrawReverse(id: string): Promise<Operation> {
    return this.#finish(id, "reversed", "deposit");
  }

  /** Notes came in at a teller and are verified. */
  depositSettle(operation: AccountOperation): Promise<Operation> {
    return this.#single({ ...operation, kind: "deposit" }, "money-held", depositOf(operation.account));
  }

  /** A generator made notes. */
  issue(operation: MoneyOperation): Promise<Operation> {
    return this.#single({ ...operation, kind: "issue", account: WORLD }, "money-held", "money-issued");
  }

  /**
   * Notes of this bank came back and are destroyed. `judge` is asked in the same transaction, so that what it writes
   * stands or falls with the posting, how much of the amount was never issued: that is the bank's loss. Said again it must
   * say the same.
   */
  redeem(operation: MoneyOperation, judge?: (transaction: Books) => Promise<bigint>): Promise<Operation> {
    return this.#transact(async (transaction) => {
      const loss = judge === undefined ? 0n : await judge(transaction);
      const redeemed = { ...operation, amount: operation.amount - loss, account: WORLD };
      const lost = { ...operation, id: `${operation.id}/loss`, amount: loss, account: WORLD };
      const wanting =
        loss === 0n
          ? undefined
          : await this.#singleIn(transaction, { ...lost, kind: "loss" }, "fraud-loss", "money-held");
      if (wanting !== undefined && redeemed.amount === 0n) return wanting;
      return this.#singleIn(transaction, { ...redeemed, kind: "redeem" }, "money-issued", "money-held");
    });
  }

  /** Notes of another bank go back to it: it owes their value. */
  sendForeign(operation: MoneyOperation & { readonly bank: string }): Promise<Operation> {
    const due = `money-due/${operation.bank}`;
    return this.#single({ ...operation, kind: "foreign-sent", account: operation.bank }, due, "money-held");
  }

  /** The other bank has paid for its notes. */
  settleForeign(operation: MoneyOperation & { readonly bank: string }): Promise<Operation> {
    const due = `money-due/${operation.bank}`;
    return this.#single({ ...operation, kind: "foreign-paid", account: operation.bank }, "clearing", due);
  }

  /** Another bank sent notes of this bank back: they are destroyed and paid for. */
  redeemFor(operation: MoneyOperation & { readonly bank: string }): Promise<Operation> {
    return this.#single({ ...operation, kind: "returned", account: operation.bank }, "money-issued", "clearing");
  }

  /** The final redemption date of notes has passed and nobody came. */
  markUnclaimed(operation: MoneyOperation): Promise<Operation> {
    return this.#single({ ...operation, kind: "unclaimed", account: WORLD }, "money-issued", "unclaimed");
  }

  /** A claim on notes that are still out is paid to their owner. */
  payClaim(operation: AccountOperation): Promise<Operation> {
    return this.#single({ ...operation, kind: "claim" }, "money-issued", depositOf(operation.account));
  }

  async operation(id: string): Promise<Operation | undefined> {
    const row = await this.#database.selectFrom("bank_operation").selectAll().where("id", "=", id).executeTakeFirst();
    return row === undefined ? undefined : operationOf(row);
  }

  /** Withdrawals whose end is not known yet: to be settled with the teller after a crash. */
  async openWithdrawals(): Promise<Operation[]> {
    const rows = await this.#database
      .selectFrom("bank_operation")
      .selectAll()
      .where("state", "=", "reserved")
      .orderBy("id")
      .execute();
    return rows.map(operationOf);
  }

  /** What the bank owes a module that is having notes refreshed, unit by unit; nothing when it has had all of it. */
  async refreshOwed(subjectId: string): Promise<{ readonly unit: Unit; readonly amount: bigint }[]> {
    const rows = await this.#database
      .selectFrom("ledger_account")
      .select(["currency", "exponent", "balance"])
      .where("id", "like", `${depositOf(refreshAccount(subjectId))}/%`)
      .where("balance", ">", 0n)
      .orderBy("id")
      .execute();
    return rows.map(({ currency, exponent, balance }) => {
      return { unit: { currency: Number(currency), exponent: Number(exponent) }, amount: balance };
    });
  }

  depositBalance(number: string): Promise<bigint> {
    return this.#ledger.balance(this.#database, depositOf(number));
  }

  /** What is on the deposit accounts, by number; or on this one. */
  async deposits(number?: string): Promise<Deposit[]> {
    if (number !== undefined) {
      const found = await this.#ledger.find(this.#database, depositOf(number));
      if (found === undefined) throw new BankError("unknown-account", `There is no account ${number}.`);
      return [depositIn(found)];
    }
    const accounts = await this.#ledger.accounts(this.#database);
    return accounts.filter(({ id }) => id.startsWith(DEPOSITS)).map(depositIn);
  }

  /** What copies of notes have cost the bank, by unit. */
  async losses(): Promise<{ readonly unit: Unit; readonly amount: bigint }[]> {
    const accounts = await this.#ledger.accounts(this.#database);
    return accounts
      .filter(({ id, balance }) => id.startsWith("fraud-loss/") && balance !== 0n)
      .map(({ unit, balance }) => ({ unit, amount: balance }));
  }

  /** Balance of one of the bank's own accounts, zero if it has never been used. */
  async balance(account: BankAccount, unit: Unit): Promise<bigint> {
    const id = `${account}/${unitOf(unit)}`;
    return (await this.#ledger.find(this.#database, id))?.balance ?? 0n;
  }

  async audit(): Promise<string[]> {
    return [...(await this.#ledger.audit(this.#database)), ...(await this.tokens.audit(this.#database))];
  }

  async #transact<Result>(work: (transaction: Transaction<BankTables>) => Promise<Result>): Promise<Result> {
    try {
      return await atomically(this.#database, work);
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      const code = error.code === "insufficient-funds" || error.code === "unknown-account" ? error.code : "conflict";
      throw new BankError(code, error.message);
    }
  }

  /** An operation of one posting: debit one account, credit another. */
  #single(operation: SingleOperation, debit: string, credit: string): Promise<Operation> {
    return this.#transact((transaction) => this.#singleIn(transaction, operation, debit, credit));
  }

  async #singleIn(
    transaction: Transaction<BankTables>,
    operation: SingleOperation,
    debit: string,
    credit: string,
  ): Promise<Operation> {
    const known = await this.#known(transaction, operation);
    if (known !== undefined) return known;
    await this.#post(transaction, `${operation.kind}/${operation.id}`, operation, [
      [debit, "debit"],
      [credit, "credit"],
    ]);
    return this.#record(transaction, { ...operation, state: "settled", subjectId: "" });
  }

  #finish(id: string, state: "settled" | "reversed", destination: "money-held" | "deposit"): Promise<Operation> {
    return this.#transact(async (transaction) => {
      const row = await transaction.selectFrom("bank_operation").selectAll().where("id", "=", id).executeTakeFirst();
      if (row === undefined) {
        if (state === "reversed") return this.#record(transaction, neverReserved(id));
        throw new BankError("unknown-operation", `No withdrawal ${id} was reserved.`);
      }
      const operation = operationOf(row);
      if (operation.kind !== "withdrawal") throw new BankError("conflict", `${id} is not a withdrawal.`);
      if (operation.state === state) return operation;
      if (operation.state !== "reserved") {
        throw new BankError("conflict", `Withdrawal ${id} was already ${operation.state}.`);
      }
      await this.#post(transaction, `withdrawal/${id}/${state}`, operation, [
        ["in-transit", "debit"],
        [destination === "deposit" ? depositOf(operation.account) : destination, "credit"],
      ]);
      await transaction.updateTable("bank_operation").set({ state }).where("id", "=", id).execute();
      return { ...operation, state };
    });
  }

  /** The operation of this id, if it is the same one; undefined if there is none yet. */
  async #known(transaction: Transaction<BankTables>, asked: SingleOperation): Promise<Operation | undefined> {
    checkUnit(asked.unit);
    const row = await transaction
      .selectFrom("bank_operation")
      .selectAll()
      .where("id", "=", asked.id)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const known = operationOf(row);
    const same =
      known.kind === asked.kind &&
      known.account === asked.account &&
      known.amount === asked.amount &&
      unitOf(known.unit) === unitOf(asked.unit);
    if (!same) throw new BankError("conflict", `Operation ${asked.id} is already booked with other contents.`);
    return known;
  }

  async #record(transaction: Transaction<BankTables>, operation: NewOperation): Promise<Operation> {
    const row = {
      id: operation.id,
      kind: operation.kind,
      state: operation.state,
      account: operation.account,
      subject_id: operation.subjectId,
      currency: BigInt(operation.unit.currency),
      exponent: BigInt(operation.unit.exponent),
      amount: operation.amount,
    };
    await transaction.insertInto("bank_operation").values(row).execute();
    return operationOf(row);
  }

  async #checkLink(transaction: Transaction<BankTables>, request: WithdrawalRequest): Promise<void> {
    // A module's own account is linked to that module alone, and is kept in every unit.
    if (request.account.startsWith(OWN_ACCOUNT)) {
      if (request.account === refreshAccount(request.subjectId)) return;
      throw new BankError("not-linked", "This account is another money module's own.");
    }
    const unit = await this.#depositUnit(transaction, request.account);
    if (unitOf(unit) !== unitOf(request.unit)) {
      throw new BankError("wrong-unit", `Account ${request.account} is kept in another currency.`);
    }
    const link = await transaction
      .selectFrom("bank_link")
      .select("account")
      .where("account", "=", request.account)
      .where("subject_id", "=", request.subjectId)
      .executeTakeFirst();
    if (link === undefined) {
      throw new BankError("not-linked", `This money module may not withdraw from account ${request.account}.`);
    }
  }

  async #depositUnit(transaction: Transaction<BankTables>, account: string): Promise<Unit> {
    return (await this.#ledger.account(transaction, depositOf(account))).unit;
  }

  async #post(
    transaction: Transaction<BankTables>,
    id: string,
    operation: MoneyOperation,
    lines: readonly (readonly [account: string, side: Posting["side"]])[],
  ): Promise<void> {
    const postings: Posting[] = [];
    for (const [name, side] of lines) {
      const account = await this.#accountFor(transaction, name, operation.unit);
      postings.push({ account, side, amount: operation.amount });
    }
    await this.#ledger.post(transaction, { id, memo: "", time_seconds: this.#clock.now_seconds(), postings });
  }

  /** Deposits must exist; the bank's own accounts, and modules', are opened when a unit first needs them. */
  async #accountFor(transaction: Transaction<BankTables>, name: string, unit: Unit): Promise<string> {
    if (name.startsWith(DEPOSITS)) return name;
    const id = `${name}/${unitOf(unit)}`;
    const kind = kindOf(name);
    await this.#ledger.openAccount(transaction, { id, kind, unit, mayGoNegative: name === "clearing" });
    return id;
  }
}

export type BankAccount =
  | "in-transit"
  | "money-issued"
  | "unclaimed"
  | "money-held"
  | `money-due/${string}`
  | "clearing"
  | "fraud-loss";

function kindOf(name: string): AccountKind {
  if (name === "fraud-loss") return "expense";
  return /^(money-held|money-due|clearing)/.test(name) ? "asset" : "liability";
}

const DEPOSITS = "deposits/";

/** Ledger account of a deposit account, or of a module's own, which the unit is still missing from. */
export function depositOf(number: string): string {
  return number.startsWith(OWN_ACCOUNT) ? `refresh/${number.slice(OWN_ACCOUNT.length)}` : `${DEPOSITS}${number}`;
}

/** Number of the account on which the bank owes a module what is being refreshed. */
export function refreshAccount(subjectId: string): string {
  if (!/^[0-9a-f]{32}$/.test(subjectId)) throw new RangeError("subjectId must be 32 lower-case hexadecimal digits");
  return `${OWN_ACCOUNT}${subjectId}`;
}

function depositIn({ id, unit, balance }: { id: string; unit: Unit; balance: bigint }): Deposit {
  return { account: id.slice(DEPOSITS.length), unit, amount: balance };
}

function unitOf(unit: Unit): string {
  return `${unit.currency}.${unit.exponent}`;
}

/** What stands for a withdrawal that was reversed before it was reserved, so that a late request for it is refused. */
function neverReserved(id: string): NewOperation {
  const unit = { currency: 0, exponent: 0 };
  return { id, kind: "withdrawal", state: "reversed", account: "", subjectId: "", unit, amount: 0n };
}

function operationOf(row: BankTables["bank_operation"]): Operation {
  return {
    id: row.id,
    kind: row.kind as OperationKind,
    state: row.state as OperationState,
    account: row.account,
    unit: { currency: Number(row.currency), exponent: Number(row.exponent) },
    amount: row.amount,
  };
}
