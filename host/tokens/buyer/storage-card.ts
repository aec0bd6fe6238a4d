/**
 * A card that only stores halves, as a file (EP 0 833 285 A2: a smart card without a processor of its own). It holds P of every token
 * of one purse, and no key: a half leaves as it is, and whoever overhears one can spend it. It pays over lines that nobody reads.
 *
 *     0      "TALLYHLV", then the length of the header as 4 bytes, then the header: what the purse is, as CBOR, padded to HEADER_BYTES
 *     4096   state A, STATE_BYTES    } how far each denomination is spent, and for which order: CBOR, its length before it as
 *     4608   state B, STATE_BYTES    } 2 bytes, SHA-256 over both behind it
 *     5120   the halves: 32 bytes a token, in the source's scheme as long as the token
 *
 * How far it is spent is written and synchronised before a half leaves, over the older of the two states: a power cut leaves the
 * state before or the one after. So a half that left for one order leaves for no other, and for the same order again.
 */

import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { HALF_BYTES, SCHEME_SOURCE } from "../../../firmware/protocol/tokens.js";
import { concatBytes, equalBytes } from "../../codec/bytes.js";
import { type CborValue, encode } from "../../codec/cbor.js";
import { CodecError } from "../../codec/errors.js";
import { asBytes, Fields } from "../../codec/read.js";
import { sha256 } from "../../crypto.js";
import { sameUnit } from "../../units.js";
import { TokenError } from "../errors.js";
import { asAssertion, HASH_BYTES, readDeadlines, readWhatItIs, whatItIs } from "../messages/common.js";
import { readOrder } from "../messages/payment.js";
import { tokenOffsets } from "../source-scheme.js";
import { checkTerms, type Denomination, faceValue, type PurseTerms, type SerialRange, tokenCount } from "../terms.js";
import type { FoundTokenPurse, Shown, TokenPurse, Wanted } from "./buyer.js";
import { chooseTokens, chosenCount } from "./choose-tokens.js";

export interface StoredPurseTerms extends PurseTerms {
  /** 16 bytes. */
  readonly purse: Uint8Array;
  readonly redeemBy_seconds: number;
  readonly holders: number;
  readonly index: number;
}

interface CardState {
  /** Rises with each write. */
  readonly number: number;
  /** SHA-256 of the order that was paid last, or null. */
  readonly order: Uint8Array | null;
  /** What that was paid in all. */
  readonly revealed: bigint;
  /** Of each denomination the token that the order began at, and the one after its last. */
  readonly firsts: readonly number[];
  readonly nexts: readonly number[];
  readonly isClosed: boolean;
}

const MAGIC = new TextEncoder().encode("TALLYHLV");
const FORMAT = 1;
const HEADER_BYTES = 4_096;
const STATE_BYTES = 512;
const STATES_AT = HEADER_BYTES;
const HALVES_AT = STATES_AT + 2 * STATE_BYTES;
const LENGTH_BYTES = 2;

/** The file is not a card, or is damaged. */
export class StorageCardError extends Error {
  constructor(file: string, what: string) {
    super(
      `${file} is no card that can be read: ${what}. Nothing was spent from it. What is in its purse is refunded after its last day, to who asked for it.`,
    );
    this.name = "StorageCardError";
  }
}

