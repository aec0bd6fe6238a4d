/** The source's scheme: tokens with signatures are split, for a card that only stores halves, and a computer beside it. */

import { beforeEach, describe, expect, it } from "vitest";
import { PURSE_AUTHORIZATION, SCHEME_SOURCE, WORD_FORWARD, WORD_REDEEM } from "../../firmware/protocol/tokens.js";
import { concatBytes, equalBytes, toHex } from "../../host/codec/bytes.js";
import { CodecError } from "../../host/codec/errors.js";
import { Fields } from "../../host/codec/read.js";
import { sha256 } from "../../host/crypto.js";
import { openBulk, sealBulk } from "../../host/tokens/bulk.js";
import { verifyNotice } from "../../host/tokens/messages/closing.js";
import { PROLOGUE } from "../../host/tokens/messages/common.js";
import { readSellerPurse, type SellerPurse, verifyHead } from "../../host/tokens/messages/purses.js";
import type { TokenRequest } from "../../host/tokens/messages/request.js";
import { encodePresented } from "../../host/tokens/messages/words.js";
import { placesIn, SOURCE_TOKENS_MAX, signToken, tokenOffsets, verifyToken } from "../../host/tokens/source-scheme.js";
import { NO_UNIT, type SerialRange } from "../../host/tokens/terms.js";
import { bytesFrom, FINE_DOLLAR } from "../support/token-buyer.js";
import { rangesOf, serialsOf } from "../support/token-seller.js";
import { ALICE_CENTS, DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

const ALICE = 100n * ALICE_CENTS;
const DENOMINATIONS = [
  { value: 1n, count: 10 },
  { value: 300n, count: 5 },
];

let w: TokenWorld;
let purse: Uint8Array;
let offsets: Uint32Array;
let seller: SellerPurse;
let halves: Uint8Array;

function ask(parts: Partial<TokenRequest> = {}) {
  const times = { spendBy_seconds: w.now() + DAY, time_seconds: w.now() };
  const source = { scheme: SCHEME_SOURCE, denominations: DENOMINATIONS };
  return w.alice.ask(w.keys, { seller: w.shop.id, ...times, ...source, ...parts });
}

async function issue() {
  const asked = ask();
  const issued = await w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
  const held = w.alice.install(w.keys, asked, issued.share);
  const options = { staticPrivate: w.alice.agreementSecret, prologue: PROLOGUE.halves };
  const fields = Fields.decode(openBulk(options, issued.halves ?? new Uint8Array(0)), "halves", 2);
  const sellerOptions = { staticPrivate: w.shop.agreement.secretKey, prologue: PROLOGUE.purse };
  const sellers = readSellerPurse(openBulk(sellerOptions, issued.sellerPurse));
  return { asked, held, id: fields.id("purse"), buyers: fields.bytes("halves", 1, 1e6), sellers };
}

beforeEach(async () => {
  w = await TokenWorld.open();
  const issued = await issue();
  purse = issued.id;
  offsets = tokenOffsets({ ...issued.held.share });
  seller = issued.sellers;
  halves = issued.buyers;
  expect(issued.held.share.purse).toEqual(purse);
});

/** The token of this serial number, as buyer and seller make it together (558). */
function token(serial: number): Uint8Array {
  const at = (all: Uint8Array) => all.slice(offsets[serial], offsets[serial + 1]);
  const whole = at(halves);
  at(seller.halves).forEach((byte, i) => {
    whole[i] = (whole[i] ?? 0) ^ byte;
  });
  return whole;
}

function presented(serials: readonly number[], tokens = concatBytes(...serials.map(token))): Uint8Array {
  const about = encodePresented({ ranges: rangesOf(serials), secrets: tokens });
  return w.shop.seal(w.shop.word(WORD_REDEEM, about, { purse }), about);
}

function unspent(ranges: readonly SerialRange[], all = halves): Uint8Array {
  const parts = serialsOf(ranges).map((serial) => all.slice(offsets[serial], offsets[serial + 1]));
  const random = bytesFrom(w.random);
  const options = { remoteStatic: w.keys.agreementKey, prologue: PROLOGUE.halves, random };
  return sealBulk(options, encodePresented({ ranges, secrets: concatBytes(...parts) }));
}

describe("the source's scheme", () => {
  it("1014-1024: halves that make a signed token together, each of its own unique serial number", () => {
    const head = verifyHead(seller.head, w.keys.signatureKey);
    expect(head.root).toEqual(sha256(seller.halves));
    const uniques = new Set<string>();
    for (let serial = 0; serial < 15; serial++) {
      const said = verifyToken(token(serial), w.keys.signatureKey);
      const unique = seller.uniques.slice(16 * serial, 16 * serial + 16);
      const value = serial < 10 ? 1n : 300n;
      expect(said).toEqual({ value, unique, issuer: w.keys.id, unit: FINE_DOLLAR, assertion: null });
      uniques.add(toHex(unique));
    }
    expect(uniques.size).toBe(15);
    expect(() => verifyToken(halves.slice(0, offsets[1]), w.keys.signatureKey)).toThrow(CodecError);
    expect(() => verifyToken(token(0), w.alice.signer.publicKey)).toThrow(CodecError);
  });

  it("the same request again gets the same halves", async () => {
    const asked = ask({ flushes: purse });
    const forward = () => w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
    const options = { staticPrivate: w.alice.agreementSecret, prologue: PROLOGUE.halves };
    const [one, two] = [await forward(), await forward()].map(({ halves: sealed }) =>
      openBulk(options, sealed ?? new Uint8Array(0)),
    );
    expect(one).toEqual(two);
  });

  it("fig. 9: redeems tokens by signature and serial number, each once", async () => {
    const altered = token(3);
    altered[altered.length - 1] = (altered[altered.length - 1] ?? 0) ^ 1;
    const forged = signToken(
      { value: 300n, unique: new Uint8Array(16), issuer: w.keys.id, unit: FINE_DOLLAR, assertion: null },
      w.alice.signer,
    );
    const tokens = concatBytes(token(0), token(2), altered, forged);
    const { notice, refused } = await w.mint.redeem(presented([0, 1, 3, 10, 15], tokens));
    expect(verifyNotice(notice, w.keys.signatureKey)).toMatchObject({ tokens: 1, amount: 1n });
    expect(refused).toEqual([
      { serial: 1, why: "wrong-secret" },
      { serial: 3, why: "wrong-secret" },
      { serial: 10, why: "wrong-secret" },
      { serial: 15, why: "unknown-serial" },
    ]);
    const again = await w.mint.redeem(presented([0, 10]));
    expect(again.refused).toEqual([{ serial: 0, why: "already-redeemed" }]);
    expect(await w.worth("shop", w.shop.id, FINE_DOLLAR)).toBe(301n);
    expect(await outcomeOf(w.mint.redeem(presented([4], token(4).slice(1))))).toBe("malformed");
    expect(await w.faults()).toEqual([]);
  });

  it("fig. 10, 1090-1098: pays back for halves that make tokens with the seller's, and for no others", async () => {
    await w.mint.redeem(presented([0]));
    w.lines.clear();
    const statement = w.alice.close(w.keys, purse, [1, 0]);
    const rest = [{ first: 1, count: 14 }];
    expect(await outcomeOf(w.mint.refund(statement))).toBe("half-missing");
    const altered = Uint8Array.from(halves);
    altered[offsets[14] ?? 0] = (altered[offsets[14] ?? 0] ?? 0) ^ 1;
    for (const wrong of [
      unspent(rest, altered),
      unspent([{ first: 2, count: 13 }]),
      unspent([{ first: 0, count: 15 }]),
    ])
      expect(await outcomeOf(w.mint.refund(statement, wrong))).toBe("half-altered");
    expect(await outcomeOf(w.mint.refund(statement, new Uint8Array(99)))).toBe("malformed");
    w.lines.set(toHex(w.shop.id), w.shop);
    const refund = await w.time.run(w.mint.refund(statement, unspent(rest)));
    if (refund.state !== "closed") throw new Error("not closed");
    expect(verifyNotice(refund.notice, w.keys.signatureKey)).toMatchObject({ tokens: 14, amount: 1509n });
    expect(await w.worth("alice", w.alice.id, FINE_DOLLAR)).toBe(ALICE - 1n);
    expect((await w.mint.refund(statement)).state).toBe("closed");
    expect(await w.faults()).toEqual([]);
  });

  it("is for one buyer, and for as many tokens as can be signed in between", async () => {
    const forward = (parts: Partial<TokenRequest>) => {
      const { sealed } = ask({ flushes: purse, ...parts });
      return outcomeOf(w.mint.forward(w.shop.word(WORD_FORWARD, sealed), sealed));
    };
    expect(await forward({ joint: { id: purse, holders: 2, index: 0 } })).toBe("refused");
    expect(await forward({ denominations: [{ value: 1n, count: SOURCE_TOKENS_MAX + 1 }] })).toBe("refused");
    expect(await forward({ denominations: [{ value: 1n, count: 1000 }] })).toBe("done");
  });

  it("claim 9: a token of an authorization service says what its holder has proved", async () => {
    w = await TokenWorld.open({ isService: true });
    await w.mint.addAssertion(toHex(w.alice.id), "over-21", w.now() + DAY);
    const what = { kind: PURSE_AUTHORIZATION, unit: NO_UNIT, assertion: "over-21" };
    const asked = ask({ ...what, denominations: [{ value: 1n, count: 2 }] });
    const {
      sellerPurse,
      halves: sealed,
      share,
    } = await w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
    offsets = tokenOffsets(w.alice.install(w.keys, asked, share).share);
    const sellers = openBulk({ staticPrivate: w.shop.agreement.secretKey, prologue: PROLOGUE.purse }, sellerPurse);
    const buyers = openBulk(
      { staticPrivate: w.alice.agreementSecret, prologue: PROLOGUE.halves },
      sealed ?? new Uint8Array(0),
    );
    seller = readSellerPurse(sellers);
    const fields = Fields.decode(buyers, "halves", 2);
    fields.id("purse");
    halves = fields.bytes("halves", 1, 1e6);
    expect(verifyToken(token(1), w.keys.signatureKey)).toMatchObject({
      assertion: "over-21",
      value: 1n,
      unit: NO_UNIT,
    });
  });

  it("finds tokens by their lengths, and leaves out those that there are not", () => {
    const places = [
      ...placesIn(offsets, [
        { first: 9, count: 2 },
        { first: 14, count: 5 },
      ]),
    ];
    expect(places.map(([serial]) => serial)).toEqual([9, 10, 14]);
    expect(places.map(([, at]) => at)).toEqual([0, places[0]?.[2], (places[0]?.[2] ?? 0) + (places[1]?.[2] ?? 0)]);
    expect(equalBytes(token(14), halves.slice(offsets[14]))).toBe(false);
  });
});
