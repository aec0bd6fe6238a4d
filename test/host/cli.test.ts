import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PartInUseError } from "../../host/world/claims.js";
import { FolderHome, HomeLockedError } from "../../host/world/home.js";
import { tally as tallyAnywhere } from "../support/homes.js";

let folder: string;
const home = () => join(folder, "home");

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tally = (...words: string[]) => tallyAnywhere("--home", home(), ...words);

async function json(...words: string[]) {
  const { code, out, err } = await tally("--json", ...words);
  expect(err).toBe("");
  expect(code).toBe(0);
  expect(out.endsWith("\n") && !out.slice(0, -1).includes("\n"), "one line").toBe(true);
  return JSON.parse(out);
}

describe("tally", () => {
  test("before there is an economy it says how to make one", async () => {
    const { code, err } = await tally("wallet", "balance", "alice");
    expect(code).toBe(1);
    expect(err).toMatch(/tally init/);
  });

  test("an economy lives in a folder, from command to command", { timeout: 60_000 }, async () => {
    const made = await json("init");
    expect(made.devices).toContain("alice");
    const again = await tally("init");
    expect(again.code).toBe(1);
    expect(again.err).toMatch(/already/);

    expect(await json("wallet", "balance", "alice")).toMatchObject({ balances: [] });
    const bought = await json("wallet", "buy", "alice", "USD 20.00", "--yes");
    expect(bought).toMatchObject({
      merchant: "Alder Exchange",
      account: { currency: "USD", amount: "20.20" },
      fee: "0.20",
    });
    await json("wallet", "pay", "alice", "bob", "USD 7.50", "--memo", "lunch");
    expect((await json("wallet", "balance", "alice")).balances).toMatchObject([
      { currency: "USD", spendable: "12.50" },
    ]);
    expect((await json("wallet", "balance", "bob")).balances).toMatchObject([{ currency: "USD", spendable: "7.50" }]);
    const sold = await json("wallet", "sell", "bob", "USD 5.00", "--merchant", "birch", "--yes");
    expect(sold).toMatchObject({ account: { amount: "4.25" }, provisional: false });
    const { log } = await json("wallet", "log", "bob");
    expect(log).toMatchObject([
      { action: "sold", amount: "5.00", outcome: "done", peerName: "Birch Money" },
      { action: "received", amount: "7.50", outcome: "done", peerName: "alice" },
    ]);
    const { audit } = await json("audit");
    expect(audit.map((line: { balanced: boolean }) => line.balanced)).toEqual([true, true]);
    expect((await json("device", "list")).devices).toHaveLength(9);
    expect((await json("device", "info", "alice")).elements).toMatchObject([
      { role: "customer's agent", life: "operational" },
      { role: "money module", life: "operational" },
    ]);
  });

  test("for people: lines, and errors that say what became of the money", async () => {
    expect((await tally("wallet", "balance", "bob")).out).toBe("USD 2.50\n");
    expect((await tally("audit")).out).toMatch(/USD .* balanced\n/);
    const errors: [string[], RegExp, number][] = [
      [["wallet", "pay", "alice", "bob", "USD 99.00"], /not enough money.*No money moved/, 1],
      [["wallet", "pay", "alice", "nobody", "USD 1.00"], /There is no customer "nobody".*alice, bob, carol/, 1],
      [["wallet", "pay", "alice", "bob", "1.00"], /not an amount with a currency/, 2],
      [["wallet", "pay", "alice", "tally:pay?to=x"], /checksum does not fit/, 2],
      [["wallet", "pay", "alice", "http://there", "USD 1.00"], /not the address of a wallet/, 1],
      [["wallet", "sell", "alice", "USD 500.00", "--yes"], /not enough money.*No money moved/, 1],
      [["wallet", "receive", "alice", "--host", "0.0.0.0"], /every interface.*--public-url/, 1],
      [["wallet", "buy", "carol", "USD 50.00", "--yes"], /card issuer declined/, 1],
      [["wallet", "buy", "alice", "USD 1.00"], /Add --yes/, 3],
      [["wallet", "fly"], /unknown command/, 2],
      [["wallet", "pay"], /missing required argument/, 2],
    ];
    for (const [words, message, exitCode] of errors) {
      const { code, err } = await tally(...words);
      expect(err, words.join(" ")).toMatch(message);
      expect(code, words.join(" ")).toBe(exitCode);
    }
    expect((await tally("wallet", "balance", "alice")).out).toBe("USD 12.50\n");
  });

  test("for scripts: an error is a line of JSON as well", async () => {
    const { code, out, err } = await tally("--json", "wallet", "pay", "alice", "bob", "USD 99.00");
    expect([code, JSON.parse(out)]).toEqual([
      1,
      { error: { name: "ReasonError", reason: 123, message: expect.stringMatching(/not enough money/) } },
    ]);
    expect(err).toMatch(/not enough money/);
  });

  test("accounts are masked in a list, and shown to whoever knows the number", async () => {
    const { accounts } = await json("bank", "account");
    expect(accounts).toContainEqual({ account: "al***40", currency: "USD", amount: "200.00" });
    expect((await json("bank", "account", "alice-840")).accounts).toMatchObject([{ account: "alice-840" }]);
    expect((await tally("bank", "account", "alice")).err).toMatch(/There is no account alice\./);
  });

  test("who only asks leaves nothing behind in a folder that is no home", async () => {
    const photos = mkdtempSync(join(folder, "photos-"));
    for (const words of [["wallet", "balance", "alice"], ["audit"], ["device", "list"]]) {
      expect((await tally("--home", photos, ...words)).err).toMatch(/tally init/);
    }
    expect(readdirSync(photos)).toEqual([]);
  });

  test("what is secret in the home is for its owner alone", () => {
    for (const name of ["agencies.json", "world.json"]) {
      expect(statSync(join(home(), name)).mode & 0o077, name).toBe(0);
    }
    expect(statSync(home()).mode & 0o077).toBe(0);
    expect(readdirSync(home())).not.toContain("lock");
  });

  test("two commands at once: the second is told, and a lock left by a killed process does not count", async () => {
    const first = new FolderHome(home());
    first.claim("wallet-alice");
    const second = new FolderHome(home());
    expect(() => second.claim("wallet-alice")).toThrow(PartInUseError);
    await second.close();
    const { code, err } = await tally("wallet", "balance", "alice");
    expect(code).toBe(1);
    expect(err).toMatch(/is working in .*No(thing was done|.*money)/);
    await first.close();
    writeFileSync(join(home(), "lock"), String(process.pid));
    expect(() => new FolderHome(home())).toThrow(HomeLockedError);
    writeFileSync(join(home(), "lock"), "999999999");
    expect((await tally("wallet", "balance", "alice")).code).toBe(0);
  });

  test("an owner cannot deal with itself, a memo has its bounds", async () => {
    const errors: [string[], RegExp][] = [
      [["wallet", "pay", "alice", "alice", "USD 1.00"], /itself. No money moved/],
      [["wallet", "resume", "bob", "bob"], /itself. No money moved/],
      [["wallet", "pay", "alice", "bob", "USD 1.00", "--memo", "m".repeat(33)], /memo.*32 bytes. No money moved/],
    ];
    for (const [words, message] of errors) {
      const { code, err } = await tally(...words);
      expect(err, words.join(" ")).toMatch(message);
      expect(code).toBe(1);
    }
  });

  test("a home without one of its files is not mended by a blank one, and says which", async () => {
    for (const name of ["world.json", "agencies.json", "chips/alice.module/keys.bin", "books/bank.sqlite"]) {
      const path = join(home(), name);
      renameSync(path, `${path}.away`);
      const { code, err } = await tally("audit");
      expect(err).toMatch(new RegExp(`there is no ${name}.*money in the chips stays there.*Put it back`));
      expect(code).toBe(1);
      expect(existsSync(path)).toBe(false);
      renameSync(`${path}.away`, path);
    }
    expect((await tally("audit")).code).toBe(0);
  });

  test("a home with garbled files says so, without a trace", async () => {
    const errors: [string, string, RegExp][] = [
      ["world.json", "{", /not JSON.*no money moved.*copy/],
      ["world.json", "null", /version.*no money moved/],
      ["world.json", '{"version":1,"devices":[null]}', /card network's key/],
      ["agencies.json", "{}", /agency of agents/],
      ["chips/alice.module/keys.bin", "x", /alice.module cannot be used.*No money moved/],
      ["chips/alice.module/flash.bin", "x", /alice.module cannot be used.*No money moved/],
      ["books/bank.sqlite", "rubbish", /books cannot be used.*Money is where.*copy/],
    ];
    const damaged = join(folder, "damaged");
    for (const [name, text, message] of errors) {
      cpSync(home(), damaged, { recursive: true });
      const path = join(damaged, name);
      for (const each of [path, `${path}-wal`, `${path}-shm`]) rmSync(each, { force: true });
      writeFileSync(path, text);
      const { code, err } = await tally("--home", damaged, "audit");
      expect(err, name).toMatch(message);
      expect(err.trim(), name).not.toContain("\n");
      expect(code).toBe(1);
      rmSync(damaged, { recursive: true });
    }
  });

  test("an economy that was never finished cannot be used", async () => {
    const path = join(home(), "world.json");
    const text = readFileSync(path, "utf8");
    writeFileSync(path, JSON.stringify({ ...JSON.parse(text), finished: false }));
    for (const words of [["audit"], ["init"]])
      expect((await tally(...words)).err).toMatch(/broken off.*Remove the folder/);
    writeFileSync(path, text);
  });

  test("only init makes a folder, and what cannot be one is explained", async () => {
    const none = join(folder, "none");
    expect((await tally("--home", none, "audit")).err).toMatch(/tally init/);
    expect(existsSync(none)).toBe(false);
    const file = join(folder, "file");
    writeFileSync(file, "");
    expect((await tally("--home", file, "audit")).err).toMatch(/cannot be used.*Money is where.*try again/);
    for (const place of ["/proc/x/y", join(file, "below")]) {
      expect((await tally("--home", place, "init")).err).toMatch(/cannot be used.*Money is where.*try again/);
    }
    const deep = join(folder, "a", "b");
    await new FolderHome(deep).close();
    expect(statSync(join(deep, "books")).mode & 0o077).toBe(0);
    expect((await tally("--home", "", "audit")).code).toBe(2);
  });

  test("the demonstration holds, step by step", { timeout: 60_000 }, async () => {
    const { steps, audit, tokens } = await json("demo", "--memory");
    expect(steps.filter((step: { ok: boolean }) => !step.ok)).toEqual([]);
    expect(steps.length).toBeGreaterThanOrEqual(20);
    expect(steps.map((step: { name: string }) => step.name)).toEqual(
      expect.arrayContaining([
        "tokens for a newspaper are bought, and split",
        "two hundred articles are read for tenths of a cent",
        "halves that were shown before are refused",
        "an article for adults is read without a name",
        "the newspaper redeems what it earned",
        "what was not spent comes back",
      ]),
    );
    // A dollar was bought; what 200 articles and the one for adults cost is the newspaper's, the rest came back.
    expect(tokens).toMatchObject([{ currency: "USD", exponent: 4, issued: 10_000, outstanding: 0, balanced: true }]);
    expect(tokens[0].redeemed + tokens[0].refunded).toBe(10_000);
    expect(tokens[0].redeemed).toBe(67 * 10 + 67 * 20 + 66 * 30 + 40);
    for (const line of audit) {
      const { issued, spendable, provisional, inDoubt, redeemed, destroyed, unclaimed, balanced } = line;
      expect(issued).toBe(spendable + provisional + inDoubt + redeemed + destroyed + unclaimed);
      expect(balanced).toBe(true);
    }
  });
});
