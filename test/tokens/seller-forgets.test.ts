/** A seller forgets what nobody needs any more, and nothing else: no half is taken twice, no redemption lost, no order answered wrongly. */

import { channel } from "node:diagnostics_channel";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, it } from "vitest";
import { encodeOrder, encodePayment, readPayment } from "../../host/tokens/messages/payment.js";
import { DURABLE_CHANNEL } from "../../simulator/diagnostics.js";
import { DAY, outcome, range, SellerWorld } from "../support/seller-world.js";
import type { BuyersPurse, TokenBuyer } from "../support/token-buyer.js";

let world: SellerWorld;
let buyer: TokenBuyer;
let purse: BuyersPurse;

beforeEach(async () => {
  world = await SellerWorld.open("forgets", { onDisk: true });
  buyer = world.buyer();
  purse = await world.purse(buyer);
});
afterEach(() => world.close());

const pay = (payment: Uint8Array, price = 10n) => outcome(world.seller.accept(payment, world.expected(price)));

async function rows(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of ["acceptance", "chunk", "presentation", "purse"]) {
    const { rows: found } = await sql<{ n: bigint }>`select count(*) as n from ${sql.table(`seller_${table}`)}`.execute(
      world.database,
    );
    counts[table] = Number(found[0]?.n);
  }
  return counts;
}

/** The purse goes back, and the issuer answers for what was in it. */
async function giveBack(nr = 0): Promise<Uint8Array> {
  const issued = world.issuer.purses[nr];
  if (issued === undefined) throw new Error("no purse");
  const sealed = await world.seller.recall(world.issuer.recall(issued.id));
  expect((await world.seller.redeem()).failed).toEqual([]);
  return sealed;
}

it("forgets a purse that went back, when its orders are old: a repeat is refused, the balance stays", async () => {
  const payments = [0, 1, 2].map((first) => world.payment(buyer, purse, 10n, range(first)));
  for (const payment of payments) expect(await pay(payment)).toBe("paid");
  const sealed = await giveBack();
  const balance = world.seller.balance();
  expect(balance).toMatchObject([{ accepted: 30n, credited: 30n }]);
  expect(await world.seller.forget(DAY)).toEqual({ purses: 0, orders: 0 });
  for (const payment of payments) expect(await pay(payment)).toBe("paid");
  world.now += BigInt(DAY) + 1n;
  expect(await world.seller.forget(DAY)).toEqual({ purses: 1, orders: 3 });
  expect(await rows()).toEqual({ acceptance: 0, chunk: 0, presentation: 1, purse: 1 });
  for (const restarted of [false, true]) {
    if (restarted) await world.restart();
    for (const payment of payments) expect(await pay(payment)).toBe("purse-recalled");
    expect(await pay(world.payment(buyer, purse, 10n, range(50)))).toBe("purse-recalled");
    expect(world.seller.balance()).toEqual(balance);
    expect(await world.seller.audit()).toEqual([]);
    expect(await giveBack()).toEqual(sealed);
    expect(await world.seller.forget(DAY)).toEqual({ purses: 0, orders: 0 });
  }
});

it("forgets a purse past its last second for redemption, when its issuer has answered for everything", async () => {
  const payment = world.payment(buyer, purse, 10n, range(0));
  expect(await pay(payment)).toBe("paid");
  world.now = BigInt(purse.share.redeemBy_seconds) + 1n;
  expect(await world.seller.forget(DAY)).toEqual({ purses: 0, orders: 0 });
  expect(await pay(payment)).toBe("paid");
  expect((await world.seller.redeem()).failed).toEqual([]);
  expect(await world.seller.forget(DAY)).toEqual({ purses: 1, orders: 1 });
  expect(await rows()).toEqual({ acceptance: 0, chunk: 0, presentation: 0, purse: 1 });
  expect(await pay(payment)).toBe("purse-expired");
  expect(world.seller.balance()).toMatchObject([{ accepted: 10n, credited: 10n }]);
});

it("keeps a return that its issuer has not answered, and sends it again", async () => {
  expect(await pay(world.payment(buyer, purse, 10n, range(0)))).toBe("paid");
  const [issued] = world.issuer.purses;
  await world.seller.recall(world.issuer.recall(issued?.id ?? new Uint8Array(16)));
  world.now += BigInt(100 * DAY);
  expect(await world.seller.forget(DAY)).toEqual({ purses: 0, orders: 0 });
  expect((await world.seller.redeem()).credited).toMatchObject([{ amount: 10n }]);
  expect(await world.seller.forget(DAY)).toEqual({ purses: 1, orders: 1 });
});

