import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { compileIfStale } from "../../scripts/firmware/compile.js";
import { Applet } from "../../simulator/applet.js";
import { shippedApplet, shippedAppletPath } from "../../simulator/applet-files.js";
import { AppletFault, AppletTrap, BootFailure, Element, ElementOff } from "../../simulator/element.js";
import { PowerCut } from "../../simulator/faults.js";
import { KeyKind } from "../../simulator/platform.generated.js";
import { VirtualClock } from "../../simulator/time.js";
import { root, testApplet, testChip } from "../support/firmware.js";

const COUNT_COMMANDS = 1;
const COUNT_BYTES = 2;
const KEEP = 3;
const PROGRAM = 4;
const READ = 5;
const SECONDS = 6;
const GENERATE = 7;
const SLOT_KIND = 8;
const RANDOM = 10;
const ASSERT = 11;
const TOO_LONG = 12;
const OUT_OF_BOUNDS = 13;

let applet: Applet;

beforeAll(async () => {
  const outputPath = "build/test-firmware/element.wasm";
  await compileIfStale({ root, entryPath: "test/firmware/element.module.ts", outputPath, target: "release" });
  applet = new Applet(readFileSync(join(root, outputPath)));
});

function newElement(seed = "element", clock = new VirtualClock()): Element {
  const element = new Element(applet, testChip(seed, { clock }));
  element.powerOn();
  return element;
}

