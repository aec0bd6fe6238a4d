/**
 * The transfer trees of notes that came back, as tables: bodies are the roots, and every opened record hangs by the hash
 * that it signs on the record, or body, before it. What is here was verified before it came in, and is never changed
 * but for `covered`: how much of what was redeemed below an entry the entry's own amount stands for.
 */

import type { Kysely, Transaction } from "kysely";
import { toHex } from "../codec/bytes.js";
import type { OpenedRecord, SignedBody } from "../codec/fraud-proof.js";
import type { Note, VerifiedNote } from "../codec/note.js";
import { sha256 } from "../crypto.js";
import type { Migration } from "./database.js";

export interface TransferTreeTables {
  note_body: {
    hash: string;
    generator: string;
    currency: bigint;
    exponent: bigint;
    amount: bigint;
    covered: bigint;
    body: Uint8Array;
    chain: Uint8Array;
  };
  note_record: {
    hash: string;
    before: string;
    transferor: string;
    transferee: string;
    /** Decimal digits: it may be above 2^63. */
    counter: string;
    amount: bigint;
    covered: bigint;
    record: Uint8Array;
    key: Uint8Array;
    chain: Uint8Array;
  };
  /** Each redemption; `loss` is what was paid for nothing, `refused` why the note could not be verified. */
  note_return: { id: string; tip: string; amount: bigint; loss: bigint; refused: string | null };
}

export type RecordRow = TransferTreeTables["note_record"];
export type BodyRow = TransferTreeTables["note_body"];
type Tree = Kysely<TransferTreeTables> | Transaction<TransferTreeTables>;

export const TRANSFER_TREE_STEP: Migration = async (transaction) => {
  const { schema } = transaction;
  await schema
    .createTable("note_body")
    .addColumn("hash", "text", (column) => column.primaryKey())
    .addColumn("generator", "text", (column) => column.notNull())
    .addColumn("currency", "bigint", (column) => column.notNull())
    .addColumn("exponent", "bigint", (column) => column.notNull())
    .addColumn("amount", "bigint", (column) => column.notNull())
    .addColumn("covered", "bigint", (column) => column.notNull())
    .addColumn("body", "bytea", (column) => column.notNull())
    .addColumn("chain", "bytea", (column) => column.notNull())
    .execute();
  await schema
    .createTable("note_record")
    .addColumn("hash", "text", (column) => column.primaryKey())
    .addColumn("before", "text", (column) => column.notNull())
    .addColumn("transferor", "text", (column) => column.notNull())
    .addColumn("transferee", "text", (column) => column.notNull())
    .addColumn("counter", "text", (column) => column.notNull())
    .addColumn("amount", "bigint", (column) => column.notNull())
    .addColumn("covered", "bigint", (column) => column.notNull())
    .addColumn("record", "bytea", (column) => column.notNull())
    .addColumn("key", "bytea", (column) => column.notNull())
    .addColumn("chain", "bytea", (column) => column.notNull())
    .execute();
  await schema.createIndex("note_record_before").on("note_record").column("before").execute();
  await schema.createIndex("note_record_counter").on("note_record").columns(["transferor", "counter"]).execute();
  await schema
    .createTable("note_return")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("tip", "text", (column) => column.notNull())
    .addColumn("amount", "bigint", (column) => column.notNull())
    .addColumn("loss", "bigint", (column) => column.notNull())
    .addColumn("refused", "text")
    .execute();
  await schema.createIndex("note_return_tip").on("note_return").column("tip").execute();
};

/** The entries of one verified note, the body first. */
export interface Path {
  readonly body: BodyRow;
  readonly records: readonly RecordRow[];
}

/** As rows, nothing redeemed yet. Every key is shown, because the note was verified as one that is held. */
export function pathOf(note: Note, verified: VerifiedNote): Path {
  const { body, signedBody } = note;
  const records = note.entries.map((entry, index) => ({
    hash: toHex(sha256(entry.record)),
    before: toHex(entry.before),
    transferor: toHex(entry.transferor),
    transferee: toHex(entry.transferee),
    counter: entry.counter.toString(),
    amount: entry.amount,
    covered: 0n,
    record: entry.record,
    key: entry.key as Uint8Array,
    chain: verified.chains[index] as Uint8Array,
  }));
  return {
    body: {
      hash: toHex(sha256(signedBody)),
      generator: toHex(body.generator),
      currency: BigInt(body.unit.currency),
      exponent: BigInt(body.unit.exponent),
      amount: body.value,
      covered: 0n,
      body: signedBody,
      chain: verified.bodyChain,
    },
    records,
  };
}

/** Adds what is not there yet; the path as it then stands. */
export async function addPath(tree: Tree, { body, records }: Path): Promise<Path> {
  await tree
    .insertInto("note_body")
    .values(body)
    .onConflict((conflict) => conflict.column("hash").doNothing())
    .execute();
  await tree
    .insertInto("note_record")
    .values([...records])
    .onConflict((conflict) => conflict.column("hash").doNothing())
    .execute();
  const known = await bodyOf(tree, body.hash);
  const hashes = records.map((each) => each.hash);
  const rows = await tree.selectFrom("note_record").selectAll().where("hash", "in", hashes).execute();
  const inOrder = hashes.map((hash) => rows.find((row) => row.hash === hash) as RecordRow);
  return { body: known as BodyRow, records: inOrder };
}

/**
 * Lets the path stand for a redemption of `amount` as far as every entry on it still can, and gives how much that is. In
 * whatever order notes of one tree come back, the whole that is covered is the same: as much as its entries let through.
 */
export async function cover(tree: Tree, { body, records }: Path, amount: bigint): Promise<bigint> {
  let covered = amount;
  for (const { amount: whole, covered: used } of [body, ...records]) {
    if (whole - used < covered) covered = whole - used;
  }
  if (covered === 0n) return 0n;
  const set = { covered: body.covered + covered };
  await tree.updateTable("note_body").set(set).where("hash", "=", body.hash).execute();
  for (const record of records) {
    const { hash } = record;
    await tree
      .updateTable("note_record")
      .set({ covered: record.covered + covered })
      .where("hash", "=", hash)
      .execute();
  }
  return covered;
}

/** Opened records that follow directly from any of these. */
export function partsOf(tree: Tree, hashes: readonly string[]): Promise<RecordRow[]> {
  return tree
    .selectFrom("note_record")
    .selectAll()
    .where("before", "in", [...hashes])
    .orderBy("hash")
    .execute();
}

/** All records that their transferor signed under the counter of this one, in the order of their hashes. */
export function sameCounter(tree: Tree, { transferor, counter }: RecordRow): Promise<RecordRow[]> {
  return tree
    .selectFrom("note_record")
    .selectAll()
    .where("transferor", "=", transferor)
    .where("counter", "=", counter)
    .orderBy("hash")
    .execute();
}

/** What was redeemed of a record itself, by whoever it went to. */
export async function redeemedOf(tree: Tree, tip: string): Promise<bigint> {
  const rows = await tree
    .selectFrom("note_return")
    .select("amount")
    .where("tip", "=", tip)
    .where("refused", "is", null)
    .execute();
  return rows.reduce((sum, { amount }) => sum + amount, 0n);
}

export function bodyOf(tree: Tree, hash: string): Promise<BodyRow | undefined> {
  return tree.selectFrom("note_body").selectAll().where("hash", "=", hash).executeTakeFirst();
}

export function openedRecord({ record, key, chain }: RecordRow): OpenedRecord {
  return { record, key, chain };
}

export function signedBody({ body, chain }: BodyRow): SignedBody {
  return { body, chain };
}
