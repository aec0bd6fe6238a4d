/** What a purse takes from an issuer: to the letter what it asked for, of the issuer that it asked, once. */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SW_SECURITY_STATUS, SW_WRONG_DATA } from "../../firmware/protocol/apdu.js";
import { SIGNED_TOKEN_NOTICE, SIGNED_TOKEN_SHARE } from "../../firmware/protocol/kinds.js";
import * as r from "../../firmware/protocol/reasons.js";
import * as t from "../../firmware/protocol/tokens.js";
import { type CborValue, encode } from "../../host/codec/cbor.js";
import { sign1 } from "../../host/codec/cose.js";
import { sealTo } from "../../host/codec/noise.js";
import { PROLOGUE, padded } from "../../host/tokens/messages/common.js";
import { type PurseShare, sealShare, signShare } from "../../host/tokens/messages/purses.js";
import { NO_UNIT } from "../../host/tokens/terms.js";
import { RecordReader } from "../support/conservation-records.js";
import { refuses, refusesBy } from "../support/purse-checks.js";
import { type Buyer, COINS, MILLS, type OpenedRequest, OTHER_SELLER, PurseWorld, SPEND_BY } from "../support/purses.js";

let world: PurseWorld;
let buyer: Buyer;
let reader: RecordReader;
let request: OpenedRequest;
/** A request is under way. */
let asked: Uint8Array;

beforeAll(async () => {
  reader = await RecordReader.create();
  world = new PurseWorld("installs");
  buyer = await world.buyer("alice");
  request = world.mint.open((await buyer.card.request(world.order())).sealed);
  asked = buyer.simulated.snapshot();
});

beforeEach(() => buyer.simulated.restore(asked));

const random = (length: number) => new Uint8Array(length).fill(7);
const install = (share: Uint8Array) => () => buyer.card.install(share);
const other = (id: Uint8Array) => id.map((byte) => byte ^ 1);

test("only the owner installs", async () => {
  await buyer.element.select();
  await refusesBy(buyer, reader, SW_SECURITY_STATUS, install(world.mint.share(request)));
});

describe("another share than the one that was asked for", () => {
  const differs: Record<string, (request: OpenedRequest) => Partial<PurseShare>> = {
    "of another issuer": ({ issuer }) => ({ issuer: other(issuer) }),
    "for another buyer": ({ buyer: id }) => ({ buyer: other(id) }),
    "for another seller": () => ({ seller: OTHER_SELLER }),
    "in another currency": () => ({ unit: { ...MILLS, currency: 978 } }),
    "in a smaller unit": () => ({ unit: { ...MILLS, exponent: 4 } }),
    "with one token less": () => ({ denominations: [{ value: 1n, count: 499 }, ...COINS.slice(1)] }),
    "with tokens of another value": () => ({ denominations: [{ value: 2n, count: 500 }, ...COINS.slice(1)] }),
    "with a denomination less": () => ({ denominations: COINS.slice(0, 2) }),
    "with a denomination more": () => ({ denominations: [...COINS, { value: 500n, count: 1 }] }),
    "among more holders": () => ({ holders: 2 }),
    "of another kind": () => ({
      kind: t.PURSE_AUTHORIZATION,
      unit: NO_UNIT,
      denominations: [{ value: 1n, count: 5 }],
      assertion: "over-21",
    }),
  };

  test.each(Object.keys(differs))("%s", async (name) => {
    const changes = (differs[name] as (of: OpenedRequest) => Partial<PurseShare>)(request);
    await refuses(buyer, reader, r.REASON_PURSE_DIFFERS, install(world.mint.share(request, changes)));
    // The right one still comes in.
    await buyer.card.install(world.mint.share(request));
  });

  test("with another nonce: to no request of this chip", async () => {
    const nonce = other(request.nonce);
    await refuses(buyer, reader, r.REASON_NOT_FOUND, install(world.mint.share(request, { nonce })));
  });

  test("another assertion, another part of a joint purse", async () => {
    const authorization = world.mint.open((await buyer.card.request(world.authorization("over-21", 5))).sealed);
    const over18 = world.mint.share(authorization, { assertion: "over-18" });
    await refuses(buyer, reader, r.REASON_PURSE_DIFFERS, install(over18));
    const joint = { id: new Uint8Array(16).fill(4), holders: 3, index: 1 };
    const part = world.mint.open((await buyer.card.request(world.order({ joint, seller: OTHER_SELLER }))).sealed);
    for (const changes of [{ index: 0 }, { holders: 4 }, { holders: 1, index: 0 }])
      await refuses(buyer, reader, r.REASON_PURSE_DIFFERS, install(world.mint.share(part, changes)));
    await buyer.card.install(world.mint.share(authorization));
    await buyer.card.install(world.mint.share(part));
  });
});

