/** PINs on the command line: wrong ones, blocked chips and the PUK, chips that do not agree. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { homeIn, ownersDevice, partsIn } from "../../host/world/wallet.js";
import { tally, unpackHome } from "../support/homes.js";

let folder: string;
let home: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-pin-"));
  home = join(folder, "home");
  unpackHome(home);
});
afterEach(() => {
  delete process.env["TALLY_PIN"];
  rmSync(folder, { recursive: true, force: true });
});

const run = (...words: string[]) => tally("--home", home, "--json", ...words);
const balance = (...words: string[]) => run("wallet", "balance", "alice", ...words);
const kept = () =>
  JSON.parse(readFileSync(join(home, "world.json"), "utf8")).devices.find(
    ({ name }: { name: string }) => name === "alice",
  );

describe("a PIN", () => {
  test("is changed in all chips of a device and in the home; the old one is wrong then", async () => {
    const { pin } = kept();
    expect(JSON.parse((await run("device", "pin", "alice", "--new", "4711")).out)).toEqual({ name: "alice" });
    expect(kept().pin).toBe("4711");
    expect((await balance()).code).toBe(0);
    expect((await balance("--pin", pin)).code).toBe(1);
    process.env["TALLY_PIN"] = "4711";
    expect((await balance()).code).toBe(0);
    process.env["TALLY_PIN"] = "";
    expect((await balance()).code, "an empty one is none").toBe(0);
    expect((await run("wallet", "pay", "alice", "bob", "USD 1.00")).code).toBe(0);
  });

  test("that is none is no try, and no fault of the program", async () => {
    for (const wrong of ["", "123", "1".repeat(13), "abcd", "12a4"]) {
      expect(await balance("--pin", wrong), wrong).toMatchObject({
        code: 2,
        err: expect.stringMatching(/4 to 12 digits/),
      });
      process.env["TALLY_PIN"] = wrong;
      const { code, err } = await balance();
      expect([code, err], wrong).toEqual(
        wrong === "" ? [0, ""] : [1, expect.stringMatching(/TALLY_PIN.*no money moved/)],
      );
      delete process.env["TALLY_PIN"];
    }
    for (const words of [
      ["--new", "123"],
      ["--new", "abcd"],
      ["--new", "1".repeat(13)],
      [],
      ["--new", "1234", "--old", "x"],
    ]) {
      expect((await run("device", "pin", "alice", ...words)).code, words.join(" ")).toBe(2);
    }
    expect((await balance()).code).toBe(0);
  });

  test("wrong three times blocks; the PUK gives a new one, and the money is there", async () => {
    const { puk } = kept();
    for (let i = 0; i < 3; i += 1) expect((await balance("--pin", "0000")).code).toBe(1);
    const blocked = await balance();
    expect([blocked.code, blocked.err]).toEqual([1, expect.stringMatching(/block|PUK/i)]);
    expect((await run("device", "pin", "alice", "--new", "4711")).code).toBe(1);
    expect((await run("device", "unblock", "alice", "--new", "4711", "--puk", "00000000")).code).toBe(1);
    expect((await run("device", "unblock", "alice", "--new", "4711", "--puk", puk)).code).toBe(0);
    expect(kept().pin).toBe("4711");
    expect(JSON.parse((await balance()).out).balances).toMatchObject([{ currency: "USD", spendable: "12.50" }]);
  });

  test("that one chip refuses is changed in none", async () => {
    const { pin } = kept();
    const parts = partsIn(homeIn(home));
    const { device } = await ownersDevice(parts, "alice");
    // The module has another PIN than the agent, as after a command that was killed between the two.
    await device.module.changePin(pin, "9999");
    await parts.home.close();
    const { code, err } = await run("device", "pin", "alice", "--new", "4711");
    expect([code, err]).toEqual([1, expect.stringMatching(/PIN/)]);
    expect(kept().pin).toBe(pin);
    const again = partsIn(homeIn(home));
    const { device: after } = await ownersDevice(again, "alice");
    await after.agent.verifyPin(pin);
    await after.module.verifyPin("9999");
    await again.home.close();
    // The PUK makes them agree again.
    expect((await run("device", "unblock", "alice", "--new", "4711")).code).toBe(0);
    expect((await balance()).code).toBe(0);
  });

  test("of a device that another process has is not changed", async () => {
    const parts = partsIn(homeIn(home));
    parts.home.claim("wallet-alice");
    expect((await run("device", "pin", "alice", "--new", "4711")).err).toMatch(/is working.*no money moved/);
    await parts.home.close();
    expect((await run("device", "pin", "nobody", "--new", "4711")).err).toMatch(/no device "nobody"/);
    expect((await balance()).code).toBe(0);
  });
});
