/** The whole economy of a figure: bank, card network, merchants, customers; with what its network and merchants do on record. */

import { vi } from "vitest";
import { meet } from "../../host/applications/deal.js";
import type { MerchantEvent } from "../../host/applications/merchant.js";
import { answerResume, resume } from "../../host/applications/resume.js";
import { encode } from "../../host/codec/cbor.js";
import { Fields } from "../../host/codec/read.js";
import { type Outcome, verifyOutcome } from "../../host/codec/receipt.js";
import { type Disturbance, inProcessLink } from "../../host/communications/in-process.js";
import { AuthorizationNetwork } from "../../host/services/authorization-network.js";
import { parseMoney } from "../../host/units.js";
import { MemoryHome } from "../../host/world/home.js";
import { createWorld } from "../../host/world/init.js";
import { STANDARD_PLAN } from "../../host/world/plan.js";
import type { World } from "../../host/world/world.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { VirtualTime } from "./virtual-time.js";

const BANK = "meadow-bank";
/** Field of an advice with the agent's signed outcome and its chain. */
const OUTCOME_FIELD = 63;

type IsoMessage = Parameters<AuthorizationNetwork["handle"]>[0];

export interface Holdings {
  /** Spendable, in the smallest unit of the currency that was traded. */
  readonly notes: bigint;
  readonly available: bigint;
  readonly held: bigint;
}

export class Economy {
  readonly time = new VirtualTime();
  /** What the card network was sent, in order. */
  readonly carried: IsoMessage[] = [];
  readonly events: MerchantEvent[] = [];
  world!: World;
  #restore = () => undefined as unknown;

  static async create(seed: string): Promise<Economy> {
    const economy = new Economy();
    const random = new SeededRandomness(sodiumCryptography, seed);
    const home = new MemoryHome({ clock: economy.time.clock, randomness: (name) => random.fork(name) });
    economy.#listen();
    const parts = { home, plan: STANDARD_PLAN, clock: economy.time, timers: economy.time, random };
    economy.world = await economy.time.run(
      createWorld({ ...parts, onMerchantEvent: (_merchant, event) => void economy.events.push(event) }),
    );
    return economy;
  }

  #listen(): void {
    const { handle } = AuthorizationNetwork.prototype;
    const { carried } = this;
    const spy = vi.spyOn(AuthorizationNetwork.prototype, "handle").mockImplementation(function (
      this: AuthorizationNetwork,
      message,
    ) {
      carried.push(message);
      return handle.call(this, message);
    });
    this.#restore = () => spy.mockRestore();
  }

  async close(): Promise<void> {
    this.#restore();
    await this.world.close();
  }

  forget(): void {
    this.carried.length = 0;
    this.events.length = 0;
  }

  /** Types of the messages that the card network was sent. */
  get types(): string[] {
    return this.carried.map(({ type }) => type);
  }

  deal(customer: string, merchant: string, direction: "buy" | "sell", money: string, disturbance?: Disturbance) {
    const { device } = this.world.customer(customer);
    const prompts = {
      confirmMerchant: () => true,
      chooseCard: (cards: readonly never[]) => cards[0],
      confirmReceipt: () => true,
    };
    const sides = { customer: device, merchant: this.world.trader(merchant).merchant, prompts };
    const link = disturbance === undefined ? {} : { disturbance, timers: this.time };
    return this.time.run(meet(sides, direction, parseMoney(money), link));
  }

  /** Devices meet again, then agents follow their modules, then the network is told. */
  async settle(customer: string, merchant: string): Promise<void> {
    const { device } = this.world.customer(customer);
    const { devices, merchant: host } = this.world.trader(merchant);
    const [till] = devices;
    if (till === undefined) throw new Error(`${merchant} has no till`);
    const open = (await device.module.pending()).length + (await till.module.pending()).length;
    if (open > 0) {
      const [near, far] = inProcessLink();
      const answering = answerResume(till, far);
      const settled = await this.time.run(Promise.all([resume(device, near), answering]));
      for (const { outcomes } of settled) for (const outcome of outcomes) await host.settle(outcome);
    }
    await this.time.run(this.world.recover());
  }

  async holdings(customer: string, currency = 840): Promise<Holdings> {
    const balances = await this.world.customer(customer).device.module.balances();
    const account = await this.world.network.accountBalance(BANK, `current-${customer}`);
    if (account === undefined) throw new Error(`${customer} has no account`);
    return { notes: balances.find(({ unit }) => unit.currency === currency)?.spendable ?? 0n, ...account };
  }

  async settlement(merchant: string): Promise<{ available: bigint; held: bigint } | undefined> {
    return this.world.network.accountBalance(BANK, `settlement-${merchant}`);
  }

  /** What an agent signed in an advice, verified as the network does. */
  outcomeOf(message: IsoMessage): Outcome {
    const fields = Fields.decode(message.fields[OUTCOME_FIELD] ?? encode([]), "evidence", 2);
    const signed = fields.bytes("outcome", 1, 8192);
    const chain = fields.bytes("chain", 1, 8192);
    const now = Number(this.time.now_seconds());
    return verifyOutcome(signed, chain, this.world.agencies.agents.root, now).outcome;
  }

  /** Everything is somewhere: notes and books at the bank, and the network's accounts. */
  async faults(): Promise<string[]> {
    const lines = (await this.world.audit()).filter((line) => !line.balanced).map((line) => JSON.stringify(line));
    return [...lines, ...(await this.world.network.audit())];
  }
}
