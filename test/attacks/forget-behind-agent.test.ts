/**
 * A host tells its module to forget a payment that the module made for its agent. If it did, the agent, asking after a
 * power cut, would hear that there was none, and sign that money which moved did not: the card network would reverse.
 */

import { expect, it } from "vitest";
import { KIND_LINK, OUTCOME_COMMITTED, TYPE_PURCHASE, TYPE_SALE } from "../../firmware/protocol/messages.js";
import { settleAgent } from "../../host/applications/resume.js";
import { command } from "../../host/commands.js";
import type { Pending } from "../../host/element-data.js";
import { StatusWordError } from "../../host/status-words.js";
import { AgentWorld, PIN } from "../support/agents.js";
import { outcomes, trade } from "../support/purchase.js";

const WHOLE_TEST_MS = 120_000;

async function stage() {
  const world = new AgentWorld("forget behind agent");
  const registry = await world.authority("Registry");
  const bank = await world.authority("First Bank");
  const merchant = await world.merchant("Corner Shop", registry);
  const customer = await world.customer("Alice", bank);
  await world.fund([merchant, "USD 100.00"], [customer, "USD 50.00"]);
  world.envelopes.length = 0;
  return { world, merchant, customer };
}

/** Where the payee's module tells its agent that it has settled: the last that any module has to say. */
async function successAt(type: number): Promise<number> {
  const { world, customer, merchant } = await stage();
  await trade(world, customer, merchant, { type });
  return world.envelopes.findLastIndex(
    ({ from, to, kind }) => from === "module" && to === "agent" && kind === KIND_LINK,
  );
}

it.each([
  ["customer's host, in a purchase", TYPE_PURCHASE],
  ["merchant's host, in a sale", TYPE_SALE],
])(
  "the %s, cannot have its module forget what its agent does not know of",
  async (_who, type) => {
    const cutAt = await successAt(type);
    const { world, customer, merchant } = await stage();
    const payee = type === TYPE_PURCHASE ? customer : merchant;
    world.onEnvelope = () => {
      if (world.envelopes.length === cutAt + 1) payee.agent.simulated.powerOff();
    };
    await trade(world, customer, merchant, { type });
    world.onEnvelope = undefined;
    await payee.device.restart(PIN);
    const [pending] = (await payee.device.module.pending()) as [Pending];
    expect(pending).toMatchObject({ state: "settled", acknowledged: false });

    const forget = payee.device.manager.command("module", command.forget(pending.payId));
    await expect(forget).rejects.toThrow(StatusWordError);

    const said = outcomes(world, await world.time.run(settleAgent(payee.device)));
    expect(said.map(({ outcome }) => outcome)).toEqual([OUTCOME_COMMITTED]);
    expect(await payee.device.module.pending()).toEqual([]);
  },
  WHOLE_TEST_MS,
);
