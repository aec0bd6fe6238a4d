/**
 * A message manager that is an attacker's, at one side and at both: it drops, repeats, reorders, replays, splices, says that
 * nothing came, cancels and cuts power, in whatever order a seed gives, through purchases, sales and payments. After every
 * envelope the sum of all money is what it was; and when honest hosts have met once, all agree.
 */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { LOG_RECEIVED, LOG_SENT, TICKET_RECEIPT } from "../../firmware/protocol/messages.js";
import { answerResume, forgetSettled, resume, settleAgent } from "../../host/applications/resume.js";
import { toHex } from "../../host/codec/bytes.js";
import { command } from "../../host/commands.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { sha256 } from "../../host/crypto.js";
import type { Notice } from "../../host/notices.js";
import { StatusWordError } from "../../host/status-words.js";
import { PIN } from "../support/agents.js";
import { Conservation } from "../support/conservation.js";
import { committed } from "../support/faults-scenarios.js";
import { FigureStage } from "../support/figures-stage.js";
import { HOSTILE, HostileHosts, type HostileParts } from "../support/hostile-hosts.js";
import { outcomes } from "../support/purchase.js";
import { generator } from "../support/store-driver.js";

const RUNS = 25;
const STEPS = 400;
/** What the two have together: nobody of this world makes more of it. */
const TOTAL = 15_000n;

vi.setConfig({ testTimeout: 120_000 });

let stage: FigureStage;
let conservation: Conservation;
const seen = new Map<string, number>();

beforeAll(async () => {
  stage = await FigureStage.create("hostile message manager");
  conservation = new Conservation([asModule("A"), asModule("B")]);
});

function asModule(name: "A" | "B") {
  const { module, device } = stage[name];
  return { ...module, device };
}

function restart(): void {
  stage.reset();
  conservation.reset();
  // It came from a bank that is not here: taken out of it, not made.
  conservation.redeemed = -TOTAL;
  conservation.verify();
}

/** Honest hosts: power for all, a meeting of the modules, the agents settled, and the card network's answers told. */
async function meet(hosts: HostileHosts): Promise<Notice[]> {
  const { A, B, world } = stage;
  const told: Notice[] = [...hosts.outcomes];
  for (const { device } of [A, B]) await device.restart(PIN);
  const tellNetwork = async () => {
    for (const approval of hosts.approvals) told.push(...(await askMerchant(approval)));
  };
  await tellNetwork();
  for (let round = 0; round < 2; round += 1) {
    const [near, far] = inProcessLink();
    const settled = await world.time.run(Promise.all([resume(A.device, near), answerResume(B.device, far)]));
    for (const each of settled) told.push(...each.outcomes);
    for (const { device } of [A, B]) await world.time.run(forgetSettled(device));
  }
  await tellNetwork();
  return told;
}

async function askMerchant(approval: Uint8Array): Promise<Notice[]> {
  const told: Notice[] = [];
  for (const order of [command.report(sha256(approval)), command.authorized(approval, stage.world.network.chain)]) {
    const answer = await stage.B.device.converse(undefined, "agent", async (conversation) => {
      await conversation.command(order).catch((error: unknown) => {
        if (!(error instanceof StatusWordError)) throw error;
      });
      return conversation.drain().map(({ notice }) => notice);
    });
    told.push(...answer);
  }
  return told;
}

async function agree(hosts: HostileHosts): Promise<void> {
  const told = await meet(hosts);
  conservation.verify();
  const [A, B] = [asModule("A"), asModule("B")];
  for (const { device } of [A, B]) {
    expect(await device.module.pending(), "open").toEqual([]);
    expect(await stage.world.time.run(settleAgent(device)), "unsaid").toEqual([]);
  }
  const [mine, theirs] = await stage.balances();
  expect((mine ?? 0n) + (theirs ?? 0n)).toBe(TOTAL);
  for (const [payer, payee] of [
    [A, B],
    [B, A],
  ] as const) {
    const sent = await committed(payer, LOG_SENT, payee);
    expect((await committed(payee, LOG_RECEIVED, payer)).sort()).toEqual(sent.sort());
  }
  const words = new Map<string, Set<number>>();
  for (const word of outcomes(stage.world, told)) {
    const approval = toHex(word.approvalHash);
    words.set(approval, (words.get(approval) ?? new Set()).add(word.outcome));
  }
  for (const [approval, said] of words) expect([approval, said.size]).toEqual([approval, 1]);
  // Every approval that the network gave is completed or reversed by an agent's word.
  expect([...words.keys()].sort()).toEqual(hosts.approvals.map((each) => toHex(sha256(each))).sort());
}

/** One seed: its schedule, then the honest meeting. */
async function run(hostile: readonly (0 | 1)[], seed: number): Promise<void> {
  restart();
  const random = generator(seed);
  const manner = [
    { percent: 2, isPatient: false },
    { percent: 15, isPatient: false },
    { percent: 15, isPatient: true },
    { percent: 30, isPatient: true },
  ][random() % 4] as Pick<HostileParts, "percent" | "isPatient">;
  const hosts = new HostileHosts({ world: stage.world, devices: [stage.A, stage.B], hostile, ...manner, random });
  for (let step = 0; step < STEPS; step += 1) {
    await hosts.step();
    conservation.verify();
  }
  expect(conservation.checks).toBeGreaterThan(STEPS);
  for (const { device } of [stage.A, stage.B]) {
    for (const { state } of await device.module.pending()) count(`left ${state}`);
  }
  await agree(hosts);
  for (const [what, times] of hosts.counts) count(what, times);
  const receipts = (await stage.A.device.agent.tickets()).filter(({ type }) => type === TICKET_RECEIPT);
  count("receipts", receipts.length);
}

function count(what: string, times = 1): void {
  seen.set(what, (seen.get(what) ?? 0) + times);
}

describe.each<[string, readonly (0 | 1)[]]>([
  ["at the customer's side", [0]],
  ["at the merchant's side", [1]],
  ["at both sides", [0, 1]],
])("%s", (_where, hostile) => {
  it("makes no money, loses none, and parts nobody in disagreement", async () => {
    const property = fc.asyncProperty(fc.nat(), (seed) => run(hostile, seed));
    await fc.assert(property, { numRuns: RUNS, endOnFailure: true });
  });
});

afterAll(() => {
  for (const act of HOSTILE) expect(seen.get(act), act).toBeGreaterThan(RUNS);
  // The schedules must have been where they are meant to go.
  for (const what of ["done", "sent", "received", "aborted", "receipts", "outcome"]) {
    expect(seen.get(what), what).toBeGreaterThan(RUNS / 2);
  }
  for (const rare of ["left in doubt", "left committed", "provisional"]) expect(seen.get(rare), rare).toBeDefined();
});
