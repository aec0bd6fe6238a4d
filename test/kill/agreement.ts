/**
 * What everybody holds, and whether they agree: looked at in a copy of the home, so that chips and books are asked and nothing
 * of the real ones is opened, settled or changed by it.
 */

import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { settleAgent } from "../../host/applications/resume.js";
import { toHex } from "../../host/codec/bytes.js";
import type { Device } from "../../host/device.js";
import { BankBooks } from "../../host/services/bank-books.js";
import type { NetworkTables } from "../../host/services/network-tables.js";
import type { OutboxTables } from "../../host/services/outbox.js";
import { currencyCode, formatMoney, type Unit } from "../../host/units.js";
import { FolderHome, type Home } from "../../host/world/home.js";
import { merchantOfTill, type WorldPlan } from "../../host/world/plan.js";
import { Site } from "../../host/world/site.js";
import { partsIn } from "../../host/world/wallet.js";
import { World } from "../../host/world/world.js";
import { pendingOfAgent } from "./agent-records.js";

export interface Observation {
  /** Whatever can be owned, by place: `wallet alice USD`, `tills alder USD`, `card current-alice`, `account alice-840`. */
  readonly holdings: ReadonlyMap<string, bigint>;
  /** What each device can spend, by `device currency`. */
  readonly spendable: ReadonlyMap<string, bigint>;
  /** Where they do not agree, or something is still open. */
  readonly complaints: readonly string[];
}

/** What belongs to the processes that have the home open. */
function isOfProcess(path: string): boolean {
  return /\/(parts(\/.*)?|lock|[^/]*-shm|[^/]*\.new)$/.test(path);
}

/** A home whose servers are still at work is copied again, so often. */
const COPIES_MAX = 20;
const COPY_AGAIN_MS = 100;

/** A copy that nobody wrote to meanwhile: a chip's flash without the counter that goes with it would be an old image. */
async function copyAtRest(home: string, copy: string): Promise<void> {
  for (let copies = 1; ; copies += 1) {
    const before = fingerprintOf(home);
    cpSync(home, copy, { recursive: true, filter: (path) => !isOfProcess(path) });
    if (fingerprintOf(home) === before || copies === COPIES_MAX) return;
    await new Promise((resolve) => setTimeout(resolve, COPY_AGAIN_MS));
    for (const name of readdirSync(copy)) rmSync(join(copy, name), { recursive: true });
  }
}

/** Of every file that an observation reads: when it was last written, and how long it is. */
function fingerprintOf(home: string): string {
  return readdirSync(home, { recursive: true, encoding: "utf8" })
    .filter((name) => !isOfProcess(join(home, name)))
    .map((name) => {
      const { mtimeMs, size } = statSync(join(home, name), { throwIfNoEntry: false }) ?? { mtimeMs: 0, size: 0 };
      return `${name} ${mtimeMs} ${size}`;
    })
    .sort()
    .join("\n");
}

