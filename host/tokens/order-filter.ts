/**
 * Whether an order may be one that a seller knows: eight bytes or so an order in memory, so that the disk need not be asked for each one
 * that is new. An order that was added is always said to be there; one that was not, hardly ever.
 */

const SLOTS_MIN = 4_096;

export class OrderFilter {
  /** 32 bits of an order hash in a table that is at most half full; 0 is free. */
  #slots = new Uint32Array(SLOTS_MIN);
  #used = 0;

  /** `hash`: SHA-256 of an order. */
  add(hash: Uint8Array): void {
    if (2 * (this.#used + 1) > this.#slots.length) this.#grow();
    this.#put(printOf(hash));
  }

  mayHave(hash: Uint8Array): boolean {
    const print = printOf(hash);
    return this.#slots[this.#slotOf(print)] === print;
  }

  #put(print: number): void {
    const slot = this.#slotOf(print);
    if (this.#slots[slot] === print) return;
    this.#slots[slot] = print;
    this.#used += 1;
  }

  /** Where it is, or the free slot where it would be. */
  #slotOf(print: number): number {
    const mask = this.#slots.length - 1;
    let slot = print & mask;
    while (this.#slots[slot] !== 0 && this.#slots[slot] !== print) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(2 * before.length);
    this.#used = 0;
    for (const print of before) if (print !== 0) this.#put(print);
  }
}

/** Never 0. */
function printOf(hash: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = hash;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0 || 1;
}
