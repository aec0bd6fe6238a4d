/** Purchases and sales between a customer's device and a merchant's, a credential that is acquired, a device that is paired. */

import { FILE_LOG, FILE_TICKETS, TAG_INFORMATION } from "../../firmware/protocol/apdu.js";
import { ROLE_CUSTOMER } from "../../firmware/protocol/kinds.js";
import { LOG_ISSUED, OUTCOME_COMMITTED, TICKET_DEBIT_CARD, TICKET_RECEIPT } from "../../firmware/protocol/messages.js";
import { REASON_NO_FUNDING } from "../../firmware/protocol/reasons.js";
import { equalBytes, toHex } from "../../host/codec/bytes.js";
import { verifyOutcome } from "../../host/codec/receipt.js";
import { componentFields } from "../../host/codec/ticket.js";
import { command } from "../../host/commands.js";
import { sha256 } from "../../host/crypto.js";
import { readInformation, readLogEntry, readTicketSummary } from "../../host/element-data.js";
import type { Notice, NoticeOf } from "../../host/notices.js";
import { parseMoney } from "../../host/units.js";
import type { Applet } from "../../simulator/applet.js";
import type { Element } from "../../simulator/element.js";
import { type AgentDevice, AgentWorld, CARD, NOW } from "../support/agents.js";
import { sumError } from "../support/conservation.js";
import { changedRecords, type RecordReader, type Records } from "../support/conservation-records.js";
import { USD } from "../support/purchase.js";
import { newSide, ordered } from "./machine.js";
import { awake, wearOut } from "./module-stories.js";
import { FLASH, Place } from "./stage.js";
import {
  type Authorization,
  SIDES,
  type Side,
  type SideNumber,
  SORTS,
  type Sort,
  type State,
  type Station,
} from "./state.js";
import {
  type Judgement,
  outcomeMeeting,
  pendingOf,
  placeOf,
  type Reaction,
  type SidedOrder,
  type SidePlaces,
  type Story,
} from "./story.js";

export const AGENT_STORIES = ["purchase", "sale", "acquisition", "pairing"] as const;
export type AgentStoryName = (typeof AGENT_STORIES)[number];

const PRICE = parseMoney("USD 10.00");
const EXPIRY_SECONDS = NOW + 86_400 * 30;

export interface Applets {
  readonly agent: Applet;
  readonly module: Applet;
}

interface Chips {
  readonly agent?: Uint8Array;
  readonly module?: Uint8Array;
}

/** A customer, a merchant with money, an authority, a device that is not paired; their chips without power. */
export class AgentBeginning {
  readonly chips = new Map<string, Chips>();
  readonly ids = new Map<string, string>();

  private constructor(readonly world: AgentWorld) {}

  static async create(seed: string, used: boolean): Promise<AgentBeginning> {
    const world = new AgentWorld(seed, FLASH);
    const beginning = new AgentBeginning(world);
    const bank = await world.authority("First Bank");
    const customer = await world.customer("customer", bank);
    const merchant = await world.merchant("merchant", await world.authority("Registry"));
    await world.fund([merchant, "USD 100.00"], [customer, "USD 50.00"]);
    const devices = { authority: bank, customer, merchant, unpaired: await world.unpaired("unpaired", ROLE_CUSTOMER) };
    for (const [name, device] of Object.entries(devices)) await beginning.#keep(name, device, used);
    return beginning;
  }

  async #keep(name: string, device: AgentDevice, used: boolean): Promise<void> {
    const off = (simulated: Element) => {
      simulated.powerOff();
      return simulated.snapshot();
    };
    for (const sort of SORTS) {
      const chip = device[sort];
      if (chip === undefined) continue;
      if (used) await wearOut(chip.element);
      this.ids.set(`${name} ${sort}`, chip.element.idHex);
      this.chips.set(name, { ...this.chips.get(name), [sort]: off(chip.simulated) });
    }
  }

  id(name: string, sort: Sort): string {
    return this.ids.get(`${name} ${sort}`) ?? "";
  }
}

interface Stands {
  readonly story: Pick<Story, "wake">;
  readonly beginning: AgentBeginning;
  readonly applets: Applets;
}

function placesOf({ applets, beginning }: Stands, name: string): SidePlaces {
  const chips = beginning.chips.get(name) ?? {};
  const place = (sort: Sort) => new Place(`${name} ${sort}`, sort, false, applets[sort]);
  return {
    ...(chips.agent === undefined ? {} : { agent: place("agent") }),
    ...(chips.module === undefined ? {} : { module: place("module") }),
  };
}

