/**
 * Real sessions of chips, recorded: every command that a chip was given from the moment it was blank, and the state in which it
 * was before. How is in recording-chips.ts; a life of a purse is in purse-recordings.ts.
 */

import { ROLE_GENERATOR, ROLE_TELLER } from "../../firmware/protocol/kinds.js";
import { TICKET_CREDIT_CARD, TYPE_PURCHASE, TYPE_SALE } from "../../firmware/protocol/messages.js";
import { deposit } from "../../host/applications/deposit.js";
import { pay, payRequested } from "../../host/applications/pay.js";
import { receive, request } from "../../host/applications/receive.js";
import { answerResume, forgetSettled, resume, settleAgent } from "../../host/applications/resume.js";
import { runTransfer, type Transfer } from "../../host/applications/transfer.js";
import { REFRESH_MEMO, withdraw } from "../../host/applications/withdraw.js";
import { componentFields } from "../../host/codec/ticket.js";
import { command } from "../../host/commands.js";
import { type Disturbance, inProcessLink } from "../../host/communications/in-process.js";
import type { PeerLink } from "../../host/communications/link.js";
import type { Device } from "../../host/device.js";
import type { Element } from "../../host/element.js";
import type { NoticeOf } from "../../host/notices.js";
import { parseMoney } from "../../host/units.js";
import { type AgentDevice, AgentWorld, CARD, NOW } from "../support/agents.js";
import { issue, ModuleWorld, PIN, PUK, transfer } from "../support/modules.js";
import { trade } from "../support/purchase.js";
import { recordPurses } from "./purse-recordings.js";
import { knowledgeOf, OTHER_PIN, type Recording, RecordingChips } from "./recording-chips.js";

/** Cuts the link in front of a message of one direction. */
function cutAt(direction: 0 | 1, index: number): Disturbance {
  return (to, at) => (to === direction && at === index ? { kind: "cut" } : { kind: "deliver" });
}

function serve(device: Device, link: PeerLink): Promise<Transfer> {
  return device.converse(link, "module", async (conversation) => {
    await conversation.prepare(command.listen());
    return runTransfer(device, conversation, { verify: () => true, answerRequest: () => command.yes() });
  });
}

const bankAt = (link: PeerLink) => ({ connect: () => Promise.resolve(link) });

/** Everything that an element can be asked for. */
async function readAll(element: Element, isModule: boolean): Promise<void> {
  const ask = (work: Promise<unknown>) => work.catch(() => undefined);
  await ask(element.chain());
  await ask(element.store());
  await ask(element.counters());
  await ask(element.log());
  await ask(element.pinTriesLeft());
  if (!isModule) await ask(element.tickets());
  else for (const read of ["notes", "balances", "pending", "issued", "limits"] as const) await ask(element[read]());
}

