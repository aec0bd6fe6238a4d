/** Elements on pages, as hardware/boards/paged/store.c lays them out: flash, then registers in copies, read from the sectors. */

import { DEFAULT_GEOMETRY } from "../../simulator/flash.js";
import type { Kept } from "./board.js";
import { PAGE_BYTES, type PagesGeometry, pagesOf } from "./pages-reader.js";
import { COPY_BYTES, latestRegisters } from "./qemu-board.js";

const ELEMENTS_MAX = 3;
const REGISTER_PAGES = 2;
const COPY_ROOM = Math.ceil(COPY_BYTES / 32) * 32;
const COPIES_PER_PAGE = Math.floor(PAGE_BYTES / COPY_ROOM);
const ELEMENT_PAGES = DEFAULT_GEOMETRY.pageCount + REGISTER_PAGES;
/** Of all elements. */
export const ELEMENTS_PAGES = ELEMENTS_MAX * ELEMENT_PAGES;

/** First page of an applet's element. `elements`: in the order of the image. */
export function firstPageOf(elements: readonly string[], applet: string): number {
  const element = elements.indexOf(applet);
  if (element < 0) throw new RangeError(`applet: the image has no ${applet}`);
  return element * ELEMENT_PAGES;
}

/** First of the pages with its registers. */
export function registerPageOf(elements: readonly string[], applet: string): number {
  return firstPageOf(elements, applet) + DEFAULT_GEOMETRY.pageCount;
}

/** What the element whose first page this is keeps in these sectors. */
export function keptInPages(flash: Buffer, geometry: PagesGeometry, first: number): Kept {
  const places = pagesOf(flash, geometry);
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
