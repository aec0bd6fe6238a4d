/**
 * Two devices, each with agent and module, whose message managers may be anybody's: every envelope that an element says goes
 * into a pile, and what comes out of it, when, to whom and in what shape is the schedule of a seed. A host that is honest
 * carries its own elements' words in order, once, and as they are.
 */

import * as m from "../../firmware/protocol/messages.js";
import type { SimulatedChip } from "../../host/chips.js";
import { command, timeoutEnvelope } from "../../host/commands.js";
import { type Notice, type NoticeOf, readNotice } from "../../host/notices.js";
import type { Money } from "../../host/units.js";
import { type AgentWorld, PIN } from "./agents.js";
import type { FullDevice } from "./figures-stage.js";
import { give } from "./moments.js";
import { customerAnswers, type HostAnswers, merchantAnswers } from "./purchase.js";

const SORTS = ["agent", "module"] as const;
type Sort = (typeof SORTS)[number];
const UNIT = { currency: 840, exponent: 2 };
/** Envelopes that a hostile host still has from earlier. */
const HISTORY_MAX = 400;

export type Order = "buy" | "sell" | "pay" | "pay back" | "settle";
const ORDERS: readonly Order[] = ["buy", "sell", "pay", "pay back", "settle", "buy", "sell"];

export const HOSTILE = ["drop", "repeat", "reorder", "replay", "inject", "timeout", "cancel", "restart"] as const;
export type HostileAct = (typeof HOSTILE)[number];

interface Addressed {
  readonly device: 0 | 1;
  readonly sort: Sort;
  readonly envelope: Uint8Array;
}

/** Between agent and module under TA/MM, or between two modules without agents. */
function isOfMoney({ sort, envelope }: Addressed): boolean {
  const [from, kind, epoch] = envelope;
  return (kind === m.KIND_LINK && epoch === 1) || (sort === "module" && from === m.ADDRESS_PEER);
}

export interface HostileParts {
  readonly world: AgentWorld;
  /** A customer, who begins, and a merchant. */
  readonly devices: readonly [FullDevice, FullDevice];
  /** Whose hosts do as they like. */
  readonly hostile: readonly (0 | 1)[];
  /** How often in a hundred they do. */
  readonly percent: number;
  /** They wait for the moment when money moves, which kinds and epochs of envelopes tell. */
  readonly isPatient: boolean;
  readonly random: () => number;
}

export class HostileHosts {
  /** What happened how often: acts, orders, notices. */
  readonly counts = new Map<string, number>();
  readonly outcomes: NoticeOf<"outcome">[] = [];
  readonly approvals: Uint8Array[] = [];
  readonly #parts: HostileParts;
  readonly #pile: Addressed[] = [];
  readonly #history: Addressed[] = [];
  #answers: readonly [HostAnswers, HostAnswers];
  #idle = 0;

  constructor(parts: HostileParts) {
    this.#parts = parts;
    this.#answers = this.#answersFor(1n);
  }

