/** An owner's chips as card applications: whose they are, that they are nobody else's meanwhile, and what is refused. */

import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AID_MONEY_MODULE, AID_PURSE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import { aidOf } from "../../host/applets.js";
import { toHex } from "../../host/codec/bytes.js";
import { Element } from "../../host/element.js";
import { NoChipsError, openOwnersChips } from "../../host/world/card.js";
import { PartInUseError } from "../../host/world/claims.js";
import { FolderHome, HomeForbiddenError } from "../../host/world/home.js";
import { NoWorldError, Site, UnknownNameError } from "../../host/world/site.js";
import { HomeTokens } from "../../host/world/tokens.js";
import { homeIn, openWallet, partsIn } from "../../host/world/wallet.js";
import { Card } from "../../simulator/card/card.js";
import { transportTo } from "../support/cards.js";
import { contentsOf, tally, unpackHome } from "../support/homes.js";

let folder: string;
let template: string;
let home: FolderHome;
const open: FolderHome[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-test-"));
  template = join(folder, "template");
  unpackHome(template);
  const { code, err } = await tally("--home", template, "wallet", "balance", "alice");
  expect(err).toBe("");
  expect(code).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(() => {
  const place = mkdtempSync(join(folder, "home-"));
  cpSync(template, place, { recursive: true });
  home = openHome(place);
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

function openHome(place: string): FolderHome {
  const opened = new FolderHome(place);
  open.push(opened);
  return opened;
}

const aids = (chips: Awaited<ReturnType<typeof openOwnersChips>>) =>
  chips.map(({ application }) => toHex(application.aid));
const names = (...applets: number[]) => applets.map((applet) => toHex(aidOf(applet)));

describe("the chips of an owner", () => {
  test("are agent and module, without power, and the same that the home knows", async () => {
    const chips = await openOwnersChips(partsIn(home), "alice");
    expect(aids(chips)).toEqual(names(AID_TRUSTED_AGENT, AID_MONEY_MODULE));
    expect(chips.map(({ sort }) => sort)).toEqual(["agent", "module"]);
    for (const { application } of chips) expect(application.element.isOn).toBe(false);
    const card = new Card(chips.map(({ application }) => application));
    card.powerOn();
    const module = await Element.select(transportTo(card, true), AID_MONEY_MODULE);
    expect(toHex(module.id)).toBe(Site.read(partsIn(home)).record("alice").module?.id);
  });

  test("include the token purse of who has one", async () => {
    const tokens = await HomeTokens.open(Site.read(partsIn(home)));
    await tokens.purse("alice");
    await tokens.close();
    await home.close();
    const again = openHome(home.place);
    expect(aids(await openOwnersChips(partsIn(again), "alice"))).toEqual(
      names(AID_TRUSTED_AGENT, AID_MONEY_MODULE, AID_PURSE),
    );
    expect(aids(await openOwnersChips(partsIn(again), "bob"))).toEqual(names(AID_TRUSTED_AGENT, AID_MONEY_MODULE));
    const other = openHome(home.place);
    expect(() => other.claim("purse-alice")).toThrow(PartInUseError);
    other.claim("purse-bob");
  });

  test("are nobody else's until the home is closed, and the wallet may be somebody's", async () => {
    await openOwnersChips(partsIn(home), "alice");
    const other = openHome(home.place);
    other.claim("wallet-alice");
    await expect(openOwnersChips(partsIn(other), "alice")).rejects.toThrow(PartInUseError);
    await expect(openWallet(partsIn(openHome(home.place)), "alice")).rejects.toThrow(PartInUseError);
    await openOwnersChips(partsIn(other), "bob");
    await home.close();
    await openOwnersChips(partsIn(other), "alice");
  });

  test("change nothing of the home but the locks", async () => {
    const kept = () => [...contentsOf(home.place)].filter(([name]) => !/^parts\/|\/lock$/.test(name));
    const before = kept();
    await openOwnersChips(partsIn(home), "alice");
    expect(kept()).toEqual(before);
  });

  test("of nobody, of somebody else's home, or of no home are refused by name", async () => {
    await expect(openOwnersChips(partsIn(home), "nobody")).rejects.toThrow(UnknownNameError);
    await expect(openOwnersChips(partsIn(home), "nobody")).rejects.toThrow(/no device "nobody".*No money moved.*alice/);
    const empty = openHome(join(folder, "empty"));
    await expect(openOwnersChips(partsIn(empty), "alice")).rejects.toThrow(NoWorldError);
  });

  test("in a home that this user may not read are not said to be nowhere", () => {
    const shut = join(folder, "shut");
    mkdirSync(shut);
    writeFileSync(join(shut, "world.json"), "{}");
    chmodSync(shut, 0);
    // Root may read everything.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.("nobody");
    try {
      expect(() => homeIn(shut)).toThrow(HomeForbiddenError);
      expect(() => homeIn(shut)).toThrow(/may not read .*shut.*no money moved.*--home/);
    } finally {
      if (isRoot) process.seteuid?.(0);
      chmodSync(shut, 0o700);
    }
    expect(() => homeIn(join(folder, "nowhere"))).toThrow(NoWorldError);
  });

  test("in a home of their own are its owner's; a blank chip never takes the place of one that is gone", async () => {
    const place = join(folder, "daves");
    const made = await tally("--home", home.place, "device", "provision", "dave", "--into", place);
    expect(made.err).toBe("");
    const own = openHome(place);
    await expect(openOwnersChips(partsIn(own), "alice")).rejects.toThrow(/no device "alice".*dave/);
    expect(aids(await openOwnersChips(partsIn(own), "dave"))).toEqual(names(AID_TRUSTED_AGENT, AID_MONEY_MODULE));
    await own.close();
    const flash = readFileSync(join(place, "chips/dave.module/flash.bin"));
    rmSync(join(place, "chips/dave.module"), { recursive: true });
    const robbed = openHome(place);
    await expect(openOwnersChips(partsIn(robbed), "dave")).rejects.toThrow(NoChipsError);
    await expect(openOwnersChips(partsIn(robbed), "dave")).rejects.toThrow(/dave\.module is not in .*no money moved/);
    expect(robbed.holds("chips/dave.module")).toBe(false);
    expect(flash.length).toBeGreaterThan(0);
  });
});
