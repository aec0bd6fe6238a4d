/**
 * The host's parsers of token halves: what purses, sellers, issuers and buyers send each other. What is signed or sealed is signed and
 * sealed again, so that what is inside is read too.
 */

import * as k from "../../firmware/protocol/kinds.js";
import * as t from "../../firmware/protocol/tokens.js";
import { equalBytes } from "../../host/codec/bytes.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import { payloadOf, sign1 } from "../../host/codec/cose.js";
import { CodecError } from "../../host/codec/errors.js";
import { NoiseError, oneWaySender } from "../../host/codec/noise.js";
import { ed25519Signer, sha256, x25519KeyPair } from "../../host/crypto.js";
import { ReasonError } from "../../host/reasons.js";
import { BULK_PIECE_BYTES, openBulk, sealBulk } from "../../host/tokens/bulk.js";
import * as card from "../../host/tokens/buyer/card-data.js";
import { TokenError } from "../../host/tokens/errors.js";
import {
  authorizationHeader,
  challengeHeader,
  readAuthorization,
  readChallenge,
} from "../../host/tokens/http/challenge.js";
import { openGoods, sealGoods } from "../../host/tokens/http/sealed-goods.js";
import * as answers from "../../host/tokens/messages/answers.js";
import * as closing from "../../host/tokens/messages/closing.js";
import { PROLOGUE } from "../../host/tokens/messages/common.js";
import * as payment from "../../host/tokens/messages/payment.js";
import * as purses from "../../host/tokens/messages/purses.js";
import * as request from "../../host/tokens/messages/request.js";
import * as words from "../../host/tokens/messages/words.js";
import type { PurseTerms } from "../../host/tokens/terms.js";
import { idOf, NOW } from "../support/agencies.js";
import { same, sameText } from "./parsers.js";
import type { ParserParts } from "./parsers-host.js";
import { Finding } from "./target.js";

const SIGNER = ed25519Signer(new Uint8Array(32).fill(3));
const KEYS = x25519KeyPair(new Uint8Array(32).fill(4));
const SEALING = { remoteStatic: KEYS.publicKey, random: (length: number) => new Uint8Array(length).fill(6) };
const OPENING = { staticPrivate: KEYS.secretKey };
const HASH = sha256(new Uint8Array(0));
const RANGES = [
  { first: 0, count: 2 },
  { first: 580, count: 1 },
];
const UNIT = { currency: 840, exponent: 3 };

const MONEY: PurseTerms = {
  issuer: idOf(1),
  seller: idOf(2),
  scheme: t.SCHEME_SECRET,
  kind: t.PURSE_MONEY,
  unit: UNIT,
  denominations: [
    { value: 1n, count: 500 },
    { value: 100n, count: 10 },
  ],
  spendBy_seconds: NOW,
  assertion: null,
};
const PROOF: PurseTerms = {
  ...MONEY,
  kind: t.PURSE_AUTHORIZATION,
  unit: { currency: 0, exponent: 0 },
  denominations: [{ value: 1n, count: 5 }],
  assertion: "over-21",
};
const BOTH = [MONEY, PROOF];

/** A payload is signed as this kind, and read; what was read says the same payload again. */
function signedAgain<T>(
  kind: number,
  read: (signed: Uint8Array) => T,
  sign: (value: T) => Uint8Array,
): (payload: Uint8Array) => void {
  return (payload) => {
    if (payload.length > 1024) return;
    const value = read(sign1(kind, payload, SIGNER));
    same(payload, payloadOf(sign(value)));
  };
}

const verified =
  <T>(verify: (signed: Uint8Array, key: Uint8Array) => T) =>
  (signed: Uint8Array): T =>
    verify(signed, SIGNER.publicKey);

const readAgain =
  <T>(read: (bytes: Uint8Array) => T, write: (value: T) => Uint8Array) =>
  (bytes: Uint8Array): void =>
    same(bytes, write(read(bytes)));

