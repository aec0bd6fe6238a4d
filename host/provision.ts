/**
 * Personalisation: makes an element of a blank chip (docs/APDU.md, life cycle). The personalisation key is random for
 * each chip and stays with the agency; the chip makes its own keys and gives only a certificate request.
 */

import * as p from "../firmware/protocol/apdu.js";
import { TREE_AGENTS } from "../firmware/protocol/kinds.js";
import { ID_BYTES } from "../firmware/protocol/limits.js";
import type { Agencies, Agency } from "./agencies.js";
import { concatBytes, toHex } from "./codec/bytes.js";
import { type CborValue, encode } from "./codec/cbor.js";
import { command } from "./commands.js";
import { hkdfSha256 } from "./crypto.js";
import type { Device } from "./device.js";
import type { Element } from "./element.js";
import { type RandomSource, randomBytes } from "./randomness.js";
import { ReasonError } from "./reasons.js";

const KEY_BYTES = 32;
const OPENING_LABEL = new TextEncoder().encode("tallystick personalisation");

export interface PersonalisationOrder {
  /** One of the device roles of `firmware/protocol/kinds.ts`. */
  readonly role: number;
  readonly pin: string;
  readonly puk: string;
  /** In an authority's certificate. */
  readonly name?: string;
  /** Parameters of the applet: a generator's issuer id and validities; others have none. */
  readonly parameters?: readonly CborValue[];
  /** Subject id; a random one if absent. */
  readonly id?: Uint8Array;
}

/** What the agency keeps of a chip. */
export interface PersonalisationRecord {
  readonly id: string;
  readonly role: number;
  readonly personalisationKey: string;
}

/** Personalises a blank chip up to the state in which it can be paired; `finishPersonalisation` ends it. */
export async function personalise(
  element: Element,
  agencies: Agencies,
  order: PersonalisationOrder,
  random: RandomSource,
  now_seconds: bigint,
): Promise<PersonalisationRecord> {
  const agency = agencyOf(agencies, order.role);
  const key = randomBytes(random, KEY_BYTES);
  const id = order.id ?? randomBytes(random, ID_BYTES);
  await element.putKey(key);
  await authenticate(element, key);
  await storeRoots(element, agencies);
  const request = await element.generateKeyPair(id, order.role, agency.agreementKey);
  const chain = agency.certify(request, { id, role: order.role }, Number(now_seconds), order.name);
  await element.storeData(p.STORE_DATA_CHAIN, chain);
  await element.storeData(p.STORE_DATA_PIN, new TextEncoder().encode(order.pin));
  await element.storeData(p.STORE_DATA_PUK, new TextEncoder().encode(order.puk));
  await element.storeData(p.STORE_DATA_PARAMETERS, encode(order.parameters ?? []));
  await element.setStatus(p.LIFE_PERSONALISED);
  await element.information();
  return { id: toHex(id), role: order.role, personalisationKey: toHex(key) };
}

/** Opens personalisation until the next power-off. */
export async function authenticate(element: Element, personalisationKey: Uint8Array): Promise<void> {
  const challenge = await element.challenge();
  await element.externalAuthenticate(openingProof(personalisationKey, challenge));
}

/** Answer to an element's challenge: whoever gives it has the personalisation key. */
export function openingProof(personalisationKey: Uint8Array, challenge: Uint8Array): Uint8Array {
  const info = concatBytes(OPENING_LABEL, challenge);
  return hkdfSha256(new Uint8Array(0), personalisationKey, info, KEY_BYTES);
}

async function storeRoots(element: Element, { agents, modules }: Agencies): Promise<void> {
  const roots = [agents.root.id, agents.root.publicKey, modules.root.id, modules.root.publicKey];
  await element.storeData(p.STORE_DATA_ROOTS, encode(roots));
}

/** Closes personalisation for ever. */
export async function finishPersonalisation(element: Element): Promise<void> {
  await element.setStatus(p.LIFE_OPERATIONAL);
  await element.information();
}

function agencyOf(agencies: Agencies, role: number): Agency {
  return role >> 4 === TREE_AGENTS ? agencies.agents : agencies.modules;
}

/**
 * Pairs the agent and the module of one device: a Noise session between their certificates, from which both keep a
 * secret. The host only carries it.
 */
export async function pair(device: Device): Promise<void> {
  await device.converse(undefined, "agent", async (conversation) => {
    await conversation.command(command.pair(false), "module");
    await conversation.command(command.pair(true), "agent");
    const paired = new Set<string>();
    while (paired.size < 2) {
      const { source, notice } = await conversation.next();
      if (notice.name === "aborted") throw new ReasonError(notice.reason, notice.byPeer);
      if (notice.name === "paired") paired.add(source);
    }
  });
  await device.agent.information();
  await device.module.information();
}
