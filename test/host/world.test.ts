import { afterEach, describe, expect, test, vi } from "vitest";
import { PACKET_NOTES_MAX } from "../../firmware/protocol/limits.js";
import { buy } from "../../host/applications/buy.js";
import { meet } from "../../host/applications/deal.js";
import type { MerchantEvent } from "../../host/applications/merchant.js";
import { resume, settleAgent } from "../../host/applications/resume.js";
import { sell } from "../../host/applications/sell.js";
import { shop } from "../../host/applications/shop.js";
import { withdraw } from "../../host/applications/withdraw.js";
import { type Disturbance, inProcessLink } from "../../host/communications/in-process.js";
import type { Device } from "../../host/device.js";
import type { CarriedEnvelope } from "../../host/message-manager.js";
import { readNotice } from "../../host/notices.js";
import { parseMoney, unitOf } from "../../host/units.js";
import { MemoryHome } from "../../host/world/home.js";
import { createWorld } from "../../host/world/init.js";
import { STANDARD_PLAN } from "../../host/world/plan.js";
import type { WorldParts } from "../../host/world/site.js";
import type { World } from "../../host/world/world.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { START_SECONDS, VirtualTime } from "../support/virtual-time.js";

const yes = {
  confirmMerchant: () => true,
  chooseCard: (cards: readonly never[]) => cards[0],
  confirmReceipt: () => true,
};

async function newWorld(
  seed = "world",
  onMerchantEvent: NonNullable<WorldParts["onMerchantEvent"]> = () => undefined,
  recorder: NonNullable<WorldParts["recorder"]> = () => undefined,
  plan = STANDARD_PLAN,
): Promise<{ world: World; time: VirtualTime }> {
  const time = new VirtualTime();
  const random = new SeededRandomness(sodiumCryptography, seed);
  const home = new MemoryHome({
    clock: time.clock,
    randomness: (name) => random.fork(name),
    debugFirmware: true,
  });
  const world = await time.run(
    createWorld({ home, plan, clock: time, timers: time, random, onMerchantEvent, recorder }),
  );
  return { world, time };
}

let opened: World | undefined;
afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

