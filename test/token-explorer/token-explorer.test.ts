/** The token explorer: a bounded part of it, that it leaves nothing out, that it comes to the same twice, and that its auditor can fail. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { packageRoot, shippedApplet } from "../../simulator/applet-files.js";
import { conserved, settled } from "./auditor.js";
import { Shop } from "./buyer.js";
import { HOST_DEFECTS, PURSE_DEFECTS } from "./defects.js";
import { explore, FAULT_KINDS, type Job } from "./explore.js";
import { faultText, parseFault } from "./faults.js";
import { audited, run } from "./run.js";
import { STORIES, settle, storyNamed } from "./stories.js";
import { SEED } from "./workers.js";
import { Template, World } from "./world.js";

vi.setConfig({ testTimeout: 120_000 });

let template: Template;
const applet = shippedApplet("purse");

beforeAll(async () => {
  template = await Template.make(SEED);
});
afterAll(() => template.remove());

const whole: Omit<Job, "story"> = { kinds: [], pairs: undefined, share: { index: 0, of: 1 }, sample: 1 };
const options = () => ({ template, applet });

describe("stories", () => {
  it.each(STORIES.map(({ name }) => name))(
    "%s ends as it must without a fault, and with a sample of them",
    async (story) => {
      const explored = await explore({ ...whole, story, kinds: FAULT_KINDS, sample: 17 }, options());
      expect(explored.violations).toEqual([]);
      expect(explored.ways).toBeGreaterThan(10);
      expect(explored.halves).toBeGreaterThan(0);
    },
  );

  it("two faults while something is paid, and a few others", async () => {
    const pairs = { spends: true, sampled: 10, seed: "test" };
    const explored = await explore({ ...whole, story: "life", pairs, share: { index: 3, of: 12 } }, options());
    expect(explored.violations).toEqual([]);
    expect(explored.pairs).toBeGreaterThan(20);
  });
});

describe("what is explored", () => {
  it("is every operation of the chips, in however many parts", async () => {
    const job = { ...whole, story: "brought", kinds: ["cut"] as const };
    const all = await explore(job, options());
    expect(all.cutPoints).toBe(all.operations);
    expect(all.tears).toBeGreaterThan(all.operations * 8);
    const parts = [];
    for (const index of [0, 1, 2])
      parts.push((await explore({ ...job, share: { index, of: 3 } }, options())).cutPoints);
    expect(parts.reduce((sum, part) => sum + part)).toBe(all.operations);
  });

  it("is the same twice, and a fault has a name", async () => {
    const faults = [parseFault("message:3:lose-answer"), parseFault("crash:seller:6:before")];
    expect(faults.map(faultText)).toEqual(["message:3:lose-answer", "crash:seller:6:before"]);
    const told = async () => (await run(storyNamed("life"), faults, { ...options(), isTold: true })).lines;
    const lines = await told();
    expect(lines.length).toBeGreaterThan(20);
    expect(await told()).toEqual(lines);
    for (const words of ["cut:x:1", "crash:nobody:1:after", "message:1:eaten", "message:1:alter-answer-0", "flood:1"])
      expect(() => parseFault(words)).toThrow(RangeError);
    for (const words of ["cut:3:1", "restart:card:2", "message:1:alter-answer-0-last"])
      expect(faultText(parseFault(words))).toBe(words);
  });

  it("strikes what it names, or says that there is nothing", async () => {
    const missing = parseFault("cut:5000:0");
    expect((await run(storyNamed("life"), [missing], options())).missed).toEqual([missing]);
  });
});

describe("the auditor", () => {
  /** Statements that change the books behind everybody's back, and what it says of them. */
  const crimes: readonly (readonly [string, "mint" | "seller", RegExp])[] = [
    [
      "update ledger_account set balance = balance + 1 where id = 'deposits/alice'",
      "mint",
      /does not balance|there were/,
    ],
    ["update token_purse set amount_redeemed = amount_redeemed + 1", "mint", /paid \d+ for/],
    ["update token_purse set tokens_redeemed = tokens_redeemed + 1", "mint", /are marked/],
    ["update token_purse set state = 'open'", "mint", /is still open/],
    ["update seller_acceptance set amount = amount + 1", "seller", /was paid/],
    ["delete from seller_acceptance", "seller", /never accepted/],
    ["update seller_purse set state = 'open'", "seller", /still open/],
    [
      "update seller_acceptance set order_hash = (select min(order_hash) from seller_acceptance)",
      "seller",
      /no chip showed/,
    ],
  ];

  it.each(crimes)("notices: %s", async (statement, who, said) => {
    const world = new World({ template, applet, faults: [] });
    try {
      await world.start();
      const shop = new Shop(world);
      await storyNamed("life").tell(world, shop);
      expect(await settle(world, shop, 1)).toBe(true);
      await world.recover();
      expect(await settled(await audited(world, shop))).toEqual([]);
      await sql.raw(statement).execute(world[who].database);
      expect((await settled(await audited(world, shop))).join("; ")).toMatch(said);
    } finally {
      await world.stop();
    }
  });

  it("notices in the middle of a life that tokens are out which nobody owes", async () => {
    const world = new World({ template, applet, faults: [] });
    try {
      await world.start();
      const shop = new Shop(world);
      await storyNamed("life").tell(world, shop);
      expect(await conserved(await audited(world, shop))).toEqual([]);
      await sql`delete from token_redeemed`.execute(world.mint.database);
      expect(await conserved(await audited(world, shop))).not.toEqual([]);
    } finally {
      await world.stop();
    }
  });
});

// A seller that learns by the closing notice that its purse was over never books what it had not redeemed as refused.
it("a seller that was too late knows what it lost", async () => {
  const world = new World({ template, applet, faults: [] });
  try {
    await world.start();
    const shop = new Shop(world);
    await storyNamed("late").tell(world, shop);
    expect(await settle(world, shop, 1)).toBe(true);
    expect(world.seller.program.balance()).toEqual([
      expect.objectContaining({ accepted: 13n, credited: 6n, refused: 7n }),
    ]);
  } finally {
    await world.stop();
  }
});

/** How often a defect's place is there. */
function timesIn(path: string, find: string): number {
  return readFileSync(join(packageRoot(), path), "utf8").split(find).length - 1;
}

it("has defects enough, each with a name of its own and a place that is there", () => {
  const names = [...PURSE_DEFECTS, ...HOST_DEFECTS].map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(PURSE_DEFECTS.length).toBeGreaterThanOrEqual(10);
  expect(HOST_DEFECTS.length).toBeGreaterThanOrEqual(8);
  for (const { edits, name } of PURSE_DEFECTS)
    for (const { find, path } of edits) expect([name, timesIn(path, find)]).toEqual([name, 1]);
  // The compiler writes the same for the package as for the tool, which edits a copy of it.
  for (const { find, module, name } of HOST_DEFECTS)
    expect([name, timesIn(`dist/${module}.js`, find)]).toEqual([name, 1]);
});
