/** Parts of a home as servers: a bank, a merchant, the card network with the merchants' directory. One process each. */

import { asError } from "../as-error.js";
import { checkPublic, publicAddress } from "../communications/address.js";
import { LinePortError } from "../communications/server.js";
import { BankServer, type ServerPlace } from "../servers/bank-server.js";
import { DirectoryServer } from "../servers/directory-server.js";
import { MerchantServer } from "../servers/merchant-server.js";
import type { Timers } from "../services/clock.js";
import { Directory } from "../services/directory.js";
import { type NetworkProcess, startNetwork } from "../services/network-main.js";
import type { TellerParts } from "../services/teller.js";
import { type OpenBank, openBank } from "./bank.js";
import type { Announcement } from "./claims.js";
import { HomeCounterparties } from "./counterparties.js";
import { networkConfigOf, openNetwork } from "./network.js";
import type { Site } from "./site.js";
import { enterInDirectory, openTrader, type Trader } from "./trader.js";

/** So long a merchant that ends waits for the customers that are there. */
const LAST_CUSTOMERS_MS_MAX = 60_000;

/** Something that is served until it is closed. */
export interface Served {
  readonly url: string;
  close(): Promise<void>;
}

/** What listens already would keep a process alive that cannot serve. */
async function orClose<Result>(server: { close(): Promise<void> }, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    await server.close();
    throw error;
  }
}

export interface ServedBank extends Served {
  readonly bank: OpenBank;
  readonly server: BankServer;
}

export async function serveBank(
  site: Site,
  place: ServerPlace = {},
  events: Pick<TellerParts, "onEvent" | "onFault" | "onFinding"> = {},
): Promise<ServedBank> {
  checkPublic(place);
  const bank = await openBank(site, events);
  const server = await BankServer.open(bank.teller, site.parts, place);
  const url = publicAddress(server.url, place.publicUrl);
  site.parts.home.announce("bank", server.url, url);
  return { url, bank, server, close: () => server.close() };
}

export interface ServedMerchant extends Served {
  readonly trader: Trader;
  readonly server: MerchantServer;
  /** Whether the card network is in this process, because nobody serves it. */
  readonly networkIsHere: boolean;
}

/** `name`: the merchant's in the plan. It withdraws from the bank only where that is served. */
export async function serveMerchant(site: Site, name: string, place: ServerPlace = {}): Promise<ServedMerchant> {
  checkPublic(place);
  const { home } = site.parts;
  const plan = site.merchantPlan(name);
  home.claim(`merchant-${plan.name}`);
  const networkIsHere = home.holder("network") === undefined;
  const network = await openNetwork(site);
  const bank = HomeCounterparties.servedBank(site, (fault) => {
    if (fault !== undefined) trader.merchant.bankBrokeOff();
  });
  const trader = await openTrader(site, plan, network, bank);
  const server = await MerchantServer.open(trader.merchant, site.parts, place);
  const url = publicAddress(server.url, place.publicUrl);
  const directory = await Directory.open(home.database("directory"));
  await orClose(server, async () => {
    await enterInDirectory(directory, site, plan, url);
    home.announce(`merchant-${plan.name}`, server.url);
  });
  // What an earlier process left open is settled beside the customers of today: the network may take a while to answer.
  const bankIsServed = home.holder("bank")?.url !== undefined;
  const greeted = bankIsServed ? trader.merchant.greetBank().catch(() => undefined) : undefined;
  const recovered = trader.merchant.recover().catch((error: unknown) => {
    server.emit("failed", asError(error));
  });
  const close = async () => {
    // Nobody else is sent here; within the home it is found by its name again.
    await enterInDirectory(directory, site, plan);
    const served = server.close();
    // Who waits for a card network that is away is served no further: what was asked of it is stored, and asked again next time.
    await Promise.race([served, after(LAST_CUSTOMERS_MS_MAX, site.parts.timers)]);
    await trader.outbox.close();
    await served;
    await Promise.all([greeted, recovered]);
    await network.close();
  };
  return { url, trader, server, networkIsHere, close };
}

function after(delay_ms: number, timers: Timers): Promise<void> {
  return new Promise((resolve) => void timers.after(delay_ms, resolve));
}

export interface ServedNetwork extends Served {
  readonly directory: DirectoryServer;
}

/** `port` is for ISO 8583, `directoryPort` for the directory over HTTP. */
export async function serveNetwork(
  site: Site,
  place: ServerPlace & { readonly directoryPort?: number } = {},
  tell: (event: Readonly<Record<string, string | number>>) => void = () => undefined,
): Promise<ServedNetwork> {
  const { home, clock, timers } = site.parts;
  home.claim("network");
  const databaseFile = home.databaseFile("network");
  if (databaseFile === undefined) throw new RangeError("site: a network is served from a home in a folder");
  const config = networkConfigOf(site);
  const port = place.port ?? 0;
  const network: NetworkProcess = await startNetwork({ config, databaseFile, port, clock, timers, tell }).catch(
    (error) => {
      throw hasSyscall(error, "listen") ? new LinePortError(`127.0.0.1:${port}`, error.code ?? error.message) : error;
    },
  );
  const directory = await orClose({ close: () => network.stop() }, () => serveDirectory(site, place));
  const url = `iso8583://127.0.0.1:${network.port}`;
  home.announce("network", url);
  return {
    url,
    directory,
    close: async () => {
      await directory.close();
      await network.stop();
    },
  };
}

function hasSyscall(error: unknown, call: string): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && error.syscall === call;
}

function bankAddress(holder: Announcement | undefined): string | undefined {
  return holder?.publicUrl ?? holder?.url;
}

async function serveDirectory(
  site: Site,
  { host, directoryPort }: ServerPlace & { readonly directoryPort?: number },
): Promise<DirectoryServer> {
  const { home } = site.parts;
  const books = await Directory.open(home.database("directory"));
  const issuers = site.plan.issuers.flatMap(({ bank }) => {
    const unit = site.accountUnit(bank);
    return unit === undefined ? [] : [{ bank, unit }];
  });
  const source = {
    // One that is not served has a name of this home for an address, which says nothing to anybody else.
    entries: async () => (await books.entries()).filter(({ address }) => /^wss?:/.test(address)),
    rest: () => ({ bank: bankAddress(home.holder("bank")), issuers }),
  };
  const place = {
    ...(host === undefined ? {} : { host }),
    ...(directoryPort === undefined ? {} : { port: directoryPort }),
  };
  return DirectoryServer.open(source, place);
}
