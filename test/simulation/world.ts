/**
 * A world of devices on simulated chips with the release firmware: customers, of whom most have a money module alone, merchants,
 * one bank, one card network, one authority. All of it comes from one seed and lives on virtual time.
 */

import * as roles from "../../firmware/protocol/kinds.js";
import { TICKET_DEBIT_CARD, TICKET_MERCHANT_CREDENTIAL } from "../../firmware/protocol/messages.js";
import { type Agencies, Agency, newAgencies } from "../../host/agencies.js";
import { acquire } from "../../host/applications/acquire.js";
import { createOwnCredential, issueCredential } from "../../host/applications/authority.js";
import { ChipFactory, type SimulatedChip } from "../../host/chips.js";
import type { CborValue } from "../../host/codec/cbor.js";
import { componentFields } from "../../host/codec/ticket.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import type { PeerLink } from "../../host/communications/link.js";
import { ed25519Signer, x25519KeyPair } from "../../host/crypto.js";
import { Device } from "../../host/device.js";
import { finishPersonalisation, pair, personalise } from "../../host/provision.js";
import { randomBytes } from "../../host/randomness.js";
import { AuthorizationNetwork } from "../../host/services/authorization-network.js";
import { openDatabase } from "../../host/services/database.js";
import type { NetworkTables } from "../../host/services/network-tables.js";
import { cardNumber } from "../../host/world/plan.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { PIN } from "../support/bank-world.js";
import { QUERY_AFTER_MS } from "../support/faults.js";
import { Bank, Customer, type DeviceChips, type Host, Shop, USD } from "./hosts.js";
import { SimulationTime } from "./time.js";

const PUK = "12345678";
const DAY_SECONDS = 86_400;
const YEAR_SECONDS = 365 * DAY_SECONDS;
/** Notes grow old within a long run, so that wallets have something to refresh. */
const NOTE_VALID_SECONDS = 150 * DAY_SECONDS;
const NOTE_REDEEMED_SECONDS = 10 * YEAR_SECONDS;
/** Longer than any run. */
const CARD_VALID_SECONDS = 4 * YEAR_SECONDS;
const ISSUER = "meadow-bank";
const BIN = "400000";
const ACQUIRER_FIRST = 42_000_001;
const TILLS = 2;
const CUSTOMERS_A_SHOP = 200;
const SHOPS_MAX = 5;
/** Of ten customers one has a trusted agent and a card beside the money module. */
const AGENT_EVERY = 10;
/** What accounts hold at the beginning, in cents. */
export const OPENING = { customer: 30_000n, card: 200_000n, shop: 100_000_000n, settlement: 100_000_000n };
export const DEVICES_MIN = 10;

/** How the devices are shared out. */
export function sizesOf(devices: number): { readonly shops: number; readonly customers: number } {
  const shops = Math.max(1, Math.min(SHOPS_MAX, Math.floor(devices / CUSTOMERS_A_SHOP)));
  return { shops, customers: devices - shops * TILLS };
}

export class World {
  readonly time = new SimulationTime();
  readonly random: SeededRandomness;
  readonly agencies: Agencies;
  readonly networkDatabase = openDatabase<NetworkTables>("memory");
  readonly customers: Customer[] = [];
  readonly shops: Shop[] = [];
  bank!: Bank;
  network!: AuthorizationNetwork;
  /** What the next line to the counter is: set by whoever wants it disturbed. */
  counterLinks: () => [PeerLink, PeerLink] = inProcessLink;
  readonly #chips: ChipFactory;
  readonly #sources = new Map<string, SeededRandomness>();
  #authority!: Device;

