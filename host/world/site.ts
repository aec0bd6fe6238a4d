/**
 * The site of an economy: its home, who is who in it, and what every part of it is opened with. The parts themselves, a
 * bank, a card network, merchants, wallets, are opened one by one (bank.ts, network.ts, trader.ts), each by the process that
 * works with it, or all together (world.ts).
 */

import { type Agencies, Agency } from "../agencies.js";
import type { MerchantEvent } from "../applications/merchant.js";
import type { ChipSort, SimulatedChip } from "../chips.js";
import { Device } from "../device.js";
import type { Element } from "../element.js";
import type { CarriedEnvelope, ElementSort } from "../message-manager.js";
import type { RandomSource } from "../randomness.js";
import type { Clock, Timers } from "../services/clock.js";
import { type Unit, unitOf } from "../units.js";
import type { Part } from "./claims.js";
import { type Home, isRemoteHome } from "./home.js";
import { type OpenPlaces, type OwnersDevice, openOwnersDevice } from "./owners-device.js";
import {
  type CustomerPlan,
  type JoinedCustomer,
  type MerchantPlan,
  merchantOfTill,
  tillName,
  type UnfinishedJoin,
  type WorldPlan,
  withCustomers,
} from "./plan.js";
import { type DeviceRecord, readState, requireFiles, type WorldState } from "./state.js";

/** The card network in the process that opens it, or in a process of its own that it starts. */
export type NetworkMode = "in-process" | "process";

