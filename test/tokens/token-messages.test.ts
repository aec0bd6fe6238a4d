/** Messages of token halves: what is written is read again, in one form only, and what is sealed tells nothing by its length. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { COSE_PAYLOAD_BYTES_MAX } from "../../firmware/protocol/limits.js";
import * as t from "../../firmware/protocol/tokens.js";
import { concatBytes } from "../../host/codec/bytes.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import { payloadOf, sign1 } from "../../host/codec/cose.js";
import { CodecError } from "../../host/codec/errors.js";
import { NoiseError } from "../../host/codec/noise.js";
import { Fields } from "../../host/codec/read.js";
import { x25519KeyPair } from "../../host/crypto.js";
import * as answers from "../../host/tokens/messages/answers.js";
import * as closing from "../../host/tokens/messages/closing.js";
import { padded, readRanges, unpadded } from "../../host/tokens/messages/common.js";
import { encodeOrder, encodePayment, readOrder, readPayment } from "../../host/tokens/messages/payment.js";
import * as purses from "../../host/tokens/messages/purses.js";
import * as requests from "../../host/tokens/messages/request.js";
import * as words from "../../host/tokens/messages/words.js";
import { type Denomination, NO_UNIT } from "../../host/tokens/terms.js";
import { signerOf } from "../support/agencies.js";
import { bytesFrom, seededRandom } from "../support/token-buyer.js";

const signer = signerOf(3);
const other = signerOf(4);
const random = bytesFrom(seededRandom("messages"));
const secret = new Uint8Array(32).fill(7);
const { publicKey } = x25519KeyPair(secret);
const to = { remoteStatic: publicKey, random };
const from = { staticPrivate: secret };

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const id = bytes(16);
const seconds = fc.integer({ min: 1, max: 2 ** 40 });
const unit = fc.record({ currency: fc.integer({ min: 1, max: 999 }), exponent: fc.integer({ min: 0, max: 18 }) });
const denominations: fc.Arbitrary<Denomination[]> = fc
  .uniqueArray(fc.bigInt({ min: 1n, max: 2n ** 40n }), { minLength: 1, maxLength: t.DENOMINATIONS_MAX })
  .map((values) => values.sort((a, b) => (a < b ? -1 : 1)).map((value, i) => ({ value, count: 1 + i * 1000 })));
const assertion = fc.string({ minLength: 1, maxLength: 32, unit: "grapheme-ascii" });
const whatItIs = fc.oneof(
  fc.record({ kind: fc.constant(t.PURSE_MONEY), unit, denominations, assertion: fc.constant(null) }),
  fc.record({
    kind: fc.constant(t.PURSE_AUTHORIZATION),
    unit: fc.constant(NO_UNIT),
    denominations: fc.integer({ min: 1, max: t.PURSE_TOKENS_MAX }).map((count) => [{ value: 1n, count }]),
    assertion,
  }),
);
const joint = fc
  .record({ id, holders: fc.integer({ min: 2, max: t.HOLDERS_MAX }), index: fc.nat(t.HOLDERS_MAX - 1) })
  .filter(({ holders, index }) => index < holders);
const schemes = fc.constantFrom(t.SCHEME_SECRET, t.SCHEME_SOURCE);
const request: fc.Arbitrary<requests.TokenRequest> = fc
  .record({
    ...{
      nonce: id,
      buyer: id,
      issuer: id,
      seller: id,
      scheme: schemes,
      spendBy_seconds: seconds,
      time_seconds: seconds,
    },
    ...{ flushes: fc.option(id), joint: fc.option(joint), seed: bytes(32) },
  })
  .chain((rest) => whatItIs.map((what) => ({ ...rest, ...what })));
const share: fc.Arbitrary<purses.PurseShare> = fc
  .record({
    ...{ nonce: id, purse: id, buyer: id, issuer: id, seller: id, scheme: schemes, spendBy_seconds: seconds },
    ...{ holders: fc.integer({ min: 1, max: 4 }), index: fc.nat(3), redeemBy_seconds: fc.constant(0) },
  })
  .chain((rest) => whatItIs.map((what) => ({ ...rest, ...what, redeemBy_seconds: rest.spendBy_seconds + 5 })));

/** Refused by its reader, whatever is done to its array of items. */
function refusesOthers(payload: Uint8Array, read: (payload: Uint8Array) => unknown): void {
  const items = decode(payload) as readonly CborValue[];
  const variants: CborValue[][] = [items.slice(0, -1), [...items, 0], [...items, null], [2, ...items.slice(1)]];
  for (const variant of variants) expect(() => read(encode(variant))).toThrow(CodecError);
  expect(() => read(concatBytes(payload, Uint8Array.of(0)))).toThrow(CodecError);
  expect(() => read(payload.subarray(0, -1))).toThrow(CodecError);
}

