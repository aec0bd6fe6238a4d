/** Bank, card network, merchants and wallets of one home as processes of their own: how they find each other, and how they end. */

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { unpackHome } from "../support/homes.js";
import { commandsOn, endChildren } from "../support/processes.js";

let folder: string;
let home: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-processes-"));
  home = join(folder, "home");
  unpackHome(home);
});
afterEach(endChildren);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { started, done } = commandsOn(() => home);

describe("servers of one home", () => {
  test("serve each other's customers, and the network may be started again elsewhere meanwhile", {
    timeout: 40_000,
  }, async () => {
    const network = started("network", "serve");
    const { directory } = await network.event("ready");
    const bank = started("bank", "serve");
    const merchant = started("merchant", "serve", "alder");
    await Promise.all([bank.event("ready"), merchant.event("ready")]);
    const { merchants } = (await (await fetch(directory ?? "")).json()) as { merchants: unknown[] };
    expect(merchants).toHaveLength(1);
    expect((await done("wallet", "buy", "bob", "USD 2.00", "--yes")).value).toMatchObject({
      merchant: "Alder Exchange",
    });

    network.kill("SIGTERM");
    expect(await network.ended).toMatchObject({ code: 0 });
    const again = started("network", "serve");
    const ready = await again.event("ready");
    const [buying, taking] = [
      done("wallet", "buy", "bob", "USD 3.00", "--yes"),
      done("wallet", "withdraw", "carol", "USD 4.00"),
    ];
    expect((await buying).code).toBe(0);
    expect((await taking).code).toBe(0);
    // Nobody else may have a part that is served; the message says who has it.
    const second = await done("merchant", "serve", "alder");
    expect([second.code, second.err]).toEqual([1, expect.stringMatching(`Process ${merchant.pid} is working`)]);
    expect((await done("audit")).err).toMatch(/is working in .*no money moved/);

    for (const child of [merchant, bank, again]) child.kill("SIGTERM");
    for (const child of [merchant, bank, again]) expect(await child.ended).toMatchObject({ code: 0, signal: null });
    const audit = (await done("audit")).value["audit"] as { balanced: boolean }[];
    expect(audit.every((line) => line.balanced)).toBe(true);
    const listed = (await done("merchant", "list")).value["merchants"] as { name: string; address: string }[];
    expect(listed.map(({ address }) => address).sort()).toEqual(["alder", "birch"]);
    expect(ready.url).toMatch(/^iso8583:/);
  });

  test("that cannot be served say why, and end", { timeout: 30_000 }, async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const address = taken.address();
    const port = String(typeof address === "object" ? address?.port : 0);
    try {
      for (const words of [
        ["bank", "serve", "--port", port],
        ["merchant", "serve", "birch", "--port", port],
        ["network", "serve", "--port", port],
        ["network", "serve", "--directory-port", port],
        ["wallet", "request", "bob", "USD 1.00", "--port", port],
        ["wallet", "receive", "bob", "--port", port],
      ]) {
        const { code, err } = await done(...words);
        expect([code, err], words.join(" ")).toEqual([
          1,
          expect.stringMatching(/EADDRINUSE.*No money moved.*another port/),
        ]);
      }
      for (const words of [
        ["bank", "serve", "--port", "x"],
        ["network", "serve", "--directory-port", "70000"],
        ["merchant", "serve"],
      ]) {
        expect((await done(...words)).code, words.join(" ")).toBe(2);
      }
      expect((await done("merchant", "serve", "cedar")).err).toMatch(/no merchant "cedar".*alder, birch/);
    } finally {
      taken.close();
    }
  });
});
