/** A merchant of an economy: its devices, its terms, its outbox to the card network. */

import { TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import { Merchant, type MerchantEvent, type Terms } from "../applications/merchant.js";
import type { BankConnection } from "../applications/withdraw.js";
import type { Device } from "../device.js";
import type { NoticeOf } from "../notices.js";
import { type Directory, type Offer, priceOf } from "../services/directory.js";
import { StanSequence } from "../services/network-client.js";
import { Outbox, type OutboxTables } from "../services/outbox.js";
import { sameUnit } from "../units.js";
import { acquirerOf, type OpenNetwork } from "./network.js";
import { depositAccount, type MerchantPlan, tillName } from "./plan.js";
import type { Site } from "./site.js";

const TELLER = "teller";

export interface Trader {
  readonly plan: MerchantPlan;
  readonly devices: readonly Device[];
  readonly merchant: Merchant;
  readonly outbox: Outbox;
}

/** Opens a merchant for this process. `bank` is where it withdraws when its devices are short. */
export async function openTrader(
  site: Site,
  plan: MerchantPlan,
  network: Pick<OpenNetwork, "transport">,
  bank: BankConnection,
): Promise<Trader> {
  const { clock, timers, home, onMerchantEvent } = site.parts;
  home.claim(`merchant-${plan.name}`);
  const database = home.database<OutboxTables>(`merchant-${plan.name}`);
  const acquirer = acquirerOf(site.plan, plan.name);
  const stans = await StanSequence.open(database, acquirer);
  const transport = network.transport(acquirer, stans);
  const outbox = await Outbox.open({ database, transport, stans, acquirer, clock, timers });
  const devices: Device[] = [];
  for (const index of plan.stock.keys()) devices.push(await site.openDevice(tillName(plan.name, index)));
  const bankModule = site.record(TELLER).module?.id;
  const merchant = new Merchant({
    name: plan.title,
    devices,
    terms: (asked) => termsOf(site, plan, asked),
    outbox,
    terminal: "TILL",
    merchantNumber: plan.number,
    settlement: plan.settlement,
    bank,
    ...(bankModule === undefined ? {} : { bankModule }),
    bankAccount: (unit) => depositAccount(plan.name, unit),
    ...(onMerchantEvent === undefined ? {} : { onEvent: (event: MerchantEvent) => onMerchantEvent(plan.name, event) }),
  });
  return { plan, devices, merchant, outbox };
}

function termsOf(site: Site, plan: MerchantPlan, asked: NoticeOf<"terms">): Terms | undefined {
  const accountUnit = site.accountUnit(asked.bankId);
  if (accountUnit === undefined) return undefined;
  const direction = asked.type === TYPE_PURCHASE ? "buy" : "sell";
  const offer = plan.offers.find(
    (each: Offer) =>
      each.direction === direction && sameUnit(each.money, asked.money.unit) && sameUnit(each.account, accountUnit),
  );
  const price = offer === undefined ? undefined : priceOf(offer, asked.money.amount);
  if (offer === undefined || price === undefined) return undefined;
  return {
    fee: price.fee,
    accountUnit,
    rateNumerator: offer.rate.numerator,
    rateDenominator: offer.rate.denominator,
  };
}

/** Where the merchant's devices are reached: at a URL while it is served, else by name within the home. */
export async function enterInDirectory(
  directory: Directory,
  site: Site,
  plan: MerchantPlan,
  address = plan.name,
): Promise<void> {
  const [id] = site.agentsOf(plan);
  if (id !== undefined) await directory.put({ id, name: plan.title, address, offers: plan.offers });
}