export async function observe(home: string): Promise<Observation> {
  const copy = mkdtempSync(join(dirname(home), "look-"));
  try {
    await copyAtRest(home, copy);
    const opened = new FolderHome(copy);
    try {
      return await new Look(opened).all();
    } finally {
      await opened.close();
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

class Look {
  readonly #home: Home;
  readonly #site: Site;
  readonly #plan: WorldPlan;
  readonly #complaints: string[] = [];
  readonly #holdings = new Map<string, bigint>();
  readonly #spendable = new Map<string, bigint>();

  constructor(home: Home) {
    this.#home = home;
    this.#site = Site.read(partsIn(home));
    this.#plan = this.#site.plan;
  }

  async all(): Promise<Observation> {
    // First everything as it lies there; only then is anything opened that settles what it finds.
    for (const name of this.#site.names) await this.#device(name);
    await this.#bank();
    for (const { name } of this.#plan.merchants) await this.#outbox(name);
    await this.#network();
    await this.#world();
    return { holdings: this.#holdings, spendable: this.#spendable, complaints: this.#complaints };
  }

  #add(place: string, amount: bigint): void {
    this.#holdings.set(place, (this.#holdings.get(place) ?? 0n) + amount);
  }

  async #device(name: string): Promise<void> {
    if (this.#site.record(name).agent !== undefined) {
      for (const state of pendingOfAgent(this.#home.place, name)) {
        this.#complaints.push(`the agent of ${name} has something pending: ${state}`);
      }
    }
    const device = await this.#site.openDevice(name);
    if (device.parts.module === undefined) return;
    const { kind } = this.#site.record(name);
    const owner = kind === "merchant" ? `tills ${merchantOfTill(name)}` : `wallet ${name}`;
    for (const { unit, spendable } of await device.module.balances()) {
      this.#spendable.set(`${name} ${currencyCode(unit)}`, spendable);
      if (kind !== "bank") this.#add(`${owner} ${currencyCode(unit)}`, spendable);
    }
    await this.#nothingPending(device);
  }

  async #nothingPending(device: Device): Promise<void> {
    for (const { state, money, peer, confirmed, acknowledged } of await device.module.pending()) {
      // What waits for nobody but its own agent is said to it again whenever the two talk.
      if (acknowledged || device.parts.agent !== undefined)
        if (state === "settled" || (state === "committed" && confirmed)) continue;
      const names = this.#site.state.devices.find(({ module }) => module?.id === toHex(peer));
      this.#complaints.push(
        `the module of ${device.name} has ${formatMoney(money)} ${state} with ${names?.name ?? "nobody"}` +
          `${confirmed ? ", confirmed" : ""}${acknowledged ? ", acknowledged" : ""}`,
      );
    }
    if (device.parts.agent === undefined) return;
    for (const outcome of await settleAgent(device)) {
      this.#complaints.push(`the agent of ${device.name} settled something only when asked: ${outcome.name}`);
    }
  }

  async #bank(): Promise<void> {
    const books = await BankBooks.open(this.#home.database("bank"), this.#site.parts.clock);
    for (const fault of await books.audit()) this.#complaints.push(`bank's books: ${fault}`);
    for (const { id } of await books.openWithdrawals())
      this.#complaints.push(`bank's books: withdrawal ${id} is reserved`);
    for (const { account, amount } of await books.deposits()) this.#add(`account ${account}`, amount);
    for (const unit of this.#units()) {
      const transit = await books.balance("in-transit", unit);
      if (transit !== 0n) this.#complaints.push(`bank's books: ${transit} of ${currencyCode(unit)} are in transit`);
    }
  }

  #units(): Unit[] {
    return this.#plan.merchants.flatMap(({ offers }) => offers.map(({ money }) => money));
  }

  async #outbox(merchant: string): Promise<void> {
    const database = this.#home.database<OutboxTables>(`merchant-${merchant}`);
    const rows = await database.selectFrom("outbox_entry").select(["state", "problem", "receipt"]).execute();
    const network = this.#home.database<NetworkTables>("network");
    for (const { state, problem, receipt } of rows) {
      const theirs = await network
        .selectFrom("network_authorization")
        .select("state")
        .where("receipt", "=", receipt)
        .executeTakeFirst();
      if (["declined", "completed", "reversed"].includes(state) && problem === null && theirs?.state === state)
        continue;
      const why = problem === null ? "" : ` (${problem})`;
      this.#complaints.push(`outbox of ${merchant}: an entry is ${state}${why}, at the network ${theirs?.state}`);
    }
  }

  async #network(): Promise<void> {
    const rows = await this.#home
      .database<NetworkTables>("network")
      .selectFrom("network_authorization")
      .select(["state", "type"])
      .where("state", "in", ["approved", "suspense"])
      .execute();
    for (const { state, type } of rows) this.#complaints.push(`card network: a ${type} is still ${state}`);
  }

  /** The audit, by a whole world on the copy; opening it recovers what it finds, and must find nothing. */
  async #world(): Promise<void> {
    const world = await World.open(this.#site.parts);
    await world.recover();
    for (const { account, amount } of await world.books.deposits()) {
      const before = this.#holdings.get(`account ${account}`);
      if (before !== amount) this.#complaints.push(`recovery moved ${account} from ${before} to ${amount}`);
    }
    for (const fault of await world.network.audit()) this.#complaints.push(`card network's books: ${fault}`);
    for (const { bank, number } of this.#plan.accounts) {
      const balance = await world.network.accountBalance(bank, number);
      this.#add(`card ${number}`, balance?.available ?? 0n);
      if (balance?.held !== 0n) this.#complaints.push(`card network: ${balance?.held} are held on ${number}`);
    }
    for (const line of await world.audit()) {
      if (!line.balanced) this.#complaints.push(`the audit does not balance: ${textOf(line)}`);
      if (line.inDoubt + line.provisional !== 0n)
        this.#complaints.push(`the audit finds money on its way: ${textOf(line)}`);
    }
    for (const { outbox } of world.traders.values()) await outbox.close();
  }
}

function textOf(line: object): string {
  return Object.entries(line)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(", ");
}

/** Places whose holdings differ, with by how much. */
export function changesBetween(before: Observation, after: Observation): Map<string, bigint> {
  const changes = new Map<string, bigint>();
  for (const place of new Set([...before.holdings.keys(), ...after.holdings.keys()])) {
    const change = (after.holdings.get(place) ?? 0n) - (before.holdings.get(place) ?? 0n);
    if (change !== 0n) changes.set(place, change);
  }
  return changes;
}
