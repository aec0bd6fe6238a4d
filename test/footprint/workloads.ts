/**
 * What is measured, as it happens between simulated chips: from one seed, on virtual time, so that it is the same each time.
 *
 * One currency, wallets of 8 notes of USD 5.00, of which 2 are paid. Notes have two hands behind them (generator, teller), unless
 * a workload says otherwise, and everybody was just powered on: no session, no certificate is known.
 */

import { ROLE_GENERATOR, ROLE_TELLER } from "../../firmware/protocol/kinds.js";
import { TYPE_SALE } from "../../firmware/protocol/messages.js";
import { runTransfer } from "../../host/applications/transfer.js";
import type { ChipParts, SimulatedChip } from "../../host/chips.js";
import { command } from "../../host/commands.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import type { PeerLink } from "../../host/communications/link.js";
import { parseMoney } from "../../host/units.js";
import { AgentWorld } from "../support/agents.js";
import { issue, type ModuleDevice, ModuleWorld, PIN } from "../support/modules.js";
import { trade } from "../support/purchase.js";
import { orderOf, PurseWorld } from "../support/purses.js";
import { type Life, RecordedChips } from "./lives.js";

/** A part of what a chip lived through: commands of one of its lives, from one index to another. */
export interface Stretch {
  /** All lives of the chip, from the blank one on. */
  readonly chip: readonly Life[];
  /** Index of the life. */
  readonly life: number;
  readonly from: number;
  readonly to: number;
}

/** What each counts is the sum of its stretches. */
export type Workloads = Readonly<Record<WorkloadName, readonly Stretch[]>>;

export const WORKLOADS = [
  "select",
  "session",
  "receiveNote1Hop",
  "receiveNote10Hops",
  "offlinePaymentModuleToModule",
  "offlinePaymentWithAgents",
  "halfSpent",
] as const;
export type WorkloadName = (typeof WORKLOADS)[number];

export class WorkloadError extends Error {
  override readonly name = "WorkloadError";
}

const NOTE = 500n;
const NOTES = 8;
const PAID = "USD 10.00";
const HOPS = 10;

function now(chips: RecordedChips, chip: Pick<SimulatedChip, "simulated">): number {
  return chips.livesOf(chip).at(-1)?.exchanges.length ?? 0;
}

/** The part of the chip's present life since `from`. */
function since(chips: RecordedChips, chip: Pick<SimulatedChip, "simulated">, from: number): Stretch {
  const lives = chips.livesOf(chip);
  return { chip: lives, life: lives.length - 1, from, to: now(chips, chip) };
}

function demand(holds: boolean, what: string): void {
  if (!holds) throw new WorkloadError(`A workload is not what it is taken for: ${what}.`);
}

/** A payment between two modules, both just powered on, and where each had its session. */
class Payment {
  readonly #sides: readonly [Stretch, Stretch];
  /** Of the payer and the payee: the command that brought the session. */
  readonly #inSession: readonly [number, number];

  private constructor(sides: readonly [Stretch, Stretch], inSession: readonly [number, number]) {
    this.#sides = sides;
    this.#inSession = inSession;
  }

  /** The payer proposes; or, where there are notes to make, the payee asks a generator, which makes them. */
  static async run(
    { world, chips }: Recorded,
    payer: ModuleDevice,
    payee: ModuleDevice,
    text: string,
    made?: readonly bigint[],
  ): Promise<Payment> {
    await payer.device.restart(PIN);
    await payee.device.restart(PIN);
    const begun = [now(chips, payer), now(chips, payee)] as const;
    const inSession: [number, number] = [0, 0];
    const money = parseMoney(text);
    const side = (link: PeerLink, { device, simulated }: ModuleDevice, index: 0 | 1, first: Uint8Array) =>
      device.converse(link, "module", async (conversation) => {
        await (index === (made === undefined ? 1 : 0) ? conversation.prepare(first) : conversation.command(first));
        return runTransfer(device, conversation, {
          session: () => {
            inSession[index] = now(chips, { simulated });
            return true;
          },
          verify: () => true,
          answerRequest: () => command.yesWithNotes(made ?? []),
        });
      });
    const [a, b] = inProcessLink();
    const [first, second] =
      made === undefined
        ? [command.pay(money, null), command.listen()]
        : [command.listen(), command.withdraw(money, null)];
    const ends = Promise.all([side(a, payer, 0, first), side(b, payee, 1, second)]);
    const [sent] = await world.time.run(ends);
    demand(sent.confirmed, "a payment was not confirmed");
    return new Payment([since(chips, payer, begun[0]), since(chips, payee, begun[1])], inSession);
  }

  /** From the first command of the conversation on, both sides. */
  whole(): readonly Stretch[] {
    return this.#sides;
  }

  /** Up to the command whose answer tells the host of the session, both sides. */
  session(): readonly Stretch[] {
    return this.#sides.map((stretch, side) => ({ ...stretch, to: this.#inSession[side] as number }));
  }

