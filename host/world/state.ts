/** What a home remembers of its world beside chips and books: the agencies' keys, who is who, the PINs of the sandbox. */

import type { AgencySecrets } from "../agencies.js";
import type { PersonalisationRecord } from "../provision.js";
import type { Home } from "./home.js";

export interface DeviceRecord {
  readonly name: string;
  /** "bank", "authority", "merchant" or "customer". */
  readonly kind: string;
  readonly pin: string;
  readonly puk: string;
  readonly agent?: PersonalisationRecord;
  readonly module?: PersonalisationRecord;
}

export interface WorldState {
  readonly version: 1;
  readonly agencies: { readonly agents: AgencySecrets; readonly modules: AgencySecrets };
  /** Seed of the card network's key, and its chain, in hexadecimal. */
  readonly network: { readonly keySeed: string; readonly chain: string };
  readonly devices: readonly DeviceRecord[];
}

const AGENCIES_FILE = "agencies.json";
const WORLD_FILE = "world.json";

/** The home holds a world of another version, or not what this program wrote. */
export class WorldStateError extends Error {
  constructor(place: string, what: string) {
    super(`The files in ${place} do not fit: ${what}. Nothing was changed. Use the version that made them.`);
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
export function readState(home: Home): WorldState | undefined {
  const world = home.read(WORLD_FILE);
  const agencies = home.read(AGENCIES_FILE);
  if (world === undefined || agencies === undefined) return undefined;
  let state: WorldState;
  try {
    state = { ...JSON.parse(world), agencies: JSON.parse(agencies) };
  } catch {
    throw new WorldStateError(home.place, "they are not JSON"); // The parser's own words would quote a key.
  }
  if (state.version !== 1) throw new WorldStateError(home.place, `version ${String(state.version)}`);
  if (!Array.isArray(state.devices)) throw new WorldStateError(home.place, "there is no list of devices");
  return state;
}
