/** Shops the merchants' directory for the lowest fee and best rate (WO 96/41315 fig. 7, 700-702). */

import type { Directory, Quote } from "../services/directory.js";
import type { Money, Unit } from "../units.js";

/** No merchant does it. */
export class NoMerchantError extends Error {
  constructor() {
    super(
      "No merchant in the directory trades this amount between this currency and the card's account. " +
        "No money moved. Try another amount or card.",
    );
    this.name = "NoMerchantError";
  }
}

/** Every merchant that sells (or buys) the amount against an account in that unit, the cheapest first. */
export async function shop(
  directory: Directory,
  direction: "buy" | "sell",
  money: Money,
  account: Unit,
): Promise<[Quote, ...Quote[]]> {
  const [best, ...rest] = await directory.shop({ direction, money: money.unit, account, amount: money.amount });
  if (best === undefined) throw new NoMerchantError();
  return [best, ...rest];
}
