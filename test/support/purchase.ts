/** One purchase or sale between two devices, with a host on each side that a test can turn in its favour. */

import { TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import { type Outcome, verifyOutcome } from "../../host/codec/receipt.js";
import { command } from "../../host/commands.js";
import { type Disturbance, inProcessLink } from "../../host/communications/in-process.js";
import type { PeerLink } from "../../host/communications/link.js";
import type { Conversation } from "../../host/device.js";
import type { Notice, NoticeName, NoticeOf } from "../../host/notices.js";
import { type Money, parseMoney } from "../../host/units.js";
import { type AgentDevice, type AgentWorld, NOW } from "./agents.js";

export const USD = { currency: 840, exponent: 2 };

/** What a side's host answers to a notice; undefined says nothing, "stop" leaves. */
export type Answer = Uint8Array | "stop" | undefined;
export type HostAnswers = { readonly [Name in NoticeName]?: (notice: NoticeOf<Name>) => Answer | Promise<Answer> };

export interface Side {
  readonly notices: readonly Notice[];
  readonly error: Error | undefined;
}

const ENDS: ReadonlySet<NoticeName> = new Set(["done", "aborted", "provisional"]);

async function run(conversation: Conversation, answers: HostAnswers, notices: Notice[], pays: boolean): Promise<void> {
  for (;;) {
    const { source, notice } = await conversation.next();
    if (source !== "agent") continue;
    notices.push(notice);
    const answer = await (answers[notice.name] as ((notice: Notice) => Answer | Promise<Answer>) | undefined)?.(notice);
    if (answer === "stop") return;
    if (answer !== undefined) await conversation.command(answer);
    if (!ENDS.has(notice.name)) continue;
    await lastWord(conversation, notice.name === "done", pays);
    notices.push(...conversation.drain().map((sourced) => sourced.notice));
    return;
  }
}

/** Who is paid has the last word; who pays waits for it, and hangs up. */
async function lastWord(conversation: Conversation, done: boolean, pays: boolean): Promise<void> {
  if (done && pays) await conversation.quiet();
  else conversation.expectNothing();
  await conversation.idle();
  if (!done || pays) conversation.close();
}

export function customerAnswers(money: Money): HostAnswers {
  return {
    "confirm-merchant": () => command.yes(),
    amount: () => command.amountWanted(money),
    cards: ({ cards }) => command.choose(cards[0]?.index ?? 255),
    "confirm-receipt": () => command.yes(),
  };
}

export function merchantAnswers(world: AgentWorld): HostAnswers {
  return {
    terms: () => command.terms(50n, USD, 1n, 1n),
    authorize: (asked) => command.authorized(world.approve(asked), world.network.chain),
  };
}

/** The customer's side alone, against whoever is at the other end of the link. */
export async function shop(
  customer: AgentDevice,
  link: PeerLink,
  order: Uint8Array,
  answers: HostAnswers,
): Promise<Side> {
  const notices: Notice[] = [];
  const shopping = customer.device.converse(link, "agent", async (conversation) => {
    await conversation.command(order);
    await run(conversation, answers, notices, false);
  });
  const [shopped] = await Promise.allSettled([shopping]);
  return { notices, error: errorOf(shopped) };
}

export interface TradeOptions {
  readonly type: number;
  readonly money?: string;
  readonly customer?: HostAnswers;
  readonly merchant?: HostAnswers;
  readonly disturbance?: Disturbance;
  /** The customer's end and the merchant's; without them a link within this process. */
  readonly links?: readonly [PeerLink, PeerLink];
}

/** Runs it to its end at both sides; errors of a host's conversation are part of the result. */
export async function trade(
  world: AgentWorld,
  customer: AgentDevice,
  merchant: AgentDevice,
  options: TradeOptions,
): Promise<{ customer: Side; merchant: Side }> {
  const [near, far] = options.links ?? inProcessLink(options.disturbance);
  const money = parseMoney(options.money ?? "USD 10.00");
  const buys = options.type === TYPE_PURCHASE;
  const order = buys ? command.buy() : command.sell();
  const seen = { customer: [] as Notice[], merchant: [] as Notice[] };
  const serving = merchant.device.converse(far, "agent", async (conversation) => {
    await conversation.prepare(command.serve());
    await run(conversation, { ...merchantAnswers(world), ...options.merchant }, seen.merchant, buys);
  });
  const shopping = customer.device.converse(near, "agent", async (conversation) => {
    await conversation.command(order);
    await run(conversation, { ...customerAnswers(money), ...options.customer }, seen.customer, !buys);
  });
  const [shopped, served] = await world.time.run(Promise.allSettled([shopping, serving]));
  return {
    customer: { notices: seen.customer, error: errorOf(shopped) },
    merchant: { notices: seen.merchant, error: errorOf(served) },
  };
}

function errorOf(result: PromiseSettledResult<void>): Error | undefined {
  return result.status === "fulfilled" ? undefined : (result.reason as Error);
}

export function names(side: Side): NoticeName[] {
  return side.notices.map((notice) => notice.name);
}

export function noticeOf<Name extends NoticeName>(side: Side, name: Name): NoticeOf<Name> {
  const found = side.notices.find((notice) => notice.name === name);
  if (found === undefined) throw new Error(`no notice ${name} among ${names(side).join(", ")}`);
  return found as NoticeOf<Name>;
}

/** Outcomes that a side's agent signed, verified. */
export function outcomes(world: AgentWorld, notices: readonly Notice[]): Outcome[] {
  return notices
    .filter((notice) => notice.name === "outcome")
    .map((notice) => verifyOutcome(notice.outcome, notice.chain, world.agentsRoot, NOW).outcome);
}

export async function balance(device: AgentDevice): Promise<bigint> {
  const balances = await device.device.module.balances();
  return balances.find(({ unit }) => unit.currency === USD.currency)?.spendable ?? 0n;
}
