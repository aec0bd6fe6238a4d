/** Somebody joins an economy; whoever is refused leaves nothing behind, and two at once do not undo each other. */

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { LOG_ACQUIRED, TICKET_DEBIT_CARD } from "../../firmware/protocol/messages.js";
import { BankBooks } from "../../host/services/bank-books.js";
import { Claims } from "../../host/world/claims.js";
import { FolderHome } from "../../host/world/home.js";
import { joinSite } from "../../host/world/join.js";
import { openRemoteDevice } from "../../host/world/remote.js";
import { Site } from "../../host/world/site.js";
import { homeIn, partsIn } from "../../host/world/wallet.js";
import { World } from "../../host/world/world.js";
import { contentsOf, tally, unpackHome } from "../support/homes.js";
import { Child, endChildren } from "../support/processes.js";

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
    for (const words of [["audit"], ["bank", "serve"], ["merchant", "list"]]) {
      expect((await tally("--home", into, ...words)).err, words.join(" ")).toMatch(/home of one wallet/);
    }
    expect((await tally("--home", into, "device", "list")).out).toMatch(
      /^dave +customer +customer's agent, money module/,
    );
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

/** With everything that can be ordered. */
const ORDER = ["dave", "--holder", "Dave Dale", "--card", "USD 50.00", "--deposit", "USD 7.00", "EUR 3.00"];

/** Loaded before the program: counts what outlives the process, by name, and kills it at one of these moments. */
const PRELOAD = `data:text/javascript,${encodeURIComponent(`
  import fs from "node:fs";
  import { syncBuiltinESMExports } from "node:module";
  import { subscribe } from "node:diagnostics_channel";
  const { rename, written } = { rename: fs.renameSync, written: fs.writeFileSync };
  const moments = [];
  const moment = (name) => {
    if (moments.push(name) === Number(process.env.KILL_AT)) process.kill(process.pid, "SIGKILL");
  };
  subscribe("tallystick:durable", () => moment("durable"));
  fs.renameSync = (from, to) => {
    const name = to.split("/").at(-1);
    moment(name);
    rename(from, to);
    moment(name);
  };
  syncBuiltinESMExports();
  process.on("exit", () => written(process.env.MOMENTS, JSON.stringify(moments)));
`)}`;

async function killedAt(moment: number, words: readonly string[]): Promise<string[]> {
  const file = join(folder, "moments.json");
  const main = join(import.meta.dirname, "../../dist/host/cli/main.js");
  const args = ["--import", PRELOAD, main, "--home", home, "--json", "device", "provision", ...words];
  const child = new Child(args, { KILL_AT: String(moment), MOMENTS: file });
  const { code, signal, err } = await child.ended;
  expect([code, signal, err], `moment ${moment}`).toEqual(moment === 0 ? [0, null, ""] : [null, "SIGKILL", ""]);
  return moment === 0 ? JSON.parse(readFileSync(file, "utf8")) : [];
}

async function accountsOfDave(): Promise<string[]> {
  const { home: opened, clock } = partsIn(homeIn(home));
  const books = await BankBooks.open(opened.database("bank"), clock);
  const accounts = (await books.deposits()).map(({ account }) => account);
  await opened.close();
  return accounts.filter((account) => account.startsWith("dave-"));
}

/** Dave has all that was ordered, once: exactly one card, his accounts with what was ordered, a PIN that fits. */
async function expectJoined(into?: { readonly folder: string; readonly pin: string }): Promise<void> {
  const customers: Record<string, unknown>[] = state().customers;
  expect(customers.filter(({ name }) => name === "dave")).toHaveLength(1);
  expect(JSON.stringify(state())).not.toContain("unfinished");
  const world = await World.open(partsIn(homeIn(home)));
  const own = into === undefined ? undefined : await openRemoteDevice(partsIn(homeIn(into.folder)), into.pin);
  try {
    const device = own?.device ?? world.customer("dave").device;
    expect(device.module.idHex).toBe(world.site.moduleOf("dave"));
    const tickets = await device.agent.tickets();
    expect(tickets.map(({ type }) => type)).toEqual([TICKET_DEBIT_CARD]);
    // A second one would have taken the place of the first.
    expect((await device.agent.log()).filter(({ kind }) => kind === LOG_ACQUIRED)).toHaveLength(1);
    const deposits = (await world.books.deposits()).filter(({ account }) => account.startsWith("dave-"));
    const amounts = new Map(deposits.map(({ account, amount }) => [account, amount]));
    expect(amounts).toEqual(new Map(Object.entries({ "dave-840": 700n, "dave-978": 300n })));
    const onCard = await world.network.accountBalance("meadow-bank", "current-dave");
    expect(onCard).toEqual({ available: 5000n, held: 0n });
    expect([await world.books.audit(), await world.network.audit()]).toEqual([[], []]);
    expect((await world.audit(own === undefined ? [] : [own.device])).every(({ balanced }) => balanced)).toBe(true);
  } finally {
    await own?.close();
    await world.close();
  }
}

