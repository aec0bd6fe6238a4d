/** `tally device provision`: new chips for somebody who joins the economy. */

import type { Command } from "commander";
import { FolderHome } from "../world/home.js";
import { type Joined, joinSite } from "../world/join.js";
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
  return withSite(options, async (site) => {
    const home = into === undefined ? undefined : new FolderHome(into);
    try {
      return await joinSite(site, {
        name,
        holder,
        deposits: deposit,
        ...(card === undefined ? {} : { card }),
        ...(home === undefined ? {} : { into: { home, ...(directory === undefined ? {} : { directory }) } }),
      });
    } finally {
      await home?.close();
    }
  });
}
