/**
 * Chips that are made on cards in readers, on USB, on boards. A chip in a folder that was broken off is thrown away and made
 * anew; one on a card is gone on with. So the home knows everything before the chip does, and the chip's own life says what
 * is left to do:
 *
 *   life          in the home by then         next                                     broken off meanwhile
 *   blank         the order; ids, both keys,  PUT KEY                                  blank or initialised; the key fits
 *                 PIN and PUK
 *   initialised   and: this chip has begun    authenticate; roots, keys of its own,    initialised: all of it again, with new
 *                                             chain, PIN, PUK, SET STATUS              keys, which end the old ones and their
 *                                                                                      chain
 *   personalised  the same                    both: pairing, by a session of theirs    personalised: paired again
 *                                             one after the other: SET STATUS          one operational: only the other is left
 *   operational   the same                    the debit card, if the agent has none    asked for again, and never given twice
 *                 complete                    accounts, the wallet's home, the letter  the card is not needed any more
 *                 a device on a card
 *
 * Power, cable and reader, host: each leaves a chip that has carried out a command or has not, for its store is written as one;
 * nothing is believed but what it says at its next power-up. The home's disk: what cannot be written down stops the command
 * before the next line of the table, so that the chip never is more than one step ahead of the home.
 *
 * "Has begun" stands between PUT KEY and the chip's own keys: two chips never have a chain with the same id. A card of which
 * it was not written down may be left for another blank one: it has a key for personalisation and nothing else. The other gets a key
 * of its own, written down before (`rekeyed`), so that the first cannot come back and pass for the one that has begun.
 *
 * That both chips name each other as partner proves no common secret: of two pairings the second may have reached the module
 * alone. So they are paired again as long as both can be, and closed only after a pairing that reached both in the same run;
 * where one is operational there was such a run.
 */