describe("signed messages", () => {
  it("a request is read as it was written, of one signer, in one form", () => {
    fc.assert(
      fc.property(request, (asked) => {
        const signed = requests.signRequest(asked, signer);
        expect(requests.readRequest(signed)).toEqual(asked);
        requests.verifyRequest(signed, signer.publicKey);
        expect(() => requests.verifyRequest(signed, other.publicKey)).toThrow(CodecError);
        refusesOthers(payloadOf(signed), (payload) => requests.readRequest(sign1(13, payload, signer)));
      }),
    );
  });

  it("a share and a head are read as they were written, and none is the other", () => {
    fc.assert(
      fc.property(share, bytes(32), (said, root) => {
        const signed = purses.signShare(said, signer);
        expect(purses.verifyShare(signed, signer.publicKey)).toEqual(said);
        expect(() => purses.verifyShare(signed, other.publicKey)).toThrow(CodecError);
        expect(() => purses.verifyHead(signed, signer.publicKey)).toThrow(CodecError);
        refusesOthers(payloadOf(signed), (payload) => purses.verifyShare(sign1(15, payload, signer), signer.publicKey));
        const { nonce: _nonce, buyer: _buyer, index: _index, ...rest } = said;
        const head = { ...rest, root };
        const signedHead = purses.signHead(head, signer);
        expect(purses.verifyHead(signedHead, signer.publicKey)).toEqual(head);
        refusesOthers(payloadOf(signedHead), (payload) =>
          purses.verifyHead(sign1(14, payload, signer), signer.publicKey),
        );
      }),
    );
  });

  it("a word, a close, a recall and a notice are read as they were written", () => {
    const word = fc.record({
      ...{ type: fc.integer({ min: 1, max: 4 }), seller: id, request: id, purse: fc.option(id), digest: bytes(32) },
      time_seconds: seconds,
    });
    const spent = fc.array(fc.nat(t.PURSE_TOKENS_MAX), { maxLength: 8 });
    const notice = fc.record({
      ...{ what: fc.constantFrom(1, 2), purse: id, subject: id, request: fc.option(id), time_seconds: seconds, unit },
      ...{ tokens: fc.nat(t.PURSE_TOKENS_MAX), amount: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }) },
    });
    const close = fc.record({ purse: id, buyer: id, spent });
    const recall = fc.record({ purse: id, seller: id, time_seconds: seconds });
    fc.assert(
      fc.property(word, close, recall, notice, (saidWord, saidClose, saidRecall, saidNotice) => {
        expect(words.readWord(words.signWord(saidWord, signer))).toEqual(saidWord);
        expect(closing.readClose(closing.signClose(saidClose, signer))).toEqual(saidClose);
        const signedRecall = closing.signRecall(saidRecall, signer);
        expect(closing.verifyRecall(signedRecall, signer.publicKey)).toEqual(saidRecall);
        const signedNotice = closing.signNotice(saidNotice, signer);
        expect(closing.verifyNotice(signedNotice, signer.publicKey)).toEqual(saidNotice);
        for (const signed of [words.signWord(saidWord, signer), closing.signClose(saidClose, signer), signedNotice])
          expect(() => closing.verifyRecall(signed, signer.publicKey)).toThrow(CodecError);
        expect(() => words.verifyWord(signedNotice, signer.publicKey)).toThrow(CodecError);
        expect(() => closing.verifyClose(signedNotice, signer.publicKey)).toThrow(CodecError);
        expect(() => closing.verifyNotice(signedNotice, other.publicKey)).toThrow(CodecError);
        refusesOthers(payloadOf(words.signWord(saidWord, signer)), (p) => words.readWord(sign1(17, p, signer)));
        refusesOthers(payloadOf(closing.signClose(saidClose, signer)), (p) => closing.readClose(sign1(16, p, signer)));
      }),
    );
  });

  it("terms that no purse can have are neither written nor read", () => {
    const [asked] = fc.sample(
      request.filter(({ kind }) => kind === t.PURSE_MONEY),
      1,
    );
    if (asked === undefined) throw new Error("no sample");
    const wrong: Partial<requests.TokenRequest>[] = [
      { denominations: [] },
      { denominations: [{ value: 0n, count: 1 }] },
      { denominations: [{ value: 1n, count: 0 }] },
      {
        denominations: [
          { value: 2n, count: 1 },
          { value: 2n, count: 1 },
        ],
      },
      {
        denominations: [
          { value: 2n, count: 1 },
          { value: 1n, count: 1 },
        ],
      },
      {
        denominations: [
          { value: 1n, count: t.PURSE_TOKENS_MAX },
          { value: 2n, count: 1 },
        ],
      },
      { denominations: [{ value: 2n ** 62n, count: 2 }] },
      { denominations: Array.from({ length: 9 }, (_, i) => ({ value: BigInt(i + 1), count: 1 })) },
      { unit: { currency: 0, exponent: 0 } },
      { assertion: "over-21" },
      { kind: t.PURSE_AUTHORIZATION },
      { kind: 3 },
    ];
    for (const parts of wrong) expect(() => requests.signRequest({ ...asked, ...parts }, signer)).toThrow(CodecError);
    const items = [...(decode(payloadOf(requests.signRequest({ ...asked, joint: null }, signer))) as CborValue[])];
    const readAs = (at: number, value: CborValue) =>
      requests.readRequest(sign1(13, encode(items.map((item, i) => (i === at ? value : item))), signer));
    const pairs = (...some: readonly (readonly [bigint, number])[]) => some as unknown as CborValue;
    for (const value of [[], pairs([0n, 1]), pairs([1n, 0]), pairs([2n, 1], [2n, 1]), pairs([2n ** 62n, 2])])
      expect(() => readAs(9, value)).toThrow(CodecError);
    for (const holders of [0, 1, 5]) expect(() => readAs(13, [new Uint8Array(16), holders, 0])).toThrow(CodecError);
    expect(() => readAs(13, [new Uint8Array(16), 2, 2])).toThrow(CodecError);
    expect(() => readAs(5, 3)).toThrow(CodecError);
    expect(() => readAs(14, new Uint8Array(31))).toThrow(CodecError);
    expect(() => readAs(1, new Uint8Array(15))).toThrow(CodecError);
  });
});

