/** EP 0 833 285 A2 fig. 5, steps 520-526: a seller takes its purse, stores it, and passes the buyer's on. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NOW } from "../support/agencies.js";
import { DAY, outcome, range, SellerWorld } from "../support/seller-world.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";

let world: SellerWorld;
beforeEach(async () => {
  world = await SellerWorld.open("fig. 5", { onDisk: true });
});
afterEach(() => world.close());

describe("a seller's purse", () => {
  it("is stored before the buyer's is passed on, and is there after a restart (522-526)", async () => {
    const buyer = world.buyer();
    const purse = await world.purse(buyer);
    const stored = () =>
      world.seller.purses().map(({ denominations, purse: id, unit }) => ({ id, unit, denominations }));
    const before = stored();
    expect(before).toEqual([
      {
        id: purse.share.purse,
        unit: FINE_DOLLAR,
        denominations: [{ value: 10n, count: 100, taken: 0, credited: 0, refused: 0 }],
      },
    ]);
    await world.restart();
    expect(stored()).toEqual(before);
    const paid = await world.seller.accept(world.payment(buyer, purse, 50n, range(0, 5)), world.expected(50n));
    expect(paid.state).toBe("paid");
  });

  it("that is delivered again changes nothing, not even after its halves were spent", async () => {
    const buyer = world.buyer();
    const purse = await world.purse(buyer);
    await world.seller.accept(world.payment(buyer, purse, 10n, range(0)), world.expected(10n));
    const [issued] = world.issuer.purses;
    if (issued === undefined) throw new Error("no purse");
    await Promise.all([0, 1].map(() => world.seller.deliver(world.issuer.sellerPurse(issued))));
    expect(world.seller.purses()[0]?.denominations[0]?.taken).toBe(1);
    expect(await outcome(world.seller.accept(world.payment(buyer, purse, 10n, range(0)), world.expected(10n)))).toBe(
      "half-spent",
    );
  });

  it("that was asked for and got lost on the way waits at the issuer: it comes with the buyer's repeat or is collected", async () => {
    const buyer = world.buyer();
    const asked = buyer.ask(world.issuer.keys, {
      seller: world.seller.id,
      spendBy_seconds: NOW + DAY,
      time_seconds: NOW,
    });
    const issued = world.issuer.issue(asked.sealed);
    const purse = buyer.install(world.issuer.keys, asked, issued.share);
    const payment = world.payment(buyer, purse, 10n, range(0));
    expect(await outcome(world.seller.accept(payment, world.expected(10n)))).toBe("unknown-purse");
    world.issuer.waiting.purses.push(issued.sellerPurse);
    expect(await world.seller.collect()).toEqual({ credited: [], failed: [] });
    expect(await outcome(world.seller.accept(payment, world.expected(10n)))).toBe("paid");
  });

  it.each([
    ["a leaf is another", (c: { leaves: Uint8Array }) => ({ ...c, leaves: altered(c.leaves) }), {}],
    ["there is a half too few", (c: { halves: Uint8Array }) => ({ ...c, halves: c.halves.subarray(32) }), {}],
    [
      "there is a key too many",
      (c: { orderKeys: readonly Uint8Array[] }) => ({ ...c, orderKeys: [...c.orderKeys, new Uint8Array(32)] }),
      {},
    ],
    ["it is another seller's", <T>(c: T) => c, { seller: new Uint8Array(16).fill(5) }],
    ["it is another issuer's", <T>(c: T) => c, { issuer: new Uint8Array(16).fill(5) }],
    ["its head is altered", (c: { head: Uint8Array }) => ({ ...c, head: altered(c.head) }), {}],
    ["its chain is altered", (c: { chain: Uint8Array }) => ({ ...c, chain: altered(c.chain) }), {}],
    ["it says of the buyer what the issuer is not believed", <T>(c: T) => c, AUTHORIZATION("over-65")],
  ])("is not stored when %s", async (_what, change, headParts) => {
    const buyer = world.buyer();
    const isAuthorization = "assertion" in headParts;
    await (isAuthorization ? world.authorization(buyer) : world.purse(buyer));
    const [issued] = world.issuer.purses;
    if (issued === undefined) throw new Error("no purse");
    const other = { ...issued, id: new Uint8Array(16).fill(77) };
    const sealed = world.issuer.sellerPurse(other, change as never, headParts);
    expect(await outcome(() => world.seller.deliver(sealed))).toBe("not-authentic");
    expect(world.seller.purses()).toHaveLength(1);
  });

  it("is not stored when its seal is broken, or is cut off", async () => {
    await world.purse(world.buyer());
    const [issued] = world.issuer.purses;
    if (issued === undefined) throw new Error("no purse");
    const sealed = world.issuer.sellerPurse({ ...issued, id: new Uint8Array(16).fill(77) });
    for (const bad of [altered(sealed), sealed.subarray(0, -20), sealed.subarray(0, 40), new Uint8Array(0)])
      expect(await outcome(() => world.seller.deliver(bad))).toBe("not-authentic");
    expect(world.seller.purses()).toHaveLength(1);
    await world.seller.deliver(sealed);
    expect(world.seller.purses()).toHaveLength(2);
  });
});

function AUTHORIZATION(assertion: string) {
  return { assertion };
}

function altered(bytes: Uint8Array): Uint8Array {
  const other = Uint8Array.from(bytes);
  other[other.length - 3] = (other[other.length - 3] ?? 0) ^ 1;
  return other;
}
