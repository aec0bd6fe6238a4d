/**
 * Power cuts and lost messages at every step of a purchase and a sale: whatever happens, when all are alive and have met
 * again, agents, modules and signed outcomes agree, and nothing stays in doubt (docs/PROTOCOLS.md, section 1, invariant 5).
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  ADDRESS_MODULE,
  OUTCOME_COMMITTED,
  TICKET_RECEIPT,
  TYPE_PURCHASE,
  TYPE_SALE,
} from "../../firmware/protocol/messages.js";
import { answerResume, resume, settleAgent } from "../../host/applications/resume.js";
import type { SimulatedChip } from "../../host/chips.js";
import type { Outcome } from "../../host/codec/receipt.js";
import { command } from "../../host/commands.js";
import { type Disturbance, inProcessLink } from "../../host/communications/in-process.js";
import { sha256 } from "../../host/crypto.js";
import type { Notice } from "../../host/notices.js";
import { StatusWordError } from "../../host/status-words.js";
import { type AgentDevice, AgentWorld, PIN } from "../support/agents.js";
import { balance, outcomes, trade } from "../support/purchase.js";

const WHOLE_TEST_MS = 180_000;
const AMOUNT = 1000n;
const CUSTOMER_HAS = 5000n;
const MERCHANT_HAS = 10_000n;

let world: AgentWorld;
let customer: AgentDevice;
let merchant: AgentDevice;
let chips: SimulatedChip[];
let start: Uint8Array[];

beforeAll(async () => {
  world = new AgentWorld("settle");
  const registry = await world.authority("Registry");
  const bank = await world.authority("First Bank");
  merchant = await world.merchant("Corner Shop", registry);
  customer = await world.customer("Alice", bank);
  await world.fund([merchant, "USD 100.00"], [customer, "USD 50.00"]);
  chips = [customer.agent, customer.module, merchant.agent, merchant.module] as SimulatedChip[];
  start = chips.map(({ simulated }) => simulated.snapshot());
});

beforeEach(rewind);

/** Every chip as it was before the first transaction. */
function rewind(): void {
  world.onEnvelope = undefined;
  onceOver = () => {};
  chips.forEach(({ simulated }, index) => {
    simulated.chip.onOperation = undefined;
    simulated.restore(start[index] as Uint8Array);
  });
  customer = world.afresh(customer);
  merchant = world.afresh(merchant);
}

/** Called when a transaction is over, before everybody meets again: the end of what was done to it. */
let onceOver = () => {};

/** What is known when everything is over. */
interface End {
  readonly moved: boolean;
  readonly words: readonly Outcome[];
  readonly approved: boolean;
}

/** A transaction with something going wrong, then power for all, a meeting of the modules, and every agent settled. */
async function live(type: number, disturbance?: Disturbance): Promise<End> {
  let approval: Uint8Array | undefined;
  const result = await trade(world, customer, merchant, {
    type,
    ...(disturbance === undefined ? {} : { disturbance }),
    merchant: {
      authorize: (asked) => {
        approval = world.approve(asked);
        return command.authorized(approval, world.network.chain);
      },
    },
  });
  world.onEnvelope = undefined;
  onceOver();
  for (const { simulated } of chips) simulated.chip.onOperation = undefined;
  const told: Notice[] = [...result.customer.notices, ...result.merchant.notices];
  await customer.device.restart(PIN);
  await merchant.device.restart(PIN);
  if (approval !== undefined) told.push(...(await askMerchant(approval)));
  told.push(...(await meet()));
  if (approval !== undefined) told.push(...(await askMerchant(approval)));
  return { ...(await agreed()), words: outcomes(world, told), approved: approval !== undefined };
}

async function meet(): Promise<Notice[]> {
  const [near, far] = inProcessLink();
  const [a, b] = await world.time.run(Promise.all([resume(customer.device, near), answerResume(merchant.device, far)]));
  return [...a.outcomes, ...b.outcomes];
}

/**
 * The merchant's host asks how it ended, and tells what the network had answered, whether its agent needs to know or not:
 * an agent in doubt, or one that has concluded, must not be talked into another word.
 */
async function askMerchant(approval: Uint8Array): Promise<Notice[]> {
  const told: Notice[] = [];
  for (const order of [command.report(sha256(approval)), command.authorized(approval, world.network.chain)]) {
    const answer = await merchant.device.converse(undefined, "agent", async (conversation) => {
      await conversation.command(order).catch((error: unknown) => {
        if (!(error instanceof StatusWordError)) throw error;
      });
      return conversation.drain().map(({ notice }) => notice);
    });
    told.push(...answer);
  }
  return told;
}

