/** What an element says of itself before and after a run, and what must hold between the two whatever it was told meanwhile. */

import * as p from "../../firmware/protocol/apdu.js";
import { ROLE_GENERATOR } from "../../firmware/protocol/kinds.js";
import { LOG_RECEIVED, LOG_REDEEMED, LOG_SENT, OUTCOME_COMMITTED } from "../../firmware/protocol/messages.js";
import { encodeCommand } from "../../host/apdu.js";
import { toHex } from "../../host/codec/bytes.js";
import { type CborValue, decode } from "../../host/codec/cbor.js";
import {
  type Information,
  type LogEntry,
  readBalances,
  readCounters,
  readInformation,
  readIssued,
  readLogEntry,
  readPending,
} from "../../host/element-data.js";
import { TlvReader } from "../../host/tlv.js";
import { type PurseRecord, readPurseRecord } from "../../host/tokens/card-data.js";
import { unitKey } from "../../host/units.js";
import { Finding } from "./target.js";

const ANSWER_BYTES = 65_536;
const SW_OK = 0x9000;
const RECORDS_MAX = 255;

export type Transmit = (apdu: Uint8Array) => Uint8Array;

export interface Observation {
  readonly information: Information;
  readonly pinTries: number;
  /** Of the store; a purse says it only to its owner. */
  readonly digest: string | undefined;
  /** Of a module that can be asked, which takes the PIN. */
  readonly money: Holding | undefined;
  /** Of a purse that can be asked, which takes the PIN. */
  readonly purses: readonly PurseRecord[] | undefined;
}

interface Holding {
  /** Spendable and offered, by unit; of a generator what it issued, as a debt. */
  readonly held: ReadonlyMap<string, bigint>;
  readonly log: readonly LogEntry[];
  readonly offers: number;
}

function answerTo(transmit: Transmit, apdu: Uint8Array): Uint8Array | undefined {
  const response = transmit(apdu);
  return statusOf(response) === SW_OK ? response.subarray(0, -2) : undefined;
}

function getData(transmit: Transmit, tag: number): Uint8Array | undefined {
  const command = { cla: p.CLA_ISO, ins: p.INS_GET_DATA, p1: tag >> 8, p2: tag & 0xff, answerBytesMax: ANSWER_BYTES };
  const data = answerTo(transmit, encodeCommand(command));
  return data === undefined ? undefined : new TlvReader(data).bytes(tag);
}

function required(transmit: Transmit, tag: number): Uint8Array {
  const data = getData(transmit, tag);
  if (data === undefined) throw new Finding("probe", `GET DATA ${tag.toString(16)} is not answered`);
  return data;
}

/** Ends what a run may have left of a chain. */
function endChain(transmit: Transmit): void {
  transmit(Uint8Array.of(p.CLA_ISO, p.INS_GET_RESPONSE, 0, 0, 0));
}

export function verifyPin(transmit: Transmit, pin: string): number {
  const data = new TextEncoder().encode(pin);
  return statusOf(transmit(encodeCommand({ cla: p.CLA_ISO, ins: p.INS_VERIFY, p1: 0, p2: p.REFERENCE_PIN, data })));
}

export function observe(transmit: Transmit): Observation {
  try {
    endChain(transmit);
    const information = readInformation(required(transmit, p.TAG_INFORMATION));
    return {
      information,
      pinTries: pinTries(transmit, information.applet),
      digest: digestOf(transmit, information.applet),
      money: information.applet === p.AID_MONEY_MODULE ? holding(transmit, information.role) : undefined,
      purses: information.applet === p.AID_PURSE ? purses(transmit) : undefined,
    };
  } catch (error) {
    if (error instanceof Finding || !(error instanceof Error) || error.name === "AppletTrap") throw error;
    throw new Finding("unreadable", `the host cannot read an answer: ${error.message}`, { cause: error });
  }
}

