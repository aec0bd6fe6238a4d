/**
 * A seller looks at the halves that come with an order (EP 0 833 285 A2 fig. 8, steps 552-562). Nothing in this file changes
 * anything: it says what would be taken, or throws a TokenError, and then nothing is.
 *
 * Whose payment counts. Goods in the open: everything that was shown for the order. Goods that travel sealed: what one purse
 * showed, because its K seals the goods; else a stranger who overheard an order would add a token of his own, and be given the
 * goods under his key.
 */

import { DELIVERY_SEALED, PURSE_AUTHORIZATION, PURSE_MONEY } from "../../../firmware/protocol/tokens.js";
import { equalBytes, toHex } from "../../codec/bytes.js";
import { CodecError } from "../../codec/errors.js";
import { sha256 } from "../../crypto.js";
import { formatMoney, sameUnit, type Unit } from "../../units.js";
import { goodsKey, maskHalves, sealingKey, xorInto } from "../derive.js";
import { TokenError } from "../errors.js";
import { type Order, type PaymentPart, readOrder, readPayment } from "../messages/payment.js";
import { rangesCount, type SerialRange } from "../terms.js";
import { type PurseBook, RangeBuilder } from "./purse-book.js";

/** What the shop sells to whoever sent the payment. */
export interface Expected {
  /** SHA-256 of what is bought. */
  readonly goods: Uint8Array;
  readonly unit: Unit;
  readonly price: bigint;
  /** What the buyer has to show: "over-21"; without it nothing. */
  readonly assertion?: string | null;
  /** DELIVERY_OPEN or DELIVERY_SEALED; without it as the order says. */
  readonly delivery?: number;
}

/** A payment as it came, and what its order says. */
export interface Payment {
  readonly order: Order;
  readonly orderHash: Uint8Array;
  readonly parts: readonly PaymentPart[];
  /** Of goods that travel sealed the purse whose payment counts, else of no bytes. */
  readonly payer: Uint8Array;
  /** Of the record: order hash and payer. */
  readonly key: string;
  readonly money: readonly PurseShown[];
  readonly authorization: PurseShown | undefined;
}

/** The parts of a payment that show halves of one purse, one part for each holder. */
export interface PurseShown {
  readonly book: PurseBook;
  readonly parts: readonly PaymentPart[];
}

/** What was accepted for an order so far. */
export interface OrderRecord {
  readonly orderHash: Uint8Array;
  readonly payer: Uint8Array;
  /** What all money tokens for it are worth. */
  paid: bigint;
  /** A token of the assertion was shown. */
  isShown: boolean;
  isComplete: boolean;
  /** Second at which it was. */
  paidAt_seconds: bigint;
  /** Which tokens of each purse. */
  readonly taken: TakenOf[];
}

export interface TakenOf {
  /** Id of the purse in hex. */
  readonly purse: string;
  /** They rise. */
  ranges: readonly SerialRange[];
}

/** Tokens that a payment proves, and that nobody had shown before. */
export interface Proved {
  readonly book: PurseBook;
  readonly ranges: readonly SerialRange[];
  /** 32 bytes each. */
  readonly secrets: Uint8Array;
}

const NOBODY = new Uint8Array(0);
const NONE: readonly SerialRange[] = [];

function refused(code: ConstructorParameters<typeof TokenError>[0], what: string): TokenError {
  return new TokenError(code, `${what} Nothing was taken: every half that was shown is as it was.`);
}