describe("sealed messages", () => {
  it("have one length, whatever is in them", () => {
    const lengths = new Set<number>();
    fc.assert(
      fc.property(request, fc.integer({ min: 1, max: 656 }), (asked, chainBytes) => {
        const signed = requests.signRequest(asked, signer);
        const chain = random(chainBytes);
        const sealed = requests.sealRequest(signed, chain, to);
        lengths.add(sealed.length);
        expect(requests.openRequest(sealed, from)).toEqual({ signed, chain });
      }),
    );
    expect([...lengths]).toEqual([t.TOKEN_REQUEST_PLAIN_BYTES + 48]);
  });

  it("shares and closes too, and none is opened as another", () => {
    const shares = new Set<number>();
    fc.assert(
      fc.property(share, (said) => {
        const signed = purses.signShare(said, signer);
        const sealed = purses.sealShare(signed, to);
        shares.add(sealed.length);
        expect(purses.openShare(sealed, from)).toEqual(signed);
        expect(() => closing.openClose(sealed, from)).toThrow(NoiseError);
      }),
    );
    expect([...shares]).toEqual([t.TOKEN_SHARE_PLAIN_BYTES + 48]);
    const closes = new Set<number>();
    for (const spent of [[], Array.from({ length: 8 }, () => t.PURSE_TOKENS_MAX)]) {
      const signed = closing.signClose({ purse: random(16), buyer: random(16), spent }, signer);
      const sealed = closing.sealClose(signed, to);
      closes.add(sealed.length);
      expect(closing.openClose(sealed, from)).toEqual(signed);
    }
    expect([...closes]).toEqual([t.TOKEN_CLOSE_PLAIN_BYTES + 48]);
  });

  it("are padded with zeros to their length, for all lengths that fit, and with nothing else", () => {
    const length = t.TOKEN_CLOSE_PLAIN_BYTES;
    let largest = 0;
    for (let size = 0; size < length; size++) {
      let plain: Uint8Array;
      try {
        plain = padded([random(size)], length);
      } catch (error) {
        expect(error).toBeInstanceOf(CodecError);
        continue;
      }
      largest = size;
      expect(plain).toHaveLength(length);
      expect(unpadded(plain, 1, length).bytes("part", 0, length)).toHaveLength(size);
      const dirty = Uint8Array.from(plain);
      dirty[length - 1] = 1;
      expect(() => unpadded(dirty, 1, length)).toThrow(CodecError);
      expect(() => unpadded(plain.subarray(0, -1), 1, length)).toThrow(CodecError);
    }
    // A close of eight denominations is in it, with its signature.
    expect(largest).toBeGreaterThan(220);
  });

  it("the largest request that a chip signs fits, with the longest chain", () => {
    const [asked] = fc.sample(request, 1);
    if (asked === undefined) throw new Error("no sample");
    const large: requests.TokenRequest = {
      ...asked,
      ...{ kind: t.PURSE_MONEY, unit: { currency: 999, exponent: 18 }, assertion: null },
      denominations: Array.from({ length: 8 }, (_, i) => ({ value: 2n ** 41n + BigInt(i), count: 100_000 })),
      ...{ flushes: random(16), joint: { id: random(16), holders: 4, index: 3 } },
      ...{ spendBy_seconds: 2 ** 52, time_seconds: 2 ** 52 },
    };
    const signed = requests.signRequest(large, signer);
    expect(requests.openRequest(requests.sealRequest(signed, random(656), to), from).signed).toEqual(signed);
    expect(payloadOf(signed).length).toBeLessThan(COSE_PAYLOAD_BYTES_MAX);
    const said = { ...large, purse: random(16), redeemBy_seconds: 2 ** 52, holders: 4, index: 3 };
    expect(purses.openShare(purses.sealShare(purses.signShare(said, signer), to), from)).toHaveLength(
      purses.signShare(said, signer).length,
    );
  });

  it("an outer message says nothing but where it goes", () => {
    const sealed = random(t.TOKEN_REQUEST_PLAIN_BYTES + 48);
    const outer = { issuer: random(16), sealed };
    expect(requests.readOuter(requests.encodeOuter(outer))).toEqual(outer);
    expect(() => requests.readOuter(requests.encodeOuter({ ...outer, sealed: sealed.subarray(1) }))).toThrow(
      CodecError,
    );
    refusesOthers(requests.encodeOuter(outer), requests.readOuter);
  });
});

