/** What a purse takes in the chip: the same for ten tokens and for a million; and what a chip does when it is full. */

import { describe, expect, test } from "vitest";
import { REASON_STORE_FULL } from "../../firmware/protocol/reasons.js";
import { PURSES_MAX } from "../../firmware/protocol/tokens.js";
import { RecordReader } from "../support/conservation-records.js";
import { refuses } from "../support/purse-checks.js";
import { type Buyer, type Filled, MILLS, NOW, orderOf, PurseWorld, REDEEM_BY, SMALL_FLASH } from "../support/purses.js";

const seller = (number: number) => new Uint8Array(16).fill(number);

describe("a purse of any size", () => {
  test("takes the same bytes of the store", async () => {
    const world = new PurseWorld("sizes", { geometry: { ...SMALL_FLASH, pageCount: 12 } });
    const buyer = await world.buyer("alice");
    const took: number[] = [];
    for (const [number, count] of [10, 10_000, 1_000_000].entries()) {
      const before = (await buyer.element.store()).freeBytes;
      const denominations = [{ value: 1n, count }];
      const { slot } = await world.purse(buyer, { seller: seller(number), denominations });
      await buyer.card.spend(slot, orderOf(5n, 1, { seller: seller(number) }), 5n);
      took.push(before - (await buyer.element.store()).freeBytes);
    }
    expect(new Set(took).size).toBe(1);
    expect(took[0]).toBeGreaterThan(32);
    expect(took[0]).toBeLessThan(600);
  });

  test("is spent as fast at its end as at its beginning", async () => {
    const world = new PurseWorld("ends");
    const buyer = await world.buyer("alice");
    const { slot } = await world.purse(buyer, { denominations: [{ value: 1n, count: 1_000_000 }] });
    const last = await buyer.card.spend(slot, orderOf(2n), 2n, { firsts: [999_998] });
    expect(last.ranges).toEqual([{ first: 999_998, count: 2 }]);
  });
});

/** As many purses as the store of a small chip takes. */
async function fill(world: PurseWorld, buyer: Buyer): Promise<Filled[]> {
  const purses: Filled[] = [];
  for (let number = 0; number < PURSES_MAX; number += 1) {
    try {
      purses.push(await world.purse(buyer, { seller: seller(number) }));
    } catch (error) {
      expect(error).toMatchObject({ reason: REASON_STORE_FULL });
      break;
    }
  }
  return purses;
}

describe("a chip that is full", () => {
  test("asks for nothing more; all that is there can be spent, closed, refunded, and there is room again", async () => {
    const reader = await RecordReader.create(SMALL_FLASH);
    const world = new PurseWorld("full", { geometry: SMALL_FLASH });
    const buyer = await world.buyer("alice");
    const purses = await fill(world, buyer);
    expect(purses.length).toBeGreaterThan(3);
    expect(purses.length).toBeLessThan(PURSES_MAX);
    const [first] = purses as [Filled];
    const request = () => buyer.card.request(world.order({ seller: seller(200) }));
    await refuses(buyer, reader, REASON_STORE_FULL, request);
    // A request that flushes writes two records, and takes the room of one.
    await refuses(buyer, reader, REASON_STORE_FULL, () =>
      buyer.card.request(world.order({ seller: seller(0), flush: true })),
    );
    for (const [number, { slot }] of purses.entries()) {
      for (let each = 0; each < 20; each += 1)
        await buyer.card.spend(slot, orderOf(6n, each, { seller: seller(number) }), 6n);
      await buyer.card.allow(slot, 3n);
    }
    await buyer.element.putList(world.agencies.agents.badIdList(1n, NOW, many()));
    await expect(buyer.element.verifyPin("9999")).rejects.toThrow();
    await world.restart(buyer);
    for (const { slot } of purses) await buyer.card.close(slot);
    await refuses(buyer, reader, REASON_STORE_FULL, request);
    for (const each of purses) await buyer.card.settled(each.slot, world.mint.refund(each));
    expect((await request()).slot).toBe(first.slot);
    expect(await buyer.card.find(seller(0), 1, MILLS)).toBeUndefined();
  });

  test("forgets purses that nobody redeems any more", async () => {
    const world = new PurseWorld("lapsed", { geometry: SMALL_FLASH });
    const buyer = await world.buyer("alice");
    const purses = await fill(world, buyer);
    await buyer.element.open(BigInt(REDEEM_BY + 1));
    for (const { slot } of purses) await buyer.card.forget(slot);
    expect(await buyer.card.purses()).toEqual([]);
  });
});

/** A list as long as one may be. */
function many(): [Uint8Array, number][] {
  return Array.from({ length: 64 }, (_, number) => [new Uint8Array(16).fill(number + 1), 1]);
}
