/** A wallet of a home: its device, and everybody else of the home to deal with. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { systemRandom } from "../randomness.js";
import { systemClock, systemTimers } from "../services/clock.js";
import { Contacts } from "../wallet/contacts.js";
import { Wallet } from "../wallet/wallet.js";
import { HomeCounterparties } from "./counterparties.js";
import { FolderHome, type Home } from "./home.js";
import { depositAccount, STANDARD_PLAN } from "./plan.js";
import { NoWorldError, Site, type WorldParts } from "./site.js";

export interface OpenWalletOptions {
  /** The owner's PIN; by default the one that the home keeps. */
  readonly pin?: string;
}

/** Opens a wallet by its owner's name, in a home or a folder that holds one. Close it: a wallet belongs to one process. */
export async function openWallet(
  home: string | WorldParts,
  name: string,
  options: OpenWalletOptions = {},
): Promise<Wallet> {
  const parts = typeof home === "string" ? partsIn(homeIn(home)) : home;
  const close = () => parts.home.close();
  try {
    const site = Site.read(parts);
    const [card] = site.customerPlan(name).cards;
    const device = await site.openDevice(name, options.pin);
    const counterparties = new HomeCounterparties(site);
    const file = `contacts-${name}.json`;
    return await Wallet.open({
      device,
      counterparties,
      contacts: new Contacts({ read: () => parts.home.read(file), write: (text) => parts.home.write(file, text) }),
      random: parts.random,
      ...(card === undefined ? {} : { cardIssuer: card.bank }),
      account: (unit) => depositAccount(name, unit),
      close: async () => {
        await counterparties.close();
        await close();
      },
    });
  } catch (error) {
    await close();
    throw error;
  }
}

/** A home that is there already: only `tally init` and `tally device provision` make one. */
export function homeIn(folder: string): Home {
  const path = resolve(folder);
  if (!existsSync(path)) throw new NoWorldError(path);
  return new FolderHome(path);
}

/** The machine's clock and randomness, and the standard plan. */
export function partsIn(home: Home): WorldParts {
  return { home, plan: STANDARD_PLAN, clock: systemClock, timers: systemTimers, random: systemRandom };
}
