/**
 * The bank's modules: teller and generator keep the record of a payment until their host has said that the books have it
 * (docs/PROTOCOLS.md, section 5, "forgotten"), and a note leaves circulation in two steps.
 */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { COMMAND_FORGET } from "../../firmware/protocol/messages.js";
import { REASON_PENDING } from "../../firmware/protocol/reasons.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import type { Transfer } from "../../host/applications/transfer.js";
import { withdraw } from "../../host/applications/withdraw.js";
import { command } from "../../host/commands.js";
import type { Pending } from "../../host/element-data.js";
import { ReasonError } from "../../host/reasons.js";
import { parseMoney } from "../../host/units.js";
import type { Strike } from "../support/faults.js";
import { bank, type Ends, FaultStage, type ScenarioName, serve, worth } from "../support/faults-scenarios.js";
import { issue, type ModuleDevice, ModuleWorld, PIN } from "../support/modules.js";

let stage: FaultStage;

beforeAll(async () => {
  stage = await FaultStage.create("bank");
});

/** Messages of a clean run. */
let sent: readonly [number, number];

async function begin(name: ScenarioName): Promise<Ends> {
  const ends = stage.reset(name);
  const link = stage.link();
  await stage.run(name, ends, link);
  sent = link.sent;
  return stage.reset(name);
}

function open(module: ModuleDevice): Promise<Pending[]> {
  return module.element.pending();
}

function forget(module: ModuleDevice, { payId }: Pending): Promise<void> {
  return module.device.manager.command("module", command.forget(payId));
}

/** Power off and on, with no application that tidies up. */
async function crash(module: ModuleDevice): Promise<void> {
  await module.element.restart();
  await module.device.unlock(PIN);
}

/** A withdrawal or a deposit at a teller whose host crashes when it is told of the commit. */
async function runWithCrash(name: "withdrawal" | "deposit"): Promise<{ ends: Ends; record: Pending }> {
  const ends = await begin(name);
  const teller = ends.responder;
  const forgetful = teller.device.manager.command.bind(teller.device.manager);
  teller.device.manager.command = (to, envelope) =>
    envelope[3] === COMMAND_FORGET ? Promise.reject(new Error("the host crashed")) : forgetful(to, envelope);
  await stage.run(name, ends, stage.link());
  teller.device.manager.command = forgetful;
  const [record, ...others] = await open(teller);
  expect(others).toEqual([]);
  return { ends, record: record as Pending };
}

describe.each([
  ["withdrawal", "committed"],
  ["deposit", "settled"],
] as const)("a teller's record of a %s", (name, state) => {
  test("is shown until FORGET, through crashes, and FORGET may be said twice", async () => {
    const { ends, record } = await runWithCrash(name);
    const teller = ends.responder;
    expect(record).toMatchObject({ state, acknowledged: false, confirmed: state === "committed" });
    expect(record.money).toEqual(parseMoney("72.00 USD"));
    await crash(teller);
    expect(await open(teller)).toEqual([record]);
    await forget(teller, record);
    expect(await open(teller)).toEqual([]);
    await forget(teller, record);
    await crash(teller);
    expect(await open(teller)).toEqual([]);
    stage.conservation.verify();
  });

  test("does not stand in the way of the next payment, because the peers agree", async () => {
    const { ends } = await runWithCrash(name);
    await stage.restart(ends);
    const outcomes = await stage.run(name, { ...ends }, stage.link()).catch((error) => error);
    // Alice has too little left for a second deposit; what counts is that nobody says PENDING.
    for (const { reason } of Object.values(outcomes) as PromiseRejectedResult[]) {
      if (reason instanceof ReasonError) expect(reason.reason).not.toBe(REASON_PENDING);
    }
    stage.conservation.verify();
  });
});

/** Runs the scenario with the cable cut at a message from its direction's end: 1 is the last one. */
async function runWithCut(name: ScenarioName, direction: 0 | 1, fromEnd: number): Promise<Ends> {
  const ends = await begin(name);
  const strike: Strike = { direction, index: sent[direction] - fromEnd, fault: "cut" };
  await stage.run(name, ends, stage.link(strike));
  return ends;
}

test("FORGET before the confirmation leaves the payer's record where it is", async () => {
  const ends = await runWithCut("withdrawal", 0, 1);
  const [record] = await open(ends.payer);
  expect(record).toMatchObject({ state: "committed", confirmed: false });
  await forget(ends.payer, record as Pending);
  expect(await open(ends.payer)).toMatchObject([{ state: "committed", acknowledged: true, confirmed: false }]);
  await stage.meet(ends);
  expect(await open(ends.payer)).toEqual([]);
});

