/** `tally apdu` as people use it: on blank chips, on a chip of a home, on a place, typed, piped, recorded and replayed. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { blankTarget } from "../../host/apdu-tools/simulated-cards.js";
import type { CardPlace } from "../../host/cards/place.js";
import { addApdu } from "../../host/cli/apdu.js";
import { FolderHome } from "../../host/world/home.js";
import { tally, unpackHome } from "../support/homes.js";

const MAIN = join(import.meta.dirname, "../../dist/host/cli/main.js");

let folder: string;
let home: string;
let pin: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-apdu-"));
  home = join(folder, "home");
  unpackHome(home);
  const state = JSON.parse(readFileSync(join(home, "world.json"), "utf8"));
  pin = state.devices.find(({ name }: { name: string }) => name === "alice").pin;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

const blank = ["--blank", "money-module", "--seed", "1"];
const apdu = (...words: string[]) => tally("apdu", ...words);

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** The built program with lines on its input. */
function piped(input: string, ...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, "apdu", ...words], {
    input,
    encoding: "utf8",
    timeout: 20_000,
  });
  return { code: status, out: stdout, err: stderr };
}

describe("send", () => {
  test("one command of several words, in hexadecimal or by name", async () => {
    const named = await apdu("send", ...blank, "GET", "DATA", "digest");
    const digits = await apdu("send", ...blank, "00", "CA", "DF", "05", "00");
    expect(named).toMatchObject({ code: 0, err: "" });
    expect(named.out.split("\n")[1]).toBe(digits.out.split("\n")[1]);
    expect(digits.out).toMatch(/^> 00 CA DF 05 00\n< DF 05 20( [0-9A-F]{2}){32} 90 00\n$/);
  });

  test("several commands; the second rests on the first", async () => {
    const { code, out } = await apdu("send", ...blank, "SELECT money-module", "GET CHALLENGE");
    expect(code).toBe(0);
    expect(out).toMatch(/> GET CHALLENGE\n< D5 B9 1F AE/);
    expect((await apdu("send", ...blank, "00840000", "00CADF0500")).out.match(/^>/gm)).toHaveLength(2);
  });

  test("a refusal is exit code 1, with its sentence, and nothing is sent after it", async () => {
    const { code, out } = await apdu("send", ...blank, "GET DATA balance", "GET CHALLENGE");
    expect(code).toBe(1);
    expect(out).toBe(
      "> GET DATA balance\n< 69 82\n    6982: The chip wants its PIN first. No money moved. Enter the PIN and run the command again.\n" +
        "    of this command: the PIN first, or personalisation\n",
    );
  });

  test("--json, decoded", async () => {
    const { code, out } = await tally("--json", "apdu", "send", ...blank, "--decode", "GET DATA information");
    expect(code).toBe(0);
    const told = JSON.parse(out);
    expect(told).toMatchObject({
      asExpected: true,
      steps: [{ target: "module", name: "GET DATA information", status: "9000" }],
    });
    expect(JSON.stringify(told.steps[0].decodedResponse)).toContain("life cycle");
  });

  test.each([
    [["send", ...blank, "FROBNICATE"], /not a command/],
    [["send", "GET CHALLENGE"], /No card was named/],
    [["send", "--blank", "toaster", "GET CHALLENGE"], /It is one of/],
    [["send", ...blank, "VERIFY {pin}"], /wants \{pin\}.*--set pin=/],
  ])("%j is not understood", async (words, why) => {
    const { code, err } = await apdu(...words);
    expect(code).toBe(2);
    expect(err).toMatch(why);
  });

  test("a command that is longer than a chip takes is refused and no fault of the program", async () => {
    const { code, err } = await apdu("send", ...blank, `00CADF010020${"00".repeat(7000)}`);
    expect(code).toBe(2);
    expect(err).toMatch(/longer than .* takes/);
  });
});

