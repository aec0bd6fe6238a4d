/** `tally device provision`: new chips for somebody who joins the economy. */

import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { FolderHome, type Home, REMOTE_WALLET_FILE } from "../world/home.js";
import { checkOrder, type Joined, joinSite } from "../world/join.js";
import { HomeTakenError } from "../world/remote.js";
import { type DeviceOptions, outputFor, withDevice, withSite } from "./context.js";
import { printable } from "./output.js";

interface ProvisionOptions extends DeviceOptions {
  readonly holder?: string;
  readonly card?: string;
  readonly deposit?: readonly string[];
  readonly into?: string;
  readonly directory?: string;
}

const AFTERWORD = `
With --device the chips are on a card: blank ones, which make their keys themselves. One that was broken off is gone on with by
the same command, and no other card takes its place:
  tally device provision dave --card "USD 300.00" --device "ACME Reader"`;

export function addProvision(device: Command): void {
  const provisioning = device
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
      await provision(name, options, ({ pin, puk, module, places }, isElsewhere) => {
        const secrets = isElsewhere ? { pin, puk } : {};
        const where = places === undefined ? "" : `, on the card in ${places.map(printable).join(" and ")}`;
        const letter = [`PIN ${pin}, PUK ${puk}: write them down, they are kept nowhere else.`];
        outputFor(options).result({ name, module, ...(places === undefined ? {} : { places }), ...secrets }, [
          `${name} has joined: money module ${module}${where}.`,
          ...(isElsewhere ? letter : []),
        ]);
      });
    })
    .addHelpText("after", AFTERWORD);
  withDevice(
    provisioning,
    "where blank chips are: a reader or a USB device, from `tally device list`, or serial:PATH; twice if they are apart",
  );
}

type Print = (joined: Joined, isElsewhere: boolean) => void;

/** Prints before the home forgets PIN and PUK. What was broken off needs no options again. */
function provision(name: string, options: ProvisionOptions, print: Print): Promise<Joined> {
  return withSite(options, async (site) => {
    const begun = site.unfinished(name);
    const card = options.card ?? begun?.card;
    const directory = options.directory ?? begun?.unfinished.directory;
    const { device } = options;
    const into = options.into === undefined ? begun?.unfinished.into : resolve(options.into);
    const order = {
      name,
      holder: options.holder ?? begun?.holder ?? name,
      deposits: options.deposit ?? begun?.deposits ?? [],
      ...(card === undefined ? {} : { card }),
      ...(device === undefined ? {} : { device }),
    };
    if (into === undefined) return joinSite(site, order, (joined) => print(joined, false));
    const finding = directory === undefined ? {} : { directory };
    checkOrder(site, { ...order, into: { home: { place: into }, ...finding } });
    return inFolder(into, begun?.unfinished.into === into, (home) => {
      return joinSite(site, { ...order, into: { home, ...finding } }, (joined) => print(joined, true));
    });
  });
}

/**
 * A folder that is not there yet, or is empty, or in which somebody was begun; of a new one nothing is left if nobody was
 * begun in it.
 */
async function inFolder<Result>(
  path: string,
  isBegun: boolean,
  work: (home: Home) => Promise<Result>,
): Promise<Result> {
  const isThere = existsSync(path);
  const isOurs = isBegun && existsSync(join(path, REMOTE_WALLET_FILE));
  if (isThere && !isOurs && !isUnused(path)) throw new HomeTakenError(path);
  const home = new FolderHome(path);
  let isClaimed = false;
  try {
    home.claim("settings");
    isClaimed = true;
    return await work(home);
  } catch (error) {
    if (isClaimed && !home.holds("chips") && !home.holds(REMOTE_WALLET_FILE)) {
      await home.close();
      for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true });
      if (!isThere) rmSync(path, { recursive: true });
    }
    throw error;
  } finally {
    await home.close();
  }
}

/** Empty, but for what is left where a process was killed before it made anything. */
function isUnused(path: string): boolean {
  if (!statSync(path).isDirectory()) return false;
  const left =
    /^(books|parts|parts\/(settings|wallet-[a-z0-9-]+)\.(lock|lock-journal|json|json\.new)|wallet\.json\.new)$/;
  return readdirSync(path, { recursive: true }).every((name) => left.test(String(name).replaceAll("\\", "/")));
}
