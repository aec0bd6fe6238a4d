/** An economy in memory whose bank and merchants are served over real lines, and wallets that know it by its directory alone. */

import { systemRandom } from "../../host/randomness.js";
import { BankServer } from "../../host/servers/bank-server.js";
import { DirectoryServer } from "../../host/servers/directory-server.js";
import { MerchantServer } from "../../host/servers/merchant-server.js";
import { systemClock } from "../../host/services/clock.js";
import type { DirectoryEntry } from "../../host/services/directory.js";
import { unitOf } from "../../host/units.js";
import { Contacts } from "../../host/wallet/contacts.js";
import { RemoteCounterparties } from "../../host/wallet/remote-counterparties.js";
import { Wallet } from "../../host/wallet/wallet.js";
import { MemoryHome } from "../../host/world/home.js";
import { createWorld } from "../../host/world/init.js";
import { depositAccount, STANDARD_PLAN } from "../../host/world/plan.js";
import type { World } from "../../host/world/world.js";
import { hurriedTimers } from "./hurried.js";
import { memoryStorage } from "./wallets.js";

const lines = { timers: hurriedTimers, random: systemRandom };

export class ServedWorld {
  readonly merchants = new Map<string, MerchantServer>();
  readonly events: { merchant: string; kind: string }[] = [];
  /** What the directory says instead of the truth, entry by entry. */
  lie: (entry: DirectoryEntry) => DirectoryEntry = (entry) => entry;
  isBankServed = true;

  private constructor(
    readonly world: World,
    readonly bank: BankServer,
    readonly directory: DirectoryServer,
  ) {}

  static async open(): Promise<ServedWorld> {
    let served: ServedWorld | undefined;
    const world = await createWorld({
      home: new MemoryHome(),
      plan: STANDARD_PLAN,
      clock: systemClock,
      timers: hurriedTimers,
      random: systemRandom,
      onMerchantEvent: (merchant, { kind }) => served?.events.push({ merchant, kind }),
    });
    const bank = await BankServer.open(world.bank, lines);
    const directory = await DirectoryServer.open({
      entries: async () => served?.entries() ?? [],
      rest: () => ({
        bank: served?.isBankServed === true ? bank.url : undefined,
        issuers: [{ bank: "meadow-bank", unit: unitOf("USD") }],
      }),
    });
    served = new ServedWorld(world, bank, directory);
    for (const name of world.traders.keys()) await served.serve(name);
    return served;
  }

  /** Serves a merchant, at another port than before. */
  async serve(name: string): Promise<void> {
    await this.merchants.get(name)?.close();
    this.merchants.set(name, await MerchantServer.open(this.world.trader(name).merchant, lines));
  }

  urlOf(name: string): string {
    return this.merchants.get(name)?.url ?? "";
  }

  async entries(): Promise<DirectoryEntry[]> {
    const entries = await this.world.directory.entries();
    return entries
      .map((entry) => ({ ...entry, address: this.urlOf(entry.name.startsWith("Alder") ? "alder" : "birch") }))
      .map((entry) => this.lie(entry));
  }

  /** The wallet of a customer, for which everybody else is somewhere on the network. */
  wallet(name: string, directory = this.directory.url): Promise<Wallet> {
    return Wallet.open({
      device: this.world.customer(name).device,
      pin: this.world.site.record(name).pin,
      counterparties: new RemoteCounterparties({ ...lines, directory }),
      contacts: new Contacts(memoryStorage()),
      random: systemRandom,
      cardIssuer: "meadow-bank",
      account: (unit) => depositAccount(name, unit),
      close: async () => undefined,
    });
  }

  async close(): Promise<void> {
    await this.directory.close();
    for (const server of this.merchants.values()) await server.close();
    await this.bank.close();
    await this.world.close();
  }
}
