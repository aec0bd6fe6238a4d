/**
 * A transaction that broke off while the merchant's host was asking the card network: the agent keeps it closed until its host
 * tells what the network said, and forgets it when that is no.
 */

import { beforeAll, beforeEach, expect, it } from "vitest";
import { OUTCOME_ABORTED, TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import { settleAgent } from "../../host/applications/resume.js";
import { toHex } from "../../host/codec/bytes.js";
import { command } from "../../host/commands.js";
import type { NoticeOf } from "../../host/notices.js";
import { StatusWordError } from "../../host/status-words.js";
import { type AgentDevice, AgentWorld, PIN } from "../support/agents.js";
import { noticeOf, outcomes, trade } from "../support/purchase.js";

let world: AgentWorld;
let customer: AgentDevice;
let merchant: AgentDevice;
let start: readonly [Uint8Array, Uint8Array];

beforeAll(async () => {
  world = new AgentWorld("closed");
  const registry = await world.authority("Registry");
  const bank = await world.authority("First Bank");
  merchant = await world.merchant("Corner Shop", registry);
  customer = await world.customer("Alice", bank);
  await world.fund([merchant, "USD 100.00"], [customer, "USD 50.00"]);
  start = [customer.agent.simulated.snapshot(), merchant.agent.simulated.snapshot()];
});

let asked: NoticeOf<"authorize">;

/** The merchant's host leaves when it is asked, and power fails; its agent then names the receipt. */
beforeEach(async () => {
  customer.agent.simulated.restore(start[0]);
  merchant.agent.simulated.restore(start[1]);
  const leaving = await trade(world, customer, merchant, {
    type: TYPE_PURCHASE,
    merchant: { authorize: () => "stop" },
  });
  asked = noticeOf(leaving.merchant, "authorize");
  await merchant.device.restart(PIN);
  expect(await closedReceipts()).toEqual([toHex(asked.receiptHash)]);
});

async function closedReceipts(): Promise<string[]> {
  const receipts: string[] = [];
  await world.time.run(settleAgent(merchant.device, (hash) => receipts.push(toHex(hash))));
  return receipts;
}

/** What the merchant's host tells its agent, and what that says. */
function tell(order: Uint8Array) {
  return merchant.device.converse(undefined, "agent", async (conversation) => {
    await conversation.command(order);
    return conversation.drain().map(({ notice }) => notice);
  });
}

it("declined: nothing is signed, and nothing is open any more", async () => {
  await tell(command.declined("51", asked.receiptHash));
  expect(await closedReceipts()).toEqual([]);
  await expect(tell(command.declined("51", asked.receiptHash))).rejects.toThrow(StatusWordError);
});

it("declined, of another receipt: this one stays", async () => {
  await expect(tell(command.declined("51", new Uint8Array(32)))).rejects.toThrow(StatusWordError);
  expect(await closedReceipts()).toEqual([toHex(asked.receiptHash)]);
});

it("approved: the agent signs that it is void, and a refusal comes too late", async () => {
  const told = await tell(command.authorized(world.approve(asked), world.network.chain));
  expect(outcomes(world, told).map(({ outcome }) => outcome)).toEqual([OUTCOME_ABORTED]);
  await expect(tell(command.declined("51", asked.receiptHash))).rejects.toThrow(StatusWordError);
});
