/**
 * Refresh: notes that are old, have come far, or have a listed ancestor are exchanged for fresh ones at a teller, whoever's fault
 * they are (docs/PROTOCOLS.md, section 7). Nothing is lost by it, and nobody else's money can be had.
 */

import { describe, expect, test } from "vitest";
import { HOPS_MAX, PACKET_NOTES_MAX, WALLET_NOTES_MAX } from "../../firmware/protocol/limits.js";
import {
  REASON_DECLINED,
  REASON_HOP_LIMIT,
  REASON_LIMIT,
  REASON_ONLY_TO_TELLER,
  REASON_PAST_REDEMPTION,
  REASON_STORE_FULL,
} from "../../firmware/protocol/reasons.js";
import { deposit } from "../../host/applications/deposit.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import { isDue, RefreshBrokenOffError, type RefreshOptions, refresh } from "../../host/applications/refresh.js";
import { runTransfer } from "../../host/applications/transfer.js";
import { type BankConnection, REFRESH_MEMO, withdraw } from "../../host/applications/withdraw.js";
import type { SimulatedChip } from "../../host/chips.js";
import { command } from "../../host/commands.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import type { Device } from "../../host/device.js";
import type { NoteSummary } from "../../host/element-data.js";
import { ReasonError } from "../../host/reasons.js";
import type { Finding } from "../../host/services/reconciliation.js";
import { TellerService } from "../../host/services/teller.js";
import { parseMoney, unitOf } from "../../host/units.js";
import { audit } from "../../host/world/audit.js";
import { BankWorld, PIN, spendable } from "../support/bank-world.js";
import { reasonOf } from "../support/refusals.js";

const USD = 840;
const EUR = 978;
const DAY = 86_400;
const YEAR = 365 * DAY;
const usd = (text: string) => parseMoney(`USD ${text}`);
const dollar = unitOf("USD");

const refreshed = (world: BankWorld, device: Device, options?: RefreshOptions, bank: BankConnection = world.bank) =>
  world.time.run(refresh(device, bank, options)).finally(() => world.bank.idle());

const wait = (world: BankWorld, seconds: number) => world.time.clock.advance(seconds * 1000);

async function hand(world: BankWorld, payer: Device, payee: Device, text: string): Promise<void> {
  const [a, b] = inProcessLink();
  const receiving = receive(payee, b);
  const [sent, received] = await world.time.run(Promise.allSettled([pay(payer, a, usd(text)), receiving]));
  if (sent.status === "rejected") throw sent.reason;
  if (received.status === "rejected") throw received.reason;
}

/** Alice opens her chip in a laboratory, and spends what is in it twice. */
async function spendTwice(world: BankWorld, alice: Device, one: Device, other: Device): Promise<void> {
  const { simulated } = world.simulated.get(alice.name) as SimulatedChip;
  const copy = simulated.snapshot();
  await hand(world, alice, one, "10.00");
  simulated.restore(copy);
  await alice.restart(PIN);
  await hand(world, alice, other, "10.00");
}

/** A bank that is reached to pay in, and not to be paid by. */
function oneWay(world: BankWorld): BankConnection {
  return {
    connect: (expected) =>
      expected === undefined ? world.bank.connect() : Promise.reject(new Error("the line is down")),
    refreshOwed: (id) => world.bank.refreshOwed(id),
  };
}

/** A customer who has notes made and goes away: they lie in the till. */
async function stock(world: BankWorld, text: string): Promise<void> {
  const before = await spendable(world.bank.teller, USD);
  (await world.bank.connect(usd(text))).close();
  await world.time.run(world.bank.idle());
  expect(await spendable(world.bank.teller, USD)).toBe(before + usd(text).amount);
}

/** Money balances, books balance, and the books hold what the teller holds. */
async function expectAgreement(world: BankWorld, ...devices: Device[]): Promise<void> {
  const lines = await audit([...devices, world.bank.teller, world.generator], [world.bank]);
  expect(lines.filter((line) => !line.balanced)).toEqual([]);
  expect(await world.books.audit()).toEqual([]);
  for (const { currency } of [dollar, unitOf("EUR")]) {
    const unit = { currency, exponent: 2 };
    expect(await world.books.balance("in-transit", unit)).toBe(0n);
    expect(await world.books.balance("money-held", unit)).toBe(await spendable(world.bank.teller, currency));
  }
  for (const device of [...devices, world.bank.teller, world.generator]) {
    expect(await device.module.pending()).toEqual([]);
  }
}

