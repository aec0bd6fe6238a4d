/** A wallet that waits to be paid, over real lines: requests, payers that cut, payers that are somebody else. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { toHex } from "../../host/codec/bytes.js";
import { openLine } from "../../host/communications/client.js";
import { encodePaymentRequest, type PaymentRequest } from "../../host/payment-request.js";
import { systemRandom } from "../../host/randomness.js";
import { parseMoney } from "../../host/units.js";
import { type Reception, ReceptionClosedError } from "../../host/wallet/reception.js";
import { RequestMismatchError, type Wallet } from "../../host/wallet/wallet.js";
import { audit } from "../../host/world/audit.js";
import { BankWorld } from "../support/bank-world.js";
import { hurriedTimers } from "../support/hurried.js";
import { cutAt, has, walletOf } from "../support/wallets.js";

const ONE = parseMoney("USD 1.00");

let world: BankWorld;
let alice: Wallet;
let bob: Wallet;
const receptions: Reception[] = [];

beforeEach(async () => {
  world = await BankWorld.create();
  alice = await walletOf(world, "alice", ["USD 20.00", "EUR 5.00"]);
  bob = await walletOf(world, "bob");
});
afterEach(async () => {
  for (const reception of receptions.splice(0)) await reception.close();
});

async function opened(reception: Promise<Reception>): Promise<Reception> {
  const open = await reception;
  receptions.push(open);
  return open;
}

/** All that a reception told, by name. */
function toldOf(reception: Reception): string[] {
  const told: string[] = [];
  for (const name of ["paid", "refused", "doubt", "settled", "fault"] as const)
    reception.on(name, () => told.push(name));
  return told;
}

async function expectNothingMoved(): Promise<void> {
  expect([await has(alice), await has(bob)]).toEqual([2_000n, 0n]);
  expect([await alice.pending(), await bob.pending()]).toEqual([[], []]);
}

async function expectBalanced(...others: Wallet[]): Promise<void> {
  const devices = [alice, bob, ...others].map(({ device }) => device);
  const lines = await audit([...devices, world.bank.teller, world.generator], [world.bank]);
  expect(lines.every((line) => line.balanced)).toBe(true);
}

describe("a payment request", () => {
  test("is paid once, exactly, with its memo; whoever comes later pays nothing", async () => {
    const reception = await opened(bob.request(ONE, { memo: "coffee" }));
    const told = toldOf(reception);
    const sent = await alice.payRequest(reception.uri ?? "");
    const paid = await reception.paid;
    expect([toHex(paid.payId), paid.money, paid.confirmed]).toEqual([toHex(sent.payId), ONE, true]);
    await expect(alice.payRequest(reception.uri ?? "")).rejects.toThrow(/did not answer/);
    expect([await has(alice), await has(bob)]).toEqual([1_900n, 100n]);
    expect(told).toEqual(["paid"]);
    await expectBalanced();
  });

  test("of two payers at once exactly one pays", async () => {
    const carol = await walletOf(world, "carol", ["USD 3.00"]);
    const reception = await opened(bob.request(ONE));
    const both = await Promise.allSettled([alice, carol].map((payer) => payer.payRequest(reception.uri ?? "")));
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect([await has(bob), (await has(alice)) + (await has(carol))]).toEqual([100n, 2_200n]);
    await expectBalanced(carol);
  });

  test("that says something else than the payee's chip asks for is not paid, and the payee waits on", async () => {
    const reception = await opened(bob.request(ONE, { memo: "coffee" }));
    const told = toldOf(reception);
    const right = reception.request as PaymentRequest;
    const wrong: [Partial<PaymentRequest>, RegExp][] = [
      [{ payee: alice.device.module.id }, /another|other|module|wallet/i],
      [{ money: parseMoney("USD 0.50") }, /1\.00/],
      [{ money: parseMoney("USD 2.00") }, /1\.00/],
      [{ money: parseMoney("EUR 1.00") }, /USD 1\.00/],
      [{ memo: "tea" }, /coffee|something else/],
    ];
    for (const [lie, message] of wrong) {
      const request = encodePaymentRequest({ ...right, ...lie });
      const refused = alice.payRequest(request);
      await expect(refused, request).rejects.toThrow(RequestMismatchError);
      await expect(refused, request).rejects.toThrow(message);
      await expect(refused, request).rejects.toThrow(/no money moved/);
      await expectNothingMoved();
    }
    const { memo: _, ...silent } = right;
    await expect(alice.payRequest(silent)).rejects.toThrow(RequestMismatchError);
    await vi.waitFor(() => expect(told).toEqual(Array(6).fill("refused")));
    await alice.payRequest(right);
    await expect(reception.paid).resolves.toMatchObject({ money: ONE });
    await expectBalanced();
  });

  test("cut at any message: once both have met again, it is paid or it is not, and both say the same", async () => {
    const seen = { doubt: 0, paid: 0, refused: 0 };
    let expected = 0n;
    for (let k = 1, messages = k; messages >= k - 1; k += 1) {
      const reception = await opened(bob.request(ONE));
      const told = toldOf(reception);
      ({ messages } = await cutAt(k, () => Promise.allSettled([alice.payRequest(reception.uri ?? "")])));
      // Of the first message the payee knows nothing.
      if (k > 1) await vi.waitFor(() => expect(told).not.toEqual([]));
      for (const name of ["doubt", "paid", "refused"] as const) if (told[0] === name) seen[name] += 1;
      if (told.includes("doubt")) {
        // It may be paid already: nobody else pays it.
        const carol = await walletOf(world, `carol-${k}`, ["USD 1.00"]);
        await expect(carol.payRequest(reception.uri ?? "")).rejects.toThrow();
        expect(await has(carol)).toBe(100n);
      }
      // A payer that aborted knows of nothing that is open; the payee may.
      expect((await alice.resume(reception.address)).open, `cut at ${k}`).toEqual([]);
      await vi.waitFor(async () =>
        expect([await alice.pending(), await bob.pending()], `cut at ${k}`).toEqual([[], []]),
      );
      if (told.includes("doubt")) await vi.waitFor(() => expect(told).toContain("settled"));
      await reception.close();
      const isPaid = told.includes("paid");
      expected += isPaid ? 100n : 0n;
      expect(told.filter((name) => name === "paid")).toHaveLength(isPaid ? 1 : 0);
      expect([await has(bob), await has(alice)], `cut at ${k}`).toEqual([expected, 2_000n - expected]);
      if (isPaid) await reception.paid;
      else await expect(reception.paid).rejects.toThrow(ReceptionClosedError);
    }
    expect(Object.values(seen).every((times) => times > 0)).toBe(true);
  });
});

