/** How a purse ends: CLOSE and SETTLED, rule by rule. */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SW_SECURITY_STATUS, SW_WRONG_DATA } from "../../firmware/protocol/apdu.js";
import { SIGNED_TOKEN_NOTICE, SIGNED_TOKEN_SHARE } from "../../firmware/protocol/kinds.js";
import * as r from "../../firmware/protocol/reasons.js";
import * as t from "../../firmware/protocol/tokens.js";
import { type CborValue, encode } from "../../host/codec/cbor.js";
import { sign1 } from "../../host/codec/cose.js";
import { ed25519Signer } from "../../host/crypto.js";
import type { CreditNotice } from "../../host/tokens/messages/closing.js";
import { RecordReader } from "../support/conservation-records.js";
import { refuses, refusesBy, storedIn } from "../support/purse-checks.js";
import { type Buyer, type Filled, MILLS, NOW, OTHER_SELLER, orderOf, PurseWorld } from "../support/purses.js";

let world: PurseWorld;
let buyer: Buyer;
let reader: RecordReader;
let filled: Filled;
let second: Filled;
let closed: Uint8Array;

beforeAll(async () => {
  reader = await RecordReader.create();
  world = new PurseWorld("closing");
  buyer = await world.buyer("alice");
  filled = await world.purse(buyer);
  second = await world.purse(buyer, { seller: OTHER_SELLER });
  await buyer.card.spend(filled.slot, orderOf(7n), 7n);
  await buyer.card.close(filled.slot);
  closed = buyer.simulated.snapshot();
});

beforeEach(() => buyer.simulated.restore(closed));

const settled =
  (notice: Uint8Array, slot = filled.slot) =>
  () =>
    buyer.card.settled(slot, notice);

describe("CLOSE", () => {
  test("what was skipped counts as spent: the chip will never reveal it", async () => {
    const order = orderOf(6n, 1, { seller: OTHER_SELLER });
    await buyer.card.spend(second.slot, order, 6n, { firsts: [10, 4, 2] });
    const { sealed } = await buyer.card.close(second.slot);
    expect(world.mint.openClose(sealed, second.request).spent).toEqual([11, 5, 2]);
  });

  test("a slot without a purse", async () => {
    await refuses(buyer, reader, r.REASON_NOT_FOUND, () => buyer.card.close(9));
  });

  test("goes to the issuer of that purse", async () => {
    const mint = world.newMint(0xc1);
    const { sealed: asked } = await buyer.card.request(world.order({ issuerChain: mint.chain }));
    const request = mint.open(asked);
    const { slot } = await buyer.card.install(mint.share(request));
    const { sealed, purse } = await buyer.card.close(slot);
    expect(mint.openClose(sealed, request)).toEqual({ purse, buyer: buyer.id, spent: [0, 0, 0] });
    expect(() => world.mint.openClose(sealed, request)).toThrow();
  });
});

describe("SETTLED", () => {
  test("only the owner says so", async () => {
    await buyer.element.select();
    await refusesBy(buyer, reader, SW_SECURITY_STATUS, settled(world.mint.refund(filled)));
  });

  const others: Record<string, Partial<CreditNotice>> = {
    "that a seller redeemed": { what: t.CREDIT_REDEEMED },
    "of another purse": { purse: new Uint8Array(16).fill(1) },
    "to somebody else": { subject: new Uint8Array(16).fill(1) },
    "in another currency": { unit: { ...MILLS, currency: 978 } },
    "in another unit": { unit: { ...MILLS, exponent: 2 } },
  };

  test.each(Object.keys(others))("not by a notice %s", async (name) => {
    await refuses(buyer, reader, r.REASON_PURSE_DIFFERS, settled(world.mint.refund(filled, others[name])));
  });

  test("not by somebody else's notice, or one of another kind", async () => {
    const stranger = ed25519Signer(new Uint8Array(32).fill(0x66));
    await refuses(buyer, reader, r.REASON_BAD_SIGNATURE, settled(world.mint.refund(filled, {}, stranger)));
    const fields = [1, t.CREDIT_REFUNDED, filled.purse, buyer.id, null, 1, 1, 840, 3, NOW];
    const share = sign1(SIGNED_TOKEN_SHARE, encode(fields), world.mint.signer);
    await refuses(buyer, reader, r.REASON_BAD_SIGNATURE, settled(share));
    await buyer.card.settled(filled.slot, sign1(SIGNED_TOKEN_NOTICE, encode(fields), world.mint.signer));
  });

  const fields = (changes: Record<number, CborValue>) => {
    const notice: CborValue[] = [1, t.CREDIT_REFUNDED, filled.purse, buyer.id, null, 1, 1, 840, 3, NOW];
    return notice.map((value, at) => (at in changes ? (changes[at] as CborValue) : value));
  };

  test("not by what cannot be read", async () => {
    const unread: CborValue[] = [
      7,
      fields({ 0: 2 }),
      fields({ 6: 1n << 63n }),
      fields({ 4: new Uint8Array(3) }),
      fields({ 9: 1n << 53n }),
      [...fields({}), 0],
      fields({}).slice(1),
    ];
    for (const payload of unread) {
      const signed = sign1(SIGNED_TOKEN_NOTICE, encode(payload), world.mint.signer);
      await refusesBy(buyer, reader, SW_WRONG_DATA, settled(signed));
    }
    await refusesBy(buyer, reader, SW_WRONG_DATA, settled(encode([1])));
    await refusesBy(buyer, reader, SW_WRONG_DATA, settled(new Uint8Array(0)));
  });

  test("not an open purse, a request, or none", async () => {
    await refuses(buyer, reader, r.REASON_PURSE_OPEN, settled(world.mint.refund(second), second.slot));
    const { slot } = await buyer.card.request(world.order());
    await refuses(buyer, reader, r.REASON_PURSE_WAITING, settled(world.mint.refund(filled), slot));
    await refuses(buyer, reader, r.REASON_NOT_FOUND, settled(world.mint.refund(filled), 30));
  });

  test("the slot is free for another purse then, and the others stay as they are", async () => {
    await buyer.card.settled(filled.slot, world.mint.refund(filled));
    expect(await buyer.card.purses()).toMatchObject([{ slot: second.slot, state: "open" }]);
    expect((await world.purse(buyer)).slot).toBe(filled.slot);
    const before = storedIn(buyer, reader);
    expect(await buyer.card.purses()).toHaveLength(2);
    expect(storedIn(buyer, reader)).toBe(before);
  });
});
