/** What a purse asks for, and what it does not ask for: the rules of REQUEST, REPEAT and FORGET, one by one. */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SW_CONDITIONS, SW_SECURITY_STATUS, SW_WRONG_DATA } from "../../firmware/protocol/apdu.js";
import { ROLE_MERCHANT, ROLE_MINT, ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import * as r from "../../firmware/protocol/reasons.js";
import * as t from "../../firmware/protocol/tokens.js";
import { ChipFactory } from "../../host/chips.js";
import { toHex } from "../../host/codec/bytes.js";
import { personalise } from "../../host/provision.js";
import { PurseCard, type PurseOrder } from "../../host/tokens/buyer/card.js";
import { NO_UNIT } from "../../host/tokens/terms.js";
import { RecordReader } from "../support/conservation-records.js";
import { FORGERIES, genuineChain } from "../support/forged-chains.js";
import { refuses, refusesBy, statusOf } from "../support/purse-checks.js";
import { type Buyer, DAY, MILLS, NOW, OTHER_SELLER, PIN, PUK, PurseWorld, REDEEM_BY } from "../support/purses.js";

let world: PurseWorld;
let buyer: Buyer;
let reader: RecordReader;
let clean: Uint8Array;

beforeAll(async () => {
  reader = await RecordReader.create();
  world = new PurseWorld("requests");
  buyer = await world.buyer("alice");
  clean = buyer.simulated.snapshot();
});

beforeEach(() => buyer.simulated.restore(clean));

const ask = (changes: Partial<PurseOrder>) => () => buyer.card.request(world.order(changes));
const coins = (...pairs: [bigint, number][]) => pairs.map(([value, count]) => ({ value, count }));

describe("who may ask", () => {
  test("the owner: without the PIN nothing is stored, and nothing leaves", async () => {
    await buyer.element.select();
    await refusesBy(buyer, reader, SW_SECURITY_STATUS, ask({}));
  });

  test("nobody, before the chip was told the date", async () => {
    await buyer.element.restart();
    await buyer.element.verifyPin(PIN);
    await refuses(buyer, reader, r.REASON_NO_CLOCK, ask({}));
    await buyer.element.open(world.time.now_seconds());
    expect((await buyer.card.request(world.order())).slot).toBe(0);
  });

  test("nobody, before personalisation is closed; and no chip of another role", async () => {
    const chips = new ChipFactory({ clock: world.time.clock });
    const { element } = await chips.chip("fresh", "purse");
    await personalise(element, world.agencies, { role: ROLE_PURSE, pin: PIN, puk: PUK }, world.random, BigInt(NOW));
    await element.verifyPin(PIN);
    expect(await statusOf(new PurseCard(element).request(world.order()))).toBe(SW_CONDITIONS);
    const other = await chips.chip("merchant", "purse");
    const order = { role: ROLE_MERCHANT, pin: PIN, puk: PUK };
    expect(await statusOf(personalise(other.element, world.agencies, order, world.random, BigInt(NOW)))).toBe(
      SW_CONDITIONS,
    );
  });
});

describe("whom it asks", () => {
  const forger = (role = ROLE_MINT) => ({
    own: world.secrets.agents,
    other: world.secrets.modules,
    subject: {
      id: world.mint.id,
      role,
      signatureKey: world.mint.signer.publicKey,
      agreementKey: new Uint8Array(32).fill(9),
    },
    signer: world.mint.signer,
    now: NOW,
  });

  test("a mint with a chain of the agents' tree", async () => {
    expect((await buyer.card.request(world.order({ issuerChain: genuineChain(forger()) }))).slot).toBe(0);
  });

  test.each(Object.keys(FORGERIES))("not one whose chain is %s", async (name) => {
    // A purse that makes itself a mint.
    const role = name.startsWith("its role changed") ? ROLE_PURSE : ROLE_MINT;
    const forgery = (FORGERIES[name] as NonNullable<(typeof FORGERIES)[string]>)(forger(role));
    const work = ask({ issuerChain: forgery.chain });
    if (forgery.reason === r.REASON_MALFORMED) await refusesBy(buyer, reader, SW_WRONG_DATA, work);
    else await refuses(buyer, reader, forgery.reason, work);
  });

  test("not a merchant, not a purse", async () => {
    for (const role of [ROLE_MERCHANT, ROLE_PURSE])
      await refuses(buyer, reader, r.REASON_WRONG_ROLE, ask({ issuerChain: world.newMint(0xb5, role).chain }));
  });

  test("not a mint on the list of untrusted devices", async () => {
    const list = world.agencies.agents.badIdList(1n, NOW, [[world.mint.id, 1]]);
    await buyer.element.putList(list);
    await refuses(buyer, reader, r.REASON_BAD_ID, ask({}));
    expect((await buyer.card.request(world.order({ issuerChain: world.newMint(0xb6).chain }))).slot).toBe(0);
  });
});

describe("what it asks for", () => {
  const malformed: Record<string, Partial<PurseOrder>> = {
    "no denomination": { denominations: [] },
    "more denominations than there may be": {
      denominations: Array.from({ length: t.DENOMINATIONS_MAX + 1 }, (_, d) => ({ value: BigInt(d + 1), count: 1 })),
    },
    "a value of nothing": { denominations: coins([0n, 5], [1n, 5]) },
    "a denomination without tokens": { denominations: coins([1n, 5], [2n, 0]) },
    "values that fall": { denominations: coins([2n, 5], [1n, 5]) },
    "a value twice": { denominations: coins([2n, 5], [2n, 5]) },
    "a value that is no amount": { denominations: coins([1n << 63n, 1]) },
    "money that asserts something": { assertion: "over-21" },
    "an authorization that asserts nothing": {
      kind: t.PURSE_AUTHORIZATION,
      unit: NO_UNIT,
      denominations: coins([1n, 5]),
    },
    "an empty assertion": { kind: t.PURSE_AUTHORIZATION, unit: NO_UNIT, denominations: coins([1n, 5]), assertion: "" },
    "a long assertion": {
      kind: t.PURSE_AUTHORIZATION,
      unit: NO_UNIT,
      denominations: coins([1n, 5]),
      assertion: "x".repeat(t.ASSERTION_BYTES_MAX + 1),
    },
    "authorizations of two values": {
      kind: t.PURSE_AUTHORIZATION,
      unit: NO_UNIT,
      denominations: coins([1n, 5], [2n, 5]),
      assertion: "over-21",
    },
    "authorizations of another value": {
      kind: t.PURSE_AUTHORIZATION,
      unit: NO_UNIT,
      denominations: coins([2n, 5]),
      assertion: "over-21",
    },
    "a kind that there is not": { kind: 3 },
    "a seller's id of another length": { seller: new Uint8Array(15) },
    "one holder": { joint: { id: new Uint8Array(16), holders: 1, index: 0 } },
    "more holders than there may be": { joint: { id: new Uint8Array(16), holders: t.HOLDERS_MAX + 1, index: 0 } },
    "a holder too many": { joint: { id: new Uint8Array(16), holders: 2, index: 2 } },
  };

  test.each(Object.keys(malformed))("not %s", async (name) => {
    await refusesBy(buyer, reader, SW_WRONG_DATA, ask(malformed[name] as Partial<PurseOrder>));
  });

  const refused: Record<string, [number, Partial<PurseOrder>]> = {
    "more tokens than one purse has": [
      r.REASON_TOO_MANY_TOKENS,
      { denominations: coins([1n, t.PURSE_TOKENS_MAX], [2n, 1]) },
    ],
    "a count beyond all numbers": [r.REASON_TOO_MANY_TOKENS, { denominations: coins([1n, Number.MAX_SAFE_INTEGER]) }],
    "more than an amount can say": [r.REASON_ARITHMETIC, { denominations: coins([1n, 1], [(1n << 63n) - 1n, 1]) }],
    "more than an amount can say, in many tokens": [r.REASON_ARITHMETIC, { denominations: coins([1n << 62n, 2]) }],
    "money without a currency": [r.REASON_UNKNOWN_UNIT, { unit: NO_UNIT }],
    "a currency that there is not": [r.REASON_UNKNOWN_UNIT, { unit: { currency: 1000, exponent: 2 } }],
    "an exponent that there is not": [r.REASON_UNKNOWN_UNIT, { unit: { currency: 840, exponent: 10 } }],
    "an authorization in money": [
      r.REASON_UNKNOWN_UNIT,
      { kind: t.PURSE_AUTHORIZATION, denominations: coins([1n, 5]), assertion: "over-21" },
    ],
    "tokens that could be spent no more": [r.REASON_SPENDING_OVER, { spendBy_seconds: NOW - 1 }],
  };

  test.each(Object.keys(refused))("not %s", async (name) => {
    const [reason, changes] = refused[name] as [number, Partial<PurseOrder>];
    await refuses(buyer, reader, reason, ask(changes));
  });

  test("as many tokens as one purse has, worth as much as an amount can say, until this second", async () => {
    const most = coins([1n, t.PURSE_TOKENS_MAX - 1], [(1n << 63n) - BigInt(t.PURSE_TOKENS_MAX), 1]);
    const { sealed } = await buyer.card.request(world.order({ denominations: most, spendBy_seconds: NOW }));
    expect(world.mint.open(sealed)).toMatchObject({ denominations: most, spendBy_seconds: NOW });
  });

  test("an authorization, and a part in a joint purse", async () => {
    const first = await buyer.card.request(world.authorization("over-21", 12));
    expect(world.mint.open(first.sealed)).toMatchObject({
      kind: t.PURSE_AUTHORIZATION,
      unit: NO_UNIT,
      assertion: "over-21",
    });
    const joint = { id: new Uint8Array(16).fill(4), holders: 2, index: 1 };
    const second = await buyer.card.request(world.order({ joint }));
    expect(world.mint.open(second.sealed)).toMatchObject({ joint });
    expect(await buyer.card.purses()).toMatchObject([
      { assertion: "over-21", holders: 1, index: 0, redeemBy_seconds: 0 },
      { assertion: null, holders: 2, index: 1 },
    ]);
  });

  test("with another seed and nonce each time", async () => {
    const seen = new Set<string>();
    for (let seller = 0; seller < 6; seller += 1) {
      const { sealed, nonce } = await buyer.card.request(world.order({ seller: new Uint8Array(16).fill(seller) }));
      seen.add(toHex(nonce)).add(toHex(world.mint.open(sealed).seed));
    }
    expect(seen.size).toBe(12);
  });
});

describe("one purse for each issuer, seller, kind and unit", () => {
  test("a request that is under way stands in the way of another", async () => {
    await buyer.card.request(world.order());
    await refuses(buyer, reader, r.REASON_PENDING, ask({ denominations: coins([1n, 1]) }));
    await refuses(buyer, reader, r.REASON_PENDING, ask({ flush: true, denominations: coins([1n, 1]) }));
  });

  test("an open purse is flushed first, or it stays the one", async () => {
    const { slot, purse } = await world.purse(buyer);
    await buyer.card.allow(slot, 50n);
    await refuses(buyer, reader, r.REASON_PURSE_EXISTS, ask({}));
    const { sealed } = await buyer.card.request(world.order({ flush: true }));
    expect(toHex(world.mint.open(sealed).flushes as Uint8Array)).toBe(toHex(purse));
    expect(await buyer.card.purses()).toMatchObject([{ state: "closed", allowance: 0n }, { state: "requested" }]);
  });

  test("there is nothing to flush when no purse of the pair is open", async () => {
    const filled = await world.purse(buyer);
    await buyer.card.close(filled.slot);
    const { sealed } = await buyer.card.request(world.order({ flush: true }));
    expect(world.mint.open(sealed).flushes).toBeNull();
  });

  test("another seller, issuer, kind or unit is another purse", async () => {
    await world.purse(buyer);
    await buyer.card.request(world.order({ seller: OTHER_SELLER }));
    await buyer.card.request(world.order({ issuerChain: world.newMint(0xb7).chain }));
    await buyer.card.request(world.order({ unit: { ...MILLS, exponent: 2 } }));
    await buyer.card.request(world.order({ unit: { ...MILLS, currency: 978 } }));
    await buyer.card.request(world.authorization("over-21", 3));
    expect((await buyer.card.purses()).map(({ state }) => state)).toEqual(["open", ...Array(5).fill("requested")]);
  });

  test("as many purses as there are slots", async () => {
    const seller = (number: number) => new Uint8Array(16).fill(number);
    for (let slot = 0; slot < t.PURSES_MAX; slot += 1)
      expect((await buyer.card.request(world.order({ seller: seller(slot) }))).slot).toBe(slot);
    await refuses(buyer, reader, r.REASON_STORE_FULL, ask({ seller: seller(99) }));
    await buyer.card.forget(17);
    expect((await buyer.card.request(world.order({ seller: seller(99) }))).slot).toBe(17);
  });
});

describe("REPEAT and FORGET", () => {
  test("only a request is repeated", async () => {
    await refuses(buyer, reader, r.REASON_NOT_FOUND, () => buyer.card.repeat(0));
    await refuses(buyer, reader, r.REASON_NOT_FOUND, () => buyer.card.repeat(t.PURSES_MAX));
    const { slot } = await world.purse(buyer);
    await refuses(buyer, reader, r.REASON_PURSE_OPEN, () => buyer.card.repeat(slot));
    await buyer.card.close(slot);
    await refuses(buyer, reader, r.REASON_PURSE_CLOSED, () => buyer.card.repeat(slot));
  });

  test("a request is repeated to the letter after power was gone, on another day", async () => {
    const joint = { id: new Uint8Array(16).fill(4), holders: 3, index: 2 };
    await world.purse(buyer);
    const { sealed, slot } = await buyer.card.request(world.order({ flush: true, joint }));
    world.time.clock.advance(3 * DAY * 1000);
    await world.restart(buyer);
    const again = await buyer.card.repeat(slot);
    expect(world.mint.open(again.sealed)).toEqual(world.mint.open(sealed));
  });

  test("a request is forgotten, and its share is for nobody then", async () => {
    const { sealed, slot } = await buyer.card.request(world.order());
    const share = world.mint.share(world.mint.open(sealed));
    expect(await buyer.card.forget(slot)).toBe(slot);
    await refuses(buyer, reader, r.REASON_NOT_FOUND, () => buyer.card.install(share));
    expect(await buyer.card.purses()).toEqual([]);
  });

  test("tokens are forgotten only when nobody redeems them any more", async () => {
    const open = await world.purse(buyer);
    const closed = await world.purse(buyer, { seller: OTHER_SELLER });
    await buyer.card.close(closed.slot);
    for (const { slot } of [open, closed])
      await refuses(buyer, reader, r.REASON_PURSE_OPEN, () => buyer.card.forget(slot));
    const later = (seconds: number) => buyer.element.open(BigInt(seconds));
    await later(REDEEM_BY);
    for (const { slot } of [open, closed])
      await refuses(buyer, reader, r.REASON_PURSE_OPEN, () => buyer.card.forget(slot));
    await later(REDEEM_BY + 1);
    for (const { slot } of [open, closed]) await buyer.card.forget(slot);
    await refuses(buyer, reader, r.REASON_NOT_FOUND, () => buyer.card.forget(open.slot + 7));
    expect(await buyer.card.purses()).toEqual([]);
  });
});
