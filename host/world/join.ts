/** Somebody joins an economy that is there already: chips, accounts, a card, in the home or in a home of their own. */

import { ROLE_CUSTOMER, ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { TEXT_BYTES_MAX } from "../../firmware/protocol/limits.js";
import { TICKET_DEBIT_CARD } from "../../firmware/protocol/messages.js";
import { toHex } from "../codec/bytes.js";
import type { Device } from "../device.js";
import type { ElementSort } from "../message-manager.js";
import { randomBytes } from "../randomness.js";
import { BankBooks } from "../services/bank-books.js";
import { type Money, parseMoney, sameUnit, unitKey, unitOf } from "../units.js";
import { openAccounts } from "./bank.js";
import { type CardChips, makeOnCards, newOnCard, openCardChips, rekeyed } from "./card-join.js";
import { giveCard, makeDevice } from "./devices.js";
import { type Home, isRemoteHome } from "./home.js";
import {
  CardNeededError,
  ChipsMissingError,
  JoinBrokenOffError,
  NameError,
  OrderError,
  OtherOrderError,
} from "./join-errors.js";
import { openNetworkBooks } from "./network.js";
import { hasChips } from "./owners-device.js";
import type { DeviceRecord, JoinedCustomer, UnfinishedJoin, UnfinishedOnCard } from "./plan.js";
import { HomeTakenError, type RemoteWallet, readAnyRemoteWallet, writeRemoteWallet } from "./remote.js";
import { deviceOf, Site, type UnfinishedCustomer } from "./site.js";
import { readState, type WorldState, writeState } from "./state.js";

/** A hundred million: ISO 8583 has twelve digits for an amount. */
const OPENING_MAX = 10_000_000_000n;

export interface JoinOrder {
  readonly name: string;
  readonly holder: string;
  /** What is on the account of a debit card, for example "USD 300.00"; without it there is no card. */
  readonly card?: string;
  /** What is on accounts at the bank, for example ["USD 100.00"]. */
  readonly deposits: readonly string[];
  /** A home of its own, and where the wallet in it finds the directory. */
  readonly into?: Into;
  /** Where blank chips are, one place or two; without it they are simulated ones in the home. */
  readonly device?: readonly string[];
}

export interface Into {
  readonly home: Home;
  readonly directory?: string;
}

/** An order whose home may not be there yet. */
type CheckedOrder = Omit<JoinOrder, "into"> & {
  readonly into?: Omit<Into, "home"> & { readonly home: Pick<Home, "place"> };
};

const ORDER_ID_BYTES = 16;

export interface Joined {
  readonly pin: string;
  readonly puk: string;
  /** Subject id of the money module. */
  readonly module: string;
  /** Where the card was that the chips were made on. */
  readonly places?: readonly string[];
}

/**
 * Joins, or finishes what was broken off when the same was ordered before. In this order, so that it can be broken off at any
 * moment: all parts that will be needed are taken, the order is written down, chips are made and written down (on cards the
 * other way round, card-join.ts), the owner gets the card, the accounts are opened. `deliver` is told PIN and PUK before the home forgets those of a home of its own.
 */
export async function joinSite(
  before: Site,
  order: JoinOrder,
  deliver: (joined: Joined) => void | Promise<void> = () => undefined,
): Promise<Joined> {
  const { home } = before.parts;
  const { name, card, into } = order;
  checkOrder(before, order);
  home.claim("settings");
  // Somebody else may have joined, or changed a PIN, since the home was read; from here on nobody does.
  const site = Site.read(before.parts);
  checkOrder(site, order);
  const begun = site.unfinished(name);
  const target = into?.home ?? home;
  // One that is at work elsewhere, or cannot be used, refuses before anything is made. It is opened again when it is needed.
  if (card !== undefined && begun?.unfinished.complete !== true) await site.openDevice("authority");
  target.claim("settings");
  target.claim(`wallet-${name}`);
  checkTarget(target, order, begun);
  const chips = await cardChips(site, order, begun);
  try {
    const entered = begun === undefined ? enter(site, order, chips?.order) : site;
    try {
      return await finish(entered, order, { target, deliver, chips });
    } catch (error) {
      throw new JoinBrokenOffError(name, error, chips?.places);
    }
  } finally {
    await chips?.close();
  }
}

/** The chips that a device on cards is made of, as long as they are needed. */
async function cardChips(
  { parts }: Site,
  { name, device: locators }: JoinOrder,
  begun: UnfinishedCustomer | undefined,
): Promise<CardChips | undefined> {
  if (locators === undefined || begun?.unfinished.complete === true) return undefined;
  const chips = await openCardChips(parts, begun?.unfinished.onCard ?? newOnCard(parts, name), locators);
  return begun === undefined ? chips : rekeyed(parts, chips);
}

/** Whatever could fail later, when there are chips already and the home knows of them, is refused now. */
export function checkOrder(site: Site, order: CheckedOrder): void {
  const { name, holder, card, deposits, into } = order;
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(name)) throw new NameError(name, "is not a name of small letters and digits");
  const begun = site.unfinished(name);
  if (begun !== undefined) {
    checkSame(begun, order);
    return;
  }
  const taken = [
    ...site.names,
    ...site.plan.customers.map((each) => each.name),
    ...site.plan.merchants.map((m) => m.name),
  ];
  if (taken.includes(name)) throw new NameError(name, "is there already");
  const length = new TextEncoder().encode(holder).length;
  if (length === 0 || length > TEXT_BYTES_MAX || /[\p{Cc}\p{Cf}]/u.test(holder)) {
    throw new OrderError(
      `The holder's name must be plain text of 1 to ${TEXT_BYTES_MAX} bytes.`,
      "Choose another one.",
    );
  }
  const units = deposits.map((text) => unitKey(amountIn(text).unit));
  if (new Set(units).size < units.length) {
    throw new OrderError("There is one account at the bank for each currency.", "Name each currency once.");
  }
  const [issuer] = site.plan.issuers;
  if (card !== undefined && (issuer === undefined || !sameUnit(amountIn(card).unit, unitOf(issuer.currency)))) {
    throw new OrderError("The card's issuer keeps its accounts in another currency.", `Use ${issuer?.currency}.`);
  }
  if (into?.directory !== undefined && !/^https?:$/.test(urlOf(into.directory)?.protocol ?? "")) {
    throw new OrderError(
      `"${into.directory}" is not the URL of a directory.`,
      "Use one like http://127.0.0.1:8080/directory.",
    );
  }
}