/** Modules alone: the bank, and two people. */
async function recordModules(recordings: Recording[]): Promise<void> {
  const seed = "fuzz modules";
  const knowledge = knowledgeOf(seed);
  const world = new ModuleWorld(
    seed,
    undefined,
    (parts) => new RecordingChips("modules", parts, knowledge, recordings),
  );
  const settled = (...work: Promise<unknown>[]) => world.time.run(Promise.allSettled(work));
  const generator = await world.module("generator", ROLE_GENERATOR);
  const teller = await world.module("teller", ROLE_TELLER);
  const [alice, bob] = [await world.module("alice"), await world.module("bob")];
  await world.time.run(issue(generator, teller, "90.00 USD", [5000n, 2000n, 1000n, 500n, 500n]));
  await world.time.run(issue(teller, alice, "50.00 USD"));
  await world.time.run(issue(teller, alice, "20.00 USD"));
  await world.time.run(transfer(alice, bob, "32.00 USD"));
  await alice.element.putList(world.agencies.modules.badIdList(3n, NOW, [[new Uint8Array(16).fill(0xee), 1]]));
  await alice.element.setLimit(PIN, { unit: parseMoney("1 USD").unit, payment: 3000n, day: 4000n });
  {
    const [a, b] = inProcessLink();
    await settled(
      request(bob.device, b, parseMoney("3.00 USD"), "shop"),
      payRequested(alice.device, a, () => true),
    );
  }
  {
    const [a, b] = inProcessLink();
    await settled(serve(teller.device, b), deposit(alice.device, bankAt(a), "account", parseMoney("10.00 USD")));
  }
  {
    const [a, b] = inProcessLink();
    const places = (await alice.element.notes()).slice(0, 2).map(({ place }) => place);
    const refreshing = alice.device.converse(a, "module", async (conversation) => {
      await conversation.command(command.payNotes(places, new TextEncoder().encode(REFRESH_MEMO)));
      return runTransfer(alice.device, conversation, {});
    });
    await settled(serve(teller.device, b), refreshing);
  }
  {
    // The payee refuses the amount, and then another.
    const [a, b] = inProcessLink();
    const refusing = bob.device.converse(b, "module", async (conversation) => {
      await conversation.prepare(command.listen());
      for (const answer of [command.no(100), command.yes()]) {
        await conversation.expect("verify");
        await conversation.command(answer);
      }
      return conversation.expect("received");
    });
    const paying = alice.device.converse(a, "module", async (conversation) => {
      await conversation.command(command.pay(parseMoney("2.00 USD"), null));
      await conversation.expect("new-amount");
      await conversation.command(command.amount(parseMoney("1.00 USD")));
      return conversation.expect("sent");
    });
    await settled(refusing, paying);
  }
  for (const index of [3, 4, 5]) {
    // Cut before the note, before the key, before the confirmation; then both meet.
    for (const direction of [0, 1] as const) {
      const [payer, payee] = index === 4 ? [bob, alice] : [alice, bob];
      const [a, b] = inProcessLink(cutAt(direction, index - direction));
      await settled(receive(payee.device, b), pay(payer.device, a, parseMoney("1.00 USD"), { memo: "cut" }));
      await settled(payer.device.restart(PIN));
      await settled(payee.device.restart(PIN));
      const [c, d] = inProcessLink();
      await settled(resume(payer.device, c), answerResume(payee.device, d));
    }
  }
  {
    // Two payments in doubt at once, settled in one meeting.
    for (let i = 0; i < 2; i++) {
      const [a, b] = inProcessLink(cutAt(0, 4));
      await settled(receive(alice.device, b), pay(bob.device, a, parseMoney("0.50 USD")));
      await settled(bob.device.restart(PIN), alice.device.restart(PIN));
    }
    const [a, b] = inProcessLink();
    await settled(resume(alice.device, a), answerResume(bob.device, b));
  }
  for (const { place, noteId } of (await teller.element.notes()).slice(0, 2)) {
    await settled(
      teller.device.converse(undefined, "module", (conversation) => conversation.command(command.redeem(place))),
    );
    await settled(
      teller.device.converse(undefined, "module", (conversation) =>
        conversation.command(command.redeemed(place, noteId)),
      ),
    );
  }
  for (const { element, device } of [generator, teller, alice, bob]) {
    await readAll(element, true);
    await settled(forgetSettled(device));
  }
  await settled(bob.element.verifyPin("9999"));
  await settled(bob.element.changePin(PIN, OTHER_PIN));
  await settled(bob.element.unblockPin(PUK, PIN));
  await withdrawAfterWait(world, teller.device, alice.device);
}

/** A payee asks again and again, and gives up. */
async function withdrawAfterWait(world: ModuleWorld, teller: Device, alice: Device): Promise<void> {
  const [a, b] = inProcessLink((direction, index) =>
    direction === 1 && index >= 2 ? { kind: "lose" } : { kind: "deliver" },
  );
  const work = [serve(teller, b), withdraw(alice, bankAt(a), "account", parseMoney("1.00 USD"))];
  world.time.after(60_000, () => a.close());
  await world.time.run(Promise.allSettled(work));
}

