/** EP 0 833 285 A2 fig. 7 and 8, steps 150 and 550-562: halves are shown for an order, and the seller looks at them. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DELIVERY_SEALED } from "../../firmware/protocol/tokens.js";
import { concatBytes, equalBytes } from "../../host/codec/bytes.js";
import { sha256 } from "../../host/crypto.js";
import { goodsKey, orderKey } from "../../host/tokens/derive.js";
import { encodeOrder, encodePayment, readPayment } from "../../host/tokens/messages/payment.js";
import { DAY, outcome, range, SellerWorld } from "../support/seller-world.js";
import type { BuyersPurse, TokenBuyer } from "../support/token-buyer.js";

let world: SellerWorld;
let buyer: TokenBuyer;
let purse: BuyersPurse;
beforeEach(async () => {
  world = await SellerWorld.open("fig. 8");
  buyer = world.buyer();
  purse = await world.purse(buyer);
});
afterEach(() => world.close());

const accept = (payment: Uint8Array, price: bigint) => world.seller.accept(payment, world.expected(price));
const taken = () => world.seller.purses().map(({ denominations }) => denominations[0]?.taken);

describe("a microtransaction", () => {
  it("is paid by halves that make the price (552-560)", async () => {
    const order = world.order(buyer, purse, 30n);
    const accepted = await accept(buyer.pay(purse, order, range(0, 3)), 30n);
    const orderHash = sha256(encodeOrder(order));
    expect(accepted).toMatchObject({ state: "paid", paid: 30n, price: 30n, credit: 0n, first: true, orderHash });
    expect(accepted.goodsKey).toEqual(goodsKey(orderKey(purse.seed), orderHash));
    expect(taken()).toEqual([3]);
    expect(await world.seller.audit()).toEqual([]);
  });

  it("is told what is missing when the sum is not the price (562), and is completed by more halves", async () => {
    const order = world.order(buyer, purse, 30n);
    const some = await accept(buyer.pay(purse, order, range(0, 2)), 30n);
    expect(some).toMatchObject({ state: "underpaid", paid: 20n, credit: 20n, first: false });
    const all = await accept(buyer.pay(purse, order, range(0, 3)), 30n);
    expect(all).toMatchObject({ state: "paid", paid: 30n, credit: 0n, first: true });
    expect(all.purchase).toBe(some.purchase);
    expect(taken()).toEqual([3]);
  });

  it("that comes again has the same answer, and nothing more is taken", async () => {
    const payment = world.payment(buyer, purse, 30n, range(0, 3));
    const { first, ...answer } = await accept(payment, 30n);
    expect(first).toBe(true);
    for (let i = 0; i < 3; i++) expect(await accept(payment, 30n)).toEqual({ ...answer, first: false });
    expect(taken()).toEqual([3]);
  });

  it("that was paid is reminded of without its halves; nobody is paid by a reminder", async () => {
    const order = world.order(buyer, purse, 30n);
    const payment = buyer.pay(purse, order, range(0, 3));
    const reminder = part(payment, (shown) => ({ ...shown, ranges: range(1), halves: new Uint8Array(0) }));
    expect(await outcome(accept(reminder, 30n))).toBe("half-missing");
    expect(taken()).toEqual([0]);
    await accept(payment, 30n);
    expect(await accept(reminder, 30n)).toMatchObject({ state: "paid", paid: 30n, first: false });
    const other = part(payment, (shown) => ({ ...shown, ranges: range(2, 2), halves: new Uint8Array(0) }));
    expect(await outcome(accept(other, 30n))).toBe("half-missing");
    const foreign = world.payment(buyer, purse, 10n, range(1));
    expect(
      await outcome(
        accept(
          part(foreign, (p) => ({ ...p, halves: new Uint8Array(0) })),
          10n,
        ),
      ),
    ).toBe("half-spent");
  });

  it("that is overpaid leaves a credit for its own order only", async () => {
    const order = world.order(buyer, purse, 25n);
    expect(await accept(buyer.pay(purse, order, range(0, 3)), 25n)).toMatchObject({
      state: "paid",
      paid: 30n,
      credit: 5n,
    });
    expect(await accept(buyer.pay(purse, order, range(3)), 25n)).toMatchObject({
      state: "paid",
      paid: 40n,
      credit: 15n,
      first: false,
    });
    expect(await outcome(accept(world.payment(buyer, purse, 10n, range(0)), 10n))).toBe("half-spent");
  });

  it("may show halves in any order and in several ranges", async () => {
    const ranges = [
      { first: 3, count: 2 },
      { first: 50, count: 1 },
      { first: 98, count: 2 },
    ];
    expect(await outcome(accept(world.payment(buyer, purse, 50n, ranges), 50n))).toBe("paid");
    expect(await outcome(accept(world.payment(buyer, purse, 30n, range(0, 3)), 30n))).toBe("paid");
    expect(await outcome(accept(world.payment(buyer, purse, 10n, range(4)), 10n))).toBe("half-spent");
    expect(taken()).toEqual([8]);
    expect(await world.seller.audit()).toEqual([]);
  });
});

describe("bad halves change nothing", () => {
  const spoiled: readonly [string, string, (payment: Uint8Array) => Uint8Array][] = [
    ["half-altered", "a half is altered", (payment) => part(payment, (p) => ({ ...p, halves: flipped(p.halves, 33) }))],
    [
      "half-altered",
      "two halves are exchanged",
      (payment) => part(payment, (p) => ({ ...p, halves: exchanged(p.halves) })),
    ],
    [
      "half-altered",
      "the serial numbers are others",
      (payment) => part(payment, (p) => ({ ...p, ranges: range(5, 3) })),
    ],
    [
      "unknown-serial",
      "a serial number is beyond the purse",
      (payment) => part(payment, (p) => ({ ...p, ranges: range(98, 3) })),
    ],
    [
      "unknown-purse",
      "the purse is unknown",
      (payment) => part(payment, (p) => ({ ...p, purse: flipped(p.purse, 0) })),
    ],
    ["malformed", "a half is missing", (payment) => part(payment, (p) => ({ ...p, halves: p.halves.subarray(32) }))],
    [
      "malformed",
      "there are no halves",
      (payment) => part(payment, (p) => ({ ...p, halves: new Uint8Array(0), ranges: [] })),
    ],
    ["malformed", "a holder is named who is none", (payment) => part(payment, (p) => ({ ...p, index: 1 }))],
    ["malformed", "the message is cut off", (payment) => payment.subarray(0, -1)],
    ["malformed", "it is no message", () => Uint8Array.of(1, 2, 3)],
  ];

  it.each(spoiled)("%s: %s", async (code, _what, spoil) => {
    const order = world.order(buyer, purse, 30n);
    const payment = buyer.pay(purse, order, range(0, 3));
    expect(await outcome(accept(spoil(payment), 30n))).toBe(code);
    expect(taken()).toEqual([0]);
    expect(await outcome(accept(payment, 30n))).toBe("paid");
  });

  it("half-spent: one half of several was shown for another order, and the others stay as they are", async () => {
    await accept(world.payment(buyer, purse, 10n, range(1)), 10n);
    expect(await outcome(accept(world.payment(buyer, purse, 30n, range(0, 3)), 30n))).toBe("half-spent");
    expect(taken()).toEqual([1]);
    expect(await outcome(accept(world.payment(buyer, purse, 20n, [...range(0), ...range(2)]), 20n))).toBe("paid");
  });

  it("half-altered: a masked half that was shown for one order is no half for another", async () => {
    const order = world.order(buyer, purse, 30n);
    const overheard = readPayment(buyer.pay(purse, order, range(0, 3)));
    const other = encodeOrder(world.order(buyer, purse, 30n));
    const forged = encodePayment({ ...overheard, order: other });
    expect(await outcome(accept(forged, 30n))).toBe("half-altered");
    expect(await outcome(accept(encodePayment(overheard), 30n))).toBe("paid");
  });

  it("half-altered: halves of two purses are mixed", async () => {
    const second = await world.purse(buyer);
    const order = world.order(buyer, purse, 30n);
    const [mine, theirs] = [purse, second].map((each) => readPayment(buyer.pay(each, order, range(0, 3))));
    const [a, b] = [mine?.parts[0], theirs?.parts[0]];
    if (a === undefined || b === undefined || mine === undefined) throw new Error("no part");
    const halves = concatBytes(a.halves.subarray(0, 64), b.halves.subarray(64));
    expect(await outcome(accept(encodePayment({ order: mine.order, parts: [{ ...a, halves }] }), 30n))).toBe(
      "half-altered",
    );
    expect(await outcome(accept(encodePayment({ order: mine.order, parts: [{ ...a, halves: b.halves }] }), 30n))).toBe(
      "half-altered",
    );
    expect(taken()).toEqual([0, 0]);
  });

  it("wrong-order: it is for other goods, another price, another seller, or other delivery", async () => {
    const parts = [
      { goods: new Uint8Array(32) },
      { price: 29n },
      { seller: new Uint8Array(16) },
      { delivery: DELIVERY_SEALED },
    ];
    for (const each of parts) {
      const order = world.order(buyer, purse, 30n, each);
      const work = world.seller.accept(buyer.pay(purse, order, range(0, 3)), world.expected(30n, { delivery: 0 }));
      expect(await outcome(work), JSON.stringify(Object.keys(each))).toBe("wrong-order");
    }
    expect(taken()).toEqual([0]);
  });

  it("not-proved: it asks for an authorization that is not shown, though the shop asks for none", async () => {
    const order = world.order(buyer, purse, 30n, { assertion: "over-21" });
    const work = world.seller.accept(buyer.pay(purse, order, range(0, 3)), world.expected(30n));
    expect(await outcome(work)).toBe("not-proved");
    expect(taken()).toEqual([0]);
  });

  it("wrong-purse: its halves are in another unit than the order", async () => {
    const order = world.order(buyer, purse, 30n, { unit: { currency: 978, exponent: 4 } });
    const work = world.seller.accept(buyer.pay(purse, order, range(0, 3)), world.expected(30n));
    expect(await outcome(work)).toBe("wrong-purse");
    expect(taken()).toEqual([0]);
  });

  it("purse-expired: after the last second for spending, also where some of the order was paid before it", async () => {
    const order = world.order(buyer, purse, 30n);
    expect(await accept(buyer.pay(purse, order, range(0, 2)), 30n)).toMatchObject({ state: "underpaid" });
    world.now = BigInt(purse.share.spendBy_seconds);
    expect(await accept(buyer.pay(purse, order, range(2)), 30n)).toMatchObject({ state: "paid", first: true });
    world.now += 1n;
    expect(await outcome(accept(world.payment(buyer, purse, 10n, range(9)), 10n))).toBe("purse-expired");
    expect(await accept(buyer.pay(purse, order, range(0, 3)), 30n)).toMatchObject({ state: "paid", first: false });
    expect(taken()).toEqual([3]);
    world.now += BigInt(DAY);
  });
});

describe("several purses", () => {
  it("pay one order in the open together", async () => {
    const second = await world.purse(buyer);
    const order = world.order(buyer, purse, 30n);
    const parts = [
      { buyer, purse, ranges: range(0, 2) },
      { buyer, purse: second, ranges: range(0) },
    ];
    expect(await accept(buyer.payFrom(parts, order), 30n)).toMatchObject({ state: "paid", paid: 30n });
    expect(await world.seller.audit()).toEqual([]);
  });

  it("do not pay one order whose goods travel sealed: what a stranger adds to an order that he overheard is no payment of it", async () => {
    const order = world.order(buyer, purse, 30n, { delivery: DELIVERY_SEALED });
    const stranger = world.buyer();
    const theirs = await world.purse(stranger);
    const mixed = buyer.payFrom(
      [
        { buyer: stranger, purse: theirs, ranges: range(0) },
        { buyer, purse, ranges: range(0, 3) },
      ],
      order,
    );
    expect(await outcome(accept(mixed, 30n))).toBe("wrong-purse");
    // He comes first with one token of his own: it is his, and the buyer's payment is as if he were not there.
    expect(await accept(stranger.pay(theirs, order, range(0)), 30n)).toMatchObject({ state: "underpaid", paid: 10n });
    const paid = await accept(buyer.pay(purse, order, range(0, 3)), 30n);
    expect(paid).toMatchObject({ state: "paid", paid: 30n, first: true });
    const again = await accept(stranger.pay(theirs, order, range(0)), 30n);
    expect(again).toMatchObject({ state: "underpaid", paid: 10n });
    expect(equalBytes(again.goodsKey, paid.goodsKey)).toBe(false);
  });
});

describe("a joint purse", () => {
  const both = async () => {
    const [one, two] = [world.buyer(), world.buyer()];
    const id = new Uint8Array(16).fill(3);
    const request = {
      nonce: new Uint8Array(16).fill(1),
      seed: new Uint8Array(32).fill(8),
      joint: { id, holders: 2, index: 0 },
    };
    await expect(world.purse(one, request)).rejects.toMatchObject({ code: "waiting" });
    const second = await world.purse(two, { joint: { id, holders: 2, index: 1 } });
    const first = await world.purse(one, request);
    return { one, two, first, second };
  };

  it("takes the halves of all holders over the same serial numbers", async () => {
    const { one, two, first, second } = await both();
    const order = world.order(one, first, 20n);
    const parts = [
      { buyer: two, purse: second, ranges: range(0, 2) },
      { buyer: one, purse: first, ranges: range(0, 2) },
    ];
    const missing = [one.pay(first, order, range(0, 2)), two.pay(second, order, range(0, 2))];
    for (const payment of missing) expect(await outcome(accept(payment, 20n))).toBe("half-missing");
    const shifted = [parts[0], { ...parts[1], ranges: range(1, 2) }] as typeof parts;
    expect(await outcome(accept(one.payFrom(shifted, order), 20n))).toBe("half-missing");
    expect(await outcome(accept(one.payFrom([...parts, ...parts], order), 20n))).toBe("malformed");
    expect(await outcome(accept(one.payFrom(parts, order), 20n))).toBe("paid");
    expect(await outcome(accept(one.payFrom(parts, order), 20n))).toBe("paid");
    expect(await world.seller.audit()).toEqual([]);
  });
});

describe("an authorization", () => {
  it("is shown beside the money, once, and binds the goods' key", async () => {
    const card = await world.authorization(buyer);
    const order = world.order(buyer, purse, 30n, { assertion: "over-21", delivery: DELIVERY_SEALED });
    const expected = world.expected(30n, { assertion: "over-21" });
    const money = { buyer, purse, ranges: range(0, 3) };
    const shown = { buyer, purse: card, ranges: range(0) };
    expect(await outcome(world.seller.accept(buyer.payFrom([money], order), expected))).toBe("not-proved");
    const paid = await world.seller.accept(buyer.payFrom([money, shown], order), expected);
    expect(paid).toMatchObject({ state: "paid", paid: 30n, credit: 0n });
    expect(equalBytes(paid.goodsKey, goodsKey(orderKey(purse.seed), paid.orderHash))).toBe(false);
    const again = world.order(buyer, purse, 10n, { assertion: "over-21" });
    const reused = buyer.payFrom([{ ...money, ranges: range(3) }, shown], again);
    expect(await outcome(world.seller.accept(reused, world.expected(10n, { assertion: "over-21" })))).toBe(
      "half-spent",
    );
    expect(taken()).toEqual([3, 1]);
  });

  it("of something else, or where none is asked for, is refused", async () => {
    const card = await world.authorization(buyer);
    const money = { buyer, purse, ranges: range(0, 3) };
    const shown = { buyer, purse: card, ranges: range(0) };
    const plain = world.order(buyer, purse, 30n);
    expect(await outcome(accept(buyer.payFrom([money, shown], plain), 30n))).toBe("wrong-order");
    const other = world.order(buyer, purse, 30n, { assertion: "over-65" });
    const expected = world.expected(30n, { assertion: "over-65" });
    expect(await outcome(world.seller.accept(buyer.payFrom([money, shown], other), expected))).toBe("wrong-purse");
    expect(taken()).toEqual([0, 0]);
  });

  it("alone buys what costs nothing", async () => {
    const card = await world.authorization(buyer);
    const order = world.order(buyer, purse, 0n, { assertion: "over-21" });
    const expected = world.expected(0n, { assertion: "over-21" });
    const payment = buyer.pay(card, order, range(0));
    expect(await world.seller.accept(payment, expected)).toMatchObject({ state: "paid", first: true });
    expect(await world.seller.accept(payment, expected)).toMatchObject({ state: "paid", first: false });
  });
});

describe("a card that only stores halves", () => {
  it("shows them unmasked, beside others that mask", async () => {
    const bare = (ranges: ReturnType<typeof range>) => ({
      purse: purse.share.purse,
      index: 0,
      ranges,
      halves: buyer.halves(purse, ranges),
    });
    const order = encodeOrder(world.order(buyer, purse, 20n));
    expect(await outcome(accept(encodePayment({ order, parts: [bare(range(0, 2))] }), 20n))).toBe("paid");
    const wrong = encodePayment({
      order: encodeOrder(world.order(buyer, purse, 20n)),
      parts: [{ ...bare(range(5, 2)), ranges: range(7, 2) }],
    });
    expect(await outcome(accept(wrong, 20n))).toBe("half-altered");
    expect(taken()).toEqual([2]);
  });
});

type Part = ReturnType<typeof readPayment>["parts"][number];

/** The payment with its only part changed. */
function part(payment: Uint8Array, change: (part: Part) => Part): Uint8Array {
  const { order, parts } = readPayment(payment);
  return encodePayment({ order, parts: parts.map(change) });
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const other = Uint8Array.from(bytes);
  other[at] = (other[at] ?? 0) ^ 0x40;
  return other;
}

function exchanged(halves: Uint8Array): Uint8Array {
  return concatBytes(halves.subarray(32, 64), halves.subarray(0, 32), halves.subarray(64));
}
