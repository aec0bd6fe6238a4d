/** What an element says of itself before and after a run, and what must hold between the two whatever it was told meanwhile. */

import * as p from "../../firmware/protocol/apdu.js";
import { ROLE_GENERATOR } from "../../firmware/protocol/kinds.js";
import { LOG_RECEIVED, LOG_REDEEMED, LOG_SENT, OUTCOME_COMMITTED } from "../../firmware/protocol/messages.js";
import { encodeCommand } from "../../host/apdu.js";
import { toHex } from "../../host/codec/bytes.js";
import { decode } from "../../host/codec/cbor.js";
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
import { unitKey } from "../../host/units.js";
import { Finding } from "./target.js";

const ANSWER_BYTES = 65_536;
const SW_OK = 0x9000;
const RECORDS_MAX = 255;

export type Transmit = (apdu: Uint8Array) => Uint8Array;

export interface Observation {
  readonly information: Information;
  readonly pinTries: number;
  readonly digest: string;
  /** Of a module that can be asked, which takes the PIN. */
  readonly money: Holding | undefined;
}

interface Holding {
  /** Spendable and offered, by unit; of a generator what it issued, as a debt. */
  readonly held: ReadonlyMap<string, bigint>;
  readonly log: readonly LogEntry[];
  readonly offers: number;
}

function answerTo(transmit: Transmit, apdu: Uint8Array): Uint8Array | undefined {
  const response = transmit(apdu);
  const end = response.length - 2;
  return ((response[end] ?? 0) << 8) + (response[end + 1] ?? 0) === SW_OK ? response.subarray(0, end) : undefined;
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
  const response = transmit(encodeCommand({ cla: p.CLA_ISO, ins: p.INS_VERIFY, p1: 0, p2: p.REFERENCE_PIN, data }));
  return ((response[0] as number) << 8) | (response[1] as number);
}

/** Tries left of the PIN, as VERIFY says when it is only asked; 0 before there is a PIN. */
function triesAsked(transmit: Transmit): number {
  const [high = 0, low = 0] = transmit(Uint8Array.of(p.CLA_ISO, p.INS_VERIFY, 0, p.REFERENCE_PIN));
  return high === p.SW_WARNING_TRIES >> 8 ? low & 0xf : 0;
}

/** `stored`: the digest as it is read beside the element, for a purse, which says it only to its owner. */
export function observe(transmit: Transmit, stored: () => string): Observation {
  try {
    endChain(transmit);
    const information = readInformation(required(transmit, p.TAG_INFORMATION));
    const isPurse = information.applet === p.AID_PURSE;
    const counters = isPurse ? getData(transmit, p.TAG_COUNTERS) : required(transmit, p.TAG_COUNTERS);
    return {
      information,
      pinTries: counters === undefined ? triesAsked(transmit) : readCounters(counters).pinTries,
      digest: isPurse ? stored() : digestOf(transmit),
      money: information.applet === p.AID_MONEY_MODULE ? holding(transmit, information.role) : undefined,
    };
  } catch (error) {
    if (error instanceof Finding || !(error instanceof Error) || error.name === "AppletTrap") throw error;
    throw new Finding("unreadable", `the host cannot read an answer: ${error.message}`, { cause: error });
  }
}

function digestOf(transmit: Transmit): string {
  return toHex(required(transmit, p.TAG_DIGEST));
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
  const log: LogEntry[] = [];
  for (let number = 1; number <= RECORDS_MAX; number++) {
    const place = { p1: number, p2: (p.FILE_LOG << 3) | 4 };
    const command = { cla: p.CLA_ISO, ins: p.INS_READ_RECORD, ...place, answerBytesMax: ANSWER_BYTES };
    const record = answerTo(transmit, encodeCommand(command));
    if (record === undefined) break;
    log.push(readLogEntry(decode(record)));
  }
  return log;
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