describe("a payer that comes again", () => {
  test("after the connection broke at any message pays, once, whatever the payee thinks is open", async () => {
    for (let k = 1, messages = k; messages >= k - 1; k += 1) {
      const before = await has(bob);
      const reception = await opened(bob.request(ONE));
      const told = toldOf(reception);
      const cut = await cutAt(k, () => Promise.allSettled([alice.payRequest(reception.uri ?? "")]));
      messages = cut.messages;
      if (k > 1) await vi.waitFor(() => expect(told).not.toEqual([]));
      await Promise.allSettled([alice.payRequest(reception.uri ?? "")]);
      await vi.waitFor(async () => expect((await has(bob)) - before, `cut at ${k}`).toBe(100n));
      await expect(reception.paid).resolves.toMatchObject({ money: ONE });
      // It had paid the first time, and has not heard so.
      await alice.resume();
      await reception.close();
      expect([await alice.pending(), await bob.pending()], `cut at ${k}`).toEqual([[], []]);
    }
    await expectBalanced();
  });
});

describe("a reception", () => {
  test("takes what payers offer, one after the other, until it is closed", async () => {
    const carol = await walletOf(world, "carol", ["USD 3.00"]);
    const reception = await opened(bob.receive());
    const told = toldOf(reception);
    const paid = [
      alice.pay(reception.address, ONE, "one"),
      carol.pay(reception.address, ONE),
      alice.pay(reception.address, ONE),
    ];
    await Promise.all(paid);
    await reception.close();
    expect(await has(bob)).toBe(300n);
    expect(told).toEqual(["paid", "paid", "paid"]);
    await expect(alice.pay(reception.address, ONE)).rejects.toThrow(/Nothing answers.*No money moved/);
    await expectBalanced(carol);
  });

  test("that is closed in the middle of a payment finishes it first; before any it says that none came", async () => {
    const reception = await opened(bob.request(ONE));
    const begun = new Promise<void>((resolve) => {
      const deliver = bob.device.parts.module as { deliver(envelope: Uint8Array): Promise<readonly Uint8Array[]> };
      const original = deliver.deliver.bind(deliver);
      deliver.deliver = (envelope) => {
        resolve();
        return original(envelope);
      };
    });
    const paying = alice.payRequest(reception.uri ?? "");
    await begun;
    await reception.close();
    await expect(paying).resolves.toMatchObject({ money: ONE });
    await expect(reception.paid).resolves.toMatchObject({ money: ONE });

    const idle = await opened(bob.request(ONE));
    await idle.close();
    await expect(idle.paid).rejects.toThrow(ReceptionClosedError);
    await expect(idle.paid).rejects.toThrow(/No money moved/);
    await expect(alice.payRequest(idle.uri ?? "")).rejects.toThrow(/Nothing answers/);
    expect([await has(alice), await has(bob)]).toEqual([1_900n, 100n]);
  });

  test("is kept from nobody by somebody who connects and says nothing, nor from its end", async () => {
    const reception = await opened(bob.request(ONE));
    const lines = { timers: hurriedTimers, random: systemRandom };
    for (const purpose of ["pay", "resume", "pay"]) await openLine(reception.address, purpose, lines);
    await alice.payRequest(reception.uri ?? "");
    await expect(reception.paid).resolves.toMatchObject({ money: ONE });
    await openLine(reception.address, "pay", lines);
    await reception.close();
  });

  test("a listener of somebody's that fails makes no payment a refused one, and turns nobody away", async () => {
    const reception = await opened(bob.receive());
    const told = toldOf(reception);
    reception.once("paid", () => {
      throw new Error("the printer is out of paper");
    });
    await alice.pay(reception.address, ONE);
    await alice.pay(reception.address, ONE);
    await reception.close();
    expect(told).toEqual(["paid", "fault", "paid"]);
    expect(await has(bob)).toBe(200n);
  });

  test("one who pays what was not asked for, or waits for a request where there is none, is told so", {
    timeout: 15_000,
  }, async () => {
    const asking = await opened(bob.request(ONE));
    await expect(alice.pay(asking.address, parseMoney("USD 2.00"))).rejects.toThrow();
    await expectNothingMoved();
    await asking.close();
    const taking = await opened(bob.receive());
    const request = { ...(asking.request as PaymentRequest), address: taking.address };
    await expect(alice.payRequest(request)).rejects.toThrow(/No money moved|aborted|Nothing was done|resume/i);
    await expectNothingMoved();
  });

  test("what the payer's address was told is where it is resumed; a payer that came is known to nobody", async () => {
    const reception = await opened(bob.request(ONE));
    const told = toldOf(reception);
    let k = 1;
    // The payer has committed and the payee does not know it yet.
    while ((await bob.pending()).length === 0) {
      await cutAt(k, () => Promise.allSettled([alice.payRequest(reception.uri ?? "")]));
      if (k > 1) await vi.waitFor(() => expect(told).not.toEqual([]));
      told.length = 0;
      k += 1;
      if ((await bob.pending()).length === 0) await alice.resume();
    }
    expect((await bob.pending()).map(({ state, contact }) => [state, contact])).toEqual([["in doubt", undefined]]);
    expect((await bob.resume()).open).toHaveLength(1);
    const back = await opened(alice.receive());
    // The payee may come to the payer as well: its owner says where it is.
    const settled = await bob.resume(back.address);
    expect(settled.open).toEqual([]);
    expect(await bob.pending()).toEqual([]);
    await expectBalanced();
  });
});

describe("a wallet that pays and is paid", () => {
  test("does one after the other, however many at once", async () => {
    const carol = await walletOf(world, "carol", ["USD 3.00"]);
    const atBob = await opened(bob.receive());
    await alice.pay(atBob.address, parseMoney("USD 5.00"));
    const atCarol = await opened(carol.receive());
    const results = await Promise.allSettled([
      bob.pay(atCarol.address, ONE),
      alice.pay(atBob.address, ONE),
      bob.pay(atCarol.address, ONE),
      alice.pay(atBob.address, ONE),
      alice.pay(atCarol.address, ONE),
    ]);
    expect(results.map(({ status }) => status)).toEqual(Array(5).fill("fulfilled"));
    expect([await has(alice), await has(bob), await has(carol)]).toEqual([1_200n, 500n, 600n]);
    await expectBalanced(carol);
  });

  test("that is closed does first what is under way, and leaves no line behind", async () => {
    const reception = await opened(bob.receive());
    const paying = alice.pay(reception.address, ONE);
    await alice.close();
    await expect(paying).resolves.toMatchObject({ money: ONE });
  });
});
