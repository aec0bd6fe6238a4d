/** A card in a virtual reader: framing, power, readers that go and come, and what is no reader. */

import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Card, type ReadableCard } from "../../simulator/card/card.js";
import { SlowCard } from "../../simulator/card/slow.js";
import {
  ABSENT_MS,
  CardInVirtualReader,
  type CardReaderEvent,
  RETRY_MS,
  UNHEARD_MS,
} from "../../simulator/card/vpcd.js";
import { VirtualClock } from "../../simulator/time.js";
import { blankApplications, MODULE, select } from "../support/cards.js";
import { framed, VirtualReader } from "../support/virtual-reader.js";

const OFF = 0;
const ON = 1;
const RESET = 2;
const ATR = 4;
const INFORMATION = [0x00, 0xca, 0xdf, 0x01, 0x00];
const OK = [0x90, 0x00];

let reader: VirtualReader;
let inserted: CardInVirtualReader | undefined;
beforeEach(async () => {
  reader = new VirtualReader();
  await reader.open();
});
afterEach(async () => {
  inserted?.remove();
  await reader.close();
});

/** What it tells; `until` waits for an event that is yet to come. */
function watched(card: CardInVirtualReader) {
  const events: CardReaderEvent[] = [];
  let wake = () => {};
  card.onEvent = (event) => {
    events.push(event);
    wake();
  };
  const until = async (event: CardReaderEvent) => {
    while (!events.includes(event)) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return events.splice(0, events.indexOf(event) + 1);
  };
  return { events, until };
}

function cardIn(card: ReadableCard, clock = new VirtualClock()) {
  inserted = new CardInVirtualReader(card, reader.place, clock);
  const seen = watched(inserted);
  return { inserted, clock, ...seen };
}

function blankCard(): Card {
  return new Card(blankApplications("in a reader"));
}

/** What the same card says without a reader. */
function expected(...commands: readonly (readonly number[])[]): Uint8Array {
  const card = blankCard();
  card.powerOn();
  return commands.map((command) => card.transmit(Uint8Array.from(command))).at(-1) ?? new Uint8Array(0);
}

