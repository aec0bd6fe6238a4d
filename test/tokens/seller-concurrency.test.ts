/** Many payments at the same moment: a half is taken once, and those that are not the same are all taken, in few commits. */

import { channel } from "node:diagnostics_channel";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, it } from "vitest";
import { equalBytes } from "../../host/codec/bytes.js";
import { DURABLE_CHANNEL } from "../../simulator/diagnostics.js";
import { outcome, range, SellerWorld } from "../support/seller-world.js";
import type { BuyersPurse, TokenBuyer } from "../support/token-buyer.js";

let world: SellerWorld;
let buyer: TokenBuyer;
let purse: BuyersPurse;
beforeEach(async () => {
  world = await SellerWorld.open("concurrency", { onDisk: true });
  buyer = world.buyer();
  purse = await world.purse(buyer);
});
afterEach(() => world.close());

const accept = (payment: Uint8Array, price: bigint) => world.seller.accept(payment, world.expected(price));
const fifty = Array.from({ length: 50 }, (_, i) => i);
const counted = (outcomes: readonly string[]) =>
  Object.fromEntries([...new Set(outcomes)].map((each) => [each, outcomes.filter((other) => other === each).length]));

it("of fifty orders that show the same half one is paid", async () => {
  const payments = fifty.map(() => world.payment(buyer, purse, 10n, range(7)));
  const outcomes = await Promise.all(payments.map((payment) => outcome(accept(payment, 10n))));
  expect(counted(outcomes)).toEqual({ paid: 1, "half-spent": 49 });
  expect(await world.seller.audit()).toEqual([]);
  await world.restart();
  const again = await Promise.all(payments.map((payment) => outcome(accept(payment, 10n))));
  expect(again).toEqual(outcomes);
});

it("fifty repeats of one order are one payment, and one of them is the first", async () => {
  const payment = world.payment(buyer, purse, 30n, range(0, 3));
  const accepted = await Promise.all(fifty.map(() => accept(payment, 30n)));
  expect(accepted.filter(({ first }) => first)).toHaveLength(1);
  expect(new Set(accepted.map(({ paid }) => paid))).toEqual(new Set([30n]));
  expect(world.seller.purses()[0]?.denominations[0]?.taken).toBe(3);
});

it("fifty orders that show different halves are all paid, in a commit or two", async () => {
  let commits = 0;
  const count = (message: unknown) => {
    if ((message as { side: string }).side === "after") commits += 1;
  };
  const durable = channel(DURABLE_CHANNEL);
  durable.subscribe(count);
  const payments = fifty.map((i) => world.payment(buyer, purse, 10n, range(i)));
  const outcomes = await Promise.all(payments.map((payment) => outcome(accept(payment, 10n))));
  durable.unsubscribe(count);
  expect(counted(outcomes)).toEqual({ paid: 50 });
  expect(commits).toBeLessThanOrEqual(2);
  await world.restart();
  expect(world.seller.purses()[0]?.denominations[0]?.taken).toBe(50);
  expect(await world.seller.audit()).toEqual([]);
});

it("an order that is paid in pieces at the same moment is paid once, by the piece that completes it", async () => {
  const order = world.order(buyer, purse, 100n);
  const pieces = Array.from({ length: 12 }, (_, i) => buyer.pay(purse, order, range(i)));
  const accepted = await Promise.all(pieces.map((piece) => accept(piece, 100n)));
  expect(accepted.filter(({ first }) => first)).toHaveLength(1);
  expect(accepted.map(({ paid }) => paid)).toEqual(Array.from({ length: 12 }, (_, i) => BigInt(10 * (i + 1))));
  expect(await accept(pieces[3] ?? new Uint8Array(0), 100n)).toMatchObject({ state: "paid", paid: 120n, credit: 20n });
});

it("a recall between payments: what was accepted is returned, and nothing is accepted after it", async () => {
  const payments = fifty.map((i) => world.payment(buyer, purse, 10n, range(i)));
  const [issued] = world.issuer.purses;
  if (issued === undefined) throw new Error("no purse");
  const early = payments.slice(0, 25).map((payment) => outcome(accept(payment, 10n)));
  const returned = world.seller.recall(world.issuer.recall(issued.id));
  // Those come while the purse is on its way back, and nothing is on the disk yet.
  await new Promise((resolve) => setImmediate(resolve));
  const late = payments.slice(25).map((payment) => outcome(accept(payment, 10n)));
  const outcomes = await Promise.all([...early, ...late]);
  const { refused } = await world.issuer.returned(await returned);
  expect(refused).toEqual([]);
  expect(issued.redeemed.size).toBe(outcomes.filter((each) => each === "paid").length);
  expect(Object.keys(counted(outcomes)).sort()).toEqual(["paid", "purse-recalled"]);
  const after = await Promise.all(payments.map((payment) => outcome(accept(payment, 10n))));
  expect(after).toEqual(outcomes);
  expect(await world.seller.audit()).toEqual([]);
});

it("a purse of which every other token was taken is returned, though one message does not name them all", async () => {
  const large = await world.purse(buyer, { denominations: [{ value: 1n, count: 33_000 }] });
  const ranges = Array.from({ length: 16_400 }, (_, i) => ({ first: 2 * i, count: 1 }));
  const price = BigInt(ranges.length);
  expect(await accept(world.payment(buyer, large, price, ranges), price)).toMatchObject({ state: "paid" });
  const issued = world.issuer.purses.find(({ id }) => equalBytes(id, large.share.purse));
  if (issued === undefined) throw new Error("no purse");
  const { refused } = await world.issuer.returned(await world.seller.recall(world.issuer.recall(issued.id)));
  expect([refused, issued.redeemed.size]).toEqual([[], ranges.length]);
  expect((await world.seller.redeem()).failed).toEqual([]);
  expect(world.seller.balance()).toMatchObject([{ accepted: price, credited: price }]);
});

it("books that cannot be written answer nobody; the same order again is paid when they can be", async () => {
  const payment = world.payment(buyer, purse, 30n, range(0, 3));
  await sql`create trigger full before insert on seller_acceptance begin select raise(abort, 'disk full'); end`.execute(
    world.database,
  );
  expect(await outcome(accept(payment, 30n))).toBe("not-written");
  expect(await outcome(accept(payment, 30n))).toBe("not-written");
  expect(await outcome(accept(world.payment(buyer, purse, 10n, range(1)), 10n))).toBe("half-spent");
  await sql`drop trigger full`.execute(world.database);
  expect(await accept(payment, 30n)).toMatchObject({ state: "paid", paid: 30n });
  expect(await world.seller.audit()).toEqual([]);
  await world.restart();
  expect(await accept(payment, 30n)).toMatchObject({ state: "paid", paid: 30n, first: false });
});
