/**
 * The bank notices (docs/PROTOCOLS.md, section 7): every note that comes back is verified and merged into its transfer
 * tree, and what does not fit is found, with who did it and the proof.
 *
 * It works inside the transaction of the redemption, so that books, trees and findings never differ. The same redemption
 * again changes nothing and says the same. Whoever brings the note is paid: a fraud is the bank's loss, not the holder's.
 */

import type { Transaction } from "kysely";
import type { Root } from "../codec/certificate.js";
import { CodecError } from "../codec/errors.js";
import { bodyPartsProof, counterProof, recordPartsProof } from "../codec/fraud-proof.js";
import { encodeNote, readNote, showKey, verifyNote } from "../codec/note.js";
import { rememberingVerifier } from "../codec/remembering.js";
import { ed25519Verify } from "../crypto.js";
import type { Money } from "../units.js";
import type { Clock } from "./clock.js";
import { atomically, type Books, type Migration, migrate, narrowed } from "./database.js";
import {
  addPath,
  type BodyRow,
  cover,
  openedRecord,
  type Path,
  partsOf,
  pathOf,
  type RecordRow,
  redeemedOf,
  sameCounter,
  signedBody,
  TRANSFER_TREE_STEP,
  type TransferTreeTables,
} from "./transfer-tree.js";

export interface ReconciliationTables extends TransferTreeTables {
  fraud_finding: {
    id: string;
    number: bigint;
    kind: string;
    culprit: string;
    proof: Uint8Array | null;
    found_seconds: bigint;
  };
}

const STEPS: readonly Migration[] = [
  TRANSFER_TREE_STEP,
  async (transaction) => {
    await transaction.schema
      .createTable("fraud_finding")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("number", "bigint", (column) => column.notNull().unique())
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("culprit", "text", (column) => column.notNull())
      .addColumn("proof", "bytea")
      .addColumn("found_seconds", "bigint", (column) => column.notNull())
      .execute();
  },
];

/** Certificates of notes met again and again: one bank has few security servers, tellers and generators. */
const SIGNATURES_REMEMBERED = 4096;

/** What a teller's module hands over of a note that it takes out of circulation. */
export interface ReturnedNote {
  /** Of the redemption in the bank's books. */
  readonly id: string;
  readonly note: Uint8Array;
  /** Opens the note's last record. */
  readonly key: Uint8Array;
  readonly money: Money;
}

/**
 * counter: one transferor signed and opened two records under one counter. parts: opened parts of a record, or a body, are
 * more than it. redeemed: with its parts, more was redeemed of a record than it moved; the books alone attest that.
 */
export type FindingKind = "counter" | "parts" | "redeemed";

export interface Finding {
  /** From 1 on, in the order in which they were found. */
  readonly number: number;
  readonly kind: FindingKind;
  /** The first divergent transferor, 32 hexadecimal digits. */
  readonly culprit: string;
  /** For anybody (`fraud-verifier.ts`); a redemption has none, because nobody signs it. */
  readonly proof: Uint8Array | undefined;
  readonly found_seconds: bigint;
}

export interface ReconciliationParts {
  /** Of the bank's books. */
  readonly database: Books;
  /** Of the modules' tree. */
  readonly root: Root;
  readonly clock: Clock;
}

type Tables = Transaction<ReconciliationTables>;

export class Reconciliation {
  readonly #parts: ReconciliationParts;
  readonly #verifier = rememberingVerifier(ed25519Verify, SIGNATURES_REMEMBERED);

  private constructor(parts: ReconciliationParts) {
    this.#parts = parts;
  }

  static async open(parts: ReconciliationParts): Promise<Reconciliation> {
    await migrate(parts.database, "reconciliation", STEPS);
    return new Reconciliation(parts);
  }

  /** Merges a note that came back; `transaction` is the redemption's. Gives how much of its amount was never issued. */
  merge(returned: ReturnedNote, transaction: Books = this.#parts.database): Promise<bigint> {
    return atomically(narrowed<ReconciliationTables>(transaction), (tables) => this.#merge(returned, tables));
  }

  async #merge(returned: ReturnedNote, tables: Tables): Promise<bigint> {
    const { id, money } = returned;
    const known = await tables.selectFrom("note_return").select("loss").where("id", "=", id).executeTakeFirst();
    if (known !== undefined) return known.loss;
    const read = this.#read(returned);
    const row = { id, amount: money.amount };
    if (typeof read === "string") {
      // Nothing says that this was ever issued; that its holder was credited is between the bank and its teller.
      const refused = { ...row, tip: "", loss: money.amount, refused: read };
      await tables.insertInto("note_return").values(refused).execute();
      return money.amount;
    }
    const path = await addPath(tables, read);
    const loss = money.amount - (await cover(tables, path, money.amount));
    const tip = path.records.at(-1)?.hash ?? "";
    await tables
      .insertInto("note_return")
      .values({ ...row, tip, loss, refused: null })
      .execute();
    await this.#look(tables, path);
    return loss;
  }