function sideOf({ story, beginning }: Stands, name: string, places: SidePlaces): Side {
  const station = (sort: Sort): Station | undefined => {
    const off = beginning.chips.get(name)?.[sort];
    return off === undefined ? undefined : awake(story, places[sort] as Place, off);
  };
  return newSide({ agent: station("agent"), module: station("module") });
}

function stateOf(sides: readonly [Side, Side]): State {
  const wire = { isCut: false, flights: [[], []], sent: [0, 0] } as const;
  return { sides, wire, phase: "deal", round: 0, network: [], events: 0 };
}

abstract class AgentStory implements Story {
  readonly places: Story["places"];
  readonly leads = "agent";
  readonly networkChain: Uint8Array;
  readonly settles: boolean = true;
  protected readonly start: State;
  abstract readonly beginning: State;

  constructor(
    readonly name: AgentStoryName,
    protected readonly from: AgentBeginning,
    applets: Applets,
    protected readonly names: readonly [string, string],
  ) {
    const stands: Stands = { story: this, beginning: from, applets };
    this.networkChain = from.world.network.chain;
    const [first, second] = [placesOf(stands, names[0]), placesOf(stands, names[1])];
    this.places = [first, second];
    this.start = stateOf([sideOf(stands, names[0], first), sideOf(stands, names[1], second)]);
  }

  wake(place: Place): void {
    place.wake();
  }

  abstract react(side: SideNumber, source: Sort, notice: Notice, state: State): Reaction;
  abstract meeting(state: State): readonly SidedOrder[];
  abstract isUnfinished(state: State): boolean;
  abstract judge(state: State): Judgement;

  check(_state: State): string | undefined {
    return undefined;
  }

  protected snapshot(state: State, side: SideNumber, sort: Sort): Uint8Array {
    return (state.sides[side][sort] as Station).snapshot;
  }

  protected tickets(state: State, side: SideNumber, type: number): number {
    const records = placeOf(this, side, "agent").records(this.snapshot(state, side, "agent"), FILE_TICKETS);
    return records.map(readTicketSummary).filter((ticket) => ticket.type === type).length;
  }

  protected openOf(state: State): string[] {
    return SIDES.filter((side) => state.sides[side].open > 0).map((side) => `side ${side} left something open`);
  }
}

class TradeStory extends AgentStory {
  readonly beginning: State;
  readonly #buys: boolean;
  readonly #before: readonly [bigint, bigint];
  readonly #records: readonly [Records, Records];

  constructor(
    name: "purchase" | "sale",
    from: AgentBeginning,
    applets: Applets,
    private readonly reader: RecordReader,
  ) {
    super(name, from, applets, ["customer", "merchant"]);
    this.#buys = name === "purchase";
    this.#before = [this.#spendable(this.start, 0), this.#spendable(this.start, 1)];
    this.#records = [this.#recordsOf(this.start, 0), this.#recordsOf(this.start, 1)];
    const serving = ordered(this.start, 1, "agent", command.serve());
    this.beginning = ordered(serving, 0, "agent", this.#buys ? command.buy() : command.sell());
  }

  react(side: SideNumber, source: Sort, notice: Notice, state: State): Reaction {
    if (source !== "agent") return {};
    if (notice.name === "outcome") return { network: this.#concluded(state.network, notice) };
    return side === 0 ? this.#customer(notice) : this.#merchant(notice, state);
  }

  #customer(notice: Notice): Reaction {
    switch (notice.name) {
      case "confirm-merchant":
      case "confirm-receipt":
        return { answer: command.yes() };
      case "amount":
        return { answer: command.amountWanted(PRICE) };
      case "cards":
        return { answer: command.choose(notice.cards[0]?.index ?? 255) };
      default:
        return {};
    }
  }

  #merchant(notice: Notice, state: State): Reaction {
    switch (notice.name) {
      case "terms":
        return { answer: command.terms(50n, USD, 1n, 1n) };
      case "funds":
        return { answer: command.no(REASON_NO_FUNDING) };
      case "authorize":
        return this.#authorized(notice, state.network);
      case "closed": {
        const isKnown = state.network.some(({ receiptHash }) => equalBytes(receiptHash, notice.receiptHash));
        return isKnown ? {} : { answer: command.declined("", notice.receiptHash) };
      }
      default:
        return {};
    }
  }

