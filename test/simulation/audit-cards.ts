/** The auditor at the card network: an authorization is completed if and only if electronic money moved, and all accounts say so. */

import { BooksReader } from "./books.js";

/** A purchase or sale, by what it says. */
export interface Trade {
  readonly type: "purchase" | "sale";
  readonly customer: string;
  readonly customerAccount: string;
  readonly merchant: string;
  readonly merchantAccount: string;
  readonly acquirer: string;
  /** Of electronic money. */
  readonly amount: bigint;
  readonly fee: bigint;
  readonly happened: boolean;
}

const BANK = "meadow-bank";
/** Ends of an authorization. */
const OVER = new Set(["declined", "completed", "reversed"]);

export class CardAudit {
  readonly #books: BooksReader;
  readonly #outboxes: ReadonlyMap<string, BooksReader>;
  readonly #expected = new Map<string, bigint>();
  /** Whether money moved, by approval; as long as the authorization is not over. */
  readonly #open = new Map<string, boolean>();
  #lastRow = 0n;

  constructor(books: BooksReader, outboxes: ReadonlyMap<string, unknown>) {
    this.#books = books;
    this.#outboxes = new Map([...outboxes].map(([name, database]) => [name, new BooksReader(database)]));
  }

  async begin(): Promise<void> {
    const rows = await this.#books.rows(`select id, balance from ledger_account where id like '${BANK}/deposit/%'`);
    for (const { id, balance } of rows) this.#expected.set(id as string, balance as bigint);
  }

  /** After a purchase or sale: what was authorized in it, and what both accounts will have when it is over. */
  async traded(trade: Trade): Promise<string[]> {
    const rows = await this.#books.rows(
      `select rowid as row, approval, state, acquirer, type, amount from network_authorization
       where rowid > ? order by rowid`,
      this.#lastRow,
    );
    const faults: string[] = [];
    const price = trade.type === "purchase" ? trade.amount + trade.fee : trade.amount - trade.fee;
    for (const row of rows) {
      this.#lastRow = row.row as bigint;
      this.#open.set(row.approval as string, trade.happened);
      const fits = row.acquirer === trade.acquirer && row.type === trade.type && row.amount === price;
      if (!fits) faults.push(`network: ${row.type} of ${row.amount} was authorized in a ${trade.type} of ${price}`);
    }
    const approved = rows.filter(({ state }) => state !== "declined").length;
    if (trade.happened && approved !== 1)
      faults.push(`network: money moved in a ${trade.type}, with ${approved} approvals`);
    if (trade.happened) {
      const paid = trade.type === "purchase" ? price : -price;
      this.#move(trade.customerAccount, -paid);
      this.#move(trade.merchantAccount, paid);
    }
    return [...faults, ...(await this.#look())];
  }

  #move(account: string, amount: bigint): void {
    const id = `${BANK}/deposit/${account}`;
    this.#expected.set(id, (this.#expected.get(id) ?? 0n) + amount);
  }

  /** Those that have come to their end since. */
  async #look(): Promise<string[]> {
    const faults: string[] = [];
    for (const [approval, happened] of this.#open) {
      const [row] = await this.#books.rows(
        "select state, type from network_authorization where approval = ?",
        approval,
      );
      const state = String(row?.state);
      if (!OVER.has(state)) continue;
      this.#open.delete(approval);
      if ((state === "completed") === happened) continue;
      faults.push(`network: a ${row?.type} is ${state}, and money ${happened ? "moved" : "did not move"}`);
    }
    return faults;
  }

  async everything(): Promise<string[]> {
    const faults = [...(await this.#look()), ...(await this.#books.faults("network"))];
    const incidents = await this.#books.number("select count(*) from network_incident");
    if (incidents > 0n) faults.push(`network: ${incidents} times agents contradicted each other`);
    return faults;
  }

  async end(): Promise<string[]> {
    const faults: string[] = [];
    if (this.#open.size > 0) faults.push(`network: ${this.#open.size} authorizations never came to an end`);
    for (const [account, expected] of this.#expected) {
      const balance = await this.#books.balance(account);
      if (balance !== expected) faults.push(`network: ${account} has ${balance}, and should have ${expected}`);
    }
    const held = await this.#books.number(`select sum(balance) from ledger_account where id like '${BANK}/held/%'`);
    if (held !== 0n) faults.push(`network: ${held} are still held`);
    for (const [name, outbox] of this.#outboxes) {
      const open = await outbox.rows(
        "select state, problem from outbox_entry where state not in ('declined', 'completed', 'reversed') or problem is not null",
      );
      for (const { state, problem } of open)
        faults.push(`outbox of ${name}: an entry is ${state}, ${problem ?? "no problem"}`);
    }
    return faults;
  }
}