/** Reads a payment for this seller. `find` knows the purse, or throws. */
export function readPaymentFor(
  bytes: Uint8Array,
  seller: Uint8Array,
  expected: Expected,
  find: (purse: Uint8Array) => PurseBook,
): Payment {
  const { orderBytes, order, parts } = decoded(bytes);
  if (!equalBytes(order.seller, seller)) throw wrongOrder("is for another seller");
  if (!equalBytes(order.goods, expected.goods)) throw wrongOrder("is for other goods");
  const shown = byPurse(parts, find);
  const money = shown.filter(({ book }) => book.head.kind === PURSE_MONEY);
  const authorizations = shown.filter(({ book }) => book.head.kind === PURSE_AUTHORIZATION);
  if (money.some(({ book }) => !sameUnit(book.head.unit, order.unit)))
    throw refused("wrong-purse", "The payment shows halves of a purse in another unit than the order's.");
  checkAuthorizations(authorizations, order.assertion);
  if (order.delivery === DELIVERY_SEALED && money.length > 1)
    throw refused("wrong-purse", "Goods that travel sealed are paid from one purse, and the payment shows several.");
  const orderHash = sha256(orderBytes);
  const first = money[0] ?? authorizations[0];
  const payer = order.delivery === DELIVERY_SEALED && first !== undefined ? first.book.head.purse : NOBODY;
  const key = recordKey(orderHash, payer);
  return { order, orderHash, parts, payer, key, money, authorization: authorizations[0] };
}

export function recordKey(orderHash: Uint8Array, payer: Uint8Array): string {
  return toHex(orderHash) + toHex(payer);
}

function decoded(bytes: Uint8Array) {
  try {
    const { order: orderBytes, parts } = readPayment(bytes);
    return { orderBytes, order: readOrder(orderBytes), parts };
  } catch (error) {
    if (error instanceof CodecError) throw refused("malformed", `This is no payment: ${error.message}.`);
    throw error;
  }
}

function wrongOrder(what: string): TokenError {
  return refused("wrong-order", `The order ${what}. Ask for the price again and make a new order.`);
}

/** Whether the shop sells on these terms today. An order that is paid has its answer, whatever its goods cost since. */
export function checkTermsOf({ order }: Payment, expected: Expected): void {
  if (!sameUnit(order.unit, expected.unit) || order.price !== expected.price)
    throw wrongOrder(`has another price than ${formatMoney({ amount: expected.price, unit: expected.unit })}`);
  if (order.assertion !== (expected.assertion ?? null))
    throw wrongOrder("asks for another authorization than is needed");
  if (expected.delivery !== undefined && order.delivery !== expected.delivery)
    throw wrongOrder("wants the goods delivered in another way");
}

function byPurse(parts: readonly PaymentPart[], find: (purse: Uint8Array) => PurseBook): PurseShown[] {
  const groups: { book: PurseBook; parts: PaymentPart[] }[] = [];
  for (const part of parts) {
    const book = find(part.purse);
    if (part.index >= book.head.holders)
      throw refused("malformed", "The payment names a holder whom a purse does not have.");
    const end = part.ranges.at(-1);
    const isReminder = part.halves.length === 0;
    if (end === undefined || (!isReminder && part.halves.length !== book.bytesOf(part.ranges)))
      throw refused("malformed", "The payment has not one half, of the right length, for each serial number.");
    if (end.first + end.count > book.tokens)
      throw refused("unknown-serial", "The payment shows a half with a serial number that its purse does not have.");
    const group = groups.find((each) => each.book === book);
    if (group === undefined) groups.push({ book, parts: [part] });
    else if (group.parts.some(({ index }) => index === part.index))
      throw refused("malformed", "The payment has two parts of one holder of a purse.");
    else group.parts.push(part);
  }
  return groups;
}

function checkAuthorizations(shown: readonly PurseShown[], assertion: string | null): void {
  if (assertion === null && shown.length > 0)
    throw refused("wrong-order", "The payment shows an authorization, and its order asks for none.");
  if (assertion === null) return;
  if (shown.length === 0)
    throw refused("not-proved", `The goods are for those who show "${assertion}", and the payment does not.`);
  if (shown.length > 1) throw refused("malformed", "The payment shows halves of two authorizations, one is enough.");
  if (shown[0]?.book.head.assertion !== assertion)
    throw refused("wrong-purse", `The authorization that was shown is not "${assertion}".`);
}

/**
 * Steps 552-558: what the payment proves. Halves that the order's record has already are passed over. `isVerified` says in the
 * source's scheme of each token whether its signature is verified ("some random subset", 558); without it all are.
 */