describe("a share that is none", () => {
  const fields = (changes: Record<number, CborValue> = {}) => {
    const share = world.mint.shareOf(request);
    const values: CborValue[] = [
      1,
      share.nonce,
      share.purse,
      share.issuer,
      share.buyer,
      share.seller,
      share.scheme,
      share.kind,
      share.unit.currency,
      share.unit.exponent,
      share.denominations.map(({ value, count }) => [value, count]),
      share.spendBy_seconds,
      share.redeemBy_seconds,
      share.assertion,
      share.holders,
      share.index,
    ];
    return values.map((value, at) => (at in changes ? (changes[at] as CborValue) : value));
  };
  const signed = (payload: CborValue, kind = SIGNED_TOKEN_SHARE) => sign1(kind, encode(payload), world.mint.signer);
  const sealed = (share: Uint8Array) => world.mint.sealTo(request, share);

  test("the fields are those of a share: as they are, it is taken", async () => {
    await buyer.card.install(sealed(signed(fields())));
  });

  const malformed: Record<string, () => CborValue> = {
    "another version": () => fields({ 0: 2 }),
    "the source's scheme, which the chip does not ask for": () => fields({ 6: t.SCHEME_SOURCE }),
    "a last day for spending behind the last for redemption": () => fields({ 12: SPEND_BY - 1 }),
    "an index beyond its holders": () => fields({ 15: 1 }),
    "values that fall": () =>
      fields({
        10: [
          [5, 1],
          [1, 1],
        ],
      }),
    "money that asserts something": () => fields({ 13: "over-21" }),
    "a purse id of another length": () => fields({ 2: new Uint8Array(17) }),
    "an item more": () => [...fields(), 0],
    "an item less": () => fields().slice(0, 15),
    "no array": () => 1,
  };

  test.each(Object.keys(malformed))("%s", async (name) => {
    const share = sealed(signed((malformed[name] as () => CborValue)()));
    await refusesBy(buyer, reader, SW_WRONG_DATA, install(share));
  });

  test("a signature of another kind", async () => {
    await refuses(buyer, reader, r.REASON_BAD_SIGNATURE, install(sealed(signed(fields(), SIGNED_TOKEN_NOTICE))));
  });

  test("another prologue, another key, another length, an altered byte", async () => {
    const share = signShare(world.mint.shareOf(request), world.mint.signer);
    const plain = padded([share], t.TOKEN_SHARE_PLAIN_BYTES);
    const to = { remoteStatic: request.agreementKey, random };
    await refuses(buyer, reader, r.REASON_BAD_SEAL, install(sealTo({ ...to, prologue: PROLOGUE.close }, plain)));
    await refuses(buyer, reader, r.REASON_BAD_SEAL, install(sealShare(share, { remoteStatic: x25519Base(), random })));
    const short = sealTo({ ...to, prologue: PROLOGUE.share }, plain.subarray(1));
    await refuses(buyer, reader, r.REASON_TOO_LONG, install(short));
    const good = sealShare(share, to);
    for (const at of [0, 40, good.length - 1]) {
      const altered = good.slice();
      altered[at] = (altered[at] as number) ^ 1;
      await refuses(buyer, reader, r.REASON_BAD_SEAL, install(altered));
    }
    const padding = plain.slice();
    padding[padding.length - 1] = 1;
    await refusesBy(buyer, reader, SW_WRONG_DATA, install(sealTo({ ...to, prologue: PROLOGUE.share }, padding)));
    await buyer.card.install(good);
  });
});

/** A point of X25519 that is nobody's key here. */
function x25519Base(): Uint8Array {
  const base = new Uint8Array(32);
  base[0] = 9;
  return base;
}

describe("one purse for one request", () => {
  test("no second purse comes in for the same request", async () => {
    await buyer.card.install(world.mint.share(request));
    await refuses(buyer, reader, r.REASON_PURSE_DIFFERS, install(world.mint.share(request)));
  });

  test("an id that another purse in the chip has is refused", async () => {
    const { purse } = await buyer.card.install(world.mint.share(request));
    const second = world.mint.open((await buyer.card.request(world.order({ seller: OTHER_SELLER }))).sealed);
    await refuses(buyer, reader, r.REASON_PURSE_DIFFERS, install(world.mint.share(second, { purse })));
    await buyer.card.install(world.mint.share(second));
  });

  test("the share of a closed purse does not open it again", async () => {
    const share = world.mint.share(request);
    const { slot } = await buyer.card.install(share);
    await buyer.card.close(slot);
    await refuses(buyer, reader, r.REASON_PURSE_CLOSED, install(share));
  });

  test("the share of a purse that was refunded and is gone is for no request", async () => {
    const share = world.mint.share(request);
    const { slot, purse } = await buyer.card.install(share);
    await buyer.card.close(slot);
    await buyer.card.settled(slot, world.mint.refund({ slot, purse, request }));
    await refuses(buyer, reader, r.REASON_NOT_FOUND, install(share));
  });

  test("a purse waits for its share with everything but its id", async () => {
    await refuses(buyer, reader, r.REASON_PURSE_WAITING, () => buyer.card.close(0));
    await refuses(buyer, reader, r.REASON_PURSE_WAITING, () => buyer.card.allow(0, 1n));
    await refuses(buyer, reader, r.REASON_PURSE_WAITING, () => buyer.card.spend(0, orderBytes(), 1n));
    expect(await buyer.card.purses()).toMatchObject([{ state: "requested" }]);
  });
});

function orderBytes(): Uint8Array {
  return encode([
    1,
    request.seller,
    new Uint8Array(16),
    new Uint8Array(32),
    MILLS.currency,
    MILLS.exponent,
    1,
    0,
    null,
  ]);
}
