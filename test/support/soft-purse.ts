/** A purse with software keys that pays as a chip does: tokens in order, the same halves again for the order that it paid last. */

import { equalBytes } from "../../host/codec/bytes.js";
import { sha256 } from "../../host/crypto.js";
import type { FoundTokenPurse, Shown, TokenPurse, Wanted } from "../../host/tokens/buyer/buyer.js";
import { goodsKey, maskHalves, orderKey } from "../../host/tokens/derive.js";
import { sameUnit } from "../../host/units.js";
import type { BuyersPurse, TokenBuyer } from "./token-buyer.js";

export class SoftPurse implements TokenPurse {
  readonly #buyer: TokenBuyer;
  readonly #purse: BuyersPurse;
  /** Tokens that were shown. */
  next = 0;
  #order = new Uint8Array(0);
  #first = 0;

  constructor(buyer: TokenBuyer, purse: BuyersPurse) {
    this.#buyer = buyer;
    this.#purse = purse;
  }

  async find({ assertion, kind, seller, unit }: Wanted): Promise<FoundTokenPurse | undefined> {
    const { share } = this.#purse;
    const isWanted = equalBytes(share.seller, seller) && share.kind === kind && share.assertion === assertion;
    if (!isWanted || !sameUnit(share.unit, unit)) return undefined;
    const [{ count, value }] = share.denominations as [{ value: bigint; count: number }];
    const spend = (order: Uint8Array, amount: bigint) => this.#spend(order, Number(amount / value));
    const openOrder = async () => (this.#order.length === 0 ? null : this.#order);
    const available = BigInt(count - this.next) * value;
    const halvesFor = (amount: bigint) => Number(amount / value);
    return { isBare: false, opensSealed: true, available, halvesFor, openOrder, spend };
  }

  async #spend(order: Uint8Array, tokens: number): Promise<Shown> {
    const { seed, share } = this.#purse;
    const hash = sha256(order);
    if (!equalBytes(hash, this.#order)) {
      this.#order = Uint8Array.from(hash);
      this.#first = this.next;
      this.next += tokens;
    }
    const ranges = [{ first: this.#first, count: tokens }];
    const halves = this.#buyer.halves(this.#purse, ranges);
    maskHalves(halves, orderKey(seed), hash, ranges);
    const part = { purse: share.purse, index: share.index, ranges, halves };
    return { parts: [part], goodsKey: goodsKey(orderKey(seed), hash) };
  }
}
