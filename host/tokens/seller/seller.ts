/**
 * A seller of goods for token halves (EP 0 833 285 A2 fig. 3, 5, 8, and its side of fig. 9 and 10). Read `forward` (a purse comes)
 * and `accept` (halves are spent); `redeeming.ts` has the rest.
 *
 * What a promise says is on the disk before it resolves.
 */

import { WORD_FORWARD } from "../../../firmware/protocol/tokens.js";
import { concatBytes, equalBytes, toHex } from "../../codec/bytes.js";
import { encode } from "../../codec/cbor.js";
import { sha256 } from "../../crypto.js";
import { type Unit, unitKey } from "../../units.js";
import { TokenError } from "../errors.js";
import { readOuter } from "../messages/request.js";
import { signWord } from "../messages/words.js";
import type { BuyerPurse, SellerLine } from "../parties.js";
import {
  addProved,
  addTaken,
  checkTermsOf,
  type Expected,
  goodsKeyOf,
  goodsSealedBy,
  newRecord,
  type OrderRecord,
  type Payment,
  type Proved,
  prove,
  readPaymentFor,
} from "./acceptance.js";
import { auditSeller } from "./audit.js";
import { SellerBooks, type SellerOptions } from "./books.js";
import { forgetOld } from "./forgetting.js";
import type { DenominationCounts, PurseBook } from "./purse-book.js";
import { believing, openPurse } from "./purses.js";
import { type Outcome, Redeeming } from "./redeeming.js";
import { type AcceptanceRow, encodeTokens, readTokens } from "./store.js";

export type { SellerKeys, SellerOptions } from "./books.js";

/** What a payment came to (steps 560-562). */
export interface Accepted {
  readonly state: "paid" | "underpaid";
  /** What counts for the order by now, this payment included. */
  readonly paid: bigint;
  readonly price: bigint;
  /** What was paid above the price, or for an order that is not paid yet. It is for this order and no other. */
  readonly credit: bigint;
  /** True once: for whoever brought the last half that was missing. After a crash nobody may have been told. */
  readonly first: boolean;
  readonly orderHash: Uint8Array;
  /** Names the purchase: the same payment again has the same, another never. */
  readonly purchase: string;
  /** Under what goods travel that are sealed, 32 bytes. */
  readonly goodsKey: Uint8Array;
  /** DELIVERY_OPEN or DELIVERY_SEALED. */
  readonly delivery: number;
  /** Second at which it was paid; 0 until then. */
  readonly paidAt_seconds: bigint;
}

export interface SellerBalance {
  readonly unit: Unit;
  /** What was accepted, ever. */
  readonly accepted: bigint;
  /** Of it what issuers credited. */
  readonly credited: bigint;
  /** Of it what an issuer would not honour. */
  readonly refused: bigint;
}

export interface SellerPurseSummary {
  readonly purse: Uint8Array;
  readonly issuer: Uint8Array;
  readonly kind: number;
  readonly unit: Unit;
  readonly assertion: string | null;
  readonly state: PurseBook["state"];
  readonly spendBy_seconds: number;
  readonly redeemBy_seconds: number;
  readonly denominations: readonly DenominationCounts[];
}

/** Orders whose record is at hand; others are looked up on the disk. */
const RECENT_ORDERS_MAX = 2_048;

interface LiveRecord extends OrderRecord {
  /** Its rows, and how many of them are known to be on the disk. */
  rows: number;
  rowsStored: number;
  /** It is paid since this process runs, and nobody was told so far. */
  isNews: boolean;
}

export class Seller implements SellerLine {
  readonly #books: SellerBooks;
  readonly #redeeming: Redeeming;
  readonly #records = new Map<string, LiveRecord>();
  /** One is under way at a time. */
  #forgetting: Promise<unknown> = Promise.resolve();
  /** Purses that are being written, by id in hex. */
  readonly #arriving = new Map<string, Promise<void>>();