/** Undefined of a purse without its PIN. */
export function digestOf(transmit: Transmit, applet: number): string | undefined {
  const digest = applet === p.AID_PURSE ? getData(transmit, p.TAG_DIGEST) : required(transmit, p.TAG_DIGEST);
  return digest === undefined ? undefined : toHex(digest);
}

function pinTries(transmit: Transmit, applet: number): number {
  const counters = applet === p.AID_PURSE ? getData(transmit, p.TAG_COUNTERS) : required(transmit, p.TAG_COUNTERS);
  if (counters !== undefined) return readCounters(counters).pinTries;
  // A purse that hides its counters says this much to everybody.
  const status = statusOf(transmit(encodeCommand({ cla: p.CLA_ISO, ins: p.INS_VERIFY, p1: 0, p2: p.REFERENCE_PIN })));
  return (status & 0xfff0) === p.SW_WARNING_TRIES ? status & 0xf : 0;
}

function statusOf(response: Uint8Array): number {
  return ((response.at(-2) ?? 0) << 8) + (response.at(-1) ?? 0);
}

function holding(transmit: Transmit, role: number): Holding | undefined {
  const balance = getData(transmit, p.TAG_BALANCE);
  const pending = getData(transmit, p.TAG_PENDING);
  if (balance === undefined || pending === undefined) return undefined;
  const held = new Map<string, bigint>();
  if (role === ROLE_GENERATOR) {
    for (const { unit, amount } of readIssued(required(transmit, p.TAG_ISSUED))) held.set(unitKey(unit), -amount);
  } else {
    for (const { unit, spendable, offered } of readBalances(balance)) held.set(unitKey(unit), spendable + offered);
  }
  const offers = readPending(pending).filter(({ state }) => state === "offered").length;
  return { held, log: readLog(transmit), offers };
}

function readLog(transmit: Transmit): LogEntry[] {
  return records(transmit, p.FILE_LOG).map(readLogEntry);
}

/** None is no answer: whether there is no purse or no PIN is said by the first record's status. */
function purses(transmit: Transmit): PurseRecord[] | undefined {
  const status = statusOf(transmit(readRecord(p.FILE_PURSES, 1)));
  if (status !== SW_OK && status !== p.SW_RECORD_NOT_FOUND) return undefined;
  return records(transmit, p.FILE_PURSES).map(readPurseRecord);
}

function records(transmit: Transmit, file: number): CborValue[] {
  const found: CborValue[] = [];
  for (let number = 1; number <= RECORDS_MAX; number++) {
    const record = answerTo(transmit, readRecord(file, number));
    if (record === undefined) break;
    found.push(decode(record));
  }
  return found;
}

function readRecord(file: number, number: number): Uint8Array {
  const place = { p1: number, p2: (file << 3) | 4 };
  return encodeCommand({ cla: p.CLA_ISO, ins: p.INS_READ_RECORD, ...place, answerBytesMax: ANSWER_BYTES });
}

/** What a module has must differ by what its log says, no more and no less. */
export function checkMoney(before: Holding, after: Holding): void {
  const from = after.log.at(-1)?.sequence ?? 0;
  const [was, is] = [accounted(before, from), accounted(after, from)];
  for (const unit of new Set([...was.keys(), ...is.keys()])) {
    const [old, now] = [was.get(unit) ?? 0n, is.get(unit) ?? 0n];
    if (old !== now) throw new Finding("money", `${now - old} of ${unit} that no log entry accounts for`);
  }
}

/** What it holds and what it gave, less what it was given, as far back as the log goes in both. */
function accounted({ held, log }: Holding, from: number): Map<string, bigint> {
  const sums = new Map(held);
  for (const { sequence, kind, outcome, money } of log) {
    if (sequence < from || outcome !== OUTCOME_COMMITTED) continue;
    const sign = kind === LOG_SENT || kind === LOG_REDEEMED ? 1n : kind === LOG_RECEIVED ? -1n : 0n;
    sums.set(unitKey(money.unit), (sums.get(unitKey(money.unit)) ?? 0n) + sign * money.amount);
  }
  return sums;
}
