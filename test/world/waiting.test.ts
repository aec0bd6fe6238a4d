/** Wallets that wait to be paid, as processes of their own: by name, by request, by the example of a till; and how they end. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { unpackHome } from "../support/homes.js";
import { Child, commandsOn, endChildren, tallyProcess } from "../support/processes.js";

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

describe("whoever waits to be paid", () => {
  test("is interrupted with 130, and told that nobody has paid", async () => {
    const request = tallyProcess(["--home", home, "wallet", "request", "bob", "USD 1.00", "--no-qr"]);
    await request.line(/Waiting/);
    request.kill("SIGINT");
    const { code, out, err } = await request.ended;
    expect([code, err]).toEqual([130, ""]);
    expect(out).toMatch(/tally:.*\n.*\nNobody has paid\.\n$/);
  });

  test("ends at once at the second Ctrl-C", async () => {
    const bank = started("bank", "serve");
    await bank.event("ready");
    bank.kill("SIGINT");
    bank.kill("SIGINT");
    expect([0, 130]).toContain((await bank.ended).code);
  });

  test("that is killed leaves its part to the next at once", async () => {
    const receive = started("wallet", "receive", "bob");
    await receive.event("ready");
    const holding = await done("wallet", "balance", "bob");
    expect([holding.code, holding.err]).toEqual([
      1,
      expect.stringMatching(`Process ${receive.pid}.*device bob.*no money moved`),
    ]);
    // Within the home it is found under its name.
    expect((await done("wallet", "pay", "alice", "bob", "USD 0.50")).value).toMatchObject({ confirmed: true });
    expect(await receive.event("paid")).toMatchObject({ currency: "USD", amount: "0.50", memo: "" });
    receive.kill("SIGKILL");
    await receive.ended;
    expect((await done("wallet", "balance", "bob")).code).toBe(0);
  });

  test("has its request paid by somebody else's process, once", async () => {
    const request = started("wallet", "request", "bob", "USD 1.25", "--memo", "tea");
    const { uri = "" } = await request.event("ready");
    const asked = await done("wallet", "pay", "alice", uri);
    expect([asked.code, asked.err]).toEqual([3, expect.stringMatching(/USD 1\.25.*tea.*--yes/)]);
    expect((await done("wallet", "pay", "alice", uri, "USD 2.00", "--yes")).err).toMatch(
      /says its amount.*No money moved/,
    );
    const paid = await done("wallet", "pay", "alice", uri, "--yes");
    expect(paid.value).toMatchObject({ money: { currency: "USD", amount: "1.25" }, confirmed: true });
    expect(await request.ended).toMatchObject({ code: 0, out: expect.stringMatching(/"memo":"tea"/) });
    expect((await done("wallet", "pay", "alice", uri, "--yes")).err).toMatch(/Nothing answers.*No money moved/);
  });

  test("the example of a point of sale is paid like any other", async () => {
    const till = new Child(["examples/point-of-sale.mjs", home, "bob", "USD 0.75", "coffee"]);
    const line = await till.line(/Pay with/);
    const uri = /"(tally:.*)"/.exec(line)?.[1] ?? "";
    expect((await done("wallet", "pay", "alice", uri, "--yes")).code).toBe(0);
    const { code, out, err } = await till.ended;
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/Received USD 0\.75 for coffee from [0-9a-f]{32}\.\nIn the till: USD /);
  });
});
