/** The host's parsers, of everything that comes from a chip, a peer, a network or a file. */

import { createHash } from "node:crypto";
import { ApduFormatError, decodeCommand, decodeResponse, encodeCommand } from "../../host/apdu.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import { decodeChain, readCertificate, verifyChain } from "../../host/codec/certificate.js";
import { payloadOf } from "../../host/codec/cose.js";
import { CodecError } from "../../host/codec/errors.js";
import { NoiseError, Session } from "../../host/codec/noise.js";
import { encodeNote, readBody, readNote, readRecord, verifyNote } from "../../host/codec/note.js";
import { Fields } from "../../host/codec/read.js";
import { readApproval, readOutcome, readReceipt, receiptFields } from "../../host/codec/receipt.js";
import { readTicket, validateTicket } from "../../host/codec/ticket.js";
import { lineAddress } from "../../host/communications/address.js";
import { LineAddressError } from "../../host/communications/errors.js";
import { decodeFrame, encodeFrame, FrameError } from "../../host/communications/frames.js";
import {
  readBalances,
  readCounters,
  readInformation,
  readIssued,
  readLimits,
  readLogEntry,
  readNote as readNoteSummary,
  readPending,
  readStoreState,
  readTicketSummary,
} from "../../host/element-data.js";
import { checkFraudProof } from "../../host/fraud-verifier.js";
import { readNotice } from "../../host/notices.js";
import { encodePaymentRequest, PaymentRequestError, parsePaymentRequest } from "../../host/payment-request.js";
import { DirectoryDocumentError, documentText, readDocument } from "../../host/servers/directory-document.js";
import { decodeMessage, encodeMessage, IsoFormatError } from "../../host/services/iso8583/codec.js";
import { FrameReader, frame } from "../../host/services/iso8583/framing.js";
import {
  adviceMessage,
  authorizationMessage,
  MANAGEMENT,
  managementMessage,
  readAdvice,
  readAuthorization,
} from "../../host/services/iso8583/messages.js";
import { readTlv, TlvError, TlvReader, writeTlv } from "../../host/tlv.js";
import { AmountError, formatMoney, parseMoney, type Unit } from "../../host/units.js";
import { Contacts } from "../../host/wallet/contacts.js";
import { IncompleteHomeError, readState, WorldStateError } from "../../host/world/state.js";
import { idOf, NOW } from "../support/agencies.js";
import { ParserTarget, same, sameText } from "./parsers.js";
import { cardParsers } from "./parsers-cards.js";
import { tokenParsers } from "./parsers-tokens.js";
import { CBOR_SAMPLES, makeSamples, proofsOf } from "./samples.js";
import { Finding, type Target } from "./target.js";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8");
const bytesOf = (words: string) => new TextEncoder().encode(words);

type ErrorClass = abstract new (...values: never[]) => Error;

/** A parser of the host. What distinguishes its answers, short of numbers, guides the fuzzer. */
class HostParser extends ParserTarget {
  constructor(
    name: string,
    good: readonly Uint8Array[],
    private readonly work: (bytes: Uint8Array) => unknown,
    private readonly errors: readonly ErrorClass[],
  ) {
    super(`host/${name}`, good);
  }

  protected parse(bytes: Uint8Array, reached: (feature: number) => void): void {
    let answer: string;
    try {
      const value = this.work(bytes);
      answer = value === undefined || value === null ? String(value) : `${typeof value} ${Object.keys(value).length}`;
    } catch (error) {
      const isOwn = error instanceof Finding || this.errors.some((each) => error instanceof each);
      if (!isOwn || error instanceof Finding) throw error;
      answer = (error as Error).message.replace(/"[^"]*"|[0-9a-f]{6,}|\d+/g, "#").slice(0, 120);
    }
    reached(createHash("sha256").update(`${this.name} ${answer}`).digest().readUInt32LE(0));
  }
}

/** A home that has these two files. */
function homeOf(words: string) {
  const [world, agencies] = words.split("\0");
  const files: Record<string, string | undefined> = { "world.json": world, "agencies.json": agencies };
  return { place: "nowhere", read: (name: string) => files[name], holds: () => true };
}

function isoMessages(): Uint8Array[] {
  const common = { stan: 123, time_seconds: BigInt(NOW), acquirer: "12345" };
  const account = { type: "purchase" as const, cardNumber: "4000001234567899", expiry: "2812", amount: 10_000n };
  const place = { terminal: "TERM0001", merchant: "MERCHANT0000001", merchantName: "The Corner Shop" };
  const parties = { receiptHash: new Uint8Array(32), merchantAgent: idOf(1), customerAgent: idOf(2) };
  const settlement = { bank: "First Bank", number: "4000" };
  return [
    authorizationMessage({ ...common, ...account, currency: 978, ...place, ...parties, settlement }),
    adviceMessage({ ...common, type: "0420", outcome: new Uint8Array(40), original: common }),
    managementMessage({ ...common, code: MANAGEMENT.echo }),
  ].map(encodeMessage);
}

