/** Who deals in the token halves that are measured: an issuer certified by an agency, and buyers whose keys are in software. */

import { ROLE_MINT, ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import { DELIVERY_OPEN, HALF_BYTES, PURSE_MONEY, SCHEME_SECRET } from "../../firmware/protocol/tokens.js";
import { type Agencies, Agency, newAgencies } from "../agencies.js";
import type { Signer } from "../codec/signer.js";
import { ed25519Signer, type KeyPair, sha256, x25519KeyPair } from "../crypto.js";
import { randomBytes, systemRandom } from "../randomness.js";
import { buyerHalves, halfKey, maskHalves, orderKey, sellerIdOf } from "../tokens/derive.js";
import { encodeOrder, encodePayment } from "../tokens/messages/payment.js";
import { openShare, verifyShare } from "../tokens/messages/purses.js";
import { sealRequest, signRequest, type TokenRequest } from "../tokens/messages/request.js";
import type { MintIdentity } from "../tokens/mint/mint.js";
import type { SellerKeys } from "../tokens/seller/seller.js";
import type { PurseTerms } from "../tokens/terms.js";

export const ID_BYTES = 16;
export const KEY_BYTES = 32;
const DAY_SECONDS = 86_400;
export const SPEND_SECONDS = 30 * DAY_SECONDS;
export const REDEEM_SECONDS = 30 * DAY_SECONDS;
/** US dollars down to a hundredth of a cent. */
export const FINE_DOLLAR = { currency: 840, exponent: 4 };
/** What each token is worth: a tenth of a cent. */
export const VALUE = 10n;
/** SHA-256 of what is bought. */
export const GOODS = sha256(new TextEncoder().encode("an article"));

export const random = (length: number) => randomBytes(systemRandom, length);
export const now_seconds = () => Math.floor(Date.now() / 1000);

export interface IssuerKeys extends MintIdentity {
  /** 16 bytes. */
  readonly id: Uint8Array;
  readonly signer: Signer;
  readonly agreement: KeyPair;
}

/** Certifies issuers and buyers, in the agents' tree. */
export class Certifier {
  readonly agencies: Agencies;

  constructor() {
    const { agents, modules } = newAgencies(systemRandom, now_seconds());
    this.agencies = { agents: new Agency(agents), modules: new Agency(modules) };
  }

  issuer(): IssuerKeys {
    return this.#certified(ROLE_MINT);
  }

  buyer(): SoftwareBuyer {
    return new SoftwareBuyer(this.#certified(ROLE_PURSE));
  }

  #certified(role: number): IssuerKeys {
    const [id, seed, agreementSecret] = [random(ID_BYTES), random(KEY_BYTES), random(KEY_BYTES)];
    const [signer, agreement] = [ed25519Signer(seed), x25519KeyPair(agreementSecret)];
    const subject = { id, role, signatureKey: signer.publicKey, agreementKey: agreement.publicKey };
    const chain = this.agencies.agents.issue(subject, now_seconds());
    return { id, seed, agreementSecret, signer, agreement, chain };
  }
}

export function newSellerKeys(): SellerKeys & { readonly id: Uint8Array; readonly agreementKey: Uint8Array } {
  const [signatureSeed, agreementSecret] = [random(KEY_BYTES), random(KEY_BYTES)];
  const agreementKey = x25519KeyPair(agreementSecret).publicKey;
  const id = sellerIdOf(ed25519Signer(signatureSeed).publicKey, agreementKey);
  return { signatureSeed, agreementSecret, agreementKey, id };
}

/** Tokens of one value for one seller. */
export function termsOf(issuer: Uint8Array, seller: Uint8Array, tokens: number): PurseTerms {
  return {
    ...{ issuer, seller, scheme: SCHEME_SECRET, kind: PURSE_MONEY, unit: FINE_DOLLAR },
    denominations: [{ value: VALUE, count: tokens }],
    spendBy_seconds: now_seconds() + SPEND_SECONDS,
    assertion: null,
  };
}

/** What a buyer has of a purse. */
export interface BoughtPurse {
  /** 16 bytes. */
  readonly id: Uint8Array;
  readonly seed: Uint8Array;
  readonly seller: Uint8Array;
  readonly tokens: number;
}

/** A payment as it is sent, and what the shop expects of it. */
export const EXPECTED = (tokens: number) => ({ goods: GOODS, unit: FINE_DOLLAR, price: VALUE * BigInt(tokens) });

/** All tokens of a purse as payments of so many tokens each, as a purse in a chip makes them: masked, in order. */
export function paymentsOf({ id, seed, seller, tokens }: BoughtPurse, perOrder: number): Uint8Array[] {
  const made = buyerHalves(halfKey(seed), id);
  const key = orderKey(seed);
  const { price } = EXPECTED(perOrder);
  const fixed = { seller, goods: GOODS, unit: FINE_DOLLAR, price, delivery: DELIVERY_OPEN, assertion: null };
  return Array.from({ length: Math.floor(tokens / perOrder) }, (_, number) => {
    const first = number * perOrder;
    const ranges = [{ first, count: perOrder }];
    const halves = new Uint8Array(perOrder * HALF_BYTES);
    for (let i = 0; i < perOrder; i++) halves.set(made.of(first + i), i * HALF_BYTES);
    const order = encodeOrder({ ...fixed, nonce: random(ID_BYTES) });
    maskHalves(halves, key, sha256(order), ranges);
    return encodePayment({ order, parts: [{ purse: id, index: 0, ranges, halves }] });
  });
}

export class SoftwareBuyer {
  readonly id: Uint8Array;
  readonly #keys: IssuerKeys;

  constructor(keys: IssuerKeys) {
    this.#keys = keys;
    this.id = keys.id;
  }

  /** Asks for tokens (EP 0 833 285 A2 fig. 2), by whatever way `send` goes, and opens the share that answers. */
  async buy(
    issuer: IssuerKeys,
    terms: PurseTerms,
    send: (sealed: Uint8Array) => Promise<{ readonly share: Uint8Array }>,
  ): Promise<BoughtPurse> {
    const { agreement, chain, signer } = this.#keys;
    const request: TokenRequest = {
      ...terms,
      ...{ nonce: random(ID_BYTES), buyer: this.id, flushes: null, joint: null, seed: random(KEY_BYTES) },
      time_seconds: now_seconds(),
    };
    const sealing = { remoteStatic: issuer.agreement.publicKey, random };
    const { share } = await send(sealRequest(signRequest(request, signer), chain, sealing));
    const signed = openShare(share, { staticPrivate: agreement.secretKey });
    const { denominations, purse: id, seller } = verifyShare(signed, issuer.signer.publicKey);
    return { id, seed: request.seed, seller, tokens: denominations.reduce((sum, { count }) => sum + count, 0) };
  }
}
