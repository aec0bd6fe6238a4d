/**
 * A seller's purse in memory (EP 0 833 285 A2 fig. 5, step 524): its head, a leaf, a unique serial number and a half for each token,
 * and which of the halves are gone.
 *
 *   halves    a half Q for each token, 32 bytes, in the source's scheme as long as the token; from the moment that its counterpart was
 *             accepted what both make, so that no Q is left (559)
 *   taken     one bit a token: it was accepted
 *   credited  one bit a token: the issuer's notice says so
 *   refused   one bit a token: the issuer would not honour it
 */

import { HALF_BYTES, SCHEME_SOURCE } from "../../../firmware/protocol/tokens.js";
import { equalBytes, toHex } from "../../codec/bytes.js";
import { sha256 } from "../../crypto.js";
import { firstFalseSecret, leavesRoot, UNIQUE_BYTES } from "../derive.js";
import type { PurseHead } from "../messages/purses.js";
import { isToken, placesIn, saysToken, tokenOffsets } from "../source-scheme.js";
import { denominationEnds, rangesCount, type SerialRange, tokenCount, tokenValue } from "../terms.js";

/** Of a purse that is returned nothing is left but what answers an order that it paid. */
export type PurseState = "open" | "returning" | "returned";

export interface PurseTables {
  readonly leaves: Uint8Array;
  readonly uniques: Uint8Array;
  readonly halves: Uint8Array;
}

/** What became of tokens of one denomination. */
export interface TokenCounts {
  readonly taken: number;
  readonly credited: number;
  readonly refused: number;
}

export interface DenominationCounts extends TokenCounts {
  readonly value: bigint;
  readonly count: number;
}

const LEAF_BYTES = 32;
const NOTHING = new Uint8Array(0);

export class PurseBook {
  readonly key: string;
  readonly head: PurseHead;
  /** K of each holder. */
  readonly orderKeys: readonly Uint8Array[];
  readonly tokens: number;
  readonly spendBy_seconds: bigint;
  state: PurseState;
  #tables: PurseTables;
  readonly #ends: readonly number[];
  /** In the source's scheme: where each half begins, and where the last ends. */
  readonly #offsets: Uint32Array | undefined;
  readonly #issuerKey: Uint8Array;
  #taken: Uint8Array;
  #credited: Uint8Array;
  #refused: Uint8Array;
  #left: readonly TokenCounts[] | undefined;

  /** `issuerKey`: Ed25519, what the head is signed with. */
  constructor(
    head: PurseHead,
    issuerKey: Uint8Array,
    orderKeys: readonly Uint8Array[],
    state: PurseState,
    tables?: PurseTables,
  ) {
    this.key = toHex(head.purse);
    this.head = head;
    this.orderKeys = orderKeys;
    this.state = state;
    this.tokens = tokenCount(head.denominations);
    this.spendBy_seconds = BigInt(head.spendBy_seconds);
    this.#tables = tables ?? { leaves: NOTHING, uniques: NOTHING, halves: NOTHING };
    this.#offsets = offsetsOf(head);
    this.#issuerKey = issuerKey;
    this.#ends = denominationEnds(head.denominations);
    this.#taken = new Uint8Array(Math.ceil(this.tokens / 8));
    this.#credited = new Uint8Array(this.#taken.length);
    this.#refused = new Uint8Array(this.#taken.length);
  }

  /** Whether a purse's tables are as long as its head says, and what its issuer has signed. */
  static fits(head: PurseHead, { halves, leaves, uniques }: PurseTables): boolean {
    const tokens = tokenCount(head.denominations);
    const offsets = offsetsOf(head);
    if (uniques.length !== tokens * UNIQUE_BYTES) return false;
    if (offsets !== undefined)
      return leaves.length === 0 && halves.length === offsets[tokens] && equalBytes(sha256(halves), head.root);
    const isFull = leaves.length === tokens * LEAF_BYTES && halves.length === tokens * HALF_BYTES;
    return isFull && equalBytes(leavesRoot(leaves), head.root);
  }

  /** What is split are tokens with their signatures, which nobody masks. */
  get isSource(): boolean {
    return this.#offsets !== undefined;
  }

  /** Where the half of a token begins among all halves; of the one after the last, where they end. */
  begin(serial: number): number {
    return this.#offsets?.[serial] ?? serial * HALF_BYTES;
  }

