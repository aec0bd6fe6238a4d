/**
 * A receipt that lies: one thing is shown to the owner, another signed, a third charged, a fourth moved. A merchant's agent
 * with genuine keys tries each; the customer's agent holds everything that comes later against the receipt that its owner
 * confirmed. What a receipt may not say in itself is in test/trusted-agent/cheating-merchant.test.ts and
 * test/figures/fig07-branches.test.ts.
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as m from "../../firmware/protocol/messages.js";
import { TICKET_RECEIPT, TYPE_PURCHASE, TYPE_SALE } from "../../firmware/protocol/messages.js";
import { REASON_APPROVAL_INVALID, REASON_RECEIPT_INVALID, REASON_UNEXPECTED } from "../../firmware/protocol/reasons.js";
import { type Approval, type Receipt, readApproval, signApproval } from "../../host/codec/receipt.js";
import { readTicket } from "../../host/codec/ticket.js";
import { command } from "../../host/commands.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { parseMoney } from "../../host/units.js";
import { type AgentDevice, AgentWorld, NOW } from "../support/agents.js";
import { CheatingMerchant, type Lies } from "../support/cheating-merchant.js";
import { dollars, FigureStage } from "../support/figures-stage.js";
import { balance, customerAnswers, names, noticeOf, shop, trade } from "../support/purchase.js";

const DAY = 86_400;
const MONEY = parseMoney("USD 10.00");

describe.each([
  ["purchase", TYPE_PURCHASE],
  ["sale", TYPE_SALE],
])("in an honest %s", (_name, type) => {
  it("one amount was asked for, shown, confirmed, signed, approved, told to the modules, moved and kept", async () => {
    const stage = await FigureStage.create("lying receipt");
    const before = await dollars(stage.A.device);
    let approved: Approval | undefined;
    const { customer } = await trade(stage.world, stage.A, stage.B, {
      type,
      merchant: {
        authorize: (asked) => {
          const approval = stage.world.approve(asked);
          approved = readApproval(approval);
          return command.authorized(approval, stage.world.network.chain);
        },
      },
    });
    const signed = receiptIn(stage.story.step("B agent>peer RECEIPT").layers[0]?.items[0] as Uint8Array);
    const shown = noticeOf(customer, "confirm-receipt").receipt;
    const told = stage.story.sent(`${type === TYPE_PURCHASE ? "B" : "A"} agent>module AMOUNT`)[0]?.layers[0]?.items[0];
    const moved = (await dollars(stage.A.device)) - before;
    expect([
      shown.money.amount,
      signed.amount,
      BigInt(told as number),
      type === TYPE_PURCHASE ? moved : -moved,
    ]).toEqual(Array(4).fill(MONEY.amount));
    expect([shown.authorization.amount, approved?.authorization]).toEqual(Array(2).fill(signed.authorization));
    expect([shown.fee, shown.type, shown.bankId]).toEqual([signed.fee, signed.type, signed.bank]);
    const kept = (await stage.A.device.agent.tickets()).filter((ticket) => ticket.type === TICKET_RECEIPT);
    expect(kept).toHaveLength(1);
  });
});

function receiptIn(ticket: Uint8Array): Receipt {
  const { components } = readTicket(ticket);
  if (components.kind !== "receipt") throw new Error("no receipt");
  return components.receipt;
}

describe("a merchant's agent that says something else once the owner has confirmed", () => {
  let world: AgentWorld;
  let customer: AgentDevice;

  beforeAll(async () => {
    world = new AgentWorld("lying receipt, afterwards");
    customer = await world.customer("Alice", await world.authority("First Bank"));
    await world.fund([customer, "USD 50.00"]);
  });

  beforeEach(async () => {
    expect(await balance(customer)).toBe(5000n);
  });

  /** The network's genuine approval of this receipt, but for the change. */
  function approval(ticket: Uint8Array, change: Partial<Approval> = {}): Uint8Array {
    const { hash } = readTicket(ticket);
    const { bank, account, type, authorization, accountUnit } = receiptIn(ticket);
    const dates = { stan: 1, date: NOW, lastDay: NOW + DAY };
    return signApproval(
      { receiptHash: hash, bank, account, type, authorization, accountUnit, ...dates, ...change },
      world.network.signer,
    );
  }

  async function meet(
    type: number,
    afterwards: (cheat: CheatingMerchant) => readonly Parameters<CheatingMerchant["send"]>[0][],
  ) {
    const [near, far] = inProcessLink();
    const answers: NonNullable<Lies["answers"]> = new Map([
      [
        m.AGENT_RECEIPT_ACKNOWLEDGE,
        (cheat: CheatingMerchant) => {
          for (const message of afterwards(cheat)) cheat.send(message);
          return undefined;
        },
      ],
    ]);
    const cheat = new CheatingMerchant(world, far, { answers });
    const order = type === TYPE_PURCHASE ? command.buy() : command.sell();
    const side = await world.time.run(shop(customer, near, order, customerAnswers(MONEY)));
    return { cheat, side };
  }

  /** How the merchant goes on with an approval, whichever way the money is to go. */
  function goesOn(type: number, approved: Uint8Array): Parameters<CheatingMerchant["send"]>[0] {
    return type === TYPE_PURCHASE
      ? [m.AGENT_PAYMENT, new Uint8Array(32).fill(1), approved, world.network.chain]
      : [m.AGENT_AUTHORIZED, approved, world.network.chain];
  }

  async function nothingOfIt(): Promise<void> {
    expect(await balance(customer)).toBe(5000n);
    expect(await customer.device.module.pending()).toEqual([]);
    const tickets = await customer.device.agent.tickets();
    expect(tickets.filter(({ type }) => type === TICKET_RECEIPT)).toEqual([]);
  }

  const types = [
    ["purchase", TYPE_PURCHASE],
    ["sale", TYPE_SALE],
  ] as const;

  it.each(types)(
    "a dearer receipt in a %s, approved by the network: the confirmed one is what counts",
    async (_n, type) => {
      const dearer = { amount: 2000n, authorization: type === TYPE_PURCHASE ? 2050n : 1950n };
      const { cheat, side } = await meet(type, (c) => {
        const ticket = c.receipt(dearer);
        return [[m.AGENT_RECEIPT, ticket], goesOn(type, approval(ticket))];
      });
      expect(names(side).filter((name) => name === "confirm-receipt")).toHaveLength(1);
      expect([REASON_UNEXPECTED, REASON_RECEIPT_INVALID, REASON_APPROVAL_INVALID]).toContain(cheat.abortReason);
      await nothingOfIt();
    },
  );

  const changes: readonly (readonly [string, Partial<Approval>])[] = [
    ["a higher amount", { authorization: 5050n }],
    ["a lower amount", { authorization: 1n }],
    ["another account", { account: "4000999999999999" }],
    ["another bank", { bank: "Other Bank" }],
    ["another receipt", { receiptHash: new Uint8Array(32).fill(7) }],
    ["another currency", { accountUnit: { currency: 978, exponent: 2 } }],
    ["a day that is over", { lastDay: NOW - DAY }],
  ];
  it.each(types.flatMap(([name, type]) => changes.map(([what, change]) => [name, what, type, change] as const)))(
    "in a %s the network's approval of %s",
    async (_name, _what, type, change) => {
      const { cheat, side } = await meet(type, (c) => [goesOn(type, approval(c.receipt(), change))]);
      expect(cheat.abortReason).toBe(REASON_APPROVAL_INVALID);
      expect(noticeOf(side, "aborted")).toMatchObject({ reason: REASON_APPROVAL_INVALID, byPeer: false });
      await nothingOfIt();
    },
  );

  it.each(types)("in a %s an approval of the other direction", async (_name, type) => {
    const other = type === TYPE_PURCHASE ? TYPE_SALE : TYPE_PURCHASE;
    const { cheat } = await meet(type, (c) => [goesOn(type, approval(c.receipt(), { type: other }))]);
    expect(cheat.abortReason).toBe(REASON_APPROVAL_INVALID);
    await nothingOfIt();
  });

  it.each(types)(
    "in a %s the approval of the very same receipt goes on: what is refused above is refused for what it says",
    async (_name, type) => {
      const { cheat } = await meet(type, (c) => [goesOn(type, approval(c.receipt()))]);
      const next = type === TYPE_PURCHASE ? m.AGENT_PAYMENT_READY : m.AGENT_PAYMENT;
      expect(cheat.heard).toContain(next);
      await nothingOfIt();
    },
  );
});