/** Turns of the event loop, for what must not come. */
async function idle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe("a card in a virtual reader", () => {
  test("answers with its ATR and to commands, and says nothing to power", async () => {
    const card = blankCard();
    const { inserted, until } = cardIn(card);
    inserted.insert();
    const slot = await reader.card();
    expect(await slot.ask(ATR)).toEqual(card.atr);
    slot.send(ON);
    expect(await slot.ask(...select(MODULE))).toEqual(expected([...select(MODULE)]));
    expect(await slot.ask(...INFORMATION)).toEqual(expected([...select(MODULE)], INFORMATION));
    slot.send(RESET);
    expect([...(await slot.ask(...INFORMATION))]).toEqual([0x69, 0x85]);
    slot.send(OFF);
    expect(await slot.ask(...INFORMATION)).toEqual(new Uint8Array(0));
    expect(await until("unpowered")).toEqual(["inserted", "powered", "reset", "unpowered"]);
    expect(slot.unread).toBe(0);
  });

  test("hears a conversation that is cut at any byte", async () => {
    const conversation = [[ATR], [ON], [...select(MODULE)], INFORMATION, [OFF], [ATR]];
    const bytes = Buffer.concat(conversation.map((message) => framed(Uint8Array.from(message))));
    const card = blankCard();
    const { inserted } = cardIn(card);
    inserted.insert();
    const slot = await reader.card();
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      slot.sendBytes(bytes.subarray(0, cut));
      // A round trip of its own between the two would be another conversation: only the loop turns.
      await new Promise((resolve) => setImmediate(resolve));
      slot.sendBytes(bytes.subarray(cut));
      expect(await slot.message()).toEqual(card.atr);
      expect((await slot.message()).subarray(-2)).toEqual(Uint8Array.from(OK));
      expect(await slot.message()).toEqual(expected([...select(MODULE)], INFORMATION));
      expect(await slot.message()).toEqual(card.atr);
    }
    for (const byte of bytes) slot.sendBytes(Uint8Array.of(byte));
    for (let message = 0; message < 4; message += 1) await slot.message();
    expect(slot.unread).toBe(0);
  });

  test("takes messages of any length, and control bytes that nobody knows", async () => {
    const { inserted } = cardIn(blankCard());
    inserted.insert();
    const slot = await reader.card();
    slot.send(ON);
    await slot.ask(...select(MODULE));
    expect([...(await slot.ask())]).toEqual([0x67, 0x00]);
    expect([...(await slot.askBytes(new Uint8Array(65_535)))]).toEqual([0x67, 0x00]);
    for (let control = 0; control < 256; control += 1) if (![OFF, ON, RESET, ATR].includes(control)) slot.send(control);
    expect((await slot.ask(...INFORMATION)).subarray(-2)).toEqual(Uint8Array.from(OK));
    expect(slot.unread).toBe(0);
  });

  test("is not upset by anything", async () => {
    const { inserted } = cardIn(blankCard());
    inserted.insert();
    const slot = await reader.card();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 20 }), async (messages) => {
        // An answer for the ATR, and one for each that is not of one byte.
        const answers = messages.map((message) => (message.length === 1 ? Number(message[0] === ATR) : 1));
        for (const message of messages) slot.send(...message);
        for (let due = answers.reduce((sum, each) => sum + each, 0); due > 0; due -= 1) await slot.message();
        expect((await slot.ask(ATR)).length).toBeGreaterThan(2);
      }),
      { numRuns: 50 },
    );
    expect(slot.unread).toBe(0);
  });

  test("is put in again when the reader was gone, and says once that there is none", async () => {
    const card = blankCard();
    const { inserted, clock, until, events } = cardIn(card);
    inserted.insert();
    const slot = await reader.card();
    slot.send(ON);
    await slot.ask(...select(MODULE));
    slot.sendBytes(Uint8Array.of(0, 5, 0x00, 0xca)); // In the middle of a command.
    await reader.close();
    expect(await until("removed")).toEqual(["inserted", "powered", "removed"]);
    expect(card.isOn).toBe(false);
    clock.advance(ABSENT_MS);
    await until("waiting");
    for (let retries = 0; retries < 3; retries += 1) {
      await nextRetry(clock);
      clock.advance(RETRY_MS);
    }
    expect(events).toEqual([]);
    await nextRetry(clock);
    await reader.open();
    clock.advance(RETRY_MS);
    const again = await reader.card();
    expect(await until("inserted")).toEqual(["inserted"]);
    // What was left of the command is not the beginning of this.
    expect(await again.ask(ATR)).toEqual(card.atr);
    again.send(ON);
    expect(await again.ask(...select(MODULE))).toEqual(expected([...select(MODULE)]));
  });

  test("waits for a reader that is not there yet", async () => {
    await reader.close();
    const { inserted, clock, until } = cardIn(blankCard());
    inserted.insert();
    expect(await until("waiting")).toEqual(["waiting"]);
    await reader.open();
    clock.advance(RETRY_MS);
    expect(await until("inserted")).toEqual(["inserted"]);
  });

  test("is torn out: the chip has no power, and nothing is sent; it comes back when the reader has seen it gone", async () => {
    const card = blankCard();
    const { inserted, clock, until, events } = cardIn(card);
    inserted.insert();
    const slot = await reader.card();
    slot.send(ON);
    await slot.ask(...select(MODULE));
    inserted.remove();
    inserted.remove();
    expect(card.isOn).toBe(false);
    await slot.closed;
    clock.advance(10 * RETRY_MS);
    await idle();
    expect(events).toEqual(["inserted", "powered", "removed"]);
    inserted.insert();
    inserted.insert();
    const again = await reader.card();
    expect(await again.ask(ATR)).toEqual(card.atr);
    inserted.remove();
    inserted.insert();
    clock.advance(ABSENT_MS - 1);
    await idle();
    expect(events.slice(3)).toEqual(["inserted", "removed"]);
    clock.advance(1);
    expect(await (await reader.card()).ask(ATR)).toEqual(card.atr);
    expect(events.slice(3)).toEqual(["inserted", "removed", "inserted"]);
    await until("inserted");
  });

  test("says when nobody asks for it, once", async () => {
    const { inserted, clock, until, events } = cardIn(blankCard());
    inserted.insert();
    await reader.card();
    await until("inserted");
    clock.advance(UNHEARD_MS - 1);
    expect(events).toEqual([]);
    clock.advance(1);
    expect(events).toEqual(["unheard"]);
    clock.advance(10 * UNHEARD_MS);
    expect(events).toEqual(["unheard"]);
  });

  test("that is asked for does not say so", async () => {
    const { inserted, clock, events } = cardIn(blankCard());
    inserted.insert();
    await (await reader.card()).ask(ATR);
    clock.advance(10 * UNHEARD_MS);
    expect(events).toEqual(["inserted"]);
  });
});

