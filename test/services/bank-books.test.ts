import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BankBooks,
  BankError,
  type BankTables,
  type Operation,
  refreshAccount,
} from "../../host/services/bank-books.js";
import { type DatabaseLocation, openDatabase } from "../../host/services/database.js";

const EURO = { currency: 978, exponent: 2 };
const DOLLAR = { currency: 840, exponent: 2 };
const MODULE = "00112233445566778899aabbccddeeff";
const OTHER = "ffeeddccbbaa99887766554433221100";

async function bank(location: DatabaseLocation = "memory") {
  const database = openDatabase<BankTables>(location);
  const books = await BankBooks.open(database, { now_seconds: () => 1_700_000_000n });
  await books.openDeposit("alice", EURO);
  await books.link("alice", MODULE);
  await books.fund({ id: "salary", account: "alice", unit: EURO, amount: 1_000n });
  await books.issue({ id: "print", unit: EURO, amount: 5_000n });
  return { books, database };
}

async function outcome(work: Promise<Operation>): Promise<string> {
  try {
    return (await work).state;
  } catch (error) {
    if (error instanceof BankError) return error.code;
    throw error;
  }
}

const withdrawal = (id: string, amount: bigint) => ({ id, account: "alice", unit: EURO, amount, subjectId: MODULE });