async function owed(world: BankWorld, device: Device): Promise<bigint> {
  return (await world.books.refreshOwed(device.module.idHex)).reduce((sum, { amount }) => sum + amount, 0n);
}

describe("which notes are due", () => {
  const now = 1_000 * DAY;
  const rests = { expired: false, atHopLimit: false, listedAncestor: false, lapsed: false };
  const note: NoteSummary = {
    noteId: new Uint8Array(16),
    money: usd("1.00"),
    expiry_seconds: now + 100 * DAY,
    finalRedemption_seconds: now + 200 * DAY,
    hops: 3,
    spendable: true,
    redeeming: false,
    place: 0,
    rests,
  };
  const cases: readonly (readonly [string, Partial<NoteSummary>, RefreshOptions, boolean])[] = [
    ["a good one", {}, {}, false],
    ["a good one, when all are", {}, { all: true }, true],
    ["30 days before expiry", { expiry_seconds: now + 30 * DAY }, {}, true],
    ["31 days before", { expiry_seconds: now + 31 * DAY }, {}, false],
    ["31 days before, of 40", { expiry_seconds: now + 31 * DAY }, { days: 40 }, true],
    ["1 day before, of none", { expiry_seconds: now + DAY }, { days: 0 }, false],
    ["expired", { expiry_seconds: now - 1, rests: { ...rests, expired: true } }, { days: 0 }, true],
    ["at the hop limit", { hops: HOPS_MAX - 1, rests: { ...rests, atHopLimit: true } }, {}, true],
    ["two short of the last hop", { hops: HOPS_MAX - 2 }, {}, true],
    ["three short of it", { hops: HOPS_MAX - 3 }, {}, false],
    ["with a listed ancestor", { rests: { ...rests, listedAncestor: true } }, {}, true],
    ["lapsed", { expiry_seconds: now - DAY, rests: { ...rests, expired: true, lapsed: true } }, { all: true }, false],
    ["in doubt", { spendable: false, expiry_seconds: now }, { all: true }, false],
  ];
  test.each(cases)("%s", (_name, change, options, due) => {
    expect(isDue({ ...note, ...change }, now, options)).toBe(due);
  });
});

