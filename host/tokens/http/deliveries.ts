/** What was delivered for a purchase whose goods come into being once, such as the answer of an API call: it is kept, and repeated. */

import { atomically, type Books, type Executor, type Migration, migrate, narrowed } from "../../services/database.js";

export interface Delivery {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Uint8Array;
}

interface DeliveryTables {
  token_delivery: {
    purchase: string;
    status: bigint;
    headers: string;
    body: Uint8Array;
    time_seconds: bigint;
  };
}

const STEPS: readonly Migration[] = [
  async (transaction) => {
    await transaction.schema
      .createTable("token_delivery")
      .addColumn("purchase", "text", (column) => column.primaryKey())
      .addColumn("status", "bigint", (column) => column.notNull())
      .addColumn("headers", "text", (column) => column.notNull())
      .addColumn("body", "bytea", (column) => column.notNull())
      .addColumn("time_seconds", "bigint", (column) => column.notNull())
      .execute();
  },
];

export class Deliveries {
  readonly #books: Executor<DeliveryTables>;

  private constructor(books: Books) {
    this.#books = narrowed<DeliveryTables>(books);
  }

  static async open(books: Books): Promise<Deliveries> {
    await migrate(books, "token-delivery", STEPS);
    return new Deliveries(books);
  }

  async find(purchase: string): Promise<Delivery | undefined> {
    const row = await this.#books
      .selectFrom("token_delivery")
      .selectAll()
      .where("purchase", "=", purchase)
      .executeTakeFirst();
    return row === undefined
      ? undefined
      : { status: Number(row.status), headers: JSON.parse(row.headers), body: row.body };
  }

  /** The first one stays. */
  async keep(purchase: string, { body, headers, status }: Delivery, time_seconds: bigint): Promise<void> {
    const row = { purchase, status: BigInt(status), headers: JSON.stringify(headers), body, time_seconds };
    await this.#books
      .insertInto("token_delivery")
      .values(row)
      .onConflict((conflict) => conflict.column("purchase").doNothing())
      .execute();
  }

  /** Forgets what was delivered before this second. How many those were. */
  async forget(before_seconds: bigint): Promise<bigint> {
    return atomically<DeliveryTables, bigint>(this.#books, async (transaction) => {
      const { numDeletedRows } = await transaction
        .deleteFrom("token_delivery")
        .where("time_seconds", "<", before_seconds)
        .executeTakeFirst();
      return numDeletedRows;
    });
  }
}
