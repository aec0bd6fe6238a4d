import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AID_MONEY_MODULE, AID_PURSE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import { openCard } from "../../host/cards/card-elements.js";
import { chipsAnywhere, chipsAt, findPlace, type WantedChips } from "../../host/cards/find.js";
import type { ElementSort } from "../../host/message-manager.js";
import {
  CardAbsentError,
  CardInUseError,
  CardServiceMissingError,
  ReaderMissingError,
} from "../../host/transports/card-errors.js";
import { MemoryHome } from "../../host/world/home.js";
import { createWorld } from "../../host/world/init.js";
import { partsIn } from "../../host/world/wallet.js";
import type { World } from "../../host/world/world.js";
import type { CardApplication } from "../../simulator/card/card.js";
import { application, TablePlaces } from "./places.js";

const APPLETS = { agent: AID_TRUSTED_AGENT, module: AID_MONEY_MODULE } as const;

let world: World;
beforeAll(async () => {
  world = await createWorld(partsIn(new MemoryHome()));
});
afterAll(() => world.close());

/** What is on a card has no power when it is in none. */
const chips = new Map<string, Promise<CardApplication>>();

function chip(owner: string, sort: ElementSort): Promise<CardApplication> {
  const name = `${owner}.${sort}`;
  const made = async () => application(APPLETS[sort], (await world.parts.home.chips.chip(name, sort)).simulated);
  const known = chips.get(name) ?? made();
  chips.set(name, known);
  return known;
}

function wantedOf(owner: string): WantedChips {
  const { agent, module } = world.site.record(owner);
  return { owner, agent: agent?.id ?? "", module: module?.id ?? "" };
}

async function alicesCard(places: TablePlaces, title: string) {
  return places.put(title, await chip("alice", "agent"), await chip("alice", "module"));
}

async function unpersonalisedPurse() {
  const { simulated } = await world.parts.home.chips.chip("blank.purse", "purse");
  return application(AID_PURSE, simulated);
}

describe("the elements of a card", () => {
  test("are not waited for where this process has them already", async () => {
    const places = new TablePlaces();
    await alicesCard(places, "A");
    const [place] = await places.list();
    const again = () => openCard(place as NonNullable<typeof place>);
    const card = await again();
    await expect(again()).rejects.toThrow(CardInUseError);
    expect(places.cards[0]?.isOn).toBe(true);
    await card.close();
    await (await again()).close();
  });

  test("have a channel each, and all that is there is found", async () => {
    const places = new TablePlaces();
    places.put("A", await unpersonalisedPurse(), await chip("alice", "agent"), await chip("alice", "module"));
    const [place] = await places.list();
    const card = await openCard(place as NonNullable<typeof place>);
    expect([card.agent?.applet, card.module?.applet, card.purse?.applet]).toEqual([2, 1, 3]);
    // One PIN does not stand for another's, and one channel's work does not end another's.
    const { pin } = world.site.record("alice");
    await card.agent?.verifyPin(pin);
    await expect(card.module?.balances()).rejects.toThrow(/wants its PIN/);
    await card.module?.verifyPin(pin);
    expect(await card.module?.balances()).toBeDefined();
    expect(await card.agent?.tickets()).toHaveLength(1);
    // All of them are restarted together.
    await card.agent?.restart();
    await card.module?.restart();
    await expect(card.agent?.tickets()).rejects.toThrow(/wants its PIN/);
    await card.agent?.verifyPin(pin);
    await card.module?.verifyPin(pin);
    expect(await card.agent?.tickets()).toHaveLength(1);
    await card.close();
    expect(places.cards[0]?.isOn).toBe(false);
  });

  test("of a card of something else are none", async () => {
    const places = new TablePlaces();
    const { element } = await chip("alice", "module");
    places.put("A", { aid: Uint8Array.of(1, 2, 3, 4, 5), element });
    const [place] = await places.list();
    const card = await openCard(place as NonNullable<typeof place>);
    expect([card.agent, card.module, card.purse]).toEqual([undefined, undefined, undefined]);
    await card.close();
  });
});

describe("a place by its name", () => {
  test("is the one that is called so, or the only one with these words in it", async () => {
    const places = new TablePlaces();
    places.put("ACME Reader 00 00");
    places.put("ACME Reader 00 01");
    places.put("Other 00");
    const title = async (locator: string) => (await findPlace(places, locator)).title;
    expect(await title("pcsc:ACME Reader 00 00")).toBe("ACME Reader 00 00");
    expect(await title("Other 00")).toBe("Other 00");
    expect(await title("pcsc:other")).toBe("Other 00");
    expect(await title("acme reader 00 01")).toBe("ACME Reader 00 01");
    await expect(title("acme")).rejects.toThrow(
      /"acme" may be any of these: pcsc:ACME Reader 00 00, pcsc:ACME Reader 00 01.*No|no money moved/,
    );
    await expect(title("usb:other")).rejects.toThrow(/no place "usb:other".*There are: pcsc:ACME/);
    await expect(title("pcsc:")).rejects.toThrow(/no place "pcsc:"/);
    places.missing = [new CardServiceMissingError()];
    await expect(title("nothing")).rejects.toThrow(/no place "nothing".*pcscd/);
    await expect(findPlace(new TablePlaces(), "x")).rejects.toThrow(/No reader or device is seen/);
  });
});

