/**
 * What a seller keeps on its disk: purses, what was accepted, what was presented to issuers.
 *
 * An acceptance is one row, and never changed: that row is what marks its halves as gone. The halves Q stay in their chunk of the
 * purse until the purse has gone back or is over, when its chunks are deleted; in memory they are gone at once.
 */

import type { Kysely } from "kysely";
import { equalBytes } from "../../codec/bytes.js";
import { type CborValue, decode, encode } from "../../codec/cbor.js";
import { asArray, asBytes, Fields } from "../../codec/read.js";
import {
  atomically,
  type Books,
  type Executor,
  type Migration,
  migrate,
  narrowed,
  Prepared,
  PreparedRows,
} from "../../services/database.js";
import { encodeRanges, readRanges } from "../messages/common.js";
import type { RefusedToken } from "../parties.js";
import type { SerialRange } from "../terms.js";
import type { TokenCounts } from "./purse-book.js";

export interface SellerTables {
  seller_purse: PurseRow;
  seller_chunk: ChunkRow;
  seller_acceptance: AcceptanceRow;
  seller_presentation: PresentationRow;
  seller_collected: CollectedRow;
}

export interface PurseRow {
  id: Uint8Array;
  issuer: Uint8Array;
  /** The Ed25519 key that its head is signed with, as it was when the purse came; null with it. */
  issuer_key: Uint8Array | null;
  /** The signed head; null where the purse was recalled before it came. */
  head: Uint8Array | null;
  /** K of each holder, as a CBOR array. */
  order_keys: Uint8Array;
  /** "open" or "returned". */
  state: string;
  /** Of a purse whose acceptances are forgotten, of each denomination: [[taken, credited, refused]...]. */
  counts: Uint8Array | null;
}

interface ChunkRow {
  purse: Uint8Array;
  /** Serial number of its first token. */
  first: bigint;
  leaves: Uint8Array;
  uniques: Uint8Array;
  halves: Uint8Array;
}

export interface AcceptanceRow {
  /** In the order of acceptance. */
  nr: bigint;
  order_hash: Uint8Array;
  /** Whose payment counts: of goods that travel sealed one purse, else nobody in particular, of no bytes. */
  payer: Uint8Array;
  /** What its money tokens are worth. */
  amount: bigint;
  price: bigint;
  /** 1 if with it the order is paid. */
  complete: bigint;
  /** 1 if a token of the order's assertion is among it. */
  shown: bigint;
  /** [[purse id, [[first serial, count]...]]...] */
  tokens: Uint8Array;
  /** 32 bytes each, in the source's scheme the tokens, in the order of `tokens`. */
  secrets: Uint8Array;
  time_seconds: bigint;
}

export interface PresentationRow {
  /** Id of the word, 16 bytes. */
  request: Uint8Array;
  purse: Uint8Array;
  /** "redeem" or "return". */
  kind: string;
  ranges: Uint8Array;
  amount: bigint;
  /** What is sent, always the same bytes; null once it is answered. A returned purse's is kept: it is asked for again. */
  sealed: Uint8Array | null;
  /** The issuer's, once it is there; of no bytes where the purse was closed or over before these were redeemed. */
  notice: Uint8Array | null;
  /** [[serial, why]...] of tokens that were not honoured. */
  refused: Uint8Array | null;
}

interface CollectedRow {
  issuer: Uint8Array;
  /** SHA-256 of what was collected last. */
  digest: Uint8Array;
}

