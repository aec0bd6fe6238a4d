/**
 * The list of modules that nobody deals with any more (docs/PROTOCOLS.md, section 7): the bank names whom it has proved to
 * have cheated, the modules' security server signs, the next version is stored and then delivered. Nobody gets on it without
 * a proof that anyone can check, so a finding of the bank's own books alone is not enough.
 */

import { BAD_IDS_MAX } from "../../firmware/protocol/limits.js";
import { fromHex } from "../codec/bytes.js";
import type { Element } from "../element.js";
import type { Clock } from "./clock.js";
import { atomically, type Books, type Executor, type Migration, migrate, narrowed } from "./database.js";
import type { Finding, FindingKind } from "./reconciliation.js";

/** Who signs: the modules' agency. */
export interface ListSigner {
  badIdList(version: bigint, now_seconds: number, entries: readonly (readonly [Uint8Array, number])[]): Uint8Array;
}

interface BadIdTables {
  bad_id: { subject: string; reason: bigint; since_version: bigint };
  bad_id_list: { version: bigint; list: Uint8Array };
}

const STEPS: readonly Migration[] = [
  async (transaction) => {
    await transaction.schema
      .createTable("bad_id")
      .addColumn("subject", "text", (column) => column.primaryKey())
      .addColumn("reason", "bigint", (column) => column.notNull())
      .addColumn("since_version", "bigint", (column) => column.notNull())
      .execute();
    await transaction.schema
      .createTable("bad_id_list")
      .addColumn("version", "bigint", (column) => column.primaryKey())
      .addColumn("list", "bytea", (column) => column.notNull())
      .execute();
  },
];

/** What stands beside an id on the list. */
const LIST_REASONS: Readonly<Record<FindingKind, bigint>> = { counter: 1n, parts: 2n, redeemed: 3n };

export interface SignedList {
  readonly version: bigint;
  /** As PUT DATA takes it. */
  readonly list: Uint8Array;
}

export class BadIdList {
  readonly #database: Books;
  readonly #signer: ListSigner;
  readonly #clock: Clock;

  private constructor(database: Books, signer: ListSigner, clock: Clock) {
    this.#database = database;
    this.#signer = signer;
    this.#clock = clock;
  }

  static async open(database: Books, signer: ListSigner, clock: Clock): Promise<BadIdList> {
    await migrate(database, "bad-ids", STEPS);
    return new BadIdList(database, signer, clock);
  }

  /** Puts every proved culprit on the list: one more version if there is a new one, else nothing. */
  async publish(findings: readonly Finding[]): Promise<void> {
    const proved = findings.filter((finding) => finding.proof !== undefined);
    await atomically(narrowed<BadIdTables>(this.#database), async (tables) => {
      const listed = await tables
        .selectFrom("bad_id")
        .selectAll()
        .orderBy("since_version")
        .orderBy("subject")
        .execute();
      const known = new Set(listed.map((row) => row.subject));
      const culprits = new Map(proved.map(({ culprit, kind }) => [culprit, LIST_REASONS[kind]]));
      const fresh = [...culprits].filter(([subject]) => !known.has(subject));
      if (fresh.length === 0) return;
      const version = ((await newest(tables))?.version ?? 0n) + 1n;
      const rows = fresh.map(([subject, reason]) => ({ subject, reason, since_version: version }));
      await tables.insertInto("bad_id").values(rows).execute();
      // One signature covers BAD_IDS_MAX: beyond it the oldest make room, whose certificates end first.
      const entries = [...listed, ...rows].slice(-BAD_IDS_MAX);
      const list = this.#signer.badIdList(
        version,
        Number(this.#clock.now_seconds()),
        entries.map(({ subject, reason }) => [fromHex(subject), Number(reason)] as const),
      );
      await tables.insertInto("bad_id_list").values({ version, list }).execute();
    });
  }

  /** The newest version; undefined while nobody has cheated. */
  newest(): Promise<SignedList | undefined> {
    return newest(narrowed<BadIdTables>(this.#database));
  }

  /** Gives a module the newest version if it has an older one. True when it took it. */
  async deliver(module: Element): Promise<boolean> {
    const list = await this.newest();
    if (list === undefined || (await module.counters()).listVersion >= list.version) return false;
    await module.putList(list.list);
    return true;
  }
}

function newest(tables: Executor<BadIdTables>): Promise<SignedList | undefined> {
  return tables.selectFrom("bad_id_list").selectAll().orderBy("version", "desc").limit(1).executeTakeFirst();
}