describe("a purchase of electronic money", () => {
  test("debits the card, moves the notes, and everybody agrees", async () => {
    const { world, time } = await newWorld();
    opened = world;
    const alice = world.customer("alice").device;
    const { merchant, outbox } = world.trader("birch");
    const { customer, merchant: served } = await time.run(
      meet({ customer: alice, merchant, prompts: yes }, "buy", parseMoney("USD 40.00")),
    );
    expect(customer).toMatchObject({ status: "fulfilled", value: { receipt: { fee: 75n, type: 1 } } });
    expect(served).toMatchObject({ status: "fulfilled", value: { outcome: "done" } });
    expect((await alice.module.balances())[0]?.spendable).toBe(4_000n);
    expect(await outbox.unfinished()).toEqual([]);
    expect(await world.network.accountBalance("meadow-bank", "current-alice")).toEqual({
      available: 80_000n - 4_075n,
      held: 0n,
    });
    const lines = await world.audit();
    expect(lines.every((line) => line.balanced)).toBe(true);
    const [best] = await shop(world.directory, "buy", parseMoney("USD 40.00"), unitOf("USD"));
    expect(best.merchant.name).toBe("Alder Exchange");
  });

  test("in another currency, at the rate on the receipt", async () => {
    const { world, time } = await newWorld();
    opened = world;
    const alice = world.customer("alice").device;
    const { merchant } = world.trader("alder");
    const { customer } = await time.run(
      meet({ customer: alice, merchant, prompts: yes }, "buy", parseMoney("EUR 20.00")),
    );
    expect(customer).toMatchObject({ status: "fulfilled", value: { receipt: { authorization: { amount: 2_202n } } } });
    expect((await alice.module.balances())[0]).toMatchObject({ unit: { currency: 978 }, spendable: 2_000n });
    expect(await world.network.accountBalance("meadow-bank", "current-alice")).toMatchObject({ available: 77_798n });
    expect((await world.audit()).every((line) => line.balanced)).toBe(true);
  });

  test("declined by the issuer: nothing moves, nothing stays reserved", async () => {
    const codes: (string | undefined)[] = [];
    const { world, time } = await newWorld("declined", (_merchant, event) => {
      if (event.kind === "authorization") codes.push(event.entry.code);
    });
    opened = world;
    const { merchant, outbox } = world.trader("birch");
    const carol = world.customer("carol").device;
    const { customer, merchant: served } = await time.run(
      meet({ customer: carol, merchant, prompts: yes }, "buy", parseMoney("USD 50.00")),
    );
    expect(customer.status === "rejected" && customer.reason).toMatchObject({ reason: 144 });
    expect(codes).toEqual(["51"]);
    expect(served).toMatchObject({ status: "fulfilled", value: { outcome: "aborted" } });
    expect(await carol.module.balances()).toEqual([]);
    expect(await outbox.unfinished()).toEqual([]);
    expect(await world.network.accountBalance("meadow-bank", "current-carol")).toEqual({ available: 2_000n, held: 0n });
  });

  test("the same purchase twice within a second: two receipts, two approvals, two debits", async () => {
    const approvals: (Uint8Array | undefined)[] = [];
    const { world, time } = await newWorld("twice", (_merchant, event) => {
      if (event.kind === "authorization") approvals.push(event.entry.approval);
    });
    opened = world;
    const { merchant } = world.trader("birch");
    const sides = { customer: world.customer("alice").device, merchant, prompts: yes };
    for (let i = 0; i < 2; i += 1) {
      const { customer } = await time.run(meet(sides, "buy", parseMoney("USD 5.00")));
      expect(customer.status).toBe("fulfilled");
    }
    expect(time.now_seconds()).toBe(START_SECONDS);
    expect(approvals[0]).toBeDefined();
    expect(approvals[1]).not.toEqual(approvals[0]);
    expect((await sides.customer.module.balances())[0]?.spendable).toBe(1_000n);
    expect(await world.network.accountBalance("meadow-bank", "current-alice")).toEqual({
      available: 80_000n - 2n * 575n,
      held: 0n,
    });
  });

  test("the customer says no: to the merchant, to the cards, to the receipt", async () => {
    const { world, time } = await newWorld();
    opened = world;
    const { merchant } = world.trader("birch");
    const alice = world.customer("alice").device;
    const refusals = [
      { ...yes, confirmMerchant: () => false },
      { ...yes, chooseCard: () => undefined },
      { ...yes, confirmReceipt: () => false },
    ];
    for (const prompts of refusals) {
      const { customer, merchant: served } = await time.run(
        meet({ customer: alice, merchant, prompts }, "buy", parseMoney("USD 5.00")),
      );
      expect(customer.status).toBe("rejected");
      expect(served).toMatchObject({ status: "fulfilled", value: { outcome: "aborted", reason: 143 } });
    }
    const { customer } = await time.run(
      meet({ customer: alice, merchant, prompts: yes }, "buy", parseMoney("USD 5.00")),
    );
    expect(customer.status).toBe("fulfilled");
  });

  test("a merchant that runs short is refilled by its second device, then by its bank", async () => {
    const events: MerchantEvent[] = [];
    const { world, time } = await newWorld("short", (_merchant, event) => events.push(event));
    opened = world;
    const { merchant } = world.trader("alder");
    const sides = { customer: world.customer("alice").device, merchant, prompts: yes };
    for (const amount of ["USD 150.00", "USD 100.00"]) {
      const { customer } = await time.run(meet(sides, "buy", parseMoney(amount)));
      expect(customer.status, amount).toBe("fulfilled");
    }
    const refills = events.flatMap((event) => (event.kind === "refilled" ? [event.from] : []));
    expect(refills).toEqual(["device", "bank"]);
    expect((await world.audit()).every((line) => line.balanced)).toBe(true);
  });

  test("the merchant finds no money at all: the customer is told, the account is not touched", async () => {
    const { world, time } = await newWorld();
    opened = world;
    const { merchant } = world.trader("birch");
    const sides = { customer: world.customer("alice").device, merchant, prompts: yes };
    const { customer } = await time.run(meet(sides, "buy", parseMoney("USD 5200.00")));
    expect(customer.status === "rejected" && customer.reason).toMatchObject({ reason: 146 });
    expect(await world.network.accountBalance("meadow-bank", "current-alice")).toEqual({
      available: 80_000n,
      held: 0n,
    });
  });
});