  /** The outbox writes it down before the agent is told; who asks twice gets the same. */
  #authorized(asked: NoticeOf<"authorize">, network: readonly Authorization[]): Reaction {
    const known = network.find(({ receiptHash }) => equalBytes(receiptHash, asked.receiptHash));
    const approval = known?.approval ?? this.from.world.approve(asked, { stan: network.length + 1 });
    const entry: Authorization = { receiptHash: asked.receiptHash, approval, state: "approved" };
    const answer = command.authorized(approval, this.networkChain);
    return known === undefined ? { answer, network: [...network, entry] } : { answer };
  }

  #concluded(network: readonly Authorization[], notice: NoticeOf<"outcome">): readonly Authorization[] {
    const { outcome } = verifyOutcome(notice.outcome, notice.chain, this.from.world.agentsRoot, NOW);
    const state = outcome.outcome === OUTCOME_COMMITTED ? "completed" : "reversed";
    return network.map((entry) => {
      if (!equalBytes(sha256(entry.approval), outcome.approvalHash) || entry.state === state) return entry;
      if (entry.state !== "approved") throw new Error(`an authorization that was ${entry.state} is to be ${state}`);
      return { ...entry, state };
    });
  }

  meeting(): readonly SidedOrder[] {
    return outcomeMeeting();
  }

  isUnfinished(state: State): boolean {
    return pendingOf(this, state).length > 0;
  }

  override check(state: State): string | undefined {
    const holdings = new Map();
    for (const side of SIDES) {
      const holding = placeOf(this, side, "module").holding(this.snapshot(state, side, "module"));
      if (holding === undefined) return undefined;
      holdings.set(this.from.id(this.names[side], "module"), holding);
    }
    return sumError(holdings, -(this.#before[0] + this.#before[1]));
  }

  judge(state: State): Judgement {
    const wrong = this.openOf(state);
    const open = pendingOf(this, state);
    if (open.length > 0) wrong.push(`modules left open: ${open.map((each) => each.state).join(", ")}`);
    const got = this.#spendable(state, 0) - this.#before[0];
    const gave = this.#before[1] - this.#spendable(state, 1);
    const happened = got !== 0n;
    const due = this.#buys ? PRICE.amount : -PRICE.amount;
    if (got !== gave) wrong.push(`the customer got ${got}, and the merchant gave ${gave}`);
    if (happened && got !== due) wrong.push(`the customer got ${got}, and not ${due}`);
    wrong.push(...this.#network(state, happened), ...this.#words(state, happened));
    if (!happened) wrong.push(...this.#rollback(state));
    return { happened, wrong };
  }

  #network({ network }: State, happened: boolean): string[] {
    const count = (state: Authorization["state"]) => network.filter((entry) => entry.state === state).length;
    const wrong: string[] = [];
    if (count("approved") > 0) wrong.push("an authorization is still open");
    if (count("completed") !== (happened ? 1 : 0)) {
      wrong.push(`${count("completed")} authorizations were completed, and the money moved: ${happened}`);
    }
    return wrong;
  }

  #words(state: State, happened: boolean): string[] {
    const wrong: string[] = [];
    for (const side of SIDES) {
      const { word } = state.sides[side];
      if (word === "both" || (word === "done" && !happened) || (word === "aborted" && happened))
        wrong.push(`side ${side} was told: ${word}`);
      const receipts = this.tickets(state, side, TICKET_RECEIPT);
      if (side === 0 && receipts !== (happened ? 1 : 0)) {
        wrong.push(`the customer has ${receipts} receipts, and the money moved: ${happened}`);
      }
    }
    return wrong;
  }

  #rollback(state: State): string[] {
    return SIDES.flatMap((side) => {
      const changed = changedRecords(this.#records[side], this.#recordsOf(state, side));
      return changed.length > 0 ? [`an abort left records changed at side ${side}: ${changed.join(", ")}`] : [];
    });
  }

  #spendable(state: State, side: SideNumber): bigint {
    const holding = placeOf(this, side, "module").holding(this.snapshot(state, side, "module"));
    if (holding === undefined) throw new Error(`the module of side ${side} is locked`);
    return holding.spendable;
  }

  #recordsOf(state: State, side: SideNumber): Records {
    const place = placeOf(this, side, "module");
    const snapshot = this.snapshot(state, side, "module");
    const chip = place.look(snapshot, () => place.chip.snapshot());
    return this.reader.readChip(chip, place.name);
  }
}

