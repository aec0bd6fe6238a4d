/**
 * What age does to flash, from a seed: bits that turn over at rest or only in what is read, and pages that are erased more
 * often than they bear. A device that is full is no fault of its own: it is a small geometry, and something written to it.
 */

import type { Fate, Operation, OperationHook, ReadHook } from "./faults.js";
import type { Flash } from "./flash.js";

/** 32 random bits a call. */
export type RandomBits = () => number;

/** Different bits of the bytes from `start` to `end`, as positions for `Flash.flipBit`. */
export function drawBits(start: number, end: number, count: number, random: RandomBits): number[] {
  const range = 8 * (end - start);
  if (!(count <= range)) throw new RangeError("count: more bits than there are");
  const drawn = new Set<number>();
  while (drawn.size < count) drawn.add(8 * start + (random() % range));
  return [...drawn];
}

/** Bit rot at rest: so many bits between two addresses turn over. Says which, so that they can be turned back. */
export function rot(flash: Flash, start: number, end: number, count: number, random: RandomBits): number[] {
  const bits = drawBits(start, end, count, random);
  for (const bit of bits) flash.flipBit(bit);
  return bits;
}

/** Bit rot in reading: about every n-th read answers with one bit turned over, and flash keeps what it holds. */
export function misread(everyReads: number, random: RandomBits): ReadHook {
  return (_address, bytes) => {
    if (bytes.length === 0 || random() % everyReads !== 0) return;
    const [bit = 0] = drawBits(0, bytes.length, 1, random);
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  };
}

/**
 * How a page ends: its erasures fail and change nothing, or a part; they are said to be done while some cells stay as
 * they are; or erasures go on, and what is programmed there fails half-way.
 */
export const PAGE_ENDS = ["fails", "fails-partly", "sticks", "programs-fail"] as const;
export type PageEnd = (typeof PAGE_ENDS)[number];

/** Endurance of each page, and what happens to it afterwards. Give `hook` to the chip. */
export class Endurance {
  private readonly pages: readonly { readonly erasures: number; readonly end: PageEnd }[];
  private readonly goodCells = new Map<number, Uint8Array>();

  /** Every page bears `erasures` to `erasures + spread` of them. */
  constructor(
    private readonly flash: Flash,
    { erasures, spread }: { readonly erasures: number; readonly spread: number },
    private readonly random: RandomBits,
    ends: readonly PageEnd[] = PAGE_ENDS,
  ) {
    this.pages = Array.from({ length: flash.geometry.pageCount }, () => ({
      erasures: erasures + (random() % (spread + 1)),
      end: ends[random() % ends.length] as PageEnd,
    }));
  }

  isWornOut(page: number): boolean {
    return this.flash.erasures(page) >= (this.pages[page]?.erasures ?? 0);
  }

  readonly hook: OperationHook = (operation) => {
    if (operation.lengthBytes === 0) return undefined;
    const page = Math.floor(operation.address / this.flash.geometry.pageSizeBytes);
    if (!this.isWornOut(page)) return undefined;
    return this.fate(operation, page, this.pages[page]?.end ?? "fails");
  };

  private fate({ kind, lengthBytes }: Operation, page: number, end: PageEnd): Fate {
    if (end === "programs-fail") return kind === "flash-program" ? { fails: this.half(lengthBytes) } : undefined;
    if (kind !== "flash-erase") return undefined;
    if (end === "fails") return { fails: true };
    return end === "fails-partly" ? { fails: this.half(lengthBytes) } : { leaves: this.good(page, lengthBytes) };
  }

  private half(lengthBytes: number): Uint8Array {
    return new Uint8Array(lengthBytes).map(() => this.random());
  }

  /** All cells of a page but those that stick, one in about a hundred: always the same ones. */
  private good(page: number, lengthBytes: number): Uint8Array {
    const known = this.goodCells.get(page);
    if (known !== undefined) return known;
    const good = new Uint8Array(lengthBytes).map(() => (this.random() % 12 === 0 ? ~(1 << (this.random() & 7)) : 0xff));
    this.goodCells.set(page, good);
    return good;
  }
}
