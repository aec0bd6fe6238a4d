/**
 * Pages in sectors of flash as hardware/boards/common/pages.h lays them out, read by what is written there and not by its code: what a
 * board keeps, whenever it was stopped.
 */

export const PAGE_BYTES = 4096;
const BEGIN_AT = 32;
const COMMIT_AT = 64;
const ENTRIES_AT = 96;
const ERASED_WORD = 0xffffffff;
/** Of a sector that replaces none. */
const REPLACES_NONE = 0xffffffff;
const FORMAT_VERSION = 1;

/** Words have four bytes. */
export interface PagesGeometry {
  readonly sectorBytes: number;
  readonly sectorCount: number;
  readonly pageCount: number;
}

interface Sector {
  readonly number: number;
  readonly erases: number;
  readonly begin: number;
  readonly replaces: number;
  readonly isCommitted: boolean;
}

/** The flash contradicts itself. */
export class PagesError extends Error {
  override readonly name = "PagesError";
}

/** A number and its complement; undefined where they are not. */
function numberAt(bytes: Buffer, at: number): number | undefined {
  const number = bytes.readUInt32LE(at);
  return (number ^ bytes.readUInt32LE(at + 4)) === -1 ? number : undefined;
}

/** Undefined: not formatted, or not begun. */
function sectorOf(bytes: Buffer): Sector | undefined {
  const [geometry, number, erases] = [0, 8, 16].map((at) => numberAt(bytes, at));
  const begin = numberAt(bytes, BEGIN_AT);
  const replaces = numberAt(bytes, BEGIN_AT + 8);
  if (geometry === undefined || number === undefined || erases === undefined) return undefined;
  if (begin === undefined || replaces === undefined) return undefined;
  return { number, erases, begin, replaces, isCommitted: numberAt(bytes, COMMIT_AT) === begin };
}

function sectorsOf(flash: Buffer, { sectorBytes, sectorCount }: PagesGeometry): (Sector | undefined)[] {
  return Array.from({ length: sectorCount }, (_, i) =>
    sectorOf(flash.subarray(i * sectorBytes, (i + 1) * sectorBytes)),
  );
}

/** Where each page that is programmed begins. */
export function pagesOf(flash: Buffer, geometry: PagesGeometry): Map<number, number> {
  const { sectorBytes } = geometry;
  const sectors = sectorsOf(flash, geometry);
  const pages = new Map<number, number>();
  for (const [i, sector] of sectors.entries()) {
    if (sector?.isCommitted !== true) continue;
    const isReplaced = sectors.some(
      (other) => other?.isCommitted === true && other.replaces === i && other.begin > sector.number,
    );
    if (isReplaced) continue;
    for (let slot = 1; slot < sectorBytes / PAGE_BYTES; slot++) {
      const entry = i * sectorBytes + ENTRIES_AT + (slot - 1) * 8;
      const page = flash.readUInt16LE(entry);
      const isWhole = (page ^ flash.readUInt16LE(entry + 2)) === 0xffff;
      if (!isWhole || flash.readUInt32LE(entry + 4) !== ERASED_WORD) continue;
      if (pages.has(page)) throw new PagesError(`page ${page} is in two slots`);
      pages.set(page, i * sectorBytes + slot * PAGE_BYTES);
    }
  }
  return pages;
}

/** How often each sector that is in use, or was, says that it was erased. */
export function erasesOf(flash: Buffer, geometry: PagesGeometry): number[] {
  return sectorsOf(flash, geometry).map((sector) => sector?.erases ?? 0);
}

/** Whether the power was lost while the pages of a sector were copied to another, or before the one was erased. */
export function isCollecting(flash: Buffer, geometry: PagesGeometry): boolean {
  return sectorsOf(flash, geometry).some(
    (sector, _i, all) =>
      sector !== undefined &&
      sector.replaces !== REPLACES_NONE &&
      (!sector.isCommitted || (all[sector.replaces]?.number ?? sector.begin) < sector.begin),
  );
}

function putNumbers(flash: Buffer, at: number, ...numbers: readonly number[]): void {
  for (const [i, number] of numbers.entries()) {
    flash.writeUInt32LE(number, at + 8 * i);
    flash.writeUInt32LE(~number >>> 0, at + 8 * i + 4);
  }
}

/** The first sectors, in which these pages are programmed and nothing else. */
export function sectorsWith(pages: ReadonlyMap<number, Uint8Array>, geometry: PagesGeometry): Buffer {
  const { sectorBytes, sectorCount, pageCount } = geometry;
  const slots = sectorBytes / PAGE_BYTES - 1;
  const stamp = (FORMAT_VERSION << 28) | (4 << 22) | (sectorCount << 17) | (pageCount << 8) | slots;
  const used = Math.ceil(pages.size / slots);
  const flash = Buffer.alloc(used * sectorBytes, 0xff);
  for (let sector = 0; sector < used; sector++) {
    const at = sector * sectorBytes;
    putNumbers(flash, at, stamp, 2 * sector + 1, 1);
    putNumbers(flash, at + BEGIN_AT, 2 * sector + 2, REPLACES_NONE);
    putNumbers(flash, at + COMMIT_AT, 2 * sector + 2);
  }
  for (const [i, [page, bytes]] of [...pages].entries()) {
    const at = Math.floor(i / slots) * sectorBytes;
    const slot = i % slots;
    flash.writeUInt16LE(page, at + ENTRIES_AT + 8 * slot);
    flash.writeUInt16LE(~page & 0xffff, at + ENTRIES_AT + 8 * slot + 2);
    flash.set(bytes, at + (1 + slot) * PAGE_BYTES);
  }
  return flash;
}
