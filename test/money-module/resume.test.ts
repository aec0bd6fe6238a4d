/**
 * Each single message of a payment is lost, repeated, delayed, overtaken, altered, or the cable is cut at it. Whatever
 * happens: no step makes or loses value, an abort leaves the store as it was, and when the two meet again they agree and
 * nothing is open (docs/PROTOCOLS.md, section 1; section 5, Resume).
 */

import { beforeAll, describe, expect, test, vi } from "vitest";
import { MESSAGE_FAULTS, type MessageFault, type Strike } from "../support/faults.js";
import { type Ends, FaultStage, judgeWords, SCENARIOS, type ScenarioName } from "../support/faults-scenarios.js";

/** After every so many messages the payee spends what it was paid. */
const SPENT_ON_EVERY = 4;

// Many runs a test: seconds on an idle core, more on a busy one.
vi.setConfig({ testTimeout: 120_000 });

let stage: FaultStage;

beforeAll(async () => {
  stage = await FaultStage.create("resume");
});

/** Every message of a clean run, in each direction. */
async function messagesOf(name: ScenarioName): Promise<Omit<Strike, "fault">[]> {
  const ends = stage.reset(name);
  const before = await stage.before(ends);
  const link = stage.link();
  const outcomes = await stage.run(name, ends, link);
  expect([outcomes.initiator.status, outcomes.responder.status]).toEqual(["fulfilled", "fulfilled"]);
  expect(await stage.judge(ends, before)).toBe(true);
  return [0 as const, 1 as const].flatMap((direction) =>
    Array.from({ length: link.sent[direction] }, (_, index) => ({ direction, index })),
  );
}

/** Runs the scenario under one fault; the names of the strikes after which the payment stands. */
async function strikeAll(name: ScenarioName, fault: MessageFault, meet: (ends: Ends) => Promise<unknown>) {
  const messages = await messagesOf(name);
  const stands: string[] = [];
  for (const message of messages) {
    const ends = stage.reset(name);
    const before = await stage.before(ends);
    const link = stage.link({ ...message, fault });
    const where = `${name}: ${fault} of message ${message.index} in direction ${message.direction}`;
    try {
      const outcomes = await stage.run(name, ends, link);
      expect(link.hasStruck).toBe(true);
      stage.conservation.verify();
      await meet(ends);
      const isCommitted = await stage.judge(ends, before);
      judgeWords(outcomes, isCommitted);
      if (isCommitted) stands.push(where);
      if (isCommitted && message.index % SPENT_ON_EVERY === 0) await stage.spendOn(ends);
    } catch (error) {
      throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  return { messages: messages.length, stands: stands.length };
}

/** Faults that end neither session nor cable: the queries make good for them, and the payment is made. */
const HARMLESS: ReadonlySet<MessageFault> = new Set(["repeat", "echo"]);

describe.each(SCENARIOS)("%s", (name) => {
  test.each(MESSAGE_FAULTS)("%s of each message; then both restart and resume", async (fault) => {
    const { messages, stands } = await strikeAll(name, fault, async (ends) => {
      await stage.restart(ends);
      await stage.meet(ends);
    });
    expect(messages).toBeGreaterThanOrEqual(11);
    if (HARMLESS.has(fault)) expect(stands).toBe(messages);
    else expect(stands).toBeGreaterThan(0);
  });

  test.each(MESSAGE_FAULTS)("%s of each message; then both resume as they are", async (fault) => {
    // Between customers the other one may begin, too.
    const isMutual = name === "payment" || name === "point of sale";
    await strikeAll(name, fault, (ends) =>
      stage.meet(isMutual ? { initiator: ends.responder, responder: ends.initiator } : ends),
    );
  });
});

/** The last messages of a payment: the payee's Ready, the payer's key, the payee's confirmation. */
function lastMessages(messages: readonly Omit<Strike, "fault">[], payer: 0 | 1): Omit<Strike, "fault">[] {
  const of = (direction: number) => messages.filter((message) => message.direction === direction);
  return [...of(1 - payer).slice(-2), ...of(payer).slice(-1)];
}

describe.each([
  ["payment", 0],
  ["withdrawal", 1],
  ["issue", 1],
] as const)("the outcome session of a %s that was cut at Ready, at the key, at the confirmation", (name, payer) => {
  test.each(MESSAGE_FAULTS)("%s of each of its messages; then another one", async (fault) => {
    for (const broken of lastMessages(await messagesOf(name), payer)) {
      const open = async () => {
        const ends = stage.reset(name);
        const before = await stage.before(ends);
        await stage.run(name, ends, stage.link({ ...broken, fault: "cut" }));
        return { ends, before };
      };
      const { sent } = await stage.meet((await open()).ends);
      expect(sent[0] + sent[1]).toBe(7);
      for (const direction of [0, 1] as const) {
        for (let index = 0; index < sent[direction]; index += 1) {
          const { ends, before } = await open();
          const link = await stage.meet(ends, { direction, index, fault });
          expect(link.hasStruck).toBe(true);
          if (index % 2 === 0) await stage.restart(ends);
          await stage.meet(ends);
          await stage.judge(ends, before);
        }
      }
    }
  });
});
