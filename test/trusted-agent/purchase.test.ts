/** Purchase and sale of electronic money (WO 96/41315 fig. 7, 10, 12) on the release firmware: both agents, both modules. */

import { beforeAll, describe, expect, it } from "vitest";
import { TICKETS_MAX } from "../../firmware/protocol/limits.js";
import {
  OUTCOME_COMMITTED,
  REFERENCE_PAYMENT,
  TICKET_DEBIT_CARD,
  TICKET_RECEIPT,
  TYPE_PURCHASE,
  TYPE_SALE,
} from "../../firmware/protocol/messages.js";
import { command } from "../../host/commands.js";
import { sha256 } from "../../host/crypto.js";
import { type AgentDevice, AgentWorld } from "../support/agents.js";
import { balance, names, noticeOf, outcomes, trade } from "../support/purchase.js";

let world: AgentWorld;
let customer: AgentDevice;
let merchant: AgentDevice;

beforeAll(async () => {
  world = new AgentWorld("purchase");
  const registry = await world.authority("Registry");
  const bank = await world.authority("First Bank");
  merchant = await world.merchant("Corner Shop", registry);
  customer = await world.customer("Alice", bank);
  await world.fund([merchant, "USD 100.00"]);
});

describe("a purchase", () => {
  it("moves the money, and both agents sign that it did", async () => {
    let approval = new Uint8Array(0);
    const result = await trade(world, customer, merchant, {
      type: TYPE_PURCHASE,
      merchant: {
        authorize: (asked) => {
          approval = Uint8Array.from(world.approve(asked));
          return commandAuthorized(approval);
        },
      },
    });
    expect(result.customer.error).toBeUndefined();
    expect(result.merchant.error).toBeUndefined();
    expect(names(result.customer)).toEqual([
      "session",
      "confirm-merchant",
      "amount",
      "cards",
      "confirm-receipt",
      "outcome",
      "done",
    ]);
    expect(names(result.merchant)).toEqual(["session", "terms", "authorize", "outcome", "done"]);
    expect(await balance(customer)).toBe(1000n);
    expect(await balance(merchant)).toBe(9000n);
    const { payId } = noticeOf(result.customer, "done");
    const expected = {
      approvalHash: sha256(approval),
      reference: payId,
      referenceKind: REFERENCE_PAYMENT,
      outcome: OUTCOME_COMMITTED,
    };
    expect(outcomes(world, result.customer.notices)).toEqual([expected]);
    expect(outcomes(world, result.merchant.notices)).toEqual([expected]);
  });

  it("leaves the receipt with the customer, the account number masked", async () => {
    const tickets = await customer.device.agent.tickets();
    const receipt = tickets.find((ticket) => ticket.type === TICKET_RECEIPT);
    expect(receipt?.issuer).toBe("Corner Shop");
    expect(receipt?.components.slice(0, 7)).toEqual([
      "First Bank",
      "************1234",
      TYPE_PURCHASE,
      1050,
      840,
      2,
      1000,
    ]);
  });

  it("tells the account number to nobody but the merchant's host, for the card network", () => {
    const clear = new TextEncoder().encode("4000123412341234");
    const told = world.envelopes.filter(({ body }) => Buffer.from(body).includes(Buffer.from(clear)));
    // The authority's host gave it with the grant; a NOTICE_AUTHORIZE follows, and the approval that answers it.
    expect(told.map(({ from, to }) => `${from} ${to}`)).toEqual(["host agent", "agent host", "host agent"]);
  });
});

describe("a sale", () => {
  it("moves the money back", async () => {
    const result = await trade(world, customer, merchant, { type: TYPE_SALE, money: "USD 4.00" });
    expect(result.customer.error).toBeUndefined();
    expect(result.merchant.error).toBeUndefined();
    expect(await balance(customer)).toBe(600n);
    expect(await balance(merchant)).toBe(9400n);
    expect(outcomes(world, result.customer.notices)).toEqual(outcomes(world, result.merchant.notices));
    expect(outcomes(world, result.customer.notices)[0]?.outcome).toBe(OUTCOME_COMMITTED);
  });
});

it("does it again and again: the module forgets what its agent has stored, and the newest receipts stay", async () => {
  const before = [await balance(customer), await balance(merchant)] as const;
  const ROUNDS = 20;
  for (let round = 0; round < ROUNDS; round += 1) {
    const result = await trade(world, customer, merchant, { type: TYPE_PURCHASE, money: "USD 1.00" });
    expect(names(result.customer), `round ${round}`).toContain("done");
  }
  expect(await balance(customer)).toBe(before[0] + 2000n);
  expect(await balance(merchant)).toBe(before[1] - 2000n);
  for (const { device } of [customer, merchant]) {
    expect((await device.module.pending()).length).toBeLessThanOrEqual(1);
  }
  const tickets = await customer.device.agent.tickets();
  expect(tickets).toHaveLength(TICKETS_MAX);
  expect(tickets.filter(({ type }) => type === TICKET_DEBIT_CARD)).toHaveLength(1);
  // Card and newest receipts: the two of 10.00 and 4.00 have gone.
  const amounts = tickets.filter(({ type }) => type === TICKET_RECEIPT).map(({ components }) => components[6]);
  expect(new Set(amounts)).toEqual(new Set([100]));
}, 60_000);

function commandAuthorized(approval: Uint8Array): Uint8Array {
  return command.authorized(approval, world.network.chain);
}
