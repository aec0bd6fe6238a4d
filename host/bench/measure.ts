/** Rounds of transactions, each between two runs of its own public-key operations alone. */

import { floorOf } from "./floor.js";
import { countOperations, type Operation, type OperationCounts, type OperationLog } from "./operations.js";

/** How often the floor is run before and after a round: one run is too short to be timed well. */
const FLOOR_RUNS = 3;

/** A kind of transaction, and parties for each one. */
export interface Subject {
  /** What each transaction needs done beforehand, outside of the measurement. */
  prepare(index: number): Promise<void>;
  /** `pass` counts how often the parties of this index have run before. */
  run(index: number, pass: number): Promise<void>;
  /** APDUs and bytes so far, over all elements. */
  traffic(): { readonly apdus: number; readonly bytes: number };
}

export interface Plan {
  /** Parties that run before the first round, each once in every pass, until what is measured is the steady state. */
  readonly warmUp: number;
  readonly warmUpPasses: number;
  readonly rounds: number;
  readonly perRound: number;
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export interface Result {
  /** Transactions in a second of CPU time: what one core does. */
  readonly perSecond: number;
  /** CPU time of the whole over that of its public-key operations alone: the median over the rounds. */
  readonly cryptoFloorRatio: number;
  readonly cryptoFloorRatioSpread: Spread;
  readonly cpuMicroseconds: number;
  readonly floorMicroseconds: number;
  /** Both for one transaction. */
  readonly apdus: number;
  readonly bytes: number;
  readonly publicKeyOperations: OperationCounts;
  /** The same with what was signed or verified. */
  readonly purposes: OperationCounts;
  readonly transactions: number;
  readonly warmUp: number;
}

function cpuOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

interface Round {
  readonly apdus: number;
  readonly bytes: number;
  readonly whole: number;
  readonly floor: number;
  readonly operations: readonly Operation[];
}

async function round(subject: Subject, log: OperationLog, from: number, count: number, pass = 0): Promise<Round> {
  for (let index = from; index < from + count; index += 1) await subject.prepare(index);
  log.take();
  const sent = subject.traffic();
  const before = process.cpuUsage();
  for (let index = from; index < from + count; index += 1) await subject.run(index, pass);
  const { user, system } = process.cpuUsage(before);
  const operations = log.take();
  const carried = subject.traffic();
  const floor = floorOf(operations);
  floor();
  const runs = Array.from({ length: FLOOR_RUNS }, () => cpuOf(floor));
  const traffic = { apdus: carried.apdus - sent.apdus, bytes: carried.bytes - sent.bytes };
  return { ...traffic, whole: user + system, floor: spreadOf(runs).median, operations };
}

export async function measure(subject: Subject, log: OperationLog, plan: Plan): Promise<Result> {
  const { warmUp, warmUpPasses, rounds, perRound } = plan;
  for (let pass = 0; pass < warmUpPasses; pass += 1) await round(subject, log, 0, warmUp, pass);
  const done: Round[] = [];
  for (let i = 0; i < rounds; i += 1) done.push(await round(subject, log, warmUp + i * perRound, perRound));
  const transactions = rounds * perRound;
  const operations = done.flatMap((each) => each.operations);
  const ratios = spreadOf(done.map(({ whole, floor }) => whole / floor));
  const cpu = spreadOf(done.map(({ whole }) => whole / perRound)).median;
  return {
    perSecond: Math.round(1e6 / cpu),
    cryptoFloorRatio: rounded(ratios.median),
    cryptoFloorRatioSpread: { min: rounded(ratios.min), median: rounded(ratios.median), max: rounded(ratios.max) },
    cpuMicroseconds: Math.round(cpu),
    floorMicroseconds: Math.round(spreadOf(done.map(({ floor }) => floor / perRound)).median),
    apdus: rounded(sumOf(done.map(({ apdus }) => apdus)) / transactions),
    bytes: Math.round(sumOf(done.map(({ bytes }) => bytes)) / transactions),
    publicKeyOperations: countOperations(operations, transactions, ({ kind }) => kind),
    purposes: countOperations(operations, transactions, ({ kind, purpose }) => `${kind} ${purpose}`.trim()),
    transactions,
    warmUp: warmUp * warmUpPasses,
  };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new RangeError("values: none");
  return { min: sorted[0] ?? middle, median: middle, max: sorted.at(-1) ?? middle };
}