describe("refresh", () => {
  test("nothing is due: nothing is done", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 10.00");
    const before = await alice.module.digest();
    const notes = (await alice.module.notes()).length;
    expect(await refreshed(world, alice)).toEqual([
      { unit: dollar, amount: 0n, notesBefore: notes, notesAfter: notes, lapsed: 0n },
    ]);
    expect(await alice.module.digest()).toEqual(before);
    for (const days of [-1, 0.5, Number.NaN])
      await expect(refresh(alice, world.bank, { days })).rejects.toThrow(/days/);
  });

  test("expired notes come back fresh, and can be paid on", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 10.00");
    const bob = await world.module("bob");
    wait(world, YEAR + DAY);
    expect(await reasonOf(hand(world, alice, bob, "4.00"))).toBe(REASON_ONLY_TO_TELLER);
    expect(await refreshed(world, alice)).toMatchObject([{ unit: dollar, amount: 1_000n, lapsed: 0n }]);
    for (const note of await alice.module.notes()) {
      expect([note.hops, note.rests.expired]).toEqual([2, false]);
      expect(note.expiry_seconds).toBeGreaterThan(Number(world.time.now_seconds()) + 60 * DAY);
    }
    await hand(world, alice, bob, "4.00");
    await expectAgreement(world, alice, bob);
    expect(await world.books.balance("fraud-loss", dollar)).toBe(0n);
  });

  test("what the till gives back is due no sooner than a new note: old stock is not given out", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 10.00");
    await stock(world, "50.00");
    wait(world, YEAR - 20 * DAY);
    expect(await refreshed(world, alice)).toMatchObject([{ amount: 1_000n }]);
    const due = (await alice.module.notes()).filter((note) =>
      isDue(note, Number(world.time.now_seconds()), { days: 60 }),
    );
    expect(due).toEqual([]);
    await expectAgreement(world, alice);
  });

  test("a till full of expired notes stands in nobody's way", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 10.00");
    await stock(world, "50.00");
    wait(world, YEAR + DAY);
    await world.time.run(withdraw(alice, world.bank, "alice-840", usd("5.00")));
    await world.bank.idle();
    await expectAgreement(world, alice);
  });

  test("a note at the hop limit comes back, and goes from hand to hand again", async () => {
    const world = await BankWorld.create();
    let holder = await world.customer("alice", "USD 10.00");
    const devices = [holder];
    for (let hops = 3; hops < HOPS_MAX; hops += 1) {
      const next = await world.module(`holder ${hops}`);
      devices.push(next);
      await hand(world, holder, next, "10.00");
      holder = next;
    }
    const other = await world.module("other");
    expect(await reasonOf(hand(world, holder, other, "10.00"))).toBe(REASON_ONLY_TO_TELLER);
    expect(await refreshed(world, holder)).toMatchObject([{ amount: 1_000n }]);
    await hand(world, holder, other, "10.00");
    await expectAgreement(world, ...devices, other);
  });

  test("a note with a listed ancestor comes back whole: its holder is honest, the loss is the bank's", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 10.00");
    const [bob, carol, dave] = [await world.module("bob"), await world.module("carol"), await world.module("dave")];
    await spendTwice(world, alice, bob, carol);
    await refreshed(world, bob, { all: true });
    await world.books.openDeposit("victim", dollar);
    expect(await world.bank.findings()).toEqual([]);
    // Half of the other copy at the counter, and it is known who did it.
    await world.time.run(deposit(carol, world.bank, "victim", usd("5.00")));
    await world.bank.idle();
    expect((await world.bank.findings()).map(({ culprit }) => culprit)).toContain(alice.module.idHex);
    for (const { module } of [carol, dave]) expect(await world.badIds.deliver(module)).toBe(true);
    expect((await carol.module.notes()).map((note) => note.rests.listedAncestor)).toEqual([true]);
    expect(await reasonOf(hand(world, carol, dave, "5.00"))).toBe(REASON_ONLY_TO_TELLER);
    // A good note beside it is the one that is paid with, also after power-up.
    await hand(world, bob, carol, "5.00");
    await hand(world, carol, dave, "2.00");
    await carol.restart(PIN);
    await hand(world, carol, dave, "3.00");
    expect((await carol.module.notes()).map((note) => note.rests.listedAncestor)).toEqual([true]);

    expect(await refreshed(world, carol)).toMatchObject([{ amount: 500n }]);
    await hand(world, carol, dave, "5.00");
    await expectAgreement(world, alice, bob, carol, dave);
    expect(await world.books.balance("fraud-loss", dollar)).toBe(1_000n);
    expect([await spendable(bob, USD), await spendable(dave, USD)]).toEqual([500n, 1_000n]);
  });

  test("who runs the bank is told at once that a note came back more than once, and by whom", async () => {
    const world = await BankWorld.create();
    const told: Finding[] = [];
    const { books, database, generator, reconciliation, badIds } = world;
    const parts = { books, database, generator, reconciliation, badIds, teller: world.bank.teller };
    world.bank = await TellerService.open({ ...parts, onFinding: (finding) => void told.push(finding) });
    const alice = await world.customer("alice", "USD 10.00");
    const [bob, carol] = [await world.module("bob"), await world.module("carol")];
    await spendTwice(world, alice, bob, carol);
    await refreshed(world, bob, { all: true });
    expect(told).toEqual([]);
    await refreshed(world, carol, { all: true });
    expect(told.map(({ culprit }) => culprit)).toContain(alice.module.idHex);
    const count = told.length;
    await world.time.run(deposit(bob, world.bank, "alice-840", usd("1.00")));
    await world.bank.idle();
    expect(told).toHaveLength(count);
    expect(await books.losses()).toEqual([{ unit: dollar, amount: 1_000n }]);
  });

  test("a note past its final redemption date is refused for its own reason, and the ones beside it come back", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 10.00");
    wait(world, YEAR + 100 * DAY);
    await world.time.run(withdraw(alice, world.bank, "alice-840", usd("3.00")));
    await world.bank.idle();
    wait(world, YEAR - 100 * DAY);
    const [lapsed] = (await alice.module.notes()).filter((note) => note.rests.lapsed);
    const attempt = alice.converse((await world.bank.connect()) ?? undefined, "module", async (conversation) => {
      await conversation.command(command.payNotes([lapsed?.place ?? -1], null));
      return runTransfer(alice, conversation, {});
    });
    expect(await reasonOf(world.time.run(attempt))).toBe(REASON_PAST_REDEMPTION);
    await world.time.run(world.bank.idle());
    expect(await refreshed(world, alice, { all: true })).toMatchObject([{ amount: 300n, lapsed: 1_000n }]);
    expect(await spendable(alice, USD)).toBe(1_300n);
    expect(await owed(world, alice)).toBe(0n);
    await expectAgreement(world, alice);
  });

  test("small change in two currencies comes back as few notes, and says so for each", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 10.00", "EUR 20.00");
    const change = { USD: 2 * PACKET_NOTES_MAX + 3, EUR: PACKET_NOTES_MAX + 1 };
    for (const [code, count] of Object.entries(change)) {
      const money = parseMoney(`${code} 0.01`);
      for (let i = 0; i < count; i += 1) {
        await world.time.run(withdraw(alice, world.bank, `alice-${money.unit.currency}`, money));
      }
    }
    await world.bank.idle();
    const count = async (currency: number) =>
      (await alice.module.notes()).filter(({ money }) => money.unit.currency === currency).length;
    const before = [await count(USD), await count(EUR)];
    expect(before[0]).toBeGreaterThan(2 * PACKET_NOTES_MAX);
    const results = await refreshed(world, alice, { all: true });
    const after = [await count(USD), await count(EUR)];
    expect(results).toMatchObject([
      { unit: { currency: USD }, amount: 1_019n, notesBefore: before[0], notesAfter: after[0] },
      { unit: { currency: EUR }, amount: 2_009n, notesBefore: before[1], notesAfter: after[1] },
    ]);
    for (const each of after) expect(each).toBeLessThanOrEqual(6);
    expect([await spendable(alice, USD), await spendable(alice, EUR)]).toEqual([1_019n, 2_009n]);
    await expectAgreement(world, alice);
  });

  test("a full wallet gets back what an earlier refresh left, once what is due has left it", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 10.00");
    await expect(refreshed(world, alice, { all: true }, oneWay(world))).rejects.toThrow(RefreshBrokenOffError);
    for (let i = 0; i < WALLET_NOTES_MAX; i += 1) {
      await world.time.run(withdraw(alice, world.bank, "alice-840", usd("0.01")));
    }
    await world.bank.idle();
    expect(await alice.module.notes()).toHaveLength(WALLET_NOTES_MAX);
    expect(await reasonOf(refreshed(world, alice))).toBe(REASON_STORE_FULL);
    expect(await owed(world, alice)).toBe(1_000n);
    expect(await refreshed(world, alice, { all: true })).toMatchObject([
      { amount: 1_064n, notesBefore: WALLET_NOTES_MAX },
    ]);
    expect(await spendable(alice, USD)).toBe(1_064n);
    await expectAgreement(world, alice);
  });
});

