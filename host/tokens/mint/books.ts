/**
 * The books of an issuer: its registers, its purses, what was redeemed of them, and what it has answered. In one database with
 * the bank's books, so that one commit covers tokens and deposits.
 *
 * The books hold the secrets of open purses. Whoever reads them could pretend to have been paid; they are wiped when a purse
 * is closed.
 */

import type { Kysely, Transaction } from "kysely";
import { fromHex, toHex } from "../../codec/bytes.js";
import { encode } from "../../codec/cbor.js";
import { Fields } from "../../codec/read.js";
import { atomically, type Books, type Executor, narrowed } from "../../services/database.js";
import { readDenominations } from "../messages/common.js";
import type { TokenRequest } from "../messages/request.js";
import { faceValue, type PurseTerms, tokenCount } from "../terms.js";
import { type MintTables, migrateMint, type PurseRow, type RequestRow } from "./tables.js";

export type { MintTables } from "./tables.js";

export type IssuedPurseState = "open" | "recalled" | "closed";

/** A purse as the issuer knows it. */
export interface StoredPurse extends PurseTerms {
  /** 16 bytes, and the same in hex. */
  readonly id: Uint8Array;
  readonly key: string;
  readonly sellerKey: string;
  readonly redeemBy_seconds: number;
  readonly holders: number;
  readonly tokens: number;
  readonly face: bigint;
  /** Null once the purse is closed. */
  readonly secret: Uint8Array | null;
  readonly state: IssuedPurseState;
  readonly tokensRedeemed: number;
  readonly amountRedeemed: bigint;
  readonly closedAt_seconds: number | null;
}

export interface StoredRequest {
  /** Hex. */
  readonly buyer: string;
  readonly nonce: string;
  readonly digest: Uint8Array;
  readonly index: number;
  /** SHA-256 of what all holders of a joint purse must ask alike. */
  readonly terms: Uint8Array;
  /** Null once the purse is closed. */
  readonly seed: Uint8Array | null;
  /** Of the buyer. */
  readonly chain: Uint8Array;
  /** Hex; null while the other holders have not asked. */
  readonly purse: string | null;
}

export type NewPurse = PurseTerms & {
  readonly id: Uint8Array;
  readonly redeemBy_seconds: number;
  readonly holders: number;
  readonly secret: Uint8Array;
};

export type WaitingKind = "purse" | "notice";

export interface WaitingItem {
  readonly what: WaitingKind;
  /** Hex. */
  readonly purse: string;
}

/** Refusals that are kept of one buyer. */
const REFUSAL_TOLD_SECONDS = 90n * 86_400n;
const REFUSALS_TOLD = 16;

export class MintBooks {
  readonly database: Kysely<MintTables>;
  /** The issuer's id. */
  readonly #issuer: Uint8Array;

  private constructor(database: Kysely<MintTables>, issuer: Uint8Array) {
    this.database = database;
    this.#issuer = issuer;
  }

  static async open(database: Books, issuer: Uint8Array): Promise<MintBooks> {
    await migrateMint(database);
    return new MintBooks(narrowed<MintTables>(database) as Kysely<MintTables>, issuer);
  }

  transact<Result>(work: (transaction: Transaction<MintTables>) => Promise<Result>): Promise<Result> {
    return atomically(this.database, work);
  }

  async purse(id: string, books: Executor<MintTables> = this.database): Promise<StoredPurse | undefined> {
    const row = await books.selectFrom("token_purse").selectAll().where("id", "=", id).executeTakeFirst();
    return row === undefined ? undefined : this.#purseOf(row);
  }

  /** Purses of which it is known that they are there. */
  async storedPurse(id: string, books: Executor<MintTables> = this.database): Promise<StoredPurse> {
    const purse = await this.purse(id, books);
    if (purse === undefined) throw new Error(`the books of tokens have lost purse ${id}`);
    return purse;
  }

