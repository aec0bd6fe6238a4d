/**
 * Where an owner's chips are: in the home, or on a card in a reader, or a USB device. The home stays what it is, whoever has
 * the chips: it knows whose they are, the contacts, in a sandbox the PIN.
 */

import { allPlaces } from "../cards/all-places.js";
import {
  chipsAnywhere,
  chipsAt,
  type FoundChips,
  type FoundPurse,
  type Lookout,
  purseAnywhere,
  purseAt,
  type WantedChips,
} from "../cards/find.js";
import { Device } from "../device.js";
import { PartInUseError } from "./claims.js";
import type { Home } from "./home.js";
import { deviceOf, type WorldParts } from "./site.js";
import { IncompleteHomeError } from "./state.js";

/** Places of cards, for as long as a command needs them. */
export interface OpenPlaces extends Lookout {
  close(): Promise<void>;
}

/** Before its owner's PIN. Close it: a card belongs to one process. */
export interface OwnersDevice {
  readonly device: Device;
  close(): Promise<void>;
}

/**
 * `locators`: the one or two places that were named; none: the home, or wherever they are. `isOnCard`: never in the home, which
 * then gives none.
 */
export async function openOwnersDevice(
  parts: WorldParts,
  wanted: WantedChips,
  locators: readonly string[] = [],
  isOnCard = false,
): Promise<OwnersDevice> {
  const { home } = parts;
  if (locators.length > 0) return onCards(parts, wanted, (places) => chipsAt(places, wanted, locators));
  if (isOnCard || !hasChips(home, wanted.owner)) {
    // Blank chips must not take their place.
    if (wanted.agent === undefined || wanted.module === undefined)
      throw new IncompleteHomeError(home.place, `chips/${wanted.owner}.module`);
    return onCards(parts, wanted, (places) => chipsAnywhere(places, wanted));
  }
  try {
    const device = await deviceOf(parts, wanted.owner, { agent: true, module: true });
    return { device, close: async () => undefined };
  } catch (error) {
    // Another process has them: it may be the card in a reader.
    const isCard = error instanceof PartInUseError && error.part === `chips-${wanted.owner}`;
    if (!isCard) throw error;
    return onCards(parts, wanted, (places) => chipsAnywhere(places, wanted, error));
  }
}

/** Whether the home has both chips of a device. One in memory has them always. */
export function hasChips(home: Home, name: string): boolean {
  if (home.databaseFile("") === undefined) return true;
  const folders = [`chips/${name}.agent`, `chips/${name}.module`];
  return folders.every((folder) => ["flash.bin", "keys.bin"].every((file) => home.holds(`${folder}/${file}`)));
}

/** The owner's purse on the card at a place, or on the owner's card wherever that is. Close it. */
export async function openOwnersPurse(
  { places: open = allPlaces }: WorldParts,
  wanted: WantedChips,
  locator: string | undefined,
  cause?: Error,
): Promise<FoundPurse> {
  const places = open();
  try {
    const found = await (locator === undefined
      ? purseAnywhere(places, wanted, cause)
      : purseAt(places, wanted, locator));
    return {
      purse: found.purse,
      close: async () => {
        await found.close();
        await places.close();
      },
    };
  } catch (error) {
    await places.close();
    throw error;
  }
}

/** A device of chips that were found. */
export function deviceOfChips(
  { clock, timers, recorder }: Pick<WorldParts, "clock" | "timers" | "recorder">,
  owner: string,
  { agent, module }: Pick<FoundChips, "agent" | "module">,
): Device {
  return new Device({
    name: owner,
    ...{ agent, module, clock, timers },
    ...(recorder === undefined ? {} : { recorder: (envelope) => recorder(owner, envelope) }),
  });
}

async function onCards(
  parts: WorldParts,
  { owner }: WantedChips,
  find: (places: Lookout) => Promise<FoundChips>,
): Promise<OwnersDevice> {
  const places = (parts.places ?? allPlaces)();
  try {
    const { close, ...chips } = await find(places);
    return {
      device: deviceOfChips(parts, owner, chips),
      close: async () => {
        await close();
        await places.close();
      },
    };
  } catch (error) {
    await places.close();
    throw error;
  }
}
