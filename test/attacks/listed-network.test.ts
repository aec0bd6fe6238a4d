/** The keys of a card network are known to a thief, and the network is on the list: no merchant pays on its word any more. */

import { expect, it } from "vitest";
import { TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import { command } from "../../host/commands.js";
import { AgentWorld, NOW } from "../support/agents.js";
import { balance, names, outcomes, trade } from "../support/purchase.js";

it("an approval by a listed network moves no money, and is reversed", async () => {
  const world = new AgentWorld("listed network");
  const registry = await world.authority("Registry");
  const bank = await world.authority("First Bank");
  const merchant = await world.merchant("Corner Shop", registry);
  const customer = await world.customer("Mallory", bank);
  await world.fund([merchant, "USD 100.00"]);
  const list = world.agencies.agents.badIdList(1n, NOW, [[new Uint8Array(16).fill(0x77), 1]]);
  await merchant.agent.element.putList(list);

  let approval: Uint8Array | undefined;
  const { merchant: served } = await trade(world, customer, merchant, {
    type: TYPE_PURCHASE,
    merchant: {
      authorize: (asked) => {
        approval = world.approve(asked);
        return command.authorized(approval, world.network.chain);
      },
    },
  });
  expect(names(served)).not.toContain("done");
  expect([await balance(customer), await balance(merchant)]).toEqual([0n, 10_000n]);

  // What it had approved is still reversed by the agent's word.
  const told = await merchant.device.converse(undefined, "agent", async (conversation) => {
    await conversation.command(command.authorized(approval as Uint8Array, world.network.chain));
    return conversation.drain().map(({ notice }) => notice);
  });
  expect(outcomes(world, told)).toHaveLength(1);
});
