/** What the card authorization network stores, and how it is set up. */

import type { Kysely } from "kysely";
import { type Card, CardIssuer, type IssuerTables } from "./card-issuer.js";
import { atomically, type Executor, type Migration, migrate, Prepared } from "./database.js";
import type { Unit } from "./ledger.js";

export interface NetworkTables extends IssuerTables {
  network_authorization: AuthorizationRow;
  network_merchant: { acquirer: string; merchant: string; bank: string; account: string };
  network_merchant_agent: { acquirer: string; merchant: string; agent: string };
  network_rate: { account_currency: bigint; currency: bigint; numerator: bigint; decimals: bigint };
  network_incident: { approval: string; agent: string; outcome: bigint; time_seconds: bigint };
}

/** One answered 0100. Of its bytes only the hash is kept; the card's number is left only in the signed approval. */
export interface AuthorizationRow {
  acquirer: string;
  stan: bigint;
  day: bigint;
  request_digest: string;
  response: Uint8Array;
  state: string;
  type: string;
  time_seconds: bigint;
  last_day_seconds: bigint;
  /** SHA-256 of the signed approval, in hex; of a declined request its own key, so that the column is unique. */
  approval: string;
  receipt: string;
  merchant_agent: string;
  customer_agent: string;
  card_bank: string;
  card_masked: string;
  merchant_bank: string;
  amount: bigint;
  currency: bigint;
  exponent: bigint;
  billing_amount: bigint;
  billing_currency: bigint;
  billing_exponent: bigint;
}

export type AuthorizationState = "declined" | "approved" | "suspense" | "completed" | "reversed";