/** A parser, what it is first given, and its own errors. */
export type ParserParts = [
  name: string,
  good: readonly Uint8Array[],
  work: (bytes: Uint8Array) => unknown,
  ...errors: ErrorClass[],
];
type Items = readonly CborValue[];

/** What a signed object says, whoever signed it. */
function signedParsers(): ParserParts[] {
  const samples = makeSamples();
  const { agents, modules, note, longer, tickets, approval, outcome, customer } = samples;
  const read = readNote(note);
  const record = read.entries[0]?.record as Uint8Array;
  const { id } = customer;
  const receipt = encode(receiptFields(samples.receipt));
  return [
    ["cbor", CBOR_SAMPLES, (bytes) => same(bytes, encode(decode(bytes))), CodecError],
    ["certificate", Object.values(decodeChain(customer.chain)), readCertificate, CodecError],
    ["chain", [customer.chain], (bytes) => verifyChain(bytes, agents.root, NOW), CodecError],
    ["cose", [approval, record], payloadOf, CodecError],
    ["note", [note, longer], (bytes) => same(bytes, encodeNote(readNote(bytes))), CodecError],
    ["note verified", [note, longer], (bytes) => verifyNote(readNote(bytes), modules.root, { now: NOW }), CodecError],
    ["note body", [read.signedBody], readBody, CodecError],
    ["transfer record", [record], readRecord, CodecError],
    ["ticket", tickets, (bytes) => validateTicket(readTicket(bytes), agents.root, NOW, id), CodecError],
    ["approval", [approval], readApproval, CodecError],
    ["outcome", [outcome], readOutcome, CodecError],
    ["receipt", [receipt], (bytes) => readReceipt(Fields.decode(bytes, "receipt")), CodecError],
    ["fraud proof", proofsOf(samples), (bytes) => checkFraudProof(bytes, modules.root)],
  ];
}

const HASH = new Uint8Array(32);
const NOTICES: readonly Items[] = [
  [1, HASH],
  [2, 100, true, null],
  [3, HASH, idOf(1), 5, 840, 2],
  [4, 1, 2, 3],
  [10, idOf(1), 5, 840, 2, null],
  [15, 0, idOf(1), 5, 840, 2, HASH, HASH],
  [30, "Shop", NOW],
  [31],
  [33, [[0, 4, "Bank", "****1234", NOW]]],
  [35, ["Bank", "4", 1, 5, 840, 2, 5, 840, 2, 0, 1, 1, NOW]],
  [36, 1, "Bank", "4000", 5, 840, 2, HASH, idOf(1), idOf(2), NOW],
];

/** What a chip answers to its own host. */
function chipParsers(): ParserParts[] {
  const number = (tag: number, length: number) => [...writeTlv(tag, new Uint8Array(length))];
  const entry = [...number(0x80, 2), ...number(0x81, 1), ...number(0x82, 8), ...number(0x83, 8), ...number(0x84, 8)];
  const tlv = [0xe1, 0xe2].map((tag) => writeTlv(tag, Uint8Array.from(entry))).concat(Uint8Array.from(entry));
  const errors = [TlvError, CodecError] as const;
  const short = encodeCommand({ cla: 0, ins: 0xca, p1: 1, p2: 2, answerBytesMax: 256 });
  const long = encodeCommand({ cla: 0x80, ins: 0xc2, p1: 0, p2: 0, data: new Uint8Array(300), answerBytesMax: 65_536 });
  return [
    ["tlv", [...tlv, writeTlv(0x7f21, new Uint8Array(300))], tlvAgain, TlvError],
    ["tlv reader", tlv, (bytes) => new TlvReader(bytes).bytes(0xe1), TlvError],
    ["information", tlv, readInformation, ...errors],
    ["counters", tlv, readCounters, ...errors],
    ["store state", tlv, readStoreState, ...errors],
    ["balances", tlv, readBalances, ...errors],
    ["pending", tlv, readPending, ...errors],
    ["issued", tlv, readIssued, ...errors],
    ["limits", tlv, readLimits, ...errors],
    [
      "log entry",
      [encode([0, 1, NOW, idOf(1), 840, 2, 5, HASH, 1, 0])],
      (bytes) => readLogEntry(decode(bytes)),
      CodecError,
    ],
    [
      "note summary",
      [encode([idOf(1), 840, 2, 5, NOW, NOW, 1, 1, 0, 0])],
      (bytes) => readNoteSummary(decode(bytes)),
      CodecError,
    ],
    ["ticket summary", [encode([4, "Bank", NOW, "a", 1])], (bytes) => readTicketSummary(decode(bytes)), CodecError],
    ["notice", NOTICES.map(encode), readNotice, CodecError],
    ["command apdu", [short, long], (bytes) => commandAgain(bytes), ApduFormatError],
    ["response apdu", [Uint8Array.of(1, 2, 0x90, 0)], decodeResponse, ApduFormatError],
  ];
}

