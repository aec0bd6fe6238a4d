import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AID_MONEY_MODULE, AID_PURSE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import { PartInUseError } from "../../host/world/claims.js";
import { FolderHome } from "../../host/world/home.js";
import { openPurse } from "../../host/world/shop.js";
import { DamagedChipError } from "../../host/world/site.js";
import { homeIn, openWallet, partsIn } from "../../host/world/wallet.js";
import type { CardApplication } from "../../simulator/card/card.js";
import { tally, unpackHome } from "../support/homes.js";
import { application, TablePlaces } from "./places.js";

let folder: string;
/** The process that is the card, beside the one that is the wallet. */
let card: FolderHome;
let places: TablePlaces;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-test-"));
  unpackHome(folder);
  card = new FolderHome(folder);
  places = new TablePlaces();
});
afterEach(async () => {
  await card.close();
  rmSync(folder, { recursive: true, force: true });
});

async function putIn(owner: string, title: string): Promise<void> {
  card.claim(`chips-${owner}`);
  const agent = await card.chips.chip(`${owner}.agent`, "agent");
  const module = await card.chips.chip(`${owner}.module`, "module");
  places.put(title, application(AID_TRUSTED_AGENT, agent.simulated), application(AID_MONEY_MODULE, module.simulated));
}

function open(owner: string, options: { device?: string | string[]; pin?: string } = {}) {
  return openWallet({ ...partsIn(homeIn(folder)), places: () => places }, owner, options);
}

async function dollarsOf(owner: string, options: { device?: string | string[] } = {}): Promise<bigint | undefined> {
  const wallet = await open(owner, options);
  const [balance] = await wallet.balances();
  await wallet.close();
  return balance?.spendable;
}

describe("a wallet of the home whose chips are on a card", () => {
  test("is opened where they were said to be, and wherever they are", async () => {
    await putIn("alice", "A");
    await putIn("bob", "B");
    expect(await dollarsOf("alice", { device: "pcsc:A" })).toBe(1250n);
    expect(await dollarsOf("alice", { device: ["a"] })).toBe(1250n);
    expect(places.cards.some(({ isOn }) => isOn)).toBe(false);
    expect(places.isClosed).toBe(true);
    // The chips are not to be had in the home: another process has them.
    expect(await dollarsOf("alice")).toBe(1250n);
    await expect(open("alice", { device: "B" })).rejects.toThrow(/other chips/);
    expect(places.cards.some(({ isOn }) => isOn)).toBe(false);
  });

  test("lets go of the card when its PIN is wrong", async () => {
    await putIn("alice", "A");
    await expect(open("alice", { device: "A", pin: "0000" })).rejects.toThrow(/PIN is wrong/);
    expect(places.cards[0]?.isOn).toBe(false);
    expect(await dollarsOf("alice", { device: "A" })).toBe(1250n);
  });

  test("is not found where nobody has put the card into a reader", async () => {
    card.claim("chips-alice");
    const error = await open("alice").catch((reason: Error) => reason);
    expect(error).toMatchObject({ name: "ChipsNotFoundError", cause: expect.any(PartInUseError) });
    // Who has no readers at all must learn that another program of theirs has the chips.
    expect(error).toMatchObject({ message: expect.stringMatching(/working .* with the chips of alice.*No reader/) });
    // What only one process may do is refused as before.
    card.claim("wallet-bob");
    await expect(open("bob")).rejects.toThrow(PartInUseError);
  });

  test("is not looked for elsewhere when a chip of the home is damaged", async () => {
    writeFileSync(join(folder, "chips/alice.module/keys.bin"), "");
    await expect(open("alice")).rejects.toThrow(DamagedChipError);
    expect(places.isClosed).toBe(false);
  });

  test("is the home's own again when the card is", async () => {
    expect(await dollarsOf("alice")).toBe(1250n);
    expect(places.isClosed).toBe(false);
  });
});

describe("--device", () => {
  test("names at most two places, and none is empty", async () => {
    const command = (...words: string[]) => tally("--home", folder, "wallet", "balance", "alice", ...words);
    expect((await command("--device", "")).code).toBe(2);
    expect((await command("--device", "a", "--device", "b", "--device", "c")).code).toBe(2);
  });

  test("of a name that would move the cursor is shown without doing so", async () => {
    const { err } = await tally("--home", folder, "wallet", "balance", "alice", "--device", "usb:\u001b[2J");
    expect(err).toMatch(/There is no place "usb:\ufffd\[2J"/);
  });
});

describe("a purse on its owner's card", () => {
  async function pursesOf(owner: string, device?: string) {
    const purse = await openPurse({ ...partsIn(homeIn(folder)), places: () => places }, owner, undefined, device);
    const purses = await purse.card.purses();
    await purse.close();
    return purses;
  }

  async function withPurse(title: string): Promise<CardApplication> {
    card.claim("chips-alice");
    card.claim("purse-alice");
    const agent = await card.chips.chip("alice.agent", "agent");
    const purse = await card.chips.chip("alice.purse", "purse");
    const onCard = application(AID_PURSE, purse.simulated);
    places.put(title, application(AID_TRUSTED_AGENT, agent.simulated), onCard);
    return onCard;
  }

  test("is found where it was said to be, and wherever the card is", async () => {
    await expect(pursesOf("alice", "A")).rejects.toThrow(/has no purse yet/);
    expect(await pursesOf("alice")).toEqual([]);
    await withPurse("A");
    await putIn("bob", "B");
    expect(await pursesOf("alice", "A")).toEqual([]);
    expect(await pursesOf("alice")).toEqual([]);
    await expect(pursesOf("alice", "B")).rejects.toThrow(/no purse on the card in B/);
    expect(places.cards.some(({ isOn }) => isOn)).toBe(false);
  });

  test("is not asked beside an agent of its owner's and a module of somebody else's", async () => {
    await pursesOf("alice");
    const onCard = await withPurse("A");
    const agent = await card.chips.chip("alice.agent", "agent");
    const module = await card.chips.chip("bob.module", "module");
    const mixed = [application(AID_TRUSTED_AGENT, agent.simulated), application(AID_MONEY_MODULE, module.simulated)];
    places.put("Mixed", ...mixed, onCard);
    await expect(pursesOf("alice", "Mixed")).rejects.toThrow(/other chips than those of alice/);
  });

  test("that is another's is refused before its PIN is tried where its agent says so, and afterwards else", async () => {
    await pursesOf("alice");
    await pursesOf("bob");
    const alices = await withPurse("A");
    await expect(pursesOf("bob", "A")).rejects.toThrow(/other chips/);
    places.put("Alone", alices);
    await expect(pursesOf("bob", "Alone")).rejects.toThrow(/PIN is wrong|other chips/);
    expect(places.cards.some(({ isOn }) => isOn)).toBe(false);
  });
});
