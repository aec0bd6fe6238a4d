/** A slow chip: commands in their order, and none is run whose power went. */

import { expect, test } from "vitest";
import type { ReadableCard } from "../../simulator/card/card.js";
import { SlowCard } from "../../simulator/card/slow.js";
import { VirtualClock } from "../../simulator/time.js";

class Recorder implements ReadableCard {
  readonly atr = Uint8Array.of(0x3b, 0);
  readonly run: number[] = [];
  isOn = false;
  powerOn(): void {
    this.isOn = true;
  }
  powerOff(): void {
    this.isOn = false;
  }
  transmit(apdu: Uint8Array): Uint8Array {
    this.run.push(apdu[0] ?? 0);
    return Uint8Array.of(apdu[0] ?? 0, 0x90, 0x00);
  }
}

function slowCard() {
  const clock = new VirtualClock();
  const recorder = new Recorder();
  const card = new SlowCard(recorder, 50, clock);
  card.powerOn();
  /** Everything that can happen at this time has happened. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { clock, recorder, card, settle };
}

test("a command is run when its time has passed, and not before; the next takes its own", async () => {
  const { clock, recorder, card, settle } = slowCard();
  const answers = [card.transmit(Uint8Array.of(1)), card.transmit(Uint8Array.of(2))];
  await settle();
  clock.advance(49);
  await settle();
  expect(recorder.run).toEqual([]);
  clock.advance(1);
  await settle();
  expect(recorder.run).toEqual([1]);
  clock.advance(49);
  await settle();
  expect(recorder.run).toEqual([1]);
  clock.advance(1);
  expect((await Promise.all(answers)).map(([first]) => first)).toEqual([1, 2]);
  expect(recorder.run).toEqual([1, 2]);
});

test.each(["powerOff", "powerOn"] as const)(
  "what waits at %s was never run, and is answered with nothing",
  async (loss) => {
    const { clock, recorder, card, settle } = slowCard();
    const lost = [card.transmit(Uint8Array.of(1)), card.transmit(Uint8Array.of(2))];
    await settle();
    clock.advance(49);
    card[loss]();
    expect(await Promise.all(lost)).toEqual([new Uint8Array(0), new Uint8Array(0)]);
    clock.advance(1000);
    await settle();
    expect(recorder.run).toEqual([]);
    card.powerOn();
    const next = card.transmit(Uint8Array.of(3));
    await settle();
    clock.advance(50);
    expect((await next)[0]).toBe(3);
    expect(recorder.run).toEqual([3]);
  },
);

test("a command that fails does not hold up the next", async () => {
  const { clock, recorder, card, settle } = slowCard();
  const transmit = recorder.transmit.bind(recorder);
  recorder.transmit = () => {
    throw new Error("no power");
  };
  const failed = expect(card.transmit(Uint8Array.of(1))).rejects.toThrow("no power");
  await settle();
  clock.advance(50);
  await failed;
  recorder.transmit = transmit;
  const next = card.transmit(Uint8Array.of(2));
  await settle();
  clock.advance(50);
  expect((await next)[0]).toBe(2);
});

test("a delay is a number", () => {
  expect(() => new SlowCard(new Recorder(), -1)).toThrow(RangeError);
  expect(() => new SlowCard(new Recorder(), Number.NaN)).toThrow(RangeError);
});
