/** What is connected to this computer: readers, USB devices, serial ports that were named, the cards in them, and whose they are. */

import { allPlaces } from "../cards/all-places.js";
import { type OpenCard, openCard } from "../cards/card-elements.js";
import { findPlace, openOurs } from "../cards/find.js";
import type { CardPlace, PlaceEvent, PlaceState } from "../cards/place.js";
import { toHex } from "../codec/bytes.js";
import type { Element } from "../element.js";
import { CardInUseError, CardMuteError, CardsUnavailableError, ReaderMissingError } from "../transports/card-errors.js";
import { SerialForbiddenError, SerialUnusableError } from "../transports/serial-errors.js";
import { isRemoteHome } from "../world/home.js";
import { readRemoteWallet } from "../world/remote.js";
import { readState } from "../world/state.js";
import { type GlobalOptions, homeIfAny } from "./context.js";
import { lifeName, roleName } from "./device-names.js";
import { type Output, printable } from "./output.js";
import { tell, untilTold } from "./serving.js";

export interface ConnectedApplication {
  readonly role: string;
  /** Null: it has none yet, or tells it only to its owner. */
  readonly id: string | null;
  readonly life: string;
  /** Who of the home has it. */
  readonly owner?: string;
}

export interface ConnectedPlace {
  readonly place: string;
  readonly title: string;
  readonly state: PlaceState;
  /** None of a card in use, and of a card of something else. */
  readonly applications: readonly ConnectedApplication[];
  readonly isForeign: boolean;
}

/** Every place, and why some could not be looked at. Cards that nobody uses are opened for a moment. */
export async function listConnected(options: GlobalOptions) {
  const places = allPlaces();
  try {
    const owners = await ownersOf(options);
    const connected: ConnectedPlace[] = [];
    // What a place lacks may show only when it is looked at.
    const lacking = new Set<string>();
    for (const place of await places.list()) connected.push(await lookAt(place, owners, lacking));
    return { connected, missing: [...places.missing.map(({ message }) => message), ...lacking] };
  } finally {
    await places.close();
  }
}

async function lookAt(
  place: CardPlace,
  owners: ReadonlyMap<string, string>,
  lacking: Set<string>,
): Promise<ConnectedPlace> {
  const { locator, title, state } = place;
  const found = { place: locator, title, state, applications: [], isForeign: false };
  if (state !== "card") return found;
  let card: OpenCard;
  try {
    card = await openCard(place);
  } catch (error) {
    if (error instanceof CardInUseError) return { ...found, state: "busy" };
    if (error instanceof CardMuteError) return { ...found, state: "mute" };
    if (error instanceof CardsUnavailableError) lacking.add(error.message);
    // A file or a socket is seen where nothing is behind it.
    if (error instanceof ReaderMissingError) return { ...found, state: "empty" };
    if (error instanceof SerialUnusableError || error instanceof SerialForbiddenError) {
      lacking.add(error.message);
      return { ...found, state: "empty" };
    }
    // Taken out meanwhile, or a fault of the reader: what was seen first stands.
    return found;
  }
  try {
    const elements = [card.agent, card.module, card.purse].filter((element) => element !== undefined);
    return {
      ...found,
      applications: elements.map((element) => applicationOf(element, owners)),
      isForeign: elements.length === 0,
    };
  } finally {
    await card.close();
  }
}

function applicationOf(element: Element, owners: ReadonlyMap<string, string>): ConnectedApplication {
  const { id, life } = element.known;
  const owner = id === undefined ? undefined : owners.get(toHex(id));
  return {
    role: roleName(element),
    id: id === undefined ? null : toHex(id),
    life: lifeName(life),
    ...(owner === undefined ? {} : { owner }),
  };
}

/** Names by the ids of agents and modules, of a home if there is one. */
async function ownersOf(options: GlobalOptions): Promise<ReadonlyMap<string, string>> {
  const owners = new Map<string, string>();
  const enter = (name: string, ids: readonly (string | undefined)[]) => {
    for (const id of ids) if (id !== undefined) owners.set(id, name);
  };
  const home = homeIfAny(options);
  if (home === undefined) return owners;
  try {
    if (isRemoteHome(home)) {
      const { name, agent, module } = readRemoteWallet(home);
      enter(name, [agent, module]);
      return owners;
    }
    const state = readState(home);
    for (const { name, agent, module } of state?.devices ?? []) enter(name, [agent?.id, module?.id]);
    for (const { name, elsewhere } of state?.customers ?? []) enter(name, [elsewhere?.agent.id, elsewhere?.module.id]);
    return owners;
  } finally {
    await home.close();
  }
}

export function connectedLines(connected: readonly ConnectedPlace[]): string[] {
  return connected.flatMap(({ place, state, applications, isForeign }) => [
    `${printable(place)}: ${isForeign ? "a card of something else" : STATES[state]}`,
    ...applications.map(({ role, life, owner, id }) => {
      const whose = owner === undefined ? "" : ` of ${owner}`;
      return `  ${role}${whose}, ${life}${id === null ? "" : `, ${id}`}`;
    }),
  ]);
}

const STATES: Record<PlaceState, string> = {
  empty: "no card",
  card: "a card",
  busy: "a card that another program uses",
  mute: "a card that does not answer",
};

/** Tells what comes and goes until it is told to end. */
export function watchConnected(output: Output): Promise<void> {
  return untilTold(async (stop) => {
    const places = allPlaces();
    const watch = places.watch(
      (event) => tellPlace(output, event),
      (error) => tell(output, { event: "failed", name: error.name, message: error.message }, error.message),
    );
    await stop.told;
    await watch.stop();
    await places.close();
  });
}

function tellPlace(output: Output, { kind, place }: PlaceEvent): void {
  const { locator, title, state } = place;
  const what = kind === "removed" ? "gone" : STATES[state];
  tell(output, { event: kind, place: locator, title, state }, `${printable(locator)}: ${what}`);
}

/** Opens one place for the work, whoever's card is in it. */
export async function withCardAt<Result>(
  locator: string,
  work: (elements: Element[]) => Promise<Result>,
): Promise<Result> {
  const places = allPlaces();
  let card: OpenCard | undefined;
  try {
    card = await openOurs(await findPlace(places, locator));
    return await work([card.agent, card.module, card.purse].filter((element) => element !== undefined));
  } finally {
    await card?.close();
    await places.close();
  }
}
