/** A wallet on a machine of its own: bank, merchants and directory over the network, and lines that are cut. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parseMoney } from "../../host/units.js";
import { DirectoryUnreachableError, NotAnAddressError } from "../../host/wallet/remote-counterparties.js";
import type { Wallet } from "../../host/wallet/wallet.js";
import { ServedWorld } from "../support/served-world.js";
import { cutAt, has } from "../support/wallets.js";

const usd = (text: string) => parseMoney(`USD ${text}`);
let served: ServedWorld;
let alice: Wallet;

beforeEach(async () => {
  served = await ServedWorld.open();
  alice = await served.wallet("alice");
});
afterEach(() => served.close());

/** Nothing is open anywhere, the books add up, and the card has been debited what the wallets hold. */
async function expectAgreement(): Promise<void> {
  const { world } = served;
  await world.bank.idle();
  for (const { merchant } of world.traders.values()) await merchant.idle();
  expect((await world.audit()).every((line) => line.balanced)).toBe(true);
  expect(await world.books.audit()).toEqual([]);
  expect(await world.network.audit()).toEqual([]);
  for (const { outbox, devices } of world.traders.values()) {
    expect(await outbox.unfinished()).toEqual([]);
    // The last word of a purchase is the customer's, and may be on its way.
    for (const { module } of devices) await vi.waitFor(async () => expect((await module.pending()).length).toBe(0));
  }
}

const account = async () =>
  (await served.world.network.accountBalance("meadow-bank", "current-alice"))?.available ?? 0n;

describe("a wallet that knows the economy by its directory", () => {
  test("buys, sells, withdraws, deposits", async () => {
    const bought = await alice.buy(usd("20.00"));
    expect([bought.merchant, bought.receipt.fee, bought.provisional]).toEqual(["Alder Exchange", 20n, false]);
    await alice.sell(usd("5.00"), undefined, "birch");
    await alice.withdraw(usd("30.00"));
    await alice.deposit(usd("10.00"));
    expect(await has(alice)).toBe(3_500n);
    expect(await served.world.books.depositBalance("alice-840")).toBe(18_000n);
    await expect(alice.buy(usd("1.00"), undefined, "cedar")).rejects.toThrow(/Alder Exchange, Birch Money/);
    await expect(alice.withdraw(usd("999.00"))).rejects.toThrow(/No money moved/);
    await expectAgreement();
  });

  test("is told when the bank is not served, and pays no names", async () => {
    served.isBankServed = false;
    await expect(alice.withdraw(usd("1.00"))).rejects.toThrow(DirectoryUnreachableError);
    await expect(alice.deposit(usd("1.00"))).rejects.toThrow(/bank.*No money moved/);
    await expect(alice.pay("bob", usd("1.00"))).rejects.toThrow(NotAnAddressError);
    served.isBankServed = true;
    await alice.withdraw(usd("1.00"));
    expect(await has(alice)).toBe(100n);
  });

  test("finds a merchant that was started again at another port", async () => {
    await alice.buy(usd("1.00"));
    const before = served.urlOf("alder");
    await served.serve("alder");
    expect(served.urlOf("alder")).not.toBe(before);
    expect((await alice.buy(usd("1.00"))).merchant).toBe("Alder Exchange");
    await expectAgreement();
  });

  for (const direction of ["buy", "sell"] as const) {
    test(`${direction}: the line cut at any message: once resumed, or the next time, all agree`, async () => {
      await alice.withdraw(usd("30.00"));
      const start = { account: await account(), has: await has(alice) };
      let done = 0n;
      let k = 1;
      for (let messages = 1; messages >= k - 1; k += 1) {
        const cut = await cutAt(k, () => Promise.allSettled([alice[direction](usd("1.00"))]));
        messages = cut.messages;
        const { open } = await alice.resume();
        expect(open, `cut at ${k}`).toEqual([]);
        await vi.waitFor(async () => {
          for (const { merchant } of served.world.traders.values()) await merchant.idle();
          const moved = (await has(alice)) - start.has;
          expect(moved === done || moved === done + 100n || moved === done - 100n, `cut at ${k}`).toBe(true);
          const perUnit = direction === "buy" ? -101n : 99n;
          const units = direction === "buy" ? moved / 100n : -moved / 100n;
          expect((await account()) - start.account, `cut at ${k}`).toBe(units * perUnit);
        });
        done = (await has(alice)) - start.has;
      }
      expect(k).toBeGreaterThan(15);
      expect(done === 0n).toBe(false);
      // The merchant may have something in doubt of which the wallet knows nothing: that stands in nobody's way.
      await alice[direction](usd("1.00"));
      await expectAgreement();
    });
  }
});

