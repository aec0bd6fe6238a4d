/** A bank and some customers with money modules alone: what tests of payments start from. */

import { ROLE_GENERATOR, ROLE_TELLER, ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { Agency, newAgencies } from "../../host/agencies.js";
import { withdraw } from "../../host/applications/withdraw.js";
import { ChipFactory, type ChipParts, type SimulatedChip } from "../../host/chips.js";
import { Device } from "../../host/device.js";
import type { CarriedEnvelope } from "../../host/message-manager.js";
import { finishPersonalisation, personalise } from "../../host/provision.js";
import { BadIdList } from "../../host/services/bad-id-list.js";
import { BankBooks } from "../../host/services/bank-books.js";
import { openDatabase } from "../../host/services/database.js";
import { Reconciliation } from "../../host/services/reconciliation.js";
import { TellerService, type TellerTables } from "../../host/services/teller.js";
import { type Money, parseMoney } from "../../host/units.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { VirtualTime } from "./virtual-time.js";

const YEAR = 365 * 86_400;
export const PIN = "1234";
const PUK = "12345678";

export class BankWorld {
  readonly time = new VirtualTime();
  readonly random: SeededRandomness;
  readonly chips: ChipFactory;
  readonly agencies;
  readonly database = openDatabase<TellerTables>("memory");
  readonly simulated = new Map<string, SimulatedChip>();
  readonly envelopes: CarriedEnvelope[] = [];
  books!: BankBooks;
  reconciliation!: Reconciliation;
  badIds!: BadIdList;
  bank!: TellerService;
  generator!: Device;

  private constructor(seed: string, chips: ChipParts) {
    this.random = new SeededRandomness(sodiumCryptography, seed);
    const secrets = newAgencies(this.random, Number(this.time.now_seconds()));
    this.agencies = { agents: new Agency(secrets.agents), modules: new Agency(secrets.modules) };
    this.chips = new ChipFactory({
      clock: this.time.clock,
      randomness: (name) => this.random.fork(name),
      debugFirmware: process.env["TALLY_DEBUG_FIRMWARE"] !== undefined,
      ...chips,
    });
  }

  static async create(seed = "bank world", chips: ChipParts = {}): Promise<BankWorld> {
    const world = new BankWorld(seed, chips);
    world.books = await BankBooks.open(world.database, world.time);
    const { modules } = world.agencies;
    world.reconciliation = await Reconciliation.open({
      database: world.database,
      root: modules.root,
      clock: world.time,
    });
    world.badIds = await BadIdList.open(world.database, modules, world.time);
    const issuer = new Uint8Array(16).fill(0xb0);
    const teller = await world.module("teller", ROLE_TELLER);
    world.generator = await world.module("generator", ROLE_GENERATOR, [issuer, YEAR, YEAR]);
    world.bank = await TellerService.open({
      books: world.books,
      database: world.database,
      teller,
      generator: world.generator,
      reconciliation: world.reconciliation,
      badIds: world.badIds,
    });
    return world;
  }

  /** A device with a money module and no agent, unlocked. */
  async module(name: string, role = ROLE_TRANSACTION, parameters: (Uint8Array | number)[] = []): Promise<Device> {
    const chip = await this.chips.chip(name, "module");
    this.simulated.set(name, chip);
    const order = { role, pin: PIN, puk: PUK, parameters };
    await personalise(chip.element, this.agencies, order, this.random, this.time.now_seconds());
    await finishPersonalisation(chip.element);
    const recorder = (envelope: CarriedEnvelope) => void this.envelopes.push(envelope);
    const device = new Device({ name, module: chip.element, clock: this.time, timers: this.time, recorder });
    await device.unlock(PIN);
    return device;
  }

  /** A customer with an account of its own name, funded, and this much withdrawn. */
  async customer(name: string, ...amounts: string[]): Promise<Device> {
    const device = await this.module(name);
    for (const text of amounts) {
      const money = parseMoney(text);
      const account = accountOf(name, money);
      await this.books.openDeposit(account, money.unit);
      await this.books.link(account, device.module.idHex);
      await this.books.fund({ id: `salary/${account}`, account, amount: money.amount * 2n, unit: money.unit });
      await this.time.run(withdraw(device, this.bank, account, money));
      await this.bank.idle();
    }
    return device;
  }
}

export function accountOf(name: string, money: Money): string {
  return `${name}-${money.unit.currency}`;
}

export async function spendable(device: Device, currency: number): Promise<bigint> {
  const balances = await device.module.balances();
  return balances.find((balance) => balance.unit.currency === currency)?.spendable ?? 0n;
}
