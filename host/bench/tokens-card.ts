/** What a purchase costs the buyer's chip, and a purse its store: of the release applet in the simulator, counted and not timed. */

import { ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import { DELIVERY_OPEN, HALF_BYTES } from "../../firmware/protocol/tokens.js";
import type { Cryptography } from "../../simulator/crypto.js";
import { DEFAULT_GEOMETRY, type FlashGeometry } from "../../simulator/flash.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { ChipFactory, type SimulatedChip } from "../chips.js";
import { decodeChain, readCertificate } from "../codec/certificate.js";
import { finishPersonalisation, personalise } from "../provision.js";
import { systemRandom } from "../randomness.js";
import { CardPurse, wantedMoney } from "../tokens/buyer/buyer.js";
import { PurseCard, type PurseOrder } from "../tokens/buyer/card.js";
import { encodeOrder, encodePayment } from "../tokens/messages/payment.js";
import { sealShare, signShare } from "../tokens/messages/purses.js";
import { openRequest, readRequest } from "../tokens/messages/request.js";
import type { PurseTerms } from "../tokens/terms.js";
import { rangesCount } from "../tokens/terms.js";
import { BenchError } from "./economy.js";
import { rounded } from "./measure.js";
import {
  type Certifier,
  EXPECTED,
  ID_BYTES,
  type IssuerKeys,
  newSellerKeys,
  now_seconds,
  REDEEM_SECONDS,
  random,
  termsOf,
} from "./tokens-parties.js";
import { Trade } from "./tokens-trade.js";

const PIN = "1234";
const PUK = "12345678";
/** Of a purchase. */
export const PURCHASE_TOKENS = 3;
const PURSE_SIZES = [10, 10_000, 1_000_000] as const;
/** So few that the chip tells how much room there is in all; of more it tells only what one transaction may take. */
const FEW_PAGES: FlashGeometry = { ...DEFAULT_GEOMETRY, pageCount: 4 };

/** Of the platform; no other calls of it are public-key operations. */
const PUBLIC_KEY = [
  "ed25519Key",
  "ed25519Sign",
  "ed25519Verify",
  "x25519Public",
  "x25519Agree",
] as const satisfies readonly (keyof Cryptography)[];
const isPublicKey = (name: string) => PUBLIC_KEY.some((each) => each === name);

export interface CardReport {
  /** Bytes of the chip's store that a purse takes, by its number of tokens: all the same. */
  readonly cardBytes: Readonly<Record<string, number>>;
  /** From the question whether there is a purse for the seller to the last half. */
  readonly apdusPerPurchase: number;
  readonly bytesPerPurchase: number;
  /** What the platform did in a purchase, by name: `publicKey` is the sum of all public-key operations, and 0. */
  readonly cardOperationsPerPurchase: Readonly<Record<string, number>>;
  /** The same for asking for a purse and installing it, once in its life: there the chip signs, verifies and agrees. */
  readonly cardOperationsPerPurse: Readonly<Record<string, number>>;
  readonly purchaseTokens: number;
  readonly purchases: number;
}

export async function measureCard(purchases: number): Promise<CardReport> {
  const trade = await Trade.open(purchases * PURCHASE_TOKENS);
  try {
    return { ...(await purchasesOf(trade, purchases)), cardBytes: await storeBytes(trade.certifier) };
  } finally {
    await trade.close();
  }
}

/** What the chip's platform does: cryptography by its names, and what changes flash, keys or the counter. */
class PlatformCounts {
  readonly #counts = new Map<string, number>();

  note(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** `inner`, with every call of it counted. */
  wrap(inner: Cryptography): Cryptography {
    return new Proxy(inner, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== "function") return method;
        return (...parameters: unknown[]): unknown => {
          this.note(String(name));
          return Reflect.apply(method, target, parameters);
        };
      },
    });
  }

  clear(): void {
    this.#counts.clear();
  }

  /** Of one of `purchases`. */
  each(purchases: number): Record<string, number> {
    const all = [...this.#counts].sort(([one], [other]) => (one < other ? -1 : 1));
    const publicKey = all.reduce((sum, [name, count]) => sum + (isPublicKey(name) ? count : 0), 0);
    const found = [["publicKey", publicKey] as const, ...all];
    return Object.fromEntries(found.map(([name, count]) => [name, rounded(count / purchases)]));
  }
}

/** A purse of its owner: personalised, with the PIN given and the date. */
async function newCard(chips: ChipFactory, certifier: Certifier, name: string): Promise<SimulatedChip> {
  const chip = await chips.chip(name, "purse");
  const order = { role: ROLE_PURSE, pin: PIN, puk: PUK };
  await personalise(chip.element, certifier.agencies, order, systemRandom, BigInt(now_seconds()));
  await finishPersonalisation(chip.element);
  await chip.element.verifyPin(PIN);
  await chip.element.open(BigInt(now_seconds()));
  return chip;
}

