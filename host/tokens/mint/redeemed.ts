/** Which tokens of a purse were redeemed: one bit each, in rows of CHUNK_TOKENS, made when the first of them is. */

import type { Executor } from "../../services/database.js";
import type { MintTables } from "./books.js";

export const CHUNK_TOKENS = 4_096;
const CHUNK_BYTES = CHUNK_TOKENS / 8;

/**
 * Marks tokens as redeemed and says which of them had not been. `serials` rise. Nobody else changes the purse meanwhile: it is
 * called in a transaction.
 */
export async function markRedeemed(
  transaction: Executor<MintTables>,
  purse: string,
  serials: readonly number[],
): Promise<{ readonly fresh: readonly number[]; readonly known: readonly number[] }> {
  const fresh: number[] = [];
  const known: number[] = [];
  let chunk = -1;
  let bits = new Uint8Array(0);
  let changed = false;
  const store = async () => {
    if (changed) await storeChunk(transaction, purse, chunk, bits);
    changed = false;
  };
  for (const serial of serials) {
    const wanted = Math.floor(serial / CHUNK_TOKENS);
    if (wanted !== chunk) {
      await store();
      chunk = wanted;
      bits = await loadChunk(transaction, purse, chunk);
    }
    const at = serial % CHUNK_TOKENS;
    const byte = at >> 3;
    const bit = 1 << (at & 7);
    const before = bits[byte] ?? 0;
    if ((before & bit) !== 0) {
      known.push(serial);
      continue;
    }
    bits[byte] = before | bit;
    changed = true;
    fresh.push(serial);
  }
  await store();
  return { fresh, known };
}

/** The serial numbers that are marked, rising. */
export async function redeemedSerials(books: Executor<MintTables>, purse: string): Promise<number[]> {
  const rows = await books
    .selectFrom("token_redeemed")
    .select(["chunk", "bits"])
    .where("purse", "=", purse)
    .orderBy("chunk")
    .execute();
  const serials: number[] = [];
  for (const { chunk, bits } of rows)
    for (let at = 0; at < CHUNK_TOKENS; at++)
      if (((bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0) serials.push(Number(chunk) * CHUNK_TOKENS + at);
  return serials;
}

async function loadChunk(books: Executor<MintTables>, purse: string, chunk: number): Promise<Uint8Array<ArrayBuffer>> {
  const row = await books
    .selectFrom("token_redeemed")
    .select("bits")
    .where("purse", "=", purse)
    .where("chunk", "=", BigInt(chunk))
    .executeTakeFirst();
  return row === undefined ? new Uint8Array(CHUNK_BYTES) : Uint8Array.from(row.bits);
}

async function storeChunk(
  transaction: Executor<MintTables>,
  purse: string,
  chunk: number,
  bits: Uint8Array,
): Promise<void> {
  await transaction
    .insertInto("token_redeemed")
    .values({ purse, chunk: BigInt(chunk), bits })
    .onConflict((conflict) => conflict.columns(["purse", "chunk"]).doUpdateSet({ bits }))
    .execute();
}
