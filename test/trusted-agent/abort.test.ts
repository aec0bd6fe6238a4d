/** Abort (WO 96/41315 fig. 6B and 11): whoever says no, and whenever, both sides are what they were before. */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  OUTCOME_ABORTED,
  REFERENCE_SESSION,
  TICKET_RECEIPT,
  TYPE_PURCHASE,
  TYPE_SALE,
} from "../../firmware/protocol/messages.js";
import {
  REASON_APPROVAL_INVALID,
  REASON_CANCELLED,
  REASON_DECLINED,
  REASON_NO_FUNDING,
  REASON_NOT_AUTHORIZED,
  REASON_NOT_CONFIRMED,
} from "../../firmware/protocol/reasons.js";
import { toHex } from "../../host/codec/bytes.js";
import { command } from "../../host/commands.js";
import { sha256 } from "../../host/crypto.js";
import type { NoticeOf } from "../../host/notices.js";
import { StatusWordError } from "../../host/status-words.js";
import { type AgentDevice, AgentWorld } from "../support/agents.js";
import { balance, type HostAnswers, names, noticeOf, outcomes, trade, USD } from "../support/purchase.js";

let world: AgentWorld;
let customer: AgentDevice;
let merchant: AgentDevice;
let stores: readonly string[];

beforeAll(async () => {
  world = new AgentWorld("abort");
  const registry = await world.authority("Registry");
  const bank = await world.authority("First Bank");
  merchant = await world.merchant("Corner Shop", registry);
  customer = await world.customer("Alice", bank);
  await world.fund([merchant, "USD 100.00"], [customer, "USD 50.00"]);
});

async function digests(): Promise<string[]> {
  return Promise.all([customer, merchant].map(async ({ device }) => toHex(await device.agent.digest())));
}

beforeEach(async () => {
  stores = await digests();
});

const cancel = () => command.cancel();
const no = () => command.no(REASON_DECLINED);

describe.each([
  ["purchase", TYPE_PURCHASE],
  ["sale", TYPE_SALE],
])("before a receipt is agreed on, a %s that is ended leaves no trace", (_name, type) => {
  it.each<[string, { customer?: HostAnswers; merchant?: HostAnswers }, number]>([
    ["the merchant is not confirmed", { customer: { "confirm-merchant": no } }, REASON_NOT_CONFIRMED],
    ["no amount is given", { customer: { amount: no } }, REASON_NOT_CONFIRMED],
    ["no card is chosen", { customer: { cards: no } }, REASON_NOT_CONFIRMED],
    ["the merchant offers no terms", { merchant: { terms: no } }, REASON_DECLINED],
    ["the receipt is not confirmed", { customer: { "confirm-receipt": no } }, REASON_NOT_CONFIRMED],
    ["the customer's host cancels", { customer: { "confirm-receipt": cancel } }, REASON_CANCELLED],
    ["the merchant's host cancels", { merchant: { terms: cancel } }, REASON_CANCELLED],
  ])("%s", async (_what, answers, reason) => {
    const result = await trade(world, customer, merchant, { type, ...answers });
    expect(noticeOf(result.customer, "aborted").reason).toBe(reason);
    expect(noticeOf(result.merchant, "aborted").reason).toBe(reason);
    expect(names(result.customer)).not.toContain("outcome");
    expect(await digests()).toEqual(stores);
    expect([await balance(customer), await balance(merchant)]).toEqual([5000n, 10000n]);
  });
});

it("a merchant without money that finds none says so, and no account is touched", async () => {
  const result = await trade(world, customer, merchant, {
    type: TYPE_PURCHASE,
    money: "USD 100.01",
    merchant: { funds: () => command.no(REASON_DECLINED) },
  });
  expect(noticeOf(result.customer, "aborted")).toMatchObject({ reason: REASON_NO_FUNDING, byPeer: true });
  expect(await digests()).toEqual(stores);
});

