import { describe, expect, test } from "vitest";
import { deposit } from "../../host/applications/deposit.js";
import { pay, payRequested } from "../../host/applications/pay.js";
import { receive, request } from "../../host/applications/receive.js";
import { answerResume, resume } from "../../host/applications/resume.js";
import { withdraw } from "../../host/applications/withdraw.js";
import { type Disturbance, inProcessLink } from "../../host/communications/in-process.js";
import { Device } from "../../host/device.js";
import { ReasonError } from "../../host/reasons.js";
import { noteValues } from "../../host/services/teller.js";
import { parseMoney } from "../../host/units.js";
import { audit } from "../../host/world/audit.js";
import { accountOf, BankWorld, PIN, spendable } from "../support/bank-world.js";

const USD = 840;
const usd = (text: string) => parseMoney(`USD ${text}`);

async function payOver(world: BankWorld, payer: Device, payee: Device, amount: string, disturbance?: Disturbance) {
  const [near, far] = inProcessLink(disturbance, world.time);
  return world.time.run(Promise.allSettled([pay(payer, near, usd(amount)), receive(payee, far)]));
}

describe("withdraw, pay, deposit", () => {
  test("money goes from an account to a friend's account, and the books follow", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 50.00");
    const bob = await world.customer("bob", "USD 1.00");
    expect(await spendable(alice, USD)).toBe(5_000n);
    expect(await world.books.depositBalance("alice-840")).toBe(5_000n);

    const [paid, received] = await payOver(world, alice, bob, "12.34");
    expect(paid).toMatchObject({ status: "fulfilled", value: { confirmed: true } });
    expect(received.status).toBe("fulfilled");
    expect(await spendable(alice, USD)).toBe(3_766n);
    expect(await spendable(bob, USD)).toBe(1_334n);
    expect(await alice.module.pending()).toEqual([]);
    expect(await bob.module.pending()).toEqual([]);

    await world.time.run(deposit(bob, world.bank, "bob-840", usd("13.00")));
    await world.bank.idle();
    expect(await spendable(bob, USD)).toBe(34n);
    expect(await world.books.depositBalance("bob-840")).toBe(100n + 1_300n);
    const outstanding = await world.books.balance("money-issued", usd("1").unit);
    expect(outstanding).toBe(3_766n + 34n + (await spendable(world.bank.teller, USD)));
    expect(await world.books.audit()).toEqual([]);
  });

  test("a till states the amount, the payer agrees or not", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 5.00");
    const till = await world.module("till");
    const sell = (agree: boolean) => {
      const [near, far] = inProcessLink();
      return world.time.run(
        Promise.allSettled([
          payRequested(alice, near, ({ money }) => agree && money.amount === 123n),
          request(till, far, usd("1.23"), "coffee"),
        ]),
      );
    };
    const [refused, unpaid] = await sell(false);
    expect(refused.status === "rejected" && refused.reason).toBeInstanceOf(ReasonError);
    expect(unpaid.status === "rejected" && unpaid.reason).toMatchObject({ byPeer: true });
    const [paid, got] = await sell(true);
    expect([paid.status, got.status]).toEqual(["fulfilled", "fulfilled"]);
    expect(await spendable(till, USD)).toBe(123n);
  });

  test("a payee that refuses the amount is offered another one", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 5.00");
    const bob = await world.module("bob");
    const [near, far] = inProcessLink();
    const [paid, got] = await world.time.run(
      Promise.allSettled([
        pay(alice, near, usd("3.00"), { newAmount: () => usd("2.00") }),
        receive(bob, far, ({ money }) => (money.amount === 200n ? true : 129)),
      ]),
    );
    expect([paid.status, got.status]).toEqual(["fulfilled", "fulfilled"]);
    expect(await spendable(bob, USD)).toBe(200n);
  });

  test("what is not there cannot be paid, nor withdrawn, nor from another's account", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 5.00");
    const bob = await world.customer("bob", "USD 1.00");
    const [paid] = await payOver(world, alice, bob, "5.01");
    expect(paid.status === "rejected" && paid.reason).toMatchObject({ reason: 123 });
    const take = (account: string, amount: string) => world.time.run(withdraw(alice, world.bank, account, usd(amount)));
    await expect(take(accountOf("alice", usd("1")), "5.01")).rejects.toThrow(ReasonError);
    await expect(take(accountOf("bob", usd("1")), "0.50")).rejects.toThrow(ReasonError);
    await world.bank.idle();
    expect(await world.books.depositBalance("bob-840")).toBe(100n);
    expect(await world.books.openWithdrawals()).toEqual([]);
  });

  test("nothing of a sealed message, an amount or a key is readable on the way between devices", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 5.00");
    const bob = await world.module("bob");
    world.envelopes.length = 0;
    await payOver(world, alice, bob, "1.00");
    const between = world.envelopes.filter(({ to }) => to === "peer");
    expect(between.length).toBeGreaterThan(5);
    for (const { body } of between) {
      const bytes = Buffer.from(body);
      expect(bytes.includes(Buffer.from(alice.module.id)), "payer's id").toBe(false);
      expect(bytes.includes(Buffer.from(bob.module.id)), "payee's id").toBe(false);
    }
  });
});

