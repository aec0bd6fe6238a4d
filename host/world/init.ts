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
import { TICKET_MERCHANT_CREDENTIAL } from "../../firmware/protocol/messages.js";
import { Agency, newAgencies } from "../agencies.js";
import { createOwnCredential } from "../applications/authority.js";
import { withdraw } from "../applications/withdraw.js";
import { toHex } from "../codec/bytes.js";
import { ed25519KeyPair, sha256, x25519KeyPair } from "../crypto.js";
import { randomBytes } from "../randomness.js";
import { parseMoney } from "../units.js";
import { acquireFrom, type DeviceOrder, giveCard, makeDevice } from "./devices.js";
import { depositAccount, tillName, type WorldPlan } from "./plan.js";
import { Site, UnfinishedWorldError, type WorldParts } from "./site.js";
import { type DeviceRecord, newState, readState, writeState } from "./state.js";
import { tokenState } from "./token-state.js";
import { World } from "./world.js";

const YEAR_SECONDS = 365 * 86_400;
const NOTE_VALID_SECONDS = 2 * YEAR_SECONDS;
const NOTE_REDEEMED_SECONDS = 8 * YEAR_SECONDS;
const AUTHORITY_NAME = "Tally Authority";

/** The home holds an economy already. */
export class WorldExistsError extends Error {
  constructor(place: string) {
    super(`There is an economy in ${place} already. It was not touched. Use it, or choose another home.`);
    this.name = "WorldExistsError";
  }
}

/** Makes a new world and opens it. `progress` is told what is being made. */
export async function createWorld(
  parts: WorldParts,
  progress: (what: string) => void = () => undefined,
): Promise<World> {
  parts.home.claim("settings");
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
  const state = newState({ agencies: secrets, network, devices });
  writeState(parts.home, { ...state, finished: false });
  const site = new Site(parts, state);
  await tokenState(site);
  const world = await World.openSite(site);
  await issueCredentials(world, progress);
  await stockMerchants(world, progress);
  writeState(parts.home, state);
  return world;
}

function ordersOf(plan: WorldPlan): DeviceOrder[] {
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
      await acquireFrom(world.device("authority"), device, TICKET_MERCHANT_CREDENTIAL, grant);
    }
  }
  for (const { plan, device } of world.customers.values()) {
    for (const card of plan.cards) {
      progress(`${card.kind} card for ${plan.holder}`);
      await giveCard(world.site, world.device("authority"), device, { holder: plan.holder, card });
    }
  }
}

async function stockMerchants(world: World, progress: (what: string) => void): Promise<void> {
  for (const { plan } of world.traders.values()) {
    for (const [index, stock] of plan.stock.entries()) {
      for (const text of stock) {
        const device = world.device(tillName(plan.name, index));
        progress(`${device.name} withdraws ${text}`);
        const money = parseMoney(text);
        await withdraw(device, world.bank, depositAccount(plan.name, money.unit), money);
        await world.bank.idle();
      }
    }
  }
}
