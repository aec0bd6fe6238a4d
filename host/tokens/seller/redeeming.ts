/**
 * What passes between a seller and its issuers after tokens were taken (EP 0 833 285 A2 fig. 9; fig. 10, steps 1084-1088; 1099).
 * A presentation is on the disk before it is sent, and sent again in the same bytes until the issuer has answered.
 */

import { CLOCK_SKEW_SECONDS_MAX } from "../../../firmware/protocol/limits.js";
import { CREDIT_REFUNDED, WORD_COLLECT } from "../../../firmware/protocol/tokens.js";
import { asError } from "../../as-error.js";
import { equalBytes, toHex } from "../../codec/bytes.js";
import { CodecError } from "../../codec/errors.js";
import { sha256 } from "../../crypto.js";
import { randomBytes } from "../../randomness.js";
import type { Unit } from "../../units.js";
import { TokenError } from "../errors.js";
import { encodeWaiting } from "../messages/answers.js";
import { type CreditNotice, type Recall, verifyNotice, verifyRecall } from "../messages/closing.js";
import { signWord } from "../messages/words.js";
import type { RefusedToken } from "../parties.js";
import type { SellerBooks } from "./books.js";
import { checkedNotice, emptyReturn, PRESENTED_RANGES_MAX, PRESENTED_TOKENS_MAX, presentation } from "./presenting.js";
import type { PurseBook } from "./purse-book.js";
import { believing, type KnownIssuer } from "./purses.js";
import { addPresentation, markReturned, type PresentationRow, readPresentedRanges } from "./store.js";

/** What one `redeem` or `collect` came to. What failed is tried again by the next one. */
export interface Outcome {
  readonly credited: readonly {
    readonly purse: Uint8Array;
    readonly unit: Unit;
    readonly amount: bigint;
    readonly tokens: number;
  }[];
  readonly failed: readonly Error[];
}

const NOTHING = new Uint8Array(0);

export class Redeeming {
  readonly #books: SellerBooks;
  /** Purses on their way back, by id in hex. */
  readonly #returning = new Map<string, Promise<Uint8Array>>();
  /** One redemption is under way at a time. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #receive: (sealed: Uint8Array) => Promise<void>;

  /** `receive` takes a purse that waited at an issuer. */
  constructor(books: SellerBooks, receive: (sealed: Uint8Array) => Promise<void>) {
    this.#books = books;
    this.#receive = receive;
  }

  /** Presents all tokens that no issuer has answered for, of one purse or of all (fig. 9). */
  redeem(purse?: Uint8Array): Promise<Outcome> {
    const work = this.#last.then(() => this.#redeem(purse));
    this.#last = work.catch(() => {}); // The caller sees it; the next one begins all the same.
    return work;
  }

