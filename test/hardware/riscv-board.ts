/** RISC-V in QEMU (hardware/boards/riscv-virt): what outlives power is in the file of the machine's second flash. */

import { closeSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Emulation, rv32imc } from "../../scripts/hardware/emulation.js";
import { DEFAULT_GEOMETRY } from "../../simulator/flash.js";
import type { BoardStart, BoardUnderTest, Kept, RunningBoard } from "./board.js";
import { ELEMENTS_PAGES, firstPageOf, keptInPages, registerPageOf } from "./paged-elements.js";
import { PAGE_BYTES, type PagesGeometry, sectorsWith } from "./pages-reader.js";
import { copyOf } from "./qemu-board.js";
import { startMachine } from "./qemu-machine.js";

// As hardware/boards/riscv-virt/store.c has it.
const SECTOR_COUNT = 5;
export const PAGES_GEOMETRY: PagesGeometry = {
  sectorBytes: 256 * 1024,
  sectorCount: SECTOR_COUNT,
  pageCount: ELEMENTS_PAGES,
};

const READ_ONLY: Emulation = {
  ...rv32imc,
  values: (start) => rv32imc.values(start).map((value) => value.replace("if=pflash", "readonly=on,if=pflash")),
};

export class RiscvBoard implements BoardUnderTest {
  readonly name = "riscv-virt in QEMU";
  readonly command_ms = 6;
  readonly #image: string;
  /** In the order of the image. */
  readonly #elements: readonly string[];
  readonly #isReadOnly: boolean;

  /** `isReadOnly`: its flash answers every command to change it with an error. */
  constructor(image: string, elements: readonly string[], isReadOnly = false) {
    this.#image = image;
    this.#elements = elements;
    this.#isReadOnly = isReadOnly;
  }

  #firstPage(applet: string): number {
    return firstPageOf(this.#elements, applet);
  }

  start(start: BoardStart): Promise<RunningBoard> {
    const emulation = this.#isReadOnly ? READ_ONLY : rv32imc;
    return startMachine({ emulation, image: this.#image, store: join(start.folder, "flash") }, start);
  }

  /** All sectors of pages. */
  flash(folder: string): Buffer {
    const { sectorBytes, sectorCount } = PAGES_GEOMETRY;
    const bytes = Buffer.alloc(sectorBytes * sectorCount);
    const file = openSync(join(folder, "flash"), "r");
    readSync(file, bytes, 0, bytes.length, 0);
    closeSync(file);
    return bytes;
  }

  kept(folder: string, applet: string): Kept {
    return keptInPages(this.flash(folder), PAGES_GEOMETRY, this.#firstPage(applet));
  }

  keep(folder: string, applet: string, registers: Uint8Array): void {
    const page = registerPageOf(this.#elements, applet);
    this.#keepPages(folder, new Map([[page, copyOf(registers)]]));
  }

  /** Gives a chip that was never started elements of which every page is programmed, and no registers: their pages lie in turns. */
  keepFlash(folder: string, flashes: ReadonlyMap<string, Uint8Array>): void {
    const pages = new Map<number, Uint8Array>();
    for (let page = 0; page < DEFAULT_GEOMETRY.pageCount; page++) {
      for (const [applet, flash] of flashes)
        pages.set(this.#firstPage(applet) + page, flash.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES));
    }
    this.#keepPages(folder, pages);
  }

  #keepPages(folder: string, pages: ReadonlyMap<number, Uint8Array>): void {
    const flash = join(folder, "flash");
    mkdirSync(folder, { recursive: true });
    rv32imc.makeStore?.(flash);
    const file = openSync(flash, "r+");
    writeSync(file, sectorsWith(pages, PAGES_GEOMETRY));
    closeSync(file);
  }
}
