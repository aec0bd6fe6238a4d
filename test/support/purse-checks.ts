/** What tests of the purse ask of it again and again. */

import { expect } from "vitest";
import { StatusWordError } from "../../host/status-words.js";
import type { RecordReader } from "./conservation-records.js";
import type { Buyer } from "./purses.js";
import { reasonOf } from "./refusals.js";

/** The status word that refused what was tried. */
export async function statusOf(work: Promise<unknown>): Promise<number> {
  const error = await work.then(
    () => undefined,
    (refusal: unknown) => refusal,
  );
  if (error instanceof StatusWordError) return error.status;
  throw error ?? new Error("it went through");
}

/** Digest of what is stored in a chip, read beside it. */
export function storedIn(buyer: Pick<Buyer, "simulated">, reader: RecordReader): string {
  return reader.digest(buyer.simulated.chip.snapshot(), "purse");
}

/** It is refused for this reason, and what is stored stays as it was. */
export async function refuses(buyer: Buyer, reader: RecordReader, reason: number, work: () => Promise<unknown>) {
  const before = storedIn(buyer, reader);
  expect(await reasonOf(work())).toBe(reason);
  expect(storedIn(buyer, reader)).toBe(before);
}

/** It is refused by this status word, and what is stored stays as it was. */
export async function refusesBy(buyer: Buyer, reader: RecordReader, status: number, work: () => Promise<unknown>) {
  const before = storedIn(buyer, reader);
  expect((await statusOf(work())).toString(16)).toBe(status.toString(16));
  expect(storedIn(buyer, reader)).toBe(before);
}
