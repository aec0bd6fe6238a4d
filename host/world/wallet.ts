/** Opens wallets: one of an economy's home, with everybody else of that home to deal with, or one in a home of its own. */

import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { systemRandom } from "../randomness.js";
import { systemClock, systemTimers } from "../services/clock.js";
import type { Unit } from "../units.js";
import { RemoteCounterparties } from "../wallet/remote-counterparties.js";
import { Wallet, type WalletParts } from "../wallet/wallet.js";
import { contactsIn } from "./contacts.js";
import { HomeCounterparties } from "./counterparties.js";
import { FolderHome, type Home, HomeForbiddenError, hasCode, isRemoteHome, REMOTE_WALLET_FILE } from "./home.js";
import type { OwnersDevice } from "./owners-device.js";
import { depositAccount, STANDARD_PLAN } from "./plan.js";
import { lockedRemoteDevice, readRemoteWallet, remotePartsOf } from "./remote.js";
import { NoWorldError, Site, type WorldParts } from "./site.js";

export interface OpenWalletOptions {
  /** The owner's PIN; by default the one that the home keeps. */
  readonly pin?: string;
  /** URL of the directory, where the home has a wallet alone; by default the one that it was told when it was made. */
  readonly directory?: string;
  /** Where the owner's chips are: a reader or USB device, two if agent and module are apart; by default the home, or any. */
  readonly device?: string | readonly string[];
}

/** A wallet in a home of its own: nobody keeps its PIN but the owner. */
export class PinNeededError extends Error {
  constructor(name: string) {
    super(
      `The chips of ${name} want their PIN. Nothing was done and no money moved. Give it with --pin, or in TALLY_PIN.`,
    );
    this.name = "PinNeededError";
  }
}

/** Opens a wallet by its owner's name, in a home or a folder that holds one. Close it: a wallet belongs to one process. */
export async function openWallet(
  home: string | WorldParts,
  name: string,
  options: OpenWalletOptions = {},
): Promise<Wallet> {
  const parts = typeof home === "string" ? partsIn(homeIn(home)) : home;
  try {
    return await (isRemoteHome(parts.home) ? remoteWallet(parts, name, options) : homeWallet(parts, name, options));
  } catch (error) {
    await parts.home.close();
    throw error;
  }
}

async function homeWallet(parts: WorldParts, name: string, options: OpenWalletOptions): Promise<Wallet> {
  const site = Site.read(parts);
  const [card] = site.customerPlan(name).cards;
  const pin = options.pin ?? site.record(name).pin;
  const opened = await site.ownersDevice(name, locatorsIn(options));
  const counterparties = new HomeCounterparties(site);
  return unlocked(opened, pin, {
    counterparties,
    nameOf: (id) => site.ownerOf(id),
    announce: (url) => parts.home.announce(`wallet-${name}`, url),
    ...commonParts(parts, name),
    ...(card === undefined ? {} : { cardIssuer: card.bank }),
    close: async () => {
      await counterparties.close();
      await opened.close();
      await parts.home.close();
    },
  });
}

async function remoteWallet(parts: WorldParts, name: string, options: OpenWalletOptions): Promise<Wallet> {
  const { cardIssuer } = readRemoteWallet(parts.home);
  const opened = await lockedRemoteDevice(parts, name, locatorsIn(options));
  const { pin } = options;
  if (pin === undefined) {
    await opened.close();
    throw new PinNeededError(name);
  }
  const directory = options.directory === undefined ? {} : { directory: options.directory };
  return unlocked(opened, pin, {
    counterparties: new RemoteCounterparties({ ...remotePartsOf(parts), ...directory }),
    ...commonParts(parts, name),
    ...(cardIssuer === undefined ? {} : { cardIssuer }),
    close: async () => {
      await opened.close();
      await parts.home.close();
    },
  });
}

function locatorsIn({ device }: OpenWalletOptions): readonly string[] {
  return device === undefined ? [] : [device].flat();
}

/** A wallet that does not open lets go of its card. */
async function unlocked(
  { device, close }: OwnersDevice,
  pin: string,
  parts: Omit<WalletParts, "device" | "pin">,
): Promise<Wallet> {
  try {
    await device.unlock(pin);
    return await Wallet.open({ device, pin, ...parts });
  } catch (error) {
    await close();
    throw error;
  }
}

function commonParts({ home, random }: WorldParts, name: string) {
  return {
    contacts: contactsIn(home, name),
    random,
    account: (unit: Unit) => depositAccount(name, unit),
  };
}

/** An owner's device, wherever its chips are, before the PIN. */
export async function ownersDevice(
  parts: WorldParts,
  name: string,
  locators: readonly string[] = [],
): Promise<OwnersDevice> {
  return isRemoteHome(parts.home)
    ? lockedRemoteDevice(parts, name, locators)
    : Site.read(parts).ownersDevice(name, locators);
}

/** A home that is there already: only `tally init` and `tally device provision` make one. */
export function homeIn(folder: string): Home {
  const path = resolve(folder);
  // Whoever only asks leaves nothing behind in a folder of somebody else's.
  const isHome = ["world.json", "agencies.json", "chips", REMOTE_WALLET_FILE].some((name) => isIn(path, name));
  if (!isHome && !isFile(path)) throw new NoWorldError(path);
  return new FolderHome(path);
}

/** What may not be looked at is not nothing: who takes it for that would make a new economy. */
function isIn(path: string, name: string): boolean {
  try {
    return statSync(join(path, name), { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (hasCode(error, "EACCES")) throw new HomeForbiddenError(path, error);
    throw error;
  }
}

/** It cannot be a home, which opening it will say. */
function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === false;
}

/** The machine's clock and randomness, and the standard plan. */
export function partsIn(home: Home): WorldParts {
  return { home, plan: STANDARD_PLAN, clock: systemClock, timers: systemTimers, random: systemRandom };
}
