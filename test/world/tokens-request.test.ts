/** What `tally tokens request` says was bought is what was bought. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { Site } from "../../host/world/site.js";
import { HomeTokens, TOKEN_UNIT } from "../../host/world/tokens.js";
import { homeIn, partsIn } from "../../host/world/wallet.js";
import { tally as tallyAnywhere, unpackHome } from "../support/homes.js";

let folder: string;
const home = () => join(folder, "home");
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-tokens-"));
  unpackHome(home());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const tally = (...words: string[]) => tallyAnywhere("--home", home(), "--json", ...words);

test("also where an earlier request was under way", { timeout: 60_000 }, async () => {
  const parts = partsIn(homeIn(home()));
  const tokens = await HomeTokens.open(Site.read(parts));
  const card = await tokens.purse("alice");
  // The line broke before the answer came.
  await card.request({
    issuerChain: tokens.chainOf("mint"),
    seller: tokens.door("gazette").id,
    kind: PURSE_MONEY,
    unit: TOKEN_UNIT,
    denominations: [{ value: 10n, count: 5_000 }],
    spendBy_seconds: Number(parts.clock.now_seconds()) + 86_400,
  });
  await tokens.close();
  await parts.home.close();
  const asked = await tally("tokens", "request", "alice", "gazette", "USD 1.00");
  const said = JSON.parse(asked.out);
  const { purses } = JSON.parse((await tally("tokens", "balance", "alice")).out);
  expect({ tokens: said.tokens, amount: said.amount }).toEqual({ tokens: purses[0].tokens, amount: purses[0].left });
});

test("and what it advises helps: older tokens that were closed, and not refunded yet", {
  timeout: 60_000,
}, async () => {
  const other = join(folder, "other");
  unpackHome(other);
  const run = (...words: string[]) => tallyAnywhere("--home", other, "--json", ...words);
  await run("tokens", "request", "alice", "gazette", "USD 1.00");
  const parts = partsIn(homeIn(other));
  const tokens = await HomeTokens.open(Site.read(parts));
  // `tally tokens refund` was broken off between chip and mint.
  await (await tokens.purse("alice")).close(0);
  await tokens.close();
  await parts.home.close();
  const plain = await run("tokens", "request", "alice", "gazette", "USD 2.00");
  const flushing = await run("tokens", "request", "alice", "gazette", "USD 2.00", "--flush");
  expect.soft(plain.err + plain.out).not.toMatch(/add --flush/);
  expect([flushing.code, flushing.err]).toEqual([0, ""]);
});

test("and where there are tokens already it says what to do", { timeout: 60_000 }, async () => {
  const other = join(folder, "there-already");
  unpackHome(other);
  const run = (...words: string[]) => tallyAnywhere("--home", other, "--json", ...words);
  expect((await run("tokens", "request", "alice", "gazette", "USD 1.00")).code).toBe(0);
  const again = await run("tokens", "request", "alice", "gazette", "USD 2.00");
  expect(again.code).toBe(1);
  expect(again.err).toMatch(/add --flush/);
  const flushing = await run("tokens", "request", "alice", "gazette", "USD 2.00", "--flush");
  expect(JSON.parse(flushing.out)).toMatchObject({ amount: "2.0000", refunded: { amount: "1.0000" } });
});
