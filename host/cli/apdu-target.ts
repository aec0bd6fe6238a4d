/**
 * Which cards `tally apdu` talks to: chips of the home, blank simulated ones, cards in readers and USB devices. Each is a target
 * of a session, by the name behind "@".
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import { recordedByEnvironment } from "../apdu-tools/recording.js";
import type { Target } from "../apdu-tools/runner.js";
import { BLANK_KINDS, type BlankKind, blankTarget } from "../apdu-tools/simulated-cards.js";
import { APPLET_OF_SORT } from "../applets.js";
import { allPlaces } from "../cards/all-places.js";
import { findPlace } from "../cards/find.js";
import type { CardPlace } from "../cards/place.js";
import type { ChipSort } from "../chips.js";
import type { OpenPlaces } from "../world/owners-device.js";
import { homeIn } from "../world/wallet.js";
import { type GlobalOptions, homePath } from "./context.js";
import { UsageError } from "./failure.js";

export interface TargetOptions extends GlobalOptions {
  readonly chip?: readonly ChipName[];
  readonly blank?: readonly BlankKind[];
  readonly device?: readonly string[];
  readonly seed?: string;
}

/** Where cards are looked for beside the home; by default everywhere that this computer has. */
export interface TargetSources {
  readonly places?: () => OpenPlaces;
}

interface ChipName {
  readonly owner: string;
  readonly sort: ChipSort;
}

/** The options that name cards. */
export function addTargetOptions(command: Command): Command {
  return command
    .option("--chip <name>", "a chip of the home: NAME.agent, NAME.module or NAME.purse; again for another", chipName)
    .addOption(
      new Option(
        "--blank <kind>",
        `a blank simulated chip in memory: ${BLANK_KINDS.join(", ")}; again for another`,
      ).argParser(blankKind),
    )
    .option("--seed <number>", "of blank chips: the same answers each time, and a time that stands still", seedNumber)
    .option("--device <place>", "a card: pcsc:READER, usb:SERIAL or serial:PATH; again for another", another);
}

function another(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function chipName(text: string, before: readonly ChipName[] = []): readonly ChipName[] {
  const match = /^([a-z0-9-]+)\.(agent|module|purse)$/.exec(text);
  const [, owner, sort] = match ?? [];
  if (owner === undefined || sort === undefined)
    throw new InvalidArgumentError("It is NAME.agent, NAME.module or NAME.purse.");
  return [...before, { owner, sort: sort as ChipSort }];
}

function blankKind(text: string, before: readonly BlankKind[] = []): readonly BlankKind[] {
  const kind = BLANK_KINDS.find((each) => each === text);
  if (kind === undefined) throw new InvalidArgumentError(`It is one of: ${BLANK_KINDS.join(", ")}.`);
  return [...before, kind];
}

function seedNumber(text: string): string {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError("It is a number.");
  return text;
}

/** Opens the cards, lets the command work with them, and gives them back whatever happens. */
export async function withTargets<Result>(
  options: TargetOptions,
  sources: TargetSources,
  work: (targets: readonly Target[]) => Promise<Result>,
): Promise<Result> {
  const undo: (() => void | Promise<void>)[] = [];
  try {
    const targets: Target[] = (options.blank ?? []).map((kind) => blankTarget(kind, options.seed));
    for (const { transport } of targets) undo.push(() => transport.close());
    if ((options.chip ?? []).length > 0) targets.push(...(await chipTargets(options, undo)));
    if (options.device !== undefined) targets.push(...(await placeTargets(options.device, sources, undo)));
    if (targets.length === 0) {
      throw new UsageError(
        "No card was named. Nothing was sent. Say which: --chip NAME.module, --blank money-module or --device PLACE.",
      );
    }
    return await work(distinct(targets).map(recorded));
  } finally {
    for (const each of undo.reverse()) await each();
  }
}

/** Chips of the home, claimed for this process alone, with power anew: nothing of an earlier user is in them. */
async function chipTargets(options: TargetOptions, undo: (() => void | Promise<void>)[]): Promise<Target[]> {
  const home = homeIn(homePath(options));
  undo.push(() => home.close());
  const targets: Target[] = [];
  for (const { owner, sort } of options.chip ?? []) {
    const name = `${owner}.${sort}`;
    if (!home.holds(`chips/${name}`)) {
      throw new UsageError(
        `There is no chip ${name} in ${home.place}. Nothing was sent. "tally device list" names the devices.`,
      );
    }
    home.claim(sort === "purse" ? `purse-${owner}` : `chips-${owner}`);
    const { transport } = await home.chips.chip(name, sort);
    transport.reset();
    targets.push({ name: sort, transport, applet: APPLET_OF_SORT[sort].name });
  }
  return targets;
}

/** Each card is taken for this process alone, whatever is on it. */
async function placeTargets(
  locators: readonly string[],
  { places: open = allPlaces }: TargetSources,
  undo: (() => void | Promise<void>)[],
): Promise<Target[]> {
  const places = open();
  undo.push(() => places.close());
  const targets: Target[] = [];
  const named = new Map<string, CardPlace>();
  for (const locator of locators) {
    const place = await findPlace(places, locator);
    // Two names may be of one place, and it is taken once.
    named.set(place.locator, place);
  }
  for (const place of named.values()) {
    const transport = await place.connect();
    undo.push(() => transport.close());
    targets.push({ name: "card", transport });
  }
  return targets;
}

/** Two of a sort are card and card-2. */
function distinct(targets: readonly Target[]): Target[] {
  const counts = new Map<string, number>();
  return targets.map((target) => {
    const count = (counts.get(target.name) ?? 0) + 1;
    counts.set(target.name, count);
    return count === 1 ? target : { ...target, name: `${target.name}-${count}` };
  });
}

function recorded(target: Target): Target {
  return { ...target, transport: recordedByEnvironment(target.transport, target.name) };
}