  async addPurse(transaction: Executor<MintTables>, purse: NewPurse): Promise<void> {
    const pairs = purse.denominations.map(({ value, count }) => [value, count]);
    await transaction
      .insertInto("token_purse")
      .values({
        id: toHex(purse.id),
        seller: toHex(purse.seller),
        scheme: BigInt(purse.scheme),
        kind: BigInt(purse.kind),
        currency: BigInt(purse.unit.currency),
        exponent: BigInt(purse.unit.exponent),
        denominations: encode([pairs]),
        face: faceValue(purse.denominations),
        spend_by: BigInt(purse.spendBy_seconds),
        redeem_by: BigInt(purse.redeemBy_seconds),
        assertion: purse.assertion,
        holders: BigInt(purse.holders),
        secret: purse.secret,
        state: "open",
        tokens_redeemed: 0n,
        amount_redeemed: 0n,
        closed_at: null,
      })
      .execute();
  }

  /** True if it was open. */
  async recallPurse(transaction: Executor<MintTables>, id: string): Promise<boolean> {
    const { numUpdatedRows } = await transaction
      .updateTable("token_purse")
      .set({ state: "recalled" })
      .where("id", "=", id)
      .where("state", "=", "open")
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  }

  async addRedeemed(
    transaction: Executor<MintTables>,
    purse: StoredPurse,
    tokens: number,
    amount: bigint,
  ): Promise<void> {
    await transaction
      .updateTable("token_purse")
      .set({
        tokens_redeemed: BigInt(purse.tokensRedeemed + tokens),
        amount_redeemed: purse.amountRedeemed + amount,
      })
      .where("id", "=", purse.key)
      .execute();
  }

  /** Closed for good; its secrets are wiped. */
  async closePurse(transaction: Executor<MintTables>, id: string, now_seconds: number): Promise<void> {
    await transaction
      .updateTable("token_purse")
      .set({ state: "closed", closed_at: BigInt(now_seconds), secret: null })
      .where("id", "=", id)
      .execute();
    await transaction.updateTable("token_request").set({ seed: null }).where("purse", "=", id).execute();
    await transaction.deleteFrom("token_waiting").where("purse", "=", id).execute();
  }

