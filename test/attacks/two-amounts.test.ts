/**
 * A host tells its module another amount than the agent that the module works for, or puts another module in the place of the
 * one that is paired with the agent. While a module works for its agent it takes no order of a host, what it is told comes
 * under the keys TA/MM, which are of this pairing, this session of agents and this session of modules, and both agents
 * compare what the modules move with the receipt.
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ROLE_CUSTOMER } from "../../firmware/protocol/kinds.js";
import * as m from "../../firmware/protocol/messages.js";
import {
  LINK_AMOUNT,
  LINK_CORRECT,
  OUTCOME_ABORTED,
  TYPE_PURCHASE,
  TYPE_SALE,
} from "../../firmware/protocol/messages.js";
import { REASON_WRONG_AMOUNT } from "../../firmware/protocol/reasons.js";
import { command, hostEnvelope } from "../../host/commands.js";
import { parseMoney } from "../../host/units.js";
import type { Chip } from "../../simulator/chip.js";
import { FigureStage, type FullDevice } from "../support/figures-stage.js";
import { give, type Moment, Moments, returnTo, said } from "../support/moments.js";
import { balance, names, noticeOf, outcomes, trade } from "../support/purchase.js";

const TYPES = [
  ["purchase", TYPE_PURCHASE],
  ["sale", TYPE_SALE],
] as const;

/** First bytes of status words that refuse what came for its state or its shape. */
const REFUSALS = [0x69, 0x6a];

let stage: FigureStage;
let other: FullDevice;

beforeAll(async () => {
  stage = await FigureStage.create("two amounts");
  other = (await stage.world.device("Other", ROLE_CUSTOMER)) as FullDevice;
});
beforeEach(() => stage.reset());

const deal = (type: number) => trade(stage.world, stage.A, stage.B, { type });

/** What a host may say to a module of its own, but for CANCEL, which ends a payment and changes none. */
function orders(): Uint8Array[] {
  const less = parseMoney("USD 9.00");
  return [
    command.amount(less),
    command.pay(less, null),
    command.payRequested(),
    command.request(less, null),
    command.withdraw(less, null),
    command.listen(),
    command.outcome(true),
    command.outcome(false),
    command.yes(),
    command.no(REASON_WRONG_AMOUNT),
    command.payNotes([0], null),
    hostEnvelope(LINK_AMOUNT, 900, 840, 2),
    hostEnvelope(LINK_CORRECT),
    Uint8Array.of(m.ADDRESS_AGENT, m.KIND_HOST, ...command.amount(less).subarray(2)),
    Uint8Array.of(m.ADDRESS_AGENT, m.KIND_LINK, 1, ...hostEnvelope(LINK_AMOUNT, 900, 840, 2).subarray(2)),
    Uint8Array.of(m.ADDRESS_MODULE, m.KIND_HOST, ...command.amount(less).subarray(2)),
  ];
}

describe.each(TYPES)("in a %s", (_name, type) => {
  it("a module that works for its agent takes no order of its host, at any moment", async () => {
    const moments = new Moments();
    moments.watch("A", stage.A.module);
    moments.watch("B", stage.B.module);
    const { customer, merchant } = await deal(type);
    moments.end();
    expect([names(customer).at(-1), names(merchant).at(-1)]).toEqual(["done", "done"]);
    let tried = 0;
    for (const name of ["A", "B"]) {
      for (const moment of atWork(moments.all.filter((each) => each.name === name))) {
        returnTo(moment);
        const expected = said(give(moment.chip, moment.envelope));
        for (const order of orders()) {
          returnTo(moment);
          const answer = give(moment.chip, order);
          expect([answer.envelopes.length, answer.writes]).toEqual([0, 0]);
          expect(REFUSALS).toContain(answer.status >> 8);
          expect(said(give(moment.chip, moment.envelope))).toBe(expected);
          tried += 1;
        }
      }
    }
    expect(tried).toBeGreaterThan(100);
  });

  it("an agent that has agreed takes no other amount of its host", async () => {
    const moments = new Moments();
    moments.watch("A", stage.A.agent);
    await deal(type);
    moments.end();
    const begun = moments.all.findIndex(({ envelope }) => envelope[1] === m.KIND_LINK_OPEN);
    const ends = moments.all.findLastIndex(({ envelope }) => envelope[0] === m.ADDRESS_MODULE);
    const later = moments.all.slice(begun, ends);
    expect(later.length).toBeGreaterThan(5);
    for (const moment of later) {
      returnTo(moment);
      const expected = said(give(moment.chip, moment.envelope));
      for (const order of [
        command.amountWanted(parseMoney("USD 9.00")),
        command.choose(0),
        command.yes(),
        command.buy(),
      ]) {
        returnTo(moment);
        const answer = give(moment.chip, order);
        expect([answer.envelopes.length, answer.writes]).toEqual([0, 0]);
        expect(REFUSALS).toContain(answer.status >> 8);
        expect(said(give(moment.chip, moment.envelope))).toBe(expected);
      }
    }
  });

  it("another module than the one that is paired with the agent is not spoken to: nothing moves", async () => {
    const { agent } = stage.A;
    const { module } = other;
    const mixed = { agent, module, device: stage.watched("A", { agent, module }) };
    const { customer, merchant } = await trade(stage.world, mixed, stage.B, { type });
    expect([...names(customer), ...names(merchant)]).not.toContain("done");
    expect(await balance(stage.B)).toBe(10_000n);
    expect(await other.device.module.pending()).toEqual([]);
    const words = outcomes(stage.world, [...customer.notices, ...merchant.notices]);
    for (const { outcome } of words) expect(outcome).toBe(OUTCOME_ABORTED);
  });
});

/** From the first word of its agent about a payment to the last: before and after a module is its host's. */
function atWork(moments: readonly Moment[]): Moment[] {
  const links = moments.filter(({ envelope }) => envelope[1] === m.KIND_LINK);
  return links.slice(2, -1);
}

describe("an agent whose chip was opened, and that tells its module another amount than the receipt's", () => {
  /** The agent says so to its module; what follows from it is up to the others. */
  function lie(chip: Chip, amount: number): () => number {
    let lies = 0;
    stage.story.cheat(chip, (plain) => {
      if (plain.length !== 4 || plain[0] !== LINK_AMOUNT) return undefined;
      lies += 1;
      return [LINK_AMOUNT, amount, plain[2] ?? 0, plain[3] ?? 0];
    });
    return () => lies;
  }

  it.each([
    ["merchant's, in a purchase", TYPE_PURCHASE, 999],
    ["merchant's, in a purchase", TYPE_PURCHASE, 1001],
    ["customer's, in a sale", TYPE_SALE, 999],
    ["customer's, in a sale", TYPE_SALE, 1001],
  ])("the %s (%i, %i): the other agent refuses, nothing moves, the card is not charged", async (_who, type, amount) => {
    const liar = type === TYPE_PURCHASE ? stage.B : stage.A;
    const lies = lie(liar.agent.simulated.chip, amount);
    const { customer, merchant } = await deal(type);
    expect(lies()).toBeGreaterThan(0);
    const honest = type === TYPE_PURCHASE ? customer : merchant;
    expect(noticeOf(honest, "aborted").reason).toBe(REASON_WRONG_AMOUNT);
    expect(await stage.balances()).toEqual([5000n, 10_000n]);
    const words = outcomes(stage.world, honest.notices);
    expect(words.map(({ outcome }) => outcome)).toEqual([OUTCOME_ABORTED]);
  });
});