function signedParsers(): ParserParts[] {
  const time_seconds = NOW;
  const asked = { nonce: idOf(3), buyer: idOf(4), seed: HASH, time_seconds };
  const joint = { id: idOf(6), holders: 3, index: 2 };
  const requests = [
    { ...MONEY, ...asked, flushes: null, joint: null },
    { ...PROOF, ...asked, flushes: idOf(5), joint },
  ];
  const deadlines = { purse: idOf(7), redeemBy_seconds: NOW + 1, holders: 1 };
  const shares = BOTH.map((terms) => ({ ...terms, ...deadlines, nonce: idOf(3), buyer: idOf(4), index: 0 }));
  const heads = BOTH.map((terms) => ({ ...terms, ...deadlines, root: HASH }));
  const word = { type: t.WORD_REDEEM, seller: idOf(2), request: idOf(8), purse: idOf(7), digest: HASH, time_seconds };
  const notice = { what: t.CREDIT_REDEEMED, purse: idOf(7), subject: idOf(2), request: idOf(8), tokens: 3 };
  const notices = [{ ...notice, amount: 102n, unit: UNIT, time_seconds }];
  const payloads = <T>(values: readonly T[], sign: (value: T) => Uint8Array) => values.map((v) => payloadOf(sign(v)));
  const signs = {
    request: (value: request.TokenRequest) => request.signRequest(value, SIGNER),
    share: (value: purses.PurseShare) => purses.signShare(value, SIGNER),
    head: (value: purses.PurseHead) => purses.signHead(value, SIGNER),
    close: (value: closing.CloseStatement) => closing.signClose(value, SIGNER),
    recall: (value: closing.Recall) => closing.signRecall(value, SIGNER),
    notice: (value: closing.CreditNotice) => closing.signNotice(value, SIGNER),
    word: (value: words.SellerWord) => words.signWord(value, SIGNER),
  };
  return [
    [
      "token request",
      payloads(requests, signs.request),
      signedAgain(k.SIGNED_TOKEN_REQUEST, request.readRequest, signs.request),
      CodecError,
    ],
    [
      "token share",
      payloads(shares, signs.share),
      signedAgain(k.SIGNED_TOKEN_SHARE, verified(purses.verifyShare), signs.share),
      CodecError,
    ],
    [
      "token head",
      payloads(heads, signs.head),
      signedAgain(k.SIGNED_TOKEN_PURSE, verified(purses.verifyHead), signs.head),
      CodecError,
    ],
    [
      "token close",
      payloads([{ purse: idOf(7), buyer: idOf(4), spent: [3, 0] }], signs.close),
      signedAgain(k.SIGNED_TOKEN_CLOSED, closing.readClose, signs.close),
      CodecError,
    ],
    [
      "token recall",
      payloads([{ purse: idOf(7), seller: idOf(2), time_seconds }], signs.recall),
      signedAgain(k.SIGNED_TOKEN_RECALL, verified(closing.verifyRecall), signs.recall),
      CodecError,
    ],
    [
      "token notice",
      payloads(notices, signs.notice),
      signedAgain(k.SIGNED_TOKEN_NOTICE, verified(closing.verifyNotice), signs.notice),
      CodecError,
    ],
    [
      "token word",
      payloads([word], signs.word),
      signedAgain(k.SIGNED_TOKEN_SELLER, words.readWord, signs.word),
      CodecError,
    ],
  ];
}

function order(terms: PurseTerms): Uint8Array {
  const { assertion, seller, unit } = terms;
  return payment.encodeOrder({ seller, nonce: idOf(9), goods: HASH, unit, price: 3n, delivery: 1, assertion });
}

