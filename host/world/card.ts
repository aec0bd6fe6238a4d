/**
 * The simulated chips of an owner as applications of cards. The chips are this process's until the home is closed, and no other's:
 * one that ran in two processes would spend its notes twice. The owner's wallet may be worked with elsewhere meanwhile, by whoever
 * finds the card in its reader.
 */

import type { CardApplication } from "../../simulator/card/card.js";
import { aidOf } from "../applets.js";
import type { ChipSort, SimulatedChip } from "../chips.js";
import { isRemoteHome } from "./home.js";
import { readRemoteWallet } from "./remote.js";
import { ChipsOnCardError, Site, simulatedChip, UnknownNameError, type WorldParts } from "./site.js";
import { purseChipName, readTokenState } from "./token-state.js";

export interface OwnersChip {
  readonly sort: ChipSort;
  readonly application: CardApplication;
}

/** The chips are not in the home that they belong to. */
export class NoChipsError extends Error {
  constructor(place: string, chip: string) {
    super(
      `The chip ${chip} is not in ${place}. Nothing was done and no money moved: it is where the chip is. ` +
        "Put its folder back, or name the home that has it with --home.",
    );
    this.name = "NoChipsError";
  }
}

/** Agent, module and token purse of an owner, as far as the owner has them in this home; without power. */
export async function openOwnersChips(parts: WorldParts, owner: string): Promise<readonly OwnersChip[]> {
  const { home } = parts;
  const sorts = isRemoteHome(home) ? remoteChips(parts, owner) : chipsAtSite(Site.read(parts), owner);
  home.claim(`chips-${owner}`);
  if (sorts.includes("purse")) home.claim(`purse-${owner}`);
  const names = sorts.map((sort) => ({ sort, name: sort === "purse" ? purseChipName(owner) : `${owner}.${sort}` }));
  // A blank chip must not take the place of one that is missing.
  const missing = names.find(
    ({ name }) => home.databaseFile("") !== undefined && !home.holds(`chips/${name}/flash.bin`),
  );
  if (missing !== undefined) throw new NoChipsError(home.place, missing.name);
  const chips: OwnersChip[] = [];
  for (const { sort, name } of names) {
    const chip = await simulatedChip(home, name, sort);
    chip.simulated.powerOff();
    chips.push({ sort, application: applicationOf(chip) });
  }
  return chips;
}

/** A chip as what is found on a card by SELECT. */
export function applicationOf({ element, simulated }: SimulatedChip): CardApplication {
  return { aid: aidOf(element.applet), element: simulated };
}

function remoteChips({ home }: WorldParts, owner: string): ChipSort[] {
  const { name, onCard } = readRemoteWallet(home);
  if (name !== owner) throw new UnknownNameError("device", owner, [name]);
  if (onCard === true) throw new ChipsOnCardError(owner);
  return ["agent", "module"];
}

function chipsAtSite(site: Site, owner: string): ChipSort[] {
  const { agent, module, onCard } = site.record(owner);
  const hasPurse = readTokenState(site)?.purses.some(({ name }) => name === owner) === true;
  // Their purse may be in the home all the same.
  if (onCard === true && !hasPurse) throw new ChipsOnCardError(owner);
  if (onCard === true) return ["purse"];
  return [
    ...(agent === undefined ? [] : ["agent" as const]),
    ...(module === undefined ? [] : ["module" as const]),
    ...(hasPurse ? ["purse" as const] : []),
  ];
}
