import { describe, expect, test } from "vitest";
import { PowerCut } from "../../simulator/faults.js";
import { KeyKind, PlatformError } from "../../simulator/platform.generated.js";
import { VirtualClock } from "../../simulator/time.js";
import { testChip } from "../support/firmware.js";

const KEY = new Uint8Array(32).fill(7);
const VOLATILE_SLOT = 16;

describe("key slots", () => {
  test("a new chip holds no key", () => {
    const chip = testChip();
    for (let slot = 0; slot < 24; slot++) expect(chip.slotKind(slot)).toBe(KeyKind.Empty);
    expect(chip.slotKind(24)).toBe(PlatformError.InvalidArgument);
  });

  test("each function takes its kind of key only", () => {
    const chip = testChip();
    const out32 = new Uint8Array(32);
    const out64 = new Uint8Array(64);
    const uses = {
      [KeyKind.Ed25519]: (slot: number) => chip.ed25519Sign(slot, KEY, out64),
      [KeyKind.X25519]: (slot: number) => chip.x25519Agree(slot, chipPublic(), out32),
      [KeyKind.Secret]: (slot: number) => chip.slotDerive(slot, KEY, out32),
    };
    const chipPublic = (): Uint8Array => {
      const other = testChip("other");
      other.slotGenerate(0, KeyKind.X25519);
      other.slotPublic(0, out32);
      return out32.slice();
    };
    for (const kind of [KeyKind.Ed25519, KeyKind.X25519, KeyKind.Secret]) {
      expect(chip.slotGenerate(kind, kind)).toBe(0);
      expect(chip.slotKind(kind)).toBe(kind);
      for (const [needed, use] of Object.entries(uses)) {
        expect(use(kind)).toBe(Number(needed) === kind ? 0 : PlatformError.WrongKind);
      }
    }
    for (const use of Object.values(uses)) {
      expect(use(9)).toBe(PlatformError.SlotEmpty);
      expect(use(24)).toBe(PlatformError.InvalidArgument);
    }
    expect(chip.slotPublic(KeyKind.Secret, out32)).toBe(PlatformError.WrongKind);
    expect(chip.slotPublic(9, out32)).toBe(PlatformError.SlotEmpty);
    expect(chip.slotGenerate(0, KeyKind.Empty)).toBe(PlatformError.InvalidArgument);
    expect(chip.slotGenerate(0, 4)).toBe(PlatformError.InvalidArgument);
  });

  test("a slot that is written again signs with the new key", () => {
    const chip = testChip();
    const [before, after, signature] = [new Uint8Array(32), new Uint8Array(32), new Uint8Array(64)];
    chip.slotGenerate(0, KeyKind.Ed25519);
    chip.slotPublic(0, before);
    chip.ed25519Sign(0, KEY, signature);
    expect(chip.ed25519Verify(before, KEY, signature)).toBe(0);
    chip.slotGenerate(0, KeyKind.Ed25519);
    chip.slotPublic(0, after);
    chip.ed25519Sign(0, KEY, signature);
    expect(chip.ed25519Verify(after, KEY, signature)).toBe(0);
    expect(chip.ed25519Verify(before, KEY, signature)).toBe(PlatformError.BadSignature);
    chip.slotErase(0);
    expect(chip.ed25519Sign(0, KEY, signature)).toBe(PlatformError.SlotEmpty);
  });

  test("persistent slots keep their keys without power, volatile slots do not", () => {
    const chip = testChip();
    const [before, after] = [new Uint8Array(32), new Uint8Array(32)];
    chip.slotGenerate(15, KeyKind.X25519);
    chip.slotPut(VOLATILE_SLOT, KEY);
    chip.slotPublic(15, before);
    chip.powerOn();
    expect(chip.slotKind(VOLATILE_SLOT)).toBe(KeyKind.Empty);
    expect(chip.slotPublic(15, after)).toBe(0);
    expect(after).toEqual(before);
  });

  test("a cut at a slot or the counter falls before or after, never within", () => {
    const chip = testChip();
    chip.onOperation = () => ({ cut: "before" });
    expect(() => chip.slotPut(0, KEY)).toThrow(PowerCut);
    expect(chip.slotKind(0)).toBe(KeyKind.Empty);
    expect(() => chip.counterIncrement()).toThrow(PowerCut);
    expect(chip.counterRead()).toBe(0);
    chip.onOperation = () => ({ cut: "after" });
    expect(() => chip.slotPut(0, KEY)).toThrow(PowerCut);
    expect(chip.slotKind(0)).toBe(KeyKind.Secret);
    expect(() => chip.counterIncrement()).toThrow(PowerCut);
    expect(chip.counterRead()).toBe(1);
    chip.onOperation = () => ({ cut: new Uint8Array(0) });
    expect(() => chip.counterIncrement()).toThrow(RangeError);
  });

  test("the hook sees persistent slots and the counter, not volatile slots", () => {
    const chip = testChip();
    const seen: string[] = [];
    chip.onOperation = ({ kind, address }) => void seen.push(`${kind} ${address}`);
    chip.slotPut(3, KEY);
    chip.slotPut(VOLATILE_SLOT, KEY);
    chip.slotErase(3);
    chip.slotErase(3);
    chip.counterIncrement();
    chip.flashErase(1);
    expect(seen).toEqual(["slot-write 3", "slot-write 3", "counter-increment 0", "flash-erase 4096"]);
  });
});