const STEPS: readonly Migration[] = [
  async (transaction) => {
    const { schema } = transaction;
    await schema
      .createTable("seller_purse")
      .addColumn("id", "bytea", (column) => column.primaryKey())
      .addColumn("issuer", "bytea", (column) => column.notNull())
      .addColumn("issuer_key", "bytea")
      .addColumn("head", "bytea")
      .addColumn("order_keys", "bytea", (column) => column.notNull())
      .addColumn("state", "text", (column) => column.notNull())
      .execute();
    await schema
      .createTable("seller_chunk")
      .addColumn("purse", "bytea", (column) => column.notNull())
      .addColumn("first", "bigint", (column) => column.notNull())
      .addColumn("leaves", "bytea", (column) => column.notNull())
      .addColumn("uniques", "bytea", (column) => column.notNull())
      .addColumn("halves", "bytea", (column) => column.notNull())
      .addPrimaryKeyConstraint("seller_chunk_key", ["purse", "first"])
      .execute();
    await schema
      .createTable("seller_acceptance")
      .addColumn("nr", "integer", (column) => column.primaryKey())
      .addColumn("order_hash", "bytea", (column) => column.notNull())
      .addColumn("payer", "bytea", (column) => column.notNull())
      .addColumn("amount", "bigint", (column) => column.notNull())
      .addColumn("price", "bigint", (column) => column.notNull())
      .addColumn("complete", "bigint", (column) => column.notNull())
      .addColumn("shown", "bigint", (column) => column.notNull())
      .addColumn("tokens", "bytea", (column) => column.notNull())
      .addColumn("secrets", "bytea", (column) => column.notNull())
      .addColumn("time_seconds", "bigint", (column) => column.notNull())
      .execute();
    await schema.createIndex("seller_acceptance_order").on("seller_acceptance").column("order_hash").execute();
    await schema
      .createTable("seller_presentation")
      .addColumn("request", "bytea", (column) => column.primaryKey())
      .addColumn("purse", "bytea", (column) => column.notNull())
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("ranges", "bytea", (column) => column.notNull())
      .addColumn("amount", "bigint", (column) => column.notNull())
      .addColumn("sealed", "bytea")
      .addColumn("notice", "bytea")
      .addColumn("refused", "bytea")
      .execute();
    await schema.createIndex("seller_presentation_purse").on("seller_presentation").column("purse").execute();
    await schema
      .createTable("seller_collected")
      .addColumn("issuer", "bytea", (column) => column.primaryKey())
      .addColumn("digest", "bytea", (column) => column.notNull())
      .execute();
  },
  // order-index.ts says why.
  (transaction) => transaction.schema.dropIndex("seller_acceptance_order").execute(),
  (transaction) => transaction.schema.alterTable("seller_purse").addColumn("counts", "bytea").execute(),
];

const insertAcceptances = new PreparedRows((books: Executor<SellerTables>, rows: readonly AcceptanceRow[]) =>
  books.insertInto("seller_acceptance").values(
    rows.map(({ nr, order_hash, payer, amount, price, complete, shown, tokens, secrets, time_seconds }) => {
      return { nr, order_hash, payer, amount, price, complete, shown, tokens, secrets, time_seconds };
    }),
  ),
);

const acceptanceOf = new Prepared((books: Executor<SellerTables>, p: { nr: bigint }) =>
  books.selectFrom("seller_acceptance").selectAll().where("nr", "=", p.nr),
);

const acceptancesAfter = new Prepared((books: Executor<SellerTables>, p: { nr: bigint }) =>
  books.selectFrom("seller_acceptance").selectAll().where("nr", ">", p.nr).orderBy("nr").limit(ROWS_AT_ONCE),
);

const ROWS_AT_ONCE = 4_096;
/** Rows of one insertion: of so many, or of one, there is a statement that is kept. */
const INSERTED_AT_ONCE = 16;
/** A chunk is below a megabyte. */
const CHUNK_TOKENS = 8_192;

/** The tokens of one purse among those of an acceptance. */
export interface TakenTokens {
  readonly purse: Uint8Array;
  readonly ranges: readonly SerialRange[];
}

export class SellerStore {
  readonly database: Kysely<SellerTables>;

  private constructor(database: Kysely<SellerTables>) {
    this.database = database;
  }

  static async open(books: Books): Promise<SellerStore> {
    await migrate(books, "token-seller", STEPS);
    return new SellerStore(narrowed<SellerTables>(books) as Kysely<SellerTables>);
  }

  purses(): Promise<PurseRow[]> {
    return this.database.selectFrom("seller_purse").selectAll().execute();
  }