/** What was broken off is finished as it was ordered, and not otherwise. */
function checkSame({ unfinished, ...begun }: UnfinishedCustomer, { into, ...order }: CheckedOrder): void {
  const { onCard } = unfinished;
  const differences: [string, unknown, unknown][] = [
    ["--holder", begun.holder, order.holder],
    ["--card", begun.card, order.card],
    ["--deposit", begun.deposits.join(" "), order.deposits.join(" ")],
    ["--into", unfinished.into, into?.home.place],
    ["--directory", unfinished.directory, into?.directory],
    // Where the card is now is nobody's business but the reader's.
    ["--device", onCard !== undefined, onCard !== undefined || order.device !== undefined],
  ];
  const different = differences.filter(([, then, now]) => then !== now).map(([option]) => option);
  if (different.length > 0) throw new OtherOrderError(begun.name, different, onCard !== undefined);
  const needsCard = onCard !== undefined && unfinished.complete !== true;
  if (needsCard && order.device === undefined) throw new CardNeededError(onCard);
}

/** The home that the chips will be in: nothing in it is in the way, and what was begun there is still there. */
function checkTarget(target: Home, { name, into, device }: JoinOrder, begun: UnfinishedCustomer | undefined): void {
  const isComplete = begun?.unfinished.complete === true;
  const isOnCard = device !== undefined || begun?.unfinished.onCard !== undefined;
  if (isComplete && !isOnCard && !hasChips(target, name)) throw new ChipsMissingError(name, target.place);
  if (into === undefined) {
    const hasStrange = ["agent", "module"].some((sort) => target.holds(`chips/${name}.${sort}`));
    if (begun === undefined && hasStrange) throw new NameError(name, "has chips that the home knows nothing of");
    return;
  }
  const wallet = isRemoteHome(target) ? readAnyRemoteWallet(target) : undefined;
  if (wallet === undefined) {
    if (isComplete && !isOnCard) throw new ChipsMissingError(name, target.place);
    if (target.holds("chips") || readState(target) !== undefined) throw new HomeTakenError(target.place);
    return;
  }
  const isOurs = wallet.unfinished !== undefined && wallet.unfinished === begun?.unfinished.id;
  // It was finished, and only the economy's home does not know yet.
  const isDone = isComplete && wallet.unfinished === undefined && wallet.name === name;
  if (!isOurs && !isDone) throw new HomeTakenError(target.place);
}

