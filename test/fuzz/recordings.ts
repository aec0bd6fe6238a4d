/**
 * Real sessions of chips, recorded: every command that a chip was given from the moment it was blank, and the state in which it
 * was before. Each of these states is a place to start from.
 */

import { INS_FETCH, INS_GET_DATA, INS_GET_RESPONSE, INS_READ_RECORD } from "../../firmware/protocol/apdu.js";
import { ROLE_GENERATOR, ROLE_TELLER } from "../../firmware/protocol/kinds.js";
import { TICKET_CREDIT_CARD, TYPE_PURCHASE, TYPE_SALE } from "../../firmware/protocol/messages.js";
import { PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { newAgencies } from "../../host/agencies.js";
import { deposit } from "../../host/applications/deposit.js";
import { pay, payRequested } from "../../host/applications/pay.js";
import { receive, request } from "../../host/applications/receive.js";
import { answerResume, forgetSettled, resume, settleAgent } from "../../host/applications/resume.js";
import { runTransfer, type Transfer } from "../../host/applications/transfer.js";
import { REFRESH_MEMO, withdraw } from "../../host/applications/withdraw.js";
import { ChipFactory, type ChipParts, type ChipSort, type SimulatedChip } from "../../host/chips.js";
import { fromHex } from "../../host/codec/bytes.js";
import { componentFields } from "../../host/codec/ticket.js";
import { command } from "../../host/commands.js";
import { type Disturbance, inProcessLink } from "../../host/communications/in-process.js";
import type { PeerLink } from "../../host/communications/link.js";
import type { Device } from "../../host/device.js";
import type { Element } from "../../host/element.js";
import type { NoticeOf } from "../../host/notices.js";
import { NO_UNIT } from "../../host/tokens/terms.js";
import { parseMoney } from "../../host/units.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { type AgentDevice, AgentWorld, CARD, NOW } from "../support/agents.js";
import { issue, ModuleWorld, PIN, PUK, transfer } from "../support/modules.js";
import { trade } from "../support/purchase.js";
import { MILLS, OTHER_SELLER, orderOf, PurseWorld, REDEEM_BY, SELLER } from "../support/purses.js";
import { Knowledge } from "./knowledge.js";

/** Commands that change nothing that a session depends on: from few of them a run has to start. */
const IDLE: ReadonlySet<number> = new Set([INS_FETCH, INS_GET_RESPONSE, INS_GET_DATA, INS_READ_RECORD]);
const IDLE_STARTS = 12;
const PIECE_BYTES = 4096;

/** What an owner changes the PIN to, before the PUK brings the first one back. */
export const OTHER_PIN = "5678";

/** A snapshot of an element in pieces, which it shares with the one before where nothing changed. */
export type Pieces = readonly Uint8Array[];

export interface RecordedCommand {
  readonly apdu: Uint8Array;
  readonly now_ms: number;
  /** The element before it; absent where nobody starts. */
  readonly before: Pieces | undefined;
}

export interface Recording {
  readonly name: string;
  readonly sort: ChipSort;
  readonly commands: RecordedCommand[];
  readonly knowledge: Knowledge;
}

function inPieces(snapshot: Uint8Array, before: Pieces | undefined): Pieces {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < snapshot.length; at += PIECE_BYTES) {
    const piece = snapshot.subarray(at, at + PIECE_BYTES);
    const same = before?.[pieces.length];
    pieces.push(same !== undefined && Buffer.compare(same, piece) === 0 ? same : piece.slice());
  }
  return pieces;
}

export function whole(pieces: Pieces): Uint8Array {
  return Buffer.concat(pieces);
}

/** Chips whose every command is written down. */
class RecordingChips extends ChipFactory {
  readonly #world: string;
  readonly #recordings: Recording[];
  readonly #knowledge: Knowledge;
  readonly #nowMs: () => number;

  constructor(world: string, parts: ChipParts, knowledge: Knowledge, recordings: Recording[]) {
    super({ ...parts, cryptography: () => knowledge.recording() });
    this.#world = world;
    this.#recordings = recordings;
    this.#knowledge = knowledge;
    this.#nowMs = () => parts.clock?.nowMs() ?? 0;
  }