  /** Leaves, unique serial numbers and halves of all tokens of a purse. */
  async tables(purse: Uint8Array): Promise<{ leaves: Uint8Array; uniques: Uint8Array; halves: Uint8Array }> {
    const chunks = await this.database
      .selectFrom("seller_chunk")
      .selectAll()
      .where("purse", "=", purse)
      .orderBy("first")
      .execute();
    return {
      leaves: Buffer.concat(chunks.map(({ leaves }) => leaves)),
      uniques: Buffer.concat(chunks.map(({ uniques }) => uniques)),
      halves: Buffer.concat(chunks.map(({ halves }) => halves)),
    };
  }

  /** Adds a purse, if it is not there. */
  async addPurse(
    row: PurseRow,
    tables: { readonly leaves: Uint8Array; readonly uniques: Uint8Array; readonly halves: Uint8Array },
    layout: { readonly tokens: number; begin(serial: number): number },
  ): Promise<void> {
    await atomically<SellerTables, void>(this.database, async (transaction) => {
      await transaction.insertInto("seller_purse").values(row).execute();
      for (let first = 0; first < layout.tokens; first += CHUNK_TOKENS) {
        const slice = (all: Uint8Array, each: number) => all.slice(first * each, (first + CHUNK_TOKENS) * each);
        const leaves = slice(tables.leaves, 32);
        const halves = tables.halves.slice(
          layout.begin(first),
          layout.begin(Math.min(layout.tokens, first + CHUNK_TOKENS)),
        );
        const chunk = { purse: row.id, first: BigInt(first), leaves, uniques: slice(tables.uniques, 16), halves };
        await transaction.insertInto("seller_chunk").values(chunk).execute();
      }
    });
  }

  /** Those of these numbers that are of this order, in the order in which they were accepted. */
  async acceptancesOf(hash: Uint8Array, numbers: readonly number[]): Promise<AcceptanceRow[]> {
    const rows: AcceptanceRow[] = [];
    for (const nr of [...numbers].sort((a, b) => a - b)) {
      const row = await acceptanceOf.first(this.database, { nr: BigInt(nr) });
      if (row !== undefined && equalBytes(row.order_hash, hash)) rows.push(row);
    }
    return rows;
  }

  /** All of them, in the order in which they were accepted. */
  async *acceptances(): AsyncGenerator<AcceptanceRow> {
    for (let nr = -1n; ; ) {
      const rows = await acceptancesAfter.all(this.database, { nr });
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < ROWS_AT_ONCE) return;
      nr = last.nr;
    }
  }

  presentations(): Promise<PresentationRow[]> {
    return this.database.selectFrom("seller_presentation").selectAll().execute();
  }

  /** Of one purse, those that the issuer has not answered, redemptions first. */
  unanswered(purse: Uint8Array): Promise<PresentationRow[]> {
    return this.database
      .selectFrom("seller_presentation")
      .selectAll()
      .where("purse", "=", purse)
      .where("notice", "is", null)
      .orderBy("kind")
      .execute();
  }

  /** Of what the issuer has not answered, the purses. */
  async unansweredPurses(): Promise<Uint8Array[]> {
    const rows = await this.database
      .selectFrom("seller_presentation")
      .select("purse")
      .where("notice", "is", null)
      .execute();
    return rows.map(({ purse }) => purse);
  }

  returnOf(purse: Uint8Array): Promise<PresentationRow | undefined> {
    return this.database
      .selectFrom("seller_presentation")
      .selectAll()
      .where("purse", "=", purse)
      .where("kind", "=", "return")
      .executeTakeFirst();
  }

  /** What an issuer answered. The sealed bytes of a redemption are not needed any more. */
  async noteAnswer(row: PresentationRow, notice: Uint8Array, refused: readonly RefusedToken[]): Promise<void> {
    const sealed = row.kind === "return" ? row.sealed : null;
    const list = encode(refused.map(({ serial, why }) => [serial, why]));
    await this.database
      .updateTable("seller_presentation")
      .set({ notice, refused: list, sealed })
      .where("request", "=", row.request)
      .execute();
  }

  async collected(issuer: Uint8Array): Promise<Uint8Array | undefined> {
    const row = await this.database
      .selectFrom("seller_collected")
      .selectAll()
      .where("issuer", "=", issuer)
      .executeTakeFirst();
    return row?.digest;
  }

  async noteCollected(issuer: Uint8Array, digest: Uint8Array): Promise<void> {
    await this.database
      .insertInto("seller_collected")
      .values({ issuer, digest })
      .onConflict((conflict) => conflict.column("issuer").doUpdateSet({ digest }))
      .execute();
  }
}

