/** What pays: a purse in a chip, or a card that only stores halves. */

import { SW_SECURITY_STATUS } from "../../../firmware/protocol/apdu.js";
import { PURSE_AUTHORIZATION, PURSE_MONEY } from "../../../firmware/protocol/tokens.js";
import { StatusWordError } from "../../status-words.js";
import type { Unit } from "../../units.js";
import type { PaymentPart } from "../messages/payment.js";
import { faceValue, NO_UNIT } from "../terms.js";
import type { PurseCard } from "./card.js";
import { chosenCount } from "./choose-tokens.js";

/** What an order needs. */
export interface Wanted {
  /** 16 bytes. */
  readonly seller: Uint8Array;
  /** PURSE_MONEY or PURSE_AUTHORIZATION. */
  readonly kind: number;
  /** Of an authorization NO_UNIT. */
  readonly unit: Unit;
  readonly assertion: string | null;
}

export interface Shown {
  readonly parts: readonly PaymentPart[];
  /** Under what the goods of this order travel sealed; null where nobody here could open them. */
  readonly goodsKey: Uint8Array | null;
}

/** A purse that pays one seller. */
export interface FoundTokenPurse {
  /** Its halves travel as they are: whoever overhears them can spend them. Never over a line that others can read. */
  readonly isBare: boolean;
  /** Whether goods that travel sealed can be opened. */
  readonly opensSealed: boolean;
  /** What is left in it. */
  readonly available: bigint;
  /** How many halves pay this for an order that is new; undefined where none make it. */
  halvesFor(amount: bigint): number | undefined;
  /** SHA-256 of the order that it showed halves for last, or null where there is none. Without the PIN a chip does not say. */
  openOrder(): Promise<Uint8Array | null | "unknown">;
  /** Shows halves that pay `amount` of an order in all. For the same order the same again, whatever happened meanwhile. */
  spend(order: Uint8Array, amount: bigint): Promise<Shown>;
}

/** Something with purses in it. */
export interface TokenPurse {
  /** The purse for this, or undefined. */
  find(wanted: Wanted): Promise<FoundTokenPurse | undefined>;
}

export function wantedMoney(seller: Uint8Array, unit: Unit): Wanted {
  return { seller, kind: PURSE_MONEY, unit, assertion: null };
}

export function wantedAuthorization(seller: Uint8Array, assertion: string): Wanted {
  return { seller, kind: PURSE_AUTHORIZATION, unit: NO_UNIT, assertion };
}

/** The purses in a chip. Without the PIN those that have an allowance, up to that. */
export class CardPurse implements TokenPurse {
  readonly #card: PurseCard;

  constructor(card: PurseCard) {
    this.#card = card;
  }

  async find({ assertion, kind, seller, unit }: Wanted): Promise<FoundTokenPurse | undefined> {
    const card = this.#card;
    const found = await card.find(seller, kind, unit, assertion);
    if (found === undefined) return undefined;
    const left = found.stacks.map(({ count, next, value }) => ({ value, count: count - next }));
    return {
      isBare: false,
      opensSealed: true,
      available: faceValue(left),
      halvesFor: (amount) => chosenCount(left, amount),
      async openOrder() {
        try {
          const purses = await card.purses();
          return purses.find(({ slot }) => slot === found.slot)?.order ?? null;
        } catch (error) {
          if (error instanceof StatusWordError && error.status === SW_SECURITY_STATUS) return "unknown";
          throw error;
        }
      },
      async spend(order, amount) {
        const { goodsKey, halves, index, purse, ranges } = await card.spend(found.slot, order, amount);
        return { parts: [{ purse, index, ranges, halves }], goodsKey };
      },
    };
  }
}
