/** Whose money a seller takes for money. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { PURSE_MONEY, SCHEME_SECRET } from "../../firmware/protocol/tokens.js";
import { fromHex } from "../../host/codec/bytes.js";
import { ed25519Signer } from "../../host/crypto.js";
import { sealBulk } from "../../host/tokens/bulk.js";
import { leavesRoot } from "../../host/tokens/derive.js";
import { PROLOGUE } from "../../host/tokens/messages/common.js";
import { encodeSellerPurse, signHead } from "../../host/tokens/messages/purses.js";
import { Site } from "../../host/world/site.js";
import { readTokenState } from "../../host/world/token-state.js";
import { HomeTokens, TOKEN_UNIT } from "../../host/world/tokens.js";
import { homeIn, partsIn } from "../../host/world/wallet.js";
import { unpackHome } from "../support/homes.js";
import { bytesFrom, seededRandom } from "../support/token-buyer.js";
import { outcomeOf } from "../support/token-world.js";

it("an authorization service makes no money that the home's newspaper takes", { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-clearance-"));
  unpackHome(folder);
  const parts = partsIn(homeIn(folder));
  const site = Site.read(parts);
  const tokens = await HomeTokens.open(site);
  const clearance = readTokenState(site)?.clearance;
  if (clearance === undefined) throw new Error("no tokens");
  const seller = await tokens.seller("gazette");
  const random = bytesFrom(seededRandom("clearance"));
  const leaves = random(32 * 4);
  const now_seconds = Number(parts.clock.now_seconds());
  const head = signHead(
    {
      purse: random(16),
      issuer: fromHex(clearance.id),
      seller: seller.id,
      scheme: SCHEME_SECRET,
      kind: PURSE_MONEY,
      unit: TOKEN_UNIT,
      denominations: [{ value: 1_000_000n, count: 4 }],
      spendBy_seconds: now_seconds + 86_400,
      redeemBy_seconds: now_seconds + 2 * 86_400,
      assertion: null,
      holders: 1,
      root: leavesRoot(leaves),
    },
    ed25519Signer(fromHex(clearance.signatureSeed)),
  );
  const contents = encodeSellerPurse({
    head,
    chain: tokens.chainOf("clearance"),
    orderKeys: [random(32)],
    leaves,
    uniques: random(16 * 4),
    halves: random(32 * 4),
  });
  const sealed = sealBulk({ remoteStatic: seller.keys.agreementKey, prologue: PROLOGUE.purse, random }, contents);
  const outcome = await outcomeOf(seller.deliver(sealed));
  await tokens.close();
  await parts.home.close();
  rmSync(folder, { recursive: true });
  // 400 dollars that no bank stands behind, and that the service itself would not redeem.
  expect(outcome).toBe("not-authentic");
});
