import { describe, expect, test } from "vitest";
import { LIMITS, LimitError, missedOf, violationsOf } from "../../scripts/hardware/measure-limits.js";
import { readSections, SizesError, sizesOf } from "../../scripts/hardware/measure-sizes.js";
import { usedOf } from "./stack.js";

const MAP = `
Discarded input sections

 .text.unused   0x00000000       0x40 build/objects/platform-flash.o

Linker script and memory map

.text           0x08000000       0x60
 *(.text .text.*)
 .text.w2c_moneymodule_a_long_name
                0x08000000       0x20 build/objects/applets-money-module.o
                0x08000000                w2c_moneymodule_a_long_name
 .text          0x08000020       0x10 build/objects/sodium-utils.o
 *fill*         0x08000030        0x4 
 .text.flash    0x08000034        0xc build/objects/platform-flash.o
 .rodata.str1.4
                0x08000040       0x18 build/objects/platform-flash.o
                                 0x1c (size before relaxing)
 .rodata.other.str1.4
                0x08000058       0x14 build/objects/card-card.o
 .rodata        0x08000058        0x8 /usr/lib/libc_nano.a(lib_a-memcpy.o)

.stack          0x20000000       0x80
 *fill*         0x20000000       0x80 
                0x20000080                stack_top = .

.data           0x20000080        0x8 load address 0x08000060
 .data.file     0x20000080        0x8 build/objects/netduinoplus2-store.o

.bss            0x20000088       0x40
 .bss.moneymodule_bytes
                0x20000088       0x30 build/objects/applets-applet-codes.o
 .bss.moneymodule_element
                0x200000b8       0x10 build/objects/applets-applet-codes.o
`;
const SECTIONS = `
  [ 0]                   NULL            00000000 000000 000000 00      0   0  0
  [ 1] .text             PROGBITS        08000000 001000 000060 00  AX  0   0  4
  [ 2] .stack            NOBITS          20000000 002000 000080 00  WA  0   0  1
  [ 3] .data             PROGBITS        20000080 002080 000008 00  WA  0   0  4
  [ 4] .bss              NOBITS          20000088 002088 000040 00  WA  0   0  8
  [ 5] .comment          PROGBITS        00000000 002088 000026 01  MS  0   0  1
`;
const OWNERS = { libsodium: new Set(["sodium-utils.o"]), applets: new Map([["moneymodule", "money-module"]]) };

function sizes(map: string, sections = SECTIONS) {
  return sizesOf(map, readSections(sections), OWNERS);
}

describe("sizes of an image", () => {
  test("are of the parts that its sections are made of, each byte once", () => {
    const { flash, ram } = sizes(MAP);
    // What lies behind strings that were put together has their bytes; the linker's own, and other libraries', are others'.
    const platform = 0xc + 0x18 + 0x8;
    expect(flash).toEqual({ applets: 0x20, platform, libsodium: 0x10, other: 0x4 + 0x8, total: 0x60 + 0x8 });
    expect(ram).toEqual({
      platform: 0x8 + 0x10,
      libsodium: 0,
      other: 0,
      stackReserved: 0x80,
      "money-module": 0x30,
      total: 0x8 + 0x80 + 0x40,
    });
  });

  test("are none when the image is not the map's", () => {
    for (const [from, to] of [
      ["000060 00  AX", "000064 00  AX"],
      ["000040 00  WA", "000041 00  WA"],
    ] as const) {
      expect(() => sizes(MAP, SECTIONS.replace(from, to))).toThrow(SizesError);
    }
    expect(() => sizes("")).toThrow(SizesError);
    expect(() => sizes(MAP, "")).toThrow(SizesError);
  });

  test("are none when the map does not explain its sections", () => {
    const without = MAP.replace(/ \*fill\* +0x20000000 +0x80 \n/, "");
    expect(() => sizes(without)).toThrow(/all but 128 bytes/);
    const beside = MAP.replace("0x20000080        0x8 build", "0x20000080        0x9 build");
    expect(() => sizes(beside)).toThrow(/lies beside/);
  });
});

describe("limits of a board", () => {
  const report = { instructions: { select: 100 }, ram: { perApplet: { purse: 49_152 } } };

  test("hold up to the number itself", () => {
    expect(violationsOf(report, [{ what: "ram.perApplet.purse", most: 49_152 }])).toEqual([]);
    expect(violationsOf(report, [{ what: "ram.perApplet.purse", most: 49_151 }])).toEqual([
      "ram.perApplet.purse is 49,152, more than 49,151",
    ]);
  });

  test("say what goal is missed, which is no failure", () => {
    const limits = [{ what: "instructions.select", most: 120, goal: 90 }];
    expect(violationsOf(report, limits)).toEqual([]);
    expect(missedOf(report, limits)).toEqual(["instructions.select is 100; the goal is 90"]);
  });

  test("of what nobody reports are an error, not a pass", () => {
    expect(() => violationsOf(report, [{ what: "instructions.sell", most: 1 }])).toThrow(LimitError);
    expect(() => missedOf({}, [{ what: "ram.total", most: 1 }])).toThrow(LimitError);
  });

  test("are no lower than their goals", () => {
    for (const { most, goal } of Object.values(LIMITS).flat()) expect(goal ?? most).toBeLessThanOrEqual(most);
  });
});

test("of a painted stack what lies above the last paint is used", () => {
  const stack = new Uint8Array(64).fill(0xa5);
  expect(usedOf(stack)).toBe(0);
  stack[43] = 0;
  stack[60] = 1;
  expect(usedOf(stack)).toBe(24);
  stack[0] = 7;
  expect(usedOf(stack)).toBe(64);
});
