/** A seller's books are looked at: each acceptance proves what it says, no token is in two, and memory and disk say the same. */

import { PURSE_MONEY } from "../../../firmware/protocol/tokens.js";
import { toHex } from "../../codec/bytes.js";
import type { SellerBooks } from "./books.js";
import { readPresentedRanges, readTokens, refusedOf } from "./store.js";

/** Sentences about what does not agree. */
export async function auditSeller(books: SellerBooks): Promise<string[]> {
  await books.log.commit();
  const findings: string[] = [];
  const { purses, store } = books;
  const taken = new Map<string, Set<number>>();
  for await (const row of store.acceptances()) {
    const name = `Acceptance ${row.nr} (order ${toHex(row.order_hash)})`;
    let [at, worth] = [0, 0n];
    for (const { purse, ranges } of readTokens(row.tokens)) {
      const book = purses.get(toHex(purse)) ?? undefined;
      if (book === undefined) {
        findings.push(`${name} is about a purse that is not there.`);
        continue;
      }
      if (book.isForgotten) findings.push(`${name} is about a purse whose acceptances are forgotten.`);
      const secrets = row.secrets.subarray(at, at + book.bytesOf(ranges));
      at += secrets.length;
      if (book.head.kind === PURSE_MONEY) worth += book.valueOf(ranges);
      if (book.state === "open" && book.firstFalse(ranges, secrets) >= 0)
        findings.push(`${name} has a secret that is not its token's.`);
      const known = taken.get(book.key) ?? new Set();
      taken.set(book.key, known);
      for (const serial of serials(ranges)) {
        if (known.has(serial))
          findings.push(`${name} has token ${serial} of purse ${book.key}, which an earlier one has.`);
        known.add(serial);
        if (!book.isTaken(serial)) findings.push(`${name} has token ${serial}, of which the half is still there.`);
      }
    }
    if (at !== row.secrets.length) findings.push(`${name} has not one secret for each token.`);
    if (worth !== row.amount) findings.push(`${name} says ${row.amount}, and its tokens are worth ${worth}.`);
  }
  for (const row of await store.presentations()) {
    if (purses.get(toHex(row.purse))?.isForgotten === true) continue;
    const known = taken.get(toHex(row.purse));
    for (const ranges of row.notice === null ? [] : [readPresentedRanges(row.ranges), refusedOf(row)])
      if (serials(ranges).some((serial) => known?.has(serial) !== true))
        findings.push(`Presentation ${toHex(row.request)} is about tokens that were not accepted.`);
  }
  for (const book of purses.values()) {
    if (book === null || book.isForgotten) continue;
    const inMemory = book.counts().reduce((sum, { taken }) => sum + taken, 0);
    const onDisk = taken.get(book.key)?.size ?? 0;
    if (inMemory !== onDisk)
      findings.push(`Of purse ${book.key} ${onDisk} tokens are on the disk and ${inMemory} in memory.`);
  }
  return findings;
}

function serials(ranges: readonly { first: number; count: number }[]): number[] {
  return ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
}
