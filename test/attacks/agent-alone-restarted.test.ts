/** An agent loses its power while its module is in the middle of a payment: the module hears of it by the new link alone. */

import { expect, it } from "vitest";
import { KIND_LINK, OUTCOME_ABORTED, TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import { settleAgent } from "../../host/applications/resume.js";
import { AgentWorld, PIN } from "../support/agents.js";
import { balance, outcomes, trade } from "../support/purchase.js";

async function stage() {
  const world = new AgentWorld("agent alone restarted");
  const registry = await world.authority("Registry");
  const bank = await world.authority("First Bank");
  const merchant = await world.merchant("Corner Shop", registry);
  const customer = await world.customer("Alice", bank);
  await world.fund([merchant, "USD 100.00"]);
  world.envelopes.length = 0;
  return { world, merchant, customer };
}

/** Where the modules' messages of the purchase are. */
async function linkEnvelopes(): Promise<number[]> {
  const { world, customer, merchant } = await stage();
  await trade(world, customer, merchant, { type: TYPE_PURCHASE });
  return world.envelopes.flatMap(({ from, kind }, at) => (from === "module" && kind === KIND_LINK ? [at] : []));
}

it("settles at the first try, whatever its module was doing", async () => {
  for (const cutAt of await linkEnvelopes()) {
    const { world, customer, merchant } = await stage();
    let reached = false;
    world.onEnvelope = () => {
      if (reached || world.envelopes.length !== cutAt + 1) return;
      reached = true;
      merchant.agent.simulated.powerOff();
    };
    await trade(world, customer, merchant, { type: TYPE_PURCHASE });
    world.onEnvelope = undefined;
    const { element } = merchant.agent;
    merchant.device.manager.disconnect("agent");
    await element.restart();
    await element.verifyPin(PIN);
    await element.open(world.time.now_seconds());
    const said = outcomes(world, await world.time.run(settleAgent(merchant.device)));
    const moved = (await balance(merchant)) !== 10_000n;
    for (const { outcome } of said) expect(outcome === OUTCOME_ABORTED).toBe(!moved);
  }
});