describe("what the untrusted parts of a purchase see", () => {
  test("no account number, name, identity or credential, but the one notice that the card network needs", async () => {
    const seen: { device: string; envelope: CarriedEnvelope }[] = [];
    const { world, time } = await newWorld("leaks", undefined, (device, envelope) => seen.push({ device, envelope }));
    opened = world;
    const { merchant, devices } = world.trader("birch");
    const { device: alice, plan } = world.customer("alice");
    const [card] = plan.cards;
    if (card === undefined) throw new Error("alice has a card");
    seen.length = 0;
    await time.run(meet({ customer: alice, merchant, prompts: yes }, "buy", parseMoney("USD 5.00")));
    const text = (value: string) => Buffer.from(value);
    const secrets = [text(card.number), text(plan.holder), text("Birch Money")];
    for (const element of [...alice.elements(), ...devices.flatMap((till) => till.elements())]) {
      secrets.push(Buffer.from(element.id));
    }
    const readable = ({ envelope }: (typeof seen)[number], secret: Buffer) =>
      Buffer.from(envelope.body).includes(secret);
    const sealed = seen.filter(({ envelope }) => envelope.to !== "host" && envelope.from !== "host");
    expect(sealed.length).toBeGreaterThan(40);
    for (const secret of secrets) {
      expect(
        sealed.filter((one) => readable(one, secret)).map(({ device }) => device),
        String(secret),
      ).toEqual([]);
    }
    const told = seen.filter((one) => one.envelope.to === "host" && readable(one, text(card.number)));
    expect(told.map(({ device, envelope }) => [device, readNotice(envelope.body).name])).toEqual([
      ["birch-1", "authorize"],
    ]);
  });
});

describe("a sale of electronic money", () => {
  test("takes the notes and credits the account, less the fee", async () => {
    const { world, time } = await newWorld();
    opened = world;
    const { merchant } = world.trader("birch");
    const sides = { customer: world.customer("bob").device, merchant, prompts: yes };
    await time.run(meet(sides, "buy", parseMoney("USD 30.00")));
    const { customer } = await time.run(meet(sides, "sell", parseMoney("USD 12.00")));
    expect(customer).toMatchObject({ status: "fulfilled", value: { receipt: { type: 2 } } });
    expect((await sides.customer.module.balances())[0]?.spendable).toBe(1_800n);
    const expected = 30_000n - 3_075n + 1_125n;
    expect(await world.network.accountBalance("meadow-bank", "current-bob")).toEqual({ available: expected, held: 0n });
    expect((await world.audit()).every((line) => line.balanced)).toBe(true);
    expect(await world.network.audit()).toEqual([]);
  });
});