import * as p from "../../firmware/protocol/apdu.js";
import { ROLE_CUSTOMER, ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { allPlaces } from "../cards/all-places.js";
import { chipsAt, type FoundChips, findPlace, type WantedChips } from "../cards/find.js";
import type { CardPlace } from "../cards/place.js";
import { fromHex, toHex } from "../codec/bytes.js";
import type { Device } from "../device.js";
import type { Element } from "../element.js";
import type { ElementSort } from "../message-manager.js";
import {
  ChipTakenError,
  continuePersonalisation,
  finishPersonalisation,
  newRecord,
  openPersonalisation,
  type PersonalisationProgress,
  pair,
} from "../provision.js";
import { type Transport, TransportError } from "../transport.js";
import { newPinAndPuk } from "./devices.js";
import { deviceOfChips } from "./owners-device.js";
import type { UnfinishedOnCard } from "./plan.js";
import type { Site, WorldParts } from "./site.js";

const SORTS = ["agent", "module"] as const;

/** The chips at one place or two, which this process has for itself, and how far they are. Close them. */
export interface CardChips extends FoundChips {
  readonly order: UnfinishedOnCard;
  readonly progress: Readonly<Record<ElementSort, PersonalisationProgress>>;
  /** Locators, as they were found. */
  readonly places: readonly string[];
}

/** Keys that are made there would not be secret, or none can be made. */
export class UnfitRandomError extends Error {
  constructor(place: string, origin: "none" | "seeded") {
    const why =
      origin === "none"
        ? `What is in ${place} has no source of random bytes: it cannot make keys.`
        : `What is in ${place} makes its random bytes from a seed, for tests: its keys could be known to others.`;
    super(
      `${why} Nothing was written and no money moved. Use a card, or a board with a random source that is fit for keys.`,
    );
    this.name = "UnfitRandomError";
  }
}

/** Another card is in the reader than the one that was begun with. */
export class BegunChipMissingError extends Error {
  constructor(name: string, sort: ElementSort, id: string, place: string) {
    super(
      `The ${nameOfSort(sort)} of ${name} was begun on a chip that is not in ${place}: its id is to be ${id}. Nothing was changed ` +
        "and no money moved. Put that card in, and run the command again.",
    );
    this.name = "BegunChipMissingError";
  }
}

/** The card was lost before anything was asked of it but what it is. */
export class CardUnreadError extends Error {
  constructor(cause: TransportError) {
    super(`${cause.what} Nothing was changed and no money moved. Connect the card again, and run the command again.`, {
      cause,
    });
    this.name = "CardUnreadError";
  }
}

/** The chips are closed, and not to each other. */
export class UnpairedError extends Error {
  constructor(name: string) {
    super(
      `The trusted agent and the money module of ${name} are not paired with each other, and one of them takes no pairing any more. ` +
        "There is no money in them. They cannot be used: order another device, on other chips.",
    );
    this.name = "UnpairedError";
  }
}

function nameOfSort(sort: ElementSort): string {
  return sort === "agent" ? "trusted agent" : "money module";
}

/** All that a new device on cards will be made with. */
export function newOnCard({ random }: Pick<WorldParts, "random">, name: string): UnfinishedOnCard {
  const agent = newRecord({ role: ROLE_CUSTOMER }, random);
  const module = newRecord({ role: ROLE_TRANSACTION }, random);
  const device = { name, kind: "customer", ...newPinAndPuk({ random }), agent, module, onCard: true };
  return { device, begun: [] };
}

/**
 * Takes the chips at one place or two and looks how far they are with the order. Whatever is not fit for it is refused: places
 * that make no secret keys, and chips that are neither blank nor the order's own. Nothing of a chip is changed.
 */
export async function openCardChips(
  { places: open = allPlaces }: Pick<WorldParts, "places">,
  order: UnfinishedOnCard,
  locators: readonly string[],
): Promise<CardChips> {
  const all = open();
  let found: FoundChips | undefined;
  const close = async () => {
    await found?.close();
    await all.close();
  };
  try {
    const chosen: CardPlace[] = [];
    for (const locator of locators) chosen.push(fitPlace(await findPlace(all, locator)));
    const places = chosen.map(({ locator }) => locator);
    const lookout = { missing: [], list: async () => chosen };
    // Nobody has an id yet to be asked for.
    const wanted: WantedChips = { owner: order.device.name };
    found = await chipsAt(lookout, wanted, places);
    const { agent, module } = found;
    const progress = {
      agent: await progressOf("agent", agent, order),
      module: await progressOf("module", module, order),
    };
    return { agent, module, order, progress, places, close };
  } catch (error) {
    await close();
    throw error instanceof TransportError ? new CardUnreadError(error) : error;
  }
}

/**
 * The chips of an order that was broken off, with new keys for those that are blank: another chip may have had the old ones, and would
 * be taken for the one that has begun. The order is as it was where none is blank; else it is to be written down before `makeOnCards`.
 */
export function rekeyed({ random }: Pick<WorldParts, "random">, chips: CardChips): CardChips {
  const { order, progress } = chips;
  if (!SORTS.some((sort) => progress[sort] === "blank")) return chips;
  const anew = (sort: ElementSort) => {
    const { id, role } = order.device[sort];
    return progress[sort] === "blank" ? newRecord({ role, id: fromHex(id) }, random) : order.device[sort];
  };
  const device = { ...order.device, agent: anew("agent"), module: anew("module") };
  return { ...chips, order: { ...order, device } };
}

/** The place, whose card is taken only if it makes secret keys. */
function fitPlace({ locator, title, state, atr, connect }: CardPlace): CardPlace {
  return {
    ...{ locator, title, state },
    ...(atr === undefined ? {} : { atr }),
    connect: async () => {
      const transport = await connect();
      try {
        await requireFitRandom(transport, title);
        return transport;
      } catch (error) {
        await transport.close();
        throw error;
      }
    },
  };
}

/** Where nobody can be asked, as with a card in a reader, the chip is believed to be one. */
async function requireFitRandom(transport: Transport, place: string): Promise<void> {
  const origin = await transport.randomOrigin?.();
  if (origin === "none" || origin === "seeded") throw new UnfitRandomError(place, origin);
}

async function progressOf(
  sort: ElementSort,
  element: Element,
  { device, begun }: UnfinishedOnCard,
): Promise<PersonalisationProgress> {
  const record = device[sort];
  const missing = () => new BegunChipMissingError(device.name, sort, record.id, element.client.transport.name);
  try {
    const progress = await openPersonalisation(element, record);
    if (progress === "blank" && begun.includes(sort)) throw missing();
    return progress;
  } catch (error) {
    throw error instanceof ChipTakenError && begun.includes(sort) ? missing() : error;
  }
}

/**
 * Makes the device of chips that are as they were found: personalised, paired, closed. `begun` is told of each chip that has its
 * key, before it makes keys of its own, and writes that down.
 */
export async function makeOnCards(
  { parts, agencies }: Pick<Site, "parts" | "agencies">,
  chips: CardChips,
  begun: (sort: ElementSort) => void,
): Promise<Device> {
  const { device: record, progress } = { ...chips.order, ...chips };
  const { pin, puk, name } = record;
  for (const sort of SORTS) {
    const { role } = record[sort];
    const initialised = () => begun(sort);
    const order = { role, pin, puk, record: record[sort], progress: progress[sort], initialised };
    await continuePersonalisation(chips[sort], agencies, order, parts.clock.now_seconds());
  }
  const device = deviceOfChips(parts, name, chips);
  const isClosed = ({ known }: Element) => known.life === p.LIFE_OPERATIONAL;
  if (!device.elements().some(isClosed)) await pair(device);
  if (!arePartners(device)) throw new UnpairedError(name);
  for (const element of device.elements()) if (!isClosed(element)) await finishPersonalisation(element);
  return device;
}

function arePartners({ agent, module }: Device): boolean {
  const partnerOf = ({ known }: Element) => (known.partner === undefined ? undefined : toHex(known.partner));
  return partnerOf(agent) === module.idHex && partnerOf(module) === agent.idHex;
}
