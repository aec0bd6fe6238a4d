/**
 * A whole sandbox economy: agencies, a bank with teller and generator, card issuers and network, an authority, merchants
 * and customers, each with simulated chips that run the shipping firmware. It is made once and lives in its home.
 */

import { TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import { type Agencies, Agency } from "../agencies.js";
import { Merchant, type MerchantEvent, type Terms } from "../applications/merchant.js";
import { answerResume, resume, type Settlement, settleAgent } from "../applications/resume.js";
import { inProcessLink } from "../communications/in-process.js";
import { Device } from "../device.js";
import type { Element } from "../element.js";
import type { CarriedEnvelope, ElementSort } from "../message-manager.js";
import type { NoticeOf } from "../notices.js";
import type { RandomSource } from "../randomness.js";
import { BadIdList } from "../services/bad-id-list.js";
import { BankBooks } from "../services/bank-books.js";
import type { Clock, Timers } from "../services/clock.js";
import { Directory, type Offer, priceOf } from "../services/directory.js";
import { StanSequence } from "../services/network-client.js";
import { Outbox, type OutboxTables } from "../services/outbox.js";
import { Reconciliation } from "../services/reconciliation.js";
import { TellerService, type TellerTables } from "../services/teller.js";
import { sameUnit, type Unit, unitOf } from "../units.js";
import { type AuditLine, audit } from "./audit.js";
import type { Home } from "./home.js";
import { acquirerOf, type NetworkMode, type OpenNetwork, openNetwork } from "./network.js";
import { type CustomerPlan, type MerchantPlan, merchantAccount, tillName, type WorldPlan } from "./plan.js";
import { type DeviceRecord, readState, requireFiles, type WorldState } from "./state.js";

export interface WorldParts {
  readonly home: Home;
  readonly plan: WorldPlan;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly network?: NetworkMode;
  readonly onMerchantEvent?: (merchant: string, event: MerchantEvent) => void;
  /** Sees every envelope of every device. */
  readonly recorder?: (device: string, envelope: CarriedEnvelope) => void;
}

export interface Customer {
  readonly plan: CustomerPlan;
  readonly device: Device;
}

export interface Trader {
  readonly plan: MerchantPlan;
  readonly devices: readonly Device[];
  readonly merchant: Merchant;
  readonly outbox: Outbox;
}

/** There is no economy in this home yet. */
export class NoWorldError extends Error {
  constructor(place: string) {
    super(`There is nothing in ${place} yet, so no money is affected. Run "tally init" first.`);
    this.name = "NoWorldError";
  }
}

/** Making it was broken off. */
export class UnfinishedWorldError extends Error {
  constructor(place: string) {
    super(
      `The economy in ${place} was never finished: "tally init" was broken off. Nobody has bought any money there. ` +
        `Remove the folder and run "tally init" again.`,
    );
    this.name = "UnfinishedWorldError";
  }
}

/** A chip's files are not what the chip wrote. */
export class DamagedChipError extends Error {
  constructor(chip: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(
      `The chip ${chip} cannot be used: ${why}. No money moved; nothing else was touched. Put its folder back as it was after ` +
        `its last command: an older copy would spend notes again, and be found out.`,
      { cause },
    );
    this.name = "DamagedChipError";
  }
}

/** Opens the economy in a home: every chip powered on and unlocked, every service's books open. */
export class World {
  readonly parts: WorldParts;
  readonly state: WorldState;
  readonly agencies: Agencies;
  readonly devices = new Map<string, Device>();
  readonly customers = new Map<string, Customer>();
  readonly traders = new Map<string, Trader>();
  books!: BankBooks;
  bank!: TellerService;
  directory!: Directory;
  network!: OpenNetwork;

  private constructor(parts: WorldParts, state: WorldState) {
    this.parts = parts;
    this.state = state;
    this.agencies = { agents: new Agency(state.agencies.agents), modules: new Agency(state.agencies.modules) };
  }

  static async open(parts: WorldParts): Promise<World> {
    const state = readState(parts.home);
    if (state === undefined) throw new NoWorldError(parts.home.place);
    if (state.finished === false) throw new UnfinishedWorldError(parts.home.place);
    requireFiles(parts.home, state, ["bank", "network", ...parts.plan.merchants.map(({ name }) => `merchant-${name}`)]);
    return World.openState(parts, state);
  }

  /** As `open`, of a world that may be in the making. */
  static async openState(parts: WorldParts, state: WorldState): Promise<World> {
    const world = new World(parts, state);
    for (const record of state.devices) world.devices.set(record.name, await world.#openDevice(record));
    await world.#openBank();
    world.network = await openNetwork(world);
    for (const plan of parts.plan.merchants) world.traders.set(plan.name, await world.#openTrader(plan));
    for (const plan of parts.plan.customers) {
      world.customers.set(plan.name, { plan, device: world.device(plan.name) });
    }
    await world.#openDirectory();
    return world;
  }

  device(name: string): Device {
    const device = this.devices.get(name);
    if (device === undefined) throw new UnknownNameError("device", name, [...this.devices.keys()]);
    return device;
  }

  /** The PIN of a device of this sandbox. */
  pin(name: string): string {
    const record = this.state.devices.find((device) => device.name === name);
    if (record === undefined) throw new UnknownNameError("device", name, [...this.devices.keys()]);
    return record.pin;
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

  /** The currency in which an issuer keeps its accounts. */
  accountUnit(bank: string): Unit | undefined {
    const issuer = this.parts.plan.issuers.find((each) => each.bank === bank);
    return issuer === undefined ? undefined : unitOf(issuer.currency);
  }

  audit(): Promise<AuditLine[]> {
    return audit([...this.devices.values()], [this.bank]);
  }

  /** After power loss or a crash: every agent follows its module, the bank its modules, the network the agents. */
  async recover(): Promise<void> {
    for (const { merchant, devices } of this.traders.values()) {
      for (const device of devices) for (const outcome of await settleAgent(device)) await merchant.settle(outcome);
      await merchant.recover();
      await merchant.idle();
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

  async #openDevice(record: DeviceRecord): Promise<Device> {
    const { home, clock, timers } = this.parts;
    const { recorder } = this.parts;
    const device = new Device({
      name: record.name,
      ...(record.agent === undefined ? {} : { agent: await chipOf(home, `${record.name}.agent`, "agent") }),
      ...(record.module === undefined ? {} : { module: await chipOf(home, `${record.name}.module`, "module") }),
      clock,
      timers,
      ...(recorder === undefined ? {} : { recorder: (envelope: CarriedEnvelope) => recorder(record.name, envelope) }),
    });
    await device.unlock(record.pin);
    return device;
  }

  async #openBank(): Promise<void> {
    const { home, clock } = this.parts;
    const { modules } = this.agencies;
    const database = home.database<TellerTables>("bank");
    this.books = await BankBooks.open(database, clock);
    const reconciliation = await Reconciliation.open({ database, root: modules.root, clock });
    const badIds = await BadIdList.open(database, modules, clock);
    const teller = this.device("teller");
    const generator = this.device("generator");
    this.bank = await TellerService.open({ books: this.books, database, teller, generator, reconciliation, badIds });
    // As at sign-on: every module has the newest list before it meets anybody.
    for (const { parts } of this.devices.values()) if (parts.module !== undefined) await badIds.deliver(parts.module);
  }

  async #openTrader(plan: MerchantPlan): Promise<Trader> {
    const { clock, timers, home, onMerchantEvent } = this.parts;
    const database = home.database<OutboxTables>(`merchant-${plan.name}`);
    const acquirer = acquirerOf(this.parts.plan, plan.name);
    const stans = await StanSequence.open(database, acquirer);
    const transport = this.network.transport(acquirer, stans);
    const outbox = await Outbox.open({ database, transport, stans, acquirer, clock, timers });
    const devices = plan.stock.map((_, index) => this.device(tillName(plan.name, index)));
    const merchant = new Merchant({
      name: plan.title,
      devices,
      terms: (asked) => this.#terms(plan, asked),
      outbox,
      terminal: "TILL",
      merchantNumber: plan.number,
      settlement: plan.settlement,
      bank: this.bank,
      bankAccount: (unit) => merchantAccount(plan.name, unit),
      ...(onMerchantEvent === undefined
        ? {}
        : { onEvent: (event: MerchantEvent) => onMerchantEvent(plan.name, event) }),
    });
    return { plan, devices, merchant, outbox };
  }

  #terms(plan: MerchantPlan, asked: NoticeOf<"terms">): Terms | undefined {
    const accountUnit = this.accountUnit(asked.bankId);
    if (accountUnit === undefined) return undefined;
    const direction = asked.type === TYPE_PURCHASE ? "buy" : "sell";
    const offer = plan.offers.find(
      (each: Offer) =>
        each.direction === direction && sameUnit(each.money, asked.money.unit) && sameUnit(each.account, accountUnit),
    );
    const price = offer === undefined ? undefined : priceOf(offer, asked.money.amount);
    if (offer === undefined || price === undefined) return undefined;
    return {
      fee: price.fee,
      accountUnit,
      rateNumerator: offer.rate.numerator,
      rateDenominator: offer.rate.denominator,
    };
  }

  async #openDirectory(): Promise<void> {
    this.directory = await Directory.open(this.parts.home.database("directory"));
    for (const { plan, devices } of this.traders.values()) {
      const [first] = devices;
      if (first === undefined) continue;
      await this.directory.put({ id: first.agent.idHex, name: plan.title, address: plan.name, offers: plan.offers });
    }
  }
}

async function chipOf(home: Home, name: string, sort: ElementSort): Promise<Element> {
  try {
    return (await home.chips.chip(name, sort)).element;
  } catch (error) {
    // The system's own refusals (permissions, space) are not the chip's.
    throw error instanceof Error && "syscall" in error ? error : new DamagedChipError(name, error);
  }
}

export class UnknownNameError extends Error {
  constructor(what: string, name: string, known: readonly string[]) {
    super(`There is no ${what} "${name}". No money moved. There are: ${known.join(", ")}.`);
    this.name = "UnknownNameError";
  }
}
