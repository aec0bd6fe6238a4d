/** `tally device provision`: new chips for somebody who joins the economy. */

import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { FolderHome, type Home } from "../world/home.js";
import { checkOrder, type Joined, joinSite } from "../world/join.js";
import { HomeTakenError } from "../world/remote.js";
import { type GlobalOptions, outputFor, withSite } from "./context.js";

interface ProvisionOptions extends GlobalOptions {
  readonly holder?: string;
  readonly card?: string;
  readonly deposit?: readonly string[];
  readonly into?: string;
  readonly directory?: string;
}

export function addProvision(device: Command): void {
  device
    .command("provision")
    .description("personalise a device for somebody new: agent and module, accounts, a debit card")
    .argument("<name>", "small letters and digits")
    .option("--holder <name>", "the owner's name on the card (default: the device's)")
    .option("--card <amount>", 'a debit card, with this on its account, for example "USD 300.00"')
    .option("--deposit <amount...>", 'accounts at the bank, with this on them, for example "USD 100.00"')
    .option("--into <folder>", "into a home of its own, to be taken to another machine; the PIN is shown once")
    .option("--directory <url>", "where the wallet in a home of its own finds merchants and the bank")
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ProvisionOptions>();
      const joined = await provision(name, options);
      const { pin, puk, module } = joined;
      const secrets = options.into === undefined ? {} : { pin, puk };
      const letter = [`PIN ${pin}, PUK ${puk}: write them down, they are kept nowhere else.`];
      outputFor(options).result({ name, module, ...secrets }, [
        `${name} has joined: money module ${module}.`,
        ...(options.into === undefined ? [] : letter),
      ]);
    });
}

function provision(name: string, options: ProvisionOptions): Promise<Joined> {
  const { holder = name, card, deposit = [], into, directory } = options;
  const order = { name, holder, deposits: deposit, ...(card === undefined ? {} : { card }) };
  return withSite(options, async (site) => {
    checkOrder(site, order);
    if (into === undefined) return joinSite(site, order);
    return inNewFolder(into, (home) => {
      return joinSite(site, { ...order, into: { home, ...(directory === undefined ? {} : { directory }) } });
    });
  });
}

/** A folder that is not there yet, or is empty; it is gone again if nothing was made in it. */
async function inNewFolder<Result>(path: string, work: (home: Home) => Promise<Result>): Promise<Result> {
  const isThere = existsSync(path);
  if (isThere && (!statSync(path).isDirectory() || readdirSync(path).length > 0))
    throw new HomeTakenError(resolve(path));
  const home = new FolderHome(path);
  try {
    return await work(home);
  } catch (error) {
    if (!home.holds("chips")) {
      await home.close();
      for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true });
      if (!isThere) rmSync(path, { recursive: true });
    }
    throw error;
  } finally {
    await home.close();
  }
}
