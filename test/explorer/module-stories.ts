/** Payments of every sort between two money modules: what the explorer walks through. */

import { FILE_LOG, FILE_NOTES } from "../../firmware/protocol/apdu.js";
import { LOG_RECEIVED, LOG_SENT, OUTCOME_COMMITTED } from "../../firmware/protocol/messages.js";
import { memoBytes } from "../../host/applications/transfer.js";
import { REFRESH_MEMO } from "../../host/applications/withdraw.js";
import { toHex } from "../../host/codec/bytes.js";
import { command } from "../../host/commands.js";
import type { Element } from "../../host/element.js";
import { type LogEntry, readLogEntry, readNote } from "../../host/element-data.js";
import type { Notice } from "../../host/notices.js";
import { parseMoney } from "../../host/units.js";
import type { Applet } from "../../simulator/applet.js";
import { sumError } from "../support/conservation.js";
import { changedRecords, type RecordReader, type Records, transferCounter } from "../support/conservation-records.js";
import { issue, type ModuleDevice, ModuleWorld, PIN, transfer } from "../support/modules.js";
import { newSide, ordered } from "./machine.js";
import { FLASH, Place } from "./stage.js";
import { SIDES, type Side, type SideNumber, type State, type Station } from "./state.js";
import { type Judgement, outcomeMeeting, pendingOf, placeOf, type SidedOrder, type Story } from "./story.js";

/** 50, 20, and a part of another note. */
export const AMOUNT = parseMoney("72.00 USD");
const NO_CHAIN = new Uint8Array(0);

export interface ModuleStoryPlan {
  readonly name: string;
  /** Names of the modules: who begins, who answers. */
  readonly modules: readonly [string, string];
  readonly payer: SideNumber;
  readonly first: (notes: readonly number[]) => Uint8Array;
  readonly second: Uint8Array;
  /** Answer to "requested"; everything else is agreed to. */
  readonly granted?: Uint8Array;
}

export const MODULE_PLANS: readonly ModuleStoryPlan[] = [
  {
    name: "payment",
    modules: ["alice", "bob"],
    payer: 0,
    first: () => command.pay(AMOUNT, memoBytes("rent")),
    second: command.listen(),
  },
  {
    name: "requested",
    modules: ["alice", "bob"],
    payer: 0,
    first: () => command.payRequested(),
    second: command.request(AMOUNT, null),
  },
  {
    name: "withdrawal",
    modules: ["bob", "teller"],
    payer: 1,
    first: () => command.withdraw(AMOUNT, memoBytes("account")),
    second: command.listen(),
  },
  {
    name: "deposit",
    modules: ["alice", "teller"],
    payer: 0,
    first: () => command.pay(AMOUNT, memoBytes("account")),
    second: command.listen(),
  },
  {
    name: "refresh",
    modules: ["alice", "teller"],
    payer: 0,
    first: (places) => command.payNotes(places, memoBytes(REFRESH_MEMO)),
    second: command.listen(),
  },
  {
    name: "issue",
    modules: ["teller", "generator"],
    payer: 1,
    first: () => command.withdraw(AMOUNT, memoBytes("")),
    second: command.listen(),
    granted: command.yesWithNotes([5000n, 2000n, 200n]),
  },
];

/** Chips of four modules with something in each, without power: what every story begins from. */
export interface ModuleBeginning {
  readonly ids: ReadonlyMap<string, string>;
  readonly chips: ReadonlyMap<string, Uint8Array>;
}

/**
 * `used`: the log of every store has gone around its flash before, so that every transaction comes to pages that were used:
 * it moves what is still good, and erases.
 */
export async function moduleBeginning(seed: string, used: boolean): Promise<ModuleBeginning> {
  const world = new ModuleWorld(seed, FLASH);
  const { generator, teller } = await world.bank();
  const [alice, bob] = [await world.module("alice"), await world.module("bob")];
  await issue(generator, teller, "170.00 USD", [5000n, 5000n, 2000n, 2000n, 1000n, 1000n, 500n, 500n]);
  for (const money of ["50.00 USD", "20.00 USD", "10.00 USD", "5.00 USD"]) await issue(teller, alice, money);
  await transfer(alice, bob, "1.00 USD");
  await transfer(bob, alice, "1.00 USD");
  const modules: Record<string, ModuleDevice> = { generator, teller, alice, bob };
  const chips = new Map<string, Uint8Array>();
  const ids = new Map<string, string>();
  for (const [name, { simulated, element }] of Object.entries(modules)) {
    if (used) await wearOut(element);
    ids.set(name, element.idHex);
    simulated.powerOff();
    chips.set(name, simulated.snapshot());
  }
  return { ids, chips };
}

