/** A home of version 1 opens, keeps its money and works on; one of a version to come is refused and not touched. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { contentsOf, tally, unpackHome } from "../support/homes.js";

let folder: string;
let home: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-version-"));
  home = join(folder, "home");
  unpackHome(home);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (...words: string[]) => tally("--home", home, "--json", ...words);
const balance = async (name: string) => JSON.parse((await run("wallet", "balance", name)).out).balances;
const version = () => JSON.parse(readFileSync(join(home, "world.json"), "utf8")).version;

async function expectBalanced(): Promise<void> {
  const { audit } = JSON.parse((await run("audit")).out);
  expect(audit.map((line: { balanced: boolean }) => line.balanced)).toEqual([true, true]);
}

describe("a home of version 1", () => {
  test("has the money that was in it, and only looking does not change what it is", async () => {
    expect(version()).toBe(1);
    expect(await balance("alice")).toMatchObject([{ currency: "USD", spendable: "12.50" }]);
    expect(await balance("bob")).toMatchObject([{ currency: "USD", spendable: "7.50" }]);
    expect(await balance("carol")).toEqual([]);
    await expectBalanced();
    expect(version()).toBe(1);
    expect((await run("device", "list")).code).toBe(0);
  });

  test("works on: payments, purchases, accounts that its bank did not have, customers that join", async () => {
    expect((await run("wallet", "pay", "alice", "bob", "USD 2.50")).code).toBe(0);
    expect((await run("wallet", "buy", "carol", "USD 5.00", "--yes")).code).toBe(0);
    expect((await run("wallet", "withdraw", "alice", "EUR 8.00")).code).toBe(0);
    expect((await run("wallet", "deposit", "bob", "USD 10.00")).code).toBe(0);
    expect(version()).toBe(1);
    expect((await run("device", "provision", "dave", "--deposit", "USD 9.00")).code).toBe(0);
    expect(version()).toBe(3);
    expect((await run("wallet", "withdraw", "dave", "USD 9.00")).code).toBe(0);
    expect(await balance("alice")).toMatchObject([{ spendable: "10.00" }, { currency: "EUR", spendable: "8.00" }]);
    await expectBalanced();
  });
});

describe("a home of a version to come, or of none", () => {
  for (const other of [4, 0, "3", null]) {
    test(`version ${JSON.stringify(other)} is refused by every command, and no file of it changes`, async () => {
      const path = join(home, "world.json");
      writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), version: other }));
      const before = contentsOf(home);
      for (const words of [
        ["audit"],
        ["init"],
        ["wallet", "balance", "alice"],
        ["wallet", "pay", "alice", "bob", "USD 1.00"],
        ["device", "provision", "dave"],
        ["device", "pin", "alice", "--new", "1234"],
        ["bank", "serve"],
        ["network", "serve"],
        ["merchant", "serve", "alder"],
      ]) {
        const { code, err } = await run(...words);
        expect([code, err], words.join(" ")).toEqual([
          1,
          expect.stringMatching(/version.*Nothing was changed and no money/),
        ]);
      }
      const after = contentsOf(home);
      for (const [name, content] of before) expect(after.get(name), name).toBe(content);
    });
  }
});
