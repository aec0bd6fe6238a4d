import { describe, expect, test } from "vitest";
import { PcscPlaces } from "../../host/cards/pcsc-places.js";
import type { Transport } from "../../host/transport.js";
import { TransportError } from "../../host/transport.js";
import { PCSC_LIMITS } from "../../host/transports/pcsc.js";
import * as native from "../../host/transports/pcsc-native.js";
import { answerToReset } from "../../simulator/card/atr.js";
import { VirtualTime } from "../support/virtual-time.js";
import { type FakeAnswer, type FakeCard, FakeService } from "./fake-service.js";

const OK = Uint8Array.of(0x90, 0);
const COMMAND = Uint8Array.of(0x80, 0x12, 0, 0, 0);

function cardOf(answer: (apdu: Uint8Array) => FakeAnswer = () => OK, protocol = native.PROTOCOL_T1): FakeCard {
  const atr = answerToReset(protocol === native.PROTOCOL_T1 ? "T=1" : "T=0");
  return { atr, protocol, answer };
}

function setUp(card?: FakeCard) {
  const service = new FakeService("ACME 00");
  if (card !== undefined) service.insert("ACME 00", card);
  const time = new VirtualTime();
  const places = new PcscPlaces({ load: service.load, timers: time });
  const connect = async () => {
    const [place] = await places.list();
    if (place === undefined) throw new Error("there is no place");
    return place.connect();
  };
  return { service, time, places, connect };
}

async function refused(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Error) return error;
  throw new Error("it was not refused");
}

function transmit(transport: Transport): Promise<Uint8Array> {
  return Promise.resolve(transport.transmit(COMMAND));
}

