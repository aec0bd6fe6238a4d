/** Makes a world in an empty home: agencies, chips, pairings, credentials, cards, accounts, and the merchants' first stock. */

import {
  ROLE_AUTHORITY,
  ROLE_CUSTOMER,
  ROLE_GENERATOR,
  ROLE_MERCHANT,
  ROLE_NETWORK,
  ROLE_TELLER,
  ROLE_TRANSACTION,
} from "../../firmware/protocol/kinds.js";
import { CLOCK_SKEW_SECONDS_MAX } from "../../firmware/protocol/limits.js";
import { TICKET_CREDIT_CARD, TICKET_DEBIT_CARD, TICKET_MERCHANT_CREDENTIAL } from "../../firmware/protocol/messages.js";
import { type Agencies, Agency, newAgencies } from "../agencies.js";
import { acquire } from "../applications/acquire.js";
import { createOwnCredential, type Grant, issueCredential } from "../applications/authority.js";
import { withdraw } from "../applications/withdraw.js";
import { toHex } from "../codec/bytes.js";
import type { CborValue } from "../codec/cbor.js";
import { inProcessLink } from "../communications/in-process.js";
import { ed25519KeyPair, sha256, x25519KeyPair } from "../crypto.js";
import { Device } from "../device.js";
import { finishPersonalisation, pair, personalise } from "../provision.js";
import { randomBytes } from "../randomness.js";
import { parseMoney } from "../units.js";
import { type CardPlan, merchantAccount, tillName, type WorldPlan } from "./plan.js";
import { type DeviceRecord, readState, writeState } from "./state.js";
import { UnfinishedWorldError, World, type WorldParts } from "./world.js";

const YEAR_SECONDS = 365 * 86_400;
const NOTE_VALID_SECONDS = 2 * YEAR_SECONDS;
const NOTE_REDEEMED_SECONDS = 8 * YEAR_SECONDS;
const PIN_DIGITS = 6;
const PUK_DIGITS = 8;
const AUTHORITY_NAME = "Tally Authority";

/** The home holds an economy already. */
export class WorldExistsError extends Error {
  constructor(place: string) {
    super(`There is an economy in ${place} already. It was not touched. Use it, or choose another home.`);
    this.name = "WorldExistsError";
  }
}

interface Order {
  readonly name: string;
  readonly kind: string;
  readonly agentRole?: number;
  readonly moduleRole?: number;
  readonly certificateName?: string;
  readonly parameters?: readonly CborValue[];
}

/** Makes a new world and opens it. `progress` is told what is being made. */
export async function createWorld(
  parts: WorldParts,
  progress: (what: string) => void = () => undefined,
): Promise<World> {
  const before = readState(parts.home);
  if (before?.finished === false) throw new UnfinishedWorldError(parts.home.place);
  if (before !== undefined) throw new WorldExistsError(parts.home.place);
  const now = Number(parts.clock.now_seconds());
  const secrets = newAgencies(parts.random, now);
  const agencies = { agents: new Agency(secrets.agents), modules: new Agency(secrets.modules) };
  const devices: DeviceRecord[] = [];
  for (const order of ordersOf(parts.plan)) {
    progress(`personalising ${order.name}`);
    devices.push(await makeDevice(parts, agencies, order));
  }
  const network = newNetwork(parts, agencies.agents, now);
  const state = { version: 1, agencies: secrets, network, devices } as const;
  writeState(parts.home, { ...state, finished: false });
  const world = await World.openState(parts, state);
  await issueCredentials(world, progress);
  await stockMerchants(world, progress);
  writeState(parts.home, state);
  return world;
}

function ordersOf(plan: WorldPlan): Order[] {
  const issuer = sha256(new TextEncoder().encode(plan.bank.id)).subarray(0, 16);
  const generator = [issuer, NOTE_VALID_SECONDS, NOTE_REDEEMED_SECONDS];
  return [
    { name: "teller", kind: "bank", moduleRole: ROLE_TELLER },
    { name: "generator", kind: "bank", moduleRole: ROLE_GENERATOR, parameters: generator },
    { name: "authority", kind: "authority", agentRole: ROLE_AUTHORITY, certificateName: AUTHORITY_NAME },
    ...plan.merchants.flatMap((merchant) =>
      merchant.stock.map((_, index) => ({
        name: tillName(merchant.name, index),
        kind: "merchant",
        agentRole: ROLE_MERCHANT,
        moduleRole: ROLE_TRANSACTION,
      })),
    ),
    ...plan.customers.map(({ name }) => {
      return { name, kind: "customer", agentRole: ROLE_CUSTOMER, moduleRole: ROLE_TRANSACTION };
    }),
  ];
}

