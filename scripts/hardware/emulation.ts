/** Boards that run in QEMU: which machine it is there, and what it is told. */

import { closeSync, ftruncateSync, openSync } from "node:fs";
import type { BoardName } from "./boards.js";

/** The second flash of QEMU's machine `virt`. */
const RISCV_FLASH_BYTES = 32 * 1024 * 1024;

/** What a board is started with. Paths are as QEMU sees them. */
export interface EmulationStart {
  readonly image: string;
  /** File of what outlives power. */
  readonly store: string;
  readonly applets: readonly string[];
  /** File of eight bytes, milliseconds with the lowest byte first; the chip's own time without it. */
  readonly clock?: string | undefined;
  /** Of its random bytes, for tests; without it they are the host's. */
  readonly seed?: string | undefined;
}

export interface Emulation {
  readonly program: string;
  /** Debian's package of it. */
  readonly debianPackage: string;
  /** Makes a new store, where the emulator wants one of a certain kind. Absent: the board makes its own. */
  makeStore?(path: string): void;
  /** All but the serial line. */
  values(start: EmulationStart): string[];
}

/** A comma ends a value of QEMU's, unless there are two. */
export function qemuText(text: string): string {
  return text.replaceAll(",", ",,");
}

/** The command line of the image (hardware/boards/qemu/machine.h), in the order in which it is read. */
export function semihosting(values: readonly string[]): string {
  const texts = ["tallystick", ...values].map((value) => `arg=${qemuText(value)}`);
  return ["enable=on", "target=native", ...texts].join(",");
}

function machineValues({ applets, clock, seed }: EmulationStart): string[] {
  return [
    ...(clock === undefined ? [] : [`clock=${clock}`]),
    `applets=${applets.join(",")}`,
    seed === undefined ? "random=/dev/urandom" : `seed=${seed}`,
  ];
}

export const cortexM4: Emulation = {
  program: "qemu-system-arm",
  debianPackage: "qemu-system-arm",
  values: (start) => [
    ...["-M", "netduinoplus2", "-kernel", start.image, "-display", "none", "-monitor", "none"],
    ...["-semihosting-config", semihosting([`store=${start.store}`, ...machineValues(start)])],
  ],
};

/** QEMU wants its machine's flash in full. Where the file has nothing it reads zeros, which the board takes for a new chip. */
function makeFlash(path: string): void {
  const file = openSync(path, "wx", 0o600);
  ftruncateSync(file, RISCV_FLASH_BYTES);
  closeSync(file);
}

export const rv32imc: Emulation = {
  program: "qemu-system-riscv32",
  debianPackage: "qemu-system-misc",
  makeStore: makeFlash,
  values: (start) => [
    ...["-M", "virt", "-bios", start.image, "-display", "none", "-monitor", "none"],
    ...["-drive", `if=pflash,unit=1,format=raw,file=${qemuText(start.store)}`],
    ...["-semihosting-config", semihosting(machineValues(start))],
  ],
};

export const EMULATIONS: Readonly<Partial<Record<BoardName, Emulation>>> = { "cortex-m4": cortexM4, rv32imc };