describe("under a spending limit", () => {
  test("everything is refreshed, broken off or not; to no account of a customer goes more than the limit", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 10.00");
    const bob = await world.customer("bob", "USD 1.00");
    await alice.module.setLimit(PIN, { unit: dollar, payment: 1n, day: 1n });
    await expect(refreshed(world, alice, { all: true }, oneWay(world))).rejects.toThrow(/owes to this module/);
    expect(await owed(world, alice)).toBe(1_000n);
    await world.time.run(withdraw(alice, world.bank, REFRESH_MEMO, usd("4.00")));
    await world.bank.idle();
    expect(await refreshed(world, alice)).toMatchObject([{ amount: 600n }]);
    expect(await refreshed(world, alice, { all: true })).toMatchObject([{ amount: 1_000n }]);
    for (const account of ["alice-840", "bob-840"]) {
      expect(await reasonOf(world.time.run(deposit(alice, world.bank, account, usd("0.02"))))).toBe(REASON_LIMIT);
      await world.bank.idle();
    }
    expect(await spendable(alice, USD)).toBe(1_000n);
    expect((await alice.module.limits())[0]?.spentToday).toBe(0n);
    await expectAgreement(world, alice, bob);
  });
});

describe("the account of what is being refreshed", () => {
  async function brokenOff() {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 10.00", "EUR 20.00");
    const bob = await world.customer("bob", "USD 1.00");
    const broken = refreshed(world, alice, { all: true }, oneWay(world));
    await expect(broken).rejects.toThrow(/owes to this module/);
    expect(await world.books.refreshOwed(alice.module.idHex)).toEqual([
      { unit: { currency: USD, exponent: 2 }, amount: 1_000n },
      { unit: { currency: EUR, exponent: 2 }, amount: 2_000n },
    ]);
    await expectAgreement(world, alice, bob);
    return { world, alice, bob };
  }

  test("is the module's alone: no other can draw on it, whatever it says", async () => {
    const { world, alice, bob } = await brokenOff();
    const { idHex } = alice.module;
    const memos = [
      REFRESH_MEMO,
      idHex,
      "@",
      "@*",
      "@%",
      `@${idHex.slice(0, 31)}`,
      `${REFRESH_MEMO}/${idHex.slice(0, 23)}`,
      `refresh/${idHex.slice(0, 24)}`,
      `../refresh/${idHex.slice(0, 21)}`,
    ];
    for (const memo of memos) {
      for (const money of [usd("10.00"), usd("0.01"), parseMoney("EUR 20.00")]) {
        expect(await reasonOf(world.time.run(withdraw(bob, world.bank, memo, money))), memo).toBe(REASON_DECLINED);
        await world.bank.idle();
      }
    }
    expect(await owed(world, alice)).toBe(3_000n);
    expect(await owed(world, bob)).toBe(0n);
    // Nor can a module pay into another's, or into none.
    for (const memo of memos.slice(1)) {
      expect(await reasonOf(world.time.run(deposit(bob, world.bank, memo, usd("0.50")))), memo).toBe(REASON_DECLINED);
      await world.bank.idle();
    }
    await expectAgreement(world, alice, bob);
    expect(await spendable(bob, USD)).toBe(100n);
  });

  test("gives no more than is on it, and nothing of another currency", async () => {
    const { world, alice } = await brokenOff();
    for (const money of [usd("10.01"), parseMoney("EUR 20.01"), parseMoney("GBP 1.00")]) {
      expect(await reasonOf(world.time.run(withdraw(alice, world.bank, REFRESH_MEMO, money)))).toBe(REASON_DECLINED);
      await world.bank.idle();
    }
    expect(await owed(world, alice)).toBe(3_000n);
  });

  test("is finished by the next refresh, though nothing is due", async () => {
    const { world, alice, bob } = await brokenOff();
    expect(await refreshed(world, alice)).toMatchObject([
      { unit: { currency: USD }, amount: 1_000n, notesBefore: 0 },
      { unit: { currency: EUR }, amount: 2_000n, notesBefore: 0 },
    ]);
    expect(await owed(world, alice)).toBe(0n);
    await expectAgreement(world, alice, bob);
  });

  test("is finished by withdrawals that name it, in parts", async () => {
    const { world, alice, bob } = await brokenOff();
    for (const text of ["USD 4.00", "USD 6.00", "EUR 20.00"]) {
      await world.time.run(withdraw(alice, world.bank, REFRESH_MEMO, parseMoney(text)));
      await world.bank.idle();
    }
    expect(await owed(world, alice)).toBe(0n);
    expect([await spendable(alice, USD), await spendable(alice, EUR)]).toEqual([1_000n, 2_000n]);
    await expectAgreement(world, alice, bob);
  });

  test("a counter that refuses a packet gives back what it took before", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 10.00");
    for (let i = 0; i < 2 * PACKET_NOTES_MAX; i += 1) {
      await world.time.run(withdraw(alice, world.bank, "alice-840", usd("0.01")));
    }
    await world.bank.idle();
    let packets = 0;
    const moody: BankConnection = {
      connect: async (expected) => {
        if (expected === undefined) packets += 1;
        if (expected === undefined && packets === 2) throw new ReasonError(REASON_HOP_LIMIT, true);
        return world.bank.connect(expected);
      },
      refreshOwed: (id) => world.bank.refreshOwed(id),
    };
    expect(await reasonOf(refreshed(world, alice, { all: true }, moody))).toBe(REASON_HOP_LIMIT);
    expect(packets).toBe(2);
    expect([await spendable(alice, USD), await owed(world, alice)]).toEqual([1_016n, 0n]);
    await expectAgreement(world, alice);
  });

  test("a bank that does not say what it owes is asked for what was paid in", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 10.00", "EUR 20.00");
    const silent: BankConnection = { connect: (expected) => world.bank.connect(expected) };
    expect(await refreshed(world, alice, { all: true }, silent)).toMatchObject([
      { amount: 1_000n },
      { amount: 2_000n },
    ]);
    await expectAgreement(world, alice);
  });
});