describe("an owner's chips", () => {
  test("are at the place that was named, on one card or on two", async () => {
    const places = new TablePlaces();
    await alicesCard(places, "A");
    const one = await chipsAt(places, wantedOf("alice"), ["A"]);
    expect([one.agent.idHex, one.module.idHex]).toEqual([wantedOf("alice").agent, wantedOf("alice").module]);
    await one.close();
    const apart = new TablePlaces();
    apart.put("A", await chip("alice", "agent"));
    apart.put("M", await chip("alice", "module"));
    for (const locators of [
      ["A", "M"],
      ["M", "A"],
    ]) {
      const both = await chipsAt(apart, wantedOf("alice"), locators);
      expect([both.agent.applet, both.module.applet]).toEqual([2, 1]);
      await both.close();
    }
    await expect(chipsAt(apart, wantedOf("alice"), ["A"])).rejects.toThrow(/no money module in A.*second --device/);
    await expect(chipsAt(apart, wantedOf("alice"), ["M", "M"])).rejects.toThrow(/no trusted agent in M/);
    expect(apart.cards.some(({ isOn }) => isOn)).toBe(false);
  });

  test("are not another's: that card is refused, and nothing is asked of it", async () => {
    const places = new TablePlaces();
    await alicesCard(places, "A");
    places.put("Mixed", await chip("bob", "agent"), await chip("carol", "module"));
    await expect(chipsAt(places, wantedOf("bob"), ["A"])).rejects.toThrow(
      /card in A has other chips than those of bob/,
    );
    await expect(chipsAt(places, wantedOf("bob"), ["Mixed"])).rejects.toThrow(/other chips/);
    await expect(chipsAt(places, wantedOf("alice"), ["A", "Mixed"])).rejects.toThrow(
      /trusted agent in A and another in Mixed/,
    );
    expect(places.cards.some(({ isOn }) => isOn)).toBe(false);
  });

  test("without a name are looked for at every place", async () => {
    const places = new TablePlaces();
    places.refuse("Empty", "empty", new Error("never asked"));
    places.refuse("Busy", "busy", new CardInUseError("Busy"));
    places.refuse("Gone", "card", new ReaderMissingError("Gone"));
    places.put("Bob", await chip("bob", "agent"), await chip("bob", "module"));
    places.put("Half", await chip("alice", "module"));
    places.put("Foreign");
    places.missing = [new CardServiceMissingError()];
    const error = await chipsAnywhere(places, wantedOf("alice")).catch((reason: Error) => reason);
    expect(String(error)).toMatch(
      /chips of alice were not found.*Empty \(no card\).*Gone \(not connected\).*Bob \(a card with other chips\).*Half \(a part.*Foreign \(a card of something else\).*Busy \(another program.*pcscd/,
    );
    places.put("Agent", await chip("alice", "agent"));
    places.asked.splice(0);
    const found = await chipsAnywhere(places, wantedOf("alice"));
    // One that is in use would be waited for, and is not once the chips are found.
    expect(places.asked).toEqual(["Gone", "Bob", "Half", "Foreign", "Agent"]);
    expect(found.module.idHex).toBe(wantedOf("alice").module);
    expect(places.cards.map(({ isOn }) => isOn)).toEqual([false, true, false, true]);
    await found.close();
    expect(places.cards.some(({ isOn }) => isOn)).toBe(false);
  });

  test("are not where there is no card, and nowhere where nothing is connected", async () => {
    const places = new TablePlaces();
    await expect(chipsAnywhere(places, wantedOf("alice"))).rejects.toThrow(/No reader or device is seen/);
    places.refuse("A", "empty", new Error("never asked"));
    await expect(chipsAt(places, wantedOf("alice"), ["A"])).rejects.toThrow(CardAbsentError);
  });

  test("whose ids nobody has written down are taken where they were said to be", async () => {
    const places = new TablePlaces();
    await alicesCard(places, "A");
    const found = await chipsAt(places, { owner: "alice" }, ["A"]);
    expect(found.module.idHex).toBe(wantedOf("alice").module);
    await found.close();
  });
});
