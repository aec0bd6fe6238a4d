/**
 * Buys electronic money from a merchant, or sells it to one (WO 96/41315 fig. 7), the customer's side: the agent leads, and
 * asks its owner through these prompts.
 */

import { REASON_NOT_CONFIRMED } from "../../firmware/protocol/reasons.js";
import { encode } from "../codec/cbor.js";
import { command } from "../commands.js";
import type { PeerLink } from "../communications/link.js";
import type { Conversation, Device } from "../device.js";
import type { CardOffer, Notice, ReceiptFields } from "../notices.js";
import { ReasonError } from "../reasons.js";
import type { Money } from "../units.js";

export interface CustomerPrompts {
  /** Is this the merchant you mean? (fig. 10, 460-462) */
  confirmMerchant(name: string, expiry_seconds: number): boolean | Promise<boolean>;
  /** Which card? Undefined: none of them. (754-756) */
  chooseCard(cards: readonly CardOffer[]): CardOffer | undefined | Promise<CardOffer | undefined>;
  /** Is the receipt right? (780-784) */
  confirmReceipt(receipt: ReceiptFields): boolean | Promise<boolean>;
}

export interface CustomerResult {
  readonly payId: Uint8Array | undefined;
  readonly receipt: ReceiptFields | undefined;
  /**
   * The money moved at the other end or it did not, nobody here knows yet: module and agent keep everything until they
   * meet the merchant's again.
   */
  readonly provisional: boolean;
  /** The agent's signed outcomes with its chain, as the card network takes them from either side. */
  readonly outcomes: readonly Uint8Array[];
}

export function buy(device: Device, link: PeerLink, money: Money, prompts: CustomerPrompts): Promise<CustomerResult> {
  return trade(device, link, money, prompts, "buy");
}

/** The customer's side of a purchase or sale. */
export function trade(
  device: Device,
  link: PeerLink,
  money: Money,
  prompts: CustomerPrompts,
  direction: "buy" | "sell",
): Promise<CustomerResult> {
  return device.converse(link, "agent", async (conversation) => {
    const customer = new CustomerSide(conversation, money, prompts, direction === "sell");
    await conversation.command(direction === "sell" ? command.sell() : command.buy());
    return customer.run();
  });
}

class CustomerSide {
  #receipt: ReceiptFields | undefined;
  #payId: Uint8Array | undefined;
  #provisional = false;
  readonly #outcomes: Uint8Array[] = [];

  constructor(
    private readonly conversation: Conversation,
    private readonly money: Money,
    private readonly prompts: CustomerPrompts,
    private readonly pays: boolean,
  ) {}

  async run(): Promise<CustomerResult> {
    for (;;) {
      const { source, notice } = await this.conversation.next();
      if (notice.name === "done" && source === "agent") {
        this.#payId = notice.payId ?? undefined;
        break;
      }
      if (notice.name === "aborted" && source === "agent") {
        await this.conversation.idle();
        for (const later of this.conversation.drain()) if (later.notice.name === "outcome") this.#keep(later.notice);
        throw new TradeAbortedError(notice.reason, notice.byPeer, this.#outcomes);
      }
      await this.#react(notice);
      if (this.#provisional) break;
    }
    await this.#last();
    return {
      payId: this.#payId,
      receipt: this.#receipt,
      provisional: this.#provisional,
      outcomes: this.#outcomes,
    };
  }

  /** Who pays awaits the confirmation of who is paid; an outcome for the card network may come with it. */
  async #last(): Promise<void> {
    if (this.pays) {
      await this.conversation.quiet();
      this.conversation.close();
    } else this.conversation.expectNothing();
    await this.conversation.idle();
    for (const { notice } of this.conversation.drain()) if (notice.name === "outcome") this.#keep(notice);
  }

  async #react(notice: Notice): Promise<void> {
    switch (notice.name) {
      case "confirm-merchant":
        return this.#answer(await this.prompts.confirmMerchant(notice.merchant, notice.expiry_seconds));
      case "amount":
        return this.conversation.command(command.amountWanted(this.money));
      case "cards": {
        const card = await this.prompts.chooseCard(notice.cards);
        return this.conversation.command(
          card === undefined ? command.no(REASON_NOT_CONFIRMED) : command.choose(card.index),
        );
      }
      case "confirm-receipt":
        this.#receipt = notice.receipt;
        return this.#answer(await this.prompts.confirmReceipt(notice.receipt));
      case "outcome":
        return this.#keep(notice);
      case "provisional":
        this.#provisional = true;
        this.#payId = notice.payId;
        return undefined;
      default:
        return undefined;
    }
  }

  #keep(notice: { readonly outcome: Uint8Array; readonly chain: Uint8Array }): void {
    this.#outcomes.push(encode([notice.outcome, notice.chain]));
  }

  #answer(yes: boolean): Promise<void> {
    return this.conversation.command(yes ? command.yes() : command.no(REASON_NOT_CONFIRMED));
  }
}

/** A purchase or sale that did not happen. */
export class TradeAbortedError extends ReasonError {
  /** What the agent signed about it, for the card network. */
  readonly outcomes: readonly Uint8Array[];

  constructor(reason: number, byPeer: boolean, outcomes: readonly Uint8Array[]) {
    super(reason, byPeer);
    this.name = "TradeAbortedError";
    this.outcomes = outcomes;
  }
}