  /** What the payee does once it has the session. */
  receiving(): readonly Stretch[] {
    return [{ ...this.#sides[1], from: this.#inSession[1] }];
  }

  /** The payer's first command after power came. */
  select(): readonly Stretch[] {
    return [{ ...this.#sides[0], from: 0, to: 1 }];
  }
}

interface Recorded {
  readonly world: ModuleWorld;
  readonly chips: RecordedChips;
}

async function demandHops({ element }: ModuleDevice, expected: readonly number[]): Promise<void> {
  const hops = (await element.notes()).map((note) => note.hops);
  demand(
    hops.join() === expected.join(),
    `a module has notes of ${hops.join()} records, and not of ${expected.join()}`,
  );
}

/** `make` gives a world the chips; they are there as soon as it is. */
function recorded<World>(seed: string, make: (chips: (parts: ChipParts) => RecordedChips) => World) {
  let made: RecordedChips | undefined;
  const world = make(({ clock }) => {
    if (clock === undefined) throw new WorkloadError("A world gave its chips no clock.");
    made = new RecordedChips(seed, clock);
    return made;
  });
  if (made === undefined) throw new WorkloadError("A world asked for no chips.");
  return { world, chips: made };
}

async function moduleWorkloads() {
  const seed = "footprint modules";
  const { world, chips } = recorded(seed, (make) => new ModuleWorld(seed, undefined, make));
  const generator = await world.module("generator", ROLE_GENERATOR);
  const teller = await world.module("teller", ROLE_TELLER);
  const payer = await world.module("payer");
  const payee = await world.module("payee");
  await world.time.run(issue(generator, teller, "USD 40.00", new Array<bigint>(NOTES).fill(NOTE)));
  for (let i = 0; i < NOTES; i++) await world.time.run(issue(teller, payer, "USD 5.00"));
  await demandHops(payer, new Array<number>(NOTES).fill(2));
  const payment = await Payment.run({ world, chips }, payer, payee, PAID);
  await demandHops(payee, [3, 3]);
  const first = await Payment.run({ world, chips }, generator, teller, "USD 5.00", [NOTE]);
  await demandHops(teller, [1]);
  let holder = await world.module("hand 2");
  await world.time.run(issue(teller, holder, "USD 5.00"));
  let last = first;
  // Only a teller takes a note from its last hands.
  for (let hop = 3; hop <= HOPS; hop++) {
    const next = hop < HOPS ? await world.module(`hand ${hop}`) : teller;
    last = await Payment.run({ world, chips }, holder, next, "USD 5.00");
    holder = next;
  }
  await demandHops(teller, [HOPS]);
  return {
    select: payment.select(),
    session: payment.session(),
    offlinePaymentModuleToModule: payment.whole(),
    receiveNote1Hop: first.receiving(),
    receiveNote10Hops: last.receiving(),
  };
}

/** A sale: the customer's device pays the merchant's, which credits a card, with the network's approval and a receipt. */
async function agentWorkloads() {
  const seed = "footprint agents";
  const { world, chips } = recorded(seed, (make) => new AgentWorld(seed, undefined, make));
  const registry = await world.authority("Registry");
  const bank = await world.authority("First Bank");
  const merchant = await world.merchant("Corner Shop", registry);
  const customer = await world.customer("Alice", bank);
  const fund = Array.from({ length: NOTES / 2 }, () => [customer, "USD 10.00"] as const);
  await world.fund(...fund);
  const hops = (await customer.module.element.notes()).map((note) => note.hops);
  demand(hops.join() === new Array<number>(NOTES).fill(2).join(), "the customer has not 8 notes of two records");
  await world.time.run(customer.device.restart(PIN));
  await world.time.run(merchant.device.restart(PIN));
  const elements = [customer.agent, customer.module, merchant.agent, merchant.module];
  const begun = elements.map((element) => now(chips, element));
  const sides = await trade(world, customer, merchant, { type: TYPE_SALE, money: PAID });
  for (const { error, notices } of [sides.customer, sides.merchant]) {
    if (error !== undefined) throw error;
    demand(
      notices.some(({ name }) => name === "done"),
      "a sale was not done",
    );
  }
  return { offlinePaymentWithAgents: elements.map((element, i) => since(chips, element, begun[i] as number)) };
}

async function purseWorkloads() {
  const seed = "footprint purses";
  const { world, chips } = recorded(seed, (make) => new PurseWorld(seed, {}, { chips: make }));
  const buyer = await world.buyer("alice");
  const { slot } = await world.purse(buyer);
  await world.restart(buyer);
  const begun = now(chips, buyer);
  await buyer.card.spend(slot, orderOf(1n), 1n);
  return { halfSpent: [since(chips, buyer, begun)] };
}

/** Runs all of them in the simulator. */
export async function recordWorkloads(): Promise<Workloads> {
  return { ...(await moduleWorkloads()), ...(await agentWorkloads()), ...(await purseWorkloads()) };
}
