import { afterEach, describe, expect, test } from "vitest";
import { meet } from "../../host/applications/deal.js";
import { shop } from "../../host/applications/shop.js";
import { MemoryHome } from "../../host/home.js";
import { parseMoney, unitOf } from "../../host/units.js";
import type { World } from "../../host/world.js";
import { createWorld } from "../../host/world-init.js";
import { STANDARD_PLAN } from "../../host/world-plan.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { VirtualTime } from "../support/virtual-time.js";

const yes = {
  confirmMerchant: () => true,
  chooseCard: (cards: readonly never[]) => cards[0],
  confirmReceipt: () => true,
};

async function newWorld(seed = "world"): Promise<{ world: World; time: VirtualTime; random: SeededRandomness }> {
  const time = new VirtualTime();
  const random = new SeededRandomness(sodiumCryptography, seed);
  const home = new MemoryHome({
    clock: time.clock,
    randomness: (name) => random.fork(name),
    debugFirmware: true,
  });
  const world = await time.run(createWorld({ home, plan: STANDARD_PLAN, clock: time, timers: time, random }));
  return { world, time, random };
}

let opened: World | undefined;
afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

describe("a purchase of electronic money", () => {
  test("debits the card, moves the notes, and everybody agrees", async () => {
    const { world, time } = await newWorld();
    opened = world;
    const alice = world.customer("alice").device;
    const { merchant, outbox } = world.trader("birch");
    const { customer, merchant: served } = await time.run(
      meet({ customer: alice, merchant, prompts: yes }, "buy", parseMoney("USD 40.00")),
    );
    expect(customer).toMatchObject({ status: "fulfilled", value: { receipt: { fee: 75n, type: 1 } } });
    expect(served).toMatchObject({ status: "fulfilled", value: { outcome: "done" } });
    expect((await alice.module.balances())[0]?.spendable).toBe(4_000n);
    expect(await outbox.unfinished()).toEqual([]);
    expect(await world.network.accountBalance("meadow-bank", "current-alice")).toEqual({
      available: 80_000n - 4_075n,
      held: 0n,
    });
    const lines = await world.audit();
    expect(lines.every((line) => line.balanced)).toBe(true);
    const [best] = await shop(world.directory, "buy", parseMoney("USD 40.00"), unitOf("USD"));
    expect(best.merchant.name).toBe("Alder Exchange");
  });
});
