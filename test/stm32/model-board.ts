/**
 * The STM32F405's flash as test/stm32 models it, under a process (test/stm32/hosted): what outlives power is in a file that is all
 * the sectors of pages.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BoardStart, BoardUnderTest, Kept, RunningBoard } from "../hardware/board.js";
import { ELEMENTS_PAGES, firstPageOf, keptInPages, registerPageOf } from "../hardware/paged-elements.js";
import { erasesOf, PAGE_BYTES, type PagesGeometry, pagesOf, sectorsWith } from "../hardware/pages-reader.js";
import { PosixBoard } from "../hardware/posix-board.js";
import { copyOf } from "../hardware/qemu-board.js";

// As hardware/boards/common/pages.h has it.
const DEAD_AT = 100;
const ENTRY_BYTES = 8;
// As the build gives the model, and hosted/folder.c.
const GEOMETRY: PagesGeometry = {
  sectorBytes: 128 * 1024,
  sectorCount: 8,
  pageCount: ELEMENTS_PAGES,
};

/** Slots of all sectors but the one that is kept free. */
const SLOTS = (GEOMETRY.sectorCount - 1) * (GEOMETRY.sectorBytes / PAGE_BYTES - 1);
/** Coprime to them: neighbours lie in sectors apart. */
const STRIDE = 61;

function markDead(flash: Buffer, place: number): void {
  const sector = place - (place % GEOMETRY.sectorBytes);
  const slot = (place - sector) / PAGE_BYTES - 1;
  flash.writeUInt32LE(0, sector + DEAD_AT + slot * ENTRY_BYTES);
}

/**
 * A chip whose pages are all erased, and yet have slots, and all others are dead: as full as one can be, so that sectors are copied
 * all the time. `programmed`: what some pages have instead.
 */
function fullChip(programmed: ReadonlyMap<number, Uint8Array>): Buffer {
  const { sectorBytes, sectorCount, pageCount } = GEOMETRY;
  const numbers = Array.from({ length: SLOTS }, (_, i) => (i * STRIDE) % SLOTS);
  const pages = new Map(numbers.map((page) => [page, programmed.get(page) ?? new Uint8Array(0)]));
  const flash = Buffer.alloc(sectorBytes * sectorCount, 0xff);
  flash.set(sectorsWith(pages, GEOMETRY));
  for (const [page, place] of pagesOf(flash, GEOMETRY)) if (page >= pageCount) markDead(flash, place);
  return flash;
}

export class ModelBoard implements BoardUnderTest {
  readonly name: string;
  readonly command_ms = 3;
  readonly #process: PosixBoard;
  /** In the order of the image. */
  readonly #elements: readonly string[];
  /** Erasures of sectors that chips had when they were looked at, without those that they began with. */
  erasures = 0;

  constructor(image: string, elements: readonly string[], name: string) {
    this.name = name;
    this.#process = new PosixBoard(image, name);
    this.#elements = elements;
  }

  start(start: BoardStart): Promise<RunningBoard> {
    if (!existsSync(join(start.folder, "flash"))) this.#make(start.folder, new Map());
    return this.#process.start(start);
  }

  kept(folder: string, applet: string): Kept {
    const flash = readFileSync(join(folder, "flash"));
    this.erasures += erasesOf(flash, GEOMETRY).reduce((sum, erases) => sum + Math.max(0, erases - 1), 0);
    return keptInPages(flash, GEOMETRY, firstPageOf(this.#elements, applet));
  }

  keep(folder: string, applet: string, registers: Uint8Array): void {
    const page = registerPageOf(this.#elements, applet);
    this.#make(folder, new Map([[page, copyOf(registers)]]));
  }

  #make(folder: string, programmed: ReadonlyMap<number, Uint8Array>): void {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "flash"), fullChip(programmed));
  }
}
