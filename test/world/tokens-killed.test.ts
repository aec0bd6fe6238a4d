/** `tally tokens` is killed (SIGKILL) at moments of all kinds, and run again: what was bought is paid once, whatever was done by then. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { unpackHome } from "../support/homes.js";
import { countMoments, killAt } from "../support/mortal-process.js";
import { commandsOn, endChildren } from "../support/processes.js";

let home: string;
let url: string;

const { started, done } = commandsOn(() => home);
const on = (...words: string[]) => ["--home", home, "--json", ...words];

beforeEach(async () => {
  home = join(mkdtempSync(join(tmpdir(), "tallystick-killed-")), "home");
  unpackHome(home);
});
afterEach(async () => {
  await endChildren();
  rmSync(join(home, ".."), { recursive: true, force: true });
});

/** So many of all the moments, the first and the last among them. */
function sampled(moments: number, count: number): number[] {
  const step = Math.max(1, (moments - 1) / (count - 1));
  const chosen = Array.from({ length: count }, (_, i) => Math.round(1 + i * step)).filter((at) => at <= moments);
  return [...new Set(chosen)];
}

async function left(): Promise<string[]> {
  const { code, value } = await done("tokens", "balance", "alice");
  expect(code).toBe(0);
  return (value["purses"] as { state: string; left: string }[]).map((purse) => `${purse.state} ${purse.left}`);
}

async function expectAudit(sums: { issued: string; redeemed: string; refunded: string; outstanding: string }) {
  const { code, value } = await done("mint", "audit");
  expect([code, value]).toMatchObject([0, { units: [sums], faults: [] }]);
  expect((await done("audit")).code).toBe(0);
}

test("tokens spend pays once", { timeout: 180_000 }, async () => {
  const newspaper = started("seller", "serve", "gazette");
  url = (await newspaper.event("ready"))["url"] ?? "";
  expect((await done("tokens", "request", "alice", "gazette", "USD 1.00")).code).toBe(0);
  const spend = on("tokens", "spend", "alice", `${url}/ferry`);
  const moments = await countMoments(spend);
  expect(moments).toBeGreaterThan(20);
  let spent = 20; // Hundredths of a cent, by now; a purchase is 20.
  for (const at of sampled(moments, 9)) {
    expect(await killAt(spend, at), `moment ${at} of ${moments}`).toBe(true);
    const again = await done(...spend.slice(2));
    expect([again.code, again.value["status"]], `moment ${at} of ${moments}`).toEqual([0, 200]);
    const [purse = ""] = await left();
    const now = Math.round((1 - Number(purse.replace("open ", ""))) * 10_000);
    // Only where the article had come and was struck off the list before it died is it bought a second time.
    expect(at > moments - 6 ? [spent + 20, spent + 40] : [spent + 20], `moment ${at} of ${moments}`).toContain(now);
    spent = now;
  }
  newspaper.kill("SIGTERM");
  expect((await newspaper.ended).code).toBe(0);
  const [redeemed, outstanding] = [spent, 10_000 - spent].map((amount) => (amount / 10_000).toFixed(4)) as [
    string,
    string,
  ];
  await expectAudit({ issued: "1.0000", redeemed, refunded: "0.0000", outstanding });
});

test("tokens request is paid once, and tokens refund pays once", { timeout: 240_000 }, async () => {
  const request = on("tokens", "request", "alice", "gazette", "USD 1.00", "--flush");
  const refund = on("tokens", "refund", "alice", "gazette");
  const [requests, refunds] = [await countMoments(request), await countMoments(refund)];
  expect([requests > 30, refunds > 20]).toEqual([true, true]);
  let issued = 1;
  for (const at of sampled(requests, 5)) {
    await killAt(request, at);
    const again = await done(...request.slice(2));
    expect([again.code, again.err], `moment ${at} of ${requests}`).toEqual([0, ""]);
    expect(await left(), `moment ${at} of ${requests}`).toEqual(["open 1.0000"]);
    const { value } = await done("mint", "audit");
    const [unit] = value["units"] as { issued: string; outstanding: string }[];
    // What the killed one had bought already is flushed, and comes back.
    expect(unit?.outstanding, `moment ${at} of ${requests}`).toBe("1.0000");
    issued = Number(unit?.issued);
  }
  for (const at of sampled(refunds, 4)) {
    await killAt(refund, at);
    const again = await done(...refund.slice(2));
    // Where it was over already there is nothing left to refund.
    if (again.code !== 0) expect(again.err, `moment ${at} of ${refunds}`).toMatch(/has no tokens for gazette/);
    expect(await left(), `moment ${at} of ${refunds}`).toEqual([]);
    await expectAudit({
      issued: issued.toFixed(4),
      redeemed: "0.0000",
      refunded: issued.toFixed(4),
      outstanding: "0.0000",
    });
    expect((await done("tokens", "request", "alice", "gazette", "USD 1.00")).code).toBe(0);
    issued += 1;
  }
});
