/**
 * What an issuer and a seller of token halves compute, with nothing on a disk: purses made, halves checked; beside it the source's
 * scheme, in which each token is signed, and points of a curve. All by turns, so that the ratios hold on a busy machine too.
 */

import { PURSE_MONEY, SCHEME_SECRET, SCHEME_SOURCE } from "../../firmware/protocol/tokens.js";
import { toHex } from "../codec/bytes.js";
import { openBulk } from "../tokens/bulk.js";
import { xorInto } from "../tokens/derive.js";
import { PROLOGUE } from "../tokens/messages/common.js";
import { readSellerPurse, verifyHead } from "../tokens/messages/purses.js";
import type { StoredPurse } from "../tokens/mint/books.js";
import { sealBuyerShare, sealSellerPurse, splitTokens } from "../tokens/mint/issue.js";
import { prove, readPaymentFor } from "../tokens/seller/acceptance.js";
import { PurseBook } from "../tokens/seller/purse-book.js";
import { placesIn, sourceHalves, splitSourceTokens, tokenOffsets, verifyToken } from "../tokens/source-scheme.js";
import { rangesCount } from "../tokens/terms.js";
import { BenchError } from "./economy.js";
import { ofOneCore, type Rate, Rounds } from "./rates.js";
import { PointMint } from "./tokens-noble.js";
import {
  type BoughtPurse,
  Certifier,
  EXPECTED,
  ID_BYTES,
  type IssuerKeys,
  KEY_BYTES,
  newSellerKeys,
  paymentsOf,
  REDEEM_SECONDS,
  random,
  termsOf,
  VALUE,
} from "./tokens-parties.js";

export interface MemorySizes {
  readonly rounds: number;
  /** Rounds before, that are not counted. */
  readonly warmUp: number;
  /** Tokens of the purse that is made in a round, and of the one whose halves are checked. */
  readonly minted: number;
  readonly verified: number;
  readonly source: number;
  readonly points: number;
}

/** Tokens an order: the headline has ORDER_TOKENS. */
export const ORDER_TOKENS = 4;
const ORDERS_OF = [1, ORDER_TOKENS, 32] as const;

type Measured = "minted" | `verified ${(typeof ORDERS_OF)[number]}` | "verified with reading" | "source" | "points";

export interface MemoryReport {
  readonly minted: Rate;
  /** By tokens an order. */
  readonly verified: Readonly<Record<string, Rate>>;
  /** The same with the payment read from its bytes, and its order checked. */
  readonly verifiedWithReading: Rate;
  readonly source: Rate;
  readonly points: Rate;
  /** Times as fast as the source's scheme, and as points. */
  readonly timesSource: number;
  readonly timesPoints: number;
  /** Of what a buyer shows for one token. */
  readonly halfBytes: number;
  readonly sourceHalfBytes: number;
}

/** One seller, one issuer, one buyer, and the purse that the last round made. */
class Halves {
  readonly #issuer: IssuerKeys = new Certifier().issuer();
  readonly #seller = newSellerKeys();
  readonly #buyer = new Certifier().issuer();

