/** RISC-V in QEMU (hardware/boards/riscv-virt): what outlives power is in the file of the machine's second flash. */

import { closeSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Emulation, rv32imc } from "../../scripts/hardware/emulation.js";
import { DEFAULT_GEOMETRY } from "../../simulator/flash.js";
import type { BoardStart, BoardUnderTest, Kept, RunningBoard } from "./board.js";
import { PAGE_BYTES, type PagesGeometry, pagesOf, sectorsWith } from "./pages-reader.js";
import { COPY_BYTES, copyOf, latestRegisters } from "./qemu-board.js";
import { startMachine } from "./qemu-machine.js";

// As hardware/boards/riscv-virt/store.c has it, and hardware/boards/paged/store.c.
const SECTOR_COUNT = 5;
const ELEMENTS_MAX = 3;
const REGISTER_PAGES = 2;
const COPY_ROOM = Math.ceil(COPY_BYTES / 32) * 32;
const COPIES_PER_PAGE = Math.floor(PAGE_BYTES / COPY_ROOM);
const ELEMENT_PAGES = DEFAULT_GEOMETRY.pageCount + REGISTER_PAGES;
export const PAGES_GEOMETRY: PagesGeometry = {
  sectorBytes: 256 * 1024,
  sectorCount: SECTOR_COUNT,
  pageCount: ELEMENTS_MAX * ELEMENT_PAGES,
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
    const element = this.#elements.indexOf(applet);
    if (element < 0) throw new RangeError(`applet: the image has no ${applet}`);
    return element * ELEMENT_PAGES;
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
    const flash = this.flash(folder);
    const places = pagesOf(flash, PAGES_GEOMETRY);
    const first = this.#firstPage(applet);
    const pages = Array.from({ length: ELEMENT_PAGES }, (_, i) => {
      const place = places.get(first + i);
      return place === undefined ? Buffer.alloc(PAGE_BYTES, 0xff) : flash.subarray(place, place + PAGE_BYTES);
    });
    const { pageCount } = DEFAULT_GEOMETRY;
    const copies = pages
      .slice(pageCount)
      .flatMap((page) => Array.from({ length: COPIES_PER_PAGE }, (_, copy) => page.subarray(copy * COPY_ROOM)));
    return { flash: Buffer.concat(pages.slice(0, pageCount)), registers: latestRegisters(copies) };
  }

  keep(folder: string, applet: string, registers: Uint8Array): void {
    const page = this.#firstPage(applet) + DEFAULT_GEOMETRY.pageCount;
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
