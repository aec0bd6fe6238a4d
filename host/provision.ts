/**
 * Personalisation: makes an element of a blank chip (docs/APDU.md, life cycle). The personalisation key is random for
 * each chip and stays with the agency; the chip makes its own keys and gives only a certificate request.
 *
 * A simulated chip that was broken off is thrown away. One on a card cannot be: whoever keeps its key from before PUT KEY
 * goes on from wherever its life is (`openPersonalisation`, `continuePersonalisation`).
 */

import * as p from "../firmware/protocol/apdu.js";
import { TREE_AGENTS } from "../firmware/protocol/kinds.js";
import { ID_BYTES } from "../firmware/protocol/limits.js";
import type { Agencies, Agency } from "./agencies.js";
import { LIVES } from "./apdu-tools/names.js";
import { appletNumbered } from "./applets.js";
import { concatBytes, fromHex, toHex } from "./codec/bytes.js";
import { type CborValue, encode } from "./codec/cbor.js";
import { command } from "./commands.js";
import { hkdfSha256 } from "./crypto.js";
import type { Device } from "./device.js";
import type { Element } from "./element.js";
import { type RandomSource, randomBytes } from "./randomness.js";
import { ReasonError } from "./reasons.js";
import { StatusWordError } from "./status-words.js";

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

/** How far a chip is with what was ordered for it, as its life cycle calls it. */
export type PersonalisationProgress = "blank" | "initialised" | "personalised" | "operational";

/** A chip that somebody else began with, or has finished, or that is at its end. */
export class ChipTakenError extends Error {
  constructor({ applet, known, client }: Element) {
    const sort = appletNumbered(applet)?.name.replace("-", " ") ?? "chip";
    super(
      `The ${sort} in ${client.transport.name} is not blank (${LIVES.get(known.life) ?? `state ${known.life}`}), and was not begun ` +
        "for this order. Nothing was changed in it and no money moved. Put in a blank card, or the one that was begun with.",
    );
    this.name = "ChipTakenError";
  }
}

/** One chip has not taken what the other said. */
export class NotPairedError extends Error {
  constructor(name: string) {
    super(
      `The trusted agent and the money module of ${name} were not paired: one did not take what the other said. No money moved. ` +
        "Pair them again.",
    );
    this.name = "NotPairedError";
  }
}

/** Personalises a blank chip up to the state in which it can be paired; `finishPersonalisation` ends it. */
export async function personalise(
  element: Element,
  agencies: Agencies,
  order: PersonalisationOrder,
  random: RandomSource,
  now_seconds: bigint,
): Promise<PersonalisationRecord> {
  const record = newRecord(order, random);
  await continuePersonalisation(element, agencies, { ...order, record, progress: "blank" }, now_seconds);
  return record;
}

/** A chip's key and id, to be kept before the chip itself is told of them. */
export function newRecord(
  { role, id }: Pick<PersonalisationOrder, "role" | "id">,
  random: RandomSource,
): PersonalisationRecord {
  const key = randomBytes(random, KEY_BYTES);
  return { id: toHex(id ?? randomBytes(random, ID_BYTES)), role, personalisationKey: toHex(key) };
}

/**
 * Looks how far a chip is, and opens personalisation of one that is on its way, until the next power-off. Nothing of the chip
 * changes, and a proof that is wrong costs it no try. Throws ChipTakenError of a chip that is neither blank nor of this record.
 */
export async function openPersonalisation(
  element: Element,
  { id, role, personalisationKey }: PersonalisationRecord,
): Promise<PersonalisationProgress> {
  const { life } = await element.information();
  const isNamedOtherwise = () => element.known.id !== undefined && toHex(element.known.id) !== id;
  const isOurs = () => element.known.id !== undefined && !isNamedOtherwise() && element.known.role === role;
  if (life === p.LIFE_BLANK) return "blank";
  if (life === p.LIFE_OPERATIONAL && isOurs()) return "operational";
  const isOnItsWay = life === p.LIFE_INITIALISED || life === p.LIFE_PERSONALISED;
  if (!isOnItsWay || isNamedOtherwise()) throw new ChipTakenError(element);
  try {
    await authenticate(element, fromHex(personalisationKey));
  } catch (error) {
    const isRefusal = error instanceof StatusWordError && error.status === p.SW_SECURITY_STATUS;
    throw isRefusal ? new ChipTakenError(element) : error;
  }
  if (life === p.LIFE_INITIALISED) return "initialised";
  // A purse says whose it is only now.
  await element.information();
  if (!isOurs()) throw new ChipTakenError(element);
  return "personalised";
}

export interface ContinuedOrder extends Omit<PersonalisationOrder, "id"> {
  readonly record: PersonalisationRecord;
  /** What `openPersonalisation` found since the chip has had power. */
  readonly progress: PersonalisationProgress;
  /** Told when it is certain that the chip has this order's key, before it makes keys of its own. */
  readonly initialised?: () => void;
}

/**
 * Personalises a chip from wherever it is up to the state in which it can be paired. One that is initialised gets everything
 * again: it makes new keys, and a chain for others would not be accepted.
 */
export async function continuePersonalisation(
  element: Element,
  agencies: Agencies,
  order: ContinuedOrder,
  now_seconds: bigint,
): Promise<void> {
  const { progress, record, initialised } = order;
  if (progress === "personalised" || progress === "operational") return;
  const key = fromHex(record.personalisationKey);
  if (progress === "blank") await element.putKey(key);
  initialised?.();
  if (progress === "blank") await authenticate(element, key);
  const agency = agencyOf(agencies, order.role);
  const id = fromHex(record.id);
  await storeRoots(element, agencies);
  const request = await element.generateKeyPair(id, order.role, agency.agreementKey);
  const chain = agency.certify(request, { id, role: order.role }, Number(now_seconds), order.name);
  await element.storeData(p.STORE_DATA_CHAIN, chain);
  await element.storeData(p.STORE_DATA_PIN, new TextEncoder().encode(order.pin));
  await element.storeData(p.STORE_DATA_PUK, new TextEncoder().encode(order.puk));
  await element.storeData(p.STORE_DATA_PARAMETERS, encode(order.parameters ?? []));
  await element.setStatus(p.LIFE_PERSONALISED);
  await element.information();
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
    // All of it is within the device: what has not come when nothing is under way any more will never come.
    await conversation.idle();
    const notices = conversation.drain();
    for (const { notice } of notices) {
      if (notice.name === "aborted") throw new ReasonError(notice.reason, notice.byPeer);
    }
    // A chip that is gone, or has stopped, says so now.
    await device.agent.information();
    await device.module.information();
    const paired = new Set(notices.filter(({ notice }) => notice.name === "paired").map(({ source }) => source));
    if (paired.size < 2) throw new NotPairedError(device.name);
  });
}