class AcquisitionStory extends AgentStory {
  readonly beginning: State;
  readonly #before: number;
  readonly #issuedBefore: number;

  constructor(from: AgentBeginning, applets: Applets) {
    super("acquisition", from, applets, ["customer", "authority"]);
    this.#before = this.tickets(this.start, 0, TICKET_DEBIT_CARD);
    this.#issuedBefore = this.#issued(this.start);
    let state = this.start;
    for (const { side, order } of this.#orders()) state = ordered(state, side, order.to, order.envelope);
    this.beginning = state;
  }

  #orders(): readonly SidedOrder[] {
    return [
      { side: 1, order: { to: "agent", envelope: command.issue() } },
      { side: 0, order: { to: "agent", envelope: command.acquire(TICKET_DEBIT_CARD) } },
    ];
  }

  react(_side: SideNumber, _source: Sort, notice: Notice): Reaction {
    if (notice.name !== "grant") return {};
    const card = { ...CARD, account: "4000555555555555" };
    return { answer: command.grant(EXPIRY_SECONDS, componentFields({ kind: "card", card })) };
  }

  /** Whoever has no credential asks again. */
  meeting(state: State): readonly SidedOrder[] {
    return this.isUnfinished(state) ? this.#orders() : [];
  }

  isUnfinished(state: State): boolean {
    return state.sides[0].agent?.isOn !== true || this.tickets(state, 0, TICKET_DEBIT_CARD) === this.#before;
  }

  /** Credentials that the authority's log names. */
  #issued(state: State): number {
    const log = placeOf(this, 1, "agent").records(this.snapshot(state, 1, "agent"), FILE_LOG);
    return log.map(readLogEntry).filter((entry) => entry.kind === LOG_ISSUED).length;
  }

  judge(state: State): Judgement {
    const wrong = this.openOf(state);
    const got = this.tickets(state, 0, TICKET_DEBIT_CARD) - this.#before;
    const issued = this.#issued(state) - this.#issuedBefore;
    if (got < 1) wrong.push("the customer has no credential, however often it asks");
    if (got > issued) wrong.push(`the customer has ${got} credentials, and ${issued} were issued`);
    return { happened: got > 0, wrong };
  }
}

class PairingStory extends AgentStory {
  readonly beginning: State;
  override readonly settles = false;

  constructor(from: AgentBeginning, applets: Applets) {
    super("pairing", from, applets, ["unpaired", "nobody"]);
    let state = this.start;
    for (const { side, order } of this.#orders()) state = ordered(state, side, order.to, order.envelope);
    this.beginning = state;
  }

  override wake(place: Place): void {
    place.reopen(this.from.world.personalisationKeys.get(place.name) as Uint8Array);
  }

  #orders(): readonly SidedOrder[] {
    return [
      { side: 0, order: { to: "module", envelope: command.pair(false) } },
      { side: 0, order: { to: "agent", envelope: command.pair(true) } },
    ];
  }

  react(): Reaction {
    return {};
  }

  meeting(state: State): readonly SidedOrder[] {
    return this.isUnfinished(state) ? this.#orders() : [];
  }

  isUnfinished(state: State): boolean {
    return SORTS.some(
      (sort) => state.sides[0][sort]?.isOn !== true || this.#partner(state, sort) !== this.#expected(sort),
    );
  }

  #expected(sort: Sort): string {
    return this.from.id("unpaired", sort === "agent" ? "module" : "agent");
  }

  #partner(state: State, sort: Sort): string {
    const data = placeOf(this, 0, sort).data(this.snapshot(state, 0, sort), TAG_INFORMATION);
    return toHex(readInformation(data).partner ?? new Uint8Array(0));
  }

  judge(state: State): Judgement {
    const isPaired = !this.isUnfinished(state);
    return { happened: isPaired, wrong: isPaired ? [] : ["the two are not paired, however often it is tried"] };
  }
}

export function agentStory(
  name: AgentStoryName,
  beginning: AgentBeginning,
  applets: Applets,
  reader: RecordReader,
): Story {
  if (name === "acquisition") return new AcquisitionStory(beginning, applets);
  if (name === "pairing") return new PairingStory(beginning, applets);
  if (name !== "purchase" && name !== "sale") throw new RangeError(`"${String(name)}" is no story`);
  return new TradeStory(name, beginning, applets, reader);
}
