/**
 * Hosts and the devices they work with: a customer's, a merchant's, the bank's. A host has one life after another (life.ts); its
 * chips and its books outlive it.
 */

import { AID_MONEY_MODULE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import { Merchant } from "../../host/applications/merchant.js";
import { settleAgent } from "../../host/applications/resume.js";
import type { BankConnection } from "../../host/applications/withdraw.js";
import type { SimulatedChip } from "../../host/chips.js";
import type { Root } from "../../host/codec/certificate.js";
import type { PeerLink } from "../../host/communications/link.js";
import { Device, LinkClosedError } from "../../host/device.js";
import { Element } from "../../host/element.js";
import { BadIdList, type ListSigner } from "../../host/services/bad-id-list.js";
import { BankBooks } from "../../host/services/bank-books.js";
import { openDatabase } from "../../host/services/database.js";
import { type CardTransport, StanSequence } from "../../host/services/network-client.js";
import { Outbox, type OutboxTables } from "../../host/services/outbox.js";
import { Reconciliation } from "../../host/services/reconciliation.js";
import { TellerService, type TellerTables } from "../../host/services/teller.js";
import { unitOf } from "../../host/units.js";
import { PIN } from "../support/bank-world.js";
import { QUERY_AFTER_MS } from "../support/faults.js";
import { callTo, Life, NEVER } from "./life.js";
import type { SimulationTime } from "./time.js";

export const USD = unitOf("USD");

/** What one device consists of. */
export interface DeviceChips {
  readonly agent?: SimulatedChip;
  readonly module: SimulatedChip;
}

export abstract class Host {
  abstract readonly sort: "customer" | "merchant" | "bank";
  readonly name: string;
  readonly chips: readonly DeviceChips[];
  readonly time: SimulationTime;
  life: Life;
  devices: readonly Device[] = [];

  constructor(name: string, chips: readonly DeviceChips[], time: SimulationTime) {
    this.name = name;
    this.chips = chips;
    this.time = time;
    this.life = new Life(name);
  }

  get device(): Device {
    const [device] = this.devices;
    if (device === undefined) throw new Error(`the host of ${this.name} was never started`);
    return device;
  }

  /** All its chips, agents and modules. */
  get elements(): SimulatedChip[] {
    return this.chips.flatMap(({ agent, module }) => (agent === undefined ? [module] : [agent, module]));
  }

  /** Subject ids of its modules. */
  get moduleIds(): string[] {
    return this.chips.map(({ module }) => module.element.idHex);
  }

  get isWell(): boolean {
    return !this.life.isOver && this.elements.every(({ simulated }) => simulated.isOn);
  }

  /** A new life on the same chips: those without power are powered on, and all are unlocked. */
  async start(): Promise<void> {
    if (!this.life.isOver) this.life.end();
    const life = new Life(this.name);
    this.life = life;
    const devices: Device[] = [];
    for (const { agent, module } of this.chips) {
      for (const chip of agent === undefined ? [module] : [agent, module]) {
        if (!chip.simulated.isOn) chip.transport.reset();
      }
      const device = new Device({
        name: this.name,
        ...(agent === undefined
          ? {}
          : { agent: await Element.select(life.transport(agent.transport), AID_TRUSTED_AGENT) }),
        module: await Element.select(life.transport(module.transport), AID_MONEY_MODULE),
        clock: this.time,
        timers: life.timers(this.time),
        queryAfter_ms: QUERY_AFTER_MS,
      });
      await device.unlock(PIN);
      devices.push(device);
    }
    this.devices = devices;
    await this.open();
  }

  /** The same life goes on with chips that had lost power. */
  async repower(): Promise<void> {
    for (const device of this.devices) await device.restart(PIN);
    await this.open();
  }

  /** Gives back what running chips occupy. */
  park(): void {
    for (const { simulated } of this.elements) simulated.park();
  }

  /** What a host does when it comes to life: makes its services from what is durable, and settles what it can alone. */
  protected abstract open(): Promise<void>;
}

/** Somebody with a wallet: a module, and perhaps an agent with a card. */
export class Customer extends Host {
  readonly sort = "customer";
  /** At the bank, and, where there is a card, at its issuer. */
  readonly account: string;
  readonly hasAgent: boolean;
  /** A module that was copied: its owner does no honest business any more. */
  isCheat = false;

  constructor(name: string, chips: DeviceChips, time: SimulationTime) {
    super(name, [chips], time);
    this.account = `account-${name}`;
    this.hasAgent = chips.agent !== undefined;
  }

  protected async open(): Promise<void> {
    // What an agent signs of it the merchant's has signed too, or signs when the two meet.
    if (this.hasAgent) await settleAgent(this.device);
  }
}

export interface BankParts {
  readonly root: Root;
  readonly signer: ListSigner;
  /** Both ends of a new line to the counter. */
  readonly links: () => [PeerLink, PeerLink];
}

/** The bank: a teller's and a generator's module, books, and the counter in front of them. */
export class Bank extends Host {
  readonly sort = "bank";
  readonly database = openDatabase<TellerTables>("memory");
  readonly #parts: BankParts;
  books!: BankBooks;
  service!: TellerService;
  badIds!: BadIdList;

  constructor(teller: DeviceChips, generator: DeviceChips, time: SimulationTime, parts: BankParts) {
    super("bank", [teller, generator], time);
    this.#parts = parts;
  }

  protected async open(): Promise<void> {
    const [teller, generator] = this.devices as [Device, Device];
    const { database, time, life } = this;
    const { root, signer, links } = this.#parts;
    this.books = await BankBooks.open(database, time);
    const reconciliation = await Reconciliation.open({ database, root, clock: time });
    this.badIds = await BadIdList.open(database, signer, time);
    this.service = await TellerService.open({
      ...{ books: this.books, database, teller, generator, reconciliation, badIds: this.badIds },
      links: () => {
        const [theirs, ours] = links();
        return [theirs, life.link(ours)];
      },
    });
    for (const { module } of this.devices) await this.badIds.deliver(module);
  }

  /** The counter as the host with this life reaches it. */
  counterFor(life: Life): BankConnection {
    return {
      connect: async (expected) => life.link(await callTo(this.life, this.service.connect(expected))),
      connectForResume: () => {
        if (this.life.isOver) throw new LinkClosedError();
        return life.link(this.service.connectForResume());
      },
      refreshOwed: (subjectId) => callTo(this.life, this.service.refreshOwed(subjectId)),
    };
  }
}

export interface ShopParts {
  readonly bank: Bank;
  readonly network: CardTransport;
  readonly issuer: string;
  readonly acquirer: string;
}

/** Fee of a purchase or sale, in cents of the card's account. */
export const FEE = 10n;

/** A merchant: tills, each an agent and a module, and an outbox to the card network. */
export class Shop extends Host {
  readonly sort = "merchant";
  readonly database = openDatabase<OutboxTables>("memory");
  readonly account: string;
  readonly acquirer: string;
  readonly #parts: ShopParts;
  outbox!: Outbox;
  merchant!: Merchant;

  constructor(name: string, tills: readonly DeviceChips[], time: SimulationTime, parts: ShopParts) {
    super(name, tills, time);
    this.account = `account-${name}`;
    this.acquirer = parts.acquirer;
    this.#parts = parts;
  }

  get number(): string {
    return this.name.toUpperCase();
  }

  protected async open(): Promise<void> {
    const { database, life, time, acquirer, devices } = this;
    const { bank, network, issuer } = this.#parts;
    const stans = await StanSequence.open(database, acquirer);
    const transport: CardTransport = {
      exchange: async (message) => {
        if (!life.step()) return NEVER;
        const answer = await network.exchange(message);
        return life.step() ? answer : NEVER;
      },
    };
    this.outbox = await Outbox.open({
      ...{ database, transport, stans, acquirer, clock: time },
      timers: life.timers(time),
    });
    const teller = bank.moduleIds[0];
    this.merchant = new Merchant({
      name: this.name,
      devices,
      terms: () => ({ fee: FEE, accountUnit: USD, rateNumerator: 1n, rateDenominator: 1n }),
      outbox: this.outbox,
      terminal: "TILL",
      merchantNumber: this.number,
      settlement: { bank: issuer, number: this.account },
      bank: bank.counterFor(life),
      ...(teller === undefined ? {} : { bankModule: teller }),
      bankAccount: () => this.account,
    });
    await this.merchant.recover();
  }
}