describe("a connection that breaks in the middle of a purchase or sale", () => {
  test("at any message: after resuming notes, account, receipt and books agree", { timeout: 120_000 }, async () => {
    const { world, time } = await newWorld("broken");
    opened = world;
    const { merchant, outbox, devices } = world.trader("birch");
    const [till] = devices;
    if (till === undefined) throw new Error("birch has a till");
    const { device: bob } = world.customer("bob");
    await time.run(meet({ customer: bob, merchant, prompts: yes }, "buy", parseMoney("USD 40.00")));
    let completed = 0;
    let provisional = 0;
    for (const direction of ["buy", "sell"] as const) {
      for (let cutAt = 0; cutAt < 60; cutAt += 1) {
        let count = 0;
        time.clock.advance(1000);
        const disturbance: Disturbance = () => ({ kind: count++ === cutAt ? "cut" : "deliver" });
        const before = await holdings(world, bob);
        const sides = { customer: bob, merchant, prompts: yes };
        const link = { disturbance, timers: time };
        const { customer } = await time.run(meet(sides, direction, parseMoney("USD 1.00"), link));
        if (customer.status === "fulfilled" && customer.value.provisional) provisional += 1;
        await time.run(settleOpen(world, bob, till));
        const after = await holdings(world, bob);
        const moved = after.notes - before.notes;
        const paid = after.account - before.account;
        const agreed = direction === "buy" ? [100n, -175n] : [-100n, 25n];
        expect([moved, paid], `${direction} cut at ${cutAt}`).toEqual(moved === 0n ? [0n, 0n] : agreed);
        if (moved !== 0n) completed += 1;
        expect(after.held).toBe(0n);
        expect(await outbox.unfinished(), `${direction} cut at ${cutAt}`).toEqual([]);
        expect(await bob.module.pending()).toEqual([]);
        expect(await till.module.pending()).toEqual([]);
        if (count <= cutAt) break;
      }
    }
    expect(completed).toBeGreaterThan(2);
    expect(provisional).toBeGreaterThan(0);
    expect((await world.audit()).every((line) => line.balanced)).toBe(true);
    expect(await world.network.audit()).toEqual([]);
  });
});

describe("a till that has something open with the bank", () => {
  test("is refilled all the same in the middle of a purchase, while its agent is busy with the customer", async () => {
    const { world, time } = await newWorld("refill");
    opened = world;
    const { merchant, devices } = world.trader("birch");
    const [till] = devices;
    if (till === undefined) throw new Error("birch has a till");
    const { device: bob } = world.customer("bob");
    for (let cutAt = 0; cutAt < 40; cutAt += 1) {
      let count = 0;
      const connect = async () => {
        const [near, far] = inProcessLink(() => ({ kind: count++ === cutAt ? "cut" : "deliver" }), time);
        void world.bank.accept(far);
        return near;
      };
      await time.run(withdraw(till, { connect }, "birch-840", parseMoney("USD 1.00")).catch(() => undefined));
      await world.bank.idle();
      const [balance] = await till.module.balances();
      const money = { unit: unitOf("USD"), amount: (balance?.spendable ?? 0n) + 100n };
      const { customer } = await time.run(meet({ customer: bob, merchant, prompts: yes }, "buy", money));
      expect(customer.status, `cut at ${cutAt}`).toBe("fulfilled");
      if (count <= cutAt) break;
    }
  });
});

describe("a customer whose host dies, and who is there again before the till has noticed", () => {
  test("is answered at once: what the till is told of the old link does not end the new one", {
    timeout: 120_000,
  }, async () => {
    const { world, time } = await newWorld("at once");
    opened = world;
    const { merchant, devices } = world.trader("birch");
    const [till] = devices;
    if (till === undefined) throw new Error("birch has a till");
    const { device: bob } = world.customer("bob");
    for (let diesAt = 1; diesAt < 60; diesAt += 1) {
      let count = 0;
      const [near, far] = inProcessLink(() => ({ kind: count++ < diesAt ? "deliver" : "lose" }), time);
      const [nearAgain, farAgain] = inProcessLink();
      const serving = merchant.serve(far, till).catch(() => undefined);
      const answering = merchant.answerResume(farAgain, { module: till.module.idHex });
      const buying = buy(bob, near, parseMoney("USD 1.00"), yes).catch(() => undefined);
      await turns();
      await bob.restart(world.site.record("bob").pin);
      await buying;
      const resuming = settleAgent(bob).then(() => resume(bob, nearAgain));
      await turns();
      const begun = time.now_seconds();
      near.close();
      await time.run(Promise.all([resuming, answering, serving]));
      expect(time.now_seconds() - begun, `died at ${diesAt}`).toBeLessThan(20n);
      expect(await till.module.pending(), `died at ${diesAt}`).toEqual([]);
      if (count <= diesAt) break;
    }
  });
});

