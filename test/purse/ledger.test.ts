/**
 * Anything an owner, a thief or a terminal may do to a purse, in any order, with power pulled anywhere; and a ledger
 * beside it of what left the chip. Whatever comes: a token is one order's and no other's, an order is shown exactly
 * what it was paid, the count in the chip is ahead of what left, and without the PIN no more leaves than the owner
 * allowed.
 */

import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { toHex } from "../../host/codec/bytes.js";
import { sha256 as hashOf } from "../../host/crypto.js";
import { ReasonError } from "../../host/reasons.js";
import { StatusWordError } from "../../host/status-words.js";
import type { PurseRecord } from "../../host/tokens/buyer/card-data.js";
import { TransportError } from "../../host/transport.js";
import type { OperationHook } from "../../simulator/faults.js";
import { type Buyer, type Filled, halvesOf, orderOf, PurseWorld, serialsOf } from "../support/purses.js";
import { generator, TEARS, type Tear, tornFate } from "../support/store-driver.js";

const WORD_BYTES = 4;
const PRICE = 40n;
const ORDERS = 4;
const DENOMINATIONS = [
  { value: 2n, count: 30 },
  { value: 3n, count: 12 },
  { value: 10n, count: 6 },
];

let world: PurseWorld;
let buyer: Buyer;
let filled: Filled;
let start: Uint8Array;

beforeAll(async () => {
  world = new PurseWorld("ledger");
  buyer = await world.buyer("alice");
  filled = await world.purse(buyer, { denominations: DENOMINATIONS });
  start = buyer.simulated.snapshot();
});

interface Cut {
  readonly at: number;
  readonly tear: Tear;
  readonly seed: number;
}

type Deed =
  | { readonly kind: "spend"; readonly order: number; readonly amount: bigint; readonly skipped: readonly number[] }
  | { readonly kind: "allow"; readonly amount: bigint }
  | { readonly kind: "lock" | "unlock" | "restart" | "close" | "housekeep" };

const cut = fc.option(
  fc.record({ at: fc.nat(5), tear: fc.constantFrom(...TEARS), seed: fc.integer({ min: 1, max: 1_000_000 }) }),
  { nil: undefined, freq: 3 },
);
const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("spend" as const),
      order: fc.integer({ min: 1, max: ORDERS }),
      amount: fc.bigInt(1n, PRICE + 1n),
      skipped: fc.oneof(fc.constant([]), fc.tuple(fc.nat(2), fc.nat(1), fc.nat(1))),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("allow" as const), amount: fc.bigInt(0n, 30n) }) },
  { weight: 4, arbitrary: fc.constantFrom("lock", "unlock", "restart", "housekeep").map((kind) => ({ kind }) as Deed) },
  { weight: 1, arbitrary: fc.constant({ kind: "close" } as Deed) },
);

/** What is known of a purse from outside. */
class Ledger {
  /** Whose each token is that left the chip. */
  readonly orders = new Map<number, number>();
  locked = false;
  /** What left without the PIN since the owner last allowed something, and what that was. */
  unasked = 0n;
  allowed = 0n;
  closed = false;
  last: readonly number[] = [0, 0, 0];
}

function worthOf(serial: number): bigint {
  return serial < 30 ? 2n : serial < 42 ? 3n : 10n;
}

async function act(ledger: Ledger, what: Deed, record: PurseRecord): Promise<void> {
  switch (what.kind) {
    case "spend":
      return spend(ledger, what, record);
    case "allow":
      // Before it is said: a cut may leave it done.
      ledger.allowed = ledger.locked ? ledger.allowed : max(ledger.allowed, ledger.unasked + what.amount);
      await buyer.card.allow(filled.slot, what.amount);
      ledger.allowed = what.amount;
      ledger.unasked = 0n;
      return;
    case "lock":
    case "housekeep":
      await buyer.element.select();
      ledger.locked = true;
      return;
    case "unlock":
      await world.unlock(buyer);
      ledger.locked = false;
      return;
    case "restart":
      await buyer.element.restart();
      ledger.locked = true;
      return;
    case "close":
      await buyer.card.close(filled.slot);
      ledger.closed = true;
  }
}

