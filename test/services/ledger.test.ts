import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { durabilityOf, migrate, openDatabase } from "../../host/services/database.js";
import {
  type Account,
  AMOUNT_MAX,
  type Entry,
  Ledger,
  LedgerError,
  type LedgerTables,
} from "../../host/services/ledger.js";

const EURO = { currency: 978, exponent: 2 };
const DOLLAR = { currency: 840, exponent: 2 };

function account(id: string, kind: Account["kind"], unit = EURO, mayGoNegative = false): Account {
  return { id, kind, unit, mayGoNegative };
}

function entry(id: string, debit: string, credit: string, amount: bigint): Entry {
  const postings = [
    { account: debit, side: "debit", amount },
    { account: credit, side: "credit", amount },
  ] as const;
  return { id, memo: "", time_seconds: 0n, postings };
}

async function books() {
  const database = openDatabase<LedgerTables>("memory");
  await Ledger.migrate(database);
  const ledger = new Ledger();
  await ledger.openAccount(database, account("cash", "asset"));
  await ledger.openAccount(database, account("alice", "liability"));
  await ledger.openAccount(database, account("bob", "liability"));
  return { database, ledger };
}

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof LedgerError) return error.code;
    throw error;
  }
  return "accepted";
}

describe("database", () => {
  it("opens a file so that what is committed is on the disk, and keeps it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ledger-"));
    const file = join(folder, "books.sqlite");
    const first = openDatabase<LedgerTables>({ file });
    expect(await durabilityOf(first)).toEqual({ journal: "wal", synchronous: 2n });
    await Ledger.migrate(first);
    const ledger = new Ledger();
    await ledger.openAccount(first, account("cash", "asset"));
    await ledger.openAccount(first, account("alice", "liability"));
    await ledger.post(first, entry("e", "cash", "alice", AMOUNT_MAX));
    await first.destroy();
    const second = openDatabase<LedgerTables>({ file });
    await Ledger.migrate(second);
    expect(await ledger.balance(second, "alice")).toBe(AMOUNT_MAX);
    await second.destroy();
    rmSync(folder, { recursive: true });
  });

  it("takes all steps of a migration or none, and refuses the books of a newer version", async () => {
    const database = openDatabase<LedgerTables>("memory");
    const good = async (t: Parameters<Parameters<typeof migrate>[2][number]>[0]) =>
      t.schema.createTable("first").addColumn("id", "bigint").execute();
    const bad = async () => {
      throw new Error("power cut");
    };
    await expect(migrate(database, "part", [good, bad])).rejects.toThrow("power cut");
    await migrate(database, "part", [good, async () => {}]);
    await expect(migrate(database, "part", [good])).rejects.toThrow("newer version");
  });
});

