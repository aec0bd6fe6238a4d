/** How an agent ends: its flash is gone, whoever personalised it ends it, or a peer sends nonsense until the session is over. */

import { beforeAll, beforeEach, expect, it } from "vitest";
import * as p from "../../firmware/protocol/apdu.js";
import { ROLE_CUSTOMER } from "../../firmware/protocol/kinds.js";
import { SESSION_ERRORS_MAX } from "../../firmware/protocol/limits.js";
import { ADDRESS_PEER, KIND_SEALED, TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import { ChipFactory } from "../../host/chips.js";
import { fromHex } from "../../host/codec/bytes.js";
import { authenticate, personalise } from "../../host/provision.js";
import { StatusWordError } from "../../host/status-words.js";
import type { Element } from "../../simulator/element.js";
import { KeyKind, SLOTS_PERSISTENT } from "../../simulator/platform.generated.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { type AgentDevice, AgentWorld, PIN } from "../support/agents.js";
import { deliver, noticeNames } from "../support/cheating-module.js";
import { trade } from "../support/purchase.js";
import { START_SECONDS } from "../support/virtual-time.js";

let world: AgentWorld;
let customer: AgentDevice;
let merchant: AgentDevice;
let start: Uint8Array;

beforeAll(async () => {
  world = new AgentWorld("end of life");
  merchant = await world.merchant("Corner Shop", await world.authority("Registry"));
  customer = await world.customer("Alice", await world.authority("First Bank"));
  start = customer.agent.simulated.snapshot();
});

beforeEach(() => customer.agent.simulated.restore(start));

function keysIn({ chip }: Element): number {
  const slots = Array.from({ length: SLOTS_PERSISTENT }, (_, slot) => chip.slotKind(slot));
  return slots.filter((kind) => kind !== KeyKind.Empty).length;
}

it("keeps no key when its flash is blank, and is a blank chip", async () => {
  const { simulated, element } = customer.agent;
  const before = keysIn(simulated);
  simulated.powerOff();
  for (let page = 0; page < simulated.chip.flash.geometry.pageCount; page += 1) simulated.chip.flash.erase(page);
  await element.restart();
  expect(element.known).toMatchObject({ life: p.LIFE_BLANK, id: undefined, partner: undefined });
  // What a first power-up makes: the store's key, and that it was formatted.
  expect(before).toBeGreaterThan(2);
  expect(keysIn(simulated)).toBe(2);
});

it("takes no command any more once it is terminated, and its keys are gone for good", async () => {
  const randomness = () => new SeededRandomness(sodiumCryptography, "terminated");
  const chip = await new ChipFactory({ clock: world.time.clock, randomness }).chip("terminated", "agent");
  const { element, simulated } = chip;
  const order = { role: ROLE_CUSTOMER, pin: PIN, puk: "12345678", parameters: [] };
  const { personalisationKey } = await personalise(element, world.agencies, order, world.random, START_SECONDS);
  const before = keysIn(simulated);
  await authenticate(element, fromHex(personalisationKey));
  await element.setStatus(p.LIFE_TERMINATED);
  for (let i = 0; i < 2; i += 1) {
    expect((await element.select()).life).toBe(p.LIFE_TERMINATED);
    await expect(element.verifyPin(PIN)).rejects.toThrow(StatusWordError);
    await expect(element.tickets()).rejects.toThrow(StatusWordError);
    expect(keysIn(simulated)).toBeLessThan(before);
    await element.restart();
  }
});

it("gives a purchase up after so many messages that do not open", async () => {
  const said: string[] = [];
  const nonsense = (fill: number) => Uint8Array.of(ADDRESS_PEER, KIND_SEALED, ...new Uint8Array(40).fill(fill));
  await trade(world, customer, merchant, {
    type: TYPE_PURCHASE,
    customer: {
      amount: async () => {
        for (let i = 1; i <= SESSION_ERRORS_MAX; i += 1) {
          expect(said).toEqual([]);
          said.push(...noticeNames(await deliver(customer.agent.element, nonsense(i))));
        }
        return "stop" as const;
      },
    },
  });
  expect(said).toEqual(["aborted"]);
});
