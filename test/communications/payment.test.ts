/** Devices on two hosts: payments and purchases over real sockets on loopback, whose connections break at every message. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterEach, describe, expect, test } from "vitest";
import { TYPE_PURCHASE, TYPE_SALE } from "../../firmware/protocol/messages.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import { answerResume, resume } from "../../host/applications/resume.js";
import { openLine } from "../../host/communications/client.js";
import { LineBrokenError } from "../../host/communications/errors.js";
import { ENVELOPE_CHANNEL, type Line, type SentEnvelope } from "../../host/communications/line.js";
import { LineServer } from "../../host/communications/server.js";
import type { Device } from "../../host/device.js";
import { parseMoney } from "../../host/units.js";
import { audit } from "../../host/world/audit.js";
import { AgentWorld } from "../support/agents.js";
import { BankWorld, spendable } from "../support/bank-world.js";
import { CuttingProxy } from "../support/lines.js";
import { balance, outcomes, trade } from "../support/purchase.js";
import type { VirtualTime } from "../support/virtual-time.js";

const USD = 840;
/** Of a payment: the last of them go to somebody who needs no answer. */
const MESSAGES = 10;
const ONE = parseMoney("USD 1.00");

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Host {
  readonly time: VirtualTime;
  readonly random: { fill(destination: Uint8Array): void };
}

/** A server, a proxy before it, and the two ends of a line through it. */
async function connected({ time, random }: Host): Promise<{ near: Line; far: Line; proxy: CuttingProxy }> {
  let far: Line | undefined;
  const onLine = (line: unknown) => {
    far = line as Line;
  };
  const server = await LineServer.open({ purposes: ["pay"], onLine, timers: time, random });
  const proxy = await CuttingProxy.open(server.address, time);
  const near = await time.run(openLine(proxy.url, "pay", { timers: time, random }));
  cleanups.push(async () => {
    await time.run(proxy.close());
    await time.run(server.close());
  });
  return { near, far: far as Line, proxy };
}

/** While it works, acts at each message that is new, just before it is sent. Their number. */
async function atEachMessage(act: (number: number) => void, work: () => Promise<void>): Promise<number> {
  let number = 0;
  const seen = (message: unknown) => {
    if ((message as SentEnvelope).again) return;
    number += 1;
    act(number);
  };
  subscribe(ENVELOPE_CHANNEL, seen);
  try {
    await work();
  } finally {
    unsubscribe(ENVELOPE_CHANNEL, seen);
  }
  return number;
}

async function open(device: Device): Promise<number> {
  return (await device.module.pending()).length;
}

describe("a payment between two hosts", () => {
  test.each(["before", "behind"] as const)("with the connection cut %s every k-th message is paid", async (where) => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 50.00");
    const bob = await world.module("bob");
    let reconnections = 0;
    for (let k = 1; k <= 12; k += 1) {
      const { near, far, proxy } = await connected(world);
      const cut = (number: number) => {
        if (number % k !== 0) return;
        if (where === "before") proxy.cut();
        else setImmediate(() => proxy.cut());
      };
      const messages = await atEachMessage(cut, async () => {
        const [paid, received] = await world.time.run(Promise.all([pay(alice, near, ONE), receive(bob, far)]));
        expect([paid.confirmed, received.money], `k = ${k}`).toEqual([true, ONE]);
      });
      expect(messages).toBeGreaterThanOrEqual(8);
      reconnections += proxy.connections - 1;
      expect([await open(alice), await open(bob)]).toEqual([0, 0]);
      expect(await spendable(bob, USD)).toBe(100n * BigInt(k));
      for (const cleanup of cleanups.splice(0)) await cleanup();
    }
    expect(reconnections).toBeGreaterThan(20);
    const lines = await audit([alice, bob, world.bank.teller, world.generator], [world.bank]);
    expect(lines.every((line) => line.balanced)).toBe(true);
  });

  test("whose network goes at the k-th message for good is settled over the next line", async () => {
    const world = await BankWorld.create();
    const alice = await world.customer("alice", "USD 50.00");
    const bob = await world.module("bob");
    let moved = 0n;
    let stayed = 0;
    for (let k = 1; k <= MESSAGES; k += 1) {
      const { near, far, proxy } = await connected(world);
      const before = await spendable(alice, USD);
      const fail = (number: number) => {
        if (number !== k) return;
        proxy.isDown = true;
        proxy.cut();
      };
      const seen = await atEachMessage(fail, async () => {
        await world.time.run(Promise.allSettled([pay(alice, near, ONE), receive(bob, far)]));
      });
      expect(seen).toBeGreaterThanOrEqual(Math.min(k, MESSAGES - 1));
      await world.time.run(new Promise<void>((resolve) => near.onClose(resolve)));
      expect(near.fault === undefined || near.fault instanceof LineBrokenError).toBe(true);
      const next = await connected(world);
      await world.time.run(Promise.all([resume(alice, next.near), answerResume(bob, next.far)]));
      expect([await open(alice), await open(bob)], `k = ${k}`).toEqual([0, 0]);
      const gone = before - (await spendable(alice, USD));
      expect([0n, 100n]).toContain(gone);
      moved += gone;
      if (gone === 0n) stayed += 1;
      expect(await spendable(bob, USD), `k = ${k}`).toBe(moved);
      for (const cleanup of cleanups.splice(0)) await cleanup();
    }
    expect([moved > 0n, stayed > 0]).toEqual([true, true]);
  });
});

describe("a purchase and a sale between two hosts", () => {
  test("with the connection cut at every k-th message are done, and both agents sign the same", async () => {
    const world = new AgentWorld("lines");
    const registry = await world.authority("Registry");
    const bank = await world.authority("First Bank");
    const merchant = await world.merchant("Corner Shop", registry);
    const customer = await world.customer("Alice", bank);
    await world.fund([merchant, "USD 100.00"]);
    let reconnections = 0;
    for (const k of [1, 2, 3, 5, 8, 13]) {
      for (const type of [TYPE_PURCHASE, TYPE_SALE]) {
        const { near, far, proxy } = await connected(world);
        const messages = await atEachMessage(
          (number) => number % k === 0 && proxy.cut(),
          async () => {
            const result = await trade(world, customer, merchant, { type, links: [near, far] });
            expect([result.customer.error, result.merchant.error], `k = ${k}`).toEqual([undefined, undefined]);
            const signed = outcomes(world, result.customer.notices);
            expect(signed).toHaveLength(1);
            expect(outcomes(world, result.merchant.notices)).toEqual(signed);
          },
        );
        expect(messages).toBeGreaterThan(15);
        reconnections += proxy.connections - 1;
        const held = type === TYPE_PURCHASE ? [1_000n, 9_000n] : [0n, 10_000n];
        expect([await balance(customer), await balance(merchant)], `k = ${k}`).toEqual(held);
        for (const cleanup of cleanups.splice(0)) await cleanup();
      }
    }
    expect(reconnections).toBeGreaterThan(40);
  });
});
