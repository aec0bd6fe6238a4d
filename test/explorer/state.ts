/**
 * The state of a small world as a value: two devices, each a host with an agent, a module, or both; the wire between them; the
 * card network. Elements are their snapshots, hosts are what is written here and nothing else, so that a state can be kept,
 * compared, and gone on from as often as one likes.
 */

import { createHash } from "node:crypto";
import { toHex } from "../../host/codec/bytes.js";

export type Sort = "agent" | "module";
/** Device 0 begins, device 1 answers. */
export type SideNumber = 0 | 1;
export const SIDES: readonly SideNumber[] = [0, 1];
export const SORTS: readonly Sort[] = ["agent", "module"];

/** An envelope for an element, from its host, its partner or its peer. */
export interface Job {
  readonly to: Sort;
  readonly from: "host" | "peer" | Sort;
  readonly envelope: Uint8Array;
}

/** An element as its host knows it. */
export interface Station {
  /** Its snapshot: power, memory, flash, keys, counter, random source. */
  readonly snapshot: Uint8Array;
  readonly isOn: boolean;
  /** It spoke to its peer and has not had an answer. */
  readonly awaiting: boolean;
  /** How often it was told so since it last spoke by itself. */
  readonly asked: number;
  /** How often its partner refused it since its host's last command. */
  readonly refusals: number;
  readonly lastFromPartner: Uint8Array | undefined;
  readonly lastAnswer: readonly Uint8Array[];
}

/** What a host's application told its owner of the deal: paid, not paid, that nobody knows; or first the one and then the other. */
export type Word = "nothing" | "done" | "aborted" | "doubt" | "gone" | "both";

/** The word after another one was said: what is certain stays. */
export function afterWord(before: Word, now: "done" | "aborted" | "doubt"): Word {
  const wasCertain = before === "done" || before === "aborted" || before === "both";
  if (!wasCertain) return now;
  return before === now || now === "doubt" ? before : "both";
}

export interface Side {
  readonly jobs: readonly Job[];
  readonly agent: Station | undefined;
  readonly module: Station | undefined;
  readonly word: Word;
  /** Of a payment that stands: its module may forget it when nothing is awaited any more. */
  readonly forget: Uint8Array | undefined;
  /** What its elements said was left open when they settled. */
  readonly open: number;
}

/**
 * When a held message is let go: after the next of its direction, or the one after that; after somebody asked again; when all
 * has given up.
 */
export type Hold = "next" | "second" | "asked" | "end";

export interface Flight {
  readonly sort: Sort;
  readonly message: Uint8Array;
  readonly hold: Hold | undefined;
}

export interface Wire {
  readonly isCut: boolean;
  /** In flight from side 0, and from side 1. */
  readonly flights: readonly [readonly Flight[], readonly Flight[]];
  /** Messages sent so far, from each side: what a fault is named by. */
  readonly sent: readonly [number, number];
}

/** An authorization as the merchant's host and the card network know it. */
export interface Authorization {
  readonly receiptHash: Uint8Array;
  readonly approval: Uint8Array;
  readonly state: "approved" | "completed" | "reversed";
}

export const PHASES = ["deal", "hang up", "power", "meet", "follow", "report", "forget", "over"] as const;
export type Phase = (typeof PHASES)[number];

export interface State {
  readonly sides: readonly [Side, Side];
  readonly wire: Wire;
  readonly phase: Phase;
  /** How often the two have met since. */
  readonly round: number;
  readonly network: readonly Authorization[];
  /** Events so far: what a fault is named by. */
  readonly events: number;
}

export function station(state: State, side: SideNumber, sort: Sort): Station | undefined {
  return state.sides[side][sort];
}

export function withSide(state: State, number: SideNumber, change: Partial<Side>): State {
  const side = { ...state.sides[number], ...change };
  return { ...state, sides: number === 0 ? [side, state.sides[1]] : [state.sides[0], side] };
}

export function withStation(state: State, number: SideNumber, sort: Sort, change: Partial<Station>): State {
  const before = state.sides[number][sort];
  if (before === undefined) throw new RangeError(`side ${number} has no ${sort}`);
  return withSide(state, number, { [sort]: { ...before, ...change } });
}

export function withFlights(state: State, direction: SideNumber, flights: readonly Flight[]): State {
  const other = state.wire.flights[direction === 0 ? 1 : 0];
  return { ...state, wire: { ...state.wire, flights: direction === 0 ? [flights, other] : [other, flights] } };
}

/** The wire is gone, with all that was on it. */
export function cutWire(state: State): State {
  return { ...state, wire: { ...state.wire, isCut: true, flights: [[], []] } };
}

const snapshotHashes = new WeakMap<Uint8Array, string>();

export function hashOf(bytes: Uint8Array): string {
  let hash = snapshotHashes.get(bytes);
  if (hash === undefined) {
    hash = createHash("sha256").update(bytes).digest("base64");
    snapshotHashes.set(bytes, hash);
  }
  return hash;
}

/** Equal keys: whatever happens next happens in both. What counts events is left out. */
export function keyOf(state: State): string {
  const { events: _events, wire, ...rest } = state;
  const { sent: _sent, ...link } = wire;
  const text = JSON.stringify({ ...rest, link }, (_name, value: unknown) => {
    if (!(value instanceof Uint8Array)) return value;
    return value.length > 8192 ? hashOf(value) : toHex(value);
  });
  return createHash("sha256").update(text).digest("base64");
}