describe("joining that is broken off", () => {
  afterAll(endChildren);

  test("because the authority is at work elsewhere: nothing was done, and later it can be", async () => {
    const into = join(folder, `refused-${made}`);
    for (const part of ["wallet-authority", "settings", "wallet-dave"] as const) {
      const before = contentsOf(home);
      const elsewhere = new Claims(home);
      elsewhere.take(part);
      for (const words of [ORDER, [...ORDER, "--into", into]]) {
        if (part === "wallet-dave" && words !== ORDER) continue; // That of the new home is meant then.
        const { code, out, err } = await provision(...words);
        const refusal = expect.stringMatching(/is working in .*Nothing was done/);
        expect([code, JSON.parse(out).error.message, err], part).toEqual([1, refusal, refusal]);
        expect([existsSync(into), existsSync(join(home, "chips/dave.agent"))]).toEqual([false, false]);
      }
      elsewhere.release();
      const after = contentsOf(home);
      const isOf = (name: string) => !/^(parts|chips\/authority\.agent)\//.test(name);
      expect([...after.keys()].filter(isOf)).toEqual([...before.keys()].filter(isOf));
      for (const name of [...before.keys()].filter(isOf)) expect(after.get(name), name).toBe(before.get(name));
    }
    const { code, out } = await provision(...ORDER, "--into", into);
    expect(code).toBe(0);
    await expectJoined({ folder: into, pin: JSON.parse(out).pin });
  });

  test.each([
    ["in the home", false],
    ["in a home of its own", true],
  ])("%s, by a kill at any moment: nothing was begun, or a second run finishes it", async (_, isElsewhere) => {
    const into = join(folder, `killed-${made}`);
    const words = isElsewhere ? [...ORDER, "--into", into] : ORDER;
    const fresh = () => {
      for (const path of [home, into]) rmSync(path, { recursive: true, force: true });
      unpackHome(home);
    };
    const moments = await killedAt(0, words);
    const files = ["world.json", "wallet.json"];
    const chosen = moments.flatMap((name, index) => (files.includes(name) || index % 31 === 0 ? [index + 1] : []));
    expect(chosen.length).toBeGreaterThan(12);
    const seen = new Set<string>();
    for (const moment of chosen) {
      fresh();
      await killedAt(moment, words);
      const begun = state().customers?.find(({ name }: { name: string }) => name === "dave");
      const balance = await tally("--home", home, "wallet", "balance", "dave");
      let again = words;
      if (begun === undefined) {
        seen.add("nothing");
        expect(balance.err, `moment ${moment}`).toMatch(/There is no customer "dave"/);
      } else if (begun.unfinished === undefined) {
        seen.add("finished");
        await expect(provision(...words)).resolves.toMatchObject({
          code: 1,
          err: expect.stringMatching(/there already/),
        });
        continue;
      } else {
        seen.add(begun.unfinished.complete ? "complete" : begun.unfinished.device ? "chips" : "order");
        again = ["dave"];
        if (begun.unfinished.complete !== true) expect(await accountsOfDave(), `moment ${moment}`).toEqual([]);
        expect(balance.err, `moment ${moment}`).toMatch(/never finished.*"tally device provision dave" again/);
      }
      const { code, out, err } = await provision(...again);
      expect([code, err], `moment ${moment}`).toEqual([0, ""]);
      const { pin, puk } = JSON.parse(out);
      expect([pin, puk].every((word) => (word === undefined) !== isElsewhere)).toBe(true);
      const { device } = begun?.unfinished ?? {};
      if (device && isElsewhere) expect([pin, puk]).toEqual([device.pin, device.puk]);
      await expectJoined(isElsewhere ? { folder: into, pin } : undefined);
    }
    expect([...seen].sort()).toEqual(["chips", "complete", "finished", "nothing", "order"]);
  });

  test("is finished as it was ordered and not otherwise; till then nobody pays, and every command says what to do", async () => {
    const into = join(folder, `unfinished-${made}`);
    const words = [...ORDER, "--into", into, "--directory", "http://127.0.0.1:9/directory"];
    // When nothing is made but the chips.
    const moments = await killedAt(0, words);
    rmSync(home, { recursive: true });
    rmSync(into, { recursive: true });
    unpackHome(home);
    await killedAt(moments.indexOf("world.json", moments.indexOf("flash.bin")) + 2, words);
    const before = state();
    const other: [string[], RegExp][] = [
      [["--holder", "Dora Dale"], /--holder was not the same/],
      [["--card", "USD 60.00"], /--card was/],
      [["--deposit", "USD 7.00"], /--deposit was/],
      [["--into", `${into}-other`], /--into was/],
      [["--into", `${into}-other`, "--directory", "http://127.0.0.1:8/d"], /--into, --directory were not/],
    ];
    for (const [options, message] of other) {
      const { code, err } = await provision("dave", ...options);
      expect([code, err], options.join(" ")).toEqual([1, expect.stringMatching(message)]);
      expect(err).toMatch(/Nothing was done and no money moved/);
      expect(existsSync(`${into}-other`)).toBe(false);
    }
    for (const command of [
      ["wallet", "pay", "alice", "dave", "USD 1.00", "--yes"],
      ["wallet", "balance", "dave"],
      ["device", "info", "dave"],
      ["device", "pin", "dave", "--new", "1234"],
    ]) {
      const { code, err } = await tally("--home", home, ...command);
      expect([code, err], command.join(" ")).toEqual([
        1,
        expect.stringMatching(/never finished.*provision dave" again/),
      ]);
    }
    for (const command of [
      ["wallet", "balance", "dave"],
      ["device", "pin", "dave", "--old", "1234", "--new", "1234"],
    ]) {
      expect((await tally("--home", into, ...command)).err).toMatch(/never finished/);
    }
    expect(state()).toEqual(before);
    const { accounts } = JSON.parse((await tally("--home", home, "--json", "bank", "account")).out);
    expect(accounts.map(({ account }: { account: string }) => account)).not.toContain("dave-840");
    // Somebody else joins meanwhile, and has another card.
    expect((await provision("erin", "--card", "USD 1.00")).code).toBe(0);
    const { code, out } = await provision(...words);
    expect(code).toBe(0);
    await expectJoined({ folder: into, pin: JSON.parse(out).pin });
    expect((await tally("--home", home, "wallet", "buy", "erin", "USD 0.50", "--yes")).code).toBe(0);
  });

  test("by a fault of this process: it says what to do, and PIN and PUK are kept until they were handed over", async () => {
    const into = join(folder, `fault-${made}`);
    const parts = partsIn(homeIn(home));
    const own = partsIn(new FolderHome(into));
    const order = { name: "dave", holder: "Dave Dale", card: "USD 50.00", deposits: ["USD 7.00", "EUR 3.00"] };
    const printed: string[] = [];
    const failing = joinSite(Site.read(parts), { ...order, into: { home: own.home } }, ({ pin }) => {
      printed.push(pin);
      throw new Error("The paper is used up.");
    });
    await expect(failing).rejects.toThrow(
      /broken off: The paper is used up\. What was made is kept.*provision dave" again/,
    );
    await parts.home.close();
    await own.home.close();
    // Its owner has seen the PIN: the wallet may be in use.
    expect(JSON.parse((await tally("--home", home, "--json", "audit")).out).missing).toEqual(["dave"]);
    const { code, out } = await provision("dave");
    expect([code, JSON.parse(out).pin]).toEqual([0, printed[0]]);
    await expectJoined({ folder: into, pin: JSON.parse(out).pin });
  });

  test("and whose folder is gone: chips that nobody was to pay are made anew, others are asked for", async () => {
    const into = join(folder, `gone-${made}`);
    const words = [...ORDER, "--into", into];
    const moments = await killedAt(0, words);
    const worlds = moments.flatMap((name, index) => (name === "world.json" ? [index + 1] : []));
    const [afterChips = 0, afterCard = 0] = [worlds[3], worlds[5]];
    const again = async (moment: number) => {
      for (const path of [home, into]) rmSync(path, { recursive: true, force: true });
      unpackHome(home);
      await killedAt(moment, words);
      cpSync(into, `${into}-kept`, { recursive: true });
      rmSync(into, { recursive: true });
      return provision("dave");
    };
    const { code, out } = await again(afterChips);
    expect(code).toBe(0);
    await expectJoined({ folder: into, pin: JSON.parse(out).pin });
    rmSync(`${into}-kept`, { recursive: true });
    const asked = await again(afterCard);
    expect([asked.code, asked.err]).toEqual([1, expect.stringMatching(/not there any more.*Put the folder back/)]);
    expect(existsSync(into)).toBe(false);
    cpSync(`${into}-kept`, into, { recursive: true });
    rmSync(join(into, "chips/dave.module"), { recursive: true });
    expect((await provision("dave")).err).toMatch(/not there any more/);
    cpSync(`${into}-kept`, into, { recursive: true });
    const { pin } = JSON.parse((await provision("dave")).out);
    await expectJoined({ folder: into, pin });
  });

  test("in chips that the home knows nothing of: they may hold money, and are not touched", async () => {
    cpSync(join(home, "chips/alice.module"), join(home, "chips/dave.module"), { recursive: true });
    const before = contentsOf(home);
    expect((await provision("dave")).err).toMatch(/knows nothing of.*Nothing was made/);
    const after = contentsOf(home);
    for (const [name, content] of before) if (!/^parts\//.test(name)) expect(after.get(name), name).toBe(content);
  });
});