  /** One act: of a hostile host, or the next thing that is due. */
  async step(): Promise<void> {
    const { hostile, percent, isPatient, random } = this.#parts;
    const isRipe = !isPatient || this.#pile.some(isOfMoney);
    const mine = hostile[random() % Math.max(1, hostile.length)];
    if (mine !== undefined && isRipe && random() % 100 < percent)
      await this.#hostile(mine, HOSTILE[random() % HOSTILE.length] ?? "drop");
    else if (this.#pile.length > 0) this.#deliver(this.#pile.shift() as Addressed);
    else await this.#nothingDue();
  }

  /** Whoever waits is told that nothing came; when that has been said often enough something new is begun. */
  async #nothingDue(): Promise<void> {
    this.#idle += 1;
    if (this.#idle % 10 !== 0) {
      const device = (this.#parts.random() % 2) as 0 | 1;
      this.#give({ device, sort: this.#pick(SORTS), envelope: timeoutEnvelope() });
      return;
    }
    this.#begin(this.#pick(ORDERS));
  }

  #begin(order: Order): void {
    const { random } = this.#parts;
    const money: Money = { amount: BigInt(1 + (random() % 1500)), unit: UNIT };
    this.#answers = this.#answersFor(money.amount);
    this.#count(`order ${order}`);
    for (const device of [0, 1] as const) {
      for (const sort of SORTS) this.#give({ device, sort, envelope: command.cancel() });
    }
    if (order === "buy" || order === "sell") {
      this.#give({ device: 1, sort: "agent", envelope: command.serve() });
      this.#give({ device: 0, sort: "agent", envelope: order === "buy" ? command.buy() : command.sell() });
      return;
    }
    const [payer, payee] = order === "pay back" ? ([1, 0] as const) : ([0, 1] as const);
    const isSettling = order === "settle";
    this.#give({ device: payee, sort: "module", envelope: isSettling ? command.outcome(false) : command.listen() });
    this.#give({
      device: payer,
      sort: "module",
      envelope: isSettling ? command.outcome(true) : command.pay(money, null),
    });
  }

  async #hostile(device: 0 | 1, act: HostileAct): Promise<void> {
    this.#count(act);
    const { random } = this.#parts;
    const sort = this.#pick(SORTS);
    if (act === "timeout") this.#give({ device, sort, envelope: timeoutEnvelope() });
    else if (act === "cancel") this.#give({ device, sort, envelope: command.cancel() });
    else if (act === "restart") await this.restart(device, sort);
    else if (act === "replay") this.#say(device, this.#history[random() % Math.max(1, this.#history.length)]);
    else if (act === "inject") this.#say(device, this.#spliced());
    else this.#withPile(device, act);
  }

  /** What a hostile host does to what it carries: its own elements' words, and everything on the wire. */
  #withPile(device: 0 | 1, act: HostileAct): void {
    const within = this.#pile.filter((each) => each.device === device || each.envelope[0] === m.ADDRESS_PEER);
    const chosen = within[this.#parts.random() % Math.max(1, within.length)];
    if (chosen === undefined) return;
    const at = this.#pile.indexOf(chosen);
    if (act === "repeat") this.#pile.push(chosen);
    else this.#pile.splice(at, 1);
    if (act === "reorder") this.#deliver(chosen);
  }

  /** Says something that was said before, or never: to its own elements as anybody, to the others as their peer. */
  #say(device: 0 | 1, what: Addressed | undefined): void {
    if (what === undefined) return;
    const { random } = this.#parts;
    const toOwn = random() % 2 === 0;
    const from = toOwn ? 1 + (random() % 3) : m.ADDRESS_PEER;
    const envelope = Uint8Array.of(from, ...what.envelope.subarray(1));
    const target = toOwn ? device : ((1 - device) as 0 | 1);
    this.#give({ device: target, sort: random() % 4 === 0 ? this.#pick(SORTS) : what.sort, envelope });
  }

  /** The beginning of one envelope, the end of another, and now and then a bit of its own. */
  #spliced(): Addressed | undefined {
    const { random } = this.#parts;
    const [one, other] = [0, 1].map(() => this.#history[random() % Math.max(1, this.#history.length)]);
    if (one === undefined || other === undefined) return undefined;
    const at = random() % one.envelope.length;
    const envelope = Uint8Array.of(...one.envelope.subarray(0, at), ...other.envelope.subarray(at));
    if (envelope.length < 2) return undefined;
    const bit = random() % (8 * envelope.length);
    if (random() % 3 === 0) envelope.set([(envelope[bit >> 3] ?? 0) ^ (1 << (bit & 7))], bit >> 3);
    return { ...one, envelope };
  }

  async restart(device: 0 | 1, sort: Sort): Promise<void> {
    const { element } = this.#chip(device, sort);
    await element.restart();
    await element.verifyPin(PIN);
    await element.open(this.#parts.world.time.now_seconds());
  }

  #deliver(addressed: Addressed): void {
    this.#idle = 0;
    this.#history.push(addressed);
    if (this.#history.length > HISTORY_MAX) this.#history.splice(0, HISTORY_MAX / 2);
    this.#give(addressed);
  }

  #give({ device, sort, envelope }: Addressed): void {
    const { envelopes } = give(this.#chip(device, sort), envelope);
    for (const said of envelopes) this.#route(device, sort, said);
  }

  #route(device: 0 | 1, sort: Sort, said: Uint8Array): void {
    const body = said.subarray(1);
    const to = (address: number) => Uint8Array.of(address, ...body);
    if (said[0] === m.ADDRESS_HOST) this.#notice(device, sort, readNotice(said.subarray(2)));
    else if (said[0] === m.ADDRESS_PEER) {
      this.#pile.push({ device: (1 - device) as 0 | 1, sort, envelope: to(m.ADDRESS_PEER) });
    } else if (said[0] === m.ADDRESS_MODULE) this.#pile.push({ device, sort: "module", envelope: to(m.ADDRESS_AGENT) });
    else this.#pile.push({ device, sort: "agent", envelope: to(m.ADDRESS_MODULE) });
  }

  #notice(device: 0 | 1, sort: Sort, notice: Notice): void {
    this.#count(notice.name);
    if (notice.name === "outcome") this.outcomes.push(notice);
    const answer = this.#answers[device][notice.name] as ((notice: Notice) => Uint8Array | undefined) | undefined;
    const envelope = answer?.(notice);
    if (envelope instanceof Uint8Array) this.#give({ device, sort, envelope });
  }

  #answersFor(amount: bigint): readonly [HostAnswers, HostAnswers] {
    const { world } = this.#parts;
    const both: HostAnswers = { verify: () => command.yes(), "new-amount": () => command.cancel() };
    const merchant: HostAnswers = {
      ...merchantAnswers(world),
      funds: () => command.cancel(),
      authorize: (asked) => {
        const approval = world.approve(asked);
        this.approvals.push(approval);
        return command.authorized(approval, world.network.chain);
      },
    };
    return [
      { ...customerAnswers({ amount, unit: UNIT }), ...both },
      { ...merchant, ...both },
    ];
  }

  #chip(device: 0 | 1, sort: Sort): SimulatedChip {
    return this.#parts.devices[device][sort];
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#parts.random() % items.length] as Item;
  }
}