  /** Purses of the pair that are not closed, of which the buyer is a holder. */
  async pursesOfPair(
    { seller, kind, unit, assertion }: Pick<PurseTerms, "seller" | "kind" | "unit" | "assertion">,
    buyer: string,
    books: Executor<MintTables> = this.database,
  ): Promise<(StoredPurse & { readonly askedAt_seconds: number })[]> {
    const rows = await books
      .selectFrom("token_purse")
      .innerJoin("token_request", "token_request.purse", "token_purse.id")
      .selectAll("token_purse")
      .select("token_request.asked_at")
      .where("token_request.buyer", "=", buyer)
      .where("token_purse.seller", "=", toHex(seller))
      .where("token_purse.kind", "=", BigInt(kind))
      .where("token_purse.currency", "=", BigInt(unit.currency))
      .where("token_purse.exponent", "=", BigInt(unit.exponent))
      .where("token_purse.assertion", assertion === null ? "is" : "=", assertion)
      .where("token_purse.state", "!=", "closed")
      .execute();
    return rows.map((row) => ({ ...this.#purseOf(row), askedAt_seconds: Number(row.asked_at) }));
  }

  /** In the order of their last seconds for redemption. */
  async pursesIn(
    states: readonly IssuedPurseState[],
    seller?: string,
    books: Executor<MintTables> = this.database,
  ): Promise<StoredPurse[]> {
    let query = books.selectFrom("token_purse").selectAll().where("state", "in", states);
    if (seller !== undefined) query = query.where("seller", "=", seller);
    const rows = await query.orderBy("redeem_by").orderBy("id").execute();
    return rows.map((row) => this.#purseOf(row));
  }

  /** The next that is due, of those not closed. */
  async firstDue(): Promise<{ readonly id: string; readonly redeemBy_seconds: number } | undefined> {
    const row = await this.database
      .selectFrom("token_purse")
      .select(["id", "redeem_by"])
      .where("state", "!=", "closed")
      .orderBy("redeem_by")
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? undefined : { id: row.id, redeemBy_seconds: Number(row.redeem_by) };
  }

  /** Those not closed whose last second for redemption was before this one, the oldest first. */
  async dueBefore(now_seconds: number): Promise<string[]> {
    const rows = await this.database
      .selectFrom("token_purse")
      .select("id")
      .where("state", "!=", "closed")
      .where("redeem_by", "<", BigInt(now_seconds))
      .orderBy("redeem_by")
      .execute();
    return rows.map(({ id }) => id);
  }

  async request(
    buyer: string,
    nonce: string,
    books: Executor<MintTables> = this.database,
  ): Promise<StoredRequest | undefined> {
    const row = await books
      .selectFrom("token_request")
      .selectAll()
      .where("buyer", "=", buyer)
      .where("nonce", "=", nonce)
      .executeTakeFirst();
    return row === undefined ? undefined : requestOf(row);
  }

  async addRequest(
    transaction: Executor<MintTables>,
    request: StoredRequest,
    { joint, spendBy_seconds, time_seconds }: Pick<TokenRequest, "joint" | "spendBy_seconds" | "time_seconds">,
  ): Promise<void> {
    const { index, ...row } = request;
    const times = { spend_by: BigInt(spendBy_seconds), asked_at: BigInt(time_seconds) };
    await transaction
      .insertInto("token_request")
      .values({ ...row, ...times, joint: joint && toHex(joint.id), position: BigInt(index) })
      .execute();
  }

  /** Of a purse, in the order of their places. */
  async holders(purse: string, books: Executor<MintTables> = this.database): Promise<StoredRequest[]> {
    return (
      await books.selectFrom("token_request").selectAll().where("purse", "=", purse).orderBy("position").execute()
    ).map(requestOf);
  }

  /** Who has asked for a joint purse, in the order of their places. */
  async jointRequests(joint: string, books: Executor<MintTables>): Promise<StoredRequest[]> {
    return (
      await books.selectFrom("token_request").selectAll().where("joint", "=", joint).orderBy("position").execute()
    ).map(requestOf);
  }

  async setPurse(transaction: Executor<MintTables>, buyer: string, nonce: string, purse: string): Promise<void> {
    await transaction
      .updateTable("token_request")
      .set({ purse })
      .where("buyer", "=", buyer)
      .where("nonce", "=", nonce)
      .execute();
  }

  async addWaiting(transaction: Executor<MintTables>, what: WaitingKind, purse: StoredPurse): Promise<void> {
    const row = { seller: purse.sellerKey, what, purse: purse.key, handed: 0n };
    await transaction.insertInto("token_waiting").values(row).execute();
  }

  /** Sellers' purses, or notices, that were not brought yet: of which purses. */
  async waiting(what: WaitingKind): Promise<string[]> {
    const rows = await this.database.selectFrom("token_waiting").select("purse").where("what", "=", what).execute();
    return rows.map(({ purse }) => purse);
  }

  async isWaiting(what: WaitingKind, purse: string): Promise<boolean> {
    const row = await this.database
      .selectFrom("token_waiting")
      .select("purse")
      .where("what", "=", what)
      .where("purse", "=", purse)
      .executeTakeFirst();
    return row !== undefined;
  }

  async waitingFor(seller: string) {
    return this.database
      .selectFrom("token_waiting")
      .select(["what", "purse"])
      .where("seller", "=", seller)
      .orderBy("purse")
      .execute();
  }

  async brought(what: WaitingKind, purse: string): Promise<void> {
    await this.database.deleteFrom("token_waiting").where("what", "=", what).where("purse", "=", purse).execute();
  }

  /** These were in the last answer to the seller, and nothing else; whether it came is not known yet. */
  async hand(transaction: Executor<MintTables>, seller: string, items: readonly WaitingItem[]): Promise<void> {
    await transaction.updateTable("token_waiting").set({ handed: 0n }).where("seller", "=", seller).execute();
    for (const { what, purse } of items)
      await transaction
        .updateTable("token_waiting")
        .set({ handed: 1n })
        .where("what", "=", what)
        .where("purse", "=", purse)
        .execute();
  }

  async strikeHanded(transaction: Executor<MintTables>, seller: string): Promise<void> {
    await transaction.deleteFrom("token_waiting").where("seller", "=", seller).where("handed", "=", 1n).execute();
  }

  /** SHA-256 of the last answer to this seller's collect. */
  async collected(books: Executor<MintTables>, seller: string): Promise<Uint8Array | undefined> {
    const row = await books
      .selectFrom("token_collected")
      .select("digest")
      .where("seller", "=", seller)
      .executeTakeFirst();
    return row?.digest;
  }

  async setCollected(transaction: Executor<MintTables>, seller: string, digest: Uint8Array): Promise<void> {
    await transaction
      .insertInto("token_collected")
      .values({ seller, digest })
      .onConflict((conflict) => conflict.column("seller").doUpdateSet({ digest }))
      .execute();
  }

  /** Requests whose other holders never asked. */
  async forgetWaiting(now_seconds: number): Promise<void> {
    await this.database
      .deleteFrom("token_request")
      .where("purse", "is", null)
      .where("spend_by", "<", BigInt(now_seconds))
      .execute();
  }

  /** A request is refused for good: whoever sends it once more debits nobody. Why is for the bank to tell its customer. */
  async addRefusal(
    { buyer, nonce }: Pick<StoredRequest, "buyer" | "nonce">,
    code: string,
    { now_seconds, spendBy_seconds }: { readonly now_seconds: number; readonly spendBy_seconds: number },
  ): Promise<void> {
    const time_seconds = BigInt(now_seconds);
    await this.transact(async (transaction) => {
      await transaction
        .insertInto("token_refusal")
        .values({ buyer, nonce, code, time_seconds, spend_by: BigInt(spendBy_seconds) })
        .onConflict((conflict) => conflict.columns(["buyer", "nonce"]).doNothing())
        .execute();
      // What could not be granted any more need not be refused, and what is long ago nobody asks about.
      await transaction
        .deleteFrom("token_refusal")
        .where("buyer", "=", buyer)
        .where("spend_by", "<", time_seconds)
        .where("time_seconds", "<", time_seconds - REFUSAL_TOLD_SECONDS)
        .execute();
    });
  }

  async isRefused(buyer: string, nonce: string, books: Executor<MintTables> = this.database): Promise<boolean> {
    const row = await books
      .selectFrom("token_refusal")
      .select("code")
      .where("buyer", "=", buyer)
      .where("nonce", "=", nonce)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** The last of them, in the order of their time. */
  async refusals(buyer: string) {
    const rows = await this.database
      .selectFrom("token_refusal")
      .select(["nonce", "code", "time_seconds"])
      .where("buyer", "=", buyer)
      .orderBy("time_seconds", "desc")
      .orderBy("nonce", "desc")
      .limit(REFUSALS_TOLD)
      .execute();
    return rows.reverse();
  }

  #purseOf(row: PurseRow): StoredPurse {
    const denominations = readDenominations(Fields.decode(row.denominations, "denominations", 1));
    return {
      id: fromHex(row.id),
      key: row.id,
      issuer: this.#issuer,
      seller: fromHex(row.seller),
      sellerKey: row.seller,
      scheme: Number(row.scheme),
      kind: Number(row.kind),
      unit: { currency: Number(row.currency), exponent: Number(row.exponent) },
      denominations,
      spendBy_seconds: Number(row.spend_by),
      redeemBy_seconds: Number(row.redeem_by),
      assertion: row.assertion,
      holders: Number(row.holders),
      tokens: tokenCount(denominations),
      face: row.face,
      secret: row.secret,
      state: row.state as IssuedPurseState,
      tokensRedeemed: Number(row.tokens_redeemed),
      amountRedeemed: row.amount_redeemed,
      closedAt_seconds: row.closed_at === null ? null : Number(row.closed_at),
    };
  }
}

function requestOf(row: RequestRow): StoredRequest {
  const { buyer, nonce, digest, terms, seed, chain, purse } = row;
  return { buyer, nonce, digest, index: Number(row.position), terms, seed, chain, purse };
}