function orderFor(
  { denominations, kind, seller, spendBy_seconds, unit }: PurseTerms,
  issuerChain: Uint8Array,
): PurseOrder {
  return { issuerChain, seller, kind, unit, denominations, spendBy_seconds };
}

/** Purchases from a real seller with the halves of a real mint; each is paid, or nothing is measured. */
async function purchasesOf(trade: Trade, purchases: number): Promise<Omit<CardReport, "cardBytes">> {
  const counts = new PlatformCounts();
  const chips = new ChipFactory({ cryptography: counts.wrap(sodiumCryptography) });
  const { element, simulated } = await newCard(chips, trade.certifier, "buyer");
  simulated.chip.onOperation = ({ kind }) => {
    counts.note(kind);
    return undefined;
  };
  await trade.enrol(element.id);
  const terms = trade.terms(purchases * PURCHASE_TOKENS);
  const card = new PurseCard(element);
  counts.clear();
  const { sealed } = await card.request(orderFor(terms, trade.issuerChain));
  await card.install((await trade.forward(sealed)).share);
  const cardOperationsPerPurse = counts.each(1);
  const purse = new CardPurse(card);
  const before = { ...element.client.traffic };
  counts.clear();
  for (let i = 0; i < purchases; i++) await purchase(trade, purse, terms);
  const { apdus, bytes } = element.client.traffic;
  const cardOperationsPerPurchase = counts.each(purchases);
  if (cardOperationsPerPurchase["publicKey"] !== 0) throw new BenchError("a purchase without public-key cryptography");
  return {
    apdusPerPurchase: rounded((apdus - before.apdus) / purchases),
    bytesPerPurchase: Math.round((bytes - before.bytes) / purchases),
    cardOperationsPerPurchase,
    cardOperationsPerPurse,
    purchaseTokens: PURCHASE_TOKENS,
    purchases,
  };
}

async function purchase(trade: Trade, purse: CardPurse, { seller, unit }: ReturnType<Trade["terms"]>): Promise<void> {
  const { goods, price } = EXPECTED(PURCHASE_TOKENS);
  const found = await purse.find(wantedMoney(seller, unit));
  if (found === undefined) throw new BenchError("a purse");
  const nonce = random(ID_BYTES);
  const order = encodeOrder({ seller, nonce, goods, unit, price, delivery: DELIVERY_OPEN, assertion: null });
  const { parts } = await found.spend(order, price);
  const tokens = parts.reduce((sum, { ranges }) => sum + rangesCount(ranges), 0);
  const halves = parts.reduce((sum, part) => sum + part.halves.length / HALF_BYTES, 0);
  if (tokens !== PURCHASE_TOKENS || halves !== PURCHASE_TOKENS) throw new BenchError("a purchase");
  await trade.accept([encodePayment({ order, parts })], PURCHASE_TOKENS, 1);
}

/** Each in a chip of its own, alike but for the number. The issuer's keys are ours: nobody need make a million tokens for it. */
async function storeBytes(certifier: Certifier): Promise<Record<string, number>> {
  const chips = new ChipFactory({ geometry: FEW_PAGES });
  const issuer = certifier.issuer();
  const seller = newSellerKeys();
  const bytes: [string, number][] = [];
  for (const tokens of PURSE_SIZES) {
    const { element } = await newCard(chips, certifier, `purse of ${tokens}`);
    const card = new PurseCard(element);
    const { freeBytes } = await element.store();
    const { sealed } = await card.request(orderFor(termsOf(issuer.id, seller.id, tokens), issuer.chain));
    await card.install(shareFor(issuer, sealed));
    bytes.push([String(tokens), freeBytes - (await element.store()).freeBytes]);
  }
  const [first] = bytes;
  const isSame = first !== undefined && first[1] > 0 && bytes.every(([, each]) => each === first[1]);
  if (!isSame) throw new BenchError("the room that a purse takes in a chip");
  return Object.fromEntries(bytes);
}

function shareFor(issuer: IssuerKeys, sealedRequest: Uint8Array): Uint8Array {
  const { chain, signed } = openRequest(sealedRequest, { staticPrivate: issuer.agreement.secretKey });
  const request = readRequest(signed);
  const redeemBy_seconds = request.spendBy_seconds + REDEEM_SECONDS;
  const share = { ...request, purse: random(ID_BYTES), redeemBy_seconds, holders: 1, index: 0 };
  const remoteStatic = readCertificate(decodeChain(chain).device).agreementKey;
  return sealShare(signShare(share, issuer.signer), { remoteStatic, random });
}
