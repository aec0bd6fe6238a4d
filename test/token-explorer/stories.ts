/** Lives of purses, from the first request to the last refund. */

import { asError } from "../../host/as-error.js";
import { Buyer, type Shop, SPEND_SECONDS } from "./buyer.js";
import { REDEEM_SECONDS, type World } from "./world.js";

export interface Story {
  readonly name: string;
  readonly tell: (world: World, shop: Shop) => Promise<void>;
  /** Who has a purse in it. */
  readonly buyers: number;
  /** The seller loses what it has not redeemed in time. */
  readonly mayLose?: boolean;
}

const JOINT = new Uint8Array(16).fill(0x77);
/** Rounds in which everything has to be settled. */
const ROUNDS_MAX = 10;

/** Asks for tokens, buys in one step and in two, has them redeemed in between, and has the rest refunded. */
const life: Story = {
  name: "life",
  buyers: 1,
  async tell(world, shop) {
    const alice = new Buyer(world, 0);
    const slot = await alice.fill();
    const [first, second, third] = [shop.order("a", 7n), shop.order("b", 9n), shop.order("c", 5n)];
    await shop.pay(first, async () => [await alice.show(first, slot, 7n)], 7n);
    await shop.pay(second, async () => [await alice.show(second, slot, 5n)], 5n);
    await shop.pay(second, async () => [await alice.show(second, slot, 9n)], 9n);
    await shop.redeem();
    await shop.pay(third, async () => [await alice.show(third, slot, 5n)], 5n);
  },
};

/** A new purse takes the place of an older one, which goes back. */
const flush: Story = {
  name: "flush",
  buyers: 1,
  async tell(world, shop) {
    const alice = new Buyer(world, 0);
    const old = await alice.fill();
    const [first, second] = [shop.order("a", 6n), shop.order("b", 11n)];
    await shop.pay(first, async () => [await alice.show(first, old, 6n)], 6n);
    const slot = await alice.fill({ flush: true });
    await shop.pay(second, async () => [await alice.show(second, slot, 11n)], 11n);
  },
};

/** Something that only some may buy: the proof comes from another issuer than the money. */
const authorization: Story = {
  name: "authorization",
  buyers: 1,
  async tell(world, shop) {
    const alice = new Buyer(world, 0);
    const money = await alice.fill();
    const proof = await alice.fill({ kind: "authorization" });
    const order = shop.order("a", 8n, "over-21");
    await shop.pay(order, async () => [await alice.show(order, proof, 1n), await alice.show(order, money, 8n)], 8n);
  },
};

/** Two cards that can only pay together. */
const joint: Story = {
  name: "joint",
  buyers: 2,
  async tell(world, shop) {
    const [alice, bob] = [new Buyer(world, 0), new Buyer(world, 1)];
    const order = shop.order("a", 6n);
    // Who asks first is told to wait: both ask until both have it.
    let slots: number[] = [];
    await world.until("both cards are filled", async () => {
      const asked = [];
      for (const [index, buyer] of [alice, bob].entries())
        asked.push(await buyer.ask({ joint: { id: JOINT, holders: 2, index } }).catch(asError));
      const refused = asked.find((each) => each instanceof Error);
      if (refused !== undefined) throw refused;
      slots = asked as number[];
    });
    const [first = 0, second = 0] = slots;
    const show = async () => [await alice.show(order, first, 6n), await bob.show(order, second, 6n)];
    await shop.pay(order, show, 6n);
  },
};

/** A seller that redeems what it was paid and withholds its purse: the rest comes back when the last day is over. */
const withheld: Story = {
  name: "withheld",
  buyers: 1,
  async tell(world, shop) {
    const alice = new Buyer(world, 0);
    const slot = await alice.fill();
    const order = shop.order("a", 12n);
    await shop.pay(order, async () => [await alice.show(order, slot, 12n)], 12n);
    await shop.redeem();
    world.withholds = true;
    await world.until("the purse is closed", () => alice.settle());
    await world.pass((SPEND_SECONDS + REDEEM_SECONDS + 1) * 1000);
    await world.recover();
  },
};

/** A seller that sleeps until the last day for redemption is over: what it was paid is lost to it, and goes back to the buyer. */
const late: Story = {
  name: "late",
  buyers: 1,
  mayLose: true,
  async tell(world, shop) {
    const alice = new Buyer(world, 0);
    const slot = await alice.fill();
    const [first, second] = [shop.order("a", 6n), shop.order("b", 7n)];
    await shop.pay(first, async () => [await alice.show(first, slot, 6n)], 6n);
    await shop.redeem();
    await shop.pay(second, async () => [await alice.show(second, slot, 7n)], 7n);
    world.withholds = true;
    await world.until("the purse is closed", () => alice.settle());
    await world.pass((SPEND_SECONDS + REDEEM_SECONDS + 1) * 1000);
    await world.recover();
  },
};

/** A buyer who is on line, and a seller whom nobody reaches: it collects its purse, and the recall. */
const online: Story = {
  name: "online",
  buyers: 1,
  async tell(world, shop) {
    world.isReachable = false;
    const alice = new Buyer(world, 0);
    const slot = await alice.fill({ isDirect: true });
    await world.until("the seller collects its purse", async () => {
      if (!(await shop.settle())) throw new Error("not everything was collected");
    });
    const order = shop.order("a", 10n);
    await shop.pay(order, async () => [await alice.show(order, slot, 10n)], 10n);
  },
};

/** As above, but the issuer brings the seller its purse. */
const brought: Story = {
  name: "brought",
  buyers: 1,
  async tell(world, shop) {
    const alice = new Buyer(world, 0);
    const slot = await alice.fill({ isDirect: true });
    const order = shop.order("a", 10n);
    await shop.pay(order, async () => [await alice.show(order, slot, 10n)], 10n);
  },
};

export const STORIES: readonly Story[] = [life, flush, authorization, joint, withheld, late, online, brought];

export function storyNamed(name: string): Story {
  const found = STORIES.find((each) => each.name === name);
  if (found === undefined)
    throw new RangeError(`"${name}" is no story: ${STORIES.map((each) => each.name).join(", ")}`);
  return found;
}

/** Everybody settles what is open, until nothing is. */
export async function settle(world: World, shop: Shop, buyers: number): Promise<boolean> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    let isSettled = true;
    for (let index = 0; index < buyers; index++) {
      const buyer = new Buyer(world, index);
      isSettled = (await tried(world, () => buyer.settle())) && isSettled;
    }
    isSettled = (await tried(world, () => shop.settle())) && isSettled;
    if (isSettled) return true;
    await world.recover();
  }
  return false;
}

async function tried(world: World, work: () => Promise<boolean>): Promise<boolean> {
  try {
    return await world.time.run(work());
  } catch {
    return false;
  }
}
