/**
 * Purses on simulated chips, and whom they deal with: a mint with every key in the test's hands, and sellers of whom
 * no more than the id counts. What tests of the purse start from; the mint's words are made with the host's own
 * codecs.
 */

import { ROLE_MINT, ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import * as t from "../../firmware/protocol/tokens.js";
import { type Agencies, Agency, type AgencySecrets, newAgencies } from "../../host/agencies.js";
import { ChipFactory, type ChipParts, type SimulatedChip } from "../../host/chips.js";
import { concatBytes } from "../../host/codec/bytes.js";
import { verifyChain } from "../../host/codec/certificate.js";
import { hostNoiseCrypto, type NoiseCrypto } from "../../host/codec/noise.js";
import type { Signer } from "../../host/codec/signer.js";
import { ed25519Signer, sha256, x25519KeyPair } from "../../host/crypto.js";
import { finishPersonalisation, personalise } from "../../host/provision.js";
import { PurseCard, type PurseOrder } from "../../host/tokens/buyer/card.js";
import { buyerHalf, goodsKey, halfKey, halfMask, orderKey, xorInto } from "../../host/tokens/derive.js";
import {
  type CloseStatement,
  type CreditNotice,
  openClose,
  readClose,
  signNotice,
  verifyClose,
} from "../../host/tokens/messages/closing.js";
import { encodeOrder, type Order } from "../../host/tokens/messages/payment.js";
import { type PurseShare, sealShare, signShare } from "../../host/tokens/messages/purses.js";
import { openRequest, readRequest, type TokenRequest, verifyRequest } from "../../host/tokens/messages/request.js";
import { NO_UNIT, type SerialRange } from "../../host/tokens/terms.js";
import type { FlashGeometry } from "../../simulator/flash.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { START_SECONDS, VirtualTime } from "./virtual-time.js";

export const PIN = "1234";
export const PUK = "12345678";
export const NOW = Number(START_SECONDS);
export const DAY = 86_400;
export const SPEND_BY = NOW + 30 * DAY;
export const REDEEM_BY = NOW + 60 * DAY;
/** US dollars in thousandths: prices of tenths of a cent. */
export const MILLS = { currency: 840, exponent: 3 };
export const SELLER = new Uint8Array(16).fill(0x5e);
export const OTHER_SELLER = new Uint8Array(16).fill(0x5f);
/** Coins that divide one another: 500 + 400 + 1000 = 1,900 mills. */
export const COINS = [
  { value: 1n, count: 500 },
  { value: 5n, count: 80 },
  { value: 100n, count: 10 },
];

export interface WorldTools {
  readonly chips?: (parts: ChipParts) => ChipFactory;
  readonly noise?: NoiseCrypto;
}

export interface Buyer extends SimulatedChip {
  readonly card: PurseCard;
  readonly id: Uint8Array;
}

/** What an issuer finds in a sealed request: who asks, and for what. */
export interface OpenedRequest extends TokenRequest {
  readonly agreementKey: Uint8Array;
  readonly signatureKey: Uint8Array;
}

export class PurseWorld {
  readonly time = new VirtualTime();
  readonly random: SeededRandomness;
  readonly agencies: Agencies;
  readonly secrets: { agents: AgencySecrets; modules: AgencySecrets };
  readonly mint: TestMint;
  readonly #chips: ChipFactory;

  /** `tools`: other chips or another cryptography of the mint, for who wants to see what they do. */
  constructor(
    seed: string,
    chips: ChipParts = {},
    private readonly tools: WorldTools = {},
  ) {
    this.random = new SeededRandomness(sodiumCryptography, seed);
    this.secrets = newAgencies(this.random, NOW);
    this.agencies = { agents: new Agency(this.secrets.agents), modules: new Agency(this.secrets.modules) };
    this.mint = this.newMint(0xb0);
    const parts = {
      clock: this.time.clock,
      randomness: (name: string) => new SeededRandomness(sodiumCryptography, `${seed} ${name}`),
      debugFirmware: process.env["TALLY_DEBUG_FIRMWARE"] !== undefined,
      ...chips,
    };
    this.#chips = tools.chips?.(parts) ?? new ChipFactory(parts);
  }

  newMint(fill: number, role = ROLE_MINT): TestMint {
    return new TestMint(this.agencies.agents, fill, role, this.random, this.tools.noise);
  }

  /** A purse of its owner: personalised, with the PIN given and the date. */
  async buyer(name: string): Promise<Buyer> {
    const chip = await this.#chips.chip(name, "purse");
    const order = { role: ROLE_PURSE, pin: PIN, puk: PUK };
    await personalise(chip.element, this.agencies, order, this.random, START_SECONDS);
    await finishPersonalisation(chip.element);
    const buyer = { ...chip, card: new PurseCard(chip.element) };
    await this.unlock(buyer);
    return { ...buyer, id: chip.element.id };
  }

  /** Gives PIN and date. */
  async unlock({ element }: Pick<Buyer, "element">): Promise<void> {
    await element.verifyPin(PIN);
    await element.open(this.time.now_seconds());
  }

  /** Power off and on. */
  async restart(buyer: Buyer): Promise<void> {
    buyer.simulated.chip.onOperation = undefined;
    await this.unlockAfterPower(buyer);
  }

  /** Power, PIN and date, whatever faults are about. */
  async unlockAfterPower(buyer: Buyer): Promise<void> {
    await buyer.element.restart();
    await this.unlock(buyer);
  }

  order(changes: Partial<PurseOrder> = {}): PurseOrder {
    return { ...this.#plain(), ...changes };
  }

  #plain(): PurseOrder {
    return {
      issuerChain: this.mint.chain,
      seller: SELLER,
      kind: t.PURSE_MONEY,
      unit: MILLS,
      denominations: COINS,
      spendBy_seconds: SPEND_BY,
    };
  }

  /** An authorization: the holder is what the assertion says. */
  authorization(assertion: string, count: number, changes: Partial<PurseOrder> = {}): PurseOrder {
    const denominations = [{ value: 1n, count }];
    return this.order({ kind: t.PURSE_AUTHORIZATION, unit: NO_UNIT, denominations, assertion, ...changes });
  }

  /** A purse with tokens in it, and the request that it came from. */
  async purse(buyer: Buyer, changes: Partial<PurseOrder> = {}, share: Partial<PurseShare> = {}): Promise<Filled> {
    const order = this.order(changes);
    const sent = await buyer.card.request(order);
    const request = this.mint.open(sent.sealed);
    const { slot, purse } = await buyer.card.install(this.mint.share(request, share));
    return { slot, purse, request };
  }
}

export interface Filled {
  readonly slot: number;
  readonly purse: Uint8Array;
  readonly request: OpenedRequest;
}

/** Signs and seals whatever a test wants it to. */
export class TestMint {
  readonly id: Uint8Array;
  readonly signer: Signer;
  readonly chain: Uint8Array;
  readonly #agreement;
  #purses = 0;

  constructor(
    readonly agency: Agency,
    readonly fill: number,
    role: number,
    readonly random: SeededRandomness,
    readonly noise: NoiseCrypto = hostNoiseCrypto,
  ) {
    this.id = new Uint8Array(16).fill(fill);
    this.signer = ed25519Signer(new Uint8Array(32).fill(fill));
    this.#agreement = x25519KeyPair(new Uint8Array(32).fill(fill ^ 0xff));
    this.chain = this.certify(role, NOW);
  }

  /** A chain of this mint from a second on. */
  certify(role: number, from_seconds: number): Uint8Array {
    const { publicKey: signatureKey } = this.signer;
    const { publicKey: agreementKey } = this.#agreement;
    return this.agency.issue({ id: this.id, role, signatureKey, agreementKey }, from_seconds);
  }

  /** Unseals a request and authenticates the buyer (fig. 4, 1002-1010). */
  open(sealed: Uint8Array): OpenedRequest {
    const { signed, chain } = openRequest(sealed, { staticPrivate: this.#agreement.secretKey });
    const { device } = verifyChain(chain, this.agency.root, NOW);
    verifyRequest(signed, device.signatureKey);
    const request = readRequest(signed);
    return { ...request, agreementKey: device.agreementKey, signatureKey: device.signatureKey };
  }

  /** The buyer's purse: what was asked for, unless a test says otherwise. */
  share(request: OpenedRequest, changes: Partial<PurseShare> = {}, signer: Signer = this.signer): Uint8Array {
    return this.sealTo(request, signShare(this.shareOf(request, changes), signer));
  }

  shareOf(request: OpenedRequest, changes: Partial<PurseShare> = {}): PurseShare {
    const { joint, flushes: _, seed: _seed, time_seconds: _time, agreementKey: _key, ...asked } = request;
    return {
      ...asked,
      purse: this.newPurseId(),
      redeemBy_seconds: REDEEM_BY,
      holders: joint?.holders ?? 1,
      index: joint?.index ?? 0,
      ...changes,
    };
  }

  sealTo({ agreementKey }: OpenedRequest, signed: Uint8Array): Uint8Array {
    return sealShare(signed, {
      remoteStatic: agreementKey,
      random: (length) => this.#bytes(length),
      crypto: this.noise,
    });
  }

  newPurseId(): Uint8Array {
    this.#purses += 1;
    return sha256(Uint8Array.of(this.fill, this.#purses >> 8, this.#purses & 0xff)).subarray(0, 16);
  }

  /** Unseals a close statement; it must be signed by the buyer. */
  openClose(sealed: Uint8Array, { signatureKey }: OpenedRequest): CloseStatement {
    const signed = openClose(sealed, { staticPrivate: this.#agreement.secretKey });
    verifyClose(signed, signatureKey);
    return readClose(signed);
  }

  /** The word that a purse was refunded. */
  refund(of: Filled, changes: Partial<CreditNotice> = {}, signer: Signer = this.signer): Uint8Array {
    const notice = {
      what: t.CREDIT_REFUNDED,
      purse: of.purse,
      subject: of.request.buyer,
      request: null,
      tokens: 1,
      amount: 1n,
      unit: of.request.unit,
      time_seconds: NOW,
    };
    return signNotice({ ...notice, ...changes }, signer);
  }

  #bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.random.fill(bytes);
    return bytes;
  }
}

/** An order for this price; each number is another order. */
export function orderOf(price: bigint, number = 1, changes: Partial<Order> = {}): Uint8Array {
  return encodeOrder({
    seller: SELLER,
    nonce: new Uint8Array(16).fill(number),
    goods: sha256(Uint8Array.of(number)),
    unit: MILLS,
    price,
    delivery: t.DELIVERY_OPEN,
    assertion: null,
    ...changes,
  });
}

/** The serial numbers of ranges, in their order. */
export function serialsOf(ranges: readonly SerialRange[]): number[] {
  return ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
}

/** What a purse must show for an order, computed a second time from the seed. */
export function halvesOf(
  seed: Uint8Array,
  purse: Uint8Array,
  order: Uint8Array,
  serials: readonly number[],
): Uint8Array {
  const hash = sha256(order);
  const [own, masking] = [halfKey(seed), orderKey(seed)];
  const halves = serials.map((serial) => {
    const half = buyerHalf(own, purse, serial);
    xorInto(half, halfMask(masking, hash, serial));
    return half;
  });
  return concatBytes(...halves);
}

export function goodsKeyOf(seed: Uint8Array, order: Uint8Array): Uint8Array {
  return goodsKey(orderKey(seed), sha256(order));
}

/** Small flash: its store fills up after a few purses. */
export const SMALL_FLASH: FlashGeometry = { pageSizeBytes: 4096, pageCount: 4, wordSizeBytes: 4 };
