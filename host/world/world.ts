/**
 * A whole sandbox economy in one process: agencies, a bank with teller and generator, card issuers and network, an authority,
 * merchants and customers, each with simulated chips that run the shipping firmware. It is made once and lives in its home.
 */

import type { Agencies } from "../agencies.js";
import { answerResume, resume, type Settlement, settleAgent } from "../applications/resume.js";
import { inProcessLink } from "../communications/in-process.js";
import type { Device } from "../device.js";
import type { BankBooks } from "../services/bank-books.js";
import { Directory } from "../services/directory.js";
import type { TellerService } from "../services/teller.js";
import type { Unit } from "../units.js";
import { type AuditLine, audit } from "./audit.js";
import { openBank } from "./bank.js";
import { type OpenNetwork, openNetwork } from "./network.js";
import type { CustomerPlan } from "./plan.js";
import { Site, UnknownNameError, type WorldParts } from "./site.js";
import type { WorldState } from "./state.js";
import { enterInDirectory, openTrader, type Trader } from "./trader.js";

export interface Customer {
  readonly plan: CustomerPlan;
  readonly device: Device;
}

/** Opens the economy in a home: every chip powered on and unlocked, every service's books open. */
export class World {
  readonly site: Site;
  readonly devices = new Map<string, Device>();
  readonly customers = new Map<string, Customer>();
  readonly traders = new Map<string, Trader>();
  books!: BankBooks;
  bank!: TellerService;
  directory!: Directory;
  network!: OpenNetwork;

  private constructor(site: Site) {
    this.site = site;
  }

  static async open(parts: WorldParts): Promise<World> {
    return World.openSite(Site.read(parts));
  }

  /** As `open`, of a site that may be in the making. */
  static async openSite(site: Site): Promise<World> {
    const world = new World(site);
    const bank = await openBank(site);
    world.books = bank.books;
    world.bank = bank.teller;
    for (const device of bank.devices) world.devices.set(device.name, device);
    world.network = await openNetwork(site);
    for (const plan of site.plan.merchants) {
      const trader = await openTrader(site, plan, world.network, world.bank);
      world.traders.set(plan.name, trader);
      for (const device of trader.devices) world.devices.set(device.name, device);
    }
    // Whoever is left: the customers, the authority. Those on cards are with whoever has the card.
    const isHere = (name: string) => !world.devices.has(name) && !site.onCards.includes(name);
    for (const name of site.names.filter(isHere)) world.devices.set(name, await site.openDevice(name));
    const here = site.plan.customers.filter(({ name }) => world.devices.has(name));
    for (const plan of here) world.customers.set(plan.name, { plan, device: world.device(plan.name) });
    // As at sign-on: every module has the newest list before it meets anybody.
    for (const { parts } of world.devices.values()) {
      if (parts.module !== undefined) await bank.badIds.deliver(parts.module);
    }
    world.directory = await Directory.open(site.parts.home.database("directory"));
    for (const { plan } of world.traders.values()) await enterInDirectory(world.directory, site, plan);
    return world;
  }

  get parts(): WorldParts {
    return this.site.parts;
  }

  get state(): WorldState {
    return this.site.state;
  }

  get agencies(): Agencies {
    return this.site.agencies;
  }

  device(name: string): Device {
    const device = this.devices.get(name);
    if (device === undefined) throw new UnknownNameError("device", name, [...this.devices.keys()]);
    return device;
  }

  customer(name: string): Customer {
    const customer = this.customers.get(name);
    if (customer === undefined) throw new UnknownNameError("customer", name, [...this.customers.keys()]);
    return customer;
  }

  trader(name: string): Trader {
    const trader = this.traders.get(name);
    if (trader === undefined) throw new UnknownNameError("merchant", name, [...this.traders.keys()]);
    return trader;
  }

  accountUnit(bank: string): Unit | undefined {
    return this.site.accountUnit(bank);
  }

  /** `elsewhere`: devices that belong to this economy and are on cards, or have a home of their own. */
  audit(elsewhere: readonly Device[] = []): Promise<AuditLine[]> {
    return audit([...this.devices.values(), ...elsewhere], [this.bank]);
  }

  /** After power loss or a crash: every agent follows its module, the bank its modules, the network the agents. */
  async recover(): Promise<void> {
    for (const trader of this.traders.values()) {
      await trader.merchant.recover();
      await trader.merchant.idle();
    }
    for (const { device } of this.customers.values()) await settleAgent(device);
    await this.bank.recover();
  }

  /**
   * Two devices that have something open meet again: their modules settle it, their agents follow, the card network is
   * told. `payer` is the device that paid, or the customer.
   */
  async settle(payer: Device, payee: Device): Promise<Settlement> {
    const [near, far] = inProcessLink();
    const [one, other] = await Promise.all([resume(payer, near), answerResume(payee, far)]);
    for (const outcome of [...one.outcomes, ...other.outcomes]) {
      for (const { merchant } of this.traders.values()) await merchant.settle(outcome);
    }
    return one;
  }

  async close(): Promise<void> {
    await this.bank.idle();
    for (const { outbox } of this.traders.values()) await outbox.close();
    await this.network.close();
    await this.parts.home.close();
  }
}
