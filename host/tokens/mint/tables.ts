/** Tables of an issuer's books. Ids are in lower-case hexadecimal digits. */

import { type Books, type Migration, migrate } from "../../services/database.js";

export interface MintTables {
  token_seller: SellerRow;
  token_buyer: { subject: string; account: string };
  token_assertion: { subject: string; assertion: string; valid_until: bigint };
  token_purse: PurseRow;
  token_request: RequestRow;
  token_redeemed: { purse: string; chunk: bigint; bits: Uint8Array };
  token_answer: { seller: string; request: string; digest: Uint8Array; answer: Uint8Array };
  /** What was not brought to a seller yet; `handed` once it was in the answer to a collect. */
  token_waiting: { seller: string; what: string; purse: string; handed: bigint };
  token_collected: { seller: string; digest: Uint8Array };
  /** Until the last second for spending that was asked for: a request that was refused stays refused. */
  token_refusal: { buyer: string; nonce: string; code: string; time_seconds: bigint; spend_by: bigint };
}

interface SellerRow {
  id: string;
  signature_key: Uint8Array;
  agreement_key: Uint8Array;
  account: string | null;
  address: string;
}

export interface PurseRow {
  id: string;
  seller: string;
  scheme: bigint;
  kind: bigint;
  currency: bigint;
  exponent: bigint;
  denominations: Uint8Array;
  face: bigint;
  spend_by: bigint;
  redeem_by: bigint;
  assertion: string | null;
  holders: bigint;
  secret: Uint8Array | null;
  state: string;
  tokens_redeemed: bigint;
  amount_redeemed: bigint;
  closed_at: bigint | null;
}

/** What a holder asked; without a purse it waits for the other holders of a joint one. */
export interface RequestRow {
  buyer: string;
  nonce: string;
  digest: Uint8Array;
  joint: string | null;
  position: bigint;
  terms: Uint8Array;
  spend_by: bigint;
  asked_at: bigint;
  seed: Uint8Array | null;
  chain: Uint8Array;
  purse: string | null;
}

const STEPS: readonly Migration[] = [
  async ({ schema }) => {
    await schema
      .createTable("token_seller")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("signature_key", "bytea", (column) => column.notNull())
      .addColumn("agreement_key", "bytea", (column) => column.notNull())
      .addColumn("account", "text")
      .addColumn("address", "text", (column) => column.notNull())
      .execute();
    await schema
      .createTable("token_buyer")
      .addColumn("subject", "text", (column) => column.primaryKey())
      .addColumn("account", "text", (column) => column.notNull())
      .execute();
    await schema
      .createTable("token_assertion")
      .addColumn("subject", "text", (column) => column.notNull())
      .addColumn("assertion", "text", (column) => column.notNull())
      .addColumn("valid_until", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("token_assertion_key", ["subject", "assertion"])
      .execute();
    await schema
      .createTable("token_purse")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("seller", "text", (column) => column.notNull().references("token_seller.id"))
      .addColumn("scheme", "bigint", (column) => column.notNull())
      .addColumn("kind", "bigint", (column) => column.notNull())
      .addColumn("currency", "bigint", (column) => column.notNull())
      .addColumn("exponent", "bigint", (column) => column.notNull())
      .addColumn("denominations", "bytea", (column) => column.notNull())
      .addColumn("face", "bigint", (column) => column.notNull())
      .addColumn("spend_by", "bigint", (column) => column.notNull())
      .addColumn("redeem_by", "bigint", (column) => column.notNull())
      .addColumn("assertion", "text")
      .addColumn("holders", "bigint", (column) => column.notNull())
      .addColumn("secret", "bytea")
      .addColumn("state", "text", (column) => column.notNull())
      .addColumn("tokens_redeemed", "bigint", (column) => column.notNull())
      .addColumn("amount_redeemed", "bigint", (column) => column.notNull())
      .addColumn("closed_at", "bigint")
      .execute();
    await schema.createIndex("token_purse_state").on("token_purse").columns(["state", "redeem_by"]).execute();
    await schema
      .createTable("token_request")
      .addColumn("buyer", "text", (column) => column.notNull())
      .addColumn("nonce", "text", (column) => column.notNull())
      .addColumn("digest", "bytea", (column) => column.notNull())
      .addColumn("joint", "text")
      .addColumn("position", "bigint", (column) => column.notNull())
      .addColumn("terms", "bytea", (column) => column.notNull())
      .addColumn("spend_by", "bigint", (column) => column.notNull())
      .addColumn("asked_at", "bigint", (column) => column.notNull())
      .addColumn("seed", "bytea")
      .addColumn("chain", "bytea", (column) => column.notNull())
      .addColumn("purse", "text", (column) => column.references("token_purse.id"))
      .addPrimaryKeyConstraint("token_request_key", ["buyer", "nonce"])
      .execute();
    await schema.createIndex("token_request_purse").on("token_request").column("purse").execute();
    await schema.createIndex("token_request_joint").on("token_request").column("joint").execute();
    await schema
      .createTable("token_redeemed")
      .addColumn("purse", "text", (column) => column.notNull().references("token_purse.id"))
      .addColumn("chunk", "bigint", (column) => column.notNull())
      .addColumn("bits", "bytea", (column) => column.notNull())
      .addPrimaryKeyConstraint("token_redeemed_key", ["purse", "chunk"])
      .execute();
    await schema
      .createTable("token_answer")
      .addColumn("seller", "text", (column) => column.notNull())
      .addColumn("request", "text", (column) => column.notNull())
      .addColumn("digest", "bytea", (column) => column.notNull())
      .addColumn("answer", "bytea", (column) => column.notNull())
      .addPrimaryKeyConstraint("token_answer_key", ["seller", "request"])
      .execute();
    await schema
      .createTable("token_waiting")
      .addColumn("seller", "text", (column) => column.notNull())
      .addColumn("what", "text", (column) => column.notNull())
      .addColumn("purse", "text", (column) => column.notNull().references("token_purse.id"))
      .addColumn("handed", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("token_waiting_key", ["seller", "what", "purse"])
      .execute();
    await schema
      .createTable("token_collected")
      .addColumn("seller", "text", (column) => column.primaryKey())
      .addColumn("digest", "bytea", (column) => column.notNull())
      .execute();
    await schema
      .createTable("token_refusal")
      .addColumn("buyer", "text", (column) => column.notNull())
      .addColumn("nonce", "text", (column) => column.notNull())
      .addColumn("code", "text", (column) => column.notNull())
      .addColumn("time_seconds", "bigint", (column) => column.notNull())
      .addColumn("spend_by", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("token_refusal_key", ["buyer", "nonce"])
      .execute();
  },
];

export async function migrateMint(database: Books): Promise<void> {
  await migrate(database, "mint", STEPS);
}