test("FORGET of a payment in doubt is refused, and what it becomes is shown until it is forgotten", async () => {
  const ends = await runWithCut("deposit", 0, 1);
  const teller = ends.payee;
  const [record] = await open(teller);
  expect(record?.state).toBe("in doubt");
  await expect(forget(teller, record as Pending)).rejects.toThrow();
  // The outcome comes, and the host crashes before it has posted it.
  const link = stage.link();
  const answering = teller.device.converse(link.ends[1], "module", async (conversation) => {
    await conversation.prepare(command.outcome(false));
    await conversation.expect("settled");
  });
  const asking = ends.payer.device.converse(link.ends[0], "module", async (conversation) => {
    await conversation.command(command.outcome(true));
    await conversation.expect("settled");
    await conversation.quiet();
  });
  await stage.together(link, [asking, answering]);
  expect(await open(ends.payer)).toEqual([]);
  await crash(teller);
  expect(await open(teller)).toMatchObject([{ state: "settled", acknowledged: false }]);
  await forget(teller, record as Pending);
  expect(await open(teller)).toEqual([]);
  stage.conservation.verify();
});

describe("nothing new with a peer while something with it is open", () => {
  // The payee's Ready, the payer's key, and the payee's confirmation do not arrive.
  test.each([
    ["withdrawal", 0, 2],
    ["withdrawal", 1, 1],
    ["withdrawal", 0, 1],
    ["payment", 1, 2],
    ["payment", 0, 1],
    ["payment", 1, 1],
    ["issue", 1, 1],
  ] as const)("%s, cable cut in direction %i at message -%i", async (name, direction, fromEnd) => {
    const ends = await runWithCut(name, direction, fromEnd);
    const worths = [await worth(ends.payer), await worth(ends.payee)];
    const link = stage.link();
    const [initiator, responder] = [ends.initiator.device, ends.responder.device];
    const small = parseMoney("1.00 USD");
    const work = {
      payment: () => [pay(initiator, link.ends[0], small), receive(responder, link.ends[1])],
      withdrawal: () => [withdraw(initiator, bank(link.ends[0]), "account", small), serve(responder, link.ends[1])],
    };
    const [first, second] = work[name === "payment" ? "payment" : "withdrawal"]();
    const again = await stage.together(link, [first as Promise<Transfer>, second as Promise<Transfer>]);
    const reasons = again.map((outcome) =>
      outcome.status === "rejected" && outcome.reason instanceof ReasonError ? outcome.reason.reason : undefined,
    );
    expect(reasons).toEqual([REASON_PENDING, REASON_PENDING]);
    expect([await worth(ends.payer), await worth(ends.payee)]).toEqual(worths);
    await stage.restart(ends);
    await stage.meet(ends);
    expect([await open(ends.payer), await open(ends.payee)]).toEqual([[], []]);
    stage.conservation.verify();
  });
});

describe("redemption", () => {
  test("a note is destroyed once the books have it, and only that note", async () => {
    const ends = await begin("deposit");
    await stage.run("deposit", ends, stage.link());
    const teller = ends.payee;
    const before = await worth(teller);
    const [note, other] = (await teller.element.notes()).filter(({ hops }) => hops > 2);
    if (note === undefined || other === undefined) throw new Error("no note came in");
    const redeem = async (noteId: Uint8Array) => {
      await teller.device.converse(undefined, "module", async (conversation) => {
        await conversation.command(command.redeem(note.place));
        const exported = await conversation.expect("redeemable");
        expect(exported.money).toEqual(note.money);
        // A crash here changes nothing.
        await crash(teller);
        expect(await worth(teller)).toBe(before);
        // What the books have is paid out no more, whatever happens before it is destroyed.
        const set = (await teller.element.notes()).find(({ place }) => place === note.place);
        expect([set?.spendable, set?.redeeming]).toEqual([false, true]);
        await conversation.command(command.redeemed(note.place, noteId));
      });
    };
    await expect(redeem(other.noteId)).rejects.toThrow();
    expect(await worth(teller)).toBe(before);
    stage.conservation.redeeming = note.money.amount;
    await redeem(note.noteId);
    expect(stage.conservation.redeemed).toBe(note.money.amount);
    expect(await worth(teller)).toBe(before - note.money.amount);
    stage.conservation.verify();
    await crash(teller);
    await expect(teller.device.manager.command("module", command.redeemed(note.place, note.noteId))).rejects.toThrow();
    expect(await worth(teller)).toBe(before - note.money.amount);
  });
});

describe("wallets", () => {
  let world: ModuleWorld;
  let generator: ModuleDevice;
  let teller: ModuleDevice;

  beforeEach(async () => {
    world = new ModuleWorld("bank wallets");
    ({ generator, teller } = await world.bank());
  });

  test("a choice among few notes after one among many takes none of the earlier", async () => {
    const alice = await world.module("alice");
    await issue(generator, teller, "80.00 USD", new Array<bigint>(8).fill(1000n));
    await issue(teller, alice, "80.00 USD");
    expect((await alice.element.notes()).length).toBe(8);
    await issue(generator, teller, "9.00 EUR", [900n]);
    await issue(generator, teller, "50.00 USD", [5000n]);
    await issue(teller, alice, "50.00 USD");
    await issue(teller, alice, "3.00 EUR");
    expect(await worth(teller)).toBe(600n);
  });

  test("a teller that lacks funds declines, and neither end has anything open", async () => {
    const alice = await world.module("alice");
    await expect(issue(teller, alice, "1.00 USD")).rejects.toThrow(ReasonError);
    expect([await open(teller), await open(alice)]).toEqual([[], []]);
  });
});
