/**
 * SQLite by libsql, as a dialect of Kysely.
 *
 * A database has one connection, and SQLite answers at once. So a query that is compiled already needs none of Kysely's
 * promises: `database.ts` takes the connection from the adapter and runs it there, unless somebody else's transaction is
 * under way, whose end it then waits for as every other query does.
 */

import {
  type CompiledQuery,
  type ConnectionProvider,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  Transaction,
} from "kysely";
import Libsql from "libsql";
import { committing } from "../diagnostics.js";

/**
 * Takes the lock for writing at once. A transaction that first reads and then writes would be refused if another process
 * wrote in between, however long it were ready to wait; so it waits here, before it has read anything.
 */
const BEGIN = "begin immediate";
const COMMIT = "commit";

/** Statements kept prepared. The services have some dozens of fixed queries; the bound stops anything else from growing. */
const STATEMENTS_CACHED_MAX = 256;

type Row = Record<string, unknown>;

/**
 * A statement that SQLite has compiled. Never by libsql's `get`: after an error, or after `all`, it runs with the
 * parameters of the time before.
 */
class Statement {
  readonly #database: Libsql.Database;
  readonly #statement: Libsql.Statement;
  readonly isReader: boolean;
  readonly #commits: boolean;
  readonly #writes: boolean;

  constructor(database: Libsql.Database, text: string) {
    this.#database = database;
    this.#statement = database.prepare(text);
    this.isReader = this.#statement.reader;
    this.#commits = text === COMMIT;
    this.#writes = /^(insert|update|delete)/i.test(text);
  }

  all(parameters: readonly unknown[]): Row[] {
    const rows = this.#watched(() => this.#statement.all(parameters)) as Row[];
    for (const row of rows) takeBytes(row);
    return rows;
  }

  /** How many rows it changed. */
  run(parameters: readonly unknown[]): bigint {
    return BigInt(this.#watched(() => this.#statement.run(parameters)).changes);
  }

  /** Outside a transaction every statement that writes is one of its own. */
  #watched<Result>(work: () => Result): Result {
    const isCommit = this.#commits || (this.#writes && !this.#database.inTransaction);
    return isCommit ? committing(work) : work();
  }
}

/** libsql gives a blob as ArrayBuffer; everything else here speaks Uint8Array. */
function takeBytes(row: Row): void {
  for (const name in row) {
    const value = row[name];
    if (value instanceof ArrayBuffer) row[name] = new Uint8Array(value);
  }
}

export class SqliteConnection implements DatabaseConnection {
  readonly #database: Libsql.Database;
  readonly dialect: Dialect = new SqliteOf(this);
  readonly #statements = new Map<string, Statement>();
  #isHeld = false;
  readonly #waiting: (() => void)[] = [];
  /** The transaction that holds the connection, if `transaction` below has begun one. */
  #current: object | undefined;

  constructor(database: Libsql.Database) {
    this.#database = database;
  }

  prepare(text: string): Statement {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    const statement = new Statement(this.#database, text);
    if (this.#statements.size >= STATEMENTS_CACHED_MAX) this.#statements.clear();
    this.#statements.set(text, statement);
    return statement;
  }

  /** Whether `books`, this database or a transaction in it, may run a statement now. */
  isOpenTo(books: { readonly isTransaction: boolean }): boolean {
    return books.isTransaction ? this.#current === books : !this.#isHeld;
  }

  /** Waits for the connection, and has it until `release`. */
  async acquire(): Promise<void> {
    if (this.#isHeld) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#isHeld = true;
  }

  /** The next who waits has it at once, so that nobody comes between. */
  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#isHeld = false;
    else next();
  }

  executeQuery<Result>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Result>> {
    const statement = this.prepare(sql);
    if (statement.isReader) return Promise.resolve({ rows: statement.all(parameters) as Result[] });
    return Promise.resolve({ numAffectedRows: statement.run(parameters), rows: [] });
  }

  // biome-ignore lint/correctness/useYield: nobody here reads more rows than fit into memory
  async *streamQuery<Result>(): AsyncIterableIterator<QueryResult<Result>> {
    throw new TypeError("rows are not streamed");
  }

  /** Runs `work` in a transaction of `database`: it is committed at its end, and undone if it throws. */
  async transaction<Tables, Result>(
    database: Kysely<Tables>,
    work: (transaction: Transaction<Tables>) => Promise<Result>,
  ): Promise<Result> {
    if (this.#isHeld) await this.acquire();
    this.#isHeld = true;
    const transaction = transactionOf(database, this, (own) => this.#current === own);
    try {
      this.prepare(BEGIN).run([]);
      this.#current = transaction;
      const result = await work(transaction);
      this.prepare(COMMIT).run([]);
      return result;
    } catch (error) {
      if (this.#database.inTransaction) this.prepare("rollback").run([]);
      throw error;
    } finally {
      this.#current = undefined;
      this.release();
    }
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }
}

/** Kysely's transaction object, which refuses to run anything once it is not the current one any more. */
function transactionOf<Tables>(
  database: Kysely<Tables>,
  connection: SqliteConnection,
  isCurrent: (transaction: Transaction<Tables>) => boolean,
): Transaction<Tables> {
  const provider: ConnectionProvider = {
    provideConnection: (consumer) => {
      if (!isCurrent(transaction)) return Promise.reject(new Error("the transaction has ended"));
      return consumer(connection);
    },
  };
  const { dialect } = connection;
  const executor = database.getExecutor().withConnectionProvider(provider);
  const transaction = new Transaction<Tables>({
    config: { dialect },
    dialect,
    driver: dialect.createDriver(),
    executor,
  });
  return transaction;
}

/** What Kysely asks before it writes a query; it also tells which connection a database or transaction has. */
class AdapterOf extends SqliteAdapter {
  constructor(readonly connection: SqliteConnection) {
    super();
  }
}

class DriverOf implements Driver {
  constructor(readonly connection: SqliteConnection) {}

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    await this.connection.acquire();
    return this.connection;
  }

  async beginTransaction(): Promise<void> {
    this.connection.prepare(BEGIN).run([]);
  }

  async commitTransaction(): Promise<void> {
    this.connection.prepare(COMMIT).run([]);
  }

  async rollbackTransaction(): Promise<void> {
    this.connection.prepare("rollback").run([]);
  }

  async releaseConnection(): Promise<void> {
    this.connection.release();
  }

  async destroy(): Promise<void> {
    this.connection.close();
  }
}

class SqliteOf implements Dialect {
  constructor(readonly connection: SqliteConnection) {}

  createDriver(): Driver {
    return new DriverOf(this.connection);
  }

  createAdapter(): AdapterOf {
    return new AdapterOf(this.connection);
  }

  createQueryCompiler(): SqliteQueryCompiler {
    return new SqliteQueryCompiler();
  }

  createIntrospector(database: Kysely<unknown>): SqliteIntrospector {
    return new SqliteIntrospector(database);
  }
}

/** A database over one connection to `name`: the path of a file, or `:memory:`. */
export function openSqlite<Tables>(name: string, settings: readonly string[]): Kysely<Tables> {
  const database = new Libsql(name);
  database.defaultSafeIntegers(true);
  for (const setting of settings) database.pragma(setting);
  return new Kysely<Tables>({ dialect: new SqliteConnection(database).dialect });
}

/** The connection of a database or transaction; undefined where the books are not in SQLite. */
export function sqliteOf(books: Pick<Kysely<unknown>, "getExecutor">): SqliteConnection | undefined {
  const { adapter } = books.getExecutor();
  return adapter instanceof AdapterOf ? adapter.connection : undefined;
}
