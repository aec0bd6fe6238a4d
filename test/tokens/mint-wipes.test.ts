/** What a mint keeps of a purse that is closed: nothing from which a half could be made. */

import { expect, it } from "vitest";
import { WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import { DAY, TokenWorld } from "../support/token-world.js";

it("secret and seeds of a purse are in the books while it is open, and gone when it is closed; another's stay", async () => {
  const w = await TokenWorld.open();
  const issued = async (spendBy_seconds: number) => {
    const asked = w.alice.ask(w.keys, { seller: w.shop.id, spendBy_seconds, time_seconds: w.now(), flushes: null });
    const { sellerPurse, share } = await w.mint.forward(w.shop.word(WORD_FORWARD, asked.sealed), asked.sealed);
    w.shop.take(sellerPurse);
    return { asked, purse: w.alice.install(w.keys, asked, share).share.purse };
  };
  const kept = async () => {
    const purses = await w.database.selectFrom("token_purse").select(["secret"]).orderBy("redeem_by").execute();
    const requests = await w.database.selectFrom("token_request").select(["seed"]).execute();
    return { secrets: purses.map(({ secret }) => secret), seeds: requests.map(({ seed }) => seed) };
  };
  const first = await issued(w.now() + DAY);
  const open = await kept();
  expect(open.seeds).toEqual([first.asked.request.seed]);
  expect(open.secrets).toEqual([expect.any(Uint8Array)]);
  await w.time.run(w.mint.refund(w.alice.close(w.keys, first.purse, [0])));
  expect((await w.mint.refund(w.alice.close(w.keys, first.purse, [0]))).state).toBe("closed");
  expect(await kept()).toEqual({ secrets: [null], seeds: [null] });
  const second = await issued(w.now() + 2 * DAY);
  const both = await kept();
  expect(both.secrets).toEqual([null, expect.any(Uint8Array)]);
  expect(both.seeds).toHaveLength(2);
  expect(both.seeds).toContainEqual(second.asked.request.seed);
  expect(both.seeds).toContain(null);
});
