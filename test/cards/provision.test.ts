/** Devices are made on cards in readers, of blank chips and of no others. */

import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { LIFE_BLANK, LIFE_INITIALISED } from "../../firmware/protocol/apdu.js";
import { openCard } from "../../host/cards/card-elements.js";
import { newRecord, openPersonalisation } from "../../host/provision.js";
import { systemRandom } from "../../host/randomness.js";
import { parseMoney } from "../../host/units.js";
import { openRemoteDevice } from "../../host/world/remote.js";
import { Site } from "../../host/world/site.js";
import { openWallet } from "../../host/world/wallet.js";
import { World } from "../../host/world/world.js";
import { blankApplications } from "../support/cards.js";
import {
  blanks,
  entries,
  expectJoined,
  FaultyHome,
  join,
  livesAt,
  newOrder,
  parts,
  places,
  provideEconomy,
  putBlank,
  refusal,
} from "./provisioning.js";

provideEconomy();

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
    expect(wallet.id).toBe(module);
    await wallet.withdraw(parseMoney("USD 7.00"));
    await wallet.pay("alice", parseMoney("USD 2.00"));
    await wallet.close();
    const alice = await openWallet(parts, "alice");
    await alice.pay(order.name, parseMoney("USD 0.50"));
    await alice.close();
    const world = await World.open(parts);
    const { device, close } = await world.site.ownersDevice(order.name);
    await device.unlock(world.site.record(order.name).pin);
    expect((await device.module.balances()).map(({ spendable }) => spendable)).toEqual([560n]);
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

test("a device is made on a card that knows short commands alone", async () => {
  const order = newOrder();
  const chips = blanks("T=0");
  places.put("A", chips, { protocol: "T=0" });
  places.tear(90, "done");
  await expect(join(order)).rejects.toThrow(/broken off/);
  places.tear();
  await join(order);
  await expectJoined(order);
});

describe("on two cards", () => {
  function apart() {
    places.takeOutAll();
    const [agent, module] = blanks("apart");
    places.put("M", [module]);
    places.put("A", [agent]);
  }

  test("in either order; half of it, or two of a sort, is refused before anything is done", async () => {
    for (const device of [
      ["A", "M"],
      ["M", "A"],
    ]) {
      const order = newOrder({ device });
      apart();
      for (const [wrong, message] of [
        [["A"], /no money module in A.*second --device/],
        [["M", "M"], /no trusted agent in M/],
      ] as const) {
        expect(await refusal({ ...order, device: wrong })).toMatch(message);
      }
      places.put("A2", blanks("more"));
      expect(await refusal({ ...order, device: ["A", "A2"] })).toMatch(/trusted agent in A and another in A2/);
      expect(entries(order.name)).toEqual([]);
      expect((await join(order)).places).toEqual(device.map((title) => `pcsc:${title}`));
      await expectJoined(order);
    }
  });

  test("broken off between them", async () => {
    const order = newOrder({ device: ["A", "M"] });
    apart();
    places.tear(30, "done");
    const again = `Run "tally device provision ${order.name} --device 'pcsc:A' --device 'pcsc:M'" again with the same card`;
    await expect(join(order)).rejects.toThrow(again);
    places.tear();
    await join(order);
    await expectJoined(order);
  });
});

test("the command that goes on is one command to a shell, whatever the reader is called", async () => {
  const title = "A'; date; '";
  const order = newOrder({ device: [title] });
  places.put(title, blanks("quoted"));
  places.tear(30, "done");
  const error = await join(order).catch((reason: Error) => reason);
  const [, command = ""] = /Run "(.*)" again with the same card/.exec(String(error)) ?? [];
  const words = execFileSync("sh", ["-c", `printf '%s\\n' ${command}`], { encoding: "utf8" });
  expect(words).toBe(`tally\ndevice\nprovision\n${order.name}\n--device\npcsc:${title}\n`);
});

