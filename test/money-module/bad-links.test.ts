/**
 * Payments over links that are bad for longer than a message: lossy in every way at once, or parted at any message and healed
 * later. The two meet again over such links, then over a good one: nothing is open, both agree, no value was made or lost.
 */

import { beforeAll, expect, test, vi } from "vitest";
import { type Direction, type Lossiness, lossy, Partition } from "../../host/communications/disturbances.js";
import type { Disturbance } from "../../host/communications/in-process.js";
import { disturbedLink } from "../support/faults.js";
import { FaultStage, SCENARIOS, type ScenarioName } from "../support/faults-scenarios.js";
import { generator } from "../support/store-driver.js";

vi.setConfig({ testTimeout: 120_000 });

const SEEDS = 40;
const SHARES: Lossiness = {
  lose: 0.06,
  repeat: 0.1,
  overtaken: 0.05,
  delay: 0.1,
  corrupt: 0.02,
  cut: 0.01,
  delayMax_ms: 3000,
};

let stage: FaultStage;

beforeAll(async () => {
  stage = await FaultStage.create("bad links");
});

/** One payment over a link, two meetings over links of the same sort, one over a good link. Whether it happened. */
async function settled(name: ScenarioName, disturbance: () => Disturbance): Promise<boolean> {
  const { time } = stage.world;
  const ends = stage.reset(name);
  const before = await stage.before(ends);
  await stage.run(name, ends, disturbedLink(time, disturbance()));
  for (let meeting = 0; meeting < 2; meeting++) {
    await stage.restart(ends);
    await stage.meet(ends, undefined, disturbedLink(time, disturbance()));
  }
  await stage.restart(ends);
  await stage.meet(ends);
  return stage.judge(ends, before);
}

test.each(SCENARIOS)("%s over lossy links", async (name) => {
  const seen = new Set<boolean>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = generator(seed * 7919);
    seen.add(await settled(name, () => lossy(SHARES, random)));
  }
  expect(seen).toContain(true);
  expect(seen).toContain(false);
});

test.each(SCENARIOS)("%s over links that are parted", async (name) => {
  const seen = new Set<boolean>();
  let lost = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = generator(seed * 104_729);
    const partitions: Partition[] = [];
    seen.add(
      await settled(name, () => {
        const [disturbance, partition] = parted(random);
        partitions.push(partition);
        return disturbance;
      }),
    );
    for (const partition of partitions) lost += partition.lost;
  }
  expect(lost).toBeGreaterThan(SEEDS);
  expect(seen).toContain(true);
  expect(seen).toContain(false);
});

/** Parted from some message on, in one direction or both; healed a while later, or never. */
function parted(random: () => number): [Disturbance, Partition] {
  const partition = new Partition();
  const from = random() % 16;
  const blocked = (["both", 0, 1] as const)[random() % 3] as Direction | "both";
  const healAfter_ms = random() % 8000;
  let sent = 0;
  const disturbance: Disturbance = (direction, index, message) => {
    if (sent++ === from) {
      partition.part(blocked);
      if (random() % 3 !== 0) stage.world.time.after(healAfter_ms, () => partition.heal());
    }
    return partition.disturbance(direction, index, message);
  };
  return [disturbance, partition];
}