describe("a chip of a home", () => {
  const chip = () => ["--home", home, "--chip", "alice.module"];

  test("its PIN comes from the environment, and is not shown", async () => {
    vi.stubEnv("TALLY_PIN", pin);
    const { code, out } = await apdu("send", ...chip(), "--decode", "VERIFY {pin}", "GET DATA balance");
    expect(code).toBe(0);
    expect(out).toMatch(/DF10 balance\n\s+E1 entry\n\s+80 currency: 840 \(USD\)/);
    expect(out).not.toContain(pin);
    const typed = await apdu("send", ...chip(), `VERIFY ${pin}`);
    expect(typed.out).toBe("> VERIFY {pin}\n< 90 00\n");
    expect((await apdu("send", ...chip(), "--secrets", `VERIFY ${pin}`)).out).toContain(pin);
  });

  test("agent and module are two cards of one session", async () => {
    const script = file(
      "two",
      `@agent\n> VERIFY {pin}\n< 9000\n> GET DATA balance\n< 6A88\n@module\n> GET DATA balance\n< 6982\n`,
    );
    const { code, out } = await apdu(
      "script",
      "--home",
      home,
      "--chip",
      "alice.agent",
      "--chip",
      "alice.module",
      "--set",
      `pin=${pin}`,
      script,
    );
    expect(out).not.toContain("!!");
    expect(code).toBe(0);
  });

  test("belongs to one process at a time", async () => {
    const other = new FolderHome(home);
    other.claim("chips-alice");
    const { code, err } = await apdu("send", ...chip(), "GET CHALLENGE");
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringMatching(/the chips of alice/) });
    await other.close();
    expect((await apdu("send", ...chip(), "GET CHALLENGE")).code).toBe(0);
  });

  test("that there is not is not made", async () => {
    const before = readdirSync(join(home, "chips"));
    const { code, err } = await apdu("send", "--home", home, "--chip", "nobody.module", "GET CHALLENGE");
    expect({ code, err }).toMatchObject({ code: 2, err: expect.stringMatching(/no chip nobody.module/) });
    expect(readdirSync(join(home, "chips"))).toEqual(before);
  });
});

describe("script and replay", () => {
  test("a difference says where, what was expected, what came, and what that means", async () => {
    const script = file(
      "differs",
      "# first\nreset\n> GET DATA counters\n< DF 04 82 00 24 80 01 03 * 90 00\n> GET CHALLENGE\n",
    );
    const { code, out } = await apdu("script", ...blank, script);
    expect(code).toBe(1);
    expect(out).toMatch(
      /!! line 4: not as expected: byte 8 of the answer is 00\n\s+expected {2}DF 04 82 00 24 80 01 03 \* 90 00\n\s+got {7}DF 04/,
    );
    expect(out).toContain("80 PIN tries: 0");
    expect(out).not.toContain("GET CHALLENGE");
    const onward = await apdu("script", ...blank, "--keep-going", script);
    expect(onward).toMatchObject({ code: 1, out: expect.stringContaining("GET CHALLENGE") });
    expect((await apdu("replay", ...blank, "--status-only", script)).code).toBe(0);
  });

  test("what is expected may be a refusal", async () => {
    expect(
      (await apdu("script", ...blank, file("refusal", "> GET DATA balance\n< 6982\n> GET CHALLENGE\n"))).code,
    ).toBe(0);
    expect((await apdu("script", ...blank, file("tries", "> 00 CA DF 10 00\n"))).code).toBe(1);
  });

  test("a line that is none: nothing is sent at all", async () => {
    const { code, out, err } = await apdu("script", ...blank, file("typo", "> GET CHALLENGE\n> 00 A4 0\n"));
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^Line 2: .*header\. Nothing was sent, and no money moved\. Put it right, and start again\.$/m);
    const named = await apdu("script", ...blank, file("name", "> GET CHALLENGE\n\n> GET NOTHING\n"));
    expect(named).toMatchObject({ code: 2, out: "", err: expect.stringMatching(/^Line 3: .* Nothing was sent, and/) });
    const missing = await apdu("script", ...blank, file("missing", "> GET CHALLENGE\n> VERIFY {pin}\n"));
    expect(missing).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringMatching(/wants \{pin\}.* Nothing was sent,/),
    });
  });

  test("a line that makes no sense only when its turn comes says what was sent", async () => {
    const script = file("proof", "> GET CHALLENGE\n> 00 82 00 00 20 {proof}\n> GET CHALLENGE\n");
    const { code, out, err } = await apdu(
      "script",
      ...blank,
      "--set",
      "key=00",
      file("long", `> GET CHALLENGE\n> 00CADF010020${"00".repeat(7000)}\n`),
    );
    expect({ code, sent: out.match(/^>/gm)?.length }).toEqual({ code: 2, sent: 1 });
    expect(err).toMatch(/^Line 2: .*takes\. It was not sent, nor anything after it; what stands before it was\.$/m);
    expect((await apdu("script", ...blank, script)).err).toMatch(/wants \{proof\}.*Nothing was sent,/);
  });

  test("an answer without a command, a card that is not there, a file that is not there", async () => {
    expect((await apdu("script", ...blank, file("answer", "< 9000\n"))).err).toMatch(/Line 1: .*no command/);
    expect((await apdu("script", ...blank, file("card", "@agent\n> GET CHALLENGE\n"))).err).toMatch(
      /Line 1: .*@agent.*@module/,
    );
    expect((await apdu("script", ...blank, join(folder, "none"))).code).toBe(2);
  });

  test("one card with all applets, on channels", async () => {
    const script = file(
      "channels",
      "> MANAGE CHANNEL open\n< 01 90 00\n> SELECT purse on 1\n< 6F * 90 00\n> GET DATA information\n< 6985\n",
    );
    expect(await apdu("script", "--blank", "card", script)).toMatchObject({ code: 0 });
  });
});

