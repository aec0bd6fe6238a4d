/** A part of a chained command whose answer is lost: the command is sent again from its beginning, and the card must not join both. */

import { expect, test } from "vitest";
import { AID_MONEY_MODULE, AID_TRUSTED_AGENT, CLA_CHAIN } from "../../firmware/protocol/apdu.js";
import { ROLE_CUSTOMER } from "../../firmware/protocol/kinds.js";
import { TICKET_DEBIT_CARD, TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import { aidOf } from "../../host/applets.js";
import { componentFields } from "../../host/codec/ticket.js";
import { Device } from "../../host/device.js";
import { Element } from "../../host/element.js";
import { type Transport, TransportError } from "../../host/transport.js";
import { CardChannels } from "../../host/transports/card-channels.js";
import { Card } from "../../simulator/card/card.js";
import { T0Card } from "../../simulator/card/t0.js";
import { AgentWorld, CARD, PIN } from "../support/agents.js";
import { balance, trade } from "../support/purchase.js";

/** Loses the answer to the part of this number, counted over all chains; the card has it. */
function losing(card: T0Card, lostPart: number): Transport & { parts: number } {
  const transport = {
    name: "a reader",
    extendedLength: false,
    parts: 0,
    transmit: async (apdu: Uint8Array) => {
      const answer = card.transmit(apdu);
      if (((apdu[0] ?? 0) & CLA_CHAIN) !== 0) {
        transport.parts += 1;
        if (transport.parts === lostPart) throw new TransportError("A fault of the line.");
      }
      return answer;
    },
    reset: async () => card.powerOn(),
    close: async () => card.powerOff(),
  };
  return transport;
}

async function purchase(lostPart: number) {
  const world = new AgentWorld("lost chain");
  const [registry, bank] = [await world.authority("Registry"), await world.authority("Bank")];
  const merchant = await world.merchant("Merchant", registry);
  const owner = await world.device("Customer", ROLE_CUSTOMER);
  await world.grant(bank, owner, TICKET_DEBIT_CARD, componentFields({ kind: "card", card: CARD }));
  await world.fund([merchant, "USD 100.00"]);
  const { agent, module } = owner;
  if (module === undefined) throw new Error("a device with both chips");
  const card = new T0Card(
    new Card(
      [
        { aid: aidOf(AID_TRUSTED_AGENT), element: agent.simulated },
        { aid: aidOf(AID_MONEY_MODULE), element: module.simulated },
      ],
      "T=0",
    ),
  );
  card.powerOn();
  const transport = losing(card, lostPart);
  const channels = new CardChannels(transport);
  const elements = {
    agent: await Element.select(await channels.open(), AID_TRUSTED_AGENT),
    module: await Element.select(await channels.open(), AID_MONEY_MODULE),
  };
  const device = new Device({ name: owner.device.name, ...elements, clock: world.time, timers: world.time });
  await world.time.run(device.unlock(PIN));
  const began_ms = world.time.clock.nowMs();
  const customer = { ...owner, device };
  const sides = await trade(world, customer, merchant, { type: TYPE_PURCHASE, money: "USD 10.00" });
  const took_ms = world.time.clock.nowMs() - began_ms;
  const held = await world.time.run(balance(customer));
  return {
    left: await world.time.run(balance(merchant)),
    parts: transport.parts,
    errors: [sides.customer.error, sides.merchant.error],
    held,
    took_ms,
  };
}

test("whichever part it is, both sides come to an end, and every cent is somewhere", { timeout: 60_000 }, async () => {
  const { parts, held } = await purchase(0);
  expect(held).toBe(1000n);
  expect(parts).toBeGreaterThan(20);
  let done = 0;
  for (let part = 1; part <= parts; part += 1) {
    const lost = await purchase(part);
    expect(lost.errors).toEqual([undefined, undefined]);
    expect([0n, 1000n]).toContain(lost.held);
    expect(lost.held + lost.left).toBe(10_000n);
    expect(lost.took_ms).toBeLessThan(60_000);
    if (lost.held > 0n) done += 1;
  }
  // What was joined to an earlier part in the handshake is refused; later the peers say it again.
  expect(done).toBeGreaterThan(parts - 5);
});
