/** What the auditor reads off a money module: what it holds, what is open, what it logged. By APDU, and by nothing else. */

import { type Card, dataOf, hexOf, type Item, itemOf, numberOf, ReadingError, readTlv, recordOf } from "./reading.js";

const TAG_BALANCE = 0xdf10;
const TAG_PENDING = 0xdf11;
const TAG_ISSUED = 0xdf12;
const TAG_DIGEST = 0xdf05;
const ENTRY = 0xe1;
const PENDING = 0xe2;
const FILE_LOG = 1;

export type State = "offered" | "committed" | "in doubt" | "settled";
const STATES: readonly State[] = ["offered", "committed", "in doubt", "settled"];

export interface Open {
  readonly payId: string;
  readonly peer: string;
  readonly state: State;
  readonly amount: bigint;
}

/** An entry of the log that says that money moved. */
export interface Moved {
  readonly sequence: number;
  readonly kind: "sent" | "received";
  readonly peer: string;
  readonly amount: bigint;
  readonly payId: string;
}

export interface Holding {
  readonly spendable: bigint;
  readonly offered: bigint;
  readonly issued: bigint;
  readonly open: readonly Open[];
}

export function holdingOf(card: Card, isGenerator: boolean): Holding {
  const lines = readTlv(dataOf(card, TAG_BALANCE)).map(({ value }) => readTlv(value));
  const sum = (tag: number) => lines.reduce((total, line) => total + numberOf(itemOf(line, tag)), 0n);
  return {
    spendable: sum(0x82),
    // What a generator offers is issued when it commits.
    offered: isGenerator ? 0n : sum(0x83),
    issued: isGenerator ? issuedBy(card) : 0n,
    open: readTlv(dataOf(card, TAG_PENDING))
      .filter(({ tag }) => tag === PENDING)
      .map(({ value }) => openOf(value)),
  };
}

function issuedBy(card: Card): bigint {
  const lines = readTlv(dataOf(card, TAG_ISSUED)).filter(({ tag }) => tag === ENTRY);
  return lines.reduce((total, { value }) => total + numberOf(itemOf(readTlv(value), 0x82)), 0n);
}

function openOf(value: Uint8Array): Open {
  const items = readTlv(value);
  const state = STATES[Number(numberOf(itemOf(items, 0x82))) - 1];
  if (state === undefined) throw new ReadingError("something open in no known state");
  return {
    payId: hexOf(itemOf(items, 0x80)),
    peer: hexOf(itemOf(items, 0x81)),
    state,
    amount: numberOf(itemOf(items, 0x85)),
  };
}

/** Entries of the log from this sequence number on, oldest first, and what the next one's number will be. */
export function logFrom(card: Card, from: number): { readonly moved: Moved[]; readonly next: number } {
  const moved: Moved[] = [];
  let next = from;
  let oldest = from;
  for (let number = 1; ; number += 1) {
    const record = recordOf(card, FILE_LOG, number);
    if (record === undefined) break;
    const entry = entryOf(record);
    if (number === 1) next = entry.sequence + 1;
    if (entry.sequence < from) break;
    oldest = entry.sequence;
    const kind = entry.kind === 1 ? "sent" : "received";
    if (entry.isCommitted && entry.kind <= 2) moved.unshift({ ...entry, kind });
  }
  // The log is a ring: who reads it too seldom misses what was overwritten.
  if (next > from && oldest !== from) throw new ReadingError(`entries ${from} to ${oldest - 1} of a log were not read`);
  return { moved, next };
}

function entryOf(record: Item) {
  if (!Array.isArray(record) || record.length !== 10) throw new ReadingError("a log entry of another shape");
  const [sequence, kind, , peer, , , amount, payId, outcome] = record as Item[];
  if (typeof sequence !== "bigint" || typeof kind !== "bigint" || typeof amount !== "bigint") {
    throw new ReadingError("a log entry without numbers");
  }
  if (!(peer instanceof Uint8Array) || !(payId instanceof Uint8Array))
    throw new ReadingError("a log entry without ids");
  return {
    sequence: Number(sequence),
    kind: Number(kind),
    ...{ peer: hexOf(peer), payId: hexOf(payId), amount },
    isCommitted: outcome === 1n,
  };
}

/** SHA-256 over all that the element's store has. */
export function digestOf(card: Card): Uint8Array {
  return dataOf(card, TAG_DIGEST);
}