describe("a slow card in a virtual reader", () => {
  function slow() {
    const clock = new VirtualClock();
    const card = blankCard();
    const run: number[] = [];
    const transmit = card.transmit.bind(card);
    card.transmit = (apdu) => {
      run.push(apdu[1] ?? 0);
      return transmit(apdu);
    };
    return { card, run, ...cardIn(new SlowCard(card, 50, clock), clock) };
  }

  test("answers in the order of what it was asked, control bytes too", async () => {
    const { card, inserted, clock } = slow();
    inserted.insert();
    const slot = await reader.card();
    slot.send(ON);
    slot.send(...select(MODULE));
    slot.send(ATR);
    slot.send(...INFORMATION);
    slot.send(ATR);
    await due(clock);
    clock.advance(50);
    expect(await slot.message()).toEqual(expected([...select(MODULE)]));
    expect(await slot.message()).toEqual(card.atr);
    await due(clock);
    clock.advance(50);
    expect(await slot.message()).toEqual(expected([...select(MODULE)], INFORMATION));
    expect(await slot.message()).toEqual(card.atr);
  });

  test.each([OFF, RESET])(
    "has not run what it was asked when power goes meanwhile (%i), and is mute for it",
    async (control) => {
      const { card, run, inserted, clock, until } = slow();
      inserted.insert();
      const slot = await reader.card();
      slot.send(ON);
      slot.send(...select(MODULE));
      await due(clock);
      clock.advance(49);
      slot.send(control);
      slot.send(ATR);
      expect(await slot.message()).toEqual(new Uint8Array(0));
      expect(await slot.message()).toEqual(card.atr);
      await until(control === OFF ? "unpowered" : "reset");
      clock.advance(1000);
      await idle();
      expect(run).toEqual([]);
      expect(card.isOn).toBe(control === RESET);
    },
  );

  test("has not run what it was asked when it is torn out, and serves the next reader", async () => {
    const { run, inserted, clock } = slow();
    inserted.insert();
    const slot = await reader.card();
    slot.send(ON);
    slot.send(...select(MODULE));
    await due(clock);
    inserted.remove();
    await slot.closed;
    expect(slot.unread).toBe(0);
    clock.advance(1000);
    await idle();
    expect(run).toEqual([]);
    inserted.insert();
    clock.advance(ABSENT_MS);
    const again = await reader.card();
    again.send(ON);
    again.send(...select(MODULE));
    await due(clock);
    clock.advance(50);
    expect(await again.message()).toEqual(expected([...select(MODULE)]));
  });
});

/** A command waits in the slow card. */
async function due(clock: VirtualClock): Promise<void> {
  const isDue = () => (clock.nextDueMs() ?? Number.POSITIVE_INFINITY) <= clock.nowMs() + 50;
  while (!isDue()) await new Promise((resolve) => setImmediate(resolve));
}

/** The next try is set. */
async function nextRetry(clock: VirtualClock): Promise<void> {
  const isDue = () => (clock.nextDueMs() ?? Number.POSITIVE_INFINITY) <= clock.nowMs() + RETRY_MS;
  while (!isDue()) await new Promise((resolve) => setImmediate(resolve));
}
