/** Sells electronic money to a merchant, into the account of a card (WO 96/41315 fig. 7): the customer's side. */

import type { PeerLink } from "../communications/link.js";
import type { Device } from "../device.js";
import type { Money } from "../units.js";
import { type CustomerPrompts, type CustomerResult, trade } from "./buy.js";

export function sell(device: Device, link: PeerLink, money: Money, prompts: CustomerPrompts): Promise<CustomerResult> {
  return trade(device, link, money, prompts, "sell");
}
