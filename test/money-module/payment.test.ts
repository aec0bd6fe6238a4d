/** Money module payment: WO 96/41315 fig. 12 (steps 558-632), 20 and 21, on the release firmware. */

import { beforeEach, expect, test } from "vitest";
import { type Money, parseMoney } from "../../host/units.js";
import { issue, type ModuleDevice, ModuleWorld, transfer } from "../support/modules.js";

let world: ModuleWorld;
let generator: ModuleDevice;
let teller: ModuleDevice;
let alice: ModuleDevice;
let bob: ModuleDevice;

beforeEach(async () => {
  world = new ModuleWorld("payment");
  ({ generator, teller } = await world.bank());
  alice = await world.module("alice");
  bob = await world.module("bob");
});

async function spendable(who: ModuleDevice, unit: Money["unit"] = parseMoney("0.00 USD").unit): Promise<bigint> {
  const balances = await who.element.balances();
  const line = balances.find((balance) => balance.unit.currency === unit.currency);
  return line?.spendable ?? 0n;
}

test("a generator issues to a teller, a teller pays a subscriber, who pays another", async () => {
  await issue(generator, teller, "100.00 USD", [6000n, 4000n]);
  expect(await spendable(teller)).toBe(10000n);
  expect((await generator.element.issued())[0]?.amount).toBe(10000n);
  await issue(teller, alice, "70.00 USD");
  expect(await spendable(teller)).toBe(3000n);
  expect(await spendable(alice)).toBe(7000n);
  const { sent, received } = await transfer(alice, bob, "12.34 USD");
  expect(sent.confirmed).toBe(true);
  expect(received.payId).toEqual(sent.payId);
  expect(await spendable(alice)).toBe(5766n);
  expect(await spendable(bob)).toBe(1234n);
  for (const who of [alice, bob]) expect(await who.element.pending()).toEqual([]);
});