/** Of a presentation that was answered: which of its tokens were not honoured. */
export function refusedOf({ ranges, notice, refused }: PresentationRow): SerialRange[] {
  if (notice === null || notice.length === 0) return readPresentedRanges(ranges);
  if (refused === null) return [];
  return asArray(decode(refused), "refused tokens").map((token) => {
    const fields = Fields.ofArray(token, "refused token", 2);
    return { first: fields.uint("serial number"), count: 1 };
  });
}

/** Within a commit: tokens are presented to their issuer. */
export async function addPresentation(transaction: Executor<SellerTables>, row: PresentationRow): Promise<void> {
  await transaction.insertInto("seller_presentation").values(row).execute();
}

/** Within a commit: a purse goes back (fig. 10, 1086). It may be one that never came. */
export async function markReturned(
  transaction: Executor<SellerTables>,
  purse: Uint8Array,
  issuer: Uint8Array,
): Promise<void> {
  await transaction
    .insertInto("seller_purse")
    .values({
      id: purse,
      issuer,
      issuer_key: null,
      head: null,
      order_keys: encode([]),
      state: "returned",
      counts: null,
    })
    .onConflict((conflict) => conflict.column("id").doUpdateSet({ state: "returned" }))
    .execute();
  await transaction.deleteFrom("seller_chunk").where("purse", "=", purse).execute();
}

/** Within a commit: of a purse only these numbers are left, and with `keepReturn` the answer to a recall. */
export async function forgetPurse(
  transaction: Executor<SellerTables>,
  purse: Uint8Array,
  counts: readonly TokenCounts[],
  keepReturn: boolean,
): Promise<void> {
  const numbers = encode(counts.map(({ taken, credited, refused }) => [taken, credited, refused]));
  await transaction
    .updateTable("seller_purse")
    .set({ state: "returned", counts: numbers })
    .where("id", "=", purse)
    .execute();
  await transaction.deleteFrom("seller_chunk").where("purse", "=", purse).execute();
  const presented = transaction.deleteFrom("seller_presentation").where("purse", "=", purse);
  await (keepReturn ? presented.where("kind", "=", "redeem") : presented).execute();
}

export function readCounts(bytes: Uint8Array): TokenCounts[] {
  return asArray(decode(bytes), "counts").map((each) => {
    const fields = Fields.ofArray(each, "counts of a denomination", 3);
    return { taken: fields.uint("taken"), credited: fields.uint("credited"), refused: fields.uint("refused") };
  });
}

/** Within a commit. */
export async function addAcceptances(transaction: Books, rows: readonly AcceptanceRow[]): Promise<void> {
  for (let at = 0; at < rows.length; ) {
    const count = rows.length - at < INSERTED_AT_ONCE ? 1 : INSERTED_AT_ONCE;
    const added = insertAcceptances.run(transaction, rows.slice(at, at + count));
    if (typeof added !== "bigint") await added;
    at += count;
  }
}

export function encodeTokens(
  tokens: readonly {
    readonly book: { readonly head: { readonly purse: Uint8Array } };
    readonly ranges: readonly SerialRange[];
  }[],
): Uint8Array {
  return encode(tokens.map(({ book, ranges }) => [book.head.purse, encodeRanges(ranges)]));
}

export function readTokens(bytes: Uint8Array): TakenTokens[] {
  return asArray(decode(bytes), "taken tokens").map((each) => {
    const fields = Fields.ofArray(each, "tokens of a purse", 2);
    return { purse: fields.id("purse"), ranges: readRanges(fields) };
  });
}

export function encodePresentedRanges(ranges: readonly SerialRange[]): Uint8Array {
  return encode([encodeRanges(ranges)]);
}

export function readPresentedRanges(bytes: Uint8Array): SerialRange[] {
  return readRanges(Fields.decode(bytes, "presented tokens", 1));
}

export function readOrderKeys(bytes: Uint8Array): Uint8Array[] {
  return asArray(decode(bytes), "order keys").map((key: CborValue) => asBytes(key, "order key", 32));
}