  /** Both purses of a request, split, signed and sealed (EP 0 833 285 A2 fig. 4, 1014-1028). */
  async mint(purse: StoredPurse, seed: Uint8Array): Promise<Uint8Array> {
    const { chain, signer } = this.#issuer;
    const maker = { signer, chain, random };
    const secrets = { secret: purse.secret ?? random(KEY_BYTES), seeds: [seed] };
    const sealed = sealSellerPurse(maker, purse, secrets, await splitTokens(purse, secrets), this.#seller.agreementKey);
    const asked = { buyer: this.#buyer.id, nonce: random(ID_BYTES), index: 0 };
    sealBuyerShare(maker, purse, asked, this.#buyer.agreement.publicKey);
    return sealed;
  }

  purse(tokens: number, scheme: number): StoredPurse {
    const [id, terms] = [random(ID_BYTES), termsOf(this.#issuer.id, this.#seller.id, tokens)];
    return {
      ...terms,
      ...{ scheme, id, key: toHex(id), sellerKey: toHex(this.#seller.id), holders: 1, tokens },
      redeemBy_seconds: terms.spendBy_seconds + REDEEM_SECONDS,
      ...{ face: VALUE * BigInt(tokens), secret: random(KEY_BYTES), state: "open", closedAt_seconds: null },
      ...{ tokensRedeemed: 0, amountRedeemed: 0n },
    };
  }

  /** The seller's purse, opened: as often as wanted a book in which nothing is taken yet. */
  books(sealed: Uint8Array): () => PurseBook {
    const { agreementSecret } = this.#seller;
    const contents = readSellerPurse(openBulk({ staticPrivate: agreementSecret, prologue: PROLOGUE.purse }, sealed));
    const issuerKey = this.#issuer.signer.publicKey;
    const head = verifyHead(contents.head, issuerKey);
    if (!PurseBook.fits(head, contents) || head.kind !== PURSE_MONEY) throw new BenchError("a seller's purse");
    const { halves, leaves, orderKeys, uniques } = contents;
    return () => new PurseBook(head, issuerKey, orderKeys, "open", { leaves, uniques, halves: halves.slice() });
  }

  bought({ id, seller, tokens }: StoredPurse, seed: Uint8Array): BoughtPurse {
    return { id, seed, seller, tokens };
  }

  /** XORs both halves of each token, and verifies the issuer's signature on it. */
  async source(tokens: number): Promise<{ readonly halfBytes: number; check(): void }> {
    const purse = this.purse(tokens, SCHEME_SOURCE);
    const secret = purse.secret ?? random(KEY_BYTES);
    const { signer } = this.#issuer;
    const offsets = tokenOffsets(purse);
    const buyers = sourceHalves(purse, secret, offsets);
    const { halves: sellers } = await splitSourceTokens(purse, secret, signer);
    const check = () => {
      for (const [, at, length] of placesIn(offsets, [{ first: 0, count: tokens }])) {
        const token = sellers.slice(at, at + length);
        xorInto(token, buyers.subarray(at, at + length));
        if (verifyToken(token, signer.publicKey).value !== VALUE) throw new BenchError("a signed token");
      }
    };
    return { halfBytes: buyers.length / tokens, check };
  }
}

/** Steps 552-559 for payments that are read already; all tokens of `book` must be taken at the end. */
function checkAll(payments: readonly ReturnType<typeof readPaymentFor>[], book: PurseBook, now: bigint): void {
  for (const payment of payments)
    for (const { ranges, secrets } of prove(payment, undefined, now)) book.take(ranges, secrets);
}

function requireTaken(book: PurseBook, tokens: number): void {
  if (rangesCount(book.unsettled()) !== tokens) throw new BenchError("a payment");
}

export async function measureMemory(sizes: MemorySizes): Promise<MemoryReport> {
  const { rounds, warmUp, minted, verified, source, points } = sizes;
  const halves = new Halves();
  const seed = random(KEY_BYTES);
  const purse = halves.purse(verified, SCHEME_SECRET);
  const newBook = halves.books(await halves.mint(purse, seed));
  const payments = new Map(ORDERS_OF.map((each) => [each, paymentsOf(halves.bought(purse, seed), each)]));
  const bySource = await halves.source(source);
  const pointMint = await PointMint.open();
  const proofs = Array.from({ length: points }, () => pointMint.proof());
  const now = BigInt(Math.floor(Date.now() / 1000));
  const measured = new Rounds<Measured>();

  const read = (bytes: readonly Uint8Array[], perOrder: number, book: PurseBook) =>
    bytes.map((each) => readPaymentFor(each, purse.seller, EXPECTED(perOrder), () => book));

  const verify = async (perOrder: (typeof ORDERS_OF)[number]) => {
    const book = newBook();
    const bytes = payments.get(perOrder) ?? [];
    const tokens = bytes.length * perOrder;
    const all = read(bytes, perOrder, book);
    const perSecond = await ofOneCore(tokens, () => checkAll(all, book, now));
    requireTaken(book, tokens);
    return { perSecond, tokens };
  };

  const verifyWithReading = async () => {
    const book = newBook();
    const bytes = payments.get(ORDER_TOKENS) ?? [];
    const tokens = bytes.length * ORDER_TOKENS;
    const perSecond = await ofOneCore(tokens, () => checkAll(read(bytes, ORDER_TOKENS, book), book, now));
    requireTaken(book, tokens);
    return { perSecond, tokens };
  };

  for (let round = -warmUp; round < rounds; round++) {
    const note = (name: Measured, perSecond: number, perRound: number) => {
      if (round >= 0) measured.add(name, perSecond, perRound);
    };
    const made = halves.purse(minted, SCHEME_SECRET);
    note("minted", await ofOneCore(minted, () => halves.mint(made, seed)), minted);
    for (const perOrder of ORDERS_OF) {
      const { perSecond, tokens } = await verify(perOrder);
      note(`verified ${perOrder}`, perSecond, tokens);
    }
    const { perSecond, tokens } = await verifyWithReading();
    note("verified with reading", perSecond, tokens);
    note("source", await ofOneCore(source, () => bySource.check()), source);
    const checkPoints = () => {
      if (!proofs.every((proof) => pointMint.isGood(proof))) throw new BenchError("a proof");
    };
    note("points", await ofOneCore(points, checkPoints), points);
  }

  const [first] = payments.get(ORDER_TOKENS) ?? [];
  if (first === undefined) throw new BenchError("a payment");
  const shown = readPaymentFor(first, purse.seller, EXPECTED(ORDER_TOKENS), newBook).parts[0]?.halves;
  const headline: Measured = `verified ${ORDER_TOKENS}`;
  return {
    minted: measured.rate("minted"),
    verified: Object.fromEntries(ORDERS_OF.map((each) => [each, measured.rate(`verified ${each}`)])),
    verifiedWithReading: measured.rate("verified with reading"),
    source: measured.rate("source"),
    points: measured.rate("points"),
    timesSource: measured.ratio(headline, "source"),
    timesPoints: measured.ratio(headline, "points"),
    halfBytes: (shown?.length ?? 0) / ORDER_TOKENS,
    sourceHalfBytes: bySource.halfBytes,
  };
}
