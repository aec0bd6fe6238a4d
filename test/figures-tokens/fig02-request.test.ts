/** EP 0 833 285 A2 fig. 2: the buyer's chip asks for tokens for one seller (102), signs that (104) and seals it (106). */

import { beforeAll, expect, it } from "vitest";
import * as t from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { encodeOuter, readOuter } from "../../host/tokens/messages/request.js";
import { platformCalls } from "../support/platform-calls.js";
import { type Buyer, COINS, MILLS, NOW, PurseWorld, SELLER, SPEND_BY } from "../support/purses.js";

let world: PurseWorld;
let buyer: Buyer;

beforeAll(async () => {
  world = new PurseWorld("figure 2");
  buyer = await world.buyer("alice");
});

it("102: says who asks, for which seller, how many tokens of which values, with a nonce, a seed and a last day", async () => {
  const { sealed, nonce } = await buyer.card.request(world.order());
  const request = world.mint.open(sealed);
  expect(request).toMatchObject({
    nonce,
    buyer: buyer.id,
    issuer: world.mint.id,
    seller: SELLER,
    scheme: t.SCHEME_SECRET,
    kind: t.PURSE_MONEY,
    unit: MILLS,
    denominations: COINS,
    spendBy_seconds: SPEND_BY,
    assertion: null,
    flushes: null,
    joint: null,
    time_seconds: NOW,
  });
  expect(new Set(request.seed).size).toBeGreaterThan(8);
});

it("102: is stored, in one write, before it is signed", async () => {
  const seller = new Uint8Array(16).fill(0x77);
  const calls = await platformCalls(buyer.simulated.chip, () => buyer.card.request(world.order({ seller })));
  const writes = calls.flatMap((name, at) => (name === "flashProgram" ? [at] : []));
  expect(writes).toHaveLength(2);
  expect(calls.indexOf("ed25519Sign")).toBeGreaterThan(writes[1] as number);
});

it("104: is signed by the key of the buyer's certificate, which comes with it", async () => {
  const { sealed } = await buyer.card.repeat(0);
  expect(() => world.mint.open(sealed)).not.toThrow();
  // What was altered is not even unsealed.
  const altered = sealed.slice();
  altered[altered.length - 1] = (altered.at(-1) as number) ^ 1;
  expect(() => world.mint.open(altered)).toThrow();
});

it("106: is sealed to the issuer: nobody else opens it, and it has one length", async () => {
  const other = world.newMint(0xb1);
  const lengths = new Set<number>();
  for (const changes of [
    { seller: new Uint8Array(16).fill(1), denominations: [{ value: 1n, count: 1 }] },
    { seller: new Uint8Array(16).fill(2), denominations: COINS },
    {
      seller: new Uint8Array(16).fill(3),
      denominations: Array.from({ length: 8 }, (_, d) => ({ value: 1n << BigInt(36 + d), count: 100_000 })),
      joint: { id: new Uint8Array(16).fill(9), holders: 3, index: 2 },
    },
  ]) {
    const { sealed } = await buyer.card.request(world.order(changes));
    lengths.add(sealed.length);
    expect(() => other.open(sealed)).toThrow();
  }
  expect([...lengths]).toEqual([t.TOKEN_REQUEST_PLAIN_BYTES + 48]);
});

it("108-110: the message for the seller names the issuer, and nothing in it says who asks", async () => {
  const { sealed } = await buyer.card.repeat(0);
  const outer = encodeOuter({ issuer: world.mint.id, sealed });
  expect(toHex(readOuter(outer).issuer)).toBe(toHex(world.mint.id));
  expect(toHex(outer)).not.toContain(toHex(buyer.id));
  const again = await buyer.card.repeat(0);
  expect(toHex(again.sealed)).not.toBe(toHex(sealed));
});

it("112: the chip waits for the halves of exactly this request; REPEAT says the same again", async () => {
  const [before] = await buyer.card.purses();
  expect(before).toMatchObject({ state: "requested", purse: null });
  const first = world.mint.open((await buyer.card.repeat(0)).sealed);
  world.time.clock.advance(5_000);
  const second = world.mint.open((await buyer.card.repeat(0)).sealed);
  expect(second).toEqual(first);
});
