/** Whatever is shown to a seller, in whatever order, between restarts, redemptions and recalls: it does what a few lines of a model say. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { DELIVERY_OPEN, DELIVERY_SEALED } from "../../firmware/protocol/tokens.js";
import { TokenError } from "../../host/tokens/errors.js";
import { encodePayment, readPayment } from "../../host/tokens/messages/payment.js";
import type { SerialRange } from "../../host/tokens/terms.js";
import { SellerWorld } from "../support/seller-world.js";
import type { BuyersPurse, TokenBuyer } from "../support/token-buyer.js";

/** Six tokens of 1, six of 5. */
const COINS = [
  { value: 1n, count: 6 },
  { value: 5n, count: 6 },
];
const TOKENS = 12;
const PRICES = [3n, 7n, 11n, 5n];
const worthOf = (serial: number) => (serial < 6 ? 1n : 5n);

type Step =
  | {
      readonly do: "pay";
      readonly order: number;
      readonly purse: number;
      readonly serials: number[];
      readonly spoil: boolean;
    }
  | { readonly do: "restart" }
  | { readonly do: "redeem" }
  | { readonly do: "forget" }
  | { readonly do: "recall"; readonly purse: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("pay" as const),
      order: fc.nat(PRICES.length - 1),
      purse: fc.nat(1),
      serials: fc.uniqueArray(fc.nat(TOKENS - 1), { minLength: 1, maxLength: 5 }),
      spoil: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "restart" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "redeem" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "forget" }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("recall" as const), purse: fc.nat(1) }) },
);

interface Purchase {
  paid: bigint;
  isTold: boolean;
}

class Model {
  /** For which purchase a half was shown. */
  readonly taken = [new Map<number, string>(), new Map<number, string>()];
  readonly purchases = new Map<string, Purchase>();
  readonly recalled = [false, false];
  readonly forgotten = [false, false];
  accepted = 0n;

  pay(order: number, purse: number, serials: readonly number[], spoiled: number | undefined): string {
    // Goods of odd orders travel sealed: each purse pays by itself.
    const key = order % 2 === 1 ? `${order}/${purse}` : `${order}`;
    const taken = this.taken[purse] ?? new Map();
    if (this.forgotten[purse] === true) return "purse-recalled";
    if (serials.some((serial) => taken.has(serial) && taken.get(serial) !== key)) return "half-spent";
    const fresh = serials.filter((serial) => !taken.has(serial));
    if (fresh.length > 0 && this.recalled[purse] === true) return "purse-recalled";
    if (spoiled !== undefined && fresh.includes(spoiled)) return "half-altered";
    const purchase = this.purchases.get(key) ?? { paid: 0n, isTold: false };
    this.purchases.set(key, purchase);
    for (const serial of fresh) {
      taken.set(serial, key);
      purchase.paid += worthOf(serial);
      this.accepted += worthOf(serial);
    }
    const isPaid = purchase.paid >= (PRICES[order] ?? 0n);
    const isFirst = isPaid && !purchase.isTold;
    purchase.isTold ||= isPaid;
    return `${isPaid ? "paid" : "underpaid"} ${purchase.paid}${isFirst ? " first" : ""}`;
  }

  /** Purses that went back, but for those that paid for an order together with one that did not. */
  forget(): void {
    const orders = [...new Set(this.taken.flatMap((taken) => [...taken.values()]))];
    const paidBy = (order: string) =>
      [0, 1].filter((purse) => [...(this.taken[purse]?.values() ?? [])].includes(order));
    const isNeeded = (purse: number): boolean =>
      this.recalled[purse] !== true ||
      orders.some(
        (order) => paidBy(order).includes(purse) && paidBy(order).some((other) => this.recalled[other] !== true),
      );
    for (const purse of [0, 1].filter((each) => !isNeeded(each))) {
      this.forgotten[purse] = true;
      for (const order of new Set(this.taken[purse]?.values())) this.purchases.delete(order);
      this.taken[purse]?.clear();
    }
  }
}

const rangesOf = (serials: readonly number[]): SerialRange[] => serials.map((first) => ({ first, count: 1 }));

async function pay(
  world: SellerWorld,
  buyer: TokenBuyer,
  purse: BuyersPurse,
  number: number,
  serials: readonly number[],
  spoil: boolean,
) {
  const price = PRICES[number] ?? 0n;
  const delivery = number % 2 === 1 ? DELIVERY_SEALED : DELIVERY_OPEN;
  const order = world.order(buyer, purse, price, { nonce: new Uint8Array(16).fill(number), delivery });
  let payment = buyer.pay(purse, order, rangesOf(serials));
  if (spoil) {
    const { order: bytes, parts } = readPayment(payment);
    for (const { halves } of parts) halves[0] = (halves[0] ?? 0) ^ 1;
    payment = encodePayment({ order: bytes, parts });
  }
  try {
    const { credit, first, paid, state } = await world.seller.accept(payment, world.expected(price));
    expect(credit).toBe(state === "paid" ? paid - price : paid);
    return `${state} ${paid}${first ? " first" : ""}`;
  } catch (error) {
    if (error instanceof TokenError) return error.code;
    throw error;
  }
}

async function run(steps: readonly Step[]): Promise<void> {
  const world = await SellerWorld.open("model", { onDisk: true });
  try {
    const buyer = world.buyer();
    const purses = [
      await world.purse(buyer, { denominations: COINS }),
      await world.purse(buyer, { denominations: COINS }),
    ];
    const model = new Model();
    for (const each of steps) {
      if (each.do === "pay") {
        const purse = purses[each.purse];
        if (purse === undefined) throw new Error("no purse");
        const serials = [...each.serials].sort((a, b) => a - b);
        const expected = model.pay(each.order, each.purse, serials, each.spoil ? serials[0] : undefined);
        expect(await pay(world, buyer, purse, each.order, serials, each.spoil)).toBe(expected);
      } else if (each.do === "recall") {
        const issued = world.issuer.purses[each.purse];
        if (issued === undefined) throw new Error("no purse");
        await world.seller.recall(world.issuer.recall(issued.id));
        model.recalled[each.purse] = true;
      } else if (each.do === "restart") await world.restart();
      else if (each.do === "forget") {
        // What went back is answered for.
        expect((await world.seller.redeem()).failed).toEqual([]);
        await world.seller.forget(-1);
        model.forget();
      } else expect((await world.seller.redeem()).failed).toEqual([]);
    }
    expect(await world.seller.audit()).toEqual([]);
    expect((await world.seller.redeem()).failed).toEqual([]);
    const [balance = { accepted: 0n, credited: 0n, refused: 0n }] = world.seller.balance();
    expect(balance).toMatchObject({ accepted: model.accepted, credited: model.accepted, refused: 0n });
    await world.restart();
    expect(world.seller.balance()[0] ?? balance).toMatchObject({ accepted: model.accepted, credited: model.accepted });
    expect(await world.seller.audit()).toEqual([]);
  } finally {
    await world.close();
  }
}

it("does what the model says", async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), run), { numRuns: 40 });
}, 120_000);