describe("chips that are not blank", () => {
  test("of another agency, on their way: refused as often as one likes, and they are not hurt", async () => {
    const [agentOnCard, moduleOnCard] = blanks("foreign");
    places.put("A", [agentOnCard, moduleOnCard]);
    const place = (await places.list())[0];
    if (place === undefined) throw new Error("no place");
    const card = await openCard(place);
    const record = newRecord({ role: 0x01 }, systemRandom);
    await card.agent?.putKey(Buffer.from(record.personalisationKey, "hex"));
    await card.close();
    const state = JSON.stringify(Site.read(parts).state);
    const order = newOrder();
    for (let tries = 0; tries < 20; tries += 1) {
      expect(await refusal(order)).toMatch(
        /trusted agent in A is not blank \(initialised\).*not begun for this order\. Nothing was changed in it and no money/,
      );
    }
    expect(JSON.stringify(Site.read(parts).state)).toBe(state);
    expect(await livesAt("A")).toEqual([LIFE_INITIALISED, LIFE_BLANK]);
    const again = await openCard(place);
    expect(again.agent && (await openPersonalisation(again.agent, record))).toBe("initialised");
    await again.close();
  });

  test("operational ones of somebody else: refused, and their PIN has all its tries", async () => {
    const owner = newOrder();
    putBlank();
    await join(owner);
    const order = newOrder();
    for (let tries = 0; tries < 4; tries += 1) {
      expect(await refusal(order)).toMatch(/trusted agent in A is not blank \(operational\)/);
    }
    expect(entries(order.name)).toEqual([]);
    await expectJoined(owner);
  });

  test("a blank agent beside somebody's module: nothing is begun", async () => {
    const owner = newOrder();
    const [agent, module] = blanks("owner");
    places.put("A", [agent, module]);
    await join(owner);
    const order = newOrder();
    const [blank] = blanks("mixed");
    places.put("Mixed", [blank, module]);
    expect(await refusal({ ...order, device: ["Mixed"] })).toMatch(/money module in Mixed is not blank/);
    expect((await livesAt("Mixed"))[0]).toBe(LIFE_BLANK);
    expect(entries(order.name)).toEqual([]);
  });
});

describe("a place whose random bytes are not fit for keys", () => {
  test.each([
    ["seeded", /from a seed, for tests: its keys could be known to others/],
    ["none", /it cannot make keys/],
  ] as const)("%s: refused before anything is written or asked of the chips", async (origin, message) => {
    const order = newOrder();
    places.put("A", blanks("board"), { origin });
    expect(await refusal(order)).toMatch(message);
    expect(await refusal(order)).toMatch(/Nothing was written and no money moved/);
    expect(places.sent).toEqual([]);
    expect(entries(order.name)).toEqual([]);
    expect(places.cards.some(({ isOn }) => isOn)).toBe(false);
  });

  test("is refused in the middle of an order too; one that is fit, or does not know, is taken", async () => {
    const order = newOrder();
    const chips = blanks("board");
    places.put("A", chips, { origin: "fit" });
    places.tear(20);
    await expect(join(order)).rejects.toThrow(/broken off/);
    places.tear();
    places.takeOutAll();
    places.put("A", chips, { origin: "seeded" });
    expect(await refusal(order)).toMatch(/from a seed/);
    places.takeOutAll();
    places.put("A", chips, { origin: "fit" });
    await join(order);
    await expectJoined(order);
  });
});

describe("a home of its own", () => {
  test("has no chips in it: the card is found by its ids, and the PIN is the owner's alone", async () => {
    const own = new FaultyHome();
    const order = newOrder({ into: { home: own } });
    putBlank();
    places.tear(40, "done");
    await expect(join(order)).rejects.toThrow(/broken off/);
    places.tear();
    const { pin, module } = await join(order);
    expect(Site.read(parts).state.devices.some(({ name }) => name === order.name)).toBe(false);
    expect(entries(order.name)).toMatchObject([{ elsewhere: { module: { id: module } } }]);
    expect(JSON.parse(own.read("wallet.json") ?? "")).toMatchObject({ name: order.name, module, onCard: true });
    const { device, close } = await openRemoteDevice({ ...parts, home: own }, pin);
    expect(device.module.idHex).toBe(module);
    const world = await World.open(parts);
    expect((await world.audit([device])).length).toBeGreaterThan(0);
    await close();
    places.takeOutAll();
    await expect(openRemoteDevice({ ...parts, home: own }, pin)).rejects.toThrow(/No reader or device is seen/);
    await own.end();
  });
});
