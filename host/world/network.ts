/** The card network of a world: in this process, or as a process of its own that is reached over TCP. */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { fromHex } from "../codec/bytes.js";
import { ed25519Signer } from "../crypto.js";
import { AuthorizationNetwork } from "../services/authorization-network.js";
import {
  type CardTransport,
  NetworkClient,
  NetworkUnreachableError,
  type StanSequence,
} from "../services/network-client.js";
import { type NetworkConfig, networkConfigText } from "../services/network-config.js";
import type { NetworkSetup, NetworkTables } from "../services/network-tables.js";
import { currencyCodes, unitOf } from "../units.js";
import type { WorldPlan } from "./plan.js";
import type { Site } from "./site.js";

export interface OpenNetwork {
  /** While it is unplugged no message reaches it: merchants' requests wait, and payments between people do not notice. */
  unplugged: boolean;
  /** Messages that were carried so far. */
  messages: number;
  /** The line of one acquirer to the network. */
  transport(acquirer: string, stans: StanSequence): CardTransport;
  /** What an account has, where the network is in this process; elsewhere only its owner may ask. */
  accountBalance(bank: string, number: string): Promise<{ available: bigint; held: bigint } | undefined>;
  /** Faults in the network's books, where they can be seen from here. */
  audit(): Promise<string[]>;
  close(): Promise<void>;
}

/** Acquirers are numbered from here on. */
const ACQUIRER_FIRST = 42_000_001;
const APPROVAL_DAYS = 3;
const SUSPENSE_AFTER_SECONDS = 259_200n;
const SWEEP_EVERY_MS = 60_000;
const START_MS_MAX = 15_000;

/**
 * Every merchant of the sandbox has an acquirer of its own, because it counts its own messages: the network tells them
 * apart by acquirer and number.
 */
export function acquirerOf(plan: WorldPlan, merchant: string): string {
  return String(ACQUIRER_FIRST + plan.merchants.findIndex(({ name }) => name === merchant));
}

/** The card network for this process: one that serves already, else this process works with its books. */
export async function openNetwork(site: Site): Promise<OpenNetwork> {
  const { home, network } = site.parts;
  const url = home.holder("network")?.url;
  if (url !== undefined) {
    let last = url;
    const port = () => {
      last = home.holder("network")?.url ?? last;
      return Number(new URL(last).port);
    };
    return connected(site, port, async () => undefined);
  }
  home.claim("network");
  return network === "process" ? openProcess(site) : openInProcess(site);
}

/** What a process of its own is told. */
export function networkConfigOf(site: Site): NetworkConfig {
  const { keySeed, chain } = site.state.network;
  return {
    root: site.agencies.agents.root,
    keySeed: fromHex(keySeed),
    chain: fromHex(chain),
    exponents: new Map(currencyCodes().map((code) => [unitOf(code).currency, unitOf(code).exponent])),
    approvalDays: APPROVAL_DAYS,
    suspenseAfter_seconds: SUSPENSE_AFTER_SECONDS,
    sweepEvery_ms: SWEEP_EVERY_MS,
    setup: setupOf(site),
  };
}

function setupOf(site: Site): NetworkSetup {
  const plan: WorldPlan = site.plan;
  return {
    routes: plan.issuers.map(({ bin, bank }) => ({ bin, bank })),
    accounts: plan.accounts,
    cards: plan.customers.flatMap(({ cards, holder }) =>
      cards.map(({ bank, number, account, status, dailyLimit }) => {
        return { bank, number, expiry: plan.cardExpiry, holder, account, status, dailyLimit };
      }),
    ),
    merchants: plan.merchants.map((merchant) => ({
      acquirer: acquirerOf(plan, merchant.name),
      merchant: merchant.number,
      settlement: merchant.settlement,
      agents: site.agentsOf(merchant),
    })),
    rates: plan.rates,
  };
}

/** Opens the network's books and enters what the plan has; a process that serves from them finds new cards at once. */
export async function openNetworkBooks(site: Site): Promise<AuthorizationNetwork> {
  const { setup, keySeed, ...config } = networkConfigOf(site);
  const network = await AuthorizationNetwork.open({
    database: site.parts.home.database<NetworkTables>("network"),
    clock: site.parts.clock,
    signer: ed25519Signer(keySeed),
    ...config,
  });
  await network.setUp(setup);
  return network;
}

async function openInProcess(site: Site): Promise<OpenNetwork> {
  const network = await openNetworkBooks(site);
  const open: OpenNetwork = {
    unplugged: false,
    messages: 0,
    transport: () => line(open, { exchange: (message) => network.handle(message) }),
    accountBalance: (bank, number) => network.accountBalance(bank, number),
    audit: () => network.audit(),
    close: async () => undefined,
  };
  return open;
}

/** One merchant's line, which can be unplugged. */
function line(open: OpenNetwork, to: CardTransport): CardTransport {
  return {
    exchange: (message) => {
      if (open.unplugged) return Promise.reject(new NetworkUnreachableError("the network is unplugged"));
      open.messages += 1;
      return to.exchange(message);
    },
  };
}

/** The network did not start. */
export class NetworkStartError extends Error {
  /** `what` is all that its process complained of: the line that names the error, not the trace below it. */
  constructor(complaint: string) {
    const lines = complaint.split("\n").map((line) => line.trim());
    const what = (lines.find((line) => line.startsWith("Error:")) ?? lines[0] ?? "").replace(/^Error: /, "");
    super(`The card network did not start: ${what}. No money moved. Run the command again.`);
    this.name = "NetworkStartError";
  }
}

async function openProcess(site: Site): Promise<OpenNetwork> {
  const { home } = site.parts;
  const databaseFile = home.databaseFile("network");
  if (databaseFile === undefined) throw new NetworkStartError("a process of its own needs a home in a folder");
  home.write("network.json", networkConfigText(networkConfigOf(site)));
  const main = fileURLToPath(new URL("../services/network-main.js", import.meta.url));
  const config = `${home.place}/network.json`;
  const child = spawn(process.execPath, [main, "--config", config, "--database", databaseFile, "--attached"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const port = await portOf(child, site);
  return connected(site, port, async () => {
    child.kill("SIGTERM");
    await exited;
  });
}

/** Lines to a network that is reached over TCP. */
function connected(site: Site, port: number | (() => number), stop: () => Promise<void>): OpenNetwork {
  const { clock, timers } = site.parts;
  const clients: NetworkClient[] = [];
  const open: OpenNetwork = {
    unplugged: false,
    messages: 0,
    transport: (acquirer, stans) => {
      const client = new NetworkClient({ port, acquirer, stans, clock, timers });
      clients.push(client);
      return line(open, client);
    },
    accountBalance: async () => undefined,
    audit: async () => [],
    close: async () => {
      for (const client of clients) await client.close();
      await stop();
    },
  };
  return open;
}

/** The port that the network's process announces in its first line. */
function portOf(child: ReturnType<typeof spawn>, site: Site): Promise<number> {
  return new Promise((resolve, reject) => {
    const cancel = site.parts.timers.after(START_MS_MAX, () => {
      child.kill("SIGKILL");
      reject(new NetworkStartError("it took too long"));
    });
    let complaint = "";
    child.stderr?.on("data", (chunk: Uint8Array) => {
      complaint += new TextDecoder().decode(chunk);
    });
    child.once("exit", (code) => reject(new NetworkStartError(complaint.trim() || `it ended with code ${code}`)));
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const event = JSON.parse(line) as { event?: string; port?: number };
      if (event.event !== "ready" || event.port === undefined) return;
      cancel();
      resolve(event.port);
    });
  });
}