/** Byte by byte; much faster than comparing as objects. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function ask(element: Element, ...command: number[]): number {
  const response = element.transmit(Uint8Array.from(command));
  expect([...response.subarray(-2)]).toEqual([0x90, 0x00]);
  return new DataView(response.buffer).getInt32(0, true);
}

describe("power", () => {
  test("an element without power answers nothing", () => {
    const element = new Element(applet, testChip());
    expect(() => element.transmit(Uint8Array.of(COUNT_COMMANDS))).toThrow(ElementOff);
    element.powerOn();
    expect(ask(element, COUNT_COMMANDS)).toBe(1);
    element.powerOff();
    expect(element.isOn).toBe(false);
    expect(() => element.transmit(Uint8Array.of(COUNT_COMMANDS))).toThrow(ElementOff);
  });

  test("memory and globals start anew, flash and keys stay", () => {
    const element = newElement();
    ask(element, KEEP, 5);
    ask(element, PROGRAM, 1, 0, 0, 0x11, 0x22, 0x33, 0x44);
    ask(element, GENERATE, 0, KeyKind.X25519);
    ask(element, GENERATE, 16, KeyKind.X25519);
    element.powerOn();
    expect(ask(element, COUNT_COMMANDS)).toBe(1);
    expect(ask(element, KEEP, 0)).toBe(0);
    expect(ask(element, READ, 1)).toBe(0x44332211);
    expect(ask(element, SLOT_KIND, 0)).toBe(KeyKind.X25519);
    expect(ask(element, SLOT_KIND, 16)).toBe(KeyKind.Empty);
  });

  test("an applet that does not start leaves the element off", () => {
    const element = newElement();
    ask(element, PROGRAM, 0, 0, 0, 0, 0, 0, 0);
    expect(() => element.powerOn()).toThrow(BootFailure);
    expect(element.isOn).toBe(false);
  });

  test.each([
    ["a failed assertion", ASSERT, AppletTrap],
    ["an access outside memory", OUT_OF_BOUNDS, AppletTrap],
    ["a response longer than the buffer", TOO_LONG, AppletFault],
  ])("%s turns the element off, and it starts again", (_what, command, error) => {
    const element = newElement();
    expect(() => element.transmit(Uint8Array.of(command))).toThrow(error);
    expect(element.isOn).toBe(false);
    element.powerOn();
    expect(ask(element, COUNT_COMMANDS)).toBe(1);
  });

  test("a power cut turns the element off in the middle of a command", () => {
    const element = newElement();
    element.chip.onOperation = () => ({ cut: Uint8Array.of(0xff, 0, 0, 0) });
    expect(() => ask(element, PROGRAM, 1, 0, 0, 1, 2, 3, 4)).toThrow(PowerCut);
    expect(element.isOn).toBe(false);
    element.chip.onOperation = undefined;
    element.powerOn();
    expect(ask(element, READ, 1) >>> 0).toBe(0xffffff01);
  });

  test("a command that does not fit the buffer never reaches the applet", () => {
    const element = newElement();
    expect(() => element.transmit(new Uint8Array(257))).toThrow(RangeError);
    expect(ask(element, COUNT_COMMANDS)).toBe(1);
  });
});

describe("the element as a value", () => {
  const live = (element: Element): number[] => [
    ask(element, KEEP, 3),
    ask(element, RANDOM),
    ask(element, PROGRAM, 2, 0, 0, 9, 9, 9, 9),
    ask(element, COUNT_BYTES),
    ask(element, COUNT_COMMANDS),
  ];

  test("the same seed and commands give the same state, byte for byte", () => {
    const [a, b] = [newElement("same"), newElement("same")];
    expect(live(a)).toEqual(live(b));
    expect(sameBytes(a.snapshot(), b.snapshot())).toBe(true);
    ask(b, COUNT_COMMANDS);
    expect(sameBytes(a.snapshot(), b.snapshot())).toBe(false);
  });

  test("an element that is put back, here or in another body, goes on the same way", () => {
    const element = newElement("first");
    live(element);
    element.chip.flash.erase(0);
    const before = element.snapshot();
    const future = live(element);
    element.restore(before);
    expect(sameBytes(element.snapshot(), before)).toBe(true);
    expect(live(element)).toEqual(future);
    const other = newElement("second");
    other.restore(before);
    expect(live(other)).toEqual(future);
  });

  test("a snapshot of an element that is off is off", () => {
    const element = newElement();
    element.powerOff();
    const off = element.snapshot();
    element.powerOn();
    element.restore(off);
    expect(element.isOn).toBe(false);
    expect(sameBytes(element.snapshot(), off)).toBe(true);
  });

  test("a parked element stays on, keeps its state, and time goes on for it", () => {
    const clock = new VirtualClock();
    const element = newElement("parked", clock);
    live(element);
    const before = element.snapshot();
    element.park();
    expect(element.isOn).toBe(true);
    expect(sameBytes(element.snapshot(), before)).toBe(true);
    clock.advance(7000);
    expect(ask(element, SECONDS)).toBe(7);
    expect(ask(element, COUNT_COMMANDS)).toBe(7);
  });

  test("elements that share instances share nothing else", () => {
    const [a, b] = [newElement("a"), newElement("b")];
    ask(a, KEEP, 1);
    a.park();
    ask(b, KEEP, 100);
    b.park();
    expect(ask(b, KEEP, 0)).toBe(100);
    expect(ask(a, KEEP, 0)).toBe(1);
    a.powerOff();
    b.powerOff();
    expect(ask(newElement("c"), KEEP, 0)).toBe(0);
  });

  test("a thousand parked elements live in one process", () => {
    const elements = Array.from({ length: 1000 }, (_, i) => {
      const geometry = { pageSizeBytes: 4096, pageCount: 1, wordSizeBytes: 4 };
      const element = new Element(applet, testChip(`many ${i}`, { geometry }));
      element.powerOn();
      ask(element, KEEP, i & 0xff);
      element.park();
      return element;
    });
    elements.forEach((element, i) => {
      expect(ask(element, KEEP, 0)).toBe(i & 0xff);
      element.park();
    });
  });
});

describe("the applets that ship", () => {
  test.each(["money-module", "trusted-agent", "purse"] as const)("%s starts on a new chip, and again", async (name) => {
    const element = new Element(await testApplet(name), testChip(name));
    element.powerOn();
    element.powerOn();
    expect(element.isOn).toBe(true);
    expect(element.transmit(Uint8Array.of(0x00, 0xfe, 0x00, 0x00)).length).toBe(2);
    expect(element.chip.flash.violations).toBe(0);
    expect(shippedAppletPath(name)).toBe(join(root, `build/firmware/${name}.wasm`));
    expect(shippedApplet(name)).toBe(await testApplet(name));
  });
});