describe("clock and counter", () => {
  test("seconds are counted from power-up", () => {
    const clock = new VirtualClock(5_000_000);
    const chip = testChip("clock", { clock });
    expect(chip.clockSeconds()).toBe(0);
    clock.advance(1999);
    expect(chip.clockSeconds()).toBe(1);
    chip.powerOn();
    expect(chip.clockSeconds()).toBe(0);
  });

  test("a chip without a counter says so", () => {
    const chip = testChip("none", { hasCounter: false });
    expect(chip.counterRead()).toBe(PlatformError.NotSupported);
    expect(chip.counterIncrement()).toBe(PlatformError.NotSupported);
  });

  test("the counter ends at the largest i32", () => {
    const chip = testChip();
    const state = chip.snapshot();
    const counterOffset = chip.flash.snapshotBytes;
    new DataView(state.buffer).setUint32(counterOffset, 0x7ffffffe, true);
    chip.restore(state);
    expect(chip.counterIncrement()).toBe(0x7fffffff);
    expect(chip.counterIncrement()).toBe(PlatformError.CounterExhausted);
    expect(chip.counterRead()).toBe(0x7fffffff);
  });
});

describe("the chip as a value", () => {
  const act = (chip: ReturnType<typeof testChip>): void => {
    chip.slotGenerate(0, KeyKind.Ed25519);
    chip.slotGenerate(VOLATILE_SLOT, KeyKind.Secret);
    chip.counterIncrement();
    chip.flashProgram(0, KEY);
  };

  test("the same seed gives the same chip, another seed another", () => {
    const [a, b, c] = [testChip("one"), testChip("one"), testChip("two")];
    for (const chip of [a, b, c]) act(chip);
    expect(Buffer.compare(a.snapshot(), b.snapshot())).toBe(0);
    expect(Buffer.compare(a.snapshot(), c.snapshot())).not.toBe(0);
  });

  test("a snapshot of another kind of chip, or a part of one, is refused and changes nothing", () => {
    const chip = testChip();
    act(chip);
    const state = chip.snapshot();
    const other = testChip("other", { geometry: { pageSizeBytes: 4096, pageCount: 1, wordSizeBytes: 4 } });
    expect(() => chip.restore(other.snapshot())).toThrow(RangeError);
    expect(() => chip.restore(state.subarray(1))).toThrow(RangeError);
    expect(Buffer.compare(chip.snapshot(), state)).toBe(0);
  });

  test("a chip that is put back goes on as it did before", () => {
    const chip = testChip();
    act(chip);
    const before = chip.snapshot();
    const publicBefore = new Uint8Array(32);
    chip.slotPublic(0, publicBefore);
    const first = new Uint8Array(16);
    chip.randomBytes(first);
    chip.flashErase(0);
    chip.slotGenerate(0, KeyKind.Ed25519);
    chip.slotPublic(0, new Uint8Array(32));
    expect(Buffer.compare(chip.snapshot(), before)).not.toBe(0);
    chip.restore(before);
    expect(Buffer.compare(chip.snapshot(), before)).toBe(0);
    const again = new Uint8Array(16);
    chip.randomBytes(again);
    expect(again).toEqual(first);
    const signature = new Uint8Array(64);
    const publicKey = new Uint8Array(32);
    expect(chip.ed25519Sign(0, KEY, signature)).toBe(0);
    expect(chip.slotPublic(0, publicKey)).toBe(0);
    expect(publicKey).toEqual(publicBefore);
    expect(chip.ed25519Verify(publicKey, KEY, signature)).toBe(0);
  });
});
