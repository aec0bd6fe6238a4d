/** A purse that cannot be closed holds up no other, and no issuer. */

import { sql } from "kysely";
import { expect, it } from "vitest";
import { WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import type { TokenBuyer } from "../support/token-buyer.js";
import { DAY, TokenWorld } from "../support/token-world.js";

async function purse(w: TokenWorld, buyer: TokenBuyer): Promise<string> {
  const what = { seller: w.shop.id, denominations: [{ value: 100n, count: 5 }] };
  const asked = buyer.ask(w.keys, { ...what, spendBy_seconds: w.now() + DAY, time_seconds: w.now() });
  const { share } = await w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
  return toHex(buyer.install(w.keys, asked, share).share.purse);
}

const pass = (w: TokenWorld, seconds: number) =>
  w.time.run(new Promise<void>((resolve) => void w.time.after(seconds * 1000, resolve)));

it("closes the others when one throws, starts all the same, and closes that one later", async () => {
  const w = await TokenWorld.open();
  const other = w.buyer();
  await w.mint.addBuyer(toHex(other.id), "alice");
  const [stuck, free] = [await purse(w, w.alice), await purse(w, other)];
  const states = async () => {
    const { rows } = await sql<{ id: string; state: string }>`select id, state from token_purse`.execute(w.database);
    return Object.fromEntries(rows.map(({ id, state }) => [id, state]));
  };
  await sql`create trigger stuck before update on token_purse when old.id = ${sql.lit(stuck)}
    begin select raise(abort, 'stuck'); end`.execute(w.database);
  // The timers of the mint that is gone do nothing: what closes is what starts.
  w.mint.close();
  await pass(w, 400 * DAY);
  expect(await states()).toEqual({ [stuck]: "open", [free]: "open" });
  await w.start();
  expect(await states()).toEqual({ [stuck]: "open", [free]: "closed" });
  expect((await w.mint.tick()).map(({ message }) => message)).toEqual([expect.stringContaining("stuck")]);
  expect(await w.faults()).toEqual([]);
  await sql`drop trigger stuck`.execute(w.database);
  await pass(w, 3_600);
  expect(await states()).toEqual({ [stuck]: "closed", [free]: "closed" });
  expect(await w.faults()).toEqual([]);
});