function messageParsers(): ParserParts[] {
  const part = { purse: idOf(7), index: 0, ranges: RANGES, halves: new Uint8Array(96) };
  const payments = [[part], [part, { ...part, index: 1 }]].map((parts) =>
    payment.encodePayment({ order: order(MONEY), parts }),
  );
  const outer = request.encodeOuter({
    issuer: idOf(1),
    sealed: new Uint8Array(t.TOKEN_REQUEST_PLAIN_BYTES + 48),
  });
  const contents = {
    head: new Uint8Array(80),
    chain: new Uint8Array(90),
    orderKeys: [HASH],
    leaves: new Uint8Array(96),
    uniques: new Uint8Array(48),
    halves: new Uint8Array(96),
  };
  const notice = new Uint8Array(200);
  const refused = [{ serial: 5, why: "wrong-secret" as const }];
  const closed = answers.encodeRefund({ state: "closed", notice });
  const recalled = answers.encodeRefund({ state: "recalled", paidBy_seconds: NOW });
  const waiting = answers.encodeWaiting({ purses: [notice], recalls: [notice], notices: [notice, notice] });
  return [
    ["token order", BOTH.map(order), (bytes) => same(bytes, payment.encodeOrder(payment.readOrder(bytes))), CodecError],
    ["token payment", payments, readAgain(payment.readPayment, payment.encodePayment), CodecError],
    ["token outer message", [outer], readAgain(request.readOuter, request.encodeOuter), CodecError],
    [
      "token seller's purse",
      [purses.encodeSellerPurse(contents)],
      readAgain(purses.readSellerPurse, purses.encodeSellerPurse),
      CodecError,
    ],
    [
      "token presented",
      [words.encodePresented({ ranges: RANGES, secrets: new Uint8Array(96) })],
      readAgain(words.readPresented, words.encodePresented),
      CodecError,
    ],
    [
      "token word about",
      [words.encodeWordAbout(notice, HASH)],
      (bytes) => {
        const { about, word } = words.readWordAbout(bytes);
        same(bytes, words.encodeWordAbout(word, about));
      },
      CodecError,
    ],
    [
      "token issued",
      [null, HASH].map((halves) => answers.encodeIssued({ sellerPurse: notice, share: notice, halves })),
      readAgain(answers.readIssued, answers.encodeIssued),
      CodecError,
    ],
    [
      "token buyer's purse",
      [null, HASH].map((halves) => answers.encodeBuyerPurse({ share: notice, halves })),
      readAgain(answers.readBuyerPurse, answers.encodeBuyerPurse),
      CodecError,
    ],
    [
      "token redemption",
      [answers.encodeRedemption({ notice, refused })],
      readAgain(answers.readRedemption, answers.encodeRedemption),
      CodecError,
    ],
    ["token refund", [closed, recalled], readAgain(answers.readRefund, answers.encodeRefund), CodecError],
    ["token waiting", [waiting], readAgain(answers.readWaiting, answers.encodeWaiting), CodecError],
    ...sealedParsers(),
  ];
}

/** The three that are filled up, and what is sealed in bulk: as they come, and with another plaintext in them. */
function sealedParsers(): ParserParts[] {
  const filling = new Uint8Array(300).fill(9);
  const fill = (bytes: Uint8Array, length: number) => {
    const plain = new Uint8Array(length);
    plain.set(bytes.subarray(0, length));
    return plain;
  };
  const openers: readonly [string, keyof typeof PROLOGUE, number, (sealed: Uint8Array) => unknown][] = [
    ["request", "request", t.TOKEN_REQUEST_PLAIN_BYTES, (sealed) => request.openRequest(sealed, OPENING)],
    ["share", "share", t.TOKEN_SHARE_PLAIN_BYTES, (sealed) => purses.openShare(sealed, OPENING)],
    ["close", "close", t.TOKEN_CLOSE_PLAIN_BYTES, (sealed) => closing.openClose(sealed, OPENING)],
  ];
  const plain = (length: number, parts: number) => {
    const items: CborValue[] = Array.from({ length: parts }, () => filling);
    const left = length - encode([...items, new Uint8Array(0)]).length + 1 - 3;
    return encode([...items, new Uint8Array(left)]);
  };
  return [
    ...openers.map(([name, prologue, length, open]): ParserParts => {
      const good = plain(length, prologue === "request" ? 2 : 1);
      const work = (bytes: Uint8Array) =>
        open(oneWaySender({ ...SEALING, prologue: PROLOGUE[prologue] }).write(fill(bytes, length)));
      return [`token ${name} opened`, [good], work, CodecError, NoiseError];
    }),
    [
      "token bulk",
      [sealBulk({ ...SEALING, prologue: PROLOGUE.purse }, filling)],
      (bytes) => openBulk({ ...OPENING, prologue: PROLOGUE.purse }, bytes),
      CodecError,
      NoiseError,
    ],
    ["token bulk of any length", [madeBulk(filling)], bulkAgain, CodecError, NoiseError],
  ];
}

/** What a sealer says of the length, and then the text. */
function madeBulk(text: Uint8Array): Uint8Array {
  const made = new Uint8Array(8 + text.length);
  new DataView(made.buffer).setBigUint64(0, BigInt(text.length));
  made.set(text, 8);
  return made;
}

