/** The one generator that everything is drawn from: SHA-256 of the seed and a counter. */

import { createHash } from "node:crypto";

export class Draw {
  readonly #seed: string;
  #drawn = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  /** From 0 to bound - 1, each as likely as any other but for one in 2^20. */
  below(bound: number): number {
    const hash = createHash("sha256").update(`${this.#seed}/${this.#drawn}`).digest();
    this.#drawn += 1;
    return hash.readUIntBE(0, 6) % bound;
  }

  shuffled<Item>(items: readonly Item[]): Item[] {
    const rest = [...items];
    const shuffled: Item[] = [];
    while (rest.length > 0) shuffled.push(...rest.splice(this.below(rest.length), 1));
    return shuffled;
  }
}
