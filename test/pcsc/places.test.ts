import { describe, expect, test } from "vitest";
import { AllPlaces } from "../../host/cards/all-places.js";
import { PcscPlaces } from "../../host/cards/pcsc-places.js";
import type { CardPlaces } from "../../host/cards/place.js";
import { saysExtendedLength } from "../../host/transports/atr.js";
import { CardLibraryMissingError, CardServiceMissingError } from "../../host/transports/card-errors.js";
import { resultOf } from "../../host/transports/pcsc-native.js";
import { answerToReset } from "../../simulator/card/atr.js";
import { VirtualTime } from "../support/virtual-time.js";
import { FakeService } from "./fake-service.js";

const CARD = { atr: answerToReset("T=1"), answer: () => Uint8Array.of(0x90, 0) };

function setUp(...names: string[]) {
  const service = new FakeService(...names);
  const time = new VirtualTime();
  const places = new PcscPlaces({ load: service.load, timers: time });
  const events: string[] = [];
  const watch = () =>
    places.watch(
      ({ kind, place }) => events.push(`${kind} ${place.locator} ${place.state}`),
      (error) => events.push(error.name),
    );
  const settle = async () => {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    return events.splice(0);
  };
  return { service, time, places, watch, settle };
}

describe("places in PC/SC readers", () => {
  test("are listed with what is in them", async () => {
    const { service, time, places } = setUp("One", "Two");
    service.insert("Two", CARD);
    const list = await time.run(places.list());
    expect(list.map(({ locator, title, state }) => [locator, title, state])).toEqual([
      ["pcsc:One", "One", "empty"],
      ["pcsc:Two", "Two", "card"],
    ]);
    expect(list[1]?.atr).toEqual(CARD.atr);
    service.use("Two", true);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await time.run(places.list()))[1]?.state).toBe("busy");
    await time.run(places.close());
    expect(service.threads).toBe(0);
  });

  test("are none where there is no reader", async () => {
    const { time, places } = setUp();
    expect(await time.run(places.list())).toEqual([]);
    await time.run(places.close());
  });

  test("are told of as they come and go, each change once", async () => {
    const { service, watch, settle, time, places } = setUp("One");
    const watching = watch();
    expect(await settle()).toEqual(["added pcsc:One empty"]);
    service.plug("Two");
    expect(await settle()).toEqual(["added pcsc:Two empty"]);
    service.insert("Two", CARD);
    service.tell("Two");
    service.tell("One");
    expect(await settle()).toEqual(["changed pcsc:Two card"]);
    service.remove("Two");
    expect(await settle()).toEqual(["changed pcsc:Two empty"]);
    service.unplug("Two");
    expect(await settle()).toEqual(["removed pcsc:Two empty"]);
    service.plug("Two");
    expect(await settle()).toEqual(["added pcsc:Two empty"]);
    await watching.stop();
    service.unplug("One");
    expect(await settle()).toEqual([]);
    await time.run(places.close());
    expect(service.threads).toBe(0);
  });

  test("are all told to whoever begins to watch later", async () => {
    const { watch, settle } = setUp("One", "Two");
    watch();
    expect(await settle()).toHaveLength(2);
    watch();
    expect(await settle()).toEqual(["added pcsc:One empty", "added pcsc:Two empty"]);
  });

  test("are gone with the service, which is told once, and there again with it", async () => {
    const { service, watch, settle, time } = setUp("One");
    watch();
    await settle();
    service.end();
    expect(await settle()).toEqual(["removed pcsc:One empty", "CardServiceMissingError"]);
    for (let i = 0; i < 3; i += 1) {
      expect(time.clock.advanceToNext()).toBe(true);
      expect(await settle()).toEqual([]);
    }
    service.restart();
    service.plug("Two");
    while (time.clock.advanceToNext());
    expect(await settle()).toEqual(["added pcsc:One empty", "added pcsc:Two empty"]);
    service.end();
    expect((await settle()).at(-1)).toBe("CardServiceMissingError");
  });

  test("without service or library: the list refuses, and whoever watches is told once", async () => {
    const { service, places, watch, settle, time } = setUp("One");
    service.end();
    await expect(places.list()).rejects.toThrow(CardServiceMissingError);
    watch();
    expect(await settle()).toEqual(["CardServiceMissingError"]);
    service.restart();
    time.clock.advanceToNext();
    expect(await settle()).toEqual(["added pcsc:One empty"]);
    const load = () => {
      throw new CardLibraryMissingError(new Error("Cannot find module"));
    };
    await expect(new PcscPlaces({ load }).list()).rejects.toThrow(/libpcsclite-dev.*npm ci/);
  });
});

describe("all places together", () => {
  const none: CardPlaces = {
    list: () => Promise.reject(new CardServiceMissingError()),
    watch: (_changed, failed) => {
      failed(new CardServiceMissingError());
      return { stop: async () => undefined };
    },
    close: async () => undefined,
  };

  test("what one way lacks does not hide the others, and is told", async () => {
    const { places, time } = setUp("One");
    const all = new AllPlaces([none, places]);
    expect((await time.run(all.list())).map(({ locator }) => locator)).toEqual(["pcsc:One"]);
    expect(all.missing.map(({ name }) => name)).toEqual(["CardServiceMissingError"]);
    const events: string[] = [];
    const watching = all.watch(
      ({ place }) => events.push(place.locator),
      (error) => events.push(error.name),
    );
    await time.run(places.list());
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(events).toEqual(["CardServiceMissingError", "pcsc:One"]);
    await watching.stop();
    await time.run(all.close());
  });
});

describe("words of PC/SC", () => {
  test("have their number at the end", () => {
    expect(resultOf(new Error("SCardConnect error: Sharing violation.(0x8010000b)"))).toBe(0x8010000b);
    expect(resultOf(new Error("SCardConnect error: Sharing violation.(0xffffffff8010000b)"))).toBe(0x8010000b);
    expect(resultOf(new Error("Card Reader not connected"))).toBeUndefined();
  });

  test("extended length is a bit of the card's capabilities (ISO/IEC 7816-4, 12.1.1.9)", () => {
    expect(saysExtendedLength(answerToReset("T=1"))).toBe(true);
    expect(saysExtendedLength(answerToReset("T=0"))).toBe(false);
    const bytes = (...all: number[]) => Uint8Array.of(...all);
    // T0 says four historical bytes: category, capabilities of two bytes only.
    expect(saysExtendedLength(bytes(0x3b, 0x04, 0x80, 0x72, 0xff, 0xff))).toBe(false);
    expect(saysExtendedLength(bytes(0x3b, 0x05, 0x80, 0x73, 0x00, 0x00, 0x40))).toBe(true);
    expect(saysExtendedLength(bytes(0x3b, 0x05, 0x31, 0x73, 0x00, 0x00, 0x40))).toBe(false);
    // Interface bytes are passed over, however many.
    expect(saysExtendedLength(bytes(0x3b, 0xf5, 1, 2, 3, 0x91, 4, 0x31, 5, 6, 0x80, 0x73, 0, 0, 0x40, 0))).toBe(true);
    for (const atr of [[], [0x3b], [0x3b, 0x85], [0x3b, 0xff, 1], [0x3b, 0x0f, 0x80, 0x73]]) {
      expect(saysExtendedLength(Uint8Array.from(atr))).toBe(false);
    }
  });
});