function amountIn(text: string): Money {
  const money = parseMoney(text);
  if (money.amount > 0n && money.amount <= OPENING_MAX) return money;
  throw new OrderError(`"${text}" is nothing, or more than an account begins with.`, "Choose another amount.");
}

function urlOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** Writes down what was ordered: from here on the name is taken, and whatever is made is known to belong to it. */
function enter(site: Site, { name, holder, card, deposits, into }: JoinOrder, onCard?: UnfinishedOnCard): Site {
  const directory = into?.directory;
  const unfinished: UnfinishedJoin = {
    id: toHex(randomBytes(site.parts.random, ORDER_ID_BYTES)),
    ...(into === undefined ? {} : { into: into.home.place }),
    ...(directory === undefined ? {} : { directory }),
    ...(onCard === undefined ? {} : { onCard }),
  };
  const customer: JoinedCustomer = { name, holder, deposits, ...(card === undefined ? {} : { card }), unfinished };
  return written(site, { ...site.state, customers: [...site.state.customers, customer] });
}

function written({ parts }: Site, state: WorldState): Site {
  writeState(parts.home, state);
  return new Site(parts, state);
}

interface Means {
  readonly target: Home;
  readonly deliver: (joined: Joined) => void | Promise<void>;
  readonly chips: CardChips | undefined;
}

/** Everything that is not done yet of what was ordered. Each step can be done again. */
async function finish(site: Site, order: JoinOrder, { target, deliver, chips }: Means): Promise<Joined> {
  const { home, clock } = site.parts;
  const { name, into } = order;
  const begun = unfinishedOf(site, name);
  const isComplete = begun.complete === true;
  if (into !== undefined && !isComplete) writeWallet(site, order, into, { unfinished: begun.id });
  const { made, record, open } = await (begun.onCard === undefined
    ? withChips(site, name, target)
    : withCardChips(site, begun.onCard, chips));
  const joined = new Site(site.parts, joinedState(made.state, name, record));
  if (!isComplete) {
    await giveMissingCard(joined, record, open);
    changed(made, name, { complete: true });
  }
  await openAccounts(joined, await BankBooks.open(home.database("bank"), clock));
  await openNetworkBooks(joined);
  if (into !== undefined) writeWallet(joined, order, into, chipsOf(record));
  const places = chips === undefined ? {} : { places: chips.places };
  const result = { pin: record.pin, puk: record.puk, module: joined.moduleOf(name), ...places };
  await deliver(result);
  writeState(home, joined.state);
  return result;
}

function unfinishedOf(site: Site, name: string): UnfinishedJoin {
  const begun = site.unfinished(name);
  if (begun === undefined) throw new RangeError(`join: ${name} is not unfinished`);
  return begun.unfinished;
}

function changed(site: Site, name: string, change: Partial<UnfinishedJoin>): Site {
  const customers = site.state.customers.map((each) => {
    return each.name === name ? { ...each, unfinished: { ...unfinishedOf(site, name), ...change } } : each;
  });
  return written(site, { ...site.state, customers });
}