describe("a customer that resumes with a merchant, and is cut off again", () => {
  test("leaves no authorization open whose purchase the till's module has settled", { timeout: 120_000 }, async () => {
    const { world, time } = await newWorld("cut off again");
    opened = world;
    const { merchant, devices, outbox } = world.trader("birch");
    const [till] = devices;
    if (till === undefined) throw new Error("birch has a till");
    const { device: bob } = world.customer("bob");
    const between = { module: till.module.idHex };
    await time.run(meet({ customer: bob, merchant, prompts: yes }, "buy", parseMoney("USD 20.00")));
    const begin = async (cutAt: number) => {
      let count = 0;
      const [near, far] = inProcessLink(() => ({ kind: count++ < cutAt ? "deliver" : "cut" }), time);
      const selling = sell(bob, near, parseMoney("USD 1.00"), yes).catch(() => undefined);
      await time.run(Promise.all([selling, merchant.serve(far, till).catch(() => undefined)]));
      return count > cutAt;
    };
    const again = async (cutAt: number) => {
      let count = 0;
      const [near, far] = inProcessLink(() => ({ kind: count++ < cutAt ? "deliver" : "cut" }), time);
      const answering = merchant.answerResume(far, between).catch(() => undefined);
      await time.run(Promise.all([resume(bob, near).catch(() => undefined), answering]));
      await time.run(merchant.idle());
    };
    const isInDoubt = async () => (await till.module.pending()).some(({ state }) => state === "in doubt");
    let settled = 0;
    for (let cutAt = 0; cutAt < 60; cutAt += 1) {
      if (!(await begin(cutAt))) break;
      for (let meeting = 0; meeting < 8 && (await isInDoubt()); meeting += 1) {
        await again(meeting);
        if (await isInDoubt()) continue;
        settled += 1;
        expect(await outbox.unfinished(), `cut at ${cutAt}, and at ${meeting} of the meeting`).toEqual([]);
      }
      await again(Number.POSITIVE_INFINITY);
    }
    expect(settled).toBeGreaterThan(0);
  });
});

/** Until nobody does anything, while time stands still. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function holdings(world: World, device: Device) {
  const [balance] = await device.module.balances();
  const account = await world.network.accountBalance("meadow-bank", "current-bob");
  return { notes: balance?.spendable ?? 0n, account: account?.available ?? 0n, held: account?.held ?? 0n };
}

/** What the two hosts do when their devices meet again: outcome session, agents, network. */
async function settleOpen(world: World, customer: Device, till: Device): Promise<void> {
  const open = (await customer.module.pending()).length + (await till.module.pending()).length;
  if (open > 0) await world.settle(customer, till);
  await world.recover();
}

describe("links that lose, repeat and delay", () => {
  test("a purchase only takes longer, or fails on both sides alike", { timeout: 120_000 }, async () => {
    const { world, time } = await newWorld("lossy");
    opened = world;
    const { merchant, devices } = world.trader("birch");
    const [till] = devices;
    const { device: bob } = world.customer("bob");
    if (till === undefined) throw new Error("birch has a till");
    const random = new SeededRandomness(sodiumCryptography, "lossy links");
    let done = 0;
    for (let round = 0; round < 20; round += 1) {
      const before = await holdings(world, bob);
      const disturbance: Disturbance = () => {
        const draw = random.below(12);
        if (draw === 0) return { kind: "lose" };
        if (draw === 1) return { kind: "repeat", times: 2 };
        return draw === 2 ? { kind: "delay", delay_ms: 25_000 } : { kind: "deliver" };
      };
      const direction = round % 3 === 2 ? "sell" : "buy";
      const sides = { customer: bob, merchant, prompts: yes };
      const link = { disturbance, timers: time };
      const { customer } = await time.run(meet(sides, direction, parseMoney("USD 1.00"), link));
      if (customer.status === "fulfilled" && !customer.value.provisional) done += 1;
      await time.run(settleOpen(world, bob, till));
      const after = await holdings(world, bob);
      const moved = after.notes - before.notes;
      const agreed = direction === "buy" ? [100n, -175n] : [-100n, 25n];
      const expected = moved === 0n ? [0n, 0n] : agreed;
      expect([moved, after.account - before.account], `round ${round}`).toEqual(expected);
    }
    expect(done).toBeGreaterThan(10);
    expect((await world.audit()).every((line) => line.balanced)).toBe(true);
  });
});

