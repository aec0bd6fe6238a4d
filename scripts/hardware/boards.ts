/** The boards that there are, and what compiles for them. */

import { APPLETS } from "../firmware/applets.js";
import type { AppletName } from "./applets.js";

export const BOARDS = ["posix", "cortex-m4"] as const;
export type BoardName = (typeof BOARDS)[number];

export interface Board {
  readonly compiler: string;
  /** Of every file. */
  readonly flags: readonly string[];
  readonly linkFlags: readonly string[];
  /** Folders of hardware/ whose files are its own. */
  readonly folders: readonly string[];
  readonly image: string;
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

function cortexM4(): Board {
  const script = "hardware/boards/netduinoplus2/memory.ld";
  return {
    compiler: "arm-none-eabi-gcc",
    flags: ["-O2", ...SECTIONS, ...CORTEX_M4],
    linkFlags: [...CORTEX_M4, "-nostartfiles", "-Wl,--gc-sections", "-Wl,--fatal-warnings", `-Wl,-T,${script}`],
    folders: ["boards/common", "boards/qemu", "boards/stm32f405", "boards/netduinoplus2"],
    image: "tallystick.elf",
    // The two elements of a device. A purse is a card of its own.
    applets: ["money-module", "trusted-agent"],
    shrunk: true,
  };
}

export function boardOf(name: BoardName, options: BoardOptions): Board {
  return name === "posix" ? posix(options) : cortexM4();
}

/** Folder of what is built, below build/hardware. */
export function outputFolder(name: BoardName, { compiler, sanitize = false, applets = [] }: BoardOptions): string {
  const chosen = [...(compiler === undefined ? [] : [compiler]), ...(sanitize ? ["sanitized"] : []), ...applets];
  return [name, ...chosen].join("-");
}
