/**
 * A host keeps back an agent's LINK_ACKNOWLEDGE and has the module say something else by its timer. An agent that took that
 * for proof would never say it again, and the module would keep the payment, and one of its few places for them, for ever.
 */

import { expect, it } from "vitest";
import { INS_ENVELOPE } from "../../firmware/protocol/apdu.js";
import { QUERIES_MAX } from "../../firmware/protocol/limits.js";
import { ADDRESS_AGENT, KIND_LINK, TYPE_PURCHASE, TYPE_SALE } from "../../firmware/protocol/messages.js";
import { answerResume, resume, settleAgent } from "../../host/applications/resume.js";
import { command, timeoutEnvelope } from "../../host/commands.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import type { NoticeOf } from "../../host/notices.js";
import { AgentWorld, NOW, PIN } from "../support/agents.js";
import { trade } from "../support/purchase.js";

it("an acknowledgement counts as heard only when it was answered", async () => {
  const world = new AgentWorld("kept acknowledgement");
  const registry = await world.authority("Registry");
  const bank = await world.authority("First Bank");
  const merchant = await world.merchant("Corner Shop", registry);
  const customer = await world.customer("Alice", bank);
  await world.fund([merchant, "USD 100.00"]);

  const { element } = merchant.module;
  const exchange = element.client.sendNow.bind(element.client);
  let kept = 0;
  element.client.sendNow = async (order) => {
    const { data } = order;
    const fromAgent = order.ins === INS_ENVELOPE && data?.[0] === ADDRESS_AGENT && data[1] === KIND_LINK;
    if (!fromAgent || kept > 0) return exchange(order);
    const [pending] = await element.pending();
    if (pending?.state !== "committed") return exchange(order);
    kept += 1;
    for (let query = 0; query < QUERIES_MAX; query += 1) await exchange({ ...order, data: timeoutEnvelope() });
    return exchange({ ...order, data: timeoutEnvelope() });
  };
  await trade(world, customer, merchant, { type: TYPE_PURCHASE });
  expect(kept).toBe(1);
  element.client.sendNow = exchange;
  // A sale that fails before it needs the module: the agent stores that, and with it forgets what is proved.
  const merchantAnswers = {
    authorize: (asked: NoticeOf<"authorize">) =>
      command.authorized(world.approve(asked, { lastDay: NOW - 1 }), world.network.chain),
  };
  await trade(world, customer, merchant, { type: TYPE_SALE, merchant: merchantAnswers });
  for (const { device } of [customer, merchant]) await device.restart(PIN);
  expect(await element.pending()).toMatchObject([{ state: "committed", acknowledged: false }]);

  for (let round = 0; round < 2; round += 1) {
    const [near, far] = inProcessLink();
    await world.time.run(Promise.all([resume(customer.device, near), answerResume(merchant.device, far)]));
    await world.time.run(settleAgent(merchant.device));
  }
  expect(await element.pending()).toEqual([]);
});
