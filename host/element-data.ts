/** What an element answers to GET DATA and READ RECORD, as values (`docs/APDU.md`). */

import { RESTS_EXPIRED, RESTS_HOPS, RESTS_LAPSED, RESTS_LISTED } from "../firmware/protocol/apdu.js";
import { SECONDS_BITS } from "../firmware/protocol/limits.js";
import type { CborValue } from "./codec/cbor.js";
import { asArray, Fields } from "./codec/read.js";
import { TlvError, TlvReader } from "./tlv.js";
import type { Money, Unit } from "./units.js";

const SECONDS_MAX = 2 ** SECONDS_BITS - 1;

export interface Information {
  /** AID_MONEY_MODULE, AID_TRUSTED_AGENT or AID_PURSE. */
  readonly applet: number;
  readonly firmwareVersion: number;
  readonly protocolStored: number;
  readonly protocolSpoken: number;
  /** One of the LIFE constants. */
  readonly life: number;
  readonly role: number;
  /** Subject id; absent before personalisation. */
  readonly id: Uint8Array | undefined;
  /** Subject id of the paired element. */
  readonly partner: Uint8Array | undefined;
  readonly bufferBytes: number;
}

export function readInformation(bytes: Uint8Array): Information {
  const reader = new TlvReader(bytes);
  const versions = reader.bytes(0x82);
  const id = reader.find(0x85);
  return {
    applet: reader.number(0x80),
    firmwareVersion: reader.number(0x81),
    protocolStored: versions[0] ?? 0,
    protocolSpoken: versions[1] ?? 0,
    life: reader.number(0x83),
    role: reader.number(0x84),
    id: id?.some((byte) => byte !== 0) ? id.slice() : undefined,
    partner: reader.find(0x86)?.slice(),
    bufferBytes: reader.number(0x87),
  };
}

export interface StoreState {
  readonly freeBytes: number;
  readonly freeRecords: number;
  readonly erasuresMin: number;
  readonly erasuresMax: number;
  readonly pages: number;
}

export function readStoreState(bytes: Uint8Array): StoreState {
  const reader = new TlvReader(bytes);
  const erasures = reader.bytes(0x82);
  if (erasures.length !== 8) throw new TlvError("erasures are two numbers of four bytes");
  const view = new DataView(erasures.buffer, erasures.byteOffset, erasures.byteLength);
  return {
    freeBytes: reader.number(0x80),
    freeRecords: reader.number(0x81),
    erasuresMin: view.getUint32(0),
    erasuresMax: view.getUint32(4),
    pages: reader.number(0x83),
  };
}

export interface Counters {
  readonly pinTries: number;
  readonly pukTries: number;
  readonly listVersion: bigint;
  readonly clockFloor_seconds: bigint;
  /** Date and time of the element; 0 while no host has given one. */
  readonly now_seconds: bigint;
}

export function readCounters(bytes: Uint8Array): Counters {
  const reader = new TlvReader(bytes);
  return {
    pinTries: reader.number(0x80),
    pukTries: reader.number(0x81),
    listVersion: reader.integer(0x82),
    clockFloor_seconds: reader.integer(0x83),
    now_seconds: reader.integer(0x84),
  };
}

export interface Balance {
  readonly unit: Unit;
  readonly spendable: bigint;
  readonly offered: bigint;
  readonly inDoubt: bigint;
}

function unitOf(reader: TlvReader, currencyTag: number, exponentTag: number): Unit {
  return { currency: reader.number(currencyTag), exponent: reader.number(exponentTag) };
}

export function readBalances(bytes: Uint8Array): Balance[] {
  return new TlvReader(bytes).all(0xe1).map((entry) => {
    const reader = new TlvReader(entry);
    return {
      unit: unitOf(reader, 0x80, 0x81),
      spendable: reader.integer(0x82),
      offered: reader.integer(0x83),
      inDoubt: reader.integer(0x84),
    };
  });
}

export type PendingState = "offered" | "committed" | "in doubt" | "settled";
const PENDING_STATES: readonly PendingState[] = ["offered", "committed", "in doubt", "settled"];

export interface Pending {
  readonly payId: Uint8Array;
  readonly peer: Uint8Array;
  readonly state: PendingState;
  readonly money: Money;
  /** The payee confirmed. */
  readonly confirmed: boolean;
  /** The own agent, or the host of a module without agent, has recorded the outcome. */
  readonly acknowledged: boolean;
}

const FLAG_CONFIRMED = 1;
const FLAG_ACKNOWLEDGED = 2;

export function readPending(bytes: Uint8Array): Pending[] {
  return new TlvReader(bytes).all(0xe2).map((entry) => {
    const reader = new TlvReader(entry);
    const flags = reader.number(0x86);
    return {
      payId: reader.bytes(0x80).slice(),
      peer: reader.bytes(0x81).slice(),
      state: PENDING_STATES[reader.number(0x82) - 1] ?? "in doubt",
      money: { unit: unitOf(reader, 0x83, 0x84), amount: reader.integer(0x85) },
      confirmed: (flags & FLAG_CONFIRMED) !== 0,
      acknowledged: (flags & FLAG_ACKNOWLEDGED) !== 0,
    };
  });
}

