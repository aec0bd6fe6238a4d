/** Between which hosts something may be open, and from which transaction on they can meet again: what wallets and merchants note. */

import type { Host } from "./hosts.js";

export type Ends = readonly [Host, Host];

interface Business {
  readonly ends: Ends;
  /** Number of the first transaction before which they can meet. */
  readonly from: number;
  /** They cannot reach each other until then, for nothing. */
  readonly isPartition: boolean;
}

export class OpenBusiness {
  readonly #open = new Map<string, Business>();

  get count(): number {
    return this.#open.size;
  }

  note(ends: Ends, from: number, isPartition = false): void {
    const key = keyOf(ends);
    if (!this.#open.has(key)) this.#open.set(key, { ends, from, isPartition });
  }

  /** Takes those who can meet before this transaction. */
  take(number: number): Ends[] {
    const due = [...this.#open.values()].filter(({ from }) => from <= number);
    for (const { ends } of due) this.#open.delete(keyOf(ends));
    return due.map(({ ends }) => ends);
  }

  isApart(ends: Ends): boolean {
    return this.#open.get(keyOf(ends))?.isPartition === true;
  }

  concerns(host: Host): boolean {
    return [...this.#open.values()].some(({ ends }) => ends.includes(host));
  }
}

function keyOf(ends: Ends): string {
  return ends
    .map(({ name }) => name)
    .sort()
    .join("|");
}
