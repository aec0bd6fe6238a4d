/**
 * Acceptances on their way to the disk: all that come in one turn of the event loop, and while the disk is busy, are one commit. A
 * file that is synchronised twenty thousand times a second there is not; one that takes hundreds of rows at a time there is.
 *
 * What could not be written stays in the queue and is written with the next commit: its halves are gone in memory, for that order
 * only, and whoever waited is told to repeat the order.
 */

import type { Transaction } from "kysely";
import { asError } from "../../as-error.js";
import { atomically } from "../../services/database.js";
import { TokenError } from "../errors.js";
import { type AcceptanceRow, addAcceptances, type SellerStore, type SellerTables } from "./store.js";

/** What else belongs to the commit. */
export type CommitWork = (transaction: Transaction<SellerTables>) => Promise<void>;

export class AcceptanceLog {
  readonly #store: SellerStore;
  #rows: AcceptanceRow[] = [];
  #work: CommitWork[] = [];
  #running: Promise<void> = Promise.resolve();
  #scheduled: Promise<void> | undefined;

  constructor(store: SellerStore) {
    this.#store = store;
  }

  append(row: AcceptanceRow): void {
    this.#rows.push(row);
  }

  /** Resolves when all that was appended is on the disk, and `work` with it, in one commit. */
  commit(work?: CommitWork): Promise<void> {
    if (work !== undefined) this.#work.push(work);
    if (this.#scheduled === undefined) {
      const next = this.#next(this.#running);
      this.#scheduled = next;
      this.#running = next.catch(() => {}); // Whoever waits for this commit sees the error; the next one tries again.
    }
    return this.#scheduled;
  }

  async #next(before: Promise<void>): Promise<void> {
    await before;
    // All sockets that have something to read are read before this: what they bring shares the commit.
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#scheduled = undefined;
    const rows = this.#rows;
    const work = this.#work;
    this.#rows = [];
    this.#work = [];
    try {
      await atomically<SellerTables, void>(this.#store.database, async (transaction) => {
        await addAcceptances(transaction, rows);
        for (const each of work) await each(transaction);
      });
    } catch (error) {
      this.#rows = [...rows, ...this.#rows];
      throw new TokenError(
        "not-written",
        `The seller's books could not be written (${asError(error).message}). Nothing was answered for it; halves that were shown count for their order and no other. Repeat the same order.`,
        { cause: error },
      );
    }
  }
}