describe("what is not signed", () => {
  it("ranges rise and name no token twice", () => {
    const read = (pairs: readonly (readonly number[])[]) =>
      readRanges(Fields.ofArray([pairs as CborValue], "ranges", 1));
    expect(
      read([
        [0, 5],
        [5, 1],
        [1_048_575, 1],
      ]),
    ).toHaveLength(3);
    expect(read([])).toEqual([]);
    for (const pairs of [
      [[0, 0]],
      [
        [5, 1],
        [5, 1],
      ],
      [
        [0, 5],
        [4, 1],
      ],
      [
        [5, 1],
        [0, 1],
      ],
      [[1_048_575, 2]],
      [[0]],
      [[-1, 1]],
    ])
      expect(() => read(pairs)).toThrow(CodecError);
  });

  it("presented tokens, words about them, orders and payments are read as they were written", () => {
    const ranges = fc
      .uniqueArray(fc.nat(1000), { maxLength: 20 })
      .map((starts) => starts.sort((a, b) => a - b).map((start) => ({ first: start * 10, count: 1 + (start % 10) })));
    const part = fc.record({ purse: id, index: fc.nat(3), ranges, halves: fc.uint8Array({ maxLength: 200 }) });
    const order = fc.record({
      ...{ seller: id, nonce: id, goods: bytes(32), unit, price: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }) },
      ...{ delivery: fc.constantFrom(0, 1), assertion: fc.option(assertion) },
    });
    fc.assert(
      fc.property(
        ranges,
        fc.uint8Array(),
        order,
        fc.array(part, { minLength: 1, maxLength: 8 }),
        (some, about, o, parts) => {
          const presented = { ranges: some, secrets: about };
          expect(words.readPresented(words.encodePresented(presented))).toEqual(presented);
          expect(words.readWordAbout(words.encodeWordAbout(id16, about))).toEqual({ word: id16, about });
          expect(readOrder(encodeOrder(o))).toEqual(o);
          refusesOthers(encodeOrder(o), readOrder);
          const payment = { order: encodeOrder(o), parts };
          expect(readPayment(encodePayment(payment))).toEqual(payment);
          refusesOthers(encodePayment(payment), readPayment);
        },
      ),
    );
    expect(() => readPayment(encodePayment({ order: id16, parts: [] }))).toThrow(CodecError);
  });

  it("answers are read as they were written", () => {
    const some = fc.uint8Array({ minLength: 1, maxLength: 50 });
    const why = fc.constantFrom("already-redeemed", "wrong-secret", "unknown-serial");
    const redemption = fc.record({
      notice: some,
      refused: fc.array(fc.record({ serial: fc.nat(t.PURSE_TOKENS_MAX - 1), why })),
    }) as fc.Arbitrary<{ notice: Uint8Array; refused: { serial: number; why: "wrong-secret" }[] }>;
    const waiting = fc.record({ purses: fc.array(some), recalls: fc.array(some), notices: fc.array(some) });
    fc.assert(
      fc.property(redemption, waiting, some, fc.option(some), seconds, (r, w, one, maybe, paidBy_seconds) => {
        expect(answers.readRedemption(answers.encodeRedemption(r))).toEqual(r);
        expect(answers.readWaiting(answers.encodeWaiting(w))).toEqual(w);
        const bought = { share: one, halves: maybe };
        expect(answers.readBuyerPurse(answers.encodeBuyerPurse(bought))).toEqual(bought);
        const issued = { ...bought, sellerPurse: one };
        expect(answers.readIssued(answers.encodeIssued(issued))).toEqual(issued);
        for (const refund of [
          { state: "closed", notice: one } as const,
          { state: "recalled", paidBy_seconds } as const,
        ])
          expect(answers.readRefund(answers.encodeRefund(refund))).toEqual(refund);
      }),
    );
    for (const wrong of [
      [2, id16],
      [0, id16],
      [1, 5],
    ])
      expect(() => answers.readRefund(encode(wrong))).toThrow(CodecError);
    expect(() => answers.readRedemption(encode([id16, [[1, 3]]]))).toThrow(CodecError);
  });
});

const id16 = new Uint8Array(16).fill(1);
