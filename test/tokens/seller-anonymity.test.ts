/** What a seller receives of two buyers, in all its life with them, is alike; nothing of either is in it. */

import { afterEach, beforeEach, expect, it } from "vitest";
import { toHex } from "../../host/codec/bytes.js";
import { decode } from "../../host/codec/cbor.js";
import { openBulk } from "../../host/tokens/bulk.js";
import { PROLOGUE } from "../../host/tokens/messages/common.js";
import { encodeOuter } from "../../host/tokens/messages/request.js";
import { NOW } from "../support/agencies.js";
import { DAY, range, SellerWorld } from "../support/seller-world.js";
import type { TokenBuyer } from "../support/token-buyer.js";

let world: SellerWorld;
beforeEach(async () => {
  world = await SellerWorld.open("anonymity", { onDisk: true });
});
afterEach(() => world.close());

/** Everything that comes to the seller because of this buyer, in order, unsealed as far as the seller can. */
async function life(buyer: TokenBuyer): Promise<Uint8Array[]> {
  const asked = buyer.ask(world.issuer.keys, {
    seller: world.seller.id,
    spendBy_seconds: NOW + 30 * DAY,
    time_seconds: NOW,
  });
  const received: Uint8Array[] = [encodeOuter({ issuer: world.issuer.keys.id, sealed: asked.sealed })];
  world.line = new Proxy(world.issuer, {
    get: (issuer, name) => {
      const method: unknown = Reflect.get(issuer, name);
      if (typeof method !== "function") return method;
      return async (...given: unknown[]) => {
        const answer = (await method.apply(issuer, given)) as object;
        received.push(...Object.values(answer).filter((each) => each instanceof Uint8Array));
        return answer;
      };
    },
  });
  const { share } = await world.seller.forward(received[0] ?? new Uint8Array(0));
  const sealedPurse = received[1] ?? new Uint8Array(0);
  received.push(openBulk({ staticPrivate: new Uint8Array(32).fill(12), prologue: PROLOGUE.purse }, sealedPurse));
  const purse = buyer.install(world.issuer.keys, asked, share);
  for (const first of [0, 3]) {
    const payment = world.payment(buyer, purse, 30n, range(first, 3));
    received.push(payment);
    await world.seller.accept(payment, world.expected(30n));
  }
  await world.seller.redeem(purse.share.purse);
  const recall = world.issuer.recall(purse.share.purse);
  received.push(recall);
  await world.seller.recall(recall);
  return received;
}

/** Kinds and lengths, of everything that is in it. */
function shapeOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes(${value.length})`;
  if (Array.isArray(value)) return value.map(shapeOf);
  return typeof value;
}

function shape(message: Uint8Array): unknown {
  try {
    return shapeOf(decode(message));
  } catch {
    return `sealed(${message.length})`;
  }
}

it("two buyers look alike to the seller, message by message", async () => {
  const [alice, bob] = [await life(world.buyer()), await life(world.buyer())];
  expect(alice.length).toBeGreaterThan(6);
  expect(bob.map((message) => message.length)).toEqual(alice.map((message) => message.length));
  expect(bob.map(shape)).toEqual(alice.map(shape));
});

it("no id, key, certificate or signature of a buyer is in what the seller receives, or keeps on its disk", async () => {
  const buyer = world.buyer();
  const received = await life(buyer);
  const certificate = Buffer.from(buyer.chain).toString("hex").slice(0, 120);
  const own = [
    toHex(buyer.id),
    toHex(buyer.signer.publicKey),
    certificate,
    Buffer.from(toHex(buyer.id)).toString("hex"),
  ];
  const everything = received.map((message) => Buffer.from(message).toString("hex"));
  for (const table of ["seller_purse", "seller_chunk", "seller_acceptance", "seller_presentation"] as const) {
    for (const row of await world.database.selectFrom(table).selectAll().execute())
      for (const value of Object.values(row))
        everything.push(value instanceof Uint8Array ? toHex(value) : Buffer.from(String(value)).toString("hex"));
  }
  for (const secret of own) for (const text of everything) expect(text.includes(secret)).toBe(false);
  // What is looked for is found where it is: in what the chip sealed to the issuer alone.
  const [issued] = world.issuer.purses;
  expect(toHex(issued?.requests[0]?.buyer ?? new Uint8Array(0))).toBe(toHex(buyer.id));
});