describe("bank books", () => {
  it("moves a withdrawal through transit, and gives it back when it is reversed", async () => {
    const { books } = await bank();
    await books.withdrawReserve(withdrawal("p1", 300n));
    expect([await books.depositBalance("alice"), await books.balance("in-transit", EURO)]).toEqual([700n, 300n]);
    await books.withdrawSettle("p1");
    expect([await books.balance("money-held", EURO), await books.balance("in-transit", EURO)]).toEqual([4_700n, 0n]);
    await books.withdrawReserve(withdrawal("p2", 700n));
    await books.withdrawReverse("p2");
    expect(await books.depositBalance("alice")).toBe(700n);
    expect(await books.balance("money-issued", EURO)).toBe(5_000n);
    expect(await books.audit()).toEqual([]);
  });

  it("settles once, however often it is asked, and never both ways", async () => {
    const { books } = await bank();
    for (let i = 0; i < 3; i++) expect(await outcome(books.withdrawReserve(withdrawal("p", 300n)))).toBe("reserved");
    for (let i = 0; i < 3; i++) expect(await outcome(books.withdrawSettle("p"))).toBe("settled");
    expect(await outcome(books.withdrawReverse("p"))).toBe("conflict");
    expect(await outcome(books.withdrawReserve(withdrawal("p", 300n)))).toBe("settled");
    expect(await outcome(books.withdrawReserve(withdrawal("p", 301n)))).toBe("conflict");
    expect(await books.depositBalance("alice")).toBe(700n);
    await books.withdrawReserve(withdrawal("q", 1n));
    await books.withdrawReverse("q");
    expect(await outcome(books.withdrawSettle("q"))).toBe("conflict");
  });

  it("refuses an id after it was reversed before it was reserved", async () => {
    const { books } = await bank();
    expect(await outcome(books.withdrawReverse("late"))).toBe("reversed");
    expect(await outcome(books.withdrawReserve(withdrawal("late", 300n)))).toBe("conflict");
    expect(await outcome(books.withdrawSettle("never"))).toBe("unknown-operation");
    expect(await books.depositBalance("alice")).toBe(1_000n);
  });

  it("lets only a linked module withdraw, from an account in the unit, with funds", async () => {
    const { books } = await bank();
    expect(await outcome(books.withdrawReserve({ ...withdrawal("a", 1n), subjectId: OTHER }))).toBe("not-linked");
    expect(await outcome(books.withdrawReserve({ ...withdrawal("b", 1n), unit: DOLLAR }))).toBe("wrong-unit");
    expect(await outcome(books.withdrawReserve({ ...withdrawal("c", 1n), account: "bob" }))).toBe("unknown-account");
    expect(await outcome(books.withdrawReserve(withdrawal("d", 1_001n)))).toBe("insufficient-funds");
    expect(await books.accountsOf(MODULE)).toEqual(["alice"]);
    await books.unlink("alice", MODULE);
    expect(await outcome(books.withdrawReserve(withdrawal("e", 1n)))).toBe("not-linked");
  });

  it("owes a module what it paid in for a refresh, in each unit, and pays it to that module alone", async () => {
    const { books } = await bank();
    const account = refreshAccount(MODULE);
    await books.depositSettle({ id: "in", account, unit: EURO, amount: 300n });
    await books.depositSettle({ id: "in", account, unit: EURO, amount: 300n });
    expect(await outcome(books.depositSettle({ id: "in", account, unit: EURO, amount: 301n }))).toBe("conflict");
    await books.issue({ id: "dollars", unit: DOLLAR, amount: 70n });
    await books.depositSettle({ id: "in dollars", account, unit: DOLLAR, amount: 70n });
    const owed = [
      { unit: DOLLAR, amount: 70n },
      { unit: EURO, amount: 300n },
    ];
    expect(await books.refreshOwed(MODULE)).toEqual(owed);
    expect(await books.refreshOwed(OTHER)).toEqual([]);

    const draw = { id: "out", account, unit: EURO, amount: 300n, subjectId: MODULE };
    expect(await outcome(books.withdrawReserve({ ...draw, id: "o", subjectId: OTHER }))).toBe("not-linked");
    expect(await outcome(books.withdrawReserve({ ...draw, id: "m", amount: 301n }))).toBe("insufficient-funds");
    expect(await outcome(books.withdrawReserve({ ...draw, id: "a", account: refreshAccount(OTHER) }))).toBe(
      "not-linked",
    );
    await expect(books.link(account, OTHER)).rejects.toThrow(BankError);
    await expect(books.openDeposit(account, EURO)).rejects.toThrow(RangeError);
    await expect(books.openDeposit("@anything", EURO)).rejects.toThrow(RangeError);
    expect(() => refreshAccount("%")).toThrow(RangeError);
    expect(await books.refreshOwed(MODULE)).toEqual(owed);

    await books.withdrawReserve({ ...draw, id: "back" });
    expect(await books.refreshOwed(MODULE)).toEqual(owed.slice(0, 1));
    await books.withdrawReverse("back");
    expect(await books.refreshOwed(MODULE)).toEqual(owed);
    await books.withdrawReserve(draw);
    await books.withdrawSettle("out");
    expect(await books.refreshOwed(MODULE)).toEqual(owed.slice(0, 1));
    expect(await books.audit()).toEqual([]);
  });

  it("follows notes through deposit, another bank, redemption, claim and expiry", async () => {
    const { books } = await bank();
    await books.withdrawReserve(withdrawal("w", 900n));
    await books.withdrawSettle("w");
    await books.depositSettle({ id: "d", account: "alice", unit: EURO, amount: 400n });
    expect(await books.depositBalance("alice")).toBe(500n);
    await books.sendForeign({ id: "f", bank: "north", unit: EURO, amount: 150n });
    expect(await books.balance("money-due/north", EURO)).toBe(150n);
    await books.settleForeign({ id: "s", bank: "north", unit: EURO, amount: 150n });
    await books.redeem({ id: "r", unit: EURO, amount: 250n });
    await books.redeemFor({ id: "rf", bank: "north", unit: EURO, amount: 50n });
    await books.payClaim({ id: "c", account: "alice", unit: EURO, amount: 20n });
    await books.markUnclaimed({ id: "u", unit: EURO, amount: 30n });
    expect(await books.balance("money-issued", EURO)).toBe(5_000n - 250n - 50n - 20n - 30n);
    expect(await books.balance("unclaimed", EURO)).toBe(30n);
    expect(await books.balance("clearing", EURO)).toBe(1_000n + 150n - 50n);
    expect(await outcome(books.settleForeign({ id: "s2", bank: "north", unit: EURO, amount: 1n }))).toBe(
      "insufficient-funds",
    );
    expect(await books.audit()).toEqual([]);
  });

  it("knows after a restart which withdrawals are open, and finishes them", async () => {
    const folder = mkdtempSync(join(tmpdir(), "bank-"));
    const location = { file: join(folder, "books.sqlite") };
    const first = await bank(location);
    await first.books.withdrawReserve(withdrawal("open", 300n));
    await first.database.destroy();
    const { books, database } = await bank(location);
    expect((await books.openWithdrawals()).map((operation) => operation.id)).toEqual(["open"]);
    await books.withdrawReverse("open");
    expect(await books.depositBalance("alice")).toBe(1_000n);
    await database.destroy();
    rmSync(folder, { recursive: true });
  });

  it("keeps its sums under any order of operations and repeats", async () => {
    const step = fc.record({
      what: fc.constantFrom("reserve", "settle", "reverse", "deposit"),
      id: fc.nat(6),
      amount: fc.nat(400),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { books, database } = await bank();
        for (const { what, id, amount } of steps) {
          const value = BigInt(amount + 1);
          if (what === "reserve") await outcome(books.withdrawReserve(withdrawal(`w${id}`, value)));
          else if (what === "settle") await outcome(books.withdrawSettle(`w${id}`));
          else if (what === "reverse") await outcome(books.withdrawReverse(`w${id}`));
          else await outcome(books.depositSettle({ id: `d${id}`, account: "alice", unit: EURO, amount: value }));
        }
        const outside = (await books.balance("money-issued", EURO)) - (await books.balance("money-held", EURO));
        const owed = (await books.depositBalance("alice")) + (await books.balance("in-transit", EURO));
        expect(outside + owed).toBe(1_000n);
        expect(await books.audit()).toEqual([]);
        await database.destroy();
      }),
      { seed: 3, numRuns: 40 },
    );
  });
});
