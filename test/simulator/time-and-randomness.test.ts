import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MachineRandomness, SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { MachineClock, VirtualClock } from "../../simulator/time.js";

function draw(source: { fill(bytes: Uint8Array): void }, lengthBytes: number): string {
  const bytes = new Uint8Array(lengthBytes);
  source.fill(bytes);
  return Buffer.from(bytes).toString("hex");
}

const seeded = (seed: string) => new SeededRandomness(sodiumCryptography, seed);

describe("seeded randomness", () => {
  test("is a function of its seed", () => {
    expect(draw(seeded("a"), 100)).toBe(draw(seeded("a"), 100));
    expect(draw(seeded("a"), 100)).not.toBe(draw(seeded("b"), 100));
    const source = seeded("a");
    expect(draw(source, 32)).not.toBe(draw(source, 32));
  });

  test("goes on from a state that is put back", () => {
    const source = seeded("state");
    draw(source, 50);
    const state = source.state();
    const next = draw(source, 40);
    draw(source, 10);
    source.setState(state);
    expect(draw(source, 40)).toBe(next);
    expect(() => source.setState(new Uint8Array(3))).toThrow(RangeError);
  });

  test("forks do not depend on what others draw", () => {
    const [one, two] = [seeded("world"), seeded("world")];
    draw(one, 64);
    expect(draw(one.fork("bank"), 32)).toBe(draw(two.fork("bank"), 32));
    expect(draw(one.fork("bank"), 32)).not.toBe(draw(one.fork("shop"), 32));
    expect(draw(two.fork("bank"), 32)).not.toBe(draw(seeded("world"), 32));
  });

  test("numbers below a limit are below it, and all of them come", () => {
    const source = seeded("dice");
    const seen = new Map<number, number>();
    for (let i = 0; i < 6000; i++) {
      const value = source.below(6);
      seen.set(value, (seen.get(value) ?? 0) + 1);
    }
    expect([...seen.keys()].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    for (const count of seen.values()) expect(Math.abs(count - 1000)).toBeLessThan(200);
    expect(source.below(1)).toBe(0);
    expect(() => source.below(0)).toThrow(RangeError);
    expect(() => source.below(1.5)).toThrow(RangeError);
  });
});

test("the machine's randomness does not repeat", () => {
  const source = new MachineRandomness(sodiumCryptography);
  expect(draw(source, 32)).not.toBe(draw(source, 32));
  expect(source.state()).toHaveLength(0);
});

describe("virtual time", () => {
  test("passes only when it is told to", () => {
    const clock = new VirtualClock(1000);
    expect(clock.nowMs()).toBe(1000);
    clock.advance(250);
    expect(clock.nowMs()).toBe(1250);
    expect(() => clock.advance(-1)).toThrow(RangeError);
  });

  test("timers fire in the order of their times, each at its own time", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { maxLength: 20 }), fc.nat(60), (delays, durationMs) => {
        const clock = new VirtualClock();
        const fired: { index: number; atMs: number }[] = [];
        delays.forEach((delayMs, index) => {
          clock.after(delayMs, () => fired.push({ index, atMs: clock.nowMs() }));
        });
        clock.advance(durationMs);
        const expected = delays
          .map((atMs, index) => ({ index, atMs }))
          .filter(({ atMs }) => atMs <= durationMs)
          .sort((a, b) => a.atMs - b.atMs || a.index - b.index);
        expect(fired).toEqual(expected);
        expect(clock.nowMs()).toBe(durationMs);
      }),
    );
  });

  test("a timer that a timer sets fires on the way", () => {
    const clock = new VirtualClock();
    const firedAtMs: number[] = [];
    const tick = (): void => {
      firedAtMs.push(clock.nowMs());
      clock.after(10, tick);
    };
    clock.after(10, tick);
    clock.advance(35);
    expect(firedAtMs).toEqual([10, 20, 30]);
    expect(clock.nextDueMs()).toBe(40);
    expect(clock.advanceToNext()).toBe(true);
    expect(clock.nowMs()).toBe(40);
  });

  test("a cancelled timer does not fire, and a clock with timers cannot be set", () => {
    const clock = new VirtualClock();
    const timer = clock.after(5, () => expect.unreachable());
    expect(() => clock.setNowMs(0)).toThrow();
    timer.cancel();
    clock.advance(10);
    expect(clock.advanceToNext()).toBe(false);
    clock.setNowMs(3);
    expect(clock.nowMs()).toBe(3);
  });
});

test("the machine's clock fires and cancels", async () => {
  const clock = new MachineClock();
  const cancelled = clock.after(0, () => expect.unreachable());
  cancelled.cancel();
  const startedAtMs = clock.nowMs();
  await new Promise<void>((resolve) => void clock.after(5, resolve));
  expect(clock.nowMs()).toBeGreaterThanOrEqual(startedAtMs);
});
