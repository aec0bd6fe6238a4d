/** The buyers' host and the seller's shop, as stories need them: each goal can be tried again whatever became of it before. */

import { PURSE_AUTHORIZATION, PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { equalBytes, toHex } from "../../host/codec/bytes.js";
import { sha256 } from "../../host/crypto.js";
import type { PurseOrder } from "../../host/tokens/buyer/card.js";
import type { PurseRecord } from "../../host/tokens/buyer/card-data.js";
import { refundTokens, requestTokens } from "../../host/tokens/buyer/errands.js";
import { encodeOrder, encodePayment, type PaymentPart } from "../../host/tokens/messages/payment.js";
import type { JointPurse } from "../../host/tokens/messages/request.js";
import { NO_UNIT } from "../../host/tokens/terms.js";
import { START_SECONDS } from "../support/virtual-time.js";
import type { ExploredCard } from "./chip.js";
import { ASSERTION, FINE, type World } from "./world.js";

/** From the beginning of a way on, and the same for all holders of a joint purse; short, so that few timers fire until the purse is over. */
export const SPEND_SECONDS = 3_600;
export const DENOMINATIONS = [
  { value: 1n, count: 6 },
  { value: 5n, count: 4 },
];

export interface Purchase {
  readonly name: string;
  readonly order: Uint8Array;
  readonly hash: string;
  readonly price: bigint;
  readonly assertion: string | null;
}

/** What a purse is to be asked for. */
export interface Wish {
  readonly kind?: "money" | "authorization";
  readonly flush?: boolean;
  readonly joint?: JointPurse;
  /** Straight from the issuer. */
  readonly isDirect?: boolean;
}

export class Buyer {
  readonly #world: World;
  readonly #card: ExploredCard;

  constructor(world: World, index: number) {
    this.#world = world;
    const card = world.cards[index];
    if (card === undefined) throw new RangeError(`there is no card ${index}`);
    this.#card = card;
  }

  get id(): Uint8Array {
    return this.#card.id;
  }

  /** Has a new purse with tokens; its slot. */
  async fill(wish: Wish = {}): Promise<number> {
    const before = await this.#world.until("the purses are read", () => this.#card.purse.purses());
    return this.#world.until("a purse is filled", () => this.ask(wish, before));
  }

  /** Asks once. A purse that was not there `before` shows that it came, when nobody may have heard of it. */
  async ask(wish: Wish, before: readonly PurseRecord[] = []): Promise<number> {
    const { template, wire } = this.#world;
    const kind = wish.kind === "authorization" ? PURSE_AUTHORIZATION : PURSE_MONEY;
    const purses = await this.#card.purse.purses();
    const isNew = ({ nonce }: PurseRecord) => !before.some((each) => equalBytes(each.nonce, nonce));
    const there = purses.find((each) => each.state === "open" && each.kind === kind && isNew(each));
    if (there !== undefined) return there.slot;
    const issuer = kind === PURSE_MONEY ? this.#world.mint : this.#world.service;
    const { id } = await issuer.call("id", async (mint) => mint);
    const forward = (outer: Uint8Array) =>
      wire.send("buyer to seller: forward", [outer], ([part]) =>
        this.#world.seller.call("forward", (seller) => seller.forward(part as Uint8Array)),
      );
    // An outer message is version, issuer, sealed request: who asks straight away takes the last.
    const direct = (outer: Uint8Array) =>
      wire.send(`buyer to ${issuer.name}: request`, [outer.slice(-1584)], ([part]) =>
        issuer.call("request", (mint) => mint.request(part as Uint8Array)),
      );
    const order: PurseOrder = {
      issuerChain: (kind === PURSE_MONEY ? template.identities.mint : template.identities.service).chain,
      seller: template.sellerId,
      kind,
      unit: kind === PURSE_MONEY ? FINE : NO_UNIT,
      denominations: kind === PURSE_MONEY ? DENOMINATIONS : [{ value: 1n, count: 3 }],
      spendBy_seconds: Number(START_SECONDS) + SPEND_SECONDS,
      ...(kind === PURSE_AUTHORIZATION ? { assertion: ASSERTION } : {}),
      ...(wish.flush === undefined ? {} : { flush: wish.flush }),
      ...(wish.joint === undefined ? {} : { joint: wish.joint }),
    };
    const { slot } = await requestTokens(this.#card.purse, id, order, wish.isDirect === true ? direct : forward);
    return slot;
  }

  /** Shows `amount` in all for the purchase. */
  async show({ order }: Purchase, slot: number, amount: bigint): Promise<PaymentPart> {
    const { halves, index, purse, ranges } = await this.#card.purse.spend(slot, order, amount);
    return { purse, index, ranges, halves };
  }

  /** Closes what is open and has it refunded; a request that was never answered is given up. True when nothing is left. */
  async settle(): Promise<boolean> {
    const { wire } = this.#world;
    for (const { issuer, slot, state } of await this.#card.purse.purses()) {
      if (state === "requested") {
        await this.#card.purse.forget(slot);
        continue;
      }
      const to = await this.#issuerOf(issuer);
      await refundTokens(this.#card.purse, slot, (sealed) =>
        wire.send(`buyer to ${to.name}: refund`, [sealed], ([part]) =>
          to.call("refund", (mint) => mint.refund(part as Uint8Array)),
        ),
      );
    }
    return (await this.#card.purse.purses()).length === 0;
  }

  async #issuerOf(id: Uint8Array) {
    const { mint, service } = this.#world;
    return (await mint.call("id", async (program) => equalBytes(program.id, id))) ? mint : service;
  }
}

/** Sells articles for prices, and notes what it has delivered. */
export class Shop {
  readonly #world: World;
  readonly purchases: Purchase[] = [];
  /** Names of purchases that were delivered. */
  readonly delivered = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  order(name: string, price: bigint, assertion: string | null = null): Purchase {
    const number = this.purchases.length + 1;
    const order = encodeOrder({
      seller: this.#world.template.sellerId,
      nonce: new Uint8Array(16).fill(number),
      goods: goodsOf(name),
      unit: FINE,
      price,
      delivery: 0,
      assertion,
    });
    const purchase = { name, order, hash: toHex(sha256(order)), price, assertion };
    this.purchases.push(purchase);
    return purchase;
  }

  /** Makes the parts and sends them, again until the seller has answered. */
  async pay(purchase: Purchase, show: () => Promise<readonly PaymentPart[]>, paid: bigint): Promise<void> {
    const { wire } = this.#world;
    await this.#world.until(`purchase ${purchase.name} is paid`, async () => {
      const payment = encodePayment({ order: purchase.order, parts: await show() });
      const answer = await wire.send(`buyer to seller: payment for ${purchase.name}`, [payment], ([part]) =>
        this.#accept(purchase, part as Uint8Array),
      );
      const wanted = paid >= purchase.price ? "paid" : "underpaid";
      if (answer.paid !== paid || answer.state !== wanted)
        throw new Error(`the seller says ${answer.state}, ${answer.paid}, where ${paid} was shown`);
    });
  }

  async #accept(purchase: Purchase, payment: Uint8Array) {
    const { assertion, name, price } = purchase;
    const expected = { goods: goodsOf(name), unit: FINE, price, assertion };
    const accepted = await this.#world.seller.call("payment", (seller) => seller.accept(payment, expected));
    if (accepted.state === "paid") this.delivered.add(name);
    return accepted;
  }

  /** Has its tokens redeemed. */
  async redeem(): Promise<void> {
    await this.#world.until("tokens are redeemed", async () => {
      const { failed } = await this.#world.seller.call("redeem", (seller) => seller.redeem());
      if (failed[0] !== undefined) throw failed[0];
    });
  }

  /** Asks the issuers for what waits; and redeems. True when all of it went well. */
  async settle(): Promise<boolean> {
    const collected = await this.#world.seller.call("collect", (seller) => seller.collect());
    const redeemed = await this.#world.seller.call("redeem", (seller) => seller.redeem());
    return collected.failed.length === 0 && redeemed.failed.length === 0;
  }
}

function goodsOf(name: string): Uint8Array {
  return sha256(new TextEncoder().encode(name));
}