/** Devices with agents: authorities, a merchant, a customer. */
async function recordAgents(recordings: Recording[]): Promise<void> {
  const seed = "fuzz agents";
  const knowledge = knowledgeOf(seed);
  const world = new AgentWorld(seed, undefined, (parts) => new RecordingChips("agents", parts, knowledge, recordings));
  const settled = (...work: Promise<unknown>[]) => world.time.run(Promise.allSettled(work));
  const registry = await world.authority("Registry");
  const bank = await world.authority("First Bank");
  const merchant = await world.merchant("Corner Shop", registry);
  const customer = await world.customer("Alice", bank);
  await world.grant(bank, customer, TICKET_CREDIT_CARD, componentFields({ kind: "card", card: CARD }));
  await world.fund([merchant, "USD 40.00"], [customer, "USD 30.00"]);
  for (const type of [TYPE_PURCHASE, TYPE_SALE]) await trade(world, customer, merchant, { type });
  await trade(world, customer, merchant, { type: TYPE_SALE, merchant: { terms: () => command.no(1) } });
  for (const type of [TYPE_PURCHASE, TYPE_SALE]) {
    for (const index of [6, 8, 9]) {
      await trade(world, customer, merchant, {
        type,
        money: "USD 1.00",
        disturbance: cutAt((index & 1) as 0 | 1, index),
      });
      await settled(customer.device.restart(PIN));
      await settled(merchant.device.restart(PIN));
      const [near, far] = inProcessLink();
      await settled(resume(customer.device, near), answerResume(merchant.device, far));
    }
  }
  // More than the merchant's module has.
  await trade(world, customer, merchant, {
    type: TYPE_PURCHASE,
    money: "USD 900.00",
    merchant: { funds: () => command.cancel() },
  });
  await recordClosed(world, customer, merchant);
  for (const { device } of [registry, merchant, customer]) await readAll(device.agent, false);
  await settled(customer.device.agent.verifyPin("9999"));
  await settled(customer.device.agent.changePin(PIN, OTHER_PIN));
  await settled(customer.device.agent.unblockPin(PUK, PIN));
  const list = world.agencies.agents.badIdList(2n, NOW, [[new Uint8Array(16).fill(0xee), 1]]);
  await settled(customer.device.agent.putList(list));
}

/** The card says no; and the merchant's host leaves while it asks, to be told yes or no after a power cut. */
async function recordClosed(world: AgentWorld, customer: AgentDevice, merchant: AgentDevice): Promise<void> {
  const money = "USD 1.00";
  const declined = ({ receiptHash }: NoticeOf<"authorize">) => command.declined("51", receiptHash);
  await trade(world, customer, merchant, { type: TYPE_PURCHASE, money, merchant: { authorize: declined } });
  const { chain } = world.network;
  for (const answer of [declined, (asked: NoticeOf<"authorize">) => command.authorized(world.approve(asked), chain)]) {
    let order: Uint8Array | undefined;
    const leave = (asked: NoticeOf<"authorize">) => {
      order = answer(asked);
      return "stop" as const;
    };
    await trade(world, customer, merchant, { type: TYPE_SALE, money, merchant: { authorize: leave } });
    await world.time.run(Promise.allSettled([merchant.device.restart(PIN)]));
    await world.time.run(Promise.allSettled([settleAgent(merchant.device)]));
    if (order === undefined) continue;
    const told = order;
    const telling = merchant.device.converse(undefined, "agent", (conversation) => conversation.command(told));
    await world.time.run(Promise.allSettled([telling]));
  }
}

/** The same recordings every time, but for what the firmware does. */
export async function record(): Promise<Recording[]> {
  const recordings: Recording[] = [];
  await recordModules(recordings);
  await recordAgents(recordings);
  await recordPurses(recordings);
  return recordings;
}
