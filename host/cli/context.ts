/** What commands have in common: the options before the command, and the world they work in. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { systemRandom } from "../randomness.js";
import { systemClock, systemTimers } from "../services/clock.js";
import { defaultHomePath, FolderHome } from "../world/home.js";
import { STANDARD_PLAN } from "../world/plan.js";
import { NoWorldError, type WorldParts } from "../world/site.js";
import { World } from "../world/world.js";
import { type Output, outputOf } from "./output.js";

export interface GlobalOptions {
  readonly home?: string;
  readonly json?: boolean;
}

export function outputFor(options: GlobalOptions): Output {
  return outputOf(options.json === true);
}

export function homePath(options: GlobalOptions): string {
  return options.home ?? defaultHomePath();
}

export function partsIn(home: WorldParts["home"]): WorldParts {
  return { home, plan: STANDARD_PLAN, clock: systemClock, timers: systemTimers, random: systemRandom };
}

/** Opens the world in the home, lets the command work, and closes it whatever happens. */
export async function withWorld<Result>(
  options: GlobalOptions,
  work: (world: World) => Promise<Result>,
): Promise<Result> {
  const path = resolve(homePath(options));
  if (!existsSync(path)) throw new NoWorldError(path); // Only `tally init` makes a folder.
  const home = new FolderHome(path);
  let world: World | undefined;
  try {
    world = await World.open(partsIn(home));
    // A command that was killed may have left something to agents and services that they can settle by themselves.
    await world.recover();
    return await work(world);
  } finally {
    if (world === undefined) await home.close();
    else await world.close();
  }
}

/** A folder that is gone afterwards. */
export async function withTemporaryFolder<Result>(work: (path: string) => Promise<Result>): Promise<Result> {
  const path = mkdtempSync(join(tmpdir(), "tallystick-"));
  const remove = () => rmSync(path, { recursive: true, force: true });
  process.once("exit", remove); // An interrupted command never comes to its end below.
  try {
    return await work(path);
  } finally {
    remove();
    process.removeListener("exit", remove);
  }
}
