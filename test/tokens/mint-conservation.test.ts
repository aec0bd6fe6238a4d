/**
 * Whatever buyers, a seller and time do, in whatever order: everybody has exactly what a model of three maps says, and the books
 * fit. The model knows of no unit below a hundredth of a cent, of no transaction and of no message.
 */

import fc from "fast-check";
import { expect, it } from "vitest";
import { WORD_FORWARD, WORD_RETURN } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { verifyNotice } from "../../host/tokens/messages/closing.js";
import { type Denomination, faceValue, tokenCount, tokenValue } from "../../host/tokens/terms.js";
import { type BuyersPurse, FINE_DOLLAR, type TokenBuyer } from "../support/token-buyer.js";
import { ALICE_CENTS, DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

const REDEEM_DAYS = 30;

interface ModelPurse {
  readonly held: BuyersPurse;
  readonly owner: number;
  readonly face: bigint;
  readonly redeemBy: number;
  spent: number;
  isRecalled: boolean;
  isClosed: boolean;
  readonly redeemed: Set<number>;
}

type Step =
  | {
      readonly kind: "request";
      readonly buyer: number;
      readonly denominations: Denomination[];
      readonly flushes: boolean;
      readonly direct: boolean;
    }
  | { readonly kind: "pay"; readonly purse: number; readonly tokens: number }
  | {
      readonly kind: "redeem";
      readonly purse: number;
      readonly picks: number[];
      readonly spoil: number;
      readonly twice: boolean;
    }
  | { readonly kind: "refund" | "return"; readonly purse: number }
  | { readonly kind: "withhold"; readonly on: boolean }
  | { readonly kind: "wait"; readonly hours: number }
  | { readonly kind: "tick" }
  | { readonly kind: "restart" };

const denominations = fc
  .uniqueArray(fc.integer({ min: 1, max: 250 }), { minLength: 1, maxLength: 3 })
  .chain((values) =>
    fc
      .array(fc.integer({ min: 1, max: 30 }), { minLength: values.length, maxLength: values.length })
      .map((counts) =>
        values.sort((a, b) => a - b).map((value, i) => ({ value: BigInt(value), count: counts[i] ?? 1 })),
      ),
  );
const purse = fc.nat(5);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("request" as const),
      buyer: fc.nat(1),
      denominations,
      flushes: fc.boolean(),
      direct: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("pay" as const), purse, tokens: fc.integer({ min: 1, max: 20 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("redeem" as const),
      purse,
      picks: fc.array(fc.nat(120), { maxLength: 20 }),
      spoil: fc.nat(3),
      twice: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("refund" as const), purse }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("return" as const), purse }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("withhold" as const), on: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), hours: fc.constantFrom(1, 12, 30, 24 * 20, 24 * 40) }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: "tick" }, { kind: "restart" }) },
);

class Run {
  readonly #world: TokenWorld;
  readonly #buyers: readonly TokenBuyer[];
  readonly #purses: ModelPurse[] = [];
  readonly #paid = [100n * ALICE_CENTS, 100n * ALICE_CENTS];
  #shop = 0n;

  constructor(world: TokenWorld, buyers: readonly TokenBuyer[]) {
    this.#world = world;
    this.#buyers = buyers;
  }

  async do(step: Step): Promise<void> {
    const w = this.#world;
    if (step.kind === "request") return this.#request(step);
    if (step.kind === "withhold") w.shop.withholds = step.on;
    else if (step.kind === "wait") {
      await this.#wait(step.hours);
    } else if (step.kind === "tick") await w.mint.tick();
    else if (step.kind === "restart") {
      w.mint.close();
      await w.start();
      // A restart asks for recalled purses again.
      await this.#settled();
    } else {
      const purse = this.#purses[step.purse % Math.max(1, this.#purses.length)];
      if (purse === undefined) return;
      if (step.kind === "pay") this.#pay(purse, step.tokens);
      else if (step.kind === "redeem") await this.#redeem(purse, step);
      else if (step.kind === "refund") await this.#refund(purse);
      else await this.#return(purse);
    }
  }

