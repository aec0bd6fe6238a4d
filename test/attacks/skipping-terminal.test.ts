/**
 * A terminal that has a purse for a moment, with a small allowance and no PIN, names first tokens near the end, so that the owner could not spend
 * those before them any more. The chip lets nobody skip without the PIN; what a host with the PIN skips is the owner's at the refund.
 */

import { afterAll, beforeAll, expect, test } from "vitest";
import { SW_SECURITY_STATUS } from "../../firmware/protocol/apdu.js";
import { shippedApplet } from "../../simulator/applet-files.js";
import { settled } from "../token-explorer/auditor.js";
import { Buyer, DENOMINATIONS, Shop } from "../token-explorer/buyer.js";
import { audited } from "../token-explorer/run.js";
import { settle } from "../token-explorer/stories.js";
import { Template, World } from "../token-explorer/world.js";

let template: Template;
beforeAll(async () => {
  template = await Template.make("skipping terminal");
});
afterAll(() => template.remove());

test("without the PIN it skips nothing, and with it what is skipped is not revealed and comes back", async () => {
  const world = new World({ template, applet: shippedApplet("purse"), faults: [] });
  try {
    await world.start();
    const [alice, shop] = [new Buyer(world, 0), new Shop(world)];
    const slot = await alice.fill();
    const { purse } = world.cards[0] ?? { purse: undefined };
    if (purse === undefined) throw new Error("no card");
    await purse.allow(slot, 1n);
    await purse.element.restart();
    const order = shop.order("a", 1n);
    const firsts = DENOMINATIONS.map(({ count }, at) => (at === 0 ? count - 1 : count));
    await expect(purse.spend(slot, order.order, 1n, { firsts })).rejects.toMatchObject({ status: SW_SECURITY_STATUS });
    await world.cards[0]?.start(world.time.now_seconds());
    const shown = await purse.spend(slot, order.order, 1n, { firsts });
    expect(shown.ranges).toEqual([{ first: firsts[0], count: 1 }]);
    expect(world.halves.count).toBe(1);
    const { halves, index, ranges } = shown;
    await shop.pay(order, async () => [{ purse: shown.purse, index, ranges, halves }], 1n);
    // Nothing is left to be spent: that is what it has done.
    expect((await purse.purses())[0]?.stacks.map(({ count, next }) => count - next)).toEqual([0, 0]);
    expect(await settle(world, shop, 1)).toBe(true);
    // The one token is the seller's, all the others are the owner's again.
    expect(await settled(await audited(world, shop))).toEqual([]);
  } finally {
    await world.stop();
  }
});
