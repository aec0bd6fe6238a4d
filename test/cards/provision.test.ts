/** Chips are made on cards; whatever is lost on the way, the same command and the same card end with one device that works. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { LIFE_BLANK, LIFE_INITIALISED, LIFE_OPERATIONAL } from "../../firmware/protocol/apdu.js";
import { LOG_ACQUIRED, TICKET_DEBIT_CARD } from "../../firmware/protocol/messages.js";
import { openCard } from "../../host/cards/card-elements.js";
import { toHex } from "../../host/codec/bytes.js";
import { verifyChain } from "../../host/codec/certificate.js";
import { newRecord, openPersonalisation } from "../../host/provision.js";
import { systemRandom } from "../../host/randomness.js";
import { parseMoney } from "../../host/units.js";
import { MemoryHome } from "../../host/world/home.js";
import { createWorld } from "../../host/world/init.js";
import { type JoinOrder, joinSite } from "../../host/world/join.js";
import { openRemoteDevice } from "../../host/world/remote.js";
import { Site, type WorldParts } from "../../host/world/site.js";
import { openWallet, partsIn } from "../../host/world/wallet.js";
import { World } from "../../host/world/world.js";
import type { CardApplication } from "../../simulator/card/card.js";
import { blankApplications } from "../support/cards.js";
import { type Tear, TornPlaces } from "./torn-places.js";

/** A home whose disk is full at a write, before or after which it is told. */
class FaultyHome extends MemoryHome {
  writes = 0;
  failsAt = Number.POSITIVE_INFINITY;
  isWritten = false;

  override write(name: string, text: string): void {
    this.writes += 1;
    if (this.writes !== this.failsAt) return super.write(name, text);
    if (this.isWritten) super.write(name, text);
    throw new Error("The disk is full.");
  }

  /** What this process has open it keeps. */
  override async close(): Promise<void> {}

  async end(): Promise<void> {
    await super.close();
  }
}

const home = new FaultyHome();
const places = new TornPlaces();
const parts: WorldParts = { ...partsIn(home), places: () => places };
let made = 0;

beforeAll(async () => {
  await createWorld(parts);
});
afterAll(() => home.end());
beforeEach(() => {
  places.takeOutAll();
  places.tear();
});

interface Order extends JoinOrder {
  readonly device: readonly string[];
}

function newOrder(more: Partial<Order> = {}): Order {
  made += 1;
  return { name: `dave-${made}`, holder: "Dave Dale", card: "USD 50.00", deposits: ["USD 7.00"], device: ["A"], ...more };
}

/** Agent and module of one new chip each. */
function blanks(seed: string): [CardApplication, CardApplication] {
  const [module, agent] = blankApplications(`${seed} ${made}`);
  if (module === undefined || agent === undefined) throw new Error("no chips");
  return [agent, module];
}

function putBlank(title = "A") {
  places.takeOutAll();
  return places.put(title, blanks(title));
}

const join = (order: JoinOrder) => joinSite(Site.read(parts), order);
const refusal = (order: JoinOrder) => join(order).then(
  () => "",
  ({ message }: Error) => message,
);
const entries = (name: string) => Site.read(parts).state.customers.filter((each) => each.name === name);

/** What the chips at a place say of themselves. */
async function livesAt(title: string): Promise<(number | undefined)[]> {
  const place = (await places.list()).find((each) => each.title === title);
  if (place === undefined) throw new Error(`no ${title}`);
  const card = await openCard(place);
  await card.close();
  return [card.agent?.known.life, card.module?.known.life];
}

/** One record, chips that are what it says, one chain each, one debit card, the accounts that were ordered. */
async function expectJoined({ name, device: locators }: Order): Promise<void> {
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
    expect([agent.known.partner, module.known.partner].map((id) => id && toHex(id))).toEqual([module.idHex, agent.idHex]);
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
  expect(places.cards.some(({ isOn }) => isOn)).toBe(false);
}

describe("a device on cards", () => {
  test("is made on one card, beside a purse that stays blank; its wallet buys and pays, and every cent is found", async () => {
    const order = newOrder();
    const card = blankApplications("with purse");
    places.put("A", card);
    const { module, places: where } = await join(order);
    expect(where).toEqual(["pcsc:A"]);
    await expectJoined(order);
    const [place] = await places.list();
    const opened = await openCard(place as NonNullable<typeof place>);
    expect(opened.purse?.known.life).toBe(LIFE_BLANK);
    await opened.close();

    const wallet = await openWallet(parts, order.name);
    expect(wallet.device.module.idHex).toBe(module);
    await wallet.withdraw(parseMoney("USD 7.00"));
    await wallet.pay("alice", parseMoney("USD 2.00"));
    await wallet.close();
    const alice = await openWallet(parts, "alice");
    await alice.pay(order.name, parseMoney("USD 0.50"));
    await alice.close();
    const world = await World.open(parts);
    const { device, close } = await world.site.ownersDevice(order.name);
    await device.unlock(world.site.record(order.name).pin);
    expect((await device.module.balances()).map(({ spendable }) => spendable)).toEqual([550n]);
    const audit = await world.audit([device]);
    expect(audit.map(({ balanced }) => balanced)).toEqual(audit.map(() => true));
    await close();
    // Without the card the economy works, and misses what is on it.
    places.takeOutAll();
    const without = await World.open(parts);
    expect(without.devices.has(order.name)).toBe(false);
    expect((await without.audit()).find(({ currency }) => currency === "USD")?.balanced).toBe(false);
  });
});