  /** The note as a path of its tree, or why it cannot be one. */
  #read({ note, key, money }: ReturnedNote): Path | string {
    try {
      const whole = readNote(encodeNote(showKey(readNote(note), key)));
      const { unit } = whole.body;
      if (unit.currency !== money.unit.currency || unit.exponent !== money.unit.exponent) return "of another unit";
      const rules = { now: undefined, held: true, teller: true, verifier: this.#verifier };
      return pathOf(whole, verifyNote(whole, this.#parts.root, rules));
    } catch (error) {
      if (error instanceof CodecError) return error.message;
      throw error;
    }
  }

  /** Everything that this note may have made visible, from the body on: the first divergence is found first. */
  async #look(tables: Tables, { body, records }: Path): Promise<void> {
    const parts = await partsOf(tables, [body.hash, ...records.map((each) => each.hash)]);
    const below = (hash: string) => parts.filter((part) => part.before === hash);
    await this.#lookAtBody(tables, body, below(body.hash));
    for (const record of records) {
      await this.#lookAtCounter(tables, record);
      await this.#lookAtParts(tables, record, below(record.hash));
    }
  }

  async #lookAtBody(tables: Tables, body: BodyRow, parts: readonly RecordRow[]): Promise<void> {
    const excess = excessOf(parts, body.amount);
    if (excess === undefined) return;
    const proof = () => bodyPartsProof(signedBody(body), excess.map(openedRecord));
    await this.#found(tables, "parts", body.hash, body.generator, proof);
  }

  async #lookAtCounter(tables: Tables, record: RecordRow): Promise<void> {
    const [one, other] = await sameCounter(tables, record);
    if (one === undefined || other === undefined) return;
    const proof = () => counterProof(openedRecord(one), openedRecord(other));
    await this.#found(tables, "counter", `${record.transferor}/${record.counter}`, record.transferor, proof);
  }

  async #lookAtParts(tables: Tables, record: RecordRow, parts: readonly RecordRow[]): Promise<void> {
    const excess = excessOf(parts, record.amount);
    if (excess !== undefined) {
      const proof = () => recordPartsProof(openedRecord(record), excess.map(openedRecord));
      await this.#found(tables, "parts", record.hash, record.transferee, proof);
      return;
    }
    const redeemed = await redeemedOf(tables, record.hash);
    if (redeemed + sumOf(parts) <= record.amount) return;
    await this.#found(tables, "redeemed", record.hash, record.transferee);
  }

  async #found(
    tables: Tables,
    kind: FindingKind,
    what: string,
    culprit: string,
    proof?: () => Uint8Array,
  ): Promise<void> {
    const id = `${kind}/${what}`;
    const rows = await tables.selectFrom("fraud_finding").select("id").execute();
    if (rows.some((row) => row.id === id)) return;
    const number = BigInt(rows.length) + 1n;
    const found_seconds = this.#parts.clock.now_seconds();
    const row = { id, number, kind, culprit, proof: proof?.() ?? null, found_seconds };
    await tables.insertInto("fraud_finding").values(row).execute();
  }

  /** All findings, oldest first. */
  async findings(): Promise<Finding[]> {
    const tables = narrowed<ReconciliationTables>(this.#parts.database);
    const rows = await tables.selectFrom("fraud_finding").selectAll().orderBy("number").execute();
    return rows.map((row) => ({
      number: Number(row.number),
      kind: row.kind as FindingKind,
      culprit: row.culprit,
      proof: row.proof ?? undefined,
      found_seconds: row.found_seconds,
    }));
  }

  /** Redeemed notes that could not be verified, and why: a teller whose module cannot be believed. */
  refused(): Promise<{ id: string; amount: bigint; refused: string | null }[]> {
    return narrowed<ReconciliationTables>(this.#parts.database)
      .selectFrom("note_return")
      .select(["id", "amount", "refused"])
      .where("refused", "is not", null)
      .orderBy("id")
      .execute();
  }
}

function sumOf(parts: readonly RecordRow[]): bigint {
  return parts.reduce((sum, part) => sum + part.amount, 0n);
}

/** The fewest parts that are more than the whole, largest first; undefined when all of them fit. */
function excessOf(parts: readonly RecordRow[], whole: bigint): RecordRow[] | undefined {
  if (sumOf(parts) <= whole) return undefined;
  const largest = [...parts].sort((a, b) => (a.amount < b.amount ? 1 : a.amount > b.amount ? -1 : 0));
  const taken: RecordRow[] = [];
  while (sumOf(taken) <= whole) taken.push(largest[taken.length] as RecordRow);
  return taken;
}
