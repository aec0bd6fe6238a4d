import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as m from "../../firmware/protocol/messages.js";
import { type Disturbance, inProcessLink, type MessageFate } from "../../host/communications/in-process.js";
import { DeviceBusyError, LinkClosedError } from "../../host/device.js";
import type { CarriedEnvelope } from "../../host/message-manager.js";
import { ReasonError } from "../../host/reasons.js";
import { TransportError } from "../../host/transport.js";
import { count, pingPongDevice } from "../support/ping-pong.js";
import { PingPongCard, START } from "../support/ping-pong-card.js";
import { VirtualTime } from "../support/virtual-time.js";

const fates: fc.Arbitrary<MessageFate> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<MessageFate>({ kind: "deliver" }) },
  fc.constant<MessageFate>({ kind: "lose" }),
  fc.integer({ min: 1, max: 3 }).map((times): MessageFate => ({ kind: "repeat", times })),
  fc.integer({ min: 1, max: 3 }).map((messages): MessageFate => ({ kind: "overtaken", messages })),
  fc.integer({ min: 1, max: 60_000 }).map((delay_ms): MessageFate => ({ kind: "delay", delay_ms })),
  fc.uint8Array({ maxLength: 40 }).map((message): MessageFate => ({ kind: "replace", message })),
);

describe("message manager", () => {
  test("carries a conversation to its end over a good link, each message once", async () => {
    const { one, two, cards } = await count(undefined);
    expect([one.status, two.status]).toEqual(["fulfilled", "fulfilled"]);
    expect(cards[0].accepted).toEqual([2, 4, 6, 8]);
    expect(cards[1].accepted).toEqual([1, 3, 5, 7]);
  });

  test("survives any loss, repetition, delay, disorder and garbage, as long as queries last", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fates, { maxLength: 12 }), async (fatesInTurn) => {
        const plan = [...fatesInTurn];
        // An exchange is a message and its answer: it may be struck twice, and is over when two in a row have arrived.
        let struck = 0;
        let arrived = 0;
        const disturbance: Disturbance = () => {
          const fate = plan.shift() ?? { kind: "deliver" };
          const arrives = fate.kind === "deliver" || fate.kind === "repeat";
          arrived = arrives ? arrived + 1 : 0;
          if (arrived === 2) struck = 0;
          if (arrives || struck === 2) return arrives ? fate : { kind: "deliver" };
          struck += 1;
          return fate;
        };
        const { one, two, cards } = await count(disturbance);
        expect([one.status, two.status]).toEqual(["fulfilled", "fulfilled"]);
        expect(cards[0].accepted).toEqual([2, 4, 6, 8]);
        expect(cards[1].accepted).toEqual([1, 3, 5, 7]);
        // A notice that an element offers again is not given to the application again.
        expect(one.status === "fulfilled" && one.value).toEqual([]);
        expect(two.status === "fulfilled" && two.value).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test("a peer that never answers: queries, then the element's own abort", async () => {
    const { one, cards } = await count((direction) => ({ kind: direction === 1 ? "lose" : "deliver" }));
    expect(one.status === "rejected" && one.reason).toBeInstanceOf(ReasonError);
    expect(cards[0].accepted).toEqual([]);
  });

  test("a cable that is pulled ends both sides at once, without waiting for timers", async () => {
    let time_ms = 0;
    const { one, two } = await count((_direction, index, message) => {
      time_ms = message.length;
      return { kind: index === 2 ? "cut" : "deliver" };
    });
    expect(time_ms).toBeGreaterThan(0);
    expect(one.status).toBe("rejected");
    expect(two.status === "rejected" && two.reason).toSatisfy(
      (error) => error instanceof LinkClosedError || error instanceof ReasonError,
    );
  });

  test("an answer of the own card that is lost is asked for again, and nothing is done or told twice", async () => {
    await fc.assert(
      fc.asyncProperty(
        // Not the answer to the word of the timer, which is APDU 2 of the second card: said again it counts as another query.
        fc.uniqueArray(fc.integer({ min: 3, max: 30 }), { maxLength: 12 }),
        fc.constantFrom(0, 1),
        async (lost, which) => {
          const cards = [new PingPongCard(), new PingPongCard()] as const;
          let inARow = 0;
          cards[which].loseAnswers = (number) => {
            inARow = lost.includes(number) ? inARow + 1 : 0;
            return inARow > 0 && inARow <= 3;
          };
          const { one, two } = await count(undefined, cards);
          expect(one).toMatchObject({ status: "fulfilled", value: [] });
          expect(two).toMatchObject({ status: "fulfilled", value: [] });
          expect(cards[0].accepted).toEqual([2, 4, 6, 8]);
          expect(cards[1].accepted).toEqual([1, 3, 5, 7]);
        },
      ),
    );
  });

  test("a card that is gone fails the command, and says so", async () => {
    const time = new VirtualTime();
    const card = new PingPongCard();
    const device = await pingPongDevice(time, card);
    card.loseAnswers = () => true;
    const failed = device.converse(undefined, "module", (conversation) => conversation.command(START));
    await expect(failed).rejects.toThrow(TransportError);
  });

  test("a card that is gone is not waited for: nobody has anything to say to it or of it", async () => {
    const time = new VirtualTime();
    const card = new PingPongCard();
    const device = await pingPongDevice(time, card);
    const [near, far] = inProcessLink();
    const began_ms = time.clock.nowMs();
    const waited = device.converse(near, "module", async (conversation) => {
      await conversation.command(START);
      card.loseAnswers = () => true;
      far.send(Uint8Array.of(m.ADDRESS_MODULE, m.KIND_SEALED, 2));
      await conversation.quiet();
      return conversation.next();
    });
    await expect(time.run(waited)).rejects.toThrow(TransportError);
    expect(time.clock.nowMs()).toBe(began_ms);
  });

  test("a peer cannot speak as host, agent or module, nor flood", async () => {
    const time = new VirtualTime();
    const card = new PingPongCard();
    const seen: CarriedEnvelope[] = [];
    const device = await pingPongDevice(time, card, (envelope) => seen.push(envelope));
    const [near, far] = inProcessLink();
    device.manager.connect("module", near);
    const bad = [
      [],
      [2],
      [2, m.KIND_HOST, 0x81, 10],
      [2, m.KIND_TIMEOUT],
      [2, m.KIND_LINK, 0],
      [1, m.KIND_SEALED, 1],
      [0, 3, 1],
    ];
    for (const message of bad) far.send(Uint8Array.from(message));
    far.send(new Uint8Array(8000).fill(2));
    await time.run(Promise.resolve());
    expect(seen).toEqual([]);
    expect(device.manager.dropped).toBe(bad.length + 1);
    for (let i = 0; i < 100; i += 1) far.send(Uint8Array.of(2, m.KIND_SEALED, 99));
    await time.run(new Promise((resolve) => setImmediate(resolve)));
    expect(device.manager.dropped).toBe(bad.length + 1 + 100);
    expect(card.refused).toBeLessThan(100);
    expect(seen.every((envelope) => envelope.from === "peer" && envelope.to === "module")).toBe(true);
  });

  test("one conversation at a time", async () => {
    const time = new VirtualTime();
    const device = await pingPongDevice(time);
    const [near, far] = inProcessLink();
    const waiting = device.converse(near, "module", async (conversation) => {
      await conversation.command(START);
      return conversation.next();
    });
    await expect(device.converse(undefined, "module", async () => 1)).rejects.toThrow(DeviceBusyError);
    far.close();
    await expect(waiting).resolves.toMatchObject({ notice: { name: "aborted" } });
  });
});
