/** What the test and the processes that it may kill tell each other. */

/** Sorts of moments: before a message to a peer goes out; beside something that outlives the process. */
export type Sort = "envelope" | "durable";
export const SORTS: readonly Sort[] = ["envelope", "durable"];

/** Die at the n-th moment of this sort from now on; the first is 1. */
export interface Order {
  readonly sort: Sort;
  readonly at: number;
}

export type Counts = Readonly<Record<Sort, number>>;

/** An order (none: live), which sets the counters back, or a question how many moments there were. */
export type ToPreload =
  | { readonly kind: "order"; readonly number: number; readonly order?: Order }
  | { readonly kind: "count"; readonly number: number };

export interface FromPreload {
  readonly number: number;
  readonly counts: Counts;
}
