/** A buyer of token halves with software keys: it signs, seals, opens and derives what a purse in a chip does. */

import { ROLE_PURSE, TREE_AGENTS } from "../../firmware/protocol/kinds.js";
import { DELIVERY_OPEN, PURSE_MONEY, SCHEME_SECRET } from "../../firmware/protocol/tokens.js";
import { Agency, newAgency } from "../../host/agencies.js";
import { concatBytes, equalBytes } from "../../host/codec/bytes.js";
import type { Signer } from "../../host/codec/signer.js";
import { ed25519Signer, type KeyPair, sha256, x25519KeyPair } from "../../host/crypto.js";
import type { RandomSource } from "../../host/randomness.js";
import { buyerHalf, halfKey, maskHalves, orderKey } from "../../host/tokens/derive.js";
import { sealClose, signClose } from "../../host/tokens/messages/closing.js";
import { encodeOrder, encodePayment, type Order } from "../../host/tokens/messages/payment.js";
import { openShare, type PurseShare, verifyShare } from "../../host/tokens/messages/purses.js";
import { sealRequest, signRequest, type TokenRequest } from "../../host/tokens/messages/request.js";
import type { SerialRange } from "../../host/tokens/terms.js";

/** US dollars down to a hundredth of a cent. */
export const FINE_DOLLAR = { currency: 840, exponent: 4 };

/** Random bytes that are the same in every run. */
export function seededRandom(seed: string): RandomSource {
  let count = 0;
  const encoder = new TextEncoder();
  return {
    fill(destination) {
      for (let at = 0; at < destination.length; at += 32) {
        const block = sha256(encoder.encode(`${seed} ${count}`));
        count += 1;
        destination.set(block.subarray(0, Math.min(32, destination.length - at)), at);
      }
    },
  };
}

export function bytesFrom(random: RandomSource): (length: number) => Uint8Array {
  return (length) => {
    const bytes = new Uint8Array(length);
    random.fill(bytes);
    return bytes;
  };
}

/** The agency that certifies purses and mints. */
export function agentsAgency(random: RandomSource, now_seconds: number): Agency {
  return new Agency(newAgency(TREE_AGENTS, random, now_seconds));
}

export interface AskedPurse {
  readonly sealed: Uint8Array;
  readonly request: TokenRequest;
}

/** A purse whose share was installed. */
export interface BuyersPurse {
  readonly share: PurseShare;
  readonly seed: Uint8Array;
}

export interface IssuerKeys {
  readonly id: Uint8Array;
  readonly signatureKey: Uint8Array;
  readonly agreementKey: Uint8Array;
}

export class TokenBuyer {
  readonly id: Uint8Array;
  readonly chain: Uint8Array;
  readonly signer: Signer;
  readonly #agreement: KeyPair;
  readonly #random: (length: number) => Uint8Array;

  constructor(agency: Agency, random: RandomSource, now_seconds: number, role: number = ROLE_PURSE) {
    this.#random = bytesFrom(random);
    this.id = this.#random(16);
    this.signer = ed25519Signer(this.#random(32));
    this.#agreement = x25519KeyPair(this.#random(32));
    const { publicKey: agreementKey } = this.#agreement;
    const subject = { id: this.id, role, signatureKey: this.signer.publicKey, agreementKey };
    this.chain = agency.issue(subject, now_seconds);
  }

  /** A request for money in one denomination of 100 tokens of 10 (a tenth of a cent), but for what `parts` say. */
  ask(
    issuer: IssuerKeys,
    parts: Partial<TokenRequest> & Pick<TokenRequest, "seller" | "spendBy_seconds" | "time_seconds">,
  ): AskedPurse {
    const request: TokenRequest = {
      issuer: issuer.id,
      scheme: SCHEME_SECRET,
      kind: PURSE_MONEY,
      unit: FINE_DOLLAR,
      denominations: [{ value: 10n, count: 100 }],
      assertion: null,
      flushes: null,
      joint: null,
      nonce: this.#random(16),
      seed: this.#random(32),
      buyer: this.id,
      ...parts,
    };
    return { request, sealed: this.seal(issuer, request) };
  }

  /** The request signed and sealed again, as a chip does that is asked to repeat it. */
  seal(issuer: IssuerKeys, request: TokenRequest): Uint8Array {
    const signed = signRequest(request, this.signer);
    return sealRequest(signed, this.chain, { remoteStatic: issuer.agreementKey, random: this.#random });
  }

  /** Takes the share of what was asked for; throws where it is not the issuer's answer to it. */
  install(issuer: IssuerKeys, { request }: AskedPurse, sealedShare: Uint8Array): BuyersPurse {
    const signed = openShare(sealedShare, { staticPrivate: this.#agreement.secretKey });
    const share = verifyShare(signed, issuer.signatureKey);
    const isAnswer = equalBytes(share.nonce, request.nonce) && equalBytes(share.buyer, this.id);
    if (!isAnswer || !equalBytes(share.issuer, issuer.id)) throw new Error("a share of another request");
    return { share, seed: request.seed };
  }

  /** The bare halves of these tokens, 32 bytes each. */
  halves({ share, seed }: BuyersPurse, ranges: readonly SerialRange[]): Uint8Array {
    const key = halfKey(seed);
    const serials = ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
    return concatBytes(...serials.map((serial) => buyerHalf(key, share.purse, serial)));
  }

  /** An order over `price`, to be paid openly, but for what `parts` say. */
  order({ share }: BuyersPurse, price: bigint, parts: Partial<Order> = {}): Order {
    const { seller, unit } = share;
    const goods = sha256(new Uint8Array(0));
    return { seller, nonce: this.#random(16), goods, unit, price, delivery: DELIVERY_OPEN, assertion: null, ...parts };
  }

  /** What the seller is sent: the halves of `ranges`, masked for this order. */
  pay(purse: BuyersPurse, order: Order, ranges: readonly SerialRange[]): Uint8Array {
    return this.payFrom([{ buyer: this, purse, ranges }], order);
  }

  /** As `pay`, with the halves of several purses, or of several holders of one. */
  payFrom(
    parts: readonly {
      readonly buyer: TokenBuyer;
      readonly purse: BuyersPurse;
      readonly ranges: readonly SerialRange[];
    }[],
    order: Order,
  ): Uint8Array {
    const bytes = encodeOrder(order);
    const masked = parts.map(({ buyer, purse, ranges }) => {
      const halves = buyer.halves(purse, ranges);
      maskHalves(halves, orderKey(purse.seed), sha256(bytes), ranges);
      return { purse: purse.share.purse, index: purse.share.index, ranges, halves };
    });
    return encodePayment({ order: bytes, parts: masked });
  }

  /** The chip reveals no more; `spent` is how many tokens of each denomination it did. */
  close(issuer: IssuerKeys, purse: Uint8Array, spent: readonly number[]): Uint8Array {
    const signed = signClose({ purse, buyer: this.id, spent }, this.signer);
    return sealClose(signed, { remoteStatic: issuer.agreementKey, random: this.#random });
  }

  /** X25519 secret of the chip: what is sealed in bulk to the buyer is opened with it. */
  get agreementSecret(): Uint8Array {
    return this.#agreement.secretKey;
  }
}
