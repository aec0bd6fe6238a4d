/** Somebody joins an economy; whoever is refused leaves nothing behind, and two at once do not undo each other. */

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { joinSite } from "../../host/world/join.js";
import { Site } from "../../host/world/site.js";
import { homeIn, partsIn } from "../../host/world/wallet.js";
import { contentsOf, tally, unpackHome } from "../support/homes.js";

let folder: string;
let home: string;
let made = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-join-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  made += 1;
  home = join(folder, `home-${made}`);
  unpackHome(home);
});

const provision = (...words: string[]) => tally("--home", home, "--json", "device", "provision", ...words);
const state = () => JSON.parse(readFileSync(join(home, "world.json"), "utf8"));

describe("somebody who joins", () => {
  test("in the home: has a card, accounts, chips, and is there for every command", async () => {
    const order = ["dave", "--holder", "Dave Dale", "--card", "USD 50.00", "--deposit", "USD 7.00", "EUR 3.00"];
    const { code, out, err } = await provision(...order);
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toEqual({ name: "dave", module: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect((await tally("--home", home, "wallet", "withdraw", "dave", "EUR 3.00")).code).toBe(0);
    expect((await tally("--home", home, "wallet", "buy", "dave", "USD 10.00", "--yes")).code).toBe(0);
    const accounts = JSON.parse((await tally("--home", home, "--json", "bank", "account", "dave-978")).out).accounts;
    expect(accounts).toContainEqual({ account: "dave-978", currency: "EUR", amount: "0.00" });
    const { audit, missing } = JSON.parse((await tally("--home", home, "--json", "audit")).out);
    expect([audit.every((line: { balanced: boolean }) => line.balanced), missing]).toEqual([true, []]);
  });

  test("with what cannot be made is refused, and not a byte of the home has changed", async () => {
    const into = join(folder, "daves");
    const taken = join(folder, "taken");
    mkdirSync(taken);
    writeFileSync(join(taken, "letter.txt"), "dear");
    const before = contentsOf(home);
    const wrong: [string[], RegExp][] = [
      [["alice"], /there already/],
      [["alder"], /there already/],
      [["teller"], /there already/],
      [["Dave"], /small letters/],
      [["../dave"], /small letters/],
      [["d".repeat(33)], /small letters/],
      [["dave", "--card", "50.00"], /not an amount/],
      [["dave", "--card", "EUR 50.00"], /another currency/],
      [["dave", "--card", "USD 0.00"], /nothing/],
      [["dave", "--card", "USD 100000000.01"], /more than/],
      [["dave", "--deposit", "USD 1.00", "USD 2.00"], /each currency once/],
      [["dave", "--deposit", "USD 0.00"], /nothing/],
      [["dave", "--deposit", "XXQ 1.00"], /XXQ/],
      [["dave", "--holder", ""], /plain text/],
      [["dave", "--holder", "D".repeat(65)], /plain text/],
      [["dave", "--holder", "Dave\u001b[2J"], /plain text/],
      [["dave", "--into", into, "--directory", "nowhere"], /not the URL/],
      [["dave", "--into", into, "--card", "x"], /not an amount/],
      [["alice", "--into", into], /there already/],
      [["dave", "--into", home], /something in .* already/],
      [["dave", "--into", taken], /something in .* already/],
      [["dave", "--into", join(taken, "letter.txt")], /something in .* already/],
    ];
    for (const [words, message] of wrong) {
      const { code, err } = await provision(...words);
      expect([code, err], words.join(" ")).toEqual([
        /not an amount|XXQ/.test(message.source) ? 2 : 1,
        expect.stringMatching(message),
      ]);
      expect(err, words.join(" ")).toMatch(/Nothing was (made|done)|No money|not touched/);
      expect(existsSync(into), words.join(" ")).toBe(false);
    }
    expect(readdirSync(taken)).toEqual(["letter.txt"]);
    const after = contentsOf(home);
    for (const [name, content] of before) if (!name.startsWith("books/")) expect(after.get(name), name).toBe(content);
    expect((await tally("--home", home, "audit")).code).toBe(0);
  });

  test("beside somebody else who joins: neither is forgotten, nor a PIN that was changed meanwhile", async () => {
    const slow = partsIn(homeIn(home));
    const site = Site.read(slow); // Read before the others are done, as by a process that is slower.
    expect((await provision("dave")).code).toBe(0);
    expect((await tally("--home", home, "device", "pin", "bob", "--new", "4711")).code).toBe(0);
    await joinSite(site, { name: "erin", holder: "erin", deposits: [] });
    await expect(joinSite(site, { name: "dave", holder: "dave", deposits: [] })).rejects.toThrow(/there already/);
    await slow.home.close();
    expect(state().customers.map(({ name }: { name: string }) => name)).toEqual(["dave", "erin"]);
    for (const name of ["bob", "dave", "erin"]) {
      expect((await tally("--home", home, "wallet", "balance", name)).code, name).toBe(0);
    }
  });
});

describe("somebody with a home of its own", () => {
  test("has the PIN alone; the folder knows whose it is, and the economy's home that it is elsewhere", async () => {
    const into = join(folder, `own-${made}`);
    mkdirSync(into); // An empty one will do.
    const { out } = await provision("dave", "--into", into, "--directory", "http://127.0.0.1:9/directory");
    const { pin, puk } = JSON.parse(out);
    expect([pin, puk]).toEqual([expect.stringMatching(/^\d{6}$/), expect.stringMatching(/^\d{8}$/)]);
    for (const [name, content] of contentsOf(into)) {
      expect(Buffer.from(content, "base64").includes(pin) && name.endsWith(".json"), name).toBe(false);
    }
    expect(JSON.stringify(state())).not.toContain(`"${pin}"`);
    expect((await tally("--home", into, "wallet", "balance", "dave")).err).toMatch(/want their PIN.*TALLY_PIN/);
    expect((await tally("--home", into, "wallet", "balance", "alice", "--pin", pin)).err).toMatch(/There are: dave/);
    expect(await tally("--home", into, "wallet", "balance", "dave", "--pin", pin)).toMatchObject({ code: 0 });
    for (const words of [["audit"], ["bank", "serve"], ["merchant", "list"], ["device", "list"]]) {
      expect((await tally("--home", into, ...words)).err, words.join(" ")).toMatch(/home of one wallet/);
    }
    expect((await provision("erin", "--into", into)).err).toMatch(/something in/);

    const audit = (...words: string[]) => tally("--home", home, "--json", "audit", ...words);
    expect(JSON.parse((await audit()).out).missing).toEqual(["dave"]);
    expect(JSON.parse((await audit("--with", `${into}=${pin}`)).out).missing).toEqual([]);
    expect((await audit("--with", into)).err).toMatch(/not FOLDER=PIN/);
    expect((await audit("--with", `${into}=000000`)).code).toBe(1);
    expect((await audit("--with", `${folder}/nowhere=1234`)).err).toMatch(/nothing in/);
    // A refused one leaves nothing locked.
    expect((await tally("--home", into, "wallet", "balance", "dave", "--pin", pin)).code).toBe(0);

    cpSync(into, `${into}-damaged`, { recursive: true });
    for (const text of ["", "{", "null", '{"version":2}', '{"version":1}', '{"version":1,"name":"dave","holder":7}']) {
      writeFileSync(join(`${into}-damaged`, "wallet.json"), text);
      const { code, err } = await tally("--home", `${into}-damaged`, "wallet", "balance", "dave", "--pin", pin);
      expect([code, err], text).toEqual([1, expect.stringMatching(/wallet.json.*does not fit.*no money moved/)]);
    }
  });
});
