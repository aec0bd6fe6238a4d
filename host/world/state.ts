/** What a home remembers of its world beside chips and books: the agencies' keys, who is who, the PINs of the sandbox. */

import type { AgencySecrets } from "../agencies.js";
import type { PersonalisationRecord } from "../provision.js";
import type { Home } from "./home.js";
import type { DeviceRecord, JoinedCustomer, UnfinishedJoin, UnfinishedOnCard } from "./plan.js";

export type { DeviceRecord } from "./plan.js";

/** Version 1 had no customers that joined later, and its bank no accounts for customers; version 2 no chips on cards. */
const VERSION = 3;

export interface WorldState {
  readonly version: typeof VERSION;
  /** False while it is being made: credentials and stock are not complete. */
  readonly finished?: boolean;
  readonly agencies: { readonly agents: AgencySecrets; readonly modules: AgencySecrets };
  /** Seed of the card network's key, and its chain, in hexadecimal. */
  readonly network: { readonly keySeed: string; readonly chain: string };
  readonly devices: readonly DeviceRecord[];
  /** Who joined after the economy was made. */
  readonly customers: readonly JoinedCustomer[];
}

export function newState(made: Omit<WorldState, "version" | "customers">): WorldState {
  return { version: VERSION, ...made, customers: [] };
}

const AGENCIES_FILE = "agencies.json";
const WORLD_FILE = "world.json";

/** Chips are there, but not all of what belongs to them. */
export class IncompleteHomeError extends Error {
  constructor(place: string, missing: string) {
    super(
      `In ${place} there is no ${missing}. Nothing was changed; money in the chips stays there. Put it back as it was, from a ` +
        `copy. If "tally init" was broken off there, remove the folder and run it again.`,
    );
    this.name = "IncompleteHomeError";
  }
}

/** The home holds a world of another version, or not what this program wrote. */
export class WorldStateError extends Error {
  constructor(place: string, what: string) {
    super(
      `The files in ${place} do not fit: ${what}. Nothing was changed and no money moved. ` +
        `Use the version of this program that made them, or put the files back from a copy.`,
    );
    this.name = "WorldStateError";
  }
}

export function writeState(home: Home, state: WorldState): void {
  const { agencies, ...rest } = state;
  // The agencies' keys lie apart: whoever needs only the devices need not see them.
  home.write(AGENCIES_FILE, `${JSON.stringify(agencies, undefined, 2)}\n`);
  home.write(WORLD_FILE, `${JSON.stringify(rest, undefined, 2)}\n`);
}

/** Undefined when the home is empty. */
export function readState(home: Pick<Home, "place" | "read" | "holds">): WorldState | undefined {
  const world = home.read(WORLD_FILE);
  const agencies = home.read(AGENCIES_FILE);
  if (world === undefined && agencies === undefined && !home.holds("chips")) return undefined;
  if (world === undefined) throw new IncompleteHomeError(home.place, WORLD_FILE);
  if (agencies === undefined) throw new IncompleteHomeError(home.place, AGENCIES_FILE);
  let state: WorldState;
  try {
    state = upgraded({ ...JSON.parse(world), agencies: JSON.parse(agencies) });
  } catch {
    throw new WorldStateError(home.place, "they are not JSON"); // The parser's own words would quote a key.
  }
  if (state.version !== VERSION) throw new WorldStateError(home.place, `their version is ${String(state.version)}`);
  const lacking = lackingIn(state);
  if (lacking !== undefined) throw new WorldStateError(home.place, `${lacking} is not as this program writes it`);
  return state;
}

/**
 * A state of an earlier version as one of this version: nothing in it has to change, and whoever writes the file next writes
 * this version. A program of an earlier one then refuses the home, as it must: it would not find the customers that joined, or
 * would make chips anew that are on a card.
 */
function upgraded(state: Omit<WorldState, "version"> & { readonly version: number }): WorldState {
  // Of any other version it is refused by whoever reads it.
  if (state.version === 2) return { ...state, version: VERSION };
  return state.version === 1 ? { ...state, version: VERSION, customers: [] } : (state as WorldState);
}

/** What is not there, or of another shape. The text comes from a file, whatever its type says. */
function lackingIn(state: WorldState): string | undefined {
  const { agencies, network, devices, customers } = state;
  for (const tree of ["agents", "modules"] as const) {
    const secrets: Partial<AgencySecrets> | undefined = agencies?.[tree];
    const words = [
      secrets?.rootId,
      secrets?.rootSeed,
      secrets?.serverId,
      secrets?.serverSeed,
      secrets?.serverAgreement,
    ];
    if (!words.every(isHex)) return `the agency of ${tree}`;
  }
  if (!isHex(network?.keySeed) || !isHex(network?.chain)) return "the card network's key";
  if (!Array.isArray(devices) || devices.length === 0) return "the list of devices";
  if (!devices.every(isDevice)) return "the list of devices";
  const joined = (each: Partial<JoinedCustomer> | null) =>
    typeof each?.name === "string" &&
    typeof each.holder === "string" &&
    Array.isArray(each.deposits) &&
    (each.unfinished === undefined || isUnfinished(each.unfinished));
  return Array.isArray(customers) && customers.every(joined) ? undefined : "the list of customers";
}

function isDevice(device: Partial<DeviceRecord> | null): boolean {
  return [device?.name, device?.kind, device?.pin, device?.puk].every((word) => typeof word === "string");
}

function isUnfinished(unfinished: Partial<UnfinishedJoin> | null): boolean {
  const { id, into, directory, device, onCard } = unfinished ?? {};
  const isText = (word: unknown) => word === undefined || typeof word === "string";
  const hasChips = (device === undefined || isDevice(device)) && (onCard === undefined || isOnCard(onCard));
  return isHex(id) && isText(into) && isText(directory) && hasChips;
}

function isOnCard(onCard: Partial<UnfinishedOnCard> | null): boolean {
  const { device, begun } = onCard ?? {};
  const isRecord = (chip: Partial<PersonalisationRecord> | undefined) =>
    isHex(chip?.id) && isHex(chip?.personalisationKey) && typeof chip?.role === "number";
  return (
    device !== undefined &&
    isDevice(device) &&
    isRecord(device.agent) &&
    isRecord(device.module) &&
    Array.isArray(begun)
  );
}

function isHex(word: unknown): boolean {
  return typeof word === "string" && /^([0-9a-f]{2})+$/.test(word);
}

/** In a folder: every chip and every book that the world had when it was made. A blank one must not take its place. */
export function requireFiles(home: Home, state: WorldState, books: readonly string[]): void {
  if (home.databaseFile("") === undefined) return;
  const here = state.devices.filter(({ onCard }) => onCard !== true);
  const chips = here.flatMap(({ name, agent, module }) => [
    ...(agent === undefined ? [] : [`chips/${name}.agent`]),
    ...(module === undefined ? [] : [`chips/${name}.module`]),
  ]);
  const names = [
    ...chips.flatMap((chip) => [`${chip}/flash.bin`, `${chip}/keys.bin`]),
    ...books.map((book) => `books/${book}.sqlite`),
  ];
  const missing = names.find((name) => !home.holds(name));
  if (missing !== undefined) throw new IncompleteHomeError(home.place, missing);
}