  async #request({ buyer, denominations: asked, flushes, direct }: Extract<Step, { kind: "request" }>): Promise<void> {
    const w = this.#world;
    const owner = this.#buyers[buyer];
    if (owner === undefined) throw new Error("no buyer");
    const older = this.#purses.find((each) => each.owner === buyer && !each.isClosed);
    const request = owner.ask(w.keys, {
      ...{ seller: w.shop.id, spendBy_seconds: w.now() + DAY, time_seconds: w.now(), denominations: asked },
      flushes: flushes && older !== undefined ? older.held.share.purse : null,
    });
    let share = new Uint8Array(0);
    const outcome = await outcomeOf(
      w.time.run(
        (async () => {
          if (direct) share = Uint8Array.from((await w.mint.request(request.sealed)).share);
          else {
            const issued = await w.mint.forward(w.shop.word(WORD_FORWARD, request.sealed), request.sealed);
            w.shop.take(issued.sellerPurse);
            share = Uint8Array.from(issued.share);
          }
        })(),
      ),
    );
    if (older !== undefined && (flushes || older.isRecalled)) {
      older.isRecalled = true;
      if (!w.shop.withholds) this.#returned(older);
    }
    const face = faceValue(asked);
    const blocked = older !== undefined && !older.isClosed;
    const isPoor = (this.#paid[buyer] ?? 0n) < face;
    expect(outcome).toBe(blocked ? (older.isRecalled ? "flushing" : "refused") : isPoor ? "refused" : "done");
    if (outcome !== "done") return;
    const held = owner.install(w.keys, request, share);
    if (direct) await this.#arrived(toHex(held.share.purse));
    this.#paid[buyer] = (this.#paid[buyer] ?? 0n) - face;
    const redeemBy = w.now() + DAY * (1 + REDEEM_DAYS);
    const fresh = { owner: buyer, face, redeemBy: Math.min(redeemBy, held.share.redeemBy_seconds) };
    this.#purses.push({ held, ...fresh, spent: 0, isRecalled: false, isClosed: false, redeemed: new Set() });
  }