export interface WorldParts {
  readonly home: Home;
  readonly plan: WorldPlan;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly network?: NetworkMode;
  readonly onMerchantEvent?: (merchant: string, event: MerchantEvent) => void;
  /** Where cards may be; by default everywhere that this computer has. */
  readonly places?: () => OpenPlaces;
  /** Sees every envelope of every device. */
  readonly recorder?: (device: string, envelope: CarriedEnvelope) => void;
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

/** The home holds one wallet, and no economy. */
export class RemoteHomeError extends Error {
  constructor(place: string) {
    super(
      `${place} is the home of one wallet, and this command needs that of an economy. Nothing was changed and no money moved. ` +
        "Name the economy's home with --home.",
    );
    this.name = "RemoteHomeError";
  }
}

/** Somebody who joins has not all that was ordered yet. */
export class UnfinishedJoinError extends Error {
  constructor(name: string) {
    super(
      `The device ${name} was never finished: making it was broken off. No money moved. Run ` +
        `"tally device provision ${name}" again in the economy's home: it finishes what was begun.`,
    );
    this.name = "UnfinishedJoinError";
  }
}

/** The home knows of the chips, and has not got them. */
export class ChipsOnCardError extends Error {
  constructor(name: string) {
    super(
      `The chips of ${name} are on a card and not in the home. Nothing was done and no money moved. Use the card where it is: ` +
        "put it into a reader.",
    );
    this.name = "ChipsOnCardError";
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

export class UnknownNameError extends Error {
  constructor(what: string, name: string, known: readonly string[]) {
    super(`There is no ${what} "${name}". No money moved. There are: ${known.join(", ")}.`);
    this.name = "UnknownNameError";
  }
}

export type UnfinishedCustomer = JoinedCustomer & { readonly unfinished: UnfinishedJoin };

export class Site {
  readonly parts: WorldParts;
  readonly state: WorldState;
  readonly agencies: Agencies;
  /** The plan that the home was made from, with who has joined since. */
  readonly plan: WorldPlan;

  constructor(parts: WorldParts, state: WorldState) {
    this.parts = parts;
    this.state = state;
    this.agencies = { agents: new Agency(state.agencies.agents), modules: new Agency(state.agencies.modules) };
    this.plan = withCustomers(parts.plan, state.customers);
  }

  /** The finished economy of a home. */
  static read(parts: WorldParts): Site {
    if (isRemoteHome(parts.home)) throw new RemoteHomeError(parts.home.place);
    const state = readState(parts.home);
    if (state === undefined) throw new NoWorldError(parts.home.place);
    if (state.finished === false) throw new UnfinishedWorldError(parts.home.place);
    const merchants = parts.plan.merchants.map(({ name }) => `merchant-${name}`);
    requireFiles(parts.home, state, ["bank", "network", ...merchants]);
    return new Site(parts, state);
  }

  get names(): string[] {
    return this.state.devices.map(({ name }) => name);
  }

  /** Names of devices whose chips are on cards. */
  get onCards(): string[] {
    return this.state.devices.filter(({ onCard }) => onCard === true).map(({ name }) => name);
  }

  /** Somebody who was to join, and whose making was broken off. */
  unfinished(name: string): UnfinishedCustomer | undefined {
    const joined = this.state.customers.find((each) => each.name === name);
    return joined?.unfinished === undefined ? undefined : { ...joined, unfinished: joined.unfinished };
  }

  record(name: string): DeviceRecord {
    this.#requireFinished(name);
    const record = this.state.devices.find((device) => device.name === name);
    if (record === undefined) throw new UnknownNameError("device", name, this.names);
    return record;
  }

  #requireFinished(name: string): void {
    if (this.unfinished(name) !== undefined) throw new UnfinishedJoinError(name);
  }

  customerPlan(name: string): CustomerPlan {
    this.#requireFinished(name);
    const { customers } = this.plan;
    const found = customers.find((customer) => customer.name === name);
    if (found === undefined) throw new UnknownNameError("customer", name, customers.map(nameOf));
    return found;
  }

  merchantPlan(name: string): MerchantPlan {
    const { merchants } = this.plan;
    const found = merchants.find((merchant) => merchant.name === name || merchant.title === name);
    if (found === undefined) throw new UnknownNameError("merchant", name, merchants.map(nameOf));
    return found;
  }

  /** Subject id of a customer's money module, wherever its chips are. */
  moduleOf(customer: string): string {
    this.#requireFinished(customer);
    const joined = this.state.customers.find(({ name }) => name === customer);
    const id = joined?.elsewhere?.module.id ?? this.record(customer).module?.id;
    if (id === undefined) throw new UnknownNameError("money module of", customer, this.names);
    return id;
  }

  /** What people call the owner of a money module. */
  ownerOf(module: string): string | undefined {
    const record = this.state.devices.find((device) => device.module?.id === module);
    if (record?.kind === "bank") return "the bank";
    if (record?.kind === "merchant") return this.merchantPlan(merchantOfTill(record.name)).title;
    return record?.name ?? this.state.customers.find(({ elsewhere }) => elsewhere?.module.id === module)?.name;
  }

  /** The currency in which an issuer keeps its accounts. */
  accountUnit(bank: string): Unit | undefined {
    const issuer = this.plan.issuers.find((each) => each.bank === bank);
    return issuer === undefined ? undefined : unitOf(issuer.currency);
  }

  /** The part of the home that a device belongs to. */
  partOf(name: string): Part {
    const { kind } = this.record(name);
    if (kind === "bank") return "bank";
    return kind === "merchant" ? `merchant-${merchantOfTill(name)}` : `wallet-${name}`;
  }

  /** Agents' ids of a merchant's devices. */
  agentsOf(merchant: MerchantPlan): string[] {
    return merchant.stock.flatMap((_, index) => this.record(tillName(merchant.name, index)).agent?.id ?? []);
  }

  /** A device that this process works with, powered on and unlocked; by default with the PIN that the home keeps. */
  async openDevice(name: string, pin?: string): Promise<Device> {
    const device = await this.lockedDevice(name);
    await device.unlock(pin ?? this.record(name).pin);
    return device;
  }

  /** An owner's device wherever its chips are, before the PIN: at these places, in the home, or in any reader. */
  ownersDevice(name: string, locators: readonly string[] = []): Promise<OwnersDevice> {
    const { agent, module, onCard } = this.record(name);
    this.parts.home.claim(this.partOf(name));
    if (agent === undefined || module === undefined) {
      // A part of the bank's or a merchant's: those are in the home.
      return this.lockedDevice(name).then((device) => ({ device, close: async () => undefined }));
    }
    const wanted = { owner: name, agent: agent.id, module: module.id };
    return openOwnersDevice(this.parts, wanted, locators, onCard === true);
  }

  /** As `openDevice`, before its owner's PIN. */
  lockedDevice(name: string): Promise<Device> {
    const { agent, module, onCard } = this.record(name);
    if (onCard === true) throw new ChipsOnCardError(name);
    this.parts.home.claim(this.partOf(name));
    return deviceOf(this.parts, name, { agent: agent !== undefined, module: module !== undefined });
  }
}

/** A device of the chips that the home has under its name. */
export async function deviceOf(
  { home, clock, timers, recorder }: Pick<WorldParts, "home" | "clock" | "timers" | "recorder">,
  name: string,
  has: { readonly agent: boolean; readonly module: boolean },
): Promise<Device> {
  home.claim(`chips-${name}`);
  return new Device({
    name,
    ...(has.agent ? { agent: await chipOf(home, `${name}.agent`, "agent") } : {}),
    ...(has.module ? { module: await chipOf(home, `${name}.module`, "module") } : {}),
    clock,
    timers,
    ...(recorder === undefined ? {} : { recorder: (envelope: CarriedEnvelope) => recorder(name, envelope) }),
  });
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

async function chipOf(home: Home, name: string, sort: ElementSort): Promise<Element> {
  return (await simulatedChip(home, name, sort)).element;
}

/** A chip that the home has under this name, with the machinery that it is made of. */
export async function simulatedChip(home: Home, name: string, sort: ChipSort): Promise<SimulatedChip> {
  try {
    return await home.chips.chip(name, sort);
  } catch (error) {
    // The system's own refusals (permissions, space) are not the chip's.
    throw error instanceof Error && "syscall" in error ? error : new DamagedChipError(name, error);
  }
}
