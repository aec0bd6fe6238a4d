/** What a seller knows while it runs: its purses, the issuers that it deals with, and the way to its disk. */

import { toHex } from "../../codec/bytes.js";
import type { Root } from "../../codec/certificate.js";
import type { Signer } from "../../codec/signer.js";
import { ed25519Signer, x25519KeyPair } from "../../crypto.js";
import { type RandomSource, randomBytes } from "../../randomness.js";
import type { Clock } from "../../services/clock.js";
import type { Books } from "../../services/database.js";
import { sellerIdOf } from "../derive.js";
import { TokenError } from "../errors.js";
import { verifyHead } from "../messages/purses.js";
import { AcceptanceLog } from "./acceptance-log.js";
import { OrderIndex } from "./order-index.js";
import type { Presenter } from "./presenting.js";
import { PurseBook } from "./purse-book.js";
import { issuerCertificate, type KnownIssuer, type SellerIssuer } from "./purses.js";
import { readCounts, readOrderKeys, readPresentedRanges, readTokens, refusedOf, SellerStore } from "./store.js";

export interface SellerKeys {
  /** Of Ed25519, 32 bytes. */
  readonly signatureSeed: Uint8Array;
  /** Of X25519, 32 bytes. */
  readonly agreementSecret: Uint8Array;
}

export interface SellerOptions {
  readonly keys: SellerKeys;
  /** Where its books are; several services may share one database, one process has it. */
  readonly database: Books;
  /** Of the agents' tree, where issuers are certified. */
  readonly root: Root;
  readonly issuers: readonly SellerIssuer[];
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Of tokens in the source's scheme, whose signatures cost most: the share whose signature is verified, from 0 to 1. Without it all. */
  readonly verifiedShare?: number;
}

export class SellerBooks {
  readonly options: SellerOptions;
  readonly store: SellerStore;
  readonly log: AcceptanceLog;
  readonly signer: Signer;
  readonly id: Uint8Array;
  readonly agreementKey: Uint8Array;
  /** By id in hex. */
  readonly issuers: ReadonlyMap<string, KnownIssuer>;
  /** By id in hex; null where a purse was recalled before it came. */
  readonly purses = new Map<string, PurseBook | null>();
  /** Where the acceptances of each order are. */
  readonly orders = new OrderIndex();
  #nextNr = 0;

  private constructor(options: SellerOptions, store: SellerStore) {
    const { verifiedShare = 1 } = options;
    if (!(verifiedShare >= 0 && verifiedShare <= 1)) throw new RangeError("verifiedShare: it is from 0 to 1");
    const { signatureSeed, agreementSecret } = options.keys;
    this.options = options;
    this.store = store;
    this.log = new AcceptanceLog(store);
    this.signer = ed25519Signer(signatureSeed);
    this.agreementKey = x25519KeyPair(agreementSecret).publicKey;
    this.id = sellerIdOf(this.signer.publicKey, this.agreementKey);
    const known = options.issuers.map(({ chain, line, assertions = [], makesMoney = true }) => {
      const certificate = issuerCertificate(chain, options.root, this.now_seconds);
      return [toHex(certificate.id), { certificate, line, assertions, makesMoney }] as const;
    });
    this.issuers = new Map(known);
  }

  static async open(options: SellerOptions): Promise<SellerBooks> {
    const books = new SellerBooks(options, await SellerStore.open(options.database));
    await books.#load();
    return books;
  }

  get now_seconds(): number {
    return Number(this.options.clock.now_seconds());
  }

  get presenter(): Presenter {
    const { id, now_seconds, signer } = this;
    return { id, signer, random: this.options.random, now_seconds };
  }

  /** Whether the signature of the next token in the source's scheme is verified: nobody can tell before. */
  readonly isVerified = (): boolean => {
    const { random, verifiedShare = 1 } = this.options;
    if (verifiedShare >= 1) return true;
    const drawn = randomBytes(random, 4);
    return new DataView(drawn.buffer).getUint32(0) < verifiedShare * 2 ** 32;
  };

  /** Number of the next acceptance. */
  nextNr(): number {
    return this.#nextNr++;
  }

  /** What `nextNr` will answer. */
  get nextNumber(): number {
    return this.#nextNr;
  }

  issuer(id: Uint8Array): KnownIssuer {
    const issuer = this.issuers.get(toHex(id));
    if (issuer !== undefined) return issuer;
    throw new TokenError(
      "unknown-issuer",
      `This seller does not deal with the issuer ${toHex(id)}. Nothing was sent and no money moved. Ask for tokens of an issuer that it names.`,
    );
  }

  /** The purse of a payment. */
  purse(id: Uint8Array): PurseBook {
    const book = this.purses.get(toHex(id));
    if (book === undefined)
      throw new TokenError(
        "unknown-purse",
        "The seller does not have its half of this purse. Nothing was taken. If it was asked for a moment ago, pay again when the seller has collected it.",
      );
    if (book !== null) return book;
    throw new TokenError(
      "purse-recalled",
      "The purse was given back to its issuer, at the buyer's wish. Nothing was taken; what was in it is refunded.",
    );
  }

  /** What was taken of a purse that is over, and no issuer has honoured or will be asked about any more, is lost. */
  async writeOff(book: PurseBook): Promise<void> {
    if (book.state !== "returned" || (await this.store.unanswered(book.head.purse)).length > 0) return;
    const lost = book.unsettled();
    book.settle(lost, lost);
  }

  async #load(): Promise<void> {
    const { purses, store } = this;
    for (const { id, head, issuer_key, order_keys, state, counts } of await store.purses()) {
      const isOpen = state === "open";
      const book =
        head === null || issuer_key === null
          ? null
          : new PurseBook(
              verifyHead(head, issuer_key),
              issuer_key,
              readOrderKeys(order_keys),
              isOpen ? "open" : "returned",
              isOpen ? await store.tables(id) : undefined,
            );
      if (counts !== null) book?.forget(readCounts(counts));
      purses.set(toHex(id), book);
    }
    for await (const { nr, order_hash, secrets, tokens } of store.acceptances()) {
      this.orders.add(order_hash, Number(nr));
      this.#nextNr = Number(nr) + 1;
      let at = 0;
      for (const { purse, ranges } of readTokens(tokens)) {
        const book = purses.get(toHex(purse));
        const end = at + (book?.bytesOf(ranges) ?? 0);
        book?.take(ranges, secrets.subarray(at, end));
        at = end;
      }
    }
    for (const row of await store.presentations()) {
      if (row.notice !== null) purses.get(toHex(row.purse))?.settle(readPresentedRanges(row.ranges), refusedOf(row));
    }
    for (const book of purses.values()) if (book !== null) await this.writeOff(book);
  }
}
