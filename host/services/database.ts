/**
 * The books of a service: SQLite in a file or in memory, through Kysely.
 *
 * What the services answer must survive a power cut, so a file is opened in WAL mode with synchronous=FULL: a
 * transaction that was committed is on the disk. Queries are written so that PostgreSQL takes them too: no rowid, no
 * SQLite function, upserts by `on conflict`, amounts in `bigint` columns, bytes in `bytea` columns (SQLite keeps a blob
 * in a column of any declared type).
 *
 * Integers always come back as bigint. A number would silently lose a cent above 2^53.
 */

import {
  type Compilable,
  type CompiledQuery,
  Kysely,
  type QueryResult,
  type SqliteDatabase,
  SqliteDialect,
  type SqliteStatement,
  sql,
  type Transaction,
} from "kysely";
import Libsql from "libsql";
import { committing } from "../diagnostics.js";

/** A database whose tables are `Tables`, or a transaction in it. */
export type Executor<Tables> = Kysely<Tables> | Transaction<Tables>;

/**
 * Any database or transaction. Several services keep their tables in one database so that one commit covers them, and
 * Kysely's types are invariant in the tables: a service takes `Books` and narrows them to the tables that are its own.
 */
export interface Books {
  readonly isTransaction: boolean;
}

/** Where the books are: a file, or nowhere but memory. */
export type DatabaseLocation = { readonly file: string } | "memory";

/** Statements kept prepared. The services have some dozens of fixed queries; the bound stops anything else from growing. */
const STATEMENTS_CACHED_MAX = 256;
/** How long a second process waits for the lock of a file, before it is told that the file is busy. */
const BUSY_TIMEOUT_MS = 5_000;

/** libsql as Kysely's dialect for SQLite wants it: bytes as Uint8Array, statements prepared once. */
class LibsqlDatabase implements SqliteDatabase {
  readonly #database: Libsql.Database;
  readonly #statements = new Map<string, SqliteStatement>();

  constructor(database: Libsql.Database) {
    this.#database = database;
  }

  /**
   * A transaction takes the lock for writing at once, and waits for it. One that began by reading would be refused without any
   * waiting as soon as it wrote, had another process written meanwhile; and here nearly all of them write.
   */
  prepare(asked: string): SqliteStatement {
    const text = asked === "begin" ? "begin immediate" : asked;
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    const statement = new LibsqlStatement(this.#database, text);
    if (this.#statements.size >= STATEMENTS_CACHED_MAX) this.#statements.clear();
    this.#statements.set(text, statement);
    return statement;
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }
}

/** What a commit is, and what commits by itself outside a transaction. */
const COMMITS = /^commit/i;
const WRITES = /^(insert|update|delete)/i;

class LibsqlStatement implements SqliteStatement {
  readonly #database: Libsql.Database;
  readonly #statement: Libsql.Statement;
  readonly #commits: boolean;
  readonly #writes: boolean;
  readonly reader: boolean;

  constructor(database: Libsql.Database, text: string) {
    this.#database = database;
    this.#statement = database.prepare(text);
    this.#commits = COMMITS.test(text);
    this.#writes = WRITES.test(text);
    this.reader = this.#statement.reader;
  }

  #watched<Result>(work: () => Result): Result {
    return this.#commits || (this.#writes && !this.#database.inTransaction) ? committing(work) : work();
  }

  all(parameters: readonly unknown[]): unknown[] {
    const rows = this.#watched(() => this.#statement.all(parameters)) as Record<string, unknown>[];
    for (const row of rows) bytesOf(row);
    return rows;
  }

  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint } {
    return this.#watched(() => this.#statement.run(parameters));
  }

  *iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    for (const row of this.#statement.iterate(parameters) as IterableIterator<Record<string, unknown>>) {
      yield bytesOf(row);
    }
  }
}

/** libsql gives a blob as ArrayBuffer; everything else here speaks Uint8Array. */
function bytesOf(row: Record<string, unknown>): Record<string, unknown> {
  for (const [name, value] of Object.entries(row)) {
    if (value instanceof ArrayBuffer) row[name] = new Uint8Array(value);
  }
  return row;
}

