/** What commands have in common: the options before the command, and the part of a home that they work with. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { PIN_DIGITS_MAX, PIN_DIGITS_MIN } from "../../firmware/protocol/limits.js";
import type { Device } from "../device.js";
import type { Wallet } from "../wallet/wallet.js";
import { defaultHomePath, type Home, isRemoteHome } from "../world/home.js";
import type { OwnersDevice } from "../world/owners-device.js";
import { NoWorldError, Site, type WorldParts } from "../world/site.js";
import { homeIn, openWallet, ownersDevice, partsIn } from "../world/wallet.js";
import { World } from "../world/world.js";
import { secret } from "./confirm.js";
import { type Output, outputOf } from "./output.js";

export interface GlobalOptions {
  readonly home?: string;
  readonly json?: boolean;
}

/** Options of commands that use one owner's chips. */
export interface OwnerOptions extends DeviceOptions {
  readonly pin?: string;
  readonly directory?: string;
}

export interface DeviceOptions extends GlobalOptions {
  /** Places where the owner's chips are. */
  readonly device?: readonly string[];
}

/** Agent and module are in one place, or in two. */
const PLACES_MAX = 2;

const OWNERS_CHIPS =
  "where the chips are: a reader or a USB device, from `tally device list`, or serial:PATH; twice if they are apart";

/** Adds `--device` to a command that uses one owner's chips. */
export function withDevice(command: Command, description = OWNERS_CHIPS): Command {
  return command.option("--device <place>", description, (place: string, places: readonly string[] = []) => {
    if (place === "") throw new InvalidArgumentError("It is empty.");
    if (places.length === PLACES_MAX) throw new InvalidArgumentError(`At most ${PLACES_MAX} places have one's chips.`);
    return [...places, place];
  });
}

export function outputFor(options: GlobalOptions): Output {
  return outputOf(options.json === true);
}

export function homePath(options: GlobalOptions): string {
  return options.home ?? defaultHomePath();
}

function partsOf(options: GlobalOptions): WorldParts {
  return partsIn(homeIn(homePath(options)));
}

/** The home, or undefined where none was named and none is there. */
export function homeIfAny(options: GlobalOptions): Home | undefined {
  try {
    return homeIn(homePath(options));
  } catch (error) {
    if (error instanceof NoWorldError && options.home === undefined) return undefined;
    throw error;
  }
}

/** Opens the whole economy in the home, lets the command work, and closes it whatever happens. */
export async function withWorld<Result>(
  options: GlobalOptions,
  work: (world: World) => Promise<Result>,
): Promise<Result> {
  const parts = partsOf(options);
  let world: World | undefined;
  try {
    world = await World.open(parts);
    // A command that was killed may have left something to agents and services that they can settle by themselves.
    await world.recover();
    return await work(world);
  } finally {
    if (world === undefined) await parts.home.close();
    else await world.close();
  }
}

/** Reads who is who in the home, and lets the command open the parts that it needs. */
export async function withSite<Result>(
  options: GlobalOptions,
  work: (site: Site) => Promise<Result>,
  watched: Partial<WorldParts> = {},
): Promise<Result> {
  const parts = { ...partsOf(options), ...watched };
  try {
    return await work(Site.read(parts));
  } finally {
    await parts.home.close();
  }
}

export const DIGITS = `${PIN_DIGITS_MIN} to ${PIN_DIGITS_MAX} digits`;

export function pinDigits(text: string): string {
  if (/^\d+$/.test(text) && text.length >= PIN_DIGITS_MIN && text.length <= PIN_DIGITS_MAX) return text;
  throw new InvalidArgumentError(`It has ${DIGITS}.`);
}

/** Digits of an environment variable. An empty one was never set. */
export function digitsOfEnvironment(name: "TALLY_PIN" | "TALLY_NEW_PIN" | "TALLY_PUK"): string | undefined {
  const text = process.env[name];
  if (text === undefined || text === "") return undefined;
  try {
    return pinDigits(text);
  } catch {
    throw new Error(`${name} is not ${DIGITS}. Nothing was done and no money moved. Set it right, or leave it away.`);
  }
}

/** Digits that the owner types, where there is a terminal. */
export async function typedDigits(question: string): Promise<string | undefined> {
  const typed = await secret(question);
  if (typed === undefined) return undefined;
  try {
    return pinDigits(typed);
  } catch {
    throw new Error(`That is not ${DIGITS}. Nothing was done and no money moved. Run the command again.`);
  }
}

/** Opens one owner's wallet for the command. */
export async function withWallet<Result>(
  options: OwnerOptions,
  owner: string,
  work: (wallet: Wallet) => Promise<Result>,
): Promise<Result> {
  const parts = partsOf(options);
  const given = options.pin ?? digitsOfEnvironment("TALLY_PIN");
  // A home of an economy keeps the PIN; a wallet's own home does not.
  const pin = given ?? (isRemoteHome(parts.home) ? await typedDigits(`PIN of ${owner}:`) : undefined);
  const { directory, device } = options;
  const opening = {
    ...(pin === undefined ? {} : { pin }),
    ...(directory === undefined ? {} : { directory }),
    ...(device === undefined ? {} : { device }),
  };
  const wallet = await openWallet(parts, owner, opening);
  try {
    return await work(wallet);
  } finally {
    await wallet.close();
  }
}

/** Opens one device for the command, before its owner's PIN: of an economy's home, or of a home of its own. */
export async function withLockedDevice<Result>(
  options: DeviceOptions,
  name: string,
  work: (device: Device, home: Home) => Promise<Result>,
): Promise<Result> {
  const parts = partsOf(options);
  let opened: OwnersDevice | undefined;
  try {
    opened = await ownersDevice(parts, name, options.device);
    return await work(opened.device, parts.home);
  } finally {
    await opened?.close();
    await parts.home.close();
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