describe("after the receipt is agreed on", () => {
  async function receipts(): Promise<number> {
    const tickets = await customer.device.agent.tickets();
    return tickets.filter(({ type }) => type === TICKET_RECEIPT).length;
  }

  it("a declined card ends it, and nothing is signed", async () => {
    const result = await trade(world, customer, merchant, {
      type: TYPE_PURCHASE,
      merchant: { authorize: ({ receiptHash }) => command.declined("51", receiptHash) },
    });
    expect(noticeOf(result.customer, "aborted")).toMatchObject({ reason: REASON_NOT_AUTHORIZED, byPeer: true });
    expect([...names(result.customer), ...names(result.merchant)]).not.toContain("outcome");
    expect(await receipts()).toBe(0);
  });

  it("a refusal that names another receipt is refused itself", async () => {
    const result = await trade(world, customer, merchant, {
      type: TYPE_PURCHASE,
      merchant: { authorize: () => command.declined("51", new Uint8Array(32)) },
    });
    expect(result.merchant.error).toBeInstanceOf(StatusWordError);
    expect(noticeOf(result.customer, "aborted").byPeer).toBe(true);
  });

  it.each([
    ["amount", { authorization: 1051n }],
    ["account", { account: "4000123412341235" }],
    ["bank", { bank: "Other Bank" }],
    ["type", { type: TYPE_SALE }],
    ["unit", { accountUnit: { ...USD, currency: 978 } }],
    ["last day", { lastDay: 1_700_000_000 }],
  ])("an approval with another %s is not acted on; the agent signs that it is void", async (_name, change) => {
    let approval = new Uint8Array(0);
    const result = await trade(world, customer, merchant, {
      type: TYPE_PURCHASE,
      merchant: {
        authorize: (asked) => {
          approval = Uint8Array.from(world.approve(asked, change));
          return command.authorized(approval, world.network.chain);
        },
      },
    });
    expect(noticeOf(result.merchant, "aborted").reason).toBe(REASON_APPROVAL_INVALID);
    const { session } = noticeOf(result.merchant, "aborted");
    const expected = { approvalHash: sha256(approval), reference: session, referenceKind: REFERENCE_SESSION };
    expect(outcomes(world, result.merchant.notices)).toEqual([{ ...expected, outcome: OUTCOME_ABORTED }]);
    expect(await receipts()).toBe(0);
    expect([await balance(customer), await balance(merchant)]).toEqual([5000n, 10000n]);
  });

  it("an approval that the network did not sign is refused, and a right one may follow", async () => {
    let refused: unknown;
    const result = await trade(world, customer, merchant, {
      type: TYPE_SALE,
      money: "USD 1.00",
      merchant: {
        authorize: async (asked) => {
          const forged = world.approve(asked);
          forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
          const order = command.authorized(forged, world.network.chain);
          refused = await merchant.device.manager.command("agent", order).catch((error: unknown) => error);
          return command.authorized(world.approve(asked), world.network.chain);
        },
      },
    });
    expect(refused).toBeInstanceOf(StatusWordError);
    expect(names(result.merchant)).toContain("done");
    expect(await balance(customer)).toBe(4900n);
  });

  it("a customer that leaves while the network is asked: the approval comes late, and is signed void", async () => {
    let asked: NoticeOf<"authorize"> | undefined;
    const result = await trade(world, customer, merchant, {
      type: TYPE_PURCHASE,
      merchant: {
        authorize: async (notice) => {
          asked = notice;
          await customer.device.manager.command("agent", command.cancel());
          return undefined;
        },
      },
    });
    expect(noticeOf(result.merchant, "aborted")).toMatchObject({ reason: REASON_CANCELLED, byPeer: true });
    expect(names(result.merchant)).not.toContain("outcome");
    if (asked === undefined) throw new Error("nobody asked");
    const approval = world.approve(asked);
    const late = await merchantSays(command.authorized(approval, world.network.chain));
    const { session } = noticeOf(result.merchant, "aborted");
    expect(outcomes(world, late)).toMatchObject([
      {
        approvalHash: sha256(approval),
        reference: session,
        referenceKind: REFERENCE_SESSION,
        outcome: OUTCOME_ABORTED,
      },
    ]);
    // Asked again it says the same, byte for byte; about another approval it says nothing.
    expect(await merchantSays(command.report(sha256(approval)))).toEqual(late);
    await expect(merchantSays(command.report(new Uint8Array(32)))).rejects.toBeInstanceOf(StatusWordError);
    await expect(merchantSays(command.authorized(approval, world.network.chain))).rejects.toBeInstanceOf(
      StatusWordError,
    );
  });

  async function merchantSays(order: Uint8Array) {
    return merchant.device.converse(undefined, "agent", async (conversation) => {
      await conversation.command(order);
      return conversation.drain().map(({ notice }) => notice);
    });
  }
});
