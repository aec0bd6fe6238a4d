/**
 * A seller of goods for token halves (EP 0 833 285 A2 fig. 3, 5, 8, and its side of fig. 9 and 10). Read `forward` (a purse comes)
 * and `accept` (halves are spent); `redeeming.ts` has the rest.
 *
 * What a promise says is on the disk before it resolves.
 */

import { WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import { concatBytes, equalBytes, toHex } from "../codec/bytes.js";
import { encode } from "../codec/cbor.js";
import { sha256 } from "../crypto.js";
import { type Unit, unitKey } from "../units.js";
import {
  addProved,
  type Expected,
  goodsKeyOf,
  merged,
  newRecord,
  type OrderRecord,
  type Payment,
  type Proved,
  prove,
  readPaymentFor,
} from "./acceptance.js";
import { TokenError } from "./errors.js";
import { readOuter } from "./messages/request.js";
import { signWord } from "./messages/words.js";
import type { BuyerPurse, SellerLine } from "./parties.js";
import type { DenominationCounts, PurseBook } from "./purse-book.js";
import { type Outcome, Redeeming } from "./redeeming.js";
import { auditSeller } from "./seller-audit.js";
import { SellerBooks, type SellerOptions } from "./seller-books.js";
import { believing, openPurse } from "./seller-purses.js";
import { type AcceptanceRow, encodeTokens, readTokens } from "./seller-store.js";

export type { SellerKeys, SellerOptions } from "./seller-books.js";

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

/** Orders of one generation. The records of two are at hand; others are looked up on the disk. */
const GENERATION_ORDERS = 8_192;

interface LiveRecord extends OrderRecord {
  /** Its rows, and how many of them are known to be on the disk. */
  rows: number;
  rowsStored: number;
  /** It is paid since this process runs, and nobody was told so far. */
  isNews: boolean;
}

/** An answer that waits for the disk. */
interface Unstored {
  readonly record: LiveRecord;
  /** Of the record, when the answer was made. */
  readonly rows: number;
  readonly answer: Omit<Accepted, "first">;
}

export class Seller implements SellerLine {
  readonly #books: SellerBooks;
  readonly #redeeming: Redeeming;
  /** By the key of the payment. What is in both is the same object. */
  #records = new Map<string, LiveRecord>();
  #olderRecords = new Map<string, LiveRecord>();
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
    // An order that is new waits for nothing here.
    const mayBeKnown = this.#recordOf(payment.key) === undefined && this.#books.orders.mayHave(payment.orderHash);
    const known = mayBeKnown ? await this.#lookUp(payment) : undefined;
    return this.#stored(this.#acceptNow(payment, known));
  }

  /** Nothing is waited for: nobody comes between what is checked and what is taken. `known`: what the disk had of the order. */
  #acceptNow(payment: Payment, known: LiveRecord | undefined): Unstored {
    const before = this.#recordOf(payment.key) ?? known;
    const proved = prove(payment, before, this.#books.options.clock.now_seconds()); // 552-558
    const record = proved.length === 0 && before !== undefined ? before : this.#take(payment, before, proved); // 559
    return { record, rows: record.rows, answer: answerTo(payment, record) };
  }

  /** The answer, when the disk has it. Hundreds wait here: of a payment nothing is kept but what the disk is given. */
  async #stored({ answer, record, rows }: Unstored): Promise<Accepted> {
    if (record.rowsStored < rows) {
      await this.#books.log.commit();
      record.rowsStored = Math.max(record.rowsStored, rows);
    }
    const first = record.isNews && answer.state === "paid";
    if (first) record.isNews = false;
    return { ...answer, first }; // 560-562
  }

  #take(payment: Payment, before: LiveRecord | undefined, proved: readonly Proved[]): LiveRecord {
    const { log, now_seconds } = this.#books;
    const wasComplete = before?.isComplete ?? false;
    const wasPaid = before?.paid ?? 0n;
    const record: LiveRecord = before ?? { ...newRecord(payment), rows: 0, rowsStored: 0, isNews: false };
    addProved(record, payment, proved, BigInt(now_seconds));
    record.rows += 1;
    record.isNews ||= record.isComplete && !wasComplete;
    for (const { book, ranges, secrets } of proved) book.take(ranges, secrets);
    this.#keep(payment.key, record);
    const row: AcceptanceRow = {
      nr: this.#books.nextNr(),
      order_hash: payment.orderHash,
      payer: payment.payer,
      amount: record.paid - wasPaid,
      price: payment.order.price,
      complete: record.isComplete ? 1n : 0n,
      shown: record.isShown ? 1n : 0n,
      tokens: encodeTokens(proved.map(({ book, ranges }) => ({ purse: book.head.purse, ranges }))),
      secrets:
        proved.length === 1 && proved[0] !== undefined
          ? proved[0].secrets
          : concatBytes(...proved.map((p) => p.secrets)),
      time_seconds: BigInt(now_seconds),
    };
    this.#books.orders.add(payment.orderHash);
    log.append(row);
    return record;
  }

  /** What the disk has of an order. */
  async #lookUp(payment: Payment): Promise<LiveRecord | undefined> {
    const { orderHash, payer } = payment;
    const found = this.#books.store.acceptancesOf(orderHash);
    const rows = (Array.isArray(found) ? found : await found).filter((row) => equalBytes(row.payer, payer));
    if (rows.length === 0) return undefined;
    const record = { ...newRecord(payment), rows: rows.length, rowsStored: rows.length, isNews: false };
    for (const row of rows) {
      record.paid += row.amount;
      record.isShown ||= row.shown === 1n;
      if (row.complete === 1n && !record.isComplete) record.paidAt_seconds = row.time_seconds;
      record.isComplete ||= row.complete === 1n;
      for (const { purse, ranges } of readTokens(row.tokens)) {
        const key = toHex(purse);
        record.taken.set(key, merged(record.taken.get(key) ?? [], ranges));
      }
    }
    return record;
  }

  #recordOf(key: string): LiveRecord | undefined {
    return this.#records.get(key) ?? this.#olderRecords.get(key);
  }

  #keep(key: string, record: LiveRecord): void {
    this.#records.set(key, record);
    if (this.#records.size < GENERATION_ORDERS) return;
    // What is not on the disk yet cannot be looked up there.
    const unstored = [...this.#olderRecords].filter(([, { rows, rowsStored }]) => rowsStored < rows);
    this.#olderRecords = this.#records;
    this.#records = new Map(unstored);
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

function answerTo(payment: Payment, record: OrderRecord): Omit<Accepted, "first"> {
  const { isComplete, orderHash, paid, paidAt_seconds } = record;
  const { key: purchase, order } = payment;
  return {
    state: isComplete ? "paid" : "underpaid",
    paid,
    price: order.price,
    credit: isComplete ? paid - order.price : paid,
    orderHash,
    purchase,
    goodsKey: goodsKeyOf(payment),
    delivery: order.delivery,
    paidAt_seconds: isComplete ? paidAt_seconds : 0n,
  };
}