describe("several customers at once", () => {
  test("a merchant with two devices serves two, the third waits; who is served is not disturbed by a refill", async () => {
    const [bob, carol] = [await served.wallet("bob"), await served.wallet("carol")];
    const trades = await Promise.allSettled([
      alice.buy(usd("55.00"), undefined, "alder"),
      bob.buy(usd("65.00"), undefined, "alder"),
      carol.buy(usd("5.00"), undefined, "alder"),
    ]);
    expect(trades.map(({ status }) => status)).toEqual(Array(3).fill("fulfilled"));
    expect([await has(alice), await has(bob), await has(carol)]).toEqual([5_500n, 6_500n, 500n]);
    await expectAgreement();
  });

  test("a device that is short is refilled by the other, which serves somebody afterwards; then by the bank", async () => {
    const bob = await served.wallet("bob");
    // The first device has USD 60, the second USD 120: together they have it.
    await alice.buy(usd("150.00"), undefined, "alder");
    expect(served.events.filter(({ kind }) => kind === "refilled")).toHaveLength(1);
    // One customer takes its time over the receipt while the other is served by the other device, which runs short.
    let answer: (yes: boolean) => void = () => undefined;
    const thinking = new Promise<boolean>((resolve) => {
      answer = resolve;
    });
    const told: { asked?: () => void } = {};
    const asked = new Promise<void>((resolve) => {
      told.asked = resolve;
    });
    const confirmReceipt = () => {
      told.asked?.();
      return thinking;
    };
    const slow = alice.buy(usd("20.00"), { confirmMerchant: () => true, confirmReceipt }, "alder");
    await asked;
    await bob.buy(usd("40.00"), undefined, "alder");
    answer(true);
    await slow;
    expect(await has(alice)).toBe(17_000n);
    expect(await has(bob)).toBe(4_000n);
    expect(served.events.filter(({ kind }) => kind === "refilled").length).toBeGreaterThan(1);
    await expectAgreement();
  });

  test("strangers with garbage for modules and silent lines keep nobody from a device", async () => {
    const { openLine } = await import("../../host/communications/client.js");
    const { hurriedTimers } = await import("../support/hurried.js");
    const { systemRandom } = await import("../../host/randomness.js");
    const server = served.merchants.get("alder");
    const failed: string[] = [];
    server?.on("failed", ({ message }) => failed.push(message));
    const lines = { timers: hurriedTimers, random: systemRandom };
    for (const query of ["", "?module=", "?module=../../etc", `?module=${"f".repeat(32)}`, "?module=%00&module=x"]) {
      for (const purpose of ["trade", "resume"]) {
        const line = await openLine(`${served.urlOf("alder")}${query}`, purpose, lines);
        if (purpose === "resume") line.send(Uint8Array.of(3, 2, 1));
      }
    }
    await alice.buy(usd("2.00"), undefined, "alder");
    // Who names no module is told by any device that nothing is open.
    await vi.waitFor(() => expect(failed.filter((message) => /has no device/.test(message))).toHaveLength(4));
    expect(await has(alice)).toBe(200n);
  });
});

describe("a merchant with a customer under way", () => {
  /** A purchase that waits for its owner's yes to the receipt. */
  async function thinking(): Promise<{ bought: Promise<unknown>; yes: () => void }> {
    let yes: () => void = () => undefined;
    let bought: Promise<unknown> = Promise.resolve();
    await new Promise<void>((asked) => {
      const confirmReceipt = () =>
        new Promise<boolean>((resolve) => {
          yes = () => resolve(true);
          asked();
        });
      bought = alice.buy(usd("3.00"), { confirmMerchant: () => true, confirmReceipt }, "birch");
    });
    return { bought, yes };
  }

  test("serves it to the end before it ends, and nobody else", async () => {
    const { bought, yes } = await thinking();
    const bob = await served.wallet("bob");
    const ended = served.merchants.get("birch")?.close();
    await expect(bob.buy(usd("1.00"), undefined, "birch")).rejects.toThrow(/did not answer/);
    yes();
    await expect(bought).resolves.toMatchObject({ merchant: "Birch Money" });
    await ended;
    expect([await has(alice), await has(bob)]).toEqual([300n, 0n]);
    await expectAgreement();
  });

  test("recovers what was open when its device is free, and disturbs nobody", async () => {
    const { bought, yes } = await thinking();
    const recovered = served.world.trader("birch").merchant.recover();
    yes();
    await bought;
    await recovered;
    expect(await has(alice)).toBe(300n);
    await expectAgreement();
  });
});