test("a merchant whose money is in too many notes has its bank give it in few", async () => {
  const refills: MerchantEvent[] = [];
  const change = Array.from({ length: PACKET_NOTES_MAX + 1 }, () => "USD 1.00");
  const merchants = STANDARD_PLAN.merchants.map((plan) =>
    plan.name === "birch" ? { ...plan, stock: [change] } : plan,
  );
  const { world, time } = await newWorld("change", (_name, event) => refills.push(event), undefined, {
    ...STANDARD_PLAN,
    merchants,
  });
  opened = world;
  const { merchant } = world.trader("birch");
  const alice = world.customer("alice").device;
  const money = parseMoney(`USD ${change.length}.00`);
  const { customer } = await time.run(meet({ customer: alice, merchant, prompts: yes }, "buy", money));
  expect(customer.status).toBe("fulfilled");
  expect(refills.filter(({ kind }) => kind === "refilled")).toMatchObject([{ from: "bank", money }]);
  expect((await world.audit()).every((line) => line.balanced)).toBe(true);
});

describe("a merchant's host that crashes", () => {
  test("before it has written down what it is to ask: afterwards the agent keeps nothing pending", async () => {
    const { world, time } = await newWorld("not asked");
    opened = world;
    const { merchant, outbox, devices } = world.trader("birch");
    const [till] = devices;
    if (till === undefined) throw new Error("birch has a till");
    const { device: bob } = world.customer("bob");
    let die = () => undefined as unknown;
    const death = new Promise<never>((_, reject) => {
      die = () => reject(new Error("the host died"));
    });
    const asked = vi.spyOn(outbox, "request").mockReturnValueOnce(death);
    const [near, far] = inProcessLink();
    const buying = buy(bob, near, parseMoney("USD 10.00"), yes);
    const serving = merchant.serve(far);
    buying.catch(() => undefined);
    serving.catch(() => undefined);
    while (asked.mock.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const device of [bob, ...devices]) await device.restart(world.site.record(device.name).pin);
    die();
    await time.run(Promise.allSettled([buying, serving]));
    await time.run(merchant.recover());
    const closed: Uint8Array[] = [];
    expect(await time.run(settleAgent(till, (receiptHash) => void closed.push(receiptHash)))).toEqual([]);
    expect(closed).toEqual([]);
  });

  test("while it asks the card network: afterwards the reservation is released", async () => {
    const { world, time } = await newWorld("crash");
    opened = world;
    const { merchant, outbox, devices } = world.trader("birch");
    const { device: bob } = world.customer("bob");
    world.network.unplugged = true;
    const [near, far] = inProcessLink();
    const buying = buy(bob, near, parseMoney("USD 10.00"), yes);
    const serving = merchant.serve(far);
    buying.catch(() => undefined);
    serving.catch(() => undefined);
    while ((await outbox.unfinished()).length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect((await outbox.unfinished())[0]?.state).toBe("requested");

    // Power goes on both sides. What the hosts were waiting for is forgotten; the outbox is not.
    for (const device of [bob, ...devices]) await device.restart(world.site.record(device.name).pin);
    world.network.unplugged = false;
    await time.run(Promise.allSettled([buying, serving]));
    await time.run(world.recover());
    expect(await outbox.unfinished()).toEqual([]);
    expect(await world.network.accountBalance("meadow-bank", "current-bob")).toEqual({ available: 30_000n, held: 0n });
    expect((await world.audit()).every((line) => line.balanced)).toBe(true);
    const again = await time.run(meet({ customer: bob, merchant, prompts: yes }, "buy", parseMoney("USD 10.00")));
    expect(again.customer.status).toBe("fulfilled");
  });
});