const max = (a: bigint, b: bigint) => (a > b ? a : b);

async function spend(ledger: Ledger, what: Extract<Deed, { kind: "spend" }>, record: PurseRecord): Promise<void> {
  const order = orderOf(PRICE, what.order);
  const isNew = toHex(record.order ?? new Uint8Array()) !== toHex(hashOf(order));
  const firsts = what.skipped.map((skip, d) => skip + (record.stacks[d]?.next ?? 0));
  const options = isNew && firsts.length > 0 ? { firsts } : {};
  const { ranges, halves, amount } = await buyer.card.spend(filled.slot, order, what.amount, options);
  const serials = serialsOf(ranges);
  expect(ledger.closed).toBe(false);
  expect(amount).toBe(what.amount);
  expect(serials.reduce((sum, serial) => sum + worthOf(serial), 0n)).toBe(what.amount);
  expect(toHex(halves)).toBe(toHex(halvesOf(filled.request.seed, filled.purse, order, serials)));
  for (const serial of serials) {
    const owner = ledger.orders.get(serial);
    expect(
      owner === undefined || owner === what.order,
      `token ${serial} left for orders ${owner} and ${what.order}`,
    ).toBe(true);
    ledger.orders.set(serial, what.order);
  }
  // What was stored for this order before, its halves cut off, was allowed when that was done.
  if (ledger.locked) ledger.unasked += amount - (isNew ? 0n : record.revealed);
  expect(ledger.unasked).toBeLessThanOrEqual(ledger.allowed);
}

/** The chip's own account, read with the PIN on a copy that is put back. */
async function recordOf(): Promise<PurseRecord> {
  const image = buyer.simulated.snapshot();
  await world.restart(buyer);
  const [record] = await buyer.card.purses();
  buyer.simulated.restore(image);
  return record as PurseRecord;
}

function hookOf({ at, tear, seed }: Cut): OperationHook {
  const next = generator(seed);
  let left = at;
  return (operation) => {
    left -= 1;
    return left === -1 ? tornFate(tear, operation, next, WORD_BYTES) : undefined;
  };
}

test("a token is one order's, and no more leaves than was paid and allowed", async () => {
  let cuts = 0;
  let left = 0;
  let unasked = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(deed, cut), { minLength: 4, maxLength: 24 }), async (deeds) => {
      buyer.simulated.chip.onOperation = undefined;
      buyer.simulated.restore(start);
      const ledger = new Ledger();
      for (const [what, where] of deeds) {
        const record = await recordOf();
        const next = record.stacks.map((stack) => stack.next);
        next.forEach((token, d) => void expect(token).toBeGreaterThanOrEqual(ledger.last[d] as number));
        ledger.last = next;
        for (const serial of ledger.orders.keys()) expect(isPassed(serial, next)).toBe(true);
        // A cut in front of the PIN costs one of three tries.
        buyer.simulated.chip.onOperation = where === undefined || what.kind === "unlock" ? undefined : hookOf(where);
        try {
          await act(ledger, what, record);
        } catch (error) {
          const isRefusal = error instanceof ReasonError || error instanceof StatusWordError;
          if (!isRefusal && !(error instanceof TransportError)) throw error;
          if (error instanceof TransportError) {
            cuts += 1;
            buyer.simulated.chip.onOperation = undefined;
            await buyer.element.restart();
            ledger.locked = true;
          }
        }
        buyer.simulated.chip.onOperation = undefined;
      }
      left += ledger.orders.size;
      if (ledger.unasked > 0n) unasked += 1;
    }),
    { numRuns: 600 },
  );
  // It was no idle talk.
  expect(cuts).toBeGreaterThan(100);
  expect(left).toBeGreaterThan(1_000);
  expect(unasked).toBeGreaterThan(5);
}, 120_000);

function isPassed(serial: number, next: readonly number[]): boolean {
  const [twos, threes, tens] = next as [number, number, number];
  if (serial < 30) return serial < twos;
  return serial < 42 ? serial - 30 < threes : serial - 42 < tens;
}
