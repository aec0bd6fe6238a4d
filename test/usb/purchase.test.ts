/** A purchase whose customer's chips are one USB device, agent and module on a logical channel each. */

import { expect, test } from "vitest";
import { AID_MONEY_MODULE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import { ROLE_CUSTOMER } from "../../firmware/protocol/kinds.js";
import { TICKET_DEBIT_CARD, TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import { componentFields } from "../../host/codec/ticket.js";
import { Device } from "../../host/device.js";
import { Element } from "../../host/element.js";
import { CardChannels } from "../../host/transports/card-channels.js";
import { Card } from "../../simulator/card/card.js";
import { type AgentDevice, AgentWorld, CARD, PIN } from "../support/agents.js";
import { balance, names, trade } from "../support/purchase.js";
import { Port } from "./port.js";

const AID_PREFIX = [0xf0, 0x54, 0x41, 0x4c, 0x4c, 0x59];

function aid(applet: number): Uint8Array {
  return Uint8Array.of(...AID_PREFIX, applet);
}

/** The device's chips on one card behind USB, and a device whose host reaches them only so. */
async function overUsb(world: AgentWorld, owner: AgentDevice, delay_ms: number) {
  const { agent, module } = owner;
  if (module === undefined) throw new Error("a device with both chips");
  const card = new Card([
    { aid: aid(AID_TRUSTED_AGENT), element: agent.simulated },
    { aid: aid(AID_MONEY_MODULE), element: module.simulated },
  ]);
  const port = new Port(card, { delay_ms }, world.time);
  const transport = await world.time.run(port.open());
  const channels = new CardChannels(transport);
  const opened = (async () => ({
    agent: await Element.select(await channels.open(), AID_TRUSTED_AGENT),
    module: await Element.select(await channels.open(), AID_MONEY_MODULE),
  }))();
  const elements = await world.time.run(opened);
  const device = new Device({ name: owner.device.name, ...elements, clock: world.time, timers: world.time });
  await world.time.run(device.unlock(PIN));
  return { port, transport, customer: { ...owner, device } };
}

test.each([0, 150])(
  "money is bought over USB from a merchant, each command waiting %s ms",
  async (delay_ms) => {
    const world = new AgentWorld(`usb purchase ${delay_ms}`);
    const [registry, bank] = [await world.authority("Registry"), await world.authority("Bank")];
    const merchant = await world.merchant("Merchant", registry);
    const owner = await world.device("Customer", ROLE_CUSTOMER);
    await world.grant(bank, owner, TICKET_DEBIT_CARD, componentFields({ kind: "card", card: CARD }));
    await world.fund([merchant, "USD 100.00"]);
    const { customer, transport } = await overUsb(world, owner, delay_ms);
    const before = world.time.run(balance(customer));
    expect(await before).toBe(0n);
    const sides = await trade(world, customer, merchant, { type: TYPE_PURCHASE, money: "USD 10.00" });
    expect([sides.customer.error, sides.merchant.error]).toEqual([undefined, undefined]);
    expect(names(sides.customer)).toContain("done");
    expect(await world.time.run(balance(customer))).toBe(1000n);
    expect(await world.time.run(balance(merchant))).toBe(9000n);
    await world.time.run(transport.close());
  },
  60_000,
);
