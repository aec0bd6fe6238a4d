/** Devices of an economy in the making: chips personalised and paired, credentials and cards from the authority. */

import { CLOCK_SKEW_SECONDS_MAX } from "../../firmware/protocol/limits.js";
import { TICKET_CREDIT_CARD, TICKET_DEBIT_CARD } from "../../firmware/protocol/messages.js";
import type { Agencies } from "../agencies.js";
import { acquire } from "../applications/acquire.js";
import { type Grant, issueCredential } from "../applications/authority.js";
import type { CborValue } from "../codec/cbor.js";
import { inProcessLink } from "../communications/in-process.js";
import { Device } from "../device.js";
import { finishPersonalisation, pair, personalise } from "../provision.js";
import { randomBytes } from "../randomness.js";
import { TransportError } from "../transport.js";
import type { CardPlan } from "./plan.js";
import type { Site, WorldParts } from "./site.js";
import type { DeviceRecord } from "./state.js";

const PIN_DIGITS = 6;
const PUK_DIGITS = 8;

export interface DeviceOrder {
  readonly name: string;
  readonly kind: string;
  readonly agentRole?: number;
  readonly moduleRole?: number;
  readonly certificateName?: string;
  readonly parameters?: readonly CborValue[];
}

/** Makes a device of blank chips in the home of `parts`: personalised, paired, and closed to further personalisation. */
export async function makeDevice(
  parts: Pick<WorldParts, "home" | "random" | "clock" | "timers">,
  agencies: Agencies,
  order: DeviceOrder,
): Promise<DeviceRecord> {
  const { home, random, clock, timers } = parts;
  const { pin, puk } = newPinAndPuk(parts);
  const make = async (sort: "agent" | "module", role: number | undefined) => {
    if (role === undefined) return undefined;
    const { element } = await home.chips.chip(`${order.name}.${sort}`, sort);
    const parameters = sort === "module" && order.parameters !== undefined ? { parameters: order.parameters } : {};
    const name = order.certificateName === undefined ? {} : { name: order.certificateName };
    const request = { role, pin, puk, ...parameters, ...name };
    return { element, record: await personalise(element, agencies, request, random, clock.now_seconds()) };
  };
  const agent = await make("agent", order.agentRole);
  const module = await make("module", order.moduleRole);
  const device = new Device({
    name: order.name,
    ...(agent === undefined ? {} : { agent: agent.element }),
    ...(module === undefined ? {} : { module: module.element }),
    clock,
    timers,
  });
  if (agent !== undefined && module !== undefined) await pair(device);
  for (const element of device.elements()) await finishPersonalisation(element);
  return {
    name: order.name,
    kind: order.kind,
    pin,
    puk,
    ...(agent === undefined ? {} : { agent: agent.record }),
    ...(module === undefined ? {} : { module: module.record }),
  };
}

export function newPinAndPuk(parts: Pick<WorldParts, "random">): Pick<DeviceRecord, "pin" | "puk"> {
  return { pin: digits(parts, PIN_DIGITS), puk: digits(parts, PUK_DIGITS) };
}

function digits({ random }: Pick<WorldParts, "random">, count: number): string {
  // 250 is the largest multiple of 10 in a byte: above it digits would not be equally likely.
  let text = "";
  while (text.length < count) for (const byte of randomBytes(random, count)) if (byte < 250) text += String(byte % 10);
  return text.slice(0, count);
}

/** Gives a device its owner's card, which the authority issues as a ticket. */
export function giveCard(
  site: Site,
  authority: Device,
  device: Device,
  { holder, card }: { readonly holder: string; readonly card: CardPlan },
): Promise<void> {
  const type = card.kind === "credit" ? TICKET_CREDIT_CARD : TICKET_DEBIT_CARD;
  return acquireFrom(authority, device, type, cardGrant(site, holder, card));
}

function cardGrant(site: Site, holder: string, card: CardPlan): Grant {
  const expiry = endOfMonth(site.plan.cardExpiry);
  // An element's clock may be behind this one, and must not find the card too young.
  const validFrom = Number(site.parts.clock.now_seconds()) - CLOCK_SKEW_SECONDS_MAX;
  return { expiry_seconds: expiry, components: [card.bank, card.number, validFrom, expiry, holder] };
}

/** First second after the month YYMM. */
export function endOfMonth(yymm: string): number {
  const year = 2000 + Number(yymm.slice(0, 2));
  return Date.UTC(year, Number(yymm.slice(2)), 1) / 1000;
}

/** The device asks the authority for a ticket of this type, and the authority's host grants it. */
export async function acquireFrom(authority: Device, device: Device, type: number, grant: Grant): Promise<void> {
  const [near, far] = inProcessLink();
  const issuing = issueCredential(authority, far, () => grant);
  const [acquired, issued] = await Promise.allSettled([acquire(device, near, type), issuing]);
  // Whose card was lost says more than who then found nobody at the other end.
  if (acquired.status === "rejected" && acquired.reason instanceof TransportError) throw acquired.reason;
  if (issued.status === "rejected") throw issued.reason;
  if (acquired.status === "rejected") throw acquired.reason;
}
