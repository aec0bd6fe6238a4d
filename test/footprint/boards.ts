/** The boards that are measured, and what each needs of this machine. */

import { spawnSync } from "node:child_process";
import type { BoardName, BoardOptions } from "../../scripts/hardware/boards.js";

/** A program of a package of Debian. */
interface Tool {
  readonly program: string;
  readonly debian: string;
}

/** Typical times of a chip's data sheet. */
export interface FlashTimes {
  readonly word_ms: number;
  readonly sector_ms: number;
  /** Pages for which one sector is erased. */
  readonly pagesOfSector: number;
}

export interface MeasuredBoard {
  readonly name: BoardName;
  readonly tools: readonly Tool[];
  /** As the board's tests build its usual image, so that it is built once. */
  readonly usual: BoardOptions;
  /** Whether it runs here, and so is more known than its sizes. */
  readonly isEmulated: boolean;
  /** Absent where its flash is no chip's. */
  readonly flash?: FlashTimes;
}

export const MEASURED_BOARDS: readonly MeasuredBoard[] = [
  {
    name: "cortex-m4",
    tools: [
      { program: "arm-none-eabi-gcc", debian: "gcc-arm-none-eabi and libnewlib-arm-none-eabi" },
      { program: "qemu-system-arm", debian: "qemu-system-arm" },
    ],
    usual: { applets: ["money-module", "trusted-agent"] },
    isEmulated: true,
    // STM32F405 data sheet (DS8626), 5.3.12: 32 bits at once, sectors of 128 KiB, of which one slot of 4 KiB is the header's.
    flash: { word_ms: 0.016, sector_ms: 1000, pagesOfSector: 31 },
  },
  {
    name: "rv32imc",
    tools: [
      {
        program: "riscv64-unknown-elf-gcc",
        debian: "gcc-riscv64-unknown-elf, binutils-riscv64-unknown-elf and picolibc-riscv64-unknown-elf",
      },
      { program: "qemu-system-riscv32", debian: "qemu-system-misc" },
    ],
    usual: {},
    isEmulated: true,
  },
  { name: "posix", tools: [{ program: "gcc", debian: "gcc and libc6-dev" }], usual: {}, isEmulated: false },
];

/** A sentence for each program that is not here. */
export function missingTools({ name, tools }: MeasuredBoard): string[] {
  return tools.flatMap(({ program, debian }) => {
    const { error } = spawnSync(program, ["--version"], { stdio: "ignore" });
    return error === undefined ? [] : [`${name} is left out: there is no ${program} here (Debian: ${debian}).`];
  });
}
