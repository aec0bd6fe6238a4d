/** A home in a folder one of whose devices is on a card: every command copes, with the card and without it. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as pathOf } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type JoinOrder, joinSite } from "../../host/world/join.js";
import { Site } from "../../host/world/site.js";
import { homeIn, partsIn } from "../../host/world/wallet.js";
import { blankApplications } from "../support/cards.js";
import { contentsOf, tally, unpackHome } from "../support/homes.js";
import { TornPlaces } from "./torn-places.js";

const ORDER: JoinOrder = { name: "dave", holder: "Dave", card: "USD 5.00", deposits: [], device: ["A"] };

let folder: string;
let home: string;
let places: TornPlaces;
beforeEach(() => {
  folder = mkdtempSync(pathOf(tmpdir(), "tallystick-provision-"));
  home = pathOf(folder, "home");
  unpackHome(home);
  places = new TornPlaces();
  places.put("A", blankApplications("dave").slice(0, 2));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (...words: string[]) => tally("--home", home, ...words);
const state = () => JSON.parse(readFileSync(pathOf(home, "world.json"), "utf8"));

/** In a process that sees the card; the commands of these tests see no reader at all. */
async function joined(): Promise<unknown> {
  const parts = { ...partsIn(homeIn(home)), places: () => places };
  try {
    return await joinSite(Site.read(parts), ORDER);
  } finally {
    await parts.home.close();
  }
}

describe("a device of the home that is on a card", () => {
  test("is known, and its chips are asked for where they are needed; all else goes on", async () => {
    await joined();
    expect(state()).toMatchObject({ version: 3 });
    expect(existsSync(pathOf(home, "chips/dave.agent"))).toBe(false);
    expect((await run("device", "list")).out).toMatch(/^dave +customer +customer's agent, money module, on a card$/m);
    const { devices } = JSON.parse((await run("--json", "device", "list")).out);
    expect(devices.filter(({ onCard }: { onCard?: boolean }) => onCard)).toMatchObject([{ name: "dave" }]);
    for (const words of [
      ["wallet", "balance", "dave"],
      ["wallet", "pay", "alice", "dave", "USD 1.00"],
      ["device", "info", "dave"],
      ["device", "pin", "dave", "--new", "4711"],
    ]) {
      const { code, err } = await run(...words);
      expect([code, err], words.join(" ")).toEqual([
        1,
        expect.stringMatching(/chips of dave were not found\. No money moved.*Put the card into a reader/),
      ]);
    }
    expect((await run("card", "start", "dave")).err).toMatch(/chips of dave are on a card and not in the home/);
    expect((await run("device", "provision", "dave")).err).toMatch(/there already/);
    expect((await run("wallet", "pay", "alice", "bob", "USD 1.00")).code).toBe(0);
    const { code, out } = await run("audit");
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^Not counted: dave, on cards that are not here\. Put them/m),
    ]);
    expect(JSON.parse((await run("--json", "audit")).out).missing).toEqual(["dave"]);
  });

  test("is finished with its card alone, whoever asks; till then it is not there for anybody else", async () => {
    places.tear(45, "done");
    await expect(joined()).rejects.toThrow(/broken off/);
    places.tear();
    const { device } = state().customers[0].unfinished.onCard;
    for (const words of [[], ["--into", pathOf(folder, "into")]]) {
      const { code, err } = await run("device", "provision", "dave", ...words);
      expect([code, err]).toEqual([
        1,
        expect.stringMatching(words.length === 0 ? /begun on a card/ : /--into was not/),
      ]);
    }
    expect((await run("device", "provision", "dave")).err).toContain(device.agent.id);
    expect((await run("wallet", "balance", "dave")).err).toMatch(/never finished/);
    expect((await run("audit")).code).toBe(0);
    await joined();
    expect(state().devices.filter(({ name }: { name: string }) => name === "dave")).toEqual([device]);
    expect(JSON.stringify(state())).not.toContain("unfinished");
  });

  test("is not begun where no card is, and nothing is left of it", async () => {
    const before = contentsOf(home);
    const into = pathOf(folder, "into");
    for (const words of [[], ["--into", into]]) {
      const { code, err } = await run("device", "provision", "dave", "--device", "pcsc:Nowhere", ...words);
      expect([code, err]).toEqual([1, expect.stringMatching(/no place "pcsc:Nowhere".*No money moved/)]);
    }
    expect(existsSync(into)).toBe(false);
    const after = contentsOf(home);
    for (const [name, content] of before)
      if (!/^(parts|books)\//.test(name)) expect(after.get(name), name).toBe(content);
  });

  test("is what this program wrote, or the home is refused", async () => {
    places.tear(45, "done");
    await expect(joined()).rejects.toThrow(/broken off/);
    const path = pathOf(home, "world.json");
    const text = readFileSync(path, "utf8");
    for (const damage of [
      (onCard: { begun?: unknown }) => ({ ...onCard, begun: undefined }),
      (onCard: object) => ({ ...onCard, device: { name: "dave" } }),
      () => null,
    ]) {
      const damaged = JSON.parse(text);
      damaged.customers[0].unfinished.onCard = damage(damaged.customers[0].unfinished.onCard);
      writeFileSync(path, JSON.stringify(damaged));
      expect((await run("device", "provision", "dave")).err).toMatch(
        /list of customers.*Nothing was changed and no money/,
      );
    }
  });
});