const STEPS: readonly Migration[] = [
  async (transaction) => {
    await transaction.schema
      .createTable("network_authorization")
      .addColumn("acquirer", "text", (column) => column.notNull())
      .addColumn("request_digest", "text", (column) => column.notNull())
      .addColumn("state", "text", (column) => column.notNull())
      .addColumn("type", "text", (column) => column.notNull())
      .addColumn("approval", "text", (column) => column.notNull())
      .addColumn("receipt", "text", (column) => column.notNull())
      .addColumn("merchant_agent", "text", (column) => column.notNull())
      .addColumn("customer_agent", "text", (column) => column.notNull())
      .addColumn("card_bank", "text", (column) => column.notNull())
      .addColumn("card_masked", "text", (column) => column.notNull())
      .addColumn("merchant_bank", "text", (column) => column.notNull())
      .addColumn("stan", "bigint", (column) => column.notNull())
      .addColumn("day", "bigint", (column) => column.notNull())
      .addColumn("time_seconds", "bigint", (column) => column.notNull())
      .addColumn("last_day_seconds", "bigint", (column) => column.notNull())
      .addColumn("amount", "bigint", (column) => column.notNull())
      .addColumn("currency", "bigint", (column) => column.notNull())
      .addColumn("exponent", "bigint", (column) => column.notNull())
      .addColumn("billing_amount", "bigint", (column) => column.notNull())
      .addColumn("billing_currency", "bigint", (column) => column.notNull())
      .addColumn("billing_exponent", "bigint", (column) => column.notNull())
      .addColumn("response", "bytea", (column) => column.notNull())
      .addPrimaryKeyConstraint("network_authorization_key", ["acquirer", "stan", "day"])
      .addUniqueConstraint("network_authorization_approval", ["approval"])
      .execute();
    await transaction.schema
      .createIndex("network_authorization_state")
      .on("network_authorization")
      .columns(["state", "last_day_seconds"])
      .execute();
    await transaction.schema
      .createIndex("network_authorization_receipt")
      .on("network_authorization")
      .column("receipt")
      .execute();
  },
  async (transaction) => {
    await transaction.schema
      .createTable("network_merchant")
      .addColumn("acquirer", "text", (column) => column.notNull())
      .addColumn("merchant", "text", (column) => column.notNull())
      .addColumn("bank", "text", (column) => column.notNull())
      .addColumn("account", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("network_merchant_key", ["acquirer", "merchant"])
      .execute();
    await transaction.schema
      .createTable("network_merchant_agent")
      .addColumn("acquirer", "text", (column) => column.notNull())
      .addColumn("merchant", "text", (column) => column.notNull())
      .addColumn("agent", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("network_merchant_agent_key", ["acquirer", "merchant", "agent"])
      .execute();
    await transaction.schema
      .createTable("network_rate")
      .addColumn("account_currency", "bigint", (column) => column.notNull())
      .addColumn("currency", "bigint", (column) => column.notNull())
      .addColumn("numerator", "bigint", (column) => column.notNull())
      .addColumn("decimals", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("network_rate_key", ["account_currency", "currency"])
      .execute();
    await transaction.schema
      .createTable("network_incident")
      .addColumn("approval", "text", (column) => column.notNull())
      .addColumn("agent", "text", (column) => column.notNull())
      .addColumn("outcome", "bigint", (column) => column.notNull())
      .addColumn("time_seconds", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("network_incident_key", ["approval", "agent", "outcome"])
      .execute();
  },
];

// What is asked for each message.

const AUTHORIZATION_COLUMNS: readonly (keyof AuthorizationRow)[] = [
  "acquirer",
  "stan",
  "day",
  "request_digest",
  "response",
  "state",
  "type",
  "time_seconds",
  "last_day_seconds",
  "approval",
  "receipt",
  "merchant_agent",
  "customer_agent",
  "card_bank",
  "card_masked",
  "merchant_bank",
  "amount",
  "currency",
  "exponent",
  "billing_amount",
  "billing_currency",
  "billing_exponent",
];

/** What counts for the end of an authorization. */
const SETTLED_COLUMNS = [
  "acquirer",
  "stan",
  "state",
  "type",
  "time_seconds",
  "approval",
  "merchant_agent",
  "customer_agent",
  "card_bank",
  "merchant_bank",
  "amount",
  "currency",
  "exponent",
  "billing_amount",
  "billing_currency",
  "billing_exponent",
] as const satisfies readonly (keyof AuthorizationRow)[];

/** An authorization as its settlement needs it. */
export type SettledRow = Pick<AuthorizationRow, (typeof SETTLED_COLUMNS)[number]>;

/** What was answered under this number, and what was authorized for this receipt: at most one row each, or one for both. */
export const earlierFor = new Prepared(
  (books: Executor<NetworkTables>, p: { acquirer: string; stan: bigint; day: bigint; receipt: string }) =>
    books
      .selectFrom("network_authorization")
      .select(["acquirer", "stan", "day", "request_digest", "response"])
      .where((expression) =>
        expression.or([
          expression.and([
            expression("acquirer", "=", p.acquirer),
            expression("stan", "=", p.stan),
            expression("day", "=", p.day),
          ]),
          expression.and([expression("receipt", "=", p.receipt), expression("state", "!=", "declined")]),
        ]),
      ),
);

export const authorizationOf = new Prepared((books: Executor<NetworkTables>, p: { approval: string }) =>
  books.selectFrom("network_authorization").select(SETTLED_COLUMNS).where("approval", "=", p.approval),
);

export const setAuthorizationState = new Prepared(
  (books: Executor<NetworkTables>, p: { approval: string; state: AuthorizationState }) =>
    books.updateTable("network_authorization").set({ state: p.state }).where("approval", "=", p.approval),
);

export const insertAuthorization = new Prepared((books: Executor<NetworkTables>, row: AuthorizationRow) =>
  books
    .insertInto("network_authorization")
    .values(
      Object.fromEntries(AUTHORIZATION_COLUMNS.map((column) => [column, row[column]])) as unknown as AuthorizationRow,
    ),
);

export const merchantOf = new Prepared(
  (books: Executor<NetworkTables>, p: { acquirer: string; merchant: string; agent: string }) =>
    books
      .selectFrom("network_merchant as m")
      .innerJoin("network_merchant_agent as a", (join) =>
        join.onRef("a.acquirer", "=", "m.acquirer").onRef("a.merchant", "=", "m.merchant"),
      )
      .select(["m.bank", "m.account"])
      .where("m.acquirer", "=", p.acquirer)
      .where("m.merchant", "=", p.merchant)
      .where("a.agent", "=", p.agent),
);

export const rateOf = new Prepared((books: Executor<NetworkTables>, p: { account: bigint; currency: bigint }) =>
  books
    .selectFrom("network_rate")
    .selectAll()
    .where("account_currency", "=", p.account)
    .where("currency", "=", p.currency),
);

export async function migrateNetwork(database: Kysely<NetworkTables>): Promise<void> {
  await CardIssuer.migrate(database);
  await migrate(database, "authorization-network", STEPS);
}

/**
 * A rate from a transaction's currency to the currency of a card's account, between minor units: `amount * numerator /
 * 10^decimals`. This is what field 10 of ISO 8583 can carry, so that the message states the rate exactly.
 */
export interface NetworkRate {
  readonly accountCurrency: number;
  readonly currency: number;
  readonly numerator: bigint;
  readonly decimals: number;
}

export const RATE_NUMERATOR_MAX = 9_999_999n;
export const RATE_DECIMALS_MAX = 9;

/** A merchant under contract: which account it settles with, and which agents act for it. */
export interface NetworkMerchant {
  readonly acquirer: string;
  readonly merchant: string;
  readonly settlement: { readonly bank: string; readonly number: string };
  /** Subject ids of its trusted agents, 32 hex digits each. */
  readonly agents: readonly string[];
}

export interface NetworkAccount {
  readonly bank: string;
  readonly number: string;
  readonly unit: Unit;
  /** Paid in once, when the account is first set up. */
  readonly opening: bigint;
}

/** All that a network is set up with. Setting up the same again changes nothing. */
export interface NetworkSetup {
  /** Card numbers that begin with `bin` belong to `bank`. */
  readonly routes: readonly { readonly bin: string; readonly bank: string }[];
  readonly accounts: readonly NetworkAccount[];
  readonly cards: readonly (Card & { readonly bank: string })[];
  readonly merchants: readonly NetworkMerchant[];
  readonly rates: readonly NetworkRate[];
}

export async function storeMerchant(database: Kysely<NetworkTables>, merchant: NetworkMerchant): Promise<void> {
  const { acquirer, settlement } = merchant;
  const place = { bank: settlement.bank, account: settlement.number };
  await atomically(database, async (transaction) => {
    await transaction
      .insertInto("network_merchant")
      .values({ acquirer, merchant: merchant.merchant, ...place })
      .onConflict((conflict) => conflict.columns(["acquirer", "merchant"]).doUpdateSet(place))
      .execute();
    for (const agent of merchant.agents) {
      await transaction
        .insertInto("network_merchant_agent")
        .values({ acquirer, merchant: merchant.merchant, agent })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
  });
}

export async function storeRate(database: Kysely<NetworkTables>, rate: NetworkRate): Promise<void> {
  if (rate.numerator < 1n || rate.numerator > RATE_NUMERATOR_MAX) throw new RangeError("rate.numerator: 1 to 9999999");
  if (!Number.isInteger(rate.decimals) || rate.decimals < 0 || rate.decimals > RATE_DECIMALS_MAX) {
    throw new RangeError("rate.decimals: 0 to 9");
  }
  const value = { numerator: rate.numerator, decimals: BigInt(rate.decimals) };
  await database
    .insertInto("network_rate")
    .values({ account_currency: BigInt(rate.accountCurrency), currency: BigInt(rate.currency), ...value })
    .onConflict((conflict) => conflict.columns(["account_currency", "currency"]).doUpdateSet(value))
    .execute();
}

export async function storeAccount(
  database: Kysely<NetworkTables>,
  issuer: CardIssuer,
  account: NetworkAccount,
): Promise<void> {
  await atomically(database, async (transaction) => {
    await issuer.openAccount(transaction, account.number, account.unit);
    if (account.opening === 0n) return;
    await issuer.fund(transaction, `opening/${account.number}`, account.number, account.opening);
  });
}