  /** Within the first hour a seller that was away is asked again: whether it is asked in time is then no question. */
  async #wait(hours: number): Promise<void> {
    const w = this.#world;
    const isSoon = this.#purses.some(({ isClosed, redeemBy }) => !isClosed && Math.abs(redeemBy - w.now()) < 2 * 3_600);
    if (!isSoon) w.time.clock.advance(3_601_000);
    await this.#settled();
    w.time.clock.advance(hours * 3_600_000);
    await w.mint.tick();
    this.#closeDue();
  }

  async #arrived(id: string): Promise<void> {
    const w = this.#world;
    const arrived = async () => {
      while (!w.shop.purses.has(id)) await new Promise<void>((resolve) => w.time.after(10, resolve));
    };
    await w.time.run(arrived());
  }

  /** Until nothing that the mint does by itself is under way. */
  async #settled(): Promise<void> {
    const w = this.#world;
    await w.time.run(new Promise<void>((resolve) => w.time.after(10, resolve)));
    if (!w.shop.withholds) for (const each of this.#purses) if (each.isRecalled) this.#returned(each);
  }

  /** The card shows halves in their order, and none of a purse that it closed. */
  #pay(purse: ModelPurse, tokens: number): void {
    const { held } = purse;
    const count = Math.min(tokens, tokenCount(held.share.denominations) - purse.spent);
    if (count === 0 || purse.isRecalled || purse.isClosed) return;
    const owner = this.#buyers[purse.owner];
    const order = owner?.order(held, 1n);
    if (owner === undefined || order === undefined) throw new Error("no buyer");
    this.#world.shop.paid(owner.pay(held, order, [{ first: purse.spent, count }]));
    purse.spent += count;
  }

  /** Presents what was paid and what was not, what was redeemed already, and secrets that are spoilt. */
  async #redeem(purse: ModelPurse, { picks, spoil, twice }: Extract<Step, { kind: "redeem" }>): Promise<void> {
    const w = this.#world;
    const { share } = purse.held;
    const kept = w.shop.purses.get(toHex(share.purse));
    const tokens = new Map<number, Uint8Array>();
    for (const [i, serial] of picks.entries())
      tokens.set(serial, i < spoil ? new Uint8Array(32) : (kept?.paid.get(serial) ?? new Uint8Array(32).fill(1)));
    const good = [...tokens].filter(([serial, secret]) => secret === kept?.paid.get(serial)).map(([serial]) => serial);
    const sealed = w.shop.redemption(share.purse, { tokens });
    const outcome = await outcomeOf(w.mint.redeem(sealed));
    expect(outcome).toBe(purse.isClosed ? this.#closedCode(purse) : "done");
    if (outcome !== "done") return;
    const { notice, refused } = await w.mint.redeem(
      twice ? sealed : w.shop.redemption(share.purse, { tokens: new Map() }),
    );
    const fresh = good.filter((serial) => !purse.redeemed.has(serial));
    if (twice) {
      expect(verifyNotice(notice, w.keys.signatureKey).tokens).toBe(fresh.length);
      expect(refused).toHaveLength(tokens.size - fresh.length);
    }
    for (const serial of fresh) this.#credit(purse, serial);
  }

  async #refund(purse: ModelPurse): Promise<void> {
    const w = this.#world;
    const { share } = purse.held;
    let left = purse.spent;
    const spent = share.denominations.map(({ count }) => {
      const tokens = Math.min(left, count);
      left -= tokens;
      return tokens;
    });
    const owner = this.#buyers[purse.owner];
    if (owner === undefined) throw new Error("no buyer");
    const refund = await w.time.run(w.mint.refund(owner.close(w.keys, share.purse, spent)));
    purse.isRecalled = true;
    if (!w.shop.withholds) this.#returned(purse);
    expect(refund.state).toBe(purse.isClosed ? "closed" : "recalled");
    const value = [...purse.redeemed].reduce((sum, serial) => sum + this.#value(purse, serial), 0n);
    if (refund.state === "closed")
      expect(verifyNotice(refund.notice, w.keys.signatureKey).amount).toBe(purse.face - value);
  }

  /** A seller may give a purse back by itself. */
  async #return(purse: ModelPurse): Promise<void> {
    const w = this.#world;
    const { share } = purse.held;
    const outcome = await outcomeOf(w.mint.returned(w.shop.redemption(share.purse, { type: WORD_RETURN })));
    expect(outcome).toBe(purse.isClosed ? this.#closedCode(purse) : "done");
    this.#returned(purse);
  }

  #closedCode(purse: ModelPurse): string {
    return this.#overdue.has(purse) ? "redemption-over" : "purse-closed";
  }

  readonly #overdue = new Set<ModelPurse>();

  /** The seller redeems all that it was paid, the rest goes back. */
  #returned(purse: ModelPurse): void {
    if (purse.isClosed) return;
    for (let serial = 0; serial < purse.spent; serial++) if (!purse.redeemed.has(serial)) this.#credit(purse, serial);
    this.#close(purse);
  }

  #closeDue(): void {
    for (const purse of this.#purses) {
      if (purse.isClosed || this.#world.now() <= purse.redeemBy) continue;
      this.#overdue.add(purse);
      this.#close(purse);
    }
  }

  #close(purse: ModelPurse): void {
    purse.isClosed = true;
    const value = [...purse.redeemed].reduce((sum, serial) => sum + this.#value(purse, serial), 0n);
    this.#paid[purse.owner] = (this.#paid[purse.owner] ?? 0n) + purse.face - value;
  }

  #credit(purse: ModelPurse, serial: number): void {
    purse.redeemed.add(serial);
    this.#shop += this.#value(purse, serial);
  }

  #value({ held }: ModelPurse, serial: number): bigint {
    return tokenValue(held.share.denominations, serial) ?? 0n;
  }

  async check(after: Step): Promise<void> {
    const w = this.#world;
    const [alice, bob] = this.#buyers;
    if (alice === undefined || bob === undefined) throw new Error("no buyer");
    const has = {
      alice: await w.worth("alice", alice.id, FINE_DOLLAR),
      bob: await w.worth("bob", bob.id, FINE_DOLLAR),
      shop: await w.worth("shop", w.shop.id, FINE_DOLLAR),
      faults: await w.faults(),
    };
    expect(has, `after ${after.kind}`).toEqual({
      alice: this.#paid[0],
      bob: this.#paid[1],
      shop: this.#shop,
      faults: [],
    });
    // What makes a whole cent is on a deposit.
    for (const { id } of [alice, bob, w.shop])
      expect(await w.bank.tokens.credit(w.database, toHex(id), FINE_DOLLAR)).toBeLessThan(100n);
    const outstanding = 200n * ALICE_CENTS - has.alice - has.bob - has.shop;
    expect((await w.mint.audit()).units[0]?.outstanding ?? 0n).toBe(outstanding);
  }
}

it("everybody has what the model says, after every step", { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const w = await TokenWorld.open();
      const bob = w.buyer();
      await w.openAccount("bob", ALICE_CENTS);
      await w.mint.addBuyer(toHex(bob.id), "bob");
      const run = new Run(w, [w.alice, bob]);
      for (const each of steps) {
        await run.do(each);
        await run.check(each);
      }
      w.mint.close();
      await w.database.destroy();
    }),
    { numRuns: 60 },
  );
});
