/**
 * A home that holds one wallet and nothing else: its chips, and where the merchants' directory is. Everybody else is on other
 * machines. `tally device provision --into` makes one; its PIN is nowhere but in the owner's head.
 *
 *   home/wallet.json     whose it is, its card's issuer, the directory
 *   home/chips/, home/parts/, home/contacts-NAME.json     as in every home; there are no chips where these are on a card
 */

import type { Device } from "../device.js";
import type { RemoteParts } from "../wallet/remote-counterparties.js";
import { REMOTE_WALLET_FILE as FILE, type Home } from "./home.js";
import { type OwnersDevice, openOwnersDevice } from "./owners-device.js";
import { UnfinishedJoinError, UnknownNameError, type WorldParts } from "./site.js";

const VERSION = 1;

export interface RemoteWallet {
  readonly version: typeof VERSION;
  readonly name: string;
  readonly holder: string;
  /** URL of the directory; the wallet finds merchants and the bank there. */
  readonly directory?: string;
  /** Issuer of the card that it has. */
  readonly cardIssuer?: string;
  /** Subject ids of its chips, in hexadecimal: so they are found in a reader. Homes of before do not have them. */
  readonly agent?: string;
  readonly module?: string;
  /** They are on a card, and never were in this home. */
  readonly onCard?: boolean;
  /** While it is being made: which order of the economy's home it belongs to. */
  readonly unfinished?: string;
}

/** The file of a wallet's home is not what this program wrote. */
export class RemoteWalletError extends Error {
  constructor(place: string, what: string) {
    super(
      `The file ${FILE} in ${place} does not fit: ${what}. Nothing was changed and no money moved. ` +
        "Use the version of this program that made it, or put it back from a copy.",
    );
    this.name = "RemoteWalletError";
  }
}

/** The folder has a wallet in it already, or an economy. */
export class HomeTakenError extends Error {
  constructor(place: string) {
    super(`There is something in ${place} already. It was not touched. Choose another folder.`);
    this.name = "HomeTakenError";
  }
}

export function writeRemoteWallet(home: Home, wallet: Omit<RemoteWallet, "version">): void {
  home.write(FILE, `${JSON.stringify({ version: VERSION, ...wallet }, undefined, 2)}\n`);
}

/** The wallet of a home of its own; one that was never finished is refused. */
export function readRemoteWallet(home: Pick<Home, "place" | "read">): RemoteWallet {
  const wallet = readAnyRemoteWallet(home);
  if (wallet.unfinished !== undefined) throw new UnfinishedJoinError(wallet.name);
  return wallet;
}

/** As `readRemoteWallet`, of one that may be in the making. */
export function readAnyRemoteWallet(home: Pick<Home, "place" | "read">): RemoteWallet {
  let wallet: Partial<RemoteWallet> | null;
  try {
    wallet = JSON.parse(home.read(FILE) ?? "") as Partial<RemoteWallet> | null;
  } catch {
    throw new RemoteWalletError(home.place, "it is not JSON");
  }
  if (wallet?.version !== VERSION) throw new RemoteWalletError(home.place, `its version is ${String(wallet?.version)}`);
  const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
  const { name, holder, directory, cardIssuer, agent, module, onCard, unfinished } = wallet;
  if (!isText(name) || !isText(holder)) throw new RemoteWalletError(home.place, "it does not say whose it is");
  if (![directory, cardIssuer, agent, module, unfinished].every((value) => value === undefined || isText(value))) {
    throw new RemoteWalletError(home.place, "its directory, card issuer, chips or order is no text");
  }
  if (onCard !== undefined && typeof onCard !== "boolean")
    throw new RemoteWalletError(home.place, "it does not say where its chips are");
  return wallet as RemoteWallet;
}

/** The wallet's device, wherever its chips are, before its owner's PIN. `name` must be the one whose wallet it is. */
export async function lockedRemoteDevice(
  parts: WorldParts,
  name: string,
  locators: readonly string[] = [],
): Promise<OwnersDevice> {
  const { agent, module, onCard, ...wallet } = readRemoteWallet(parts.home);
  if (wallet.name !== name) throw new UnknownNameError("device", name, [wallet.name]);
  parts.home.claim(`wallet-${name}`);
  const ids = { ...(agent === undefined ? {} : { agent }), ...(module === undefined ? {} : { module }) };
  return openOwnersDevice(parts, { owner: name, ...ids }, locators, onCard === true);
}

/** The device of a home of its own, unlocked. */
export async function openRemoteDevice(
  parts: WorldParts,
  pin: string,
): Promise<{ readonly device: Device; readonly close: () => Promise<void> }> {
  let opened: OwnersDevice | undefined;
  const close = async () => {
    await opened?.close();
    await parts.home.close();
  };
  try {
    opened = await lockedRemoteDevice(parts, readRemoteWallet(parts.home).name);
    await opened.device.unlock(pin);
    return { device: opened.device, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What its counterparties are found with. */
export function remotePartsOf({ home, timers, random }: WorldParts): RemoteParts {
  const { directory } = readRemoteWallet(home);
  return { timers, random, ...(directory === undefined ? {} : { directory }) };
}