export function prove(
  payment: Payment,
  record: OrderRecord | undefined,
  now_seconds: bigint,
  isVerified?: () => boolean,
): Proved[] {
  const proved: Proved[] = [];
  const { authorization, money, orderHash } = payment;
  for (const shown of authorization === undefined ? money : [...money, authorization]) {
    const one = proveOne(shown, orderHash, takenOf(record, shown.book), now_seconds, isVerified);
    if (one !== undefined) proved.push(one);
  }
  return proved;
}

/** Undefined where all halves were counted before. */
function proveOne(
  { book, parts }: PurseShown,
  orderHash: Uint8Array,
  counted: readonly SerialRange[],
  now_seconds: bigint,
  isVerified: (() => boolean) | undefined,
): Proved | undefined {
  const holders = parts.map((part) => freshHalves(part, book, counted));
  const ranges = holders[0]?.ranges ?? [];
  if (holders.every((holder) => holder.ranges.length === 0)) return undefined;
  if (now_seconds > book.spendBy_seconds)
    throw refused(
      "purse-expired",
      "The last day for spending from this purse is over. What is left in it is refunded.",
    );
  if (book.state !== "open")
    throw refused("purse-recalled", "The purse was given back to its issuer, at the buyer's wish.");
  if (parts.length < book.head.holders || holders.some((holder) => !sameRanges(holder.ranges, ranges)))
    throw refused("half-missing", "Not every holder of a joint purse has shown its half of each token.");
  return { book, ranges, secrets: combined(book, ranges, holders, orderHash, isVerified) };
}

/** What the record of an order has of a purse. */
function takenOf(record: OrderRecord | undefined, { key }: PurseBook): readonly SerialRange[] {
  return record?.taken.find(({ purse }) => purse === key)?.ranges ?? NONE;
}

/** What one holder shows. */
interface ShownHalves {
  readonly index: number;
  readonly ranges: readonly SerialRange[];
  readonly halves: Uint8Array;
}

/**
 * Step 556: does the seller have its halves of these still? A part without halves reminds of tokens that were shown for the order before:
 * who paid with many need not send them again with each request.
 */
function freshHalves(part: PaymentPart, book: PurseBook, counted: readonly SerialRange[]): ShownHalves {
  const { halves, index } = part;
  const isAll = book.hasAll(part.ranges);
  const ranges = isAll ? part.ranges : freshRanges(part.ranges, book, counted);
  if (halves.length === 0 && ranges.length > 0)
    throw refused("half-missing", "The payment reminds of halves that were never shown.");
  return isAll ? part : { index, ranges, halves: halvesOfFresh(part, book, ranges) };
}

/** Those of which the half is still there. The others must be counted for this order. */
function freshRanges(shown: readonly SerialRange[], book: PurseBook, counted: readonly SerialRange[]): SerialRange[] {
  const builder = new RangeBuilder();
  for (const { first, count } of shown) {
    for (let serial = first; serial < first + count; serial++) {
      if (!book.isTaken(serial)) builder.add(serial);
      else if (!includes(counted, serial))
        throw refused("half-spent", `A half was shown before, for another order: number ${serial} of its purse.`);
    }
  }
  return builder.ranges;
}

function halvesOfFresh(part: PaymentPart, book: PurseBook, fresh: readonly SerialRange[]): Uint8Array {
  const halves = new Uint8Array(book.bytesOf(fresh));
  let [from, to] = [0, 0];
  for (const { first, count } of part.ranges) {
    for (let serial = first; serial < first + count; serial++) {
      const length = book.begin(serial + 1) - book.begin(serial);
      if (includes(fresh, serial)) {
        halves.set(part.halves.subarray(from, from + length), to);
        to += length;
      }
      from += length;
    }
  }
  return halves;
}

