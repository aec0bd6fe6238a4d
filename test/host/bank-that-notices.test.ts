import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { REASON_BAD_ID } from "../../firmware/protocol/reasons.js";
import { deposit } from "../../host/applications/deposit.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import { withdraw } from "../../host/applications/withdraw.js";
import { run } from "../../host/cli/program.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { checkFraudProof } from "../../host/fraud-verifier.js";
import { parseMoney } from "../../host/units.js";
import { FolderHome } from "../../host/world/home.js";
import { createWorld } from "../../host/world/init.js";
import { partsIn } from "../../host/world/wallet.js";
import { World } from "../../host/world/world.js";
import { reasonOf } from "../support/refusals.js";

const TEN = parseMoney("USD 10.00");
const { unit } = TEN;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const home = () => join(folder, "home");
const open = (path: string) => ({ ...partsIn(new FolderHome(path)), network: "in-process" as const });

async function tally(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: "", err: "" };
  const out = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    said.out += text;
    return true;
  });
  const err = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said.err += text;
    return true;
  });
  const codeBefore = process.exitCode;
  process.exitCode = undefined;
  try {
    return { code: await run(["--home", home(), ...words]), ...said };
  } finally {
    process.exitCode = codeBefore;
    out.mockRestore();
    err.mockRestore();
  }
}

async function hand(world: World, from: string, to: string): Promise<void> {
  const [near, far] = inProcessLink();
  const receiving = receive(world.device(to), far);
  const [paid, received] = await Promise.allSettled([pay(world.device(from), near, TEN), receiving]);
  if (paid.status === "rejected") throw paid.reason;
  if (received.status === "rejected") throw received.reason;
}

/** A world in which bob's and carol's, and alice's, modules may come to the counter. */
async function newWorld(): Promise<World> {
  const world = await createWorld(open(home()));
  for (const name of ["alice", "bob", "carol"]) {
    await world.books.openDeposit(name, unit);
    await world.books.link(name, world.device(name).module.idHex);
    await world.books.fund({ id: `funds of ${name}`, account: name, amount: TEN.amount, unit });
  }
  await withdraw(world.device("alice"), world.bank, "alice", TEN);
  await world.bank.idle();
  return world;
}

/** Alice opens her chip in a laboratory, and spends what is in it twice. */
async function spendTwice(world: World): Promise<void> {
  const alice = world.device("alice");
  const { simulated } = await world.parts.home.chips.chip("alice.module", "module");
  await alice.restart(world.site.record("alice").pin);
  const copy = simulated.snapshot();
  await hand(world, "alice", "bob");
  simulated.restore(copy);
  await alice.restart(world.site.record("alice").pin);
  await hand(world, "alice", "carol");
}

describe("the bank that notices", () => {
  test("a copied module spends a note twice", { timeout: 120_000 }, async () => {
    const world = await newWorld();
    const culprit = world.device("alice").module.idHex;
    await spendTwice(world);
    expect(
      (await world.audit()).every((line) => line.balanced),
      "there is more money than was issued",
    ).toBe(false);

    await deposit(world.device("bob"), world.bank, "bob", TEN);
    await world.bank.idle();
    expect(await world.bank.findings()).toEqual([]);
    await deposit(world.device("carol"), world.bank, "carol", TEN);
    await world.bank.idle();

    // Both victims were paid, and the bank bears the loss.
    for (const name of ["bob", "carol"]) expect(await world.books.depositBalance(name)).toBe(2_000n);
    expect(await world.books.balance("fraud-loss", unit)).toBe(1_000n);
    expect(await world.books.audit()).toEqual([]);
    expect((await world.audit()).every((line) => line.balanced)).toBe(true);

    const findings = await world.bank.findings();
    expect(findings.map(({ kind, culprit: who }) => [kind, who])).toEqual([
      ["parts", culprit],
      ["counter", culprit],
    ]);
    for (const { proof } of findings) {
      const verdict = checkFraudProof(proof as Uint8Array, world.agencies.modules.root);
      expect(verdict).toMatchObject({ proved: true, culprit });
    }

    // The bank's own modules know at once, the others when they are opened next.
    const version = async (name: string) => (await world.device(name).module.counters()).listVersion;
    expect([await version("teller"), await version("generator"), await version("bob")]).toEqual([1n, 1n, 0n]);
    const refused = withdraw(world.device("alice"), world.bank, "alice", TEN);
    expect(await reasonOf(refused)).toBe(REASON_BAD_ID);
    await world.bank.idle();
    await world.close();

    const again = await World.open(open(home()));
    for (const { parts, name } of again.devices.values()) {
      if (parts.module !== undefined) expect([name, (await parts.module.counters()).listVersion]).toEqual([name, 1n]);
    }
    await withdraw(again.device("bob"), again.bank, "bob", TEN);
    expect(await reasonOf(hand(again, "bob", "alice"))).toBe(REASON_BAD_ID);
    await hand(again, "bob", "carol");
    expect(await again.bank.findings()).toEqual(findings);
    await again.close();
    await checkCommands(culprit);
  });
});

/** The same from the command line, by somebody who has the proof and the root and nothing else. */
async function checkCommands(culprit: string): Promise<void> {
  const file = join(folder, "alice.proof");
  const rootFile = join(folder, "root.json");
  const listed = await tally("--json", "proof", "list");
  expect(JSON.parse(listed.out).findings).toMatchObject([
    { number: 1, kind: "parts", culprit },
    { number: 2, kind: "counter", culprit },
  ]);
  const unsure = await tally("proof", "list", "--out", file);
  expect([unsure.code, existsSync(file)]).toEqual([1, false]);
  expect((await tally("proof", "list", "1", "--out", file)).code).toBe(0);
  writeFileSync(rootFile, (await tally("proof", "root")).out);
  expect(readFileSync(rootFile, "utf8")).not.toMatch(/seed/i);
  for (const root of [rootFile, home()]) {
    const checked = await tally("proof", "check", file, "--root", root);
    expect(checked).toMatchObject({ code: 0, out: expect.stringMatching(new RegExp(`Proved: module ${culprit}`)) });
  }
  const json = await tally("--json", "proof", "check", file, "--root", rootFile);
  expect(JSON.parse(json.out)).toMatchObject({ proved: true, kind: "record parts", culprit });

  const proof = readFileSync(file);
  proof[proof.length - 20] = (proof[proof.length - 20] ?? 0) ^ 1;
  writeFileSync(join(folder, "altered"), proof);
  const altered = await tally("proof", "check", join(folder, "altered"), "--root", rootFile);
  expect(altered).toMatchObject({ code: 1, out: expect.stringMatching(/Nothing is proved/) });
  const lost = await tally("proof", "check", join(folder, "nowhere"), "--root", rootFile);
  expect(lost).toMatchObject({ code: 1, err: expect.stringMatching(/no file/) });
  expect((await tally("proof", "check", file, "--root", file)).err).toMatch(/is no root/);
}
