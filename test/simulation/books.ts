/** What the auditor reads off books: by SQL on their databases, without any of the services that write them. */

import type { Hash } from "node:crypto";
import { type Kysely, sql } from "kysely";

export type Row = Readonly<Record<string, unknown>>;

export class BooksReader {
  readonly #database: Pick<Kysely<unknown>, "getExecutor">;

  /** Any database of the world: what its tables are called the auditor knows by itself. */
  constructor(database: unknown) {
    this.#database = database as Kysely<unknown>;
  }

  async rows(text: string, ...parameters: (string | bigint)[]): Promise<readonly Row[]> {
    const pieces = text.split("?");
    const query = sql.join(
      pieces.flatMap((piece, index) =>
        index < parameters.length ? [sql.raw(piece), sql.val(parameters[index])] : [sql.raw(piece)],
      ),
      sql``,
    );
    return (await sql<Row>`${query}`.execute(this.#database as Kysely<unknown>)).rows;
  }

  async number(text: string, ...parameters: (string | bigint)[]): Promise<bigint> {
    const [row] = await this.rows(text, ...parameters);
    const value = row === undefined ? undefined : Object.values(row)[0];
    return typeof value === "bigint" ? value : 0n;
  }

  balance(account: string): Promise<bigint> {
    return this.number("select balance from ledger_account where id = ?", account);
  }

  /** What does not add up in a double-entry ledger: an account against its postings, an entry in itself. */
  async faults(name: string): Promise<string[]> {
    const accounts = await this.rows(
      `select a.id as id, a.balance as balance, coalesce(sum(case when (p.side = 'debit') = (a.kind in ('asset', 'expense'))
         then p.amount else -p.amount end), 0) as posted
       from ledger_account a left join ledger_posting p on p.account_id = a.id
       group by a.id having a.balance <> posted or (a.balance < 0 and a.may_go_negative = 0)`,
    );
    const entries = await this.rows(
      `select e.id as id, coalesce(sum(case when p.side = 'debit' then p.amount else -p.amount end), 0) as difference,
         count(p.line) as lines from ledger_entry e left join ledger_posting p on p.entry_id = e.id
       group by e.id having difference <> 0 or lines < 2`,
    );
    return [
      ...accounts.map((row) => `${name}: account ${row.id} has ${row.balance}, and ${row.posted} was posted to it`),
      ...entries.map((row) => `${name}: entry ${row.id} is out of balance by ${row.difference}, in ${row.lines} lines`),
    ];
  }

  /** Everything in every table, in the order of the tables' names and of the rows' writing. */
  async hashInto(hash: Hash): Promise<void> {
    const tables = await this.rows("select name from sqlite_master where type = 'table' order by name");
    for (const { name } of tables) {
      hash.update(`table ${name}\n`);
      for (const row of await this.rows(`select * from ${name} order by rowid`)) hash.update(`${textOf(row)}\n`);
    }
  }
}

function textOf(row: Row): string {
  return JSON.stringify(row, (_name, value: unknown) => {
    if (typeof value === "bigint") return `${value}n`;
    return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
  });
}