it("keeps an order that another purse paid for too, whole, until that one is over", async () => {
  const other = await world.purse(buyer, { denominations: [{ value: 10n, count: 5 }] });
  const order = world.order(buyer, purse, 20n);
  const [one, two] = [buyer.pay(purse, order, range(0)), buyer.pay(other, order, range(0))];
  expect([await pay(one, 20n), await pay(two, 20n)]).toEqual(["underpaid", "paid"]);
  const alone = world.payment(buyer, purse, 10n, range(1));
  expect(await pay(alone)).toBe("paid");
  await giveBack();
  world.now += BigInt(2 * DAY);
  expect(await world.seller.forget(DAY)).toEqual({ purses: 0, orders: 0 });
  await world.restart();
  expect([await pay(one, 20n), await pay(two, 20n), await pay(alone)]).toEqual(["paid", "paid", "paid"]);
  await giveBack(1);
  expect(await world.seller.forget(DAY)).toEqual({ purses: 2, orders: 2 });
  expect([await pay(one, 20n), await pay(alone)]).toEqual(["purse-recalled", "purse-recalled"]);
});

it("keeps an order that one payment paid from two purses, until both are over", async () => {
  const other = await world.purse(buyer);
  const order = world.order(buyer, purse, 20n);
  const parts = [purse, other].flatMap((each) => readPayment(buyer.pay(each, order, range(0))).parts);
  const both = encodePayment({ order: encodeOrder(order), parts });
  expect(await pay(both, 20n)).toBe("paid");
  await giveBack();
  world.now += BigInt(2 * DAY);
  expect(await world.seller.forget(DAY)).toEqual({ purses: 0, orders: 0 });
  await world.restart();
  expect(await pay(both, 20n)).toBe("paid");
  await giveBack(1);
  expect(await world.seller.forget(DAY)).toEqual({ purses: 2, orders: 1 });
});

it("keeps an order that is paid more for while it forgets", async () => {
  const other = await world.purse(buyer);
  const order = world.order(buyer, purse, 10n);
  const one = buyer.pay(purse, order, range(0));
  expect(await pay(one)).toBe("paid");
  await giveBack();
  const now = world.now + BigInt(2 * DAY);
  // It asks for the time between what it wrote first and what it reads then.
  let more: Promise<unknown> | undefined;
  let isWritten = false;
  const durable = channel(DURABLE_CHANNEL);
  const written = () => {
    isWritten = true;
  };
  Object.defineProperty(world, "now", {
    get: () => {
      if (isWritten && more === undefined) {
        more = Promise.resolve();
        more = world.seller.accept(buyer.pay(other, order, range(3)), world.expected(10n));
      }
      return now;
    },
  });
  durable.subscribe(written);
  const forgotten = await world.seller.forget(DAY);
  durable.unsubscribe(written);
  expect(forgotten).toEqual({ purses: 0, orders: 0 });
  expect(await more).toMatchObject({ state: "paid", paid: 20n, first: false });
  await world.restart();
  expect(await world.seller.accept(one, world.expected(10n))).toMatchObject({ state: "paid", paid: 20n });
});

it("forgets nothing when it cannot be written", async () => {
  const payment = world.payment(buyer, purse, 10n, range(0));
  expect(await pay(payment)).toBe("paid");
  await giveBack();
  world.now += BigInt(2 * DAY);
  await sql`create trigger full before delete on seller_acceptance begin select raise(abort, 'full'); end`.execute(
    world.database,
  );
  await expect(world.seller.forget(DAY)).rejects.toMatchObject({ code: "not-written" });
  expect(await pay(payment)).toBe("paid");
  expect(await world.seller.audit()).toEqual([]);
  await sql`drop trigger full`.execute(world.database);
  expect(await world.seller.forget(DAY)).toEqual({ purses: 1, orders: 1 });
});

it("dies at any commit of it: either nothing is forgotten or all", async () => {
  const payment = world.payment(buyer, purse, 10n, range(0));
  expect(await pay(payment)).toBe("paid");
  await giveBack();
  world.now += BigInt(2 * DAY);
  const disks: string[] = [];
  const from = world.folder ?? "";
  const happened = () => {
    const disk = mkdtempSync(join(tmpdir(), "tallystick-image-"));
    for (const name of ["seller.db", "seller.db-wal"])
      if (existsSync(join(from, name))) copyFileSync(join(from, name), join(disk, name));
    disks.push(disk);
  };
  const durable = channel(DURABLE_CHANNEL);
  durable.subscribe(happened);
  await world.seller.forget(DAY);
  durable.unsubscribe(happened);
  const answers: string[] = [];
  for (const disk of disks) {
    world.folder = disk;
    await world.restart();
    expect(await world.seller.audit()).toEqual([]);
    expect(world.seller.balance()).toMatchObject([{ accepted: 10n, credited: 10n }]);
    answers.push(await pay(payment));
    await world.seller.forget(DAY);
    expect(await pay(payment)).toBe("purse-recalled");
    expect((await rows()).acceptance).toBe(0);
  }
  expect(new Set(answers)).toEqual(new Set(["paid", "purse-recalled"]));
  world.folder = from;
  await world.restart();
  for (const disk of disks) rmSync(disk, { recursive: true });
});
