/** One way: a story with faults, to its end, and the auditor's verdict. */

import type { Applet } from "../../simulator/applet.js";
import { type Audited, conserved, settled } from "./auditor.js";
import { Buyer, Shop } from "./buyer.js";
import type { Traced } from "./chip.js";
import type { Fault, ServiceName } from "./faults.js";
import { type Story, settle } from "./stories.js";
import type { Sent } from "./wire.js";
import { DEPOSIT_CENTS, type Makers, Stuck, type Template, World } from "./world.js";

export interface Way {
  /** What was not as it must be; empty is well. */
  readonly wrong: readonly string[];
  /** Faults that found nothing to strike. */
  readonly missed: readonly Fault[];
  readonly sent: readonly Sent[];
  readonly operations: number;
  readonly commits: Readonly<Record<ServiceName, number>>;
  readonly trace: readonly Traced[];
  /** Halves that left the chips. */
  readonly halves: number;
  readonly lines: readonly string[];
}

export interface RunOptions {
  readonly template: Template;
  readonly applet: Applet;
  readonly makers?: Partial<Makers>;
  readonly isTraced?: boolean;
  readonly isTold?: boolean;
}

export async function run(story: Story, faults: readonly Fault[], options: RunOptions): Promise<Way> {
  const world = new World({ ...options, faults });
  const lines: string[] = [];
  if (options.isTold === true) world.wire.note = (line) => lines.push(line);
  const wrong: string[] = [];
  const shop = new Shop(world);
  try {
    await world.start();
    await story.tell(world, shop);
    wrong.push(...(await conserved(await audited(world, shop))));
    if (!(await settle(world, shop, story.buyers))) wrong.push("it is never settled");
    await world.wire.flush();
    await world.recover();
    if (!(await settle(world, shop, story.buyers))) wrong.push("it is not settled when an old message has come");
    await world.recover();
    wrong.push(...(await ownFindings(world)));
    wrong.push(...(await settled(await audited(world, shop, story.mayLose))));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    wrong.push(error instanceof Stuck ? error.message : `${error.name}: ${error.message}`);
  } finally {
    await world.stop();
  }
  wrong.push(...world.halves.wrong);
  if (world.isEndless) wrong.push("timers are set without an end");
  for (const card of world.cards) if (card.violations > 0) wrong.push("a chip broke a rule of its flash");
  const commits = { mint: world.mint.commits, service: world.service.commits, seller: world.seller.commits };
  return {
    wrong: [...new Set(wrong)],
    missed: world.missed(faults),
    sent: world.wire.sent,
    operations: world.operations.next,
    commits,
    trace: world.trace,
    halves: world.halves.count,
    lines,
  };
}

export async function audited(world: World, shop: Shop, mayLose = false): Promise<Audited> {
  await world.recover();
  const { template } = world;
  const owners = ["alice", "bob"];
  const buyers = await Promise.all(
    owners.map(async (account, index) => {
      const { id } = new Buyer(world, index);
      return { account, id, records: await recordsOf(world, index) };
    }),
  );
  return {
    issuers: [
      { name: "mint", books: world.mint.database, isBank: true },
      { name: "service", books: world.service.database, isBank: false },
    ],
    seller: {
      id: template.sellerId,
      books: world.seller.database,
      account: "shop",
      balances: world.seller.program.balance(),
    },
    buyers,
    halves: world.halves,
    before: new Map([...owners.map((owner) => [owner, DEPOSIT_CENTS] as const), ["shop", 0n]]),
    mayLose,
    purchases: shop.purchases.map((each) => ({ ...each, isDelivered: shop.delivered.has(each.name) })),
  };
}

/** What the parties find themselves. */
async function ownFindings(world: World): Promise<string[]> {
  const { mint, seller, service } = world;
  const found: string[] = [];
  for (const issuer of [mint, service])
    found.push(...(await world.until("audit", () => issuer.call("audit", (program) => program.audit()))).faults);
  found.push(...(await world.until("audit", () => seller.call("audit", (program) => program.audit()))));
  return found;
}

const FILE_PURSES = 4;

async function recordsOf(world: World, index: number): Promise<unknown[]> {
  const card = world.cards[index];
  if (card === undefined) return [];
  return card.purse.element.records(FILE_PURSES);
}
