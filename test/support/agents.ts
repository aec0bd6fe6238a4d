/**
 * Devices with trusted agents on simulated chips, on virtual time: an authority, merchants and customers with credentials
 * and cards, a bank that issues notes, and a card network of one key. What tests of purchases start from.
 */

import {
  ROLE_AUTHORITY,
  ROLE_CUSTOMER,
  ROLE_GENERATOR,
  ROLE_MERCHANT,
  ROLE_NETWORK,
  ROLE_TELLER,
  ROLE_TRANSACTION,
} from "../../firmware/protocol/kinds.js";
import { TICKET_DEBIT_CARD, TICKET_MERCHANT_CREDENTIAL } from "../../firmware/protocol/messages.js";
import { type Agencies, Agency, newAgencies } from "../../host/agencies.js";
import { type Acquired, acquire } from "../../host/applications/acquire.js";
import { createOwnCredential, issueCredential } from "../../host/applications/authority.js";
import { ChipFactory, type ChipParts, type SimulatedChip } from "../../host/chips.js";
import { fromHex } from "../../host/codec/bytes.js";
import { type Approval, signApproval } from "../../host/codec/receipt.js";
import type { Signer } from "../../host/codec/signer.js";
import { type Card, componentFields } from "../../host/codec/ticket.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { ed25519Signer } from "../../host/crypto.js";
import { Device } from "../../host/device.js";
import type { CarriedEnvelope } from "../../host/message-manager.js";
import type { NoticeOf } from "../../host/notices.js";
import { finishPersonalisation, pair, personalise } from "../../host/provision.js";
import { parseMoney } from "../../host/units.js";
import type { FlashGeometry } from "../../simulator/flash.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { issue, type ModuleDevice } from "./modules.js";
import { START_SECONDS, VirtualTime } from "./virtual-time.js";

export const PIN = "1234";
export const PUK = "12345678";
const ISSUER = new Uint8Array(16).fill(0xbb);
const DAY_SECONDS = 86_400;
const YEAR_SECONDS = 365 * DAY_SECONDS;
export const NOW = Number(START_SECONDS);

export const CARD: Card = {
  bank: "First Bank",
  account: "4000123412341234",
  validFrom: NOW - YEAR_SECONDS,
  expiry: NOW + YEAR_SECONDS,
  customer: "A. Customer",
};

export interface AgentDevice {
  readonly device: Device;
  readonly agent: SimulatedChip;
  /** Absent in an authority's device. */
  readonly module?: SimulatedChip;
}

export class AgentWorld {
  readonly time = new VirtualTime();
  readonly agencies: Agencies;
  readonly random: { fill(destination: Uint8Array): void };
  readonly network: { readonly signer: Signer; readonly chain: Uint8Array };
  /** Everything that was carried, since somebody cleared it. */
  readonly envelopes: CarriedEnvelope[] = [];
  /** Told of each as it is carried, before it arrives. */
  onEnvelope: (() => void) | undefined;
  /** Of each chip, by its name and sort. */
  readonly personalisationKeys = new Map<string, Uint8Array>();
  readonly #chips: ChipFactory;
  #stan = 0;

