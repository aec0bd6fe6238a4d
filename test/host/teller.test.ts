import { describe, expect, test } from "vitest";
import { deposit } from "../../host/applications/deposit.js";
import { resume } from "../../host/applications/resume.js";
import { runTransfer } from "../../host/applications/transfer.js";
import { withdraw } from "../../host/applications/withdraw.js";
import type { SimulatedChip } from "../../host/chips.js";
import { command } from "../../host/commands.js";
import { inProcessLink, type MessageFate } from "../../host/communications/in-process.js";
import type { Device } from "../../host/device.js";
import type { BankBooks } from "../../host/services/bank-books.js";
import { TellerService } from "../../host/services/teller.js";
import { parseMoney } from "../../host/units.js";
import { audit } from "../../host/world/audit.js";
import { BankWorld, PIN, spendable } from "../support/bank-world.js";

const USD = 840;
const usd = (text: string) => parseMoney(`USD ${text}`);
const unit = usd("1").unit;

type Posting = "withdrawSettle" | "depositSettle" | "redeem" | "issue" | "withdrawReserve";

interface Crash {
  /** Set when the books are to fail. */
  armed: boolean;
  count: number;
}

/** Books that crash the bank's host at one posting: it is never made, and whatever came after is not done either. */
function crashingBooks(books: BankBooks, posting: Posting, crash: Crash): BankBooks {
  return new Proxy(books, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (name === posting && crash.armed) {
        return () => {
          crash.count += 1;
          throw new Error(`the bank's host crashed at ${posting}`);
        };
      }
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function service(world: BankWorld, books: BankBooks, links?: () => ReturnType<typeof inProcessLink>) {
  const { database, generator, reconciliation, badIds } = world;
  const parts = { books, database, teller: world.bank.teller, generator, reconciliation, badIds };
  return TellerService.open(links === undefined ? parts : { ...parts, links });
}

/** Everything that must be true of a bank whose host has recovered, with nobody at the counter. */
async function expectAgreement(
  world: BankWorld,
  bank: TellerService,
  customer: Device,
  account: string,
  total: bigint,
) {
  const lines = await audit([customer, bank.teller, world.generator], [bank]);
  expect(lines.every((line) => line.balanced)).toBe(true);
  expect(await world.books.audit()).toEqual([]);
  expect(await world.books.balance("in-transit", unit)).toBe(0n);
  const held = await world.books.balance("money-held", unit);
  expect(held, "the books hold what the teller's module holds").toBe(await spendable(bank.teller, USD));
  expect((await world.books.depositBalance(account)) + (await spendable(customer, USD))).toBe(total);
  expect(await customer.module.pending()).toEqual([]);
  expect(await bank.teller.module.pending()).toEqual([]);
}

describe("a bank whose host crashes at a posting", () => {
  for (const posting of ["withdrawReserve", "withdrawSettle", "issue"] as const) {
    test(`withdrawal, ${posting}: after recovery books and modules agree`, async () => {
      const world = await BankWorld.create();
      const alice = await world.customer("alice", "USD 10.00");
      const crash = { armed: false, count: 0 };
      const failing = await service(world, crashingBooks(world.books, posting, crash));
      crash.armed = true;
      await world.time.run(Promise.allSettled([withdraw(alice, failing, "alice-840", usd("6.00"))]));
      await failing.idle();
      expect(crash.count).toBeGreaterThan(0);
      const bank = await service(world, world.books);
      // Whatever is open with the teller is settled before the next withdrawal.
      await world.time.run(withdraw(alice, bank, "alice-840", usd("1.00")));
      await bank.idle();
      await expectAgreement(world, bank, alice, "alice-840", 2_000n);
    });
  }

  for (const posting of ["depositSettle", "redeem"] as const) {
    test(`deposit, ${posting}: after recovery it is credited once, to the account that was named`, async () => {
      const world = await BankWorld.create();
      const alice = await world.customer("alice", "USD 10.00");
      const crash = { armed: false, count: 0 };
      const failing = await service(world, crashingBooks(world.books, posting, crash));
      crash.armed = true;
      await world.time.run(Promise.allSettled([deposit(alice, failing, "alice-840", usd("4.00"))]));
      await failing.idle();
      expect(crash.count).toBeGreaterThan(0);
      const bank = await service(world, world.books);
      await bank.recover();
      expect(await world.books.depositBalance("alice-840")).toBe(1_400n);
      await expectAgreement(world, bank, alice, "alice-840", 2_000n);
      expect((await bank.notesEnded(unit)).redeemed).toBe(400n);
    });
  }
});

test("a till that lost power while it was being filled is filled for the next customer", async () => {
  const world = await BankWorld.create();
  const alice = await world.customer("alice", "USD 30.00");
  const { chip } = (world.simulated.get("teller") as SimulatedChip).simulated;
  let at = 0;
  for (let isCut = true; isCut; at += 1) {
    let left = at;
    isCut = false;
    chip.onOperation = () => {
      left -= 1;
      if (left >= 0 || isCut) return undefined;
      isCut = true;
      return { cut: at % 2 === 0 ? "before" : "after" };
    };
    const stock = await spendable(world.bank.teller, USD);
    const [filled] = await world.time.run(Promise.allSettled([world.bank.connect({ unit, amount: stock + 1n })]));
    chip.onOperation = undefined;
    if (filled?.status === "fulfilled") filled.value.close();
    await world.time.run(world.bank.idle());
    await world.bank.teller.restart(PIN);
    await world.time.run(withdraw(alice, world.bank, "alice-840", usd("0.01")));
    await world.bank.idle();
    await world.time.run(world.bank.recover());
    await expectAgreement(world, world.bank, alice, "alice-840", 6_000n);
  }
  expect(at).toBeGreaterThan(10);
});

describe("a bank that dies while fresh notes are on their way", () => {
  test("makes fresh notes again afterwards, and every one is accounted for", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 100.00");
    const { teller } = world.bank;
    for (let cutAt = 0; cutAt < 12; cutAt += 1) {
      let count = 0;
      const [toTeller, toGenerator] = inProcessLink(
        () => ({ kind: count++ === cutAt ? "cut" : "deliver" }),
        world.time,
      );
      const making = world.generator.converse(toGenerator, "module", async (conversation) => {
        await conversation.prepare(command.listen());
        return runTransfer(world.generator, conversation, { answerRequest: () => command.yesWithNotes([500n]) });
      });
      const taking = teller.converse(toTeller, "module", async (conversation) => {
        await conversation.command(command.withdraw(usd("5.00"), null));
        return runTransfer(teller, conversation, { verify: () => true });
      });
      await world.time.run(Promise.allSettled([making, taking]));
      for (const device of [teller, world.generator]) await device.restart(PIN);
      const bank = await world.time.run(service(world, world.books));
      expect(await teller.module.pending(), `cut at ${cutAt}`).toEqual([]);
      expect(await world.generator.module.pending(), `cut at ${cutAt}`).toEqual([]);
      // More than the teller has, so that the generator must make some.
      const needed = { unit, amount: (await spendable(teller, USD)) + 1n };
      await world.time.run(withdraw(alice, bank, "alice-840", needed));
      await bank.idle();
      await expectAgreement(world, bank, alice, "alice-840", 20_000n);
    }
  });
});

test("a till full of what customers had made and never took serves the next one all the same", async () => {
  const world = await BankWorld.create("full till");
  const alice = await world.customer("alice", "USD 20.00");
  const { bank, time } = world;
  // More each time than the largest notes of the till make, so that others are made.
  for (let amount = 99n; amount < 2_000_000n; amount *= 2n) {
    const link = await time.run(bank.connect({ amount, unit }));
    link.close();
    await time.run(bank.idle());
  }
  await time.run(withdraw(alice, bank, "alice-840", usd("9.99")));
  await time.run(deposit(alice, bank, "alice-840", usd("3.33")));
  await time.run(bank.idle());
  await expectAgreement(world, bank, alice, "alice-840", 4_000n);
});

describe("a connection to the bank that breaks at any message", () => {
  for (const kind of ["withdrawal", "deposit"] as const) {
    test(`${kind}: after resuming, account and wallet add up`, async () => {
      const world = await BankWorld.create();
      const alice = await world.customer("alice", "USD 30.00");
      let cutAt = -1;
      let count = 0;
      const fate = (): MessageFate => ({ kind: count++ === cutAt ? "cut" : "deliver" });
      const bank = await service(world, world.books, () => inProcessLink(fate, world.time));
      let moved = 0;
      for (cutAt = 0; cutAt < 16; cutAt += 1) {
        count = 0;
        const before = await spendable(alice, USD);
        const work =
          kind === "withdrawal"
            ? withdraw(alice, bank, "alice-840", usd("1.00"))
            : deposit(alice, bank, "alice-840", usd("1.00"));
        await world.time.run(Promise.allSettled([work]));
        await world.time.run(bank.idle());
        const open = (await alice.module.pending()).length + (await bank.teller.module.pending()).length;
        if (open > 0) {
          count = 1_000;
          await world.time.run(resume(alice, bank.connectForResume()));
          await world.time.run(bank.idle());
        }
        if ((await spendable(alice, USD)) !== before) moved += 1;
        await expectAgreement(world, bank, alice, "alice-840", 6_000n);
      }
      expect(moved).toBeGreaterThan(0);
      expect(moved).toBeLessThan(16);
    });
  }
});

test("what the teller settles in a meeting that then breaks off is booked all the same", async () => {
  const world = await BankWorld.create();
  const alice = await world.customer("alice", "USD 30.00");
  let cutAt = -1;
  let count = 0;
  const fate = (): MessageFate => ({ kind: count++ === cutAt ? "cut" : "deliver" });
  const bank = await service(world, world.books, () => inProcessLink(fate, world.time));
  const meet = async (cut: number) => {
    [cutAt, count] = [cut, 0];
    await world.time.run(Promise.allSettled([resume(alice, bank.connectForResume())]));
    await world.time.run(bank.idle());
  };
  const isPaid = async () => (await alice.module.pending()).some(({ state }) => state === "committed");
  let settled = 0;
  for (let message = 0; message < 7; message += 1) {
    // Alice has paid, and the teller has not heard of it.
    for (let cut = 0; !(await isPaid()); cut += 1) {
      await meet(-1);
      [cutAt, count] = [cut, 0];
      await world.time.run(Promise.allSettled([deposit(alice, bank, "alice-840", usd("0.50"))]));
      await world.time.run(bank.idle());
    }
    const before = await world.books.depositBalance("alice-840");
    await meet(message);
    if (!(await bank.teller.module.pending()).some(({ state }) => state === "in doubt")) {
      settled += 1;
      expect(await world.books.depositBalance("alice-840"), `cut at message ${message}`).toBe(before + 50n);
    }
    await meet(-1);
    await expectAgreement(world, bank, alice, "alice-840", 6_000n);
  }
  expect(settled).toBeGreaterThan(0);
});