/** Modules and agents agree, and nothing is left open. */
async function agreed(): Promise<{ moved: boolean }> {
  const [ours, theirs] = [await balance(customer), await balance(merchant)];
  expect(ours + theirs).toBe(CUSTOMER_HAS + MERCHANT_HAS);
  for (const { device } of [customer, merchant]) {
    // What one settling has committed the next one acknowledges for good.
    await world.time.run(settleAgent(device));
    expect(await device.module.pending()).toEqual([]);
    expect(await world.time.run(settleAgent(device))).toEqual([]);
  }
  const tickets = await customer.device.agent.tickets();
  const receipts = tickets.filter(({ type }) => type === TICKET_RECEIPT).length;
  const moved = ours !== CUSTOMER_HAS;
  expect(receipts).toBe(moved ? 1 : 0);
  return { moved };
}

/** All words on the approval say the same, and the network hears at least one. */
function consistent(end: End, type: number, what: string): void {
  const committed = end.words.map(({ outcome }) => outcome === OUTCOME_COMMITTED);
  expect(new Set(committed).size, `${what}: one outcome`).toBe(end.approved ? 1 : 0);
  if (end.approved) expect(committed[0], `${what}: the outcome is what happened`).toBe(end.moved);
  expect(end.moved && !end.approved, `${what}: nothing moves without approval`).toBe(false);
  expect(type === TYPE_PURCHASE || type === TYPE_SALE).toBe(true);
}

const both = [
  ["purchase", TYPE_PURCHASE],
  ["sale", TYPE_SALE],
] as const;

describe.each(both)("a %s", (_name, type) => {
  it("without any fault moves the amount once", async () => {
    const end = await live(type);
    expect(end.moved).toBe(true);
    consistent(end, type, "no fault");
    const sign = type === TYPE_PURCHASE ? 1n : -1n;
    expect(await balance(customer)).toBe(CUSTOMER_HAS + sign * AMOUNT);
  });

  it.each(["customer", "merchant"] as const)(
    "with the %s's device losing power at any envelope",
    async (side) => {
      const victims = side === "customer" ? chips.slice(0, 2) : chips.slice(2);
      for (let cutAt = 0; ; cutAt += 1) {
        rewind();
        let seen = 0;
        let reached = false;
        world.onEnvelope = () => {
          if (seen === cutAt) {
            reached = true;
            for (const { simulated } of victims) simulated.powerOff();
          }
          seen += 1;
        };
        consistent(await live(type), type, `cut at envelope ${cutAt}`);
        if (!reached) break;
      }
    },
    WHOLE_TEST_MS,
  );

  it.each([
    ["customer's agent", 0],
    ["customer's module", 1],
    ["merchant's agent", 2],
    ["merchant's module", 3],
  ] as const)(
    "with the %s losing power at any operation on its flash",
    async (_which, index) => {
      for (const cut of ["before", "after"] as const) {
        for (let cutAt = 0; ; cutAt += 1) {
          rewind();
          let seen = 0;
          const victim = (chips[index] as SimulatedChip).simulated.chip;
          victim.onOperation = () => (seen++ === cutAt ? { cut } : undefined);
          consistent(await live(type), type, `cut ${cut} operation ${cutAt}`);
          if (seen <= cutAt) break;
        }
      }
    },
    WHOLE_TEST_MS,
  );

  it.each([0, 1] as const)(
    "with any one message lost in direction %i",
    async (direction) => {
      for (let lost = 0; ; lost += 1) {
        rewind();
        let reached = false;
        const end = await live(type, (from, index) => {
          if (from !== direction || index !== lost) return { kind: "deliver" };
          reached = true;
          return { kind: "lose" };
        });
        consistent(end, type, `message ${lost} lost`);
        expect(end.moved, `message ${lost} is asked for again`).toBe(true);
        if (!reached) break;
      }
    },
    WHOLE_TEST_MS,
  );

  it.each(["customer", "merchant"] as const)(
    "with a %s's host that hides what its module says, from any message on, and cancels",
    async (side) => {
      for (let hideFrom = 0; ; hideFrom += 1) {
        rewind();
        const { device } = side === "customer" ? customer : merchant;
        const element = device.agent;
        const honest = element.deliver.bind(element);
        let heard = 0;
        element.deliver = async (envelope) => {
          const hidden = envelope[0] === ADDRESS_MODULE && heard++ >= hideFrom;
          if (!hidden) return honest(envelope);
          for (let again = 0; again < 2; again += 1) {
            queueMicrotask(() => void device.manager.command("agent", command.cancel()).catch(() => undefined));
          }
          return [];
        };
        onceOver = () => {
          element.deliver = honest;
        };
        consistent(await live(type), type, `hidden from message ${hideFrom}`);
        if (heard <= hideFrom) break;
      }
    },
    WHOLE_TEST_MS,
  );

  it(
    "with a link that breaks at any message",
    async () => {
      for (let last = 0; ; last += 1) {
        rewind();
        let count = 0;
        let reached = false;
        const end = await live(type, () => {
          if (count++ < last) return { kind: "deliver" };
          reached = true;
          return { kind: "cut" };
        });
        consistent(end, type, `cut after ${last}`);
        if (!reached) break;
      }
    },
    WHOLE_TEST_MS,
  );
});