  /** `chips`: makes another sort of chips, for who wants to see what they do. */
  constructor(
    seed: string,
    geometry?: FlashGeometry,
    chips: (parts: ChipParts) => ChipFactory = (parts) => new ChipFactory(parts),
  ) {
    const randomness = new SeededRandomness(sodiumCryptography, seed);
    this.random = { fill: (destination) => randomness.fill(destination) };
    const secrets = newAgencies(this.random, NOW);
    this.agencies = { agents: new Agency(secrets.agents), modules: new Agency(secrets.modules) };
    this.#chips = chips({
      clock: this.time.clock,
      ...(geometry === undefined ? {} : { geometry }),
      debugFirmware: process.env.TALLY_DEBUG_FIRMWARE !== undefined,
      randomness: (name) => new SeededRandomness(sodiumCryptography, `${seed} ${name}`),
    });
    const signer = ed25519Signer(new Uint8Array(32).fill(0x77));
    const keys = { signatureKey: signer.publicKey, agreementKey: new Uint8Array(32).fill(9) };
    const subject = { id: new Uint8Array(16).fill(0x77), role: ROLE_NETWORK, ...keys };
    this.network = { signer, chain: this.agencies.agents.issue(subject, NOW, "Card Network") };
  }

  get agentsRoot() {
    return this.agencies.agents.root;
  }

  async #personalised(name: string, sort: "agent" | "module", role: number, title?: string): Promise<SimulatedChip> {
    const chip = await this.#chips.chip(`${name} ${sort}`, sort);
    const parameters = role === ROLE_GENERATOR ? [ISSUER, YEAR_SECONDS, 2 * YEAR_SECONDS] : [];
    const order = { role, pin: PIN, puk: PUK, parameters, ...(title === undefined ? {} : { name: title }) };
    const record = await personalise(chip.element, this.agencies, order, this.random, START_SECONDS);
    this.personalisationKeys.set(`${name} ${sort}`, fromHex(record.personalisationKey));
    return chip;
  }

  #device(name: string, parts: { agent?: SimulatedChip; module?: SimulatedChip }): Device {
    return new Device({
      name,
      ...(parts.agent === undefined ? {} : { agent: parts.agent.element }),
      ...(parts.module === undefined ? {} : { module: parts.module.element }),
      clock: this.time,
      timers: this.time,
      queryAfter_ms: 1000,
      recorder: (envelope) => {
        this.envelopes.push(envelope);
        this.onEnvelope?.();
      },
    });
  }

  /** An agent and a module, personalised and not yet paired. */
  async unpaired(name: string, role: number): Promise<AgentDevice & { module: SimulatedChip }> {
    const agent = await this.#personalised(name, "agent", role);
    const module = await this.#personalised(name, "module", ROLE_TRANSACTION);
    return { device: this.#device(name, { agent, module }), agent, module };
  }

  /** An agent and a module, paired; both unlocked. */
  async device(name: string, role: number): Promise<AgentDevice & { module: SimulatedChip }> {
    const { device, agent, module } = await this.unpaired(name, role);
    await this.time.run(pair(device));
    await finishPersonalisation(agent.element);
    await finishPersonalisation(module.element);
    await device.unlock(PIN);
    return { device, agent, module };
  }

  /** The same chips in a device whose host knows nothing of what was before. */
  afresh<Parts extends AgentDevice>(old: Parts): Parts {
    const { agent, module } = old;
    return { ...old, device: this.#device(old.device.name, { agent, ...(module === undefined ? {} : { module }) }) };
  }

  async authority(title: string): Promise<AgentDevice> {
    const agent = await this.#personalised(title, "agent", ROLE_AUTHORITY, title);
    await finishPersonalisation(agent.element);
    const device = this.#device(title, { agent });
    await device.unlock(PIN);
    await this.time.run(createOwnCredential(device));
    return { device, agent };
  }

  async merchant(name: string, registry: AgentDevice) {
    const merchant = await this.device(name, ROLE_MERCHANT);
    const components = [name, NOW + YEAR_SECONDS];
    await this.grant(registry, merchant, TICKET_MERCHANT_CREDENTIAL, components);
    return merchant;
  }

  async customer(name: string, bank: AgentDevice, card: Card = CARD) {
    const customer = await this.device(name, ROLE_CUSTOMER);
    await this.grant(bank, customer, TICKET_DEBIT_CARD, componentFields({ kind: "card", card }));
    return customer;
  }

  /** The receiver asks, the authority's host agrees. */
  async grant(
    authority: AgentDevice,
    receiver: AgentDevice,
    type: number,
    components: ReturnType<typeof componentFields>,
  ): Promise<Acquired> {
    const [near, far] = inProcessLink();
    const issuing = issueCredential(authority.device, far, () => ({ expiry_seconds: NOW + YEAR_SECONDS, components }));
    const [acquired] = await this.time.run(Promise.all([acquire(receiver.device, near, type), issuing]));
    return acquired;
  }

  /** Money out of nothing: generator, teller, then these devices. */
  async fund(...orders: readonly (readonly [AgentDevice, string])[]): Promise<void> {
    const modules: ModuleDevice[] = [];
    for (const [name, role] of [
      ["generator", ROLE_GENERATOR],
      ["teller", ROLE_TELLER],
    ] as const) {
      const chip = await this.#personalised(name, "module", role);
      await finishPersonalisation(chip.element);
      const device = this.#device(name, { module: chip });
      await device.unlock(PIN);
      modules.push({ ...chip, device });
    }
    const [generator, teller] = modules as [ModuleDevice, ModuleDevice];
    for (const [receiver, text] of orders) {
      const money = parseMoney(text);
      const half = money.amount / 2n;
      await this.time.run(issue(generator, teller, money, [half, money.amount - half]));
      const { device } = receiver;
      await this.time.run(issue(teller, { ...(receiver.module as SimulatedChip), device }, money));
    }
  }

  /** The network's approval of what the merchant's host is asked to have authorized. */
  approve(asked: NoticeOf<"authorize">, change: Partial<Approval> = {}): Uint8Array {
    this.#stan += 1;
    const approval = {
      receiptHash: asked.receiptHash,
      bank: asked.bankId,
      account: asked.account,
      type: asked.type,
      authorization: asked.authorization.amount,
      accountUnit: asked.authorization.unit,
      stan: this.#stan,
      date: NOW,
      lastDay: NOW + DAY_SECONDS,
      ...change,
    };
    return signApproval(approval, this.network.signer);
  }
}