describe("a card in a PC/SC reader", () => {
  test("is restarted when it is taken, restarted on demand, and without power afterwards", async () => {
    const { service, time, connect, places } = setUp(cardOf());
    await time.run(
      (async () => {
        const transport = await connect();
        expect(service.slot("ACME 00")?.powerUps).toBe(2);
        expect(await transmit(transport)).toEqual(OK);
        await transport.reset();
        expect(service.slot("ACME 00")?.powerUps).toBe(3);
        await transport.close();
        await transport.close();
        // For this process alone, each time.
        const taken = service.log.filter((line) => line.startsWith("connect "));
        expect(taken).toEqual(["connect ACME 00", "connect ACME 00", "connect ACME 00"]);
        expect(service.log.filter((line) => line === `disconnect ACME 00 ${native.UNPOWER_CARD}`)).toHaveLength(3);
        expect((await refused(transmit(transport))).message).toMatch(/is closed/);
        expect((await refused(Promise.resolve(transport.reset()))).message).toMatch(/is closed/);
        await places.close();
        expect(service.threads).toBe(0);
      })(),
    );
  });

  test("takes extended length where T=1 is spoken and its historical bytes say so, and not under T=0", async () => {
    for (const [protocol, isLong] of [
      [native.PROTOCOL_T1, true],
      [native.PROTOCOL_T0, false],
    ] as const) {
      const { time, connect } = setUp(cardOf(undefined, protocol));
      expect((await time.run(connect())).extendedLength).toBe(isLong);
    }
    const { time, connect } = setUp({ ...cardOf(), atr: Uint8Array.of(0x3b, 0x80, 0x01, 0x81) });
    expect((await time.run(connect())).extendedLength).toBe(false);
  });

  test("is sent no Le with data under T=0", async () => {
    const seen: Uint8Array[] = [];
    const answer = (apdu: Uint8Array) => {
      seen.push(apdu);
      return OK;
    };
    const { time, connect } = setUp(cardOf(answer, native.PROTOCOL_T0));
    const transport = await time.run(connect());
    const case2 = [0, 0xca, 0, 0, 0];
    const case3 = [0, 0x20, 0, 0, 2, 1, 2];
    for (const apdu of [case2, case3, [...case3, 0]])
      await time.run(transport.transmit(Uint8Array.from(apdu)) as Promise<Uint8Array>);
    expect(seen.map((apdu) => [...apdu])).toEqual([case2, case3, case3]);
  });

  test("gets one command at a time, in order", async () => {
    const seen: number[] = [];
    let running = 0;
    const { time, connect } = setUp(
      cardOf((apdu) => {
        running += 1;
        expect(running).toBe(1);
        seen.push(apdu[2] ?? 0);
        setImmediate(() => {
          running -= 1;
        });
        return OK;
      }),
    );
    const transport = await time.run(connect());
    const all = [1, 2, 3, 4].map((p1) => transport.transmit(Uint8Array.of(0x80, 0x12, p1, 0)));
    await time.run(Promise.all(all));
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  const LOSSES = [
    [native.REMOVED_CARD, "CardRemovedError"],
    [native.RESET_CARD, "CardResetError"],
    [native.READER_UNAVAILABLE, "ReaderLostError"],
    [native.NO_SERVICE, "CardServiceLostError"],
    [0x80100016, "CardFaultError"],
  ] as const;
  test.each(LOSSES)("whose answer is lost with %d is a %s, and may be asked again", async (result, name) => {
    let isLost = true;
    const { time, connect } = setUp(cardOf(() => (isLost ? result : OK)));
    const transport = await time.run(connect());
    const error = await time.run(refused(transmit(transport)));
    expect(error.name).toBe(name);
    expect(error).toBeInstanceOf(TransportError);
    expect(error.message).toMatch(/ACME 00.*money is where it was/);
    isLost = false;
    await time.run(Promise.resolve(transport.reset()));
    expect(await time.run(transmit(transport))).toEqual(OK);
  });

  test("that answers with less than a status word has lost its answer", async () => {
    const { time, connect } = setUp(cardOf(() => new Uint8Array(0)));
    const transport = await time.run(connect());
    expect(await time.run(refused(transmit(transport)))).toBeInstanceOf(TransportError);
  });

  test("taken out in mid-command is lost until it is put back and restarted", async () => {
    const { service, time, connect } = setUp(
      cardOf(() => {
        service.remove("ACME 00");
        return native.REMOVED_CARD;
      }),
    );
    const transport = await time.run(connect());
    expect((await time.run(refused(transmit(transport)))).name).toBe("CardRemovedError");
    expect((await time.run(refused(transmit(transport)))).name).toBe("CardRemovedError");
    expect((await time.run(refused(Promise.resolve(transport.reset())))).name).toBe("CardAbsentError");
    expect((await time.run(refused(transmit(transport)))).message).toMatch(/no card in/);
    service.insert("ACME 00", cardOf());
    await time.run(Promise.resolve(transport.reset()));
    expect(await time.run(transmit(transport))).toEqual(OK);
  });

  test("put back without a restart is not the same: what it was told is gone", async () => {
    const { service, time, connect } = setUp(cardOf());
    const transport = await time.run(connect());
    service.remove("ACME 00");
    service.insert("ACME 00", cardOf());
    expect((await time.run(refused(transmit(transport)))).name).toBe("CardRemovedError");
  });

  test("that never answers is given up when its time is over", async () => {
    const { time, connect } = setUp(cardOf(() => "nothing"));
    const transport = await time.run(connect());
    const before = time.clock.nowMs();
    const error = await time.run(refused(transmit(transport)));
    expect(error.name).toBe("CardTimeoutError");
    expect(time.clock.nowMs() - before).toBe(PCSC_LIMITS.answer_ms);
    // Nothing is asked of the object that hangs.
    expect((await time.run(refused(transmit(transport)))).name).toBe("CardTimeoutError");
    expect(time.clock.nowMs() - before).toBe(PCSC_LIMITS.answer_ms);
    await time.run(Promise.resolve(transport.close()));
  });

  test("that another program uses is tried again for a while, and refused then", async () => {
    const { service, time, connect } = setUp(cardOf());
    service.use("ACME 00", true);
    const before = time.clock.nowMs();
    expect((await time.run(refused(connect()))).name).toBe("CardInUseError");
    expect(time.clock.nowMs() - before).toBe(PCSC_LIMITS.inUse_ms);
    expect(service.log).toHaveLength(PCSC_LIMITS.inUse_ms / PCSC_LIMITS.pause_ms + 1);
    time.after(PCSC_LIMITS.inUse_ms / 2, () => service.use("ACME 00", false));
    expect(await time.run(connect())).toBeDefined();
  });

  const REFUSALS = [
    [native.NO_SMARTCARD, "CardAbsentError"],
    [native.UNKNOWN_READER, "ReaderMissingError"],
    [native.UNRESPONSIVE_CARD, "CardMuteError"],
    [native.PROTOCOL_MISMATCH, "CardMuteError"],
    [native.NO_SERVICE, "CardServiceMissingError"],
  ] as const;
  test.each(REFUSALS)("that cannot be taken with %d is a %s: no money moved", async (result, name) => {
    const { service, time, connect } = setUp(cardOf());
    service.refuse("ACME 00", result);
    const error = await time.run(refused(connect()));
    expect([error.name, error.message]).toEqual([name, expect.stringMatching(/No money moved/)]);
    service.refuse("ACME 00", undefined);
    expect(await time.run(connect())).toBeDefined();
  });

  test("is found again when the service was ended and begun again", async () => {
    const { service, time, connect } = setUp(cardOf());
    const transport = await time.run(connect());
    service.end();
    expect((await time.run(refused(transmit(transport)))).name).toBe("CardServiceLostError");
    expect((await time.run(refused(Promise.resolve(transport.reset())))).name).toBe("CardServiceMissingError");
    service.restart();
    await time.run(Promise.resolve(transport.reset()));
    expect(await time.run(transmit(transport))).toEqual(OK);
  });
});