/** Encoding knows only shortest lengths: what was encoded once stays what it is. */
function tlvAgain(bytes: Uint8Array): void {
  const write = (from: Uint8Array) => Buffer.concat(readTlv(from).map(({ tag, value }) => writeTlv(tag, value)));
  const once = write(bytes);
  same(once, write(once));
}

/** A command may be framed in two ways; what it says is the same in both. */
function commandAgain(bytes: Uint8Array): void {
  const once = encodeCommand(decodeCommand(bytes));
  same(once, encodeCommand(decodeCommand(once)));
}

/** Peers, networks, people and files. */
function otherParsers(): ParserParts[] {
  const address = "wss://shop.example:8443/pay/3";
  const money = parseMoney("USD 12.34");
  const request = encodePaymentRequest({ address, payee: idOf(5), money, memo: "tea & cake", reference: "till-1" });
  const frames = [
    encodeFrame({ kind: "hello", token: idOf(1), expected: 0, purpose: "trade" }),
    encodeFrame({ kind: "data", index: 1, message: idOf(2) }),
    encodeFrame({ kind: "acknowledgement", expected: 3 }),
    encodeFrame({ kind: "end" }),
    encodeFrame({ kind: "refused", reason: "busy" }),
  ];
  const iso = isoMessages();
  const contacts = { peers: { aa: { kind: "bank" } }, last: { kind: "wallet", address }, unended: [] };
  return [
    ["noise", [new Uint8Array(96).fill(9)], handshake, NoiseError],
    ["frame", frames, (bytes) => same(bytes, encodeFrame(decodeFrame(bytes))), FrameError],
    ["line address", [bytesOf(address)], (bytes) => lineAddress(text(bytes)), LineAddressError],
    ["payment request", [bytesOf(request)], requestAgain, PaymentRequestError],
    ["money", [bytesOf("USD 12.34"), bytesOf("5 JPY")], (bytes) => formatMoney(parseMoney(text(bytes))), AmountError],
    ["directory", [bytesOf(directory(money.unit))], directoryAgain, DirectoryDocumentError],
    ["state", [bytesOf(stateFiles())], (bytes) => readState(homeOf(text(bytes))), WorldStateError, IncompleteHomeError],
    ["contacts", [bytesOf(JSON.stringify(contacts))], contactsAgain],
    ["iso8583", iso, (bytes) => same(bytes, encodeMessage(decodeMessage(bytes))), IsoFormatError],
    ["iso8583 authorization", iso, (bytes) => readAuthorization(decodeMessage(bytes), BigInt(NOW)), IsoFormatError],
    ["iso8583 advice", iso, (bytes) => readAdvice(decodeMessage(bytes), BigInt(NOW)), IsoFormatError],
    ["iso8583 stream", iso.map(frame), (bytes) => [...new FrameReader().push(bytes)].map(frame), IsoFormatError],
  ];
}

function handshake(bytes: Uint8Array): void {
  const session = new Session({
    initiator: false,
    prologue: new Uint8Array(0),
    staticPrivate: new Uint8Array(32).fill(9),
    random: (length) => new Uint8Array(length).fill(5),
  });
  session.read(bytes.subarray(0, 32));
  session.write(new Uint8Array(0));
  session.read(bytes.subarray(32));
}

function requestAgain(bytes: Uint8Array): void {
  const request = parsePaymentRequest(text(bytes));
  sameText(text(bytes), encodePaymentRequest(request));
}

function directory(unit: Unit): string {
  const rate = { numerator: 1n, denominator: 1n };
  const offer = { direction: "buy" as const, money: unit, account: unit, rate, feeFixed: 1n, feePermille: 2n };
  const merchants = [{ id: "a", name: "Shop", address: "ws://x", offers: [offer] }];
  return documentText({ merchants, bank: "ws://b", issuers: [{ bank: "First", unit }] });
}

function directoryAgain(bytes: Uint8Array): void {
  const once = documentText(readDocument(text(bytes)));
  sameText(once, documentText(readDocument(once)));
}

function stateFiles(): string {
  const secrets = { rootId: "00", rootSeed: "00", serverId: "00", serverSeed: "00", serverAgreement: "00" };
  const device = { name: "a", kind: "b", pin: "1", puk: "2" };
  const state = { version: 2, network: { keySeed: "00", chain: "00" }, devices: [device], customers: [] };
  return `${JSON.stringify(state)}\0${JSON.stringify({ agents: secrets, modules: secrets })}`;
}

/** What it keeps of a file, it keeps of what it writes. */
function contactsAgain(bytes: Uint8Array): void {
  let written = "";
  const write = (words: string) => {
    written = words;
  };
  new Contacts({ read: () => text(bytes), write }).begin({ kind: "bank" }, []);
  const once = written;
  new Contacts({ read: () => once, write }).begin(undefined, []);
}

export function hostParsers(): Target[] {
  const all = [...signedParsers(), ...chipParsers(), ...otherParsers(), ...cardParsers(), ...tokenParsers()];
  return all.map(([name, good, work, ...errors]) => new HostParser(name, good, work, errors));
}