/** Writes until every page has been erased again: a wrong PIN and a right one are two small transactions. */
export async function wearOut(element: Element): Promise<void> {
  const { erasuresMin } = await element.store();
  while ((await element.store()).erasuresMin === erasuresMin) {
    await element.verifyPin("0000").catch(() => undefined);
    await element.verifyPin(PIN);
  }
}

interface Before {
  readonly spendable: readonly [bigint, bigint];
  readonly committed: readonly [readonly string[], readonly string[]];
  readonly records: readonly [Records, Records];
  /** Entries of the payer's log that an offer made. */
  readonly offers: number;
}

export class ModuleStory implements Story {
  readonly name: string;
  readonly places: Story["places"];
  readonly beginning: State;
  readonly leads = "module";
  readonly networkChain = NO_CHAIN;
  readonly settles = false;
  readonly #ids: readonly [string, string];
  readonly #before: Before;
  readonly #worth: bigint;

  constructor(
    private readonly plan: ModuleStoryPlan,
    beginning: ModuleBeginning,
    applet: Applet,
    private readonly reader: RecordReader,
  ) {
    this.name = plan.name;
    const places = plan.modules.map((name) => new Place(name, "module", name === "generator", applet)) as [
      Place,
      Place,
    ];
    this.places = [{ module: places[0] }, { module: places[1] }];
    this.#ids = plan.modules.map((name) => beginning.ids.get(name) ?? "") as [string, string];
    const sides = places.map((place, i) => {
      const off = beginning.chips.get(plan.modules[i] ?? "") as Uint8Array;
      return newSide({ module: awake(this, place, off) });
    }) as [Side, Side];
    const wire = { isCut: false, flights: [[], []], sent: [0, 0] } as const;
    const state: State = { sides, wire, phase: "deal", round: 0, network: [], events: 0 };
    this.#before = {
      spendable: [this.#spendable(state, 0), this.#spendable(state, 1)],
      committed: [this.#committed(state, 0), this.#committed(state, 1)],
      records: [this.#records(state, 0), this.#records(state, 1)],
      offers: this.#log(state, plan.payer).filter(({ kind }) => kind === LOG_SENT).length,
    };
    const notes = this.#notes(state, plan.payer).slice(0, 2);
    this.#worth = plan.name === "refresh" ? notes.reduce((sum, note) => sum + note.money.amount, 0n) : AMOUNT.amount;
    const listening = ordered(state, 1, "module", plan.second);
    this.beginning = ordered(listening, 0, "module", plan.first(notes.map(({ place }) => place)));
  }

  wake(place: Place): void {
    place.wake();
  }

  react(_side: SideNumber, _source: string, notice: Notice): { answer?: Uint8Array } {
    if (notice.name === "verify") return { answer: command.yes() };
    if (notice.name === "requested") return { answer: this.plan.granted ?? command.yes() };
    return notice.name === "new-amount" ? { answer: command.cancel() } : {};
  }

  meeting(): readonly SidedOrder[] {
    return outcomeMeeting();
  }

  isUnfinished(state: State): boolean {
    return pendingOf(this, state).length > 0;
  }

  check(state: State): string | undefined {
    const holdings = new Map();
    for (const side of SIDES) {
      const holding = placeOf(this, side, "module").holding(snapshotOf(state, side));
      if (holding === undefined) return undefined;
      holdings.set(this.#ids[side], holding);
    }
    // Modules that take no part hold what they held: the sum over these two does not change.
    const missing = this.#before.spendable[0] + this.#before.spendable[1];
    return sumError(holdings, -missing);
  }

  judge(state: State): Judgement {
    const wrong: string[] = [];
    const open = pendingOf(this, state);
    if (open.length > 0)
      wrong.push(`${open.length} payments are still open: ${open.map((each) => each.state).join(", ")}`);
    const { payer } = this.plan;
    const payee = payer === 0 ? 1 : 0;
    const gave = this.#before.spendable[payer] - this.#spendable(state, payer);
    const got = this.#spendable(state, payee) - this.#before.spendable[payee];
    const happened = got !== 0n;
    if (got !== gave) wrong.push(`the payer gave ${gave}, and the payee got ${got}`);
    if (happened && got !== this.#worth) wrong.push(`${got} moved, and not ${this.#worth}`);
    wrong.push(...this.#logs(state, happened), ...this.#words(state, happened), ...this.#burnt(state));
    if (!happened) {
      for (const side of SIDES) {
        const changed = changedRecords(this.#before.records[side], this.#records(state, side));
        if (changed.length > 0) wrong.push(`an abort left records changed at side ${side}: ${changed.join(", ")}`);
      }
    }
    return { happened, wrong };
  }

  #logs(state: State, happened: boolean): string[] {
    const [mine, yours] = SIDES.map((side) => this.#committed(state, side).join(" "));
    if (mine !== yours) return [`the logs differ: ${mine} and ${yours}`];
    const more = this.#committed(state, 0).length - this.#before.committed[0].length;
    return more === (happened ? 1 : 0) ? [] : [`the logs have ${more} more payments, and it happened: ${happened}`];
  }

  #words(state: State, happened: boolean): string[] {
    return SIDES.flatMap((side) => {
      const { word } = state.sides[side];
      const isWrong = word === "both" || (word === "done" && !happened) || (word === "aborted" && happened);
      return isWrong ? [`the owner at side ${side} was told: ${word}`] : [];
    });
  }

  /** An offer uses up values of the payer's counter, whatever becomes of it, and nothing else does. */
  #burnt(state: State): string[] {
    const { payer } = this.plan;
    const burnt = transferCounter(this.#records(state, payer)) - transferCounter(this.#before.records[payer]);
    const offers = BigInt(this.#log(state, payer).filter(({ kind }) => kind === LOG_SENT).length - this.#before.offers);
    const isRight = offers === 0n ? burnt === 0n : burnt >= offers && burnt % offers === 0n;
    return isRight ? [] : [`${offers} offers used up ${burnt} values of the payer's counter`];
  }

  #log(state: State, side: SideNumber): LogEntry[] {
    return placeOf(this, side, "module").records(snapshotOf(state, side), FILE_LOG).map(readLogEntry);
  }

  #spendable(state: State, side: SideNumber): bigint {
    const place = placeOf(this, side, "module");
    const holding = place.holding(snapshotOf(state, side));
    if (holding === undefined) throw new Error(`${place.name} is locked`);
    return place.isGenerator ? -holding.issued : holding.spendable;
  }

  #notes(state: State, side: SideNumber) {
    return placeOf(this, side, "module").records(snapshotOf(state, side), FILE_NOTES).map(readNote);
  }

  /** Pay-ids of the payments that stand between these two, by this side's log. */
  #committed(state: State, side: SideNumber): string[] {
    const kind = side === this.plan.payer ? LOG_SENT : LOG_RECEIVED;
    const peer = this.#ids[side === 0 ? 1 : 0];
    return this.#log(state, side)
      .filter((entry) => entry.kind === kind && entry.outcome === OUTCOME_COMMITTED && toHex(entry.peer) === peer)
      .map((entry) => toHex(entry.payId));
  }

  #records(state: State, side: SideNumber): Records {
    const place = placeOf(this, side, "module");
    const snapshot = snapshotOf(state, side);
    return this.reader.readChip(
      place.look(snapshot, () => place.chip.snapshot()),
      place.name,
    );
  }
}

export function snapshotOf(state: State, side: SideNumber): Uint8Array {
  return (state.sides[side].module as Station).snapshot;
}

/** A station of an element that was given power. */
export function awake(story: Pick<Story, "wake">, place: Place, off: Uint8Array): Station {
  const { snapshot } = place.run(off, () => story.wake(place));
  const nothing = { awaiting: false, asked: 0, refusals: 0, lastFromPartner: undefined, lastAnswer: [] };
  return { snapshot, isOn: true, ...nothing };
}