/** Step 558: the secrets, each checked against its leaf. */
function combined(
  book: PurseBook,
  ranges: readonly SerialRange[],
  holders: readonly ShownHalves[],
  orderHash: Uint8Array,
  isVerified: (() => boolean) | undefined,
): Uint8Array {
  // A chip masks. A card that only stores halves cannot, and in the source's scheme none does. The first token tells which it was,
  // before many are looked at.
  const isOne = book.isSource || rangesCount(ranges) === 1;
  const ways = book.isSource ? 1 : 2 ** holders.length;
  const first = isOne ? ranges : [{ first: ranges[0]?.first ?? 0, count: 1 }];
  let wrong = -1;
  for (let plain = 0; plain < ways; plain++) {
    let secrets = secretsOf(book, first, holders, orderHash, plain);
    wrong = book.firstFalse(first, secrets, isVerified);
    if (wrong >= 0) continue;
    if (isOne) return secrets;
    secrets = secretsOf(book, ranges, holders, orderHash, plain);
    wrong = book.firstFalse(ranges, secrets);
    if (wrong < 0) return secrets;
    break;
  }
  throw refused(
    "half-altered",
    `The half with number ${wrong} is not this order's, or was altered: with the seller's it makes no token.`,
  );
}

/** What the halves of `ranges` make, where a bit of `plain` says of each holder that it masks none. */
function secretsOf(
  book: PurseBook,
  ranges: readonly SerialRange[],
  holders: readonly ShownHalves[],
  orderHash: Uint8Array,
  plain: number,
): Uint8Array {
  const secrets = book.halvesOf(ranges);
  for (let at = 0; at < holders.length; at++) {
    const { halves, index } = holders[at] ?? {};
    const key = book.orderKeys[index ?? 0];
    if (key === undefined || halves === undefined) throw new TypeError("a holder without a key");
    xorInto(secrets, halves);
    if (!book.isSource && ((plain >> at) & 1) === 0) maskHalves(secrets, key, orderHash, ranges);
  }
  return secrets;
}

/** Of an order for which nothing was accepted yet. */
export function newRecord({ orderHash, payer }: Payment): OrderRecord {
  return { orderHash, payer, paid: 0n, isShown: false, isComplete: false, paidAt_seconds: 0n, taken: [] };
}

/** Step 560, the sum. */
export function addProved(
  record: OrderRecord,
  { order }: Payment,
  proved: readonly Proved[],
  now_seconds: bigint,
): void {
  for (const { book, ranges } of proved) {
    if (book.head.kind === PURSE_MONEY) record.paid += book.valueOf(ranges);
    else record.isShown = true;
    addTaken(record, book.key, ranges);
  }
  if (record.isComplete) return;
  record.isComplete = record.paid >= order.price && (order.assertion === null || record.isShown);
  record.paidAt_seconds = now_seconds;
}

export function addTaken({ taken }: OrderRecord, purse: string, ranges: readonly SerialRange[]): void {
  const known = taken.find((each) => each.purse === purse);
  if (known === undefined) taken.push({ purse, ranges });
  else known.ranges = merged(known.ranges, ranges);
}

/** K of the purse that paid, and of the one that showed the authorization. */
export function goodsSealedBy({ authorization, money }: Payment): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (const shown of [money[0], authorization]) {
    const key = shown?.book.orderKeys[shown.parts[0]?.index ?? 0];
    if (key !== undefined) keys.push(key);
  }
  return keys;
}

/** Under what goods travel that are sealed: nobody has the key but the seller and who paid, and showed what was to be shown. */
export function goodsKeyOf(sealedBy: readonly Uint8Array[], orderHash: Uint8Array): Uint8Array {
  return sealingKey(sealedBy.map((key) => goodsKey(key, orderHash)));
}

/** Ranges that rise, of two lists that have no token in common. */
function merged(one: readonly SerialRange[], other: readonly SerialRange[]): SerialRange[] {
  const sorted = [...one, ...other].sort((a, b) => a.first - b.first);
  const ranges: { first: number; count: number }[] = [];
  for (const { first, count } of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && last.first + last.count === first) last.count += count;
    else ranges.push({ first, count });
  }
  return ranges;
}

/** Whether a token is in ranges that rise. */
function includes(ranges: readonly SerialRange[], serial: number): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const range = ranges[middle];
    if (range !== undefined && range.first <= serial) low = middle + 1;
    else high = middle;
  }
  const before = ranges[low - 1];
  return before !== undefined && serial < before.first + before.count;
}

function sameRanges(one: readonly SerialRange[], other: readonly SerialRange[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ first, count }, at) => other[at]?.first === first && other[at]?.count === count)
  );
}