  async #redeem(only: Uint8Array | undefined): Promise<Outcome> {
    const credited: Outcome["credited"][number][] = [];
    const failed: Error[] = [];
    const { purses } = this.#books;
    const keys = only === undefined ? [...purses.keys()] : [toHex(only)];
    for (const key of keys) {
      const book = purses.get(key);
      if (book === undefined && only !== undefined) this.#books.purse(only);
      if (book === undefined || book === null) continue;
      try {
        for await (const notice of this.#present(book)) {
          const { amount, purse, tokens, unit } = notice;
          credited.push({ purse, unit, amount, tokens });
        }
      } catch (error) {
        failed.push(asError(error));
      }
    }
    return { credited, failed };
  }

  /** First what was asked before and not answered, then the rest. */
  async *#present(book: PurseBook): AsyncGenerator<CreditNotice> {
    const { log, store } = this.#books;
    const issuer = this.#books.issuer(book.head.issuer);
    for (const row of await store.unanswered(book.head.purse)) yield* this.#send(row, issuer, book);
    while (book.state === "open") {
      const ranges = book.unsettled(PRESENTED_TOKENS_MAX, PRESENTED_RANGES_MAX);
      if (ranges.length === 0) return;
      const row = presentation(this.#books.presenter, book, issuer, ranges, "redeem");
      // With it are on the disk the acceptances that it is about.
      await log.commit((transaction) => addPresentation(transaction, row));
      yield* this.#send(row, issuer, book);
    }
  }

  async *#send(row: PresentationRow, issuer: KnownIssuer, book: PurseBook): AsyncGenerator<CreditNotice> {
    if (row.sealed === null) return;
    const { store } = this.#books;
    try {
      const { notice, refused } = await (row.kind === "return"
        ? issuer.line.returned(row.sealed)
        : issuer.line.redeem(row.sealed));
      const checked = checkedNotice(notice, issuer, this.#books.id, row, refused, book);
      await this.#settle(row, notice, refused, book);
      if (checked.tokens > 0) yield checked;
    } catch (error) {
      if (!(error instanceof TokenError) || !isOver(error) || !(await this.#isOverIndeed(book))) throw error;
      const ranges = readPresentedRanges(row.ranges);
      await store.noteAnswer(row, NOTHING, []);
      book.settle(ranges, ranges);
      throw error;
    }
  }

  /** A refusal nobody has signed: it is believed where this clock says so too, or the issuer has signed that it closed the purse. */
  async #isOverIndeed({ head }: PurseBook): Promise<boolean> {
    const { now_seconds, store } = this.#books;
    if (now_seconds > head.redeemBy_seconds + CLOCK_SKEW_SECONDS_MAX) return true;
    return (await store.returnOf(head.purse))?.notice != null;
  }

  async #settle(
    row: PresentationRow,
    notice: Uint8Array,
    refused: readonly RefusedToken[],
    book: PurseBook | null,
  ): Promise<void> {
    await this.#books.store.noteAnswer(row, notice, refused);
    const not = refused.map(({ serial }) => ({ first: serial, count: 1 }));
    book?.settle(readPresentedRanges(row.ranges), not);
  }

  /** The issuer wants a purse back (1084-1086): from the commit on no half of it is taken. The same again has the same answer. */
  async recall(signed: Uint8Array): Promise<Uint8Array> {
    const { issuer, recall } = this.#recallOf(signed);
    if (!equalBytes(recall.seller, this.#books.id))
      throw new TokenError("wrong-seller", "The recall is for another seller. Nothing was returned.");
    const key = toHex(recall.purse);
    const under =
      this.#returning.get(key) ?? this.#return(recall.purse, issuer).finally(() => this.#returning.delete(key));
    this.#returning.set(key, under);
    return under;
  }

  async #return(purse: Uint8Array, issuer: KnownIssuer): Promise<Uint8Array> {
    const { log, presenter, purses, store } = this.#books;
    const known = await store.returnOf(purse);
    if (known?.sealed != null) return known.sealed;
    const key = toHex(purse);
    const book = purses.get(key) ?? null;
    if (book !== null && !equalBytes(book.head.issuer, issuer.certificate.id))
      throw new TokenError(
        "not-authentic",
        "The recall is of an issuer that did not make the purse. Nothing was returned.",
      );
    const isThere = book !== null && book.state === "open";
    if (isThere && book.unsettled().length > PRESENTED_RANGES_MAX) await this.#redeemFirst(purse);
    if (isThere) book.state = "returning";
    try {
      const row = !isThere
        ? emptyReturn(presenter, purse, issuer)
        : presentation(presenter, book, issuer, book.unsettled(), "return");
      await log.commit(async (transaction) => {
        await markReturned(transaction, purse, issuer.certificate.id);
        await addPresentation(transaction, row);
      });
      if (book === null) purses.set(key, null);
      else book.empty();
      return row.sealed ?? NOTHING;
    } catch (error) {
      if (isThere) book.state = "open";
      throw error;
    }
  }

  /** A return is one message: where it would name too many tokens far apart, most of them are redeemed before. */
  async #redeemFirst(purse: Uint8Array): Promise<void> {
    const [failed] = (await this.redeem(purse)).failed;
    if (failed !== undefined) throw failed;
  }

  #recallOf(signed: Uint8Array): { issuer: KnownIssuer; recall: Recall } {
    return this.#signedByOne("The recall", (issuer) => ({
      issuer,
      recall: verifyRecall(signed, issuer.certificate.signatureKey),
    }));
  }

  /** Which of the issuers it is nobody knows before its signature fits. */
  #signedByOne<Read>(what: string, read: (issuer: KnownIssuer) => Read): Read {
    for (const issuer of this.#books.issuers.values()) {
      try {
        return read(issuer);
      } catch (error) {
        if (!(error instanceof CodecError)) throw error;
      }
    }
    return believing(what, () => {
      throw new CodecError("no issuer that this seller deals with has signed it");
    });
  }

  /** A purse is closed, and this was credited for it in all (1099). */
  async notice(signed: Uint8Array): Promise<void> {
    const { issuer, notice } = this.#signedByOne("The notice", (known) => ({
      issuer: known,
      notice: verifyNotice(signed, known.certificate.signatureKey),
    }));
    const { id, log, purses, store } = this.#books;
    const book = purses.get(toHex(notice.purse)) ?? null;
    if (!equalBytes(notice.subject, id))
      throw new TokenError("wrong-seller", "The notice is for somebody else. Nothing was changed by it.");
    if (book !== null && !equalBytes(book.head.issuer, issuer.certificate.id))
      throw new TokenError(
        "not-authentic",
        "The notice is of an issuer that did not make the purse. Nothing was changed.",
      );
    if (notice.what !== CREDIT_REFUNDED) return; // A redemption is answered where it was asked for.
    if (book?.state === "open") {
      // Its last second for redemption is over, and nobody has asked for it: what is not redeemed is lost.
      await log.commit((transaction) => markReturned(transaction, notice.purse, issuer.certificate.id));
      book.empty();
    }
    const row = await store.returnOf(notice.purse);
    const all = book === null ? 0 : book.counts().reduce((sum, { taken }) => sum + taken, 0);
    // If it is less than was taken, the next `redeem` asks which tokens it was not.
    if (row?.notice === null && notice.tokens === all) await this.#settle(row, signed, [], book);
    if (book !== null) await this.#books.writeOff(book);
  }

  /** Asks all issuers for what waits there: purses, recalls, notices. */
  async collect(): Promise<Outcome> {
    const failed: Error[] = [];
    for (const issuer of this.#books.issuers.values()) {
      try {
        failed.push(...(await this.#collectFrom(issuer)));
      } catch (error) {
        failed.push(asError(error));
      }
    }
    return { credited: [], failed };
  }

  async #collectFrom(issuer: KnownIssuer): Promise<Error[]> {
    const { certificate, line } = issuer;
    const { id, now_seconds, options, signer, store } = this.#books;
    const digest = (await store.collected(certificate.id)) ?? sha256(NOTHING);
    const request = randomBytes(options.random, 16);
    const word = { type: WORD_COLLECT, seller: id, request, purse: null, digest, time_seconds: now_seconds };
    const waiting = await line.collect(signWord(word, signer));
    const failed: Error[] = [];
    let isDone = true;
    const attempt = async (work: () => Promise<unknown>) => {
      try {
        await work();
      } catch (error) {
        failed.push(asError(error));
        // What can never be believed need not come again.
        if (!(error instanceof TokenError) || error.code !== "not-authentic") isDone = false;
      }
    };
    for (const sealed of waiting.purses) await attempt(() => this.#receive(sealed));
    for (const signed of waiting.recalls) await attempt(() => this.#returnNow(signed, issuer));
    for (const signed of waiting.notices) await attempt(() => this.notice(signed));
    if (isDone) await store.noteCollected(certificate.id, sha256(encodeWaiting(waiting)));
    return failed;
  }

  /** A recall that nobody waits for an answer to: the return is sent, as a redemption is. */
  async #returnNow(signed: Uint8Array, issuer: KnownIssuer): Promise<void> {
    const sealed = await this.recall(signed);
    const { purse } = this.#recallOf(signed).recall;
    const book = this.#books.purses.get(toHex(purse)) ?? null;
    const row = await this.#books.store.returnOf(purse);
    if (book === null || row === undefined) await issuer.line.returned(sealed);
    else if (row.notice === null) for await (const _ of this.#send(row, issuer, book));
  }
}

/** There is nobody any more who would redeem these tokens. */
function isOver({ code }: TokenError): boolean {
  return code === "purse-closed" || code === "redemption-over";
}
