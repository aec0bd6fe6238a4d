/** Queries that are compiled once, and signatures that are verified once. */

import type { Kysely } from "kysely";
import { expect, test } from "vitest";
import { rememberingVerifier } from "../../host/codec/remembering.js";
import { ed25519KeyPair, ed25519Sign, ed25519Verify } from "../../host/crypto.js";
import { atomically, type Executor, openDatabase, Prepared, PreparedRows } from "../../host/services/database.js";

interface Tables {
  coin: { name: string; cents: bigint; kind: string };
}

const insertCoins = new PreparedRows((books: Executor<Tables>, rows: readonly Tables["coin"][]) =>
  books.insertInto("coin").values(rows.map(({ name, cents }) => ({ cents, name, kind: "metal" }))),
);
const coinOf = new Prepared((books: Executor<Tables>, p: { name: string; least: bigint }) =>
  books.selectFrom("coin").selectAll().where("cents", ">=", p.least).where("name", "=", p.name),
);
const change = new Prepared((books: Executor<Tables>, p: { from: bigint; to: bigint }) =>
  books.updateTable("coin").set({ cents: p.to }).where("cents", "=", p.from),
);

async function coins(): Promise<Kysely<Tables>> {
  const database = openDatabase<Tables>("memory");
  const table = database.schema.createTable("coin").addColumn("name", "text").addColumn("cents", "bigint");
  await table.addColumn("kind", "text").execute();
  return database;
}

test("a prepared query takes its own values each time, whatever their number and order, in a transaction or not", async () => {
  const database = await coins();
  const rows = [
    { name: "dime", cents: 10n, kind: "" },
    { name: "penny", cents: 1n, kind: "" },
  ];
  expect(await insertCoins.run(database, rows)).toBe(2n);
  await database.transaction().execute(async (transaction) => {
    expect(await insertCoins.run(transaction, [{ name: "nickel", cents: 5n, kind: "" }])).toBe(1n);
    expect(await coinOf.first(transaction, { name: "nickel", least: 5n })).toMatchObject({ cents: 5n, kind: "metal" });
  });
  expect(await coinOf.first(database, { name: "dime", least: 10n })).toMatchObject({ name: "dime" });
  expect(await coinOf.all(database, { name: "dime", least: 11n })).toEqual([]);
  expect(await change.run(database, { from: 1n, to: 2n })).toBe(1n);
  expect(await change.run(database, { from: 1n, to: 2n })).toBe(0n);
  const other = await coins();
  expect(await coinOf.first(other, { name: "dime", least: 0n })).toBeUndefined();
  await Promise.all([database.destroy(), other.destroy()]);
});

test("who comes while a transaction is under way waits for its end; one that has ended, or failed, leaves nothing", async () => {
  const database = await coins();
  await insertCoins.run(database, [{ name: "dime", cents: 10n, kind: "" }]);
  let ended: Executor<Tables> | undefined;
  const order: string[] = [];
  const first = atomically(database, async (transaction) => {
    ended = transaction;
    await change.run(transaction, { from: 10n, to: 11n });
    await new Promise((resolve) => setTimeout(resolve, 5));
    order.push("first");
  });
  const second = atomically(database, async (transaction) => {
    order.push(`second ${await change.run(transaction, { from: 11n, to: 12n })}`);
    throw new Error("second thoughts");
  });
  const third = Promise.resolve(coinOf.first(database, { name: "dime", least: 0n }));
  await expect(second).rejects.toThrow("second thoughts");
  await first;
  expect(order).toEqual(["first", "second 1"]);
  expect(await third).toMatchObject({ cents: 11n });
  await expect(async () => change.run(ended as Executor<Tables>, { from: 11n, to: 13n })).rejects.toThrow("has ended");
  expect(await coinOf.first(database, { name: "dime", least: 0n })).toMatchObject({ cents: 11n });
  await database.destroy();
});

test("a signature found good is not verified again; a bad one always is, and what is old is forgotten", () => {
  const { publicKey, secretKey } = ed25519KeyPair(new Uint8Array(32).fill(3));
  let asked = 0;
  const verifier = rememberingVerifier((...triple) => {
    asked += 1;
    return ed25519Verify(...triple);
  }, 2);
  const signed = [1, 2, 3].map((byte) => {
    const message = Uint8Array.of(byte);
    return { message, signature: ed25519Sign(message, secretKey) };
  });
  const [one, two, three] = signed as [(typeof signed)[0], (typeof signed)[0], (typeof signed)[0]];
  const verify = ({ message, signature }: typeof one) => verifier(publicKey, message, signature);
  expect([verify(one), verify(one), verify(two)]).toEqual([true, true, true]);
  expect(asked).toBe(2);
  const forged = { message: Uint8Array.of(9), signature: one.signature };
  expect([verify(forged), verify(forged)]).toEqual([false, false]);
  expect(asked).toBe(4);
  expect([verify(three), verify(two), verify(one)]).toEqual([true, true, true]);
  expect(asked).toBe(6);
});