  private constructor(seed: string) {
    this.random = new SeededRandomness(sodiumCryptography, `simulated world ${seed}`);
    const secrets = newAgencies(this.random, Number(this.time.now_seconds()));
    this.agencies = { agents: new Agency(secrets.agents), modules: new Agency(secrets.modules) };
    this.#chips = new ChipFactory({
      clock: this.time.clock,
      randomness: (name) => {
        const source = this.random.fork(name);
        this.#sources.set(name, source);
        return source;
      },
    });
  }

  /** `progress` is told how many devices are ready. */
  static async create(
    seed: string,
    devices: number,
    progress: (ready: number) => void = () => undefined,
  ): Promise<World> {
    const world = new World(seed);
    const { shops, customers } = sizesOf(devices);
    await world.#openBank();
    world.#authority = await world.#makeAuthority();
    await world.#openNetwork();
    for (let index = 0; index < shops; index += 1) await world.#makeShop(index);
    for (let index = 0; index < customers; index += 1) {
      await world.#makeCustomer(index);
      progress(shops * TILLS + index + 1);
    }
    return world;
  }

  get hosts(): Host[] {
    return [this.bank, ...this.shops, ...this.customers];
  }

  get now(): number {
    return Number(this.time.now_seconds());
  }

  // Chips.

  async #personalised(name: string, role: number, title?: string): Promise<SimulatedChip> {
    const isAgent = role >> 4 === roles.TREE_AGENTS;
    const chip = await this.#chips.chip(`${name} ${isAgent ? "agent" : "module"}`, isAgent ? "agent" : "module");
    const parameters =
      role === roles.ROLE_GENERATOR ? [new Uint8Array(16).fill(0xb0), NOTE_VALID_SECONDS, NOTE_REDEEMED_SECONDS] : [];
    const order = { role, pin: PIN, puk: PUK, parameters, ...(title === undefined ? {} : { name: title }) };
    await personalise(chip.element, this.agencies, order, this.random, this.time.now_seconds());
    return chip;
  }

  /** A module alone, or, with a role for it, an agent paired with it. */
  async chipsOf(name: string, role: number, agentRole?: number): Promise<DeviceChips> {
    const module = await this.#personalised(name, role);
    if (agentRole === undefined) {
      await finishPersonalisation(module.element);
      return { module };
    }
    const agent = await this.#personalised(name, agentRole);
    await this.time.run(pair(this.#bare(name, { agent, module })));
    for (const { element } of [agent, module]) await finishPersonalisation(element);
    return { agent, module };
  }

  /** A device while it is being made. */
  #bare(name: string, { agent, module }: Partial<DeviceChips>): Device {
    return new Device({
      name,
      ...(agent === undefined ? {} : { agent: agent.element }),
      ...(module === undefined ? {} : { module: module.element }),
      clock: this.time,
      timers: this.time,
      queryAfter_ms: QUERY_AFTER_MS,
    });
  }

  /** Another chip with the flash and the keys of this one, as a laboratory would make it; its dice fall otherwise. */
  async cloneOf(original: SimulatedChip, name: string): Promise<SimulatedChip> {
    const label = `${name} module`;
    const chip = await this.#chips.chip(label, "module");
    const own = this.#sources.get(label)?.state();
    chip.simulated.restore(original.simulated.snapshot());
    if (own !== undefined) this.#sources.get(label)?.setState(own);
    await chip.element.restart();
    return chip;
  }

  // Parts.

  async #openBank(): Promise<void> {
    const teller = await this.chipsOf("teller", roles.ROLE_TELLER);
    const generator = await this.chipsOf("generator", roles.ROLE_GENERATOR);
    const { modules } = this.agencies;
    const links = () => this.counterLinks();
    this.bank = new Bank(teller, generator, this.time, { root: modules.root, signer: modules, links });
    await this.time.run(this.bank.start());
  }

  async #makeAuthority(): Promise<Device> {
    const agent = await this.#personalised("authority", roles.ROLE_AUTHORITY, "Card Authority");
    await finishPersonalisation(agent.element);
    const device = this.#bare("authority", { agent });
    await device.unlock(PIN);
    await this.time.run(createOwnCredential(device));
    return device;
  }

  async #openNetwork(): Promise<void> {
    const signer = ed25519Signer(randomBytes(this.random, 32));
    const { publicKey: agreementKey } = x25519KeyPair(randomBytes(this.random, 32));
    const keys = { signatureKey: signer.publicKey, agreementKey };
    const subject = { id: randomBytes(this.random, 16), role: roles.ROLE_NETWORK, ...keys };
    this.network = await AuthorizationNetwork.open({
      database: this.networkDatabase,
      clock: this.time,
      signer,
      chain: this.agencies.agents.issue(subject, this.now, "Card Network"),
      root: this.agencies.agents.root,
      exponents: new Map([[USD.currency, USD.exponent]]),
    });
    await this.network.setUp({
      routes: [{ bin: BIN, bank: ISSUER }],
      ...{ accounts: [], cards: [], merchants: [], rates: [] },
    });
  }

  async #makeShop(index: number): Promise<void> {
    const name = `shop-${index}`;
    const tills: DeviceChips[] = [];
    for (let till = 0; till < TILLS; till += 1) {
      tills.push(await this.chipsOf(`${name} till ${till}`, roles.ROLE_TRANSACTION, roles.ROLE_MERCHANT));
    }
    const acquirer = String(ACQUIRER_FIRST + index);
    const network = {
      exchange: (message: Parameters<AuthorizationNetwork["handle"]>[0]) => this.network.handle(message),
    };
    const shop = new Shop(name, tills, this.time, { bank: this.bank, network, issuer: ISSUER, acquirer });
    await this.#openAccount(shop, OPENING.shop, shop.moduleIds);
    const agents = tills.flatMap(({ agent }) => (agent === undefined ? [] : [agent.element.idHex]));
    await this.network.setUp({
      ...{ routes: [], cards: [], rates: [] },
      accounts: [{ bank: ISSUER, number: shop.account, unit: USD, opening: OPENING.settlement }],
      merchants: [{ acquirer, merchant: shop.number, settlement: { bank: ISSUER, number: shop.account }, agents }],
    });
    await this.time.run(shop.start());
    for (const device of shop.devices) {
      await this.#grant(device, TICKET_MERCHANT_CREDENTIAL, [name, this.now + CARD_VALID_SECONDS]);
    }
    this.shops.push(shop);
  }

  async #makeCustomer(index: number): Promise<void> {
    const name = `customer-${index}`;
    const hasAgent = index % AGENT_EVERY === 0;
    const agentRole = hasAgent ? roles.ROLE_CUSTOMER : undefined;
    const customer = new Customer(name, await this.chipsOf(name, roles.ROLE_TRANSACTION, agentRole), this.time);
    await this.#openAccount(customer, OPENING.customer, customer.moduleIds);
    await this.time.run(customer.start());
    if (hasAgent) await this.#giveCard(customer, index);
    customer.park();
    this.customers.push(customer);
  }

  async #openAccount({ account }: Shop | Customer, amount: bigint, owners: readonly string[]): Promise<void> {
    const { books } = this.bank;
    await books.openDeposit(account, USD);
    for (const owner of owners) await books.link(account, owner);
    await books.fund({ id: `opening/${account}`, account, amount, unit: USD });
  }

  async #giveCard(customer: Customer, index: number): Promise<void> {
    const number = cardNumber(BIN, index + 1);
    const { account } = customer;
    await this.network.setUp({
      ...{ routes: [], merchants: [], rates: [] },
      accounts: [{ bank: ISSUER, number: account, unit: USD, opening: OPENING.card }],
      cards: [
        {
          ...{ bank: ISSUER, number, expiry: "3112", holder: customer.name, account },
          ...{ status: "active", dailyLimit: OPENING.card },
        },
      ],
    });
    const card = {
      bank: ISSUER,
      account: number,
      validFrom: this.now,
      expiry: Date.UTC(2032, 0) / 1000,
      customer: customer.name,
    };
    await this.#grant(customer.device, TICKET_DEBIT_CARD, componentFields({ kind: "card", card }));
  }

  /** The receiver asks, the authority agrees. */
  async #grant(device: Device, type: number, components: readonly CborValue[]): Promise<void> {
    const [near, far] = inProcessLink();
    const grant = { expiry_seconds: this.now + CARD_VALID_SECONDS, components };
    const issuing = issueCredential(this.#authority, far, () => grant);
    await this.time.run(Promise.all([acquire(device, near, type), issuing]));
  }
}
