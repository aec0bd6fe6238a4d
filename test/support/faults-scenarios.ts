/**
 * Payments of every sort between modules that can be put back to the same beginning, struck by a fault, resumed, and judged.
 */

import { expect } from "vitest";
import { ROLE_GENERATOR, ROLE_TELLER, ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { PACKET_NOTES_MAX } from "../../firmware/protocol/limits.js";
import { LOG_RECEIVED, LOG_SENT, OUTCOME_COMMITTED } from "../../firmware/protocol/messages.js";
import { deposit } from "../../host/applications/deposit.js";
import { pay, payRequested } from "../../host/applications/pay.js";
import { receive, request } from "../../host/applications/receive.js";
import { answerResume, resume } from "../../host/applications/resume.js";
import { runTransfer, type Transfer, type TransferHandlers } from "../../host/applications/transfer.js";
import { REFRESH_MEMO, withdraw } from "../../host/applications/withdraw.js";
import { toHex } from "../../host/codec/bytes.js";
import { command } from "../../host/commands.js";
import type { PeerLink } from "../../host/communications/link.js";
import { Device } from "../../host/device.js";
import { ReasonError } from "../../host/reasons.js";
import { type Money, parseMoney } from "../../host/units.js";
import { Conservation } from "./conservation.js";
import { changedRecords, RecordReader, type Records, transferCounter } from "./conservation-records.js";
import { QUERY_AFTER_MS, type Strike, type StruckLink, struckLink } from "./faults.js";
import { issue, type ModuleDevice, ModuleWorld, PIN, transfer } from "./modules.js";

export const SCENARIOS = ["payment", "point of sale", "withdrawal", "deposit", "issue"] as const;
/** "refresh": a deposit to the account that is the module's own. To the modules it is no other payment, so it is no scenario of all. */
export type ScenarioName = (typeof SCENARIOS)[number] | "refresh";

/** 50, 20 and a part of another note. */
const AMOUNT = parseMoney("72.00 USD");
const NOTES_MIN = 3;
/** Longer than any module asks, than any message is delayed: whoever still waits then waits for nobody. */
const PATIENCE_MS = 30_000;

export const MODULES = ["generator", "teller", "alice", "bob"] as const;
export type ModuleName = (typeof MODULES)[number];

export interface Ends {
  readonly initiator: ModuleDevice;
  readonly responder: ModuleDevice;
  readonly payer: ModuleDevice;
  readonly payee: ModuleDevice;
}

export interface Outcomes {
  readonly initiator: PromiseSettledResult<Transfer>;
  readonly responder: PromiseSettledResult<Transfer>;
}

interface Scenario {
  readonly initiator: string;
  readonly responder: string;
  readonly payer: string;
  start(ends: Ends, links: StruckLink["ends"]): [Promise<Transfer>, Promise<Transfer>];
}

/** A bank's module at the counter: it agrees to everything. */
export function serve(device: Device, link: PeerLink, notes?: readonly bigint[]): Promise<Transfer> {
  const yes = notes === undefined ? command.yes() : command.yesWithNotes(notes);
  const handlers: TransferHandlers = { verify: () => true, answerRequest: () => yes };
  return device.converse(link, "module", async (conversation) => {
    await conversation.prepare(command.listen());
    return runTransfer(device, conversation, handlers);
  });
}

export function bank(link: PeerLink) {
  return { connect: () => Promise.resolve(link) };
}

const SCENARIO: Record<ScenarioName, Scenario> = {
  payment: {
    initiator: "alice",
    responder: "bob",
    payer: "alice",
    start: ({ initiator, responder }, [a, b]) => {
      const receiving = receive(responder.device, b);
      return [pay(initiator.device, a, AMOUNT, { memo: "rent" }), receiving];
    },
  },
  "point of sale": {
    initiator: "alice",
    responder: "bob",
    payer: "alice",
    start: ({ initiator, responder }, [a, b]) => {
      const receiving = request(responder.device, b, AMOUNT);
      return [payRequested(initiator.device, a, () => true), receiving];
    },
  },
  withdrawal: {
    initiator: "bob",
    responder: "teller",
    payer: "teller",
    start: ({ initiator, responder }, [a, b]) => {
      const serving = serve(responder.device, b);
      return [withdraw(initiator.device, bank(a), "account", AMOUNT), serving];
    },
  },
  deposit: {
    initiator: "alice",
    responder: "teller",
    payer: "alice",
    start: ({ initiator, responder }, [a, b]) => {
      const serving = serve(responder.device, b);
      return [deposit(initiator.device, bank(a), "account", AMOUNT), serving];
    },
  },
  refresh: {
    initiator: "alice",
    responder: "teller",
    payer: "alice",
    start: ({ initiator, responder }, [a, b]) => {
      const serving = serve(responder.device, b);
      return [deposit(initiator.device, bank(a), REFRESH_MEMO, AMOUNT), serving];
    },
  },
  issue: {
    initiator: "teller",
    responder: "generator",
    payer: "generator",
    start: ({ initiator, responder }, [a, b]) => {
      const serving = serve(responder.device, b, [5000n, 2000n, 200n]);
      return [withdraw(initiator.device, bank(a), "", AMOUNT), serving];
    },
  },
};

/** The modules of all scenarios, and the one beginning that every run starts from. */
export class FaultStage {
  readonly world: ModuleWorld;
  readonly conservation: Conservation;
  readonly #modules: ReadonlyMap<string, ModuleDevice>;
  readonly #beginning: ReadonlyMap<string, Uint8Array>;
  readonly #reader: RecordReader;
  readonly #notes = new Map<string, bigint>();
  #fresh: ReadonlyMap<string, ModuleDevice> = new Map();

  private constructor(world: ModuleWorld, modules: ReadonlyMap<string, ModuleDevice>, reader: RecordReader) {
    this.world = world;
    this.#modules = modules;
    this.#reader = reader;
    this.conservation = new Conservation([...modules.values()]);
    this.#beginning = new Map([...modules].map(([name, module]) => [name, module.simulated.snapshot()]));
  }

  static async create(seed: string): Promise<FaultStage> {
    const world = new ModuleWorld(seed);
    const { generator, teller } = await world.bank();
    const [alice, bob] = [await world.module("alice"), await world.module("bob")];
    await issue(generator, teller, "170.00 USD", [5000n, 5000n, 2000n, 2000n, 1000n, 1000n, 500n, 500n]);
    // Alice's notes: 50, 20, 10, 5; the teller keeps the same.
    await issue(teller, alice, "50.00 USD");
    for (const money of ["20.00 USD", "10.00 USD", "5.00 USD"]) await issue(teller, alice, money);
    // Something in every log, and a note that was divided before.
    await transfer(alice, bob, "1.00 USD");
    await transfer(bob, alice, "1.00 USD");
    const modules = new Map(Object.entries({ generator, teller, alice, bob }));
    return new FaultStage(world, modules, await RecordReader.create());
  }

  /** Puts every module back to the beginning, under hosts that know nothing. */
  reset(name: ScenarioName): Ends {
    const { initiator, responder, payer } = SCENARIO[name];
    const fresh = new Map<string, ModuleDevice>();
    for (const [name, module] of this.#modules) {
      module.simulated.chip.onOperation = undefined;
      module.simulated.restore(this.#beginning.get(name) as Uint8Array);
      const { time } = this.world;
      const parts = { name, module: module.element, clock: time, timers: time, queryAfter_ms: QUERY_AFTER_MS };
      fresh.set(name, { ...module, device: new Device(parts) });
    }
    this.conservation.reset();
    this.#fresh = fresh;
    const at = (name: string) => fresh.get(name) as ModuleDevice;
    const payee = payer === initiator ? responder : initiator;
    return { initiator: at(initiator), responder: at(responder), payer: at(payer), payee: at(payee) };
  }

  records(module: ModuleDevice): Records {
    return this.#reader.read(module);
  }

  /** Runs the scenario's applications to their ends; a link on which nothing happens any more is closed. */
  async run(name: ScenarioName, ends: Ends, link: StruckLink): Promise<Outcomes> {
    const [initiator, responder] = await this.together(link, SCENARIO[name].start(ends, link.ends));
    return { initiator, responder };
  }

  /** Two applications over one link, in virtual time. */
  async together<A, B>(
    link: StruckLink,
    work: readonly [Promise<A>, Promise<B>],
  ): Promise<[PromiseSettledResult<A>, PromiseSettledResult<B>]> {
    const { time } = this.world;
    const giveUp = time.after(PATIENCE_MS, () => link.ends[0].close());
    const results = await time.run(Promise.allSettled(work));
    giveUp();
    link.ends[0].close();
    await time.run(Promise.resolve());
    return results;
  }

  async restart(ends: Pick<Ends, "initiator" | "responder">): Promise<void> {
    for (const { simulated, device } of [ends.initiator, ends.responder]) {
      simulated.chip.onOperation = undefined;
      await device.restart(PIN);
    }
    this.conservation.verify();
  }

  /** One outcome session, possibly struck, or over a link of its own; what it says of itself is not relied upon. */
  async meet(
    ends: Pick<Ends, "initiator" | "responder">,
    strike?: Strike,
    link: StruckLink = this.link(strike),
  ): Promise<StruckLink> {
    const answering = answerResume(ends.responder.device, link.ends[1]);
    await this.together(link, [resume(ends.initiator.device, link.ends[0]), answering]);
    this.conservation.verify();
    return link;
  }

  link(strike?: Strike): StruckLink {
    return struckLink(this.world.time, strike);
  }

  async before(ends: Ends): Promise<Before> {
    const { payer, payee } = ends;
    return {
      payer: await worth(payer),
      payee: await worth(payee),
      payerRecords: this.records(payer),
      payeeRecords: this.records(payee),
      offers: (await payer.element.log()).filter((entry) => entry.kind === LOG_SENT).length,
    };
  }

  /** Nothing is open, both ends know the same, value is where it was or has moved. Whether it has. */
  async judge(ends: Ends, before: Before): Promise<boolean> {
    const { payer, payee } = ends;
    this.conservation.verify();
    expect(this.conservation.checks).toBeGreaterThan(0);
    expect(await payer.element.pending(), "open at the payer").toEqual([]);
    expect(await payee.element.pending(), "open at the payee").toEqual([]);
    const sent = await committed(payer, LOG_SENT, payee);
    const received = await committed(payee, LOG_RECEIVED, payer);
    expect(received, "payments in the payee's log, and in the payer's").toEqual(sent);
    const isCommitted = (await worth(payee)) !== before.payee;
    const amount = isCommitted ? AMOUNT.amount : 0n;
    expect(await worth(payee), "worth of the payee").toBe(before.payee + amount);
    expect(await worth(payer), "worth of the payer").toBe(before.payer - amount);
    if (!isCommitted) {
      expect(changedRecords(before.payerRecords, this.records(payer)), "rollback at the payer").toEqual([]);
      expect(changedRecords(before.payeeRecords, this.records(payee)), "rollback at the payee").toEqual([]);
    }
    await this.#expectCounterBurnt(payer, before);
    return isCommitted;
  }

  /** An offer uses up a value of the transferor's counter for each note, whatever became of it. */
  async #expectCounterBurnt(payer: ModuleDevice, before: Before): Promise<void> {
    const offers = (await payer.element.log()).filter((entry) => entry.kind === LOG_SENT).length - before.offers;
    const burnt = transferCounter(this.records(payer)) - transferCounter(before.payerRecords);
    if (offers === 0) expect(burnt, "counter values burnt without an offer").toBe(0n);
    else expect(burnt, "counter values burnt").toBe(this.#notesOf(payer, burnt) * BigInt(offers));
  }

  /** Notes of a payer's offer: the same in every run, because every run starts from the same wallet. */
  #notesOf(payer: ModuleDevice, burnt: bigint): bigint {
    const notes = this.#notes.get(payer.device.name) ?? burnt;
    this.#notes.set(payer.device.name, notes);
    expect(notes, "notes in a payment").toBeGreaterThanOrEqual(BigInt(NOTES_MIN));
    return notes;
  }

  /** The payee spends everything it holds, as many notes at a time as a payment moves: what it was paid is worth its name. */
  async spendOn({ payer, payee }: Ends): Promise<void> {
    const customer = payer.element.known.role === ROLE_TRANSACTION ? payer : this.module("alice");
    const isTeller = payee.element.known.role === ROLE_TELLER;
    for (;;) {
      const amounts = (await payee.element.notes()).map((note) => note.money.amount).sort((x, y) => Number(y - x));
      const amount = amounts.slice(0, PACKET_NOTES_MAX).reduce((sum, value) => sum + value, 0n);
      if (amount === 0n) break;
      const money = { unit: AMOUNT.unit, amount };
      const link = this.link();
      const [a, b] = link.ends;
      const [taking, giving] = isTeller
        ? [serve(payee.device, b), withdraw(customer.device, bank(a), "account", money)]
        : [receive(customer.device, b), pay(payee.device, a, money)];
      for (const result of await this.together(link, [taking, giving])) {
        if (result.status === "rejected") throw result.reason;
      }
    }
    this.conservation.verify();
  }

  /** A module of the run that began with the last reset. */
  module(name: ModuleName): ModuleDevice {
    return this.#fresh.get(name) as ModuleDevice;
  }
}

export interface Before {
  readonly payer: bigint;
  readonly payee: bigint;
  readonly payerRecords: Records;
  readonly payeeRecords: Records;
  /** Entries of the payer's log that an offer made. */
  readonly offers: number;
}

/** What is spendable, by the balance and by the notes alike; a generator's is what it issued, as a debt. */
export async function worth(module: ModuleDevice): Promise<bigint> {
  const { element } = module;
  if (element.known.role === ROLE_GENERATOR) return -sumOf(await element.issued());
  const notes = (await element.notes()).filter((note) => note.spendable || note.redeeming);
  const balance = (await element.balances()).reduce((sum, line) => sum + line.spendable, 0n);
  expect(sumOf(notes.map((note) => note.money)), "notes and balance").toBe(balance);
  return balance;
}

function sumOf(money: readonly Money[]): bigint {
  return money.reduce((sum, { amount }) => sum + amount, 0n);
}

/** Pay-ids of the payments with this peer that the log says are committed. */
export async function committed(module: ModuleDevice, kind: number, peer: ModuleDevice): Promise<string[]> {
  const entries = (await module.element.log()).filter(
    (entry) => entry.kind === kind && entry.outcome === OUTCOME_COMMITTED && toHex(entry.peer) === peer.element.idHex,
  );
  return entries.map((entry) => toHex(entry.payId));
}

/** What an application told its owner must be what happened; not knowing is allowed. */
export function judgeWords(outcomes: Outcomes, isCommitted: boolean): void {
  for (const outcome of [outcomes.initiator, outcomes.responder]) {
    if (outcome.status === "fulfilled") expect(isCommitted, "an application said: paid").toBe(true);
    else if (outcome.reason instanceof ReasonError) {
      expect(isCommitted, `an application said: aborted, ${outcome.reason.message}`).toBe(false);
    }
  }
}
