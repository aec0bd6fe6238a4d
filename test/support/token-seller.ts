/** A seller of the simplest kind, to test issuers with: it keeps everything in memory and believes what it can check. */

import * as t from "../../firmware/protocol/tokens.js";
import type { Agency } from "../../host/agencies.js";
import { concatBytes, equalBytes, toHex } from "../../host/codec/bytes.js";
import { verifyChain } from "../../host/codec/certificate.js";
import type { Signer } from "../../host/codec/signer.js";
import { ed25519Signer, type KeyPair, sha256, x25519KeyPair } from "../../host/crypto.js";
import type { RandomSource } from "../../host/randomness.js";
import { openBulk, sealBulk } from "../../host/tokens/bulk.js";
import { firstFalseSecret, leavesRoot, maskHalves, sellerIdOf, xorInto } from "../../host/tokens/derive.js";
import { verifyRecall } from "../../host/tokens/messages/closing.js";
import { PROLOGUE } from "../../host/tokens/messages/common.js";
import { readPayment } from "../../host/tokens/messages/payment.js";
import { type PurseHead, readSellerPurse, type SellerPurse, verifyHead } from "../../host/tokens/messages/purses.js";
import { encodePresented, encodeWordAbout, type SellerWord, signWord } from "../../host/tokens/messages/words.js";
import type { SellerLine } from "../../host/tokens/parties.js";
import type { SerialRange } from "../../host/tokens/terms.js";
import { bytesFrom, type IssuerKeys } from "./token-buyer.js";

export interface KeptPurse {
  readonly head: PurseHead;
  readonly purse: SellerPurse;
  /** Secrets of tokens that were paid and not redeemed yet. */
  readonly paid: Map<number, Uint8Array>;
}

const NOTHING = new Uint8Array(0);

export class TestSeller implements SellerLine {
  readonly id: Uint8Array;
  readonly signer: Signer;
  readonly agreement: KeyPair;
  readonly purses = new Map<string, KeptPurse>();
  readonly notices: Uint8Array[] = [];
  /** A seller that withholds answers no recall. */
  withholds = false;
  readonly #agency: Agency;
  readonly #issuer: () => IssuerKeys;
  readonly #random: (length: number) => Uint8Array;
  readonly #now: () => number;

  constructor(agency: Agency, issuer: () => IssuerKeys, random: RandomSource, now: () => number) {
    this.#agency = agency;
    this.#issuer = issuer;
    this.#random = bytesFrom(random);
    this.#now = now;
    this.signer = ed25519Signer(this.#random(32));
    this.agreement = x25519KeyPair(this.#random(32));
    this.id = sellerIdOf(this.signer.publicKey, this.agreement.publicKey);
  }

  word(type: number, about: Uint8Array = NOTHING, parts: Partial<SellerWord> = {}, signer = this.signer): Uint8Array {
    const { id: seller } = this;
    const word = {
      type,
      seller,
      request: this.#random(16),
      purse: null,
      digest: sha256(about),
      time_seconds: this.#now(),
    };
    return signWord({ ...word, ...parts }, signer);
  }

  /** Opens and keeps a purse; throws where anything of it does not fit. */
  take(sealed: Uint8Array): KeptPurse {
    const plain = openBulk({ staticPrivate: this.agreement.secretKey, prologue: PROLOGUE.purse }, sealed);
    const purse = readSellerPurse(plain);
    const { device } = verifyChain(purse.chain, this.#agency.root, this.#now());
    const head = verifyHead(purse.head, device.signatureKey);
    if (!equalBytes(head.root, leavesRoot(purse.leaves))) throw new Error("the leaves are not those of the root");
    if (!equalBytes(head.seller, this.id)) throw new Error("a purse of another seller");
    const kept = this.purses.get(toHex(head.purse)) ?? { head, purse, paid: new Map() };
    if (!equalBytes(kept.purse.leaves, purse.leaves)) throw new Error("the same purse with other leaves");
    this.purses.set(toHex(head.purse), kept);
    return kept;
  }

  /** Takes a payment: combines the halves of all its parts for one purse, and checks every token. */
  paid(payment: Uint8Array): void {
    const { order, parts } = readPayment(payment);
    const [first] = parts;
    if (first === undefined) throw new Error("a payment of nothing");
    const kept = this.#kept(first.purse);
    const { head, purse } = kept;
    const secrets = concatBytes(
      ...serialsOf(first.ranges).map((serial) => purse.halves.slice(32 * serial, 32 * serial + 32)),
    );
    for (const { index, ranges, halves } of parts) {
      const key = purse.orderKeys[index];
      if (key === undefined) throw new Error("a half of nobody");
      const bare = halves.slice();
      maskHalves(bare, key, sha256(order), ranges);
      xorInto(secrets, bare);
    }
    const table = { ...head, purse: head.purse, leaves: purse.leaves, uniques: purse.uniques };
    const wrong = firstFalseSecret(table, first.ranges, secrets);
    if (wrong >= 0) throw new Error(`the halves of token ${wrong} do not make it`);
    serialsOf(first.ranges).forEach((serial, i) => {
      kept.paid.set(serial, secrets.slice(32 * i, 32 * i + 32));
    });
  }

  /** A WORD_REDEEM (or WORD_RETURN) with what was paid, or with `tokens`. */
  redemption(
    purse: Uint8Array,
    { type = t.WORD_REDEEM, tokens = this.#kept(purse).paid, word = {} }: RedemptionParts = {},
  ): Uint8Array {
    const serials = [...tokens.keys()].sort((a, b) => a - b);
    const secrets = concatBytes(...serials.map((serial) => tokens.get(serial) ?? NOTHING));
    const about = encodePresented({ ranges: rangesOf(serials), secrets });
    return this.seal(this.word(type, about, { purse, ...word }), about);
  }

  seal(word: Uint8Array, about: Uint8Array): Uint8Array {
    const { agreementKey: remoteStatic } = this.#issuer();
    return sealBulk({ remoteStatic, prologue: PROLOGUE.seller, random: this.#random }, encodeWordAbout(word, about));
  }

  async deliver(sealed: Uint8Array): Promise<void> {
    this.take(sealed);
  }

  /** Returns the purse with whatever was paid from it and not redeemed. */
  async recall(signed: Uint8Array): Promise<Uint8Array> {
    if (this.withholds) throw new Error("withheld");
    const { purse } = verifyRecall(signed, this.#issuer().signatureKey);
    const tokens = this.purses.get(toHex(purse))?.paid ?? new Map();
    return this.redemption(purse, { type: t.WORD_RETURN, tokens });
  }

  async notice(signed: Uint8Array): Promise<void> {
    this.notices.push(signed);
  }

  #kept(purse: Uint8Array): KeptPurse {
    const kept = this.purses.get(toHex(purse));
    if (kept === undefined) throw new Error(`no purse ${toHex(purse)}`);
    return kept;
  }
}

export interface RedemptionParts {
  readonly type?: number;
  readonly tokens?: ReadonlyMap<number, Uint8Array>;
  readonly word?: Partial<SellerWord>;
}

/** Neighbours in one range. `serials` rise. */
export function rangesOf(serials: readonly number[]): SerialRange[] {
  const ranges: { first: number; count: number }[] = [];
  for (const serial of serials) {
    const last = ranges.at(-1);
    if (last !== undefined && last.first + last.count === serial) last.count += 1;
    else ranges.push({ first: serial, count: 1 });
  }
  return ranges;
}

export function serialsOf(ranges: readonly SerialRange[]): number[] {
  return ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
}