describe("a cable that is pulled", () => {
  test("at any message: after resuming both ends agree, and no cent is made or lost", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 20.00");
    const bob = await world.module("bob");
    let total = 0n;
    let settledByResume = 0;
    let doubts = 0;
    for (let cutAt = 0; cutAt < 14; cutAt += 1) {
      let count = 0;
      const before = await spendable(alice, USD);
      const [paid, received] = await payOver(world, alice, bob, "1.00", () =>
        count++ === cutAt ? { kind: "cut" } : { kind: "deliver" },
      );
      const lines = await audit([alice, bob, world.bank.teller, world.generator], [world.bank]);
      expect(
        lines.every((line) => line.balanced),
        `audit, cut at ${cutAt}`,
      ).toBe(true);
      doubts += lines[0]?.inDoubt === 0n ? 0 : 1;
      if (paid.status === "rejected" || received.status === "rejected" || !paid.value.confirmed) {
        const [near, far] = inProcessLink();
        const [one] = await world.time.run(Promise.all([resume(alice, near), answerResume(bob, far)]));
        settledByResume += one.committed + one.aborted;
      }
      const moved = before - (await spendable(alice, USD));
      expect([0n, 100n]).toContain(moved);
      total += moved;
      expect(await spendable(bob, USD)).toBe(total);
      expect((await alice.module.pending()).concat(await bob.module.pending())).toEqual([]);
    }
    expect(total).toBeGreaterThan(0n);
    expect(settledByResume).toBeGreaterThan(0);
    expect(doubts).toBeGreaterThan(0);
  });

  test("while one payment is open no other begins with that peer", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 20.00");
    const bob = await world.module("bob");
    const cutAfterReady: Disturbance = (direction, index) =>
      direction === 0 && index >= 4 ? { kind: "cut" } : { kind: "deliver" };
    const [, received] = await payOver(world, alice, bob, "1.00", cutAfterReady);
    expect(received.status).toBe("rejected");
    const [again] = await payOver(world, alice, bob, "1.00");
    expect(again.status === "rejected" && again.reason).toMatchObject({ reason: 164 });
  });

  test("losses, repeats and disorder only cost time", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 20.00");
    const bob = await world.module("bob");
    let paidTotal = 0n;
    for (let seed = 0; seed < 12; seed += 1) {
      const random = world.random.fork(`links ${seed}`);
      const [paid, received] = await payOver(world, alice, bob, "0.50", () => {
        const draw = random.below(10);
        if (draw === 0) return { kind: "lose" };
        if (draw === 1) return { kind: "repeat", times: 1 };
        return draw === 2 ? { kind: "delay", delay_ms: 30_000 } : { kind: "deliver" };
      });
      if (paid.status === "fulfilled") paidTotal += 50n;
      expect(received.status, `seed ${seed}`).toBe(paid.status);
    }
    expect(paidTotal).toBeGreaterThan(300n);
    expect(await spendable(bob, USD)).toBe(paidTotal);
  });
});

describe("date and time", () => {
  test("a host a moment behind an issuer's date opens its chip; one that is far behind is told to set its clock", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 1.00");
    const floor = (await alice.module.counters()).clockFloor_seconds;
    expect(floor).toBeGreaterThan(0n);
    const at = (now: bigint) => {
      const clock = { now_seconds: () => now };
      return new Device({ name: "alice", module: alice.module, clock, timers: world.time }).unlock(PIN);
    };
    await at(floor - 2n);
    expect((await alice.module.counters()).now_seconds).toBeGreaterThanOrEqual(floor);
    await expect(at(floor - 3600n)).rejects.toThrow(/Set the clock/);
  });
});

describe("power that goes", () => {
  test("everything that was committed is there after a restart", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 9.99");
    await alice.restart(PIN);
    expect(await spendable(alice, USD)).toBe(999n);
    const bob = await world.module("bob");
    const [paid] = await payOver(world, alice, bob, "9.99");
    expect(paid.status).toBe("fulfilled");
    await bob.restart(PIN);
    expect(await spendable(bob, USD)).toBe(999n);
  });
});

test("fresh notes are few and add up", () => {
  expect(noteValues(1_234n)).toEqual([1_000n, 200n, 20n, 10n, 2n, 2n]);
  expect(noteValues(999n)).toEqual([500n, 200n, 200n, 50n, 20n, 29n]);
  for (const amount of [1n, 99n, 9_999n, 123_456_789n, 2n ** 63n - 1n]) {
    const values = noteValues(amount);
    expect(values.length).toBeLessThanOrEqual(6);
    expect(values.reduce((total, value) => total + value, 0n)).toBe(amount);
  }
});
