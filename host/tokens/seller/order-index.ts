/**
 * Where a seller's acceptances of an order are: their numbers, by 32 bits of the order's hash, so that the disk is not asked for an order
 * that is new. It is in memory and no index of the database: order hashes come in no order, so that each would change a page of such
 * an index, and every commit would write hundreds of them. It takes 12 bytes an acceptance, and half as much again that is free.
 */

const SLOTS_MIN = 4_096;
/** At most so much of the table is used. */
const LOAD_MAX = 0.75;

export class OrderIndex {
  /** Of each slot 32 bits of an order hash, 0 is free; and the number of the acceptance. */
  #prints = new Uint32Array(SLOTS_MIN);
  #numbers = new Float64Array(SLOTS_MIN);
  #used = 0;

  /** `hash`: SHA-256 of an order; `nr`: of one of its acceptances. */
  add(hash: Uint8Array, nr: number): void {
    if (this.#used >= LOAD_MAX * this.#prints.length) this.#resize(2 * this.#prints.length);
    this.#put(printOf(hash), nr);
  }

  /** Numbers of all acceptances of an order, and hardly ever of another's too, in no order. */
  find(hash: Uint8Array): number[] {
    const print = printOf(hash);
    const found: number[] = [];
    const mask = this.#prints.length - 1;
    for (let slot = print & mask; this.#prints[slot] !== 0; slot = (slot + 1) & mask) {
      const nr = this.#numbers[slot];
      if (this.#prints[slot] === print && nr !== undefined) found.push(nr);
    }
    return found;
  }

  #put(print: number, nr: number): void {
    const mask = this.#prints.length - 1;
    let slot = print & mask;
    while (this.#prints[slot] !== 0) slot = (slot + 1) & mask;
    this.#prints[slot] = print;
    this.#numbers[slot] = nr;
    this.#used += 1;
  }

  /** Without the acceptances of these numbers. */
  remove(gone: ReadonlySet<number>): void {
    this.#resize(this.#prints.length, gone);
  }

  #resize(slots: number, gone?: ReadonlySet<number>): void {
    const [prints, numbers] = [this.#prints, this.#numbers];
    this.#prints = new Uint32Array(slots);
    this.#numbers = new Float64Array(slots);
    this.#used = 0;
    for (const [slot, print] of prints.entries()) {
      const nr = numbers[slot] ?? 0;
      if (print !== 0 && gone?.has(nr) !== true) this.#put(print, nr);
    }
  }
}

/** Never 0. */
function printOf(hash: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = hash;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0 || 1;
}