interface Made {
  /** The site that has written down what was made. */
  readonly made: Site;
  readonly record: DeviceRecord;
  readonly open: () => Promise<Device>;
}

/** Chips in the home of the order. Those that nobody has written down never were personalised to their end, and hold nothing. */
async function withChips(site: Site, name: string, target: Home): Promise<Made> {
  const { device } = unfinishedOf(site, name);
  const open = () => deviceOf({ ...site.parts, home: target }, name, { agent: true, module: true });
  if (device !== undefined && hasChips(target, name)) return { made: site, record: device, open };
  for (const sort of ["agent", "module"]) target.chips.discard(`${name}.${sort}`);
  const record = await makeDevice({ ...site.parts, home: target }, site.agencies, {
    name,
    kind: "customer",
    agentRole: ROLE_CUSTOMER,
    moduleRole: ROLE_TRANSACTION,
  });
  return { made: changed(site, name, { device: record }), record, open };
}

/** Chips on cards, as long as the cards are needed. */
async function withCardChips(site: Site, onCard: UnfinishedOnCard, chips: CardChips | undefined): Promise<Made> {
  const { device: record } = chips?.order ?? onCard;
  const { name } = record;
  if (chips === undefined) {
    const open = () => Promise.reject(new CardNeededError(onCard));
    return { made: site, record, open };
  }
  let made = chips.order === onCard ? site : changed(site, name, { onCard: chips.order });
  const begun = (sort: ElementSort) => {
    const known = unfinishedOf(made, name).onCard ?? onCard;
    if (known.begun.includes(sort)) return;
    made = changed(made, name, { onCard: { ...known, begun: [...known.begun, sort] } });
  };
  const device = await makeOnCards(site, chips, begun);
  return { made, record, open: async () => device };
}

/** The state in which nothing is missing any more. */
function joinedState(state: WorldState, name: string, record: DeviceRecord): WorldState {
  const { agent, module } = record;
  if (agent === undefined || module === undefined) throw new RangeError("record: a wallet has an agent and a module");
  const isElsewhere = state.customers.some((each) => each.name === name && each.unfinished?.into !== undefined);
  const customers = state.customers.map((each) => {
    if (each.name !== name) return each;
    const { unfinished: _, ...customer } = each;
    return isElsewhere ? { ...customer, elsewhere: { agent, module } } : customer;
  });
  return { ...state, devices: isElsewhere ? state.devices : [...state.devices, record], customers };
}

/** Where they are found once they are in a reader. */
function chipsOf({ agent, module, onCard }: DeviceRecord): Pick<RemoteWallet, "agent" | "module" | "onCard"> {
  return {
    ...(onCard === undefined ? {} : { onCard }),
    ...(agent === undefined ? {} : { agent: agent.id }),
    ...(module === undefined ? {} : { module: module.id }),
  };
}

function writeWallet(
  site: Site,
  { name, holder, card }: JoinOrder,
  into: Into,
  more: Pick<RemoteWallet, "agent" | "module" | "onCard" | "unfinished">,
): void {
  const { directory, home } = into;
  const [issuer] = site.plan.issuers;
  writeRemoteWallet(home, {
    name,
    holder,
    ...(directory === undefined ? {} : { directory }),
    ...(card === undefined || issuer === undefined ? {} : { cardIssuer: issuer.bank }),
    ...more,
  });
}

/** The card of the plan, unless the agent has got it already. */
async function giveMissingCard(site: Site, { name, pin }: DeviceRecord, open: () => Promise<Device>): Promise<void> {
  const { cards, holder } = site.customerPlan(name);
  const [card] = cards;
  if (card === undefined) return;
  const device = await open();
  await device.unlock(pin);
  const tickets = await device.agent.tickets();
  if (tickets.some(({ type }) => type === TICKET_DEBIT_CARD)) return;
  // Only now: a clock that was set before these chips were certified may be a second behind, and find them too young.
  await giveCard(site, await site.openDevice("authority"), device, { holder, card });
}