export class StorageCard implements TokenPurse {
  readonly terms: StoredPurseTerms;
  readonly #handle: FileHandle;
  /** In the source's scheme where each half begins. */
  readonly #offsets: Uint32Array | undefined;
  #state: CardState;
  /** One thing is done at a time. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(handle: FileHandle, terms: StoredPurseTerms, state: CardState) {
    this.#handle = handle;
    this.terms = terms;
    this.#offsets = terms.scheme === SCHEME_SOURCE ? tokenOffsets(terms) : undefined;
    this.#state = state;
  }

  #begin(serial: number): number {
    return this.#offsets?.[serial] ?? serial * HALF_BYTES;
  }

  /** Writes a new card: all of it is on the disk under another name before it has its own. `halves`: of all tokens, one after the other. */
  static async create(file: string, terms: StoredPurseTerms, halves: Uint8Array): Promise<void> {
    checkTerms(terms);
    if (halves.length !== halvesBytes(terms)) throw new RangeError("halves: not one for each token");
    const zeros = terms.denominations.map(() => 0);
    const state = { number: 1, order: null, revealed: 0n, firsts: zeros, nexts: zeros, isClosed: false };
    const handle = await open(`${file}.new`, "w", 0o600);
    try {
      const states = concatBytes(encodeState(state), new Uint8Array(STATE_BYTES));
      await handle.writeFile(concatBytes(encodeHeader(terms), states, halves));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.new`, file);
    const folder = await open(dirname(file), "r");
    await folder.sync().finally(() => folder.close());
  }

  /** StorageCardError where the file is no card. */
  static async open(file: string): Promise<StorageCard> {
    const handle = await open(file, "r+");
    try {
      const terms = readHeader(await read(handle, 0, HEADER_BYTES));
      const { size } = await handle.stat();
      if (size !== HALVES_AT + halvesBytes(terms)) throw new CodecError("its length");
      const slots = [0, 1].map((slot) => read(handle, STATES_AT + slot * STATE_BYTES, STATE_BYTES));
      const states = (await Promise.all(slots)).flatMap((bytes) => readState(bytes, terms) ?? []);
      const newest = states.sort((a, b) => b.number - a.number)[0];
      if (newest === undefined) throw new CodecError("how far it is spent");
      return new StorageCard(handle, terms, newest);
    } catch (error) {
      await handle.close();
      if (error instanceof CodecError) throw new StorageCardError(file, error.message);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#handle.close();
  }

  /** What is left in it. */
  get available(): bigint {
    return this.#state.isClosed ? 0n : faceValue(this.#left);
  }

  /** What no order took yet, values rising. */
  get #left(): Denomination[] {
    const { nexts } = this.#state;
    return this.terms.denominations.map(({ count, value }, kind) => ({ value, count: count - (nexts[kind] ?? 0) }));
  }

  async find({ assertion, kind, seller, unit }: Wanted): Promise<FoundTokenPurse | undefined> {
    const { terms } = this;
    const isWanted = equalBytes(terms.seller, seller) && terms.kind === kind && terms.assertion === assertion;
    if (!isWanted || !sameUnit(terms.unit, unit) || this.#state.isClosed) return undefined;
    const { available } = this;
    const left = this.#left;
    const openOrder = async () => this.#state.order;
    return {
      isBare: true,
      opensSealed: false,
      available,
      halvesFor: (amount) => chosenCount(left, amount),
      openOrder,
      spend: (order, amount) => this.spend(order, amount),
    };
  }

  /** Takes the halves out that pay `amount` of an order in all; the same again takes out the same. */
  spend(order: Uint8Array, amount: bigint): Promise<Shown> {
    return this.#alone(async () => {
      const { index, purse } = this.terms;
      const next = this.#afterPaying(order, amount);
      if (next !== this.#state) await this.#write(next);
      const ranges = this.#rangesOf(next);
      return { parts: [{ purse, index, ranges, halves: await this.#halves(ranges) }], goodsKey: null };
    });
  }

  /** The halves that never left it, and where they are: what the source's scheme wants back with a refund. */
  unspent(): Promise<{ readonly ranges: readonly SerialRange[]; readonly halves: Uint8Array }> {
    return this.#alone(async () => {
      const counts = this.terms.denominations.map(({ count }) => count);
      const ranges = this.#rangesOf({ ...this.#state, firsts: this.#state.nexts, nexts: counts });
      return { ranges, halves: await this.#halves(ranges) };
    });
  }

  /** From now on no half leaves it. How many of each denomination did: what a refund asks for. */
  end(): Promise<readonly number[]> {
    return this.#alone(async () => {
      if (!this.#state.isClosed) await this.#write({ ...this.#state, number: this.#state.number + 1, isClosed: true });
      return this.#state.nexts;
    });
  }

  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {}); // The caller sees it.
    return result;
  }

  #afterPaying(order: Uint8Array, amount: bigint): CardState {
    const { seller } = this.terms;
    const state = this.#state;
    const refused = (code: "no-purse" | "wrong-order", what: string) =>
      new TokenError(code, `${what} No half left the card.`);
    if (state.isClosed) throw refused("no-purse", "The card is closed: what is left in it is being refunded.");
    const { price, seller: payee } = readOrder(order);
    if (!equalBytes(payee, seller)) throw refused("wrong-order", "The order is for another seller than the card's.");
    if (this.terms.assertion === null && amount > price)
      throw refused("wrong-order", "The order costs less than that.");
    const hash = sha256(order);
    const isAgain = state.order !== null && equalBytes(state.order, hash);
    const revealed = isAgain ? state.revealed : 0n;
    if (amount < revealed) throw refused("wrong-order", "The order was paid more than that before.");
    if (amount === revealed) return state;
    const chosen = chooseTokens(this.#left, amount - revealed);
    if (chosen === undefined)
      throw refused(
        "no-purse",
        "The tokens that are left on the card do not make this amount, and there is no change.",
      );
    const number = state.number + 1;
    const nexts = state.nexts.map((next, kind) => next + (chosen[kind] ?? 0));
    return {
      number,
      order: hash,
      revealed: amount,
      firsts: isAgain ? state.firsts : state.nexts,
      nexts,
      isClosed: false,
    };
  }

  #rangesOf({ firsts, nexts }: CardState): SerialRange[] {
    let begin = 0;
    return this.terms.denominations.flatMap(({ count }, kind) => {
      const [from, to] = [firsts[kind] ?? 0, nexts[kind] ?? 0];
      const first = begin + from;
      begin += count;
      return to > from ? [{ first, count: to - from }] : [];
    });
  }

  async #halves(ranges: readonly SerialRange[]): Promise<Uint8Array> {
    const parts = ranges.map(({ first, count }) => {
      const begin = this.#begin(first);
      return read(this.#handle, HALVES_AT + begin, this.#begin(first + count) - begin);
    });
    return concatBytes(...(await Promise.all(parts)));
  }

  /** Over the older of the two: the newer one is right until this one is whole. */
  async #write(state: CardState): Promise<void> {
    const bytes = encodeState(state);
    await this.#handle.write(bytes, 0, bytes.length, STATES_AT + (state.number % 2 === 1 ? 0 : STATE_BYTES));
    await this.#handle.datasync();
    this.#state = state;
  }
}

function halvesBytes(terms: PurseTerms): number {
  const tokens = tokenCount(terms.denominations);
  return terms.scheme === SCHEME_SOURCE ? (tokenOffsets(terms)[tokens] ?? 0) : tokens * HALF_BYTES;
}

async function read(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const { bytesRead } = await handle.read(bytes, 0, length, position);
  if (bytesRead !== length) throw new CodecError("it is cut off");
  return bytes;
}

function encodeHeader(terms: StoredPurseTerms): Uint8Array {
  const { assertion, holders, index, issuer, purse, redeemBy_seconds, seller, spendBy_seconds } = terms;
  const ids: CborValue[] = [FORMAT, purse, issuer, seller];
  const header = encode([...ids, ...whatItIs(terms), spendBy_seconds, redeemBy_seconds, assertion, holders, index]);
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes.set(MAGIC);
  new DataView(bytes.buffer).setUint32(MAGIC.length, header.length);
  bytes.set(header, MAGIC.length + 4);
  return bytes;
}

function readHeader(bytes: Uint8Array): StoredPurseTerms {
  if (!equalBytes(bytes.subarray(0, MAGIC.length), MAGIC)) throw new CodecError("its beginning");
  const length = new DataView(bytes.buffer).getUint32(MAGIC.length);
  const at = MAGIC.length + 4;
  const fields = Fields.decode(bytes.subarray(at, at + length), "header", 14);
  if (fields.uint("format") !== FORMAT) throw new CodecError("its format");
  const ids = { purse: fields.id("purse"), issuer: fields.id("issuer"), seller: fields.id("seller") };
  const terms = {
    ...ids,
    ...readWhatItIs(fields),
    ...readDeadlines(fields),
    assertion: fields.optional("assertion", asAssertion),
    holders: fields.uint("holders"),
    index: fields.uint("index"),
  };
  checkTerms(terms);
  return terms;
}

function encodeState({ firsts, isClosed, nexts, number, order, revealed }: CardState): Uint8Array {
  const state = encode([number, order, revealed, firsts, nexts, isClosed]);
  const bytes = new Uint8Array(STATE_BYTES);
  new DataView(bytes.buffer).setUint16(0, state.length);
  bytes.set(state, LENGTH_BYTES);
  const end = LENGTH_BYTES + state.length;
  bytes.set(sha256(bytes.subarray(0, end)), end);
  return bytes;
}

/** Undefined where it was never written, or only in part. */
function readState(bytes: Uint8Array, { denominations }: StoredPurseTerms): CardState | undefined {
  const end = LENGTH_BYTES + new DataView(bytes.buffer).getUint16(0);
  if (end + HASH_BYTES > STATE_BYTES) return undefined;
  if (!equalBytes(sha256(bytes.subarray(0, end)), bytes.subarray(end, end + HASH_BYTES))) return undefined;
  const fields = Fields.decode(bytes.subarray(LENGTH_BYTES, end), "state", 6);
  const number = fields.uint("number");
  const order = fields.optional("order", (value, name) => asBytes(value, name, HASH_BYTES));
  const revealed = fields.amount("revealed");
  const counts = (name: string) => {
    const items = fields.array(name, denominations.length);
    return denominations.map(({ count }) => items.uint(name, count));
  };
  return { number, order, revealed, firsts: counts("firsts"), nexts: counts("nexts"), isClosed: fields.bool("closed") };
}
