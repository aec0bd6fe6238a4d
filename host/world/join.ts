/** Somebody joins an economy that is there already: chips, accounts, a card, in the home or in a home of their own. */

import { ROLE_CUSTOMER, ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { TEXT_BYTES_MAX } from "../../firmware/protocol/limits.js";
import { BankBooks } from "../services/bank-books.js";
import { type Money, parseMoney, sameUnit, unitKey, unitOf } from "../units.js";
import { openAccounts } from "./bank.js";
import { giveCard, makeDevice } from "./devices.js";
import { type Home, isRemoteHome } from "./home.js";
import { openNetworkBooks } from "./network.js";
import type { JoinedCustomer } from "./plan.js";
import { HomeTakenError, writeRemoteWallet } from "./remote.js";
import { Site } from "./site.js";
import { type DeviceRecord, readState, writeState } from "./state.js";

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
  readonly into?: { readonly home: Home; readonly directory?: string };
}

export interface Joined {
  readonly pin: string;
  readonly puk: string;
  /** Subject id of the money module. */
  readonly module: string;
}

/** A name that cannot be given to a new device. */
export class NameError extends Error {
  constructor(name: string, why: string) {
    super(`"${name}" ${why}. Nothing was made and no money moved. Choose another name.`);
    this.name = "NameError";
  }
}

/** What was ordered cannot be made. */
export class OrderError extends Error {
  constructor(what: string, then: string) {
    super(`${what} Nothing was made and no money moved. ${then}`);
    this.name = "OrderError";
  }
}

export async function joinSite(before: Site, order: JoinOrder): Promise<Joined> {
  const { home } = before.parts;
  checkOrder(before, order);
  home.claim("settings");
  // Somebody else may have joined, or changed a PIN, since the home was read; from here on nobody does.
  const site = Site.read(before.parts);
  checkOrder(site, order);
  const target = order.into?.home ?? home;
  const record = await makeDevice({ ...site.parts, home: target }, site.agencies, {
    name: order.name,
    kind: "customer",
    agentRole: ROLE_CUSTOMER,
    moduleRole: ROLE_TRANSACTION,
  });
  const joined = await enter(site, order, record);
  await furnish(joined, order, record, target);
  return { pin: record.pin, puk: record.puk, module: joined.moduleOf(order.name) };
}

/** Whatever could fail later, when there are chips already and the home knows of them, is refused now. */
export function checkOrder(site: Site, { name, holder, card, deposits, into }: JoinOrder): void {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(name)) throw new NameError(name, "is not a name of small letters and digits");
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
  if (into !== undefined && (isRemoteHome(into.home) || readState(into.home) !== undefined)) {
    throw new HomeTakenError(into.home.place);
  }
}

function amountIn(text: string): Money {
  const money = parseMoney(text);
  if (money.amount > 0n && money.amount <= OPENING_MAX) return money;
  throw new OrderError(`"${text}" is nothing, or more than an account begins with.`, "Choose another amount.");
}

function urlOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** Writes down who joined: from here on the home knows it, whatever is still missing is added by whoever opens its part. */
async function enter(site: Site, order: JoinOrder, record: DeviceRecord): Promise<Site> {
  const { name, holder, card, deposits, into } = order;
  const { agent, module } = record;
  if (agent === undefined || module === undefined) throw new RangeError("record: a wallet has an agent and a module");
  const customer: JoinedCustomer = {
    name,
    holder,
    deposits,
    ...(card === undefined ? {} : { card }),
    ...(into === undefined ? {} : { elsewhere: { agent, module } }),
  };
  const { state } = site;
  const devices = into === undefined ? [...state.devices, record] : state.devices;
  const next = { ...state, devices, customers: [...state.customers, customer] };
  writeState(site.parts.home, next);
  return new Site(site.parts, next);
}

/** Accounts at the bank and at the card's issuer, and the card. */
async function furnish(site: Site, order: JoinOrder, record: DeviceRecord, target: Home): Promise<void> {
  const { home, clock } = site.parts;
  await openAccounts(site, await BankBooks.open(home.database("bank"), clock));
  await openNetworkBooks(site);
  const [card] = site.customerPlan(order.name).cards;
  if (order.into !== undefined) {
    const { directory } = order.into;
    writeRemoteWallet(target, {
      name: order.name,
      holder: order.holder,
      ...(directory === undefined ? {} : { directory }),
      ...(card === undefined ? {} : { cardIssuer: card.bank }),
    });
  }
  if (card === undefined) return;
  const device = await new Site({ ...site.parts, home: target }, withDevice(site, record)).openDevice(order.name);
  await giveCard(site, await site.openDevice("authority"), device, { holder: order.holder, card });
}

/** The site's state with the device in it, though its chips are in another home. */
function withDevice(site: Site, record: DeviceRecord) {
  const { devices, ...state } = site.state;
  return { ...state, devices: [...devices.filter(({ name }) => name !== record.name), record] };
}