/** Units and what was issued in each. */
export function readIssued(bytes: Uint8Array): Money[] {
  return new TlvReader(bytes).all(0xe1).map((entry) => {
    const reader = new TlvReader(entry);
    return { unit: unitOf(reader, 0x80, 0x81), amount: reader.integer(0x82) };
  });
}

export interface NoteSummary {
  readonly noteId: Uint8Array;
  readonly money: Money;
  readonly expiry_seconds: number;
  readonly finalRedemption_seconds: number;
  readonly hops: number;
  readonly spendable: boolean;
  /** A teller has handed it to its books; only its destruction is missing. */
  readonly redeeming: boolean;
  /** Where the module keeps it: what REDEEM and PAY NOTES name. */
  readonly place: number;
  readonly rests: Rests;
}

/** Why no subscriber takes a note. A teller does, until it has lapsed. */
export interface Rests {
  readonly expired: boolean;
  readonly atHopLimit: boolean;
  /** Somebody in its history is on the module's list of bad ids. */
  readonly listedAncestor: boolean;
  /** Its final redemption date has come: it is for claims. */
  readonly lapsed: boolean;
}

const NOTE_SPENDABLE = 1;
const NOTE_REDEEMING = 4;

function stateOf(state: number): Pick<NoteSummary, "spendable" | "redeeming"> {
  return { spendable: state === NOTE_SPENDABLE, redeeming: state === NOTE_REDEEMING };
}

function restsOf(bits: number): Rests {
  return {
    expired: (bits & RESTS_EXPIRED) !== 0,
    atHopLimit: (bits & RESTS_HOPS) !== 0,
    listedAncestor: (bits & RESTS_LISTED) !== 0,
    lapsed: (bits & RESTS_LAPSED) !== 0,
  };
}

export function readNote(record: CborValue): NoteSummary {
  const fields = Fields.ofArray(record, "note", 10);
  const noteId = fields.id("note id");
  const unit = { currency: fields.uint("currency"), exponent: fields.uint("exponent") };
  return {
    noteId,
    money: { unit, amount: fields.amount("amount") },
    expiry_seconds: fields.uint("expiry", SECONDS_MAX),
    finalRedemption_seconds: fields.uint("final redemption", SECONDS_MAX),
    hops: fields.uint("hops"),
    ...stateOf(fields.uint("state")),
    place: fields.uint("place", 255),
    rests: restsOf(fields.uint("why it rests", 255)),
  };
}

export interface LogEntry {
  readonly sequence: number;
  readonly kind: number;
  readonly date_seconds: number;
  readonly peer: Uint8Array;
  readonly money: Money;
  readonly payId: Uint8Array;
  readonly outcome: number;
  /** A reason, a ticket type or a role, as the kind has it. */
  readonly detail: number;
}

export function readLogEntry(record: CborValue): LogEntry {
  const fields = Fields.ofArray(record, "log entry", 10);
  const head = {
    sequence: fields.uint("sequence"),
    kind: fields.uint("kind"),
    date_seconds: fields.uint("date"),
    peer: fields.bytes("peer id", 0, 16),
  };
  const unit = { currency: fields.uint("currency"), exponent: fields.uint("exponent") };
  const money = { unit, amount: fields.amount("amount") };
  const payId = fields.bytes("pay-id", 0, 32);
  return { ...head, money, payId, outcome: fields.uint("outcome"), detail: fields.uint("detail") };
}

export interface TicketSummary {
  readonly type: number;
  readonly issuer: string;
  readonly expiry_seconds: number;
  /** Components by type, account numbers masked. */
  readonly components: readonly CborValue[];
}

export function readTicketSummary(record: CborValue): TicketSummary {
  const [type, issuer, expiry, ...components] = asArray(record, "ticket");
  const fields = Fields.ofArray([type ?? null, issuer ?? null, expiry ?? null], "ticket", 3);
  return {
    type: fields.uint("type"),
    issuer: fields.text("issuer", 255),
    expiry_seconds: fields.uint("expiry", SECONDS_MAX),
    components,
  };
}

/** What an owner lets a module pay in a unit; a deposit counts, what is brought to be refreshed does not. 0 is no limit. */
export interface SpendingLimit {
  readonly unit: Unit;
  /** Most for one payment. */
  readonly payment: bigint;
  /** Most for one day, from midnight UTC. */
  readonly day: bigint;
}

export interface SpendingState extends SpendingLimit {
  /** What counts against today's limit, by the element's clock. */
  readonly spentToday: bigint;
}

export function readLimits(bytes: Uint8Array): SpendingState[] {
  return new TlvReader(bytes).all(0xe1).map((entry) => {
    const reader = new TlvReader(entry);
    return {
      unit: unitOf(reader, 0x80, 0x81),
      payment: reader.integer(0x82),
      day: reader.integer(0x83),
      spentToday: reader.integer(0x84),
    };
  });
}
