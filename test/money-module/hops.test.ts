/** A note that has passed through as many hands as it may: only a teller takes it, and its owner is told so. */

import { expect, test } from "vitest";
import { HOPS_MAX } from "../../firmware/protocol/limits.js";
import { REASON_INSUFFICIENT_FUNDS, REASON_ONLY_TO_TELLER } from "../../firmware/protocol/reasons.js";
import { ReasonError } from "../../host/reasons.js";
import { issue, ModuleWorld, transfer } from "../support/modules.js";

const SUM = "10.00 USD";

test("it goes from hand to hand to the limit, then to a teller, and nothing of it is lost", async () => {
  const world = new ModuleWorld("hops");
  const { generator, teller } = await world.bank();
  let holder = await world.module("holder 2");
  await issue(generator, teller, SUM);
  await issue(teller, holder, SUM);
  // Generator and teller were the first two; a subscriber keeps one hop for the way back.
  for (let hops = 3; hops < HOPS_MAX; hops += 1) {
    const next = await world.module(`holder ${hops}`);
    await transfer(holder, next, SUM);
    holder = next;
    expect((await holder.element.notes())[0]?.hops).toBe(hops);
  }
  const other = await world.module("other");
  const refused = async (sum: string, reason: number) =>
    expect(await transfer(holder, other, sum).catch((error: unknown) => error)).toMatchObject({
      constructor: ReasonError,
      reason,
    });
  await refused("10.00 USD", REASON_ONLY_TO_TELLER);
  await refused("10.01 USD", REASON_INSUFFICIENT_FUNDS);
  expect((await holder.element.balances())[0]?.spendable).toBe(1000n);
  const { received } = await transfer(holder, teller, SUM);
  expect(received.money.amount).toBe(1000n);
});
