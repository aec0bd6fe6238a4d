/** A bank's port: strangers on it keep nobody from the counter, and have no money made. */

import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ADDRESS_MODULE, KIND_HANDSHAKE, KIND_SEALED } from "../../firmware/protocol/messages.js";
import { deposit } from "../../host/applications/deposit.js";
import { withdraw } from "../../host/applications/withdraw.js";
import { openLine } from "../../host/communications/client.js";
import type { Line } from "../../host/communications/line.js";
import type { Device } from "../../host/device.js";
import { BankServer } from "../../host/servers/bank-server.js";
import { bankOverLines, LINE } from "../../host/servers/purposes.js";
import { systemTimers } from "../../host/services/clock.js";
import { parseMoney } from "../../host/units.js";
import { audit } from "../../host/world/audit.js";
import { BankWorld, spendable } from "../support/bank-world.js";
import { hurriedTimers } from "../support/hurried.js";

const USD = 840;
const usd = (text: string) => parseMoney(`USD ${text}`);

let world: BankWorld;
let alice: Device;
let server: BankServer;
const strangers: Line[] = [];

beforeEach(async () => {
  world = await BankWorld.create();
  alice = await world.customer("alice", "USD 10.00");
  server = await BankServer.open(world.bank, { timers: hurriedTimers, random: world.random });
});
afterEach(async () => {
  for (const line of strangers.splice(0)) line.close();
  await server.close();
});

const lines = { timers: systemTimers, random: { fill: (bytes: Uint8Array) => void bytes.fill(7) } };
const bank = () => bankOverLines(server.url, lines);

async function stranger(purpose: string = LINE.teller, query = ""): Promise<Line> {
  const line = await openLine(`${server.url}${query}`, purpose, lines);
  strangers.push(line);
  return line;
}

const closed = (line: Line) => new Promise<void>((resolve) => line.onClose(resolve));

async function issued(): Promise<bigint> {
  return (await world.generator.module.issued()).reduce((sum, { amount }) => sum + amount, 0n);
}

async function expectBalanced(...customers: Device[]): Promise<void> {
  const audited = await audit([...customers, world.bank.teller, world.generator], [world.bank]);
  expect(audited.every((line) => line.balanced)).toBe(true);
  expect(await world.books.audit()).toEqual([]);
}

describe("a bank on a port", () => {
  test("pays out and takes back over lines", async () => {
    await withdraw(alice, bank(), "alice-840", usd("4.00"));
    await deposit(alice, bank(), "alice-840", usd("9.00"));
    await world.bank.idle();
    expect(await spendable(alice, USD)).toBe(500n);
    expect(await world.books.depositBalance("alice-840")).toBe(1_500n);
    await expectBalanced(alice);
  });

  test("strangers who say nothing wait for the counter like air, and are cut off", async () => {
    const silent = await Promise.all(Array.from({ length: 20 }, (_, i) => stranger(i % 2 ? LINE.teller : LINE.resume)));
    const gone = silent.map(closed);
    await withdraw(alice, bank(), "alice-840", usd("1.00"));
    await Promise.all(gone);
    expect(await spendable(alice, USD)).toBe(1_100n);
  });

  test("a stranger who begins a handshake and stops loses the counter to the next", async () => {
    const handshake = world.envelopes.find(({ from, kind }) => from === "module" && kind === KIND_HANDSHAKE);
    const first = Uint8Array.of(ADDRESS_MODULE, KIND_HANDSHAKE, ...(handshake?.body ?? []));
    for (const purpose of [LINE.teller, LINE.resume]) {
      const line = await stranger(purpose);
      line.send(first);
      const gone = closed(line);
      await withdraw(alice, bank(), "alice-840", usd("1.00"));
      await gone;
    }
    expect(await spendable(alice, USD)).toBe(1_200n);
    await expectBalanced(alice);
  });

  test("whatever is sent by strangers, customers are served meanwhile", async () => {
    let count = 0;
    const noise = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(noise, fc.constantFrom(LINE.teller, LINE.resume), fc.boolean(), async (said, purpose, fits) => {
        const line = await stranger(purpose);
        for (const bytes of said) line.send(fits ? Uint8Array.of(ADDRESS_MODULE, KIND_SEALED, ...bytes) : bytes);
        await withdraw(alice, bank(), "alice-840", usd("0.01"));
        count += 1;
      }),
      { numRuns: 6 },
    );
    expect(await spendable(alice, USD)).toBe(1_000n + BigInt(count));
    await expectBalanced(alice);
  });
});

describe("fresh notes", () => {
  test("are made for nobody who only says how much would be nice", async () => {
    const before = await issued();
    const wishes = [
      "USD 92233720368547758.07",
      "USD 1000.00",
      "EUR 1.00",
      "JPY 5",
      "",
      "USD",
      "USD -1",
      "x".repeat(400),
    ];
    for (const wish of wishes) await stranger(LINE.teller, `?expect=${encodeURIComponent(wish)}`);
    await stranger(LINE.resume, `?expect=${encodeURIComponent("USD 7.00")}&expect=&module=../../x`);
    await deposit(alice, bank(), "alice-840", usd("1.00"));
    await world.bank.idle();
    expect(await issued()).toBe(before);
  });

  test("nor for whoever asks for more than is on the account, or has none", async () => {
    const before = await issued();
    const bob = await world.module("bob");
    await expect(withdraw(bob, bank(), "alice-840", usd("5.00"))).rejects.toThrow(/No money moved/);
    await expect(withdraw(bob, bank(), "nobody", usd("5.00"))).rejects.toThrow(/No money moved/);
    await expect(withdraw(alice, bank(), "alice-840", usd("10.01"))).rejects.toThrow(/No money moved/);
    await expect(withdraw(alice, bank(), "alice-840", parseMoney("EUR 1.00"))).rejects.toThrow(/Nothing was done/);
    await world.bank.idle();
    expect(await issued()).toBe(before);
    expect(await world.books.openWithdrawals()).toEqual([]);
  });

  test("are made for whoever has it on the account, once, though the teller has none", async () => {
    expect(await spendable(world.bank.teller, USD)).toBe(0n);
    const before = await issued();
    const transfer = await withdraw(alice, bank(), "alice-840", usd("10.00"));
    expect(transfer.confirmed).toBe(true);
    await world.bank.idle();
    expect((await issued()) - before).toBe(1_000n);
    expect(await spendable(alice, USD)).toBe(2_000n);
    expect(await world.books.depositBalance("alice-840")).toBe(0n);
    await expectBalanced(alice);
  });
});

describe("a bank that ends", () => {
  test("serves whoever is at the counter to the end, and nobody who comes later", async () => {
    (await world.bank.connect(usd("5.00"))).close(); // It has the notes.
    await world.bank.idle();
    const come = new Promise<void>((resolve) => server.once("line", () => resolve()));
    const under = withdraw(alice, bank(), "alice-840", usd("2.00"));
    await come;
    const ended = server.close();
    await expect(under).resolves.toMatchObject({ confirmed: true });
    await ended;
    await expect(withdraw(alice, bank(), "alice-840", usd("2.00"))).rejects.toThrow(/Nothing answers.*No money moved/);
    expect(await spendable(alice, USD)).toBe(1_200n);
    await expectBalanced(alice);
  });
});
