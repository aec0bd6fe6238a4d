/** A customer and a merchant of one process meet: both sides of a purchase or sale over a link of their own. */

import type { Disturbance } from "../communications/in-process.js";
import { inProcessLink } from "../communications/in-process.js";
import type { Device } from "../device.js";
import type { Timers } from "../services/clock.js";
import type { Money } from "../units.js";
import { buy, type CustomerPrompts, type CustomerResult } from "./buy.js";
import type { Merchant, ServeResult } from "./merchant.js";
import { sell } from "./sell.js";

export interface DealSides {
  readonly customer: Device;
  readonly merchant: Merchant;
  /** Which of the merchant's devices serves; its first by default. */
  readonly till?: Device;
  readonly prompts: CustomerPrompts;
}

export interface Deal {
  readonly customer: PromiseSettledResult<CustomerResult>;
  readonly merchant: PromiseSettledResult<ServeResult>;
}

/** Runs both sides to their ends, and waits until the card network has been told. */
export async function meet(
  sides: DealSides,
  direction: "buy" | "sell",
  money: Money,
  link: { readonly disturbance?: Disturbance; readonly timers?: Timers } = {},
): Promise<Deal> {
  const [near, far] = inProcessLink(link.disturbance, link.timers);
  const side = direction === "buy" ? buy : sell;
  const [customer, merchant] = await Promise.allSettled([
    side(sides.customer, near, money, sides.prompts),
    sides.merchant.serve(far, sides.till),
  ]);
  await sides.merchant.idle();
  return { customer, merchant };
}

/** As `meet`, and what kept the customer's side from its end is thrown. */
export async function deal(sides: DealSides, direction: "buy" | "sell", money: Money): Promise<CustomerResult> {
  const { customer } = await meet(sides, direction, money);
  if (customer.status === "rejected") throw customer.reason;
  return customer.value;
}