/** Opens (and makes, if it is not there) a database. Close it with `destroy()`. */
export function openDatabase<Tables>(location: DatabaseLocation): Kysely<Tables> {
  const database = new Libsql(location === "memory" ? ":memory:" : location.file);
  database.defaultSafeIntegers(true);
  database.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`);
  if (location !== "memory") {
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
  }
  database.pragma("foreign_keys = ON");
  return new Kysely<Tables>({ dialect: new SqliteDialect({ database: new LibsqlDatabase(database) }) });
}

/**
 * Runs `work` in a transaction: the caller's, if it has one open, else one of its own. SQLite has one connection, so
 * within `work` only the transaction that is handed in may be used: the database itself would wait for ever.
 */
export function atomically<Tables, Result>(
  executor: Executor<Tables>,
  work: (transaction: Transaction<Tables>) => Promise<Result>,
): Promise<Result> {
  if (executor.isTransaction) return work(executor as Transaction<Tables>);
  return executor.transaction().execute(work);
}

/** The one place where a wider database is narrowed by hand to the tables of one service. */
export function narrowed<Tables>(books: Books): Executor<Tables> {
  return books as unknown as Executor<Tables>;
}

/** Stands in a prepared query for a value of a row that is given when it is run. */
class Placeholder {
  constructor(
    readonly row: number,
    readonly name: string,
  ) {}
}

/** A row that answers with a placeholder whatever it is asked for. */
function placeholders<Row>(row: number): Row {
  return new Proxy({}, { get: (_target, name) => new Placeholder(row, String(name)) }) as Row;
}

/**
 * A query over rows of parameters that is built and compiled once for each number of them, and then run with values.
 * Kysely takes longer to build and compile a query than SQLite takes to run it, and a purchase runs some fifty.
 */
export class PreparedRows<Tables, Row extends object, Result> {
  readonly #build: (books: Executor<Tables>, rows: readonly Row[]) => Compilable<Result>;
  /** By dialect, which a database and its transactions share, and number of rows. */
  readonly #compiled = new WeakMap<object, Map<number, CompiledQuery<Result>>>();

  constructor(build: (books: Executor<Tables>, rows: readonly Row[]) => Compilable<Result>) {
    this.#build = build;
  }

  async all(books: Books, rows: readonly Row[]): Promise<Result[]> {
    return (await this.#execute(books, rows)).rows;
  }

  /** How many rows it changed. */
  async run(books: Books, rows: readonly Row[]): Promise<bigint> {
    return (await this.#execute(books, rows)).numAffectedRows ?? 0n;
  }

  #execute(books: Books, rows: readonly Row[]): Promise<QueryResult<Result>> {
    const own = narrowed<Tables>(books);
    const compiled = this.#compiledFor(own, rows.length);
    const parameters = compiled.parameters.map((each) =>
      each instanceof Placeholder ? (rows[each.row] as Record<string, unknown>)[each.name] : each,
    );
    return own.executeQuery<Result>({ ...compiled, parameters });
  }

  #compiledFor(books: Executor<Tables>, count: number): CompiledQuery<Result> {
    const { adapter } = books.getExecutor();
    const known = this.#compiled.get(adapter) ?? new Map<number, CompiledQuery<Result>>();
    this.#compiled.set(adapter, known);
    let compiled = known.get(count);
    if (compiled === undefined) {
      const rows = Array.from({ length: count }, (_, row) => placeholders<Row>(row));
      compiled = this.#build(books, rows).compile();
      known.set(count, compiled);
    }
    return compiled;
  }
}

/** As `PreparedRows`, with one set of parameters. */
export class Prepared<Tables, Parameters extends object, Result> {
  readonly #rows: PreparedRows<Tables, Parameters, Result>;

  constructor(build: (books: Executor<Tables>, parameters: Parameters) => Compilable<Result>) {
    this.#rows = new PreparedRows((books, [parameters]) => build(books, parameters as Parameters));
  }

  all(books: Books, parameters: Parameters): Promise<Result[]> {
    return this.#rows.all(books, [parameters]);
  }

  async first(books: Books, parameters: Parameters): Promise<Result | undefined> {
    return (await this.#rows.all(books, [parameters]))[0];
  }

  /** How many rows it changed. */
  run(books: Books, parameters: Parameters): Promise<bigint> {
    return this.#rows.run(books, [parameters]);
  }
}

/** One step of a schema. Steps are only ever added; a step that has been published never changes. */
export type Migration = (transaction: Transaction<unknown>) => Promise<void>;

interface MigrationTables {
  schema_version: { component: string; version: bigint };
}

/**
 * Brings the tables of one component up to date. Kysely's own Migrator runs outside a transaction on SQLite, so that a
 * power cut in the middle leaves half a schema which the next start trips over; here all steps and the new version
 * commit together.
 */
export async function migrate(database: Books, component: string, steps: readonly Migration[]): Promise<void> {
  const books = narrowed<MigrationTables>(database);
  await books.transaction().execute(async (transaction) => {
    await transaction.schema
      .createTable("schema_version")
      .ifNotExists()
      .addColumn("component", "text", (column) => column.primaryKey())
      .addColumn("version", "bigint", (column) => column.notNull())
      .execute();
    const row = await transaction
      .selectFrom("schema_version")
      .select("version")
      .where("component", "=", component)
      .executeTakeFirst();
    const version = Number(row?.version ?? 0n);
    if (version > steps.length) throw new SchemaTooNewError(component, version, steps.length);
    for (const step of steps.slice(version)) await step(transaction as unknown as Transaction<unknown>);
    await transaction
      .insertInto("schema_version")
      .values({ component, version: BigInt(steps.length) })
      .onConflict((conflict) => conflict.column("component").doUpdateSet({ version: BigInt(steps.length) }))
      .execute();
  });
}

/** The file was written by a later version of this program. */
export class SchemaTooNewError extends Error {
  constructor(component: string, found: number, known: number) {
    super(
      `The books of "${component}" were written by a newer version (schema ${found}, this version knows ${known}). ` +
        "Nothing was changed and no money is affected. Start the newer version again.",
    );
    this.name = "SchemaTooNewError";
  }
}

/** The settings that durability rests on, as the database reports them: for tests and for `status` commands. */
export async function durabilityOf(database: Books): Promise<{ journal: string; synchronous: bigint }> {
  const books = narrowed<unknown>(database);
  const journal = await sql<{ journal_mode: string }>`pragma journal_mode`.execute(books);
  const synchronous = await sql<{ synchronous: bigint }>`pragma synchronous`.execute(books);
  return { journal: journal.rows[0]?.journal_mode ?? "", synchronous: synchronous.rows[0]?.synchronous ?? -1n };
}