  /** How long the halves of `ranges` are together. */
  bytesOf(ranges: readonly SerialRange[]): number {
    if (this.#offsets === undefined) return rangesCount(ranges) * HALF_BYTES;
    return ranges.reduce((sum, { count, first }) => sum + this.begin(first + count) - this.begin(first), 0);
  }

  /** The halves Q of `ranges`, or what was made of those that were taken, one after the other. */
  halvesOf(ranges: readonly SerialRange[]): Uint8Array {
    const found = new Uint8Array(this.bytesOf(ranges));
    let at = 0;
    for (const { first, count } of ranges) {
      const halves = this.#tables.halves.subarray(this.begin(first), this.begin(first + count));
      found.set(halves, at);
      at += halves.length;
    }
    return found;
  }

  /**
   * The first token of `ranges` that two halves did not make, or -1. `secrets`: what they made, one after the other. In the source's
   * scheme `isVerified` says of each token whether its signature is verified too; of the others only what they say is compared.
   */
  firstFalse(ranges: readonly SerialRange[], secrets: Uint8Array, isVerified: () => boolean = () => true): number {
    const { denominations, purse } = this.head;
    const { leaves, uniques } = this.#tables;
    if (this.#offsets === undefined)
      return firstFalseSecret({ purse, denominations, leaves, uniques }, ranges, secrets);
    for (const [serial, at, length] of placesIn(this.#offsets, ranges)) {
      const value = tokenValue(denominations, serial) ?? 0n;
      const unique = uniques.subarray(serial * UNIQUE_BYTES, (serial + 1) * UNIQUE_BYTES);
      const signed = secrets.subarray(at, at + length);
      const token = { value, unique };
      const isTrue = isVerified()
        ? isToken(signed, this.head, token, this.#issuerKey)
        : saysToken(signed, this.head, token);
      if (!isTrue) return serial;
    }
    return -1;
  }

  isTaken(serial: number): boolean {
    return hasBit(this.#taken, serial);
  }

  /** Whether the half of each of these is still there. */
  hasAll(ranges: readonly SerialRange[]): boolean {
    for (const { first, count } of ranges)
      for (let serial = first; serial < first + count; serial++) if (hasBit(this.#taken, serial)) return false;
    return true;
  }

  /** Step 559: in the place of each half is the secret now. */
  take(ranges: readonly SerialRange[], secrets: Uint8Array): void {
    let at = 0;
    each(ranges, (serial) => setBit(this.#taken, serial));
    for (const { first, count } of ranges) {
      const begin = this.begin(first);
      const end = at + this.begin(first + count) - begin;
      if (this.#tables.halves.length > 0) this.#tables.halves.set(secrets.subarray(at, end), begin);
      at = end;
    }
  }

  /** The issuer has answered for these, and honoured all but the `refused`. */
  settle(ranges: readonly SerialRange[], refused: readonly SerialRange[]): void {
    each(refused, (serial) => setBit(this.#refused, serial));
    const not = new Set<number>();
    each(refused, (serial) => not.add(serial));
    each(ranges, (serial) => {
      if (!not.has(serial)) setBit(this.#credited, serial);
    });
  }

  /** Taken, and the issuer has not answered for them: at most `tokens_max` in `ranges_max`. */
  unsettled(tokens_max: number = this.tokens, ranges_max: number = this.tokens): SerialRange[] {
    const builder = new RangeBuilder();
    for (let serial = 0; serial < this.tokens && builder.tokens < tokens_max; serial++) {
      if (!hasBit(this.#taken, serial) || hasBit(this.#credited, serial) || hasBit(this.#refused, serial)) continue;
      if (builder.startsNew(serial) && builder.ranges.length === ranges_max) break;
      builder.add(serial);
    }
    return builder.ranges;
  }

  /** How many tokens of each denomination were taken, and what became of those. */
  counts(): DenominationCounts[] {
    const left = this.#left;
    let serial = 0;
    return this.head.denominations.map(({ value, count }, kind) => {
      if (left !== undefined) return { value, count, ...(left[kind] ?? { taken: 0, credited: 0, refused: 0 }) };
      const found = { value, count, taken: 0, credited: 0, refused: 0 };
      for (const end = this.#ends[kind] ?? 0; serial < end; serial++) {
        if (hasBit(this.#taken, serial)) found.taken += 1;
        if (hasBit(this.#credited, serial)) found.credited += 1;
        else if (hasBit(this.#refused, serial)) found.refused += 1;
      }
      return found;
    });
  }

  /** What tokens are worth together. They are tokens of this purse. */
  valueOf(ranges: readonly SerialRange[]): bigint {
    let sum = 0n;
    for (const { first, count } of ranges) {
      let [from, left] = [first, count];
      for (const [kind, { value }] of this.head.denominations.entries()) {
        const here = Math.min(left, (this.#ends[kind] ?? 0) - from);
        if (here <= 0) continue;
        sum += value * BigInt(here);
        from += here;
        left -= here;
      }
    }
    return sum;
  }

  /** Nothing is left but how many tokens were taken, and what became of them. */
  forget(counts: readonly TokenCounts[] = this.counts()): void {
    this.#left = counts;
    this.empty();
    [this.#taken, this.#credited, this.#refused] = [NOTHING, NOTHING, NOTHING];
  }

  get isForgotten(): boolean {
    return this.#left !== undefined;
  }

  /** Every half, secret, leaf is wiped: the purse went back (fig. 10, 1086). */
  empty(): void {
    const { halves, leaves, uniques } = this.#tables;
    for (const table of [halves, leaves, uniques]) table.fill(0);
    this.#tables = { leaves: NOTHING, uniques: NOTHING, halves: NOTHING };
    this.state = "returned";
  }
}

/** Serial numbers that come in rising order, as ranges. */
export class RangeBuilder {
  readonly ranges: { first: number; count: number }[] = [];
  tokens = 0;

  startsNew(serial: number): boolean {
    const last = this.ranges.at(-1);
    return last === undefined || last.first + last.count !== serial;
  }

  add(serial: number): void {
    const last = this.ranges.at(-1);
    if (last === undefined || this.startsNew(serial)) this.ranges.push({ first: serial, count: 1 });
    else last.count += 1;
    this.tokens += 1;
  }
}

function offsetsOf(head: PurseHead): Uint32Array | undefined {
  return head.scheme === SCHEME_SOURCE ? tokenOffsets(head) : undefined;
}

function each(ranges: readonly SerialRange[], call: (serial: number) => void): void {
  for (const { first, count } of ranges) for (let serial = first; serial < first + count; serial++) call(serial);
}

function hasBit(bits: Uint8Array, at: number): boolean {
  return ((bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
}

function setBit(bits: Uint8Array, at: number): void {
  bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
}