describe("ledger", () => {
  it("refuses an entry that does not balance in each unit", async () => {
    const { database, ledger } = await books();
    await ledger.openAccount(database, account("dollars", "liability", DOLLAR));
    expect(await refusal(ledger.post(database, entry("e", "cash", "dollars", 5n)))).toBe("unbalanced");
    const lame: Entry = {
      ...entry("e", "cash", "alice", 5n),
      postings: [
        { account: "cash", side: "debit", amount: 5n },
        { account: "alice", side: "credit", amount: 4n },
      ],
    };
    expect(await refusal(ledger.post(database, lame))).toBe("unbalanced");
    expect(await ledger.balance(database, "cash")).toBe(0n);
  });

  it("refuses a balance below zero, an amount of zero and one of 2^63", async () => {
    const { database, ledger } = await books();
    expect(await refusal(ledger.post(database, entry("e", "alice", "bob", 1n)))).toBe("insufficient-funds");
    expect(await refusal(ledger.post(database, entry("e", "cash", "bob", 0n)))).toBe("out-of-range");
    expect(await refusal(ledger.post(database, entry("e", "cash", "bob", AMOUNT_MAX + 1n)))).toBe("out-of-range");
    expect(await refusal(ledger.post(database, entry("e", "cash", "nobody", 1n)))).toBe("unknown-account");
    await ledger.post(database, entry("e", "cash", "bob", AMOUNT_MAX));
    expect(await refusal(ledger.post(database, entry("f", "cash", "bob", 1n)))).toBe("out-of-range");
    expect(await ledger.audit(database)).toEqual([]);
  });

  it("lets a caller catch a refusal and commit the rest of its transaction", async () => {
    const { database, ledger } = await books();
    await database.transaction().execute(async (transaction) => {
      await ledger.post(transaction, entry("a", "cash", "alice", 7n));
      expect(await refusal(ledger.post(transaction, entry("b", "alice", "bob", 8n)))).toBe("insufficient-funds");
    });
    expect(await ledger.balance(database, "alice")).toBe(7n);
    expect(await ledger.hasEntry(database, "b")).toBe(false);
  });

  it("replays an entry without effect and refuses another under its key", async () => {
    const { database, ledger } = await books();
    expect(await ledger.post(database, entry("e", "cash", "alice", 7n))).toEqual({ replayed: false });
    expect(await ledger.post(database, entry("e", "cash", "alice", 7n))).toEqual({ replayed: true });
    expect(await refusal(ledger.post(database, entry("e", "cash", "alice", 8n)))).toBe("conflict");
    expect(await ledger.balance(database, "alice")).toBe(7n);
    expect(await refusal(ledger.openAccount(database, account("cash", "liability")))).toBe("conflict");
  });

  it("finds a balance that was altered behind its back", async () => {
    const { database, ledger } = await books();
    await ledger.post(database, entry("e", "cash", "alice", 7n));
    await database.updateTable("ledger_account").set({ balance: 8n }).where("id", "=", "alice").execute();
    expect(await ledger.audit(database)).toEqual(["account alice shows 8, its postings make 7"]);
    await database.updateTable("ledger_posting").set({ amount: 8n }).where("account_id", "=", "alice").execute();
    expect(await ledger.audit(database)).toEqual(["entry e in 978/2 is out of balance by -1"]);
  });

  it("agrees with a model under any sequence of entries, replays and refusals", async () => {
    const names = ["cash", "alice", "bob", "usd-cash", "usd-carol", "usd-pool"];
    const operation = fc.record({
      key: fc.integer({ min: 0, max: 12 }),
      debit: fc.constantFrom(...names),
      credit: fc.constantFrom(...names),
      amount: fc.oneof(fc.bigInt({ min: 0n, max: 100n }), fc.bigInt({ min: AMOUNT_MAX - 50n, max: AMOUNT_MAX })),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
        const { database, ledger } = await books();
        await ledger.openAccount(database, account("usd-cash", "asset", DOLLAR));
        await ledger.openAccount(database, account("usd-carol", "liability", DOLLAR));
        await ledger.openAccount(database, account("usd-pool", "equity", DOLLAR, true));
        const model = new Model();
        for (const { key, debit, credit, amount } of operations) {
          const outcome = await refusal(ledger.post(database, entry(`k${key}`, debit, credit, amount)));
          expect(outcome === "accepted").toBe(model.post(`k${key}`, debit, credit, amount));
        }
        for (const { id, balance, unit } of await ledger.accounts(database)) {
          expect(balance).toBe(model.balanceOf(id));
          expect(unit.currency).toBe(id.startsWith("usd") ? 840 : 978);
        }
        expect(await ledger.audit(database)).toEqual([]);
        await database.destroy();
      }),
      { numRuns: 60, seed: 20 },
    );
  });
});

/** The same ledger as a map of debit-minus-credit sums. */
class Model {
  readonly #sums = new Map<string, bigint>();
  readonly #entries = new Map<string, string>();

  balanceOf(id: string): bigint {
    const sum = this.#sums.get(id) ?? 0n;
    return id.endsWith("cash") ? sum : -sum;
  }

  post(key: string, debit: string, credit: string, amount: bigint): boolean {
    if (amount <= 0n || amount > AMOUNT_MAX) return false;
    const contents = `${debit} ${credit} ${amount}`;
    if (this.#entries.has(key)) return this.#entries.get(key) === contents;
    if (debit.startsWith("usd") !== credit.startsWith("usd")) return false;
    const before = new Map(this.#sums);
    this.#sums.set(debit, (this.#sums.get(debit) ?? 0n) + amount);
    this.#sums.set(credit, (this.#sums.get(credit) ?? 0n) - amount);
    const fits = [debit, credit].every((id) => {
      const balance = this.balanceOf(id);
      return (balance >= 0n || id === "usd-pool") && balance <= AMOUNT_MAX && balance >= -AMOUNT_MAX;
    });
    if (fits) this.#entries.set(key, contents);
    else {
      this.#sums.clear();
      for (const [id, sum] of before) this.#sums.set(id, sum);
    }
    return fits;
  }
}
