/** The boards that there are, and what compiles for them. */

import { APPLETS } from "../firmware/applets.js";
import type { AppletName } from "./applets.js";

export const BOARDS = ["posix", "cortex-m4", "stm32f405", "stm32f405-model", "rv32imc"] as const;
export type BoardName = (typeof BOARDS)[number];

export interface Board {
  readonly compiler: string;
  /** Of every file. */
  readonly flags: readonly string[];
  readonly linkFlags: readonly string[];
  /** Of libsodium's files, beside those of every file. */
  readonly sodiumFlags?: readonly string[];
  /** Folders of hardware/ whose files are its own, and single files. */
  readonly folders: readonly string[];
  readonly image: string;
  /** The tool that makes of the image the bytes that go into flash, beside it. */
  readonly objcopy?: string;
  /** What an image has when nobody says: as many as there is room for. */
  readonly applets: readonly AppletName[];
  /** Linear memory of an applet is no more than its static data. */
  readonly shrunk: boolean;
}

/** Our own files: nothing passes. */
export const STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wstrict-prototypes", "-Wconversion"];
/** Others' files, and generated ones: what they do not warn about themselves is theirs. */
export const OTHERS = ["-std=gnu11", "-w", "-Werror=implicit-function-declaration"];

export const SANITIZERS = [
  "-fsanitize=address,undefined",
  "-fno-sanitize-recover=all",
  "-fno-omit-frame-pointer",
  "-g",
];
const SECTIONS = ["-ffunction-sections", "-fdata-sections"];
const CORTEX_M4 = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft", "--specs=nano.specs"];
const RV32IMC = ["-march=rv32imc", "-mabi=ilp32", "-mcmodel=medany", "--specs=picolibc.specs"];

export interface BoardOptions {
  readonly compiler?: string | undefined;
  readonly sanitize?: boolean | undefined;
  /** In this order: the first is element 0. */
  readonly applets?: readonly AppletName[] | undefined;
}

function posix({ compiler = "gcc", sanitize = false }: BoardOptions): Board {
  const sanitizers = sanitize ? SANITIZERS : [];
  return {
    compiler,
    flags: ["-O2", "-D_DEFAULT_SOURCE", ...SECTIONS, ...sanitizers],
    linkFlags: ["-Wl,--gc-sections", ...sanitizers],
    folders: ["boards/common", "boards/posix"],
    image: "tallystick",
    applets: APPLETS,
    shrunk: false,
  };
}

function stm32f405(script: string): Omit<Board, "folders"> {
  return {
    compiler: "arm-none-eabi-gcc",
    flags: ["-O2", ...SECTIONS, ...CORTEX_M4],
    linkFlags: [...CORTEX_M4, "-nostartfiles", "-Wl,--gc-sections", "-Wl,--fatal-warnings", `-Wl,-T,${script}`],
    sodiumFlags: ["-include", "hardware/boards/stm32f405/fe25519.h"],
    image: "tallystick.elf",
    // The two elements of a device. A purse is a card of its own.
    applets: ["money-module", "trusted-agent"],
    shrunk: true,
  };
}

function cortexM4(): Board {
  const folders = ["boards/common", "boards/qemu", "boards/stm32f405", "boards/netduinoplus2"];
  return { ...stm32f405("hardware/boards/netduinoplus2/memory.ld"), folders };
}

/** The same chip without QEMU: with its flash, random source and clocks. */
function chip(): Board {
  const folders = ["boards/common", "boards/paged", "boards/stm32f405", "boards/stm32f405-chip"];
  return {
    ...stm32f405("hardware/boards/stm32f405-chip/memory.ld"),
    folders,
    objcopy: "arm-none-eabi-objcopy",
  };
}

/** The POSIX board on the chip's flash as test/stm32 models it, with sectors for three elements of the simulator's geometry. */
function chipModel(options: BoardOptions): Board {
  const board = posix(options);
  const portable = ["boards/common", "boards/paged", "boards/posix/files.c", "boards/posix/main.c"];
  const drivers = ["boards/stm32f405/clock.c", "boards/stm32f405/flash.c"];
  return {
    ...board,
    flags: [...board.flags, "-DCHIP_FLASH_SECTORS=8u", "-Itest/stm32/model"],
    folders: [...portable, ...drivers, "../test/stm32/model", "../test/stm32/hosted"],
  };
}

function rv32imc(): Board {
  const script = "hardware/boards/riscv-virt/memory.ld";
  return {
    compiler: "riscv64-unknown-elf-gcc",
    flags: ["-O2", ...SECTIONS, ...RV32IMC],
    linkFlags: [...RV32IMC, "-nostartfiles", "-Wl,--gc-sections", "-Wl,--fatal-warnings", "-T", script],
    folders: ["boards/common", "boards/paged", "boards/qemu", "boards/riscv-virt"],
    image: "tallystick.elf",
    applets: APPLETS,
    // There is room for whole pages: so that what is tested is what boards with little have.
    shrunk: true,
  };
}

export function boardOf(name: BoardName, options: BoardOptions): Board {
  switch (name) {
    case "posix":
      return posix(options);
    case "cortex-m4":
      return cortexM4();
    case "stm32f405":
      return chip();
    case "stm32f405-model":
      return chipModel(options);
    case "rv32imc":
      return rv32imc();
  }
}

/** Folder of what is built, below build/hardware. */
export function outputFolder(name: BoardName, { compiler, sanitize = false, applets = [] }: BoardOptions): string {
  const chosen = [...(compiler === undefined ? [] : [compiler]), ...(sanitize ? ["sanitized"] : []), ...applets];
  return [name, ...chosen].join("-");
}
