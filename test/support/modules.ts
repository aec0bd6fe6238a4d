/** Money modules on simulated chips, personalised by one pair of agencies, on virtual time: what payment tests start from. */

import { ROLE_GENERATOR, ROLE_TELLER, ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { type Agencies, Agency, newAgencies } from "../../host/agencies.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import { runTransfer, type Transfer } from "../../host/applications/transfer.js";
import { withdraw } from "../../host/applications/withdraw.js";
import { ChipFactory, type ChipParts, type SimulatedChip } from "../../host/chips.js";
import { command } from "../../host/commands.js";
import { type Disturbance, inProcessLink } from "../../host/communications/in-process.js";
import { Device } from "../../host/device.js";
import { finishPersonalisation, personalise } from "../../host/provision.js";
import { type Money, parseMoney } from "../../host/units.js";
import type { FlashGeometry } from "../../simulator/flash.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { START_SECONDS, VirtualTime } from "./virtual-time.js";

export const PIN = "1234";
export const PUK = "12345678";
export const ISSUER = new Uint8Array(16).fill(0xbb);
const YEAR_SECONDS = 31_536_000;

export interface ModuleDevice extends SimulatedChip {
  readonly device: Device;
}

export class ModuleWorld {
  readonly time = new VirtualTime();
  readonly agencies: Agencies;
  readonly random: { fill(destination: Uint8Array): void };
  readonly #chips: ChipFactory;
  readonly #seed: string;

  /** `chips`: makes another sort of chips, for who wants to see what they do. */
  constructor(
    seed: string,
    geometry?: FlashGeometry,
    chips: (parts: ChipParts) => ChipFactory = (parts) => new ChipFactory(parts),
  ) {
    this.#seed = seed;
    const randomness = new SeededRandomness(sodiumCryptography, seed);
    this.random = { fill: (destination) => randomness.fill(destination) };
    const secrets = newAgencies(this.random, Number(START_SECONDS));
    this.agencies = { agents: new Agency(secrets.agents), modules: new Agency(secrets.modules) };
    this.#chips = chips({
      clock: this.time.clock,
      ...(geometry === undefined ? {} : { geometry }),
      debugFirmware: process.env["TALLY_DEBUG_FIRMWARE"] !== undefined,
      randomness: (name) => new SeededRandomness(sodiumCryptography, `${seed} ${name}`),
    });
  }

  /** A module of a role, personalised, unlocked, with the date of the world. */
  async module(name: string, role = ROLE_TRANSACTION): Promise<ModuleDevice> {
    const chip = await this.#chips.chip(name, "module");
    const parameters = role === ROLE_GENERATOR ? [ISSUER, YEAR_SECONDS, 2 * YEAR_SECONDS] : [];
    const order = { role, pin: PIN, puk: PUK, parameters };
    await personalise(chip.element, this.agencies, order, this.random, START_SECONDS);
    await finishPersonalisation(chip.element);
    const device = new Device({
      name,
      module: chip.element,
      clock: this.time,
      timers: this.time,
      queryAfter_ms: 1000,
    });
    await device.unlock(PIN);
    return { ...chip, device };
  }

  /** A bank's generator and teller. */
  async bank(): Promise<{ generator: ModuleDevice; teller: ModuleDevice }> {
    const generator = await this.module("generator", ROLE_GENERATOR);
    return { generator, teller: await this.module("teller", ROLE_TELLER) };
  }

  get seed(): string {
    return this.#seed;
  }
}

/** The payer proposes, the payee takes it. */
export async function transfer(
  payer: ModuleDevice,
  payee: ModuleDevice,
  money: Money | string,
  disturbance?: Disturbance,
): Promise<{ sent: Transfer; received: Transfer }> {
  const [a, b] = inProcessLink(disturbance);
  const sum = typeof money === "string" ? parseMoney(money) : money;
  const receiving = receive(payee.device, b);
  const [sent, received] = await both(pay(payer.device, a, sum), receiving);
  return { sent, received };
}

/** The initiator asks a bank's module for money; `notes` are the values that a generator makes. */
export async function issue(
  bank: ModuleDevice,
  subscriber: ModuleDevice,
  money: Money | string,
  notes?: readonly bigint[],
): Promise<Transfer> {
  const [a, b] = inProcessLink();
  const sum = typeof money === "string" ? parseMoney(money) : money;
  const serving = bank.device.converse(b, "module", async (conversation) => {
    await conversation.prepare(command.listen());
    const answer = notes === undefined ? command.yes() : command.yesWithNotes(notes);
    return runTransfer(bank.device, conversation, { answerRequest: () => answer });
  });
  const connection = { connect: () => Promise.resolve(a) };
  const [, received] = await both(serving, withdraw(subscriber.device, connection, "account", sum));
  return received;
}

/** Both ends must end; the first error is the one that counts. */
async function both<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const results = await Promise.allSettled([a, b]);
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return [(results[0] as PromiseFulfilledResult<A>).value, (results[1] as PromiseFulfilledResult<B>).value];
}