  private constructor(books: SellerBooks) {
    this.#books = books;
    this.#redeeming = new Redeeming(books, (sealed) => this.deliver(sealed));
  }

  /** Reads everything back. CodecError for an issuer's chain that does not hold. */
  static async open(options: SellerOptions): Promise<Seller> {
    return new Seller(await SellerBooks.open(options));
  }

  /** 16 bytes. */
  get id(): Uint8Array {
    return this.#books.id;
  }

  /** Ed25519 and X25519: the id is their hash. */
  get keys(): { readonly signatureKey: Uint8Array; readonly agreementKey: Uint8Array } {
    return { signatureKey: this.#books.signer.publicKey, agreementKey: this.#books.agreementKey };
  }

  /** The seller's clock. */
  get now_seconds(): bigint {
    return this.#books.options.clock.now_seconds();
  }

  /** Ids of those whose tokens are taken. */
  get issuers(): Uint8Array[] {
    return [...this.#books.issuers.values()].map(({ certificate }) => certificate.id);
  }

  /**
   * A buyer asks an issuer for tokens, by way of the seller, to whom the message says nothing of the buyer (fig. 3 and 5). The
   * answer is the buyer's purse. It is given when the seller's own is on the disk; the same message again has the same answer.
   */
  async forward(outer: Uint8Array): Promise<BuyerPurse> {
    const { issuer: id, sealed } = believing("The message for an issuer", () => readOuter(outer));
    // 502: one of those that the seller knows, whatever the message says.
    const issuer = this.#books.issuer(id);
    // 504. The same message has the same request id, so that it is the same word.
    const digest = sha256(sealed);
    const { now_seconds, signer } = this.#books;
    const request = digest.subarray(0, 16);
    const word = { type: WORD_FORWARD, seller: this.id, request, purse: null, digest, time_seconds: now_seconds };
    const { halves, sellerPurse, share } = await issuer.line.forward(signWord(word, signer), sealed);
    await this.deliver(sellerPurse, id); // 520-524
    return { share, halves }; // 526
  }

  /** A purse comes, from `issuer` if one was asked (520-524). One that is there already changes nothing. */
  async deliver(sealed: Uint8Array, issuer?: Uint8Array): Promise<void> {
    const { id: seller, issuers, now_seconds, options, purses, store } = this.#books;
    const { root, keys } = options;
    const receiver = { seller, agreementSecret: keys.agreementSecret, root, now_seconds, issuers };
    const { book, contents, issuerKey } = openPurse(sealed, receiver);
    const { head, key } = book;
    if (issuer !== undefined && !equalBytes(issuer, head.issuer))
      throw new TokenError("not-authentic", "The purse is of another issuer than was asked. It was not stored.");
    await this.#arriving.get(key);
    const known = purses.get(key);
    if (known === null || (known !== undefined && known.state !== "open"))
      throw new TokenError("purse-recalled", "This purse was given back to its issuer before. Ask for another one.");
    if (known !== undefined) return;
    const row = {
      id: head.purse,
      issuer: head.issuer,
      issuer_key: issuerKey,
      head: contents.head,
      order_keys: encode(contents.orderKeys),
      state: "open",
      counts: null,
    };
    const stored = store.addPurse(row, contents, book).then(() => {
      purses.set(key, book);
    });
    this.#arriving.set(key, stored);
    await stored.finally(() => this.#arriving.delete(key));
  }

  /**
   * Halves are shown for an order (fig. 8). `expected` is what the shop sells to whoever sent them. All of them are taken or, with a
   * TokenError, none. The same payment again takes nothing and has the same answer; more halves for the same order are added.
   */
  async accept(bytes: Uint8Array, expected: Expected): Promise<Accepted> {
    const payment = readPaymentFor(bytes, this.id, expected, (id) => this.#books.purse(id));
    const { log, orders } = this.#books;
    const numbers = this.#records.has(payment.key) ? [] : orders.find(payment.orderHash);
    let known = numbers.length === 0 ? undefined : await this.#lookUp(payment, numbers);
    // It may have been forgotten while the disk was asked.
    if (known !== undefined && orders.find(payment.orderHash).length === 0) known = undefined;
    const { answer, record } = this.#decide(payment, expected, known);
    const { rows } = record;
    if (record.rowsStored < rows) {
      await log.commit();
      record.rowsStored = Math.max(record.rowsStored, rows);
    }
    if (record.isNews && answer.state === "paid") {
      record.isNews = false;
      answer.first = true;
    }
    return answer; // 560-562
  }

  /** Steps 552-560. `known`: what the disk had of the order. Nobody comes between what is checked here and what is taken. */
  #decide(
    payment: Payment,
    expected: Expected,
    known: LiveRecord | undefined,
  ): { readonly answer: Answer; readonly record: LiveRecord } {
    // Somebody may have come while the disk was asked.
    const before = this.#records.get(payment.key) ?? known;
    if (before?.isComplete !== true) checkTermsOf(payment, expected);
    const now_seconds = this.#books.options.clock.now_seconds();
    const proved = prove(payment, before, now_seconds, this.#books.isVerified); // 552-558
    const record =
      proved.length === 0 && before !== undefined ? before : this.#take(payment, before, proved, now_seconds); // 559
    return { answer: answerTo(payment, record), record };
  }

  #take(payment: Payment, before: LiveRecord | undefined, proved: readonly Proved[], time_seconds: bigint): LiveRecord {
    const { log, orders } = this.#books;
    const wasComplete = before?.isComplete ?? false;
    const wasPaid = before?.paid ?? 0n;
    const record = before ?? liveRecord(payment, 0);
    addProved(record, payment, proved, time_seconds);
    record.rows += 1;
    record.isNews ||= record.isComplete && !wasComplete;
    for (const { book, ranges, secrets } of proved) book.take(ranges, secrets);
    if (this.#records.get(payment.key) !== record) this.#keep(payment.key, record);
    const nr = this.#books.nextNr();
    const [first, ...others] = proved;
    const row: AcceptanceRow = {
      nr: BigInt(nr),
      order_hash: payment.orderHash,
      payer: payment.payer,
      amount: record.paid - wasPaid,
      price: payment.order.price,
      complete: record.isComplete ? 1n : 0n,
      shown: record.isShown ? 1n : 0n,
      tokens: encodeTokens(proved),
      secrets:
        first !== undefined && others.length === 0 ? first.secrets : concatBytes(...proved.map((p) => p.secrets)),
      time_seconds,
    };
    orders.add(payment.orderHash, nr);
    log.append(row);
    return record;
  }

  /** What the disk has of an order. */
  async #lookUp(payment: Payment, numbers: readonly number[]): Promise<LiveRecord | undefined> {
    const { orderHash, payer } = payment;
    const found = await this.#books.store.acceptancesOf(orderHash, numbers);
    const rows = found.filter((row) => equalBytes(row.payer, payer));
    if (rows.length === 0) return undefined;
    const record = liveRecord(payment, rows.length);
    for (const row of rows) {
      record.paid += row.amount;
      record.isShown ||= row.shown === 1n;
      if (row.complete === 1n && !record.isComplete) record.paidAt_seconds = row.time_seconds;
      record.isComplete ||= row.complete === 1n;
      for (const { purse, ranges } of readTokens(row.tokens)) addTaken(record, toHex(purse), ranges);
    }
    return record;
  }

  /** The older half goes at once: what is asked for again is mostly what came last. */
  #keep(key: string, record: LiveRecord): void {
    this.#records.set(key, record);
    if (this.#records.size <= RECENT_ORDERS_MAX) return;
    let left = RECENT_ORDERS_MAX / 2;
    for (const [oldest, { rows, rowsStored }] of this.#records) {
      if (left-- === 0) return;
      if (rowsStored === rows) this.#records.delete(oldest);
    }
  }

  /** Presents to their issuers all tokens that none has answered for, of one purse or of all (fig. 9). */
  redeem(purse?: Uint8Array): Promise<Outcome> {
    return this.#redeeming.redeem(purse);
  }

  /** An issuer wants a purse back; the answer is what it is sent (fig. 10, 1084-1086). */
  recall(signed: Uint8Array): Promise<Uint8Array> {
    return this.#redeeming.recall(signed);
  }

  notice(signed: Uint8Array): Promise<void> {
    return this.#redeeming.notice(signed);
  }

  /** Asks the issuers for purses, recalls and notices that could not be brought. */
  collect(): Promise<Outcome> {
    return this.#redeeming.collect();
  }

  /**
   * Forgets orders that were paid more than `again_seconds` ago with purses that went back or are past their last second for redemption;
   * whoever repeats one of them is told that its purse is over. A purse of which its issuer has not answered for every token is kept: call
   * `redeem` before. How many purses and orders those were. Whoever serves calls it from time to time.
   */
  forget(again_seconds: number): Promise<{ readonly purses: number; readonly orders: number }> {
    const work = this.#forgetting.then(async () => {
      const before_seconds = this.now_seconds - BigInt(again_seconds);
      const { orders, purses } = await forgetOld(this.#books, before_seconds, (gone) => this.#drop(gone));
      return { purses: purses.length, orders: orders.size };
    });
    this.#forgetting = work.catch(() => {}); // The caller sees it; the next one begins all the same.
    return work;
  }

  #drop(orders: ReadonlySet<string>): void {
    for (const [key, { orderHash }] of this.#records) if (orders.has(toHex(orderHash))) this.#records.delete(key);
  }

  /** Of each unit; authorizations are counted under the unit 0/0. */
  balance(): SellerBalance[] {
    const sums = new Map<string, { unit: Unit; accepted: bigint; credited: bigint; refused: bigint }>();
    for (const { denominations, unit } of this.purses()) {
      const sum = sums.get(unitKey(unit)) ?? { unit, accepted: 0n, credited: 0n, refused: 0n };
      for (const { credited, refused, taken, value } of denominations) {
        sum.accepted += value * BigInt(taken);
        sum.credited += value * BigInt(credited);
        sum.refused += value * BigInt(refused);
      }
      sums.set(unitKey(unit), sum);
    }
    return [...sums.values()];
  }

  purses(): SellerPurseSummary[] {
    return [...this.#books.purses.values()].flatMap((book) => {
      if (book === null) return [];
      const { assertion, issuer, kind, purse, redeemBy_seconds, spendBy_seconds, unit } = book.head;
      const { state } = book;
      const denominations = book.counts();
      return [{ purse, issuer, kind, unit, assertion, state, spendBy_seconds, redeemBy_seconds, denominations }];
    });
  }

  /** What does not agree, in sentences: the disk with itself, and with what is in memory. None is well. */
  audit(): Promise<string[]> {
    return auditSeller(this.#books);
  }
}

function liveRecord(payment: Payment, rows: number): LiveRecord {
  const record = newRecord(payment);
  return Object.assign(record, { rows, rowsStored: rows, isNews: false });
}

type Answer = { -readonly [Name in keyof Accepted]: Accepted[Name] };

function answerTo(payment: Payment, record: OrderRecord): Answer {
  const { isComplete, orderHash, paid, paidAt_seconds } = record;
  const { key: purchase, order } = payment;
  const keys = goodsSealedBy(payment);
  return {
    state: isComplete ? "paid" : "underpaid",
    paid,
    price: order.price,
    credit: isComplete ? paid - order.price : paid,
    first: false,
    orderHash,
    purchase,
    // Not made before somebody wants it: most goods travel in the open.
    get goodsKey() {
      return goodsKeyOf(keys, orderHash);
    },
    delivery: order.delivery,
    paidAt_seconds: isComplete ? paidAt_seconds : 0n,
  };
}