describe("decode and explain", () => {
  test("without a card", async () => {
    const command = await apdu("decode", "80 C2 00 00 05 00 01 81 05 00");
    expect(command).toMatchObject({ code: 1, err: "" });
    expect((await apdu("decode", "80C200000400018105", "")).out).toContain("command: LISTEN (5)");
    expect((await apdu("decode", "--as", "response", "6A 88")).out).toContain("6A88 (The chip does not have");
    expect((await apdu("decode", "3B 8F 80 01")).code).toBe(1);
    expect((await apdu("decode", "xyz")).code).toBe(2);
    expect(JSON.parse((await tally("--json", "apdu", "decode", "9000")).out)).toMatchObject({ title: "response" });
  });

  test("a whole session, without what is not in it", async () => {
    const { code, out } = await apdu(
      "decode",
      file("session", "> VERIFY {pin}\n< 63 C2\n> 80 12 00 00 00\n< 00 01 84 02 18 7B F4 F6 90 00\n"),
    );
    expect(code).toBe(0);
    expect(out).toContain("> VERIFY {pin}");
    expect(out).toContain("notice: ABORTED (2)");
  });

  test("what cannot be decoded was not decoded, and nobody speaks of sending", async () => {
    for (const words of [["xyz"], [file("typo", "> GET CHALLENGE\n> 00 A4 0\n")]]) {
      const { code, err } = await apdu("decode", ...words);
      expect(code).toBe(2);
      expect(err).toMatch(/\. Nothing was decoded\.$/m);
      expect(err).not.toContain("sent");
    }
  });

  test.each([
    ["6982", /PIN first/],
    ["CA", /GET DATA/],
    ["DF10", /balance/],
    ["123", /not enough money/],
    ["63Cx", /tries are left/],
    ["6881", /no such logical channel open/],
    ["verify", /^VERIFY {2}00 20[\s\S]*notice VERIFY/],
    ["read record", /P1 the number/],
  ])("explain %s", async (what, said) => {
    const { code, out } = await apdu("explain", ...what.split(" "));
    expect(code).toBe(0);
    expect(out).toMatch(said);
  });

  test("explain nonsense", async () => {
    expect((await apdu("explain", "nonsense")).code).toBe(2);
  });
});

