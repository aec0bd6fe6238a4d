import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openEconomy } from "../../host/bench/economy.js";
import { FolderHome } from "../../host/world/home.js";

test("50 customers buy at once from one merchant: all settle, and the books balance", {
  timeout: 120_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-crowd-"));
  const economy = await openEconomy(new FolderHome(folder), { customers: 50, payers: 0, tills: 3 }, "in-process");
  try {
    // It throws if a customer is not served, an authorization is left open, or a currency does not balance.
    expect(await economy.crowd()).toMatchObject({ customers: 50, tills: 3 });
    const held = await Promise.all([...economy.world.customers.values()].map(({ device }) => device.module.balances()));
    expect(held.flat().map(({ spendable, offered, inDoubt }) => [spendable, offered, inDoubt])).toEqual(
      held.map(() => [1_000n, 0n, 0n]),
    );
    expect(await economy.world.network.audit()).toEqual([]);
    const pending = await Promise.all([...economy.world.devices.values()].map(({ parts }) => parts.module?.pending()));
    expect(pending.flat().filter((each) => each !== undefined && each.state !== "settled")).toEqual([]);
  } finally {
    await economy.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
