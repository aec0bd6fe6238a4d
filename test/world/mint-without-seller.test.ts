/** A mint in a process of its own, and a seller that is started later. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { serveMint } from "../../host/world/serve-mint.js";
import { serveNewspaper } from "../../host/world/serve-newspaper.js";
import { Site } from "../../host/world/site.js";
import { HomeTokens } from "../../host/world/tokens.js";
import { homeIn, partsIn } from "../../host/world/wallet.js";
import { tally as tallyAnywhere, unpackHome } from "../support/homes.js";

test("a refund while nobody serves the seller does not keep the seller from starting", {
  timeout: 60_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-mint-takes-"));
  unpackHome(folder);
  const tally = (...words: string[]) => tallyAnywhere("--home", folder, "--json", ...words);
  const mintParts = partsIn(homeIn(folder));
  const mint = await serveMint(await HomeTokens.open(Site.read(mintParts)));
  const bought = await tally("tokens", "request", "alice", "gazette", "USD 1.00");
  const refunded = await tally("tokens", "refund", "alice", "gazette");
  const parts = partsIn(homeIn(folder));
  const started = await serveNewspaper(await HomeTokens.open(Site.read(parts)), "gazette").then(
    async (served) => {
      await served.close();
      return "started";
    },
    (error: Error) => error.message,
  );
  await parts.home.close();
  await mint.close();
  await mintParts.home.close();
  rmSync(folder, { recursive: true });
  expect([bought.code, refunded.code, started]).toEqual([0, 0, "started"]);
});