async function makeDevice(parts: WorldParts, agencies: Agencies, order: Order): Promise<DeviceRecord> {
  const { home, random, clock, timers } = parts;
  const pin = digits(parts, PIN_DIGITS);
  const puk = digits(parts, PUK_DIGITS);
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

function digits({ random }: WorldParts, count: number): string {
  // 250 is the largest multiple of 10 in a byte: above it digits would not be equally likely.
  let text = "";
  while (text.length < count) for (const byte of randomBytes(random, count)) if (byte < 250) text += String(byte % 10);
  return text.slice(0, count);
}

/** The card network's key and certificate: host software, with its key in a file. */
function newNetwork({ random }: WorldParts, agents: Agency, now: number): { keySeed: string; chain: string } {
  const seed = randomBytes(random, 32);
  const subject = {
    id: randomBytes(random, 16),
    role: ROLE_NETWORK,
    signatureKey: ed25519KeyPair(seed).publicKey,
    agreementKey: x25519KeyPair(randomBytes(random, 32)).publicKey,
  };
  return { keySeed: toHex(seed), chain: toHex(agents.issue(subject, now, "Tally Card Network")) };
}

async function issueCredentials(world: World, progress: (what: string) => void): Promise<void> {
  await createOwnCredential(world.device("authority"));
  const expiry = Number(world.parts.clock.now_seconds()) + 3 * YEAR_SECONDS;
  for (const { plan, devices } of world.traders.values()) {
    for (const device of devices) {
      progress(`credential for ${device.name}`);
      const grant = { expiry_seconds: expiry, components: [plan.title, expiry] };
      await deliver(world, device, TICKET_MERCHANT_CREDENTIAL, grant);
    }
  }
  for (const { plan, device } of world.customers.values()) {
    for (const card of plan.cards) {
      progress(`${card.kind} card for ${plan.holder}`);
      const type = card.kind === "credit" ? TICKET_CREDIT_CARD : TICKET_DEBIT_CARD;
      await deliver(world, device, type, cardGrant(world, plan.holder, card));
    }
  }
}

function cardGrant(world: World, holder: string, card: CardPlan): Grant {
  const expiry = endOfMonth(world.parts.plan.cardExpiry);
  // An element's clock may be behind this one, and must not find the card too young.
  const validFrom = Number(world.parts.clock.now_seconds()) - CLOCK_SKEW_SECONDS_MAX;
  return { expiry_seconds: expiry, components: [card.bank, card.number, validFrom, expiry, holder] };
}

/** First second after the month YYMM. */
export function endOfMonth(yymm: string): number {
  const year = 2000 + Number(yymm.slice(0, 2));
  return Date.UTC(year, Number(yymm.slice(2)), 1) / 1000;
}

async function deliver(world: World, device: Device, type: number, grant: Grant): Promise<void> {
  const [near, far] = inProcessLink();
  const issuing = issueCredential(world.device("authority"), far, () => grant);
  const [acquired, issued] = await Promise.allSettled([acquire(device, near, type), issuing]);
  if (issued.status === "rejected") throw issued.reason;
  if (acquired.status === "rejected") throw acquired.reason;
}

async function stockMerchants(world: World, progress: (what: string) => void): Promise<void> {
  for (const { plan, devices } of world.traders.values()) {
    for (const text of world.parts.plan.bank.deposits) await openDeposit(world, plan.name, devices, text);
    for (const [index, stock] of plan.stock.entries()) {
      for (const text of stock) {
        const device = world.device(tillName(plan.name, index));
        progress(`${device.name} withdraws ${text}`);
        const money = parseMoney(text);
        await withdraw(device, world.bank, merchantAccount(plan.name, money.unit), money);
        await world.bank.idle();
      }
    }
  }
}

async function openDeposit(world: World, merchant: string, devices: readonly Device[], text: string): Promise<void> {
  const { unit, amount } = parseMoney(text);
  const account = merchantAccount(merchant, unit);
  await world.books.openDeposit(account, unit);
  for (const device of devices) await world.books.link(account, device.module.idHex);
  await world.books.fund({ id: `opening/${account}`, account, amount, unit });
}