describe("interactive", () => {
  test("piped: answers are decoded, help helps, and the end has an exit code", () => {
    const { code, out, err } = piped(
      "SELECT money-module\nhelp GET DATA balance\nGET DATA information\nquit\nGET DATA balance\n",
      "interactive",
      ...blank,
    );
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(out).toMatch(/> SELECT money-module\n\s+command: SELECT/);
    expect(out).toContain("83 life cycle: 0 (blank)");
    expect(out).toContain("82  spendable, 8");
    expect(out).not.toContain("> GET DATA balance");
  });

  test("a line that makes no sense does not end it; the exit code tells", () => {
    const lines = "frobnicate\nGET DATA balance\nVERIFY 4821\nreset\n@agent\n";
    const { code, out } = piped(lines, "interactive", ...blank, "--plain");
    expect(code).toBe(2);
    expect(out).toMatch(
      /"frobnicate" is not a command.*Nothing was sent by this line\.\n> GET DATA balance\n< 69 82\n.*\n.*\n> VERIFY \{pin\}\n< 69 85\n.*\n.*\nreset: the power was away\nThere is no card @agent/,
    );
    expect(piped("GET DATA balance\n", "interactive", ...blank).code).toBe(1);
    expect(piped("> GET DATA balance\n< 6982\n", "interactive", ...blank).code).toBe(0);
  });

  test("--json: a line for each", () => {
    const { out } = piped("GET CHALLENGE\nnonsense\n", "interactive", "--json", ...blank);
    const [first, second] = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(first).toMatchObject({ name: "GET CHALLENGE", status: "9000" });
    expect(second).toMatchObject({ error: { name: "SessionError" } });
  });

  test("recorded, and replayed on another chip of the same seed; on one of another seed it differs", () => {
    const path = join(folder, "recorded");
    const said = piped(
      "SELECT money-module\nGET CHALLENGE\nVERIFY 4821\n00 CA DF 05\nreset\nGET DATA counters\n",
      "record",
      ...blank,
      path,
    );
    expect(said.code).toBe(1);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const text = readFileSync(path, "utf8");
    expect(text).toContain("> VERIFY {pin}\n< 69 85\n");
    expect(text).not.toMatch(/4821|34 38 32 31/);
    expect(piped("", "replay", ...blank, "--set", "pin=4821", path)).toMatchObject({ code: 0 });
    const other = piped("", "replay", "--blank", "money-module", "--seed", "2", "--set", "pin=4821", path);
    expect(other.code).toBe(1);
    expect(other.out).toMatch(/!! line \d+: not as expected/);
    expect(
      piped("", "replay", "--blank", "money-module", "--seed", "2", "--set", "pin=4821", "--status-only", path),
    ).toMatchObject({ code: 0 });
    expect(piped("", "record", ...blank, path)).toMatchObject({ code: 2, err: expect.stringMatching(/already/) });
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  test("TALLY_RECORD records what any of the commands sends", async () => {
    const path = join(folder, "by-environment");
    vi.stubEnv("TALLY_RECORD", path);
    await apdu("send", ...blank, "GET CHALLENGE");
    vi.unstubAllEnvs();
    expect(readFileSync(path, "utf8")).toMatch(/^@module\n> 00 84 00 00 00\n< D5 B9 .* 90 00\n$/);
  });
});

test("a file of TALLY_RECORD that cannot be written is named, with what to do, and nothing is sent", async () => {
  const path = join(folder, "nowhere", "record");
  vi.stubEnv("TALLY_RECORD", path);
  const { code, out, err } = await apdu("send", ...blank, "GET CHALLENGE");
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toContain(`TALLY_RECORD names ${path}`);
  expect(err).toMatch(/ENOENT.*no money moved\. Name a file .* or leave TALLY_RECORD away/);
});

describe("a place", () => {
  /** The program with places in which there is one card. */
  async function withPlace(...words: string[]) {
    const events: string[] = [];
    const { transport } = blankTarget("money-module", "1");
    const place: CardPlace = {
      locator: "pcsc:Some Reader 00 00",
      title: "Some Reader 00 00",
      state: "card",
      connect: async () => {
        events.push("connected");
        return {
          name: "Some Reader 00 00",
          extendedLength: false,
          transmit: async (bytes) => transport.transmit(bytes),
          reset: () => transport.reset(),
          close: () => void events.push("closed"),
        };
      },
    };
    const places = () => ({
      list: async () => [place],
      missing: [],
      close: async () => void events.push("places closed"),
    });
    const program = new Command("tally").option("--json").exitOverride();
    addApdu(program, { places });
    let out = "";
    const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      out += text;
      return true;
    });
    try {
      await program.parseAsync(["apdu", ...words], { from: "user" });
    } finally {
      write.mockRestore();
      process.exitCode = undefined;
    }
    return { out, events };
  }

  test("is found by its locator, taken, and given back; a reader for short APDUs gets short ones", async () => {
    const { out, events } = await withPlace(
      "send",
      "--device",
      "pcsc:Some Reader 00 00",
      "--decode",
      "GET DATA digest",
    );
    expect(out).toContain("Le: 256");
    expect(events).toEqual(["connected", "closed", "places closed"]);
  });

  test("by two names of it is one card, taken once", async () => {
    const { events } = await withPlace("send", "--device", "reader", "--device", "Some Reader 00 00", "GET CHALLENGE");
    expect(events).toEqual(["connected", "closed", "places closed"]);
  });

  test("that there is not: says which there are, and gives all back", async () => {
    await expect(withPlace("send", "--device", "usb:1", "GET CHALLENGE")).rejects.toThrow(
      /no place "usb:1".*pcsc:Some Reader/,
    );
  });
});