  override async chip(name: string, sort: ChipSort): Promise<SimulatedChip> {
    const made = await super.chip(name, sort);
    const recording: Recording = { name: `${this.#world}/${name}`, sort, commands: [], knowledge: this.#knowledge };
    this.#recordings.push(recording);
    this.#watch(made, recording);
    return made;
  }

  #watch({ simulated }: SimulatedChip, { commands }: Recording): void {
    const transmit = simulated.transmit.bind(simulated);
    let last: Pieces | undefined;
    let idle = 0;
    simulated.transmit = (apdu) => {
      const isIdle = IDLE.has(apdu[1] ?? 0);
      if (isIdle) idle += 1;
      const starts = simulated.isOn && (!isIdle || idle <= IDLE_STARTS);
      if (starts) last = inPieces(simulated.snapshot(), last);
      commands.push({ apdu: apdu.slice(), now_ms: this.#nowMs(), before: starts ? last : undefined });
      return transmit(apdu);
    };
  }
}

function knowledgeOf(seed: string): Knowledge {
  const knowledge = new Knowledge();
  // The worlds draw their agencies' secrets first.
  const { agents, modules } = newAgencies(new SeededRandomness(sodiumCryptography, seed), NOW);
  for (const secrets of [agents, modules]) {
    knowledge.addAuthority(fromHex(secrets.serverSeed));
    knowledge.addAuthority(fromHex(secrets.rootSeed));
  }
  // The card network's.
  knowledge.addAuthority(new Uint8Array(32).fill(0x77));
  return knowledge;
}

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

/** Two purses, from blank to refunded. */
async function recordPurses(recordings: Recording[]): Promise<void> {
  const seed = "fuzz purses";
  const knowledge = knowledgeOf(seed);
  const world = new PurseWorld(
    seed,
    {},
    {
      chips: (parts) => new RecordingChips("purses", parts, knowledge, recordings),
      noise: knowledge.recordingNoise(),
    },
  );
  knowledge.addAuthority(new Uint8Array(32).fill(world.mint.fill));
  const buyer = await world.buyer("alice");
  const { card, element } = buyer;
  const ask = (work: Promise<unknown>) => work.catch(() => undefined);
  const joint = { id: new Uint8Array(16).fill(4), holders: 3, index: 1 };
  const first = await world.purse(buyer);
  await ask(card.request(world.order()));
  const other = await world.purse(buyer, { seller: OTHER_SELLER, joint });
  const authorization = await world.purse(buyer, world.authorization("over-21", 3));
  for (const [number, amount] of [7n, 12n, 140n, 1_000n].entries()) {
    await card.spend(first.slot, orderOf(amount, number), amount / 2n);
    await card.spend(first.slot, orderOf(amount, number), amount);
  }
  await card.spend(other.slot, orderOf(6n, 1, { seller: OTHER_SELLER }), 6n, { firsts: [10, 4, 0] });
  await card.spend(authorization.slot, orderOf(1n, 1, { unit: NO_UNIT, assertion: "over-21" }), 1n);
  await card.allow(first.slot, 30n);
  await element.restart();
  await card.find(SELLER, PURSE_MONEY, MILLS);
  await card.spend(first.slot, orderOf(20n, 9), 20n);
  await ask(card.spend(first.slot, orderOf(20n, 10), 20n));
  await world.unlock(buyer);
  const waiting = await card.request(world.order({ flush: true }));
  await card.repeat(waiting.slot);
  await card.close(first.slot);
  await card.settled(first.slot, world.mint.refund(first));
  await card.install(world.mint.share(world.mint.open(waiting.sealed)));
  await card.forget((await card.request(world.order({ unit: { currency: 978, exponent: 2 } }))).slot);
  await element.putList(world.agencies.agents.badIdList(2n, NOW, [[new Uint8Array(16).fill(0xee), 1]]));
  for (const read of ["chain", "store", "counters", "digest", "pinTriesLeft"] as const) await ask(element[read]());
  await card.purses();
  await element.open(BigInt(REDEEM_BY + 1));
  await ask(card.spend(other.slot, orderOf(6n, 2, { seller: OTHER_SELLER }), 6n));
  await card.forget(other.slot);
  await ask(element.verifyPin("9999"));
  await element.changePin(PIN, OTHER_PIN);
  await element.unblockPin(PUK, PIN);
}

/** The same recordings every time, but for what the firmware does. */
export async function record(): Promise<Recording[]> {
  const recordings: Recording[] = [];
  await recordModules(recordings);
  await recordAgents(recordings);
  await recordPurses(recordings);
  return recordings;
}
