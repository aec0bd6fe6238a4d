/** The auditor at the bank: its books against its modules' logs, against themselves, and against what was spent twice. */

import type { BooksReader } from "./books.js";
import type { Moved } from "./module-readings.js";

export class BankAudit {
  readonly #books: BooksReader;
  /** What the modules logged (above zero) and the books do not have, or the other way round (below). */
  readonly #apart = new Map<string, number>();
  /** Withdrawals whose end was not booked when they were seen. */
  readonly #reserved = new Set<string>();
  #lastRow = 0n;
  #redeemed = 0n;

  constructor(books: BooksReader) {
    this.#books = books;
  }

  /** What a teller's or the generator's log has that is new. */
  logged(role: "teller" | "generator", moved: readonly Moved[], generators: ReadonlySet<string>): void {
    for (const { kind, payId, peer, amount } of moved) {
      if (role === "generator") this.#note(`issue ${payId} ${amount}`, 1);
      else if (kind === "sent") this.#note(`withdrawal ${peer} ${amount}`, 1);
      else if (!generators.has(peer)) this.#note(`deposit ${payId} ${amount}`, 1);
    }
  }

  /** What the books have that is new; what then is in the logs alone, or in the books alone. */
  async booked(): Promise<string[]> {
    const rows = await this.#books.rows(
      "select rowid as row, id, kind, state, subject_id, amount from bank_operation where rowid > ? order by rowid",
      this.#lastRow,
    );
    for (const row of rows) {
      this.#lastRow = row.row as bigint;
      if (row.kind === "redeem" || row.kind === "loss") this.#redeemed += row.amount as bigint;
      if (row.kind === "issue" || row.kind === "deposit") this.#note(`${row.kind} ${row.id} ${row.amount}`, -1);
      if (row.kind === "withdrawal") this.#reserved.add(row.id as string);
    }
    for (const id of this.#reserved) await this.#ended(id);
    const faults = [...this.#apart].map(([what, count]) =>
      count > 0
        ? `the bank's modules logged what its books do not have: ${what}`
        : `the bank booked what its modules did not log: ${what}`,
    );
    // One fault is said once.
    this.#apart.clear();
    return faults;
  }

  async #ended(id: string): Promise<void> {
    const [row] = await this.#books.rows("select state, subject_id, amount from bank_operation where id = ?", id);
    if (row === undefined || row.state === "reserved") return;
    this.#reserved.delete(id);
    if (row.state === "settled") this.#note(`withdrawal ${row.subject_id} ${row.amount}`, -1);
  }

  #note(what: string, count: number): void {
    const sum = (this.#apart.get(what) ?? 0) + count;
    if (sum === 0) this.#apart.delete(what);
    else this.#apart.set(what, sum);
  }

  /** Notes that were destroyed, paid for as money of this bank or as a loss. */
  async redeemed(): Promise<bigint> {
    return this.#redeemed;
  }

  /** All accounts and entries, and the bank's own accounts against what they stand for; `held`: in its tellers. */
  async everything(held: bigint): Promise<string[]> {
    const faults = await this.#books.faults("bank");
    const sum = (kind: string) =>
      this.#books.number("select sum(amount) from bank_operation where kind = ? and state = 'settled'", kind);
    const [issued, redeemed, lost] = [await sum("issue"), await sum("redeem"), await sum("loss")];
    const reserved = await this.#books.number("select sum(amount) from bank_operation where state = 'reserved'");
    const expected: [string, bigint][] = [
      ["money-held", held],
      ["money-issued", issued - redeemed],
      ["fraud-loss", lost],
      ["in-transit", reserved],
    ];
    for (const [account, amount] of expected) {
      const booked = await this.#books.balance(`${account}/840.2`);
      if (booked !== amount) faults.push(`bank: ${account} is ${booked}, and should be ${amount}`);
    }
    return faults;
  }

  async end(): Promise<string[]> {
    return this.#reserved.size === 0 ? [] : [`bank: ${this.#reserved.size} withdrawals are reserved for ever`];
  }

  /** `spentTwice`: by the id of the module that did it. */
  async losses(spentTwice: ReadonlyMap<string, bigint>): Promise<string[]> {
    const faults: string[] = [];
    const expected = [...spentTwice.values()].reduce((sum, amount) => sum + amount, 0n);
    const lost = await this.#books.balance("fraud-loss/840.2");
    if (lost !== expected) faults.push(`bank: lost ${lost} by copies, and ${expected} were spent twice`);
    const returned = await this.#books.number("select sum(loss) from note_return");
    if (returned !== expected)
      faults.push(`bank: its notes say a loss of ${returned}, and ${expected} were spent twice`);
    const culprits = new Set(
      (await this.#books.rows("select culprit from fraud_finding")).map(({ culprit }) => culprit),
    );
    const listed = new Set((await this.#books.rows("select subject from bad_id")).map(({ subject }) => subject));
    for (const [id, amount] of spentTwice) {
      if (amount === 0n) continue;
      if (!culprits.has(id)) faults.push(`bank: ${id} spent ${amount} twice, and was not found out`);
      if (!listed.has(id)) faults.push(`bank: ${id} spent ${amount} twice, and is not on the bad-id list`);
    }
    for (const id of [...culprits, ...listed]) {
      if (!spentTwice.has(id as string)) faults.push(`bank: ${id} did not cheat, and is called a cheat`);
    }
    return faults;
  }
}
