/** An economy in memory and readers from which cards are torn, for tests of devices that are made on cards. */

import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import { LIFE_OPERATIONAL } from "../../firmware/protocol/apdu.js";
import { LOG_ACQUIRED, TICKET_DEBIT_CARD } from "../../firmware/protocol/messages.js";
import { openCard } from "../../host/cards/card-elements.js";
import { toHex } from "../../host/codec/bytes.js";
import { verifyChain } from "../../host/codec/certificate.js";
import { parseMoney } from "../../host/units.js";
import { MemoryHome } from "../../host/world/home.js";
import { createWorld } from "../../host/world/init.js";
import { type JoinOrder, joinSite } from "../../host/world/join.js";
import { Site, type WorldParts } from "../../host/world/site.js";
import { openWallet, partsIn } from "../../host/world/wallet.js";
import type { CardApplication } from "../../simulator/card/card.js";
import { blankApplications } from "../support/cards.js";
import { type Tear, TornPlaces } from "./torn-places.js";

/** A home whose disk is full at a write, before or after which it is told. */
export class FaultyHome extends MemoryHome {
  writes = 0;
  failsAt = Number.POSITIVE_INFINITY;
  isWritten = false;

  override write(name: string, text: string): void {
    this.writes += 1;
    const isFault = this.writes === this.failsAt;
    if (!isFault || this.isWritten) super.write(name, text);
    if (isFault) throw new Error("The disk is full.");
  }

  /** What this process has open it keeps. */
  override async close(): Promise<void> {}

  async end(): Promise<void> {
    await super.close();
  }
}

export const home = new FaultyHome();
export const places = new TornPlaces();
export const parts: WorldParts = { ...partsIn(home), places: () => places };
let made = 0;

/** In each file of tests: an economy, and no card in any reader at first. */
export function provideEconomy(): void {
  beforeAll(async () => {
    await createWorld(parts);
  });
  afterAll(() => home.end());
  beforeEach(() => {
    places.takeOutAll();
    places.tear();
  });
}

export interface Order extends JoinOrder {
  readonly device: readonly string[];
}

export function newOrder(more: Partial<Order> = {}): Order {
  made += 1;
  return {
    name: `dave-${made}`,
    holder: "Dave Dale",
    card: "USD 50.00",
    deposits: ["USD 7.00"],
    device: ["A"],
    ...more,
  };
}

/** Agent and module of one new chip each. */
export function blanks(seed: string): [CardApplication, CardApplication] {
  const [module, agent] = blankApplications(`${seed} ${made}`);
  if (module === undefined || agent === undefined) throw new Error("no chips");
  return [agent, module];
}

export function putBlank(title = "A") {
  places.takeOutAll();
  return places.put(title, blanks(title));
}

export const join = (order: JoinOrder) => joinSite(Site.read(parts), order);

export const refusal = (order: JoinOrder) =>
  join(order).then(
    () => "",
    ({ message }: Error) => message,
  );
export const entries = (name: string) => Site.read(parts).state.customers.filter((each) => each.name === name);

/** What the chips at a place say of themselves. */
export async function livesAt(title: string): Promise<(number | undefined)[]> {
  const place = (await places.list()).find((each) => each.title === title);
  if (place === undefined) throw new Error(`no ${title}`);
  const card = await openCard(place);
  await card.close();
  return [card.agent?.known.life, card.module?.known.life];
}

/** One record, chips that are what it says, one chain each, one debit card, and a purchase with it. */
export async function expectJoined({ name, device: locators }: Order): Promise<void> {
  expect(entries(name)).toHaveLength(1);
  expect(entries(name)[0]).not.toHaveProperty("unfinished");
  const site = Site.read(parts);
  const records = site.state.devices.filter((each) => each.name === name);
  expect(records).toMatchObject([{ onCard: true, kind: "customer" }]);
  const { device, close } = await site.ownersDevice(name, locators);
  try {
    const { agent, module } = device;
    expect([agent.known.life, module.known.life]).toEqual([LIFE_OPERATIONAL, LIFE_OPERATIONAL]);
    expect([agent.idHex, module.idHex]).toEqual([records[0]?.agent?.id, records[0]?.module?.id]);
    expect([agent.known.partner, module.known.partner].map((id) => id && toHex(id))).toEqual([
      module.idHex,
      agent.idHex,
    ]);
    await device.unlock(site.record(name).pin);
    const { agents, modules } = site.agencies;
    for (const [element, { root }] of [
      [agent, agents],
      [module, modules],
    ] as const) {
      const { device: certificate } = verifyChain(await element.chain(), root, Number(parts.clock.now_seconds()));
      expect(toHex(certificate.id)).toBe(element.idHex);
    }
    expect((await agent.tickets()).map(({ type }) => type)).toEqual([TICKET_DEBIT_CARD]);
    expect((await agent.log()).filter(({ kind }) => kind === LOG_ACQUIRED)).toHaveLength(1);
  } finally {
    await close();
  }
  // Agent and module work together.
  const wallet = await openWallet(parts, name, { device: locators });
  await wallet.buy(parseMoney("USD 0.10"));
  await wallet.close();
  expect(places.cards.some(({ isOn }) => isOn)).toBe(false);
}

/** The card is torn out at a command of the joining that begins with it. */
export async function torn(order: Order, command: number, how: Tear): Promise<Error | undefined> {
  places.tear(command, how);
  const error = await join(order).then(
    () => undefined,
    (reason: Error) => reason,
  );
  places.tear();
  return error;
}