/** Seals a first message with whatever is said of the length, and the rest in pieces: it opens to that rest, or not at all. */
function bulkAgain(bytes: Uint8Array): void {
  const sender = oneWaySender({ ...SEALING, prologue: PROLOGUE.purse });
  const parts = [sender.write(bytes.slice(0, 8))];
  const text = bytes.slice(8);
  for (let at = 0; at < text.length; at += BULK_PIECE_BYTES)
    parts.push(sender.seal(text.subarray(at, at + BULK_PIECE_BYTES)));
  const opened = openBulk({ ...OPENING, prologue: PROLOGUE.purse }, Buffer.concat(parts));
  if (!equalBytes(opened, text)) throw new Finding("identity", "sealed in bulk it comes back as something else");
}

const NOTICES: readonly [number, (fields: ReturnType<typeof card.noticeOf>) => unknown, readonly CborValue[]][] = [
  [t.NOTICE_PURSE_REQUEST, card.readSentRequest, [1, idOf(3), new Uint8Array(t.TOKEN_REQUEST_PLAIN_BYTES + 48)]],
  [t.NOTICE_PURSE_FORGOTTEN, card.readSlot, [1]],
  [t.NOTICE_PURSE_INSTALLED, card.readInstalled, [1, idOf(7)]],
  [t.NOTICE_PURSE_CLOSED, card.readClosed, [1, idOf(7), new Uint8Array(t.TOKEN_CLOSE_PLAIN_BYTES + 48)]],
  [t.NOTICE_PURSE_SPENT, card.readSpent, [idOf(7), 0, 3, [[0, 3]], 0, new Uint8Array(96), HASH]],
  [t.NOTICE_PURSE_ALLOWED, card.readAllowed, [1, 40]],
  [t.NOTICE_PURSE_FOUND, card.readFound, [1, idOf(7), [[1, 500, 3]], 40]],
];

/** What a purse tells its host. */
function purseParsers(): ParserParts[] {
  const stacks = [[1, 500, 3]];
  const ids = [idOf(3), idOf(7), idOf(1), idOf(2)];
  const record: CborValue[] = [1, 2, ...ids, 1, 840, 3, stacks, NOW, NOW, null, 0, HASH, 3, 1, 0];
  return [
    ...NOTICES.map(([number, read, items]): ParserParts => {
      const work = (bytes: Uint8Array) => read(card.noticeOf(bytes, number));
      return [`purse notice ${number}`, [encode([number, ...items])], work, CodecError, ReasonError];
    }),
    ["purse record", [encode(record)], (bytes) => card.readPurseRecord(decode(bytes)), CodecError],
  ];
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8");
const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
const bytesOf = (words: string) => new TextEncoder().encode(words);

/** What a shop asks for in a header, and what it is answered: as headers, and with any document in one. */
function httpParsers(): ParserParts[] {
  const issuers = [{ id: idOf(1), address: "http://127.0.0.1:1/" }, { id: idOf(3) }];
  const challenge = { seller: idOf(2), issuers, unit: UNIT, price: 3n, goods: HASH };
  const headers = [
    challengeHeader({ ...challenge, assertion: null, delivery: null }),
    challengeHeader({ ...challenge, assertion: "over-21", delivery: t.DELIVERY_SEALED }),
  ];
  const documents = headers.map((header) => Buffer.from(/"(.*)"/.exec(header)?.[1] ?? "", "base64url"));
  const around = (document: Uint8Array) => `TallyTokens challenge="${base64url(document)}"`;
  const seal = { key: HASH, orderHash: HASH, type: "text/plain" };
  const random = { fill: (destination: Uint8Array) => void destination.fill(7) };
  return [
    ["token challenge", headers.map(bytesOf), (bytes) => readAgainAsHeader(text(bytes)), TokenError],
    ["token challenge document", documents, (bytes) => readAgainAsHeader(around(bytes)), TokenError],
    [
      "token authorization",
      [bytesOf(authorizationHeader(HASH))],
      (bytes) => {
        const payment = readAuthorization(text(bytes));
        if (payment !== undefined) same(payment, readAuthorization(authorizationHeader(payment)) ?? new Uint8Array());
      },
      TokenError,
    ],
    ["token goods", [sealGoods(HASH, seal, random)], (bytes) => openGoods(bytes, seal)],
  ];
}

/** What is kept of a challenge, is kept of what it is written as. */
function readAgainAsHeader(header: string): void {
  const challenge = readChallenge(header);
  if (challenge === undefined) return;
  const again = challengeHeader(challenge);
  sameText(again, challengeHeader(readChallenge(again) ?? challenge));
}

export function tokenParsers(): ParserParts[] {
  return [...signedParsers(), ...messageParsers(), ...purseParsers(), ...httpParsers()];
}
